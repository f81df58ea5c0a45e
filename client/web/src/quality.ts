// What may be believed, in words. A value that failed its held-out check is biased: the model's stands.
import type { NdArray } from "./arrays";
import { fixed, probability, signed } from "./format";
import type { Check, Particle, Particles, Radial, Segregation } from "./types";

export type Source = "raw" | "model" | "denoised" | "pca" | "nmf";
export const SOURCES: { id: Source; label: string; title: string }[] = [
    { id: "raw", label: "Raw", title: "From window counts: unbiased, noisy" },
    { id: "model", label: "Model", title: "From templates anchored to the window counts" },
    { id: "denoised", label: "Denoised", title: "Model, smoothed along the radius" },
    { id: "pca", label: "PCA", title: "From principal components" },
    { id: "nmf", label: "NMF", title: "From non-negative components of the particles" },
];

export interface Series {
    value: NdArray;
    sigma: NdArray;
}

function anyFinite(array: NdArray | undefined): array is NdArray {
    return !!array && array.plane().some(Number.isFinite);
}

/** The profile that a source gives; undefined while there is none. */
export function series(radial: Radial | undefined, source: Source): Series | undefined {
    if (!radial) return undefined;
    const value = source === "raw" ? radial.fraction : radial[source];
    const sigma = source === "raw" ? radial.sigma : radial[`${source}_sigma`];
    return anyFinite(value) && sigma ? { value, sigma } : undefined;
}

export interface Trust {
    level: "ok" | "biased" | "unchecked";
    text: string;
    /** Where the deviation from the model is largest. */
    bias?: { delta: number; r_nm: number; element: number };
}

function checkOf(radial: Radial, source: Source): Check | undefined {
    return source === "raw" || source === "model" ? undefined : radial[`${source}_check`];
}

/** The ring and element where a source differs most from the model, in σ of the model. */
function largestBias(radial: Radial, value: NdArray): Trust["bias"] {
    const model = radial.model;
    const sigma = radial.model_sigma;
    if (!model || !sigma) return undefined;
    const m = radial.r_nm.values().length;
    let found: Trust["bias"];
    let most = 0;
    const [a, b, s] = [value.plane(), model.plane(), sigma.plane()];
    for (let i = 0; i < a.length; i++) {
        if (!radial.quantified[i % m]) continue;
        const delta = (a[i] as number) - (b[i] as number);
        const z = Math.abs(delta) / (s[i] as number);
        if (z > most && Number.isFinite(z)) {
            most = z;
            found = { delta, r_nm: radial.r_nm.values()[i % m] as number, element: Math.floor(i / m) };
        }
    }
    return found;
}

export function trust(radial: Radial, source: Source, elements: string[]): Trust {
    if (source === "raw") return { level: "ok", text: "Window counts: unbiased" };
    if (source === "model") return { level: "ok", text: "Anchored to window counts: unbiased" };
    const check = checkOf(radial, source);
    const value = radial[source];
    if (!check || !Number.isFinite(check.p) || check.dof === 0)
        return { level: "unchecked", text: "Not checked yet: do not rely on it" };
    if (check.passed || !value) return { level: "ok", text: `Check passed, ${probability(check.p)}` };
    const bias = largestBias(radial, value);
    if (!bias) return { level: "biased", text: `Biased, ${probability(check.p)}: use the model` };
    const arrow = bias.delta > 0 ? "▲" : "▼";
    const where = `${elements[bias.element] ?? ""} at ${fixed(bias.r_nm, 1)} nm`;
    return {
        level: "biased",
        text: `Biased ${arrow} ${signed(100 * bias.delta, 1)} at.% ${where}: the model stands`,
        bias,
    };
}

const WORSE = { ok: 0, unchecked: 1, biased: 2 } as const;

/** Of the denoised maps: the worst over the particles of their profiles' checks, which are made of the same maps. */
export function trustOfMaps(body: Particles | undefined): Trust {
    let worst: Trust | undefined;
    for (const { radial, composition } of body?.particles ?? []) {
        const found = radial && trust(radial, "denoised", Object.keys(composition));
        if (found && (!worst || WORSE[found.level] > WORSE[worst.level])) worst = found;
    }
    return worst ?? { level: "unchecked", text: "No particle, no check: do not rely on it" };
}

const CLEAR = 3;

/** The segregation in one sentence. */
export function verdict(s: Segregation | undefined): { clear: boolean; text: string } {
    if (!s || !Number.isFinite(s.delta) || !Number.isFinite(s.sigma))
        return { clear: false, text: "Segregation: not enough counts yet" };
    const digits = 100 * s.sigma < 0.95 ? 2 : 1;
    const delta = `${signed(100 * s.delta, digits)} ± ${fixed(100 * s.sigma, digits)} at.%`;
    const z = `z = ${fixed(s.z, 1)}`;
    if (Math.abs(s.z) < CLEAR) return { clear: false, text: `No segregation shown: Δ${s.element} = ${delta} (${z})` };
    const where = s.delta > 0 ? "Shell" : "Core";
    return { clear: true, text: `${where} richer in ${s.element}: shell − core = ${delta} (${z})` };
}

/** Composition of a particle, the error of k added, one text per element. */
export function composition(
    particle: Particle,
    systematic: Record<string, number> | undefined,
): [string, number, number, number][] {
    return Object.entries(particle.composition).map(([el, [fraction, sigma]]) => {
        return [el, fraction, sigma, fraction * (systematic?.[el] ?? 0)];
    });
}
