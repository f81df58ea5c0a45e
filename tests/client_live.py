"""The live monitor in a terminal of our own: pictures, keys, sizes, silence, and the way out."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

from client_fake import ACQ, Fake, Scene, program

ALARM = {"kind": "loss", "severity": "error", "since_frame": 12, "active": True,
         "message": "3 messages lost: use the pull pattern"}


class Terminal:
    """As much of a terminal as edxmon's own sequences need; what ncurses sends is passed over."""

    def __init__(self, *args, rows=24, cols=80, term="xterm-256color"):
        self.raw, self.bells, self.pending = b"", 0, ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM=term, COLORTERM="")
            time.sleep(0.1)
            os.execv(program("edxmon"), ["edxmon", *args])
        self.before = termios.tcgetattr(self.fd)
        self.resize(rows, cols)

    def resize(self, rows, cols):
        self.rows, self.cols = rows, cols
        self.screen = [[" "] * cols for _ in range(rows)]
        self.row = self.col = 0
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def feed(self, data):
        self.raw += data
        self.pending += data.decode("utf-8", "surrogateescape")
        pattern = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])|\x1b[()][A-Z0-9]|\x1b[=>78]|(\x1b.{0,12}$)|(.)",
                             re.S)
        for match in pattern.finditer(self.pending):
            if match.group(3):
                self.pending = match.group(3)
                return
            if match.group(4):
                self.put(match.group(4))
            elif match.group(2) == "H":
                parts = (match.group(1) or "1;1").split(";")
                self.row, self.col = int(parts[0]) - 1, int(parts[-1]) - 1
            elif match.group(2) == "J":
                self.screen = [[" "] * self.cols for _ in range(self.rows)]
        self.pending = ""

    def put(self, glyph):
        if glyph == "\a":
            self.bells += 1
        elif glyph >= " " and self.row < self.rows and self.col < self.cols:
            self.screen[self.row][self.col] = glyph
            self.col += 1

    def text(self):
        return "\n".join("".join(row).rstrip() for row in self.screen)

    def read(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                return
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return
            self.feed(data)
            if not data:
                return

    def wait_for(self, wanted, seconds=60):
        """Until the text is (or, with a leading '!', is no longer) on the screen."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if (wanted.lstrip("!") in self.text()) != wanted.startswith("!"):
                return
            self.read(0.05)
        raise AssertionError(f"{wanted!r} never came:\n{self.text()}")

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def leave(self, how):
        """Ends it; the exit code. The terminal must be as it was."""
        if isinstance(how, str):
            self.press(how)
        else:
            os.kill(self.pid, how)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            self.read(0.1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                break
        else:
            raise AssertionError("it does not end")
        after = termios.tcgetattr(self.fd)
        assert after[:4] == self.before[:4], "the terminal's settings were not put back"
        if b"\x1b[?1049h" in self.raw:
            assert self.raw.rfind(b"\x1b[?1049l") > self.raw.rfind(b"\x1b[?1049h")
            assert self.raw.rfind(b"\x1b[?25h") > self.raw.rfind(b"\x1b[?25l")
        return os.waitstatus_to_exitcode(status)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


def answer(request):
    if request["frame"] < 30:
        return {"ok": False, "error": "frame: no edx.maps is kept at or before that frame"}
    past = Scene(frames=request["frame"] + 1)
    past.t -= 100
    return {"ok": True, "message": past.body(request["topic"])}


def keys_work():
    with Fake(Scene(alarms=[ALARM]), answer=answer) as fake, \
            Terminal("--endpoint", fake.endpoint, "--control", fake.control_endpoint) as t:
        t.wait_for("● acquiring " + ACQ)
        t.wait_for("37 / 100")
        t.wait_for("✖ error loss: 3 messages lost")
        assert t.bells == 1 or b"\x1b[?5h" in t.raw
        t.press("5")
        t.wait_for("y 16 x 16  Ag at.%: 50.8 ± 1.4 at.% (n = 37)")
        t.press("\x1b[A\x1b[C\x1bOC")
        t.wait_for("y 15 x 18  Ag at.%: ")
        t.press("u")
        t.wait_for("σ (u)")
        t.press("uun")
        t.wait_for("Au at.%: 49.")
        t.press("?")
        t.wait_for("Shift-Tab: back")
        t.press("?")
        t.wait_for("!Shift-Tab")
        t.press("a")
        t.wait_for("1-9 map")
        t.press(" ")
        t.wait_for("FROZEN")
        fake.scene.frames, fake.scene.t = 38, time.time()
        t.wait_for("38 / 100")
        assert "(n = 37)" in t.text()
        t.press(" ")
        t.wait_for("(n = 38)")
        assert t.leave("q") == 0


def pages_follow_each_other():
    with Fake(Scene(), answer=answer) as fake, \
            Terminal("--endpoint", fake.endpoint, "--control", fake.control_endpoint) as t:
        t.wait_for("x 16  HAADF:")
        for page in ("at.%   ┃ ±1σ", "░ ±1σ (68 %)", "share of net counts", "held-out error"):
            t.press("\t")
            t.wait_for(page)
        t.press("\x1b[Z\x1b[Z\x1b[Z")
        t.wait_for("raw (s)")
        t.press("sss")
        t.wait_for("▲ biased")
        t.press("\x1b[C\x1b[C")
        t.wait_for("1.25 nm: Ag 48.00")
        t.press("1")
        t.wait_for("▲ cut by edge")
        t.press("\x1b[B")
        t.wait_for("!▲ cut by edge")
        t.press("[")
        t.wait_for("HISTORY frame 35")
        assert asked(fake) == {"edx.maps", "edx.spectrum", "edx.pca", "edx.nmf", "edx.particles",
                               "edx.trend"}, fake.requests
        t.press("l\t\x1b[D\x1b[D")
        t.wait_for("frame 34: Ag")
        t.press("3")
        t.wait_for("x 16  Ag_La:")
        assert t.leave("q") == 0


def asked(fake):
    return {request["topic"] for request in fake.requests if request["cmd"] == "history"}


def history_goes_back_and_forth():
    with Fake(Scene(frames=33), answer=answer) as fake, \
            Terminal("--endpoint", fake.endpoint, "--control", fake.control_endpoint, "--map", "5") as t:
        t.wait_for("frame 32")
        t.press("[")
        t.wait_for("HISTORY frame 31")
        t.wait_for("(n = 32)")
        t.press("[")
        t.wait_for("HISTORY frame 30")
        t.press("[")
        t.wait_for("history: frame: no edx.maps is kept at or before that frame")
        t.press("l")
        t.wait_for("!HISTORY")
        t.wait_for("(n = 33)")
        t.press("[[")  # the second before there is an answer to the first
        t.wait_for("HISTORY frame 30")
        t.press("]]")
        t.wait_for("!HISTORY")
        t.wait_for("(n = 33)")
        assert t.leave("q") == 0


def sizes_change():
    with Fake(Scene()) as fake, Terminal("--endpoint", fake.endpoint) as t:
        t.wait_for("37 / 100")
        t.resize(40, 120)
        t.wait_for("sum spectrum, square root")
        assert max(map(len, t.text().splitlines())) > 100
        t.resize(20, 60)
        t.wait_for("60 x 20 is too small")
        t.resize(24, 80)
        t.wait_for("37 / 100")
        assert t.leave("q") == 0


def silence_is_shown():
    with Fake(Scene()) as fake, Terminal("--endpoint", fake.endpoint) as t:
        t.wait_for("forecast")
        said = []
        while not said or said[-1] >= 4 and len(said) < 5:  # a machine that others use may be late
            fake.quiet = False
            t.wait_for("!STALE")
            fake.quiet = True
            start = time.monotonic()
            t.wait_for("STALE")
            said.append(time.monotonic() - start)
            first = int(re.search(r"STALE (\d+) s", t.text())[1])
            assert 2 <= first <= time.monotonic() - start + 1, (first, said)
        assert said[-1] < 4, said
        t.wait_for("!forecast")
        t.wait_for(f"STALE {first + 1} s")
        fake.quiet = False
        t.wait_for("live")
        t.wait_for("forecast")
        assert t.leave("q") == 0


def nobody_is_there():
    with Fake(Scene()) as fake:
        gone = fake.endpoint
    with Terminal("--endpoint", gone) as t:
        t.wait_for(f"waiting for edxd at {gone}")
        t.wait_for("not published yet")
        assert t.leave(signal.SIGTERM) == 0


def signals_put_the_terminal_back():
    with Fake(Scene()) as fake:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            with Terminal("--endpoint", fake.endpoint) as t:
                t.wait_for("37 / 100")
                assert t.leave(number) == 0
        with Terminal("--endpoint", fake.endpoint) as t:
            t.wait_for("37 / 100")
            assert t.leave("\x03") == 0


def stopping_and_going_on_draws_anew():
    with Fake(Scene()) as fake, Terminal("--endpoint", fake.endpoint) as t:
        t.wait_for("37 / 100")
        os.kill(t.pid, signal.SIGSTOP)
        os.waitpid(t.pid, os.WUNTRACED)
        t.read(0.2)
        os.kill(t.pid, signal.SIGCONT)
        t.screen = [[" "] * t.cols for _ in range(t.rows)]
        t.wait_for("37 / 100")
        t.wait_for("1 HAADF")
        assert t.leave("q") == 0


def unknown_terminals_are_refused():
    with Terminal("--endpoint", "tcp://127.0.0.1:1", term="nosuchterm") as t:
        assert t.leave("") == 1
        assert b"TERM=nosuchterm: unknown terminal" in t.raw, t.raw


def frames_stay_small():
    """A new frame of a noisy 32 x 32 map costs the terminal no more than 5 kB."""
    with Fake(Scene()) as fake, \
            Terminal("--endpoint", fake.endpoint, "--map", "3", "--colour", "truecolor") as t:
        t.wait_for("frame 36")
        t.read(1)
        sizes = []
        for frame in range(38, 43):
            before = len(t.raw)
            fake.scene.frames, fake.scene.t = frame, time.time()
            t.wait_for(f"frame {frame - 1}")
            t.read(0.3)
            sizes.append(len(t.raw) - before)
        print("bytes a frame:", sizes)
        assert sorted(sizes)[2] < 5000, sizes
        assert t.leave("q") == 0


if __name__ == "__main__":
    for test in (keys_work, pages_follow_each_other, history_goes_back_and_forth, sizes_change, silence_is_shown, nobody_is_there,
                 signals_put_the_terminal_back, stopping_and_going_on_draws_anew,
                 unknown_terminals_are_refused, frames_stay_small):
        print(test.__name__, flush=True)
        test()
