"""edxctl export: every number of the tables is that of results.h5, of a folder and of a running daemon,
and the ensemble's means are what numpy makes of the same folders."""
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest

import h5py
import numpy as np

from figures_runs import BUILD, LINES, NAMES, PROFILE, make, particles, run, run_folders, table

# What every name of a column ends with says what its unit is; the others are numbers without one, or words.
COLUMN = re.compile(r".*_(nm|eV|kg_m2|counts|counts_sigma|frames|atomic_fraction|fraction|sigma|trust|element)"
                    r"|.*eigenvalue|component(_\d+)?|id|touches_edge|quantified|kept|counts|image|atoms|frames"
                    r"|explained|heldout_error|delta|z")
TRUST = {(True, False): "ok", (True, True): "ok", (False, False): "biased", (False, True): "unchecked"}


def same(test, text, stored, what):
    """What was written reads back to what is stored, bit by bit, NaN where NaN is."""
    stored = np.asarray(stored)
    test.assertEqual(len(text), stored.size, what)
    np.testing.assert_array_equal(text.astype(stored.dtype), stored.ravel(), what)


class Tables(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="edx")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.runs = make(cls.folder)
        cls.one = run_folders(cls.runs)[0]
        cls.out = os.path.join(cls.folder, "csv")
        run("edxctl", "export", cls.one, "-o", cls.out)
        cls.file = h5py.File(os.path.join(cls.one, "results.h5"))
        cls.addClassCleanup(cls.file.close)

    def check(self, f, out):
        self.check_spectrum(f, out)
        self.check_maps(f, out)
        self.check_particles(f, out)
        self.check_radial(f, out)
        self.check_lines(f, out)
        self.check_components(f, out)

    def check_spectrum(self, f, out):
        notes, t = table(out, "spectrum.csv")
        self.assertIn("60 frames", notes[0])
        s = f["spectrum"]
        same(self, t["counts"], s["sum"], "sum")
        fitted = s["fit"][:] > 0  # published as 0 elsewhere
        self.assertTrue(fitted.any() and not fitted.all())
        same(self, t["fit_counts"], np.where(fitted, s["fit"], np.nan), "fit")
        same(self, t["background_counts"], np.where(fitted, s["background"], np.nan), "background")
        np.testing.assert_allclose(t["energy_eV"], s["energy/offset_eV"][()] + s["energy/scale_eV"][()]
                                   * np.arange(len(s["sum"])), rtol=1e-14)

    def check_maps(self, f, out):
        maps = f["maps"]
        rows, cols = maps["exposure"].shape
        step, bin_pixels = maps["step_nm"][:], f["config/analysis/bin_pixels"][()]
        y, x = np.mgrid[:rows, :cols]
        for i, line in enumerate(maps["lines"].asstr()[:]):
            notes, t = table(out, f"maps_{line}.csv")
            for column, name in (("net_counts", "intensity"), ("net_counts_sigma", "sigma"),
                                 ("atomic_fraction", "atomic_fraction"), ("fraction_sigma", "fraction_sigma"),
                                 ("denoised_fraction", "denoised_fraction"),
                                 ("denoised_sigma", "denoised_sigma")):
                same(self, t[column], maps[name][i], name)
            self.assertTrue(np.isnan(t["atomic_fraction"]).any() and np.isfinite(t["atomic_fraction"]).any())
            np.testing.assert_array_equal(t["quantified"] == 1, np.isfinite(t["atomic_fraction"]))
            # a pixel's middle, from that of scan pixel (0, 0)
            np.testing.assert_allclose(t["y_nm"], ((y + 0.5) * step[0] - 0.5 * step[0] / bin_pixels).ravel())
            np.testing.assert_allclose(t["x_nm"], ((x + 0.5) * step[1] - 0.5 * step[1] / bin_pixels).ravel())
        _, t = table(out, "image.csv")
        same(self, t["image"], f["spectrum/image"], "image")
        same(self, t["total_counts"], f["spectrum/total"], "total")

    def trust(self, p, name):
        check = p[f"radial/{name}_check"]
        return TRUST[bool(check["passed"][()]), check["dof"][()] == 0]

    def check_particles(self, f, out):
        _, t = table(out, "particles.csv")
        all_particles = f["particles"]
        for j, number in enumerate(t["id"]):
            p = all_particles[str(j)]
            self.assertEqual(number, p["id"][()])
            self.assertEqual([t["centre_y_nm"][j], t["centre_x_nm"][j]], list(p["centre_nm"]))
            self.assertEqual(t["diameter_nm"][j], p["diameter_nm"][()])
            self.assertEqual(t["touches_edge"][j], p["touches_edge"][()])
            for el in p["composition"]:
                fraction, sigma = p[f"composition/{el}"][:]
                self.assertEqual((t[f"{el}_atomic_fraction"][j], t[f"{el}_sigma"][j]), (fraction, sigma))
                self.assertAlmostEqual(t[f"{el}_systematic_sigma"][j],
                                       fraction * all_particles[f"systematic/{el}"][()], 14)
            self.assertEqual(t["delta"][j], p["segregation/delta"][()])
            self.assertEqual(t["z"][j], p["segregation/z"][()])
            self.assertEqual([t["shell_fraction"][j], t["shell_sigma"][j]], list(p["segregation/shell"]))
            for name in ("denoised", "pca", "nmf"):
                self.assertEqual(t[f"{name}_trust"][j], self.trust(p, name))

    def check_radial(self, f, out):
        elements = f["maps/elements"].asstr()[:]
        p, j = f["particles/0"], 0
        notes, t = table(out, f"radial_{p['id'][()]}.csv")
        same(self, t["r_nm"], p["radial/r_nm"], "r_nm")
        np.testing.assert_array_equal(t["quantified"] == 1, p["radial/quantified"][:])
        for j, el in enumerate(elements):
            same(self, t[f"{el}_net_counts"], p["radial/counts"][j], "counts")
            for e, name in NAMES.items():
                same(self, t[f"{el}_{e}_atomic_fraction"], p["radial"][name][j], name)
                sigma = "sigma" if e == "raw" else f"{name}_sigma"
                same(self, t[f"{el}_{e}_sigma"], p["radial"][sigma][j], sigma)
        for name in ("denoised", "pca", "nmf"):
            trust = self.trust(p, name)
            self.assertEqual(set(t[f"{name}_trust"]), {trust})
            self.assertTrue(any(n.startswith(f"{name}: ") and ("biased" in n) == (trust == "biased")
                                for n in notes), notes)
        self.assertTrue(any("shell − core" in n for n in notes), notes)

    def check_lines(self, f, out):
        elements = f["maps/elements"].asstr()[:]
        _, t = table(out, "profile.csv")
        same(self, t["d_nm"], f["profile/d_nm"], "d_nm")
        _, trend = table(out, "trend.csv")
        for j, el in enumerate(elements):
            same(self, t[f"{el}_atomic_fraction"], f["profile/fraction"][j], "profile")
            same(self, t[f"{el}_net_counts"], f["profile/counts"][j], "profile counts")
            same(self, trend[f"{el}_atomic_fraction"], f["trend/composition"][j], "trend")
            same(self, trend[f"{el}_sigma"], f["trend/sigma"][j], "trend sigma")
        same(self, trend["drift_x_nm"], f["trend/drift_nm"][:, 1], "drift")
        np.testing.assert_array_equal(trend["frames"], np.arange(1, 61))

    def check_components(self, f, out):
        notes, t = table(out, "scree.csv")
        same(self, t["eigenvalue"], f["pca/eigenvalues"], "eigenvalues")
        same(self, t["noise_free_eigenvalue"], f["pca/eigenvalues_noise_free"], "noise free")
        self.assertEqual(t["kept"].sum(), f["pca/rank"][()])
        self.assertTrue(any("noise edge" in n for n in notes))
        notes, t = table(out, "nmf.csv")
        _, maps = table(out, "nmf_maps.csv")
        flags = f["nmf/particle"][:]
        self.assertTrue(flags.any())
        for k, flag in enumerate(flags):
            same(self, t[f"component_{k + 1}"], f["nmf/spectra"][k], "nmf spectrum")
            same(self, maps[f"component_{k + 1}"], f["nmf/maps"][k], "nmf map")
            self.assertTrue(any(n.startswith(f"component {k + 1}: " + ("particle" if flag else "not"))
                                for n in notes), notes)

    def test_folder(self):
        self.check(self.file, self.out)

    def test_every_header_names_units(self):
        for name in os.listdir(self.out):
            notes, t = table(self.out, name)
            self.assertTrue(notes[0].startswith("agau-8nm-s1, newest frame 59, "), (name, notes))
            self.assertEqual([c for c in t if not COLUMN.fullmatch(c)], [], name)
        self.assertFalse([n for n in os.listdir(self.out) if n.endswith(".partial")])

    def test_daemon(self):
        """A daemon that has finished exports what it has stored."""
        ends = [f"ipc://{self.folder}/{n}" for n in ("in", "out", "control")]
        live = os.path.join(self.folder, "live")
        daemon = subprocess.Popen([os.path.join(BUILD, "edxd"), "-s", LINES, "-s", PROFILE, "-s",
                                   f"output.dir={live}", "-s", f"ingest.endpoint={ends[0]}", "-s",
                                   f"publish.endpoint={ends[1]}", "-s", f"control.endpoint={ends[2]}"],
                                  stderr=subprocess.DEVNULL)
        try:
            run("edxsim", "-q", "--endpoint", ends[0], "--speed", "max", "--frames", 60)
            ctl = ["--endpoint", ends[2], "--timeout", "290"]
            out = os.path.join(self.folder, "live-csv")
            end, status = time.monotonic() + 290, ""
            while '"finished"' not in status:
                self.assertLess(time.monotonic(), end, status)
                time.sleep(0.1)
                status = subprocess.run([os.path.join(BUILD, "edxctl"), *ctl, "status"], text=True,
                                        capture_output=True, timeout=300).stdout
            run("edxctl", *ctl, "save")  # answers when the files are there
            run("edxctl", *ctl, "export", "-o", out)
            run("edxctl", *ctl, "report", "-o", out)
            with h5py.File(os.path.join(live, "agau-8nm-s1", "results.h5")) as f:
                self.check(f, out)
            self.assertGreater(os.path.getsize(os.path.join(out, "report.pdf")), 10000)
        finally:
            daemon.terminate()
            try:
                daemon.wait(60)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    # ---- many runs ----

    def members(self):
        return [p for folder in run_folders(self.runs)
                for p in particles(os.path.join(folder, "results.h5")) if not p["edge"]]

    @staticmethod
    def mean(members, estimator, element, lo, hi, depth):
        """numpy's weighted mean over all points of a bin: value, sigma, chi2, how many."""
        values, sigmas = [], []
        for p in members:
            if not p["passed"][estimator]:
                continue
            at = p["diameter"] / 2 - p["r"] if depth else p["r"]
            v, s = p["value"][estimator][element], p["sigma"][estimator][element]
            good = (at >= lo) & (at < hi) & np.isfinite(v) & np.isfinite(s)
            if estimator == "raw":
                good &= p["quantified"]
            values += list(v[good])
            sigmas += list(s[good])
        values, weights = np.array(values), 1 / np.array(sigmas) ** 2
        if not len(values):
            return np.nan, np.nan, np.nan, 0
        mean = np.average(values, weights=weights)
        return mean, weights.sum() ** -0.5, (weights * (values - mean) ** 2).sum(), len(values)

    def test_ensemble(self):
        out = os.path.join(self.folder, "ensemble")
        run("edxctl", "export", self.runs, "-o", out)
        _, t = table(out, "ensemble.csv")
        members, compared = self.members(), 0
        self.assertGreaterEqual(len(members), 5)
        with h5py.File(os.path.join(self.runs, "ensemble.h5")) as f:
            self.assertEqual(list(f["elements"].asstr()), ["Ag", "Au"])
            self.assertEqual(f["groups/particles"][-1], len(members))
        rows = {}
        for i in range(len(t["group"])):
            key = (t["group"][i], t["from_nm"][i], t["axis"][i], round(t["at_nm"][i], 6), t["element"][i],
                   t["profile"][i])
            rows[key] = [t[c][i] for c in ("atomic_fraction", "sigma", "chi2", "particles")]
        starts = sorted({np.floor(p["diameter"] + 0.5) - 0.5 for p in members})
        self.assertGreaterEqual(len(starts), 3)
        for start in [None, *starts]:
            some = [p for p in members if start is None or start <= p["diameter"] < start + 1]
            for axis in ("radius", "depth"):
                for step in range(-10, 40):
                    for e in NAMES:
                        for i, el in enumerate(("Ag", "Au")):
                            compared += self.compare(rows, start, starts, axis, step, e, i, el, some)
        self.assertEqual(compared, len(rows))
        self.assertGreater(compared, 200)

    def compare(self, rows, start, starts, axis, step, e, i, el, some):
        lo, hi = step * 0.5, step * 0.5 + 0.5
        want = self.mean(some, e, i, lo - 1e-9, hi - 1e-9, axis == "depth")
        key = ("all" if start is None else "diameter", starts[0] if start is None else start, axis,
               round(lo + 0.25, 6), el, e)
        if not want[3]:
            self.assertNotIn(key, rows)
            return 0
        np.testing.assert_allclose(rows[key], want, rtol=1e-9, atol=1e-9, err_msg=str(key))
        return 1

    def test_ensemble_members(self):
        out = os.path.join(self.folder, "ensemble-members")
        run("edxctl", "export", self.runs, "-o", out)
        notes, t = table(out, "ensemble_particles.csv")
        members = self.members()
        np.testing.assert_array_equal(t["diameter_nm"], [p["diameter"] for p in members])
        np.testing.assert_array_equal(t["Ag_sigma"], [p["composition"][0, 1] for p in members])
        c = np.array([p["composition"][0] for p in members])
        mean = np.average(c[:, 0], weights=c[:, 1] ** -2)
        with h5py.File(os.path.join(self.runs, "ensemble.h5")) as f:
            self.assertAlmostEqual(f["composition"][0], mean, 12)
            self.assertAlmostEqual(f["composition_sigma"][0], (c[:, 1] ** -2).sum() ** -0.5, 12)
            self.assertGreater(f["systematic"][0], 0)

    def test_one_recording_leaves_no_ensemble(self):
        out = os.path.join(self.folder, "single")
        run("edxd", "--offline", os.path.join(self.folder, "agau-8nm-1.edxr"), "-o", out, "-s", LINES)
        self.assertEqual(os.listdir(out), ["agau-8nm-s1"])

    # ---- what goes wrong ----

    def test_errors(self):
        empty = os.path.join(self.folder, "empty")
        os.mkdir(empty)
        self.assertRegex(run("edxctl", "export", empty, code=1), r"^edxctl: export: .*results\.h5: cannot be read")
        with open(os.path.join(empty, "results.h5"), "w") as f:
            f.write("no HDF5")
        self.assertRegex(run("edxctl", "report", empty, code=1), r"^edxctl: report: .*cannot be read")
        self.assertIn("one folder", run("edxctl", "export", self.one, self.one, code=2))
        self.assertIn("-o goes with", run("edxctl", "save", "-o", empty, code=2))
        self.assertIn("export: ", run("edxctl", "export", self.one, "-o", os.path.join(empty, "a", "b"), code=1))
        self.assertIn("no answer", run("edxctl", "--endpoint", f"ipc://{self.folder}/nobody", "--timeout",
                                       "0.5", "export", "-o", empty, code=1))


if __name__ == "__main__":
    unittest.main()
