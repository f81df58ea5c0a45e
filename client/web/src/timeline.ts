// The bottom line: back through the frames, and LIVE.
import { byId, h, setText } from "./dom";
import type { Connection } from "./wire";
import { changed, history, live, pin, refreshPinned, server, ui, view } from "./state";
import { KEPT } from "./history";
import type { Body, Topic } from "./types";

const REST_MS = 120;
let connection: Connection | undefined;
let waiting = 0;

const slider = () => byId<HTMLInputElement>("history");

export function startTimeline(to: Connection): void {
    connection = to;
    slider().addEventListener("input", () => goTo(Number(slider().value)));
    byId("live").addEventListener("click", () => pin(null));
    byId("frame-back").addEventListener("click", () => step(-1));
    byId("frame-on").addEventListener("click", () => step(1));
}

function newest(): number {
    return live()["edx.spectrum"]?.frame ?? 0;
}

function oldest(): number {
    return server.hello?.control ? 0 : (history.frames()[0] ?? 0);
}

export function goTo(frame: number): void {
    pin(Math.min(newest(), Math.max(oldest(), frame)));
    window.clearTimeout(waiting);
    waiting = window.setTimeout(() => void fill(ui.pinned), REST_MS);
}

export function step(by: number): void {
    goTo((ui.pinned ?? newest()) + by);
}

/** Asks edxd for what the browser does not have of a frame. */
async function fill(frame: number | null): Promise<void> {
    if (frame === null || !server.hello?.control || !connection) return;
    const acq = live()["edx.spectrum"]?.acq;
    const wanted = KEPT.filter((topic) => live()[topic] && history.at(topic, frame)?.frame !== frame);
    await Promise.all(wanted.map((topic) => fetchOne(connection as Connection, topic, frame, acq)));
    if (ui.pinned !== frame) return;
    refreshPinned();
    changed();
}

async function fetchOne(to: Connection, topic: Topic, frame: number, acq: string | undefined): Promise<void> {
    const reply = await to.ask({ cmd: "history", topic, frame });
    const body = reply.ok ? (reply.message as Body | undefined) : undefined;
    if (body && body.acq === acq && live()["edx.spectrum"]?.acq === acq) history.add(topic, body);
}

export function renderTimeline(): void {
    const input = slider();
    const last = newest();
    const [min, max] = [String(oldest()), String(last)];
    if (input.min !== min) input.min = min;
    if (input.max !== max) input.max = max;
    const at = ui.pinned ?? last;
    if (Number(input.value) !== at) input.value = String(at);
    const there = !!live()["edx.spectrum"];
    input.disabled = !there || last === 0;
    for (const id of ["frame-back", "frame-on"]) byId<HTMLButtonElement>(id).disabled = !there;
    const shown = view()["edx.spectrum"]?.frame;
    const text = !there ? "no frame" : ui.pinned === null ? `frame ${last}` : `frame ${shown ?? "?"} of ${last}`;
    setText(byId("history-text"), text);
    input.setAttribute("aria-valuetext", text);
    byId("live").setAttribute("aria-pressed", String(ui.pinned === null));
    document.body.dataset.past = String(ui.pinned !== null);
    const note = byId("past");
    note.hidden = ui.pinned === null;
    if (ui.pinned !== null) setText(note, `Looking back: frame ${shown ?? "–"}. Trend, status and regions are of now.`);
}

export function hintKeys(): HTMLElement {
    const rows: [string, string][] = [
        ["Arrow keys", "move the cursor on a map; with Shift by 8"],
        ["Enter", "spectrum of the pixel under the cursor"],
        ["Shift + Enter", "first, then second corner of a box (or end of a line)"],
        ["+  −  0", "zoom in, out, whole scan"],
        ["Esc", "forget the region"],
        ["1 … 6", "go to a map"],
        ["[  ]", "one frame back, on"],
        ["l", "live"],
        ["a", "acknowledge alarms"],
        ["t", "everything as tables"],
        ["e", "export"],
        ["s", "settings"],
        ["?", "this list"],
    ];
    return h(
        "table",
        {},
        h("tbody", {}, ...rows.map(([key, what]) => h("tr", {}, h("th", { scope: "row" }, key), h("td", {}, what)))),
    );
}
