// What the page knows and what the reader chose; a change schedules one repaint.
import { eachArray } from "./arrays";
import { History, KEPT } from "./history";
import type { MapName } from "./colour";
import type { Source } from "./quality";
import type { Body, Hello, LineProfile, Maps, Region, Snapshot, Spectrum, Topic } from "./types";

export type Tab = "elements" | "components" | "ratios";
export type Quantity = "value" | "sigma" | "snr";
export type Tool = "move" | "box" | "lasso" | "line";
export type ThemeName = "auto" | "light" | "dark";
export type Point = [number, number];

/** What was drawn on the maps, [y, x] in nm from the centre of scan pixel (0, 0). */
export type Shape = { kind: "point" | "box" | "lasso"; polygon: Point[] } | { kind: "line"; from: Point; to: Point };

interface Kept {
    theme: ThemeName;
    colours: MapName;
    fade: boolean;
    tiles: Partial<Record<Tab, string[]>>;
    logarithmic: boolean;
    shortcuts: boolean;
    historyMB: number;
    lineWidth: number;
    componentsFrom: "pca" | "nmf";
}

const DEFAULTS: Kept = {
    theme: "auto",
    colours: "cividis",
    fade: true,
    tiles: {},
    logarithmic: true,
    shortcuts: true,
    historyMB: 24,
    lineWidth: 0.75,
    componentsFrom: "pca",
};
const KEY = "edxd";

function load(): Kept {
    try {
        return { ...DEFAULTS, ...(JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Kept>) };
    } catch {
        return { ...DEFAULTS };
    }
}

export const kept: Kept = load();

export function keep(change: Partial<Kept>): void {
    Object.assign(kept, change);
    try {
        localStorage.setItem(KEY, JSON.stringify(kept));
    } catch {
        /* a browser that keeps nothing: the choice holds until the page closes */
    }
    history.setLimit(kept.historyMB * 1e6);
    changed();
}

export const ui = {
    tab: "elements" as Tab,
    quantity: "value" as Quantity,
    denoised: false,
    tool: "move" as Tool,
    /** Frame that is looked at; null: live. */
    pinned: null as number | null,
    locks: new Map<string, [number, number]>(),
    /** Analysis pixel under the cursor, [row, column]. */
    cursor: null as Point | null,
    shape: null as Shape | null,
    particle: null as number | null,
    profileFrom: "denoised" as Source | null,
    component: 0,
    panel: "particle" as "particle" | "line",
};

export const server = {
    hello: null as Hello | null,
    open: false,
    everOpen: false,
    /** edxweb hears edxd. */
    linked: false,
    problem: "",
    /** analysis.bin_pixels, asked of edxd; 1 until it is known. */
    bin: 1,
};

/** The drawn region's or line's answer, and what went wrong when there is none. */
export const probe = {
    region: null as Region | null,
    line: null as LineProfile | null,
    error: "",
};

export const history = new History(kept.historyMB * 1e6);
let latest: Snapshot = {};
let arrived = new Map<Topic, { at: number; t: number }>();

export function live(): Snapshot {
    return latest;
}

/** When the newest body of a topic came, performance.now(). */
export function arrival(topic: Topic): number | undefined {
    return arrived.get(topic)?.at;
}

let shown: Snapshot = latest;

/** What is on the screen: the present, or the pinned frame. */
export function view(): Snapshot {
    if (ui.pinned === null) return latest;
    return shown;
}

export function pin(frame: number | null): void {
    if (ui.pinned !== null) forget(shown);
    ui.pinned = frame;
    refreshPinned();
    changed();
}

/** Takes up what has come for the pinned frame. */
export function refreshPinned(): void {
    if (ui.pinned === null) return;
    const { "edx.status": status, "edx.trend": trend, "edx.alarm": alarm, "edx.profile": profile } = latest;
    const now = { "edx.status": status, "edx.trend": trend, "edx.alarm": alarm, "edx.profile": profile };
    shown = { ...history.snapshot(ui.pinned), ...(now as Snapshot) };
}

function forget(snapshot: Snapshot): void {
    for (const body of Object.values(snapshot) as Body[])
        if (!Object.values(latest).includes(body)) eachArray(body, (array) => array.drop());
}

function begin(acq: string): void {
    history.clear();
    const status = latest["edx.status"];
    latest = status?.acq === acq ? { "edx.status": status } : {};
    arrived = new Map();
    ui.pinned = null;
    ui.particle = null;
    ui.shape = null;
    ui.locks.clear();
    probe.region = probe.line = null;
    for (const hook of onBegin) hook();
}

let acq: string | null = null;
export const onBegin: (() => void)[] = [];
export const onResult: ((topic: Topic) => void)[] = [];

export function apply(topic: Topic, body: Body): void {
    if (acq !== null && body.acq !== acq) {
        if (topic === "edx.alarm" || body.t < (latest["edx.status"]?.t ?? 0)) return;
        begin(body.acq);
    }
    if (topic !== "edx.alarm") acq = body.acq;
    const old = latest[topic];
    if (old && KEPT.includes(topic)) eachArray(old, (array) => array.drop());
    latest = { ...latest, [topic]: body };
    arrived.set(topic, { at: performance.now(), t: body.t });
    history.add(topic, body);
    for (const hook of onResult) hook(topic);
    changed();
}

/** nm of the centre of analysis pixel (0, 0). */
export function origin(maps: Maps): Point {
    if (maps.origin_nm) return maps.origin_nm;
    const half = (server.bin - 1) / 2 / server.bin;
    return [half * maps.step_nm[0], half * maps.step_nm[1]];
}

export interface Grid {
    rows: number;
    cols: number;
    step: Point;
    origin: Point;
}

/** The analysis pixels of the scan; undefined before the first frame. The step is known once a line is. */
export function grid(snapshot: Snapshot): Grid | undefined {
    const maps = snapshot["edx.maps"];
    const shape = snapshot["edx.spectrum"]?.total.shape ?? maps?.exposure.shape;
    const [rows, cols] = shape ?? [];
    if (rows === undefined || cols === undefined) return undefined;
    if (!maps) return { rows, cols, step: [1, 1], origin: [0, 0] };
    return { rows, cols, step: maps.step_nm, origin: origin(maps) };
}

export function energies(spectrum: Spectrum): Float64Array {
    const n = spectrum.sum.shape[0] ?? 0;
    const { offset_eV, scale_eV } = spectrum.energy;
    return Float64Array.from({ length: n }, (_, i) => (offset_eV + i * scale_eV) / 1000);
}

let repaint: (() => void) | undefined;

export function onChange(paint: () => void): void {
    repaint = paint;
}

export function changed(): void {
    repaint?.();
}
