// How old what is shown is, and when that is too old.
import { integer } from "./format";
import { arrival, live, onResult, server } from "./state";
import type { Status } from "./types";
import type { Connection } from "./wire";

/** Status comes twice a second; nothing for this long means that it does not come. */
const SILENCE_S = 1.6;
const LEAST_S = 2;
const INTERVALS = 8;
/** Frames that nobody minds. */
const LATE = 2;

let connection: Connection | undefined;
let intervals: { seconds: number; frames: number }[] = [];
let last: { t: number; frame: number } | undefined;
/** When the page last knew that edxd lives. */
let alive = 0;

export function startFreshness(to: Connection): void {
    connection = to;
    onResult.push((topic) => {
        if (topic === "edx.status") alive = performance.now();
        if (topic === "edx.spectrum") note();
    });
}

function note(): void {
    const body = live()["edx.spectrum"];
    if (!body || body.frame === last?.frame) return;
    if (last && body.frame > last.frame)
        intervals = [...intervals, { seconds: body.t - last.t, frames: body.frame - last.frame }].slice(-INTERVALS);
    else intervals = [];
    last = { t: body.t, frame: body.frame };
}

/** Seconds per frame of late; undefined until two frames came. */
export function framePeriod(): number | undefined {
    const frames = intervals.reduce((sum, i) => sum + i.frames, 0);
    return frames ? intervals.reduce((sum, i) => sum + i.seconds, 0) / frames : undefined;
}

/** Median seconds between two updates. */
function updatePeriod(): number | undefined {
    const sorted = intervals.map((i) => i.seconds).sort((a, b) => a - b);
    return sorted[sorted.length >> 1];
}

/** Seconds since the newest results came here. */
export function age(): number | undefined {
    const at = arrival("edx.spectrum");
    return at === undefined ? undefined : (performance.now() - at) / 1000;
}

export interface Staleness {
    is: boolean;
    seconds: number;
    why: string;
}

/** All frames are there, and the final analysis is at work, which of a large scan takes minutes. */
export function finishing(status: Status | undefined): boolean {
    return status?.state === "acquiring" && status.expected > 0 && status.frames >= status.expected;
}

/** Is what is shown no longer the present? */
export function stale(): Staleness {
    const now = performance.now();
    const silent = (now - Math.max(alive, 0)) / 1000;
    const heard = server.open && server.linked && connection !== undefined;
    if (!live()["edx.status"]) return { is: false, seconds: 0, why: "" };
    if (!heard || silent > SILENCE_S) {
        const why = !server.open ? "connection to edxweb lost" : "edxd is silent";
        return { is: true, seconds: silent, why };
    }
    const old = age();
    const limit = Math.max(LEAST_S, 2 * (updatePeriod() ?? Infinity));
    const status = live()["edx.status"];
    if (status?.state === "acquiring" && !finishing(status) && old !== undefined && old > limit)
        return { is: true, seconds: old, why: "no frame comes" };
    return { is: false, seconds: 0, why: "" };
}

/** The first result that is behind the frames, in words: what follows it is later still. Held-out verdicts and profiles
 * wait for a tenth more of the frames in any case. */
export function lateness(status: Status | undefined): string {
    const behind = status?.behind;
    if (!status || !behind) return "";
    const rare = LATE + status.frames / 5;
    const results = [
        ["sums", behind.sum, LATE],
        ["maps", behind.maps, LATE],
        ["components", behind.components, LATE],
        ["held-out checks", behind.heldout, rare],
        ["profiles", behind.profiles, rare],
    ] as const;
    const late = results.find(([, frames, most]) => frames > most);
    return late ? `${late[0]} ${integer(late[1])} frames behind` : "";
}
