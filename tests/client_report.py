"""edxctl report: PDF and PNG are there, whole, of the right size, not blank, and say what was found."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import h5py
import numpy as np
from PIL import Image

from figures_runs import make, run, run_folders

A4 = (595.276, 841.89)


def png(path):
    """Colours [rows, cols, 3]."""
    with Image.open(path) as image:
        image.load()
        return np.asarray(image.convert("RGB"))


def pdf_pages(path):
    with open(path, "rb") as f:
        data = f.read()
    assert data.startswith(b"%PDF-") and data.rstrip().endswith(b"%%EOF"), path
    return data, len(re.findall(rb"/Type\s*/Page\b", data))


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="edx")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.runs = make(cls.folder)
        cls.one, _, cls.two, _ = run_folders(cls.runs)
        for folder in (cls.one, cls.two, cls.runs):
            run("edxctl", "report", folder)

    def text(self, path):
        if not shutil.which("pdftotext"):
            self.skipTest("no pdftotext")
        return subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, text=True,
                              check=True, timeout=60).stdout

    def check_png(self, path):
        image = png(path)
        self.assertEqual(image.shape, (2339, 1654, 3))
        ink = (image.min(axis=2) < 250)
        self.assertGreater(ink.mean(), 0.02)
        # nothing runs over the edge of the page
        edge = np.concatenate([ink[:40].ravel(), ink[-30:].ravel(), ink[:, :40].ravel(), ink[:, -40:].ravel()])
        self.assertFalse(edge.any(), path)
        return image

    def test_one_page(self):
        data, pages = pdf_pages(os.path.join(self.one, "report.pdf"))
        self.assertEqual(pages, 1)
        box = re.search(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", data)
        np.testing.assert_allclose([float(v) for v in box.groups()], A4, atol=0.5)
        self.assertFalse(os.path.exists(os.path.join(self.one, "report-2.png")))
        self.check_png(os.path.join(self.one, "report.png"))

    def test_others_on_a_second_page(self):
        self.assertEqual(pdf_pages(os.path.join(self.two, "report.pdf"))[1], 2)
        self.check_png(os.path.join(self.two, "report.png"))
        self.check_png(os.path.join(self.two, "report-2.png"))

    def test_maps_are_where_they_were_measured(self):
        """The image's tile: bright in the middle, dark in its corners; the hatch where nothing is known."""
        image = self.check_png(os.path.join(self.one, "report.png")).astype(int)
        scale = 200 / 72
        left, top, size = 32 * scale, 65 * scale, 96.6 * scale
        tile = image[round(top) + 4:round(top + size) - 4, round(left) + 4:round(left + size) - 4]
        middle = tile[len(tile) // 2 - 40:len(tile) // 2 - 25, len(tile) // 2 - 7:len(tile) // 2 + 7]
        self.assertGreater(middle.mean(), 200)
        self.assertLess(tile[:20, :20].mean(), 20)
        fourth = round(left + 3 * (96.6 + 12) * scale)
        hatch = image[round(top) + 4:round(top) + 40, fourth + 8:fourth + 100]
        self.assertTrue(((hatch.max(axis=2) - hatch.min(axis=2)) == 0).all(), "grey where nothing is known")
        self.assertGreater(hatch.std(), 5)

    def test_windows_are_shaded_as_published(self):
        """Beside the sum spectrum, above its peaks; the settings name no window."""
        row = self.check_png(os.path.join(self.one, "report.png")).astype(int)[640, 1005:1564]
        tinted = np.concatenate([[0], (row.max(axis=1) - row.min(axis=1) > 20).astype(int), [0]])
        starts, ends = np.flatnonzero(np.diff(tinted) > 0), np.flatnonzero(np.diff(tinted) < 0)
        with h5py.File(os.path.join(self.one, "results.h5")) as f:
            windows = sorted(f["maps/window_eV"][:].tolist())
        self.assertEqual(len(starts), len(windows))
        px = (ends[1] + starts[1] - ends[0] - starts[0]) / (sum(windows[1]) - sum(windows[0]))
        np.testing.assert_allclose(ends - starts, px * np.diff(windows).ravel(), atol=2)

    def test_words(self):
        text = self.text(os.path.join(self.one, "report.pdf"))
        with h5py.File(os.path.join(self.one, "results.h5")) as f:
            p = f["particles/0"]
            ag, z = p["composition/Ag"][:], p["segregation/z"][()]
            self.assertIn("agau-8nm-s1", text)
            self.assertIn(f"Ag {100 * ag[0]:.2f} ± {100 * ag[1]:.2f}", text)
            self.assertIn(f"z = {z:.1f}", text)
            self.assertIn(f"diameter {p['diameter_nm'][()]:.2f} nm", text)
            for name in ("pca", "nmf"):
                check = p[f"radial/{name}_check"]
                if check["dof"][()] and not check["passed"][()]:
                    self.assertIn("BIASED", text)
            self.assertIn(f"Principal components: {f['pca/rank'][()]} kept", text)
        for word in ("HAADF", "Ag Lα", "Au Mα", "Sum spectrum", "Raw", "Model", "Denoised", "5 nm"):
            self.assertIn(word, text)

    def test_ensemble(self):
        self.assertEqual(pdf_pages(os.path.join(self.runs, "ensemble.pdf"))[1], 1)
        self.check_png(os.path.join(self.runs, "ensemble.png"))
        text = self.text(os.path.join(self.runs, "ensemble.pdf"))
        with h5py.File(os.path.join(self.runs, "ensemble.h5")) as f:
            self.assertIn(f"{len(f['members/id'])} particles by diameter", text)
            self.assertIn(f"{100 * f['composition'][0]:.2f}", text)
            for start, count in zip(f["groups/from_nm"][:-1], f["groups/particles"][:-1]):
                self.assertIn(f"{start:.3g} to {start + 1:.3g} nm: {count} particle", text)

    def test_same_twice(self):
        """Equal input, equal picture."""
        out = os.path.join(self.folder, "again")
        run("edxctl", "report", self.one, "-o", out)
        with open(os.path.join(out, "report.png"), "rb") as a, \
                open(os.path.join(self.one, "report.png"), "rb") as b:
            self.assertEqual(a.read(), b.read())

    def test_what_is_missing_leaves_the_rest(self):
        """A run of which one topic after the other is missing still makes a page."""
        sparse = os.path.join(self.folder, "sparse")
        os.mkdir(sparse)
        path = os.path.join(sparse, "results.h5")
        shutil.copy(os.path.join(self.one, "results.h5"), path)
        for topic in ("nmf", "pca", "profile", "trend", "particles", "maps", "config", "alarm"):
            with h5py.File(path, "a") as f:
                del f[topic]
            run("edxctl", "report", sparse)
            run("edxctl", "export", sparse, "-o", os.path.join(sparse, "csv"))
            self.check_png(os.path.join(sparse, "report.png")) if topic in ("particles", "alarm") else None
        with h5py.File(path, "a") as f:
            del f["spectrum"], f["status"]
        self.assertIn("no results", run("edxctl", "report", sparse, code=1))


if __name__ == "__main__":
    unittest.main()
