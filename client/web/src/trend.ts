// Frame by frame: composition with its error, where the specimen drifted, damage, dose, forecast.
import { band, Chart, paneOf, panesOf, stroke } from "./chart";
import { seriesColour, theme } from "./colour";
import { byId, fitCanvas, h, Memo, setText } from "./dom";
import { duration, fixed, integer, probability, short, significant, withError } from "./format";
import { framePeriod, lateness, stale } from "./freshness";
import { changed, live, ui } from "./state";
import type { Snapshot, Status, Trend } from "./types";

const DAMAGE_LEVEL = 0.01;
/** at.% above and below. */
const LEAST_ROOM = 0.25;

export class TrendView {
    private readonly plot: Chart;
    private readonly memo = new Memo();
    private readonly driftMemo = new Memo();
    private readonly canvas = byId<HTMLCanvasElement>("drift-plot");
    private readonly size: () => { width: number; height: number; ratio: number };
    private trend: Trend | undefined;
    private elements: string[] = [];
    private forecasts: number[] = [];
    private lastForecast: Trend | undefined;
    private acq = "";

    constructor() {
        this.size = fitCanvas(this.canvas, () => (this.driftMemo.reset(), changed()));
        this.plot = new Chart(byId("trend-plot"), {
            label: "Composition by frame",
            xLabel: "Frame",
            yLabel: "at.%",
            whole: true,
            names: () =>
                this.elements.map((text, k) => ({
                    text,
                    colour: seriesColour(k),
                    value: middle(this.row(k).slice(-9)),
                    pane: this.pane(k),
                })),
            under: (_, c) => this.drawBands(c),
            over: (_, c) => this.drawMarks(c),
            cursor: (i) => this.readoutAt(i),
        });
    }

    render(snapshot: Snapshot): void {
        const trend = snapshot["edx.trend"];
        const maps = snapshot["edx.maps"] ?? live()["edx.maps"];
        byId("trend-empty").hidden = !!trend;
        this.noteForecast(trend);
        if (this.memo.changed(trend, ui.pinned, theme(), maps?.elements.join())) {
            this.trend = trend;
            this.elements = maps?.elements ?? [];
            this.setData();
        }
        this.plot.paint();
        this.renderDrift(snapshot);
        this.cards(snapshot);
    }

    private setData(): void {
        const f = this.trend?.composition.shape[1] ?? 0;
        const x = Array.from({ length: f }, (_, i) => i);
        const ends = this.elements.map((_, k) =>
            this.row(k).flatMap(([v, s]) => (Number.isFinite(v) ? [v - s, v + s] : [])),
        );
        this.plot.set({ x, xRange: [0, Math.max(1, f - 1)], ...panesOf(ends, trendRange) });
        this.readoutAt(this.plot.index);
    }

    private pane(k: number): number {
        return paneOf(k, this.elements.length);
    }

    private row(k: number): [number, number][] {
        const { composition, sigma } = this.trend ?? {};
        if (!composition || !sigma || k >= (composition.shape[0] ?? 0)) return [];
        const s = sigma.row(k);
        return Array.from(composition.row(k), (v, i) => [100 * v, 100 * (s[i] as number)]);
    }

    private readoutAt(index: number | null): string {
        const i = index ?? (this.trend?.composition.shape[1] ?? 0) - 1;
        const parts = this.elements.map((el, k) => {
            const [v, s] = this.row(k)[i] ?? [NaN, NaN];
            return `${el} ${withError(v, s)}`;
        });
        const text = i < 0 ? "" : `frame ${i}: ${parts.join(", ")} at.%`;
        setText(byId("trend-readout"), text);
        return text;
    }

    private drawBands(c: CanvasRenderingContext2D): void {
        this.elements.forEach((_, k) => {
            const row = this.row(k);
            const x = row.map((__, i) => i);
            const side = (sign: number) => row.map(([v, s]) => v + sign * s);
            this.plot.within(c, this.pane(k), () =>
                band(this.plot, c, x, side(-1), side(1), seriesColour(k), 0.28, this.pane(k)),
            );
        });
        const since = this.trend?.damage?.since_frame ?? -1;
        if (since < 0) return;
        const { left, top, width, height } = this.plot.box;
        const x = this.plot.x(since);
        c.fillStyle = theme().bad;
        c.globalAlpha = 0.12;
        c.fillRect(x, top, left + width - x, height);
        c.globalAlpha = 1;
        c.fillText("damage", x + 4, top + 11);
    }

    private drawMarks(c: CanvasRenderingContext2D): void {
        this.elements.forEach((_, k) => {
            stroke(c, seriesColour(k), 1.5);
            this.plot.within(c, this.pane(k), () => this.drawCurve(c, k));
        });
        if (ui.pinned === null) return;
        const { top, height } = this.plot.box;
        const x = this.plot.x(ui.pinned);
        stroke(c, theme().accent, 1.5);
        c.beginPath();
        c.moveTo(x, top);
        c.lineTo(x, top + height);
        c.stroke();
    }

    private drawCurve(c: CanvasRenderingContext2D, k: number): void {
        c.beginPath();
        let begun = false;
        this.row(k).forEach(([v], i) => {
            if (!Number.isFinite(v)) return void (begun = false);
            const at = [this.plot.x(i), this.plot.y(v, this.pane(k))] as const;
            if (begun) c.lineTo(...at);
            else c.moveTo(...at);
            begun = true;
        });
        c.stroke();
    }

    private renderDrift(snapshot: Snapshot): void {
        const trend = snapshot["edx.trend"];
        const status = snapshot["edx.status"];
        const track: [number, number][] = trend ? pairs(trend) : [];
        const now = status?.drift_nm;
        setText(byId("drift-readout"), now ? `Δy ${fixed(now[0], 2)}, Δx ${fixed(now[1], 2)} nm` : "");
        if (!this.driftMemo.changed(trend, theme(), now?.join())) return;
        const { width, height, ratio } = this.size();
        const c = this.canvas.getContext("2d");
        if (!c || width === 0) return;
        c.setTransform(ratio, 0, 0, ratio, 0, 0);
        c.clearRect(0, 0, width, height);
        drawDrift(c, width, height, track.length ? track : now ? [[0, 0], now] : []);
    }

    /** Frames that were forecast, to see how far they spread. */
    private noteForecast(trend: Trend | undefined): void {
        if (!trend || trend === this.lastForecast) return;
        if (trend.acq !== this.acq) this.forecasts = [];
        this.acq = trend.acq;
        this.lastForecast = trend;
        const needed = trend.forecast?.frames_needed;
        if (needed !== undefined && Number.isFinite(needed)) this.forecasts = [...this.forecasts.slice(-7), needed];
    }

    private cards(snapshot: Snapshot): void {
        const { "edx.trend": trend, "edx.status": status } = snapshot;
        this.damage(trend);
        const c = trend?.contamination;
        const growing = c?.since_frame !== undefined && c.since_frame >= 0;
        setText(
            byId("contamination"),
            c?.z === undefined
                ? "–"
                : growing
                  ? `⚠ since frame ${c.since_frame} (z = ${fixed(c.z, 1)})`
                  : `none seen (z = ${fixed(c.z, 1)})`,
        );
        byId("contamination").dataset.warn = String(growing);
        this.forecast(trend, status);
        setText(
            byId("dose"),
            trend?.dose_e_per_A2 === undefined ? "–" : `${significant(trend.dose_e_per_A2, 3)} e⁻/Å²`,
        );
        const health = status?.health;
        const outliers = health?.outliers.length ?? 0;
        const agree =
            !health || health.dof === 0
                ? "–"
                : health.p < DAMAGE_LEVEL
                  ? `frames disagree, ${probability(health.p)}`
                  : `frames agree, ${probability(health.p)}`;
        setText(byId("health"), agree + (outliers ? `; ${outliers} outlier${outliers > 1 ? "s" : ""}` : ""));
        setText(
            byId("stream"),
            status
                ? `${integer(status.received)} received, ${integer(status.lost)} lost, ${integer(status.bad)} bad`
                : "–",
        );
        byId("stream").dataset.warn = String(!!status && status.lost + status.bad > 0);
        this.latency(status);
    }

    private latency(status: Status | undefined): void {
        const late = lateness(status);
        const { p50, p99 = NaN } = status?.latency_ms ?? {};
        const times = p50 === undefined ? "–" : `${significant(p50, 2)} ms, 99 % under ${significant(p99, 2)} ms`;
        setText(byId("latency"), late ? `${late}; ${significant(p50 ?? NaN, 2)} ms` : times);
        byId("latency").dataset.warn = String(!!late);
    }

    private damage(trend: Trend | undefined): void {
        const d = trend?.damage;
        const out = byId("damage");
        const found = !!d && d.since_frame >= 0;
        out.dataset.warn = String(found);
        if (!d || !Number.isFinite(d.z)) setText(out, "–");
        else if (found) setText(out, `⚠ since frame ${d.since_frame} (z = ${fixed(d.z, 1)}, ${probability(d.p)})`);
        else setText(out, `none seen (z = ${fixed(d.z, 1)}, ${probability(d.p)})`);
    }

    /** The frames still to come as an interval; blank where it cannot be believed. */
    private forecast(trend: Trend | undefined, status: Status | undefined): void {
        const out = byId("forecast");
        const f = trend?.forecast;
        const label = byId("forecast-label");
        setText(label, f ? `To ± ${significant(100 * f.target_sigma, 2)} at.%` : "To target");
        if (!trend || !f || f.frames_needed === undefined || Number.isNaN(f.frames_needed)) return setText(out, "–");
        if (stale().is) return setText(out, "– (stale)");
        if ((trend.damage?.since_frame ?? -1) >= 0) return setText(out, "withheld: specimen changes");
        if (!Number.isFinite(f.frames_needed)) return setText(out, "not reachable: k is too uncertain");
        setText(out, this.interval(f.frames_needed, trend.frames, status));
    }

    private interval(needed: number, frames: number, status: Status | undefined): string {
        const margin = needed / Math.sqrt(Math.max(4, frames)) / 2;
        const left = (v: number) => Math.max(0, Math.round(v - frames));
        const lo = left(Math.min(...this.forecasts, needed - margin));
        const hi = left(Math.max(...this.forecasts, needed + margin));
        if (hi === 0 || needed <= frames) return "reached";
        const seconds = framePeriod();
        const time = seconds && status?.state === "acquiring" ? `, ${duration(((lo + hi) / 2) * seconds)}` : "";
        return `${short(lo)} to ${short(hi)} more frames${time}`;
    }
}

function middle(row: [number, number][]): number {
    const known = row
        .map(([v]) => v)
        .filter(Number.isFinite)
        .sort((a, b) => a - b);
    return known[known.length >> 1] ?? NaN;
}

/** Most of the values with some room: early frames have errors without end. */
function trendRange(values: number[]): [number, number] {
    if (!values.length) return [0, 100];
    const sorted = [...values].sort((a, b) => a - b);
    const at = (q: number) => sorted[Math.floor(q * (sorted.length - 1))] as number;
    const [lo, hi] = [at(0.02), at(0.98)];
    const margin = Math.max(LEAST_ROOM, 0.15 * (hi - lo));
    return [Math.max(0, lo - margin), Math.min(100, hi + margin)];
}

function pairs(trend: Trend): [number, number][] {
    const flat = trend.drift_nm.plane();
    const end = ui.pinned === null ? flat.length / 2 : Math.min(flat.length / 2, ui.pinned + 1);
    return Array.from({ length: end }, (_, i) => [flat[2 * i] as number, flat[2 * i + 1] as number]);
}

/** Where the specimen went, seen from the first frame; equal scales. */
function drawDrift(c: CanvasRenderingContext2D, width: number, height: number, track: [number, number][]): void {
    const colours = theme();
    const reach = Math.max(0.1, ...track.map(([y, x]) => Math.hypot(y, x)).filter(Number.isFinite));
    const step = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50].find((s) => s * 2.2 >= reach) ?? 100;
    const scale = (Math.min(width, height) / 2 - 12) / Math.max(reach, 2 * step);
    const at = ([y, x]: [number, number]) => [width / 2 + x * scale, height / 2 + y * scale] as const;
    c.font = "11px system-ui, sans-serif";
    c.lineWidth = 1;
    for (const k of [1, 2]) {
        c.strokeStyle = colours.line;
        c.beginPath();
        c.arc(width / 2, height / 2, k * step * scale, 0, 2 * Math.PI);
        c.stroke();
        c.fillStyle = colours.faint;
        c.fillText(
            `${k * step}${k === 2 ? " nm" : ""}`,
            width / 2 + 3,
            height / 2 - k * step * scale + (k === 2 ? 11 : -3),
        );
    }
    c.beginPath();
    c.moveTo(width / 2 - 2 * step * scale, height / 2);
    c.lineTo(width / 2 + 2 * step * scale, height / 2);
    c.moveTo(width / 2, height / 2 - 2 * step * scale);
    c.lineTo(width / 2, height / 2 + 2 * step * scale);
    c.stroke();
    if (!track.length) return;
    c.strokeStyle = colours.accent;
    c.lineWidth = 1.5;
    c.beginPath();
    track.forEach((p) => c.lineTo(...at(p)));
    c.stroke();
    c.fillStyle = colours.accent;
    c.beginPath();
    c.arc(...at(track.at(-1) as [number, number]), 4, 0, 2 * Math.PI);
    c.fill();
}

export function startTrendEmpty(): void {
    byId("trend-empty").replaceChildren(
        h("strong", {}, "No trend yet"),
        h("span", {}, "Composition frame by frame comes with the first particle"),
    );
}
