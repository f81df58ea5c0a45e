// Asks edxd for the spectrum and composition of what was drawn, and asks again as frames come.
import { kept, live, onBegin, onResult, probe, server, ui, changed } from "./state";
import type { Point, Shape } from "./state";
import type { Connection } from "./wire";
import type { LineProfile, Region } from "./types";
import { announce } from "./dom";
import { percent } from "./format";

let connection: Connection | undefined;
let asking = false;
let stale = false;
let spoken: Shape | null = null;
const LEAST_MS = 250;
const MOST_CORNERS = 512;

export function startProbe(to: Connection): void {
    connection = to;
    onResult.push((topic) => topic === "edx.spectrum" && refreshProbe());
    onBegin.push(() => setShape(null));
}

export function setShape(shape: Shape | null): void {
    ui.shape = shape;
    probe.region = probe.line = null;
    probe.error = "";
    if (shape?.kind === "line") ui.panel = "line";
    else if (ui.panel === "line" && !live()["edx.profile"]) ui.panel = "particle";
    changed();
    refreshProbe();
}

/** A long outline with fewer corners: every n-th. */
function sparse(polygon: Point[]): Point[] {
    const step = Math.ceil(polygon.length / MOST_CORNERS);
    return step > 1 ? polygon.filter((_, i) => i % step === 0) : polygon;
}

function request(shape: Shape): Record<string, unknown> {
    if (shape.kind === "line")
        return { cmd: "profile", from_nm: shape.from, to_nm: shape.to, width_nm: kept.lineWidth };
    return { cmd: "region", polygon_nm: sparse(shape.polygon) };
}

export function refreshProbe(): void {
    stale = true;
    if (!asking) void loop();
}

async function loop(): Promise<void> {
    asking = true;
    while (stale && ui.shape && connection) {
        stale = false;
        const started = performance.now();
        await once(ui.shape, connection);
        await new Promise((wake) => window.setTimeout(wake, Math.max(0, LEAST_MS - (performance.now() - started))));
    }
    asking = false;
}

async function once(shape: Shape, to: Connection): Promise<void> {
    if (!server.hello?.control) {
        probe.error = "edxd's control socket does not answer: start edxweb with --control";
        return changed();
    }
    const reply = await to.ask(request(shape));
    if (shape !== ui.shape) return;
    probe.error = reply.ok ? "" : (reply.error ?? "no answer");
    if (reply.ok && shape.kind === "line") probe.line = reply as unknown as LineProfile;
    else if (reply.ok) probe.region = reply as unknown as Region;
    changed();
    if (spoken !== shape && probe.region && shape.kind !== "line") {
        spoken = shape;
        announce(`Region of ${regionText(probe.region)}`);
    }
}

/** 144 scan pixels: Ag 49.0 ± 1.1, Au 51.0 ± 1.1 at.% */
export function regionText(region: Region): string {
    const px = `${region.pixels} scan pixel${region.pixels === 1 ? "" : "s"}`;
    const { elements, fraction, sigma } = region;
    if (!elements || !fraction || !sigma) return `${px}: no line known`;
    const parts = elements.map(
        (el, i) => `${el} ${percent(fraction.values()[i] ?? NaN, sigma.values()[i] ?? NaN, "")}`,
    );
    return `${px}: ${parts.join(", ")} at.%`;
}
