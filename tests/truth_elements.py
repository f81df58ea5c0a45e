"""What a specimen is of which nobody said anything: every scene of the simulator with the elements taken out of
its begin, through edxd --offline. EDX_SEEDS sets how many runs of each there are (1; make study: 10)."""
import os
import subprocess
import tempfile

import numpy as np

import truth_runs as runs

check = runs.check
AROUND = {"C", "O", "Si", "Cl", "Cu"}  # film and grid
FRAMES = 40


def nobody_said(topic, body):
    if topic == "edx.begin":
        del body["elements"]
    return body


def scenes():
    listed = subprocess.run([os.path.join(runs.BUILD, "edxsim"), "--scenes"], capture_output=True, text=True, check=True)
    return [line.split()[0] for line in listed.stdout.splitlines()]


def judge(name, truth, out):
    real = {line["element"] for line in truth["lines"]}
    maps, spectrum, found = runs.results(out, name, "maps", "spectrum", "particles")
    check(maps, f"{name}: no maps")
    shown = {e.decode() for e in maps["elements"]}
    check(shown == real, f"{name}: maps of {shown}, there are {real}")
    check(real <= set(spectrum["found"]) <= real | AROUND, f"{name}: found {sorted(spectrum['found'])}")
    for line, element, energy, window in zip(*(maps[k] for k in ("lines", "elements", "energy_eV", "window_eV"))):
        check(line.startswith(element + b"_") and window[0] < energy < window[1], f"{name}: {line} in {window}")
    n = sum(key.isdigit() for key in found)
    check(n == len(truth["particles"]), f"{name}: {n} particles")
    net = maps["intensity"].sum((1, 2))
    check((net > 10 * np.sqrt((maps["sigma"]**2).sum((1, 2)))).all(), f"{name}: net counts {net}")
    return f"{name}: maps of {' '.join(l.decode() for l in maps['lines'])}; found {' '.join(spectrum['found'])}"


def main():
    seeds = runs.seeds(1)
    with tempfile.TemporaryDirectory(prefix="truth-") as directory:
        out = os.path.join(directory, "out")
        for seed in seeds:
            made, paths = [], []
            for scene in scenes():
                path, truth = runs.simulate(directory, f"{scene}-{seed}", "--scene", scene, "--seed", seed,
                                            "--frames", FRAMES)
                paths.append(runs.rewrite(path, path + ".unknown", nobody_said))
                made.append((f"{scene}-{seed}", truth))
            runs.offline(out, paths, *runs.PLAIN)
            for name, truth in made:
                print(judge(name, truth, out))


main()
