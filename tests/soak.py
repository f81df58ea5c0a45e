"""Acquisition after acquisition at 20 times real time, with faults of every kind mixed in, for
SOAK_SECONDS (3600): two daemons over the acknowledged pattern, one that is killed again and again and
one that never is. Sums are exact, the memory of the one that lives is flat, and what clients wait for
a frame is bounded while nothing is wrong. EDX_SEED chooses the faults. Not part of make check."""

import os
import random
import shutil
import signal
import socket
import sys
import threading
import time
import unittest

import msgpack
import numpy as np
import zmq

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "daemon"))
from harness import Daemon, begin, dense, end, random_counts, rng_of, seed  # noqa: E402

SECONDS = float(os.environ.get("SOAK_SECONDS", "3600"))
LATENCY_MS = float(os.environ.get("SOAK_LATENCY_MS", "500"))
SEED = seed()
SHAPE, FRAMES = (32, 32, 256), 120
DWELL_S, SPEED = 1e-3, 20.0
PAUSE_S = SHAPE[0] * SHAPE[1] * DWELL_S / SPEED  # from frame to frame
WINDOW = 32
FLAT = 1.02
WAIT_S = 120
DISK = ("enospc", "eio", "sync", "eintr", "short 1000", "slow 30", "erofs")


class Instrument(threading.Thread):
    """Keeps what is not acknowledged and sends it again after silence. drop: as if it had died."""

    def __init__(self, endpoint, messages):
        super().__init__(daemon=True)
        self.endpoint, self.left = endpoint, dict(messages)
        self.order = [k for k, _ in messages]
        self.dropped = self.refused = False
        self.socket = None

    def connect(self):
        if self.socket:
            self.socket.close(0)
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.SNDHWM, 0)
        self.socket.connect(self.endpoint)

    def acks(self, flying):
        heard = False
        while self.socket.poll(0):
            _, body = self.socket.recv_multipart()
            m = msgpack.unpackb(body)
            if "error" in m:
                self.refused = m["error"]
            key = (m["topic"], m.get("seq"))
            self.left.pop(key, None)
            flying.discard(key)
            heard = True
        return heard

    def run(self):
        self.connect()
        queue, flying, heard, due = list(self.order), set(), time.monotonic(), time.monotonic()
        while self.left:
            now = time.monotonic()
            if self.dropped:
                self.dropped = False
                self.connect()
                queue, flying = [k for k in self.order if k in self.left], set()
            if queue and len(flying) < WINDOW and now >= due:
                key = queue.pop(0)
                if key in self.left:
                    self.socket.send_multipart([key[0].encode(), self.left[key]])
                    flying.add(key)
                    due = max(due + PAUSE_S, now - 1.0)
            if self.acks(flying):
                heard = now
            if now - heard > 1.0:
                queue, heard = [k for k in self.order if k in self.left], now
                flying.clear()
            time.sleep(0.002)
        self.socket.close(0)


class Soak(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)
        self.rng = rng_of(SEED)
        self.deadline = time.monotonic() + SECONDS
        self.n = dict(kills=0, tails=0, drops=0, faults=0, garbage=0, floods=0, acquisitions=0, frames=0)
        self.memory, self.latency = [], []
        self.rude = []

    def daemon(self, name):
        d = Daemon("router", start=False, binary="tests/edxd_fault", output__sync="frame")
        d.environment["EDX_FAULT_FILE"] = os.path.join(d.dir, "faults")
        d.name = name
        self.addCleanup(d.close)
        d.start()
        return d

    # -- what goes wrong --

    def fault(self, d, *lines):
        path = d.environment["EDX_FAULT_FILE"]
        with open(path + ".new", "w") as f:
            f.write("".join(line + "\n" for line in lines))
        os.rename(path + ".new", path)

    def disk(self, d, _):
        self.fault(d, self.random.choice(DISK))
        time.sleep(self.random.uniform(0.05, 1.0))
        self.fault(d)
        self.n["faults"] += 1

    def clock(self, d, _):
        self.fault(d, f"clock {self.random.choice((-86400, -60, 60, 86400))}")
        time.sleep(0.3)
        self.fault(d)
        self.n["faults"] += 1

    def drop(self, _, instrument):
        instrument.dropped = True
        self.n["drops"] += 1

    def garbage(self, d, _):
        """Bytes that are no ZeroMQ on every socket, and messages that are none of ours."""
        for name in ("ingest", "publish", "control"):
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(1)
                try:
                    s.connect(os.path.join(d.dir, name))
                    s.sendall(self.random.randbytes(self.random.randrange(1, 4000)))
                except OSError:
                    pass
        for kind, name in ((zmq.DEALER, "ingest"), (zmq.DEALER, "control")):
            s = zmq.Context.instance().socket(kind)
            s.setsockopt(zmq.LINGER, 100)
            s.connect(d.endpoint[name])
            for _ in range(20):
                s.send_multipart([self.random.randbytes(self.random.randrange(60))
                                  for _ in range(self.random.randrange(1, 4))])
            s.close()
        self.n["garbage"] += 1

    def client(self, d, _):
        """One that subscribes to everything, and reads nothing, for a while."""
        s = zmq.Context.instance().socket(zmq.SUB)
        s.setsockopt(zmq.LINGER, 0)
        s.setsockopt(zmq.RCVHWM, 1)
        s.connect(d.endpoint["publish"])
        for n in range(200):
            s.setsockopt(zmq.SUBSCRIBE, b"edx.%d" % n)
        s.setsockopt(zmq.SUBSCRIBE, b"")
        self.rude.append(s)
        if len(self.rude) > 10:
            self.rude.pop(0).close(0)
        self.n["floods"] += 1

    def kill(self, d, _):
        """And now and then the recording has a torn tail."""
        d.process.send_signal(signal.SIGKILL)
        d.kill()
        for acq in os.listdir(d.runs):
            path = d.path(acq, "recording.edxr")
            if self.random.random() < 0.3 and os.path.exists(path):
                with open(path, "ab") as f:
                    f.write(b"EDXR\x09\0\0\0" + self.random.randbytes(self.random.randrange(200)))
                self.n["tails"] += 1
        d.start(wait=False)
        self.n["kills"] += 1

    # -- acquisitions --

    def messages(self, acq):
        frames = random_counts(self.rng, FRAMES, SHAPE, 0.02)
        out = [(("edx.begin", None), msgpack.packb(begin(acq, SHAPE, FRAMES)))]
        out += [(("edx.frame", n), msgpack.packb(dense(f, n, acq=acq, dtype="|u1")))
                for n, f in enumerate(frames)]
        out.append((("edx.end", None), msgpack.packb(end(acq, FRAMES, FRAMES))))
        return out, frames.sum(axis=0)

    def acquire(self, d, what):
        acq = f"{d.name}-{self.n['acquisitions']}"
        self.n["acquisitions"] += 1
        messages, total = self.messages(acq)
        instrument = Instrument(d.endpoint["ingest"], messages)
        instrument.start()
        until = time.monotonic() + WAIT_S
        while instrument.is_alive():
            self.assertLess(time.monotonic(), until, d.log()[-3000:])
            if what:
                self.random.choice(what)(d, instrument)
            time.sleep(self.random.uniform(0.05, 0.5))
        self.assertFalse(instrument.refused)
        self.check(d, acq, total)

    def check(self, d, acq, total):
        status = d.wait(acq=acq, state="finished", frames=FRAMES, lost=0, timeout=WAIT_S)
        self.assertEqual(status["counts"], int(total.sum()))
        until = time.monotonic() + WAIT_S
        while not os.path.exists(d.path(acq, "cube.hspy")):
            self.assertLess(time.monotonic(), until, d.log()[-3000:])
            time.sleep(0.1)
        np.testing.assert_array_equal(d.saved_cube(acq), total)
        self.n["frames"] += FRAMES
        for old in os.listdir(d.runs):
            if old != acq:
                shutil.rmtree(os.path.join(d.runs, old))
        return status

    def life(self, d, what, each):
        """Acquisitions until the time is over; a quiet one after each with faults."""
        while time.monotonic() < self.deadline:
            self.acquire(d, what)
            if what:
                self.acquire(d, ())
            each(d)

    def measure(self, d):
        self.memory.append(d.resident())
        self.latency.append(d.status()["latency_ms"]["p99"])

    def test_soak(self):
        mortal, immortal = self.daemon("mortal"), self.daemon("immortal")
        faults = (self.disk, self.disk, self.clock, self.drop, self.garbage, self.client)
        failures = []

        def guarded(*args):
            try:
                self.life(*args)
            except BaseException as e:  # pylint: disable=broad-except
                failures.append(e)
                self.deadline = 0
        lives = [threading.Thread(target=guarded, args=a) for a in
                 ((mortal, (self.kill, self.kill, *faults), lambda d: None),
                  (immortal, faults, self.measure))]
        for t in lives:
            t.start()
        for t in lives:
            t.join()
        for s in self.rude:
            s.close(0)
        print(self.n, f"{len(self.memory)} measurements", flush=True)
        if failures:
            raise failures[0]
        self.check_memory()

    def check_memory(self):
        """The last quarter against the second: the first fills what is kept."""
        quarter = len(self.memory) // 4
        print("resident MB:", [m >> 20 for m in self.memory[::max(1, quarter // 5)]],
              "p99 ms:", [round(p) for p in self.latency[::max(1, quarter // 5)]], flush=True)
        self.assertLess(max(self.latency), LATENCY_MS)
        if quarter >= 2:
            before = np.median(self.memory[quarter:2 * quarter])
            after = np.median(self.memory[-quarter:])
            print(f"memory: {after / before:.4f} of what it was", flush=True)
            self.assertLess(after, FLAT * before + (1 << 20))


if __name__ == "__main__":
    unittest.main(verbosity=2)
