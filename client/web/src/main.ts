// Puts the page together: one connection, one repaint per screen refresh.
import "./style.css";
import { acknowledge, renderAlarms, startAlarms } from "./alarms";
import { forgetTheme } from "./colour";
import { refreshConfig, startConfig } from "./config";
import { announce, byId, h, setText } from "./dom";
import { startFreshness } from "./freshness";
import { freshness, renderHeader } from "./header";
import { MapView } from "./maps";
import { startProbe } from "./probe";
import { chosenParticle, ParticleView } from "./radial";
import { openSave } from "./save";
import { openSettings } from "./settings";
import { SpectrumView, startRegionBar } from "./spectrum";
import { apply, changed, kept, onChange, pin, server, view } from "./state";
import { openTables } from "./tables";
import { hintKeys, renderTimeline, startTimeline, step } from "./timeline";
import { startTrendEmpty, TrendView } from "./trend";
import type { Body, Hello, Snapshot, Topic } from "./types";
import { Connection } from "./wire";

const TICK_MS = 250;

const connection = new Connection(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, {
    opened: () => {
        server.open = server.everOpen = true;
        server.problem = "";
        changed();
    },
    closed: () => {
        server.open = server.linked = false;
        changed();
    },
    hello: (hello: Hello) => {
        server.hello = hello;
        void refreshConfig();
        changed();
    },
    link: (connected: boolean, control: boolean | undefined) => {
        if (server.hello && control !== undefined && control !== server.hello.control) {
            server.hello = { ...server.hello, control };
            void refreshConfig();
        }
        if (connected !== server.linked && server.everOpen) announce(connected ? "edxd is heard" : "edxd is silent");
        server.linked = connected;
        changed();
    },
    result: (topic: Topic, body: Body) => apply(topic, body),
    broken: (why: string) => ((server.problem = why), changed()),
});

const maps = new MapView();
const spectrum = new SpectrumView();
const particle = new ParticleView();
const trend = new TrendView();
let themed = "";
let scheduled = false;

function theming(): void {
    const now = `${kept.theme} ${matchMedia("(prefers-color-scheme: dark)").matches} ${matchMedia("(forced-colors: active)").matches}`;
    if (now === themed) return;
    themed = now;
    if (kept.theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = kept.theme;
    forgetTheme();
}

function paint(): void {
    scheduled = false;
    theming();
    const snapshot = view();
    const parts = [
        renderHeader,
        renderAlarms,
        renderTimeline,
        ...[maps, spectrum, particle, trend].map((p) => (s: Snapshot) => p.render(s)),
    ];
    let problem = server.problem;
    for (const part of parts) {
        try {
            part(snapshot);
        } catch (error) {
            console.error(error); // one panel that cannot be drawn leaves the others, and the acknowledgement
            problem = `A part of this page cannot be shown: ${String(error)}`;
        }
    }
    setText(byId("problem"), problem);
    // Behind the frame that is now drawn: what came is on the screen.
    window.setTimeout(() => connection.painted(), 0);
}

function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    // A hidden page paints nothing, but must not hold the server up.
    if (document.hidden) window.setTimeout(paint, 0);
    else requestAnimationFrame(paint);
}

function openHelp(): void {
    const dialog = byId<HTMLDialogElement>("help");
    dialog.replaceChildren(
        h("h2", {}, "Keys"),
        hintKeys(),
        h(
            "p",
            { class: "note" },
            "On a map: click a pixel, drag to move, wheel or two fingers to zoom. Hatching: no value, or not to be trusted. Colours of fractions fade to grey as σ grows; the stripes of their bar go from certain to uncertain.",
        ),
        h(
            "div",
            { class: "actions" },
            h("button", { type: "button", class: "primary", click: () => dialog.close() }, "Close"),
        ),
    );
    dialog.showModal();
}

const tables = () => openTables(chosenParticle);
const save = () => openSave(maps.tiles, chosenParticle(view()));
const settings = () => void openSettings(connection);

function shortcut(e: KeyboardEvent): void {
    const target = e.target as HTMLElement;
    if (!kept.shortcuts || e.ctrlKey || e.metaKey || e.altKey || document.querySelector("dialog[open]")) return;
    if (target.matches("select, textarea, input:not([type=range])")) return;
    const actions: Record<string, () => void> = {
        l: () => pin(null),
        a: acknowledge,
        t: tables,
        s: settings,
        e: save,
        "?": openHelp,
        "[": () => step(-1),
        "]": () => step(1),
    };
    const map = maps.tiles[Number(e.key) - 1];
    const action = actions[e.key] ?? (map ? () => map.canvas.focus() : undefined);
    if (!action) return;
    e.preventDefault();
    action();
}

onChange(schedule);
theming();
startAlarms();
startFreshness(connection);
startConfig(connection);
startProbe(connection);
startTimeline(connection);
startRegionBar();
startTrendEmpty();
byId("open-tables").addEventListener("click", tables);
byId("open-save").addEventListener("click", save);
byId("open-settings").addEventListener("click", settings);
byId("open-help").addEventListener("click", openHelp);
document.addEventListener("keydown", shortcut);
document.addEventListener("visibilitychange", () => window.setTimeout(paint, 0)); // what waits for a frame would wait on
for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"])
    matchMedia(query).addEventListener("change", changed);
let wasStale = "false";
window.setInterval(() => {
    freshness();
    const now = document.body.dataset.stale ?? "false";
    if (now === wasStale) return;
    wasStale = now;
    if (now === "true") announce("The data is stale", true);
    changed();
}, TICK_MS);
connection.open();
schedule();
