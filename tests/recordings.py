"""Recordings in Python: read by the layout in the protocol, written, summed, binned. No test of itself."""
import struct

import msgpack
import numpy as np


def _array(o):
    return np.frombuffer(o["data"], o["dtype"]).reshape(o["shape"]) if "dtype" in o else o


def messages(path):
    """(topic, body) of every record."""
    data = open(path, "rb").read()
    assert data[:8] == b"EDXREC01", path
    at = 8
    while at < len(data):
        magic, t, b = struct.unpack_from("<4sIQ", data, at)
        assert magic == b"EDXR", f"record at {at}"
        topic = data[at + 32:at + 32 + t].decode()
        yield topic, msgpack.unpackb(data[at + 32 + t:at + 32 + t + b], object_hook=_array)
        at += (32 + t + b + 7) // 8 * 8


def begin_of(path):
    return next(body for topic, body in messages(path) if topic == "edx.begin")


def events(message, cols):
    """Flat indices of scan pixel and channel of every count of an edx.frame in events form."""
    offsets = message["counts"]["offsets"].astype(np.int64)
    pixels = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return pixels + message.get("row", 0) * cols, message["counts"]["channels"].astype(np.int64)


def sums(path, frames, bin_pixels, bin_energy, lo=0, hi=None):
    """{n: summed counts [rows, cols, channels] of the first n frame messages}, binned as the analysis
    bins; only scan channels lo .. hi - 1 are taken."""
    scan = begin_of(path)["scan"]
    energy = begin_of(path)["energy"]["channels"]
    rows, cols, channels = scan["rows"] // bin_pixels, scan["cols"] // bin_pixels, energy // bin_energy
    hi = energy if hi is None else hi
    total, out, n = np.zeros(rows * cols * channels), {}, 0
    for topic, body in messages(path):
        if topic != "edx.frame":
            continue
        pixel, channel = events(body, scan["cols"])
        y, x = pixel // scan["cols"] // bin_pixels, pixel % scan["cols"] // bin_pixels
        c = channel // bin_energy
        good = (y < rows) & (x < cols) & (c < channels) & (channel >= lo) & (channel < hi)
        total += np.bincount(((y * cols + x) * channels + c)[good], minlength=total.size)
        n += 1
        if n in frames:
            out[n] = total.reshape(rows, cols, channels).copy()
    return out


# ---- writing

_TABLE = []
for _n in range(256):
    for _ in range(8):
        _n = _n >> 1 ^ (0x82F63B78 if _n & 1 else 0)
    _TABLE.append(_n)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _record(topic, body):
    topic, body = topic.encode(), msgpack.packb(body)
    head = struct.pack("<4sIQQI", b"EDXR", len(topic), len(body), 1, crc32c(topic + body))
    data = head + struct.pack("<I", crc32c(head)) + topic + body
    return data + bytes(-len(data) % 8)


def _packed(a, dtype):
    a = np.ascontiguousarray(a, dtype)
    return {"dtype": dtype, "shape": list(a.shape), "data": a.tobytes()}


def write(path, acq, frames, scale_eV=20.0):
    """A recording of frames [n, rows, cols, channels] of counts."""
    n, rows, cols, channels = frames.shape
    head = {"v": 1, "acq": acq, "t": 1.0}
    with open(path, "wb") as out:
        out.write(b"EDXREC01")
        out.write(_record("edx.begin", dict(
            head, scan={"rows": rows, "cols": cols, "step_nm": [0.5, 0.5], "dwell_s": 1e-3, "frames": n},
            energy={"channels": channels, "offset_eV": 0.0, "scale_eV": scale_eV}, beam_keV=200.0)))
        for f in range(n):
            flat = frames[f].reshape(rows * cols, channels)
            pixel, channel = np.nonzero(flat)
            repeats = flat[pixel, channel]
            offsets = np.concatenate(([0], np.cumsum(flat.sum(1))))
            out.write(_record("edx.frame", dict(head, seq=f, frame=f, counts={
                "offsets": _packed(offsets, "<u4"), "channels": _packed(np.repeat(channel, repeats), "<u2")})))
        out.write(_record("edx.end", dict(head, frames=n, messages=n, reason="complete")))
