// Alarms: shape, text and border; kept until acknowledged; said once.
import { announce, byId, h, Memo, setText } from "./dom";
import { changed, onBegin, onResult, live } from "./state";
import type { Alarm } from "./types";

interface Latched extends Alarm {
    acknowledged: boolean;
}

const RANK = { error: 2, warning: 1, info: 0 } as const;
const SHAPE = { error: "⬣", warning: "▲", info: "●" } as const;
const WORD = { error: "Error", warning: "Warning", info: "Note" } as const;

const latched = new Map<string, Latched>();
const memo = new Memo();
let revision = 0;

export function startAlarms(): void {
    onBegin.push(() => {
        for (const [key, alarm] of latched) if (!alarm.active) latched.delete(key);
        revision++;
    });
    onResult.push((topic) => topic === "edx.alarm" && take(live()["edx.alarm"]?.alarms ?? []));
    byId("alarm-acknowledge").addEventListener("click", acknowledge);
    byId("alarm-open").addEventListener("click", openList);
}

/** A kind and the frame that raised it are one alarm: raised anew, it must be acknowledged anew. */
function keyOf(alarm: Alarm): string {
    return `${alarm.kind}@${alarm.since_frame}`;
}

function take(alarms: Alarm[]): void {
    const now = new Set<string>();
    for (const alarm of alarms) {
        const key = keyOf(alarm);
        now.add(key);
        const known = latched.get(key);
        if (!known && !alarm.active) continue;
        latched.set(key, { ...alarm, acknowledged: known?.acknowledged ?? false });
        if (!known) announce(`${WORD[alarm.severity] ?? "Alarm"}: ${alarm.message}`, true);
    }
    for (const [key, alarm] of latched) {
        if (!now.has(key)) alarm.active = false;
        if (!alarm.active && alarm.acknowledged) latched.delete(key);
    }
    revision++;
}

export function acknowledge(): void {
    for (const [key, alarm] of latched) {
        alarm.acknowledged = true;
        if (!alarm.active) latched.delete(key);
    }
    revision++;
    changed();
}

function sorted(): Latched[] {
    const order = (a: Latched) => (a.acknowledged ? 0 : 10) + (a.active ? 5 : 0) + (RANK[a.severity] ?? 0);
    return [...latched.values()].sort((a, b) => order(b) - order(a));
}

export function renderAlarms(): void {
    if (!memo.changed(revision)) return;
    const list = sorted();
    const open = list.filter((a) => !a.acknowledged);
    const first = open[0] ?? list[0];
    const box = byId("alarm");
    const level = open.length
        ? open.reduce((a, b) => ((RANK[b.severity] ?? 0) > (RANK[a.severity] ?? 0) ? b : a)).severity
        : "none";
    box.dataset.level = level;
    document.body.dataset.alarm = level;
    setText(byId("alarm-shape"), first ? (SHAPE[first.severity] ?? "●") : "✓");
    const more = list.length > 1 ? ` (+${list.length - 1})` : "";
    setText(
        byId("alarm-text"),
        first ? `${first.kind}${first.active ? "" : " (over)"}: ${first.message}${more}` : "No alarms",
    );
    byId("alarm-open").title = first ? first.message : "";
    byId("alarm-acknowledge").hidden = open.length === 0;
    const dialog = byId<HTMLDialogElement>("alarm-list");
    if (dialog.open) fillList(dialog);
}

function fillList(dialog: HTMLDialogElement): void {
    const rows = sorted().map((a) =>
        h(
            "tr",
            {},
            h("td", {}, `${SHAPE[a.severity] ?? "●"} ${WORD[a.severity] ?? a.severity}`),
            h("td", {}, a.kind),
            h("td", {}, a.message),
            h("td", {}, String(a.since_frame)),
            h("td", {}, a.active ? "active" : "over"),
            h("td", {}, a.acknowledged ? "yes" : "no"),
        ),
    );
    const head = h(
        "tr",
        {},
        ...["Severity", "Kind", "What, and the cure", "Since frame", "State", "Acknowledged"].map((t) =>
            h("th", { scope: "col" }, t),
        ),
    );
    dialog.replaceChildren(
        h("h2", {}, "Alarms"),
        rows.length
            ? h(
                  "div",
                  { class: "scroll", tabindex: 0, role: "region", "aria-label": "List of alarms" },
                  h("table", {}, h("thead", {}, head), h("tbody", {}, ...rows)),
              )
            : h("p", {}, "None since the acquisition began."),
        h(
            "div",
            { class: "actions" },
            h("button", { type: "button", click: () => (acknowledge(), fillList(dialog)) }, "Acknowledge all"),
            h("button", { type: "button", class: "primary", click: () => dialog.close() }, "Close"),
        ),
    );
}

function openList(): void {
    const dialog = byId<HTMLDialogElement>("alarm-list");
    fillList(dialog);
    dialog.showModal();
}
