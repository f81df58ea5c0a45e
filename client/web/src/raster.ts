// Values to pixels: a table look-up, what is missing left transparent.
import type { Table } from "./colour";
import { byCertainty, classOf } from "./colour";
import type { Plane, Values } from "./planes";

/** An offscreen picture of one plane, remade only when told. */
export class Raster {
    readonly canvas = document.createElement("canvas");
    private pixels: ImageData | undefined;

    private prepare(rows: number, cols: number): Uint32Array {
        if (!this.pixels || this.pixels.width !== cols || this.pixels.height !== rows) {
            this.canvas.width = cols;
            this.canvas.height = rows;
            this.pixels = new ImageData(cols, rows);
        }
        return new Uint32Array(this.pixels.data.buffer);
    }

    private show(): void {
        if (this.pixels) this.canvas.getContext("2d")?.putImageData(this.pixels, 0, 0);
    }

    /** One plane; faded by its σ when asked. Returns how many pixels are missing. */
    draw(plane: Plane, range: [number, number], fade: boolean): number {
        const out = this.prepare(plane.rows, plane.cols);
        const [lo, hi] = range;
        const luts = fade && plane.sigma ? byCertainty(plane.table).map(packed) : [packed(plane.table)];
        const { value, sigma } = plane;
        const factor = 255.999 / (hi - lo);
        let missing = 0;
        for (let i = 0; i < out.length; i++) {
            const v = value[i] as number;
            if (v !== v) {
                out[i] = 0;
                missing++;
                continue;
            }
            const lut = (
                luts.length > 1 && sigma ? luts[classOf(sigma[i] as number, hi - lo)] : luts[0]
            ) as Uint32Array;
            const at = (v - lo) * factor;
            out[i] = lut[at <= 0 ? 0 : at >= 255 ? 255 : at | 0] as number;
        }
        this.show();
        return missing;
    }

    /** Up to three planes added up, each in its colour. */
    overlay(layers: Layer[], rows: number, cols: number): void {
        const out = this.prepare(rows, cols);
        const scaled = layers.map(({ value, range: [lo, hi], colour }) => ({ value, lo, factor: 1 / (hi - lo), colour }));
        for (let i = 0; i < out.length; i++) {
            let [r, g, b] = [0, 0, 0];
            for (const { value, lo, factor, colour } of scaled) {
                const part = ((value[i] as number) - lo) * factor;
                if (!(part > 0)) continue;
                const clipped = part > 1 ? 1 : part;
                r += clipped * colour[0];
                g += clipped * colour[1];
                b += clipped * colour[2];
            }
            out[i] = opaque(r > 255 ? 255 : r, g > 255 ? 255 : g, b > 255 ? 255 : b);
        }
        this.show();
    }
}

export interface Layer {
    value: Values;
    range: [number, number];
    colour: [number, number, number];
}

/** A pixel, little-endian as every browser's machine. */
function opaque(r: number, g: number, b: number): number {
    return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

const bars = new Map<Table, HTMLCanvasElement>();

/** A colour bar, a column for each table, the highest value first; made once. */
export function colourBar(columns: Table[]): HTMLCanvasElement {
    const key = columns.at(-1) as Table;
    const known = bars.get(key);
    if (known) return known;
    const bar = document.createElement("canvas");
    const pixels = new ImageData(columns.length, 256);
    const out = new Uint32Array(pixels.data.buffer);
    columns.forEach((table, k) =>
        packed(table).forEach((pixel, i) => (out[(255 - i) * columns.length + k] = pixel)),
    );
    [bar.width, bar.height] = [pixels.width, pixels.height];
    bar.getContext("2d")?.putImageData(pixels, 0, 0);
    bars.set(key, bar);
    return bar;
}

const packedTables = new Map<Table, Uint32Array>();

/** A table as pixels. */
function packed(table: Table): Uint32Array {
    let found = packedTables.get(table);
    if (!found) {
        found = new Uint32Array(256);
        for (let i = 0; i < 256; i++)
            found[i] = opaque(table[3 * i] as number, table[3 * i + 1] as number, table[3 * i + 2] as number);
        packedTables.set(table, found);
    }
    return found;
}
