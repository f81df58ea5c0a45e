// What this browser shows, and what edxd does: the second only with a token, through the control socket.
import type { LineSetting } from "./config";
import { config, refreshConfig } from "./config";
import { byId, h } from "./dom";
import type { MapName } from "./colour";
import { changed, history, keep, kept, live, server } from "./state";
import type { ThemeName } from "./state";
import type { Connection } from "./wire";
import type { Reply } from "./types";
import { fixed } from "./format";

const TOKEN = "edxd-token";
const NUMBERS: { key: string; label: string; step: string; auto?: boolean }[] = [
    { key: "analysis.target_sigma", label: "Target σ (fraction)", step: "any" },
    { key: "quant.limit", label: "Quantification limit (σ)", step: "any" },
    { key: "analysis.bin_pixels", label: "Scan pixels per map pixel", step: "1" },
    { key: "analysis.bin_energy", label: "Channels per analysis channel", step: "1" },
    { key: "analysis.pca.rank", label: "Principal components", step: "1", auto: true },
    { key: "analysis.nmf.components", label: "NMF components (0: off)", step: "1", auto: true },
];

/** Asks for the token; null when the reader does not give one. */
function askToken(why: string): Promise<string | null> {
    const dialog = byId<HTMLDialogElement>("token");
    const input = h("input", { type: "password", id: "token-input", autocomplete: "off", required: true });
    return new Promise((settle) => {
        let answer: string | null = null;
        const submit = (e: Event) => {
            e.preventDefault();
            answer = input.value;
            dialog.close();
        };
        dialog.replaceChildren(
            h(
                "form",
                { submit },
                h("h2", {}, "Token"),
                h("p", {}, why),
                h("div", { class: "fields" }, h("label", { for: "token-input" }, "Token"), input),
                h(
                    "p",
                    { class: "note" },
                    "It is in the file that edxweb's --token-file names. This browser keeps it until the tab closes.",
                ),
                h(
                    "div",
                    { class: "actions" },
                    h("button", { type: "button", click: () => dialog.close() }, "Cancel"),
                    h("button", { type: "submit", class: "primary" }, "Continue"),
                ),
            ),
        );
        dialog.addEventListener("close", () => settle(answer), { once: true });
        dialog.showModal();
    });
}

/** A request that changes something: with the token, asked for once, and again when it was wrong. */
async function command(connection: Connection, request: Record<string, unknown>): Promise<Reply> {
    let token =
        sessionStorage.getItem(TOKEN) ?? (await askToken("Whoever changes the acquisition must know the token."));
    for (;;) {
        if (!token) return { ok: false, error: "nothing changed: no token given" };
        const reply = await connection.ask(request, token);
        if (reply.ok || !/token/i.test(reply.error ?? "")) {
            sessionStorage.setItem(TOKEN, token);
            return reply;
        }
        sessionStorage.removeItem(TOKEN);
        token = await askToken("That token was not the right one.");
    }
}

function local(): HTMLElement {
    const choice = <T extends string>(
        id: string,
        label: string,
        values: [T, string][],
        current: T,
        set: (v: T) => void,
    ) => {
        const select = h(
            "select",
            { id, change: () => set(select.value as T) },
            ...values.map(([v, text]) => h("option", { value: v, selected: v === current }, text)),
        );
        return [h("label", { for: id }, label), select];
    };
    const check = (id: string, label: string, on: boolean, set: (v: boolean) => void) => {
        const box = h("input", { type: "checkbox", id, checked: on, change: () => set(box.checked) });
        return [h("label", { for: id }, label), box];
    };
    const number = (id: string, label: string, value: number, min: number, step: string, set: (v: number) => void) => {
        const input = h("input", {
            type: "number",
            id,
            min,
            step,
            value,
            change: () => input.valueAsNumber >= min && set(input.valueAsNumber),
        });
        return [h("label", { for: id }, label), input];
    };
    return h(
        "div",
        { class: "fields" },
        ...choice<ThemeName>(
            "set-theme",
            "Appearance",
            [
                ["auto", "As the system"],
                ["light", "Light"],
                ["dark", "Dark"],
            ],
            kept.theme,
            (theme) => keep({ theme }),
        ),
        ...choice<MapName>(
            "set-colours",
            "Colours of maps",
            [
                ["cividis", "Cividis"],
                ["grey", "Grey"],
            ],
            kept.colours,
            (colours) => keep({ colours }),
        ),
        ...check("set-fade", "Fade colours as σ grows", kept.fade, (fade) => keep({ fade })),
        ...number("set-width", "Width of drawn lines (nm)", kept.lineWidth, 0.01, "any", (lineWidth) =>
            keep({ lineWidth }),
        ),
        ...number(
            "set-history",
            `History kept here (MB; now ${fixed(history.size / 1e6, 1)})`,
            kept.historyMB,
            1,
            "1",
            (historyMB) => keep({ historyMB }),
        ),
        ...check("set-keys", "Single-key shortcuts", kept.shortcuts, (shortcuts) => keep({ shortcuts })),
    );
}

interface Form {
    root: HTMLElement;
    changes(): [string, unknown][];
}

function numberFields(values: Map<string, unknown>, writable: boolean): Form {
    const inputs = NUMBERS.map(({ key, label, step, auto }) => {
        const id = `set-${key.replaceAll(".", "-")}`;
        const value = String(values.get(key) ?? "");
        const input = h("input", {
            id,
            type: auto ? "text" : "number",
            step,
            value,
            disabled: !writable,
            placeholder: auto ? "auto" : null,
        });
        return { key, auto, input, value, label: h("label", { for: id }, label) };
    });
    const parsed = (text: string, auto: boolean | undefined) => (auto && !/^\d+$/.test(text) ? "auto" : Number(text));
    return {
        root: h("div", { class: "fields" }, ...inputs.flatMap((i) => [i.label, i.input])),
        changes: () =>
            inputs.filter((i) => i.input.value !== i.value).map((i) => [i.key, parsed(i.input.value, i.auto)]),
    };
}

/** The lines that are quantified, with k; what else a line has is kept as it is. */
function lineFields(lines: LineSetting[], writable: boolean): Form {
    const rows: {
        tr: HTMLElement;
        old: LineSetting;
        line: HTMLInputElement;
        k: HTMLInputElement;
        sigma: HTMLInputElement;
    }[] = [];
    const body = h("tbody", {});
    const add = (old: LineSetting) => {
        const cell = (value: unknown, label: string, type = "text") =>
            h("input", {
                type,
                step: "any",
                value: value === undefined || value === null ? "" : String(value),
                "aria-label": label,
                disabled: !writable,
            });
        const row = {
            old,
            line: cell(old.line, "Line, as Ag_La"),
            k: cell(old.k, "k", "number"),
            sigma: cell(old.k_sigma, "σ of k", "number"),
            tr: h("tr", {}),
        };
        const remove = h(
            "button",
            {
                type: "button",
                class: "plain",
                "aria-label": `Remove ${old.line || "line"}`,
                disabled: !writable,
                click: () => (rows.splice(rows.indexOf(row), 1), row.tr.remove()),
            },
            "×",
        );
        row.tr.append(...[row.line, row.k, row.sigma, remove].map((e) => h("td", {}, e)));
        rows.push(row);
        body.append(row.tr);
    };
    lines.forEach(add);
    const now = () =>
        rows
            .filter((r) => r.line.value.trim())
            .map(({ old, line, k, sigma }) => {
                const { k: _, k_sigma: __, ...rest } = old;
                const same = old.line === line.value.trim();
                const out: LineSetting = { ...(same ? rest : {}), line: line.value.trim() };
                if (k.value) out.k = Number(k.value);
                if (sigma.value) out.k_sigma = Number(sigma.value);
                return out;
            });
    const before = JSON.stringify(now());
    const head = h(
        "tr",
        {},
        ...["Line", "k", "σ of k", ""].map((t) => h("th", { scope: "col" }, t || h("span", { class: "sr" }, "Remove"))),
    );
    return {
        root: h(
            "div",
            {},
            h("table", { class: "lines" }, h("caption", {}, "Lines"), h("thead", {}, head), body),
            h(
                "p",
                { class: "note" },
                `None: those of the instrument's elements (now ${live()["edx.maps"]?.lines.join(", ") || "none"}). Names as in HyperSpy: Ag_La, Fe_Ka.`,
            ),
            h(
                "button",
                { type: "button", class: "plain", disabled: !writable, click: () => add({ line: "" }) },
                "Add a line",
            ),
        ),
        changes: () => (JSON.stringify(now()) === before ? [] : [["quant.lines", now()]]),
    };
}

async function values(connection: Connection): Promise<Map<string, unknown>> {
    const found = new Map<string, unknown>();
    await Promise.all(
        NUMBERS.map(async ({ key }) => {
            const reply = await connection.ask({ cmd: "get", key });
            if (reply.ok) found.set(key, reply.value);
        }),
    );
    return found;
}

async function apply(connection: Connection, forms: Form[], say: (text: string) => void): Promise<boolean> {
    const changes = forms.flatMap((f) => f.changes());
    for (const [key, value] of changes) {
        const reply = await command(connection, { cmd: "set", key, value });
        if (!reply.ok) {
            say(`${key}: ${reply.error ?? "refused"}`);
            return false;
        }
    }
    if (changes.length) await refreshConfig();
    say(changes.length ? "Set: everything is computed anew." : "Nothing to change.");
    return true;
}

const ORDERS = [
    { cmd: "save", label: "Save files now", sure: "" },
    {
        cmd: "stop",
        label: "Finish acquisition",
        sure: "Finish this acquisition? What is measured so far is kept and saved.",
    },
    {
        cmd: "reset",
        label: "Stop and forget",
        sure: "Stop, save and forget this acquisition? edxd then waits for the next.",
    },
];

function orders(connection: Connection, say: (text: string) => void): HTMLElement {
    const give = async (cmd: string, sure: string) => {
        if (sure && !window.confirm(sure)) return;
        say("…");
        const reply = await command(connection, { cmd });
        say(reply.ok ? `${cmd}: done` : (reply.error ?? "refused"));
    };
    return h(
        "div",
        { class: "actions left" },
        ...ORDERS.map(({ cmd, label, sure }) =>
            h("button", { type: "button", click: () => void give(cmd, sure) }, label),
        ),
    );
}

export async function openSettings(connection: Connection): Promise<void> {
    const dialog = byId<HTMLDialogElement>("settings");
    const hello = server.hello;
    const writable = !!hello?.writable && !!hello.control;
    const message = h("p", { class: "message", role: "status" });
    const say = (text: string) => message.replaceChildren(text);
    const there = h(
        "div",
        {},
        h(
            "p",
            { class: "note" },
            hello?.control ? "Asking edxd…" : "edxd's control socket does not answer: settings cannot be seen.",
        ),
    );
    const close = h("button", { type: "button", class: "primary", click: () => dialog.close() }, "Close");
    const actions = h("div", { class: "actions" }, close);
    dialog.replaceChildren(
        h("h2", {}, "Settings"),
        h(
            "div",
            { class: "columns" },
            h("section", {}, h("h3", {}, "This browser"), local()),
            h("section", {}, h("h3", {}, "Analysis"), there),
        ),
        message,
        actions,
    );
    dialog.showModal();
    changed();
    if (!hello?.control) return;
    await refreshConfig();
    const forms = [numberFields(await values(connection), writable), lineFields(config.lines, writable)];
    const why = writable
        ? "A change holds for the running acquisition and is written into its recording."
        : "Read-only: edxweb was started without --token-file.";
    there.replaceChildren(
        h("p", { class: "note" }, why),
        ...forms.map((f) => f.root),
        ...(writable ? [orders(connection, say)] : []),
    );
    if (writable)
        actions.prepend(
            h(
                "button",
                {
                    type: "button",
                    click: () =>
                        void apply(connection, forms, say).then(
                            (ok) => ok && window.setTimeout(() => dialog.close(), 900),
                        ),
                },
                "Apply to edxd",
            ),
        );
}
