"""edxd and edxweb work under what their units allow, and can do nothing else: a whole run with keys, as nobody,
without capabilities, where one folder can be written and the system calls are filtered."""
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import zmq

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "daemon"))
import harness  # noqa: E402
from harness import (WAIT, Daemon, begin, dense, end, program, random_counts, rng_of,  # noqa: E402
                     sanitized)

SOURCE = os.path.abspath(os.environ.get("EDX_SRCDIR", "."))
CONFINED = os.path.join(SOURCE, "tests", "daemon", "confined.py")
NOBODY = 65534


def unit(name):
    return os.path.join(SOURCE, "systemd", f"{name}.service")


def confine(folder, name, *command):
    return [sys.executable, "-B", CONFINED, unit(name), folder, *command]


def folder_of_nobody():
    """A folder that nobody may write, with copies of what is run in it."""
    folder = os.path.realpath(tempfile.mkdtemp(prefix="edx-confined-"))
    if os.getuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    os.chmod(folder, 0o750)
    return folder


def put(folder, name):
    shutil.copy(program(name), folder)
    return os.path.join(folder, name)


class ConfinedDaemon(Daemon):
    def start(self, wait=True):
        binary = put(self.dir, "edxd")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(confine(self.dir, "edxd", binary, *self.args()),
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        if wait:
            self.request(cmd="status")
        return self


def skip_where_impossible():
    folder = folder_of_nobody()
    got = subprocess.run(confine(folder, "edxd", "/bin/true"), capture_output=True, text=True,
                         timeout=WAIT)
    shutil.rmtree(folder)
    if got.returncode == 77 or sanitized():
        print(got.stdout or "skipped: a sanitizer needs what the unit forbids")
        sys.exit(77)
    assert got.returncode == 0, got


def status_of(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


class Confined(unittest.TestCase):
    def setUp(self):
        self.folder = folder_of_nobody()
        self.addCleanup(shutil.rmtree, self.folder, True)

    def keys(self):
        """Certificates of edxd and of one client; the client's triple."""
        made = {}
        for name, suffix in (("edxd", ""), ("client", ".pub")):
            public, secret = zmq.curve_keypair()
            path = os.path.join(self.folder, name + suffix)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
                f.write(f'curve\n    public-key = "{public.decode()}"\n')
                if not suffix:
                    f.write(f'    secret-key = "{secret.decode()}"\n')
            if os.getuid() == 0:
                os.chown(path, NOBODY, NOBODY)
            made[name] = public, secret
        return (*made["client"], made["edxd"][0])

    def check_confined(self, pid):
        seen = status_of(pid)
        self.assertEqual(seen["NoNewPrivs"], "1")
        self.assertEqual(seen["Seccomp"], "2")
        if os.getuid() == 0:
            self.assertEqual(seen["Uid"].split(), [str(NOBODY)] * 4)
            self.assertEqual(int(seen["CapEff"], 16) | int(seen["CapBnd"], 16), 0)

    def check_modes(self):
        """Of what a run leaves: nothing for others, nothing for the group to write."""
        n = 0
        for top, folders, files in os.walk(os.path.join(self.folder, "runs")):
            for name in (*folders, *files):
                mode = stat.S_IMODE(os.lstat(os.path.join(top, name)).st_mode)
                self.assertEqual(mode & 0o027, 0, (top, name, oct(mode)))
                n += 1
        self.assertGreaterEqual(n, 4)

    def test_a_run(self):
        shape, n = (16, 16, 512), 6
        counts = random_counts(rng_of(5), n, shape, 0.05)
        counts[:, 4:12, 4:12, 148:152] += 1
        config = {"security.curve": "true", "security.keys": os.path.join(self.folder, "edxd"),
                  "security.clients": os.path.join(self.folder, "client.pub"),
                  "output.sync": "frame", "quant.lines": '({line="Ag_La";}, {line="Au_La";})'}
        keys = self.keys()
        os.rename(os.path.join(self.folder, "edxd"), os.path.join(self.folder, "edxd.key"))
        config["security.keys"] += ".key"
        with ConfinedDaemon("router", dir=self.folder, keys=keys, **config) as d:
            self.check_confined(d.process.pid)
            results = d.subscribe("edx.maps", "edx.pca")
            instrument = d.instrument()
            instrument.send(begin(shape=shape, frames=n, energy={
                "channels": shape[2], "offset_eV": 0.0, "scale_eV": 20.0}))
            instrument.send_all([dense(c, i) for i, c in enumerate(counts)])
            instrument.send(end(messages=n, frames=n))
            for _ in range(n + 2):
                self.assertNotIn("error", instrument.ack())
            d.wait(state="finished", frames=n, timeout=60)
            results.until(lambda t, b: t == "edx.maps" and b["frames"] == n)
            results.until(lambda t, b: t == "edx.pca" and b["frames"] == n)
            self.assertTrue((d.saved_cube() == counts.sum(axis=0)).all())
            self.assertTrue(d.request(cmd="set", key="quant.limit", value=5.0)["ok"])
            self.assertEqual(d.terminate(60), 0, d.log())
            self.assertNotIn("EPERM", d.log())
            self.assertNotIn("not permitted", d.log())
            self.check_modes()
            d.start()  # what it has written it can read again
            d.wait(frames=n)
            self.assertEqual(d.terminate(60), 0, d.log())

    def test_page(self):
        if not os.path.exists(os.path.join(harness.BUILD, "edxweb")):
            self.skipTest("edxweb is not built")
        with Daemon() as d:
            web = subprocess.Popen(confine(self.folder, "edxweb", put(self.folder, "edxweb"),
                                           "--endpoint", "tcp://127.0.0.1:1",
                                           "--control", "tcp://127.0.0.1:1", "--listen", "127.0.0.1:0",
                                           "--root", self.page()),
                                   stdout=subprocess.PIPE, text=True)
            try:
                url = web.stdout.readline().split()[1]
                self.check_confined(web.pid)
                with urllib.request.urlopen(url, timeout=WAIT) as answer:
                    self.assertEqual(answer.status, 200)
            finally:
                web.send_signal(signal.SIGTERM)
                web.stdout.close()
                self.assertEqual(web.wait(WAIT), 0)
            self.assertTrue(d.alive())

    def page(self):
        """A copy of the page where nobody can read it."""
        root = os.path.join(self.folder, "page")
        shutil.copytree(os.path.join(SOURCE, "client", "web"), root,
                        ignore=shutil.ignore_patterns("node_modules"))
        for top, folders, files in os.walk(root):
            for name in (".", *folders):
                os.chmod(os.path.join(top, name), 0o755)
            for name in files:
                os.chmod(os.path.join(top, name), 0o644)
        return root

    def test_nothing_else(self):
        """The launcher confines: what the unit forbids fails in it."""
        forbidden = {"write elsewhere": "open('/var/tmp/edx', 'w')",
                     "another namespace": "import ctypes; c = ctypes.CDLL(None, use_errno=True); "
                                          "assert c.unshare(0x10000000) == 0",
                     "priority": "import os; os.nice(-1)",
                     "code that is written": "import mmap; mmap.mmap(-1, 4096, prot=7)",
                     "real time": "import os; os.sched_setscheduler(0, 1, os.sched_param(1))",
                     "raw packets": "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
                     "setuid": "import os; os.chmod('f', 0o4755)",
                     "clock": "import time; time.clock_settime(0, time.time())"}
        if os.getuid() != 0:
            del forbidden["write elsewhere"]
        for what, text in forbidden.items():
            got = subprocess.run(confine(self.folder, "edxd", "/usr/bin/python3", "-I", "-c",
                                         f"open('f', 'w').close()\nprint('began', flush=True)\n{text}"),
                                 capture_output=True, text=True, timeout=WAIT)
            self.assertEqual(got.stdout, "began\n", (what, got))
            self.assertNotEqual(got.returncode, 0, (what, got))


class Modes(unittest.TestCase):
    def test_without_a_unit(self):
        """Where nobody sets a umask, edxd does."""
        before = os.umask(0)
        try:
            with Daemon(start=False) as d:
                d.start()
                os.umask(0o022)
                instrument = d.instrument()
                instrument.send_all([begin(frames=1), dense(random_counts(rng_of(1), 1)[0], 0),
                                     end(messages=1, frames=1)])
                d.wait(state="finished")
                self.assertTrue(d.request(cmd="save")["ok"])
                for top, folders, files in os.walk(d.runs):
                    for name in (".", *folders):
                        mode = stat.S_IMODE(os.stat(os.path.join(top, name)).st_mode)
                        self.assertEqual(mode, 0o750, (top, name, oct(mode)))
                    for name in files:
                        mode = stat.S_IMODE(os.stat(os.path.join(top, name)).st_mode)
                        self.assertEqual(mode & ~0o640, 0, (top, name, oct(mode)))
                self.assertEqual(stat.S_IMODE(os.stat(os.path.join(d.dir, "control")).st_mode) & 0o027, 0)
        finally:
            os.umask(before)


if __name__ == "__main__":
    skip_where_impossible()
    unittest.main(verbosity=2)
