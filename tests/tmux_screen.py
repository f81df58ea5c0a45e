"""The monitor in a real terminal: tmux at four colour depths and two sizes shows what --once draws, and
the published numbers."""

import os
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "daemon"))
from harness import Daemon, begin, dense, end, program, random_counts, rng_of, seed  # noqa: E402

SHAPE = (32, 32, 1000)
CHANGING = ("latency", "rate", "live", "STALE", "frame ")  # what two looks need not share
TERMS = {"truecolor": "tmux-256color", "256": "tmux-256color", "16": "screen", "mono": "vt100"}


def steady(text):
    lines = [line.rstrip() for line in text.splitlines()]
    return [line for line in lines if line and not any(word in line for word in CHANGING)]


@unittest.skipUnless(shutil.which("tmux"), "no tmux here")
class Tmux(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon()
        cls.server = f"edx-{os.getpid()}"
        frames = random_counts(rng_of(seed()), 3, SHAPE)
        i = cls.d.instrument()
        i.send(begin(shape=SHAPE, frames=3, elements=["Cu", "Fe"],
                     energy={"channels": 1000, "offset_eV": 0.0, "scale_eV": 10.0}))
        i.send_all(dense(f, n) for n, f in enumerate(frames))
        i.send(end(messages=3))
        cls.d.wait(state="finished")

    @classmethod
    def tearDownClass(cls):
        subprocess.run(["tmux", "-L", cls.server, "kill-server"], stderr=subprocess.DEVNULL)
        cls.d.close()

    def tmux(self, *args):
        return subprocess.run(["tmux", "-u", "-L", self.server, "-f", os.devnull, *args], check=True,
                              stdout=subprocess.PIPE, timeout=20).stdout.decode()

    def once(self, depth, cols, rows):
        return subprocess.run([program("edxmon"), "--endpoint", self.d.endpoint["publish"], "--once",
                               "--size", f"{cols}x{rows}", "--colour", depth], check=True,
                              stdout=subprocess.PIPE, timeout=20).stdout.decode()

    def screen(self, depth, cols, rows, wanted):
        name = f"{depth}-{cols}"
        self.tmux("new-session", "-d", "-s", name, "-x", str(cols), "-y", str(rows),
                  f"TERM={TERMS[depth]} LC_ALL=C.UTF-8 {program('edxmon')} --colour {depth} "
                  f"--endpoint {self.d.endpoint['publish']}")
        until = time.monotonic() + 10
        text = ""
        while time.monotonic() < until and not all(w in text for w in wanted):
            time.sleep(0.3)
            text = self.tmux("capture-pane", "-p", "-t", name)
        self.tmux("kill-session", "-t", name)
        return text

    def test_screens(self):
        status = self.d.status()
        wanted = ["finished", "run", "3 / 3", "Cu_Ka", "Fe_Ka"]
        for depth in TERMS:
            for cols, rows in ((80, 24), (120, 40)):
                with self.subTest(depth=depth, size=(cols, rows)):
                    text = self.screen(depth, cols, rows, wanted)
                    for word in wanted:
                        self.assertIn(word, text)
                    self.assertIn(f"{status['lost']}/{status['duplicate']}/{status['bad']}", text)
                    drawn = set(steady(text))
                    missing = [line for line in steady(strip(self.once(depth, cols, rows)))
                               if line not in drawn]
                    self.assertEqual(missing, [], text)


def strip(text):
    """Without escape sequences."""
    out, skip = [], False
    for c in text:
        if c == "\x1b":
            skip = True
        elif skip:
            skip = not c.isalpha()
        else:
            out.append(c)
    return "".join(out)


if __name__ == "__main__":
    unittest.main(verbosity=2)
