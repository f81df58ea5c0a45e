// Elements, made shortly. Styles are set through the object model only: the policy allows no other.

type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | number | boolean | null | undefined | ((event: never) => void)>;

export function h<K extends keyof HTMLElementTagNameMap>(
    tag: K,
    attributes: Attributes = {},
    ...children: Child[]
): HTMLElementTagNameMap[K] {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (typeof value === "function") element.addEventListener(name, value as EventListener);
        else if (value === true) element.setAttribute(name, "");
        else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
    }
    for (const child of children) if (child) element.append(child);
    return element;
}

export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
    const found = document.getElementById(id);
    if (!found) throw new Error(`#${id} is not in the page`);
    return found as T;
}

/** Sets text only when it differs, so that nothing is laid out again for nothing. */
export function setText(element: Element, text: string): void {
    if (element.textContent !== text) element.textContent = text;
}

export function setHidden(element: HTMLElement, hidden: boolean): void {
    if (element.hidden !== hidden) element.hidden = hidden;
}

/** Does its work again only when one of what it depends on is another. */
export class Memo {
    private last: unknown[] | undefined;

    changed(...now: unknown[]): boolean {
        const last = this.last;
        if (last && last.length === now.length && last.every((v, i) => Object.is(v, now[i]))) return false;
        this.last = now;
        return true;
    }

    reset(): void {
        this.last = undefined;
    }
}

export interface Option<T extends string> {
    id: T;
    label: string;
    title?: string;
}

/** A row of buttons of which one is pressed. */
export class Segmented<T extends string> {
    readonly root: HTMLElement;
    private buttons = new Map<T, HTMLButtonElement>();

    constructor(label: string, options: Option<T>[], choose: (id: T) => void) {
        this.root = h("div", { class: "segmented", role: "group", "aria-label": label });
        for (const option of options) {
            const button = h(
                "button",
                {
                    type: "button",
                    title: option.title,
                    "aria-pressed": "false",
                    "data-id": option.id,
                    click: () => choose(option.id),
                },
                option.label,
            );
            this.buttons.set(option.id, button);
            this.root.append(button);
        }
    }

    set(current: T | null): void {
        for (const [id, button] of this.buttons) {
            const pressed = String(id === current);
            if (button.getAttribute("aria-pressed") !== pressed) button.setAttribute("aria-pressed", pressed);
        }
    }

    enable(id: T, enabled: boolean, why = ""): void {
        const button = this.buttons.get(id);
        if (!button || button.disabled === !enabled) return;
        button.disabled = !enabled;
        if (why) button.title = why;
    }
}

/** A canvas that fills its element, sharp on every screen; calls back when its size changes. */
export function fitCanvas(
    canvas: HTMLCanvasElement,
    resized: () => void,
): () => { width: number; height: number; ratio: number } {
    let width = 0;
    let height = 0;
    const observer = new ResizeObserver((entries) => {
        const box = entries[0]?.contentRect;
        if (!box) return;
        width = Math.floor(box.width);
        height = Math.floor(box.height);
        resized();
    });
    observer.observe(canvas);
    return () => {
        const ratio = window.devicePixelRatio || 1;
        const [w, hgt] = [Math.round(width * ratio), Math.round(height * ratio)];
        if (canvas.width !== w || canvas.height !== hgt) {
            canvas.width = w;
            canvas.height = hgt;
        }
        return { width, height, ratio };
    };
}

/** Says it once to a screen reader. */
export function announce(text: string, urgent = false): void {
    byId(urgent ? "announce-now" : "announce").textContent = text; // anew even when it is the same text
}
