// One pan and zoom for all maps, in nm.
import type { Grid, Point } from "./state";
import { changed } from "./state";

export interface Rect {
    x: number;
    y: number;
    width: number;
    height: number;
}

const CLOSEST = 40;

class Viewport {
    zoom = 1;
    /** Centre in parts of the scan, [y, x]. */
    private centre: Point = [0.5, 0.5];

    reset(): void {
        this.zoom = 1;
        this.centre = [0.5, 0.5];
        changed();
    }

    /** Where the whole scan lies on a canvas. */
    place(grid: Grid, box: Rect): Rect {
        const [h, w] = [grid.rows * grid.step[0], grid.cols * grid.step[1]];
        const scale = Math.min(box.width / w, box.height / h) * this.zoom;
        const [width, height] = [w * scale, h * scale];
        return {
            x: box.x + box.width / 2 - this.centre[1] * width,
            y: box.y + box.height / 2 - this.centre[0] * height,
            width,
            height,
        };
    }

    /** Zooms about a place given in parts of the scan. */
    zoomAt(factor: number, at: Point = this.centre): void {
        const zoom = Math.min(CLOSEST, Math.max(1, this.zoom * factor));
        const f = this.zoom / zoom;
        this.centre = [at[0] + (this.centre[0] - at[0]) * f, at[1] + (this.centre[1] - at[1]) * f];
        this.zoom = zoom;
        this.clamp();
    }

    panBy(dy: number, dx: number): void {
        this.centre = [this.centre[0] + dy, this.centre[1] + dx];
        this.clamp();
    }

    private clamp(): void {
        const reach = 0.5 / this.zoom;
        const limit = (v: number) => Math.min(1 - reach, Math.max(reach, v));
        this.centre = [limit(this.centre[0]), limit(this.centre[1])];
        changed();
    }
}

export const viewport = new Viewport();

/** nm to canvas pixels and back. */
export class Projection {
    constructor(
        private readonly grid: Grid,
        readonly rect: Rect,
    ) {}

    get pixelsPerNm(): number {
        return this.rect.width / (this.grid.cols * this.grid.step[1]);
    }

    /** Canvas place of [y, x] nm. */
    toCanvas([y, x]: Point): [number, number] {
        const { grid, rect } = this;
        return [
            rect.x + (((x - grid.origin[1]) / grid.step[1] + 0.5) / grid.cols) * rect.width,
            rect.y + (((y - grid.origin[0]) / grid.step[0] + 0.5) / grid.rows) * rect.height,
        ];
    }

    /** Parts of the scan, [y, x], under a canvas place. */
    toParts(x: number, y: number): Point {
        return [(y - this.rect.y) / this.rect.height, (x - this.rect.x) / this.rect.width];
    }

    toNm(x: number, y: number): Point {
        const [v, u] = this.toParts(x, y);
        const { grid } = this;
        return [
            (v * grid.rows - 0.5) * grid.step[0] + grid.origin[0],
            (u * grid.cols - 0.5) * grid.step[1] + grid.origin[1],
        ];
    }

    /** Analysis pixel under a canvas place; null outside of the scan. */
    toPixel(x: number, y: number): Point | null {
        const [v, u] = this.toParts(x, y);
        if (v < 0 || v >= 1 || u < 0 || u >= 1) return null;
        return [Math.floor(v * this.grid.rows), Math.floor(u * this.grid.cols)];
    }
}

/** Corners of analysis pixels r0…r1, c0…c1, in nm. */
export function pixelBox(grid: Grid, r0: number, c0: number, r1: number, c1: number): Point[] {
    const y = (r: number) => grid.origin[0] + (r - 0.5) * grid.step[0];
    const x = (c: number) => grid.origin[1] + (c - 0.5) * grid.step[1];
    return [
        [y(r0), x(c0)],
        [y(r0), x(c1 + 1)],
        [y(r1 + 1), x(c1 + 1)],
        [y(r1 + 1), x(c0)],
    ];
}
