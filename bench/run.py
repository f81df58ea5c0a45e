"""One run, one table: what the machine can do, and what edxd's kernels and the field's own tools make
of it, measured side by side. Absolute times move from run to run; the ratios are what counts.

usage: run.py BUILDDIR [OUT.json [SIDE...]]

SIDE: of the square scans, 64, 256, 512 and 1024 unless told; the tools in Python get no more than 512.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

CHANNELS, SCALE_KEV = 1024, 0.02
SIDES = (64, 256, 512, 1024)
PYTHON_SIDE = 512  # beyond it a dense cube of doubles fills the machine
FRAMES = {64: 100, 256: 100, 512: 100, 1024: 30}
LATENCY = ((64, 4096, 5, 100), (256, 4096, 5, 40), (512, 4096, 2, 12))
LINES = {
    "C_Ka": 277, "O_Ka": 525, "Cu_La": 930, "Al_Ka": 1487, "Si_Ka": 1740, "Au_Ma": 2123,
    "Cl_Ka": 2622, "Ag_La": 2984, "Ca_Ka": 3691, "Ti_Ka": 4511, "Cr_Ka": 5415, "Fe_Ka": 6404,
    "Ni_Ka": 7478, "Cu_Ka": 8046, "Au_La": 9713, "Br_Ka": 11924,
}  # fmt: skip


def windows():
    """Peak and two backgrounds of each line, in eV: equally wide, on either side, where HyperSpy's
    estimate is the straight line; edges between channel centres, where nobody rounds otherwise."""
    out = []
    for energy in LINES.values():
        e = 20 * round(energy / 20) - 4
        out.append([e - 60, e + 60, e - 140, e - 80, e + 80, e + 140])
    return out


class Table:
    def __init__(self):
        self.data = {}
        print(f"{'':48}{'median':>10}  {'min':>9} {'max':>9}")

    def row(self, text, spread, unit, note=""):
        low, middle, high = spread
        print(f"{text:48}{middle:10.3f}  {low:9.3f} {high:9.3f} {unit:5} {note}", flush=True)

    def line(self, text):
        print(text, flush=True)

    def compare(self, operation, side, with_whom, theirs, ours, asked=None):
        """Keeps a ratio for the last table; theirs and ours are [min, median, max] ms."""
        self.data.setdefault("ratios", []).append(
            {"operation": operation, "side": side, "with": with_whom, "theirs_ms": theirs, "ours_ms": ours,
             "ratio": theirs[1] / ours[1], "spread": [theirs[0] / ours[2], theirs[2] / ours[0]], "asked": asked})

    def close(self):
        self.line(f"\n{'ratios, medians':44}{'scan':>6} {'theirs ms':>10} {'edxd ms':>9} {'ratio':>6}  from-to, asked")
        for r in self.data.get("ratios", []):
            low, high = r["spread"]
            asked = f", >= {r['asked']}" if r["asked"] else ""
            self.line(f"{r['operation'] + ', ' + r['with']:44.44}{r['side']:>6} {r['theirs_ms'][1]:10.1f} "
                      f"{r['ours_ms'][1]:9.3f} {r['ratio']:6.0f}  {low:.0f}-{high:.0f}{asked}")


def kernels(build, *args, stdin=None):
    done = subprocess.run([os.path.join(build, "bench/kernels"), *args], input=stdin, text=True,
                          stdout=subprocess.PIPE, check=True)  # fmt: skip
    return json.loads(done.stdout)


def spread_of(function, repeats):
    ms = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        ms.append(1e3 * (time.perf_counter() - start))
    return [min(ms), sorted(ms)[len(ms) // 2], max(ms)]


def product_gflops():
    """f32 matrix products by numpy's BLAS, near what the arithmetic units can do."""
    a = np.ones((2048, 2048), np.float32)
    ms = spread_of(lambda: a @ a, 7)
    return [2 * 2048**3 / (1e6 * t) for t in reversed(ms)]


def limits(build, table):
    table.line("machine")
    data = kernels(build, "limits")
    data["product_GFLOPs"] = product_gflops()
    table.row("  f32 matrix product, numpy", data["product_GFLOPs"], "GF/s")
    table.row("  u32 += over 512 MB, 1 thread", data["rmw_1_GBs"], "GB/s")
    table.row("  u32 += over 512 MB, 2 threads", data["rmw_2_GBs"], "GB/s")
    table.row("  sharing a loop with a second thread", data["pool_us"], "us")
    table.data["limits"] = data
    return data


def share(bytes_moved, ms, limit):
    return f"{100 * bytes_moved / (1e6 * ms) / limit:.0f} %"


def numpy_adding(side):
    """np.add.at of one frame into a dense u16 cube."""
    rng = np.random.default_rng(1)
    cube = np.zeros((side * side, CHANNELS), np.uint16)
    counts = rng.poisson(5, side * side)
    channels = rng.integers(0, CHANNELS, counts.sum())

    def add():
        np.add.at(cube, (np.repeat(np.arange(side * side), counts), channels), 1)

    return spread_of(add, 3)


def scene(build, table, side, limit):
    table.line(f"adding a frame's counts, {side} x {side}, 5 a pixel, {CHANNELS} channels")
    data = kernels(build, "scene", str(side))
    dense = 128 * data["events"]
    for threads in (1, 2):
        rate = limit[f"rmw_{threads}_GBs"][1]
        ms = data[f"frame_100_{threads}_ms"]
        note = (f"{share(data['bytes'], ms[1], rate)} of read-modify-write by the record's bytes, "
                f"{share(dense, ms[1], rate)} by a line each way a count")  # fmt: skip
        table.row(f"  frame 10, {threads} thread(s)", data[f"frame_10_{threads}_ms"], "ms")
        table.row(f"  frame 100, {threads} thread(s)", ms, "ms", note)
    ratio = data["frame_100_2_ms"][1] / data["frame_10_2_ms"][1]
    if side <= PYTHON_SIDE:
        data["numpy_ms"] = numpy_adding(side)
        table.row("  numpy.add.at, dense", data["numpy_ms"], "ms",
                  f"{data['numpy_ms'][1] / data['frame_100_2_ms'][1]:.0f} x edxd's")  # fmt: skip
        table.compare("adding a frame", side, "numpy.add.at", data["numpy_ms"], data["frame_100_2_ms"])
    table.line(f"  frame 100 / frame 10: {ratio:.2f}; {data['slots_per_pixel']:.0f} slots a pixel; "
               f"memory / 3 bytes a slot: {data['memory']:.3f}")  # fmt: skip
    table.data[f"scene_{side}"] = data


def eds_signal(cube):
    import hyperspy.api as hs

    hs.preferences.General.show_progressbar = False
    signal = hs.signals.Signal1D(cube)
    signal.set_signal_type("EDS_TEM")
    axis = signal.axes_manager.signal_axes[0]
    axis.scale, axis.offset, axis.units, axis.name = SCALE_KEV, 0, "keV", "Energy"
    signal.set_microscope_parameters(beam_energy=200)
    return signal


def hyperspy_lines(cube):
    signal = eds_signal(cube)
    peaks = [[w[0] / 1e3, w[1] / 1e3] for w in windows()]
    sides = [[e / 1e3 for e in w[2:]] for w in windows()]
    return lambda: signal.get_lines_intensity(
        xray_lines=list(LINES), integration_windows=peaks, background_windows=sides
    )


def maps(build, table, side):
    table.line(f"{len(LINES)} net line maps from a frame's events, {side} x {side}")
    text = "\n".join(" ".join(map(str, w)) for w in windows())
    with tempfile.TemporaryDirectory(prefix="edx-bench-") as folder:
        files = [os.path.join(folder, name) for name in ("cube", "net")]
        data = kernels(build, "maps", str(side), *files, stdin=text)
        cube = np.fromfile(files[0], "<u2").reshape(side, side, CHANNELS)
        net = np.fromfile(files[1], "<f4").reshape(len(LINES), side, side)
    intensities = hyperspy_lines(cube)
    theirs = np.array([m.data for m in intensities()])
    if theirs.shape != net.shape or not np.allclose(theirs, net, rtol=1e-6, atol=1e-4):
        raise SystemExit(f"run.py: maps of {side} x {side} differ from HyperSpy's")
    data["hyperspy_ms"] = spread_of(intensities, 5)
    table.row("  HyperSpy get_lines_intensity", data["hyperspy_ms"], "ms", "same maps")
    for threads in (1, 2):
        ms = data[f"maps_{threads}_ms"]
        ratio = data["hyperspy_ms"][1] / ms[1]
        table.row(f"  edxd, {threads} thread(s)", ms, "ms", f"{ratio:.0f} x faster")
        table.row("    and their sigmas", data[f"maps_sigma_{threads}_ms"], "ms")
    table.compare("16 line maps", side, "HyperSpy", data["hyperspy_ms"], data["maps_2_ms"], 1000)
    table.data[f"maps_{side}"] = data


def hyperspy_decomposition(cube, **how):
    import hyperspy.api as hs

    def decompose():
        signal = hs.signals.Signal1D(cube.astype(how.get("dtype", "f8")))
        signal.set_signal_type("EDS_TEM")
        start = time.perf_counter()
        signal.decomposition(True, navigation_mask=None, print_info=False,
                             **{k: v for k, v in how.items() if k != "dtype"})  # fmt: skip
        ms = 1e3 * (time.perf_counter() - start)
        return ms, signal.learning_results

    return decompose


def angle(spectra, factors, channels, k):
    """Largest principal angle, by its sine."""
    a = np.linalg.qr(spectra[:k, channels].astype(float).T)[0]
    b = np.linalg.qr(factors[:, :k])[0]
    return np.arcsin(min(1, np.linalg.norm(a - b @ (b.T @ a), 2)))


def components(build, table, side):
    """One more frame's principal components against HyperSpy's of the same sum."""
    table.line(f"principal components, {side} x {side}, {CHANNELS} channels, frame 100 of agau-8nm")
    program, data = os.path.join(build, "bench/components"), {}
    with tempfile.TemporaryDirectory(prefix="edx-bench-") as folder:
        rec, *files = (os.path.join(folder, name) for name in ("rec.edxr", "cube", "spectra"))
        subprocess.run([os.path.join(build, "edxsim"), "-q", "--scene", "agau-8nm", "--seed", "3",
                        "--size", str(side), "--frames", "100", "-o", rec], check=True)  # fmt: skip
        for threads in (1, 2):
            done = subprocess.run([program, rec, str(threads), "4", "100", *files],
                                  stdout=subprocess.PIPE, check=True)  # fmt: skip
            data[threads] = json.loads(done.stdout)
        cube = np.fromfile(files[0], "<u2").reshape(side, side, CHANNELS)
        spectra = np.fromfile(files[1], "<f4").reshape(-1, CHANNELS)
    full = cube.sum((0, 1)) > 0
    if not (cube.sum(2) > 0).all():
        raise SystemExit("run.py: an empty pixel, which HyperSpy refuses")
    cube = cube[:, :, full]
    runs = {"SVD": [hyperspy_decomposition(cube, algorithm="SVD")() for _ in range(3 if side < 128 else 1)]}
    runs["randomised"] = [hyperspy_decomposition(cube, algorithm="SVD", svd_solver="randomized", dtype="f4",
                                                 output_dimension=8)() for _ in range(3)]
    k = data[2]["significant"]
    unscaled = np.sqrt(cube.sum((0, 1), dtype="f8"))[:, None]  # HyperSpy gives counts back
    off = angle(spectra, runs["SVD"][0][1].factors / unscaled, full, k)
    if off > 1e-3:
        raise SystemExit(f"run.py: components of {side} x {side} differ from HyperSpy's by {off}")
    for what, results in runs.items():
        ms = sorted(r[0] for r in results)
        data[what + "_ms"] = [ms[0], ms[len(ms) // 2], ms[-1]]
        table.row(f"  HyperSpy decomposition, {what}", data[what + "_ms"], "ms")
    for threads in (1, 2):
        ms = data[threads]["pca_ms"]
        note = ", ".join(f"{data[w + '_ms'][1] / ms[1]:.0f} x {w}" for w in runs)
        table.row(f"  edxd, {threads} thread(s)", ms, "ms", note)
        table.row("    adding the frame, binned", data[threads]["add_ms"], "ms")
        table.row("    folds, when counts grew by a tenth", data[threads]["folds_ms"], "ms",
                  f"{data[threads]['folds_mean_ms'] / data[threads]['pca_mean_ms']:.1f} x components, mean of a run")  # fmt: skip
    for what, asked in ("SVD", {64: 400, 256: 800}), ("randomised", {64: 30, 256: 80}):
        table.compare("principal components", side, "HyperSpy " + what, data[what + "_ms"], data[2]["pca_ms"],
                      asked.get(side))  # fmt: skip
    d = data[2]
    table.line(f"  {k} significant, angle to HyperSpy's {off:.1e}; {d['counts'] / side**2:.0f} counts and "
               f"{d['slots'] / side**2:.0f} slots a pixel, {d['passes']:.1f} passes a frame; frame 100 / "
               f"frame 10: {d['pca_ms'][1] / d['pca_10_ms'][1]:.2f}")  # fmt: skip
    table.data[f"components_{side}"] = data


def sklearn_iteration(cube, k, few, many, dtype):
    """ms of one of scikit-learn's multiplicative updates for Kullback-Leibler, from random factors: the
    difference between many and few, so that what comes before does not count."""
    import warnings

    from sklearn.decomposition import NMF

    x = cube.reshape(-1, cube.shape[-1]).astype(dtype)
    rng = np.random.default_rng(1)
    w, h = rng.random((len(x), k)).astype(dtype), rng.random((k, x.shape[1])).astype(dtype)

    def fit(iterations):
        model = NMF(k, init="custom", solver="mu", beta_loss="kullback-leibler", tol=0, max_iter=iterations)
        start = time.perf_counter()
        model.fit_transform(x, W=w.copy(), H=h.copy())
        return time.perf_counter() - start

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return 1e3 * (fit(many) - fit(few)) / (many - few)


def factors(build, table, side, k=8):
    """One pass over a sum's counts against one of scikit-learn's over the same."""
    table.line(f"non-negative factors, {side} x {side}, {CHANNELS} channels, {k} components, frame 100 of agau-8nm")
    program, data = os.path.join(build, "bench/nmf"), {}
    with tempfile.TemporaryDirectory(prefix="edx-bench-") as folder:
        rec, file = (os.path.join(folder, name) for name in ("rec.edxr", "cube"))
        subprocess.run([os.path.join(build, "edxsim"), "-q", "--scene", "agau-8nm", "--seed", "3",
                        "--size", str(side), "--frames", "100", "-o", rec], check=True)  # fmt: skip
        for threads in (1, 2):
            done = subprocess.run([program, rec, str(threads), "4", "100", str(k), file],
                                  stdout=subprocess.PIPE, check=True)  # fmt: skip
            data[threads] = json.loads(done.stdout)
        cube = np.fromfile(file, "<u2").reshape(side, side, CHANNELS)
    few, many, repeats = (1, 11, 3) if side < 128 else (1, 3, 1)
    for dtype in ("f8", "f4"):
        ms = sorted(sklearn_iteration(cube, k, few, many, dtype) for _ in range(repeats))
        data[f"sklearn_{dtype}_ms"] = [ms[0], ms[len(ms) // 2], ms[-1]]
        table.row(f"  scikit-learn mu, one iteration, {dtype}", data[f"sklearn_{dtype}_ms"], "ms")
    for threads in (1, 2):
        ms = data[threads]["pass_ms"]
        note = ", ".join(f"{data[f'sklearn_{t}_ms'][1] / ms[1]:.0f} x {t}" for t in ("f8", "f4"))
        table.row(f"  edxd, one pass, {threads} thread(s)", ms, "ms", note)
        table.row(f"    a frame's {data[threads]['passes']} passes and divergence", data[threads]["update_ms"], "ms",
                  f"{100 * (data[threads]['live'] / data[threads]['converged'] - 1):+.2f} % of converged")  # fmt: skip
    table.compare("non-negative factors, a pass", side, "scikit-learn", data["sklearn_f8_ms"], data[2]["pass_ms"],
                  {64: 60, 256: 150}.get(side))  # fmt: skip
    d = data[2]
    table.line(f"  {d['counts'] / side**2:.0f} counts and {d['slots'] / side**2:.0f} slots a pixel; from a fixed "
               f"start {d['converge_passes']} passes in {d['converge_ms']:.0f} ms")  # fmt: skip
    table.data[f"factors_{side}"] = data


def details(build, table, side):
    """What a frame's particles, model, rings, denoising and trend take beyond its components."""
    table.line(f"particles, model, rings, denoising, {side} x {side}, {CHANNELS} channels, frame 100 of agau-8nm")
    program, data = os.path.join(build, "bench/details"), {}
    with tempfile.TemporaryDirectory(prefix="edx-bench-") as folder:
        rec = os.path.join(folder, "rec.edxr")
        subprocess.run([os.path.join(build, "edxsim"), "-q", "--scene", "agau-8nm", "--seed", "3",
                        "--size", str(side), "-o", rec], check=True)  # fmt: skip
        for what, *how in (("1 thread", 1, 0), ("2 threads", 2, 0), ("2 threads, replicates", 2, 10),
                           ("2 threads, maps by the model", 2, 0, "model")):  # fmt: skip
            done = subprocess.run([program, rec, *map(str, how)], stdout=subprocess.PIPE, check=True)
            data[what] = json.loads(done.stdout)
            table.row(f"  beyond components, {what}", data[what]["beyond_ms"], "ms",
                      f"components {data[what]['pca_ms'][1]:.2f} ms, {data[what]['particles']} particle")  # fmt: skip
    table.data[f"details_{side}"] = data


def hyperspy_pipeline(cube):
    """ms of what a notebook does with a map once it is there: Poisson-scaled SVD, NMF with the paper's eight
    components, net intensities with background windows, Cliff-Lorimer. The decompositions do without empty
    channels, which they refuse."""
    signal = eds_signal(cube)
    signal.set_elements(["Ag", "Au"])
    signal.set_lines(["Ag_La", "Au_Ma"])
    full = cube[:, :, cube.sum((0, 1)) > 0].astype("f8")
    first, second = eds_signal(full), eds_signal(full.copy())
    start = time.perf_counter()
    first.decomposition(True, algorithm="SVD", navigation_mask=None, print_info=False)
    second.decomposition(True, algorithm="NMF", output_dimension=8, navigation_mask=None, print_info=False)
    background = signal.estimate_background_windows(windows_width=1.0)
    intensities = signal.get_lines_intensity(background_windows=background)
    signal.quantification(intensities, "CL", factors=[1.44, 1.0])
    return 1e3 * (time.perf_counter() - start)


def hyperspy_quantify(cube, patch=8, rings=20):
    """ms of what a notebook does for what edxd does beyond components: net maps and their composition; a
    model of the spectrum fitted to the sum and to rings; the same model fitted to every pixel, of which
    patch x patch are fitted and the rest is in proportion."""
    side = len(cube)
    y, x = np.indices((side, side)) - (side - 1) / 2
    ring = (np.hypot(y, x) * 2 * rings / side).astype(int)
    spectra = np.array([cube[ring == k].sum(0, dtype="f8") for k in range(rings)])
    middle = slice(side // 2 - patch // 2, side // 2 + patch // 2)
    signals = [eds_signal(a) for a in (cube.sum((0, 1), dtype="f8"), spectra, cube[middle, middle].astype("f8"))]
    start = time.perf_counter()
    signal = eds_signal(cube)
    signal.set_elements(["Ag", "Au"])
    signal.set_lines(["Ag_La", "Au_Ma"])
    background = signal.estimate_background_windows(windows_width=1.0)
    signal.quantification(signal.get_lines_intensity(background_windows=background), "CL", factors=[1.44, 1.0])
    times = [time.perf_counter() - start]
    for fitted in signals:
        fitted.set_elements(["Ag", "Au"])
        start = time.perf_counter()
        fitted.create_model().multifit()
        times.append(time.perf_counter() - start)
    return 1e3 * sum(times[:3]), 1e3 * (sum(times[:3]) + times[3] * side**2 / patch**2)


def compare_details(table, side, cube):
    data = table.data.get(f"details_{side}")
    if not data:
        return
    rings, pixels = hyperspy_quantify(cube)
    data["hyperspy_ms"] = [rings, pixels]
    table.line("  HyperSpy's steps for what edxd does beyond components")
    for text, ms, what in (("maps, a model of sum and rings", rings, "2 threads"),
                           ("and of every pixel", pixels, "2 threads, maps by the model")):  # fmt: skip
        table.row(f"    {text}", [ms] * 3, "ms")
        table.compare(text, side, "HyperSpy", [ms] * 3, data[what]["quantify_ms"], 500)


def pipeline(build, table, side):
    """A frame, from its counts to everything that is published, against a notebook's batch analysis."""
    table.line(f"a whole frame, {side} x {side}, {CHANNELS} channels, frame {FRAMES[side]} of agau-8nm")
    program, data = os.path.join(build, "bench/pipeline"), {}
    with tempfile.TemporaryDirectory(prefix="edx-bench-") as folder:
        rec, file = (os.path.join(folder, name) for name in ("rec.edxr", "cube"))
        subprocess.run([os.path.join(build, "edxsim"), "-q", "--scene", "agau-8nm", "--seed", "3",
                        "--size", str(side), "--frames", str(FRAMES[side]), "-o", rec], check=True)  # fmt: skip
        for threads in (1, 2):
            last = [file] if threads == 2 and side <= PYTHON_SIDE else []
            done = subprocess.run([program, rec, str(threads), *last], stdout=subprocess.PIPE, check=True)
            data[threads] = json.loads(done.stdout)
        cube = None
        if side <= PYTHON_SIDE:  # the scan's channels, binned as edxd bins them
            cube = np.fromfile(file, "<u2").reshape(side, side, CHANNELS, -1).sum(-1, dtype="<u2")
    for threads in (1, 2):
        d = data[threads]
        table.row(f"  edxd, {threads} thread(s)", d["all_ms"], "ms",
                  f"sum {d['add_ms'][1]:.2f}, maps {d['maps_ms'][1]:.2f}, components, factors, particles "
                  f"{d['decompose_ms'][1]:.2f}; mean of the run {d['mean_ms']:.2f}")  # fmt: skip
        table.row("    the notebook's steps alone", d["steps_ms"], "ms",
                  "sum, maps, components, a pass of 8 factors")  # fmt: skip
    d = data[2]
    table.line(f"  {d['counts'] / side**2:.0f} counts and {d['slots'] / side**2:.0f} slots a pixel, "
               f"{d['resident_MB']:.0f} MB resident")  # fmt: skip
    if cube is not None:
        data["hyperspy_ms"] = sorted(hyperspy_pipeline(cube) for _ in range(3 if side < 128 else 1))
        data["hyperspy_ms"] = [data["hyperspy_ms"][i] for i in (0, len(data["hyperspy_ms"]) // 2, -1)]
        table.row("  HyperSpy: SVD, NMF, intensities, Cliff-Lorimer", data["hyperspy_ms"], "ms")
        table.compare("the notebook's steps, a frame", side, "HyperSpy's batch", data["hyperspy_ms"],
                      d["steps_ms"], {64: 500, 256: 1000}.get(side))  # fmt: skip
        table.compare("all that is published, a frame", side, "HyperSpy's batch", data["hyperspy_ms"],
                      d["all_ms"])  # fmt: skip
        compare_details(table, side, cube)
    table.data[f"pipeline_{side}"] = data


def latency(build, table):
    """From the last byte of a frame to the maps, through a daemon."""
    table.line("last byte in to maps out, over ipc")
    program, daemon = (os.path.join(build, name) for name in ("bench/latency", "edxd"))
    table.data["latency"] = []
    for case in LATENCY:
        done = subprocess.run([program, daemon, *map(str, case)], stdout=subprocess.PIPE, check=True)
        data = json.loads(done.stdout)
        table.line(f"  {case[0]} x {case[0]} x {case[1]}: p50 {data['p50_ms']:.2f} ms, p99 "
                   f"{data['p99_ms']:.2f} ms, allowed {data['allowed_ms']:.2f} ms: 3 round trips of "
                   f"{data['round_trip_ms']:.2f} ms and {data['kernels_ms']:.2f} ms in kernels; "
                   f"p50 {data['busy_p50_ms']:.2f} ms while it works on the frame before")  # fmt: skip
        table.data["latency"].append(data)


def main():
    build = sys.argv[1]
    sides = [int(a) for a in sys.argv[3:]] or SIDES
    table = Table()
    limit = limits(build, table)
    for part in scene, maps, components, factors, details, pipeline:
        for side in sides:
            if part in (scene, pipeline) or side <= PYTHON_SIDE:
                part(build, table, side, *([limit] if part is scene else []))
    latency(build, table)
    table.close()
    if len(sys.argv) > 2:
        with open(sys.argv[2], "w", encoding="utf-8") as out:
            json.dump(table.data, out, indent=1)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main()
