"""One run four ways: live, its own recording again, the instrument's recording, and killed in the
middle: the files are the same. And a real recording against what HyperSpy finds in it."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
import warnings

import h5py
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "daemon"))
from harness import (DATA, WAIT, Daemon, begin, cube, end, program, random_counts,  # noqa: E402
                     recorded, recording, rng_of, rows, seed)

warnings.simplefilter("ignore")
import hyperspy.api as hs  # noqa: E402

RNG = rng_of(seed())


def run(name, *args, timeout=300):
    done = subprocess.run([program(name), *map(str, args)], capture_output=True, text=True,
                          timeout=timeout)
    if done.returncode:
        raise AssertionError(f"{name} {args}: {done.returncode}\n{done.stderr}")
    return done


def flat(path):
    """{name: value} of a results.h5, without what may differ."""
    out = {}

    def visit(name, item):
        parts = name.split("/")
        if isinstance(item, h5py.Dataset) and parts[0] not in ("status", "alarm") and \
                parts[-1] != "t":
            out[name] = (item.dtype, item.shape, item[()])

    with h5py.File(path, "r") as f:
        f.visititems(visit)
    return out


class Offline(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix="edx-offline-")
        self.addCleanup(tmp.cleanup)
        self.dir = tmp.name

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def offline(self, out, *recordings, args=()):
        run("edxd", *args, "--offline", *recordings, "-o", self.path(out))
        return self.path(out)

    def assert_same_bytes(self, a, b):
        with open(a, "rb") as f, open(b, "rb") as g:
            self.assertEqual(hashlib.sha256(f.read()).hexdigest(),
                             hashlib.sha256(g.read()).hexdigest(), (a, b))

    def assert_same(self, a, b):
        """Two run folders."""
        for name in ("cube.hspy", "maps.hspy"):
            self.assert_same_bytes(os.path.join(a, name), os.path.join(b, name))
        one, two = flat(os.path.join(a, "results.h5")), flat(os.path.join(b, "results.h5"))
        self.assertEqual(set(one), set(two))
        self.assertGreater(len(one), 5)
        for name in one:
            with self.subTest(name=name):
                self.assertEqual(one[name][:2], two[name][:2])
                np.testing.assert_array_equal(one[name][2], two[name][2])


class Simulated(Offline):
    def setUp(self):
        super().setUp()
        self.rec = self.path("sim.edxr")
        run("edxsim", "-q", "--size", 40, "--frames", 12, "--seed", 7, "-o", self.rec)
        self.acq = recorded(self.rec, "edx.begin")[0]["acq"]

    def test_offline_live_and_the_live_ones_recording(self):
        a = self.offline("a", self.rec)
        b = self.offline("b", self.rec)
        self.assert_same(os.path.join(a, self.acq), os.path.join(b, self.acq))
        names = ["cube.hspy", "maps.hspy", "results.h5"]
        self.assertEqual(sorted(os.listdir(os.path.join(a, self.acq))), names)
        for name in names:  # the same command, the same bytes
            self.assert_same_bytes(os.path.join(a, self.acq, name), os.path.join(b, self.acq, name))
        with Daemon("router", bind=True) as d:
            run("edxplay", "-q", "--pattern", "dealer", "--connect", "--speed", "max", "--endpoint",
                d.endpoint["ingest"], self.rec)
            d.wait(state="finished", acq=self.acq, frames=12, bad=0)
            self.assertEqual(d.terminate(), 0)
            live = os.path.join(d.runs, self.acq)
            self.assert_same(os.path.join(a, self.acq), live)
            own = self.offline("own", os.path.join(live, "recording.edxr"))
            self.assert_same(live, os.path.join(own, self.acq))
        total = sum(b["counts"]["channels"].size for b in recorded(self.rec, "edx.frame"))
        self.assertEqual(cube(os.path.join(a, self.acq, "cube.hspy")).sum(), total)

    def test_killed_in_the_middle(self):
        a = self.offline("a", self.rec)
        with Daemon() as d:
            i = d.instrument()
            i.send(recorded_raw(self.rec, "edx.begin")[0], "edx.begin")
            for n, raw in enumerate(recorded_raw(self.rec, "edx.frame")):
                i.send(raw, "edx.frame")
                if n in (2, 3, 9):
                    d.wait(received=n + 1)
                    d.kill()
                    d.start()
            i.send(recorded_raw(self.rec, "edx.end")[0], "edx.end")
            d.wait(state="finished", frames=12)
            self.assert_same(os.path.join(a, self.acq), os.path.join(d.runs, self.acq))

    def test_settings_of_the_recording(self):
        """set is journaled: a replay does the same; -s goes over it, -c replaces it."""
        with Daemon() as d:
            i = d.instrument()
            i.send(recorded_raw(self.rec, "edx.begin")[0], "edx.begin")
            frames = recorded_raw(self.rec, "edx.frame")
            for raw in frames[:5]:
                i.send(raw, "edx.frame")
            d.wait(frames=5)
            for key, value in (("analysis.bin_pixels", 1), ("quant.limit", 2.5),
                               ("quant.lines", [{"line": "Au_Ma", "k": 1.3}])):
                reply = d.request(cmd="set", key=key, value=value)
                self.assertTrue(reply["ok"], reply)
            for raw in frames[5:]:
                i.send(raw, "edx.frame")
            i.send(recorded_raw(self.rec, "edx.end")[0], "edx.end")
            d.wait(state="finished")
            d.terminate()
            live = os.path.join(d.runs, self.acq)
            again = os.path.join(self.offline("again", os.path.join(live, "recording.edxr")), self.acq)
            self.assert_same(live, again)
            with h5py.File(os.path.join(again, "results.h5")) as f:
                self.assertEqual(f["config/analysis/bin_pixels"][()], 1)
                self.assertEqual(f["config/quant/limit"][()], 2.5)
                self.assertEqual([x.decode() for x in f["maps/lines"][()]], ["Au_Ma"])
                self.assertEqual(f["maps/intensity"].shape, (1, 40, 40))
            recording = os.path.join(live, "recording.edxr")
            over = self.offline("over", recording, args=["-s", "quant.limit=7"])
            with h5py.File(os.path.join(over, self.acq, "results.h5")) as f:
                self.assertEqual(f["config/quant/limit"][()], 7)
                self.assertEqual(f["config/analysis/bin_pixels"][()], 1)
            with open(self.path("c.conf"), "w") as f:
                f.write("quant = { limit = 3; };\n")
            replaced = self.offline("replaced", recording, args=["-c", self.path("c.conf")])
            with h5py.File(os.path.join(replaced, self.acq, "results.h5")) as f:
                self.assertEqual(f["config/quant/limit"][()], 3)
                self.assertEqual(f["config/analysis/bin_pixels"][()], 2)

    def test_the_same_id_twice(self):
        out = self.offline("out", self.rec, self.rec)
        self.assertEqual(sorted(os.listdir(out)), [self.acq, self.acq + ".2", "ensemble.h5"])
        np.testing.assert_array_equal(cube(os.path.join(out, self.acq, "cube.hspy")),
                                      cube(os.path.join(out, self.acq + ".2", "cube.hspy")))

    def test_what_cannot_be_read(self):
        with open(self.path("bad.edxr"), "wb") as f:
            f.write(b"no recording")
        for args in (["--offline", self.path("bad.edxr"), "-o", self.path("x")],
                     ["--offline", self.path("none.edxr"), "-o", self.path("x")]):
            done = subprocess.run([program("edxd"), *args], capture_output=True, text=True, timeout=WAIT)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertTrue(done.stderr.startswith(f"edxd: {args[1]}: "), done.stderr)
        done = subprocess.run([program("edxd"), "--offline", self.path("bad.edxr"), self.rec, "-o",
                               self.path("y")], capture_output=True, text=True, timeout=WAIT)
        self.assertEqual(done.returncode, 1)  # but the other was analysed
        self.assertTrue(os.path.exists(self.path("y", self.acq, "cube.hspy")))

    def test_torn_and_damaged(self):
        with open(self.rec, "rb") as f:
            data = bytearray(f.read())
        frames = recorded(self.rec, "edx.frame")
        at = data.find(b"edx.frame", data.find(b"edx.frame") + 1) + 200
        data[at] ^= 1
        with open(self.path("torn.edxr"), "wb") as f:
            f.write(data[:-20])
        done = run("edxd", "--offline", self.path("torn.edxr"), "-o", self.path("torn"))
        self.assertIn("is lost", done.stderr)
        self.assertIn("torn", done.stderr)
        total = sum(b["counts"]["channels"].size for n, b in enumerate(frames) if n != 1)
        self.assertEqual(cube(self.path("torn", self.acq, "cube.hspy")).sum(), total)


def recorded_raw(path, topic):
    return [body for t, body, _ in recording(path) if t == topic]


class Blocks(Offline):
    """Disorder, losses and row blocks: the live run and its recording agree, and with numpy."""

    def test_live_and_replay(self):
        frames = random_counts(RNG, 14, (8, 6, 128))
        bodies, seq = [], 0
        for n, f in enumerate(frames):
            for first in range(0, 8, 8 if n % 3 == 0 else 4 if n % 3 == 1 else 2):
                size = {0: 8, 1: 4, 2: 2}[n % 3]
                bodies.append((n, first, size, rows(f, seq, n, first, size)))
                seq += 1
        lost = set(RNG.choice(seq, 5, replace=False).tolist())
        order = sorted((s for s in range(seq) if s not in lost),
                       key=lambda s: s + float(RNG.random()) * 6)
        expected = np.zeros((8, 6, 128), np.uint64)
        with Daemon() as d:
            i = d.instrument()
            i.send(begin(shape=(8, 6, 128), frames=14))
            for s in order:
                n, first, size, body = bodies[s]
                i.send(body)
                expected[first:first + size] += frames[n][first:first + size]
            i.send(end(messages=seq))
            d.wait(state="finished", received=len(order), lost=5, bad=0)
            time.sleep(0.1)
            self.assertEqual(d.terminate(), 0)
            np.testing.assert_array_equal(d.cube(), expected)
            out = self.offline("out", d.path("run", "recording.edxr"))
            self.assert_same(os.path.join(d.runs, "run"), os.path.join(out, "run"))


class FePt(Offline):
    """A real particle; the numbers come from HyperSpy."""

    def setUp(self):
        super().setUp()
        self.rec = os.path.join(DATA, "fept-bare-core-50f.edxr")
        if not os.path.exists(self.rec):
            self.skipTest(f"{self.rec} is not there; EDX_DATA names the folder of recordings")
        with open(os.path.join(DATA, "reference.json")) as f:
            self.reference = json.load(f)["fept-bare-core-50f.edxr"]
        lines = self.reference["hyperspy_1_7_3"]["lines"]
        self.values = ["analysis.bin_energy=1", "analysis.bin_pixels=1", "quant.lines=(" + ", ".join(
            '{line="%s"; k=1.0; window_eV=(%s, %s); background_eV=((%s, %s), (%s, %s));}'
            % (name, *x["window_eV"], *x["background_eV"][0], *x["background_eV"][1])
            for name, x in lines.items()) + ")"]
        self.args = [a for v in self.values for a in ("-s", v)]
        self.lines = lines
        self.acq = recorded(self.rec, "edx.begin")[0]["acq"]

    def check_numbers(self, folder):
        counts = cube(os.path.join(folder, "cube.hspy"))
        self.assertEqual(counts.sum(), self.reference["valid_total"])
        self.assertEqual(hashlib.sha256(counts.astype("<u4").tobytes()).hexdigest(),
                         self.reference["valid_sum_sha256"])
        with h5py.File(os.path.join(folder, "results.h5")) as f:
            names = [x.decode() for x in f["maps/lines"][()]]
            net = f["maps/intensity"][()].astype("f8").sum(axis=(1, 2))
        self.assertEqual(names, list(self.lines))
        for value, x in zip(net, self.lines.values()):
            self.assertAlmostEqual(value / x["net_counts"], 1, delta=1e-6)

    def check_hyperspy(self, folder):
        path = os.path.join(folder, "cube.hspy")
        for lazy in (False, True):
            s = hs.load(path, lazy=lazy)
            self.assertIn("EDSTEMSpectrum", type(s).__name__)
            self.assertEqual(s.axes_manager.signal_shape, (992,))
            self.assertEqual(s.axes_manager.navigation_shape, (84, 84))
            total = s.sum((0, 1, 2))
            if lazy:
                total.compute()
            self.assertEqual(int(total.data[0]), self.reference["valid_total"])
            self.assertEqual(set(s.metadata.Sample.xray_lines), set(self.lines))
            self.assertAlmostEqual(s.axes_manager[-1].offset, 0.16, places=9)
            self.assertAlmostEqual(s.axes_manager[-1].scale, 0.02, places=9)
            if lazy:
                s.close_file()

    def test_four_ways(self):
        a = os.path.join(self.offline("a", self.rec, args=self.args), self.acq)
        b = os.path.join(self.offline("b", self.rec, args=self.args), self.acq)
        self.assert_same(a, b)
        self.check_numbers(a)
        self.check_hyperspy(a)
        config = dict(v.split("=", 1) for v in self.values)
        with Daemon("router", bind=False, **{k.replace(".", "__"): v for k, v in config.items()}) as d:
            run("edxplay", "-q", "--pattern", "dealer", "--speed", "max", "--endpoint",
                d.endpoint["ingest"], self.rec)
            d.wait(state="finished", frames=50, lost=0, bad=0)
            self.assertEqual(d.terminate(), 0)
            live = os.path.join(d.runs, self.acq)
            self.assert_same(a, live)
            own = self.offline("own", os.path.join(live, "recording.edxr"))
            self.assert_same(a, os.path.join(own, self.acq))


if __name__ == "__main__":
    unittest.main(verbosity=2)
