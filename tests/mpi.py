"""Many processes, one answer: edxd --offline under mpirun with 1, 2, 4 and 3 processes leaves the
files that it leaves alone; many recordings are shared out; what one process cannot do ends all, with
a reason. Skipped where edxd is built without MPI: it then refuses to be started several times."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "daemon"))
from harness import program  # noqa: E402

TIMEOUT = 300
ENV = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
           OPENBLAS_NUM_THREADS="1")
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none"]
LINES = "quant.lines=({line=\"Ag_La\"; k=1.44;}, {line=\"Au_Ma\"; k=1.0;})"


def run(*command, env=None, ok=True):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=TIMEOUT,
                          env=env or ENV)
    if ok and done.returncode:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stderr}")
    return done


def flat(path):
    """{name: array} of a results.h5, without what may differ."""
    out = {}

    def visit(name, item):
        parts = name.split("/")
        if isinstance(item, h5py.Dataset) and parts[0] not in ("status", "alarm") and \
                parts[-1] not in ("t", "acq"):
            out[name] = np.asarray(item[()])

    with h5py.File(path, "r") as f:
        f.visititems(visit)
    return out


def difference(one, two):
    """Largest difference, relative to the largest value; NaN must stand where NaN stands."""
    np.testing.assert_array_equal(np.isnan(one), np.isnan(two))
    known = np.isfinite(one)
    np.testing.assert_array_equal(one[~known], two[~known])
    scale = np.abs(one[known]).max(initial=0)
    return np.abs(one - two)[known].max(initial=0) / scale if scale else 0


class Processes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        tmp = tempfile.TemporaryDirectory(prefix="edx-mpi-")
        cls.addClassCleanup(tmp.cleanup)
        cls.dir = tmp.name
        cls.recordings = []
        for seed, args in ((7, ("--drift", "0.05,-0.03")), (8, ()), (9, ())):
            path = os.path.join(cls.dir, f"{seed}.edxr")
            run(program("edxsim"), "-q", "--size", 65, "--frames", 8, "--dose", 4, "--seed", seed,
                *args, "-o", path)
            cls.recordings.append(path)

    def offline(self, name, n, *args, recordings=None):
        """n 0: without mpirun. Returns the folder, and what was said."""
        out = os.path.join(self.dir, name)
        command = [*(MPIRUN + ["-n", n] if n else []), program("edxd"), "--offline", *args,
                   *(recordings or self.recordings[:1]), "-o", out]
        return out, run(*command).stderr

    def runs(self, folder):
        return sorted(d for d in os.listdir(folder) if os.path.isdir(os.path.join(folder, d)))

    def compare(self, a, b, tolerance):
        """Two run folders; prints what differs most."""
        with open(os.path.join(a, "cube.hspy"), "rb") as f, \
                open(os.path.join(b, "cube.hspy"), "rb") as g:
            self.assertEqual(f.read(), g.read(), "cube.hspy")
        one, two = flat(os.path.join(a, "results.h5")), flat(os.path.join(b, "results.h5"))
        self.assertEqual(set(one), set(two))
        for group in ("spectrum", "maps", "pca", "nmf", "particles", "profile", "trend"):
            self.assertTrue(any(n.startswith(group + "/") for n in one), group)
        worst = 0, ""
        for name, value in one.items():
            other = two[name]
            with self.subTest(name=name):
                self.assertEqual(value.shape, other.shape)
                last = name.split("/")[-1]
                if value.dtype.kind != "f" or name in ("spectrum/image", "maps/exposure"):
                    np.testing.assert_array_equal(value, other)  # totals among them
                elif last != "p":  # of a check: where chi2 is large, no number at all
                    apart = difference(value, other)
                    worst = max(worst, (apart, name))
                    self.assertLessEqual(apart, tolerance)
        print(f"  largest difference {worst[0]:.1e} ({worst[1]})")

    def same(self, tolerances, *args):
        alone, _ = self.offline("alone" + str(len(args)), 0, *args)
        acq, = self.runs(alone)
        for n, tolerance in tolerances:
            folder, said = self.offline(f"n{n}-{len(args)}", n, *args)
            print(f"{n} processes {' '.join(args)}")
            self.assertEqual(self.runs(folder), [acq])
            self.compare(os.path.join(alone, acq), os.path.join(folder, acq), tolerance)
            if n > 1:
                report = re.search(rf"{n} processes: (\S+) s, .* communication (\S+) s "
                                   r"\((\S+) %\), waiting", said)
                self.assertTrue(report, said)
                print("  " + report.group(0))
                self.assertLess(0, float(report.group(2)))
                self.assertLessEqual(float(report.group(3)), 100)

    def test_the_same_files(self):
        """Drift, a line profile, particles; 3 do not share evenly."""
        self.same(((1, 0), (2, 1e-12), (4, 1e-12), (3, 1e-12)), "-s", LINES, "-s",
                  "analysis.profile={from_nm=(2.0, 0.0); to_nm=(2.0, 9.0); width_nm=2.0;}",
                  "-s", "analysis.bin_pixels=1")

    def test_binned_modelled_and_found(self):
        """Elements that nobody named, maps by the model, pixels that fill no bin; frames left out."""
        self.same(((2, 1e-12), (4, 1e-12)), "-s", "analysis.bin_pixels=2", "-s", "quant.lines=()",
                  "-s", "quant.background=model", "-s", "analysis.exclude=true", "-s",
                  "analysis.profile={from_nm=(2.0, 0.0); to_nm=(2.0, 9.0); width_nm=2.0;}")

    def test_many_recordings(self):
        alone, _ = self.offline("many", 0, recordings=self.recordings)
        for n in (2, 4):
            folder, _ = self.offline(f"many{n}", n, recordings=self.recordings)
            self.assertEqual(self.runs(folder), self.runs(alone))
            for acq in self.runs(alone):
                one, two = (flat(os.path.join(d, acq, "results.h5")) for d in (alone, folder))
                self.assertEqual(set(one), set(two))
                np.testing.assert_array_equal(one["spectrum/sum"], two["spectrum/sum"])
            one, two = (flat(os.path.join(d, "ensemble.h5")) for d in (alone, folder))
            self.assertEqual(set(one), set(two))
            for name, value in one.items():
                if value.dtype.kind == "f":
                    self.assertLessEqual(difference(value, two[name]), 1e-9, name)
                else:
                    np.testing.assert_array_equal(value, two[name], name)

    def test_an_error_of_all_is_told_once_and_the_others_go_on(self):
        missing = os.path.join(self.dir, "missing.edxr")
        out = os.path.join(self.dir, "partly")
        for recordings, n in (([missing, self.recordings[1]], 4), ([missing], 2)):
            done = run(*MPIRUN, "-n", n, program("edxd"), "--offline", *recordings, "-o", out,
                       ok=False)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertEqual(done.stderr.count("missing.edxr"), 1, done.stderr)
            self.assertNotIn("rank", done.stderr.split("missing.edxr")[0])
        self.assertEqual(len(self.runs(out)), 1)

    def apart(self, first, second):
        """Two processes with other arguments: it ends, and says why."""
        done = run(*MPIRUN, "-n", 1, program("edxd"), "--offline", *first, ":",
                   "-n", 1, program("edxd"), "--offline", *second, ok=False)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_what_one_cannot_do_ends_all(self):
        out = os.path.join(self.dir, "ended")
        good = [self.recordings[1], "-o", out]
        said = self.apart(good, [os.path.join(self.dir, "missing.edxr"), "-o", out])
        self.assertIn("rank 1 of 2: open: No such file", said)
        said = self.apart(good, [self.recordings[0], "-o", out])
        self.assertIn("has not the same size", said)
        said = self.apart(good, ["-s", "limits.max_cube_GB=0.001", *good])
        self.assertIn("rank 1 of 2", said)
        self.assertIn("limits.max_cube_GB", said)
        self.assertFalse(os.path.exists(os.path.join(out, "results.h5")))


def main():
    version = run(program("edxd"), "--version").stdout
    if "MPI" not in version.splitlines()[1]:
        started = dict(os.environ, OMPI_COMM_WORLD_SIZE="2")
        done = run(program("edxd"), "--offline", "x.edxr", "-o", "y", env=started, ok=False)
        if done.returncode != 1 or "--with-mpi" not in done.stderr:
            sys.exit(f"edxd without MPI, started twice: {done.returncode} {done.stderr}")
        print("skipped: edxd is built without MPI (configure --with-mpi)")
        sys.exit(77)
    if not shutil.which("mpirun"):
        print("skipped: there is no mpirun")
        sys.exit(77)
    unittest.main(verbosity=2)


if __name__ == "__main__":
    main()
