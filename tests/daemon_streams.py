"""Frames in: every pattern, every form, every rule about what counts."""

import os
import sys
import time
import unittest

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "daemon"))
from harness import (WAIT, Daemon, begin, dense, end, events, random_counts, recorded,  # noqa: E402
                     rng_of, rows, seed, unpack, recording)

RNG = rng_of(seed())


class Ways(unittest.TestCase):
    """The same frames over every transport."""

    def run_through(self, pattern, bind, tcp):
        frames = random_counts(RNG, 4)
        images = RNG.random((4, 6, 5)).astype("<f4")
        with Daemon(pattern, bind, tcp) as d:
            i = d.instrument()
            i.send(begin(images=["HAADF"]))
            i.send_all(dense(f, n, images={"HAADF": {"dtype": "<f4", "shape": [6, 5],
                                                     "data": images[n].tobytes()}})
                       for n, f in enumerate(frames))
            i.send(end(messages=4, frames=4))
            d.wait(state="finished", frames=4, received=4, lost=0, duplicate=0, bad=0)
            np.testing.assert_array_equal(d.cube(), frames.sum(axis=0))

    def test_sub(self):
        for bind in (False, True):
            for tcp in (False, True):
                with self.subTest(bind=bind, tcp=tcp):
                    self.run_through("sub", bind, tcp)

    def test_pull(self):
        for bind in (False, True):
            for tcp in (False, True):
                with self.subTest(bind=bind, tcp=tcp):
                    self.run_through("pull", bind, tcp)

    def test_router(self):
        for bind in (False, True):
            for tcp in (False, True):
                with self.subTest(bind=bind, tcp=tcp):
                    self.run_through("router", bind, tcp)


class Stream(unittest.TestCase):
    config = {}

    def setUp(self):
        self.d = Daemon(**self.config)
        self.addCleanup(self.d.close)
        self.i = self.d.instrument()

    def assert_sum(self, frames, acq="run"):
        np.testing.assert_array_equal(self.d.saved_cube(acq), np.sum(frames, axis=0))

    def assert_alarm(self, kind, active=True):
        s = self.d.subscribe("edx.alarm")
        s.until(lambda _, b: any(a["kind"] == kind and a["active"] == active for a in b["alarms"]))
        s.socket.close(0)
        self.d.sockets.remove(s.socket)


class Forms(Stream):
    def test_every_form_gives_the_same_cube(self):
        frames = random_counts(RNG, 5)
        forms = [("a", lambda f, n: dense(f, n, acq="a", dtype="|u1")),
                 ("b", lambda f, n: dense(f, n, acq="b", dtype="<u2")),
                 ("c", lambda f, n: dense(f, n, acq="c", dtype="<u4")),
                 ("d", lambda f, n: events(f, n, acq="d", dtype="<u2")),
                 ("e", lambda f, n: events(f, n, acq="e", dtype="<u4", rng=RNG))]
        for acq, form in forms:
            self.i.send(begin(acq))
            self.i.send_all(form(f, n) for n, f in enumerate(frames))
            self.d.wait(acq=acq, received=5, bad=0)
            self.assert_sum(frames, acq)

    def test_large_counts(self):
        frames = RNG.integers(0, 2**31, (2, 6, 5, 64)).astype("<u4")
        self.i.send(begin())
        self.i.send_all(dense(f, n, dtype="<u4") for n, f in enumerate(frames))
        self.d.wait(received=2, bad=0)
        np.testing.assert_array_equal(self.d.saved_cube(), frames.astype(np.uint64).sum(axis=0))
        self.i.send(dense(frames[0], 2, dtype="<u4"))  # could pass 2^32 - 1
        self.d.wait(received=2, bad=1)

    def test_integers_and_floats_of_any_width(self):
        frames = random_counts(RNG, 2)
        body = begin()
        body["beam_keV"] = 200
        body["scan"]["step_nm"] = [1, 2]
        self.i.send(body)
        for n, f in enumerate(frames):
            body = dense(f, n, extra={"unknown": [1, 2]}, live_s=1)
            body["seq"], body["frame"], body["v"] = float(n), n + 0.0, 1.0
            self.i.send(body)
        self.d.wait(received=2, bad=0)
        self.assert_sum(frames)

    def test_image_and_totals(self):
        frames = random_counts(RNG, 3)
        images = RNG.random((3, 6, 5))
        self.i.send(begin(images=["HAADF", "BF"]))
        for n, f in enumerate(frames):
            image = {"dtype": "<f8", "shape": [6, 5], "data": images[n].tobytes()}
            other = {"dtype": "|u1", "shape": [6, 5], "data": bytes(range(30))}
            self.i.send(dense(f, n, images={"BF": other, "HAADF": image}))
        s = self.d.subscribe("edx.spectrum")
        body = s.until(lambda _, b: b["frames"] == 3)
        pixels = (3, 2, 2, 2)  # 2 x 2 scan pixels to one, the fifth column is left out
        image = images.sum(axis=0)[:, :4].reshape(pixels).sum(axis=(1, 3))
        np.testing.assert_allclose(body["image"], image, rtol=1e-6)
        total = frames.sum(axis=(0, 3))[:, :4].reshape(pixels).sum(axis=(1, 3))
        np.testing.assert_array_equal(body["total"], total)
        np.testing.assert_array_equal(np.sum(body["sum"]), total.sum())
        self.assertEqual(body["counts"], frames.sum())
        self.assertEqual(body["acq"], "run")


class Order(Stream):
    def test_duplicates_gaps_and_disorder(self):
        frames = random_counts(RNG, 30)
        order = [n for n in range(30) if n not in (3, 4, 17)]
        order = list(RNG.permutation(order + order[:9]))
        self.i.send(begin())
        self.i.send_all(dense(frames[n], int(n)) for n in order)
        lost = sum(n not in order for n in range(max(order)))
        self.d.wait(received=27, duplicate=9, lost=lost, bad=0)
        self.assert_alarm("loss")
        self.assert_sum([frames[n] for n in set(order)])
        self.i.send_all(dense(frames[n], n) for n in (3, 4, 17))
        self.d.wait(received=30, lost=0, frames=30)
        self.assert_alarm("loss", active=False)
        self.assert_sum(frames)

    def test_end_tells_of_lost_messages(self):
        frames = random_counts(RNG, 3)
        self.i.send(begin())
        self.i.send_all(dense(f, n) for n, f in enumerate(frames))
        self.i.send(end(messages=8))
        self.d.wait(state="finished", received=3, lost=5)
        self.assert_alarm("loss")

    def test_frames_before_their_begin(self):
        frames = random_counts(RNG, 4)
        self.i.send_all(dense(f, n) for n, f in enumerate(frames[:3]))
        self.i.send(end(messages=4))
        self.assert_alarm("no-begin")
        self.d.wait(state="idle", received=0, bad=0)
        self.i.send(begin("other"))
        self.d.wait(acq="other", received=0)
        self.assert_alarm("no-begin")
        self.i.send(begin())
        self.d.wait(state="finished", acq="run", received=3, lost=1, bad=0)
        s = self.d.subscribe("edx.alarm")
        s.until(lambda _, b: not any(a["kind"] == "no-begin" and a["active"] for a in b["alarms"]))
        self.i.send(dense(frames[3], 3))
        self.d.wait(received=4, lost=0)
        self.assert_sum(frames)

    def test_frames_after_the_end(self):
        frames = random_counts(RNG, 4)
        self.i.send(begin())
        self.i.send_all(dense(f, n) for n, f in enumerate(frames[:2]))
        self.i.send(end(messages=4))
        self.d.wait(state="finished", received=2)
        self.i.send_all(dense(frames[n], n) for n in (2, 3))
        self.d.wait(received=4, lost=0, frames=4)
        deadline = time.monotonic() + WAIT  # what came late is stored by itself
        while not np.array_equal(self.d.cube(), frames.sum(axis=0)):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)

    def test_last_expected_frame_finishes(self):
        frames = random_counts(RNG, 3)
        self.i.send(begin(frames=3))
        self.i.send_all(dense(f, n) for n, f in enumerate(frames[:2]))
        self.d.wait(state="acquiring", received=2, expected=3)
        self.i.send(dense(frames[2], 2))
        self.d.wait(state="finished", frames=3)
        np.testing.assert_array_equal(self.d.cube(), frames.sum(axis=0))


class Acquisitions(Stream):
    def test_one_after_the_other(self):
        for acq in ("a", "b", "c"):
            frames = random_counts(RNG, 3)
            self.i.send(begin(acq))
            self.i.send_all(dense(f, n, acq=acq) for n, f in enumerate(frames))
            self.d.wait(acq=acq, received=3, state="acquiring")
            self.assert_sum(frames, acq)
        self.assertEqual(self.d.status()["lost"], 0)

    def test_the_next_begin_saves(self):
        frames = random_counts(RNG, 3)
        self.i.send(begin("a"))
        self.i.send_all(dense(f, n, acq="a") for n, f in enumerate(frames))
        self.i.send(begin("b", shape=(3, 4, 20)))
        self.i.send(dense(random_counts(RNG, 1, (3, 4, 20))[0], 0, acq="b"))
        self.d.wait(acq="b", frames=1)
        np.testing.assert_array_equal(self.d.cube("a"), frames.sum(axis=0))

    def test_identical_begin_is_a_repeat(self):
        frames = random_counts(RNG, 3)
        first = begin()
        for n, f in enumerate(frames):
            self.i.send(first)
            self.i.send(dense(f, n))
        self.i.send(end(messages=3))
        self.i.send(first)
        self.d.wait(state="finished", acq="run", received=3, duplicate=0)
        self.assert_sum(frames)
        self.assertEqual(os.listdir(self.d.runs), ["run"])

    def test_another_begin_of_the_same_id(self):
        sub = self.d.subscribe("edx.spectrum")
        for k in range(3):
            frames = random_counts(RNG, 2)
            self.i.send(begin(title=f"take {k}"))
            self.i.send_all(dense(f, n) for n, f in enumerate(frames))
            stored = "run" if k == 0 else f"run.{k + 1}"
            sub.until(lambda _, b: b["acq"] == stored and b["frames"] == 2)
            self.d.wait(acq=stored, received=2)
            self.assert_sum(frames, stored)
            # what was recorded is what came
            self.assertEqual({b["acq"] for b in recorded(self.d.path(stored, "recording.edxr"),
                                                         "edx.frame")}, {"run"})
        self.assertEqual(sorted(os.listdir(self.d.runs)), ["run", "run.2", "run.3"])

    def late_frame(self, restart):
        a, b = random_counts(RNG, 3), random_counts(RNG, 2)
        self.i.send(begin("a"))
        self.i.send_all(dense(a[n], n, acq="a") for n in (0, 2))
        self.i.send(begin("b"))
        self.i.send_all(dense(f, n, acq="b") for n, f in enumerate(b))
        self.d.wait(acq="b", received=2)
        if restart:
            self.d.kill()
            self.d.start()
            self.d.wait(acq="b", received=2)
        self.i.send(dense(a[1], 1, acq="a"))
        self.i.send(dense(a[1], 1, acq="a"))
        self.i.send(end("a", messages=3))
        self.i.send(dense(b[0], 0, acq="b"))
        self.d.wait(acq="b", received=2, duplicate=1, bad=0)
        self.assert_sum(b, "b")
        late = recorded(self.d.path("a", "recording.edxr"), "edx.frame")
        self.assertEqual([x["seq"] for x in late], [0, 2, 1])
        self.assertEqual(len(recorded(self.d.path("a", "recording.edxr"), "edx.end")), 1)
        np.testing.assert_array_equal(late[2]["counts"], a[1])

    def test_late_frame_of_an_earlier_one(self):
        self.late_frame(restart=False)

    def test_late_frame_after_a_restart(self):
        self.late_frame(restart=True)

    def test_late_frame_of_one_long_gone(self):
        for acq in ("a", "b", "c", "d"):
            self.i.send(begin(acq))
            self.i.send(dense(random_counts(RNG, 1)[0], 0, acq=acq))
        for acq in ("b", "a", "c"):
            self.i.send(dense(random_counts(RNG, 1)[0], 1, acq=acq))
        self.i.send(dense(random_counts(RNG, 1)[0], 1, acq="d"))
        self.d.wait(acq="d", received=2, bad=0)
        for acq in "abcd":
            seqs = [x["seq"] for x in recorded(self.d.path(acq, "recording.edxr"), "edx.frame")]
            self.assertEqual(seqs, [0, 1])

    def test_recording_holds_what_came(self):
        frames = random_counts(RNG, 2)
        first = begin()
        self.i.send(first)
        for n in (0, 0, 1):
            self.i.send(dense(frames[n], n))
        self.i.send(b"rubbish", "edx.frame")
        self.i.send(end(messages=2))
        self.d.wait(state="finished", bad=1)
        records = recording(self.d.path("run", "recording.edxr"))
        self.assertEqual([r[0] for r in records],
                         ["edx.begin", "edx.config", "edx.frame", "edx.frame", "edx.end"])
        self.assertEqual(unpack(records[0][1]), first)
        self.assertEqual([unpack(r[1])["seq"] for r in records[2:4]], [0, 1])
        self.assertAlmostEqual(records[0][2] * 1e-9, time.time(), delta=30)
        config = unpack(records[1][1])
        self.assertEqual((config["v"], config["acq"]), (1, "run"))
        self.assertEqual(config["analysis"]["bin_energy"], 4)
        self.assertEqual(config["quant"]["lines"], [])


class Rows(Stream):
    def test_blocks_in_any_order(self):
        frames = random_counts(RNG, 6)
        bodies, seq = [], 0
        for n, f in enumerate(frames):
            for first, size in ((0, 1), (1, 3), (4, 2)):
                bodies.append(rows(f, seq, n, first, size))
                seq += 1
        order = [*RNG.permutation(3), *(3 + RNG.permutation(3)), *(6 + RNG.permutation(12))]
        self.i.send(begin())
        self.i.send_all(bodies[n] for n in order)
        self.d.wait(received=18, frames=6, lost=0, bad=0)
        self.assert_sum(frames)

    def test_a_frame_is_summed_whole(self):
        frames = random_counts(RNG, 3)
        self.i.send(begin())
        self.i.send(rows(frames[0], 0, 0, 0, 3))
        self.i.send(dense(frames[1], 1, 1))
        status = self.d.wait(received=2, frames=1)
        self.assertEqual(status["counts"], frames[1].sum())
        self.i.send(dense(frames[2], 2, 2))  # two frames ahead: frame 0 is placed as it is
        expected = frames[1] + frames[2]
        expected[:3] += frames[0][:3]
        self.d.wait(frames=2, counts=int(expected.sum()))
        self.assertIn("frame 0 is summed with rows missing", self.d.log())
        self.i.send(rows(frames[0], 3, 0, 4, 2))  # late rows at once
        expected[4:] += frames[0][4:]
        self.d.wait(frames=2, counts=int(expected.sum()))
        np.testing.assert_array_equal(self.d.saved_cube(), expected)
        self.i.send(rows(frames[0], 4, 0, 3, 1))
        self.d.wait(frames=3, counts=int(frames.sum()))
        self.assert_sum(frames)

    def test_incomplete_at_the_end(self):
        frames = random_counts(RNG, 2)
        self.i.send(begin())
        self.i.send(rows(frames[0], 0, 0, 0, 2))
        self.i.send(rows(frames[1], 1, 1, 3, 2))
        self.d.wait(received=2, frames=0, counts=0)
        self.i.send(end(messages=2))
        self.d.wait(state="finished", frames=0)
        expected = np.zeros((6, 5, 64))
        expected[:2], expected[3:5] = frames[0][:2], frames[1][3:5]
        np.testing.assert_array_equal(self.d.cube(), expected)

    def test_exposure_counts_rows(self):
        shape = (6, 5, 1000)
        frames = random_counts(RNG, 2, shape)
        self.d.request(cmd="set", key="analysis.bin_pixels", value=1)
        energy = {"channels": 1000, "offset_eV": 0.0, "scale_eV": 10.0}
        self.i.send(begin(shape=shape, elements=["Cu"], energy=energy))
        self.i.send(dense(frames[0], 0, 0))
        self.i.send(rows(frames[1], 1, 1, 0, 2))
        self.i.send(end(messages=2))
        body = self.d.subscribe("edx.maps").until(lambda _, b: np.sum(b["exposure"]) == 40)
        np.testing.assert_array_equal(body["exposure"][:, 0], [2, 2, 1, 1, 1, 1])
        self.assertEqual(body["exposure"].shape, (6, 5))

    def test_a_row_that_comes_twice_is_bad(self):
        frames = random_counts(RNG, 1)
        self.i.send(begin())
        self.i.send(rows(frames[0], 0, 0, 0, 3))
        self.i.send(rows(frames[0], 1, 0, 2, 4))
        self.d.wait(received=1, bad=1)
        self.i.send(rows(frames[0], 2, 0, 3, 3))
        self.d.wait(frames=1, bad=1)
        self.i.send(dense(frames[0], 3, 0))
        self.d.wait(frames=1, bad=2)
        self.assert_sum(frames)


class Stall(Stream):
    config = {"limits__stall_s": 0.3}

    def test_silence_raises_the_alarm(self):
        self.i.send(begin())
        self.i.send(dense(random_counts(RNG, 1)[0], 0))
        self.assert_alarm("stalled")
        self.i.send(dense(random_counts(RNG, 1)[0], 1))
        self.assert_alarm("stalled", active=False)
        self.i.send(end(messages=2))
        self.d.wait(state="finished")

    def test_a_finished_one_does_not_stall(self):
        self.i.send(begin())
        self.i.send(end(messages=0))
        self.d.wait(state="finished")
        before = len(self.d.log())  # on a slow machine it may stall before its end has come
        time.sleep(2)
        self.assertNotIn("stalled", self.d.log()[before:])

    def test_after_a_restart_too(self):
        self.i.send(begin())
        self.i.send(dense(random_counts(RNG, 1)[0], 0))
        self.d.wait(received=1)
        self.d.kill()
        self.d.start()
        self.assert_alarm("stalled")

    def test_not_sooner_after_a_restart(self):
        self.i.send(begin())
        self.d.wait(acq="run")
        self.d.kill()
        self.d.config["limits.stall_s"] = 30
        before = len(self.d.log())
        self.d.start()
        time.sleep(1.5)
        self.assertNotIn("stalled", self.d.log()[before:])


if __name__ == "__main__":
    unittest.main(verbosity=2)
