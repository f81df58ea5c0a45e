"""What a notebook makes of a run's folder: HyperSpy opens every file of it, and its own decomposition and
quantification of the cube agree with the daemon's results. The cube, measured once more, is the same."""

import os
import subprocess
import sys
import tempfile
import unittest
import warnings

import h5py
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "daemon"))
from harness import Daemon, array, program, recorded  # noqa: E402

warnings.simplefilter("ignore")
import hyperspy.api as hs  # noqa: E402

CLOSE = 1e-3  # of a quantity, relative
BINS = 2, 4  # pixels, channels
K = {"Ag_La": 1.44, "Au_Ma": 1.0}
# as wide and as far on either side: there the mean of both, HyperSpy's background, is the straight line, ours
WINDOWS = {"Ag_La": ((2870, 3070), (2610, 2710), (3230, 3330)),
           "Au_Ma": ((2030, 2290), (1790, 1890), (2430, 2530))}
LINES = ", ".join(f'{{line="{n}"; k={K[n]}; window_eV={w[0]}; background_eV=({w[1]}, {w[2]});}}'
                  for n, w in reversed(WINDOWS.items()))  # HyperSpy's own order is another
PROFILE = "{from_nm=(8.0, 3.0); to_nm=(8.0, 13.0); width_nm=1.5;}"
# title of a signal: (name in results.h5, names of its axes)
SIGNALS = {
    **{n: (f"spectrum/{n}", "Energy") for n in ("sum", "fit", "background")},
    **{n: (f"spectrum/{n}", "y x") for n in ("total", "image")},
    **{n: (f"maps/{n}", "line y x") for n in (
        "intensity", "sigma", "atomic_fraction", "fraction_sigma", "denoised_fraction", "denoised_sigma")},
    "exposure": ("maps/exposure", "y x"),
    **{f"{n} maps": (f"{n}/maps", "component y x") for n in ("pca", "nmf")},
    **{f"{n} spectra": (f"{n}/spectra", "component Energy") for n in ("pca", "nmf")},
    **{f"profile {n}": (f"profile/{n}", "line d") for n in ("counts", "fraction", "sigma")},
}
RADIAL = ["counts", "counts_sigma", "fraction", "sigma"] + [
    n + s for n in ("model", "denoised", "pca", "nmf") for s in ("", "_sigma")]


def run(name, *args):
    subprocess.run([program(name), *map(str, args)], check=True, timeout=60, capture_output=True)


def by_title(path, **how):
    return {s.metadata.General.title: s for s in hs.load(path, **how)}


class Notebook(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """A live run, and a region of it asked for while it is up."""
        tmp = tempfile.TemporaryDirectory(prefix="edx-hyperspy-")
        cls.addClassCleanup(tmp.cleanup)
        cls.dir = tmp.name
        recording = os.path.join(cls.dir, "sim.edxr")
        run("edxsim", "-q", "--size", 32, "--dose", 8, "--frames", 10, "--seed", 5, "-o", recording)
        begin, = recorded(recording, "edx.begin")
        cls.begin = begin
        d = Daemon("router", dir=cls.dir, analysis__bin_pixels=BINS[0], analysis__bin_energy=BINS[1],
                   analysis__profile=PROFILE, quant__lines=f"({LINES})", quant__background='"windows"', quant__limit=3)
        cls.addClassCleanup(d.close)
        run("edxplay", "-q", "--pattern", "dealer", "--connect", "--speed", "max", "--endpoint",
            d.endpoint["ingest"], recording)
        d.wait(state="finished", frames=10)
        y, x = np.mgrid[:32, :32] - 15.5
        cls.mask = np.hypot(y, x) < 6
        cls.region = d.request(cmd="region", mask=array(cls.mask.astype("|u1")))
        assert d.terminate() == 0, d.log()
        cls.folder = os.path.join(d.runs, begin["acq"])
        with h5py.File(os.path.join(cls.folder, "results.h5")) as f:
            names = []
            f.visit(names.append)
            cls.results = {n: f[n][()] for n in names if isinstance(f[n], h5py.Dataset)}

    def path(self, name):
        return os.path.join(self.folder, name)

    # ---- maps.hspy ----

    def check_signals(self, signals):
        for title, (name, axes) in SIGNALS.items():
            with self.subTest(signal=title):
                s = signals[title]
                np.testing.assert_array_equal(np.asarray(s.data), self.results[name])
                self.assertEqual([a.name for a in s.axes_manager._axes], axes.split())
                self.assertEqual(s.axes_manager.signal_dimension, len(set(axes.split()) - {"line", "component"}))
                if "line" in axes:
                    self.assertEqual(s.metadata.Sample.xray_lines, ["Au_Ma", "Ag_La"])
                    self.assertEqual(s.metadata.Sample.elements, ["Au", "Ag"])

    def test_maps_and_profiles(self):
        signals = by_title(self.path("maps.hspy"))
        self.check_signals(signals)
        self.assertEqual(set(signals), {*SIGNALS, *(f"radial {n}" for n in RADIAL)})
        self.assertIsInstance(signals["intensity"], hs.signals.Signal2D)
        self.assertIsInstance(signals["profile fraction"], hs.signals.Signal1D)
        self.assertEqual(signals["total"].original_metadata.edxd.acq, self.begin["acq"])

    def test_lazy(self):
        signals = by_title(self.path("maps.hspy"), lazy=True)
        self.assertTrue(all(s._lazy for s in signals.values()))
        self.check_signals(signals)

    def test_axes(self):
        signals = by_title(self.path("maps.hspy"))

        def axis(title, name):
            found = signals[title].axes_manager[name]
            return found.offset, found.scale, found.units

        step = self.begin["scan"]["step_nm"][0]
        for name in "yx":
            np.testing.assert_allclose(axis("intensity", name)[:2], (step / 2, 2 * step))
            self.assertEqual(axis("total", name), axis("intensity", name))
        scale = self.begin["energy"]["scale_eV"] / 1e3
        np.testing.assert_allclose(axis("pca spectra", "Energy")[:2], (1.5 * scale, 4 * scale), rtol=1e-12)
        self.assertTrue(signals["sum"].axes_manager["Energy"].is_binned)
        np.testing.assert_allclose(signals["profile fraction"].axes_manager["d"].axis, self.results["profile/d_nm"])
        self.assertEqual([axis(*a)[2] for a in (("total", "y"), ("sum", "Energy"), ("profile counts", "d"))],
                         ["nm", "keV", "nm"])

    def test_rings_of_every_particle(self):
        """One has more rings than another."""
        signals = by_title(self.path("maps.hspy"))
        n = 0
        while f"particles/{n}/id" in self.results:
            n += 1
        self.assertGreater(n, 0)
        for name in RADIAL:
            s = signals["radial " + name]
            self.assertEqual(s.data.shape[:2], (n, 2))
            for p in range(n):
                truth = self.results[f"particles/{p}/radial/{name}"]
                m = truth.shape[1]
                np.testing.assert_array_equal(s.data[p, :, :m], truth)
                self.assertTrue(np.isnan(s.data[p, :, m:]).all())
                np.testing.assert_allclose(s.axes_manager["r"].axis[:m], self.results[f"particles/{p}/radial/r_nm"])

    # ---- cube.hspy, and what HyperSpy makes of it ----

    def cube(self):
        return hs.load(self.path("cube.hspy"))

    def net(self, signal):
        about = signal.original_metadata.edxd
        return signal.get_lines_intensity(integration_windows=about.window_keV.tolist(),
                                          background_windows=about.background_keV.tolist())

    def test_metadata(self):
        s = self.cube()
        about = s.original_metadata.edxd
        self.assertEqual(s.metadata.Sample.xray_lines, ["Ag_La", "Au_Ma"])
        weights = [hs.material.elements[e].General_properties.atomic_weight for e in ("Ag", "Au")]
        np.testing.assert_allclose(about.kfactors, np.array([1.44, 1]) * weights, rtol=2e-4)
        self.assertEqual(about.dwell_s, self.begin["scan"]["dwell_s"])
        self.assertFalse(s.metadata.has_item("General.date"))  # played again, it is the same file

    def test_decomposition(self):
        s = self.cube().rebin(scale=(BINS[0], BINS[0], BINS[1]))
        s.change_dtype("float64")
        s.decomposition(True, algorithm="SVD", svd_solver="full", print_info=False)
        explained = self.results["pca/explained"]
        self.assertGreaterEqual(explained.size, 2)
        np.testing.assert_allclose(explained, s.get_explained_variance_ratio().data[:explained.size], rtol=1e-4)
        eigenvalues = s.learning_results.explained_variance
        ours = self.results["pca/eigenvalues"]
        np.testing.assert_allclose(ours[:10], eigenvalues[:10] / eigenvalues[0], rtol=1e-4)

    def test_quantification_of_maps(self):
        s = self.cube().rebin(scale=(BINS[0], BINS[0], 1))
        net = self.net(s)
        order = [list(reversed(WINDOWS)).index(n.metadata.Sample.xray_lines[0]) for n in net]
        for n, ours in zip(net, self.results["maps/intensity"][order]):
            np.testing.assert_allclose(ours, n.data, rtol=1e-6, atol=1e-4)
        found = s.quantification(net, "CL", s.original_metadata.edxd.kfactors.tolist(), navigation_mask=None)
        for f, ours in zip(found, self.results["maps/atomic_fraction"][order]):
            known = np.isfinite(ours)
            self.assertGreater(known.sum(), 20)
            np.testing.assert_allclose(ours[known], f.data[known] / 100, rtol=CLOSE)

    def test_quantification_of_a_region(self):
        s = self.cube()
        about = s.original_metadata
        spectrum = s.inav[0, 0]
        spectrum.data = s.data[self.mask].sum(0, dtype="u8")
        net = spectrum.get_lines_intensity(integration_windows=about.edxd.window_keV.tolist(),
                                           background_windows=about.edxd.background_keV.tolist())
        found = spectrum.quantification(net, "CL", about.edxd.kfactors.tolist())
        for n, f in zip(net, found):
            i = list(self.region["elements"]).index(f.metadata.Sample.elements[0])
            np.testing.assert_allclose(self.region["counts"][i], n.data.item(), rtol=1e-9)
            np.testing.assert_allclose(self.region["fraction"][i], f.data.item() / 100, rtol=CLOSE)

    # ---- the cube, measured once more ----

    def test_round_trip(self):
        again = os.path.join(self.dir, "again.edxr")
        run("edxplay", "-q", "--convert", again, "--frames", 7, "--seed", 3, self.path("cube.hspy"))
        begin, = recorded(again, "edx.begin")
        for key in ("channels", "offset_eV", "scale_eV"):
            self.assertAlmostEqual(begin["energy"][key], self.begin["energy"][key], delta=1e-9)
        for key in ("solid_angle_sr", "elevation_deg", "azimuth_deg", "resolution_eV"):
            self.assertEqual(begin["detector"][key], self.begin["detector"][key])
        self.assertEqual((begin["beam_keV"], begin["probe_nA"], sorted(begin["elements"])),
                         (self.begin["beam_keV"], self.begin["probe_nA"], ["Ag", "Au"]))
        self.assertEqual(begin["scan"]["step_nm"], self.begin["scan"]["step_nm"])
        run("edxd", "--offline", again, "-o", os.path.join(self.dir, "out"), "-s", "analysis.drift=\"none\"")
        s = hs.load(os.path.join(self.dir, "out", begin["acq"], "cube.hspy"))
        np.testing.assert_array_equal(s.data, self.cube().data)
        self.assertEqual(s.metadata.General.title, self.cube().metadata.General.title)

    def test_maps_are_no_cube(self):
        done = subprocess.run([program("edxplay"), "-q", "--convert", os.path.join(self.dir, "no.edxr"),
                               self.path("maps.hspy")], capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
