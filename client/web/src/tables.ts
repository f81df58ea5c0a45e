// Everything on the page as tables: for screen readers, and for copying.
import { byId, h } from "./dom";
import { fixed, integer, lineName, percent, significant, withError } from "./format";
import { composition, SOURCES, series, trust, verdict } from "./quality";
import { probe, ui, view } from "./state";
import { lineProfile } from "./linechart";
import type { Maps, Particle, Snapshot } from "./types";

function table(caption: string, head: string[], rows: string[][]): HTMLElement {
    const body = rows.map((row) =>
        h("tr", {}, ...row.map((cell, i) => (i ? h("td", {}, cell) : h("th", { scope: "row" }, cell)))),
    );
    return h(
        "table",
        {},
        h("caption", {}, caption),
        h("thead", {}, h("tr", {}, ...head.map((t) => h("th", { scope: "col" }, t)))),
        h("tbody", {}, ...body),
    );
}

function total(values: ArrayLike<number>, f: (v: number) => number): number {
    return Array.from(values, f).reduce((a, b) => a + b, 0);
}

function lines(maps: Maps): HTMLElement {
    const rows = maps.lines.map((line, i) => {
        const sum = total(maps.intensity.plane(i), (v) => v);
        const sigma = Math.sqrt(total(maps.sigma.plane(i), (v) => v * v));
        const cursor = ui.cursor ? ui.cursor[0] * (maps.exposure.shape[1] ?? 0) + ui.cursor[1] : -1;
        const at =
            cursor < 0
                ? "no cursor"
                : withError(maps.intensity.plane(i)[cursor] ?? NaN, maps.sigma.plane(i)[cursor] ?? NaN);
        const fraction =
            cursor < 0
                ? "no cursor"
                : percent(maps.atomic_fraction.plane(i)[cursor] ?? NaN, maps.fraction_sigma.plane(i)[cursor] ?? NaN);
        return [lineName(line), withError(sum, sigma), at, fraction];
    });
    return table("Lines", ["Line", "Net counts of the scan", "At the cursor", "Fraction at the cursor"], rows);
}

function region(): HTMLElement | null {
    const found = probe.region;
    if (!found?.elements || !found.fraction || !found.sigma || !found.counts) return null;
    const { fraction, sigma, counts } = found;
    return table(
        `Region of ${found.pixels} scan pixels`,
        ["Element", "Net counts", "Composition"],
        found.elements.map((el, i) => [
            el,
            significant(counts.values()[i] ?? NaN, 5),
            percent(fraction.values()[i] ?? NaN, sigma.values()[i] ?? NaN),
        ]),
    );
}

function particles(snapshot: Snapshot): HTMLElement | null {
    const body = snapshot["edx.particles"];
    if (!body?.particles.length) return null;
    const rows = body.particles.map((p) => [
        String(p.id),
        `${fixed(p.centre_nm[0], 2)}, ${fixed(p.centre_nm[1], 2)}`,
        `${fixed(p.diameter_nm, 2)}${p.touches_edge ? " (cut by the edge)" : ""}`,
        composition(p, body.systematic)
            .map(([el, f, s]) => `${el} ${percent(f, s)}`)
            .join(", "),
        verdict(p.segregation).text,
    ]);
    return table("Particles", ["Particle", "Centre y, x (nm)", "Diameter (nm)", "Composition", "Segregation"], rows);
}

function radial(particle: Particle | undefined): HTMLElement | null {
    const r = particle?.radial;
    if (!particle || !r) return null;
    const elements = Object.keys(particle.composition);
    const sources = SOURCES.filter((s) => series(r, s.id));
    const head = ["Radius (nm)", ...sources.flatMap((s) => elements.map((el) => `${el}, ${s.label.toLowerCase()}`))];
    const rows = Array.from(r.r_nm.values(), (radius, i) => [
        fixed(radius, 2),
        ...sources.flatMap((s) =>
            elements.map((_, k) => {
                const found = series(r, s.id);
                return r.quantified[i] && found
                    ? percent(found.value.row(k)[i] ?? NaN, found.sigma.row(k)[i] ?? NaN, "")
                    : "under the limit";
            }),
        ),
    ]);
    const checks = table(
        `Radial profile of particle ${particle.id}: what may be believed`,
        ["Source", "Check"],
        sources.map((s) => [s.label, trust(r, s.id, elements).text]),
    );
    return h("div", {}, checks, table(`Radial profile of particle ${particle.id} (at.%)`, head, rows));
}

function profile(snapshot: Snapshot): HTMLElement | null {
    const found = lineProfile(snapshot);
    if (!found) return null;
    const elements = found.elements ?? snapshot["edx.maps"]?.elements ?? [];
    const rows = Array.from(found.d_nm.values(), (d, i) => [
        fixed(d, 2),
        ...elements.map((_, k) => percent(found.fraction.row(k)[i] ?? NaN, found.sigma.row(k)[i] ?? NaN)),
    ]);
    return table("Line profile", ["Distance (nm)", ...elements], rows);
}

function components(snapshot: Snapshot): HTMLElement | null {
    const pca = snapshot["edx.pca"];
    if (!pca) return null;
    const values = pca.eigenvalues.values();
    const free = pca.eigenvalues_noise_free.values();
    const rows = Array.from(values, (v, i) => [
        String(i + 1),
        significant(v, 4),
        significant(free[i] ?? NaN, 4),
        i < pca.rank ? "yes" : "no",
    ]);
    return table(
        `Principal components, noise edge ${significant(pca.noise_edge, 3)}`,
        ["Component", "Eigenvalue", "Without noise", "Kept"],
        rows,
    );
}

const NEWEST = 20;

function trend(snapshot: Snapshot): HTMLElement | null {
    const body = snapshot["edx.trend"];
    const elements = snapshot["edx.maps"]?.elements ?? [];
    if (!body) return null;
    const n = body.composition.shape[1] ?? 0;
    const drift = body.drift_nm.plane();
    const rows: string[][] = [];
    for (let f = n - 1; f >= Math.max(0, n - NEWEST); f--)
        rows.push([
            integer(f),
            ...elements.map((_, k) => percent(body.composition.row(k)[f] ?? NaN, body.sigma.row(k)[f] ?? NaN)),
            `${fixed(drift[2 * f] ?? NaN, 2)}, ${fixed(drift[2 * f + 1] ?? NaN, 2)}`,
        ]);
    return table(`Newest ${Math.min(n, NEWEST)} frames`, ["Frame", ...elements, "Drift y, x (nm)"], rows);
}

export function openTables(chosen: (snapshot: Snapshot) => Particle | undefined): void {
    const snapshot = view();
    const dialog = byId<HTMLDialogElement>("tables");
    const maps = snapshot["edx.maps"];
    const all = [
        maps ? lines(maps) : null,
        region(),
        particles(snapshot),
        radial(chosen(snapshot)),
        profile(snapshot),
        components(snapshot),
        trend(snapshot),
    ].filter((t) => t !== null);
    dialog.replaceChildren(
        h("h2", {}, "Tables"),
        h(
            "div",
            { class: "scroll", tabindex: 0, role: "region", "aria-label": "Tables" },
            ...(all.length ? all : [h("p", {}, "Nothing measured yet.")]),
        ),
        h(
            "div",
            { class: "actions" },
            h("button", { type: "button", class: "primary", click: () => dialog.close() }, "Close"),
        ),
    );
    dialog.showModal();
}
