// Numbers and names as people read them: units and errors everywhere, digits that the error allows.

const MINUS = "−";

export function fixed(value: number, digits: number): string {
    const text = value.toFixed(digits);
    return text.startsWith("-") ? (Number(text) === 0 ? text.slice(1) : MINUS + text.slice(1)) : text;
}

/** Digits behind the point that show two figures of an error. */
function digitsFor(sigma: number): number {
    if (!(sigma > 0) || !Number.isFinite(sigma)) return 1;
    return Math.max(0, Math.min(6, 1 - Math.floor(Math.log10(sigma))));
}

/** 12.3 ± 1.4, without unit. */
export function withError(value: number, sigma: number): string {
    if (!Number.isFinite(value)) return "–";
    if (!Number.isFinite(sigma)) return `${significant(value, 3)} ± ?`;
    const digits = digitsFor(sigma);
    return `${fixed(value, digits)} ± ${fixed(sigma, digits)}`;
}

/** A fraction as 12.3 ± 1.4 at.%. */
export function percent(fraction: number, sigma: number, unit = " at.%"): string {
    return Number.isFinite(fraction) ? withError(100 * fraction, 100 * sigma) + unit : "–";
}

export function signed(value: number, digits: number): string {
    return (value > 0 ? "+" : "") + fixed(value, digits);
}

export function significant(value: number, figures: number): string {
    if (!Number.isFinite(value)) return "–";
    if (value === 0) return "0";
    const magnitude = Math.floor(Math.log10(Math.abs(value)));
    if (magnitude >= 5 || magnitude < -4) {
        const mantissa = value / 10 ** magnitude;
        return `${fixed(mantissa, figures - 1)}×10${superscript(magnitude)}`;
    }
    return fixed(value, Math.max(0, figures - 1 - magnitude));
}

export function superscript(n: number): string {
    return String(n)
        .replace("-", "⁻")
        .replace(/\d/g, (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(d)] as string);
}

/** 1 234 567, with thin spaces. */
export function integer(value: number | undefined): string {
    if (value === undefined || !Number.isFinite(value)) return "–";
    return fixed(Math.round(value), 0).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** 303 745, 1.23 M, 4.56 G. */
export function counts(value: number | undefined): string {
    if (value === undefined || !Number.isFinite(value)) return "–";
    if (value < 1e6) return integer(value);
    return value < 1e9 ? `${fixed(value / 1e6, 2)} M` : `${fixed(value / 1e9, 2)} G`;
}

/** An axis label: 0, 500, 2k, 1.5M, 3.7e−5. */
export function short(value: number, figures = 3): string {
    const size = Math.abs(value);
    const trim = (v: number) => String(Number(v.toPrecision(figures))).replace("-", MINUS);
    if (size >= 1e9) return `${trim(value / 1e9)}G`;
    if (size >= 1e6) return `${trim(value / 1e6)}M`;
    if (size >= 1e4) return `${trim(value / 1e3)}k`;
    return size > 0 && size < 1e-3 ? value.toExponential(1).replaceAll("-", MINUS) : trim(value);
}

export function rate(cps: number | undefined): string {
    if (cps === undefined || !Number.isFinite(cps)) return "–";
    return cps < 1e4 ? `${fixed(cps, 0)} cps` : `${fixed(cps / 1e3, 1)} kcps`;
}

/** 4.2 s, 3 min 20 s, 2 h 5 min. */
export function duration(seconds: number): string {
    if (!Number.isFinite(seconds)) return "–";
    if (seconds < 9.95) return `${fixed(seconds, 1)} s`;
    const s = Math.round(seconds);
    if (s < 60) return `${s} s`;
    if (s < 3600) return s % 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s / 60} min`;
    const minutes = Math.round(s / 60);
    return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function probability(p: number): string {
    if (!Number.isFinite(p)) return "p unknown";
    return p < 0.001 ? "p < 0.001" : `p = ${fixed(p, p < 0.1 ? 3 : 2)}`;
}

/** Ag_La as Ag Lα. */
export function lineName(line: string): string {
    return line
        .replace("_", " ")
        .replace(/ ([KLM])a/, " $1α")
        .replace(/ ([KLM])b/, " $1β")
        .replace(/ ([KLM])g/, " $1γ");
}
