"""kill -9 at random moments, of edxd and of the sender, over the acknowledged pattern: the cube is
bit-exact in the end and nothing is left unacknowledged. EDX_KILLS and EDX_SEED choose how often and
which moments. With damage thrown in (a torn tail, a flipped byte) the cube is the sum of all but the
messages that the log names.

With --send FILE ENDPOINT this is the sender: an instrument that keeps what is not acknowledged.
"""
import os
import pickle
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import h5py
import msgpack
import numpy
import zmq

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "daemon"))
from harness import crc32c  # noqa: E402

EDXD = os.path.join(os.environ.get("EDX_BUILDDIR", "."), "edxd")
KILLS = int(os.environ.get("EDX_KILLS", "50"))
SEED = int(os.environ.get("EDX_SEED", str(random.SystemRandom().randrange(1 << 32))))
ROWS, COLS, CHANNELS, FRAMES = 24, 20, 64, max(500, 15 * KILLS)
WINDOW = 16
PAUSE_S = 0.01  # between messages, so that the kills fall into the acquisition


def array(values, dtype):
    a = numpy.asarray(values, dtype)
    return {"dtype": a.dtype.str, "shape": list(a.shape), "data": a.tobytes()}


def messages(rng):
    """Begin, frames (some in row blocks), end; and the sum that they must give."""
    def pack(**body):
        return msgpack.packb(dict(v=1, acq="kill", t=1.7e9, **body))

    total = numpy.zeros((ROWS, COLS, CHANNELS), "<u4")
    out = [(b"edx.begin", pack(
        scan=dict(rows=ROWS, cols=COLS, step_nm=[0.5, 0.5], dwell_s=1e-3, frames=FRAMES),
        energy=dict(channels=CHANNELS, offset_eV=0.0, scale_eV=100.0), beam_keV=200.0))]
    seq = 0
    for frame in range(FRAMES):
        counts = rng.poisson(0.05, (ROWS, COLS, CHANNELS)).astype("|u1")
        total += counts
        blocks = [(0, ROWS)] if frame % 7 else [(0, 10), (10, ROWS - 10)]
        for row, rows in blocks:
            out.append((b"edx.frame", pack(seq=seq, frame=frame, row=row, rows=rows,
                                           counts=array(counts[row:row + rows], "|u1"))))
            seq += 1
    out.append((b"edx.end", pack(frames=FRAMES, messages=seq, reason="complete")))
    return out, total


def key(topic, body):
    m = msgpack.unpackb(body)
    return (topic.decode(), m.get("seq"))


def send(path, endpoint):
    """Sends in order, at most WINDOW ahead of what is acknowledged; after silence, again. What was
    acknowledged stands in a file beside the messages, as an instrument would remember it."""
    with open(path, "rb") as f:
        todo = [(key(t, b), t, b) for t, b in pickle.load(f)]
    done = open(path + ".acked", "a+")
    done.seek(0)
    acked = set(done.read().split("\n"))
    todo = [entry for entry in todo if repr(entry[0]) not in acked]
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.linger = 0
    socket.connect(endpoint)
    waiting = {k: (t, b) for k, t, b in todo}
    queue, flying, heard = list(todo), set(), time.monotonic()
    while waiting:
        if queue and len(flying) < WINDOW:
            k, t, b = queue.pop(0)
            if k in waiting:
                socket.send_multipart([t, b])
                flying.add(k)
        time.sleep(PAUSE_S)
        while socket.poll(0):
            topic, body = socket.recv_multipart()
            m = msgpack.unpackb(body)
            assert topic == b"edx.ack" and "error" not in m, m
            k = (m["topic"], m.get("seq"))
            waiting.pop(k, None)
            flying.discard(k)
            print(repr(k), file=done, flush=True)
            heard = time.monotonic()
        if time.monotonic() - heard > 0.3:
            queue = [(k, t, b) for k, (t, b) in waiting.items()]
            flying.clear()
            heard = time.monotonic()


class Kill(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="edx-kill-")
        self.children = {}
        self.during = 0  # kills that fell into the acquisition

    def tearDown(self):
        for child in self.children.values():
            child.kill()
            child.wait(10)
        shutil.rmtree(self.root)

    def end(self, name):
        return f"ipc://{self.root}/{name}"

    def start_edxd(self, pattern="router"):
        args = [EDXD, "-c", os.devnull]
        for k, v in {"ingest.endpoint": self.end("in"), "ingest.pattern": pattern,
                     "ingest.bind": "true" if pattern == "router" else "false", "publish.endpoint": self.end("out"),
                     "control.endpoint": self.end("control"),
                     "output.dir": os.path.join(self.root, "runs")}.items():
            args += ["-s", f"{k}={v}"]
        with open(os.path.join(self.root, "log"), "ab") as log:
            self.children["edxd"] = subprocess.Popen(args, stderr=log)

    def start_sender(self):
        self.children["sender"] = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), "--send",
             os.path.join(self.root, "messages"), self.end("in")])

    def ask(self, cmd):
        socket = zmq.Context.instance().socket(zmq.REQ)
        socket.linger = 0
        socket.rcvtimeo = 30000
        socket.connect(self.end("control"))
        socket.send(msgpack.packb({"cmd": cmd}))
        reply = msgpack.unpackb(socket.recv())
        socket.close()
        return reply

    def kill_some(self, rng):
        for _ in range(KILLS):
            time.sleep(rng.uniform(0.0, 0.25))
            who = rng.choice(["edxd", "edxd", "sender"])
            self.children[who].send_signal(signal.SIGKILL)
            self.children[who].wait(10)
            if who == "edxd":
                self.start_edxd()
            else:
                self.start_sender()
            self.during += self.children["sender"].poll() is None

    def test_nothing_is_lost(self):
        print(f"seed {SEED}, {KILLS} kills", flush=True)
        todo, total = messages(numpy.random.default_rng(SEED))
        with open(os.path.join(self.root, "messages"), "wb") as f:
            pickle.dump(todo, f)
        self.start_edxd()
        self.start_sender()
        self.kill_some(random.Random(SEED))
        self.assertGreater(self.during, KILLS // 2, "the acquisition was over too early")
        self.assertEqual(self.children["sender"].wait(60), 0, "something is not acknowledged")
        self.assertTrue(self.ask("save")["ok"])
        status = self.ask("status")
        self.assertEqual((status["frames"], status["lost"], status["counts"]),
                         (FRAMES, 0, int(total.sum())))
        self.assertEqual(os.listdir(os.path.join(self.root, "runs")), ["kill"])
        with h5py.File(os.path.join(self.root, "runs", "kill", "cube.hspy")) as f:
            cube = f["Experiments/kill/data"][()]
        numpy.testing.assert_array_equal(cube, total)

    # -- damage --

    def records(self):
        """[(offset, end, topic, body)] of the recording, whatever is wrong with its bytes elsewhere;
        before any damage."""
        with open(self.recording(), "rb") as f:
            data = f.read()
        out, at = [], 8
        while at + 32 <= len(data):
            t = int.from_bytes(data[at + 4:at + 8], "little")
            b = int.from_bytes(data[at + 8:at + 16], "little")
            end = at + (32 + t + b + 7) // 8 * 8
            if data[at:at + 4] != b"EDXR" or end > len(data):
                break
            out.append((at, end, data[at + 32:at + 32 + t], data[at + 32 + t:at + 32 + t + b]))
            at = end
        return out

    def recording(self):
        return os.path.join(self.root, "runs", "kill", "recording.edxr")

    def damage(self, rng):
        """A flipped byte in a record of a frame, or the last record torn; the seq that it held."""
        records = self.records()
        frames = [r for r in records if r[2] == b"edx.frame"]
        if len(frames) < 3 or records[-1][2] == b"edx.end":
            return None
        tear = rng.random() < 0.3
        at, end, _, body = frames[-1] if tear else rng.choice(frames[1:-1])
        with open(self.recording(), "r+b") as f:
            if tear:
                f.truncate(rng.randrange(at + 1, end - 7))
            else:
                where = rng.randrange(at, at + 32 + len(b"edx.frame") + len(body))
                f.seek(where)
                byte = f.read(1)[0]
                f.seek(where)
                f.write(bytes([byte ^ (1 << rng.randrange(8))]))
        return msgpack.unpackb(body)["seq"]

    def wait_progress(self):
        """Until both are up and something is recorded, on a busy machine, too."""
        def size():
            return os.path.exists(self.recording()) and os.path.getsize(self.recording())

        before, deadline = size(), time.monotonic() + 5
        while size() == before and time.monotonic() < deadline:
            time.sleep(0.01)

    def named(self):
        """What the log named as missing last: when the acquisition ended. What was on its way when
        edxd was killed is named at the restart, and comes again."""
        with open(os.path.join(self.root, "log"), errors="replace") as f:
            log = f.read()
        out = set()
        for text, rest in re.findall(r"messages that are missing: seq ([0-9, -]+) \(([a-z ]+)", log):
            if rest != "more of them":
                out = set()
            for part in text.split(","):
                lo, _, hi = part.strip().partition("-")
                out.update(range(int(lo), int(hi or lo) + 1))
        return out

    def test_damage_is_named(self):
        print(f"seed {SEED}", flush=True)
        rng = random.Random(SEED)
        todo, _ = messages(numpy.random.default_rng(SEED))
        with open(os.path.join(self.root, "messages"), "wb") as f:
            pickle.dump(todo, f)
        self.start_edxd()
        self.start_sender()
        hurt, kills = set(), 0
        while kills < KILLS and self.children["sender"].poll() is None:
            self.wait_progress()
            time.sleep(rng.uniform(0.0, 0.25))
            who = rng.choice(["edxd", "edxd", "sender"])
            self.children[who].send_signal(signal.SIGKILL)
            self.children[who].wait(10)
            kills += 1
            if who == "sender":
                self.start_sender()
                continue
            seq = None
            if rng.random() < 0.5 and os.path.exists(self.recording()):
                seq = self.damage(rng)
            hurt |= {seq} - {None}
            self.start_edxd()
        print(f"{kills} kills, {len(hurt)} records hurt", flush=True)
        self.assertGreater(len(hurt), 3, "the acquisition was over too early")
        self.assertEqual(self.children["sender"].wait(60), 0, "something is not acknowledged")
        self.assertTrue(self.ask("save")["ok"])
        self.check_damage(todo, hurt)

    @staticmethod
    def whole(recorded, todo):
        """{body: offset of its first record whose header checks}: the header vouches for the length
        and the checksum, and what it is the checksum of is compared here."""
        bodies, out = {body for _, body in todo}, {}
        for found in re.finditer(b"EDXR", recorded):
            at = found.start()
            head = recorded[at:at + 32]
            if at % 8 or len(head) < 32 or crc32c(head[:28]) != int.from_bytes(head[28:], "little"):
                continue
            start = at + 32 + int.from_bytes(head[4:8], "little")
            body = recorded[start:start + int.from_bytes(head[8:16], "little")]
            if body in bodies and recorded[at + 32:start] in (b"edx.frame", b"edx.end"):
                out.setdefault(body, at)
        return out

    def check_damage(self, todo, hurt):
        with open(self.recording(), "rb") as f:
            recorded = f.read()
        total = numpy.zeros((ROWS, COLS, CHANNELS), "<u4")
        lost, late = set(), set()
        whole = self.whole(recorded, todo)
        end = whole[todo[-1][1]]
        for topic, body in todo:
            if topic != b"edx.frame":
                continue
            m = msgpack.unpackb(body)
            if body in whole:
                counts = numpy.frombuffer(m["counts"]["data"], "|u1")
                total[m["row"]:m["row"] + m["rows"]] += counts.reshape(m["counts"]["shape"])
                late |= {m["seq"]} if whole[body] > end else set()
            else:
                lost.add(m["seq"])
        self.assertLessEqual(lost, hurt)
        status = self.ask("status")
        self.assertEqual((status["lost"], status["bad"]), (len(lost), 0))
        self.assertGreater(len(lost), 2, "no damage hurt anything: nothing is tested")
        self.assertEqual(self.named() - late, lost)
        with h5py.File(os.path.join(self.root, "runs", "kill", "cube.hspy")) as f:
            numpy.testing.assert_array_equal(f["Experiments/kill/data"][()], total)

    def test_over_sub_every_missing_frame_is_reported(self):
        print(f"seed {SEED}", flush=True)
        rng = random.Random(SEED)
        todo, _ = messages(numpy.random.default_rng(SEED))
        begin, frames, end = todo[0], todo[1:-1], todo[-1]
        pub = zmq.Context.instance().socket(zmq.XPUB)
        pub.setsockopt(zmq.XPUB_VERBOSER, 1)
        pub.linger = 0
        pub.bind(self.end("in"))
        self.start_edxd("sub")
        self.assertTrue(pub.poll(60000))
        for i, message in enumerate(frames):
            if i % 10 == 0:
                pub.send_multipart(begin)
            pub.send_multipart(message)
            time.sleep(PAUSE_S / 2)
            if rng.random() < 0.02:
                self.children["edxd"].send_signal(signal.SIGKILL)
                self.children["edxd"].wait(10)
                self.start_edxd("sub")
        self.ask("status")  # it is up again
        while pub.poll(500):
            pub.recv()
        pub.send_multipart(end)
        self.wait_finished()
        self.check_sub(frames)
        pub.close()

    def wait_finished(self):
        deadline = time.monotonic() + 60
        while self.ask("status")["state"] != "finished":
            self.assertLess(time.monotonic(), deadline, "the end did not arrive")
            time.sleep(0.05)

    def check_sub(self, frames):
        """What is recorded is summed, what is not is counted as lost."""
        runs = os.path.join(self.root, "runs", "kill")
        with open(os.path.join(runs, "recording.edxr"), "rb") as f:
            recorded = f.read()
        total = numpy.zeros((ROWS, COLS, CHANNELS), "<u4")
        n = 0
        for _, body in frames:
            if body in recorded:
                m = msgpack.unpackb(body)
                counts = numpy.frombuffer(m["counts"]["data"], "|u1")
                total[m["row"]:m["row"] + m["rows"]] += counts.reshape(m["counts"]["shape"])
                n += 1
        status = self.ask("status")
        self.assertLess(n, len(frames), "no kill lost anything: nothing is tested")
        self.assertEqual((status["received"], status["lost"]), (n, len(frames) - n))
        with h5py.File(os.path.join(runs, "cube.hspy")) as f:
            numpy.testing.assert_array_equal(f["Experiments/kill/data"][()], total)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--send"]:
        send(*sys.argv[2:4])
    else:
        unittest.main(argv=sys.argv, verbosity=2)
