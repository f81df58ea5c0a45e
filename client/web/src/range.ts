// The range of one map: automatic, or locked to two numbers.
import { byId, h } from "./dom";
import { robustRange } from "./planes";
import { changed, ui } from "./state";
import type { Tile } from "./tile";

export function openRange(tile: Tile): void {
    const plane = tile.plane;
    if (!plane) return;
    const dialog = byId<HTMLDialogElement>("range");
    const percent = plane.unit.includes("at.%") ? 100 : 1;
    const [lo, hi] = (ui.locks.get(plane.id) ?? robustRange(plane)).map((v) =>
        Number((percent * v).toPrecision(4)),
    ) as [number, number];
    const low = h("input", { type: "number", step: "any", value: lo, id: "range-lo" });
    const high = h("input", { type: "number", step: "any", value: hi, id: "range-hi" });
    const done = () => (dialog.close(), changed());
    const lock = () => {
        const [a, b] = [Number(low.value) / percent, Number(high.value) / percent];
        if (b > a) ui.locks.set(plane.id, [a, b]);
        done();
    };
    const free = () => (ui.locks.delete(plane.id), done());
    dialog.replaceChildren(
        h(
            "form",
            { method: "dialog", submit: (e: Event) => (e.preventDefault(), lock()) },
            h("h2", {}, `Range of ${plane.title}`),
            h(
                "div",
                { class: "fields" },
                h("label", { for: "range-lo" }, `From (${plane.unit || "value"})`),
                low,
                h("label", { for: "range-hi" }, "To"),
                high,
            ),
            h(
                "p",
                { class: "note" },
                "Automatic: 1st to 99.5th percentile of every frame. A locked range stays until the next acquisition.",
            ),
            h(
                "div",
                { class: "actions" },
                h("button", { type: "button", click: () => dialog.close() }, "Cancel"),
                h("button", { type: "button", click: free }, "Automatic"),
                h("button", { type: "submit", class: "primary" }, "Lock"),
            ),
        ),
    );
    dialog.showModal();
}
