"""The life of acquisitions: random sequences of begins, frames, row blocks, repeats, late frames, ends,
stops, resets and kill -9, held against a simple reference after every step. EDX_SEED repeats one."""

import os
import random
import subprocess
import sys
import tempfile
import unittest

import msgpack
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "daemon"))
from harness import Daemon, begin, cube, dense, end, program, recorded, seed  # noqa: E402

SHAPE = (4, 3, 8)
STEPS = int(os.environ.get("EDX_STEPS", "400"))


class Run:
    """One acquisition, by the rules of the protocol page, in the simplest way."""

    def __init__(self, stored, raw, body):
        self.stored, self.raw, self.acq = stored, raw, body["acq"]
        self.expected = body["scan"]["frames"]
        self.messages = {}  # seq: (frame, row, counts)
        self.stopped = self.ended = False
        self.finished = False

    def rows_of(self, frame):
        return {row + i for f, row, c in self.messages.values() if f == frame
                for i in range(len(c))}

    def complete(self, frame):
        return len(self.rows_of(frame)) == SHAPE[0]

    def frames(self):
        return {f for f, _, _ in self.messages.values()}

    def accept(self, seq, frame, row, counts):
        """"ok", "repeat" or "bad"."""
        if seq in self.messages:
            return "repeat"
        if self.rows_of(frame) & set(range(row, row + len(counts))):
            return "bad"
        self.messages[seq] = (frame, row, counts)
        if self.expected and frame == self.expected - 1 and self.complete(frame):
            self.finished = True
        return "ok"

    def placed(self, frame):
        return self.complete(frame) or self.finished or max(self.frames()) >= frame + 2

    def sum(self, everything):
        total = np.zeros(SHAPE, "<u4")
        for frame, row, counts in self.messages.values():
            if everything or self.placed(frame):
                total[row:row + len(counts)] += counts
        return total


class Model:
    def __init__(self):
        self.runs = []  # in order of their begins
        self.now = None

    def names(self, acq):
        return [r for r in self.runs if r.acq == acq]

    def begin(self, raw, body):
        if self.now and self.now.raw == raw:
            return
        if self.now:
            self.now.finished = True
        n = len(self.names(body["acq"])) + 1
        self.now = Run(body["acq"] if n == 1 else f"{body['acq']}.{n}", raw, body)
        self.runs.append(self.now)

    def whose(self, acq):
        if self.now and self.now.acq == acq:
            return self.now
        return self.names(acq)[-1]

    def stop(self):
        self.now.finished = self.now.stopped = True

    def reset(self):
        self.stop()
        self.now = None

    def restart(self):
        """The newest acquisition is taken up again, ended or not."""
        self.now = self.runs[-1]
        last = self.now.expected - 1
        self.now.finished = self.now.ended or self.now.stopped or \
            (last >= 0 and self.now.complete(last))


class Life:
    def __init__(self, daemon, rng):
        self.daemon, self.rng, self.model = daemon, rng, Model()
        self.instrument = daemon.instrument()
        self.bodies = {}  # acq: the newest begin
        self.next = {}    # stored: (seq, frame)
        self.history = []

    # -- steps --

    def send(self, raw, topic, refused=False):
        self.instrument.send(raw, topic)
        ack = self.instrument.ack()
        assert ack is not None, "no acknowledgement"
        assert ("error" in ack) == refused, (ack, refused)

    def do_begin(self):
        acq = self.rng.choice("abc")
        body = begin(acq, SHAPE, frames=self.rng.choice([0, 0, 6]), title=str(len(self.history)))
        raw = msgpack.packb(body)
        if acq in self.bodies and self.rng.random() < 0.3:
            raw, body = self.bodies[acq]
        self.send(raw, "edx.begin")
        self.model.begin(raw, body)
        self.bodies[acq] = raw, body

    def choose_run(self):
        if self.model.now and self.rng.random() < 0.9:
            return self.model.now
        return self.model.whose(self.rng.choice([r.acq for r in self.model.runs]))

    def do_frame(self):
        run = self.choose_run()
        seq, frame = self.next.get(run.stored, (0, 0))
        row, n = 0, SHAPE[0]
        kind = self.rng.random()
        if kind < 0.15 and run.messages:  # again, or its rows under another seq
            old = self.rng.choice(sorted(run.messages))
            frame, row, counts = run.messages[old]
            seq = old if self.rng.random() < 0.6 else seq
        else:
            if kind < 0.5:
                row = self.rng.randrange(SHAPE[0])
                n = self.rng.randint(1, SHAPE[0] - row)
            if kind < 0.7:
                frame = max(0, frame + self.rng.randint(-3, 1))
            counts = np.random.default_rng(len(self.history)).poisson(0.4, (n, *SHAPE[1:]))
            counts = counts.astype("<u2")
        verdict = run.accept(seq, frame, row, counts)
        body = dense(counts, seq, frame, run.acq, row=row, rows=len(counts))
        self.send(msgpack.packb(body), "edx.frame", refused=verdict == "bad")
        at, newest = self.next.get(run.stored, (0, 0))
        if verdict == "ok":
            whole = len(counts) == SHAPE[0] or self.rng.random() < 0.3
            self.next[run.stored] = (max(at, seq + 1), max(newest, frame + whole))

    def do_end(self):
        run = self.choose_run()
        self.send(msgpack.packb(end(run.acq, len(run.messages), len(run.frames()))), "edx.end")
        run.ended = run.finished = True

    def do_stop(self):
        if self.model.now:
            assert self.daemon.request(cmd="stop")["ok"]
            self.model.stop()

    def do_reset(self):
        if self.model.now:
            assert self.daemon.request(cmd="reset")["ok"]
            self.model.reset()

    def do_kill(self):
        self.instrument.close()
        self.daemon.kill()
        self.daemon.start()
        self.instrument = self.daemon.instrument()
        self.model.restart()

    def step(self):
        kinds = ["begin"] if not self.model.runs else \
            ["frame"] * 40 + ["begin"] * 3 + ["end"] * 2 + ["stop", "reset", "kill", "kill"]
        kind = self.rng.choice(kinds)
        self.history.append(kind)
        getattr(self, "do_" + kind)()

    # -- what must hold --

    def check(self):
        now = self.model.now
        if now is None:
            self.daemon.wait(state="idle")
            return
        total = now.sum(everything=False)
        self.daemon.wait(acq=now.stored, state="finished" if now.finished else "acquiring",
                         received=len(now.messages), counts=int(total.sum()),
                         frames=sum(now.complete(f) for f in now.frames()))

    def check_folders(self):
        runs = {r.stored: r for r in self.model.runs}
        assert sorted(os.listdir(self.daemon.runs)) == sorted(runs), runs
        for name, run in runs.items():
            path = self.daemon.path(name, "recording.edxr")
            assert sorted(b["seq"] for b in recorded(path, "edx.frame")) == sorted(run.messages)
            with tempfile.TemporaryDirectory(prefix="edx-life-") as out:
                subprocess.run([program("edxd"), "-c", os.devnull, "--offline", path, "-o", out],
                               check=True, timeout=60, stderr=subprocess.DEVNULL)
                np.testing.assert_array_equal(cube(os.path.join(out, run.acq, "cube.hspy")),
                                              run.sum(everything=True))


class LifeCycle(unittest.TestCase):
    def test_random_lives(self):
        number = seed()
        with Daemon("router", bind=True) as daemon:
            life = Life(daemon, random.Random(number))
            try:
                for _ in range(STEPS):
                    life.step()
                    life.check()
            except Exception:
                print("EDX_SEED", number, "steps", " ".join(life.history[-30:]), flush=True)
                raise
            if life.model.now:
                np.testing.assert_array_equal(daemon.saved_cube(life.model.now.stored),
                                              life.model.now.sum(everything=False))
            life.check_folders()


if __name__ == "__main__":
    unittest.main(verbosity=2)
