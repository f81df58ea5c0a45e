"""Elements found in real recordings, at any number of counts, and the axis that their lines have."""
import json
import os
import subprocess
import sys

import h5py
import numpy as np

import recordings

DATA = os.environ["EDX_DATA"]
DUMP = os.path.join(os.environ["EDX_BUILDDIR"], "tests/elements_dump")
SEED = 20261122


def dump(spectrum, offset, scale, resolution, lowest):
    """{symbol: (line, counts, sigma, share, what)}, [refined, offset, sigma, gain, ...], [chi2, dof] twice."""
    run = subprocess.run([DUMP, *map(str, (offset, scale, 200.0, resolution, lowest))], check=True, timeout=60,
                         input="\n".join(map(str, spectrum)), capture_output=True, text=True)
    found, axis, chi2 = {}, [], []
    for kind, *words in map(str.split, run.stdout.splitlines()):
        if kind == "element":
            found[words[0]] = (words[1], *map(float, words[2:5]), words[5])
        elif kind == "axis":
            axis = [float(w) for w in words]
        else:
            chi2.append([float(w) for w in words])
    return found, axis, chi2


def fept():
    path = os.path.join(DATA, "fept-bare-core-50f.edxr")
    energy = recordings.begin_of(path)["energy"]
    spectrum = np.zeros(energy["channels"])
    for topic, body in recordings.messages(path):
        if topic == "edx.frame":
            spectrum += np.bincount(body["counts"]["channels"], minlength=len(spectrum))
    return spectrum, energy["offset_eV"], energy["scale_eV"], 133.3, 0.0


def superalloy():
    """Super-X: events as they stand in the file, 65535 between pixels; binned by four."""
    path = os.path.join(DATA, "fei_SI_SuperX-HAADF_10frames_10x50.emd")
    spectrum = np.zeros(4096)
    with h5py.File(path, "r") as f:
        for stream in f["Data/SpectrumStream"].values():
            words = stream["Data"][:, 0]
            spectrum += np.bincount(words[words != 65535], minlength=4096)
            meta = json.loads(bytes(stream["Metadata"][:, 0]).split(b"\0")[0])
        assert meta["Optics"]["AccelerationVoltage"] == "200000"
    return spectrum.reshape(-1, 4).sum(1), -1000.0 + 1.5 * 5.0, 20.0, 130.0, 100.0


def check(name, found, sample, minor, instrument):
    for symbol in sample:
        assert symbol in found, f"{name}: no {symbol} among {sorted(found)}"
        assert found[symbol][4] == "quantify", f"{name}: {symbol} is {found[symbol][4]}"
    for symbol, what in found.items():
        assert symbol in sample or symbol in minor or what[4] == "instrument", f"{name}: {symbol} {what}"
        assert what[4] != "instrument" or symbol in instrument, f"{name}: {symbol} {what}"


def whole(name, recording, sample, minor, instrument):
    spectrum, *rest = recording
    rng = np.random.default_rng(SEED)
    for part in (1.0, 0.3, 0.1, 0.03):
        thinned = rng.binomial(spectrum.astype(int), part) if part < 1 else spectrum
        found, axis, chi2 = dump(thinned, *rest)
        print(name, part, int(thinned.sum()), " ".join(f"{s}:{w[4][0]}" for s, w in found.items()))
        check(name, found, sample if part >= 0.1 else sample[:2], minor + sample, instrument)
        if part == 1:
            print("  axis", axis, "chi2", chi2)
            assert axis[0] == 1 and abs(axis[1]) < 15 and abs(axis[3] - 1) < 0.004
            assert chi2[1][0] < 0.75 * chi2[0][0], "the axis that was found does not explain the spectrum better"


def main():
    if not os.path.exists(os.path.join(DATA, "reference.json")):
        print(f"skipped: no recordings in {DATA}")
        return 77
    around = ["C", "N", "O", "Al", "Si", "Cl", "Cu", "Zr"]
    whole("FePt", fept(), ["Pt", "Fe"], [], around)
    # A nickel superalloy: what it holds beside, Mo by its K line at 17.5 keV.
    whole("superalloy", superalloy(), ["Ni", "Cr", "Fe"], ["Nb", "Ti", "Mo"], around)
    return 0


sys.exit(main())
