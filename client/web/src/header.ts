// The top line: what is measured, how far it is, how old it is.
import { byId, setHidden, setText } from "./dom";
import { counts, duration, integer, rate, short, significant } from "./format";
import { age, finishing, framePeriod, stale } from "./freshness";
import { server, ui, view } from "./state";
import type { Snapshot, Status } from "./types";

const STATES: Record<Status["state"], string> = { idle: "Idle", acquiring: "Acquiring", finished: "Finished" };

export function renderHeader(snapshot: Snapshot): void {
    const status = snapshot["edx.status"];
    const state = byId("state");
    const old = stale();
    setText(state, !server.open ? "Offline" : !server.linked ? "No edxd" : stateOf(status));
    state.dataset.state = !server.open || !server.linked ? "lost" : (status?.state ?? "idle");
    setText(byId("acq"), status?.acq || "no acquisition");
    setText(byId("scan"), scanText(snapshot));
    progress(status);
    setText(byId("counts"), counts(status?.counts));
    byId("counts").title = status ? `${integer(status.counts)} counts` : "";
    setText(byId("rate"), status?.state === "acquiring" && !finishing(status) && !old.is ? rate(status.rate_cps) : "–");
    const dose = snapshot["edx.trend"]?.dose_e_per_A2;
    setText(byId("dose-head"), dose === undefined ? "–" : `${significant(dose, 3)} e⁻/Å²`);
    setText(byId("left"), old.is ? "–" : timeLeft(status));
    freshness(status);
    document.title = `${status?.state === "acquiring" ? `${status.frames}${status.expected ? `/${status.expected}` : ""} · ` : ""}${status?.acq || "edxd"}`;
}

function stateOf(status: Status | undefined): string {
    return !status ? "Waiting" : finishing(status) ? "Finishing" : STATES[status.state];
}

function scanText(snapshot: Snapshot): string {
    const shape = snapshot["edx.spectrum"]?.total.shape;
    if (!shape) return server.hello ? `edxd at ${server.hello.endpoint}` : "";
    const step = snapshot["edx.maps"]?.step_nm;
    const size = `${shape[1]} × ${shape[0]} px`;
    if (!step) return size;
    const [dy, dx] = step.map((v) => short(v));
    return `${size} · ${dy === dx ? dy : `${dx} × ${dy}`} nm`;
}

function progress(status: Status | undefined): void {
    const bar = byId<HTMLProgressElement>("progress");
    const expected = status?.expected ?? 0;
    setText(
        byId("frames"),
        !status ? "–" : expected ? `${integer(status.frames)} / ${integer(expected)}` : integer(status.frames),
    );
    bar.max = expected || 1;
    if (expected || !status) bar.value = Math.min(status?.frames ?? 0, expected);
    else if (status.state === "acquiring") bar.removeAttribute("value");
    else bar.value = 1;
}

function timeLeft(status: Status | undefined): string {
    if (!status || status.state !== "acquiring" || finishing(status)) return "–";
    if (!status.expected) return "open end";
    const period = framePeriod();
    if (!period) return "–";
    return duration(Math.max(0, status.expected - status.frames) * period);
}

/** Age of the data, or STALE 7 s; what is stale is desaturated. */
export function freshness(status = view()["edx.status"]): void {
    const old = stale();
    const badge = byId("age");
    const seconds = age();
    const body = document.body;
    if (body.dataset.stale !== String(old.is)) body.dataset.stale = String(old.is);
    setHidden(byId("veil"), !old.is);
    if (old.is) {
        const text = `STALE ${Math.floor(old.seconds)} s`;
        setText(badge, text);
        setText(byId("veil"), `${text}: ${old.why}`);
    } else if (seconds === undefined || !status) setText(badge, "–");
    else if (status.state === "finished") setText(badge, "final");
    else setText(badge, seconds < 1 ? "< 1 s" : duration(Math.floor(seconds)).replace(/\.0 s/, " s"));
    const badgeState = old.is ? "stale" : ui.pinned === null ? "live" : "past";
    if (badge.dataset.state !== badgeState) badge.dataset.state = badgeState;
}
