// What came before, as small as it came, within a bound; the older, the sparser.
import { eachArray } from "./arrays";
import type { Body, Snapshot, Topic } from "./types";

interface Entry {
    frame: number;
    body: Body;
    bytes: number;
}

export const KEPT: Topic[] = ["edx.spectrum", "edx.maps", "edx.pca", "edx.nmf", "edx.particles"];
const OVERHEAD = 2048;

function sizeOf(body: Body): number {
    let bytes = OVERHEAD;
    eachArray(body, (array) => (bytes += array.bytes));
    return bytes;
}

export class History {
    private topics = new Map<Topic, Entry[]>();
    private bytes = 0;

    constructor(private limit: number) {}

    setLimit(bytes: number): void {
        this.limit = bytes;
        this.shrink();
    }

    clear(): void {
        this.topics.clear();
        this.bytes = 0;
    }

    get size(): number {
        return this.bytes;
    }

    add(topic: Topic, body: Body): void {
        if (!KEPT.includes(topic)) return;
        const list = this.topics.get(topic) ?? [];
        this.topics.set(topic, list);
        const entry = { frame: body.frame, body, bytes: sizeOf(body) };
        const at = this.place(list, body.frame);
        const old = list[at];
        const same = old?.frame === body.frame;
        if (old && same) this.bytes -= old.bytes;
        list.splice(at, same ? 1 : 0, entry);
        this.bytes += entry.bytes;
        this.shrink();
    }

    /** The body of a topic at a frame, or the last one before. */
    at(topic: Topic, frame: number): Body | undefined {
        const list = this.topics.get(topic) ?? [];
        const at = this.place(list, frame);
        return list[at]?.frame === frame ? list[at].body : list[at - 1]?.body;
    }

    frames(): number[] {
        return (this.topics.get("edx.spectrum") ?? []).map((entry) => entry.frame);
    }

    snapshot(frame: number): Snapshot {
        const out: Record<string, Body> = {};
        for (const topic of KEPT) {
            const body = this.at(topic, frame);
            if (body) out[topic] = body;
        }
        return out as Snapshot;
    }

    /** Index of the first entry that is not before the frame. */
    private place(list: Entry[], frame: number): number {
        let lo = 0;
        let hi = list.length;
        while (lo < hi) {
            const mid = (lo + hi) >> 1;
            if ((list[mid] as Entry).frame < frame) lo = mid + 1;
            else hi = mid;
        }
        return lo;
    }

    private shrink(): void {
        while (this.bytes > this.limit && this.thin()) continue;
    }

    /** Every second of the older half of the largest topic goes; false when nothing can go. */
    private thin(): boolean {
        let largest: Entry[] = [];
        let most = 0;
        for (const list of this.topics.values()) {
            const bytes = list.reduce((sum, entry) => sum + entry.bytes, 0);
            if (list.length > 2 && bytes > most) [largest, most] = [list, bytes];
        }
        if (largest.length < 3) return false;
        const older = Math.max(2, largest.length >> 1);
        const kept = largest.filter((_, i) => i >= older || i % 2 === 0);
        this.bytes -= most - kept.reduce((sum, entry) => sum + entry.bytes, 0);
        largest.splice(0, largest.length, ...kept);
        return true;
    }
}
