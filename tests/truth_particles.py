"""Particles of known place, size and composition, through edxd --offline: centres, diameters, touching ones,
and segregation where there is some, none, or the other way round. EDX_SEEDS sets how many runs of each scene
there are (2; make study: 100)."""
import tempfile

import numpy as np

import truth_runs as runs

check = runs.check
SCENES = ("agau-4nm", "agau-8nm", "agau-10nm", "agau-two", "agau-flat", "agau-inverted")


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
              f"{pull.mean():+.2f} +- {pull.std():.2f}, composition off by {bias.mean():+.4f} +- {bias.std():.4f}")
    return rows


def main():
    seeds = runs.seeds(2)
    n = len(seeds)
    with tempfile.TemporaryDirectory(prefix="truth-") as directory:
        found = {scene: measure(directory, scene, seeds) for scene in SCENES}
    for scene, rows in found.items():
        check(rows[..., 0].max() < 0.1, f"{scene}: a centre {rows[..., 0].max()} nm off")
        check(np.abs(rows[..., 1] - 1).max() < 0.03, f"{scene}: diameters {rows[..., 1]} of the true ones")
        pulls = rows[..., 3]
        check(abs(pulls.mean()) < 0.6 + 3 / np.sqrt(pulls.size), f"{scene}: differences off by {pulls.mean()} sigma")
        check((pulls**2).mean() < 1.7 + 5 / np.sqrt(pulls.size), f"{scene}: squared pulls {(pulls**2).mean()}")
        check(np.abs(rows[..., 4].mean(0)).max() < 0.01, f"{scene}: composition {rows[..., 4].mean(0)} off")
    z = {scene: rows[:, 0, 2] for scene, rows in found.items()}
    check((z["agau-8nm"] > 3).mean() >= 0.95, f"the paper's case: z {z['agau-8nm']}")
    check((z["agau-10nm"] > 3).mean() >= 0.95, f"10 nm: z {z['agau-10nm']}")
    check((z["agau-inverted"] < -3).mean() >= 0.95, f"gold outside: z {z['agau-inverted']}")
    check((np.abs(z["agau-flat"]) > 3).sum() <= max(1, n // 100), f"no gradient: z {z['agau-flat']}")
    check((found["agau-two"][..., 2] > 3).mean() >= 0.9, f"two particles: z {found['agau-two'][..., 2]}")


main()
