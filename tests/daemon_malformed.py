"""Messages that are wrong: each kind by name, then a hundred thousand at random, judged by a second
decoder written from the protocol's page."""

import os
import sys
import time
import unittest

import msgpack
import numpy as np
import zmq

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "daemon"))
from harness import (WAIT, Daemon, array, as_events, begin, dense, end, events,  # noqa: E402
                     random_counts, rng_of, rows, sanitized, seed)
from judge import Judge  # noqa: E402

RNG = rng_of(seed())
MUTATIONS = int(os.environ.get("EDX_MUTATIONS", 100000))
SHAPE = (6, 5, 64)


class Kinds(unittest.TestCase):
    """Each raises bad by one, is logged in one line with its reason, and changes nothing."""

    @classmethod
    def setUpClass(cls):
        cls.d = Daemon(limits__max_message_MB=1, limits__max_pixels=1000, limits__max_channels=500)
        cls.i = cls.d.instrument()
        cls.frames = random_counts(RNG, 2)
        cls.i.send(begin())
        cls.i.send_all(dense(f, n) for n, f in enumerate(cls.frames))
        cls.d.wait(frames=2)

    @classmethod
    def tearDownClass(cls):
        np.testing.assert_array_equal(cls.d.saved_cube(), cls.frames.sum(axis=0))
        assert os.listdir(cls.d.runs) == ["run"]
        cls.d.close()

    def assert_bad(self, parts, reason):
        before, log = self.d.status()["bad"], len(self.d.log())
        time.sleep(0.022)  # fifty lines a second are logged
        self.i.socket.send_multipart(parts)
        status = self.d.wait(lambda s: s["bad"] > before)
        self.assertEqual(status["bad"], before + 1)
        lines = self.d.log()[log:].splitlines()
        self.assertEqual(len(lines), 1, lines)
        self.assertIn(f"bad message {before + 1}: ", lines[0])
        self.assertIn(reason, lines[0])
        self.assertEqual((status["received"], status["duplicate"], status["acq"]), (2, 0, "run"))
        self.assertEqual(status["counts"], self.frames.sum())

    def frame(self, reason, **change):
        """A good frame, one thing in it changed."""
        body = dense(random_counts(RNG, 1)[0], 2)
        for path, value in change.items():
            self.change(body, path.split("__"), value)
        self.assert_bad([b"edx.frame", msgpack.packb(body)], reason)

    def begins(self, reason, **change):
        body = begin("other")
        for path, value in change.items():
            self.change(body, path.split("__"), value)
        self.assert_bad([b"edx.begin", msgpack.packb(body)], reason)

    MISSING = object()

    def change(self, body, path, value):
        for key in path[:-1]:
            body = body[key]
        if value is self.MISSING:
            del body[path[-1]]
        else:
            body[path[-1]] = value

    def test_parts(self):
        good = msgpack.packb(dense(self.frames[0], 2))
        for parts in ([b"edx.frame"], [b"edx.frame", good, b""], [b"edx.frame", good, good],
                      [b"", b"edx.frame", good], [b""] * 12):
            with self.subTest(parts=len(parts)):
                self.assert_bad(parts, "parts, expected 2")

    def test_topic(self):
        good = msgpack.packb(dense(self.frames[0], 2))
        for topic in (b"", b"edx.fram", b"edx.frames", b"EDX.FRAME", b"edx.frame\0", b"edx.config",
                      b"edx.status", b"\x1b[2J\n\n", b"x" * 5000):
            with self.subTest(topic=topic[:20]):
                self.assert_bad([topic, good], "topic")

    def test_bytes(self):
        good = msgpack.packb(dense(self.frames[0], 2))
        deep = good[:1] + b"\xa4deep" + b"\x91" * 100 + b"\xc0" + good[1:]
        deep = bytes([good[0] + 1]) + deep[1:]
        for body in (b"", b"\xc1", good[:-1], good + b"\0", good[:50], b"rubbish", b"\x80" * 100,
                     b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff",
                     b"\xdb\xff\xff\xff\xff" + b"x" * 50, b"\x91" * 100000, deep,
                     b"\x81\xa1v\xdd\xff\xff\xff\xff", b"\x81\xa2\xff\xfe\x01", b"\x81\x01\x01",
                     b"\xd6\xff\0\0\0\0"):
            with self.subTest(body=body[:20]):
                self.assert_bad([b"edx.frame", body], "edx.frame: ")

    def test_claims_cost_no_memory(self):
        before, bad = self.d.resident(), self.d.status()["bad"]
        for claim in (b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"):
            for n in range(50):
                self.i.socket.send_multipart([b"edx.frame", b"\x81\xa1v" + claim + b"\0" * n])
        self.d.wait(bad=bad + 150)
        time.sleep(1)  # until lines are logged again
        self.assertLess(self.d.resident() - before, 32 << 20)

    def test_no_map(self):
        for value in (None, 1, "text", [1], [["v", 1]], b"bin", True):
            self.assert_bad([b"edx.frame", msgpack.packb(value)], "edx.frame: body")

    def test_head(self):
        for v in (2, 0, -1, "1", None, 1.5, True, self.MISSING):
            self.frame("v: expected protocol version 1", v=v)
        for acq in ("", ".x", "a/b", "x" * 65, "a b", "ä", "a\0", "a\nb", 7, None, b"run",
                    self.MISSING):
            self.frame("acq", acq=acq)
        for t in ("now", None, self.MISSING):
            self.frame("t: ", t=t)

    def test_counts(self):
        counts = random_counts(RNG, 1)[0]
        for shape in ((5, 6, 64), (6, 5, 63), (30, 64), (6, 5, 64, 1), (1920,)):
            self.frame("counts", counts=array(np.zeros(shape, "<u2")))
        for dtype in ("<i4", "<f4", "<u8", "<f8"):
            self.frame("dtype", counts=array(counts.astype(dtype)))
        for dtype in (">u2", "u2", "<u3", "O", "", 5, None, "<u2,<u2"):
            self.frame("dtype", counts__dtype=dtype)
        for shape in ([6, 5], [6, 5, -64], [6.5, 5, 64], "x", None, [2**40, 2**40, 2**40],
                      [1] * 10, [6, 5, 2**63]):
            self.frame("counts", counts__shape=shape)
        good = array(counts)["data"]
        for data in (good[:-1], good + b"\0", b"", "text", None, [1, 2]):
            self.frame("data", counts__data=data)
        for value in (None, 5, [], {}, "x", self.MISSING):
            self.frame("counts", counts=value)

    def test_events(self):
        counts = random_counts(RNG, 1)[0]
        good = as_events(counts)
        offsets = np.frombuffer(good["offsets"]["data"], "<u4")
        channels = np.frombuffer(good["channels"]["data"], "<u2")
        for channel in (64, 65535):
            wrong = channels.copy()
            wrong[len(wrong) // 2] = channel
            self.frame("counts.channels", counts={**good, "channels": array(wrong)})
        falls = offsets.copy()
        falls[3] = falls[5] + 1
        for wrong in (falls, offsets + 1, offsets[:-1], offsets.astype("<u2"),
                      offsets.reshape(1, -1), offsets[::-1], offsets | 2**31):
            self.frame("counts.offsets", counts={**good, "offsets": array(wrong)})
        self.frame("counts.channels", counts={**good, "channels": array(channels.astype("|u1"))})
        self.frame("counts.channels", counts={**good, "channels": array(channels.reshape(1, -1))})
        self.frame("counts.channels", counts={"offsets": good["offsets"]})
        self.frame("counts.offsets", counts={"channels": good["channels"]})

    def test_numbers(self):
        for seq in (-1, "x", None, 1.5, 2**63, 2 + (1 << 20), self.MISSING):
            self.frame("seq", seq=seq)
        for frame in (-1, "x", None, 2**63, self.MISSING):
            self.frame("frame", frame=frame)
        for row, n in ((0, 7), (6, 1), (5, 2), (2**32, 1), (-1, 2), (0, 0), ("x", 1), (0, None)):
            self.frame("row", row=row, rows=n)
        self.frame("frame 0", frame=0)  # every row of it came
        for live in ("x", None, []):
            self.frame("live_s", live_s=live)

    def test_images(self):
        good = array(np.zeros((6, 5), "<f4"))
        for images in ({"HAADF": {**good, "shape": [5, 6]}}, {"HAADF": 5}, {"HAADF": None}, [], 5,
                       {"HAADF": {**good, "data": b""}}, {"x" * 64: good},
                       {str(n): good for n in range(17)}):
            self.frame("images", images=images)

    def test_begin(self):
        for key, values in {
            "scan": (None, [], self.MISSING), "scan__rows": (0, -1, 2**32, "x", 1.5, self.MISSING),
            "scan__cols": (0, 1000), "scan__step_nm": ([1], [0, 1], [1, -1], 5, ["a", 1]),
            "scan__dwell_s": (0, -1, float("inf"), float("nan"), "x"), "scan__frames": (-1, None),
            "energy": (None, self.MISSING), "energy__channels": (0, 501, 2**40),
            "energy__offset_eV": (float("nan"), "x"), "energy__scale_eV": (0, -1),
            "beam_keV": (0, -200, None, "200", self.MISSING), "detector": (5, []),
            "probe_nA": (-1, 0, "x"), "images": (5, [5], ["x"] * 17, ["x" * 64]),
            "elements": ("Cu", [5], ["Copper"], ["C1"], ["Cu"] * 33), "title": (5, None),
        }.items():
            for value in values:
                with self.subTest(key=key, value=value):
                    self.begins(key.split("__")[-1] if key != "scan__cols" else "", **{key: value})

    def test_end(self):
        for key, value in (("frames", -1), ("messages", "x"), ("messages", None), ("reason", 5),
                           ("reason", "x" * 64), ("frames", self.MISSING),
                           ("messages", self.MISSING), ("reason", self.MISSING)):
            body = end(messages=2)
            self.change(body, [key], value)
            self.assert_bad([b"edx.end", msgpack.packb(body)], key)

    def test_too_large(self):
        body = msgpack.packb(dense(random_counts(RNG, 1)[0], 2, more=b"x" * (1 << 20)))
        self.assert_bad([b"edx.frame", body], "limits.max_message_MB")


class Oversized(unittest.TestCase):
    def test_a_connection_that_libzmq_closes_is_counted(self):
        with Daemon(bind=False, limits__max_message_MB=1) as d:
            i = d.instrument()
            frames = random_counts(RNG, 3)
            i.send(begin())
            i.send(dense(frames[0], 0))
            d.wait(received=1)
            i.send(b"x" * (40 << 20), "edx.frame")
            d.wait(bad=1, received=1)
            deadline, seq = time.monotonic() + WAIT, 1
            while d.status()["received"] < 2:  # what was in flight is lost; the next come
                self.assertLess(time.monotonic(), deadline)
                i.send(dense(frames[1], seq, seq))
                seq += 1
                time.sleep(0.2)


# ---- mutations ----

ODD = [None, True, False, 0, 1, -1, 2, 255, 256, 65535, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63,
       2**64 - 1, -2**63, 0.0, 1.0, -0.5, 2.0, 1e300, float("inf"), float("nan"), "", "x", "edx",
       "|u1", "<u2", "<u4", "<f8", "auto", b"", b"\0", [], [1], [1, 2], [4, 4, 32], {}, {"v": 1}]
SMALL = (4, 3, 16)


class Source:
    """Good messages of one acquisition, never one twice."""

    def __init__(self):
        self.n = 0
        self.acq, self.seq, self.frame = "", 0, 0

    def begin(self):
        self.acq = RNG.bytes(8).hex()
        self.seq = self.frame = 0
        return b"edx.begin", msgpack.packb(self.another_begin())

    def another_begin(self):
        return begin(self.acq, SMALL, title="mutated", elements=["Cu", "O"], images=["HAADF"],
                     probe_nA=0.1, detector={"name": "D", "solid_angle_sr": 0.7})

    def body(self):
        counts = random_counts(RNG, 1, SMALL, mean=0.2)[0]
        kind = int(RNG.integers(0, 6))
        more = {"live_s": 0.5, "real_s": 1.0} if kind % 2 else {}
        if kind == 4:
            more["images"] = {"HAADF": array(np.zeros(SMALL[:2], "<f4"))}
        if kind == 5:
            first = int(RNG.integers(0, 4))
            return rows(counts, self.seq, self.frame, first, int(RNG.integers(1, 5 - first)),
                        acq=self.acq)
        if kind < 2:
            return events(counts, self.seq, self.frame, acq=self.acq, dtype=("<u2", "<u4")[kind],
                          **more)
        return dense(counts, self.seq, self.frame, acq=self.acq, dtype=("|u1", "<u2", "<u4")[kind - 2],
                     **more)

    def step(self, n):
        self.seq += n
        self.frame += n

    def message(self):
        """(topic, body as a dict)"""
        chance = RNG.random()
        if chance < 0.005:
            return b"edx.begin", self.another_begin()
        if chance < 0.02:
            return b"edx.end", end(self.acq, messages=self.seq, frames=self.frame)
        return b"edx.frame", self.body()


def flip(raw, _):
    raw = bytearray(raw)
    for _ in range(int(RNG.integers(1, 5))):
        at = int(RNG.integers(0, len(raw)))
        raw[at] = int(RNG.integers(0, 256)) if RNG.random() < 0.5 else raw[at] ^ 1 << int(RNG.integers(8))
    return bytes(raw)


def truncate(raw, _):
    return raw[:int(RNG.integers(0, len(raw)))]


def insert(raw, _):
    at = int(RNG.integers(0, len(raw) + 1))
    return raw[:at] + RNG.bytes(int(RNG.integers(1, 9))) + raw[at:]


def cut(raw, _):
    at = int(RNG.integers(0, len(raw)))
    return raw[:at] + raw[at + int(RNG.integers(1, 20)):]


def splice(raw, other):
    return raw[:int(RNG.integers(0, len(raw)))] + other[int(RNG.integers(0, len(other))):]


def places(value, path=()):
    """Every (container, key) in a body."""
    items = value.items() if isinstance(value, dict) else enumerate(value) \
        if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from places(inner)


def replace(body):
    """A value, or a key, is another."""
    where = list(places(body))
    container, key = where[int(RNG.integers(0, len(where)))]
    chance = RNG.random()
    if isinstance(container, dict) and chance < 0.2:
        del container[key]
    elif isinstance(container, dict) and chance < 0.3:
        container[key + "x"] = container.pop(key)
    elif isinstance(container[key], int) and chance < 0.7:
        container[key] += int(RNG.integers(-3, 4))
    else:
        container[key] = ODD[int(RNG.integers(0, len(ODD)))]
    return msgpack.packb(body, use_bin_type=True)


class Mutations(unittest.TestCase):
    limits = {"max_pixels": 4096, "max_channels": 256}

    def setUp(self):
        self.d = Daemon(**{f"limits__{k}": v for k, v in self.limits.items()})
        self.addCleanup(self.d.close)
        self.i = self.d.instrument()
        self.judge = Judge(**self.limits)
        self.source = Source()
        self.verdicts, self.other = {}, b"\x80"
        self.checked = 0

    def send(self, topic, raw):
        verdict = self.judge.message(topic, raw)
        self.verdicts[verdict] = self.verdicts.get(verdict, 0) + 1
        self.i.socket.send_multipart([topic, raw])
        return verdict

    def begin(self):
        self.assertEqual(self.send(*self.source.begin()), "begin")

    def mutate(self):
        topic, body = self.source.message()
        if RNG.random() < 0.3:
            raw = replace(body)
        else:
            good = msgpack.packb(body)
            how = (flip, flip, flip, truncate, insert, cut, splice)[int(RNG.integers(0, 7))]
            raw = how(good, self.other)
            self.other = good
        if RNG.random() < 0.01:
            topic = flip(topic, None)
        verdict = self.send(topic, raw)
        if verdict == "begin":
            self.begin()
        self.source.step(verdict in ("accepted", "repeat", "bad"))

    def check(self):
        """Every message so far was judged alike, and the sum is that of the accepted ones."""
        now = self.judge.now
        n = len(now.seen) + self.judge.bad + now.duplicate
        status = self.d.wait(lambda s: s["received"] + s["bad"] + s["duplicate"] >= n, timeout=60,
                             acq=now.acq)
        self.assertEqual((status["received"], status["bad"], status["duplicate"]),
                         (len(now.seen), self.judge.bad, now.duplicate), self.d.log()[-3000:])
        self.checked += 1

    def check_sum(self):
        self.check()
        reply = self.d.request(cmd="stop")
        self.assertTrue(reply["ok"], reply)
        status = self.d.status()
        self.assertEqual(status["counts"], int(self.judge.now.sum.sum()))
        np.testing.assert_array_equal(self.d.cube(status["acq"]), self.judge.now.sum)

    def test_mutations(self):
        self.begin()
        resident = 0
        for n in range(MUTATIONS):
            self.mutate()
            if n % 2000 == 1999:
                self.check_sum()
                self.begin()
            if n == MUTATIONS // 4:
                self.check()
                resident = self.d.resident()
        self.check_sum()
        growth = self.d.resident() - resident
        print(f"{MUTATIONS} mutations: {self.verdicts}; checked {self.checked} times; "
              f"{growth >> 10} KiB more than after a quarter", flush=True)
        self.assertTrue(self.d.alive())
        if not sanitized():
            self.assertLess(growth, (2 << 20) + 30 * MUTATIONS)
        for verdict in ("accepted", "bad", "repeat", "begin", "waiting", "end"):
            self.assertGreater(self.verdicts.get(verdict, 0), 0 if MUTATIONS > 5000 else -1)
        code = self.d.terminate(120)  # with a sanitizer: nothing leaked either
        self.assertEqual(code, 0, self.d.log()[-3000:])


if __name__ == "__main__":
    unittest.main(verbosity=2)
