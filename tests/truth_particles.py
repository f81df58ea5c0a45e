"""Particles of known place, size and composition, through edxd --offline: centres, diameters, touching ones,
and segregation where there is some, none, or the other way round. EDX_SEEDS sets how many runs there are of the
paper's particle and of the flat one (2; make study: 100), a fifth as many of the other scenes."""
import tempfile

import numpy as np

import truth_runs as runs

check = runs.check
SCENES = ("agau-4nm", "agau-8nm", "agau-10nm", "agau-two", "agau-flat", "agau-inverted")


PULLS = {}  # of raw and model rings, by scene
WHOLE_K, WINDOW_K = 1.44, 1.431  # of whole peaks, as simulated, and of what the windows take of them (bench/study.c)
HIGH = 0.5**2 * np.log(WHOLE_K / WINDOW_K)  # by so much are fractions near a half


def ring_pulls(truth, radial):
    """[2, rings] errors over sigma of raw and model rings, by the factor that belongs to the windows."""
    true = np.array(truth["radial"]["Ag"], float)
    rows = []
    for value, sigma in (("fraction", "sigma"), ("model", "model_sigma")):
        odds = radial[value][0] / (1 - radial[value][0]) * WINDOW_K / WHOLE_K
        n = min(len(true), len(odds))
        rows.append((odds / (1 + odds))[:n] - true[:n])
        rows[-1] /= radial[sigma][0][:n]
    return np.array(rows)


def nearest(found, truth):
    return min(found, key=lambda p: np.hypot(*(p["centre_nm"] - truth["centre_nm"])))


def look(name, truth, out):
    """[off nm, diameter / true, z, pull of delta, composition - true, its sigma] of each true particle."""
    found, rows = runs.particles(out, name), []
    check(len(found) == len(truth["particles"]), f"{name}: {len(found)} particles, not {len(truth['particles'])}")
    for t in truth["particles"]:
        p = nearest(found, t)
        s, (fraction, sigma) = p["segregation"], p["composition"]["Ag"]
        check(s["element"] == b"Ag" and not p["touches_edge"], f"{name}: {s['element']}, edge {p['touches_edge']}")
        PULLS.setdefault(name.rsplit("-", 1)[0], []).append(ring_pulls(t, p["radial"]))
        pull = (s["delta"] - (t["shell"]["Ag"] - t["core"]["Ag"])) / s["sigma"]
        rows.append([np.hypot(*(p["centre_nm"] - t["centre_nm"])), p["diameter_nm"] / t["diameter_nm"], s["z"], pull,
                     fraction - t["composition"]["Ag"], sigma])
    return rows


def measure(directory, scene, seeds):
    """[runs, particles, 6]"""
    made = [(f"{scene}-{s}", ["--scene", scene, "--seed", s]) for s in seeds]
    rows = np.array(runs.each(directory, made, (runs.PAPER, *runs.PLAIN), look))
    for k in range(rows.shape[1]):
        off, size, z, pull, bias, _ = rows[:, k].T
        print(f"{scene} {k}: off by at most {off.max():.3f} nm, diameter {size.min():.4f} to {size.max():.4f} of the "
              f"true one, z {z.mean():.1f} ({z.min():.1f} to {z.max():.1f}), pull of the difference "
              f"{pull.mean():+.2f} +- {pull.std():.2f}, composition off by {bias.mean():+.4f} +- {bias.std():.4f}", flush=True)
    return rows


def worst(rows):
    """Verdicts on places, sizes and compositions."""
    runs.verdict(max(r[..., 0].max() for r in rows.values()) <= 0.1, "centres within 0.1 nm: the worst off by",
                 round(max(r[..., 0].max() for r in rows.values()), 4))
    off = max(np.abs(r[..., 1] - 1).max() for r in rows.values())
    runs.verdict(off <= 0.03, "diameters within 3 %: the worst off by", round(off, 4))
    for scene, r in rows.items():
        off = np.abs(r[..., 4].mean(0) - HIGH).max()
        noise = 3 * r[..., 5].max() / np.sqrt(len(r))
        runs.verdict(off <= 0.001 + noise, f"{scene}: mean composition as k = 1.44 has it in these windows, {HIGH:.4f} "
                     f"high, within 0.001 and its noise of {noise:.4f}: off by", round(off, 4))
    for scene, r in rows.items():
        pulls = r[..., 3]
        runs.verdict(abs(pulls.mean()) < 0.6 + 3 / np.sqrt(pulls.size), f"{scene}: mean pull of the difference",
                     round(pulls.mean(), 2))
        square = (pulls**2).mean()
        runs.verdict(square < 1.7 + 5 / np.sqrt(pulls.size), f"{scene}: its mean square", round(square, 2))


def rings(scene):
    """Mean errors ring by ring, where most runs quantify it."""
    pulls = np.array(PULLS[scene])
    pulls = pulls[:, :, np.isfinite(pulls).all(1).mean(0) > 0.9]
    mean, noise = np.nanmean(pulls, 0), 3 / np.sqrt(len(pulls))
    for what, row in zip(("raw", "model"), mean):
        print(f"{scene}: mean error of {what} rings in sigma " + " ".join(f"{x:+.2f}" for x in row))
        runs.verdict(np.abs(row).max() < 0.2 + noise, f"{scene}: mean error of {what} rings under 0.2 sigma and its "
                     f"noise of {noise:.2f}: at most", round(np.abs(row).max(), 2))


def segregation(z):
    for scene, sign in (("agau-8nm", 1), ("agau-10nm", 1), ("agau-inverted", -1)):
        right = (sign * z[scene] > 3).sum()
        runs.verdict(right >= 0.95 * len(z[scene]), f"{scene}: of {len(z[scene])} runs z beyond 3 with the right sign",
                     right)
    n = len(z["agau-flat"])
    false = (np.abs(z["agau-flat"]) > 3).sum()
    runs.verdict(false <= max(1, n // 100), f"agau-flat: of {n} runs |z| beyond 3", false)


def main():
    seeds = runs.seeds(2)
    n = len(seeds)
    found = {}
    with tempfile.TemporaryDirectory(prefix="truth-") as directory:
        for scene in SCENES:
            many = scene in ("agau-8nm", "agau-flat") or n < 20
            found[scene] = measure(directory, scene, seeds if many else seeds[:n // 5])
    worst(found)
    for scene in ("agau-8nm", "agau-flat"):
        rings(scene)
    z = {scene: rows[:, 0, 2] for scene, rows in found.items()}
    segregation(z)
    two = found["agau-two"][..., 2]
    runs.verdict((two > 3).mean() >= 0.9, "agau-two: share of particles with z > 3", round((two > 3).mean(), 3))
    runs.judge()


main()
