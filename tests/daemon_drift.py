"""Drift through the whole daemon: live, offline and killed the same, sums where the truth says, what
leaves the field of view in the recording alone; a vendor's pattern; alarms; settings changed midway."""

import json
import os
import sys
import unittest

import h5py
import numpy as np

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "daemon"),
                os.path.dirname(os.path.abspath(__file__))]
import recordings  # noqa: E402
from daemon_offline import Offline, recorded_raw, run  # noqa: E402
from harness import DATA, Daemon, begin, cube, dense, end, recorded, rng_of, seed  # noqa: E402

RNG = rng_of(seed())
STEP = 0.25 * 64 / 40  # nm, of edxsim --size 40
DRIFT = ["--size", 40, "--drift", "0.11,-0.07", "--wander", 0.05]


def place(frames, shifts):
    """The sum of frames [n, y, x, ...], each moved by [dy, dx], and how many cover each pixel."""
    rows, cols = frames[0].shape[:2]
    total = np.zeros(frames[0].shape, np.int64)
    exposure = np.zeros((rows, cols), int)
    for frame, (dy, dx) in zip(frames, shifts):
        to = (slice(max(dy, 0), rows + min(dy, 0)), slice(max(dx, 0), cols + min(dx, 0)))
        of = (slice(max(-dy, 0), rows + min(-dy, 0)), slice(max(-dx, 0), cols + min(-dx, 0)))
        total[to] += frame[of]
        exposure[to] += 1
    return total, exposure


def frames_of(path):
    """Every frame of a recording in events form, [y, x, channel]."""
    b = recordings.begin_of(path)
    shape = b["scan"]["rows"], b["scan"]["cols"], b["energy"]["channels"]
    out = []
    for topic, body in recordings.messages(path):
        if topic == "edx.frame":
            pixel, channel = recordings.events(body, shape[1])
            flat = np.bincount(pixel * shape[2] + channel, minlength=int(np.prod(shape)))
            out.append(flat.reshape(shape))
    return out


def dataset(folder, name):
    with h5py.File(os.path.join(folder, "results.h5"), "r") as f:
        return f[name][()]


class Simulated(Offline):
    def simulate(self, *args, frames=24, name="sim.edxr"):
        rec, truth = self.path(name), self.path("truth.json")
        run("edxsim", "-q", "--seed", 14, "--frames", frames, *args, "-o", rec, "--truth", truth)
        self.acq = recorded(rec, "edx.begin")[0]["acq"]
        with open(truth) as f:
            self.truth = np.array(json.load(f)["drift_nm"])
        return rec

    def test_the_sum_is_where_the_specimen_was(self):
        """With this seed no frame lies within 0.03 pixels of the middle between two."""
        rec = self.simulate(*DRIFT)
        folder = os.path.join(self.offline("a", rec, args=("-s", "analysis.bin_pixels=1")), self.acq)
        shifts = -np.rint(self.truth / STEP).astype(int)
        self.assertGreater(abs(shifts).max(), 4)
        frames = frames_of(rec)
        got = cube(os.path.join(folder, "cube.hspy"))
        expected, exposure = place(frames, shifts)
        np.testing.assert_array_equal(got, expected)
        np.testing.assert_array_equal(dataset(folder, "maps/exposure"), exposure)
        self.assertEqual(dataset(folder, "maps/counts"), expected.sum())
        self.assertLess(expected.sum(), sum(f.sum() for f in frames))
        np.testing.assert_allclose(dataset(folder, "status/drift_nm"), self.truth[-1], atol=0.02)
        with h5py.File(os.path.join(folder, "cube.hspy"), "r") as f:
            live = [np.array(v) for k, v in self.datasets(f) if k.endswith("live_time")]
        for t in live:
            if t.ndim == 2:
                np.testing.assert_allclose(t, exposure * 0.97e-3, rtol=1e-6)

    @staticmethod
    def datasets(f):
        found = []
        f.visititems(lambda name, item: found.append((name, item))
                     if isinstance(item, h5py.Dataset) else None)
        return found

    def test_live_offline_killed_and_in_blocks(self):
        rec = self.simulate(*DRIFT)
        a = os.path.join(self.offline("a", rec), self.acq)
        with Daemon("router", bind=True) as d:
            run("edxplay", "-q", "--pattern", "dealer", "--connect", "--speed", "max", "--endpoint",
                d.endpoint["ingest"], rec)
            d.wait(state="finished", acq=self.acq, frames=24, bad=0)
            status = d.status()
            np.testing.assert_allclose(status["drift_nm"], self.truth[-1], atol=0.02)
            self.assertEqual(status["counts"], dataset(a, "maps/counts"))
            self.assertTrue(d.request(cmd="save")["ok"])  # looks back once more, changes nothing
            self.assertEqual(d.terminate(), 0)
            live = os.path.join(d.runs, self.acq)
            self.assert_same(a, live)
            own = self.offline("own", os.path.join(live, "recording.edxr"))
            self.assert_same(live, os.path.join(own, self.acq))
        with Daemon() as d:
            i = d.instrument()
            i.send(recorded_raw(rec, "edx.begin")[0], "edx.begin")
            for n, raw in enumerate(recorded_raw(rec, "edx.frame")):
                i.send(raw, "edx.frame")
                if n in (3, 12):
                    d.wait(received=n + 1)
                    self.assertTrue(d.request(cmd="save")["ok"])
                    d.kill()
                    d.start()
            i.send(recorded_raw(rec, "edx.end")[0], "edx.end")
            d.wait(state="finished", frames=24)
            self.assert_same(a, os.path.join(d.runs, self.acq))
            self.assertEqual(d.terminate(), 0)
            d.start()  # replayed before READY: the same again
            d.wait(state="finished", frames=24)
            self.assertTrue(d.request(cmd="save")["ok"])
            self.assert_same(a, os.path.join(d.runs, self.acq))
        blocks = self.simulate(*DRIFT, "--fault", "blocks", name="blocks.edxr")
        self.assertGreater(len(recorded(blocks, "edx.frame")), 24)
        b = os.path.join(self.offline("b", blocks), self.acq)
        np.testing.assert_array_equal(cube(os.path.join(a, "cube.hspy")),
                                      cube(os.path.join(b, "cube.hspy")))

    def test_what_rests_stays(self):
        rec = self.simulate("--size", 40, "--dose", 0.15)
        a, b = (os.path.join(self.offline(m, rec, args=("-s", f"analysis.drift={m}")), self.acq)
                for m in ("integer", "none"))
        self.assert_same_bytes(os.path.join(a, "cube.hspy"), os.path.join(b, "cube.hspy"))

    def test_switched_off_midway(self):
        rec = self.simulate(*DRIFT)
        with Daemon() as d:
            i = d.instrument()
            i.send(recorded_raw(rec, "edx.begin")[0], "edx.begin")
            frames = recorded_raw(rec, "edx.frame")
            for n, raw in enumerate(frames):
                i.send(raw, "edx.frame")
                if n == 13:
                    d.wait(received=14, frames=14)
                    d.wait(lambda s: abs(s["drift_nm"][0] - self.truth[13][0]) < 0.1)
                    self.assertTrue(d.request(cmd="set", key="analysis.drift", value="none")["ok"])
            i.send(recorded_raw(rec, "edx.end")[0], "edx.end")
            d.wait(state="finished", frames=24)
            live = os.path.join(d.runs, self.acq)
            np.testing.assert_array_equal(cube(os.path.join(live, "cube.hspy")),
                                          sum(frames_of(rec)))
            own = self.offline("own", os.path.join(live, "recording.edxr"))
            self.assert_same(live, os.path.join(own, self.acq))
            # and on again, after the end: all frames are looked at anew
            self.assertTrue(d.request(cmd="set", key="analysis.drift", value="integer")["ok"])
            self.assertTrue(d.request(cmd="save")["ok"])
            a = os.path.join(self.offline("a", rec), self.acq)
            np.testing.assert_array_equal(cube(os.path.join(live, "cube.hspy")),
                                          cube(os.path.join(a, "cube.hspy")))

    def test_nothing_recorded(self):
        rec = self.simulate(*DRIFT)
        with Daemon(output__record="false") as d:
            i = d.instrument()
            for topic in ("edx.begin", "edx.frame", "edx.end"):
                for raw in recorded_raw(rec, topic):
                    i.send(raw, topic)
            d.wait(state="finished", frames=24)
            self.assertEqual(d.log().count("nothing is recorded, so frames stay"), 1)
            np.testing.assert_allclose(d.status()["drift_nm"], self.truth[-1], atol=0.1)

    def test_a_recording_that_lost_frames(self):
        """Sums are not made anew from less than they hold."""
        rec = self.simulate(*DRIFT)
        with Daemon() as d:
            i = d.instrument()
            i.send(recorded_raw(rec, "edx.begin")[0], "edx.begin")
            for raw in recorded_raw(rec, "edx.frame")[:-1]:
                i.send(raw, "edx.frame")
            d.wait(frames=23)
            with open(d.path(self.acq, "recording.edxr"), "r+b") as f:
                f.seek(os.path.getsize(f.name) // 2)
                f.write(bytes(100))
            i.send(recorded_raw(rec, "edx.frame")[-1], "edx.frame")
            status = d.wait(state="finished", frames=24)
            self.assertRegex(d.log(), "frames stay where they were placed live: .*1 messages that "
                                      "were summed are not in it")
            self.assertEqual(cube(d.path(self.acq, "cube.hspy")).sum(), status["counts"])
            self.assertGreater(status["counts"], 0.5 * sum(f.sum() for f in frames_of(rec)))

    def test_two_of_one_name_in_a_file(self):
        rec = self.simulate(*DRIFT)
        other = self.path("other.edxr")
        run("edxsim", "-q", "--seed", 9, "--frames", 12, "--acq", self.acq, *DRIFT, "-o", other)
        with open(rec, "rb") as f, open(other, "rb") as g, open(self.path("both.edxr"), "wb") as h:
            h.write(f.read() + g.read()[8:])
        both = self.offline("both", self.path("both.edxr"))
        one, two = self.offline("one", rec), self.offline("two", other)
        for folder, twin in ((os.path.join(one, self.acq), os.path.join(both, self.acq)),
                             (os.path.join(two, self.acq), os.path.join(both, self.acq + ".2"))):
            np.testing.assert_array_equal(cube(os.path.join(folder, "cube.hspy")),
                                          cube(os.path.join(twin, "cube.hspy")))


class Alarms(unittest.TestCase):
    def drift_alarm(self, subscriber, active):
        def is_it(topic, body):
            return topic == "edx.alarm" and any(
                a["kind"] == "drift" and a["active"] == active for a in body["alarms"])
        body = subscriber.until(is_it)
        return next(a for a in body["alarms"] if a["kind"] == "drift")

    @staticmethod
    def spot(dy, rate=6.0):
        """A frame with a particle, moved by dy pixels."""
        y, x = np.mgrid[:32, :32]
        mean = 0.5 + rate * np.exp(-((y - 14 - dy) ** 2 + (x - 16) ** 2) / 32.0)
        return RNG.poisson(mean[:, :, None] / 8, (32, 32, 8))

    def test_half_of_the_field_lost(self):
        with Daemon() as d:
            s, i = d.subscribe("edx.alarm"), d.instrument()
            i.send(begin(shape=(32, 32, 8)), "edx.begin")
            for f in range(12):
                i.send(dense(self.spot(0.5 * f), f), "edx.frame")
            alarm = self.drift_alarm(s, True)
            self.assertEqual(alarm["severity"], "warning")
            self.assertIn("centre the specimen again", alarm["message"])
            for f in range(12, 30):
                i.send(dense(self.spot(1), f), "edx.frame")
            self.drift_alarm(s, False)
            self.assertEqual(d.log().count("alarm drift: the specimen"), 1)

    def test_nothing_to_register(self):
        with Daemon() as d:
            s, i = d.subscribe("edx.alarm"), d.instrument()
            i.send(begin(shape=(32, 32, 8)), "edx.begin")
            for f in range(12):
                i.send(dense(RNG.poisson(0.1, (32, 32, 8)), f), "edx.frame")
            self.assertIn("analysis.drift to none", self.drift_alarm(s, True)["message"])
            i.send(end(messages=12, frames=12), "edx.end")
            d.wait(state="finished")
            self.assertIn("frames could not be registered", d.log())
            self.assertEqual(d.log().count("alarm drift: frames"), 1)
            self.assertEqual(d.status()["drift_nm"], [0, 0])


def read_pts(path, side=64):
    """(events [(pixel, channel)], image) of each sweep of a JEOL map."""
    with open(path, "rb") as f:
        raw = f.read()
    start = int.from_bytes(raw[28:32], "little")
    frames, last, x, y = [], -1, 0, 0
    for word in np.frombuffer(raw[start:len(raw) // 2 * 2], "<u2").tolist():
        kind, value = word >> 12, word & 4095
        if kind == 9:
            if value < last or not frames:
                frames.append(([], np.zeros((side, side), int)))
                x = 0
            last, y = value, value * side // 4096
        elif kind == 8:
            x = value * side // 4096
        elif kind == 10:
            frames[-1][1][y, x] = value
        elif kind == 11:
            frames[-1][0].append((y * side + x, value))
    return frames


class Real(Offline):
    def test_a_pattern_moved_round_the_edges(self):
        path = os.path.join(DATA, "testpattern2.pts")
        if not os.path.exists(path):
            self.skipTest(f"{path}: absent")
        sweeps, head, frames = read_pts(path), {"v": 1, "acq": "pattern", "t": 1.0}, []
        with open(self.path("pattern.edxr"), "wb") as out:
            out.write(b"EDXREC01" + recordings._record("edx.begin", dict(
                head, beam_keV=200.0, images=["HAADF"],
                scan={"rows": 64, "cols": 64, "step_nm": [1.0, 1.0], "dwell_s": 1e-3, "frames": 4},
                energy={"channels": 4096, "offset_eV": -971.4, "scale_eV": 10.0})))
            for f, (counts, image) in enumerate(sweeps):
                pixel, channel = np.array(sorted(counts)).T
                offsets = np.concatenate(([0], np.cumsum(np.bincount(pixel, minlength=4096))))
                frames.append(np.diff(offsets).reshape(64, 64))
                out.write(recordings._record("edx.frame", dict(
                    head, seq=f, frame=f,
                    counts={"offsets": recordings._packed(offsets, "<u4"),
                            "channels": recordings._packed(channel, "<u2")},
                    images={"HAADF": recordings._packed(image, "<u2")})))
        folder = os.path.join(self.offline("out", self.path("pattern.edxr")), "pattern")
        expected, _ = place(frames, [(0, 0), (-3, -4), (3, -2), (-1, -4)])
        np.testing.assert_array_equal(cube(os.path.join(folder, "cube.hspy")).sum(2), expected)
        np.testing.assert_allclose(dataset(folder, "status/drift_nm"), (1, 4), atol=1e-3)

    def test_a_particle_that_rests(self):
        path = os.path.join(DATA, "fept-bare-core-50f.edxr")
        if not os.path.exists(path):
            self.skipTest(f"{path}: absent")
        a = os.path.join(self.offline("a", path), "fept-bare-core")
        self.assertEqual(cube(os.path.join(a, "cube.hspy")).sum(), 437439)
        self.assertEqual(dataset(a, "status/drift_nm").tolist(), [0, 0])


if __name__ == "__main__":
    del Offline
    unittest.main(verbosity=2)
