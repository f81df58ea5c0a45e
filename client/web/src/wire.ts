// The WebSocket: decoding in order, acknowledging what was painted, asking, coming back by itself.
import { decode, encode } from "@msgpack/msgpack";
import { withArrays } from "./arrays";
import type { Body, Hello, Reply, Topic } from "./types";

export interface Events {
    hello(hello: Hello): void;
    link(connected: boolean, control: boolean | undefined): void;
    /** True when there is something to paint. */
    result(topic: Topic, body: Body): void;
    opened(): void;
    closed(): void;
    broken(why: string): void;
}

type Message =
    | ({ type: "hello" } & Hello)
    | { type: "link"; connected: boolean; age_s: number | null; control?: boolean }
    | { type: "result"; topic: Topic; serial: number; body: Body }
    | { type: "reply"; id: number; reply: Reply };

const REPLY_LIMIT_MS = 30_000;
/** The server takes 8 questions at a time. */
const AT_ONCE = 6;
const SLOWEST_RETRY_MS = 5_000;

/** In this process from end to end: a Blob or a Response would carry the bytes through another. */
async function inflate(bytes: Uint8Array): Promise<Uint8Array> {
    const stream = new DecompressionStream("deflate-raw");
    const writer = stream.writable.getWriter();
    for (const step of [writer.write(bytes as BufferSource), writer.close()]) step.catch(() => {}); // reading says it
    const reader = stream.readable.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    const parts: Uint8Array[] = [];
    let size = 0;
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
        parts.push(part.value);
        size += part.value.length;
    }
    const out = new Uint8Array(size);
    let at = 0;
    for (const part of parts) {
        out.set(part, at);
        at += part.length;
    }
    return out;
}

async function parse(buffer: ArrayBuffer): Promise<Message> {
    const packed = new Uint8Array(buffer, 1);
    const first = new Uint8Array(buffer, 0, 1)[0];
    const plain = first === 1 ? await inflate(packed) : packed;
    return withArrays(decode(plain)) as Message;
}

interface Waiting {
    settle(reply: Reply): void;
    timer: number;
}

export class Connection {
    /** When anything came last, performance.now(). */
    heard = 0;
    private socket: WebSocket | undefined;
    private order: Promise<void> = Promise.resolve();
    /** Topics that came and are not on the screen, with the serials whose acknowledgement waits for that. */
    private unpainted = new Map<Topic, number[]>();
    private waiting = new Map<number, Waiting>();
    private queue: (() => void)[] = [];
    private nextId = 1;
    private tries = 0;

    constructor(
        private readonly url: string,
        private readonly events: Events,
    ) {}

    open(): void {
        const socket = new WebSocket(this.url, "edx");
        this.socket = socket;
        socket.binaryType = "arraybuffer";
        socket.onopen = () => {
            this.heard = performance.now();
            this.events.opened();
        };
        socket.onmessage = (event: MessageEvent<ArrayBuffer>) => this.receive(socket, event.data);
        socket.onclose = () => this.lost(socket);
    }

    /** What came is on the screen. */
    painted(): void {
        const waiting = [...this.unpainted.values()].flat();
        this.unpainted.clear();
        for (const serial of waiting) this.send({ type: "ack", serial });
    }

    /** At once, so that the other topics of an update come into the same picture; but what comes again
        before it was painted waits until it is, so that nobody sends faster than this page paints. */
    private acknowledge(topic: Topic, serial: number): void {
        const waiting = this.unpainted.get(topic);
        if (waiting) waiting.push(serial);
        else {
            this.unpainted.set(topic, []);
            this.send({ type: "ack", serial });
        }
    }

    ask(request: Record<string, unknown>, token?: string): Promise<Reply> {
        if (this.socket?.readyState !== WebSocket.OPEN) {
            return Promise.resolve({ ok: false, error: "not connected: wait until the page is back, then try again" });
        }
        return new Promise((settle) => {
            const go = () => this.put(request, token, settle);
            if (this.waiting.size < AT_ONCE) go();
            else this.queue.push(go);
        });
    }

    private put(request: Record<string, unknown>, token: string | undefined, settle: (reply: Reply) => void): void {
        const id = this.nextId++;
        const timer = window.setTimeout(
            () => this.settle(id, { ok: false, error: "no answer within 30 s" }),
            REPLY_LIMIT_MS,
        );
        this.waiting.set(id, { settle, timer });
        this.send(token ? { type: "control", id, request, token } : { type: "control", id, request });
    }

    private send(message: object): void {
        if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(encode(message));
    }

    private receive(socket: WebSocket, data: ArrayBuffer): void {
        this.heard = performance.now();
        const parsed = parse(data);
        this.order = this.order.then(async () => {
            try {
                const message = await parsed;
                if (socket === this.socket) this.dispatch(message);
            } catch (error) {
                this.events.broken(String(error));
                socket.close();
            }
        });
    }

    private dispatch(message: Message): void {
        switch (message.type) {
            case "hello":
                this.tries = 0;
                return this.events.hello(message);
            case "link":
                return this.events.link(message.connected, message.control);
            case "reply":
                return this.settle(message.id, message.reply);
            case "result":
                this.acknowledge(message.topic, message.serial);
                return this.events.result(message.topic, message.body);
        }
    }

    private settle(id: number, reply: Reply): void {
        const waiting = this.waiting.get(id);
        if (!waiting) return;
        this.waiting.delete(id);
        window.clearTimeout(waiting.timer);
        waiting.settle(reply);
        this.queue.shift()?.();
    }

    private lost(socket: WebSocket): void {
        if (socket !== this.socket) return;
        this.socket = undefined;
        this.unpainted.clear();
        for (const id of [...this.waiting.keys()]) this.settle(id, { ok: false, error: "the connection was lost" });
        this.events.closed();
        const wait = Math.min(250 * 2 ** this.tries++, SLOWEST_RETRY_MS);
        window.setTimeout(() => this.open(), wait * (0.75 + 0.5 * Math.random()));
    }
}
