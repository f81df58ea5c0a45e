// One map: title, picture, colour bar, what is drawn on it, and what is under the cursor.
import { byCertainty, hatch, theme } from "./colour";
import { fitCanvas, h, Memo, setText } from "./dom";
import { fixed, integer, significant } from "./format";
import type { Choice, Overlay, Plane } from "./planes";
import { overlayOf, planeOf, robustRange, sourceOf } from "./planes";
import { colourBar, Raster } from "./raster";
import type { Trust } from "./quality";
import { trustOfMaps } from "./quality";
import { drawScree } from "./scree";
import type { Grid, Shape } from "./state";
import type { Snapshot } from "./types";
import { grid as gridOf, kept, ui } from "./state";
import type { Rect } from "./viewport";
import { Projection, viewport } from "./viewport";

const BAR_COLUMN = 54;
const BAR_WIDTH = 12;
const PAIR: [number, number, number][] = [
    [255, 90, 235],
    [60, 235, 90],
];
const TRIPLE: [number, number, number][] = [
    [255, 40, 40],
    [40, 255, 40],
    [60, 90, 255],
];

export interface Hint {
    title: string;
    cure: string;
}

export class Tile {
    readonly root: HTMLElement;
    readonly canvas: HTMLCanvasElement;
    readonly select: HTMLSelectElement;
    id = "";
    plane: Plane | undefined;
    private overlay: Overlay | undefined;
    private range: [number, number] = [0, 1];
    private missing = 0;
    private layerRanges: [number, number][] = [];
    private readonly unit = h("span", { class: "unit" });
    private readonly foot = h("div", { class: "tile-foot" });
    private readonly empty = h("div", { class: "empty", hidden: true });
    private readonly lock: HTMLButtonElement;
    private readonly raster = new Raster();
    private readonly dataMemo = new Memo();
    private readonly rasterMemo = new Memo();
    private readonly optionsMemo = new Memo();
    private readonly paintMemo = new Memo();
    /** Counts the pictures made. */
    private version = 0;
    private readonly size: () => { width: number; height: number; ratio: number };

    constructor(index: number, actions: { choose(id: string): void; range(tile: Tile): void; resized(): void }) {
        this.select = h("select", {
            "aria-label": `Map ${index + 1} shows`,
            change: () => actions.choose(this.select.value),
        });
        this.lock = h("button", { type: "button", class: "icon lock", click: () => actions.range(this) }, "auto");
        this.canvas = h("canvas", {
            tabindex: 0,
            role: "application",
            "aria-roledescription": "map",
            "aria-describedby": "map-keys",
        });
        const head = h("div", { class: "tile-head" }, this.select, this.unit, this.lock);
        this.root = h(
            "section",
            { class: "tile", "aria-label": `Map ${index + 1}` },
            head,
            h("div", { class: "tile-body" }, this.canvas, this.empty),
            this.foot,
        );
        this.size = fitCanvas(this.canvas, actions.resized);
    }

    options(list: Choice[]): void {
        if (this.optionsMemo.changed(list.map((c) => c.id + c.title).join()))
            this.select.replaceChildren(...list.map((c) => h("option", { value: c.id }, c.title)));
        if (this.select.value !== this.id) this.select.value = this.id;
    }

    /** The square of the canvas in which the map lies. */
    private box(): Rect {
        const { width, height } = this.size();
        return { x: 0, y: 0, width: Math.max(1, width - BAR_COLUMN), height: Math.max(1, height) };
    }

    projection(grid: Grid): Projection {
        return new Projection(grid, viewport.place(grid, this.box()));
    }

    private takeData(snapshot: Snapshot): void {
        const choices = [ui.quantity, ui.denoised, kept.colours, kept.componentsFrom];
        if (!this.dataMemo.changed(this.id, sourceOf(snapshot, this.id), ...choices)) return;
        this.overlay = this.id === "overlay" ? overlayOf(snapshot) : undefined;
        this.plane = this.overlay || this.id === "scree" ? undefined : planeOf(snapshot, this.id);
        this.rasterMemo.reset();
        this.version++;
    }

    private makeRaster(): void {
        if (this.overlay) return this.makeOverlay(this.overlay);
        const plane = this.plane;
        if (!plane) return;
        const locked = ui.locks.get(plane.id);
        if (!this.rasterMemo.changed(plane, kept.fade, locked)) return;
        this.version++;
        this.range = locked ?? robustRange(plane);
        this.missing = this.raster.draw(plane, this.range, this.fades());
    }

    private makeOverlay(overlay: Overlay): void {
        if (!this.rasterMemo.changed(overlay)) return;
        const colours = this.overlayColours(overlay);
        const first = overlay.planes[0] as Plane;
        this.layerRanges = overlay.planes.map(robustRange);
        const layers = overlay.planes.map((p, i) => ({
            value: p.value,
            range: this.layerRanges[i] as [number, number],
            colour: colours[i] as [number, number, number],
        }));
        this.raster.overlay(layers, first.rows, first.cols);
    }

    private overlayColours(overlay: Overlay): [number, number, number][] {
        return overlay.planes.length > 2 ? TRIPLE : PAIR;
    }

    private fades(): boolean {
        return kept.fade && !!this.plane?.fades && !!this.plane.sigma;
    }

    render(snapshot: Snapshot, hint: Hint | undefined): void {
        this.takeData(snapshot);
        this.makeRaster();
        this.texts(snapshot, hint);
        const { ratio, width, height } = this.size();
        const context = this.canvas.getContext("2d");
        if (!context || width === 0 || !this.looksDifferent(snapshot, width, height, ratio)) return;
        context.setTransform(ratio, 0, 0, ratio, 0, 0);
        context.clearRect(0, 0, width, height);
        const grid = gridOf(snapshot);
        if (this.id === "scree") drawScree(context, width, height, snapshot);
        else if (grid && (this.plane || this.overlay)) this.drawMap(context, grid, snapshot);
    }

    /** A message that this tile does not show costs nothing. */
    private looksDifferent(snapshot: Snapshot, width: number, height: number, ratio: number): boolean {
        const grid = gridOf(snapshot);
        const rect = grid ? Object.values(viewport.place(grid, this.box())).join() : "";
        const marks = [ui.cursor, ui.shape, ui.particle, snapshot["edx.particles"]];
        const scree = this.id === "scree" ? snapshot["edx.pca"] : null;
        return this.paintMemo.changed(
            this.id,
            this.version,
            rect,
            width,
            height,
            ratio,
            theme(),
            scree,
            !!snapshot["edx.maps"],
            ...marks,
        );
    }

    private drawMap(context: CanvasRenderingContext2D, grid: Grid, snapshot: Snapshot): void {
        const box = this.box();
        const projection = this.projection(grid);
        const { rect } = projection;
        context.save();
        context.beginPath();
        context.rect(box.x, box.y, box.width, box.height);
        context.clip();
        if (this.missing > 0 || this.overlay) {
            context.fillStyle = hatch(context, theme().hatch);
            context.fillRect(rect.x, rect.y, rect.width, rect.height);
        }
        context.imageSmoothingEnabled = false;
        context.drawImage(this.raster.canvas, rect.x, rect.y, rect.width, rect.height);
        if (this.doubt(snapshot)) {
            context.fillStyle = hatch(context, theme().doubt);
            context.fillRect(rect.x, rect.y, rect.width, rect.height);
        }
        drawMarks(context, projection, grid, snapshot);
        drawScaleBar(context, projection, snapshot, box);
        context.restore();
        if (this.overlay) this.drawLegend(context, box, this.overlay);
        else this.drawBar(context, barBox(box, rect));
    }

    private drawLegend(context: CanvasRenderingContext2D, box: Rect, overlay: Overlay): void {
        const colours = this.overlayColours(overlay);
        context.font = "600 11px system-ui, sans-serif";
        overlay.planes.forEach((plane, i) => {
            const y = 4 + 34 * i;
            context.fillStyle = `rgb(${colours[i]?.join()})`;
            context.fillRect(box.width + 6, y, BAR_WIDTH, BAR_WIDTH);
            context.strokeStyle = theme().faint;
            context.strokeRect(box.width + 6.5, y + 0.5, BAR_WIDTH - 1, BAR_WIDTH - 1);
            context.fillStyle = theme().text;
            context.fillText(plane.title.split(" ")[0] ?? "", box.width + 22, y + 10);
            context.fillStyle = theme().faint;
            context.fillText(plane.label(this.layerRanges[i]?.[1] ?? NaN), box.width + 22, y + 23);
        });
    }

    /** The colour bar; in stripes from certain to uncertain where σ fades the colours. */
    private drawBar(context: CanvasRenderingContext2D, box: Rect): void {
        const plane = this.plane as Plane;
        const [top, height] = [box.y, box.height];
        const left = box.width + 6;
        const stripes = this.fades() ? byCertainty(plane.table) : [plane.table];
        const width = stripes.length > 1 ? 16 : BAR_WIDTH;
        context.imageSmoothingEnabled = false;
        context.drawImage(colourBar(stripes), left, top, width, height);
        context.font = "11px system-ui, sans-serif";
        context.textBaseline = "middle";
        context.fillStyle = theme().text;
        const [lo, hi] = this.range;
        for (const [part, text] of barLabels(plane, lo, hi)) {
            const y = top + (1 - part) * height;
            context.fillRect(left + width, Math.min(top + height - 1, y), 3, 1);
            context.fillText(
                text,
                left + width + 5,
                Math.min(top + height - 5, Math.max(top + 6, y)),
                BAR_COLUMN - width - 11,
            );
        }
        context.textBaseline = "alphabetic";
    }

    private texts(snapshot: Snapshot, hint: Hint | undefined): void {
        const shows = !!this.plane || !!this.overlay || (this.id === "scree" && !!snapshot["edx.pca"]);
        this.empty.hidden = shows || !hint;
        if (hint && !shows) this.empty.replaceChildren(h("strong", {}, hint.title), h("span", {}, hint.cure));
        setText(
            this.unit,
            this.plane?.unit ?? (this.overlay ? "net counts" : this.id === "scree" && shows ? "share of variance" : ""),
        );
        const locked = !!this.plane && ui.locks.has(this.plane.id);
        setText(this.lock, locked ? "locked" : "auto");
        this.lock.setAttribute("aria-label", `${locked ? "locked" : "auto"} range of ${this.plane?.title ?? "map"}`);
        this.lock.hidden = !this.plane;
        setText(this.foot, shows ? this.readout(snapshot) : "");
        this.canvas.setAttribute(
            "aria-label",
            this.plane
                ? `${this.plane.title} in ${this.plane.unit || "counts"}, ${this.plane.label(this.range[0])} to ${this.plane.label(this.range[1])}`
                : this.id === "scree"
                  ? "Scree plot of eigenvalues"
                  : "Empty map",
        );
    }

    /** 12.3 ± 1.4 at.% (n = 37) under the cursor, or what the map holds. */
    readout(snapshot: Snapshot): string {
        if (this.id === "scree") return screeText(snapshot);
        if (this.overlay)
            return ui.cursor
                ? this.overlay.planes
                      .map((p) => `${p.title.split(" ")[0]} ${this.at(p).replace(" net counts", "")}`)
                      .join(" · ")
                : "brightness: net counts";
        const plane = this.plane;
        if (!plane) return "";
        if (ui.cursor) {
            const n = snapshot["edx.spectrum"]?.total.plane()[index(plane, ui.cursor)];
            const text = this.at(plane);
            return n === undefined || this.id === "total" || this.id === "haadf" ? text : `${text} (n = ${integer(n)})`;
        }
        const doubt = this.judged(snapshot);
        if (doubt) return doubt.level === "ok" ? `✓ ${doubt.text}` : `⚠ ${doubt.text}`;
        const part = this.missing / (plane.rows * plane.cols);
        if (part === 1 && plane.missing) return `no pixel yet: ${plane.missing}`;
        if (part > 0 && plane.missing) return `hatched ${fixed(100 * part, 0)} %: ${plane.missing}`;
        return this.fades() ? "colour fades as σ grows" : "";
    }

    /** What the check says of a denoised map. */
    private judged(snapshot: Snapshot): Trust | undefined {
        return this.plane?.checked ? trustOfMaps(snapshot["edx.particles"]) : undefined;
    }

    private doubt(snapshot: Snapshot): boolean {
        return (this.judged(snapshot)?.level ?? "ok") !== "ok";
    }

    private at(plane: Plane): string {
        const i = index(plane, ui.cursor as [number, number]);
        const value = plane.value[i];
        if (value === undefined) return "";
        if (!Number.isFinite(value)) return plane.missing ?? "missing";
        return plane.format(value, plane.sigma?.[i]);
    }
}

function index(plane: Plane, [row, col]: [number, number]): number {
    return row * plane.cols + col;
}

function screeText(snapshot: Snapshot): string {
    const pca = snapshot["edx.pca"];
    return pca ? `${pca.rank} component${pca.rank === 1 ? "" : "s"} kept, edge ${significant(pca.noise_edge, 2)}` : "";
}

/** Twice, dark below light, so that it shows on every colour. */
function outlined(context: CanvasRenderingContext2D, colour: string, draw: () => void, dash: number[] = []): void {
    context.setLineDash([]);
    context.strokeStyle = "rgba(0,0,0,0.7)";
    context.lineWidth = 3;
    draw();
    context.setLineDash(dash);
    context.strokeStyle = colour;
    context.lineWidth = 1.5;
    draw();
    context.setLineDash([]);
}

function drawMarks(context: CanvasRenderingContext2D, projection: Projection, grid: Grid, snapshot: Snapshot): void {
    for (const particle of snapshot["edx.particles"]?.particles ?? []) {
        const [x, y] = projection.toCanvas(particle.centre_nm);
        const radius = (particle.diameter_nm / 2) * projection.pixelsPerNm;
        const chosen = ui.particle === particle.id;
        outlined(
            context,
            chosen ? "#fff" : "#cfd6dd",
            () => {
                context.beginPath();
                context.arc(x, y, radius, 0, 2 * Math.PI);
                context.stroke();
            },
            chosen ? [] : [4, 4],
        );
    }
    if (ui.shape) drawShape(context, projection, ui.shape);
    if (ui.cursor) drawCursor(context, projection, grid, ui.cursor);
}

export function drawShape(context: CanvasRenderingContext2D, projection: Projection, shape: Shape): void {
    const points = shape.kind === "line" ? [shape.from, shape.to] : shape.polygon;
    const places = points.map((p) => projection.toCanvas(p));
    outlined(context, "#ffb000", () => {
        context.beginPath();
        places.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
        if (shape.kind !== "line") context.closePath();
        context.stroke();
    });
    const start = places[0];
    if (shape.kind === "line" && start) {
        outlined(context, "#ffb000", () => {
            context.beginPath();
            context.arc(start[0], start[1], 3, 0, 2 * Math.PI);
            context.stroke();
        });
    }
}

function drawCursor(
    context: CanvasRenderingContext2D,
    projection: Projection,
    grid: Grid,
    [row, col]: [number, number],
): void {
    const { rect } = projection;
    const [w, hgt] = [rect.width / grid.cols, rect.height / grid.rows];
    const [x, y] = [rect.x + col * w, rect.y + row * hgt];
    outlined(context, "#fff", () => {
        context.strokeRect(x, y, w, hgt);
        context.beginPath();
        const gap = 4;
        for (const [x0, y0, x1, y1] of [
            [x - gap - 6, y + hgt / 2, x - gap, y + hgt / 2],
            [x + w + gap, y + hgt / 2, x + w + gap + 6, y + hgt / 2],
            [x + w / 2, y - gap - 6, x + w / 2, y - gap],
            [x + w / 2, y + hgt + gap, x + w / 2, y + hgt + gap + 6],
        ] as const) {
            context.moveTo(x0, y0);
            context.lineTo(x1, y1);
        }
        context.stroke();
    });
}

/** Bottom, middle and top, with as many figures as tell them apart. */
function barLabels(plane: Plane, lo: number, hi: number): [number, string][] {
    for (let figures = 3; ; figures++) {
        const texts = [0, 0.5, 1].map((part): [number, string] => [part, plane.label(lo + part * (hi - lo), figures)]);
        if (figures > 5 || new Set(texts.map(([, text]) => text)).size === 3) return texts;
    }
}

/** As high as the whole scan, where that leaves room for three numbers. */
function barBox(box: Rect, rect: Rect): Rect {
    const top = Math.max(box.y, rect.y);
    const height = Math.min(box.y + box.height, rect.y + rect.height) - top;
    return height < 80 ? box : { ...box, y: top, height };
}

const ROUND = [1, 2, 5, 10];

/** The largest round length within a third of the width. */
function roundLength(nm: number): number {
    const decade = 10 ** Math.floor(Math.log10(nm));
    return decade * (ROUND.filter((r) => r * decade <= nm).at(-1) ?? 1);
}

function drawScaleBar(context: CanvasRenderingContext2D, projection: Projection, snapshot: Snapshot, box: Rect): void {
    if (!snapshot["edx.maps"]) return; // the step is not known without it
    const length = roundLength(Math.min(box.width, projection.rect.width) / 3 / projection.pixelsPerNm);
    const width = length * projection.pixelsPerNm;
    const text = length >= 1000 ? `${length / 1000} µm` : `${Number(length.toPrecision(1))} nm`;
    const [x, y] = [
        Math.max(box.x, projection.rect.x) + 8,
        Math.min(box.y + box.height, projection.rect.y + projection.rect.height) - 9,
    ];
    context.font = "600 11px system-ui, sans-serif";
    context.fillStyle = "rgba(16,20,24,0.72)";
    context.beginPath();
    context.roundRect(x - 5, y - 16, Math.max(width, context.measureText(text).width) + 10, 23, 3);
    context.fill();
    context.fillStyle = "#fff";
    context.fillRect(x, y, width, 3);
    context.fillText(text, x, y - 5);
}
