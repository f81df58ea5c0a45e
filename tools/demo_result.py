"""Prints what edxd found of a particle beside the simulator's truth.

    demo_result.py RESULTS.h5 TRUTH.json

Ends with 1 when there is no particle, or its composition is more than 4 sigma off.
"""
import json
import sys

import h5py
import numpy as np

LIMIT = 4.0
ELEMENT = "Ag"


def row(name, value, sigma, truth, unit="", digits=4):
    off = (value - truth) / sigma if sigma > 0 else np.nan
    print(f"  {name:22s} {value:9.{digits}f} +- {sigma:.{digits}f}   {truth:9.{digits}f} {unit:3s} {off:+6.1f} sigma")
    return off


def print_profile(radial, element, truth):
    """Ring by ring; the truth is the column's composition at the ring's middle."""
    r, value, sigma = radial["r_nm"][()], radial["denoised"][element], radial["denoised_sigma"][element]
    raw, raw_sigma = radial["fraction"][element], radial["sigma"][element]
    true = np.interp(r, truth["r_nm"], truth[ELEMENT])
    print(f"\n  {ELEMENT} from the centre outwards, as counted and denoised")
    print(f"  {'r / nm':>8s} {'windows':>19s} {'denoised':>19s} {'truth':>9s}")
    for i in np.flatnonzero(np.isfinite(value)):
        print(f"  {r[i]:8.2f} {raw[i]:9.4f} +- {raw_sigma[i]:.4f} {value[i]:9.4f} +- {sigma[i]:.4f} {true[i]:9.4f}")
    check = radial["denoised_check"]
    verdict = "passed" if check["passed"][()] else "failed: biased"
    print(f"  check of the denoised profile against frames held out: {verdict}, p = {check['p'][()]:.2f}")


def main(results, truth_file):
    with open(truth_file, encoding="utf-8") as file:
        truth = json.load(file)["particles"][0]
    with h5py.File(results, "r") as file:
        if "particles/0" not in file:
            print("demo: no particle was found", file=sys.stderr)
            return 1
        particle, maps = file["particles/0"], file["maps"]
        elements = [e.decode() for e in maps["elements"][()]]
        value, random = particle["composition"][ELEMENT][()]
        systematic = file[f"particles/systematic/{ELEMENT}"][()] * value
        print(f"  {maps['frames'][()]} frames, {maps['counts'][()]} counts; {file['pca/rank'][()]} components")
        print(f"  {'':22s} {'measured':>9s}               {'truth':>7s}       off by")
        off = row(f"{ELEMENT}, whole particle", value, np.hypot(random, systematic), truth["composition"][ELEMENT])
        for zone in ("core", "shell"):
            found, sigma = particle["segregation"][zone][()]
            row(f"{ELEMENT}, {zone}", found, np.hypot(sigma, systematic), truth[zone][ELEMENT])
        delta, sigma = (particle["segregation"][key][()] for key in ("delta", "sigma"))
        row("shell - core", delta, sigma, truth["shell"][ELEMENT] - truth["core"][ELEMENT])
        print(f"  {'diameter':22s} {particle['diameter_nm'][()]:9.2f}             {truth['diameter_nm']:9.2f} nm")
        print_profile(particle["radial"], elements.index(ELEMENT), truth["radial"])
    if not abs(off) <= LIMIT:
        print(f"demo: composition: {abs(off):.1f} sigma off the truth, expected at most {LIMIT:.0f}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: demo_result.py RESULTS.h5 TRUTH.json")
    sys.exit(main(*sys.argv[1:]))
