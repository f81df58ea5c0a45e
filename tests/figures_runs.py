"""Run folders for the tests of edxctl export and report: small recordings, analysed offline."""
import csv
import os
import subprocess

import h5py
import numpy as np

BUILD = os.path.abspath(os.environ.get("EDX_BUILDDIR", "build"))
LINES = 'quant.lines=({line="Ag_La"; k=1.44; k_sigma=0.01;}, {line="Au_Ma"; k=1.0;})'
PROFILE = "analysis.profile={from_nm=(8,2); to_nm=(8,14); width_nm=1.0;}"
RECORDINGS = (("agau-8nm", 1), ("agau-8nm", 2), ("agau-two", 1), ("agau-4nm", 1))
NAMES = {"raw": "fraction", "model": "model", "denoised": "denoised", "pca": "pca", "nmf": "nmf"}


# fontconfig keeps what it has read until the process ends, which a leak checker counts.
FONTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "figures.supp")
ENVIRONMENT = {**os.environ, "LSAN_OPTIONS": f"suppressions={FONTS}:print_suppressions=0"}


def run(name, *args, code=0):
    """Standard error of a program that ends with code."""
    done = subprocess.run([os.path.join(BUILD, name), *map(str, args)], capture_output=True, text=True,
                          timeout=300, env=ENVIRONMENT)
    assert done.returncode == code, f"{name} {args}: {done.returncode}\n{done.stderr}"
    return done.stderr


def make(folder):
    """The recordings, and their run folders beside ensemble.h5 in <folder>/runs, which is returned."""
    paths = []
    for scene, seed in RECORDINGS:
        paths.append(os.path.join(folder, f"{scene}-{seed}.edxr"))
        run("edxsim", "-q", "--scene", scene, "--seed", seed, "--frames", 60, "-o", paths[-1])
    runs = os.path.join(folder, "runs")
    run("edxd", "--offline", *paths, "-o", runs, "-s", LINES, "-s", PROFILE)
    return runs


def run_folders(runs):
    return [os.path.join(runs, f"{scene}-s{seed}") for scene, seed in RECORDINGS]


def table(*path):
    """The notes and the columns of a CSV file; numbers where all of a column are, NaN for nothing."""
    with open(os.path.join(*path), newline="") as f:
        lines = f.read().splitlines()
    notes = [line[2:] for line in lines if line.startswith("# ")]
    rows = list(csv.reader(line for line in lines if not line.startswith("#")))
    columns = {}
    for i, name in enumerate(rows[0]):
        assert name not in columns, name
        texts = [row[i] for row in rows[1:]]
        try:
            columns[name] = np.array([float(text) if text else np.nan for text in texts])
        except ValueError:
            columns[name] = texts
    return notes, columns


def particles(path):
    """Each particle of a results.h5 as a dictionary of what its ensemble needs."""
    with h5py.File(path) as f:
        elements = list(f["maps/elements"].asstr()[:])
        n = 0
        while f"particles/{n}" in f:
            p = f[f"particles/{n}"]
            yield {"edge": bool(p["touches_edge"][()]), "diameter": p["diameter_nm"][()],
                   "composition": np.array([p["composition"][el][:] for el in elements]),
                   "r": p["radial/r_nm"][:], "quantified": p["radial/quantified"][:],
                   "value": {e: p["radial"][name][:] for e, name in NAMES.items()},
                   "sigma": {e: p["radial"]["sigma" if e == "raw" else f"{name}_sigma"][:]
                             for e, name in NAMES.items()},
                   "passed": {e: e in ("raw", "model") or bool(p[f"radial/{e}_check/passed"][()])
                              for e in NAMES}}
            n += 1
