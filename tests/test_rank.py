"""What the folds say, through edxd --offline: rank "auto" against the true error on scenes of known
rank, held-out error and noise-free eigenvalues against numpy. EDX_SEEDS sets how many runs of each
scene there are (2; make study: 50)."""
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rank_scenes as scenes  # noqa: E402
import recordings  # noqa: E402

BUILD = os.environ.get("EDX_BUILDDIR", ".")
SEEDS = int(os.environ.get("EDX_SEEDS", "2"))
FOLDS = 10
M = 16


def check(truth, what):
    if not truth:
        raise AssertionError(what)


def offline(paths, out, *settings):
    args = [os.path.join(BUILD, "edxd"), "--offline", *paths, "-o", out]
    for s in ("analysis.bin_energy=1", "analysis.bin_pixels=1", *settings):
        args += ["-s", s]
    done = subprocess.run(args, capture_output=True, text=True, timeout=600)
    check(done.returncode == 0, f"edxd: {done.returncode}: {done.stderr[-500:]}")


def published(out, acq):
    with h5py.File(os.path.join(out, acq, "results.h5")) as f:
        return {key: f["pca"][key][()] for key in f["pca"]}


def simulate(amplitudes, seed):
    """Counts of every frame [frames, size, size, channels]."""
    rng = np.random.default_rng(seed)
    mean = scenes.mean(amplitudes) / scenes.FRAMES
    counts = rng.poisson(mean, (scenes.FRAMES, *mean.shape))
    return counts.reshape(scenes.FRAMES, scenes.SIZE, scenes.SIZE, scenes.CHANNELS)


def flat(frames):
    return frames.reshape(len(frames), -1, frames.shape[-1]).astype(float)


def true_rank(amplitudes, frames):
    """The rank whose batch reconstruction is nearest to the true mean, in scaled space."""
    x = flat(frames).sum(0)
    a, b = x.sum(1), x.sum(0)
    rows, columns = a > 0, b > 0
    a, b = a[rows], b[columns]
    truth = scenes.scaled(scenes.mean(amplitudes)[rows][:, columns], a, b)
    u, s, v = np.linalg.svd(scenes.scaled(x[rows][:, columns], a, b), full_matrices=False)
    errors = [((truth - (u[:, :k] * s[:k]) @ v[:k])**2).sum() for k in range(1, M + 1)]
    return 1 + int(np.argmin(errors))


def from_folds(frames):
    """Held-out error and noise-free eigenvalues by their definitions, with numpy."""
    x = flat(frames)
    a, b = x.sum((0, 2)), x.sum((0, 1))
    rows, columns = a > 0, b > 0
    x = np.stack([scenes.scaled(f[rows][:, columns], a[rows], b[columns]) for f in x])
    total = x.sum(0)
    groups = [x[k::FOLDS].sum(0) for k in range(min(FOLDS, len(x)))]
    share = [len(x[k::FOLDS]) / len(x) for k in range(len(groups))]
    errors, squares = np.zeros(M), 0
    for w, g in zip(share, groups):
        v = np.linalg.svd(total - g, full_matrices=False)[2][:M]
        for k in range(M):
            errors[k] += ((g - w / (1 - w) * (total - g) @ v[:k + 1].T @ v[:k + 1])**2).sum()
        squares += (g**2).sum()
    cross = (total.T @ total - sum(g.T @ g for g in groups)) / (1 - sum(w**2 for w in share))
    return errors / squares, np.linalg.eigvalsh(cross)[::-1][:M]


def test_definitions(directory):
    """23 frames: folds of two and of three."""
    amplitudes = scenes.SCENES["five"]
    frames = simulate(amplitudes, 999)
    frames = np.concatenate([frames, simulate(amplitudes, 998)[:3]])
    path = os.path.join(directory, "definitions.edxr")
    recordings.write(path, "definitions", frames)
    offline([path], directory)
    ours, (errors, noise_free) = published(directory, "definitions"), from_folds(frames)
    k = len(amplitudes)
    off = np.abs(ours["heldout_error"] / errors - 1)
    print(f"held-out error: within {off[:k].max():.1e}, beyond the true rank {off.max():.1e}")
    check(off[:k].max() < 1e-5 and off.max() < 3e-3, f"held-out error: {ours['heldout_error']}, expected {errors}")
    off = np.abs(ours["eigenvalues_noise_free"][:k] / noise_free[:k] - 1).max()
    print(f"noise-free eigenvalues: within {off:.1e}")
    check(off < 1e-4, f"noise-free: {ours['eigenvalues_noise_free'][:k]}, expected {noise_free[:k]}")


def test_noise_free(truths, results):
    """Means over seeds against the eigenvalues of the true mean: plain ones are too large by noise."""
    for name, amplitudes in scenes.SCENES.items():
        s = scenes.mean(amplitudes)
        truth = np.linalg.svd(scenes.scaled(s, s.sum(1), s.sum(0)), compute_uv=False)[:len(amplitudes)]**2
        mine = [r for n, r in results if n == name]
        free = np.mean([r["eigenvalues_noise_free"] for r in mine], 0)[:len(truth)] / truth
        plain = np.mean([r["eigenvalues"] for r in mine], 0)[:len(truth)] / truth
        print(f"{name}: noise-free over true eigenvalues {np.round(free, 3)}, plain {np.round(plain, 3)}")
        check(np.abs(free[:-1] - 1).max() < 0.1, f"{name}: noise-free eigenvalues {free} of the true ones")
        check(abs(free[-1] - 1) < 0.5 * abs(plain[-1] - 1), f"{name}: weakest {free[-1]}, plain {plain[-1]}")


def test_rank(directory):
    truths, paths = [], []
    for name, amplitudes in scenes.SCENES.items():
        check(abs(scenes.weakest(amplitudes) - 1.5) < 0.01, f"{name}: the weakest is not at 1.5 times the edge")
        for seed in range(SEEDS):
            frames = simulate(amplitudes, 1000 + seed)
            path = os.path.join(directory, f"{name}-{seed}.edxr")
            recordings.write(path, f"{name}-{seed}", frames)
            paths.append(path)
            truths.append((name, seed, true_rank(amplitudes, frames)))
    offline(paths, directory)
    results = [(name, published(directory, f"{name}-{seed}")) for name, seed, _ in truths]
    for name, amplitudes in scenes.SCENES.items():
        pairs = [(int(r["rank"]), t[2]) for (n, r), t in zip(results, truths) if n == name]
        right = sum(a == b for a, b in pairs)
        print(f"{name}: {right} of {len(pairs)} right; published and best: {sorted(set(pairs))}")
        check(right >= 0.9 * len(pairs), f"{name}: {right} of {len(pairs)} ranks are the best one")
    test_noise_free(truths, results)


def test_settings(directory):
    """A rank that was asked for, one that cannot be, a single frame."""
    frames = simulate(scenes.SCENES["three"], 5)
    tiny = np.zeros((4, 1, 3, 8), int)
    tiny[:, 0, 0, 2], tiny[:, 0, 2, 2], tiny[:, 0, 2, 5] = 3, 1, 2
    first = frames[:1]
    for name, what in (("asked", frames), ("tiny", tiny), ("first", first), ("none", np.zeros((2, 4, 4, 8), int))):
        recordings.write(os.path.join(directory, name + ".edxr"), name, what)
    offline([os.path.join(directory, n + ".edxr") for n in ("asked", "tiny", "first", "none")], directory,
            "analysis.pca.rank=7", "analysis.pca.max_rank=9")
    asked, one, single = (published(directory, n) for n in ("asked", "tiny", "first"))
    check(asked["rank"] == 7 and asked["spectra"].shape == (7, scenes.CHANNELS), "rank 7 was asked for")
    check(asked["maps"].shape == (7, scenes.SIZE, scenes.SIZE) and len(asked["eigenvalues"]) == 9, "shapes")
    check(one["rank"] == 2 and one["spectra"].shape == (2, 8) and one["maps"].shape == (2, 1, 3), "rank of 2 x 2")
    check(all(np.isfinite(v).all() for v in one.values() if isinstance(v, np.ndarray)), "tiny is not finite")
    check(np.isnan(single["heldout_error"]).all() and np.isnan(single["eigenvalues_noise_free"]).all(),
          "one frame says nothing about noise")
    with h5py.File(os.path.join(directory, "none", "results.h5")) as f:
        check("pca" not in f, "components of no counts")


def main():
    print(f"seeds: {SEEDS} of each scene")
    with tempfile.TemporaryDirectory(prefix="rank-") as directory:
        test_definitions(directory)
        test_settings(directory)
        test_rank(directory)


main()
