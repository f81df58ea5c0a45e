"""A browser, as much of one as edxweb meets: a WebSocket that reads as fast as it is told to, decodes
what comes and acknowledges it. And edxweb itself, with a stand-in for edxd."""

import base64
import hashlib
import http.client
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib

import msgpack
import numpy as np
import zmq

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "daemon"))
from harness import WAIT, _die_with_parent, program  # noqa: E402

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def decode(o):
    """An array as it travels to browsers: plain, or planes of u16 (doc/web.md)."""
    if "dtype" not in o:
        return o
    values = np.frombuffer(o["data"], o["dtype"]).reshape(o["shape"])
    if "scale" not in o:
        return values
    planes = values.reshape(-1, *values.shape[-2:])
    offset = np.array(o["offset"])[:, None, None]
    scale = np.array(o["scale"])[:, None, None]
    real = np.where(planes == 65535, np.nan, offset + scale * planes)
    return Quantised(real.reshape(values.shape), o["scale"])


class Quantised(np.ndarray):
    """Values that are good to scale / 2, plane by plane."""

    def __new__(cls, values, scale):
        out = np.asarray(values).view(cls)
        out.scale = np.array(scale)
        return out


class Closed(Exception):
    """code: of the close frame; None: the connection was cut."""

    def __init__(self, code=None, reason=""):
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class Browser:
    """rate: bytes per second, None: as fast as they come. ack: acknowledge by itself. light: results
    are read no further than their serial, so that many browsers fit into one process."""

    def __init__(self, port, path="/ws", rate=None, ack=True, headers=None, protocol="edx",
                 receive_buffer=None, light=False):
        self.light, self.rate, self.ack, self.allowance, self.last = light, rate, ack, 0.0, time.monotonic()
        self.buffer, self.payload, self.received, self.largest = b"", b"", 0, 0
        self.results, self.replies, self.links, self.hello = [], {}, [], None
        self.sock = socket.socket()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer or rate:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer or 16384)
        self.sock.settimeout(WAIT)
        self.sock.connect(("127.0.0.1", port))
        self.status, self.headers = self.shake_hands(port, path, headers or {}, protocol)

    def shake_hands(self, port, path, more, protocol):
        key = base64.b64encode(os.urandom(16))
        headers = {"Host": f"127.0.0.1:{port}", "Origin": f"http://127.0.0.1:{port}",
                   "Connection": "Upgrade", "Upgrade": "websocket",
                   "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key.decode()}
        if protocol:
            headers["Sec-WebSocket-Protocol"] = protocol
        headers.update(more)
        lines = [f"GET {path} HTTP/1.1"] + [f"{k}: {v}" for k, v in headers.items() if v is not None]
        self.sock.sendall("\r\n".join(lines + ["", ""]).encode())
        head = b""
        while b"\r\n\r\n" not in head:
            got = self.sock.recv(1)
            if not got:
                return 0, head
            head += got
        status = int(head.split()[1])
        if status == 101:
            want = base64.b64encode(hashlib.sha1(key + GUID).digest())
            assert want in head, head
            assert b"permessage-deflate" not in head, head
        return status, head

    def close(self):
        self.sock.close()

    # -- out --

    def frame(self, payload, opcode=2, fin=True):
        mask = os.urandom(4)
        n = len(payload)
        head = bytes([(128 if fin else 0) | opcode])
        if n < 126:
            head += bytes([128 | n])
        elif n < 65536:
            head += bytes([128 | 126]) + struct.pack(">H", n)
        else:
            head += bytes([128 | 127]) + struct.pack(">Q", n)
        mask_bytes = np.frombuffer((mask * (n // 4 + 1))[:n], "u1")
        masked = (np.frombuffer(payload, "u1") ^ mask_bytes).tobytes()
        self.sock.sendall(head + mask + masked)

    def say(self, **message):
        self.frame(msgpack.packb(message))

    def ask(self, id, token=None, **request):
        more = {} if token is None else {"token": token}
        self.say(type="control", id=id, request=request, **more)

    def answer(self, id, token=None, timeout=WAIT, **request):
        """Asks and waits."""
        self.ask(id, token, **request)
        self.until(lambda: id in self.replies, timeout)
        return self.replies.pop(id)

    # -- in --

    def read(self, timeout):
        """Some bytes into the buffer; False in vain."""
        self.sock.settimeout(max(timeout, 0.001))
        most = 65536
        if self.rate:
            now = time.monotonic()
            self.allowance = min(self.allowance + self.rate * (now - self.last), self.rate / 50)
            self.last = now
            most = int(self.allowance)
            if most < 1024 and most < self.rate / 100:
                time.sleep(min(0.005, timeout) if timeout > 0 else 0)
                return False
        try:
            got = self.sock.recv(most)
        except socket.timeout:
            return False
        except ConnectionError:
            raise Closed() from None
        if not got:
            raise Closed()
        self.allowance -= len(got)
        self.received += len(got)
        self.buffer += got
        return True

    def take_frame(self):
        """(fin, opcode, payload), or None when it is not whole yet."""
        b = self.buffer
        if len(b) < 2:
            return None
        n, at = b[1] & 127, 2
        assert not b[1] & 128, "a masked frame from a server"
        if n == 126:
            n, at = (struct.unpack(">H", b[2:4])[0], 4) if len(b) >= 4 else (1 << 60, 4)
        elif n == 127:
            n, at = (struct.unpack(">Q", b[2:10])[0], 10) if len(b) >= 10 else (1 << 60, 10)
        if len(b) < at + n:
            return None
        self.buffer = b[at + n:]
        return bool(b[0] & 128), b[0] & 15, b[at:at + n]

    def message(self, timeout=WAIT):
        """The next message, decoded, or None in time."""
        deadline = time.monotonic() + timeout
        while True:
            frame = self.take_frame()
            if frame is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self.read(left)
                continue
            fin, opcode, payload = frame
            if opcode == 8:
                code = struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else None
                raise Closed(code, payload[2:].decode("utf-8", "replace"))
            if opcode == 9:
                self.frame(payload, 10)
                continue
            if opcode == 10:
                continue
            self.payload += payload
            if fin:
                whole, self.payload = self.payload, b""
                self.largest = max(self.largest, len(whole))
                return self.unpack(whole)

    def unpack(self, whole):
        assert whole[0] in (0, 1), whole[0]
        if self.light:
            start = whole[1:300] if whole[0] == 0 else zlib.decompressobj(-15).decompress(whole[1:], 299)
            if b"\xa6result\xa5topic" in start:
                unpacker = msgpack.Unpacker()
                unpacker.feed(start)
                unpacker.read_map_header()
                pairs = [unpacker.unpack() for _ in range(6)]
                return {**dict(zip(pairs[::2], pairs[1::2])), "body": {}}
        body = whole[1:] if whole[0] == 0 else zlib.decompress(whole[1:], -15)
        return msgpack.unpackb(body, object_hook=decode)

    def step(self, timeout=WAIT):
        """Takes one message in, files it, acknowledges it. The message, or None."""
        m = self.message(timeout)
        if m is None:
            return None
        if m["type"] == "result":
            m["arrival"] = time.time()
            self.results.append(m)
            if self.ack:
                self.say(type="ack", serial=m["serial"])
        elif m["type"] == "reply":
            self.replies[m["id"]] = m["reply"]
        elif m["type"] == "link":
            self.links.append(m)
        else:
            assert m["type"] == "hello" and self.hello is None, m
            self.hello = m
        return m

    def until(self, condition, timeout=WAIT):
        deadline = time.monotonic() + timeout
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, "waited in vain"
            self.step(left)

    def run(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.step(deadline - time.monotonic())

    def topic(self, name):
        return [r["body"] for r in self.results if r["topic"] == name]

    def first(self, name, condition=lambda body: True, timeout=WAIT):
        """The first body of a topic for which condition holds."""
        found = []

        def any_of():
            found[:] = [b for b in self.topic(name) if condition(b)]
            return bool(found)

        self.until(any_of, timeout)
        return found[0]


class Server:
    """edxweb on a free port, with a page of its own."""

    def __init__(self, endpoint, control, *args, page=None):
        self.dir = tempfile.mkdtemp(prefix="edx-web-")
        self.root = os.path.join(self.dir, "root")
        os.mkdir(self.root)
        for name, text in (page or {"index.html": b"<!doctype html><title>page</title>"}).items():
            with open(os.path.join(self.root, name), "wb") as f:
                f.write(text)
        self.log_path = os.path.join(self.dir, "log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [program("edxweb"), "--endpoint", endpoint, "--control", control, "--listen",
                 "127.0.0.1:0", "--root", self.root, *args], stdout=subprocess.PIPE, stderr=log,
                stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent)
        self.line = self.process.stdout.readline().decode()
        assert self.line.startswith("edxweb: http://127.0.0.1:"), (self.line, self.log())
        self.port = int(self.line.split("/")[2].split(":")[1])
        self.browsers = []

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def browser(self, **more):
        b = Browser(self.port, **more)
        self.browsers.append(b)
        return b

    def get(self, path, method="GET", **headers):
        """(status, headers, body)"""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT)
        try:
            c.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
            r = c.getresponse()
            return r.status, {k.lower(): v for k, v in r.getheaders()}, r.read()
        finally:
            c.close()

    def raw(self, request, timeout=WAIT):
        """Everything that comes back until the server ends the connection, or timeout."""
        out = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as s:
            s.sendall(request)
            try:
                while got := s.recv(65536):
                    out += got
            except OSError:
                pass
        return out

    def resident(self):
        with open(f"/proc/{self.process.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def cpu(self):
        """Seconds."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            parts = f.read().rsplit(")", 1)[1].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT)

    def close(self):
        for b in self.browsers:
            b.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Publisher:
    """A stand-in for edxd that publishes what it is told; answers nothing."""

    def __init__(self, context):
        self.dir = tempfile.mkdtemp(prefix="edx-pub-")
        self.endpoint = f"ipc://{self.dir}/publish"
        self.control = f"ipc://{self.dir}/control"
        self.socket = context.socket(zmq.XPUB)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(self.endpoint)
        self.router = None

    def answer(self, context):
        """Opens the control socket."""
        self.router = context.socket(zmq.ROUTER)
        self.router.setsockopt(zmq.LINGER, 0)
        self.router.bind(self.control)
        return self.router

    def wait(self):
        """Until edxweb has subscribed to every topic."""
        for _ in range(9):
            assert self.socket.poll(WAIT * 1000), "no subscription"
            self.socket.recv()

    def publish(self, topic, **body):
        head = {"v": 1, "acq": "run", "t": time.time(), "frames": 0, "frame": 0, "counts": 0}
        self.socket.send_multipart([topic.encode(), msgpack.packb({**head, **body})])

    def close(self):
        self.socket.close(0)
        if self.router:
            self.router.close(0)
        shutil.rmtree(self.dir, ignore_errors=True)
