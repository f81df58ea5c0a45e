"""edxsim and edxplay as programs: files, sockets, signals, faults, against Python's own msgpack,
numpy and ZeroMQ."""
import glob
import hashlib
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

import msgpack
import numpy as np
import zmq

BUILD = os.environ.get("EDX_BUILDDIR", ".")
SIM = os.path.join(BUILD, "edxsim")
PLAY = os.path.join(BUILD, "edxplay")
LIMIT = 60  # seconds for anything at all
running = []


def check(truth, what):
    if not truth:
        raise AssertionError(what)


def run(*args, code=0):
    done = subprocess.run(args, capture_output=True, text=True, timeout=LIMIT)
    check(done.returncode == code, f"{args}: {done.returncode}, expected {code}: {done.stderr}")
    return done


def start(*args):
    process = subprocess.Popen(args, stderr=subprocess.PIPE, text=True)
    running.append(process)
    return process


def finish(process, code=0):
    _, err = process.communicate(timeout=LIMIT)
    check(process.returncode == code, f"{process.args}: {process.returncode}: {err}")
    return err


def array(o):
    return np.frombuffer(o["data"], o["dtype"]).reshape(o["shape"]) if "dtype" in o else o


def decode(body):
    return msgpack.unpackb(body, object_hook=array)


def crc32c_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


TABLE = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def records(path, crc=False):
    """(topic, body, arrival, offset) of each record, by the layout in the protocol."""
    data = open(path, "rb").read()
    check(data[:8] == b"EDXREC01", "magic")
    at = 8
    while at < len(data):
        magic, t, b, arrival, body_crc, head_crc = struct.unpack_from("<4sIQQII", data, at)
        check(magic == b"EDXR", f"record at {at}")
        body = data[at + 32:at + 32 + t + b]
        if crc:
            check(crc32c(data[at:at + 28]) == head_crc, f"header checksum at {at}")
            check(crc32c(body) == body_crc, f"checksum at {at}")
        yield body[:t].decode(), body[t:], arrival, at
        at += (32 + t + b + 7) // 8 * 8


def messages(path):
    return [(topic, decode(body)) for topic, body, _, _ in records(path)]


def frames_of(pairs):
    return [m for topic, m in pairs if topic == "edx.frame"]


def cube(frames):
    """Counts by (frame, pixel, channel), as a set with multiplicity."""
    out = {}
    for m in frames:
        offsets, channels = m["counts"]["offsets"], m["counts"]["channels"]
        pixels = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets.astype(np.int64)))
        pixels = pixels + m["row"] * ((len(offsets) - 1) // m["rows"])
        voxels = np.sort(pixels.astype(np.int64) * 65536 + channels)
        out.setdefault(m["frame"], []).append(voxels)
    return {f: np.sort(np.concatenate(v)) for f, v in out.items()}


def same_cube(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[f], b[f]) for f in a)


def await_handler(process):
    """Until a program that has just been started would not die of SIGINT."""
    first = time.monotonic()
    while process.poll() is None and time.monotonic() - first < LIMIT:
        with open(f"/proc/{process.pid}/status") as f:
            text = f.read()
        caught = sum(int(text.split(kind)[1].split()[0], 16) >> (signal.SIGINT - 1) & 1
                     for kind in ("SigCgt:", "SigBlk:"))
        if caught:
            return
        time.sleep(0.02)
    check(False, "SIGINT is not taken")


def receive(socket, seconds=LIMIT):
    check(socket.poll(seconds * 1000), f"nothing came within {seconds} s")
    return socket.recv_multipart()


class Bench:
    """A temporary folder, a ZeroMQ context, and one recording to compare with."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="edxsim-")
        self.zmq = zmq.Context()
        self.sockets = 0
        self.rec = self.path("rec.edxr")
        run(SIM, "-q", "--size", "32", "--frames", "30", "-o", self.rec)

    def path(self, name):
        return os.path.join(self.dir, name)

    def ipc(self):
        self.sockets += 1
        return f"ipc://{self.dir}/s{self.sockets}"

    def listening(self, kind, endpoint):
        socket = self.zmq.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        socket.bind(endpoint)
        return socket

    def bound(self, kind):
        socket = self.zmq.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        return socket, f"tcp://127.0.0.1:{port}"


# ---- files


def test_seeds(b):
    digest = {}
    for name, args in {"a": [], "b": [], "c": ["--seed", "2"], "d": ["--scene", "agau-flat"]}.items():
        run(SIM, "-q", "--frames", "5", "-o", b.path(name), *args)
        digest[name] = hashlib.sha256(open(b.path(name), "rb").read()).hexdigest()
    check(digest["a"] == digest["b"], "same seed, other bytes")
    check(len(set(digest.values())) == 3, "another seed or scene, same bytes")
    leftovers = glob.glob(b.path("*.part"))
    check(not leftovers, f"left behind: {leftovers}")


def test_recording(b):
    found = list(records(b.rec, crc=True))
    check([t for t, *_ in found] == ["edx.begin"] + 30 * ["edx.frame"] + ["edx.end"], "topics")
    begin, end = decode(found[0][1]), decode(found[-1][1])
    check(begin["scan"] == {"rows": 32, "cols": 32, "step_nm": [0.5, 0.5], "dwell_s": 1e-3,
                            "frames": 30}, f"scan {begin['scan']}")
    check(begin["energy"] == {"channels": 4096, "offset_eV": 0.0, "scale_eV": 5.0}, "energy")
    check(begin["elements"] == ["Ag", "Au"] and begin["images"] == ["HAADF"], "elements, images")
    check(end["frames"] == 30 and end["messages"] == 30 and end["reason"] == "complete", "end")
    for i, (_, body, arrival, _) in enumerate(found[1:-1]):
        m = decode(body)
        check(m["v"] == 1 and m["seq"] == i and m["frame"] == i, "numbers")
        check(abs(m["t"] - begin["t"] - (i + 1) * 1.024) < 1e-3, "t")
        check(abs(arrival - m["t"] * 1e9) < 1000, "arrival")
        offsets, channels = m["counts"]["offsets"], m["counts"]["channels"]
        check(len(offsets) == 1025 and offsets[0] == 0 and offsets[-1] == len(channels), "offsets")
        check(np.all(np.diff(offsets.astype(int)) >= 0) and channels.max() < 4096, "events")
        check(m["images"]["HAADF"].shape == (32, 32), "image")
        check(m["counts"]["channels"].dtype == np.uint16, "dtype")


def test_truth(b):
    run(SIM, "-q", "--frames", "20", "-o", b.path("t.edxr"), "--truth", b.path("t.json"))
    truth = json.load(open(b.path("t.json")))
    check(abs(truth["k"]["Ag_La"] / truth["k"]["Au_Ma"] - 1.44) < 1e-6, "k")
    particle = truth["particles"][0]
    for key in "composition", "core", "shell":
        check(abs(sum(particle[key].values()) - 1) < 1e-6, key)
    check(particle["core"]["Ag"] < particle["composition"]["Ag"] < particle["shell"]["Ag"], "order")
    check(abs(particle["radial"]["Ag"][0] - 0.5357) < 1e-3, "innermost ring")
    check(abs(particle["radial"]["Ag"][-1] - 0.58) < 1e-3, "outermost ring")
    totals = [len(m["counts"]["channels"]) for m in frames_of(messages(b.path("t.edxr")))]
    expected = truth["expected_counts_per_frame"]
    check(abs(sum(totals) - 20 * expected) < 4.5 * (20 * expected) ** 0.5, "total counts")
    for scene in "agau-two", "film-3", "fept-200kv":
        run(SIM, "-q", "--scene", scene, "--frames", "1", "-o", b.path("x"), "--truth", b.path("x.json"))
        json.load(open(b.path("x.json")))


def test_damage_in_file(b):
    """A body damaged, then a tail torn: one record lost each, one line each, the rest plays."""
    data = bytearray(open(b.rec, "rb").read())
    offsets = [at for *_, at in records(b.rec)]
    data[offsets[5] + 1000] ^= 0xFF
    open(b.path("hurt.edxr"), "wb").write(data[:offsets[20] + 500])
    socket, endpoint = b.bound(zmq.PULL)
    play = start(PLAY, "-q", "--pattern", "push", "--connect", "--endpoint", endpoint, "--speed",
                 "max", b.path("hurt.edxr"))
    seqs = []
    while True:
        topic, body = receive(socket)
        if topic == b"edx.end":
            break
        if topic == b"edx.frame":
            seqs.append(decode(body)["seq"])
    err = finish(play)
    check(seqs == [0, 1, 2, 3] + list(range(5, 19)), f"played {seqs}")
    check(decode(body)["reason"] == "stopped", "an end for what has none")
    check(len(err.strip().splitlines()) == 2, f"two lines: {err}")


# ---- sockets


def test_pub(b):
    """Everything arrives, stamped now; the begin comes again byte by byte the same."""
    socket = b.zmq.socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    endpoint = b.ipc()
    socket.connect(endpoint)
    before = time.time()
    sim = start(SIM, "-q", "--size", "32", "--frames", "30", "--endpoint", endpoint, "--speed", "max")
    got = []
    while not got or got[-1][0] != b"edx.end":
        got.append(receive(socket))
    finish(sim)
    check(got[0][0] == b"edx.begin", "begin first")
    begins = [body for topic, body in got if topic == b"edx.begin"]
    check(len(begins) == 3 and len(set(begins)) == 1, f"{len(begins)} begins")
    frames = frames_of([(t.decode(), decode(body)) for t, body in got])
    check([m["seq"] for m in frames] == list(range(30)), "all frames")
    check(all(before <= m["t"] <= time.time() for m in frames), "stamped now")
    check(same_cube(cube(frames), cube(frames_of(messages(b.rec)))), "the counts of the recording")
    socket.close(0)


def test_play_push(b):
    """Two loops over tcp: equal counts, another id, edx.config left out."""
    with open(b.path("config.edxr"), "wb") as out:
        data = open(b.rec, "rb").read()
        body = b"edx.config" + msgpack.packb({"v": 1})
        head = struct.pack("<4sIQQI", b"EDXR", 10, len(body) - 10, 1, crc32c(body))
        record = head + struct.pack("<I", crc32c(head)) + body
        out.write(data[:8] + record + bytes(-len(record) % 8) + data[8:])
    socket, endpoint = b.bound(zmq.PULL)
    play = start(PLAY, "-q", "--pattern", "push", "--connect", "--endpoint", endpoint, "--speed",
                 "max", "--loop", "2", b.path("config.edxr"))
    got = [receive(socket) for _ in range(2 * 32)]
    finish(play)
    check(not socket.poll(100), "nothing more")
    got = [(t.decode(), decode(body)) for t, body in got]
    original = messages(b.rec)
    for loop, acq in enumerate(["agau-8nm-s1", "agau-8nm-s1-2"]):
        part = got[loop * 32:loop * 32 + 32]
        check([t for t, _ in part] == [t for t, _ in original], "topics")
        check({m["acq"] for _, m in part} == {acq}, "acquisition id")
        check(same_cube(cube(frames_of(part)), cube(frames_of(original))), "counts")
        check(part[-1][1]["reason"] == "complete" and part[-1][1]["messages"] == 30, "end")
        check(all(time.time() - m["t"] < LIMIT for _, m in part), "stamped now")
        for x, y in zip(frames_of(part), frames_of(original)):
            check(np.array_equal(x["images"]["HAADF"], y["images"]["HAADF"]), "image")
    socket.close(0)


def test_speed(b):
    """Four frames of 8 x 8 pixels at 1 ms take 0.256 s; a hundred times as fast, next to nothing."""
    run(SIM, "-q", "--size", "8", "--frames", "4", "-o", b.path("slow.edxr"))
    took = {}
    for speed in "1", "100":
        socket, endpoint = b.bound(zmq.PULL)
        play = start(PLAY, "-q", "--pattern", "push", "--connect", "--endpoint", endpoint,
                     "--speed", speed, b.path("slow.edxr"))
        stamps = [decode(receive(socket)[1])["t"] for _ in range(6)]
        finish(play)
        took[speed] = stamps[-1] - stamps[0]
        socket.close(0)
    check(0.25 < took["1"] < 3, f"speed 1: {took['1']} s")
    check(took["100"] < 0.2, f"speed 100: {took['100']} s")


def acknowledge(socket, who, topic, m, error=None):
    ack = {"v": 1, "acq": m["acq"], "topic": topic.decode()}
    if "seq" in m:
        ack["seq"] = m["seq"]
    if error:
        ack["error"] = error
    socket.send_multipart([who, b"edx.ack", msgpack.packb(ack)])


def test_dealer(b):
    """Silence makes it send again, and so does a daemon that dies and comes back; the program ends
    when all is acknowledged."""
    endpoint = b.ipc()  # nobody else can take it meanwhile
    socket = b.listening(zmq.ROUTER, endpoint)
    sim = start(SIM, "--size", "32", "--frames", "100", "--pattern", "dealer", "--connect",
                "--endpoint", endpoint, "--speed", "max")
    got, ignored, died, first = {}, False, False, time.monotonic()
    while ("edx.end", None) not in got or len(got) < 102:
        check(time.monotonic() - first < LIMIT, f"{len(got)} messages")
        who, topic, body = receive(socket)
        m = decode(body)
        if m.get("seq") == 3 and not ignored:
            ignored = True
            continue
        if m.get("seq") == 40 and not died:
            died = True
            socket.close(0)  # with all that it had not read
            socket = b.listening(zmq.ROUTER, endpoint)
            continue
        got[topic.decode(), m.get("seq")] = m
        refuse = "no such thing" if m.get("seq") == 7 else None
        acknowledge(socket, who, topic, m, refuse)
    # what was sent twice may still want an answer
    while sim.poll() is None and time.monotonic() - first < LIMIT:
        if socket.poll(100):
            who, topic, body = socket.recv_multipart()
            acknowledge(socket, who, topic, decode(body))
    err = finish(sim)
    check(ignored and died, "both happened")
    check({s for t, s in got if t == "edx.frame"} == set(range(100)), "all frames")
    check("102 acknowledged" in err and "1 refused" in err, err)
    check("agau-8nm-s1 edx.frame refused: no such thing" in err, err)
    socket.close(0)


def test_dealer_silence(b):
    """Nobody acknowledges the second frame for a while: it comes again after about a second."""
    socket, endpoint = b.bound(zmq.ROUTER)
    play = start(PLAY, "-q", "--pattern", "dealer", "--connect", "--endpoint", endpoint, "--speed",
                 "max", b.rec)
    came = []
    while len(came) < 2:
        who, topic, body = receive(socket)
        m = decode(body)
        if m.get("seq") == 1:
            came.append(time.monotonic())
            if len(came) == 1:
                continue
        acknowledge(socket, who, topic, m)
    check(0.2 < came[1] - came[0] < LIMIT, f"again after {came[1] - came[0]} s")
    while play.poll() is None:
        if socket.poll(100):
            who, topic, body = socket.recv_multipart()
            acknowledge(socket, who, topic, decode(body))
    finish(play)
    socket.close(0)


def test_timeout(b):
    """Nobody at the other end: a clear error, not for ever."""
    for pattern in "dealer", "push":
        done = run(SIM, "-q", "--frames", "2", "--pattern", pattern, "--endpoint", b.ipc(),
                   "--speed", "max", "--timeout", "1", code=1)
        lines = done.stderr.strip().splitlines()
        check(len(lines) == 1 and lines[0].startswith("edxsim: ipc://"), done.stderr)


def test_stop(b):
    """SIGTERM: an edx.end that says so, and 0."""
    socket = b.zmq.socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    endpoint = b.ipc()
    socket.connect(endpoint)
    sim = start(SIM, "-q", "--size", "8", "--frames", "0", "--endpoint", endpoint)
    for _ in range(4):
        receive(socket)
    sim.send_signal(signal.SIGTERM)
    topic = b""
    while topic != b"edx.end":
        topic, body = receive(socket)
    finish(sim)
    end = decode(body)
    check(end["reason"] == "stopped" and end["frames"] == end["messages"] >= 3, f"{end}")
    socket.close(0)
    for args in [SIM, "-q", "--pattern", "push"], [SIM, "-q", "--wait", "30"]:
        lonely = start(*args, "--endpoint", b.ipc(), "--timeout", "20")
        await_handler(lonely)
        lonely.send_signal(signal.SIGINT)
        finish(lonely)
    stop_unacknowledged(b)


def stop_unacknowledged(b):
    """What is not acknowledged is not given up at the first signal."""
    socket = b.zmq.socket(zmq.ROUTER)
    socket.connect(endpoint := b.ipc())
    play = start(PLAY, "-q", "--pattern", "dealer", "--endpoint", endpoint, "--timeout", "60", b.rec)
    receive(socket)
    play.send_signal(signal.SIGINT)
    time.sleep(0.3)
    check(play.poll() is None, "it waits for acknowledgements")
    while play.poll() is None:
        play.send_signal(signal.SIGINT)
        time.sleep(0.3)
    finish(play, code=1)
    socket.close(0)


# ---- faults


def faulty(b, kinds, frames=20):
    name = b.path(f"{kinds}.edxr")
    run(SIM, "-q", "--size", "32", "--frames", str(frames), "--fault", kinds, "-o", name)
    return [(t, body) for t, body, *_ in records(name)]


def seqs(found):
    return [decode(body)["seq"] for t, body in found if t == "edx.frame"]


def test_faults(b):
    whole = list(range(20))
    check(seqs(faulty(b, "gap")) == [s for s in whole if s % 10 != 7], "gap")
    twice = seqs(faulty(b, "duplicate"))
    check(len(twice) == 22 and sorted(set(twice)) == whole and twice[3:5] == [3, 3], "duplicate")
    order = seqs(faulty(b, "reorder"))
    check(sorted(order) == whole and order[4:6] == [5, 4], f"reorder {order}")
    late = faulty(b, "late")
    check(late[-2][0] == "edx.end" and late[-1][0] == "edx.frame" and seqs(late) == whole, "late")
    broken = decode(faulty(b, "broken")[-2][1])
    check((broken["row"], broken["rows"], broken["frame"]) == (0, 16, 19), "broken")
    blocks = [decode(body) for t, body in faulty(b, "blocks") if t == "edx.frame"]
    check([m["seq"] for m in blocks] == list(range(80)), "blocks")
    check(all(m["rows"] == 8 and len(m["counts"]["offsets"]) == 257 for m in blocks), "rows")
    check(same_cube(cube(blocks), {f: v for f, v in cube(frames_of(messages(b.rec))).items() if f < 20}),
          "counts of blocks")
    bad = 0
    for topic, body in faulty(b, "garbage", 40):
        try:
            decode(body)["acq"]
        except Exception:
            bad += 1
    check(bad == 4, f"{bad} undecodable")
    quiet = [decode(body)["t"] for _, body in faulty(b, "silence=9")]
    check(max(np.diff(quiet)) > 9, "silence")
    run(SIM, "--fault", "gap,nonsense", "-o", b.path("x"), code=2)


def test_convert(b):
    """Blocks, in disorder, with repeats, become what was never cut."""
    run(SIM, "-q", "--size", "32", "--frames", "30", "--fault", "blocks,duplicate,reorder", "-o",
        b.path("cut.edxr"))
    done = run(PLAY, "-q", "--convert", b.path("whole.edxr"), b.path("cut.edxr"))
    check(len(done.stderr.strip().splitlines()) == 3 * 4, f"repeats are told: {done.stderr}")
    got, original = messages(b.path("whole.edxr")), messages(b.rec)
    frames = frames_of(got)
    check([m["seq"] for m in frames] == list(range(30)), "seq anew")
    check(all(m["row"] == 0 and m["rows"] == 32 for m in frames), "whole")
    check(same_cube(cube(frames), cube(frames_of(original))), "counts")
    images = {m["frame"]: m["images"]["HAADF"] for m in frames_of(original)}
    check(all(np.array_equal(m["images"]["HAADF"], images[m["frame"]]) for m in frames), "images")
    check(all(abs(m["real_s"] - 1.024) < 1e-9 for m in frames), "times add up")
    check(got[0] == original[0] and got[-1][1]["messages"] == 30, "begin and end")
    list(records(b.path("whole.edxr"), crc=True))
    run(SIM, "-q", "--size", "32", "--frames", "6", "--fault", "broken", "-o", b.path("short.edxr"))
    done = run(PLAY, "-q", "--convert", b.path("whole.edxr"), b.path("short.edxr"))
    check("frame 5 of agau-8nm-s1: 16 rows never came" in done.stderr, done.stderr)
    last = frames_of(messages(b.path("whole.edxr")))[-1]
    check(last["rows"] == 32 and last["counts"]["offsets"][-1] == last["counts"]["offsets"][512], "half")


def test_dense(b):
    """Dense counts become events, count by count."""
    rng = np.random.default_rng(7)
    dense = rng.poisson(0.8, (3, 4, 50)).astype("<u2")
    begin = {"v": 1, "acq": "d", "t": 1.0, "beam_keV": 200.0,
             "scan": {"rows": 3, "cols": 4, "step_nm": [1.0, 1.0], "dwell_s": 0.1, "frames": 1},
             "energy": {"channels": 50, "offset_eV": 0.0, "scale_eV": 10.0}}
    frame = {"v": 1, "acq": "d", "t": 2.0, "seq": 0, "frame": 0,
             "counts": {"dtype": "<u2", "shape": [3, 4, 50], "data": dense.tobytes()}}
    with open(b.path("dense.edxr"), "wb") as out:
        out.write(b"EDXREC01")
        for topic, m in (b"edx.begin", begin), (b"edx.frame", frame):
            body = topic + msgpack.packb(m)
            head = struct.pack("<4sIQQI", b"EDXR", 9, len(body) - 9, 5, crc32c(body))
            record = head + struct.pack("<I", crc32c(head)) + body
            out.write(record + bytes(-len(record) % 8))
    run(PLAY, "-q", "--convert", b.path("events.edxr"), b.path("dense.edxr"))
    m = frames_of(messages(b.path("events.edxr")))[0]
    again = np.zeros((12, 50), int)
    for p in range(12):
        o = m["counts"]["offsets"]
        np.add.at(again[p], m["counts"]["channels"][o[p]:o[p + 1]].astype(int), 1)
    check(np.array_equal(again.reshape(3, 4, 50), dense), "counts")


def test_real(b):
    """A real recording converts to the cube that HyperSpy finds in it."""
    data = os.environ.get("EDX_DATA", "")
    name = "fept-bare-core-50f.edxr"
    if not os.path.exists(os.path.join(data, name)):
        print(f"skipped test_real: no {name} in EDX_DATA")
        return
    known = json.load(open(os.path.join(data, "reference.json")))[name]
    run(PLAY, "-q", "--convert", b.path("real.edxr"), os.path.join(data, name))
    frames = frames_of(messages(b.path("real.edxr")))
    rows, cols = known["rows_cols"]
    total = np.zeros(rows * cols * known["channels"], "<u4")
    for voxels in cube(frames).values():
        np.add.at(total, voxels // 65536 * known["channels"] + voxels % 65536, 1)
    check(len(frames) == known["valid_frames"] and total.sum() == known["valid_total"], "counts")
    check(hashlib.sha256(total.tobytes()).hexdigest() == known["valid_sum_sha256"], "cube")


# ---- usage


def test_usage(b):
    for args in (["--scene", "nowhere"], ["--seed", "-1"], ["--frames", "x"], ["--dose", "0"],
                 ["--speed", "0"], ["--pattern", "sub"], ["--drift", "1"], ["--acq", ".x"],
                 ["--size", "0"], ["--damage", "2"], ["--decay", "x"], ["stray"], ["-o", "x", "--pattern", "pub"]):
        done = run(SIM, *args, code=2)
        check(len(done.stderr.strip().splitlines()) == 1, f"{args}: {done.stderr}")
    for args in ([], ["--loop", "x", b.rec], ["--speed", "fast", b.rec],
                 ["--convert", "x", b.rec, b.rec]):
        done = run(PLAY, *args, code=2)
        check(len(done.stderr.strip().splitlines()) == 1, f"{args}: {done.stderr}")
    for name in "a.pts", "b.emd", "absent.edxr":
        if name != "absent.edxr":
            shutil.copy(b.rec, b.path(name))
        done = run(PLAY, b.path(name), code=1)
        check(len(done.stderr.strip().splitlines()) == 1 and name in done.stderr, done.stderr)
    open(b.path("empty.edxr"), "wb").write(b"EDXREC01")
    run(PLAY, "-q", "--convert", b.path("y"), b.path("empty.edxr"), code=1)
    check(not os.path.exists(b.path("y")) and not os.path.exists(b.path("y.part")), "nothing left")
    run(SIM, "-o", "/nonexistent/x.edxr", code=1)
    for program in SIM, PLAY:
        check("Examples:" in run(program, "--help").stdout, "help")
        check(run(program, "--version").stdout.split()[0] == os.path.basename(program), "version")
    scenes = run(SIM, "--scenes").stdout
    check(all(s in scenes for s in ("agau-8nm", "agau-two", "film-3", "fept-200kv")), "scenes")


def test_refused_options(b):
    for program in SIM, PLAY:
        name = os.path.basename(program)
        end = f" ({name} --help)\n"
        for args, text in ((["--speed"], "--speed: no value, expected one" + end),
                           (["--quiet=3"], "--quiet: a value, expected none" + end),
                           (["--p", "pub", "--wait"], "--wait: no value, expected one" + end)):
            done = run(program, *args, code=2)
            check(done.stderr == f"{name}: {text}", f"{args}: {done.stderr}")
        for args, given, known in ((["--foo"], "--foo", ("--speed", "--pattern", "--version")),
                                   (["--foo=3"], "--foo", ("--speed", "--timeout")),
                                   (["-x"], "-x", ("--speed",)), (["-qx"], "-x", ("--speed",)),
                                   (["-xq"], "-x", ("--speed",))):
            done = run(program, *args, code=2)
            start = f"{name}: {given}: unknown option, expected one of --"
            check(done.stderr.startswith(start) and done.stderr.endswith(end)
                  and done.stderr.count("\n") == 1 and all(o in done.stderr for o in known),
                  f"{args}: {done.stderr}")
    check(run(SIM, "-qo", code=2).stderr == "edxsim: -o: no value, expected one (edxsim --help)\n",
          "-o")
    check(run(PLAY, "--co", code=2).stderr == "edxplay: --co: unknown option, expected one of "
          "--connect, --convert (edxplay --help)\n", "ambiguous")


def main():
    bench, failed = None, 0
    try:
        bench = Bench()
        wanted = sys.argv[1:]
        for name, test in list(globals().items()):
            if not name.startswith("test_") or wanted and name not in wanted:
                continue
            began = time.monotonic()
            try:
                test(bench)
                print(f"ok {name} {time.monotonic() - began:.1f} s")
            except Exception as error:  # the next test may still tell something
                failed += 1
                print(f"FAILED {name}: {type(error).__name__}: {error}")
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()
        if bench:
            shutil.rmtree(bench.dir, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
