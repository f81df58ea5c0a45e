// Eigenvalues on a logarithmic scale, the noise edge across them, the kept ones filled.
import { theme } from "./colour";
import { superscript } from "./format";
import type { Pca, Snapshot } from "./types";

const LEFT = 34;
const BOTTOM = 20;
const TOP = 8;
const RIGHT = 8;

interface Axes {
    x(i: number): number;
    y(value: number): number;
    lo: number;
    hi: number;
}

function axes(pca: Pca, width: number, height: number): Axes | undefined {
    const all = [...pca.eigenvalues.values(), ...pca.eigenvalues_noise_free.values(), pca.noise_edge].filter(
        (v) => v > 0,
    );
    const least = Math.min(...[...pca.eigenvalues.values(), pca.noise_edge].filter((v) => v > 0));
    if (!Number.isFinite(least)) return undefined;
    const lo = Math.floor(Math.log10(least / 4));
    const hi = Math.ceil(Math.log10(Math.max(...all)));
    const m = pca.eigenvalues.values().length;
    return {
        lo,
        hi,
        x: (i) => LEFT + 8 + (i / Math.max(1, m - 1)) * (width - LEFT - RIGHT - 16),
        y: (v) => TOP + ((hi - Math.log10(Math.max(v, 10 ** lo))) / Math.max(1, hi - lo)) * (height - TOP - BOTTOM),
    };
}

function drawAxes(c: CanvasRenderingContext2D, a: Axes, m: number, width: number, height: number): void {
    const colours = theme();
    c.font = "11px system-ui, sans-serif";
    c.lineWidth = 1;
    for (let e = a.lo; e <= a.hi; e++) {
        const y = Math.round(a.y(10 ** e)) + 0.5;
        c.strokeStyle = colours.line;
        c.beginPath();
        c.moveTo(LEFT, y);
        c.lineTo(width - RIGHT, y);
        c.stroke();
        c.fillStyle = colours.faint;
        c.textAlign = "right";
        c.fillText(`10${superscript(e)}`, LEFT - 4, y + 4);
    }
    c.textAlign = "center";
    for (let i = 0; i < m; i += m > 8 ? 5 : 1) c.fillText(String(i + 1), a.x(i), height - 5);
    c.textAlign = "left";
}

export function drawScree(c: CanvasRenderingContext2D, width: number, height: number, snapshot: Snapshot): void {
    const pca = snapshot["edx.pca"];
    const a = pca && axes(pca, width, height);
    if (!pca || !a) return;
    const colours = theme();
    const values = pca.eigenvalues.values();
    drawAxes(c, a, values.length, width, height);
    const edge = Math.round(a.y(pca.noise_edge)) + 0.5;
    c.fillStyle = colours.line;
    c.globalAlpha = 0.45;
    c.fillRect(LEFT, edge, width - LEFT - RIGHT, height - BOTTOM - edge);
    c.globalAlpha = 1;
    c.strokeStyle = colours.warn;
    c.setLineDash([5, 3]);
    c.beginPath();
    c.moveTo(LEFT, edge);
    c.lineTo(width - RIGHT, edge);
    c.stroke();
    c.setLineDash([]);
    c.fillStyle = colours.text;
    c.textAlign = "right";
    c.fillText("noise edge", width - RIGHT - 2, edge - 5);
    c.textAlign = "left";
    drawPoints(c, a, pca);
}

function drawPoints(c: CanvasRenderingContext2D, a: Axes, pca: Pca): void {
    const colours = theme();
    const clean = pca.eigenvalues_noise_free.values();
    pca.eigenvalues.values().forEach((v, i) => {
        if (!(v > 0)) return;
        c.beginPath();
        c.arc(a.x(i), a.y(v), 4, 0, 2 * Math.PI);
        c.strokeStyle = c.fillStyle = i < pca.rank ? (colours.series[0] as string) : colours.faint;
        if (i < pca.rank) c.fill();
        c.lineWidth = 1.5;
        c.stroke();
        const free = clean[i] as number;
        if (!(free > 10 ** a.lo)) return;
        c.strokeStyle = colours.series[1] as string;
        c.beginPath();
        c.moveTo(a.x(i) - 5, a.y(free));
        c.lineTo(a.x(i) + 5, a.y(free));
        c.stroke();
    });
}
