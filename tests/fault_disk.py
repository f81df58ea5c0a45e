"""A disk that is full, read-only, slow or broken, and a clock that is set: frames go on being summed,
the alarm stands at once, and the recording is whole when the disk takes it again."""

import os
import re
import shutil
import sys
import time
import unittest

import msgpack
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "daemon"))
from harness import (Daemon, begin, dense, end, random_counts, recorded, recording,  # noqa: E402
                     rng_of, seed)

RNG = rng_of(seed())


class Fault(unittest.TestCase):
    pattern, config = "pull", {}

    def setUp(self):
        self.d = Daemon(self.pattern, start=False, binary="tests/edxd_fault", **self.config)
        self.addCleanup(self.d.close)
        self.faults = os.path.join(self.d.dir, "faults")
        self.d.environment["EDX_FAULT_FILE"] = self.faults
        self.d.start()
        self.alarms = self.d.subscribe("edx.alarm")
        self.i = self.d.instrument()

    def fault(self, *lines):
        with open(self.faults + ".new", "w") as f:
            f.write("".join(line + "\n" for line in lines))
        os.rename(self.faults + ".new", self.faults)

    def alarm(self, kind="disk", active=True, says=""):
        def stands(_, body):
            return any(a["kind"] == kind and says in a["message"] for a in body["alarms"]
                       if a["active"])
        return self.alarms.until(lambda t, b: stands(t, b) == active)

    def send(self, frames, first=0, acq="run"):
        self.i.send_all(dense(f, first + n, acq=acq) for n, f in enumerate(frames))

    def seqs(self, acq="run"):
        return [b["seq"] for b in recorded(self.d.path(acq, "recording.edxr"), "edx.frame")]

    def check(self, frames, acq="run"):
        """All of it: in the cube, in the recording, and in what a restart makes of that."""
        self.d.wait(acq=acq, state="finished", lost=0, bad=0)
        np.testing.assert_array_equal(self.d.cube(acq), frames.sum(axis=0))
        topics = [t for t, _, _ in recording(self.d.path(acq, "recording.edxr"))]
        self.assertEqual((topics[0], topics[-1]), ("edx.begin", "edx.end"))
        self.assertEqual(self.seqs(acq), list(range(len(frames))))
        self.d.kill()
        self.d.start()
        self.d.wait(acq=acq, frames=len(frames), counts=int(frames.sum()))


class Disk(Fault):
    def goes_on(self, *fault):
        frames = random_counts(RNG, 20)
        self.i.send(begin())
        self.send(frames[:5])
        self.d.wait(received=5)
        self.fault(*fault)
        self.send(frames[5:15], 5)
        self.alarm()
        self.d.wait(received=15, counts=int(frames[:15].sum()))
        self.assertEqual(self.seqs(), list(range(5)))
        self.fault()
        self.alarm(active=False)
        self.assertEqual(self.seqs(), list(range(15)))  # without another message
        self.send(frames[15:], 15)
        self.i.send(end(messages=20, frames=20))
        self.check(frames)

    def test_full(self):
        self.goes_on("enospc")

    def test_broken(self):
        self.goes_on("eio")

    def test_read_only_from_the_begin_on(self):
        frames = random_counts(RNG, 6)
        self.fault("erofs")
        self.i.send(begin())
        self.alarm(says="Read-only")
        self.send(frames)
        self.i.send(end(messages=6, frames=6))
        self.d.wait(frames=6, counts=int(frames.sum()))
        self.assertEqual(os.listdir(self.d.runs), [])
        self.alarm(says="Read-only")
        self.fault()
        self.alarm(active=False)
        self.check(frames)

    def test_results_are_stored_when_there_is_room(self):
        frames = random_counts(RNG, 4)
        self.i.send(begin())
        self.send(frames)
        self.d.wait(received=4)
        self.fault("enospc")
        self.i.send(end(messages=4, frames=4))
        self.alarm()
        reply = self.d.request(cmd="save")
        self.assertFalse(reply["ok"])
        self.assertIn("No space", reply["error"])
        self.fault()
        self.alarm(active=False)
        self.check(frames)

    def test_interrupted_and_short_writes(self):
        frames = random_counts(RNG, 4)
        self.fault("eintr", "short 100")
        self.i.send(begin())
        self.send(frames)
        self.i.send(end(messages=4, frames=4))
        self.check(frames)
        self.assertNotIn("alarm disk", self.d.log())

    def test_slow(self):
        frames = random_counts(RNG, 3)
        self.fault("slow 1200")
        self.i.send(begin())
        self.alarm(says="slow")
        self.fault()
        self.send(frames)
        self.i.send(end(messages=3, frames=3))
        self.check(frames)


class Sync(Fault):
    """What a failing fdatasync may have lost is not acknowledged."""
    pattern, config = "router", {"output__sync": "frame"}

    def test_not_acknowledged(self):
        frames = random_counts(RNG, 3)
        self.i.send(begin())
        self.assertEqual(self.i.ack()["topic"], "edx.begin")
        self.fault("sync")
        self.send(frames)
        self.alarm(says="sync")
        self.assertIsNone(self.i.ack(0.5))
        self.fault()
        self.alarm(active=False)
        self.send(frames)
        self.assertEqual([self.i.ack()["seq"] for _ in range(3)], [0, 1, 2])
        self.i.send(end(messages=3, frames=3))
        self.i.ack()
        self.check(frames)


class Damage(Fault):
    """One bit of a recording, anywhere in it: what the log names is missing, and nothing else is."""
    pattern, config = "router", {"output__sync": "frame"}

    def named(self, log):
        """seq of the frames that the log says are missing, last."""
        out = set()
        for text in re.findall(r"messages that are missing: seq ([0-9, -]+) \(", log)[-1:]:
            for part in text.split(","):
                lo, _, hi = part.strip().partition("-")
                out.update(range(int(lo), int(hi or lo) + 1))
        return out

    def records(self, data):
        """[(start, end, seq or None)]; the first is the file's own start."""
        out, at = [(0, 8, None)], 8
        while at < len(data):
            t, b = (int.from_bytes(data[at + i:at + i + n], "little") for i, n in ((4, 4), (8, 8)))
            body = msgpack.unpackb(data[at + 32 + t:at + 32 + t + b])
            out.append((at, at + 32 + t + b, body.get("seq")))
            at += 32 + t + b + -(t + b) % 8
        return out

    def run_with(self, data):
        """The status after a restart, once the end has come again, and the log since."""
        self.d.kill()
        shutil.rmtree(self.d.runs)
        os.makedirs(os.path.dirname(self.path))
        with open(self.path, "wb") as f:
            f.write(data)
        said = len(self.d.log())
        self.d.start()
        self.i.send(self.last)
        status = self.d.wait(acq="run", state="finished")
        return status, self.d.log()[said:]

    def test_any_bit(self):
        frames, self.last = random_counts(RNG, 6, (3, 4, 32)), end(messages=6, frames=6)
        self.i.send(begin(shape=(3, 4, 32)))
        self.send(frames)
        self.d.wait(received=6)
        self.i.send(self.last)
        self.d.wait(state="finished")
        self.path = self.d.path("run", "recording.edxr")
        with open(self.path, "rb") as f:
            whole = f.read()
        records = self.records(whole)
        self.assertEqual([seq for *_, seq in records], [None] * 3 + list(range(6)) + [None])
        for start, stop, seq in records:
            for _ in range(2):
                at = int(RNG.integers(start, stop))
                data = bytearray(whole)
                data[at] ^= 1 << int(RNG.integers(8))
                status, log = self.run_with(data)
                what = f"byte {at} of the record {start}-{stop}, seq {seq}:\n{log}"
                lost = {seq} - {None}
                left = [f for n, f in enumerate(frames) if n not in lost]
                self.assertEqual((status["lost"], status["bad"]), (len(lost), 0), what)
                self.assertEqual(self.named(log), lost, what)
                self.assertIn("damaged" if start == 0 else f"at offset {start}", log, what)
                np.testing.assert_array_equal(self.d.saved_cube(), np.sum(left, axis=0), what)

    def test_killed_before_the_begin_was_on_disk(self):
        """Its name is free when the begin comes again; other folders stay what they are."""
        frames = random_counts(RNG, 3)
        self.d.kill()
        for name, text in (("run", b"EDXREC01EDXR\x09"), ("run.2", b"EDX"), ("kept", b"EDXREC01")):
            os.makedirs(os.path.join(self.d.runs, name))
            with open(self.d.path(name, "recording.edxr"), "wb") as f:
                f.write(text)
        for name in ("empty", "other"):
            os.mkdir(os.path.join(self.d.runs, name))
        for path in (self.d.path("kept", "notes"), self.d.path("other", "recording.edxr")):
            with open(path, "wb") as f:
                f.write(b"something else")
        self.d.start()
        self.i.send(begin())
        self.send(frames)
        self.i.send(end(messages=3, frames=3))
        self.check(frames)
        self.assertEqual(sorted(os.listdir(self.d.runs)), ["empty", "kept", "other", "run"])
        self.i.send(begin("empty"))
        self.d.wait(acq="empty")
        self.i.send(begin("kept"))
        self.d.wait(acq="kept.2")


class Memory(Fault):
    """More than memory may keep: what is missing is said."""

    def test_named(self):
        big = np.zeros((64, 64, 2048), "<u2")
        big[0, 0, 5] = 1
        self.i.send(begin(shape=big.shape))
        self.d.wait(acq="run")
        self.fault("enospc")
        raw = [msgpack.packb(dense(big, n)) for n in range(24)]
        for body in raw:  # 16 MB each, 256 MB are kept
            self.i.send(body, "edx.frame")
        self.d.wait(received=24, timeout=60)
        self.fault()
        self.alarm(active=False)
        self.alarm("loss", says="are summed but not recorded: seq 15-23 (frames 15-23)")
        self.i.send(dense(big, 24))
        self.d.wait(received=25, frames=25, counts=25, lost=0)
        self.assertEqual(self.seqs(), [*range(15), 24])
        self.assertIn("9 frame messages: seq 15-23 (frames 15-23)", self.d.log())
        np.testing.assert_array_equal(self.d.saved_cube(), 25 * (big > 0))


class Cube(Fault):
    """limits.max_cube_GB: sums stay what they were, frames go on being recorded."""
    config = {"limits__max_cube_GB": 0.004}

    def test_full(self):
        frames = random_counts(RNG, 40, (24, 24, 256), 0.3)
        self.i.send(begin(shape=(24, 24, 256)))
        self.send(frames)
        self.i.send(end(messages=40, frames=40))
        status = self.d.wait(state="finished", received=40, lost=0)
        self.alarm("memory", says="limits.max_cube_GB")
        n = status["frames"]
        self.assertIn(n, range(1, 39))
        self.assertIn(f"limits.max_cube_GB at frame {n}: ", self.d.log())
        np.testing.assert_array_equal(self.d.cube(), frames[:n].sum(axis=0))
        self.assertEqual(self.seqs(), list(range(40)))
        resident = self.d.resident()
        self.d.kill()
        self.d.config["limits.max_cube_GB"] = 1
        self.d.start()
        self.d.wait(frames=40, counts=int(frames.sum()))
        np.testing.assert_array_equal(self.d.cube(), frames.sum(axis=0))
        self.assertLess(resident, 400 << 20)


class Clock(Fault):
    config = {"limits__stall_s": 2}

    def test_steps(self):
        frames = random_counts(RNG, 6)
        self.i.send(begin())
        for n, step in enumerate((0, -86400, 86400 * 400, -3600, 0, 7)):
            self.fault(f"clock {step}")
            self.i.send(dense(frames[n], n))
            status = self.d.wait(received=n + 1, frames=n + 1)
            self.assertGreaterEqual(status["rate_cps"], 0)
            self.assertTrue(0 <= status["latency_ms"]["max"] < 20000, status)
            self.assertTrue(0 <= status["uptime_s"] < 60, status)
            self.assertAlmostEqual(status["t"], time.time() + step, delta=10)
        self.assertNotIn("stalled", self.d.log())
        self.alarm("stalled")
        self.fault("clock -86400")
        self.i.send(end(messages=6, frames=6))
        self.check(frames)
        self.i.send(begin("next"))  # a day before the one before
        self.d.wait(acq="next")
        self.d.kill()
        self.d.start()
        self.d.wait(acq="next")


if __name__ == "__main__":
    unittest.main(verbosity=2)
