// One particle: its radial profile with 1σ and 3σ bands, the verdict, and what may be believed.
import { band, Chart, hatched, paneOf, panesOf, stroke } from "./chart";
import { seriesColour, theme } from "./colour";
import { byId, h, Memo, Segmented, setText } from "./dom";
import { fixed, percent } from "./format";
import { lineChartOf } from "./linechart";
import type { Source } from "./quality";
import { composition, series, SOURCES, trust, verdict } from "./quality";
import { changed, server, ui } from "./state";
import type { Particle, Particles, Radial, Snapshot } from "./types";

/** Denoised where there is one, else the model, else the counts. */
export function sourceFor(radial: Radial | undefined): Source {
    const wanted = ui.profileFrom ?? "raw";
    if (series(radial, wanted)) return wanted;
    return (["denoised", "model", "raw"] as Source[]).find((s) => series(radial, s)) ?? "raw";
}

export function chosenParticle(snapshot: Snapshot): Particle | undefined {
    const list = snapshot["edx.particles"]?.particles ?? [];
    return list.find((p) => p.id === ui.particle) ?? [...list].sort((a, b) => b.diameter_nm - a.diameter_nm)[0];
}

interface Curve {
    colour: string;
    element: string;
    x: number[];
    value: number[];
    sigma: number[];
    known: boolean[];
    model: number[];
}

export class ParticleView {
    private readonly plot: Chart;
    private readonly memo = new Memo();
    private readonly sources: Segmented<Source>;
    private readonly panels: Segmented<"particle" | "line">;
    private readonly select: HTMLSelectElement;
    private readonly optionsMemo = new Memo();
    private readonly line = lineChartOf(byId("line-plot"));
    private curves: Curve[] = [];
    private untrusted = false;
    private biased = false;

    constructor() {
        this.panels = new Segmented<"particle" | "line">(
            "Profile",
            [
                { id: "particle", label: "Particle" },
                { id: "line", label: "Line" },
            ],
            (id) => ((ui.panel = id), changed()),
        );
        this.select = h("select", {
            "aria-label": "Particle",
            change: () => ((ui.particle = Number(this.select.value)), changed()),
        });
        this.sources = new Segmented<Source>("Profile from", SOURCES, (id) => ((ui.profileFrom = id), changed()));
        byId("profile-bar").append(this.panels.root, this.select, h("span", { class: "grow" }), this.sources.root);
        this.plot = new Chart(byId("radial-plot"), {
            label: "Radial profile",
            xLabel: "Distance from the centre (nm)",
            yLabel: "at.%",
            leastPane: 50,
            names: () =>
                this.curves.map((c, k) => ({
                    pane: this.pane(k),
                    text: c.element,
                    colour: c.colour,
                    value: c.value[c.value.findLastIndex((v, i) => Number.isFinite(v) && c.known[i])] ?? NaN,
                })),
            under: (_, c) => this.drawBands(c),
            over: (_, c) => this.drawPoints(c),
            cursor: (i) => this.readoutAt(i),
        });
    }

    private pane(k: number): number {
        return paneOf(k, this.curves.length);
    }

    render(snapshot: Snapshot): void {
        this.panels.set(ui.panel);
        const onLine = ui.panel === "line";
        byId("particle").hidden = onLine;
        byId("line").hidden = !onLine;
        this.select.hidden = this.sources.root.hidden = onLine;
        if (onLine) return this.line.render(snapshot);
        const body = snapshot["edx.particles"];
        this.options(body);
        const particle = chosenParticle(snapshot);
        if (particle && this.select.value !== String(particle.id)) this.select.value = String(particle.id);
        for (const { id, title } of SOURCES)
            this.sources.enable(id, !!series(particle?.radial, id), particle ? title : "Not published yet");
        byId("particle-empty").hidden = !!particle;
        byId("particle-facts").hidden = !particle;
        this.select.hidden = !particle;
        if (!particle) this.empty(snapshot);
        if (this.memo.changed(particle, ui.profileFrom, theme())) {
            this.takeCurves(particle);
            if (particle) this.texts(particle, body);
        }
        this.readoutAt(this.plot.index);
        this.plot.paint();
    }

    private empty(snapshot: Snapshot): void {
        const [title, cure] =
            !server.linked || !snapshot["edx.spectrum"]
                ? ["No particle yet", "Waiting for frames"]
                : !snapshot["edx.maps"]
                  ? ["No particle yet", "No line is known: list elements under Settings, or in edx.begin"]
                  : snapshot["edx.particles"]
                    ? ["No particle found", "None stands out so far. Draw a region, or a line, on a map"]
                    : ["No particle yet", "edxd has published none. Draw a region, or a line, on a map"];
        byId("particle-empty").replaceChildren(h("strong", {}, title), h("span", {}, cure));
    }

    private options(body: Particles | undefined): void {
        const list = body?.particles ?? [];
        if (!this.optionsMemo.changed(list.map((p) => `${p.id}:${fixed(p.diameter_nm, 1)}`).join())) return;
        this.select.replaceChildren(
            ...list.map((p, i) =>
                h("option", { value: p.id }, `${list.length > 1 ? `${i + 1}/${list.length} · ` : ""}${fixed(p.diameter_nm, 1)} nm`),
            ),
        );
    }

    private takeCurves(particle: Particle | undefined): void {
        const radial = particle?.radial;
        const source = sourceFor(radial);
        const found = series(radial, source);
        this.sources.set(found ? source : null);
        const elements = Object.keys(particle?.composition ?? {});
        const r = Array.from(radial?.r_nm.values() ?? []);
        const scaled = (array: ArrayLike<number>) => Array.from(array, (v) => 100 * v);
        this.curves =
            !radial || !found
                ? []
                : elements.map((element, i) => ({
                      element,
                      colour: seriesColour(i),
                      x: r,
                      value: scaled(found.value.row(i)),
                      sigma: scaled(found.sigma.row(i)),
                      known: radial.quantified,
                      model: radial.model ? scaled(radial.model.row(i)) : [],
                  }));
        const level = radial ? trust(radial, source, elements).level : "ok";
        this.biased = level === "biased";
        this.untrusted = level !== "ok";
        const values = this.curves.map((c) =>
            c.value.flatMap((v, i) => {
                const [s, model] = [3 * (c.sigma[i] ?? 0), c.model[i] ?? NaN];
                if (!Number.isFinite(v) || !c.known[i]) return [];
                return this.biased && Number.isFinite(model) ? [v - s, v + s, model] : [v - s, v + s];
            }),
        );
        const far = r[radial?.quantified.lastIndexOf(true) ?? -1] ?? r.at(-1) ?? 5;
        this.plot.set({
            x: r,
            xRange: [0, far + 0.03 * far],
            ...panesOf(values, range),
        });
    }

    private texts(particle: Particle, body: Particles | undefined): void {
        const source = sourceFor(particle.radial);
        const judged = particle.radial && trust(particle.radial, source, Object.keys(particle.composition));
        const badge = byId("trust");
        badge.dataset.level = judged?.level ?? "unchecked";
        setText(
            badge,
            judged ? (judged.level === "ok" ? `✓ ${judged.text}` : `⚠ ${judged.text}`) : "⚠ No radial profile yet",
        );
        const said = verdict(particle.segregation);
        setText(byId("verdict"), said.text);
        byId("verdict").dataset.clear = String(said.clear);
        const parts = composition(particle, body?.systematic).map(([el, f, s, k], i, all) => {
            const unit = i + 1 === all.length ? " at.%" : "";
            const dot = h("i", { class: "dot" });
            dot.style.backgroundColor = seriesColour(i);
            return h(
                "span",
                { class: "part" },
                dot,
                k > 0 ? `${el} ${percent(f, s, "")} ± ${fixed(100 * k, k < 0.00095 ? 2 : 1)} (k)${unit}` : `${el} ${percent(f, s, unit)}`,
            );
        });
        const edge = particle.touches_edge ? h("span", { class: "warn" }, "⚠ cut by the scan’s edge") : null;
        byId("composition").replaceChildren(
            h("span", { class: "part" }, `⌀ ${fixed(particle.diameter_nm, 2)} nm`),
            ...parts,
            ...(edge ? [edge] : []),
        );
    }

    private readoutAt(i: number | null): string {
        let text = "";
        if (i !== null && this.curves.length) {
            const parts = this.curves.map(
                (c) =>
                    `${c.element} ${c.known[i] ? percent((c.value[i] ?? NaN) / 100, (c.sigma[i] ?? NaN) / 100) : "under the limit"}`,
            );
            text = `${fixed(this.curves[0]?.x[i] ?? NaN, 2)} nm: ${parts.join(", ")}`;
        }
        setText(byId("profile-readout"), text || (this.curves.length ? "Bands: 1σ (68 %) and 3σ (99.7 %)" : ""));
        return text;
    }

    private drawBands(c: CanvasRenderingContext2D): void {
        for (const [i, curve] of this.curves.entries()) {
            for (const [k, alpha] of [
                [3, 0.13],
                [1, 0.3],
            ] as const) {
                const side = (sign: number) =>
                    curve.value.map((v, m) => (curve.known[m] ? v + sign * k * (curve.sigma[m] ?? NaN) : NaN));
                this.plot.within(c, this.pane(i), () =>
                    band(this.plot, c, curve.x, side(-1), side(1), curve.colour, alpha, this.pane(i)),
                );
            }
        }
        if (this.untrusted) hatched(this.plot, c);
    }

    private drawPoints(c: CanvasRenderingContext2D): void {
        this.curves.forEach((curve, k) => this.plot.within(c, this.pane(k), () => this.drawCurve(c, curve, k)));
    }

    private drawCurve(c: CanvasRenderingContext2D, curve: Curve, k: number): void {
        const at = (i: number): [number, number] => [
            this.plot.x(curve.x[i] as number),
            this.plot.y(curve.value[i] as number, this.pane(k)),
        ];
        const shown = curve.x.map((_, i) => i).filter((i) => curve.known[i] && Number.isFinite(curve.value[i]));
        stroke(c, curve.colour, 1.5, this.untrusted ? [4, 3] : []);
        c.beginPath();
        shown.forEach((i) => c.lineTo(...at(i)));
        c.stroke();
        c.setLineDash([]);
        for (const i of shown) {
            const [x, y] = at(i);
            c.beginPath();
            if (k % 2) c.rect(x - 3, y - 3, 6, 6);
            else c.arc(x, y, 3.2, 0, 2 * Math.PI);
            c.fillStyle = this.untrusted ? theme().panel : curve.colour;
            c.fill();
            stroke(c, curve.colour, 1.5);
            c.stroke();
            if (this.biased) this.arrow(c, x, y, this.plot.y(curve.model[i] as number, this.pane(k)));
        }
    }

    /** From the biased point to where the model stands. */
    private arrow(c: CanvasRenderingContext2D, x: number, y: number, to: number): void {
        if (!Number.isFinite(to) || Math.abs(to - y) < 5) return;
        const tip = Math.sign(to - y) * 5;
        stroke(c, theme().bad, 1.5);
        c.beginPath();
        c.moveTo(x, y);
        c.lineTo(x, to);
        c.moveTo(x - 3, to - tip);
        c.lineTo(x, to);
        c.lineTo(x + 3, to - tip);
        c.stroke();
    }
}

function range(values: number[]): [number, number] {
    if (!values.length) return [0, 100];
    const [lo, hi] = [Math.min(...values), Math.max(...values)];
    const margin = Math.max(0.25, 0.1 * (hi - lo));
    return [Math.max(0, lo - margin), Math.min(100, hi + margin)];
}
