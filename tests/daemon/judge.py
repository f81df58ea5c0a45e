"""What edxd must make of a message, written down a second time: strict decoding with msgpack and
numpy, and the sum that the accepted messages give."""

import math
import re

import msgpack
import numpy as np

DTYPES = ["|u1", "<u2", "<u4", "<u8", "<i4", "<f4", "<f8"]
SEQ_AHEAD = 1 << 20
INT64 = 2**63 - 1


class Bad(Exception):
    pass


def need(condition, why=""):
    if not condition:
        raise Bad(why)


# ---- values ----


def depth(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def no_extensions(value):
    need(not isinstance(value, (msgpack.ExtType, msgpack.Timestamp)), "extension")
    for inner in value.values() if isinstance(value, dict) else \
            value if isinstance(value, list) else ():
        no_extensions(inner)


def pairs(items):
    need(all(isinstance(k, str) for k, _ in items), "key")
    return dict(items)


def decode(body):
    try:
        value = msgpack.unpackb(body, raw=False, strict_map_key=False, object_pairs_hook=pairs)
    except Bad:
        raise
    except Exception as e:  # whatever msgpack says is wrong
        raise Bad(str(e)) from None
    no_extensions(value)
    need(depth(value) <= 32, "depth")
    return value


def number(value):
    need(type(value) in (int, float), "number")
    return float(value)


def uint(value, most=INT64):
    need(type(value) in (int, float), "integer")
    if type(value) is float:
        need(math.isfinite(value) and value == int(value), "whole")
    need(0 <= value <= most, "range")
    return int(value)


def positive(value):
    value = number(value)
    need(math.isfinite(value) and value > 0, "positive")
    return value


def optional(map, key):
    value = number(map[key]) if key in map else math.nan
    return value if math.isfinite(value) else math.nan


def text(value, size):
    need(isinstance(value, str), "text")
    need(len(value.encode()) < size and "\0" not in value, "text")
    return value


def label(map, key):
    need(key not in map or isinstance(map[key], str), "label")


def mapping(value):
    need(isinstance(value, dict), "map")
    return value


def names(map, key, most):
    value = map.get(key, [])
    need(isinstance(value, list) and len(value) <= most, "names")
    return [text(v, 64) for v in value]


def array(value):
    value = mapping(value)
    need(value.get("dtype") in DTYPES, "dtype")
    shape = value.get("shape")
    need(isinstance(shape, list) and len(shape) <= 4, "shape")
    shape = [uint(n) for n in shape]
    data = value.get("data")
    need(isinstance(data, bytes), "data")
    need(len(data) == math.prod(shape) * np.dtype(value["dtype"]).itemsize, "data")
    return np.frombuffer(data, value["dtype"]).reshape(shape)


# ---- messages ----


def head(body):
    body = mapping(body)
    need(uint(body.get("v"), 2**64) == 1, "v")
    acq = text(body.get("acq"), 80)
    need(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", acq), "acq")
    number(body.get("t"))
    return acq


class Begin:
    def __init__(self, body, limits):
        label(body, "title")
        scan, energy = mapping(body.get("scan")), mapping(body.get("energy"))
        self.rows, self.cols = uint(scan.get("rows"), 2**32 - 1), uint(scan.get("cols"), 2**32 - 1)
        step = scan.get("step_nm")
        need(isinstance(step, list) and len(step) == 2, "step")
        [positive(s) for s in step]
        positive(scan.get("dwell_s"))
        self.frames = uint(scan.get("frames"))
        self.channels = uint(energy.get("channels"), 2**32 - 1)
        need(math.isfinite(number(energy.get("offset_eV"))), "offset")
        positive(energy.get("scale_eV"))
        need(self.rows and self.cols and 0 < self.channels <= limits["max_channels"], "channels")
        need(self.rows * self.cols <= limits["max_pixels"], "pixels")
        positive(body.get("beam_keV"))
        detector = mapping(body.get("detector", {}))
        label(detector, "name")
        for key in ("solid_angle_sr", "elevation_deg", "azimuth_deg", "resolution_eV"):
            optional(detector, key)
        probe = optional(body, "probe_nA")
        need(math.isnan(probe) or probe > 0, "probe")
        names(body, "images", 16)
        for element in names(body, "elements", 32):
            need(re.fullmatch("[A-Za-z]{1,2}", element), "element")


class Frame:
    def __init__(self, body, begin):
        self.seq, self.frame = uint(body.get("seq")), uint(body.get("frame"))
        self.row = uint(body["row"], 2**32 - 1) if "row" in body else 0
        self.rows = uint(body["rows"], 2**32 - 1) if "rows" in body else begin.rows
        need(self.rows > 0 and self.row + self.rows <= begin.rows, "rows")
        optional(body, "live_s")
        optional(body, "real_s")
        counts = mapping(body.get("counts"))
        shape = (self.rows, begin.cols, begin.channels)
        self.counts, self.peak = (dense if "dtype" in counts else events)(counts, shape)
        images = mapping(body.get("images", {}))
        for name, image in images.items():
            text(name, 64)
            need(array(image).shape == shape[:2], "image")
        need(len(images) <= 16, "images")


def dense(counts, shape):
    counts = array(counts)
    need(counts.dtype.str in ("|u1", "<u2", "<u4") and counts.shape == shape, "counts")
    return counts, int(counts.max())


def events(counts, shape):
    rows, cols, n = shape
    offsets, channels = array(counts.get("offsets")), array(counts.get("channels"))
    need(offsets.dtype.str == "<u4" and offsets.shape == (rows * cols + 1,), "offsets")
    need(channels.dtype.str in ("<u2", "<u4") and channels.ndim == 1, "channels")
    offsets = offsets.astype(np.int64)
    per_pixel = np.diff(offsets)
    need((per_pixel >= 0).all() and offsets[-1] <= channels.size, "offsets")
    channels = channels[offsets[0]:offsets[-1]]
    need(channels.size == 0 or channels.max() < n, "channel")
    flat = np.repeat(np.arange(rows * cols), per_pixel) * n + channels
    return np.bincount(flat, minlength=rows * cols * n).reshape(shape), int(per_pixel.max())


class Acquisition:
    """One acquisition's account."""

    def __init__(self, acq, begin):
        self.acq, self.begin = acq, begin
        self.sum = np.zeros((begin.rows, begin.cols, begin.channels), np.uint64)
        self.seen, self.came = set(), {}
        self.end = self.peak = self.duplicate = 0

    def take(self, body):
        """bad, repeat or accepted."""
        try:
            frame = Frame(body, self.begin)
        except Bad:
            return "bad"
        if frame.seq in self.seen:
            self.duplicate += 1
            return "repeat"
        came = self.came.get(frame.frame, set())
        new = set(range(frame.row, frame.row + frame.rows))
        if frame.seq >= self.end + SEQ_AHEAD or self.peak + frame.peak >= 2**32 or came & new:
            return "bad"
        self.seen.add(frame.seq)
        self.end = max(self.end, frame.seq + 1)
        self.peak += frame.peak
        self.came[frame.frame] = came | new
        self.sum[frame.row:frame.row + frame.rows] += frame.counts.astype(np.uint64)
        return "accepted"


class Judge:
    """The whole stream: begins, frames and ends as they come."""

    def __init__(self, **limits):
        self.limits = limits
        self.now, self.known = None, {}
        self.bad = 0
        self.now_bytes = None
        self.waits = []  # (acq, topic, raw) without a begin so far

    def begin(self, acq, body, raw):
        if raw == self.now_bytes:
            return "repeat"
        try:
            begin = Begin(body, self.limits)
        except Bad:
            return "bad"
        self.now = self.known[acq] = Acquisition(acq, begin)
        self.now_bytes = raw
        return "begin"

    def end(self, body):
        try:
            uint(body.get("frames"))
            uint(body.get("messages"))
            text(body.get("reason"), 64)
        except Bad:
            return "bad"
        return "end"

    def judge(self, topic, raw):
        try:
            need(topic in (b"edx.begin", b"edx.frame", b"edx.end"), "topic")
            body = decode(raw)
            acq = head(body)
        except Bad:
            return "bad"
        if topic == b"edx.begin":
            return self.begin(acq, body, raw)
        if acq not in self.known:
            self.waits.append((acq, topic, raw))
            return "waiting"
        return self.end(body) if topic == b"edx.end" else self.known[acq].take(body)

    def message(self, topic, raw):
        verdict = self.judge(topic, raw)
        self.bad += verdict == "bad"
        if verdict == "begin":  # what waited for it is judged now
            waited, self.waits = self.waits, []
            for _, *message in waited:
                self.message(*message)
        return verdict
