"""A real edxd in a folder of its own, and the instruments and clients that talk to it."""

import atexit
import ctypes
import os
import shutil
import re
import signal
import subprocess
import sys
import tempfile
import time

import h5py
import msgpack
import numpy as np
import zmq

BUILD = os.environ.get("EDX_BUILDDIR", ".")
DATA = os.environ.get("EDX_DATA", "")
WAIT = 90  # seconds until a test gives up

_context = zmq.Context()
_running = []


def program(name):
    path = os.path.join(BUILD, name)
    if not os.access(path, os.X_OK):
        raise FileNotFoundError(f"{path}: not there; EDX_BUILDDIR names the build folder")
    return path


def sanitized():
    """Whether edxd was built with a sanitizer, whose memory says nothing."""
    with open(program("edxd"), "rb") as f:
        text = f.read()
    return b"__asan_init" in text or b"__tsan_init" in text


_BURSTS = """
import sys, time
wall = cpu = 0
while True:
    w, c = time.perf_counter(), time.thread_time()
    while time.thread_time() - c < 0.002:
        pass
    wall, cpu = wall + time.perf_counter() - w, cpu + time.thread_time() - c
    print(wall / cpu, flush=True)
    time.sleep(0.02)
"""


class Contention:
    """How much longer than on a machine of its own a process takes, whose work is as steady as can be.

    A goal in seconds times .factor() holds on a machine that others use, too."""

    def __enter__(self):
        self.said = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([sys.executable, "-c", _BURSTS], stdout=self.said,
                                        stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.said.close()

    def factor(self):
        """Since the beginning; 1: nobody else is there."""
        self.said.seek(0)
        lines = self.said.read().split("\n")[:-1]
        return max(1.0, float(lines[-1])) if lines else 1.0


def seed():
    """From EDX_SEED or the clock; printed."""
    value = int(os.environ.get("EDX_SEED", time.time_ns() % 1000000007))
    print(f"EDX_SEED={value}", flush=True)
    return value


# ---- bodies ----


def array(values):
    """An array as it travels."""
    values = np.ascontiguousarray(values)
    return {"dtype": values.dtype.str, "shape": list(values.shape), "data": values.tobytes()}


def unpack(body):
    def hook(o):
        return np.frombuffer(o["data"], o["dtype"]).reshape(o["shape"]) if "dtype" in o else o

    return msgpack.unpackb(body, object_hook=hook)


def head(acq):
    return {"v": 1, "acq": acq, "t": time.time()}


def begin(acq="run", shape=(6, 5, 64), frames=0, **more):
    rows, cols, channels = shape
    body = head(acq)
    body["scan"] = {"rows": rows, "cols": cols, "step_nm": [0.5, 0.25], "dwell_s": 1e-5,
                    "frames": frames}
    body["energy"] = {"channels": channels, "offset_eV": 0.0, "scale_eV": 100.0}
    body["beam_keV"] = 200.0
    body.update(more)
    return body


def dense(counts, seq, frame=None, acq="run", dtype="<u2", **more):
    """counts [rows, cols, channels]"""
    body = head(acq)
    body.update(seq=seq, frame=seq if frame is None else frame, counts=array(counts.astype(dtype)))
    body.update(more)
    return body


def as_events(counts, dtype="<u2", rng=None):
    flat = counts.reshape(-1, counts.shape[-1]).astype(np.int64)
    offsets = np.zeros(len(flat) + 1, "<u4")
    offsets[1:] = np.cumsum(flat.sum(axis=1))
    channels = [np.repeat(np.arange(flat.shape[1]), row) for row in flat]
    if rng is not None:
        channels = [rng.permutation(c) for c in channels]
    return {"offsets": array(offsets), "channels": array(np.concatenate(channels).astype(dtype))}


def events(counts, seq, frame=None, acq="run", dtype="<u2", rng=None, **more):
    body = head(acq)
    body.update(seq=seq, frame=seq if frame is None else frame, counts=as_events(counts, dtype, rng))
    body.update(more)
    return body


def rows(counts, seq, frame, first, n, acq="run", **more):
    return dense(counts[first:first + n], seq, frame, acq, row=first, rows=n, **more)


def end(acq="run", messages=0, frames=0, reason="complete"):
    return {**head(acq), "frames": frames, "messages": messages, "reason": reason}


def random_counts(rng, n, shape=(6, 5, 64), mean=0.3):
    return rng.poisson(mean, (n, *shape)).astype("<u2")


# ---- recordings ----


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def recording(path):
    """[(topic, body, arrival_ns)] of a recording that must be whole."""
    with open(path, "rb") as f:
        data = f.read()
    assert data[:8] == b"EDXREC01", data[:8]
    at, out = 8, []
    while at < len(data):
        header = data[at:at + 32]
        assert len(header) == 32 and header[:4] == b"EDXR", (at, len(data))
        assert crc32c(header[:28]) == int.from_bytes(header[28:32], "little"), at
        t, b = int.from_bytes(header[4:8], "little"), int.from_bytes(header[8:16], "little")
        topic, body = data[at + 32:at + 32 + t], data[at + 32 + t:at + 32 + t + b]
        assert len(body) == b
        if b < 20000:
            assert crc32c(topic + body) == int.from_bytes(header[24:28], "little"), at
        out.append((topic.decode(), body, int.from_bytes(header[16:24], "little")))
        at += 32 + t + b + -(t + b) % 8
    return out


def recorded(path, topic):
    return [unpack(body) for t, body, _ in recording(path) if t == topic]


# ---- the daemon ----


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where the tests run under nohup


class Daemon:
    """edxd with its sockets in a folder of its own. Also a context manager that kills it.

    tcp: at ports that libzmq finds when it binds; a port that is chosen before somebody else may take."""

    def __init__(self, pattern="pull", bind=True, tcp=False, dir=None, start=True, keys=None,
                 binary="edxd", **config):
        self.binary, self.environment = binary, dict(os.environ)
        self.dir = dir or tempfile.mkdtemp(prefix="edx-daemon-")
        self.own_dir = dir is None
        self.runs = os.path.join(self.dir, "runs")
        self.pattern, self.bind, self.tcp = pattern, bind, tcp
        self.keys = keys  # (public, secret, edxd's public) of whoever talks to it, or None
        self.sockets = []
        names = ("ingest", "publish", "control")
        self.endpoint = {n: "tcp://127.0.0.1:*" if tcp else f"ipc://{self.dir}/{n}" for n in names}
        self.bound = self.bind_first() if tcp and not bind else None
        self.config = {f"{n}.endpoint": self.endpoint[n] for n in names}
        self.config.update({"ingest.pattern": pattern, "ingest.bind": str(bind).lower(),
                            "output.dir": self.runs, "output.sync": "none",
                            "limits.min_free_GB": 0})
        self.config.update({k.replace("__", "."): v for k, v in config.items()})
        self.process = None
        self.log_path = os.path.join(self.dir, "log")
        _running.append(self)
        if start:
            self.start()

    def args(self):
        return [a for k, v in self.config.items() for a in ("-s", f"{k}={v}")]

    def start(self, wait=True):
        with open(self.log_path, "ab") as log:
            before = log.tell()
            self.process = subprocess.Popen([program(self.binary), *self.args()], stderr=log,
                                            stdin=subprocess.DEVNULL, env=self.environment,
                                            preexec_fn=_die_with_parent)
        if self.tcp:
            self.read_ports(before)
        if wait:
            self.request(cmd="status")
        return self

    def bind_first(self):
        """The instrument's socket, where edxd is to connect."""
        s = self.socket(Instrument.KINDS[self.pattern])
        s.bind(self.endpoint["ingest"])
        self.endpoint["ingest"] = s.getsockopt(zmq.LAST_ENDPOINT).decode()
        return s

    def read_ports(self, before):
        """Where it listens, as its log says behind what stood there before."""
        deadline = time.monotonic() + WAIT
        ready = re.compile("ready: frames from (.*), results on (.*), control on (.*)")
        while not (said := ready.search(self.log(before))):
            if not self.alive() or time.monotonic() > deadline:
                raise TimeoutError(f"edxd does not listen\n{self.log()}")
            time.sleep(0.01)
        self.endpoint = dict(zip(("ingest", "publish", "control"), said.groups()))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for s in self.sockets:
            s.close(0)
        self.sockets = []
        self.kill()
        if self in _running:
            _running.remove(self)
            if self.own_dir:
                shutil.rmtree(self.dir, ignore_errors=True)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def terminate(self, timeout=WAIT):
        """SIGTERM; the exit code."""
        self.process.terminate()
        code = self.process.wait(timeout)
        self.process = None
        return code

    def log(self, first=0):
        with open(self.log_path, "rb") as f:
            f.seek(first)
            return f.read().decode(errors="replace")

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def resident(self):
        """Bytes."""
        with open(f"/proc/{self.process.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    # -- who talks to it --

    def socket(self, kind):
        s = _context.socket(kind)
        s.setsockopt(zmq.LINGER, 0)
        if self.keys:
            s.curve_publickey, s.curve_secretkey, s.curve_serverkey = self.keys
        self.sockets.append(s)
        return s

    def instrument(self):
        return Instrument(self)

    def control(self, kind=zmq.REQ):
        s = self.socket(kind)
        s.connect(self.endpoint["control"])
        return s

    def request(self, timeout=WAIT, **request):
        s = self.control()
        try:
            s.send(msgpack.packb(request))
            if not s.poll(timeout * 1000):
                raise TimeoutError(f"no reply to {request}\n{self.log()}")
            return unpack(s.recv())
        finally:
            s.close(0)
            self.sockets.remove(s)

    def status(self):
        return self.request(cmd="status")

    def wait(self, condition=None, timeout=WAIT, **values):
        """The status, once condition(status) holds and every key has its value."""
        deadline = time.monotonic() + timeout
        while True:
            status = self.status()
            if all(status[k] == v for k, v in values.items()) and \
                    (condition is None or condition(status)):
                return status
            if time.monotonic() > deadline:
                raise AssertionError(f"waited for {values}, status is {status}\n{self.log()}")
            time.sleep(0.01)

    def subscribe(self, *topics):
        s = self.socket(zmq.SUB)
        for topic in topics or ("",):
            s.setsockopt(zmq.SUBSCRIBE, topic.encode())
        s.connect(self.endpoint["publish"])
        return Subscriber(s)

    # -- what it wrote --

    def path(self, acq, name):
        return os.path.join(self.runs, acq, name)

    def cube(self, acq="run", dir=None):
        return cube(os.path.join(dir or self.runs, acq, "cube.hspy"))

    def saved_cube(self, acq="run"):
        reply = self.request(cmd="save")
        assert reply["ok"], reply
        return self.cube(acq)


def cube(path):
    with h5py.File(path, "r") as f:
        experiment, = f["Experiments"].values()
        return experiment["data"][()]


class Subscriber:
    def __init__(self, socket):
        self.socket = socket

    def receive(self, timeout=WAIT):
        """(topic, body), or None in time."""
        if not self.socket.poll(timeout * 1000):
            return None
        topic, body = self.socket.recv_multipart()
        return topic.decode(), unpack(body)

    def until(self, condition, timeout=WAIT):
        """The first body for which condition(topic, body) holds."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            got = self.receive(max(0.001, deadline - time.monotonic()))
            if got and condition(*got):
                return got[1]
        raise AssertionError("nothing of that kind was published")


class Instrument:
    """Sends what the daemon's pattern asks for; a PUB is an XPUB, which sees subscriptions."""

    KINDS = {"sub": zmq.XPUB, "pull": zmq.PUSH, "router": zmq.DEALER}

    def __init__(self, daemon):
        self.daemon = daemon
        self.socket = daemon.bound or daemon.socket(self.KINDS[daemon.pattern])
        self.socket.setsockopt(zmq.SNDHWM, 0)
        self.socket.setsockopt(zmq.SNDTIMEO, WAIT * 1000)
        if daemon.bind:
            self.socket.connect(daemon.endpoint["ingest"])
        elif not daemon.bound:
            self.socket.bind(daemon.endpoint["ingest"])
        daemon.bound = None
        if daemon.pattern == "sub":
            assert self.socket.poll(WAIT * 1000), "no subscription\n" + daemon.log()
            assert self.socket.recv() == b"\1"

    def send(self, body, topic=None):
        """body: a dict, whose kind tells the topic, or bytes."""
        if topic is None:
            topic = "edx.begin" if "scan" in body else "edx.frame" if "counts" in body else "edx.end"
        raw = body if isinstance(body, bytes) else msgpack.packb(body)
        self.socket.send_multipart([topic.encode() if isinstance(topic, str) else topic, raw])

    def send_all(self, bodies):
        for body in bodies:
            self.send(body)

    def ack(self, timeout=WAIT):
        """The next acknowledgement, or None in time."""
        if not self.socket.poll(timeout * 1000):
            return None
        topic, body = self.socket.recv_multipart()
        assert topic == b"edx.ack", topic
        return unpack(body)

    def close(self):
        self.socket.close(0)
        self.daemon.sockets.remove(self.socket)


@atexit.register
def _clean_up():
    for daemon in list(_running):
        daemon.close()
    _context.destroy(0)


def rng_of(number):
    return np.random.default_rng(number)
