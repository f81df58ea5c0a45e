// The page in Chromium against web_mock.mjs, whose numbers are known, and, where edxweb, edxd and
// edxsim are built, against those: numbers, regions, reconnecting, staleness, trust, alarms, keys,
// accessibility, memory, speed; and screenshots into the build folder.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { deflateRawSync } from "node:zlib";
import { MockServer, pack, Scene } from "./web_mock.mjs";

const top = resolve(process.env.EDX_SRCDIR ?? join(dirname(fileURLToPath(import.meta.url)), ".."));
const build = resolve(process.env.EDX_BUILDDIR ?? join(top, "build"));
const require = createRequire(join(top, "client/web/package.json"));
const { chromium } = require("playwright-core");
const axe = await readFile(require.resolve("axe-core/axe.min.js"), "utf8");
const root = join(top, "client/web/dist");
const shots = join(build, "tests/web-page");
const only = process.argv.slice(2);

const browser = await chromium.launch({
    executablePath: process.env.EDX_CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--enable-precise-memory-info"],
});
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const DESK = { width: 1440, height: 900 };
const LIMIT = 300_000;
let failures = 0;
const running = new Set();

function check(ok, what) {
    if (!ok) throw new Error(what);
}

/** Within a part in a thousand, or within the digits that a text shows. */
function near(got, wanted, tolerance, what) {
    check(Math.abs(got - wanted) <= tolerance, `${what}: ${got}, expected ${wanted} within ${tolerance}`);
}

async function until(condition, what, limit = 30_000) {
    const end = performance.now() + limit;
    for (;;) {
        const found = await condition();
        if (found) return found;
        check(performance.now() < end, `${what}: not within ${limit} ms`);
        await wait(30);
    }
}

async function test(name, work) {
    if (only.length && !only.some((o) => name.includes(o))) return;
    const started = performance.now();
    const contexts = new Set(browser.contexts());
    try {
        const limit = wait(LIMIT).then(() => check(false, `not done within ${LIMIT / 1000} s`));
        const note = await Promise.race([work(), limit]);
        console.log(`ok    ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)${note ? `: ${note}` : ""}`);
    } catch (error) {
        failures++;
        console.log(`FAIL  ${name}: ${error.message}`);
    }
    for (const context of browser.contexts()) if (!contexts.has(context)) await context.close();
    for (const server of running) await server.close();
    running.clear();
}

/** A page on a server; what goes wrong in it is an error of the test. */
async function open(url, options = {}, storage = {}) {
    const context = await browser.newContext({ viewport: DESK, colorScheme: "light", ...options });
    const page = await context.newPage();
    page.problems = [];
    page.requested = [];
    page.on(
        "console",
        (m) => m.type() === "error" && !/ERR_CONNECTION|WebSocket/.test(m.text()) && page.problems.push(m.text()),
    );
    page.on("pageerror", (e) => page.problems.push(String(e)));
    page.on("request", (r) => page.requested.push(r.url()));
    if (Object.keys(storage).length)
        await page.addInitScript((s) => localStorage.setItem("edxd", JSON.stringify(s)), storage);
    await page.goto(url);
    return page;
}

const text = (page, id) => page.locator(`#${id}`).innerText();

const quiet = () =>
    [...running].every((server) => [...server.clients].every((c) => c.inFlight === null && c.pending.size === 0));

/** Waits until the page shows that many frames and has painted everything else that was sent. */
async function shows(page, frames) {
    await until(
        async () => (await text(page, "frames")).split(" ")[0] === String(frames),
        `${frames} frames on the page`,
    );
    await until(quiet, "everything acknowledged");
    await painted(page);
}

/** What came is on the screen. */
const painted = (page) =>
    page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0))));

/** A server with a scene of so many frames. */
async function served(frames, options = {}, serverOptions = {}) {
    const scene = new Scene(options);
    if (frames) scene.add(frames);
    if (scene.frames < scene.expected || !scene.expected) scene.state = "acquiring";
    const server = new MockServer(root, scene, serverOptions);
    const url = await server.listen();
    running.add(server);
    server.publishAll();
    return { scene, server, url };
}

/** value ± error of a text. */
function pair(string) {
    const found = /(−?[\d.]+) ± ([\d.]+)/.exec(string);
    check(found, `no number with its error in “${string}”`);
    return [Number(found[1].replace("−", "-")), Number(found[2])];
}

async function tile(page, title) {
    const tiles = page.locator(".tile");
    for (let i = 0; i < (await tiles.count()); i++)
        if (
            (await tiles
                .nth(i)
                .locator("select")
                .evaluate((s) => s.selectedOptions[0]?.text)) === title
        )
            return tiles.nth(i);
    throw new Error(`no tile shows ${title}`);
}

/** Moves the pointer onto an analysis pixel of a tile (the map is square, the bar at its right). */
async function at(page, where, row, col, size) {
    const box = await where.locator("canvas").boundingBox();
    const [w, h] = [box.width - 54, box.height];
    const side = Math.min(w, h);
    const place = {
        x: box.x + (w - side) / 2 + ((col + 0.5) / size) * side,
        y: box.y + (h - side) / 2 + ((row + 0.5) / size) * side,
    };
    await page.mouse.move(place.x, place.y);
    return place;
}

// ---- what is shown is what was sent

await test("numbers on the page equal those published", async () => {
    const { scene, server, url } = await served(80);
    const page = await open(url);
    await shows(page, 80);
    const counts = Number((await text(page, "counts")).replace(/\D/g, ""));
    near(counts, scene.head().counts, 0, "counts in the header");
    const [row, col] = [16, 15];
    const pixel = scene.quantify([row * scene.size + col]);
    for (const [title, value, sigma, unit] of [
        ["Ag Lα net", pixel.net[0], pixel.sigma[0], 1],
        ["Au fraction", pixel.fraction[1], pixel.fraction_sigma[1], 100],
    ]) {
        const where = await tile(page, title);
        await at(page, where, row, col, scene.size);
        const foot = await until(
            async () =>
                (await where.locator(".tile-foot").innerText()).includes("±") &&
                where.locator(".tile-foot").innerText(),
            title,
        );
        const [v, s] = pair(foot);
        near(v, unit * value, 0.006 * unit * sigma + 0.06, title);
        near(s, unit * sigma, 0.06 * unit * sigma, `σ of ${title}`);
        check(foot.includes(`(n = ${scene.total[row * scene.size + col]})`), `n of ${title}: ${foot}`);
    }
    const particle = scene.particles().particles[0];
    const parts = await page.locator("#composition .part").allInnerTexts();
    const [ag, error] = pair(parts[1]);
    near(ag, 100 * particle.composition.Ag[0], 0.02, "Ag of the particle");
    near(error, 100 * particle.composition.Ag[1], 0.02, "σ of the particle's Ag");
    check((await text(page, "verdict")).includes(`z = ${particle.segregation.z.toFixed(1)}`), "z of the verdict");
    check((await text(page, "dose")).startsWith(String(Math.round(84.2 * 80))), "dose");
    check(page.problems.length === 0, page.problems.join("; "));
    const foreign = page.requested.filter((r) => !r.startsWith(url) && !r.startsWith("blob:"));
    check(foreign.length === 0, `requests elsewhere: ${foreign}`);
    await server.close();
});

await test("the spectrum under the cursor is the published one", async () => {
    const { scene, server, url } = await served(50);
    const page = await open(url);
    await shows(page, 50);
    await page.locator("#spectrum-plot canvas").focus();
    for (let i = 0; i < 5; i++) await page.keyboard.press("ArrowLeft");
    const readout = await text(page, "spectrum-readout");
    const keV = Number(/([\d.]+) keV/.exec(readout)[1]);
    const channel = Math.round((1000 * keV - 7.5) / 20);
    const counts = Number(/· (\d[\d\u202f]*) ±/.exec(readout)[1].replace(/\u202f/g, ""));
    near(counts, scene.spectrum[channel], 0, `counts at ${keV} keV`);
    // Between two lines of the grid nothing is drawn at 4.3 keV, and the published window of Au Mα at 2.25.
    const ink = (at) =>
        page.locator("#spectrum-plot canvas").evaluate((c, at) => {
            const [ratio, last] = [devicePixelRatio, (7.5 + 20 * 1023) / 1000];
            const x = Math.round(58 + (at / last) * (c.clientWidth - 70));
            const data = c.getContext("2d").getImageData(x * ratio, 46 * ratio, 1, 24 * ratio).data;
            return data.filter((_, i) => i % 4 === 3).reduce((n, alpha) => n + (alpha > 0), 0) / (data.length / 4);
        }, at);
    const [inside, outside] = [await ink(2.25), await ink(4.3)];
    check(inside === 1 && outside < 0.2, `ink in the window ${inside}, beside it ${outside}`);
    await server.close();
});

await test("a region has the composition of its summed counts", async () => {
    const { scene, server, url } = await served(100, { expected: 0 });
    let polygon;
    const control = server.control.bind(server);
    server.control = (request, token) => ((polygon = request.polygon_nm ?? polygon), control(request, token));
    const page = await open(url);
    await shows(page, 100);
    await page.getByRole("button", { name: "Box", exact: true }).click();
    const where = await tile(page, "Ag Lα net");
    const from = await at(page, where, 12, 11, scene.size);
    await page.mouse.down();
    await at(page, where, 19, 18, scene.size);
    await page.mouse.up();
    check(from.x > 0, "the pointer is on the page");
    const said = await until(
        async () => (await text(page, "region-text")).includes("±") && text(page, "region-text"),
        "a composition",
    );
    // Pixels 12…19 × 11…18 of 0.5 nm, whose edges are half a pixel off; two scan pixels to one.
    const pixels = Array.from(scene.rho.keys()).filter(
        (i) => Math.floor(i / 32) >= 12 && Math.floor(i / 32) <= 19 && i % 32 >= 11 && i % 32 <= 18,
    );
    check(said.startsWith(`${4 * pixels.length} scan pixels`), `${said}, expected ${4 * pixels.length} pixels`);
    near(polygon[0][0], 12 * 0.5 + 0.125 - 0.25, 1e-9, "the region's edge in nm");
    const truth = scene.quantify(pixels);
    const [ag, sigma] = pair(said);
    near(ag, 100 * truth.fraction[0], 0.06, "Ag of the region");
    near(sigma, 100 * truth.fraction_sigma[0], 0.06, "its σ");
    const expected = pixels.reduce((a, i) => [a[0] + scene.mean[0][i] * 1.44, a[1] + scene.mean[1][i]], [0, 0]);
    near(ag, (100 * expected[0]) / (expected[0] + expected[1]), 4 * sigma, "Ag of the region against the truth");
    scene.add(100);
    scene.state = "acquiring";
    server.publishAll();
    const later = scene.quantify(pixels);
    await until(
        async () => Math.abs(pair(await text(page, "region-text"))[0] - 100 * later.fraction[0]) < 0.06,
        "the region follows new frames",
    );
    await server.close();
});

await test("maps move together; a line has its profile", async () => {
    const { scene, server, url } = await served(100, { expected: 0 });
    let asked;
    const control = server.control.bind(server);
    server.control = (request, token) => ((asked = request.cmd === "profile" ? request : asked), control(request, token));
    const page = await open(url);
    await shows(page, 100);
    const [one, other] = [await tile(page, "Ag Lα net"), await tile(page, "Au fraction")];
    const under = async (where, x, y) => {
        const box = await where.locator("canvas").boundingBox();
        await page.mouse.move(box.x + x, box.y + y);
        const foot = where.locator(".tile-foot");
        return until(async () => /n = ([\d\u202f]+)/.exec(await foot.innerText())?.[1], "n under the pointer");
    };
    const before = await under(one, 60, 120);
    await page.mouse.wheel(0, -500);
    await until(async () => (await under(one, 150, 60)) !== before, "zoomed");
    check((await under(one, 150, 60)) === (await under(other, 150, 60)), "the same pixel in both maps");
    await page.keyboard.press("Escape");
    await page.locator("#map-bar").getByRole("button", { name: "Fit" }).click();
    await page.getByRole("button", { name: "Line", exact: true }).first().click();
    await at(page, one, 10, 4, scene.size);
    await page.mouse.down();
    await at(page, one, 22, 27, scene.size);
    await page.mouse.up();
    await until(async () => (await text(page, "line-facts")).includes("points"), "a profile");
    near(asked.from_nm[0], 10 * 0.5 + 0.125, 0.05, "where the line begins in nm");
    const profile = scene.profile(asked);
    const point = profile.d_nm.data.findIndex((d) => d > 8);
    await page.locator("#line-plot canvas").focus();
    await until(async () => {
        await page.keyboard.press("ArrowRight");
        return (await text(page, "profile-readout")).startsWith(`${profile.d_nm.data[point].toFixed(2)} nm`);
    }, "a point beyond the middle");
    const [ag, sigma] = pair(await text(page, "profile-readout"));
    near(ag, 100 * profile.fraction.data[point], 0.06, "Ag there");
    near(sigma, 100 * profile.sigma.data[point], 0.06, "its σ");
    await server.close();
});

// ---- what may not be believed

await test("a biased profile and map look biased", async () => {
    const { scene, server, url } = await served(60);
    const page = await open(url);
    await shows(page, 60);
    const ink = () =>
        page.locator("#radial-plot canvas").evaluate((c) => {
            const ratio = devicePixelRatio;
            const data = c.getContext("2d").getImageData(60 * ratio, 22 * ratio, 30 * ratio, 14 * ratio).data;
            let n = 0;
            for (let i = 3; i < data.length; i += 4) n += data[i] > 0;
            return n / (data.length / 4);
        });
    await until(
        async () => (await page.locator("#trust").getAttribute("data-level")) === "ok",
        "denoised passes its check",
    );
    const plain = await ink();
    await page.locator("#profile-bar").getByRole("button", { name: "PCA" }).click();
    await until(async () => (await page.locator("#trust").getAttribute("data-level")) === "biased", "PCA is marked");
    const words = await text(page, "trust");
    check(/Biased [▲▼] [+−][\d.]+ at\.% A[gu] at [\d.]+ nm: the model stands/.test(words), `words: ${words}`);
    const hatched = await ink();
    check(hatched > plain + 0.08, `hatching covers ${hatched.toFixed(2)} of a corner, ${plain.toFixed(2)} without`);
    await page.locator("#map-bar").getByRole("button", { name: "Denoised" }).click();
    const map = await tile(page, "Ag fraction");
    await until(async () => (await map.locator(".tile-foot").innerText()).startsWith("✓ Check passed"), "a good map");
    const pixels = () => map.locator("canvas").evaluate((c) => c.toDataURL());
    const good = await pixels();
    const body = scene.particles();
    body.particles[0].radial.denoised_check = { chi2: 61.2, dof: 8, p: 1e-9, passed: false };
    server.publish("edx.particles", body);
    await until(async () => (await map.locator(".tile-foot").innerText()).startsWith("⚠ Biased"), "a biased map");
    await painted(page);
    check((await pixels()) !== good, "the biased map is hatched");
    await server.close();
});

await test("a forecast is an interval, withheld or not reachable", async () => {
    const { scene, server, url } = await served(60, { expected: 0 });
    const page = await open(url);
    await until(async () => / to .* more frames/.test(await text(page, "forecast")), "an interval");
    scene.damage = { z: -5.2, p: 0.0003, since_frame: 41 };
    server.publish("edx.trend", scene.trendBody());
    await until(async () => (await text(page, "forecast")).startsWith("withheld"), "withheld");
    check((await text(page, "damage")).includes("since frame 41"), "damage in words");
    scene.damage.since_frame = -1;
    const body = scene.trendBody();
    body.forecast.frames_needed = Infinity;
    server.publish("edx.trend", body);
    await until(async () => (await text(page, "forecast")).startsWith("not reachable"), "not reachable");
    await server.close();
});

await test("what cannot keep up is named", async () => {
    const { scene, server, url } = await served(30, { expected: 0 });
    const page = await open(url);
    const late = () => page.locator("#latency").getAttribute("data-warn");
    await until(async () => (await text(page, "latency")) === "1.4 ms, 99 % under 3.0 ms", "what waits in any case");
    check((await late()) === "false", "is no warning");
    scene.behind = { sum: 0, maps: 0, components: 7, heldout: 20, profiles: 20 };
    server.publish("edx.status", scene.status());
    await until(async () => (await text(page, "latency")) === "components 7 frames behind; 1.4 ms", "the first");
    check((await late()) === "true", "is a warning");
    scene.behind = { sum: 0, maps: 0, components: 0, heldout: 0, profiles: 9 };
    server.publish("edx.status", scene.status());
    await until(async () => (await text(page, "latency")).startsWith("profiles 9 frames"), "the only one");
    await server.close();
});

await test("a stale feed is marked within 2 s", async () => {
    const { scene, server, url } = await served(30, { expected: 0 });
    const page = await open(url);
    await shows(page, 30);
    let took = Infinity;
    for (let tries = 0; tries < 5 && took > 2000; tries++) {
        server.linked = true;
        await until(async () => (await page.getAttribute("body", "data-stale")) === "false", "fresh");
        await wait(600);
        const silent = performance.now();
        server.linked = false; // nothing more comes, and nobody says so
        await until(async () => (await page.getAttribute("body", "data-stale")) === "true", "stale");
        took = performance.now() - silent;
    }
    check(took <= 2000, `marked after ${took.toFixed(0)} ms, expected 2000`);
    check(/^STALE \d+ s$/.test(await text(page, "age")), "age says STALE");
    check(
        (await page.locator("main").evaluate((m) => getComputedStyle(m).filter)).includes("grayscale(1)"),
        "without colour",
    );
    check(/stale/.test(await text(page, "forecast")), "forecast withheld");
    server.linked = true;
    scene.add();
    scene.state = "acquiring";
    server.publishAll();
    await until(async () => (await page.getAttribute("body", "data-stale")) === "false", "fresh again");
    return `${(took / 1000).toFixed(2)} s`;
});

await test("a final analysis that takes long is none that went stale", async () => {
    const { scene, server, url } = await served(60, { expected: 60 });
    scene.state = "acquiring";
    const page = await open(url);
    await until(async () => (await text(page, "state")) === "Finishing", "its name");
    scene.expected = 61;
    await until(async () => (await text(page, "state")) === "Acquiring", "a frame is missing");
    scene.expected = 60;
    await until(async () => (await text(page, "state")) === "Finishing", "none is");
    await new Promise((resolve) => setTimeout(resolve, 3000));
    check((await page.locator("body").getAttribute("data-stale")) === "false", "is not stale");
    check((await text(page, "left")) === "–", "says no time that is left");
    scene.state = "finished";
    await until(async () => (await text(page, "state")) === "Finished", "its end");
    await server.close();
});

await test("it comes back when the server does", async () => {
    const { scene, server, url } = await served(20, { expected: 0 });
    const page = await open(url);
    await shows(page, 20);
    server.leave();
    await until(async () => (await text(page, "state")) === "Offline", "offline");
    await until(async () => (await page.getAttribute("body", "data-stale")) === "true", "stale");
    scene.add(5);
    scene.state = "acquiring";
    const again = new MockServer(root, scene);
    running.add(again);
    await again.listen(0, server);
    again.publishAll();
    await until(async () => (await text(page, "frames")) === "25", "the new frames");
    check((await page.getAttribute("body", "data-stale")) === "false", "fresh again");
    await again.close();
});

await test("alarms stay until acknowledged and are said once", async () => {
    const { scene, server, url } = await served(20, { expected: 0 });
    const page = await open(url);
    await shows(page, 20);
    await page.evaluate(() => {
        window.said = [];
        new MutationObserver(() => window.said.push(document.getElementById("announce-now").textContent)).observe(
            document.getElementById("announce-now"),
            { childList: true, characterData: true, subtree: true },
        );
    });
    const alarm = {
        kind: "disk",
        severity: "error",
        message: "no space left: free some",
        since_frame: 20,
        active: true,
    };
    for (let i = 0; i < 3; i++) {
        server.publish("edx.alarm", { ...scene.head(), alarms: [alarm] });
        await wait(120);
    }
    check((await page.getAttribute("#alarm", "data-level")) === "error", "error is shown");
    check(
        (await text(page, "alarm-shape")) === "⬣" &&
            (await text(page, "alarm-text")).includes("no space left: free some"),
        "shape and text",
    );
    check((await page.locator("header").evaluate((h) => getComputedStyle(h).borderBottomWidth)) === "4px", "border");
    server.publish("edx.alarm", { ...scene.head(), alarms: [{ ...alarm, active: false }] });
    await until(async () => (await text(page, "alarm-text")).includes("(over)"), "over");
    check((await page.getAttribute("#alarm", "data-level")) === "error", "latched when over");
    const said = await page.evaluate(() => window.said);
    check(said.length === 1, `said ${said.length} times: ${said}`);
    await page.keyboard.press("a");
    await until(async () => (await text(page, "alarm-text")) === "No alarms", "acknowledged");
    await server.close();
});

// ---- what one can do

await test("everything can be reached by keyboard", async () => {
    const { scene, server, url } = await served(80);
    const page = await open(url);
    await shows(page, 80);
    await page.keyboard.press("2");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowUp");
    const said = await until(
        async () => (await text(page, "announce")).includes("±") && text(page, "announce"),
        "the readout is said",
    );
    const value = scene.quantify([15 * 32 + 17]).net[0];
    check(said.startsWith("row 15, column 17: Ag Lα"), said);
    near(pair(said)[0], value, 0.06, "what is said");
    await page.keyboard.press("Enter");
    await until(async () => (await text(page, "region-text")).startsWith("4 scan pixels"), "Enter takes the pixel");
    await page.keyboard.press("Escape");
    await until(async () => (await page.getAttribute("#region", "data-state")) === "off", "Escape forgets it");
    await page.keyboard.press("t");
    const tables = await page.locator("#tables").innerText();
    for (const part of ["Lines", "Particles", "Radial profile", "Principal components", "Newest 20 frames", "Biased"])
        check(tables.includes(part), `${part} in the tables`);
    await page.keyboard.press("Escape");
    const reached = await page.evaluate(
        async () => document.querySelectorAll("canvas[tabindex='0'], button, select, input").length,
    );
    check(reached > 40, `${reached} controls`);
    await server.close();
});

await test("the past can be looked at, and the present again", async () => {
    const { scene, server, url } = await served(0, { expected: 0 });
    const page = await open(url);
    const totals = [];
    for (let f = 1; f <= 12; f++) {
        scene.add();
        totals.push(scene.total[16 * 32 + 15]);
        server.publishAll();
        await shows(page, f);
    }
    for (let i = 0; i < 5; i++) await page.keyboard.press("[");
    await until(async () => (await text(page, "history-text")) === "frame 6 of 11", "frame 6");
    await at(page, await tile(page, "Ag Lα net"), 16, 15, 32);
    await until(
        async () =>
            (await (await tile(page, "Ag Lα net")).locator(".tile-foot").innerText()).includes(`(n = ${totals[6]})`),
        `n of frame 6 is ${totals[6]}`,
    );
    check(await page.locator("#past").isVisible(), "it says that it looks back");
    const late = await open(url); // came late: asks edxd for what it has not
    await shows(late, 12);
    await late.locator("#history").fill("3");
    await until(async () => (await text(late, "history-text")) === "frame 3 of 11", "frame 3 from edxd");
    await page.keyboard.press("l");
    await until(async () => (await page.getAttribute("#live", "aria-pressed")) === "true", "live");
    await server.close();
});

await test("settings need the token; without one they are read-only", async () => {
    const { server, url } = await served(20, { expected: 0 });
    const page = await open(url);
    await shows(page, 20);
    await page.keyboard.press("s");
    await page.getByLabel("Target σ (fraction)").fill("0.02");
    await page.getByRole("button", { name: "Apply to edxd" }).click();
    await page.locator("#token-input").fill("wrong");
    await page.getByRole("button", { name: "Continue" }).click();
    await until(async () => (await page.locator("#token").innerText()).includes("not the right one"), "refused");
    check(server.config["analysis.target_sigma"] === 0.01, "nothing is changed by a wrong token");
    await page.locator("#token-input").fill("secret");
    await page.getByRole("button", { name: "Continue" }).click();
    await until(() => server.config["analysis.target_sigma"] === 0.02, "set");
    check(
        !page.url().includes("secret") && !server.requests.some((r) => r.includes("secret")),
        "the token is in no URL",
    );
    await server.close();
    const closed = await served(20, { expected: 0 }, { writable: false });
    const other = await open(closed.url);
    await shows(other, 20);
    await other.keyboard.press("s");
    await until(async () => (await other.locator("#settings").innerText()).includes("Read-only"), "says so");
    check(await other.getByLabel("Target σ (fraction)").isDisabled(), "and is");
    await closed.server.close();
});

await test("exports carry the numbers and their quality", async () => {
    const { scene, server, url } = await served(60);
    const page = await open(url);
    await shows(page, 60);
    const save = async (button) => {
        await page.keyboard.press("e");
        const [download] = await Promise.all([
            page.waitForEvent("download"),
            page.getByRole("button", { name: button }).click(),
        ]);
        return readFile(await download.path());
    };
    const radial = String(await save("Radial profile as CSV"));
    check(/# pca: Biased/.test(radial) && /# denoised: Check passed/.test(radial), "checks in the CSV");
    const head = radial
        .split("\n")
        .find((l) => l.startsWith("r_nm"))
        .split(",");
    const row = radial
        .split("\n")
        .filter((l) => /^\d/.test(l))[4]
        .split(",");
    const ring = Array.from(scene.rho.keys()).filter((i) => scene.rho[i] >= 2 && scene.rho[i] < 2.5);
    near(Number(row[head.indexOf("Ag_raw")]), scene.quantify(ring).fraction[0], 1e-4, "Ag of ring 4");
    const spectrum = String(await save("Spectrum as CSV"))
        .trim()
        .split("\n")
        .filter((l) => /^\d/.test(l));
    check(spectrum.length === 1024, `${spectrum.length} channels`);
    near(Number(spectrum[150].split(",")[1]), scene.spectrum[150], 0, "channel 150");
    const png = await save("Maps as PNG");
    check(png.length > 10000 && png.readUInt32BE(16) > 600, "a picture");
    await page.keyboard.press("e");
    check(
        (await page.getByRole("link", { name: "cube.hspy" }).getAttribute("href")) === "/runs/agau-8nm-s1/cube.hspy",
        "link to the cube",
    );
    check(
        (await page.getByRole("link", { name: "maps.hspy" }).getAttribute("href")) === "/runs/agau-8nm-s1/maps.hspy",
        "link to the maps",
    );
    await server.close();
});

await test("what is missing says what to do", async () => {
    const scene = new Scene({ expected: 0 });
    const server = new MockServer(root, scene, { control: false });
    running.add(server);
    server.linked = false;
    const page = await open(await server.listen());
    await until(async () => (await text(page, "maps-empty")).includes("No edxd heard"), "no edxd");
    server.link(true);
    await until(async () => (await text(page, "maps-empty")).includes("No frame yet"), "no frame");
    scene.add(3);
    server.publish("edx.spectrum", scene.spectrumBody());
    await until(async () => (await page.locator(".tile").nth(2).innerText()).includes("List elements"), "no line");
    check(
        (await page.locator(".tile").first().locator(".empty").isVisible()) === false,
        "HAADF is there without lines",
    );
    await page.getByRole("button", { name: "Components" }).click();
    await until(async () => (await page.locator(".tile").nth(1).innerText()).includes("No PCA yet"), "no components");
    check((await text(page, "particle-empty")).includes("No line is known"), "no particle");
    await server.close();
});

// ---- for everybody

await test("axe finds nothing in light, dark and forced colours", async () => {
    const { scene, server, url } = await served(60, { expected: 0 });
    scene.alarms = [
        { kind: "drift", severity: "warning", message: "the specimen drifts", since_frame: 41, active: true },
    ];
    server.publishAll();
    let rules = 0;
    for (const options of [
        {},
        { colorScheme: "dark" },
        { forcedColors: "active" },
        { viewport: { width: 390, height: 844 } },
    ]) {
        const page = await open(url, options);
        await shows(page, 60);
        const name = JSON.stringify(options);
        const run = async (what) => {
            const found = await page.evaluate(`${axe}; axe.run(document, { resultTypes: ["violations"] })`);
            rules += found.passes.length;
            check(
                found.violations.length === 0,
                `${name} ${what}: ${found.violations.map((v) => `${v.id} (${v.nodes.map((n) => n.target + " " + (n.any[0]?.message ?? "")).join(", ")})`).join("; ")}`,
            );
        };
        await run("page");
        for (const key of ["s", "t", "e", "?"]) {
            await page.keyboard.press(key);
            await wait(250);
            await run(`dialog ${key}`);
            await page.keyboard.press("Escape");
        }
        await page.locator("#profile-bar").getByRole("button", { name: "PCA" }).click();
        await page.locator("#map-bar").getByRole("button", { name: "Components" }).click();
        await page.locator("#alarm-open").click();
        await run("alarms");
        await page.context().close();
    }
    await server.close();
    return `${rules} rules passed`;
});

// ---- memory and speed

/** Pieces of steady work, each as long as an update takes: wall clock over processor time of each. */
const PIECES = `
for (;;) {
    const [before, started] = [process.cpuUsage(), performance.now()];
    let spent = 0;
    while (spent < 50_000) {
        const { user, system } = process.cpuUsage(before);
        spent = user + system;
    }
    console.log(((performance.now() - started) * 1000) / spent);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
}`;

/** How much longer such a piece takes while work is done, where others use this machine as well: 95 of 100. */
async function beside(work) {
    const other = spawn(process.execPath, ["-e", PIECES], { stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    other.stdout.on("data", (data) => (said += data));
    const found = await work();
    other.kill("SIGKILL");
    const times = said.split("\n").slice(0, -1).map(Number).sort((a, b) => a - b);
    return [found, Math.max(1, times[Math.floor(0.95 * times.length)] ?? 1)];
}

await test("memory is bounded", async () => {
    const { scene, server, url } = await served(30, { expected: 0 });
    const page = await open(url, {}, { historyMB: 2 });
    await shows(page, 30);
    const client = await page.context().newCDPSession(page);
    const bodies = scene.bodies();
    const push = async (updates) => {
        for (let i = 0; i < updates; i++) {
            scene.frames++;
            for (const topic of ["edx.maps", "edx.spectrum", "edx.pca", "edx.particles"])
                server.publish(topic, { ...bodies[topic], ...scene.head() });
            await until(() => [...server.clients].every((c) => c.pending.size === 0), "painted");
        }
    };
    const used = async () => {
        for (let i = 0; i < 3; i++) await client.send("HeapProfiler.collectGarbage");
        const {
            usedSize,
            backingStorageSize = 0,
            embedderHeapUsedSize = 0,
        } = await client.send("Runtime.getHeapUsage");
        return usedSize + backingStorageSize + embedderHeapUsedSize;
    };
    await push(100);
    // What fills up does so once, late where the page is slow; what leaks grows each time.
    const grown = [];
    let after = await used();
    do {
        const before = after;
        await push(300);
        after = await used();
        grown.push((after - before) / 1e6);
    } while (grown.at(-1) >= 1 && grown.length < 4);
    await server.close();
    const what = `grew ${grown.map((g) => g.toFixed(2)).join(", ")} MB in 300 updates`;
    check(grown.at(-1) < 1, `${what} each, expected below 1`);
    return `${(after / 1e6).toFixed(1)} MB, ${what}`;
});

await test("publish to paint", async () => {
    const scene = new Scene({ size: 256, expected: 0, step: 1 / 16, dose: 64 });
    scene.add(30);
    scene.state = "acquiring";
    const server = new MockServer(root, scene);
    running.add(server);
    const page = await open(await server.listen());
    const status = { type: "result", topic: "edx.status", serial: 1, body: scene.status() };
    check(status.body.frames === 30, "a scene");
    server.publishAll();
    await shows(page, 30);
    const maps = scene.maps();
    const spectrum = scene.spectrumBody();
    const send = (serial, topic, body) => {
        const packed = deflateRawSync(pack({ type: "result", topic, serial, body }), { level: 1 });
        return Buffer.concat([Buffer.from([1]), packed]);
    };
    // Packed beforehand: what is measured is the browser. One update is both messages, in a row.
    const payloads = [];
    for (let i = 0; i < 40; i++) {
        const head = { ...scene.head(), frame: 30 + i, frames: 31 + i };
        payloads.push([
            send(1e6 + 2 * i, "edx.maps", { ...maps, ...head }),
            send(1e6 + 2 * i + 1, "edx.spectrum", { ...spectrum, ...head }),
        ]);
    }
    await wait(1000);
    const [client] = server.clients;
    await page.evaluate(() => {
        window.seen = new Map();
        const text = document.getElementById("history-text");
        const note = () => window.seen.set(text.textContent, performance.timeOrigin + performance.now());
        new MutationObserver(() => setTimeout(note, 0)).observe(text, { childList: true, characterData: true });
        window.long = [];
        new PerformanceObserver((list) => window.long.push(...list.getEntries().map((e) => e.duration))).observe({
            entryTypes: ["longtask"],
        });
    });
    const now = () => performance.timeOrigin + performance.now();
    const run = async () => {
        await page.evaluate(() => (window.seen.clear(), (window.long.length = 0)));
        const sent = [];
        for (const [i, pair] of payloads.entries()) {
            sent.push(now());
            for (const payload of pair) client.sendPacked(payload);
            await wait(Math.max(0, sent[0] + 100 * (i + 1) - now()));
        }
        await until(async () => (await text(page, "history-text")) === `frame ${29 + sent.length}`, "the last frame");
        await painted(page);
        const [at, long] = await page.evaluate(() => [[...window.seen], window.long]);
        const when = new Map(at);
        let next = Infinity; // what was never on the screen is as old as what came after it
        const ages = sent.map((_, i) => i).reverse();
        for (const [k, i] of ages.entries()) ages[k] = (next = when.get(`frame ${30 + i}`) ?? next) - sent[i];
        ages.sort((x, y) => x - y);
        return [ages[20], ages[37], Math.max(0, ...long)];
    };
    let [best, limit] = [[Infinity, Infinity, 0], 100];
    for (let tries = 0; tries < 4 && best[1] > limit; tries++) {
        const [found, slower] = await beside(run);
        limit = Math.max(limit, 100 * slower);
        if (found[1] < best[1]) best = found;
    }
    const what = `p50 ${best[0].toFixed(0)} ms, p95 ${best[1].toFixed(0)} ms`;
    check(best[1] <= limit, `${what}, expected at most ${limit.toFixed(0)}`);
    const size = (payloads[0][0].length / 1e6).toFixed(1);
    const long = best[2] ? `${best[2].toFixed(0)} ms` : "none";
    return `${what} at 10 updates a second, 15 planes of 256² (${size} MB packed), longest task over 50 ms: ${long}; allowed here ${limit.toFixed(0)} ms`;
});

// ---- pictures

await test("screenshots", async () => {
    await mkdir(shots, { recursive: true });
    const { scene, server, url } = await served(0);
    const kinds = {
        light: {},
        dark: { colorScheme: "dark" },
        tablet: { viewport: { width: 1024, height: 768 } },
        phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
    };
    const pages = {};
    for (const [name, options] of Object.entries(kinds)) pages[name] = await open(url, options);
    const shoot = async (what) => {
        for (const [name, page] of Object.entries(pages)) {
            await shows(page, scene.frames);
            await wait(250);
            await page.screenshot({ path: join(shots, `${name}-${what}.png`) });
        }
    };
    const to = async (frame) => {
        while (scene.frames < frame) {
            scene.add();
            server.publishAll();
            await wait(scene.frames % 10 ? 20 : 80);
        }
    };
    for (const frame of [1, 20]) {
        await to(frame);
        await shoot(`frame-${frame}`);
    }
    await to(60);
    scene.alarms = [
        {
            kind: "drift",
            severity: "warning",
            message: "the specimen drifts 0.4 nm per frame: wait until the stage has settled",
            since_frame: 59,
            active: true,
        },
    ];
    server.publish("edx.alarm", scene.alarm());
    await shoot("alarm");
    scene.alarms = [];
    server.publish("edx.alarm", scene.alarm());
    await to(100);
    await shoot("frame-100");
    for (const [name, page] of Object.entries(pages)) {
        const [wide, width] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        check(wide <= width, `${name}: ${wide} px wide, the screen has ${width}`);
    }
    const tall = await pages.light.evaluate(() => [document.documentElement.scrollHeight, innerHeight]);
    check(tall[0] <= tall[1], `1440 × 900 scrolls: ${tall}`);
    await server.close();
    return shots;
});

// ---- the real chain: edxsim, edxd, edxweb

function start(name, args, dir) {
    const child = spawn(join(build, name), args, { stdio: ["ignore", "pipe", "pipe"] });
    child.said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (d) => (child.said += d));
    child.ended = new Promise((done) => child.on("exit", done));
    child.home = dir;
    return child;
}

async function end(child) {
    if (child.exitCode === null) child.kill("SIGTERM");
    await child.ended;
}

function daemonArgs(dir) {
    return [
        "-s",
        `ingest.endpoint=ipc://${dir}/in`,
        "-s",
        "ingest.pattern=pull",
        "-s",
        `publish.endpoint=ipc://${dir}/out`,
        "-s",
        `control.endpoint=ipc://${dir}/ask`,
        "-s",
        `output.dir=${dir}/runs`,
        "-s",
        'quant.lines=({line="Ag_La"; k=1.44; k_sigma=0.01;},{line="Au_Ma"; k=1.0;})',
    ];
}

await test("edxsim, edxd and edxweb", async () => {
    for (const name of ["edxsim", "edxd", "edxweb", "edxctl"])
        if (!existsSync(join(build, name))) return `not run: no ${name} in ${build}`;
    const dir = await mkdtemp(join(tmpdir(), "edx-page-"));
    await writeFile(join(dir, "token"), "secret-of-the-test-0123456789\n", { mode: 0o600 });
    let daemon = start("edxd", daemonArgs(dir), dir);
    const web = start(
        "edxweb",
        [
            "--endpoint",
            `ipc://${dir}/out`,
            "--control",
            `ipc://${dir}/ask`,
            "--listen",
            "127.0.0.1:0",
            "--root",
            root,
            "--runs",
            join(dir, "runs"),
            "--token-file",
            join(dir, "token"),
        ],
        dir,
    );
    const children = [web];
    try {
        await until(() => daemon.said.includes("ready"), `edxd: ${daemon.said}`);
        const url = await until(() => /http:\/\/[\d.]+:\d+\//.exec(web.said)?.[0], `edxweb: ${web.said}`);
        const page = await open(url);
        await until(async () => (await text(page, "maps-empty")).includes("No frame yet"), "edxd is heard");
        const sim = start(
            "edxsim",
            [
                "--scene",
                "agau-8nm",
                "--seed",
                "1",
                "--frames",
                "60",
                "--dose",
                "2",
                "--endpoint",
                `ipc://${dir}/in`,
                "--pattern",
                "push",
                "--speed",
                "40",
                "-q",
                "--truth",
                join(dir, "truth.json"),
            ],
            dir,
        );
        children.push(sim);
        await until(async () => (await text(page, "state")) === "Finished", "finished", 120_000);
        const ask = async (...args) => {
            const ctl = start("edxctl", ["--endpoint", `ipc://${dir}/ask`, "--json", ...args], dir);
            await ctl.ended;
            return JSON.parse(ctl.said);
        };
        const status = await ask("status");
        const counts = async () => Number((await page.getAttribute("#counts", "title")).replace(/\D/g, ""));
        near(await counts(), status.counts, 0, "counts in the header");
        await page.getByRole("button", { name: "Box", exact: true }).click();
        const where = await tile(page, "Ag Lα net");
        await at(page, where, 13, 12, 32);
        await page.mouse.down();
        await at(page, where, 18, 17, 32);
        await page.mouse.up();
        const said = await until(
            async () => (await text(page, "region-text")).includes("±") && text(page, "region-text"),
            "a composition",
        );
        const truth = JSON.parse(await readFile(join(dir, "truth.json"), "utf8")).particles[0];
        const [ag, sigma] = pair(said);
        check(said.startsWith("144 scan pixels"), said); // 6 × 6 of 2 × 2
        near(ag, 100 * truth.composition.Ag, Math.max(4 * sigma, 4), "Ag inside the particle");
        await mkdir(shots, { recursive: true });
        await page.screenshot({ path: join(shots, "real-finished.png") });
        for (const file of ["cube.hspy", "maps.hspy", "results.h5"])
            check((await page.request.get(`${url}runs/${status.acq}/${file}`)).ok(), `${file} can be fetched`);
        check(page.problems.length === 0, page.problems.join("; "));
        await end(daemon);
        await until(
            async () => (await page.getAttribute("body", "data-stale")) === "true",
            "stale when edxd ends",
            6000,
        );
        daemon = start("edxd", daemonArgs(dir), dir);
        await until(
            async () => (await page.getAttribute("body", "data-stale")) === "false",
            "fresh when edxd is back",
            20000,
        );
        await until(async () => (await counts()) === status.counts, "the counts that edxd read again");
        return said;
    } finally {
        await Promise.all([...children, daemon].map(end));
        await rm(dir, { recursive: true, force: true });
    }
});

await browser.close();
console.log(failures ? `${failures} failed` : "all passed");
process.exit(failures ? 1 : 0);
