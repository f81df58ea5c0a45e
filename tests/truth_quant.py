"""Composition, mass thickness and atoms against HyperSpy 1.7.3, on the cubes that edxd writes: the same windows,
the same factors, within 0.1 %. Cliff and Lorimer on the real FePt recording too; zeta-factors and cross-sections
without absorption, whose angle is taken out of the begin."""
import contextlib
import io
import os
import tempfile
import warnings

import numpy as np

import truth_runs as runs

warnings.simplefilter("ignore")
import hyperspy.api as hs  # noqa: E402

check = runs.check
DATA = os.environ.get("EDX_DATA", "")
CLOSE = 1e-3
WINDOWS = {  # edges between channels, equally wide on either side: there HyperSpy's estimate is the straight line
    "AgAu": [("Ag_La", 1.44, 107.8682, (2898, 3078), (2738, 2858), (3118, 3238)),
             ("Au_Ma", 1.0, 196.966570, (2038, 2298), (1858, 1978), (2358, 2478))],
    "film": [("Fe_Ka", 1.1, 55.845, (6278, 6538), (6038, 6198), (6618, 6778)),
             ("Ni_Ka", 1.25, 58.6934, (7338, 7598), (7198, 7298), (7638, 7738)),
             ("Ti_Ka", 0.9, 47.867, (4398, 4618), (4198, 4318), (4698, 4818))],
    "FePt": [("Fe_Ka", 1.45, 55.845, (6232, 6572), (6032, 6152), (6652, 6772)),
             ("Pt_La", 5.08, 195.084, (9252, 9632), (9012, 9152), (9732, 9872))],
}
ZETA = (720.0, 610.0, 540.0)
BARN = (310.0, 250.0, 420.0)


def lines(which, **more):
    """The setting quant.lines."""
    out = []
    for i, (name, k, _, peak, low, high) in enumerate(WINDOWS[which]):
        keys = "".join(f"{key}={value[i]}; " for key, value in more.items()) or f"k={k}; "
        out.append(f'{{line="{name}"; {keys}window_eV={peak}; background_eV=({low}, {high});}}')
    return f"quant.lines=({', '.join(out)})"


def no_angle(topic, body):
    if topic == "edx.begin":
        del body["detector"]["elevation_deg"]
    return body


def intensities(which, out, name, bins):
    """(signal, HyperSpy's net counts), binned as the analysis bins, with its own sums."""
    signal = hs.load(os.path.join(out, name, "cube.hspy"))
    signal.change_dtype("float64")
    rows, cols = (n // bins[0] * bins[0] for n in signal.data.shape[:2])
    signal = signal.inav[:cols, :rows]
    signal = signal.rebin(scale=(bins[0], bins[0], bins[1]))
    chosen = WINDOWS[which]
    signal.metadata.Sample.xray_lines = sorted(w[0] for w in chosen)
    with contextlib.redirect_stdout(io.StringIO()):
        net = signal.get_lines_intensity(
            xray_lines=[w[0] for w in chosen], integration_windows=[[e / 1e3 for e in w[3]] for w in chosen],
            background_windows=[[e / 1e3 for e in (*w[4], *w[5])] for w in chosen])
    return signal, net


def compare(what, ours, theirs, known):
    off = np.abs(ours[known] / theirs[known] - 1).max()
    print(f"{what}: within {off:.1e} of HyperSpy's in {known.sum()} places")
    check(off < CLOSE, f"{what}: {off} off")


def quantified(signal, net, method, factors):
    """[n, rows, cols] atomic fractions, and what comes with them."""
    answer = signal.quantification(net, method, list(factors), navigation_mask=None)
    fractions, more = answer if isinstance(answer, tuple) else (answer, None)
    return np.array([f.data for f in fractions]) / 100, more


def judge(what, which, out, name, bins):
    """By Cliff and Lorimer, whose factors are of weight in HyperSpy."""
    maps, chosen = runs.results(out, name, "maps")[0], WINDOWS[which]
    signal, net = intensities(which, out, name, bins)
    theirs = np.array([s.data for s in net])
    check(np.allclose(maps["intensity"], theirs, rtol=1e-5, atol=1e-3), f"{what}: net counts differ")
    known = np.isfinite(maps["atomic_fraction"])
    fraction, _ = quantified(signal, net, "CL", [w[1] * w[2] for w in chosen])
    compare(f"{what}, fractions", maps["atomic_fraction"], fraction, known)
    check(known.sum() > 20 * len(chosen), f"{what}: {known.sum()} places quantified")
    ours = maps["intensity"].sum((1, 2), dtype="f8")  # one spectrum
    theirs = np.array([s.data.sum() for s in net])
    print(f"{what}: net counts {np.round(theirs, 1)}, off by {np.abs(ours / theirs - 1).max():.1e}")
    check(np.abs(ours / theirs - 1).max() < CLOSE, f"{what}: net counts {ours}, HyperSpy {theirs}")


def dose(signal, truth):
    """Electrons are those of the begin, whatever the cube says of them."""
    scan = 64 // len(signal.data)
    tem = signal.metadata.Acquisition_instrument.TEM
    tem.beam_current = truth["probe_nA"]
    tem.Detector.EDS.live_time = truth["frames"] * 1e-3 * 0.97 * scan**2


def absolute(directory, method, key, factors):
    path, truth = runs.simulate(directory, method, "--scene", "agau-8nm", "--dose", 4, "--acq", method)
    runs.offline(directory, [runs.rewrite(path, path + ".level", no_angle)], *runs.PLAIN,
                 "analysis.drift=none", f"quant.method={method}", lines("AgAu", **{key: factors}))
    maps = runs.results(directory, method, "maps")[0]
    signal, net = intensities("AgAu", directory, method, (2, 4))
    known = np.isfinite(maps["atomic_fraction"][0])
    dose(signal, truth)
    theirs, more = quantified(signal, net, {"zeta": "zeta", "cross-section": "cross_section"}[method], factors[:2])
    compare(f"{method}, fractions", maps["atomic_fraction"], theirs, np.stack([known] * 2))
    if method == "zeta":
        compare("zeta, mass thickness", maps["mass_thickness"], more.data, known)
    else:
        atoms = np.array([m.data for m in more])
        compare("cross-section, atoms", maps["atoms"], atoms, np.stack([known] * 2))


def main():
    with tempfile.TemporaryDirectory(prefix="truth-") as directory:
        for scene, which, dose_of in (("agau-8nm", "AgAu", 1), ("film-3", "film", 2)):
            path, _ = runs.simulate(directory, scene, "--scene", scene, "--dose", dose_of)
            runs.offline(directory, [path], *runs.PLAIN, "analysis.drift=none", lines(which))
            judge(scene, which, directory, scene, (2, 4))
        absolute(directory, "zeta", "zeta", ZETA)
        absolute(directory, "cross-section", "cross_section_barn", BARN)
        path = os.path.join(DATA, "fept-bare-core-50f.edxr")
        if not os.path.exists(path):
            print(f"no {path}: FePt is not compared")
            return
        runs.offline(directory, [path], *runs.PLAIN, "analysis.bin_energy=1", "analysis.bin_pixels=6", "quant.limit=3",
                     "analysis.drift=none", lines("FePt"))
        judge("FePt", "FePt", directory, "fept-bare-core", (6, 1))


main()
