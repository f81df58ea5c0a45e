"""More than comes on a good day: bursts, many clients and rude ones, two daemons at one instrument; and
an instrument that is told when there is enough."""

import os
import subprocess
import sys
import time
import unittest

import msgpack
import numpy as np
import zmq

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "daemon"))
from harness import (Contention, Daemon, begin, dense, end, events, program, random_counts,  # noqa: E402
                     recording, rng_of, sanitized, seed)

RNG = rng_of(seed())


class Burst(unittest.TestCase):
    N = 3000

    def test_a_thousand_frames_a_second(self):
        """Of 64 x 64 pixels, faster than the analysis: all are summed, none is lost, memory stays."""
        with Daemon("pull") as d:
            i = d.instrument()
            frames = random_counts(RNG, 50, (64, 64, 128), 0.003)
            raw = [events(f, 0) for f in frames]
            total = np.zeros((64, 64, 128), np.uint64)
            i.send(begin(shape=(64, 64, 128)))
            bodies = []
            for n in range(self.N):
                body = raw[n % 50]
                body.update(seq=n, frame=n)
                bodies.append(msgpack.packb(body))
                total += frames[n % 50]
            before, began = d.resident(), time.monotonic()
            for body in bodies:
                i.send(body, "edx.frame")
            d.wait(received=self.N, timeout=60)
            took = time.monotonic() - began
            i.send(end(messages=self.N, frames=self.N))
            d.wait(frames=self.N, lost=0, bad=0, counts=int(total.sum()), timeout=60)
            more = d.resident() - before
            print(f"{self.N / took:.0f} frames/s, {more >> 20} MB more", flush=True)
            np.testing.assert_array_equal(d.saved_cube(), total)
            if not sanitized():
                self.assertLess(more, 600 << 20)


class Clients(unittest.TestCase):
    def latency(self, i, sub, first, frames):
        """Median ms from sending to the sum, of frames one at a time."""
        took = []
        for n, f in enumerate(frames):
            began = time.monotonic()
            i.send(dense(f, first + n))
            sub.until(lambda t, b, want=first + n: b["frame"] >= want)
            took.append(1e3 * (time.monotonic() - began))
        return float(np.median(took))

    def crowd(self, d):
        """20 that never read; 200 that do."""
        for _ in range(20):
            s = d.socket(zmq.SUB)
            s.setsockopt(zmq.RCVHWM, 1)
            s.setsockopt(zmq.RCVBUF, 4096)
            s.setsockopt(zmq.SUBSCRIBE, b"")
            s.connect(d.endpoint["publish"])
        readers = [d.subscribe("edx.status") for _ in range(200)]
        for s in readers:
            self.assertIsNotNone(s.receive())
        return readers

    def test_two_hundred_and_some_that_never_read(self):
        with Daemon("pull") as d:
            i = d.instrument()
            frames = random_counts(RNG, 150, (32, 32, 256))
            sub = d.subscribe("edx.spectrum")
            i.send(begin(shape=(32, 32, 256)))
            self.latency(i, sub, 0, frames[:10])
            alone = self.latency(i, sub, 10, frames[10:50])
            before = d.resident()
            readers = self.crowd(d)
            self.latency(i, sub, 50, frames[50:60])
            with Contention() as others:
                crowded = self.latency(i, sub, 60, frames[60:100])
                factor = others.factor()
            self.latency(i, sub, 100, frames[100:])
            more = d.resident() - before
            print(f"median {alone:.1f} ms alone, {crowded:.1f} ms with 20 that never read and 200 that "
                  f"do: {crowded / alone:.2f}; {more >> 20} MB more", flush=True)
            self.assertLess(crowded, (3 * alone + 50) * factor)
            d.wait(frames=150, lost=0)
            for s in readers:
                self.assertIsNotNone(s.receive())
            if not sanitized():
                self.assertLess(more, 400 << 20)


class Shared(unittest.TestCase):
    def test_two_daemons_at_one_push(self):
        a, b = Daemon("pull", bind=False, start=False), Daemon("pull", bind=False, start=False)
        self.addCleanup(a.close)
        self.addCleanup(b.close)
        b.config["ingest.endpoint"] = a.endpoint["ingest"]
        push = a.socket(zmq.PUSH)
        push.bind(a.endpoint["ingest"])
        for d in (a, b):
            d.start()
        time.sleep(1)  # both are there
        alarms = [d.subscribe("edx.alarm") for d in (a, b)]
        raw = msgpack.packb(begin())
        for _ in range(2):
            push.send_multipart([b"edx.begin", raw])
        for d in (a, b):
            d.wait(acq="run")
        for n, f in enumerate(random_counts(RNG, 80)):
            push.send_multipart([b"edx.frame", msgpack.packb(dense(f, n))])
        for s in alarms:
            s.until(lambda _, body: any(x["kind"] == "loss" and "another edxd" in x["message"]
                                        for x in body["alarms"]))


class Enough(unittest.TestCase):
    """The target is reached: the instrument is told, and stops."""

    def simulate(self, d, sigma):
        stop = f"ipc://{d.dir}/stop"
        d.config.update({"ingest.stop_endpoint": stop, "analysis.target_sigma": sigma,
                         "quant.lines": '({line="Ag_La"; k=1.44; k_sigma=0.01;}, '
                                        '{line="Au_Ma"; k=1.0;})'})
        d.start()
        return subprocess.Popen(
            [program("edxsim"), "-q", "--frames", "400", "--speed", "30", "--pattern", "push",
             "--connect", "--endpoint", d.endpoint["ingest"], "--stop-endpoint", stop])

    def test_stop(self):
        with Daemon("pull", start=False) as d:
            sim = self.simulate(d, 0.01)
            self.addCleanup(sim.kill)
            self.assertEqual(sim.wait(60), 0)
            status = d.wait(state="finished")
            ends = [msgpack.unpackb(body) for topic, body, _ in
                    recording(d.path(status["acq"], "recording.edxr")) if topic == "edx.end"]
            self.assertEqual([e["reason"] for e in ends], ["stopped"])
            self.assertLess(status["frames"], 399)
            self.assertEqual(d.log().count("the instrument is told to stop"), 1)
            print(f"stopped after {status['frames']} frames", flush=True)

    def test_no_stop(self):
        """What cannot be reached at any dose stops nothing, though the alarm says so."""
        with Daemon("pull", start=False) as d:
            sim = self.simulate(d, 1e-6)
            self.addCleanup(sim.kill)
            sub = d.subscribe("edx.alarm")
            sub.until(lambda _, b: any(a["kind"] == "target" and a["active"] for a in b["alarms"]),
                      timeout=60)
            time.sleep(1)
            self.assertIsNone(sim.poll())
            sim.terminate()
            self.assertEqual(sim.wait(30), 0)
            self.assertNotIn("told to stop", d.log())


if __name__ == "__main__":
    unittest.main(verbosity=2)
