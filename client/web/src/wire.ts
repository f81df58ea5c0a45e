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

async function inflate(bytes: Uint8Array): Promise<Uint8Array> {
    const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
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
    private unpainted: number[] = [];
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

    /** Tells the server that what came is on the screen. */
    painted(): void {
        for (const serial of this.unpainted.splice(0)) this.send({ type: "ack", serial });
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
                this.unpainted.push(message.serial);
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
        this.unpainted = [];
        for (const id of [...this.waiting.keys()]) this.settle(id, { ok: false, error: "the connection was lost" });
        this.events.closed();
        const wait = Math.min(250 * 2 ** this.tries++, SLOWEST_RETRY_MS);
        window.setTimeout(() => this.open(), wait * (0.75 + 0.5 * Math.random()));
    }
}
