// Stands in for edxweb and edxd: serves the built page and a simulated particle over the same
// protocol, so that what the page shows can be compared with what was sent. Node's own modules only.
//
//   node web_mock.mjs ROOT [--frames N] [--every MS] [--port N]     to look at the page by hand
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createGate } from "node:net";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";

// ---- MessagePack, as much as the protocol needs

export function pack(value) {
    const parts = [];
    const put = (v) => {
        if (v === null || v === undefined) parts.push(Buffer.from([0xc0]));
        else if (typeof v === "boolean") parts.push(Buffer.from([v ? 0xc3 : 0xc2]));
        else if (typeof v === "number") putNumber(parts, v);
        else if (typeof v === "string")
            (head(parts, Buffer.byteLength(v), 0xd9, 0xda, 0xdb), parts.push(Buffer.from(v)));
        else if (ArrayBuffer.isView(v))
            (head(parts, v.byteLength, 0xc4, 0xc5, 0xc6),
                parts.push(Buffer.from(v.buffer, v.byteOffset, v.byteLength)));
        else if (Array.isArray(v)) (head(parts, v.length, undefined, 0xdc, 0xdd), v.forEach(put));
        else {
            const entries = Object.entries(v).filter(([, inner]) => inner !== undefined);
            head(parts, entries.length, undefined, 0xde, 0xdf);
            for (const [key, inner] of entries) (put(key), put(inner));
        }
    };
    put(value);
    return Buffer.concat(parts);
}

function head(parts, n, one, two, four) {
    const out = Buffer.alloc(5);
    if (one !== undefined && n < 256) return parts.push(Buffer.from([one, n]));
    if (n < 65536) {
        out[0] = two;
        out.writeUInt16BE(n, 1);
        return parts.push(out.subarray(0, 3));
    }
    out[0] = four;
    out.writeUInt32BE(n, 1);
    return parts.push(out);
}

function putNumber(parts, v) {
    const out = Buffer.alloc(9);
    if (Number.isInteger(v) && v >= 0 && v <= 0xffffffff) {
        out[0] = 0xce;
        out.writeUInt32BE(v, 1);
        return parts.push(out.subarray(0, 5));
    }
    out[0] = 0xcb;
    out.writeDoubleBE(v, 1);
    return parts.push(out);
}

export function unpack(buffer) {
    let at = 0;
    const take = (n) => buffer.subarray(at, (at += n));
    const sized = (n) => (n === 1 ? take(1).readUInt8() : n === 2 ? take(2).readUInt16BE() : take(4).readUInt32BE());
    const map = (n) => Object.fromEntries(Array.from({ length: n }, () => [one(), one()]));
    const list = (n) => Array.from({ length: n }, one);
    const fixed = {
        0xc0: () => null,
        0xc2: () => false,
        0xc3: () => true,
        0xca: () => take(4).readFloatBE(),
        0xcb: () => take(8).readDoubleBE(),
        0xcc: () => sized(1),
        0xcd: () => sized(2),
        0xce: () => sized(4),
        0xcf: () => Number(take(8).readBigUInt64BE()),
        0xd0: () => take(1).readInt8(),
        0xd1: () => take(2).readInt16BE(),
        0xd2: () => take(4).readInt32BE(),
        0xd3: () => Number(take(8).readBigInt64BE()),
        0xd9: () => String(take(sized(1))),
        0xda: () => String(take(sized(2))),
        0xdb: () => String(take(sized(4))),
        0xc4: () => take(sized(1)),
        0xc5: () => take(sized(2)),
        0xc6: () => take(sized(4)),
        0xdc: () => list(sized(2)),
        0xdd: () => list(sized(4)),
        0xde: () => map(sized(2)),
        0xdf: () => map(sized(4)),
    };
    function one() {
        const b = sized(1);
        if (b < 0x80) return b;
        if (b < 0x90) return map(b & 15);
        if (b < 0xa0) return list(b & 15);
        if (b < 0xc0) return String(take(b & 31));
        if (b >= 0xe0) return b - 256;
        if (!fixed[b]) throw new Error(`MessagePack type ${b}`);
        return fixed[b]();
    }
    return one();
}

// ---- arrays as edxweb sends them

export const f8 = (values, shape) => ({
    dtype: "<f8",
    shape: shape ?? [values.length],
    data: Float64Array.from(values),
});
export const u8 = (values, shape) => ({
    dtype: "<u8",
    shape: shape ?? [values.length],
    data: BigUint64Array.from(values, (v) => BigInt(Math.round(v))),
});

/** Planes of floats in 16 bits each: value = offset + scale * q, 65535 is missing. */
export function planes(list, shape) {
    const size = list[0].length;
    const q = new Uint16Array(list.length * size);
    const [offset, scale] = [[], []];
    list.forEach((plane, i) => {
        const known = plane.filter(Number.isFinite);
        const lo = known.reduce((a, b) => Math.min(a, b), Infinity);
        const hi = known.reduce((a, b) => Math.max(a, b), -Infinity);
        offset.push(known.length ? lo : 0);
        scale.push(known.length ? (hi - lo) / 65534 : 0);
        for (let k = 0; k < size; k++)
            q[i * size + k] = Number.isFinite(plane[k])
                ? scale[i]
                    ? Math.round((plane[k] - lo) / scale[i])
                    : 0
                : 65535;
    });
    return { dtype: "<u2", shape, data: q, offset, scale };
}

// ---- a particle with a core and a shell

function random(seed) {
    let s = seed >>> 0;
    return () => {
        s = (s + 0x6d2b79f5) >>> 0;
        let t = Math.imul(s ^ (s >>> 15), s | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
}

export class Scene {
    constructor({ size = 32, seed = 1, expected = 100, acq = "agau-8nm-s1", step = 16 / size, dose = 1 } = {}) {
        Object.assign(this, { size, expected, acq, step, dose });
        this.uniform = random(seed);
        this.elements = ["Ag", "Au"];
        this.lines = ["Ag_La", "Au_Ma"];
        this.k = [1.44, 1];
        this.centre = [8.06, 7.63];
        this.radius = 4;
        this.frames = 0;
        this.state = "acquiring";
        this.behind = { sum: 0, maps: 0, components: 1, heldout: 3, profiles: 3 };
        this.alarms = [];
        this.damage = { z: 0.4, p: 1, since_frame: -1 };
        const n = size * size;
        this.net = this.elements.map(() => new Float64Array(n));
        this.back = this.elements.map(() => new Float64Array(n));
        this.image = new Float64Array(n);
        this.total = new Float64Array(n);
        this.channels = 1024;
        this.spectrum = new Float64Array(this.channels);
        this.trend = { composition: [[], []], sigma: [[], []], drift: [] };
        this.expect();
    }

    normal() {
        return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
    }

    poisson(mean) {
        if (mean > 30) return Math.max(0, Math.round(mean + Math.sqrt(mean) * this.normal()));
        const limit = Math.exp(-mean);
        let k = 0;
        for (let p = this.uniform(); p > limit; p *= this.uniform()) k++;
        return k;
    }

    /** What one frame yields on average. */
    expect() {
        const { size, step, centre, radius } = this;
        const area = (step / 0.5) ** 2 * this.dose;
        this.rho = new Float64Array(size * size);
        this.mean = this.elements.map(() => new Float64Array(size * size));
        this.depth = new Float64Array(size * size);
        for (let i = 0; i < size * size; i++) {
            const [y, x] = this.place(i);
            const rho = Math.hypot(y - centre[0], x - centre[1]);
            const depth = rho < radius ? 2 * Math.sqrt(radius ** 2 - rho ** 2) : 0;
            const ag = this.truth(rho);
            this.rho[i] = rho;
            this.depth[i] = depth;
            this.mean[0][i] = 0.045 * depth * area * ag;
            this.mean[1][i] = 0.045 * depth * area * (1 - ag) * 1.44;
        }
        this.shape = this.expectSpectrum();
    }

    /** nm of an analysis pixel, two scan pixels to one. */
    place(i) {
        const half = this.step / 4;
        return [Math.floor(i / this.size) * this.step + half, (i % this.size) * this.step + half];
    }

    truth(rho) {
        return 0.5 + 0.08 * Math.min(1, rho / this.radius) ** 2;
    }

    expectSpectrum() {
        const peaks = [
            [0.277, 30],
            [0.525, 22],
            [0.93, 18],
            [1.74, 25],
            [2.12, 62],
            [2.2, 20],
            [2.984, 40],
            [3.15, 22],
            [8.048, 60],
            [8.905, 9],
            [9.713, 24],
            [11.44, 15],
        ];
        return Float64Array.from({ length: this.channels }, (_, i) => {
            const keV = (7.5 + 20 * i) / 1000;
            let v = keV < 0.1 ? 0 : 0.9 * Math.exp(-keV / 5) * (1 - Math.exp(-((keV / 0.35) ** 2))) + 0.05;
            for (const [at, height] of peaks) {
                const sigma = Math.sqrt(0.13 ** 2 + 0.00245 * (at - 5.9)) / 2.355;
                v += height * 0.12 * Math.exp(-0.5 * ((keV - at) / (sigma || 0.03)) ** 2);
            }
            return v * 12 * this.dose;
        });
    }

    /** Adds frames; their trend one by one, their counts at once. */
    add(frames = 1) {
        for (let f = 0; f < frames; f++) this.addTrend();
        const n = this.size ** 2;
        for (let i = 0; i < n; i++) {
            for (let k = 0; k < this.elements.length; k++) {
                const under = frames * 0.02 * this.dose; // background in the peak's window, and beside it
                const beside = this.poisson(under);
                this.net[k][i] += this.poisson(frames * this.mean[k][i]) + this.poisson(under) - beside;
                this.back[k][i] += beside;
            }
            this.image[i] += frames * (40 + 30 * this.depth[i]) + 6 * Math.sqrt(frames) * this.normal();
        }
        for (let c = 0; c < this.channels; c++) this.spectrum[c] += this.poisson(frames * this.shape[c]);
        for (let i = 0; i < n; i++)
            this.total[i] =
                this.net[0][i] + this.net[1][i] + 2 * this.back[0][i] + 2 * this.back[1][i] + 2 * this.frames;
        this.frames += frames;
        if (this.expected && this.frames >= this.expected) this.state = "finished";
    }

    addTrend() {
        const [last] = this.trend.drift.slice(-1);
        this.trend.drift.push([
            (last?.[0] ?? 0) + 0.006 + 0.012 * this.normal(),
            (last?.[1] ?? 0) - 0.01 + 0.012 * this.normal(),
        ]);
        const s = 0.022;
        const v = 0.545 + s * this.normal();
        this.trend.composition.forEach((row, k) => row.push(k ? 1 - v : v));
        this.trend.sigma.forEach((row) => row.push(s));
    }

    head(t = Date.now() / 1000) {
        const counts = this.spectrum.reduce((a, b) => a + b, 0);
        return { v: 1, acq: this.acq, t, frames: this.frames, frame: Math.max(0, this.frames - 1), counts };
    }

    status() {
        const drift = this.trend.drift.at(-1) ?? [0, 0];
        return {
            ...this.head(),
            state: this.state,
            expected: this.expected,
            received: this.frames,
            lost: 0,
            duplicate: 0,
            bad: 0,
            rate_cps: 23180.9,
            drift_nm: drift,
            health: { chi2: 21.3, dof: 29, p: 0.847, outliers: [] },
            behind: this.behind,
            latency_ms: { p50: 1.41, p99: 2.98, max: 18.4 },
            last: {},
            version: "0.1.0",
            uptime_s: 13.3,
        };
    }

    spectrumBody() {
        const shape = [this.size, this.size];
        return {
            ...this.head(),
            energy: { offset_eV: 7.5, scale_eV: 20 },
            sum: u8(this.spectrum),
            image: planes([this.image], shape),
            total: u8(this.total, shape),
        };
    }

    /** Net counts and composition of summed pixels, by Cliff and Lorimer. */
    quantify(pixels) {
        const sum = (from) => this.elements.map((_, k) => pixels.reduce((a, i) => a + from[k][i], 0));
        const [net, back] = [sum(this.net), sum(this.back)];
        const sigma = net.map((v, k) => Math.sqrt(Math.max(1, v + 2 * back[k])));
        const weighted = net.map((v, k) => v * this.k[k]);
        const all = weighted.reduce((a, b) => a + b, 0);
        const ok = net.every((v, k) => v > 3 * sigma[k]);
        const f = weighted.map((v) => (ok ? v / all : NaN));
        const s = f.map((v) => v * (1 - f[0]) && f[0] * f[1] * Math.hypot(...net.map((x, k) => sigma[k] / x)));
        return { net, sigma, fraction: f, fraction_sigma: s };
    }

    maps() {
        const [n, size] = [this.size ** 2, this.size];
        const fields = ["net", "sigma", "fraction", "fraction_sigma"];
        const out = Object.fromEntries(fields.map((f) => [f, this.elements.map(() => new Float64Array(n))]));
        for (let i = 0; i < n; i++) {
            const q = this.quantify([i]);
            for (const f of fields) q[f].forEach((v, k) => (out[f][k][i] = v));
        }
        const denoise = this.frames >= 20;
        const inside = (i) => this.rho[i] < this.radius - 0.2;
        const den = this.elements.map((_, k) =>
            Float64Array.from({ length: n }, (__, i) =>
                denoise && inside(i) ? (k ? 1 - this.truth(this.rho[i]) : this.truth(this.rho[i])) : NaN,
            ),
        );
        const dens = den.map((p) => p.map((v) => (Number.isFinite(v) ? 0.03 / Math.sqrt(this.frames / 20) : NaN)));
        const shape = [this.elements.length, size, size];
        return {
            ...this.head(),
            lines: this.lines,
            elements: this.elements,
            step_nm: [this.step, this.step],
            energy_eV: f8([2984, 2123]),
            origin_nm: [this.step / 4, this.step / 4],
            window_eV: f8([2887.5, 3087.5, 2007.5, 2307.5], [2, 2]),
            intensity: planes(out.net, shape),
            sigma: planes(out.sigma, shape),
            atomic_fraction: planes(out.fraction, shape),
            fraction_sigma: planes(out.fraction_sigma, shape),
            denoised_fraction: planes(den, shape),
            denoised_sigma: planes(dens, shape),
            exposure: planes([new Float64Array(n).fill(this.frames)], [size, size]),
        };
    }

    pca() {
        const m = 16;
        const edge = 0.9 / Math.sqrt(this.frames * 40);
        const values = Array.from(
            { length: m },
            (_, i) => [1, Math.max(edge * 0.99, 0.06), Math.max(edge * 0.97, 0.012)][i] ?? edge * (0.96 - 0.02 * i),
        );
        const clean = values.map((v, i) => (i < 3 ? v - 0.6 * edge : NaN));
        const kept = values.filter((v) => v > 1.05 * edge).length;
        const n = this.size ** 2;
        const maps = Array.from({ length: kept }, (_, k) =>
            Float64Array.from(
                { length: n },
                (__, i) =>
                    (k === 0
                        ? 1 + this.depth[i]
                        : k === 1
                          ? this.depth[i] - 2.5
                          : (this.rho[i] - 2.6) * (this.depth[i] > 0)) +
                    0.6 * this.normal(),
            ),
        );
        const spectra = Array.from({ length: kept }, (_, k) =>
            this.shape.map((v, c) => Math.sqrt(v) * (k ? Math.sin((c / 100) * k) : 1)),
        );
        return {
            ...this.head(),
            rank: kept,
            eigenvalues: f8(values),
            eigenvalues_noise_free: f8(clean),
            noise_edge: edge,
            heldout_error: f8(values.map((_, i) => 1 - Math.min(i, 2) * 0.01)),
            spectra: planes(spectra, [kept, this.channels]),
            maps: planes(maps, [kept, this.size, this.size]),
            explained: f8(values.slice(0, kept)),
        };
    }

    nmf() {
        const n = this.size ** 2;
        const maps = [this.depth, new Float64Array(n).fill(1)].map((p) =>
            Float64Array.from(p, (v) => v * 3 + this.uniform()),
        );
        return {
            ...this.head(),
            spectra: planes([this.shape, this.shape.map((v, i) => v / (1 + i / 200))], [2, this.channels]),
            maps: planes(maps, [2, this.size, this.size]),
            divergence: 1234.5,
            share: f8([0.97, 0.98, 0.03, 0.02], [2, 2]),
            particle: [true, false],
        };
    }

    /** Rings of 0.5 nm: raw from the counts; the others as they would be, PCA flat and so biased. */
    radial() {
        const rings = Array.from({ length: 8 }, (_, r) =>
            Array.from(this.rho.keys()).filter((i) => this.rho[i] >= 0.5 * r && this.rho[i] < 0.5 * (r + 1)),
        );
        const q = rings.map((pixels) => this.quantify(pixels));
        const rows = (of) =>
            planes(
                [this.elements.flatMap((_, k) => q.map((ring, r) => of(ring, k, r)))].map((v) => Float64Array.from(v)),
                [2, 8],
            );
        const model = (k, r) =>
            (k ? 1 - this.truth(0.5 * r + 0.25) : this.truth(0.5 * r + 0.25)) +
            (k ? -1 : 1) * 0.3 * (q[r].fraction_sigma[0] || 0) * Math.sin(5 * r);
        const smooth = (k, r) => (k ? 1 - this.truth(0.5 * r + 0.25) : this.truth(0.5 * r + 0.25));
        const flat = (k) => (k ? 0.46 : 0.54);
        const good = { chi2: 7.1, dof: 8, p: 0.42, passed: true };
        return {
            r_nm: f8(rings.map((_, r) => 0.5 * r + 0.27)),
            quantified: q.map((ring) => Number.isFinite(ring.fraction[0])),
            counts: rows((ring, k) => ring.net[k]),
            counts_sigma: rows((ring, k) => ring.sigma[k]),
            fraction: rows((ring, k) => ring.fraction[k]),
            sigma: rows((ring, k) => ring.fraction_sigma[k]),
            model: rows((_, k, r) => model(k, r)),
            model_sigma: rows((ring, k) => 0.83 * ring.fraction_sigma[k]),
            denoised: rows((_, k, r) => smooth(k, r)),
            denoised_sigma: rows((ring, k) => 0.57 * ring.fraction_sigma[k]),
            pca: rows((_, k) => flat(k)),
            pca_sigma: rows(() => 0.012),
            nmf: rows((_, k, r) => smooth(k, r) + (k ? 0.002 : -0.002)),
            nmf_sigma: rows((ring, k) => 0.9 * ring.fraction_sigma[k]),
            denoised_check: good,
            pca_check: { chi2: 61.2, dof: 8, p: 1e-9, passed: false },
            nmf_check: { chi2: 9, dof: 8, p: 0.3, passed: true },
        };
    }

    particles() {
        const inside = Array.from(this.rho.keys()).filter((i) => this.rho[i] < this.radius);
        const core = this.quantify(inside.filter((i) => this.rho[i] < 2));
        const shell = this.quantify(inside.filter((i) => this.rho[i] >= 2));
        const all = this.quantify(inside);
        const delta = shell.fraction[0] - core.fraction[0];
        const sigma = Math.hypot(shell.fraction_sigma[0], core.fraction_sigma[0]);
        return {
            ...this.head(),
            systematic: { Ag: 0.007, Au: 0.007 },
            particles: [
                {
                    id: 1,
                    centre_nm: this.centre,
                    diameter_nm: 8.02,
                    area_diameter_nm: 7.2,
                    touches_edge: false,
                    composition: Object.fromEntries(
                        this.elements.map((el, k) => [el, [all.fraction[k], all.fraction_sigma[k]]]),
                    ),
                    radial: this.radial(),
                    segregation: {
                        element: "Ag",
                        core: [core.fraction[0], core.fraction_sigma[0]],
                        shell: [shell.fraction[0], shell.fraction_sigma[0]],
                        delta,
                        sigma,
                        z: delta / sigma,
                    },
                },
            ],
        };
    }

    trendBody() {
        const f = this.trend.drift.length;
        const needed = Math.max(1, Math.round(160 + 200 / Math.sqrt(this.frames)));
        return {
            ...this.head(),
            composition: planes([Float64Array.from(this.trend.composition.flat())], [2, f]),
            sigma: planes([Float64Array.from(this.trend.sigma.flat())], [2, f]),
            dose_e_per_A2: 84.2 * this.frames,
            drift_nm: f8(this.trend.drift.flat(), [f, 2]),
            damage: this.damage,
            forecast: { target_sigma: 0.01, frames_needed: needed, seconds: 4.1 * needed },
        };
    }

    alarm() {
        return { ...this.head(), alarms: this.alarms };
    }

    /** All topics as they stand. */
    bodies() {
        const out = { "edx.status": this.status(), "edx.alarm": this.alarm() };
        if (!this.frames) return out;
        Object.assign(out, { "edx.maps": this.maps(), "edx.spectrum": this.spectrumBody(), "edx.pca": this.pca() });
        if (this.frames >= 3) out["edx.trend"] = this.trendBody();
        if (this.frames >= 10) out["edx.particles"] = this.particles();
        if (this.frames >= 20) out["edx.nmf"] = this.nmf();
        return out;
    }

    region(polygon) {
        const pixels = Array.from(this.rho.keys()).filter((i) => within(polygon, this.place(i)));
        const q = this.quantify(pixels);
        const share = pixels.length / this.rho.length;
        return {
            ok: true,
            pixels: 4 * pixels.length,
            spectrum: u8(this.spectrum.map((v) => v * share)),
            elements: this.elements,
            counts: f8(q.net),
            fraction: f8(q.fraction),
            sigma: f8(q.fraction_sigma),
        };
    }

    profile({ from_nm, to_nm, width_nm }) {
        const length = Math.hypot(to_nm[0] - from_nm[0], to_nm[1] - from_nm[1]);
        const d = Array.from({ length: Math.max(2, Math.floor(length / 0.25)) }, (_, i) => 0.25 * i);
        const rows = d.map((v) =>
            this.quantify(
                Array.from(this.rho.keys()).filter((i) => {
                    const [y, x] = this.place(i);
                    return (
                        Math.hypot(
                            y - from_nm[0] - ((to_nm[0] - from_nm[0]) * v) / length,
                            x - from_nm[1] - ((to_nm[1] - from_nm[1]) * v) / length,
                        ) < 0.5
                    );
                }),
            ),
        );
        const field = (f) =>
            f8(
                this.elements.flatMap((_, k) => rows.map((r) => r[f][k])),
                [2, d.length],
            );
        return {
            ok: true,
            elements: this.elements,
            from_nm,
            to_nm,
            width_nm,
            d_nm: f8(d),
            counts: field("net"),
            fraction: field("fraction"),
            sigma: field("fraction_sigma"),
        };
    }
}

/** Even-odd rule. */
function within(polygon, [y, x]) {
    let inside = false;
    for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
        const [[yi, xi], [yj, xj]] = [polygon[i], polygon[j]];
        if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
    }
    return inside;
}

// ---- HTTP and WebSocket

const TYPES = { html: "text/html; charset=utf-8", js: "text/javascript", css: "text/css", svg: "image/svg+xml" };
const POLICY = "default-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

class Client {
    constructor(socket, server) {
        Object.assign(this, {
            socket,
            server,
            pending: new Map(),
            inFlight: null,
            got: Buffer.alloc(0),
            fragments: [],
        });
        socket.on("data", (data) => this.data(data));
        socket.on("error", () => {});
        socket.on("close", () => server.clients.delete(this));
    }

    send(message) {
        const body = pack(message);
        const small = body.length < 1000;
        const payload = Buffer.concat([
            Buffer.from([small ? 0 : 1]),
            small ? body : deflateRawSync(body, { level: 1 }),
        ]);
        this.sendPacked(payload);
        return payload.length;
    }

    sendPacked(payload) {
        const header = Buffer.alloc(payload.length < 126 ? 2 : payload.length < 65536 ? 4 : 10);
        header[0] = 0x82;
        header[1] = payload.length < 126 ? payload.length : payload.length < 65536 ? 126 : 127;
        if (header.length === 4) header.writeUInt16BE(payload.length, 2);
        if (header.length === 10) header.writeBigUInt64BE(BigInt(payload.length), 2);
        this.socket.write(Buffer.concat([header, payload]));
    }

    /** Latest-only by topic, one on the way. */
    offer(topic, body) {
        this.pending.delete(topic);
        this.pending.set(topic, body);
        this.next();
    }

    next() {
        if (this.inFlight !== null) return;
        const [first] = this.pending;
        if (!first) return;
        this.pending.delete(first[0]);
        this.inFlight = ++this.server.serial;
        this.server.sentAt.set(this.inFlight, performance.now());
        this.send({ type: "result", topic: first[0], serial: this.inFlight, body: first[1] });
    }

    data(data) {
        this.got = Buffer.concat([this.got, data]);
        while (this.frame()) continue;
    }

    /** One frame of the browser's, unmasked. */
    frame() {
        const b = this.got;
        if (b.length < 6) return false;
        let length = b[1] & 127;
        let at = 2;
        if (length === 126) ((length = b.readUInt16BE(2)), (at = 4));
        if (b.length < at + 4 + length) return false;
        const mask = b.subarray(at, at + 4);
        const payload = Buffer.from(b.subarray(at + 4, at + 4 + length));
        for (let i = 0; i < length; i++) payload[i] ^= mask[i & 3];
        this.got = b.subarray(at + 4 + length);
        if ((b[0] & 15) === 8) this.socket.end();
        else if ((b[0] & 15) === 2) this.message(unpack(payload));
        return true;
    }

    message(m) {
        if (m.type === "ack" && m.serial === this.inFlight) {
            this.server.latencies.push(performance.now() - this.server.sentAt.get(m.serial));
            this.server.sentAt.delete(m.serial);
            this.inFlight = null;
            this.next();
        }
        if (m.type === "control")
            this.send({ type: "reply", id: m.id, reply: this.server.control(m.request, m.token) });
    }
}

export class MockServer {
    constructor(root, scene, { writable = true, control = true, runs = true, token = "secret" } = {}) {
        Object.assign(this, {
            root,
            scene,
            clients: new Set(),
            sockets: new Set(),
            serial: 0,
            sentAt: new Map(),
            latencies: [],
            requests: [],
            past: new Map(),
            token,
            linked: true,
        });
        this.config = {
            "analysis.bin_pixels": 2,
            "analysis.bin_energy": 4,
            "analysis.target_sigma": 0.01,
            "quant.limit": 10,
            "analysis.pca.rank": "auto",
            "analysis.nmf.components": "auto",
            "quant.lines": [
                { line: "Ag_La", k: 1.44, k_sigma: 0.01 },
                { line: "Au_Ma", k: 1 },
            ],
        };
        this.hello = { type: "hello", version: "0.1.0", endpoint: "tcp://127.0.0.1:5556", control, writable, runs };
        this.last = new Map();
    }

    // At a port that is free, or where another one left.
    async listen(port = 0, left = null) {
        this.http = createServer((request, response) => this.serve(request, response));
        this.http.on("upgrade", (request, socket) => this.upgrade(request, socket));
        this.gate = left?.gate ?? createGate({ allowHalfOpen: true, noDelay: true }); // as http has it
        this.open((socket) => this.http.emit("connection", socket));
        if (!left) await new Promise((done) => this.gate.listen(port, "127.0.0.1", done));
        this.port = this.gate.address().port;
        this.beat = setInterval(() => this.linked && this.publish("edx.status", this.scene.status()), 500);
        return `http://127.0.0.1:${this.port}/`;
    }

    open(whom) {
        this.gate.removeAllListeners("connection");
        this.gate.on("connection", (socket) => {
            this.sockets.add(socket);
            socket.on("close", () => this.sockets.delete(socket));
            whom(socket);
        });
    }

    // Out of service. Whoever comes is turned away, and nobody else can take the port.
    leave() {
        clearInterval(this.beat);
        for (const client of this.clients) client.socket.destroy();
        for (const socket of this.sockets) socket.destroy(); // those too that a browser opened and never used
        this.open((socket) => socket.destroy());
    }

    async close() {
        if (!this.gate?.listening) return;
        this.leave();
        await new Promise((done) => this.gate.close(done));
    }

    async serve(request, response) {
        this.requests.push(request.url);
        const name = request.url === "/" ? "index.html" : request.url.slice(1);
        const known = ["index.html", "app.js", "app.css", "icon.svg"].includes(name);
        const body = known ? await readFile(join(this.root, name)) : Buffer.from("not found\n");
        response.writeHead(known ? 200 : 404, {
            "Content-Type": TYPES[name.split(".").at(-1)] ?? "text/plain",
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
        });
        response.end(body);
    }

    upgrade(request, socket) {
        const accept = createHash("sha1")
            .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
            .digest("base64");
        socket.write(
            `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: edx\r\n\r\n`,
        );
        const client = new Client(socket, this);
        this.clients.add(client);
        client.send(this.hello);
        client.send({ type: "link", connected: this.linked, age_s: 0 });
        for (const [topic, body] of this.last) client.offer(topic, body);
    }

    publish(topic, body) {
        this.last.set(topic, body);
        for (const client of this.clients) client.offer(topic, body);
    }

    link(connected) {
        this.linked = connected;
        for (const client of this.clients) client.send({ type: "link", connected, age_s: 0 });
    }

    /** Everything the scene has now; kept for history. */
    publishAll() {
        for (const [topic, body] of Object.entries(this.scene.bodies())) {
            const list = this.past.get(topic) ?? [];
            if (list.length < 200) list.push(body);
            this.past.set(topic, list);
            this.publish(topic, body);
        }
    }

    control(request, token) {
        const need = ["set", "save", "stop", "reset"].includes(request.cmd);
        if (need && token !== this.token)
            return { ok: false, error: "token: wrong or missing, expected the one in edxweb's token file" };
        if (request.cmd === "get")
            return request.key in this.config
                ? { ok: true, value: this.config[request.key] }
                : { ok: false, error: "unknown key" };
        if (request.cmd === "region") return this.scene.region(request.polygon_nm);
        if (request.cmd === "profile") return this.scene.profile(request);
        if (request.cmd === "history") {
            const found = (this.past.get(request.topic) ?? []).filter((b) => b.frame <= request.frame).at(-1);
            return found ? { ok: true, message: found } : { ok: false, error: "nothing kept of that frame" };
        }
        if (request.cmd === "set") this.config[request.key] = request.value;
        return { ok: true };
    }
}

if (import.meta.url === `file://${process.argv[1]}`) {
    const option = (name, usual) => Number(process.argv[process.argv.indexOf(name) + 1] ?? usual) || usual;
    const scene = new Scene({ expected: option("--frames", 100) });
    const server = new MockServer(process.argv[2], scene);
    console.log(await server.listen(option("--port", 8060)));
    setInterval(
        () => {
            if (scene.state !== "acquiring") return;
            scene.add();
            server.publishAll();
        },
        option("--every", 1000),
    );
}
