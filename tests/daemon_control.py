"""Questions and answers, subscribers of every kind, and what a daemon owes when it dies."""

import os
import signal
import socket
import subprocess
import sys
import time
import unittest

import msgpack
import numpy as np
import zmq

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "daemon"))
from harness import (WAIT, Contention, Daemon, array, begin, dense, end, program, random_counts, recorded,  # noqa: E402
                     rng_of, seed, unpack)

RNG = rng_of(seed())

STATUS = {"v", "acq", "t", "frames", "frame", "counts", "state", "expected", "received", "lost",
          "duplicate", "bad", "rate_cps", "drift_nm", "health", "latency_ms", "last", "version",
          "uptime_s"}


class Live(unittest.TestCase):
    config = {}

    def setUp(self):
        self.d = Daemon(**self.config)
        self.addCleanup(self.d.close)
        self.i = self.d.instrument()

    def run_frames(self, n=4, acq="run", **more):
        frames = random_counts(RNG, n)
        self.i.send(begin(acq, **more))
        self.i.send_all(dense(f, k, acq=acq) for k, f in enumerate(frames))
        self.d.wait(acq=acq, frames=n)
        return frames

    def ask(self, **request):
        reply = self.d.request(**request)
        self.assertTrue(reply["ok"], reply)
        return reply

    def assert_error(self, reply, *words):
        self.assertEqual(set(reply), {"ok", "error"})
        self.assertFalse(reply["ok"])
        self.assertNotIn("\n", reply["error"])
        for word in words:
            self.assertIn(word, reply["error"])


class Commands(Live):
    def test_status(self):
        idle = self.ask(cmd="status")
        self.assertEqual((idle["state"], idle["frames"], idle["counts"]), ("idle", 0, 0))
        frames = self.run_frames(frames=9)
        status = self.ask(cmd="status")
        self.assertLessEqual(STATUS - {"drift_nm"}, set(status))
        self.assertEqual((status["state"], status["expected"], status["received"]),
                         ("acquiring", 9, 4))
        self.assertEqual((status["counts"], status["frame"]), (frames.sum(), 3))
        self.assertEqual(set(status["latency_ms"]), {"p50", "p99", "max"})
        self.assertLessEqual(0, status["latency_ms"]["p50"])
        self.assertLessEqual(status["latency_ms"]["p50"], status["latency_ms"]["p99"])
        self.assertLessEqual(status["latency_ms"]["p99"], status["latency_ms"]["max"])
        self.assertLess(status["latency_ms"]["max"], 20000)
        self.assertAlmostEqual(status["t"], time.time(), delta=10)

    def test_latency_of_few_frames(self):
        frames = random_counts(RNG, 3)
        self.i.send(begin(frames=3))
        for n, frame in enumerate(frames):
            self.i.send(dense(frame, n))
            latency = self.d.wait(frames=n + 1)["latency_ms"]
            self.assertLessEqual(latency["p50"], latency["p99"])
            self.assertLessEqual(latency["p99"], latency["max"])

    def test_get(self):
        for key, value in (("analysis.bin_energy", 4), ("output.sync", "none"),
                           ("ingest.pattern", "pull"), ("quant.lines", []),
                           ("limits.stall_s", 60.0), ("analysis.energy_eV", "auto")):
            self.assertEqual(self.ask(cmd="get", key=key)["value"], value)
        self.assertEqual(set(self.ask(cmd="get", key="quant")["value"]),
                         {"method", "limit", "background", "lines"})

    def test_set(self):
        self.run_frames()
        self.ask(cmd="set", key="analysis.bin_energy", value=2)
        self.ask(cmd="set", key="analysis", value={"bin_pixels": 1, "pca": {"max_rank": 5}})
        self.assertEqual(self.ask(cmd="get", key="analysis.bin_energy")["value"], 2)
        sub = self.d.subscribe("edx.spectrum")
        body = sub.until(lambda _, b: b["sum"].size == 32 and b["total"].shape == (6, 5))
        self.assertEqual(body["energy"], {"offset_eV": 50.0, "scale_eV": 200.0})
        configs = recorded(self.d.path("run", "recording.edxr"), "edx.config")
        self.assertEqual([(c["analysis"]["bin_energy"], c["analysis"]["bin_pixels"])
                          for c in configs], [(4, 2), (2, 2), (2, 1)])
        self.run_frames(acq="next")  # and for acquisitions to come
        configs = recorded(self.d.path("next", "recording.edxr"), "edx.config")
        self.assertEqual(configs[0]["analysis"]["pca"], {"rank": "auto", "max_rank": 5})

    def test_set_refuses(self):
        self.run_frames()
        for key, value, word in (("analysis.bin_energy", 0, "analysis.bin_energy"),
                                 ("analysis.bin_energy", "x", "analysis.bin_energy"),
                                 ("analysis.nothing", 1, "analysis.nothing"),
                                 ("nothing", 1, "nothing"),
                                 ("output.dir", "/", "output.dir"),
                                 ("analysis.profile.from_nm", [0, 0], "analysis.profile"),
                                 ("quant.lines", [{"line": "Xx_Ka"}], "Xx"),
                                 ("quant.lines", [{"line": "U_La"}], "U_La"),
                                 ("analysis.bin_energy", None, "analysis.bin_energy")):
            with self.subTest(key=key, value=value):
                self.assert_error(self.d.request(cmd="set", key=key, value=value), word)
        self.assertEqual(self.ask(cmd="get", key="analysis.bin_energy")["value"], 4)
        self.assertEqual(len(recorded(self.d.path("run", "recording.edxr"), "edx.config")), 1)

    def test_errors(self):
        for request in ({}, {"cmd": 5}, {"cmd": "nothing"}, {"cmd": "x" * 100}, {"cmd": "get"},
                        {"cmd": "get", "key": 3}, {"cmd": "get", "key": "a.b"},
                        {"cmd": "get", "key": "x" * 1000}, {"cmd": "set"},
                        {"cmd": "set", "key": "analysis.bin_energy"}, {"cmd": "history"},
                        {"cmd": "history", "topic": "edx.maps"},
                        {"cmd": "history", "topic": "edx.nothing", "frame": 0},
                        {"cmd": "history", "topic": "edx.maps", "frame": -1},
                        {"cmd": "save"}, {"cmd": "stop"}, {"cmd": "reset"}, {"cmd": "profile"},
                        {"cmd": "region"}):
            with self.subTest(request=request):
                self.assert_error(self.d.request(**request))
        s = self.d.control()
        for raw in (b"", b"rubbish", b"\xc1", msgpack.packb([1, 2]), msgpack.packb(5),
                    b"\xdf\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\x91" * 5000):
            s.send(raw)
            self.assertTrue(s.poll(WAIT * 1000))
            self.assert_error(unpack(s.recv()))
        self.d.wait(state="idle", bad=0)

    def test_dealer_without_delimiter(self):
        s = self.d.control(zmq.DEALER)
        for n in range(20):
            s.send(msgpack.packb({"cmd": "get", "key": "analysis.bin_energy"}))
        for n in range(20):
            self.assertTrue(s.poll(WAIT * 1000))
            parts = s.recv_multipart()
            self.assertEqual(len(parts), 1)
            self.assertEqual(unpack(parts[0]), {"ok": True, "value": 4})

    def test_dealer_with_delimiter(self):
        self.run_frames()
        s = self.d.control(zmq.DEALER)
        for cmd in ("status", "save", "region", "nothing"):
            s.send_multipart([b"", msgpack.packb({"cmd": cmd})])
            self.assertTrue(s.poll(WAIT * 1000))
            parts = s.recv_multipart()
            self.assertEqual((len(parts), parts[0]), (2, b""))
            self.assertIn("ok", unpack(parts[1]))

    def test_save_replies_when_the_files_are_there(self):
        frames = self.run_frames()
        self.ask(cmd="save")
        np.testing.assert_array_equal(self.d.cube(), frames.sum(axis=0))
        self.assertEqual(sorted(os.listdir(self.d.path("run", ""))),
                         ["cube.hspy", "maps.hspy", "recording.edxr", "results.h5"])
        self.assertEqual(self.d.status()["state"], "acquiring")

    def test_save_tells_of_failure(self):
        self.run_frames()
        path = self.d.path("run", "cube.hspy")
        os.mkdir(path)  # a name that cannot be replaced
        self.assert_error(self.d.request(cmd="save"), "cube.hspy")
        os.rmdir(path)
        self.ask(cmd="save")

    def test_stop(self):
        frames = self.run_frames(frames=9)
        self.ask(cmd="stop")
        np.testing.assert_array_equal(self.d.cube(), frames.sum(axis=0))
        self.assertEqual(self.d.status()["state"], "finished")
        late = random_counts(RNG, 1)[0]
        self.i.send(dense(late, 4))
        self.i.send(end(messages=7))
        self.d.wait(received=5, lost=2)
        np.testing.assert_array_equal(self.d.saved_cube(), frames.sum(axis=0) + late)
        ends = recorded(self.d.path("run", "recording.edxr"), "edx.end")
        self.assertEqual([e["reason"] for e in ends], ["stopped", "complete"])
        self.d.kill()
        self.d.start()
        self.d.wait(state="finished", received=5)

    def test_reset(self):
        frames = self.run_frames()
        self.ask(cmd="reset")
        status = self.d.wait(state="idle", frames=0, counts=0, received=0)
        self.assertEqual(status["acq"], "")
        np.testing.assert_array_equal(self.d.cube(), frames.sum(axis=0))
        self.i.send(dense(frames[0], 4))  # of the one that is over: into its recording
        self.i.send(begin("next"))
        self.d.wait(acq="next", received=0, bad=0)
        self.assertEqual(len(recorded(self.d.path("run", "recording.edxr"), "edx.frame")), 5)

    def test_history(self):
        frames = random_counts(RNG, 3)
        for acq in ("a", "b"):
            self.i.send(begin(acq))
            for n, f in enumerate(frames):
                self.i.send(dense(f, n, acq=acq))
                self.d.wait(acq=acq, frames=n + 1)
            for n in range(3):
                for topic in ("edx.spectrum", "spectrum"):
                    message = self.ask(cmd="history", topic=topic, frame=n)["message"]
                    self.assertEqual((message["acq"], message["frame"]), (acq, n))
                self.assertEqual(np.sum(message["sum"]), frames[:n + 1, :, :4].sum())
        self.assert_error(self.d.request(cmd="history", topic="edx.profile", frame=0))

    def test_region(self):
        frames = self.run_frames()
        total = frames.sum(axis=0)
        mask = (RNG.random((6, 5)) < 0.5).astype("|u1")
        mask[0, 0] = 1
        reply = self.ask(cmd="region", mask=array(mask))
        self.assertEqual(np.sum(reply["spectrum"]), total[mask > 0].sum())
        per = 64 // reply["spectrum"].size
        np.testing.assert_array_equal(
            reply["spectrum"], total[mask > 0].sum(axis=0).reshape(-1, per).sum(axis=1))
        # rows 1 to 3, columns 0 to 1; steps are 0.5 and 0.25 nm
        corners = [[0.25, -0.1], [0.25, 0.375], [1.75, 0.375], [1.75, -0.1]]
        reply = self.ask(cmd="region", polygon_nm=corners)
        self.assertEqual(np.sum(reply["spectrum"]), total[1:4, :2].sum())
        for bad in ({"mask": array(mask[1:])}, {"mask": array(mask.astype("<u2"))},
                    {"mask": array(np.zeros((6, 5), "|u1"))}, {"polygon_nm": []},
                    {"polygon_nm": [[0, 0], [1]]}, {"polygon_nm": 3}, {},
                    {"polygon_nm": [[90, 90], [91, 90], [91, 91]]}):
            self.assert_error(self.d.request(cmd="region", **bad))

    def test_profile(self):
        frames = random_counts(RNG, 2, (6, 8, 1000))
        energy = {"channels": 1000, "offset_eV": 0.0, "scale_eV": 10.0}
        self.i.send(begin(shape=(6, 8, 1000), elements=["Cu", "Fe"], energy=energy))
        self.i.send_all(dense(f, n) for n, f in enumerate(frames))
        self.d.wait(frames=2)
        request = {"from_nm": [0.5, 0.0], "to_nm": [0.5, 1.75], "width_nm": 1.0}
        reply = self.ask(cmd="profile", **request)
        self.assertLessEqual({"from_nm", "to_nm", "width_nm", "d_nm", "counts", "fraction", "sigma"},
                             set(reply))
        self.assertEqual({k: reply[k] for k in request}, request)
        m = reply["d_nm"].size
        self.assertGreater(m, 2)
        for key in ("counts", "fraction", "sigma"):
            self.assertEqual(reply[key].shape, (2, m))
        self.assert_error(self.d.request(cmd="profile", from_nm=[0, 0], to_nm=[90], width_nm=1))
        self.assert_error(self.d.request(cmd="profile", **{**request, "width_nm": -1}))

    def test_calibrate(self):
        """k_A / k_B = C_A N_B / (C_B N_A), its error from the counts in the windows."""
        frame = RNG.poisson(3.0, (6, 8, 1000))
        frame[:, :, 640] += 4000  # Fe_Ka
        frame[:, :, 804] += 6000  # Cu_Ka
        lines = [{"line": "Fe_Ka", "k": 1.0, "window_eV": [6250.0, 6550.0],
                  "background_eV": [[5950.0, 6100.0], [6650.0, 6800.0]]},
                 {"line": "Cu_Ka", "k": 1.0, "window_eV": [7890.0, 8190.0],
                  "background_eV": [[7500.0, 7650.0], [8400.0, 8550.0]]}]
        self.assertTrue(self.ask(cmd="set", key="quant.lines", value=lines)["ok"])
        self.assertTrue(self.ask(cmd="set", key="analysis.bin_energy", value=1)["ok"])
        energy = {"channels": 1000, "offset_eV": 0.0, "scale_eV": 10.0}
        self.i.send(begin(shape=(6, 8, 1000), energy=energy))
        self.i.send(dense(frame, 0))
        self.d.wait(frames=1)
        mask = np.zeros((6, 8), "|u1")
        mask[1:5, 2:6] = 1
        spectrum = frame[mask > 0].sum(axis=0)
        net, var = [], []
        for line in lines:
            v = np.zeros(1000)
            (lo, hi), e = line["window_eV"], 10.0 * np.arange(1000)
            mid = [sum(b) / 2 for b in line["background_eV"]]
            share = ((lo + hi) / 2 - mid[0]) / (mid[1] - mid[0])
            v[(lo <= e) & (e < hi)] += 1
            for (a, b), w in zip(line["background_eV"], (1 - share, share)):
                inside = (a <= e) & (e < b)
                v[inside] -= w * ((lo <= e) & (e < hi)).sum() / inside.sum()
            net.append(v @ spectrum)
            var.append(v**2 @ spectrum)
        k = 0.25 / 0.75 * net[1] / net[0]
        sigma = k * np.sqrt(var[0] / net[0]**2 + var[1] / net[1]**2)
        fractions = {"Fe": 0.25, "Cu": 0.75}
        reply = self.ask(cmd="calibrate", fractions=fractions, mask=array(mask))
        np.testing.assert_allclose(reply["k"]["Fe"], [k, sigma], rtol=1e-9)
        self.assertEqual(reply["k"]["Cu"], [1.0, 0.0])
        for bad in ({"fractions": {"Fe": 1.0}}, {"fractions": {"Fe": 0.5, "Cu": 0.9}},
                    {"fractions": {"Fe": 0.0, "Cu": 1.0}}, {}, {"fractions": 3}):
            self.assert_error(self.d.request(cmd="calibrate", mask=array(mask), **bad))
        self.assert_error(self.d.request(cmd="calibrate", fractions=fractions))


class Rubbish(Live):
    config = {"tcp": True}

    def test_on_every_socket(self):
        frames = self.run_frames()
        ports = [int(self.d.endpoint[n].rsplit(":", 1)[1]) for n in ("ingest", "publish", "control")]
        for port in ports:  # 100 clients and more
            for _ in range(35):
                with socket.create_connection(("127.0.0.1", port)) as s:
                    s.sendall(RNG.bytes(int(RNG.integers(1, 5000))))
        for name, kinds in (("control", (zmq.DEALER, zmq.PUSH, zmq.SUB)),
                            ("publish", (zmq.XSUB, zmq.DEALER)), ("ingest", (zmq.DEALER, zmq.XSUB))):
            for kind in kinds:
                s = self.d.socket(kind)
                s.connect(self.d.endpoint[name])
                for _ in range(20):
                    parts = [RNG.bytes(int(RNG.integers(0, 300)))
                             for _ in range(int(RNG.integers(1, 7)))]
                    if kind != zmq.SUB:
                        try:
                            s.send_multipart(parts, zmq.DONTWAIT)
                        except zmq.Again:
                            break
        status = self.d.wait(acq="run", frames=4, received=4, state="acquiring")
        self.assertEqual(status["counts"], frames.sum())
        np.testing.assert_array_equal(self.d.saved_cube(), frames.sum(axis=0))


class Odd(Live):
    def test_an_axis_in_keV_is_summed_and_finished(self):
        """The classic mistake: offset and scale in keV. Nothing can be found there, all is kept."""
        energy = {"channels": 64, "offset_eV": -0.2, "scale_eV": 0.02}
        frames = random_counts(RNG, 3)
        self.i.send(begin(frames=3, energy=energy))
        self.i.send_all(dense(f, n) for n, f in enumerate(frames))
        self.d.wait(state="finished", frames=3, counts=int(frames.sum()))
        np.testing.assert_array_equal(self.d.cube(), frames.sum(axis=0))

    def test_a_run_without_lines_shows_no_old_maps(self):
        energy = {"channels": 1000, "offset_eV": 0.0, "scale_eV": 10.0}
        self.i.send(begin("one", (6, 8, 1000), elements=["Cu", "Fe"], energy=energy))
        self.i.send(dense(random_counts(RNG, 1, (6, 8, 1000))[0], 0, acq="one"))
        self.d.subscribe("edx.maps").until(lambda topic, b: b["acq"] == "one")
        self.i.send(begin("two", (6, 8, 1000), energy=energy))
        self.i.send(dense(random_counts(RNG, 1, (6, 8, 1000))[0], 0, acq="two"))
        self.d.wait(acq="two", frames=1)
        self.assertIsNone(self.d.subscribe("edx.maps").receive(0.5))

    def test_factors_that_are_missing_are_said_at_once(self):
        """By -t and at the start; neither refuses, and one key can be set after the other."""
        zeta = 'quant.lines=({line="Cu_Ka"; zeta=900.0;}, {line="Fe_Ka";})'
        until = "; until then only the sum is computed"
        for settings, words in (
                (["quant.method=zeta", zeta],
                 "quant.lines: Fe_Ka: expected zeta in kg/m2, since quant.method is zeta"),
                (["quant.method=cross-section"],
                 "quant.lines: empty, expected every line with its cross_section_barn, since "
                 "quant.method is cross-section"),
                (['quant.lines=({line="Cu_Ka"; k=1.0;}, {line="Fe_Ka";})'],
                 "quant.lines: Fe_Ka has no k while Cu_Ka has one; give all or none"),
                ([zeta], None)):
            more = [a for s in settings for a in ("-s", s)]
            tested = subprocess.run([program("edxd"), "-t", "-c", os.devnull, *more], text=True,
                                    capture_output=True, timeout=WAIT)
            self.assertEqual(tested.returncode, 0, tested)
            self.assertEqual(tested.stderr, f"edxd: warning: {words}{until}\n" if words else "")
            with Daemon(start=False) as d:
                d.config.update(s.split("=", 1) for s in settings)
                d.start()
                self.assertEqual(d.log().count(until), 1 if words else 0)
                self.assertIn(words or "ready", d.log())
        for key, value in (("method", "zeta"), ("lines", [{"line": "Fe_Ka", "zeta": 800.0}])):
            self.assertTrue(self.d.request(cmd="set", key=f"quant.{key}", value=value)["ok"])

    def test_settings_that_do_not_fit_show_nothing_else(self):
        """A spectrum with clear lines, which would be found and quantified as nobody asked for."""
        energy = {"channels": 1000, "offset_eV": 0.0, "scale_eV": 10.0}
        beyond = [{"line": "Ag_La", "k": 1.4, "window_eV": [11000.0, 11200.0]}]
        self.assertTrue(self.d.request(cmd="set", key="quant.lines", value=beyond)["ok"])
        counts = np.zeros((6, 8, 1000), "<u2")
        counts[:, :, 640], counts[:, :, 804] = 200, 100
        self.i.send(begin("one", (6, 8, 1000), energy=energy))
        self.i.send(dense(counts, 0, acq="one"))
        self.i.send(end("one", messages=2))
        self.d.wait(acq="one", state="finished")
        for topic in "maps", "particles", "trend", "pca":
            self.assertIsNone(self.d.subscribe("edx." + topic).receive(0.3), topic)


class Subscribers(Live):
    def test_status_at_least_once_a_second(self):
        sub = self.d.subscribe("edx.status")
        sub.receive()
        frames = random_counts(RNG, 1, (64, 64, 256))
        self.i.send(begin(shape=(64, 64, 256)))
        sent, until = [], time.monotonic() + 6
        with Contention() as others:
            while time.monotonic() < until:
                if len(sent) < 60:
                    self.i.send(dense(frames[0], len(sent)))
                topic, body = sub.receive()
                self.assertEqual(topic, "edx.status")
                self.assertLessEqual(STATUS - {"drift_nm"}, set(body))
                sent.append(body["t"])
            self.assertLess(np.diff(sent).max(), others.factor())

    def test_late_subscriber_gets_the_last_of_each(self):
        self.run_frames()
        self.i.send(end(messages=4))
        self.d.wait(state="finished")
        time.sleep(0.3)
        got, sub = {}, self.d.subscribe()
        deadline = time.monotonic() + WAIT
        while not {"edx.status", "edx.spectrum", "edx.alarm"} <= set(got):
            self.assertLess(time.monotonic(), deadline)
            topic, body = sub.receive()
            got[topic] = body
        self.assertEqual((got["edx.spectrum"]["frames"], got["edx.spectrum"]["acq"]), (4, "run"))
        last = self.d.status()["last"]
        for topic in ("edx.spectrum", "edx.alarm", "edx.status"):
            self.assertIn(topic, last)
        self.assertAlmostEqual(last["edx.spectrum"], got["edx.spectrum"]["t"], delta=1)

    def test_status_names_the_time_of_each_message(self):
        sub = self.d.subscribe("edx.spectrum")
        self.run_frames()
        self.i.send(end(messages=4))
        self.d.wait(state="finished")
        times = []
        deadline = time.monotonic() + WAIT
        while got := sub.receive(0.5) or self.d.status()["last"]["edx.spectrum"] not in times[-1:]:
            self.assertLess(time.monotonic(), deadline)
            times += [got[1]["t"]] if got is not True else []
        self.assertEqual(times, sorted(times))

    def test_a_huge_subscription_costs_no_memory(self):
        self.d.status()
        before = self.d.resident()
        self.d.subscribe(*(chr(65 + n) * 20000 for n in range(50)))
        time.sleep(1)
        self.assertTrue(self.d.status()["ok"])
        self.assertLess(self.d.resident() - before, 20e6)

    def test_one_topic_only(self):
        self.run_frames()
        sub = self.d.subscribe("edx.spectrum")
        for n in range(4, 8):
            self.i.send(dense(random_counts(RNG, 1)[0], n))
        sub.until(lambda topic, b: self.assertEqual(topic, "edx.spectrum") or b["frames"] == 8)

    def feed(self, n, acq, frame):
        self.i.send(begin(acq, shape=frame.shape))
        start = time.monotonic()
        for k in range(n):
            self.i.send(dense(frame, k, acq=acq))
        self.d.wait(acq=acq, frames=n)
        return time.monotonic() - start

    def test_slow_subscriber_slows_nobody(self):
        frame = random_counts(RNG, 1, (200, 200, 16), mean=0.05)[0]
        self.ask(cmd="set", key="analysis.bin_pixels", value=1)
        self.feed(30, "warm", frame)
        alone = self.feed(150, "alone", frame)
        for _ in range(3):
            slow = self.d.socket(zmq.SUB)
            slow.setsockopt(zmq.RCVHWM, 1)
            slow.setsockopt(zmq.RCVBUF, 4096)
            slow.setsockopt(zmq.SUBSCRIBE, b"")
            slow.connect(self.d.endpoint["publish"])
        time.sleep(0.3)
        before = self.d.resident()
        with Contention() as others:
            watched = self.feed(150, "watched", frame)
            self.assertLess(watched, (3 * alone + 1) * others.factor())
        self.assertLess(self.d.resident() - before, 200 << 20)
        self.d.subscribe("edx.spectrum").until(lambda _, b: b["acq"] == "watched"
                                               and b["frames"] == 150)


class Death(Live):
    def test_sigterm_saves(self):
        frames = self.run_frames()
        self.assertEqual(self.d.terminate(), 0)
        np.testing.assert_array_equal(self.d.cube(), frames.sum(axis=0))
        self.assertTrue(os.path.exists(self.d.path("run", "results.h5")))

    def test_a_closing_terminal_saves(self):
        frames = self.run_frames()
        for _ in range(2):  # a shell and the terminal itself may both say it
            self.d.process.send_signal(signal.SIGHUP)
            time.sleep(0.02)
        self.assertEqual(self.d.process.wait(WAIT), 0, self.d.log())
        self.d.process = None
        np.testing.assert_array_equal(self.d.cube(), frames.sum(axis=0))
        self.assertNotIn("second signal", self.d.log())

    def test_sigterm_when_idle(self):
        self.assertEqual(self.d.terminate(), 0)

    def restart(self):
        self.d.kill()
        self.d.start()

    def test_killed_runs_go_on(self):
        frames = random_counts(RNG, 40)
        self.i.send(begin(frames=40))
        first = 0
        for last in (7, 8, 25, 39):
            self.i.send_all(dense(frames[n], n) for n in range(first, last))
            first = last
            self.d.wait(received=last)
            self.d.kill()
            self.d.start(wait=False)
            status = self.d.status()  # the first answer already knows
            self.assertEqual((status["received"], status["frames"], status["acq"], status["state"]),
                             (last, last, "run", "acquiring"))
            self.assertEqual(status["counts"], frames[:last].sum())
            self.assertLess(abs(status["latency_ms"].get("max", 0)), 60000)
        self.i.send(dense(frames[38], 38))
        self.i.send(dense(frames[39], 39))
        self.d.wait(state="finished", received=40, duplicate=1)
        np.testing.assert_array_equal(self.d.cube(), frames.sum(axis=0))
        self.assertEqual(os.listdir(self.d.runs), ["run"])

    def test_the_newest_is_taken_up_even_when_ended(self):
        self.run_frames(acq="z")
        frames = self.run_frames(acq="a")
        self.i.send(end("a", messages=4))
        self.d.wait(state="finished")
        self.restart()
        status = self.d.status()
        self.assertEqual((status["acq"], status["frames"], status["state"]), ("a", 4, "finished"))
        late = random_counts(RNG, 1)[0]
        self.i.send(dense(late, 4, acq="a"))
        self.d.wait(received=5)
        np.testing.assert_array_equal(self.d.saved_cube("a"), frames.sum(axis=0) + late)

    def test_torn_recording(self):
        frames = self.run_frames()
        self.d.kill()
        path = self.d.path("run", "recording.edxr")
        os.truncate(path, os.path.getsize(path) - 100)
        self.d.start()
        self.d.wait(received=3, counts=int(frames[:3].sum()))
        self.i.send(dense(frames[3], 3))
        self.d.wait(received=4)
        np.testing.assert_array_equal(self.d.saved_cube(), frames.sum(axis=0))

    def test_settings_live_as_long_as_their_run(self):
        self.run_frames()
        self.ask(cmd="set", key="analysis.bin_energy", value=1)
        self.restart()
        self.ask(cmd="set", key="analysis.bin_pixels", value=1)
        sub = self.d.subscribe("edx.spectrum")
        sub.until(lambda _, b: b["sum"].size == 64 and b["total"].shape == (6, 5))
        self.restart()
        self.assertEqual(self.ask(cmd="get", key="analysis.bin_energy")["value"], 1)

    def test_settings_after_the_end_are_stored(self):
        self.run_frames()
        self.i.send(end(messages=4))
        self.d.wait(state="finished")
        self.restart()
        before = os.stat(self.d.path("run", "results.h5")).st_mtime_ns
        self.ask(cmd="set", key="analysis.bin_energy", value=1)
        deadline = time.monotonic() + WAIT
        while os.stat(self.d.path("run", "results.h5")).st_mtime_ns == before:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_history_after_a_restart(self):
        self.run_frames()
        self.restart()
        message = self.ask(cmd="history", topic="edx.spectrum", frame=99)["message"]
        self.assertEqual((message["acq"], message["frames"]), ("run", 4))

    def test_two_in_one_folder(self):
        other = Daemon(dir=self.d.dir, start=False)
        self.addCleanup(other.close)
        other.config["publish.endpoint"] += "2"
        other.config["control.endpoint"] += "2"
        other.config["ingest.endpoint"] += "2"
        other.log_path += "2"
        other.start(wait=False)
        self.assertEqual(other.process.wait(WAIT), 1)
        self.assertEqual(other.log().count("\n"), 1)
        self.assertIn("another edxd", other.log())
        self.assertTrue(self.d.alive())

    def test_endpoint_in_use(self):
        other = Daemon(start=False)
        self.addCleanup(other.close)
        taken = Daemon(tcp=True)
        self.addCleanup(taken.close)
        other.config["control.endpoint"] = taken.endpoint["control"]
        other.start(wait=False)
        self.assertEqual(other.process.wait(WAIT), 1)
        self.assertIn("control.endpoint", other.log())
        self.assertEqual(other.log().count("\n"), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
