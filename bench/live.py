"""A large scan, live: frames of SIDE x SIDE pixels at PERIOD seconds each, over the acknowledged
pattern, to a daemon that records, sums, maps and decomposes them all. Says how far results were
behind the frames meanwhile, whether every count arrived, and the daemon's memory; exits 1 where a
count is lost or the memory is above LIMIT_GIB.

usage: live.py BUILDDIR [--side N] [--channels N] [--frames N] [--mean COUNTS] [--period S]
               [--limit GIB] [--set KEY=VALUE]... [--json OUT]

Frames are of particles of two elements on a smooth background, all drawn before the first is sent
(2.3 GB for what is the default). The final analysis, which is behind the last frame, may take many
times as long as the acquisition: it goes to convergence.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import msgpack
import numpy as np
import zmq

WINDOW = 3  # messages that wait for their acknowledgement
LINES_EV = ((2984, 3151, 3348, 22163), (2123, 2203, 9713, 11443))  # of the two elements
PATIENCE_S = 3600


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("build")
    p.add_argument("--side", type=int, default=1024)
    p.add_argument("--channels", type=int, default=2048)
    p.add_argument("--frames", type=int, default=50)
    p.add_argument("--mean", type=float, default=20.0)
    p.add_argument("--period", type=float, default=1.0)
    p.add_argument("--limit", type=float, default=12.0)
    p.add_argument("--set", action="append", default=[])
    p.add_argument("--json")
    return p.parse_args()


# ---- frames ----


def spectra(channels):
    """Of background and both elements, [3, channels] each summing to 1; 10 eV a channel."""
    energy = 10.0 * np.arange(channels)
    smooth = np.exp(-energy / 4000) * (energy > 120)
    out = [smooth / smooth.sum()]
    for lines in LINES_EV:
        peaks = sum(np.exp(-0.5 * ((energy - e) / (30 + e / 400)) ** 2) / (i + 1) for i, e in enumerate(lines))
        out.append(peaks / peaks.sum())
    return np.array(out)


def scene(side, mean, rng):
    """Mean counts of background and both elements in a pixel, [3, side * side]."""
    y, x = np.mgrid[0:side, 0:side] / side
    thick, gold = np.zeros((side, side)), np.zeros((side, side))
    for _ in range(12):
        cy, cx, r = rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9), rng.uniform(0.02, 0.06)
        d2 = (y - cy) ** 2 + (x - cx) ** 2
        thick += np.sqrt(np.maximum(r * r - d2, 0)) / r
        gold += np.sqrt(np.maximum(r * r / 4 - d2, 0)) / r
    parts = np.array([1 + 0.5 * thick, 1.5 * thick, 2 * gold])
    return (parts * mean / parts.sum(axis=0).mean()).reshape(3, -1)


def draw(parts, tables, rng):
    """One frame's events: offsets [pixels + 1], channels [n]."""
    total = parts.sum(axis=0)
    n = rng.poisson(total)
    offsets = np.zeros(n.size + 1, "<u4")
    offsets[1:] = np.cumsum(n)
    channels = tables[0][rng.integers(0, 65536, offsets[-1], dtype="<u2")]
    mixed = np.flatnonzero(parts[1] + parts[2] > 0)
    first = np.repeat(offsets[mixed] - np.cumsum(n[mixed]) + n[mixed], n[mixed])
    at = first + np.arange(first.size)
    u = rng.random(first.size) * np.repeat(total[mixed], n[mixed])
    kind = np.zeros(first.size, "u1")
    for k in range(2):
        kind += u > np.repeat(parts[: k + 1, mixed].sum(axis=0), n[mixed])
    channels[at] = tables[kind, rng.integers(0, 65536, first.size, dtype="<u2")]
    return offsets, channels


def tables_of(channels):
    """Channels of each kind by an even random number of 16 bits, [3, 65536]."""
    cumulated = np.cumsum(spectra(channels), axis=1)
    even = (np.arange(65536) + 0.5) / 65536
    return np.array([np.minimum(np.searchsorted(c, even * c[-1]), channels - 1) for c in cumulated], "<u2")


def array(values):
    return {"dtype": values.dtype.str, "shape": list(values.shape), "data": values.tobytes()}


def unpack(body):
    def hook(o):
        return np.frombuffer(o["data"], o["dtype"]).reshape(o["shape"]) if "dtype" in o else o

    return msgpack.unpackb(body, object_hook=hook)


# ---- daemon and its instrument ----


class Instrument(threading.Thread):
    """Sends a frame a period, or as soon as the one WINDOW before it was acknowledged."""

    def __init__(self, endpoint, o, frames):
        super().__init__(daemon=True)
        self.endpoint, self.o, self.frames = endpoint, o, frames
        self.sent, self.lag_s, self.acked, self.failure = 0, 0.0, 0, None

    def body(self, **more):
        return msgpack.packb({"v": 1, "acq": "live", "t": time.time(), **more})

    def collect(self, socket, most):
        """Acknowledgements, until no more than most are out."""
        begun = time.monotonic()
        while self.sent - self.acked > most or socket.poll(0):
            if not socket.poll(1000):
                if time.monotonic() - begun > PATIENCE_S:
                    raise TimeoutError("no acknowledgement")
                continue
            m = msgpack.unpackb(socket.recv_multipart()[1])
            if "error" in m:
                raise RuntimeError(m["error"])
            self.acked += m["topic"] == "edx.frame"

    def run(self):
        try:
            self.play()
        except Exception as e:  # pylint: disable=broad-except
            self.failure = e

    def play(self):
        o, side = self.o, self.o.side
        socket = zmq.Context.instance().socket(zmq.DEALER)
        socket.setsockopt(zmq.LINGER, -1)
        socket.connect(self.endpoint)
        socket.send_multipart([b"edx.begin", self.body(
            scan={"rows": side, "cols": side, "step_nm": [1.0, 1.0], "dwell_s": o.period / side / side,
                  "frames": o.frames},
            energy={"channels": o.channels, "offset_eV": 0.0, "scale_eV": 10.0}, beam_keV=200.0,
            elements=["Ag", "Au"])])
        begun = time.monotonic()
        for seq, (offsets, channels) in enumerate(self.frames):
            time.sleep(max(0.0, begun + seq * o.period - time.monotonic()))
            self.collect(socket, WINDOW - 1)
            self.lag_s = max(self.lag_s, time.monotonic() - begun - seq * o.period)
            socket.send_multipart([b"edx.frame", self.body(
                seq=seq, frame=seq, counts={"offsets": array(offsets), "channels": array(channels)})])
            self.sent += 1
        self.seconds = time.monotonic() - begun
        socket.send_multipart([b"edx.end", self.body(frames=o.frames, messages=o.frames, reason="complete")])
        self.collect(socket, 0)
        socket.close()


def peak_gib(pid):
    with open(f"/proc/{pid}/status") as f:
        for line in f:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 2**20
    return 0.0


class Watcher:
    """What a client sees: how many frames each topic is behind those that were sent."""

    def __init__(self, endpoint, instrument):
        self.socket = zmq.Context.instance().socket(zmq.SUB)
        self.socket.connect(endpoint)
        self.socket.subscribe(b"edx.")
        self.instrument, self.total = instrument, None
        self.behind, self.frames, self.updates, self.pause_s = {}, {}, {}, {}
        self.seen_at, self.counts, self.state, self.said = {}, 0, "", {}

    def look(self):
        late = self.instrument.acked
        for topic, frames in self.frames.items():
            self.behind[topic] = max(self.behind.get(topic, 0), int(late - frames))
        if not self.socket.poll(20):
            return
        topic, body = self.socket.recv_multipart()
        topic = topic.decode()[4:]
        now = time.monotonic()
        m = unpack(body)
        if m["acq"] != "live":
            return
        if topic == "status":
            self.state, self.counts = m["state"], m["counts"]
            for name, frames in m.get("behind", {}).items():
                self.said[name] = max(self.said.get(name, 0), frames)
        if topic == "spectrum":
            self.total = m
        if m["frames"] != self.frames.get(topic):
            self.updates[topic] = self.updates.get(topic, 0) + 1
            self.pause_s[topic] = max(self.pause_s.get(topic, 0.0), now - self.seen_at.get(topic, now))
            self.seen_at[topic] = now
        self.frames[topic] = m["frames"]


def watch(o, instrument, watcher, daemon):
    """Until the final analysis is there; when all was summed, and that, in s."""
    began, summed = time.monotonic(), None
    while watcher.state != "finished":
        watcher.look()
        if summed is None and watcher.frames.get("spectrum") == o.frames:
            summed = time.monotonic() - began
            print(f"all summed after {summed:.1f} s; behind at most: {watcher.behind}, pauses of results in s: "
                  f"{watcher.pause_s}", flush=True)
        if instrument.failure or daemon.poll() is not None or time.monotonic() - began > PATIENCE_S:
            raise RuntimeError(f"{instrument.failure or 'the daemon is not getting on'}")
    finished = time.monotonic() - began
    for _ in range(100):
        watcher.look()
    return summed, finished


def is_exact(o, frames, watcher):
    """The sum and its image against what was sent."""
    image = sum(np.diff(offsets.astype(np.int64)) for offsets, _ in frames)
    side = watcher.total["total"].shape[0]
    image = image.reshape(side, o.side // side, side, o.side // side).sum(axis=(1, 3))
    spectrum = sum(np.bincount(channels, minlength=o.channels) for _, channels in frames)
    spectrum = spectrum.reshape(len(watcher.total["sum"]), -1).sum(axis=1)
    return bool(watcher.counts == image.sum() and np.array_equal(image, watcher.total["total"])
                and np.array_equal(spectrum, watcher.total["sum"]))


def measure(o, folder, frames):
    ends = [f"ipc://{folder}/{name}" for name in ("in", "out", "ctl")]
    args = [os.path.join(o.build, "edxd"), "-s", f"ingest.endpoint={ends[0]}", "-s", "ingest.bind=true",
            "-s", "ingest.pattern=router", "-s", f"publish.endpoint={ends[1]}", "-s",
            f"control.endpoint={ends[2]}", "-s", f"output.dir={folder}/runs"]
    for s in o.set:
        args += ["-s", s]
    with open(os.path.join(folder, "log"), "w") as log:
        daemon = subprocess.Popen(args, stderr=log)
    try:
        instrument = Instrument(ends[0], o, frames)
        watcher = Watcher(ends[1], instrument)
        instrument.start()
        summed, finished = watch(o, instrument, watcher, daemon)
        peak = peak_gib(daemon.pid)
        daemon.send_signal(signal.SIGTERM)
        code = daemon.wait(PATIENCE_S)
    finally:
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait()
        with open(os.path.join(folder, "log")) as f:
            sys.stderr.write("".join(line for line in f if "error" in line.lower() or "warning" in line.lower()))
    return {"side": o.side, "channels": o.channels, "frames": o.frames, "period_s": o.period,
            "counts": int(watcher.counts), "exact": is_exact(o, frames, watcher), "exit": code,
            "sent_s": instrument.seconds, "instrument_late_s": instrument.lag_s, "summed_s": summed,
            "finished_s": finished, "peak_gib": peak, "behind": watcher.behind,
            "said_behind": watcher.said, "updates": watcher.updates, "pause_s": watcher.pause_s}


def main():
    o = options()
    rng = np.random.default_rng(1)
    parts, tables = scene(o.side, o.mean, rng), tables_of(o.channels)
    frames = [draw(parts, tables, rng) for _ in range(o.frames)]
    folder = tempfile.mkdtemp(prefix="edx-live-")
    try:
        result = measure(o, folder, frames)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(result, indent=1))
    if o.json:
        with open(o.json, "w") as f:
            json.dump(result, f)
    return 0 if result["exact"] and result["exit"] == 0 and result["peak_gib"] <= o.limit else 1


if __name__ == "__main__":
    sys.exit(main())
