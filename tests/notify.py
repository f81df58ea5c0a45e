"""What systemd hears from edxd: READY after the replay, WATCHDOG while both threads get on, STOPPING.

Runs tests/edxd_hang, which is edxd with two functions that can be made to hang.
"""
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import msgpack
import numpy
import zmq

EDXD = os.path.join(os.environ.get("EDX_BUILDDIR", "."), "tests", "edxd_hang")
WATCHDOG_S = 1.0


class Daemon:
    """edxd on ipc endpoints in a folder of its own, with a NOTIFY_SOCKET that we read."""

    def __init__(self, root, hang=""):
        self.root = root
        self.hang_file = os.path.join(root, "hang")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = os.path.join(root, "notify")
        if os.path.exists(path):
            os.unlink(path)
        self.notify.bind(path)
        self.heard = []
        env = dict(os.environ, NOTIFY_SOCKET=path, WATCHDOG_USEC=str(int(WATCHDOG_S * 1e6)),
                   EDX_HANG=hang, EDX_HANG_FILE=self.hang_file)
        env.pop("WATCHDOG_PID", None)
        args = [EDXD, "-c", os.devnull]
        for key, value in {"ingest.endpoint": self.end("in"), "ingest.pattern": "pull",
                           "ingest.bind": "true", "publish.endpoint": self.end("out"),
                           "control.endpoint": self.end("control"),
                           "output.dir": os.path.join(root, "runs")}.items():
            args += ["-s", f"{key}={value}"]
        self.process = subprocess.Popen(args, env=env, stderr=subprocess.DEVNULL)

    def end(self, name):
        return f"ipc://{self.root}/{name}"

    def listen(self, seconds, until=None):
        """Datagrams of the next seconds, or until one that holds the word; also kept in heard."""
        came = []
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.notify.settimeout(left)
            try:
                text = self.notify.recv(4096).decode()
            except socket.timeout:
                break
            came.append(text)
            if until and until in text:
                break
        self.heard += came
        return came

    def close(self):
        self.process.kill()
        self.process.wait(10)
        self.notify.close()


def pack(**body):
    return msgpack.packb(dict(v=1, acq="a", t=time.time(), **body))


def array(values, dtype):
    a = numpy.asarray(values, dtype)
    return {"dtype": a.dtype.str, "shape": list(a.shape), "data": a.tobytes()}


class Notify(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="edx-notify-")
        self.context = zmq.Context()
        self.push = self.context.socket(zmq.PUSH)
        self.push.linger = 0
        self.push.connect(f"ipc://{self.root}/in")
        self.daemon = None

    def tearDown(self):
        if self.daemon:
            self.daemon.close()
        self.context.destroy(linger=0)
        shutil.rmtree(self.root)

    def start(self, hang=""):
        self.daemon = Daemon(self.root, hang)
        self.assertIn("READY=1", self.daemon.listen(20, "READY=1")[-1])

    def begin(self):
        self.push.send_multipart([b"edx.begin", pack(
            scan=dict(rows=4, cols=4, step_nm=[1.0, 1.0], dwell_s=1e-3, frames=0),
            energy=dict(channels=16, offset_eV=0.0, scale_eV=10.0), beam_keV=200.0)])

    def frame(self, seq):
        self.push.send_multipart([b"edx.frame", pack(
            seq=seq, frame=seq, counts=array(numpy.ones((4, 4, 16)), "|u1"))])

    def status(self):
        control = self.context.socket(zmq.REQ)
        control.linger = 0
        control.rcvtimeo = 60000
        control.connect(f"ipc://{self.root}/control")
        control.send(msgpack.packb({"cmd": "status"}))
        reply = msgpack.unpackb(control.recv())
        control.close()
        return reply

    def wait_frames(self, n):
        end = time.monotonic() + 60
        while self.status()["frames"] != n:
            self.assertLess(time.monotonic(), end, "the frames were not summed")
            time.sleep(0.05)

    def test_ready_comes_after_the_replay(self):
        self.start()
        self.begin()
        for seq in range(50):
            self.frame(seq)
        self.wait_frames(50)
        self.daemon.close()
        self.start()
        self.assertEqual(self.status()["frames"], 50)
        before = self.daemon.heard[: self.daemon.heard.index("READY=1")]
        self.assertTrue(any("EXTEND_TIMEOUT_USEC" in text for text in before), before)
        self.assertTrue(any("replaying" in text for text in before), before)

    def test_watchdog_is_fed_and_stopping_said(self):
        self.start()
        came = self.daemon.listen(2.5 * WATCHDOG_S)
        self.assertGreaterEqual(sum("WATCHDOG=1" in text for text in came), 2)
        self.assertTrue(any(text.startswith("STATUS=idle") for text in came), came)
        self.daemon.process.send_signal(signal.SIGTERM)
        self.assertIn("STOPPING=1", self.daemon.listen(60, "STOPPING=1")[-1])
        self.assertEqual(self.daemon.process.wait(60), 0)

    def hangs(self, who):
        self.start(who)
        self.begin()
        self.frame(0)
        self.wait_frames(1)
        open(self.daemon.hang_file, "w").close()
        self.frame(1)
        self.daemon.listen(2.0 * WATCHDOG_S)
        came = self.daemon.listen(2.5 * WATCHDOG_S)
        self.assertFalse(any("WATCHDOG=1" in text for text in came), came)

    def test_watchdog_stops_when_the_analyst_hangs(self):
        self.hangs("analyst")

    def test_watchdog_stops_when_the_receiver_hangs(self):
        self.hangs("receiver")


if __name__ == "__main__":
    unittest.main(argv=sys.argv, verbosity=2)
