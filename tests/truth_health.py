"""Frames that do not belong: a broken-off, a dark and a doubled one are named, and nothing else is; with
analysis.exclude the sum is that of a run in which they never were. With EDX_SEEDS (make study: 50) nothing but the
naming, in so many runs, of frames that change from run to run, and in as many good ones."""
import os
import sys
import tempfile

import h5py
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "daemon"))
import recordings  # noqa: E402
import truth_runs as runs  # noqa: E402
from harness import Daemon, recording  # noqa: E402

check = runs.check
FRAMES, DARK, DOUBLED = 40, 7, 23  # the last is broken off


def doubled(counts):
    """Every count of a pixel twice, where it was once."""
    offsets = np.frombuffer(counts["offsets"]["data"], counts["offsets"]["dtype"]).astype(int)
    channels = np.frombuffer(counts["channels"]["data"], counts["channels"]["dtype"])
    return {"offsets": recordings._packed(2 * offsets, "<u4"), "channels": recordings._packed(channels.repeat(2), "<u2")}


def spoil(topic, body, dark=DARK, twice=DOUBLED):
    if topic == "edx.frame" and body["frame"] == dark:
        pixels = body["counts"]["offsets"]["shape"][0]
        body["counts"] = {"offsets": recordings._packed(np.zeros(pixels), "<u4"),
                          "channels": recordings._packed([], "<u2")}
    if topic == "edx.frame" and body["frame"] == twice:
        body["counts"] = doubled(body["counts"])
    return body


def without(topic, body):
    """The same run, had they never come."""
    return None if topic == "edx.frame" and body["frame"] in (DARK, DOUBLED, FRAMES - 1) else body


def cube(out, name):
    with h5py.File(os.path.join(out, name, "cube.hspy")) as f:
        return next(iter(f["Experiments"].values()))["data"][:]


def same(a, b, path=""):
    """Of two trees of results: what differs."""
    if isinstance(a, dict):
        return [d for k in sorted(set(a) | set(b)) for d in (same(a[k], b[k], f"{path}/{k}") if k in a and k in b
                                                             else [f"{path}/{k}"])]
    return [] if np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f") else [path]


def live(spoiled, left):
    """Reported while frames come, left out when they have; kept where nothing can be read again."""
    messages = recording(spoiled)
    for record in ("true", "false"):
        with Daemon(analysis__exclude="true", output__record=record, analysis__nmf__components=0) as d:
            alarms, instrument = d.subscribe("edx.alarm"), d.instrument()
            for topic, body, _ in messages:
                if topic != "edx.end":
                    instrument.send(body, topic)
            status = d.wait(frames=FRAMES - 1)
            check(status["state"] == "acquiring" and status["health"]["outliers"] == [DARK, DOUBLED], f"live: {status}")
            alarms.until(lambda topic, body: any(
                a["kind"] == "health" and a["active"] and f"frames {DARK}, {DOUBLED} " in a["message"]
                and "left out of the sum at the end" in a["message"] for a in body.get("alarms", [])))
            instrument.send(messages[-1][1], "edx.end")
            status = d.wait(state="finished")
            check(status["health"]["outliers"] == [DARK, DOUBLED, FRAMES - 1], f"finished: {status}")
            if record == "true":
                check((cube(d.runs, "bad") == left).all(), "live and offline leave out other frames")
                check(status["frames"] == FRAMES - 3, f"finished: {status}")
            else:
                check("and outlying ones in the sum" in d.log(), "what is not recorded cannot be left out: nobody says so")
                check(status["frames"] == FRAMES - 1, f"finished: {status}")


def named(directory, seed):
    """Of a run with three bad frames, and of the same without: what is expected, and what is named."""
    dark, twice = 1 + 7 * seed % (FRAMES - 2), 1 + 11 * seed % (FRAMES - 2)
    options = ("--frames", FRAMES, "--seed", seed, "--drift", "0.03,-0.02", "--decay", 0.1)
    twice += (twice == dark) * (1 if twice < FRAMES - 2 else -1)
    path, _ = runs.simulate(directory, "bad", *options, "--fault", "broken")
    runs.rewrite(path, path, lambda topic, body: spoil(topic, body, dark, twice))
    fine, _ = runs.simulate(directory, "good", *options)
    runs.offline(os.path.join(directory, "out"), [path, fine], runs.PAPER, *runs.PLAIN)
    found = [runs.results(os.path.join(directory, "out"), run, "status")[0]["health"]["outliers"].tolist()
             for run in ("bad", "good")]
    return sorted([dark, twice, FRAMES - 1]), found[0], found[1]


def study():
    rows = []
    for seed in runs.seeds(50):
        with tempfile.TemporaryDirectory(prefix="truth-") as directory:
            rows.append(named(directory, seed))
    n = len(rows)
    runs.verdict(all(set(r[0]) <= set(r[1]) for r in rows), f"all three bad frames named, in so many of {n} runs",
                 sum(set(r[0]) <= set(r[1]) for r in rows))
    runs.verdict(all(set(r[1]) <= set(r[0]) and not r[2] for r in rows), f"nothing else named, in so many of {n} runs "
                 "with and without bad frames", sum(set(r[1]) <= set(r[0]) and not r[2] for r in rows))
    runs.judge()


def main():
    drifting = ("--frames", FRAMES, "--seed", 5, "--drift", "0.03,-0.02", "--fault", "broken")
    with tempfile.TemporaryDirectory(prefix="truth-") as directory:
        path, _ = runs.simulate(directory, "bad", *drifting)
        spoiled = runs.rewrite(path, path + ".spoiled", spoil)
        clean = runs.rewrite(path, path + ".clean", without)
        outs = [os.path.join(directory, o) for o in ("in", "out", "never", "fine")]
        settings = (runs.PAPER, "analysis.replicates=5", "analysis.nmf.components=2")
        runs.offline(outs[0], [spoiled], *settings)
        said = runs.offline(outs[1], [spoiled], *settings, "analysis.exclude=true")
        runs.offline(outs[2], [clean], *settings)
        live(spoiled, cube(outs[1], "bad"))
        fine, _ = runs.simulate(directory, "good", *drifting[:-2])
        runs.offline(outs[3], [fine], *settings, "analysis.exclude=true")

        for out in outs[:2]:
            status = runs.results(out, "bad", "status")[0]
            named = status["health"]["outliers"].tolist()
            print(f"{os.path.basename(out)}: outliers {named}, {status['frames']} frames, {status['counts']} counts")
            check(named == [DARK, DOUBLED, FRAMES - 1], f"outliers: {named}")
        for frame in (DARK, DOUBLED, FRAMES - 1):
            check(f"frame {frame} is left out of the sum" in said, f"frame {frame} left out, and nobody says so")
        kept, left, never = (cube(o, "bad") for o in outs[:3])
        check(kept.sum() > left.sum(), "nothing was left out")
        check((left == never).all(), "the sum is not that of the run without the outlying frames")
        topics = ("maps", "spectrum", "pca", "nmf", "particles", "trend")
        for topic, a, b in zip(topics, runs.results(outs[1], "bad", *topics), runs.results(outs[2], "bad", *topics)):
            if topic == "trend":  # where the specimen is, every frame helps to tell
                check(np.abs(a["drift_nm"] - b.pop("drift_nm")).max() < 0.05, "the track is another")
                del a["drift_nm"]
            check(same(a, b) in ([], ["/t"]), f"{topic} differs: {same(a, b)}")
        status, trend = runs.results(outs[3], "good", "status", "trend")
        check(not len(status["health"]["outliers"]) and status["frames"] == FRAMES, f"a good run: {status['health']}")
        check(trend["damage"]["since_frame"] == -1, f"a good run: {trend['damage']}")


if os.environ.get("EDX_SEEDS"):
    study()
else:
    main()
