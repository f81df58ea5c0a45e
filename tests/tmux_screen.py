"""The monitor in a real terminal: tmux on every page, at four colour depths and two sizes, shows cell by cell
what --once draws, and the published numbers."""

import os
import re
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "daemon"))
from harness import Daemon, begin, dense, end, program, random_counts, rng_of, seed  # noqa: E402

SHAPE = (32, 32, 1000)
PAGES = ("maps", "particles", "trend", "components", "scree")  # in the order of Tab
CHANGING = ("latency", "rate", "live", "STALE", "frame ")  # what two looks need not share
# what each page alone shows
SIGNS = {"maps": "1 HAADF", "particles": "particles ", "trend": "up to each", "components": "component",
         "scree": "eigenvalues of the scaled counts"}
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
        # A server without a session ends, and the next session may meet it while it does.
        cls.tmux(cls, "new-session", "-d", "-s", "stays", "cat")

    @classmethod
    def tearDownClass(cls):
        subprocess.run(["tmux", "-L", cls.server, "kill-server"], stderr=subprocess.DEVNULL)
        cls.d.close()

    def tmux(self, *args):
        return subprocess.run(["tmux", "-u", "-L", self.server, "-f", os.devnull, *args], check=True,
                              stdout=subprocess.PIPE, timeout=60).stdout.decode()

    def once(self, depth, cols, rows, page):
        return subprocess.run([program("edxmon"), "--endpoint", self.d.endpoint["publish"], "--once", "--view",
                               page, "--size", f"{cols}x{rows}", "--colour", depth], check=True,
                              stdout=subprocess.PIPE, timeout=60).stdout.decode()

    def capture(self, name, wanted, colours):
        """The pane once it shows what is wanted; with colours, escape sequences and trailing blanks stay."""
        until = time.monotonic() + 60
        text = ""
        while time.monotonic() < until and not all(w in text for w in wanted):
            time.sleep(0.2)
            text = self.tmux("capture-pane", "-p", "-t", name)
        return self.tmux("capture-pane", "-p", "-e", "-N", "-t", name) if colours else text

    def same(self, name, wanted, expected, depth):
        """The pane once it shows what is expected: one that is captured while it is drawn shows half of it."""
        until = time.monotonic() + 60
        while True:
            shown = self.capture(name, wanted, True)
            try:
                self.compare(shown, expected, depth)
                return shown
            except AssertionError:
                if time.monotonic() > until:
                    raise
            time.sleep(0.2)

    def screens(self, depth, cols, rows, wanted):
        """{page: what the terminal shows}, one Tab after the other; each as edxmon prints it."""
        name = f"{depth}-{cols}"
        self.tmux("new-session", "-d", "-s", name, "-x", str(cols), "-y", str(rows),
                  f"TERM={TERMS[depth]} LC_ALL=C.UTF-8 {program('edxmon')} --colour {depth} "
                  f"--endpoint {self.d.endpoint['publish']}")
        shown = {}
        for page in PAGES:
            expected = self.once(depth, cols, rows, page)
            with self.subTest(depth=depth, size=(cols, rows), page=page):
                shown[page] = self.same(name, wanted + [SIGNS[page]], expected, depth)
            self.tmux("send-keys", "-t", name, "Tab")
        self.tmux("kill-session", "-t", name)
        return shown

    def test_screens(self):
        status = self.d.status()
        for depth in TERMS:
            for cols, rows in ((80, 24), (120, 40)):
                shown = self.screens(depth, cols, rows, ["finished"])
                self.assertIn(f"{status['lost']}/{status['duplicate']}/{status['bad']}", strip(shown["maps"]))
                self.assertRegex(strip(shown["scree"]), rf"frames +{status['frames']} / {status['expected']}\b")
                for word in ("Cu_Ka", "Fe_Ka"):
                    self.assertIn(word, strip(shown["maps"]))

    def compare(self, shown, expected, depth):
        """The same glyphs and colours in the same cells, but where time passes."""
        self.assertGreater(len(steady(strip(expected))), 8, expected)
        drawn = cells(shown)
        for row, line in enumerate(cells(expected)):
            text = "".join(cell[0] for cell in line)
            if any(word in text for word in CHANGING):
                continue
            for col, cell in enumerate(line):
                there = drawn[row][col] if col < len(drawn[row]) else (" ", None, None, False)
                wanted = cell if depth != "mono" else (cell[0], None, None, there[3])
                self.assertEqual(there, wanted, (row, col, text))


def cells(picture):
    """Lines of (glyph, letter, ground, reversed)."""
    out, fg, bg, reverse = [], None, None, False  # tmux lets them go on into the next line
    for line in picture.split("\n"):
        row = []
        for codes, glyph in re.findall(r"\x1b\[([\d;]*)m|([^\x1b])", line):
            if glyph:
                row.append((glyph, fg, bg, reverse))
                continue
            values = [int(v or 0) for v in codes.split(";")]
            while values:
                code = values.pop(0)
                if code == 0:
                    fg, bg, reverse = None, None, False
                elif code in (7, 27):
                    reverse = code == 7
                elif code in (38, 48):
                    n = 4 if values[0] == 2 else 2
                    colour, values = tuple(values[:n]), values[n:]
                    fg, bg = (colour, bg) if code == 38 else (fg, colour)
                elif 30 <= code < 38 or 90 <= code < 98 or code == 39:
                    fg = None if code == 39 else code
                elif 40 <= code < 48 or 100 <= code < 108 or code == 49:
                    bg = None if code == 49 else code
        out.append(row)
    return out


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
