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
