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
    overlay(
        planes: { value: Values; range: [number, number]; colour: [number, number, number] }[],
        rows: number,
        cols: number,
    ): void {
        const out = this.prepare(rows, cols);
        const sums = new Float32Array(3 * rows * cols);
        for (const { value, range, colour } of planes) {
            const [lo, factor] = [range[0], 1 / (range[1] - range[0])];
            for (let i = 0; i < out.length; i++) {
                const part = ((value[i] as number) - lo) * factor;
                const clipped = part > 1 ? 1 : part > 0 ? part : 0;
                for (let c = 0; c < 3; c++)
                    sums[3 * i + c] = (sums[3 * i + c] as number) + clipped * (colour[c] as number);
            }
        }
        const byte = (v: number | undefined) => Math.min(255, v as number) | 0;
        for (let i = 0; i < out.length; i++)
            out[i] =
                ((255 << 24) | (byte(sums[3 * i + 2]) << 16) | (byte(sums[3 * i + 1]) << 8) | byte(sums[3 * i])) >>> 0;
        this.show();
    }
}

const packedTables = new Map<Table, Uint32Array>();

/** A table as pixels, opaque, little-endian as every browser's machine. */
function packed(table: Table): Uint32Array {
    let found = packedTables.get(table);
    if (!found) {
        found = new Uint32Array(256);
        for (let i = 0; i < 256; i++)
            found[i] =
                ((255 << 24) |
                    ((table[3 * i + 2] as number) << 16) |
                    ((table[3 * i + 1] as number) << 8) |
                    (table[3 * i] as number)) >>>
                0;
        packedTables.set(table, found);
    }
    return found;
}
