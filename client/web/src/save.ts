// Taking things away: the maps as a picture, numbers as CSV, the cube for HyperSpy.
import { theme } from "./colour";
import { byId, h } from "./dom";
import { lineProfile } from "./linechart";
import { SOURCES, series, trust, trustOfMaps, verdict } from "./quality";
import { energies, probe, server, ui, view } from "./state";
import { stale } from "./freshness";
import type { Tile } from "./tile";
import type { Particle, Snapshot } from "./types";

type Rows = (string | number)[][];

function download(blob: Blob, name: string): void {
    const url = URL.createObjectURL(blob);
    h("a", { href: url, download: name }).click();
    window.setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

function fileName(what: string, ending: string): string {
    const { "edx.spectrum": spectrum, "edx.status": status } = view();
    return `${status?.acq || "edxd"}-frame${spectrum?.frame ?? 0}-${what}.${ending}`;
}

/** Where the numbers come from, and whether they were the present. */
function origin(snapshot: Snapshot): string {
    const s = snapshot["edx.spectrum"];
    const time = s ? new Date(s.t * 1000).toISOString() : "";
    return `${s?.acq ?? ""}, frame ${s?.frame ?? "-"}, ${s?.frames ?? 0} frames, ${s?.counts ?? 0} counts, ${time}${stale().is ? ", STALE" : ""}`;
}

function quote(cell: string | number): string {
    if (typeof cell === "number") return Number.isFinite(cell) ? String(Number(cell.toPrecision(9))) : "";
    const text = /^[=+@]/.test(cell) ? `'${cell}` : cell;
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function csv(what: string, notes: string[], head: string[], rows: Rows): void {
    const lines = [...notes.map((n) => `# ${n}`), head.map(quote).join(), ...rows.map((r) => r.map(quote).join())];
    download(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }), fileName(what, "csv"));
}

function spectrumCsv(snapshot: Snapshot): void {
    const s = snapshot["edx.spectrum"];
    if (!s) return;
    const region = probe.region?.spectrum.values();
    const sum = s.sum.values();
    const rows: Rows = Array.from(energies(s), (keV, i) => [
        keV * 1000,
        sum[i] ?? NaN,
        ...(region ? [region[i] ?? NaN] : []),
    ]);
    const note = probe.region ? [`region: ${probe.region.pixels} scan pixels`] : [];
    csv("spectrum", [origin(snapshot), ...note], ["energy_eV", "counts", ...(region ? ["region_counts"] : [])], rows);
}

function regionCsv(snapshot: Snapshot): void {
    const r = probe.region;
    if (!r?.elements || !r.counts || !r.fraction || !r.sigma) return;
    const [n, f, s] = [r.counts.values(), r.fraction.values(), r.sigma.values()];
    const shape =
        ui.shape && ui.shape.kind !== "line"
            ? ui.shape.polygon.map((p) => p.map((v) => v.toFixed(3)).join(" ")).join("; ")
            : "";
    csv(
        "region",
        [origin(snapshot), `${r.pixels} scan pixels, corners y x in nm: ${shape}`],
        ["element", "net_counts", "atomic_fraction", "sigma"],
        r.elements.map((el, i) => [el, n[i] ?? NaN, f[i] ?? NaN, s[i] ?? NaN]),
    );
}

function radialCsv(snapshot: Snapshot, particle: Particle): void {
    const r = particle.radial;
    if (!r) return;
    const elements = Object.keys(particle.composition);
    const sources = SOURCES.filter((s) => series(r, s.id));
    const notes = [
        origin(snapshot),
        `particle ${particle.id}, diameter ${particle.diameter_nm} nm`,
        verdict(particle.segregation).text,
        ...sources.map((s) => `${s.id}: ${trust(r, s.id, elements).text}`),
    ];
    const head = [
        "r_nm",
        "quantified",
        ...sources.flatMap((s) => elements.flatMap((el) => [`${el}_${s.id}`, `${el}_${s.id}_sigma`])),
    ];
    const rows: Rows = Array.from(r.r_nm.values(), (x, i) => [
        x,
        r.quantified[i] ? 1 : 0,
        ...sources.flatMap((s) =>
            elements.flatMap((_, k) => [
                series(r, s.id)?.value.row(k)[i] ?? NaN,
                series(r, s.id)?.sigma.row(k)[i] ?? NaN,
            ]),
        ),
    ]);
    csv(`particle${particle.id}`, notes, head, rows);
}

function lineCsv(snapshot: Snapshot): void {
    const p = lineProfile(snapshot);
    if (!p) return;
    const elements = p.elements ?? snapshot["edx.maps"]?.elements ?? [];
    const head = ["d_nm", ...elements.flatMap((el) => [`${el}_counts`, `${el}_fraction`, `${el}_sigma`])];
    const rows: Rows = Array.from(p.d_nm.values(), (d, i) => [
        d,
        ...elements.flatMap((_, k) => [
            p.counts.row(k)[i] ?? NaN,
            p.fraction.row(k)[i] ?? NaN,
            p.sigma.row(k)[i] ?? NaN,
        ]),
    ]);
    csv(
        "line",
        [origin(snapshot), `from ${p.from_nm.join(" ")} to ${p.to_nm.join(" ")} nm, ${p.width_nm} nm wide`],
        head,
        rows,
    );
}

function trendCsv(snapshot: Snapshot): void {
    const t = snapshot["edx.trend"];
    const elements = snapshot["edx.maps"]?.elements ?? [];
    if (!t) return;
    const drift = t.drift_nm.plane();
    const head = ["frame", ...elements.flatMap((el) => [`${el}_fraction`, `${el}_sigma`]), "drift_y_nm", "drift_x_nm"];
    const rows: Rows = Array.from({ length: t.composition.shape[1] ?? 0 }, (_, f) => [
        f,
        ...elements.flatMap((__, k) => [t.composition.row(k)[f] ?? NaN, t.sigma.row(k)[f] ?? NaN]),
        drift[2 * f] ?? NaN,
        drift[2 * f + 1] ?? NaN,
    ]);
    const d = t.damage;
    csv(
        "trend",
        [origin(snapshot), d ? `damage: z ${d.z}, p ${d.p}, since frame ${d.since_frame}` : "damage: unknown"],
        head,
        rows,
    );
}

const GAP = 12;
const HEAD = 24;

/** The six maps as they stand, with their titles and scales. */
function picture(tiles: Tile[]): void {
    const shown = tiles.filter((t) => t.canvas.width > 0);
    const cell = shown[0]?.canvas;
    if (!cell) return;
    const ratio = devicePixelRatio;
    const [w, hgt] = [cell.width, cell.height];
    const columns = Math.min(3, shown.length);
    const rows = Math.ceil(shown.length / columns);
    const [gap, head] = [GAP * ratio, HEAD * ratio];
    const out = document.createElement("canvas");
    out.width = columns * (w + gap) + gap;
    out.height = rows * (hgt + head + gap) + head + gap;
    const c = out.getContext("2d");
    if (!c) return;
    c.fillStyle = theme().panel;
    c.fillRect(0, 0, out.width, out.height);
    c.fillStyle = theme().text;
    c.font = `${12 * ratio}px system-ui, sans-serif`;
    const check = ui.denoised ? `, denoised: ${trustOfMaps(view()["edx.particles"]).text}` : "";
    c.fillText(origin(view()) + check, gap, head * 0.75);
    shown.forEach((tile, i) => {
        const [x, y] = [gap + (i % columns) * (w + gap), head + Math.floor(i / columns) * (hgt + head + gap)];
        const title = tile.plane
            ? `${tile.plane.title} (${tile.plane.unit})`
            : (tile.select.selectedOptions[0]?.text ?? "");
        c.fillText(title, x, y + head * 0.75);
        c.drawImage(tile.canvas, x, y + head);
    });
    out.toBlob((blob) => blob && download(blob, fileName("maps", "png")));
}

export function openSave(tiles: Tile[], particle: Particle | undefined): void {
    const snapshot = view();
    const dialog = byId<HTMLDialogElement>("save");
    const close = (work: () => void) => () => (work(), dialog.close());
    const row = (label: string, note: string, work: () => void, there: boolean) =>
        h(
            "li",
            {},
            h("button", { type: "button", disabled: !there, click: close(work) }, label),
            h("span", { class: "faint" }, note),
        );
    const acq = snapshot["edx.status"]?.acq;
    const runs = !!server.hello?.runs && !!acq;
    const link = (file: string, note: string) =>
        h(
            "li",
            {},
            runs
                ? h(
                      "a",
                      {
                          class: "button",
                          href: `/runs/${encodeURIComponent(acq ?? "")}/${file}`,
                          download: `${acq}-${file}`,
                      },
                      file,
                  )
                : h("button", { type: "button", disabled: true }, file),
            h("span", { class: "faint" }, runs ? note : "edxweb was started without --runs"),
        );
    dialog.replaceChildren(
        h("h2", {}, "Export"),
        h(
            "ul",
            { class: "exports" },
            row("Maps as PNG", "as they stand, with scales", () => picture(tiles), !!snapshot["edx.spectrum"]),
            row(
                "Spectrum as CSV",
                probe.region ? "whole scan and region" : "whole scan",
                () => spectrumCsv(snapshot),
                !!snapshot["edx.spectrum"],
            ),
            row("Region as CSV", "composition ± σ", () => regionCsv(snapshot), !!probe.region?.fraction),
            row(
                "Radial profile as CSV",
                "every source with its check",
                () => particle && radialCsv(snapshot, particle),
                !!particle?.radial,
            ),
            row("Line profile as CSV", "", () => lineCsv(snapshot), !!lineProfile(snapshot)),
            row(
                "Trend as CSV",
                "composition and drift, frame by frame",
                () => trendCsv(snapshot),
                !!snapshot["edx.trend"],
            ),
            link("cube.hspy", "as last saved: the summed cube, for hyperspy.api.load"),
            link("maps.hspy", "as last saved: maps and profiles, for hyperspy.api.load"),
            link("results.h5", "as last saved, every result"),
        ),
        h(
            "div",
            { class: "actions" },
            h("button", { type: "button", class: "primary", click: () => dialog.close() }, "Close"),
        ),
    );
    dialog.showModal();
}
