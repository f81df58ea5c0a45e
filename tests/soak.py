"""Acquisition after acquisition at 20 times real time, with faults of every kind mixed in, for
SOAK_SECONDS: two daemons over the acknowledged pattern, one that is killed again and again and one
that never is. Sums are exact, the memory of the one that lives is flat, and what clients wait for a
frame is bounded. EDX_SEED chooses the faults. Two minutes of it are part of make check, which says
nothing about times, as others use its machine; make soak takes an hour."""

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
from harness import Daemon, array, begin, dense, end, random_counts, rng_of, seed  # noqa: E402

SECONDS = float(os.environ.get("SOAK_SECONDS", "120"))
LONG = SECONDS >= 600  # long enough to say whether memory grows, and what clients wait
LATENCY_MS = float(os.environ.get("SOAK_LATENCY_MS", "500"))
SEED = seed()
SHAPE, FRAMES = (32, 32, 256), 120
DWELL_S, SPEED = 1e-3, 20.0
PAUSE_S = SHAPE[0] * SHAPE[1] * DWELL_S / SPEED  # from frame to frame
WINDOW = 32
FLAT = 1.02
WAIT_S = 120
START = 8  # bytes of a recording before its first record
ROOM_GB, TIGHT_GB = 1, 0.002  # limits.max_cube_GB, and one that ends the sums early
DISK = ("enospc", "eio", "sync", "eintr", "short 1000", "slow 30", "erofs")


class Instrument(threading.Thread):
    """Keeps what is not acknowledged and sends it again after silence. dropped: as if it had died and
    come back, with what it still has in no order."""

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
                middle = queue[1:-1]  # a begin comes first and an end last
                random.shuffle(middle)
                queue[1:-1] = middle
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
        self.n = dict(kills=0, tails=0, tight=0, drops=0, disk=0, clock=0, garbage=0, broken=0, huge=0,
                      asked=0, silent=0, slow=0, acquisitions=0, frames=0)
        self.memory, self.latency, self.worst = [], [], []

    def daemon(self, name):
        d = Daemon("router", start=False, binary="tests/edxd_fault", output__sync="frame",
                   limits__max_cube_GB=ROOM_GB, limits__max_message_MB=2,
                   limits__max_pixels=1 << 20)
        d.environment["EDX_FAULT_FILE"] = os.path.join(d.dir, "faults")
        d.name, d.rude, d.slow = name, [], []  # clients that never read, and that read now and then
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
        self.n["disk"] += 1

    def clock(self, d, _):
        self.fault(d, f"clock {self.random.choice((-86400, -60, 60, 86400))}")
        time.sleep(0.3)
        self.fault(d)
        self.n["clock"] += 1

    def drop(self, _, instrument):
        instrument.dropped = True
        self.n["drops"] += 1

    @staticmethod
    def sender(d, *messages):
        """Somebody else at the instrument's socket."""
        s = zmq.Context.instance().socket(zmq.DEALER)
        s.setsockopt(zmq.LINGER, 500)
        s.connect(d.endpoint["ingest"])
        for topic, body in messages:
            s.send_multipart([topic, body])
        s.close()

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

    def broken(self, d, instrument):
        """A sender that mixes up what it sends in the acquisition that is running: cut short, of
        another version, of another shape, far ahead. None of it may count."""
        acq = msgpack.unpackb(instrument.first)["acq"]
        frame = np.zeros(SHAPE, "|u1")
        good = msgpack.packb(dense(frame, 0, acq=acq, dtype="|u1"))
        events = {"offsets": array(np.arange(SHAPE[0] * SHAPE[1] + 1, dtype="<u4")),
                  "channels": array(np.full(SHAPE[0] * SHAPE[1], SHAPE[2], "<u2"))}
        wrong = [good[:self.random.randrange(len(good))], instrument.first[:-1],
                 msgpack.packb({**dense(frame, 0, acq=acq), "v": 2}),
                 msgpack.packb(dense(frame[1:], 1, acq=acq)),
                 msgpack.packb(dense(frame, 1 << 40, acq=acq)),
                 msgpack.packb(dense(frame, 0, acq=acq, row=SHAPE[0], rows=1)),
                 msgpack.packb({**dense(frame, 0, acq=acq), "counts": events})]
        self.sender(d, *((b"edx.begin" if body == wrong[1] else b"edx.frame", body) for body in wrong))
        self.n["broken"] += 1

    def huge(self, d, _):
        """Begins that limits.* refuse, and a message beyond limits.max_message_MB."""
        for shape in ((4096, 4096, 16384), (1 << 20, 1 << 20, 256), (32, 32, 1 << 20)):
            self.sender(d, (b"edx.begin", msgpack.packb(begin("huge", shape))))
        self.sender(d, (b"edx.frame", bytes(3 << 20)))
        self.n["huge"] += 1

    def ask(self, d, _):
        """Many requests, whose answers nobody reads."""
        s = zmq.Context.instance().socket(zmq.DEALER)
        s.setsockopt(zmq.LINGER, 0)
        s.setsockopt(zmq.RCVHWM, 1)
        s.connect(d.endpoint["control"])
        requests = [{"cmd": "status"}, {"cmd": "history", "topic": "edx.maps", "frame": 3},
                    {"cmd": "get", "key": "limits"}, {"cmd": "profile", "from_nm": [0, 0]},
                    {"cmd": "region", "polygon_nm": [[0, 0], [0, 9], [9, 0]]}, {"cmd": "nothing"}]
        for n in range(120):
            s.send_multipart([b"", msgpack.packb(requests[n % len(requests)])])
        d.rude.append(s)
        self.n["asked"] += 1

    def subscriber(self, d):
        s = zmq.Context.instance().socket(zmq.SUB)
        s.setsockopt(zmq.LINGER, 0)
        s.setsockopt(zmq.RCVHWM, 1)
        s.setsockopt(zmq.RCVBUF, 4096)
        s.connect(d.endpoint["publish"])
        for n in range(200):
            s.setsockopt(zmq.SUBSCRIBE, b"edx.%d" % n)
        s.setsockopt(zmq.SUBSCRIBE, b"")
        return s

    def silent(self, d, _):
        """A client that subscribes to everything, and reads nothing, for a while."""
        d.rude.append(self.subscriber(d))
        self.n["silent"] += 1

    def dawdle(self, d, _):
        """Clients that read a message now and then."""
        d.slow.append(self.subscriber(d))
        for s in d.slow:
            if s.poll(0):
                s.recv_multipart()
        self.n["slow"] += 1

    @staticmethod
    def tidy(d, most):
        for clients in (d.rude, d.slow):
            while len(clients) > most:
                clients.pop(0).close(0)

    def kill(self, d, _):
        """And now and then the recording has a torn tail, or limits.max_cube_GB is small from here."""
        d.process.send_signal(signal.SIGKILL)
        d.kill()
        for acq in os.listdir(d.runs):
            path = d.path(acq, "recording.edxr")
            # without its first bytes a file is no recording: edxd leaves it alone, and takes another name
            if self.random.random() < 0.3 and os.path.exists(path) and os.path.getsize(path) >= START:
                with open(path, "ab") as f:
                    f.write(b"EDXR\x09\0\0\0" + self.random.randbytes(self.random.randrange(200)))
                self.n["tails"] += 1
        tight = self.random.random() < 0.2
        d.config["limits.max_cube_GB"] = TIGHT_GB if tight else ROOM_GB
        d.start(wait=False)
        self.n["tight"] += tight
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
        instrument.first = messages[0][1]
        instrument.start()
        until = time.monotonic() + WAIT_S
        while instrument.is_alive():
            self.assertLess(time.monotonic(), until, d.log()[-3000:])
            if what:
                self.random.choice(what)(d, instrument)
                self.tidy(d, 12)
            time.sleep(self.random.uniform(0.05, 0.5))
        self.assertFalse(instrument.refused)
        if d.config["limits.max_cube_GB"] == TIGHT_GB:  # what is not summed is recorded
            d.kill()
            d.config["limits.max_cube_GB"] = ROOM_GB
            d.start()
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
            worst = d.status()["latency_ms"]["p99"]
            self.acquire(d, ())
            each(d, worst)

    def measure(self, d, worst):
        self.memory.append(d.resident())
        self.latency.append(d.status()["latency_ms"]["p99"])
        self.worst.append(worst)

    def test_soak(self):
        mortal, immortal = self.daemon("mortal"), self.daemon("immortal")
        faults = (self.disk, self.disk, self.clock, self.drop, self.garbage, self.broken, self.huge,
                  self.ask, self.silent, self.dawdle)
        failures = []

        def guarded(*args):
            try:
                self.life(*args)
            except BaseException as e:  # pylint: disable=broad-except
                failures.append(e)
                self.deadline = 0
        lives = [threading.Thread(target=guarded, args=a) for a in
                 ((mortal, (self.kill,) * 3 + faults, lambda *_: None),
                  (immortal, faults, self.measure))]
        for t in lives:
            t.start()
        for t in lives:
            t.join()
        for d in (mortal, immortal):
            self.tidy(d, 0)
        self.n["full"] = mortal.log().count("have reached limits.max_cube_GB")
        print(self.n, f"{len(self.memory)} measurements", flush=True)
        if failures:
            raise failures[0]
        self.check_memory()

    def check_memory(self):
        """The last quarter against the second: the first fills what is kept."""
        quarter = len(self.memory) // 4
        some = slice(None, None, max(1, quarter // 5))
        print("resident MB:", [m >> 20 for m in self.memory[some]],
              "p99 ms:", [round(p) for p in self.latency[some]],
              "among faults:", [round(p) for p in self.worst[some]], flush=True)
        if quarter:
            before = np.median(self.memory[quarter:2 * quarter])
            after = np.median(self.memory[-quarter:])
            print(f"memory: {after / before:.4f} of what it was; p99: {max(self.latency):.0f} ms at most,"
                  f" {np.median(self.latency):.0f} in the median", flush=True)
        if LONG:
            self.assertLess(after, FLAT * before)
            self.assertLess(max(self.latency), LATENCY_MS)


if __name__ == "__main__":
    unittest.main(verbosity=2)
