"""Mutated bytes at edxweb, as HTTP and as WebSocket: whatever they are, a browser that was there
before gets its answers, and edxweb ends well (with a sanitizer: with nothing leaked)."""

import os
import socket
import struct
import sys
import unittest

import msgpack
import zmq

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from web_client import WAIT, Browser, Publisher, Server  # noqa: E402
from harness import rng_of, seed  # noqa: E402

RNG = rng_of(seed())
CONTEXT = zmq.Context()
CONNECTIONS = int(os.environ.get("EDX_MUTATIONS", 600))

HEADERS = ["Host: 127.0.0.1:{port}", "Origin: http://127.0.0.1:{port}", "Connection: Upgrade",
           "Connection: keep-alive", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: edx",
           "Sec-WebSocket-Extensions: permessage-deflate", "Accept-Encoding: gzip",
           "Content-Length: 5", "Transfer-Encoding: chunked", "Range: bytes=0-", 'If-None-Match: "x"']
PATHS = ["/", "/ws", "/app.js", "/runs/a/cube.hspy", "/..%2f..%2fetc/passwd", "/%00", "/?a=b&c",
         "//", "*", "http://x/", "/" + "a" * 3000]
MESSAGES = [msgpack.packb(m) for m in (
    {"type": "ack", "serial": 1}, {"type": "control", "id": 1, "request": {"cmd": "status"}},
    {"type": "control", "id": 2, "token": "x" * 24, "request": {"cmd": "save"}},
    {"type": "control", "id": 3, "request": {"cmd": "get", "key": "analysis"}}, {}, 7, "x" * 300)]


def pick(of):
    return of[int(RNG.integers(0, len(of)))]


def flip(raw):
    """A few bytes are others, some are gone, some are new, or the end is missing."""
    raw = bytearray(raw)
    for _ in range(int(RNG.integers(0, 4))):
        at = int(RNG.integers(0, len(raw) + 1))
        how = int(RNG.integers(0, 4))
        if how == 0 and at < len(raw):
            raw[at] = int(RNG.integers(0, 256))
        elif how == 1:
            raw[at:at] = RNG.bytes(int(RNG.integers(1, 9)))
        elif how == 2:
            del raw[at:at + int(RNG.integers(1, 9))]
        elif len(raw) > 1:
            del raw[max(1, at):]
    return bytes(raw)


def request(port):
    method = pick(["GET"] * 6 + ["HEAD", "POST", "PUT", "OPTIONS", "XX"])
    lines = [f"{method} {pick(PATHS)} HTTP/1.{pick('0119')}"]
    lines += [h.format(port=port) for h in HEADERS if RNG.random() < 0.6]
    return flip("\r\n".join(lines + ["", ""]).encode() + RNG.bytes(int(RNG.integers(0, 20))))


def frame():
    """One WebSocket frame: mostly good, in pieces, of any kind, or of a length that is a lie."""
    payload = flip(pick(MESSAGES))
    first = pick([0x82] * 6 + [0x02, 0x80, 0x00, 0x81, 0x88, 0x89, 0x8a, 0xc2, 0x8f])
    n = len(payload) if RNG.random() < 0.9 else int(RNG.integers(0, 1 << 16))
    length = struct.pack(">B", 0x80 | n) if n < 126 else struct.pack(">BH", 0x80 | 126, n)
    if RNG.random() < 0.03:
        length = struct.pack(">BQ", 0x80 | 127, pick([0, 1, n, 1 << 20, 1 << 40, 1 << 63]))
    mask = RNG.bytes(4)
    masked = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
    return bytes([first]) + length + mask + masked


class Hostile(unittest.TestCase):
    def setUp(self):
        self.p = Publisher(CONTEXT)
        self.addCleanup(self.p.close)
        self.s = Server(self.p.endpoint, self.p.control)
        self.addCleanup(self.s.close)

    def pour(self, s, raw):
        """What it does not take, or answers by closing, is its affair; a crash shows later."""
        try:
            s.sendall(raw)
            if RNG.random() < 0.3:
                s.settimeout(0.02)
                s.recv(65536)
        except OSError:
            pass

    def test_http_and_websocket(self):
        good = self.s.browser()
        good.until(lambda: good.hello)
        for n in range(CONNECTIONS):
            if n % 2:
                with socket.create_connection(("127.0.0.1", self.s.port), timeout=WAIT) as s:
                    self.pour(s, request(self.s.port))
            else:
                b = Browser(self.s.port)
                self.assertEqual(b.status, 101, b.headers)
                self.pour(b.sock, b"".join(frame() for _ in range(int(RNG.integers(1, 6)))))
                b.close()
            if n % 50 == 49:
                self.assertIn("error", good.answer(n, cmd="status"), self.s.log())
                self.assertEqual(self.s.get("/", Host=f"127.0.0.1:{self.s.port}")[0], 200)
        self.assertEqual(self.s.terminate(), 0, self.s.log())


if __name__ == "__main__":
    unittest.main(verbosity=2)
