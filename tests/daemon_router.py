"""Acknowledged frames: what is acknowledged is in the recording, whoever dies."""

import os
import signal
import subprocess
import sys
import time
import unittest

import msgpack
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "daemon"))
from harness import (WAIT, Daemon, begin, dense, end, program, random_counts, recorded,  # noqa: E402
                     recording, rng_of, rows, seed)

RNG = rng_of(seed())


class Router(unittest.TestCase):
    config = {}

    def setUp(self):
        self.d = Daemon("router", **self.config)
        self.addCleanup(self.d.close)
        self.i = self.d.instrument()

    def acked(self, body, topic=None):
        self.i.send(body, topic)
        ack = self.i.ack()
        self.assertIsNotNone(ack, self.d.log())
        return ack

    def assert_ack(self, ack, topic, acq="run", seq=None, error=False):
        self.assertEqual((ack["v"], ack["acq"], ack["topic"]), (1, acq, topic), ack)
        self.assertEqual(ack.get("seq"), seq, ack)
        self.assertEqual("error" in ack, error, ack)
        if error:
            self.assertNotIn("\n", ack["error"])

    def on_disk(self, acq="run"):
        return [b["seq"] for b in recorded(self.d.path(acq, "recording.edxr"), "edx.frame")]


class Acknowledged(Router):
    config = {"output__sync": "frame"}

    def test_every_message(self):
        frames = random_counts(RNG, 3)
        self.assert_ack(self.acked(begin()), "edx.begin")
        for n, f in enumerate(frames):
            self.assert_ack(self.acked(dense(f, n)), "edx.frame", seq=n)
            self.assertEqual(self.on_disk(), list(range(n + 1)))
        self.assert_ack(self.acked(end(messages=3)), "edx.end")
        self.assertEqual(recording(self.d.path("run", "recording.edxr"))[-1][0], "edx.end")

    def test_repeats(self):
        first, frame, last = begin(), dense(random_counts(RNG, 1)[0], 0), end(messages=1)
        for body, topic, seq in ((first, "edx.begin", None), (frame, "edx.frame", 0),
                                 (last, "edx.end", None)):
            for _ in range(3):
                self.assert_ack(self.acked(body), topic, seq=seq)
        self.d.wait(received=1, duplicate=2, bad=0, state="finished")
        self.assertEqual(self.on_disk(), [0])

    def test_refused(self):
        frame = random_counts(RNG, 1)[0]
        self.acked(begin())
        self.assert_ack(self.acked(dense(frame[:, :, :10], 0)), "edx.frame", seq=0, error=True)
        self.acked(rows(frame, 0, 0, 0, 3))
        self.assert_ack(self.acked(rows(frame, 1, 0, 2, 4)), "edx.frame", seq=1, error=True)
        self.assert_ack(self.acked(dense(frame, 1 << 21)), "edx.frame", seq=1 << 21, error=True)
        bad_begin = begin("x")
        bad_begin["beam_keV"] = -1
        self.assert_ack(self.acked(bad_begin), "edx.begin", acq="x", error=True)
        for raw, topic in ((b"rubbish", "edx.frame"), (b"", "edx.end"), (b"\x80", "strange")):
            ack = self.acked(raw, topic)
            self.assertEqual((ack["v"], ack["acq"]), (1, ""))
            self.assertTrue(ack["error"])
        self.i.socket.send(b"one part")
        self.assertTrue(self.i.ack()["error"])
        self.d.wait(received=1, bad=8)

    def test_waiting_for_a_begin(self):
        frames = random_counts(RNG, 3)
        for n, f in enumerate(frames):
            self.i.send(dense(f, n))
        self.i.send(end(messages=3))
        self.assertIsNone(self.i.ack(0.5))
        self.i.send(begin())
        acks = [self.i.ack() for _ in range(5)]
        self.assertEqual({(a["topic"], a.get("seq")) for a in acks},
                         {("edx.begin", None), ("edx.end", None), ("edx.frame", 0),
                          ("edx.frame", 1), ("edx.frame", 2)})
        self.assertEqual(self.on_disk(), [0, 1, 2])
        self.assertIsNone(self.i.ack(0.2))

    def test_late_frame_of_an_earlier_one(self):
        frames = random_counts(RNG, 2)
        for acq in "ab":
            self.acked(begin(acq))
            self.acked(dense(frames[0], 0, acq=acq))
        self.assert_ack(self.acked(dense(frames[1], 1, acq="a")), "edx.frame", acq="a", seq=1)
        self.assert_ack(self.acked(dense(frames[1], 1, acq="a")), "edx.frame", acq="a", seq=1)
        self.assertEqual(self.on_disk("a"), [0, 1])

    def test_two_instruments(self):
        """Each gets its own acknowledgements."""
        other = self.d.instrument()
        frames = random_counts(RNG, 40)
        self.acked(begin())
        for n in range(40):
            (self.i, other)[n % 2].send(dense(frames[n], n))
        for which in (0, 1):
            acks = [(self.i, other)[which].ack()["seq"] for _ in range(20)]
            self.assertEqual(acks, list(range(which, 40, 2)))

    def test_many_at_once(self):
        frame = random_counts(RNG, 1)[0]
        self.acked(begin())
        for n in range(3000):
            self.i.send(dense(frame, n))
        time.sleep(3)  # an instrument that does not look at acks meanwhile gets them all the same
        self.assertEqual([self.i.ack()["seq"] for _ in range(3000)], list(range(3000)))
        self.assertEqual(self.on_disk(), list(range(3000)))


class Refused(Router):
    def test_record_false_is_a_config_error(self):
        run = subprocess.run([program("edxd"), "-t", "-s", "ingest.pattern=router", "-s",
                              "output.record=false"], capture_output=True, timeout=WAIT, text=True)
        self.assertEqual(run.returncode, 2)
        self.assertIn("output.record", run.stderr)
        self.assertEqual(run.stderr.count("\n"), 1)

    def full(self):
        """A disk that takes no more, as the recording sees it."""
        subprocess.run(["prlimit", "--fsize=100:", f"--pid={self.d.process.pid}"], check=True)

    def room(self):
        subprocess.run(["prlimit", "--fsize=unlimited:", f"--pid={self.d.process.pid}"], check=True)

    def test_what_cannot_be_recorded_is_not_acknowledged(self):
        frames = random_counts(RNG, 2)
        self.acked(begin())
        self.acked(dense(frames[0], 0))
        self.full()
        for body in (dense(frames[1], 1), end(messages=2), begin("next")):
            self.i.send(body)
            self.assertIsNone(self.i.ack(0.3), self.d.log())
        status = self.d.wait(acq="run", received=1, state="acquiring", bad=0)
        self.assertEqual(status["counts"], frames[0].sum())
        sub = self.d.subscribe("edx.alarm")
        sub.until(lambda _, b: any(a["kind"] == "disk" and a["active"] for a in b["alarms"]))
        self.assertEqual(os.listdir(self.d.runs), ["run"])
        self.room()
        self.assert_ack(self.acked(dense(frames[1], 1)), "edx.frame", seq=1)
        sub.until(lambda _, b: not any(a["active"] for a in b["alarms"]))
        self.assert_ack(self.acked(end(messages=2)), "edx.end")
        self.d.wait(state="finished", received=2, lost=0)
        self.assert_ack(self.acked(begin("next")), "edx.begin", acq="next")
        self.assertEqual(sorted(os.listdir(self.d.runs)), ["next", "run"])


class Death(Router):
    def test_nothing_is_lost_whoever_dies(self):
        """An instrument that keeps what is not acknowledged; a daemon that is killed at random."""
        frames = random_counts(RNG, 120)
        bodies = [begin(frames=120)] + [dense(f, n) for n, f in enumerate(frames)]
        kept = {None: msgpack.packb(bodies[0]),
                **{n: msgpack.packb(bodies[n + 1]) for n in range(120)}}
        deaths, deadline = 0, time.monotonic() + 2 * WAIT
        while kept:
            self.assertLess(time.monotonic(), deadline)
            for seq, raw in list(kept.items()):
                self.i.send(raw, "edx.begin" if seq is None else "edx.frame")
            until = int(RNG.integers(1, 40)) if deaths < 5 else 10**9
            while kept and until > 0:
                ack = self.i.ack(0.5)
                if ack is None:
                    break
                self.assertNotIn("error", ack)
                kept.pop(ack.get("seq"), None)
                until -= 1
            if deaths < 5:
                self.d.process.send_signal(signal.SIGKILL)
                self.d.kill()
                self.d.start()
                self.i.close()
                self.i = self.d.instrument()
                deaths += 1
        self.d.wait(state="finished", received=120, lost=0, bad=0)
        np.testing.assert_array_equal(self.d.saved_cube(), frames.sum(axis=0))
        self.assertEqual(sorted(self.on_disk()), list(range(120)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
