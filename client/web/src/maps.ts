// The six maps, linked: tabs, tools, pointer and keys.
import { announce, byId, h, Segmented } from "./dom";
import { setShape } from "./probe";
import type { Choice } from "./planes";
import { choices, defaults, hasDenoised } from "./planes";
import type { Grid, Point, Quantity, Shape, Tab, Tool } from "./state";
import { changed, grid as gridOf, keep, kept, server, ui, view } from "./state";
import type { Hint } from "./tile";
import { Tile } from "./tile";
import { openRange } from "./range";
import type { Snapshot } from "./types";
import { pixelBox, viewport } from "./viewport";

const TILES = 6;
const CLICK_PX = 4;

export class MapView {
    readonly tiles: Tile[];
    private readonly tabs: Segmented<Tab>;
    private readonly quantity: Segmented<Quantity>;
    private readonly source: Segmented<"raw" | "denoised">;
    private readonly decomposition: Segmented<"pca" | "nmf">;
    private readonly tools: Segmented<Tool>;
    private drag: { tile: Tile; x: number; y: number; path: Point[]; moved: boolean; part: Point } | null = null;
    private pointers = new Map<number, { x: number; y: number }>();
    private corner: Point | null = null;

    constructor() {
        this.tiles = Array.from(
            { length: TILES },
            (_, i) => new Tile(i, { choose: (id) => this.choose(i, id), range: openRange, resized: changed }),
        );
        byId("tiles").append(...this.tiles.map((t) => t.root));
        this.tabs = new Segmented<Tab>(
            "Kind of maps",
            [
                { id: "elements", label: "Elements" },
                { id: "components", label: "Components" },
                { id: "ratios", label: "Ratios" },
            ],
            (tab) => ((ui.tab = tab), changed()),
        );
        this.quantity = new Segmented<Quantity>(
            "Quantity",
            [
                { id: "value", label: "Value" },
                { id: "sigma", label: "σ", title: "The error of every pixel" },
                { id: "snr", label: "S/N", title: "Value over σ" },
            ],
            (q) => ((ui.quantity = q), changed()),
        );
        this.source = new Segmented<"raw" | "denoised">(
            "Fractions",
            [
                { id: "raw", label: "Raw" },
                { id: "denoised", label: "Denoised" },
            ],
            (s) => ((ui.denoised = s === "denoised"), changed()),
        );
        this.decomposition = new Segmented<"pca" | "nmf">(
            "Components from",
            [
                { id: "pca", label: "PCA" },
                { id: "nmf", label: "NMF" },
            ],
            (componentsFrom) => keep({ componentsFrom }),
        );
        this.tools = new Segmented<Tool>(
            "Pointer",
            [
                { id: "move", label: "Point", title: "Click a pixel for its spectrum; drag to move, wheel to zoom" },
                { id: "box", label: "Box", title: "Drag a rectangle" },
                { id: "lasso", label: "Lasso", title: "Draw an outline" },
                { id: "line", label: "Line", title: "Drag a line for its profile" },
            ],
            (t) => ((ui.tool = t), changed()),
        );
        const reset = h(
            "button",
            { type: "button", class: "plain", title: "Show the whole scan (0)", click: () => viewport.reset() },
            "Fit",
        );
        byId("map-bar").append(
            this.tabs.root,
            this.quantity.root,
            this.source.root,
            this.decomposition.root,
            h("span", { class: "grow" }),
            this.tools.root,
            reset,
        );
        for (const tile of this.tiles) this.listen(tile);
    }

    private choose(i: number, id: string): void {
        const ids = this.ids(view());
        ids[i] = id;
        keep({ tiles: { ...kept.tiles, [ui.tab]: ids } });
    }

    /** What the tiles show: as chosen, where that still exists. */
    private ids(snapshot: Snapshot): string[] {
        const usual = defaults(snapshot, ui.tab);
        const chosen = kept.tiles[ui.tab];
        if (!chosen) return [...usual];
        const known = new Set(choices(snapshot, ui.tab).map((c) => c.id));
        return Array.from({ length: TILES }, (_, i) =>
            known.has(chosen[i] ?? "") ? (chosen[i] as string) : (usual[i] ?? ""),
        );
    }

    render(snapshot: Snapshot): void {
        this.tabs.set(ui.tab);
        this.quantity.set(ui.quantity);
        this.tools.set(ui.tool);
        const denoised = hasDenoised(snapshot["edx.maps"]);
        this.source.set(ui.denoised && denoised ? "denoised" : "raw");
        this.source.enable(
            "denoised",
            denoised,
            denoised ? "Denoised in space" : "Not published yet: comes with the first particles",
        );
        this.decomposition.set(kept.componentsFrom);
        this.source.root.hidden = ui.tab === "components";
        this.decomposition.root.hidden = ui.tab !== "components";
        this.waiting(snapshot);
        const ids = this.ids(snapshot);
        const list: Choice[] = [...choices(snapshot, ui.tab), { id: "", title: "–" }];
        this.tiles.forEach((tile, i) => {
            tile.id = ids[i] ?? "";
            tile.options(list);
            tile.root.dataset.chosen = String(ui.tab === "components" && tile.id === `comp:${ui.component}`);
            tile.canvas.dataset.tool = ui.tool;
            tile.render(snapshot, hint(snapshot, tile.id));
        });
    }

    /** One hint instead of six, while there is nothing at all. */
    private waiting(snapshot: Snapshot): void {
        const there = !!snapshot["edx.spectrum"];
        const found = there ? undefined : hint(snapshot, "haadf");
        const box = byId("maps-empty");
        box.hidden = there;
        if (found && box.textContent !== found.title + found.cure)
            box.replaceChildren(h("strong", {}, found.title), h("span", {}, found.cure));
    }

    private listen(tile: Tile): void {
        const c = tile.canvas;
        c.addEventListener("pointerdown", (e) => this.down(tile, e));
        c.addEventListener("pointermove", (e) => this.move(tile, e));
        c.addEventListener("pointerup", (e) => this.up(tile, e));
        c.addEventListener("pointercancel", () => this.cancel());
        c.addEventListener("pointerleave", (e) => e.pointerType === "mouse" && !this.drag && this.setCursor(null));
        c.addEventListener("wheel", (e) => this.wheel(tile, e), { passive: false });
        c.addEventListener("dblclick", () => ui.tool === "move" && viewport.reset());
        c.addEventListener("keydown", (e) => this.key(tile, e));
        c.addEventListener("focus", () => this.focus(tile));
    }

    private setCursor(pixel: Point | null): void {
        if (String(pixel) === String(ui.cursor)) return;
        ui.cursor = pixel;
        changed();
    }

    private down(tile: Tile, e: PointerEvent): void {
        const grid = gridOf(view());
        if (!grid || e.button !== 0) return;
        tile.canvas.setPointerCapture(e.pointerId);
        this.pointers.set(e.pointerId, { x: e.offsetX, y: e.offsetY });
        const projection = tile.projection(grid);
        this.drag = {
            tile,
            x: e.offsetX,
            y: e.offsetY,
            path: [projection.toNm(e.offsetX, e.offsetY)],
            moved: false,
            part: projection.toParts(e.offsetX, e.offsetY),
        };
    }

    private move(tile: Tile, e: PointerEvent): void {
        const grid = gridOf(view());
        if (!grid) return;
        const projection = tile.projection(grid);
        if (this.pointers.size === 2) return this.pinch(tile, e, grid);
        if (e.pointerType === "mouse" || this.drag) this.setCursor(projection.toPixel(e.offsetX, e.offsetY));
        const drag = this.drag;
        if (!drag) return;
        if (Math.hypot(e.offsetX - drag.x, e.offsetY - drag.y) > CLICK_PX) drag.moved = true;
        if (!drag.moved) return;
        if (ui.tool === "move") {
            const now = projection.toParts(e.offsetX, e.offsetY);
            return viewport.panBy(drag.part[0] - now[0], drag.part[1] - now[1]);
        }
        drag.path.push(projection.toNm(e.offsetX, e.offsetY));
        ui.shape = this.sketch(drag.path, grid);
        changed();
    }

    private pinch(tile: Tile, e: PointerEvent, grid: Grid): void {
        const before = [...this.pointers.values()];
        this.pointers.set(e.pointerId, { x: e.offsetX, y: e.offsetY });
        const after = [...this.pointers.values()];
        const span = (p: { x: number; y: number }[]) =>
            Math.hypot((p[0]?.x ?? 0) - (p[1]?.x ?? 0), (p[0]?.y ?? 0) - (p[1]?.y ?? 0));
        const middle = tile
            .projection(grid)
            .toParts(((after[0]?.x ?? 0) + (after[1]?.x ?? 0)) / 2, ((after[0]?.y ?? 0) + (after[1]?.y ?? 0)) / 2);
        viewport.zoomAt(span(after) / Math.max(1, span(before)), middle);
        if (this.drag) this.drag.moved = true;
    }

    /** What the pointer's path means for the tool. */
    private sketch(path: Point[], grid: Grid): Shape {
        const [a, b] = [path[0] as Point, path.at(-1) as Point];
        if (ui.tool === "line") return { kind: "line", from: a, to: b };
        if (ui.tool === "lasso") return { kind: "lasso", polygon: path };
        const row = (p: Point) =>
            Math.min(grid.rows - 1, Math.max(0, Math.round((p[0] - grid.origin[0]) / grid.step[0])));
        const col = (p: Point) =>
            Math.min(grid.cols - 1, Math.max(0, Math.round((p[1] - grid.origin[1]) / grid.step[1])));
        const [r0, r1] = [Math.min(row(a), row(b)), Math.max(row(a), row(b))];
        const [c0, c1] = [Math.min(col(a), col(b)), Math.max(col(a), col(b))];
        return { kind: "box", polygon: pixelBox(grid, r0, c0, r1, c1) };
    }

    private up(tile: Tile, e: PointerEvent): void {
        const drag = this.drag;
        this.cancel();
        this.pointers.delete(e.pointerId);
        const grid = gridOf(view());
        if (!drag || !grid) return;
        if (!drag.moved) return this.click(tile, grid, tile.projection(grid).toPixel(e.offsetX, e.offsetY));
        if (ui.tool === "move" || !ui.shape) return;
        const enough = ui.shape.kind === "line" || ui.shape.polygon.length > 2;
        setShape(enough ? ui.shape : null);
    }

    private cancel(): void {
        this.drag = null;
        this.pointers.clear();
    }

    /** A click: the component of the tile, the particle there, and the pixel's spectrum. */
    private click(tile: Tile, grid: Grid, pixel: Point | null): void {
        if (!pixel) return;
        this.selectComponent(tile);
        this.setCursor(pixel);
        const [y, x] = [grid.origin[0] + pixel[0] * grid.step[0], grid.origin[1] + pixel[1] * grid.step[1]];
        const hit = view()["edx.particles"]?.particles.find(
            (p) => Math.hypot(p.centre_nm[0] - y, p.centre_nm[1] - x) <= p.diameter_nm / 2,
        );
        if (hit) ui.particle = hit.id;
        setShape({ kind: "point", polygon: pixelBox(grid, pixel[0], pixel[1], pixel[0], pixel[1]) });
    }

    private selectComponent(tile: Tile): void {
        if (!tile.id.startsWith("comp:")) return;
        ui.component = Number(tile.id.slice(5));
    }

    private wheel(tile: Tile, e: WheelEvent): void {
        const grid = gridOf(view());
        if (!grid) return;
        e.preventDefault();
        viewport.zoomAt(Math.exp(-e.deltaY / 400), tile.projection(grid).toParts(e.offsetX, e.offsetY));
    }

    private focus(tile: Tile): void {
        this.selectComponent(tile);
        changed();
    }

    private key(tile: Tile, e: KeyboardEvent): void {
        const grid = gridOf(view());
        if (!grid || e.ctrlKey || e.metaKey || e.altKey) return;
        const arrows: Record<string, Point> = {
            ArrowUp: [-1, 0],
            ArrowDown: [1, 0],
            ArrowLeft: [0, -1],
            ArrowRight: [0, 1],
        };
        const step = arrows[e.key];
        if (step) this.step(tile, grid, step, e.shiftKey ? 8 : 1);
        else if (e.key === "Enter" || e.key === " ") this.pick(tile, grid, e.shiftKey);
        else if (e.key === "Escape") this.clear();
        else if (e.key === "+" || e.key === "=") viewport.zoomAt(1.5, this.cursorPart(grid));
        else if (e.key === "-") viewport.zoomAt(1 / 1.5, this.cursorPart(grid));
        else if (e.key === "0") viewport.reset();
        else return;
        e.preventDefault();
        e.stopPropagation();
    }

    private clear(): void {
        this.corner = null;
        this.setCursor(null);
        setShape(null);
    }

    private cursorPart(grid: Grid): Point {
        const c = ui.cursor ?? [grid.rows / 2, grid.cols / 2];
        return [(c[0] + 0.5) / grid.rows, (c[1] + 0.5) / grid.cols];
    }

    private step(tile: Tile, grid: Grid, [dy, dx]: Point, by: number): void {
        const from = ui.cursor ?? [Math.floor(grid.rows / 2), Math.floor(grid.cols / 2)];
        const clip = (v: number, n: number) => Math.min(n - 1, Math.max(0, v));
        this.setCursor([clip(from[0] + dy * by, grid.rows), clip(from[1] + dx * by, grid.cols)]);
        this.say(tile);
    }

    private speaking = 0;

    /** The readout, politely: when the cursor rests. */
    private say(tile: Tile): void {
        window.clearTimeout(this.speaking);
        this.speaking = window.setTimeout(() => {
            if (ui.cursor)
                announce(
                    `row ${ui.cursor[0]}, column ${ui.cursor[1]}: ${tile.plane?.title ?? ""} ${tile.readout(view())}`,
                );
        }, 250);
    }

    /** Enter takes the pixel; with Shift the first and then the other corner or end. */
    private pick(tile: Tile, grid: Grid, shift: boolean): void {
        const at = ui.cursor;
        if (!at) return this.step(tile, grid, [0, 0], 0);
        if (!shift) return this.click(tile, grid, at);
        if (!this.corner) {
            this.corner = at;
            return announce("First corner set: move, then press Shift and Enter again");
        }
        const [a, b] = [this.corner, at];
        this.corner = null;
        const nm = (p: Point): Point => [grid.origin[0] + p[0] * grid.step[0], grid.origin[1] + p[1] * grid.step[1]];
        if (ui.tool === "line") return setShape({ kind: "line", from: nm(a), to: nm(b) });
        setShape({
            kind: "box",
            polygon: pixelBox(
                grid,
                Math.min(a[0], b[0]),
                Math.min(a[1], b[1]),
                Math.max(a[0], b[0]),
                Math.max(a[1], b[1]),
            ),
        });
    }
}

/** Why a tile is empty, and what helps. */
function hint(snapshot: Snapshot, id: string): Hint | undefined {
    if (!server.open) return { title: "Not connected", cure: "Trying again…" };
    if (!server.linked)
        return {
            title: "No edxd heard",
            cure: `Start edxd; edxweb listens at ${server.hello?.endpoint ?? "its endpoint"}`,
        };
    if (!snapshot["edx.spectrum"] && ui.pinned !== null)
        return { title: `Nothing kept of frame ${ui.pinned}`, cure: "Choose a later one below, or LIVE" };
    if (!snapshot["edx.spectrum"])
        return {
            title: "No frame yet",
            cure: "Start the scan, or the simulator edxsim: its frames show here as they come",
        };
    if (id === "" && snapshot["edx.maps"]) return { title: "Free", cure: "Choose a map above" };
    if (id === "haadf") return { title: "No image", cure: "The instrument sends none: name it in edx.begin's images" };
    if (id === "scree" || id.startsWith("comp:")) return componentHint(snapshot, id);
    if (!snapshot["edx.maps"]) return { title: "No line known", cure: "List elements under Settings, or in edx.begin" };
    if (id.startsWith("res:")) return { title: "Nothing denoised yet", cure: "Comes with the first particle" };
    return { title: "Not published", cure: "Choose another map above" };
}

function componentHint(snapshot: Snapshot, id: string): Hint {
    const from = kept.componentsFrom;
    const body = from === "pca" ? snapshot["edx.pca"] : snapshot["edx.nmf"];
    const i = Number(id.slice(5)) + 1;
    if (!body)
        return {
            title: `No ${from.toUpperCase()} yet`,
            cure: from === "nmf" ? "Is nmf.components 0? See Settings" : "Comes with the first counts",
        };
    return { title: `No component ${i}`, cure: `${body.maps.shape[0] ?? 0} stand out of the noise so far` };
}
