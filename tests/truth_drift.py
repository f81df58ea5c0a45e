"""Drift of known size through edxd --offline: the track, with the image and from counts alone, and the radial
composition beside that of the same specimen at rest, and beside what is left uncorrected. EDX_SEEDS sets how
many runs of each case there are (1, with many counts; make study: 40, and more cases)."""
import tempfile

import numpy as np

import truth_runs as runs

check = runs.check
STEP = 0.25  # nm a scan pixel
FEW = [("steady", 0.1, 40, 8), ("walk", 0.2, 40, 8)]  # nm a frame, frames, dose
MANY = [("steady", 0.02, 100, 1), ("steady", 0.05, 80, 1), ("steady", 0.1, 40, 1), ("steady", 0.3, 14, 1),
        ("walk", 0.02, 100, 1), ("walk", 0.05, 100, 1), ("walk", 0.1, 100, 1), ("walk", 0.3, 60, 1),
        ("steady", 0.1, 40, 8), ("walk", 0.2, 40, 8)]


def moving(kind, nm):
    return ["--drift", f"{0.8 * nm},{-0.6 * nm}"] if kind == "steady" else ["--wander", nm]


def blind(topic, body):
    """No image: counts alone are left to register."""
    body.pop("images", None)
    return body


def track_error(truth, trend):
    """rms of a coordinate, in scan pixels, of the track without its mean: where frame 0 lies is itself noisy."""
    off = (trend["drift_nm"] - np.array(truth["drift_nm"])) / STEP
    return np.sqrt(((off - off.mean(0))**2).mean())


def profile_errors(truth, particle):
    """Fractions in rings minus the true ones; NaN where a ring is not quantified. Rings of the rim are few."""
    true = np.array(truth["particles"][0]["radial"]["Ag"], float)
    own = particle["radial"]["fraction"][0]
    n = len(true) - 1
    return own[:n] - true[:n]


def look(name, truth, out):
    found = runs.particles(out, name)
    check(found, f"{name}: no particle")
    largest = max(found, key=lambda p: p["diameter_nm"])
    return track_error(truth, runs.results(out, name, "trend")[0]), profile_errors(truth, largest)


def analyse(directory, case, seeds, settings, change=None, drifting=True):
    kind, nm, frames, dose = case
    move = moving(kind, nm) if drifting else []
    made = [(f"{kind}{nm}-{s}", ["--seed", s, "--frames", frames, "--dose", dose, *move]) for s in seeds]
    answers = runs.each(directory, made, (runs.PAPER, *runs.PLAIN, "quant.limit=3", *settings), look, change)
    return np.array([a[0] for a in answers]), np.array([a[1] for a in answers])


def rms(errors):
    return np.sqrt(np.nanmean(errors**2))


def measure(directory, case, seeds):
    still = rms(analyse(directory, case, seeds, (), drifting=False)[1])
    image, with_image = analyse(directory, case, seeds, ())
    counts, with_counts = analyse(directory, case, seeds, (), blind)
    _, without = analyse(directory, case, seeds, ("analysis.drift=none",))
    row = [np.sqrt((image**2).mean()), np.sqrt((counts**2).mean()), rms(with_image) / still, rms(with_counts) / still,
           rms(without) / still]
    print("{} of {} nm a frame, {} frames, dose {}: track rms {:.3f} pixel with the image, {:.3f} from counts; profile rms "
          "{:.4f} at rest; times {:.2f} with the image, {:.2f} from counts, {:.2f} uncorrected".format(
              *case, *row[:2], still, *row[2:]), flush=True)
    return row


def main():
    seeds = runs.seeds(1)
    cases = FEW if len(seeds) < 10 else MANY
    with tempfile.TemporaryDirectory(prefix="truth-") as directory:
        rows = [measure(directory, case, seeds) for case in cases]
    noise = 1 + 1.5 / np.sqrt(len(seeds) * 7)  # of a ratio of two rms
    for case, (image, counts, ratio, blind_ratio, _) in zip(cases, rows):
        what = "{} of {} nm, dose {}".format(case[0], case[1], case[3])
        runs.verdict(image < 0.5 and counts < 1, f"{what}: track rms in pixels, with image and from counts",
                     f"{image:.3f}, {counts:.3f}")
        runs.verdict(ratio < 1.2 * noise and blind_ratio < 1.2 * noise,
                     f"{what}: profile rms over that at rest, within 1.2 and its noise of {noise:.2f}",
                     f"{ratio:.2f}, {blind_ratio:.2f}")
    runs.verdict(max(r[4] for r in rows) > 1.3, "drift that is left uncorrected costs: times",
                 f"{max(r[4] for r in rows):.2f}")
    runs.judge()


main()
