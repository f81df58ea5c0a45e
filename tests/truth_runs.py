"""Simulated runs with a known truth through edxd --offline, many at a time. No test of itself."""
import json
import os
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import h5py
import msgpack

import recordings

BUILD = os.environ.get("EDX_BUILDDIR", ".")
AT_ONCE = int(os.environ.get("EDX_AT_ONCE", "2"))  # processes
TOGETHER = 10  # recordings that one of them analyses

# The paper's factors, so that the composition does not rest on computed ones. Simulated peaks have them as a whole;
# the default windows' own is 1.431, so that fractions come out 0.0015 high.
PAPER = 'quant.lines=({line="Ag_La"; k=1.44; k_sigma=0.0;}, {line="Au_Ma"; k=1.0; k_sigma=0.0;})'
PLAIN = ("analysis.replicates=0", "analysis.nmf.components=0")  # what groups of frames take is left out


def check(truth, what):
    if not truth:
        raise AssertionError(what)


BROKEN = []


def verdict(kept, what, value):
    """One line on a promise; judge fails when one was not kept."""
    print(f"{'yes' if kept else 'NO '}  {what}: {value}", flush=True)
    if not kept:
        BROKEN.append(what)


def judge():
    check(not BROKEN, "not kept: " + "; ".join(BROKEN))


def _run(args, limit=600):
    done = subprocess.run(["nice", "-n", "10", *args], capture_output=True, text=True, timeout=limit)
    check(done.returncode == 0, f"{' '.join(args[:3])}: {done.returncode}: {done.stderr[-500:]}")
    return done.stderr


def simulate(directory, name, *options):
    """(recording, truth) of one run whose acquisition has that name."""
    path, truth = (os.path.join(directory, name + e) for e in (".edxr", ".json"))
    _run([os.path.join(BUILD, "edxsim"), "-q", "--acq", name, "-o", path, "--truth", truth, *map(str, options)])
    with open(truth, encoding="utf-8") as f:
        return path, json.load(f)


def offline(out, recordings, *settings):
    """What edxd says while it analyses them into the folder out."""
    args = [os.path.join(BUILD, "edxd"), "--offline", *recordings, "-o", out]
    for s in settings:
        args += ["-s", s]
    return _run(args)


def _tree(group):
    return {key: _tree(item) if isinstance(item, h5py.Group) else item[()] for key, item in group.items()}


def results(out, name, *topics):
    """Each topic of a run's results as nested dicts; {} where it was not published."""
    with h5py.File(os.path.join(out, name, "results.h5")) as f:
        return [_tree(f[topic]) if topic in f else {} for topic in topics]


def particles(out, name):
    found = results(out, name, "particles")[0]
    return [found[key] for key in sorted((k for k in found if k.isdigit()), key=int)]


def each(directory, runs, settings, look, change=None):
    """look(name, truth, out) of every run (name, options of edxsim), in their order; recordings are removed
    again. Some are simulated, changed (see rewrite) and analysed at a time."""
    def batch(some):
        made = [simulate(directory, name, *options) for name, options in some]
        for path, _ in made if change else []:
            rewrite(path, path, change)
        out = os.path.join(directory, some[0][0] + ".out")
        offline(out, [path for path, _ in made], *settings)
        answers = [look(name, truth, out) for (name, _), (_, truth) in zip(some, made)]
        for path, _ in made:
            os.remove(path)
        subprocess.run(["rm", "-rf", out], check=True)
        return answers

    with ThreadPoolExecutor(AT_ONCE) as pool:
        parts = [runs[i:i + TOGETHER] for i in range(0, len(runs), TOGETHER)]
        return [answer for part in pool.map(batch, parts) for answer in part]


def seeds(default):
    n = int(os.environ.get("EDX_SEEDS", str(default)))
    print(f"seeds 1 to {n}")
    sys.stdout.flush()
    return range(1, n + 1)


# ---- recordings, message by message


def rewrite(path, to, change):
    """Copies a recording; change(topic, body) gives what stands in the place of a message: a body, the same
    one where nothing is to change, or None. Arrays stay as the protocol has them."""
    with open(path, "rb") as f:
        data = f.read()
    at, parts = 8, [data[:8]]
    while at < len(data):
        t, b = struct.unpack_from("<IQ", data, at + 4)
        end = at + (32 + t + b + 7) // 8 * 8
        topic, packed = data[at + 32:at + 32 + t].decode(), data[at + 32 + t:at + 32 + t + b]
        body = change(topic, msgpack.unpackb(packed))
        if body is not None:
            changed = msgpack.packb(body)
            parts.append(data[at:end] if changed == packed else recordings._record(topic, body))
        at = end
    with open(to, "wb") as f:
        f.write(b"".join(parts))
    return to
