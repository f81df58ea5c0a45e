// The settings in force, asked of edxd: with every acquisition and after every change.
import { changed, live, onBegin, onResult, server } from "./state";
import type { Connection } from "./wire";

export interface LineSetting {
    line: string;
    k?: number;
    k_sigma?: number;
    window_eV?: [number, number];
    [key: string]: unknown;
}

export const config: { lines: LineSetting[] } = { lines: [] };
let connection: Connection | undefined;
let asked = "";

export async function get<T>(key: string): Promise<T | undefined> {
    const reply = await connection?.ask({ cmd: "get", key });
    return reply?.ok ? (reply.value as T) : undefined;
}

export async function refreshConfig(): Promise<void> {
    if (!server.hello?.control) return;
    const [bin, lines] = await Promise.all([get<number>("analysis.bin_pixels"), get<LineSetting[]>("quant.lines")]);
    if (typeof bin === "number" && bin >= 1) server.bin = bin;
    if (Array.isArray(lines)) config.lines = lines;
    changed();
}

export function startConfig(to: Connection): void {
    connection = to;
    onBegin.push(() => void refreshConfig());
    onResult.push((topic) => {
        const maps = live()["edx.maps"];
        const now = `${maps?.step_nm.join()} ${maps?.lines.join()}`;
        if (topic !== "edx.maps" || now === asked) return;
        asked = now; // a client changed the bins or the lines
        void refreshConfig();
    });
}
