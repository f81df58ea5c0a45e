"""Non-negative factors against scikit-learn's multiplicative updates of the same counts, and their
divergence against numpy's. Frames are summed and binned here, without edxd's code.

EDX_STARTS=N: against the best of N random starts as well, to the end (a study; minutes)."""
import os
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import recordings  # noqa: E402

BUILD = os.environ.get("EDX_BUILDDIR", ".")
STARTS = int(os.environ.get("EDX_STARTS", 0))
LIMIT = 300
WORSE = 1.005  # of scikit-learn's divergence, converged
LIVE = 1.02    # of ours converged, with four passes a frame


def check(truth, what):
    if not truth:
        raise AssertionError(what)


def run(*args, **env):
    done = subprocess.run(args, capture_output=True, timeout=LIMIT, env=dict(os.environ, **env))
    check(done.returncode == 0, f"{args}: {done.returncode}: {done.stderr.decode()}")
    return done.stdout


def dumped(out):
    """What tests/nmf_dump wrote, by frames summed."""
    values, at, result = np.frombuffer(out), 0, {}
    while at < len(values):
        n, k, pixels, channels, divergence, passes = values[at:at + 6]
        k, pixels, channels = int(k), int(pixels), int(channels)
        at += 6
        spectra = values[at:at + k * channels].reshape(k, channels)
        at += k * channels
        maps = values[at:at + k * pixels].reshape(k, pixels)
        at += k * pixels
        result[int(n)] = dict(spectra=spectra, maps=maps, divergence=divergence, passes=int(passes))
    return result


def factors(path, frames, bin_pixels, bin_energy, k, passes, threads=2):
    return dumped(run(os.path.join(BUILD, "tests/nmf_dump"), path, str(bin_pixels), str(bin_energy), str(k),
                      str(passes), *map(str, frames), EDX_THREADS=str(threads)))


def divergence(x, w, h):
    """Kullback-Leibler, of counts x [pixels, channels]."""
    p, full = w @ h, x > 0
    return (x[full] * np.log(x[full] / p[full])).sum() - x.sum() + p.sum()


def theirs(x, k, init, tolerance, limit, seed=0):
    rows, columns = x.sum(1) > 0, x.sum(0) > 0
    x = x[rows][:, columns]
    model = NMF(k, solver="mu", beta_loss="kullback-leibler", init=init, tol=tolerance, max_iter=limit,
                random_state=seed)
    start = time.time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        w = model.fit_transform(x)
    return divergence(x, w, model.components_), model.n_iter_, time.time() - start


def valid(what, d, x):
    """Factors are what they are said to be."""
    spectra, maps = d["spectra"], d["maps"]
    check(np.isfinite(spectra).all() and np.isfinite(maps).all(), f"{what}: not finite")
    check((spectra >= 0).all() and (maps >= 0).all(), f"{what}: negative")
    check(np.allclose(spectra.sum(1), 1, atol=1e-5), f"{what}: spectra do not sum to 1")
    check(np.allclose(maps.sum(0), x.sum(1), rtol=1e-5), f"{what}: maps do not sum to the counts")
    d0 = divergence(x, maps.T, spectra)
    check(abs(d["divergence"] / d0 - 1) < 1e-5, f"{what}: divergence {d['divergence']}, numpy's {d0}")


def compare(what, path, frame, bin_pixels, bin_energy, k, tolerance=1e-5, limit=400):
    x = recordings.sums(path, [frame], bin_pixels, bin_energy)[frame]
    x = x.reshape(-1, x.shape[-1])
    ours = factors(path, [frame], bin_pixels, bin_energy, k, 0)[frame]
    valid(what, ours, x)
    d, passes, seconds = theirs(x, k, "nndsvda", tolerance, limit)
    for seed in range(STARTS):
        d = min(d, theirs(x, k, "random", 1e-6, 3000, seed)[0])
    print(f"{what}, k {k}: {ours['divergence']:.0f} after {ours['passes']} passes, scikit-learn's {d:.0f} after {passes} "
          f"({seconds:.1f} s): {100 * (ours['divergence'] / d - 1):+.3f} %", flush=True)
    check(ours["divergence"] <= WORSE * d, f"{what}, k {k}: {ours['divergence']}, scikit-learn's {d}")
    return ours, x


def test_live(path, k, frames, best):
    """From frame to frame, four passes each; another number of threads changes nothing."""
    one = factors(path, frames, 2, 4, k, 4, threads=1)
    three = factors(path, frames, 2, 4, k, 4, threads=3)
    for n in frames:
        x = recordings.sums(path, [n], 2, 4)[n]
        valid(f"live, frame {n}", one[n], x.reshape(-1, x.shape[-1]))
        for key in ("spectra", "maps", "divergence"):
            check(np.array_equal(one[n][key], three[n][key]), f"{key} depend on the number of threads")
    last = one[frames[-1]]["divergence"]
    print(f"live, frame {frames[-1]}, k {k}: {100 * (last / best - 1):+.2f} % of converged")
    check(last <= LIVE * best, f"live: {last}, converged {best}")
    for a, b in zip(frames[1:], frames[2:]):
        like = np.corrcoef(np.sqrt(np.concatenate((one[a]["spectra"], one[b]["spectra"]))))[:k, k:]
        if b == a + 1:
            check((like.argmax(1) == np.arange(k)).all(), f"components change places at frame {b}")


def test_fixed(path, k):
    one = factors(path, [50], 2, 4, k, 0, threads=1)[50]
    three = factors(path, [50], 2, 4, k, 0, threads=3)[50]
    for key in ("spectra", "maps", "divergence"):
        check(np.array_equal(one[key], three[key]), f"{key} depend on the number of threads")


def simulated(directory, scene, *more):
    path = os.path.join(directory, scene + ".edxr")
    run(os.path.join(BUILD, "edxsim"), "-q", "--scene", scene, "--seed", "11", *more, "-o", path)
    return path


def main():
    with tempfile.TemporaryDirectory(prefix="nmf-") as directory:
        path = simulated(directory, "agau-8nm")
        compare("agau-8nm, 64 x 64", path, 100, 1, 4, 3)
        compare("agau-8nm, 64 x 64", path, 100, 1, 4, 8, 1e-4)
        ours, _ = compare("agau-8nm, 32 x 32", path, 100, 2, 4, 8)
        test_live(path, 8, [1, 2, 10, 11, 50, 51, 99, 100], ours["divergence"])
        test_fixed(path, 5)
        fept = simulated(directory, "fept-200kv")
        compare("fept-200kv, 32 x 32", fept, 100, 2, 4, 5)
        if STARTS:
            compare("agau-8nm, 64 x 64", path, 100, 1, 4, 8, 1e-6, 3000)
            compare("fept-200kv, 32 x 32", fept, 100, 2, 4, 8, 1e-6, 3000)
            two = simulated(directory, "agau-two")
            for k in (3, 5, 8):
                compare("agau-two, 32 x 32", two, 100, 2, 4, k, 1e-6, 3000)


main()
