// Arrays as they travel: {dtype, shape, data}, float planes quantised to 16 bits by edxweb.

export type Numbers = Float32Array | Float64Array | Int32Array | Uint8Array | Uint16Array | Uint32Array;

interface Wire {
    dtype: string;
    shape: number[];
    data: Uint8Array;
    offset?: number[];
    scale?: number[];
}

const MISSING = 65535;

/** 64-bit integers of any size that counts reach, without a BigInt each. */
function wide(halves: Uint32Array): Float64Array {
    const out = new Float64Array(halves.length / 2);
    for (let i = 0; i < out.length; i++)
        out[i] = (halves[2 * i] as number) + 4294967296 * (halves[2 * i + 1] as number);
    return out;
}

interface Kind<T> {
    readonly BYTES_PER_ELEMENT: number;
    new (buffer: ArrayBufferLike, offset: number, length: number): T;
}

/** The typed array behind the bytes; 64-bit integers become numbers. */
function typed(dtype: string, bytes: Uint8Array): Numbers {
    const view = <T>(kind: Kind<T>) => {
        const size = kind.BYTES_PER_ELEMENT;
        const own = bytes.byteOffset % size ? bytes.slice() : bytes; // the message lives as long as its arrays do
        return new kind(own.buffer, own.byteOffset, own.byteLength / size);
    };
    switch (dtype) {
        case "|u1":
            return bytes;
        case "<u2":
            return view(Uint16Array);
        case "<u4":
            return view(Uint32Array);
        case "<i4":
            return view(Int32Array);
        case "<f4":
            return view(Float32Array);
        case "<f8":
            return view(Float64Array);
        case "<u8":
            return wide(view(Uint32Array));
    }
    throw new Error(`array of type ${dtype}, expected one of |u1 <u2 <u4 <u8 <i4 <f4 <f8`);
}

/** An n-dimensional array that gives out its last two dimensions as planes, its last as rows. */
export class NdArray {
    readonly shape: number[];
    readonly bytes: number;
    private readonly raw: Numbers;
    private readonly offset: number[] | undefined;
    private readonly scale: number[] | undefined;
    private planes = new Map<number, Float32Array | Float64Array>();

    constructor(wire: Wire) {
        this.shape = wire.shape;
        this.raw = typed(wire.dtype, wire.data);
        this.bytes = this.raw.byteLength;
        this.offset = wire.offset;
        this.scale = wire.scale;
        const n = wire.shape.reduce((a, b) => a * b, 1);
        if (n !== this.raw.length) throw new Error(`array of ${this.raw.length} values, expected ${n}`);
    }

    private planeSize(): number {
        const [rows, cols] = this.shape.slice(-2);
        return (rows ?? 1) * (cols ?? 1);
    }

    private decode(i: number): Float32Array | Float64Array {
        const size = this.planeSize();
        const part = this.raw.subarray(i * size, (i + 1) * size);
        const offset = this.offset?.[i];
        const scale = this.scale?.[i];
        if (offset === undefined || scale === undefined) {
            return part instanceof Float64Array || part instanceof Float32Array ? part : Float32Array.from(part);
        }
        const out = new Float32Array(size);
        for (let k = 0; k < size; k++) {
            const q = part[k] as number;
            out[k] = q === MISSING ? NaN : offset + scale * q;
        }
        return out;
    }

    /** Plane i of the leading dimensions taken together, as numbers; NaN is missing. */
    plane(i = 0): Float32Array | Float64Array {
        let found = this.planes.get(i);
        if (!found) this.planes.set(i, (found = this.decode(i)));
        return found;
    }

    /** Row i of a two-dimensional array. */
    row(i: number): Float32Array | Float64Array {
        const m = this.shape.at(-1) ?? 0;
        return this.plane(0).subarray(i * m, (i + 1) * m);
    }

    /** All of a one-dimensional array. */
    values(): Float32Array | Float64Array {
        const m = this.raw.length;
        let found = this.planes.get(-1);
        if (!found) {
            const raw = this.raw;
            found = raw instanceof Float64Array || raw instanceof Float32Array ? raw : Float64Array.from(raw);
            this.planes.set(-1, found);
        }
        return found.subarray(0, m);
    }

    /** Forgets what was decoded: the past is kept as small as it came. */
    drop(): void {
        this.planes.clear();
    }
}

function isWire(value: object): value is Wire {
    return "dtype" in value && "shape" in value && "data" in value;
}

/** Replaces every array map in a decoded message, however deep. */
export function withArrays(value: unknown): unknown {
    if (value === null || typeof value !== "object" || value instanceof Uint8Array) return value;
    if (Array.isArray(value)) return value.map(withArrays);
    if (isWire(value)) return new NdArray(value);
    const out: Record<string, unknown> = {};
    for (const [key, inner] of Object.entries(value)) out[key] = withArrays(inner);
    return out;
}

/** Visits the arrays of a body. */
export function eachArray(value: unknown, visit: (array: NdArray) => void): void {
    if (value instanceof NdArray) visit(value);
    else if (Array.isArray(value)) for (const inner of value) eachArray(inner, visit);
    else if (value && typeof value === "object") for (const inner of Object.values(value)) eachArray(inner, visit);
}
