"""doc/examples against a real edxd: the sum and the maps are those of what publish.py sent, watch.py shows
them, and notebook.py has them as signals that follow."""
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import h5py
import msgpack
import numpy
import zmq

SOURCE = os.environ.get("EDX_SRCDIR", ".")
EDXD = os.path.join(os.environ.get("EDX_BUILDDIR", "build"), "edxd")
EXAMPLES = os.path.join(SOURCE, "doc", "examples")
FRAMES = 12
TIMEOUT_S = 60
# Windows of our own, in eV, so that the net counts can be counted here too.
LINES = {"Ag_La": ((2860, 3100), (2700, 2800), (3200, 3300)),
         "Au_Ma": ((2000, 2240), (1800, 1900), (2340, 2440))}


def array(o):
    return numpy.frombuffer(o["data"], o["dtype"]).reshape(o["shape"]) if "dtype" in o else o


def example(name, *args):
    return subprocess.Popen([sys.executable, "-B", os.path.join(EXAMPLES, name), *args],
                            stdout=subprocess.PIPE, text=True)


def receive(socket):
    if not socket.poll(1000 * TIMEOUT_S):
        raise TimeoutError("no message")
    topic, body = socket.recv_multipart()
    return topic.decode(), msgpack.unpackb(body, object_hook=array)


def settings():
    def window(w):
        return f"({w[0]}.0, {w[1]}.0)"
    lines = ", ".join(f'{{line="{name}"; k=1.0; window_eV={window(peak)}; '
                      f"background_eV=({window(left)}, {window(right)});}}"
                      for name, (peak, left, right) in LINES.items())
    return f"quant.lines=({lines})"


def net(counts, energy, line):
    """Net counts and their variance in each pixel, as doc/protocol.md says."""
    peak, left, right = LINES[line]
    inside = [(energy >= lo) & (energy < hi) for lo, hi in (peak, left, right)]
    middle = [0.5 * (lo + hi) for lo, hi in (peak, left, right)]
    share = (middle[0] - middle[1]) / (middle[2] - middle[1])
    n = inside[0].sum()
    weight = inside[0] - n * ((1 - share) * inside[1] / inside[1].sum()
                              + share * inside[2] / inside[2].sum())
    return counts @ weight, counts @ weight**2


class Examples(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="edx")
        self.context = zmq.Context()
        self.processes = []

    def tearDown(self):
        for process in self.processes:
            process.kill()
            process.communicate()
        self.context.destroy(0)
        shutil.rmtree(self.folder)

    def end(self, name):
        return f"ipc://{self.folder}/{name}"

    def subscribe(self, name):
        socket = self.context.socket(zmq.SUB)
        socket.subscribe("")
        socket.connect(self.end(name))
        return socket

    def run_example(self, name, *args):
        process = example(name, *args)
        self.processes.append(process)
        return process

    def sent(self):
        """What publish.py sends, which is the same every time: heard without edxd."""
        with self.subscribe("alone") as socket:
            publisher = self.run_example("publish.py", self.end("alone"), str(FRAMES))
            heard = [receive(socket)]
            while heard[-1][0] != "edx.end":
                heard.append(receive(socket))
        self.assertEqual(publisher.wait(TIMEOUT_S), 0)
        self.assertEqual([t for t, _ in heard], ["edx.begin"] + FRAMES * ["edx.frame"] + ["edx.end"])
        frames = [body for topic, body in heard if topic == "edx.frame"]
        return (heard[0][1], sum(f["counts"].astype("<u8") for f in frames),
                sum(f["images"]["HAADF"].astype("<f8") for f in frames))

    def start_daemon(self):
        process = subprocess.Popen(
            [EDXD, "-c", os.devnull, "-s", f"ingest.endpoint={self.end('in')}", "-s",
             f"publish.endpoint={self.end('out')}", "-s", f"control.endpoint={self.end('control')}",
             "-s", f"output.dir={self.folder}/runs", "-s", settings(), "-s", "quant.limit=3.0"],
            stderr=subprocess.PIPE, text=True)
        self.processes.append(process)
        while "ready" not in (line := process.stderr.readline()):
            self.assertTrue(line, "edxd ended")
        return process

    def finished(self):
        """The last message of each topic, to one who joins late, once the state is finished."""
        last, deadline = {}, time.monotonic() + TIMEOUT_S
        with self.subscribe("out") as socket:
            while not (last.keys() >= {"edx.status", "edx.spectrum", "edx.maps", "edx.alarm"}
                       and last["edx.status"]["state"] == "finished"):
                self.assertLess(time.monotonic(), deadline, "not finished in time")
                topic, body = receive(socket)
                last[topic] = body
        return last

    def check_sum(self, begin, counts, image, last):
        status, spectrum = last["edx.status"], last["edx.spectrum"]
        for key, value in dict(acq="example", state="finished", expected=FRAMES, received=FRAMES, lost=0,
                               duplicate=0, bad=0, frames=FRAMES, frame=FRAMES - 1,
                               counts=counts.sum()).items():
            self.assertEqual(status[key], value, key)
        binned = counts.reshape(16, 2, 16, 2, 150, 4)
        numpy.testing.assert_array_equal(spectrum["sum"], binned.sum((0, 1, 2, 3, 5)))
        numpy.testing.assert_array_equal(spectrum["total"], binned.sum((1, 3, 4, 5)))
        numpy.testing.assert_allclose(spectrum["image"], image.reshape(16, 2, 16, 2).sum((1, 3)))
        self.assertEqual(spectrum["energy"],
                         {"offset_eV": begin["energy"]["offset_eV"] + 1.5 * begin["energy"]["scale_eV"],
                          "scale_eV": 4 * begin["energy"]["scale_eV"]})

    def check_maps(self, counts, last):
        maps, energy = last["edx.maps"], last["edx.spectrum"]["energy"]
        centres = energy["offset_eV"] + energy["scale_eV"] * numpy.arange(150)
        pixels = counts.reshape(16, 2, 16, 2, 150, 4).sum((1, 3, 5))
        values, variances = zip(*(net(pixels, centres, line) for line in LINES))
        self.assertEqual(maps["lines"], list(LINES))
        self.assertEqual(maps["elements"], ["Ag", "Au"])
        numpy.testing.assert_allclose(maps["intensity"], values, rtol=1e-5, atol=1e-3)
        numpy.testing.assert_allclose(maps["sigma"], numpy.sqrt(variances), rtol=1e-5, atol=1e-3)
        known = numpy.all(numpy.array(values) > 3 * numpy.sqrt(variances), axis=0)
        self.assertGreater(known.sum(), 10)
        total = numpy.where(known, values[0] + values[1], numpy.nan)
        numpy.testing.assert_allclose(maps["atomic_fraction"][0], values[0] / total, rtol=1e-5)
        numpy.testing.assert_array_equal(maps["exposure"], FRAMES)
        return values

    def check_picture(self, watcher, values):
        """The last picture of each line: one block of text a pixel, in five steps of its maximum."""
        while not (line := watcher.stdout.readline()).startswith(f"example: {FRAMES} frames, Ag_La"):
            self.assertTrue(line, "watch.py ended")
        for name, value in zip(LINES, values):
            peak = float(re.fullmatch(rf"example: {FRAMES} frames, {name}: up to (.*) net counts\n", line)[1])
            self.assertAlmostEqual(peak, value.max(), delta=0.051)
            steps = numpy.clip(5 * value / value.max(), 0, 4)
            for row in steps:
                shown = [" ░▒▓█".index(c) for c in watcher.stdout.readline()[:-1]]
                self.assertEqual(shown[::2], shown[1::2])
                # a value on the border between two steps may be shown as either
                self.assertTrue(numpy.all(numpy.abs(numpy.array(shown[::2]) + 0.5 - row) <= 0.5 + 1e-4))
            line = watcher.stdout.readline() if name != list(LINES)[-1] else ""

    def test_both(self):
        begin, counts, image = self.sent()
        daemon = self.start_daemon()
        watcher = self.run_example("watch.py", self.end("out"))
        publisher = self.run_example("publish.py", self.end("in"), str(FRAMES))
        self.assertEqual(publisher.wait(TIMEOUT_S), 0)
        last = self.finished()
        self.check_sum(begin, counts, image, last)
        values = self.check_maps(counts, last)
        self.check_picture(watcher, values)
        daemon.terminate()
        self.assertEqual(daemon.wait(TIMEOUT_S), 0)
        with h5py.File(os.path.join(self.folder, "runs", "example", "results.h5")) as results:
            numpy.testing.assert_array_equal(results["spectrum/sum"], last["edx.spectrum"]["sum"])

    def live(self, endpoint):
        """As a notebook has it: imported."""
        spec = importlib.util.spec_from_file_location("notebook", os.path.join(EXAMPLES, "notebook.py"))
        notebook = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(notebook)
        live = notebook.Live(endpoint)
        self.addCleanup(live.socket.close)
        return live

    def check_signals(self, live, last):
        maps, spectrum = last["edx.maps"], last["edx.spectrum"]
        self.assertEqual(set(live), {"Ag_La", "Ag_La sigma", "Ag fraction", "Au_Ma", "Au_Ma sigma", "Au fraction", "sum"})
        for i, (line, element) in enumerate(zip(maps["lines"], maps["elements"])):
            numpy.testing.assert_array_equal(live[line].data, maps["intensity"][i])
            numpy.testing.assert_array_equal(live[f"{line} sigma"].data, maps["sigma"][i])
            numpy.testing.assert_array_equal(live[f"{element} fraction"].data, maps["atomic_fraction"][i])
        y, x = live["Au_Ma"].axes_manager[1], live["Au_Ma"].axes_manager[0]
        self.assertEqual([(a.name, a.units, a.scale, a.offset, a.size) for a in (y, x)],
                         [("y", "nm", 1.0, 0.25, 16), ("x", "nm", 1.0, 0.25, 16)])
        numpy.testing.assert_array_equal(live["sum"].data, spectrum["sum"])
        energy = live["sum"].axes_manager[0]
        self.assertEqual((energy.units, energy.size), ("keV", 150))
        numpy.testing.assert_allclose((energy.offset, energy.scale), (0.015, 0.04))
        self.assertEqual(live["sum"].metadata.Signal.signal_type, "EDS_TEM")
        self.assertEqual(live["sum"].metadata.General.title, f"sum, example, {FRAMES} frames")

    def test_notebook(self):
        """The signals of an early frame are those of the last one in the end: their plots were told."""
        self.start_daemon()
        publisher = self.run_example("publish.py", self.end("in"), str(FRAMES))
        live, first, told = self.live(self.end("out")), None, []
        self.assertFalse(live.update(0))
        while first is None:
            self.assertTrue(live.update(TIMEOUT_S))
            first = live.get("Ag_La")
        first.events.data_changed.connect(lambda: told.append(first.data.sum()), [])
        self.assertEqual(publisher.wait(TIMEOUT_S), 0)
        last = self.finished()
        while live.update(1):
            pass
        self.assertIs(live["Ag_La"], first)
        self.check_signals(live, last)
        self.assertTrue(told)
        self.assertEqual(told[-1], last["edx.maps"]["intensity"][0].sum())

    def test_length(self):
        """The examples promise to be short."""
        for name, most in ("publish.py", 30), ("watch.py", 15), ("notebook.py", 60):
            with open(os.path.join(EXAMPLES, name)) as f:
                lines = f.read().splitlines()
            self.assertLessEqual(len(lines), most, name)
            self.assertLessEqual(max(map(len, lines)), 100, name)


if __name__ == "__main__":
    unittest.main()
