// The profile along a line: what was drawn here, or the one that the configuration names.
import { band, Chart } from "./chart";
import { seriesColour, theme } from "./colour";
import { byId, h, Memo, setText } from "./dom";
import { fixed, percent } from "./format";
import { probe, ui } from "./state";
import type { LineProfile, Snapshot } from "./types";

export interface LineChart {
    render(snapshot: Snapshot): void;
}

/** The line that is shown. */
export function lineProfile(snapshot: Snapshot): LineProfile | undefined {
    return ui.shape?.kind === "line" ? (probe.line ?? undefined) : snapshot["edx.profile"];
}

export function lineChartOf(element: HTMLElement): LineChart {
    const memo = new Memo();
    let shown: LineProfile | undefined;
    let elements: string[] = [];
    const rows = (array: LineProfile["fraction"], i: number) => Array.from(array.row(i), (v) => 100 * v);

    const readout = (i: number | null): string => {
        const profile = shown;
        let text = "";
        if (profile && i !== null) {
            const parts = elements.map(
                (el, k) => `${el} ${percent(profile.fraction.row(k)[i] ?? NaN, profile.sigma.row(k)[i] ?? NaN)}`,
            );
            text = `${fixed(profile.d_nm.values()[i] ?? NaN, 2)} nm: ${parts.join(", ")}`;
        }
        setText(byId("profile-readout"), text || (profile ? "Bands: 1σ (68 %) and 3σ (99.7 %)" : ""));
        return text;
    };

    const bands = (chart: Chart, c: CanvasRenderingContext2D) => {
        if (!shown) return;
        const x = shown.d_nm.values();
        for (let k = 0; k < elements.length; k++) {
            const [value, sigma] = [rows(shown.fraction, k), rows(shown.sigma, k)];
            for (const [n, alpha] of [
                [3, 0.13],
                [1, 0.3],
            ] as const) {
                const side = (sign: number) => value.map((v, i) => v + sign * n * (sigma[i] as number));
                band(chart, c, x, side(-1), side(1), seriesColour(k), alpha);
            }
        }
    };

    const points = (chart: Chart, c: CanvasRenderingContext2D) => {
        if (!shown) return;
        const x = shown.d_nm.values();
        for (let k = 0; k < elements.length; k++) {
            c.fillStyle = seriesColour(k);
            rows(shown.fraction, k).forEach((v, i) => {
                if (!Number.isFinite(v)) return;
                const [px, py] = [chart.x(x[i] as number), chart.y(v)];
                c.beginPath();
                c.arc(px, py, 2.5, 0, 2 * Math.PI);
                c.fill();
            });
        }
    };

    const names = () =>
        elements.map((text, k) => {
            const row = shown ? rows(shown.fraction, k) : [];
            return { text, colour: seriesColour(k), value: row.findLast(Number.isFinite) ?? NaN };
        });

    const plot = new Chart(element, {
        label: "Line profile",
        xLabel: "Distance along the line (nm)",
        yLabel: "at.%",
        names,
        under: bands,
        over: points,
        cursor: readout,
    });

    return {
        render(snapshot) {
            const profile = lineProfile(snapshot);
            const empty = byId("line-empty");
            empty.hidden = !!profile;
            if (!profile) {
                const asked = ui.shape?.kind === "line";
                empty.replaceChildren(
                    h("strong", {}, asked ? probe.error || "Asking edxd…" : "No line yet"),
                    h(
                        "span",
                        {},
                        asked
                            ? ""
                            : "Choose Line above the maps and drag across what is of interest, or set analysis.profile",
                    ),
                );
            }
            readout(plot.index);
            if (!memo.changed(profile, theme())) return plot.paint();
            shown = profile;
            elements = profile?.elements ?? snapshot["edx.maps"]?.elements ?? [];
            const d = Array.from(profile?.d_nm.values() ?? []);
            setText(
                byId("line-facts"),
                profile
                    ? `${fixed(d.at(-1) ?? 0, 1)} nm long, ${fixed(profile.width_nm, 2)} nm wide, ${d.length} points; a point is the sum of its pixels`
                    : "",
            );
            plot.set({ x: d, xRange: [0, d.at(-1) || 1], yRange: [0, 100] });
            plot.paint();
        },
    };
}
