"""Turns what make bench kept into the tables and the figure of doc/performance.md.

usage: report.py BENCH.json PERFORMANCE.md FIGURE.png

The tables stand between the two comments that name them; all other text of the page is left alone.
"""

import json
import re
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


def number(x):
    return f"{x:.0f}" if x >= 100 else f"{x:.3g}"


def spread(values):
    return f"{number(values[1])} ({number(values[0])} to {number(values[2])})"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def machine(data):
    limits = data["limits"]
    rows = [("read-modify-write of 512 MB, 1 thread, GB/s", limits["rmw_1_GBs"]),
            ("read-modify-write of 512 MB, 2 threads, GB/s", limits["rmw_2_GBs"]),
            ("f32 matrix product, numpy, GFLOP/s", limits["product_GFLOPs"]),
            ("sharing a loop with a second thread, µs", limits["pool_us"])]  # fmt: skip
    return table(("machine", "median (least to most)"), [(name, spread(v)) for name, v in rows])


def ratios(data):
    rows = [(f"{r['operation']}", f"{r['side']}²", r["with"], spread(r["theirs_ms"]), spread(r["ours_ms"]),
             f"**{r['ratio']:.0f}** ({r['spread'][0]:.0f} to {r['spread'][1]:.0f})", str(r["asked"] or ""))
            for r in data["ratios"]]  # fmt: skip
    return table(("operation", "scan", "against", "theirs, ms", "edxd, ms", "ratio", "asked"), rows)


def frames(data):
    rows = []
    for key, d in data.items():
        if key.startswith("pipeline_"):
            d = d["2"] if "2" in d else d[2]
            rows.append((f"{key.split('_')[1]}²", spread(d["add_ms"]), spread(d["maps_ms"]), spread(d["decompose_ms"]),
                         spread(d["all_ms"]), spread(d["steps_ms"]), f"{d['mean_ms']:.3g}",
                         f"{d['resident_MB']:.0f}"))  # fmt: skip
    head = ("scan", "sum, ms", "maps, ms", "components, factors, particles, ms", "all that is published, ms",
            "the notebook's steps alone, ms", "all, mean of the run, ms", "resident, MB")  # fmt: skip
    return table(head, rows)


def latency(data):
    rows = [(f"{d['size']}² × {d['channels']}", f"{d['p50_ms']:.2f}", f"{d['p99_ms']:.2f}", f"{d['round_trip_ms']:.2f}",
             f"{d['kernels_ms']:.2f}", f"{d['allowed_ms']:.2f}", f"{d['busy_p50_ms']:.2f}") for d in data["latency"]]  # fmt: skip
    return table(("scan", "p50, ms", "p99, ms", "ipc round trip, ms", "kernels alone, ms", "asked of p50, ms",
                  "p50 while it is busy, ms"), rows)  # fmt: skip


def figure(data, path):
    """Ratios, with what was asked, and the cost of a frame over the size of the scan."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), gridspec_kw={"width_ratios": (1.6, 1)})
    names = list(dict.fromkeys((r["operation"], r["with"]) for r in data["ratios"]))
    sides = sorted({r["side"] for r in data["ratios"]})
    colours = dict(zip(sides, ("#9ecae1", "#4292c6", "#08306b")))
    height = 0.8 / len(sides)
    for r in data["ratios"]:
        y = names.index((r["operation"], r["with"])) + (sides.index(r["side"]) - (len(sides) - 1) / 2) * height
        left.barh(y, r["ratio"], height, color=colours[r["side"]])
        if r["asked"]:
            left.plot([r["asked"]] * 2, [y - height / 2, y + height / 2], color="#d62728", lw=2)
    left.set_yticks(range(len(names)), [f"{a}\nagainst {b}" for a, b in names], fontsize=8)
    left.invert_yaxis()
    left.set_xscale("log")
    left.set_xlabel("times as fast (red: asked)")
    handles = [plt.Rectangle((0, 0), 1, 1, color=colours[s]) for s in sides]
    left.legend(handles, [f"{s} × {s}" for s in sides], fontsize=8)
    sizes = sorted(int(k.split("_")[1]) for k in data if k.startswith("pipeline_"))
    for key, text in ("add_ms", "sum"), ("maps_ms", "maps"), ("decompose_ms", "components, factors, particles"), ("all_ms", "all that is published"), ("steps_ms", "the notebook's steps"):
        right.plot(sizes, [data[f"pipeline_{s}"]["2"][key][1] for s in sizes], "o-", label=text)
    right.set(xscale="log", yscale="log", xlabel="pixels on a side", ylabel="ms a frame, two threads")
    right.set_xticks(sizes, [str(s) for s in sizes], minor=False)
    right.minorticks_off()
    right.grid(alpha=0.3)
    right.legend(fontsize=8, loc="upper left")
    fig.tight_layout()
    fig.savefig(path, dpi=110)


def main(source, page, picture):
    with open(source, encoding="utf-8") as f:
        data = json.load(f)
    with open(page, encoding="utf-8") as f:
        text = f.read()
    parts = {"machine": machine, "ratios": ratios, "frames": frames, "latency": latency}
    for name, make in parts.items():
        pattern = rf"(<!-- bench: {name} -->\n).*?(<!-- end -->)"
        text, n = re.subn(pattern, lambda m, new=make(data): m[1] + new + "\n" + m[2], text, flags=re.S)
        if n != 1:
            sys.exit(f"report.py: {page}: the comments 'bench: {name}' and 'end' are there {n} times, expected once")
    figure(data, picture)
    with open(page, "w", encoding="utf-8") as f:
        f.write(text)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
