"""Recordings of other makers through edxplay: converted, and played to a live edxd, held against
HyperSpy's own reading, the reference beside the data, and files made here whose counts are known."""
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import warnings

import h5py
import numpy as np
import zmq

TESTS = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [TESTS, os.path.join(TESTS, "daemon")]
import vendor_files as made  # noqa: E402
from harness import DATA, Daemon, program, recording, seed, unpack  # noqa: E402

warnings.simplefilter("ignore")
LIMIT = 300
REFERENCE = os.path.join(DATA, "reference.json")


def play(*args, code=0):
    done = subprocess.run([program("edxplay"), "-q", *map(str, args)], capture_output=True, text=True,
                          timeout=LIMIT)
    assert done.returncode == code, f"{args}: {done.returncode}, expected {code}: {done.stderr}"
    return done.stderr


def voxels(body):
    """Index of pixel and channel of every count."""
    offsets = body["counts"]["offsets"].astype(np.int64)
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)), \
        body["counts"]["channels"].astype(np.int64)


class Run:
    """What is in a recording: begin, end, and frames [n, rows, cols, channels] on demand."""

    def __init__(self, path):
        read = [(t, unpack(b)) for t, b, _ in recording(path)]
        assert [t for t, _ in read] == ["edx.begin"] + ["edx.frame"] * (len(read) - 2) + ["edx.end"]
        self.begin, self.end = read[0][1], read[-1][1]
        self.bodies = [b for _, b in read[1:-1]]
        assert [b["frame"] for b in self.bodies] == list(range(len(self.bodies)))
        assert [b["seq"] for b in self.bodies] == list(range(len(self.bodies)))
        scan = self.begin["scan"]
        self.shape = scan["rows"], scan["cols"], self.begin["energy"]["channels"]

    def totals(self):
        return [b["counts"]["channels"].size for b in self.bodies]

    def add(self, bodies):
        flat = np.zeros(self.shape[0] * self.shape[1] * self.shape[2], "<u4")
        for body in bodies:
            pixel, channel = voxels(body)
            assert channel.size == 0 or channel.max() < self.shape[2]
            np.add.at(flat, pixel * self.shape[2] + channel, 1)
        return flat.reshape(self.shape)

    def frames(self):
        return np.array([self.add([b]) for b in self.bodies])


class Folder(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix="edx-vendor-")
        self.addCleanup(tmp.cleanup)
        self.dir = tmp.name

    def path(self, name):
        return os.path.join(self.dir, name)

    def convert(self, path, *args):
        """The run, and what was said."""
        out = self.path("out.edxr")
        said = play("--convert", out, *args, path)
        return Run(out), said

    def refused(self, path, *texts, args=()):
        out = self.path("refused.edxr")
        said = play("--convert", out, *args, path, code=1)
        self.assertEqual(said.count("\n"), 1, said)
        self.assertTrue(said.startswith("edxplay: " + path + ": "), said)
        for text in texts:
            self.assertIn(text, said)
        self.assertEqual([n for n in os.listdir(self.dir) if n.startswith("refused")], [])


# ---- real recordings ----


@unittest.skipUnless(os.path.exists(REFERENCE), "no real recordings: EDX_DATA names no such folder")
class Real(Folder):
    def setUp(self):
        super().setUp()
        with open(REFERENCE) as f:
            self.reference = json.load(f)

    def files(self):
        found = {n: r for n, r in self.reference.items() if "valid_total" in r}
        self.assertGreaterEqual(len(found), 6)
        return found.items()

    def test_converted(self):
        for name, ref in self.files():
            with self.subTest(name):
                run, _ = self.convert(os.path.join(DATA, name))
                energy = run.begin["energy"]
                self.assertEqual(list(run.shape[:2]), ref["rows_cols"])
                self.assertEqual(run.shape[2], ref["channels"])
                self.assertAlmostEqual(energy["offset_eV"], 1e3 * ref["energy_offset_keV"], 9)
                self.assertAlmostEqual(energy["scale_eV"], 1e3 * ref["energy_scale_keV"], 9)
                self.assertEqual(run.begin["beam_keV"], ref["beam_keV"])
                self.assertEqual(len(run.bodies), ref["valid_frames"])
                self.assertEqual(sum(run.totals()), ref["valid_total"])
                if "frame_counts" in ref:
                    self.assertEqual(run.totals(), ref["frame_counts"][:ref["valid_frames"]])
                whole = hashlib.sha256(run.add(run.bodies).tobytes()).hexdigest()
                self.assertEqual(whole, ref["valid_sum_sha256"])

    def test_what_is_said(self):
        run, said = self.convert(os.path.join(DATA, "dummy15.pts"))
        self.assertEqual(len(said.splitlines()), 1, said)
        self.assertIn("sweep 2 was broken off in line 22: its 922 counts are left out", said)
        self.assertEqual(run.end["reason"], "stopped")
        run, said = self.convert(os.path.join(DATA, "fei_emd_si.emd"))
        self.assertIn("frame 4 of SuperXG2 ends after 250 of 256 pixels", said)
        run, said = self.convert(os.path.join(DATA, "fei_SI_SuperX-HAADF_10frames_10x50.emd"))
        self.assertIn("72 counts and 0 pixel markers behind the last frame", said)
        self.assertEqual(run.begin["elements"], ["Nb"])
        self.refused(os.path.join(DATA, "velox_v11_pruned_no_stream.emd"), "no spectrum stream")

    def test_images_as_hyperspy_reads_them(self):
        import hyperspy.api as hs
        for name in "dummy15.pts", "testpattern2.pts", "fei_emd_si.emd":
            run, _ = self.convert(os.path.join(DATA, name))
            kwargs = {"sum_frames": False, "SI_dtype": np.uint16}
            kwargs.update({"read_em_image": True} if name.endswith(".pts") else
                          {"load_SI_image_stack": True})
            for signal in hs.load(os.path.join(DATA, name), **kwargs):
                if signal.data.ndim == 3 and signal.metadata.Signal.signal_type != "EDS_TEM":
                    first = run.begin["images"][0]
                    ours = np.array([b["images"][first] for b in run.bodies])
                    np.testing.assert_array_equal(ours, signal.data)
                    break
            else:
                self.fail(f"{name}: HyperSpy finds no image")

    def test_clocks(self):
        """Ticks of all sweeps are the times of the head (JEOL)."""
        run, _ = self.convert(os.path.join(DATA, "view000_512x512_14f.pts"))
        self.assertAlmostEqual(sum(b["real_s"] for b in run.bodies), 366.9, delta=0.25)
        self.assertAlmostEqual(sum(b["live_s"] for b in run.bodies), 325.46, delta=0.25)
        self.assertAlmostEqual(run.end["t"] - run.begin["t"], 366.9, delta=0.25)

    def test_live(self):
        """Played to edxd, directly and from a converted recording: cube.hspy has the same counts as
        HyperSpy's own reading."""
        import hyperspy.api as hs
        for name in "dummy15.pts", "testpattern2.pts":
            path = os.path.join(DATA, name)
            own = hs.load(path, SI_dtype=np.uint16)
            run, _ = self.convert(path)
            for played in path, self.path("out.edxr"):
                with self.subTest(played):
                    live = hs.load(self.cube_of(played, run))
                    np.testing.assert_array_equal(live.data, own.data)
                    for ours, theirs, nm in zip(live.axes_manager._axes, own.axes_manager._axes,
                                                (1e3, 1e3, 1)):
                        self.assertAlmostEqual(ours.scale, theirs.scale * nm, 9)
                        self.assertAlmostEqual(ours.offset, theirs.offset * nm, 9)

    def test_live_reference(self):
        for name, ref in self.files():
            with self.subTest(name):
                run, _ = self.convert(os.path.join(DATA, name))
                digest, total = hashlib.sha256(), 0
                with h5py.File(self.cube_of(os.path.join(DATA, name), run), "r") as f:
                    experiment, = f["Experiments"].values()
                    for y in range(run.shape[0]):
                        row = experiment["data"][y].astype("<u4")
                        digest.update(row.tobytes())
                        total += int(row.sum())
                self.assertEqual(total, ref["valid_total"])
                self.assertEqual(digest.hexdigest(), ref["valid_sum_sha256"])

    def cube_of(self, played, run):
        """The path of the cube that a live edxd makes of it."""
        config = {"analysis__drift": "none", "analysis__bin_energy": 16, "quant__lines": "()"}
        d = Daemon("router", bind=True, dir=tempfile.mkdtemp(dir=self.dir), **config)
        with d:
            play("--pattern", "dealer", "--connect", "--speed", "max", "--endpoint",
                 d.endpoint["ingest"], played)
            acq = run.begin["acq"]
            d.wait(acq=acq, frames=len(run.bodies), lost=0, bad=0, timeout=LIMIT)
            self.assertEqual(d.terminate(LIMIT), 0)
            return os.path.join(d.runs, acq, "cube.hspy")


# ---- Velox files whose counts are known ----


class Velox(Folder):
    SHAPE = 3, 4, 5  # frames, rows, columns

    def setUp(self):
        super().setUp()
        self.rng = np.random.default_rng(seed())
        self.file = self.path("map.emd")

    def counts(self, n=1, shape=SHAPE):
        return [self.rng.poisson(0.05, (*shape, made.CHANNELS)) for _ in range(n)]

    def check(self, segments, said="", **options):
        made.velox(self.file, segments, rng=self.rng, **options)
        run, got = self.convert(self.file)
        np.testing.assert_array_equal(run.frames(), sum(segments))
        self.assertIn(said, got)
        if not said:
            self.assertEqual(got, "")
        return run

    def test_begin(self):
        run = self.check(self.counts(), names=["EDS"], elements=[26, 78])
        begin = run.begin
        self.assertEqual(begin["acq"], "map")
        self.assertEqual(begin["t"], 1500000000)
        self.assertEqual(begin["scan"]["frames"], 3)
        np.testing.assert_allclose(begin["scan"]["step_nm"], [3, 2])
        self.assertAlmostEqual(begin["scan"]["dwell_s"], 2e-3)
        self.assertEqual(begin["energy"], {"channels": 64, "offset_eV": -250.0, "scale_eV": 10.0})
        self.assertEqual(begin["beam_keV"], 300.0)
        self.assertAlmostEqual(begin["probe_nA"], 0.15)
        self.assertEqual(begin["elements"], ["Fe", "Pt"])
        detector = begin["detector"]
        self.assertEqual(detector["name"], "EDS")
        self.assertAlmostEqual(detector["elevation_deg"], 18)
        self.assertAlmostEqual(detector["azimuth_deg"], np.degrees(0.7))
        self.assertAlmostEqual(detector["solid_angle_sr"], 0.2)
        self.assertAlmostEqual(run.bodies[0]["real_s"], 2e-3 * 20)
        self.assertAlmostEqual(run.bodies[0]["live_s"], 0.9 * 2e-3 * 20)
        self.assertAlmostEqual(run.bodies[1]["t"] - run.bodies[0]["t"], 2e-3 * 20 * 1.5, 5)

    def test_endings(self):
        for version in 4, 6, 11, 13:
            for table in False, True:
                for told in False, True:
                    with self.subTest(version=version, table=table, told=told):
                        options = dict(version=version, table=table, told=told)
                        self.check(self.counts(), ending=1, **options)
                        self.check(self.counts(), ending=2, **options)
                        self.check(self.counts(), "3 counts and 0 pixel markers behind", ending=3,
                                   **options)

    def test_segments(self):
        names = ["SuperXG23", "SuperXG21", "SuperXG24", "SuperXG22"]
        for table in False, True:
            run = self.check(self.counts(4), names=names, version=6, table=table)
            self.assertEqual(run.begin["detector"]["name"], "SuperXG2")
            self.assertNotIn("solid_angle_sr", run.begin["detector"])
            self.assertAlmostEqual(run.bodies[0]["live_s"], 0.75 * 2e-3 * 20)
        run = self.check(self.counts(), names=["SuperXG2"], merged=names)
        self.assertAlmostEqual(run.bodies[0]["live_s"], 0.75 * 2e-3 * 20)
        self.assertNotIn("azimuth_deg", run.begin["detector"])

    def test_empty_pixels(self):
        for counts in np.zeros((1, *self.SHAPE, 64), int), self.counts(shape=(2, 1, 1))[0][None]:
            self.check([counts[0]])

    def test_short_last_frame(self):
        counts, = self.counts()
        counts[-1].reshape(20, -1)[-3:] = 0
        run = self.check([counts], "frame 2 of SuperXG2 ends after 18 of 20 pixels", drop_pixels=3)
        self.assertAlmostEqual(run.bodies[-1]["real_s"], 2e-3 * 18)
        self.assertEqual(run.end["reason"], "stopped")

    def test_images(self):
        shape = (4, 5, 3)
        data = [self.rng.integers(0, 65536, shape).astype("<u2") for _ in range(3)]
        run = self.check(self.counts(), images=["BF", "HAADF", "BF"], image_data=data, survey=True)
        self.assertEqual(run.begin["images"], ["HAADF", "BF", "BF-2"])
        for name, i in ("HAADF", 1), ("BF", 0), ("BF-2", 2):
            for f, body in enumerate(run.bodies):
                np.testing.assert_array_equal(body["images"][name], data[i][:, :, f])

    def test_size_from_the_image(self):
        self.check(self.counts(), area=False)
        made.velox(self.file, self.counts(), area=False, images=())
        self.refused(self.file, "map's size")

    def test_elements_of_new_versions(self):
        self.assertEqual(self.check(self.counts(), version=11, elements=[47, 79, 500, 92]).begin[
            "elements"], ["Ag", "Au", "U"])

    def test_spoilt_markers(self):
        """A marker that became a count, or a count that became a marker, spoils one frame; the table
        finds the next one's start."""
        for lost in True, False:
            counts, = self.counts()
            counts[1, 0, 0, 5] += 1

            def spoil(words, places):
                words = words.copy()
                marks = np.flatnonzero(words[:, 0] == made.MARK)
                if lost:
                    words[marks[24]] = 3
                else:
                    words[marks[19] + 1] = made.MARK
                return words, places

            made.velox(self.file, [counts], table=True, spoil=spoil, rng=self.rng)
            run, said = self.convert(self.file)
            self.assertIn("frame 1 of SuperXG2", said)
            np.testing.assert_array_equal(run.frames()[[0, 2]], counts[[0, 2]])

    def test_wrong_table(self):
        for wrong in lambda t: t[::-1], lambda t: t + 1, lambda t: t * 1000:
            counts = self.counts()
            self.check(counts, "frames are told by their pixels", table=True,
                       spoil=lambda w, t: (w, wrong(t).copy()))

    def test_impossible_channel(self):
        counts, = self.counts()

        def spoil(words, places):
            at = np.flatnonzero(words[:, 0] != made.MARK)[0]
            return np.insert(words, at, 64, axis=0), places

        self.check([counts], "frame 0 of SuperXG2: 1 counts above channel 63 are left out",
                   spoil=spoil)

    def test_fewer_frames_than_told(self):
        counts, = self.counts()
        made.velox(self.file, [counts], rng=self.rng)
        with h5py.File(self.file, "r+") as f:
            del f["Data/SpectrumImage/s"]
            made.put_json(f, "Data/SpectrumImage/s/SpectrumImageSettings", {"endFramePosition": "9"})
        run, said = self.convert(self.file)
        self.assertIn("the stream ends after 3 frames, expected 9", said)
        np.testing.assert_array_equal(run.frames(), counts)

    def test_refused(self):
        counts = self.counts(2)
        made.velox(self.file, counts[:1], raster=False)
        self.refused(self.file, "a single spectrum", "expected the stream of a map")
        made.velox(self.file, counts[:1])
        with h5py.File(self.file, "r+") as f:
            del f["Data/SpectrumStream/f0"]
        self.refused(self.file, "no spectrum stream", "pruned")
        with h5py.File(self.file, "r+") as f:
            del f["Data/SpectrumStream"]
        self.refused(self.file, "no spectrum stream", "pruned")
        with h5py.File(self.file, "r+") as f:
            del f["Version"]
        self.refused(self.file, "no Velox file")
        made.velox(self.file, counts, names=["SuperXG21", "SuperXG21"], merged=["SuperXG21"])
        self.refused(self.file, "two streams of detector SuperXG21")
        made.velox(self.file, [counts[0], counts[1][:, :2]], names=["A", "B"])
        self.refused(self.file, "2 x 5 and 4 x 5 pixels, expected one map")
        open(self.file, "wb").write(b"no HDF5 at all")
        self.refused(self.file, "file signature not found")

    def test_words_that_are_not_there(self):
        made.velox(self.file, self.counts())
        with h5py.File(self.file, "r+") as f:
            f["Data/SpectrumStream/f0/Data"].resize((10 ** 12, 1))
        self.refused(self.file, "1000000000000 words of which")

    def test_damaged(self):
        """Cut or spoilt files end in one of two ways, with lines that say so, and never in a crash."""
        made.velox(self.file, self.counts(2), names=["A", "B"], version=6, table=True, elements=[26])
        with open(self.file, "rb") as f:
            whole = f.read()
        for trial in range(150):
            data = bytearray(whole)
            if trial % 3 == 0:
                del data[self.rng.integers(len(data)):]
            for at in self.rng.integers(0, len(data), trial % 40) if data else ():
                data[at] = self.rng.integers(256)
            with open(self.file, "wb") as f:
                f.write(data)
            done = subprocess.run([program("edxplay"), "-q", "--convert", self.path("o.edxr"),
                                   self.file], capture_output=True, timeout=LIMIT)
            self.assertIn(done.returncode, (0, 1), (trial, done.stderr[-500:]))
            for line in done.stderr.splitlines():
                self.assertTrue(line.startswith(b"edxplay: " + self.file.encode()), line)
            self.assertTrue(done.returncode == 0 or done.stderr, trial)


# ---- a finished cube, measured again ----


class Dealt(Folder):
    def setUp(self):
        super().setUp()
        import hyperspy.api as hs
        self.cube = np.random.default_rng(seed()).poisson(3.0, (12, 14, 100)).astype("<u2")
        self.file = self.path("cube.hspy")
        self.save(hs.signals.Signal1D(self.cube))

    def save(self, signal):
        signal.set_signal_type("EDS_TEM")
        y, x, energy = signal.axes_manager._axes
        y.scale, x.scale, energy.scale, energy.offset = 1.5e-3, 2e-3, 0.1, -0.2
        y.units = x.units = "\u00b5m"
        energy.units = "keV"
        signal.set_elements(["Fe", "Pt"])
        signal.set_microscope_parameters(beam_energy=200, live_time=0.5, elevation_angle=20)
        signal.save(self.file, overwrite=True)

    def test_one_frame_is_the_cube(self):
        run, said = self.convert(self.file)
        self.assertEqual(said, "")
        np.testing.assert_array_equal(run.frames(), self.cube[None])
        begin = run.begin
        np.testing.assert_allclose(begin["scan"]["step_nm"], [1.5, 2])
        self.assertAlmostEqual(begin["scan"]["dwell_s"], 0.5)
        self.assertAlmostEqual(begin["energy"]["offset_eV"], -200)
        self.assertAlmostEqual(begin["energy"]["scale_eV"], 100)
        self.assertEqual((begin["beam_keV"], begin["elements"]), (200, ["Fe", "Pt"]))
        self.assertEqual(begin["detector"]["elevation_deg"], 20)

    def test_dealing_is_fair(self):
        """The frames add up to the cube, and of Poisson counts each has Poisson counts, independent
        of the others'."""
        n = 20
        run, _ = self.convert(self.file, "--frames", n, "--seed", 5)
        frames = run.frames()
        self.assertEqual(run.begin["scan"]["frames"], n)
        self.assertAlmostEqual(run.begin["scan"]["dwell_s"], 0.5 / n)
        np.testing.assert_array_equal(frames.sum(0), self.cube)
        voxels, total = self.cube.size, self.cube.sum()
        chi2 = ((frames.sum((1, 2, 3)) - total / n) ** 2).sum() / (total / n)
        self.assertLess(abs(chi2 - (n - 1)), 6 * np.sqrt(2 * (n - 1)))
        mean = 3.0 / n
        for frame in frames:  # variance over mean of Poisson counts, and its standard error
            ratio = frame.var() / frame.mean()
            self.assertLess(abs(ratio - 1), 6 * np.sqrt((2 + 1 / mean) / voxels))
        for a, b in (0, 1), (3, 17), (18, 19):
            r = np.corrcoef(frames[a].ravel(), frames[b].ravel())[0, 1]
            self.assertLess(abs(r), 6 / np.sqrt(voxels))

    def test_seeds(self):
        a, b, c = (self.convert(self.file, "--frames", 4, "--seed", s)[0].frames() for s in (1, 1, 2))
        np.testing.assert_array_equal(a, b)
        self.assertTrue((a != c).any())

    def test_refused(self):
        import hyperspy.api as hs
        self.save(hs.signals.Signal1D(self.cube + 0.5))
        self.refused(self.file, "pixel 0, channel 0", "expected a number of counts")
        hs.signals.Signal1D(self.cube[0]).save(self.file, overwrite=True)
        self.refused(self.file, "no signal of three axes")
        for args in (["--frames", "0"], ["--frames", "2000000"], ["--seed", "x"]):
            play(*args, self.file, code=2)
        self.assertIn("expected an .hspy", play("--frames", "3", "x.pts", code=2))


# ---- files that are still being written ----


class Growing(Folder):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(seed())
        self.counts = rng.poisson(0.002, (3, 8, 8, 4096))
        self.images = rng.integers(1, 4096, (3, 8, 8))
        self.socket = zmq.Context.instance().socket(zmq.PULL)
        self.addCleanup(self.socket.close, 0)
        self.endpoint = f"ipc://{self.dir}/s"
        self.socket.bind(self.endpoint)

    def follow(self, path, option):
        process = subprocess.Popen([program("edxplay"), option, "--pattern", "push", "--connect",
                                    "--speed", "max", "--endpoint", self.endpoint, path],
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stderr.close)
        return process

    def receive(self, seconds=20):
        self.assertTrue(self.socket.poll(seconds * 1000), "nothing came")
        topic, body = self.socket.recv_multipart()
        return topic.decode(), unpack(body)

    def expect_frame(self, n):
        topic, body = self.receive()
        self.assertEqual((topic, body["frame"]), ("edx.frame", n))
        pixel, channel = voxels(body)
        got = np.zeros((64, 4096), int)
        np.add.at(got, (pixel, channel), 1)
        np.testing.assert_array_equal(got.reshape(8, 8, 4096), self.counts[n])
        if "images" in body:
            np.testing.assert_array_equal(body["images"]["STEM"], self.images[n])

    def test_jeol(self):
        path = self.path("a.pts")
        sweeps = [made.jeol_sweep(c, i) for c, i in zip(self.counts, self.images)]
        with open(path, "wb", buffering=0) as f:
            f.write(made.jeol_head(8, 8))
            process = self.follow(path, "--follow")
            f.write(sweeps[0])
            self.assertFalse(self.socket.poll(700), "a sweep before its end")
            f.write(sweeps[1][:101])
            self.assertEqual(self.receive()[0], "edx.begin")
            self.expect_frame(0)
            f.write(sweeps[1][101:] + sweeps[2])
            self.expect_frame(1)
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            self.expect_frame(2)
            topic, body = self.receive()
            self.assertEqual((topic, body["frames"], body["messages"]), ("edx.end", 3, 3))
            self.assertEqual(process.wait(20), 0)

    def test_jeol_until_nothing_comes(self):
        path = self.path("a.pts")
        with open(path, "wb") as f:
            f.write(made.jeol_head(8, 8) + b"".join(map(made.jeol_sweep, self.counts)))
        process = self.follow(path, "--follow=0.6")
        self.assertEqual(self.receive()[0], "edx.begin")
        for n in range(3):
            self.expect_frame(n)
        self.assertEqual(self.receive()[1]["reason"], "complete")
        self.assertEqual(process.wait(20), 0)

    def test_recording(self):
        """A record that is half written is not torn yet; edx.end is the end."""
        source, path = self.path("a.pts"), self.path("b.edxr")
        with open(source, "wb") as f:
            f.write(made.jeol_head(8, 8) + b"".join(map(made.jeol_sweep, self.counts)))
        play("--convert", self.path("whole.edxr"), source)
        with open(self.path("whole.edxr"), "rb") as f:
            data = f.read()
        with open(path, "wb", buffering=0) as f:
            f.write(data[:8])
            process = self.follow(path, "--follow")
            for at in range(8, len(data), len(data) // 9 + 1):
                f.write(data[at:at + len(data) // 9 + 1])
                time.sleep(0.25)
        self.assertEqual(self.receive()[0], "edx.begin")
        for n in range(3):
            self.expect_frame(n)
        self.assertEqual(self.receive()[0], "edx.end")
        self.assertEqual(process.wait(20), 0)
        self.assertNotIn("torn", process.stderr.read())

    def test_usage(self):
        for args in (["--follow", "x.emd"], ["--follow", "x.hspy"], ["--follow", "a.pts", "b.pts"],
                     ["--follow", "--loop", "2", "a.pts"], ["--follow=x", "a.pts"],
                     ["--follow", "--convert", "o", "a.pts"]):
            said = play(*args, code=2)
            self.assertEqual(said.count("\n"), 1, said)
            self.assertTrue(said.startswith("edxplay: --follow: "), said)


class Jeol(Folder):
    def test_truncated(self):
        counts = np.random.default_rng(1).poisson(0.002, (2, 8, 8, 4096))
        path = self.path("a.pts")
        data = made.jeol_head(8, 8) + b"".join(map(made.jeol_sweep, counts))
        for size in 0, 3, 303, 500, 4095, 4096:
            with open(path, "wb") as f:
                f.write(data[:size])
            self.refused(path, "expected")
        with open(path, "wb") as f:
            f.write(data[:4096 + (len(data) - 4096) // 3])
        said = play("--convert", self.path("out.edxr"), path, code=1)
        self.assertIn("sweep 1 was broken off in line ", said.splitlines()[0])
        self.assertIn("no whole frame in it, expected one at least", said.splitlines()[1])
        with open(path, "wb") as f:
            f.write(data[:4096 + (len(data) - 4096) * 2 // 3])
        run, said = self.convert(path)
        self.assertIn("sweep 2 was broken off in line ", said)
        np.testing.assert_array_equal(run.frames(), counts[:1])

    def test_all_channels(self):
        """Nothing is cut off below the zero of energy or above NumCH."""
        counts = np.ones((1, 1, 2, 4096), int)
        path = self.path("x y.pts")
        with open(path, "wb") as f:
            f.write(made.jeol_head(2, 2) + made.jeol_sweep(np.repeat(counts[0], 2, axis=0)))
        run, said = self.convert(path)
        self.assertEqual((said, run.begin["acq"]), ("", "x_y"))
        self.assertAlmostEqual(run.begin["energy"]["offset_eV"], -960)
        np.testing.assert_array_equal(run.frames(), np.ones((1, 2, 2, 4096)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
