// The sum spectrum, and beside it that of what was drawn or of a component.
import { Chart, stroke } from "./chart";
import type { Curve } from "./chart";
import { seriesColour, theme } from "./colour";
import { config } from "./config";
import { byId, h, Memo, Segmented, setText } from "./dom";
import { fixed, integer, lineName, significant } from "./format";
import { lineEnergy, linesOf, USUAL } from "./lines";
import { changed, energies, keep, kept, probe, ui } from "./state";
import type { Maps, Snapshot, Spectrum } from "./types";
import { regionText, setShape } from "./probe";

const NEAR_KEV = 0.06;

interface Mark {
    name: string;
    keV: number;
    colour: string;
    listed: boolean;
    window?: [number, number];
}

export class SpectrumView {
    private readonly plot: Chart;
    private readonly memo = new Memo();
    private readonly scale: Segmented<"log" | "linear">;
    private readonly readout = byId("spectrum-readout");
    private readonly legend = byId("spectrum-legend");
    private marks: Mark[] = [];
    private x: Float64Array = new Float64Array();
    private sum: ArrayLike<number> = [];
    private limits: [number, number] | null = null;

    constructor() {
        this.scale = new Segmented<"log" | "linear">(
            "Scale of counts",
            [
                { id: "log", label: "Log" },
                { id: "linear", label: "Linear" },
            ],
            (id) => keep({ logarithmic: id === "log" }),
        );
        const reset = h(
            "button",
            { type: "button", class: "plain", title: "Show all energies", click: () => this.zoom(null) },
            "Fit",
        );
        byId("spectrum-bar").append(this.scale.root, reset);
        this.plot = new Chart(byId("spectrum-plot"), {
            label: "Sum spectrum",
            xLabel: "Energy (keV)",
            yLabel: "Counts",
            zoom: (range) => this.zoom(range),
            under: (_, c) => this.drawWindows(c),
            over: (_, c) => this.drawMarks(c),
            cursor: (i) => this.readoutAt(i),
        });
    }

    private extent(): [number, number] {
        const n = this.x.length;
        const first = this.x[0] ?? 0;
        return n ? [first < 0.1 ? 0 : first, this.x[n - 1] as number] : [0, 10];
    }

    zoom(wanted: [number, number] | null): void {
        const [least, most] = this.extent();
        const narrow = 8 * ((this.x[1] ?? 1) - (this.x[0] ?? 0));
        const lo = Math.max(least, wanted?.[0] ?? least);
        const hi = Math.min(most, wanted?.[1] ?? most);
        this.limits = !wanted || (lo <= least && hi >= most) ? null : [lo, Math.max(hi, lo + narrow)];
        this.memo.reset();
        changed();
    }

    render(snapshot: Snapshot): void {
        this.take(snapshot);
        this.plot.paint();
    }

    private take(snapshot: Snapshot): void {
        this.scale.set(kept.logarithmic ? "log" : "linear");
        const spectrum = snapshot["edx.spectrum"];
        const maps = snapshot["edx.maps"];
        const empty = byId("spectrum-empty");
        empty.hidden = !!spectrum;
        const component = ui.tab === "components" ? ui.component : null;
        const body =
            component === null ? undefined : kept.componentsFrom === "pca" ? snapshot["edx.pca"] : snapshot["edx.nmf"];
        const region = probe.region;
        this.regionBar();
        if (
            !spectrum ||
            !this.memo.changed(
                spectrum,
                maps?.lines.join(),
                maps?.window_eV?.values().join(),
                config.lines,
                region,
                ui.tab,
                body,
                component,
                kept.logarithmic,
                theme(),
            )
        )
            return;
        this.x = energies(spectrum);
        this.marks = marks(maps);
        this.sum = spectrum.sum.values();
        const second = this.second(snapshot, spectrum, component);
        const curves: Curve[] = [{ values: this.sum, colour: theme().text, width: 1.25 }];
        if (spectrum.background)
            curves.push({ values: spectrum.background.values(), colour: theme().faint, width: 1.25, dash: [2, 3] });
        if (spectrum.fit)
            curves.push({ values: spectrum.fit.values(), colour: seriesColour(3), width: 1.25, dash: [5, 3] });
        if (second) curves.push({ values: second.data, colour: theme().accent, width: 1.75 });
        const xRange = this.limits ?? this.extent();
        this.plot.set({
            x: this.x,
            curves,
            xRange,
            yRange: this.yRange(curves, xRange),
            logarithmic: kept.logarithmic,
            yLabel: `Counts per ${Number(spectrum.energy.scale_eV.toPrecision(3))} eV`,
        });
        this.legendTexts(second?.label, !!spectrum.fit, !!spectrum.background);
        this.readoutAt(this.plot.index);
    }

    /** What the shown energies need; on a logarithmic scale nothing below half a count. */
    private yRange(curves: Curve[], [from, to]: [number, number]): [number, number] {
        let [lo, hi] = [Infinity, 0];
        for (const { values } of curves)
            this.x.forEach((keV, i) => {
                const v = values[i] as number;
                if (keV < from || keV > to || !(v > 0)) return;
                lo = Math.min(lo, v);
                hi = Math.max(hi, v);
            });
        if (hi <= 0) return kept.logarithmic ? [0.5, 100] : [0, 10];
        return kept.logarithmic ? [Math.max(0.5, Math.min(lo * 0.7, hi / 20)), hi * 3] : [0, hi * 1.18];
    }

    private second(
        snapshot: Snapshot,
        spectrum: Spectrum,
        component: number | null,
    ): { data: ArrayLike<number>; label: string } | undefined {
        const most = Math.max(1, ...spectrum.sum.values());
        if (component !== null) {
            const pca = kept.componentsFrom === "pca";
            const body = pca ? snapshot["edx.pca"] : snapshot["edx.nmf"];
            if (!body || component >= (body.spectra.shape[0] ?? 0)) return undefined;
            const row = body.spectra.row(component);
            const factor = most / Math.max(1e-30, ...Array.from(row, Math.abs));
            return {
                data: Array.from(row, (v) => factor * (kept.logarithmic ? Math.abs(v) : v)),
                label: kept.logarithmic && pca ? `|PCA ${component + 1}| scaled` : `${pca ? "PCA" : "NMF"} ${component + 1} scaled`,
            };
        }
        if (!probe.region) return undefined;
        const values = probe.region.spectrum.values();
        if (values.length !== this.x.length) return undefined;
        const factor = kept.logarithmic ? 1 : niceFactor(most / Math.max(1, ...values));
        return { data: Array.from(values, (v) => v * factor), label: `Region${factor > 1 ? ` × ${factor}` : ""}` };
    }

    private legendTexts(second: string | undefined, fit: boolean, background: boolean): void {
        const chip = (text: string, name: string) => h("span", { class: `chip ${name}` }, text);
        this.legend.replaceChildren(
            chip("Whole scan", "sum"),
            ...(second ? [chip(second, "second")] : []),
            ...(fit ? [chip("Fit", "fit")] : []),
            ...(background ? [chip("Background", "background")] : []),
        );
    }

    /** The composition of what was drawn, beside its spectrum. */
    private regionBar(): void {
        const bar = byId("region");
        const shape = ui.shape;
        const text = byId("region-text");
        bar.dataset.state = shape ? (probe.error ? "error" : "on") : "off";
        byId("region-clear").hidden = !shape;
        if (!shape) return setText(text, "Click or draw on a map for its composition.");
        if (probe.error) return setText(text, probe.error);
        if (shape.kind === "line") return setText(text, probe.line ? "Line profile: see below" : "Asking edxd…");
        setText(text, probe.region ? regionText(probe.region) : "Asking edxd…");
    }

    private readoutAt(i: number | null): string {
        const keV = i === null ? undefined : this.x[i];
        const n = i === null ? undefined : this.sum[i];
        const near = keV === undefined ? undefined : nearest(this.marks, keV);
        const text =
            keV === undefined || n === undefined
                ? ""
                : `${fixed(keV, 3)} keV · ${integer(n)} ± ${significant(Math.sqrt(n), 3)} counts${near ? ` · near ${near}` : ""}`;
        setText(this.readout, text || "Drag to zoom, double-click for all");
        return text;
    }

    private drawWindows(c: CanvasRenderingContext2D): void {
        const { top, height } = this.plot.box;
        for (const mark of this.marks) {
            if (!mark.window) continue;
            const [x0, x1] = [this.plot.x(mark.window[0]), this.plot.x(mark.window[1])];
            c.fillStyle = mark.colour;
            c.globalAlpha = 0.14;
            c.fillRect(x0, top, x1 - x0, height);
            c.globalAlpha = 1;
        }
    }

    private drawMarks(c: CanvasRenderingContext2D): void {
        const { left, top, width, height } = this.plot.box;
        const ends: number[] = [];
        c.textAlign = "left";
        for (const mark of [...this.marks].sort((a, b) => a.keV - b.keV)) {
            const x = Math.round(this.plot.x(mark.keV));
            if (x < left || x > left + width) continue;
            const text = lineName(mark.name);
            const wide = c.measureText(text).width;
            const at = Math.min(x + 3, left + width - wide - 2);
            let row = 0;
            while ((ends[row] ?? -1) > at) row++;
            ends[row] = at + wide + 6;
            stroke(c, mark.colour, 1, mark.listed ? [] : [2, 3]);
            c.globalAlpha = mark.listed ? 0.75 : 0.45;
            c.beginPath();
            c.moveTo(x + 0.5, top + row * 13 + 2);
            c.lineTo(x + 0.5, top + height);
            c.stroke();
            c.globalAlpha = 1;
            c.setLineDash([]);
            c.fillStyle = mark.listed ? mark.colour : theme().faint;
            c.fillText(text, at, top + row * 13 + 11);
        }
    }
}

/** The listed lines, and fainter the other families of their elements. */
function marks(maps: Maps | undefined): Mark[] {
    const out: Mark[] = [];
    (maps?.lines ?? []).forEach((line, i) => {
        const eV = maps?.energy_eV?.values()[i];
        const keV = eV ? eV / 1000 : lineEnergy(line);
        const window = maps?.window_eV?.row(i) ?? config.lines.find((l) => l.line === line)?.window_eV;
        if (keV !== undefined)
            out.push({
                name: line,
                keV,
                colour: seriesColour(i),
                listed: true,
                ...(window ? { window: [Number(window[0]) / 1000, Number(window[1]) / 1000] } : {}),
            });
        for (const [name, other] of linesOf(maps?.elements[i] ?? ""))
            if (name !== line) out.push({ name, keV: other, colour: seriesColour(i), listed: false });
    });
    return out;
}

/** What has a line near an energy: those of the list first, then what is often in a column. */
function nearest(list: Mark[], keV: number): string | undefined {
    const candidates: [string, number][] = list.map((m) => [m.name, m.keV]);
    for (const element of USUAL) candidates.push(...linesOf(element));
    let found: string | undefined;
    let least = NEAR_KEV;
    for (const [name, at] of candidates) {
        if (Math.abs(at - keV) >= least) continue;
        least = Math.abs(at - keV);
        found = name;
    }
    return found && lineName(found);
}

function niceFactor(ratio: number): number {
    if (!(ratio > 1.5)) return 1;
    const decade = 10 ** Math.floor(Math.log10(ratio));
    return decade * ([1, 2, 5].filter((m) => m * decade <= ratio).at(-1) ?? 1);
}

export function startRegionBar(): void {
    byId("region-clear").addEventListener("click", () => setShape(null));
}
