"""Change under the beam and the forecast, in simulated runs: undamaged ones whose current decays, and drifts, are
not named; silver that goes is; the frames that a precision takes are known at frame 20, and what cannot be
reached is said. EDX_SEEDS sets how many damaged runs there are, twice as many undamaged ones (3; make study: 100)."""
import os
import tempfile

import numpy as np

import truth_runs as runs

check = runs.check
EARLY, TARGET = 20, 0.0022


def change(name, truth, out):
    trend, status = runs.results(out, name, "trend", "status")
    return trend["damage"], trend["contamination"].get("since_frame", np.nan), status["health"]["outliers"].tolist()


def watched(directory, what, seeds, *options):
    """First frames at which damage was named, -1: never."""
    made = [(f"{what}-{s}", ["--seed", s, *options]) for s in seeds]
    answers = runs.each(directory, made, (runs.PAPER, *runs.PLAIN), change)
    since = np.array([int(a[0]["since_frame"]) for a in answers])
    named = since[since >= 0]
    print(f"{what}: {len(named)} of {len(since)} named, first in frame "
          f"{np.median(named) if len(named) else 'none'} (median); z {np.mean([a[0]['z'] for a in answers]):.2f}; "
          f"carbon in {sum(np.isfinite(a[1]) for a in answers)}; outlying frames {[a[2] for a in answers if a[2]]}",
          flush=True)
    for name, answer in zip(made, answers):
        check(not answer[2], f"{name[0]}: outlying frames {answer[2]}")
    return since, sum(np.isfinite(a[1]) for a in answers)


def early(topic, body):
    return None if topic == "edx.end" or (topic == "edx.frame" and body["frame"] >= EARLY) else body


def forecasts(directory, seeds):
    """Frames said at frame 20 over frames needed, of the composition and of the difference."""
    ratios = []
    for s in seeds:
        path, _ = runs.simulate(directory, f"f-{s}", "--seed", s)
        cut = runs.rewrite(path, path + ".cut", early)
        outs = [os.path.join(directory, f"{o}-{s}") for o in ("early", "late")]
        settings = (runs.PAPER, *runs.PLAIN, f"analysis.target_sigma={TARGET}")
        runs.offline(outs[0], [cut], *settings)
        runs.offline(outs[1], [path], *settings)
        said = runs.results(outs[0], f"f-{s}", "trend")[0]["forecast"]
        trend = runs.results(outs[1], f"f-{s}", "trend")[0]
        check(abs(said["seconds"] - (said["frames_needed"] - EARLY) * 4.096) < 1e-6, f"seconds: {said}")
        needed = 1 + int(np.argmax(trend["sigma"].max(0) <= TARGET))
        sigma = runs.particles(outs[1], f"f-{s}")[0]["segregation"]["sigma"]
        ratios.append((said["frames_needed"] / needed, said["delta_frames_needed"] / (100 * (sigma / TARGET)**2)))
        os.remove(path)
    ratios = np.array(ratios)
    good = (np.abs(ratios - 1) <= 0.15).mean(0)
    print(f"forecast at frame {EARLY} over frames needed: {ratios[:, 0].min():.2f} to {ratios[:, 0].max():.2f}, "
          f"{100 * good[0]:.0f} % within 15 %; of the difference {ratios[:, 1].min():.2f} to {ratios[:, 1].max():.2f}, "
          f"{100 * good[1]:.0f} %", flush=True)
    return good


def unreachable(directory):
    path, _ = runs.simulate(directory, "never", "--frames", 10)
    factors = runs.PAPER.replace("k_sigma=0.0;}, ", "k_sigma=0.05;}, ", 1)
    for target, reachable in ((0.005, False), (0.05, True)):
        said = runs.offline(os.path.join(directory, str(target)), [path], factors, *runs.PLAIN,
                            f"analysis.target_sigma={target}")
        forecast = runs.results(os.path.join(directory, str(target)), "never", "trend")[0]["forecast"]
        check(np.isinf(forecast["frames_needed"]) != reachable, f"target {target}: {forecast}")
        check(("cannot be reached" in said) != reachable, f"target {target}: {said}")


def main():
    seeds = runs.seeds(3)
    n = len(seeds)
    with tempfile.TemporaryDirectory(prefix="truth-") as directory:
        unreachable(directory)
        good = forecasts(directory, seeds)
        still, carbon = watched(directory, "decaying", range(1, 2 * n + 1), "--decay", 0.2)
        moving, more_carbon = watched(directory, "drifting", seeds, "--decay", 0.2, "--drift", "0.02,0.01")
        lost, false_carbon = watched(directory, "damaged", seeds, "--damage", 0.1, "--decay", 0.2)
    check((good >= 0.9 if n >= 20 else good >= 0.5).all(), f"forecasts within 15 %: {good}")
    check((still >= 0).sum() <= max(1, n // 50), f"undamaged runs named: {still[still >= 0]}")
    check((moving >= 0).sum() <= max(1, n // 50), f"drifting runs named: {moving[moving >= 0]}")
    check((lost >= 0).mean() >= (0.95 if n >= 20 else 0.6), f"damage found: {lost}")
    check(carbon + more_carbon + false_carbon <= max(1, n // 25), "carbon grows where none does")


main()
