// A chart on one canvas: axes with units, curves, a cursor by pointer and by keys, zoom along x.
import { hatch, theme } from "./colour";
import { announce, fitCanvas, h } from "./dom";
import { short, superscript } from "./format";
import { changed } from "./state";

export interface Curve {
    values: ArrayLike<number>;
    colour: string;
    width: number;
    dash?: number[];
}

export interface Data {
    x: ArrayLike<number>;
    curves?: Curve[];
    xRange: [number, number];
    yRange: [number, number];
    /** Instead of yRange: one below the other, each with a range of its own. */
    panes?: [number, number][];
    logarithmic?: boolean;
    /** Instead of the chart's own. */
    yLabel?: string;
}

export interface Options {
    label: string;
    xLabel: string;
    yLabel: string;
    whole?: boolean;
    /** Height that a pane needs. */
    leastPane?: number;
    /** Written beside the end of each curve. */
    names?: () => { text: string; colour: string; value: number; pane?: number }[];
    zoom?: (range: [number, number] | null) => void;
    under?: (chart: Chart, c: CanvasRenderingContext2D) => void;
    over?: (chart: Chart, c: CanvasRenderingContext2D) => void;
    /** What stands at a point, for the readout; null: no cursor. */
    cursor?: (index: number | null) => string;
}

const FONT = "11px system-ui, sans-serif";
const MARGIN = { left: 58, right: 12, top: 8, bottom: 34 };
const NAMES = 20;
const PANE_GAP = 8;
const LEAST_PANE = 34;
/** So many elements have a pane each; more share one. */
const MOST_PANES = 3;
const DRAG_PX = 6;

export class Chart {
    readonly canvas: HTMLCanvasElement;
    index: number | null = null;
    box = { left: 0, top: 0, width: 1, height: 1 };
    private data: Data = { x: [], xRange: [0, 1], yRange: [0, 1] };
    private dirty = true;
    private dragFrom: number | null = null;
    private readonly size: () => { width: number; height: number; ratio: number };
    private readonly line = h("div", { class: "chart-cursor", hidden: true });
    private readonly selection = h("div", { class: "chart-selection", hidden: true });

    constructor(
        element: HTMLElement,
        private readonly options: Options,
    ) {
        this.canvas = h("canvas", {
            tabindex: 0,
            role: "application",
            "aria-roledescription": "chart",
            "aria-label": `${options.label}; arrow keys read it point by point`,
        });
        element.append(this.canvas, this.line, this.selection);
        this.size = fitCanvas(this.canvas, () => ((this.dirty = true), changed()));
        this.listen();
    }

    set(data: Data): void {
        this.data = data;
        this.dirty = true;
        if (this.index !== null && this.index >= data.x.length) this.index = null;
    }

    get length(): number {
        return this.data.x.length;
    }

    x(value: number): number {
        const [lo, hi] = this.data.xRange;
        return this.box.left + ((value - lo) / (hi - lo)) * this.box.width;
    }

    private get panes(): [number, number][] {
        const { panes, yRange } = this.data;
        return panes && this.box.height >= panes.length * (this.options.leastPane ?? LEAST_PANE) ? panes : [yRange];
    }

    /** Top and height of a pane; all are one where there is no room for several. */
    private pane(pane: number): [number, number] {
        const n = this.panes.length;
        const height = (this.box.height - PANE_GAP * (n - 1)) / n;
        return [this.box.top + Math.min(pane, n - 1) * (height + PANE_GAP), height];
    }

    y(value: number, pane = 0): number {
        const [lo, hi] = this.panes[pane] ?? this.data.yRange;
        const [top, height] = this.pane(pane);
        const part = this.data.logarithmic ? Math.log(value / lo) / Math.log(hi / lo) : (value - lo) / (hi - lo);
        return top + (1 - part) * height;
    }

    /** Draws where nothing runs over into another pane. */
    within(c: CanvasRenderingContext2D, pane: number, draw: () => void): void {
        const [top, height] = this.pane(pane);
        c.save();
        c.beginPath();
        c.rect(this.box.left, top, this.box.width, height);
        c.clip();
        draw();
        c.restore();
    }

    /** Draws when something changed. */
    paint(): void {
        if (!this.dirty) return;
        const { width, height, ratio } = this.size();
        const c = this.canvas.getContext("2d");
        if (!c || width < 40 || height < 40) return;
        this.dirty = false;
        this.box = {
            left: MARGIN.left,
            top: MARGIN.top,
            width: width - MARGIN.left - MARGIN.right - (this.options.names ? NAMES : 0),
            height: height - MARGIN.top - MARGIN.bottom,
        };
        c.setTransform(ratio, 0, 0, ratio, 0, 0);
        c.clearRect(0, 0, width, height);
        c.font = FONT;
        this.axes(c, height);
        if (this.data.x.length) this.inside(c);
        this.names(c);
        this.moveLine();
    }

    private inside(c: CanvasRenderingContext2D): void {
        c.save();
        c.beginPath();
        c.rect(this.box.left, this.box.top, this.box.width, this.box.height);
        c.clip();
        this.options.under?.(this, c);
        for (const curve of this.data.curves ?? []) this.curve(c, curve);
        this.options.over?.(this, c);
        c.restore();
    }

    /** Pushed apart where curves end together. */
    private names(c: CanvasRenderingContext2D): void {
        const list = (this.options.names?.() ?? [])
            .filter((n) => Number.isFinite(n.value))
            .map((n) => ({ ...n, y: this.y(n.value, n.pane) }));
        list.sort((a, b) => a.y - b.y);
        c.font = "600 12px system-ui, sans-serif";
        c.textAlign = "left";
        let last = -Infinity;
        for (const { text, colour, y } of list) {
            last = Math.max(y, last + 14);
            c.fillStyle = colour;
            c.fillText(text, this.box.left + this.box.width + 6, Math.min(last, this.box.top + this.box.height) + 4);
        }
    }

    private curve(c: CanvasRenderingContext2D, { values, colour, width, dash }: Curve): void {
        const { x, xRange, yRange, logarithmic } = this.data;
        stroke(c, colour, width, dash);
        c.beginPath();
        for (let i = 0; i < x.length; i++) {
            const at = x[i] as number;
            const next = x[i + 1];
            const before = x[i - 1];
            if ((next !== undefined && next < xRange[0]) || (before !== undefined && before > xRange[1])) continue;
            const v = values[i] as number;
            c.lineTo(this.x(at), this.y(logarithmic ? Math.max(v, yRange[0] / 2) : v));
        }
        c.stroke();
        c.setLineDash([]);
    }

    private axes(c: CanvasRenderingContext2D, height: number): void {
        const { left, top, width, height: tall } = this.box;
        const colours = theme();
        c.lineWidth = 1;
        c.strokeStyle = colours.line;
        c.fillStyle = colours.faint;
        c.textAlign = "center";
        for (const v of ticks(this.data.xRange, width / 64, this.options.whole)) {
            const x = Math.round(this.x(v)) + 0.5;
            rule(c, x, top, x, top + tall);
            c.fillText(short(v), x, top + tall + 13);
        }
        this.between(c);
        c.fillText(this.options.xLabel, left + width / 2, height - 5);
        this.panes.forEach((range, i) => this.yAxis(c, range, i));
        c.save();
        c.translate(11, top + tall / 2);
        c.rotate(-Math.PI / 2);
        c.textAlign = "center";
        c.fillText(this.data.yLabel ?? this.options.yLabel, 0, 0);
        c.restore();
        c.textAlign = "left";
    }

    /** Panes stand apart, each with its axis. */
    private between(c: CanvasRenderingContext2D): void {
        const { left, width } = this.box;
        const n = this.panes.length;
        for (let i = 0; n > 1 && i < n; i++) {
            const [top, height] = this.pane(i);
            if (i) c.clearRect(left - 1, top - PANE_GAP, width + 2, PANE_GAP);
            c.strokeStyle = theme().faint;
            rule(c, left + 0.5, top, left + 0.5, top + height);
            c.strokeStyle = theme().line;
        }
    }

    private yAxis(c: CanvasRenderingContext2D, range: [number, number], pane: number): void {
        const { left, width } = this.box;
        const [top, height] = this.pane(pane);
        const { logarithmic } = this.data;
        const marks = logarithmic ? decades(range, height / 22) : levels(range, height / 26);
        c.textAlign = "right";
        for (const v of marks) {
            const y = Math.round(this.y(v, pane)) + 0.5;
            if (y < top - 1 || y > top + height + 1) continue;
            rule(c, left, y, left + width, y);
            c.fillText(logarithmic ? power(v) : short(v), left - 6, y + 3.5);
        }
    }

    private listen(): void {
        const c = this.canvas;
        c.addEventListener("pointerdown", (e) => this.down(e));
        c.addEventListener("pointermove", (e) => this.move(e));
        c.addEventListener("pointerup", (e) => this.up(e));
        c.addEventListener("pointercancel", () => this.endDrag());
        c.addEventListener("pointerleave", () => this.dragFrom === null && this.setCursor(null));
        c.addEventListener("keydown", (e) => this.key(e));
        if (!this.options.zoom) return;
        c.addEventListener("dblclick", () => this.options.zoom?.(null));
        c.addEventListener("wheel", (e) => this.wheel(e), { passive: false });
    }

    /** Value on the x axis under a place. */
    private valueAt(px: number): number {
        const [lo, hi] = this.data.xRange;
        return lo + ((px - this.box.left) / this.box.width) * (hi - lo);
    }

    private nearest(px: number): number | null {
        const { x } = this.data;
        if (!x.length) return null;
        const v = this.valueAt(px);
        let lo = 0;
        let hi = x.length - 1;
        while (hi - lo > 1) {
            const mid = (lo + hi) >> 1;
            if ((x[mid] as number) < v) lo = mid;
            else hi = mid;
        }
        return v - (x[lo] as number) < (x[hi] as number) - v ? lo : hi;
    }

    private setCursor(index: number | null): void {
        this.index = index;
        this.moveLine();
        this.options.cursor?.(index);
    }

    private moveLine(): void {
        const at = this.index === null ? undefined : this.data.x[this.index];
        const x = at === undefined ? -1 : this.x(at);
        const shown = x >= this.box.left && x <= this.box.left + this.box.width;
        this.line.hidden = !shown;
        if (!shown) return;
        this.line.style.left = `${x}px`;
        this.line.style.top = `${this.box.top}px`;
        this.line.style.height = `${this.box.height}px`;
    }

    private down(e: PointerEvent): void {
        if (!this.options.zoom || e.button !== 0 || e.pointerType === "touch") return;
        this.canvas.setPointerCapture(e.pointerId);
        this.dragFrom = e.offsetX;
    }

    private move(e: PointerEvent): void {
        this.setCursor(this.nearest(e.offsetX));
        if (this.dragFrom === null) return;
        const [a, b] = [Math.min(this.dragFrom, e.offsetX), Math.max(this.dragFrom, e.offsetX)];
        this.selection.hidden = b - a < DRAG_PX;
        this.selection.style.left = `${a}px`;
        this.selection.style.width = `${b - a}px`;
        this.selection.style.top = `${this.box.top}px`;
        this.selection.style.height = `${this.box.height}px`;
    }

    private up(e: PointerEvent): void {
        const from = this.dragFrom;
        this.endDrag();
        if (from === null || Math.abs(e.offsetX - from) < DRAG_PX) return;
        const [a, b] = [this.valueAt(Math.min(from, e.offsetX)), this.valueAt(Math.max(from, e.offsetX))];
        this.options.zoom?.([a, b]);
    }

    private endDrag(): void {
        this.dragFrom = null;
        this.selection.hidden = true;
    }

    private wheel(e: WheelEvent): void {
        e.preventDefault();
        this.zoomBy(Math.exp(e.deltaY / 400), this.valueAt(e.offsetX));
    }

    private zoomBy(factor: number, about: number): void {
        const [lo, hi] = this.data.xRange;
        this.options.zoom?.([about + (lo - about) * factor, about + (hi - about) * factor]);
    }

    private key(e: KeyboardEvent): void {
        if (e.ctrlKey || e.metaKey || e.altKey) return;
        const n = this.data.x.length;
        const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
        if (step && n) {
            const from = this.index ?? this.nearest(this.box.left + this.box.width / 2) ?? 0;
            this.setCursor(Math.min(n - 1, Math.max(0, from + step * (e.shiftKey ? 10 : 1))));
            announce(this.options.cursor?.(this.index) ?? "");
        } else if (this.options.zoom && /^[+=-]$/.test(e.key)) {
            const [lo, hi] = this.data.xRange;
            this.zoomBy(
                e.key === "-" ? 1.5 : 1 / 1.5,
                this.index === null ? (lo + hi) / 2 : (this.data.x[this.index] as number),
            );
        } else if (this.options.zoom && e.key === "0") this.options.zoom(null);
        else return;
        e.preventDefault();
        e.stopPropagation();
    }
}

function rule(c: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
    c.beginPath();
    c.moveTo(x0, y0);
    c.lineTo(x1, y1);
    c.stroke();
}

/** Round values within a range, about as many as wanted. */
function ticks([lo, hi]: [number, number], wanted: number, whole = false): number[] {
    const raw = (hi - lo) / Math.max(1, wanted);
    const decade = 10 ** Math.floor(Math.log10(raw));
    let step = ([1, 2, 5, 10].find((m) => m * decade >= raw) ?? 10) * decade;
    if (whole) step = Math.max(1, step);
    if (!(step > 0) || !Number.isFinite(step)) return [];
    const out: number[] = [];
    for (let i = Math.ceil(lo / step - 1e-9); i * step <= hi + step * 1e-9; i++)
        out.push(Number((i * step).toPrecision(12)));
    return out;
}

/** Two at least. */
function levels(range: [number, number], wanted: number): number[] {
    let out: number[] = [];
    for (let n = Math.max(2, wanted); out.length < 2 && n < 20; n *= 1.5) out = ticks(range, n);
    return out;
}

function decades([lo, hi]: [number, number], most: number): number[] {
    const [a, b] = [Math.ceil(Math.log10(lo) - 1e-9), Math.floor(Math.log10(hi) + 1e-9)];
    const step = Math.max(1, Math.ceil((b - a + 1) / Math.max(1, most)));
    const out: number[] = [];
    for (let e = a; e <= b; e += step) out.push(10 ** e);
    return out;
}

function power(value: number): string {
    const e = Math.round(Math.log10(value));
    return e >= 0 && e <= 1 ? String(10 ** e) : `10${superscript(e)}`;
}

export function stroke(c: CanvasRenderingContext2D, colour: string, width: number, dash: number[] = []): void {
    c.strokeStyle = colour;
    c.lineWidth = width;
    c.setLineDash(dash);
}

/** The pane of each of n curves: composition of few elements is far apart, and its changes are small. */
export function paneOf(k: number, n: number): number {
    return n <= MOST_PANES ? k : 0;
}

/** The ranges of those panes; one range where they share one. */
export function panesOf(
    values: number[][],
    range: (values: number[]) => [number, number],
): { yRange: [number, number]; panes?: [number, number][] } {
    const yRange = range(values.flat());
    return values.length > 0 && values.length <= MOST_PANES ? { yRange, panes: values.map(range) } : { yRange };
}

/** Fills between two curves where both are known. */
export function band(
    chart: Chart,
    c: CanvasRenderingContext2D,
    x: ArrayLike<number>,
    lo: ArrayLike<number>,
    hi: ArrayLike<number>,
    colour: string,
    alpha: number,
    pane = 0,
): void {
    const known = (i: number) => Number.isFinite(lo[i]) && Number.isFinite(hi[i]);
    c.fillStyle = colour;
    c.globalAlpha = alpha;
    for (let i = 0; i < x.length; i++) {
        if (!known(i)) continue;
        let end = i;
        while (end < x.length && known(end)) end++;
        c.beginPath();
        for (let k = i; k < end; k++) c.lineTo(chart.x(x[k] as number), chart.y(hi[k] as number, pane));
        for (let k = end - 1; k >= i; k--) c.lineTo(chart.x(x[k] as number), chart.y(lo[k] as number, pane));
        c.closePath();
        c.fill();
        i = end;
    }
    c.globalAlpha = 1;
}

/** Hatches the whole plot: not to be trusted. */
export function hatched(chart: Chart, c: CanvasRenderingContext2D): void {
    const { left, top, width, height } = chart.box;
    c.fillStyle = hatch(c, theme().hatch);
    c.fillRect(left, top, width, height);
}
