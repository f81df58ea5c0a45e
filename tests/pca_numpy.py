"""Live principal components against numpy's singular value decomposition of the same counts, and
against HyperSpy's published figures. Frames are summed and binned here, without edxd's code."""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import recordings  # noqa: E402

BUILD = os.environ.get("EDX_BUILDDIR", ".")
DATA = os.environ.get("EDX_DATA", "")
LIMIT = 300
M = 16
SIGNIFICANT = 1.3


def check(truth, what):
    if not truth:
        raise AssertionError(what)


def run(*args, **env):
    done = subprocess.run(args, capture_output=True, timeout=LIMIT, env=dict(os.environ, **env))
    check(done.returncode == 0, f"{args}: {done.returncode}: {done.stderr.decode()}")
    return done.stdout


def dumped(out):
    """What tests/pca_dump wrote, by frames summed."""
    values, at, result = np.frombuffer(out), 0, {}
    while at < len(values):
        n, m, pixels, channels, edge, total, significant, passes = values[at:at + 8]
        m, pixels, channels = int(m), int(pixels), int(channels)
        at += 8
        eigenvalues = values[at:at + m]
        at += m
        spectra = values[at:at + m * channels].reshape(m, channels)
        at += m * channels
        maps = values[at:at + m * pixels].reshape(m, pixels)
        at += m * pixels
        result[int(n)] = dict(eigenvalues=eigenvalues, spectra=spectra, maps=maps, edge=edge, sum=total,
                              significant=int(significant), passes=passes)
    return result


def live(path, frames, bin_pixels, bin_energy, warm=1, lo=0, hi=1 << 20, m=M, threads=2):
    return dumped(run(os.path.join(BUILD, "tests/pca_dump"), path, str(bin_pixels), str(bin_energy), str(m),
                      str(lo), str(hi), str(warm), *map(str, frames), EDX_THREADS=str(threads)))


def scaled(counts):
    """Poisson-scaled matrix (Keenan & Kotula), empty rows and columns left out; which are not."""
    x = counts.reshape(-1, counts.shape[-1])
    a, b = x.sum(1), x.sum(0)
    rows, columns = a > 0, b > 0
    return x[rows][:, columns] / np.sqrt(np.outer(a[rows], b[columns])), rows, columns


def batch(counts):
    x, rows, columns = scaled(counts)
    u, s, v = np.linalg.svd(x, full_matrices=False)
    edge = (np.sqrt(rows.sum()) + np.sqrt(columns.sum())) / np.sqrt(counts.sum())
    ok = [k for k in range(1, min(M, len(s) - 1) + 1) if s[k - 1] > SIGNIFICANT * edge and s[k] < 0.9 * s[k - 1]]
    return dict(x=x, s=s, v=v, rows=rows, columns=columns, edge=edge, cut=max(ok, default=0))


def angle(a, b):
    """Largest principal angle between the rows of a and b, by its sine: exact for small ones."""
    a, _ = np.linalg.qr(a.T)
    b, _ = np.linalg.qr(b.T)
    return np.arcsin(min(1, np.linalg.norm(a - b @ (b.T @ a), 2)))


def compare(what, counts, ours):
    truth = batch(counts)
    k = truth["cut"]
    check(k >= 1, f"{what}: nothing is significant")
    spectra, lam = ours["spectra"], truth["s"][:k]**2
    check(np.isfinite(spectra).all() and np.isfinite(ours["maps"]).all(), f"{what}: not finite")
    off = angle(spectra[:k, truth["columns"]], truth["v"][:k])
    wrong = np.abs(np.sort(ours["eigenvalues"][:k])[::-1] / lam - 1).max()
    total = abs(ours["sum"] / (truth["s"]**2).sum() - 1)
    print(f"{what}: {k} components, angle {off:.1e}, eigenvalues {wrong:.1e}, sum {total:.1e}, "
          f"edge {truth['edge']**2:.3g}, passes {ours['passes']:g}")
    check(off <= 1e-3, f"{what}: angle {off}, expected 1e-3 at most")
    check(wrong <= 1e-4, f"{what}: eigenvalues off by {wrong}, expected 1e-4 at most")
    check(total <= 1e-5, f"{what}: sum of eigenvalues off by {total}")
    check(abs(ours["edge"] / truth["edge"]**2 - 1) < 1e-9, f"{what}: noise edge")
    check(not spectra[:, ~truth["columns"]].any(), f"{what}: empty channels are not 0")
    check(not ours["maps"][:, ~truth["rows"]].any(), f"{what}: empty pixels are not 0")
    maps = truth["x"] @ spectra[:k, truth["columns"]].T
    check(np.allclose(ours["maps"][:k, truth["rows"]], maps.T, atol=2e-6 * truth["s"][0]), f"{what}: maps")
    return k


def significant_stay(what, frames):
    """Signs do not jump between the frames that were dumped."""
    for n in sorted(frames)[:-1]:
        if n + 1 in frames:
            a, b = frames[n], frames[n + 1]
            k = min(a["significant"], b["significant"])
            dots = (a["spectra"][:k] * b["spectra"][:k]).sum(1)
            check((dots > 0.5).all(), f"{what}: frame {n + 1}: components jump: {dots}")


def simulated(directory, scene, *more):
    path = os.path.join(directory, scene + ".edxr")
    run(os.path.join(BUILD, "edxsim"), "-q", "--scene", scene, "--seed", "11", *more, "-o", path)
    return path


def test_agau(directory):
    path = simulated(directory, "agau-8nm")
    frames = [1, 2, 5, 20, 21, 22, 50, 99, 100]
    ours, counts = live(path, frames, 2, 4), recordings.sums(path, frames, 2, 4)
    for n in frames:
        compare(f"agau-8nm, frame {n}", counts[n], ours[n])
    significant_stay("agau-8nm", ours)
    return path, counts


def test_fixed(path, counts):
    """From a fixed start: right, and the same to the last bit for any number of threads."""
    one = live(path, [100], 2, 4, warm=0, threads=1)[100]
    three = live(path, [100], 2, 4, warm=0, threads=3)[100]
    compare("agau-8nm, fixed start", counts[100], one)
    for key in ("eigenvalues", "spectra", "maps"):
        check(one[key].tobytes() == three[key].tobytes(), f"{key} depend on the number of threads")


def test_energies(path):
    """Channels outside analysis.energy_eV are as if they were empty."""
    ours = live(path, [30], 2, 4, lo=200, hi=2800)[30]
    compare("agau-8nm, 1 to 14 keV", recordings.sums(path, [30], 2, 4, 200, 2800)[30], ours)


def test_wide(path):
    """More components than go through at once, and uneven bins."""
    ours = live(path, [40], 3, 7, m=20)[40]
    compare("agau-8nm, bins of 3 and 7", recordings.sums(path, [40], 3, 7)[40], ours)


def test_fept():
    path = os.path.join(DATA, "fept-bare-core-50f.edxr")
    if not os.path.exists(path):
        print(f"left out: no {path}")
        return
    reference = json.load(open(os.path.join(DATA, "reference.json")))
    ratios = reference["fept-bare-core-50f.edxr"]["hyperspy_1_7_3"]["poisson_scaled_svd_explained_variance_ratio"]
    frames = [5, 20, 50]
    ours, counts = live(path, frames, 1, 1), recordings.sums(path, frames, 1, 1)
    for n in frames:
        compare(f"fept, frame {n}", counts[n], ours[n])
    fixed = live(path, [50], 1, 1, warm=0)[50]
    compare("fept, fixed start", counts[50], fixed)
    for what, d in (("live", ours[50]), ("fixed start", fixed)):
        off = np.abs(d["eigenvalues"][:len(ratios)] / d["sum"] - ratios).max()
        print(f"fept, {what}: explained variance ratios within {off:.1e} of HyperSpy's")
        check(off <= 1e-4, f"{what}: ratios off by {off}")


def main():
    with tempfile.TemporaryDirectory(prefix="pca-") as directory:
        path, counts = test_agau(directory)
        test_fixed(path, counts)
        test_energies(path)
        test_wide(path)
        test_fept()


main()
