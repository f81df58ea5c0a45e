"""Prints a particle's composition from a run's result file beside the simulator's truth.

    demo_result.py RESULTS.h5 TRUTH.json K [K_SIGMA]

The net counts of every pixel inside the HAADF (Otsu) threshold are summed first and turned into a
fraction once: C_Ag / C_Au = K N_Ag / N_Au. Ends with 1 when the result is more than 4 sigma off.
"""
import json
import sys

import h5py
import numpy as np

LIMIT = 4.0


def otsu(image):
    """The threshold that separates an image's values best in two classes (Otsu 1979)."""
    counts, edges = np.histogram(image[np.isfinite(image)], bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    moment = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (moment / below - (moment[-1] - moment) / above) ** 2
    return centres[np.nanargmax(between)]


def names(dataset):
    return [n.decode() if isinstance(n, bytes) else str(n) for n in dataset[()]]


def read(path):
    with h5py.File(path, "r") as file:
        maps = file["maps"]
        return {
            "elements": names(maps["elements"]),
            "lines": names(maps["lines"]),
            "net": maps["intensity"][()].astype(float),
            "sigma": maps["sigma"][()].astype(float),
            "exposure": maps["exposure"][()].astype(float),
            "image": file["spectrum/image"][()].astype(float),
            "frames": int(maps["frames"][()]),
            "counts": int(maps["counts"][()]),
        }


def particle_truth(truth):
    """Composition of all particles together: each counts with its volume."""
    weights = [p["diameter_nm"] ** 3 for p in truth["particles"]]
    return {
        element: np.average([p["composition"][element] for p in truth["particles"]], weights=weights)
        for element in truth["particles"][0]["composition"]
    }


def fraction(net, sigma, k, k_sigma):
    """Fraction of the first of two elements with its random and its systematic sigma."""
    a, b = k * net[0], net[1]
    c = a / (a + b)
    spread = c * (1 - c)
    return c, spread * np.hypot(sigma[0] / net[0], sigma[1] / net[1]), spread * k_sigma / k


def main(results, truth_file, k, k_sigma=0.01):
    run = read(results)
    with open(truth_file, encoding="utf-8") as file:
        truth = particle_truth(json.load(file))
    ag, au = (run["elements"].index(e) for e in ("Ag", "Au"))

    mask = (run["image"] / np.maximum(run["exposure"], 1) > otsu(run["image"] / np.maximum(run["exposure"], 1)))
    mask &= run["exposure"] > 0
    net = [run["net"][i][mask].sum() for i in (ag, au)]
    sigma = [np.sqrt((run["sigma"][i][mask] ** 2).sum()) for i in (ag, au)]
    if min(net) <= 0:
        print(f"demo: no counts of Ag or Au inside the threshold: {net}", file=sys.stderr)
        return 1
    c, random, systematic = fraction(net, sigma, float(k), float(k_sigma))
    total = np.hypot(random, systematic)
    off = (c - truth["Ag"]) / total

    print(f"  {run['frames']} frames, {run['counts']} counts, {mask.sum()} pixels of the particle")
    for index, n, s in zip((ag, au), net, sigma):
        print(f"  net {run['lines'][index]:6s} {n:10.0f} +- {s:.0f}")
    print(f"  {'':10s} {'measured':>8s}   {'random':>7s}   {'from k':>7s}   {'truth':>6s}   {'off by':>10s}")
    for element, value, sign in (("Ag", c, 1), ("Au", 1 - c, -1)):
        print(
            f"  {element:10s} {value:8.4f} +- {random:.4f} +- {systematic:.4f}   {truth[element]:6.4f}   {sign * off:+.1f} sigma"
        )
    if not abs(off) <= LIMIT:
        print(f"demo: composition: {abs(off):.1f} sigma off the truth, expected at most {LIMIT:.0f}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit("usage: demo_result.py RESULTS.h5 TRUTH.json K [K_SIGMA]")
    sys.exit(main(*sys.argv[1:]))
