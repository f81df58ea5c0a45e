// What a tile can show: one plane of values with their errors, its unit and its range.
import type { Table } from "./colour";
import { tables } from "./colour";
import { fixed, integer, lineName, percent, short, significant, withError } from "./format";
import type { Quantity, Tab } from "./state";
import { kept, ui } from "./state";
import type { Maps, Snapshot } from "./types";

export type Values = Float32Array | Float64Array;

export interface Plane {
    id: string;
    title: string;
    unit: string;
    rows: number;
    cols: number;
    value: Values;
    sigma?: Values;
    table: Table;
    /** Symmetric about zero. */
    diverging: boolean;
    /** The scale starts at zero. */
    fromZero: boolean;
    /** Colours fade as σ grows: where one pixel alone is read as a number. */
    fades?: boolean;
    /** Fixed range, where the data must not decide. */
    range?: [number, number];
    /** Denoised: as good as its check. */
    checked?: boolean;
    /** Why pixels are missing. */
    missing?: string;
    format(value: number, sigma: number | undefined): string;
    /** For the colour bar; more figures where the range is narrow. */
    label(value: number, figures?: number): string;
}

/** Red, green and blue of the overlay are planes of their own. */
export interface Overlay {
    id: "overlay";
    title: string;
    planes: Plane[];
}

export interface Choice {
    id: string;
    title: string;
}

const PLAIN = (value: number, figures = 3) => short(value, Math.abs(value) < 1 ? figures - 1 : figures);

function shapeOf(array: { shape: number[] }): [number, number] {
    const [rows, cols] = array.shape.slice(-2);
    return [rows ?? 0, cols ?? 0];
}

function base(id: string, title: string, unit: string, array: { shape: number[] }, value: Values): Plane {
    const [rows, cols] = shapeOf(array);
    const format = (v: number, s: number | undefined) =>
        (s === undefined ? significant(v, 4) : withError(v, s)) + (unit ? ` ${unit}` : "");
    return {
        id,
        title,
        unit,
        rows,
        cols,
        value,
        table: tables[kept.colours],
        diverging: false,
        fromZero: false,
        format,
        label: PLAIN,
    };
}

function image(snapshot: Snapshot): Plane | undefined {
    const array = snapshot["edx.spectrum"]?.image;
    return (
        array && {
            ...base("haadf", "HAADF", "a.u., summed", array, array.plane()),
            table: tables.grey,
            format: (v) => `${integer(v)} a.u.`,
        }
    );
}

function total(snapshot: Snapshot): Plane | undefined {
    const array = snapshot["edx.spectrum"]?.total;
    if (!array) return undefined;
    const value = array.plane();
    const sigma = value.map(Math.sqrt);
    return {
        ...base("total", "All X-rays", "counts", array, value),
        sigma,
        fromZero: true,
        format: (v, s) => `${integer(v)} ± ${fixed(s ?? 0, 1)} counts`,
    };
}

function exposure(snapshot: Snapshot): Plane | undefined {
    const array = snapshot["edx.maps"]?.exposure;
    return array && { ...base("exposure", "Exposure", "frames", array, array.plane()), fromZero: true };
}

function net(maps: Maps, i: number): Plane {
    const title = `${lineName(maps.lines[i] ?? "")}`;
    const plane = base(`net:${i}`, title, "net counts", maps.intensity, maps.intensity.plane(i));
    return { ...plane, sigma: maps.sigma.plane(i), fromZero: true };
}

function asPercent(plane: Plane): Plane {
    return {
        ...plane,
        fades: true,
        missing: "under the limit",
        format: (v, s) => percent(v, s ?? NaN),
        label: (v, figures = 3) => fixed(100 * v, figures - 3 + (Math.abs(v) < 0.0995 && v !== 0 ? 1 : 0)),
    };
}

export function hasDenoised(maps: Maps | undefined): boolean {
    return !!maps?.denoised_fraction?.plane(0).some(Number.isFinite);
}

function fraction(maps: Maps, i: number): Plane {
    const use = ui.denoised && hasDenoised(maps) && maps.denoised_fraction && maps.denoised_sigma;
    const value = use ? maps.denoised_fraction : maps.atomic_fraction;
    const sigma = use ? maps.denoised_sigma : maps.fraction_sigma;
    const title = `${maps.elements[i] ?? ""} fraction`;
    const plane = base(
        `at:${i}`,
        title,
        use ? "at.%, denoised" : "at.%",
        maps.exposure,
        value?.plane(i) ?? new Float32Array(),
    );
    return asPercent({ ...plane, checked: !!use, ...(sigma ? { sigma: sigma.plane(i) } : {}) });
}

function thickness(maps: Maps): Plane | undefined {
    const array = maps.mass_thickness;
    return array && { ...base("thick", "Mass thickness", "kg/m²", array, array.plane()), fromZero: true };
}

function atoms(maps: Maps, i: number): Plane | undefined {
    const array = maps.atoms;
    return (
        array && {
            ...base(`atoms:${i}`, `${maps.elements[i] ?? ""} atoms`, "per pixel", array, array.plane(i)),
            fromZero: true,
        }
    );
}

/** (denoised − raw) / σ: what denoising took away should look like noise. */
function residual(maps: Maps, i: number): Plane | undefined {
    if (!hasDenoised(maps) || !maps.denoised_fraction) return undefined;
    const [d, raw, s] = [maps.denoised_fraction.plane(i), maps.atomic_fraction.plane(i), maps.fraction_sigma.plane(i)];
    const value = Float32Array.from(d, (v, k) => (v - (raw[k] as number)) / (s[k] as number));
    const plane = base(`res:${i}`, `${maps.elements[i] ?? ""} denoised − raw`, "σ", maps.exposure, value);
    return {
        ...plane,
        table: tables.puor,
        diverging: true,
        range: [-4, 4],
        missing: "under the limit",
        format: (v) => `${fixed(v, 2)} σ`,
    };
}

const RATIO_LIMIT = 3;

/** Net counts of line i per net count of line j, where both stand out; less than a count's own σ is none. */
function ratio(maps: Maps, i: number, j: number): Plane {
    const [a, b] = [maps.intensity.plane(i), maps.intensity.plane(j)];
    const [sa, sb] = [maps.sigma.plane(i), maps.sigma.plane(j)];
    const value = new Float32Array(a.length);
    const sigma = new Float32Array(a.length);
    for (let k = 0; k < a.length; k++) {
        const [x, y, sx, sy] = [a[k] as number, b[k] as number, sa[k] as number, sb[k] as number];
        const seen = x > RATIO_LIMIT * Math.max(1, sx) && y > RATIO_LIMIT * Math.max(1, sy);
        value[k] = seen ? x / y : NaN;
        sigma[k] = seen ? (x / y) * Math.hypot(sx / x, sy / y) : NaN;
    }
    const title = `${lineName(maps.lines[i] ?? "")} : ${lineName(maps.lines[j] ?? "")}`;
    return {
        ...base(`ratio:${i}:${j}`, title, "counts ratio", maps.exposure, value),
        sigma,
        fades: true,
        missing: "a line under 3 σ",
    };
}

function component(snapshot: Snapshot, i: number): Plane | undefined {
    const from = kept.componentsFrom;
    const body = from === "pca" ? snapshot["edx.pca"] : snapshot["edx.nmf"];
    if (!body || i >= (body.maps.shape[0] ?? 0)) return undefined;
    const name = from === "pca" ? "PCA" : "NMF";
    const plane = base(
        `comp:${i}`,
        `${name} ${i + 1}`,
        from === "pca" ? "score" : "counts",
        body.maps,
        body.maps.plane(i),
    );
    if (from === "nmf" || i === 0) return { ...plane, fromZero: from === "nmf" };
    return { ...plane, table: tables.puor, diverging: true };
}

/** Value, σ or signal to noise of a plane. */
function quantity(plane: Plane, what: Quantity): Plane | undefined {
    if (what === "value") return plane;
    const { sigma, value } = plane;
    if (!sigma) return undefined;
    const { sigma: _, range: __, fades: ___, ...rest } = plane;
    const common = { ...rest, table: tables[kept.colours], diverging: false, fromZero: true };
    if (what === "sigma") {
        const masked = Float32Array.from(sigma, (s, k) => (Number.isFinite(value[k]) ? s : NaN));
        return {
            ...common,
            id: `${plane.id}/sigma`,
            title: `σ ${plane.title}`,
            unit: `σ, ${plane.unit}`,
            value: masked,
            format: (v) => plane.format(v, undefined).replace(" ± ?", ""),
        };
    }
    const snr = Float32Array.from(value, (v, k) => v / (sigma[k] as number));
    return {
        ...common,
        id: `${plane.id}/snr`,
        title: `${plane.title} / σ`,
        unit: "signal to noise",
        value: snr,
        format: (v) => significant(v, 3),
        label: PLAIN,
    };
}

function rawPlane(snapshot: Snapshot, id: string): Plane | undefined {
    const [kind, first, second] = id.split(":");
    const maps = snapshot["edx.maps"];
    const [i, j] = [Number(first), Number(second)];
    if (kind === "haadf") return image(snapshot);
    if (kind === "total") return total(snapshot);
    if (kind === "exposure") return exposure(snapshot);
    if (kind === "comp") return component(snapshot, i);
    if (kind === "thick") return maps && thickness(maps);
    if (!maps || i >= maps.lines.length || (kind === "ratio" && j >= maps.lines.length)) return undefined;
    if (kind === "atoms") return atoms(maps, i);
    if (kind === "net") return net(maps, i);
    if (kind === "at") return fraction(maps, i);
    if (kind === "res") return residual(maps, i);
    return kind === "ratio" ? ratio(maps, i, j) : undefined;
}

/** The plane that a tile shows, as value, σ or signal to noise; what has no σ stays a value. */
export function planeOf(snapshot: Snapshot, id: string): Plane | undefined {
    const plane = rawPlane(snapshot, id);
    return plane && (quantity(plane, ui.quantity) ?? plane);
}

export function overlayOf(snapshot: Snapshot): Overlay | undefined {
    const maps = snapshot["edx.maps"];
    if (!maps) return undefined;
    const n = Math.min(3, maps.lines.length);
    const planes = Array.from({ length: n }, (_, i) => net(maps, i));
    return { id: "overlay", title: "Overlay", planes };
}

/** The message that a plane is made from. */
export function sourceOf(snapshot: Snapshot, id: string): unknown {
    if (id === "haadf" || id === "total") return snapshot["edx.spectrum"];
    if (id.startsWith("comp:")) return kept.componentsFrom === "pca" ? snapshot["edx.pca"] : snapshot["edx.nmf"];
    return snapshot["edx.maps"];
}

/** Everything a tile of the tab can show. */
export function choices(snapshot: Snapshot, tab: Tab): Choice[] {
    const maps = snapshot["edx.maps"];
    const lines = maps?.lines ?? [];
    const elements = maps?.elements ?? [];
    const out: Choice[] = [
        { id: "haadf", title: "HAADF" },
        { id: "total", title: "All X-rays" },
    ];
    if (tab === "components") {
        out.push({ id: "scree", title: "Scree" });
        const k = (kept.componentsFrom === "pca" ? snapshot["edx.pca"] : snapshot["edx.nmf"])?.maps.shape[0] ?? 0;
        for (let i = 0; i < Math.max(k, 5); i++)
            out.push({ id: `comp:${i}`, title: `${kept.componentsFrom.toUpperCase()} ${i + 1}` });
    }
    lines.forEach((line, i) => out.push({ id: `net:${i}`, title: `${lineName(line)} net` }));
    elements.forEach((el, i) => out.push({ id: `at:${i}`, title: `${el} fraction` }));
    if (tab === "ratios") {
        lines.forEach((a, i) =>
            lines.forEach(
                (b, j) => i !== j && out.push({ id: `ratio:${i}:${j}`, title: `${lineName(a)} : ${lineName(b)}` }),
            ),
        );
        elements.forEach((el, i) => out.push({ id: `res:${i}`, title: `${el} denoised − raw` }));
    }
    if (maps?.mass_thickness) out.push({ id: "thick", title: "Mass thickness" });
    if (maps?.atoms) elements.forEach((el, i) => out.push({ id: `atoms:${i}`, title: `${el} atoms` }));
    if (lines.length > 1) out.push({ id: "overlay", title: "Overlay (colours)" });
    out.push({ id: "exposure", title: "Exposure" });
    return out;
}

const TILES = 6;

function first(ids: string[]): string[] {
    return [...new Set(ids)].slice(0, TILES);
}

/** Those that are there; before any is, places for all. */
function components(snapshot: Snapshot): string[] {
    const body = kept.componentsFrom === "pca" ? snapshot["edx.pca"] : snapshot["edx.nmf"];
    return Array.from({ length: body?.maps.shape[0] ?? TILES - 1 }, (_, i) => `comp:${i}`);
}

/** What the six tiles show until the reader chooses. */
export function defaults(snapshot: Snapshot, tab: Tab): string[] {
    const n = snapshot["edx.maps"]?.lines.length ?? 0;
    const net = Array.from({ length: n }, (_, i) => `net:${i}`);
    const at = Array.from({ length: n }, (_, i) => `at:${i}`);
    const more = ["total", "exposure", "overlay"];
    if (tab === "components") return first(["scree", ...components(snapshot), "haadf", ...net, ...at, ...more]);
    if (tab === "ratios") {
        const pairs = net.flatMap((_, i) => net.map((__, j) => (i < j ? `ratio:${i}:${j}` : ""))).filter(Boolean);
        return first(["haadf", ...pairs.slice(0, 2), "overlay", ...at.map((_, i) => `res:${i}`), ...at, ...more]);
    }
    if (n === 0) return ["haadf", "total", "", "", "", ""];
    if (n === 1) return ["haadf", "net:0", "total", "exposure", "", ""];
    return n === 2 ? ["haadf", ...net, "overlay", ...at] : first(["haadf", ...net.slice(0, 3), ...at, ...more]);
}

/** Robust range: the 1st to the 99.5th percentile of what is there. */
export function robustRange(plane: Plane): [number, number] {
    if (plane.range) return plane.range;
    const found = percentiles(plane.value, 0.01, 0.995);
    if (!found) return [0, 1];
    let [lo, hi] = found;
    if (plane.diverging) {
        const reach = Math.max(Math.abs(lo), Math.abs(hi)) || 1;
        return [-reach, reach];
    }
    if (plane.fromZero) lo = 0;
    if (!(hi > lo)) hi = lo + (Math.abs(lo) || 1);
    return [lo, hi];
}

const SAMPLES = 4096;
const scratch = new Float32Array(2 * SAMPLES + 1);

function percentiles(values: Values, low: number, high: number): [number, number] | undefined {
    const stride = Math.floor(values.length / SAMPLES) | 1; // odd: no column is left out
    let n = 0;
    for (let i = 0; i < values.length; i += stride) {
        const v = values[i] as number;
        if (v - v === 0) scratch[n++] = v;
    }
    if (n === 0) return undefined;
    const sorted = scratch.subarray(0, n).sort();
    const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] as number;
    return [at(low), at(high)];
}
