"""cube.hspy and results.h5 as HyperSpy and h5py see them."""

import hashlib
import os
import subprocess
import sys
import tempfile
import unittest
import warnings

import h5py
import numpy as np

warnings.simplefilter("ignore")
import hyperspy.api as hs  # noqa: E402

MAKE = os.path.join(os.environ.get("EDX_BUILDDIR", "."), "tests", "make_store")

# of the 6 x 7 x 512 example as <u4, from Python's integers alone
SHA256 = "97255fff17fec821f4c6abae3228a0f292486926add21578b901b23a7003788a"


def truth(rows, cols, channels, extra=0):
    """The counts that tests/store_example.c makes, by numpy's arithmetic."""
    p = np.arange(rows * cols, dtype=np.uint32)[:, None]
    e = np.arange(channels, dtype=np.uint32)[None, :]
    with np.errstate(over="ignore"):
        h = p * np.uint32(2654435761) + e * np.uint32(40503) + np.uint32(12345)
        h ^= h >> np.uint32(15)
        h *= np.uint32(2246822519)
        h ^= h >> np.uint32(13)
    counts = np.where(h % 97 == 0, h // 97 % 1000, 0).astype("<u4")
    counts[0, 0] += extra
    return counts.reshape(rows, cols, channels)


class Folder(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix="edx-store-")
        self.addCleanup(tmp.cleanup)
        self.dir = tmp.name

    def make(self, rows=6, cols=7, channels=512, extra=0, title="Au@Ag", kind="full", **env):
        args = [self.dir, rows, cols, channels, extra, title, kind]
        subprocess.run([MAKE, *map(str, args)], check=True, timeout=120, env={**os.environ, **env})
        return os.path.join(self.dir, "cube.hspy")


class Cube(Folder):
    def check_counts(self, signal, expected):
        data = np.asarray(signal.data.compute() if signal._lazy else signal.data)
        self.assertEqual(data.shape, expected.shape)
        np.testing.assert_array_equal(data, expected)

    def test_counts_have_the_known_hash(self):
        self.assertEqual(hashlib.sha256(truth(6, 7, 512).tobytes()).hexdigest(), SHA256)
        signal = hs.load(self.make())
        self.assertEqual(signal.data.dtype, np.dtype("<u2"))
        self.assertEqual(hashlib.sha256(signal.data.astype("<u4").tobytes()).hexdigest(), SHA256)

    def test_large_voxels_take_32_bits(self):
        signal = hs.load(self.make(extra=70000))
        self.assertEqual(signal.data.dtype, np.dtype("<u4"))
        self.check_counts(signal, truth(6, 7, 512, 70000))

    def test_eager_and_lazy(self):
        path = self.make(40, 50, 2048)
        expected = truth(40, 50, 2048)
        self.check_counts(hs.load(path), expected)
        lazy = hs.load(path, lazy=True)
        self.assertTrue(lazy._lazy)
        self.assertIsInstance(lazy, hs.signals.EDSTEMSpectrum)
        self.assertGreater(lazy.data.npartitions, 1)
        self.assertEqual(lazy.data.chunksize[2], 2048)
        self.assertLess(np.prod(lazy.data.chunksize) * 2, 1.1e6)
        self.check_counts(lazy, expected)
        total = lazy.sum((0, 1))
        total.compute()
        np.testing.assert_array_equal(total.data, expected.sum(axis=(0, 1)))
        lazy.close_file()

    def test_axes(self):
        signal = hs.load(self.make())
        self.assertIsInstance(signal, hs.signals.EDSTEMSpectrum)
        axes = signal.axes_manager._axes
        self.assertEqual([a.name for a in axes], ["y", "x", "Energy"])
        self.assertEqual([a.units for a in axes], ["nm", "nm", "keV"])
        self.assertEqual([a.scale for a in axes], [0.5, 0.25, 0.01])
        self.assertEqual([a.offset for a in axes], [0.0, 0.0, -0.48])
        self.assertEqual([a.size for a in axes], [6, 7, 512])
        self.assertEqual([a.navigate for a in axes], [True, True, False])
        self.assertEqual([a.is_binned for a in axes], [False, False, True])

    def test_metadata(self):
        meta = hs.load(self.make(title="core/shell 3")).metadata
        tem = meta.Acquisition_instrument.TEM
        eds = tem.Detector.EDS
        self.assertEqual(meta.General.title, "core/shell 3")
        self.assertEqual(meta.Signal.signal_type, "EDS_TEM")
        self.assertEqual(meta.Signal.quantity, "X-rays (Counts)")
        self.assertEqual((tem.beam_energy, tem.beam_current), (200.0, 0.12))
        self.assertEqual(tem.Stage.tilt_alpha, 0.0)
        self.assertEqual((eds.elevation_angle, eds.azimuth_angle), (18.0, 45.0))
        self.assertEqual((eds.energy_resolution_MnKa, eds.solid_angle), (131.0, 0.7))
        self.assertAlmostEqual(eds.live_time, 0.001 * 43 / 2, delta=1e-15)
        self.assertEqual(meta.Sample.elements, ["Ag", "Au"])
        self.assertEqual(meta.Sample.xray_lines, ["Ag_La", "Au_Ma"])

    def test_live_time_of_every_pixel(self):
        for lazy in (False, True):
            signal = hs.load(self.make(), lazy=lazy)
            live = np.asarray(signal.original_metadata.edxd.live_time_s)
            np.testing.assert_allclose(live, 0.001 * np.arange(1, 43).reshape(6, 7), rtol=1e-15)
            self.assertEqual(signal.original_metadata.edxd.acq, "example-1")
            if lazy:
                signal.close_file()

    def test_hyperspy_works_with_it(self):
        signal = hs.load(self.make())
        intensities = signal.get_lines_intensity(["Ag_La", "Au_Ma"])
        self.assertEqual([i.data.shape for i in intensities], [(6, 7), (6, 7)])
        charge = 0.001 * 43 / 2 * 0.12e-9
        self.assertAlmostEqual(signal._get_dose("zeta") / (charge / 1.602176634e-19), 1, places=6)
        # elevation 18 degrees and no tilt, whatever the azimuth
        self.assertAlmostEqual(signal.get_take_off_angle(), 18.0, places=6)
        signal.change_dtype("float32")
        signal.decomposition(output_dimension=2, print_info=False)
        copy = os.path.join(self.dir, "copy.hspy")
        signal.save(copy)
        self.assertEqual(hs.load(copy).metadata.Sample.xray_lines, ["Ag_La", "Au_Ma"])

    def test_what_was_not_sent_is_left_out(self):
        meta = hs.load(self.make(kind="bare")).metadata
        tem = meta.Acquisition_instrument.TEM
        self.assertEqual(meta.Sample.elements, ["Fe", "Pt"])
        self.assertFalse(meta.Sample.has_item("xray_lines"))
        self.assertFalse(tem.has_item("beam_current"))
        with h5py.File(os.path.join(self.dir, "cube.hspy")) as f:
            eds = f["Experiments/Au@Ag/metadata/Acquisition_instrument/TEM/Detector/EDS"]
            self.assertEqual(len(eds.attrs), 0)

    def test_odd_titles(self):
        for title, group in (("", "example-1"), (".", "example-1"), ("..", ".."), ("/a/", "-a-"),
                             ("Å 3 %d", "Å 3 %d"), ("x" * 511, "x" * 511)):
            path = self.make(2, 2, 16, title=title)
            for lazy in (False, True):
                signal = hs.load(path, lazy=lazy)
                self.check_counts(signal, truth(2, 2, 16))
                self.assertEqual(signal.metadata.General.title, title or "example-1")
                if lazy:
                    signal.close_file()
            with h5py.File(path) as f:
                self.assertEqual(list(f["Experiments"]), [group])

    def test_small_and_thin_scans(self):
        for shape in ((1, 1, 512), (1, 1, 1), (1, 700, 1024), (700, 1, 1024), (3, 2, 16384)):
            path = self.make(*shape)
            for lazy in (False, True):
                signal = hs.load(path, lazy=lazy)
                self.check_counts(signal, truth(*shape))
                self.assertIsInstance(signal, hs.signals.EDSTEMSpectrum)
                self.assertEqual([a.size for a in signal.axes_manager._axes], list(shape))
                if lazy:
                    signal.close_file()

    def test_root_and_types(self):
        with h5py.File(self.make()) as f:
            self.assertEqual(dict(f.attrs), {"file_format": "HyperSpy", "file_format_version": "3.1"})
            experiment = f["Experiments/Au@Ag"]
            self.assertIs(type(experiment["axis-0"].attrs["navigate"]), np.bool_)
            self.assertIn("original_metadata", experiment)
            self.assertEqual(experiment["data"].compression, "gzip")
            self.assertTrue(experiment["data"].shuffle)


class Results(Folder):
    def setUp(self):
        super().setUp()
        self.make()
        self.file = h5py.File(os.path.join(self.dir, "results.h5"))
        self.addCleanup(self.file.close)

    def test_groups(self):
        self.assertEqual(set(self.file), {"maps", "particles", "alarm", "config", "version"})
        self.assertEqual(self.file["version"].asstr()[()], "0.1.0-test")
        self.assertEqual(self.file["config/analysis/bin_energy"][()], 4)
        self.assertEqual(self.file["config/quant/lines/0/line"].asstr()[()], "Au_Ma")
        self.assertEqual(self.file["config/quant/lines/0/k"][()], 1.25)

    def test_arrays(self):
        maps = self.file["maps"]
        fraction = maps["atomic_fraction"]
        self.assertEqual(fraction.dtype, np.dtype("<f4"))
        np.testing.assert_array_equal(fraction[()], np.array([[[0.25, np.nan, 0.5]],
                                                              [[0.75, np.nan, 0.5]]], "f4"))
        self.assertEqual(maps["exposure"].dtype, np.dtype("<u4"))
        np.testing.assert_array_equal(maps["exposure"][()], [[3, 2, 4294967295]])
        self.assertEqual(maps["large"].compression, "gzip")
        np.testing.assert_array_equal(maps["large"][()], (np.arange(60000) % 1013).reshape(200, 300))
        self.assertEqual((maps["empty"].shape, maps["empty"].dtype), ((0, 3), np.dtype("<f8")))
        self.assertEqual(list(maps["lines"].asstr()), ["Au_Ma", "Ag_La"])
        np.testing.assert_array_equal(maps["step_nm"][()], [0.5, 0.25])
        self.assertEqual((maps["v"][()], maps["t"][()]), (1, 1.5))

    def test_particles(self):
        particles = self.file["particles"]
        self.assertEqual(set(particles), {"0", "1", "systematic", "v", "acq", "t"})
        np.testing.assert_array_equal(particles["1/composition/Ag"][()], [0.49, 0.01])
        np.testing.assert_array_equal(particles["1/centre_nm"][()], [1.0, 3.0])
        quantified = particles["0/radial/quantified"]
        self.assertEqual(quantified.dtype, np.dtype(bool))
        self.assertEqual(quantified[()].tolist(), [True, True, False])
        self.assertEqual(particles["0/radial/denoised_check/dof"][()], 8)
        self.assertIs(type(particles["0/radial/denoised_check/passed"][()]), np.bool_)
        self.assertEqual(particles["systematic/Au"][()], 0.007)

    def test_scalars(self):
        alarm = self.file["alarm"]
        self.assertEqual((alarm["below"][()], alarm["below"].dtype), (-5, np.dtype("<i8")))
        self.assertEqual((alarm["huge"][()], alarm["huge"].dtype), (2**64 - 1, np.dtype("<u8")))
        self.assertEqual(alarm["v"].dtype, np.dtype("<i8"))
        self.assertTrue(np.isnan(alarm["unknown"][()]))
        self.assertFalse(alarm["off"][()])
        self.assertEqual(alarm["message"].asstr()[()], "drift of 3 Å")
        self.assertEqual(alarm["blank"].asstr()[()], "")
        self.assertEqual(alarm["bytes"][()].tobytes(), b"\0\1\2")
        self.assertEqual((alarm["a-b"][()], alarm["_"][()]), (1, 2))
        self.assertNotIn("nothing", alarm)

    def test_lists(self):
        alarm = self.file["alarm"]
        self.assertEqual((alarm["none"].shape, alarm["none"].dtype), ((0,), np.dtype("<f8")))
        self.assertEqual((alarm["whole"][()].tolist(), alarm["whole"].dtype), ([-1, 7], np.dtype("<i8")))
        np.testing.assert_array_equal(alarm["mixed"][()], [1.0, 0.5, np.nan])
        np.testing.assert_array_equal(alarm["table"][()], [[0, 0.5], [1, 1.5], [2, 2.5]])
        self.assertEqual([alarm["ragged"][k][()].tolist() for k in "01"], [[1.0], [1.0, 2.0]])
        self.assertEqual(alarm["anything/0"].asstr()[()], "text")
        self.assertTrue(alarm["anything/1/inside"][()])


class Bytes(Folder):
    def digest(self, **env):
        self.make(40, 50, 512, **env)
        digests = []
        for name in ("cube.hspy", "results.h5"):
            with open(os.path.join(self.dir, name), "rb") as f:
                digests.append(hashlib.sha256(f.read()).hexdigest())
        return digests

    def test_memory_does_not_show(self):
        """What malloc gives holds other bytes each time; the files do not."""
        first = self.digest(MALLOC_PERTURB_="85")
        self.assertEqual(self.digest(MALLOC_PERTURB_="170"), first)
        self.assertEqual(self.digest(MALLOC_PERTURB_="0"), first)


if __name__ == "__main__":
    if not os.access(MAKE, os.X_OK):
        sys.exit(f"{MAKE}: not there; EDX_BUILDDIR names the build folder")
    unittest.main(verbosity=2)
