// Colour tables of 256 × 3 bytes, the value-suppressing palette, the page's own colours.

export type Table = Uint8Array;

/** 33 equal steps of cividis (Nunez, Anderton and Renslow 2018). */
const CIVIDIS =
    "00224e00285b002e6a0533711a386f273e6e32436d3b496c434e6c4b546c535a6d5a5f6e61656f686a716f70737676767d7c788381798b877" +
    "8928d789a9376a29975aaa073b3a670bbad6dc3b369ccba64d4c15fddc858e6d051efd748f8df3cfee838";
/** 17 equal steps of PuOr (ColorBrewer), orange to purple. */
const PUOR = "7f3b08a04d07be630adb7d12ef9e3cfdbd6efed7a2fbe9cff6f6f7e4e5f0cfcfe5b7b1d59990bf7b6aa85f3a914518712d004b";
const GREY = "000000ffffff";

const SIZE = 256;
export type MapName = "cividis" | "grey";

function interpolate(hex: string): Table {
    const anchors = Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
    const last = anchors.length / 3 - 1;
    const table = new Uint8Array(3 * SIZE);
    for (let i = 0; i < SIZE; i++) {
        const at = (i / (SIZE - 1)) * last;
        const left = Math.min(Math.floor(at), last - 1);
        for (let c = 0; c < 3; c++) {
            const a = anchors[3 * left + c] as number;
            const b = anchors[3 * left + 3 + c] as number;
            table[3 * i + c] = Math.round(a + (at - left) * (b - a));
        }
    }
    return table;
}

export const tables: Record<MapName | "puor", Table> = {
    cividis: interpolate(CIVIDIS),
    grey: interpolate(GREY),
    puor: interpolate(PUOR),
};

/** Four classes of σ as a part of the range: the less certain, the greyer and the coarser. */
export const CLASSES = 4;
const EDGES = [1 / 8, 1 / 4, 1 / 2];
const FADE = [0, 0.3, 0.6, 0.85];
const LEVELS = [SIZE, 16, 8, 4];
const NEUTRAL = 150;

export function classOf(sigma: number, range: number): number {
    const u = sigma / range;
    if (!(u < (EDGES[2] as number))) return CLASSES - 1;
    return u < (EDGES[0] as number) ? 0 : u < (EDGES[1] as number) ? 1 : 2;
}

/** The table of one class of σ. */
function suppressed(table: Table, k: number): Table {
    const out = new Uint8Array(3 * SIZE);
    const levels = LEVELS[k] as number;
    const fade = FADE[k] as number;
    for (let i = 0; i < SIZE; i++) {
        const level = Math.min(levels - 1, Math.floor((i / SIZE) * levels));
        const from = Math.round(((level + 0.5) / levels) * SIZE - 0.5);
        for (let c = 0; c < 3; c++)
            out[3 * i + c] = Math.round((1 - fade) * (table[3 * from + c] as number) + fade * NEUTRAL);
    }
    return out;
}

const suppressedTables = new Map<Table, Table[]>();

export function byCertainty(table: Table): Table[] {
    let found = suppressedTables.get(table);
    if (!found) {
        found = Array.from({ length: CLASSES }, (_, k) => suppressed(table, k));
        suppressedTables.set(table, found);
    }
    return found;
}

/** Colours that the style sheet decides, read once per theme. */
export interface Theme {
    text: string;
    faint: string;
    line: string;
    panel: string;
    accent: string;
    good: string;
    warn: string;
    bad: string;
    hatch: string;
    doubt: string;
    series: string[];
}

const NAMES = ["text", "faint", "line", "panel", "accent", "good", "warn", "bad", "hatch", "doubt"] as const;
let current: Theme | undefined;

export function theme(): Theme {
    if (current) return current;
    const style = getComputedStyle(document.documentElement);
    const read = (name: string) => style.getPropertyValue(`--${name}`).trim();
    const out = { series: [1, 2, 3, 4, 5, 6, 7, 8].map((i) => read(`series-${i}`)) } as Theme;
    for (const name of NAMES) out[name] = read(name);
    return (current = out);
}

export function forgetTheme(): void {
    current = undefined;
}

export function seriesColour(i: number): string {
    const list = theme().series;
    return list[i % list.length] as string;
}

const patterns = new Map<string, CanvasPattern>();

/** Diagonal hatching: what is missing, what is not to be trusted. */
export function hatch(context: CanvasRenderingContext2D, colour: string): CanvasPattern | string {
    const found = patterns.get(colour);
    if (found) return found;
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const c = tile.getContext("2d");
    if (!c) return colour;
    c.strokeStyle = colour;
    c.lineWidth = 1.4;
    c.beginPath();
    for (const x of [-8, 0, 8]) {
        c.moveTo(x, 8);
        c.lineTo(x + 8, 0);
    }
    c.stroke();
    const made = context.createPattern(tile, "repeat");
    if (made) patterns.set(colour, made);
    return made ?? colour;
}
