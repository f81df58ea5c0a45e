"""With CURVE on, who has no allowed key gets nothing from any socket and nothing in; who has one
works as ever. Keys that are wrong, missing or open to others are refused with the cure."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import msgpack
import zmq
import zmq.auth

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "daemon")]
from harness import WAIT, Daemon, begin, dense, end, program, random_counts, rng_of  # noqa: E402

QUIET = 1.0  # seconds in which nobody may hear anything


class Keys:
    """A folder with edxd's certificate and those of clients."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="edx-curve-")
        self.clients = os.path.join(self.dir, "clients")
        os.mkdir(self.clients)
        self.server = self.make("edxd")
        self.own = self.make("operator", allow=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def make(self, name, allow=False):
        """(public, secret, edxd's public)"""
        public, secret = zmq.curve_keypair()
        pair = f'    public-key = "{public.decode()}"\n    secret-key = "{secret.decode()}"\n'
        with open(os.open(self.path(name), os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write("metadata\ncurve\n" + pair)
        with open(self.path(f"{name}.pub"), "w") as f:
            f.write("metadata\ncurve\n" + pair.splitlines()[0] + "\n")
        if allow:
            shutil.copy(self.path(f"{name}.pub"), self.clients)
        return public, secret, self.server[0] if name != "edxd" else public

    def config(self, **more):
        return {"security.curve": "true", "security.keys": self.path("edxd"),
                "security.clients": self.clients, **more}


def daemon(keys, pattern="pull", bind=True, **more):
    return Daemon(pattern, bind, keys=keys.own, **keys.config(**more))


# ---- who has a key ----


def a_run_works(keys):
    counts = random_counts(rng_of(1), 4)
    for pattern in ("sub", "pull", "router"):
        for bind in (True, False):
            with daemon(keys, pattern, bind) as d:
                results = d.subscribe("edx.spectrum")
                instrument = d.instrument()
                instrument.send(begin(frames=4))
                if pattern == "sub" and bind:
                    time.sleep(0.1)
                instrument.send_all([dense(c, i) for i, c in enumerate(counts)])
                instrument.send(end(messages=4, frames=4))
                status = d.wait(state="finished", frames=4)
                assert status["counts"] == counts.sum() and status["bad"] == 0, status
                got = results.until(lambda t, b: b["frames"] == 4)
                assert got["counts"] == counts.sum()
                assert d.terminate() == 0, d.log()
                assert (d.cube() == counts.sum(axis=0)).all()


# ---- who has none ----


def strangers(keys):
    """Name, and what to do with a socket before it connects."""
    def with_keys(public, secret, server):
        def give(s):
            s.curve_publickey, s.curve_secretkey, s.curve_serverkey = public, secret, server
        return give

    def plain(s):
        s.plain_username, s.plain_password = b"edxd", b"edxd"

    own, unlisted = keys.own, keys.make("unlisted")
    return {"no key": lambda s: None, "a password": plain,
            "a key that nobody allows": with_keys(*unlisted),
            "another server's key": with_keys(own[0], own[1], unlisted[0]),
            "a public key without its secret": with_keys(own[0], unlisted[1], own[2])}


def connect(context, d, give, kind, place, bind=False):
    s = context.socket(kind)
    s.setsockopt(zmq.LINGER, 0)
    give(s)
    if kind == zmq.SUB:
        s.setsockopt(zmq.SUBSCRIBE, b"")
    (s.bind if bind else s.connect)(d.endpoint[place])
    return s


def nobody_gets_anything(keys):
    """Publish and control; the operator, at the same time, gets both."""
    with daemon(keys) as d, zmq.Context() as context:
        listeners, askers = {}, {}
        for name, give in strangers(keys).items():
            listeners[name] = connect(context, d, give, zmq.SUB, "publish")
            askers[name] = connect(context, d, give, zmq.DEALER, "control")
            askers[name].send_multipart([b"", msgpack.packb({"cmd": "reset"})])
        results = d.subscribe()
        instrument = d.instrument()
        instrument.send(begin())
        instrument.send(dense(random_counts(rng_of(2), 1)[0], 0))
        d.wait(frames=1)
        assert results.until(lambda t, b: t == "edx.spectrum" and b["frames"] == 1)
        time.sleep(QUIET)
        for name in listeners:
            assert not listeners[name].poll(0), f"{name}: heard something"
            assert not askers[name].poll(0), f"{name}: was answered"
        assert d.status()["frames"] == 1, "somebody's reset was taken"
        assert "connections refused" in d.log(), d.log()
        for s in (*listeners.values(), *askers.values()):
            s.close(0)


def nobody_sends_anything(keys):
    """Ingest, by every pattern, whichever side binds."""
    kinds = {"sub": zmq.XPUB, "pull": zmq.PUSH, "router": zmq.DEALER}
    counts = random_counts(rng_of(3), 1)[0]
    for pattern, kind in kinds.items():
        with daemon(keys, pattern) as d, zmq.Context() as context:
            senders = {name: connect(context, d, give, kind, "ingest")
                       for name, give in strangers(keys).items()}
            until = time.monotonic() + QUIET
            while time.monotonic() < until:
                for s in senders.values():
                    for body, topic in ((begin("stranger"), b"edx.begin"),
                                        (dense(counts, 0, acq="stranger"), b"edx.frame")):
                        try:
                            s.send_multipart([topic, msgpack.packb(body)], zmq.DONTWAIT)
                        except zmq.Again:
                            pass
                time.sleep(0.05)
            for name, s in senders.items():
                assert not s.poll(0), f"{pattern}: {name}: edxd said something"
                s.close(0)
            status = d.status()
            assert (status["received"], status["bad"], status["counts"]) == (0, 0, 0), status
            assert not os.path.exists(os.path.join(d.runs, "stranger"))
    for name, give in strangers(keys).items():
        with daemon(keys, "sub", bind=False) as d, zmq.Context() as context:
            s = connect(context, d, give, zmq.XPUB, "ingest", bind=True)
            assert not s.poll(1000 * QUIET), f"{name}: edxd subscribed"
            s.send_multipart([b"edx.begin", msgpack.packb(begin("stranger"))])
            time.sleep(0.1)
            assert d.status()["state"] == "idle", name
            s.close(0)


def rubbish_is_survived(keys):
    """Bytes that are no ZMTP, or break off in a handshake, on every socket."""
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00CURVE" + bytes(47)
    rng = rng_of(4)
    with daemon(keys) as d:
        for place in ("ingest", "publish", "control"):
            for size in (1, 64, 200, 300, 4096):
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(d.endpoint[place][len("ipc://"):])
                    try:
                        s.sendall((greeting if size < 4096 else b"") + rng.bytes(size))
                    except (BrokenPipeError, ConnectionResetError):
                        pass
        assert d.status()["state"] == "idle"


def clients_come_and_go(keys):
    """A folder is watched: whose .pub is put there may connect, whose is taken away may not again."""
    late = keys.make("late")
    public = os.path.join(keys.clients, "late.pub")

    def answered(d, seconds):
        with zmq.Context() as context:
            s = context.socket(zmq.REQ)
            s.setsockopt(zmq.LINGER, 0)
            s.curve_publickey, s.curve_secretkey, s.curve_serverkey = late
            s.connect(d.endpoint["control"])
            s.send(msgpack.packb({"cmd": "status"}))
            got = s.poll(1000 * seconds)
            s.close(0)
            return bool(got)

    with daemon(keys) as d:
        assert not answered(d, QUIET)
        shutil.copy(keys.path("late.pub"), public)
        assert answered(d, WAIT)
        os.remove(public)
        assert not answered(d, QUIET)


def one_file_may_hold_them(keys):
    """security.clients may be a file; certificates one behind the other are many."""
    second = keys.make("second")
    both = keys.path("both")
    with open(both, "w") as f:
        for name in ("operator.pub", "second.pub"):
            with open(keys.path(name)) as g:
                f.write(g.read())
    with daemon(keys, **{"security.clients": both}) as d:
        assert d.status()["state"] == "idle"
        d.keys = second
        assert d.status()["state"] == "idle"
        d.keys = keys.make("third")
        try:
            d.request(timeout=QUIET, cmd="status")
        except TimeoutError:
            return
        raise AssertionError("a key that is not in the file was let in")


# ---- what cannot be ----


def refused(expect, *args, code=2):
    got = subprocess.run([program("edxd"), *args], capture_output=True, text=True, timeout=WAIT)
    assert got.returncode == code, (args, got)
    assert got.stderr.count("\n") == 1 and got.stdout == "", (args, got)
    for text in expect:
        assert text in got.stderr, (text, got.stderr)


def options(config):
    return [a for k, v in config.items() for a in ("-s", f"{k}={v}")]


def wrong_keys_are_refused(keys):
    def check(expect, **change):
        config = keys.config(**{f"security.{k}": v for k, v in change.items()})
        for more in ([], ["-t"]):
            refused(expect, *more, *options(config))

    def copy(name, source, mode=0o600, text=None):
        path = keys.path(name)
        with open(path, "w") as f:
            f.write(text if text is not None else open(keys.path(source)).read())
        os.chmod(path, mode)
        return path

    check(["security.keys", "edxctl keygen"], keys='""')
    check(["security.clients", "public certificates"], clients='""')
    check(["security.keys", "No such file", "edxctl keygen"], keys=keys.path("nowhere"))
    for mode in (0o644, 0o604, 0o640, 0o660):
        path = copy("open", "edxd", mode)
        check(["security.keys", f"{mode:o}", f"chmod 600 {path}"], keys=path)
    check(["security.keys", "no secret-key", "edxctl keygen"], keys=copy("half", "edxd.pub"))
    check(["security.keys", "no secret-key"], keys=copy("empty", None, text=""))
    check(["security.keys", "no regular file"], keys=keys.clients)
    text = open(keys.path("edxd")).read()
    check(["security.keys", "line 3", "40 characters"],
          keys=copy("short", None, text=text.replace(keys.server[0].decode(), "abc")))
    check(["security.keys", "more than one"], keys=copy("twice", None, text=2 * text))
    check(["security.clients", "No such file"], clients=keys.path("nowhere"))
    check(["security.clients", "secret key", ".pub"], clients=copy("own", "operator"))
    check(["security.clients", "chmod o-w"], clients=copy("any", "operator.pub", 0o666))
    empty = keys.path("empty-folder")
    os.mkdir(empty)
    check(["security.clients", "nobody"], clients=empty)
    os.chmod(empty, 0o777)
    check(["security.clients", "chmod o-w"], clients=empty)
    check(["no public-key"], clients=copy("note", None, text="# nothing here\n"))


def open_config_is_refused(keys):
    """A file that names the keys is not for everybody; one that does not may be."""
    path = keys.path("edxd.conf")

    def write(text, mode):
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)

    write(f'output = {{ dir = "{keys.dir}"; }};\nsecurity = {{ curve = true;\n'
          f'  keys = "{keys.path("edxd")}"; clients = "{keys.clients}"; }};\n', 0o644)
    refused([f"{path}:3", "security.keys", "644", f"chmod o= {path}"], "-t", "-c", path)
    for mode in (0o640, 0o600):
        os.chmod(path, mode)
        subprocess.run([program("edxd"), "-t", "-c", path], check=True, timeout=WAIT,
                       stdout=subprocess.DEVNULL)
    with open(keys.path("main.conf"), "w") as f:
        f.write('@include "edxd.conf"\n')
    os.chmod(keys.path("main.conf"), 0o644)
    subprocess.run([program("edxd"), "-t", "-c", keys.path("main.conf")], check=True, timeout=WAIT,
                   stdout=subprocess.DEVNULL)
    os.chmod(path, 0o644)
    refused([f"{path}:3", f"chmod o= {path}"], "-t", "-c", keys.path("main.conf"))
    write('security = { curve = false; keys = ""; clients = ""; };\n', 0o644)
    subprocess.run([program("edxd"), "-t", "-c", path], check=True, timeout=WAIT,
                   stdout=subprocess.DEVNULL)


# ---- the programs ----


def run(name, *args, key=None, server=None, timeout=WAIT):
    """(exit code, stdout, stderr)"""
    environment = {k: v for k, v in os.environ.items() if k not in ("EDX_KEY", "EDX_SERVER_KEY")}
    if key:
        environment["EDX_KEY"] = key
    if server:
        environment["EDX_SERVER_KEY"] = server
    got = subprocess.run([program(name), *args], capture_output=True, text=True, timeout=timeout,
                         env=environment)
    return got.returncode, got.stdout, got.stderr


def keygen_makes_pairs(keys):
    path = keys.path("made")
    code, out, err = run("edxctl", "keygen", "-o", path)
    assert (code, err) == (0, ""), (code, err)
    assert path in out and f"{path}.pub" in out, out
    assert os.stat(path).st_mode & 0o777 == 0o600
    secret, public = open(path).read(), open(f"{path}.pub").read()
    assert "secret-key" in secret and "secret-key" not in public
    pair = zmq.auth.load_certificate(path)
    assert pair[0] == zmq.auth.load_certificate(f"{path}.pub")[0] == zmq.curve_public(pair[1])
    code, out, err = run("edxctl", "keygen", "-o", path)
    assert code == 1 and "there already" in err and open(path).read() == secret, err
    code, out, err = run("edxctl", "keygen", "-o", keys.path("no/such"))
    assert code == 1 and err.count("\n") == 1, err
    code, out, err = run("edxctl", "keygen", "here")
    assert code == 2, err
    os.umask(0)
    assert run("edxctl", "keygen", "-o", keys.path("open-umask"))[0] == 0
    os.umask(0o022)
    assert os.stat(keys.path("open-umask")).st_mode & 0o777 == 0o600
    assert run("edxctl", "keygen", "-o", keys.path("other"))[0] == 0
    assert zmq.auth.load_certificate(keys.path("other"))[1] != pair[1]


def programs_use_keys(keys):
    own = keys.path("operator")
    sim = ("--scene", "agau-8nm", "--size", "16", "--frames", "3", "--speed", "max", "-q")
    with daemon(keys, "router", limits__stall_s=60) as d:
        for at in range(2):  # the keys from options, then from the environment
            options = ("--key", own, "--server-key", keys.path("edxd.pub")) if at == 0 else ()
            key = own if at else None
            code, out, err = run("edxsim", *sim, "--acq", f"sim{at}", "--pattern", "dealer",
                                 "--connect", "--endpoint", d.endpoint["ingest"], *options, key=key)
            assert code == 0, err
            d.wait(state="finished", frames=3)
            code, out, err = run("edxctl", "-e", d.endpoint["control"], "get", "quant.limit",
                                 *options, key=key)
            assert (code, out) == (0, "10.0\n"), (code, out, err)
            code, out, err = run("edxmon", "-e", d.endpoint["publish"], "--json", "--count", "1",
                                 "--timeout", "10", *options, "status", key=key)
            assert code == 0 and '"topic": "edx.status"' in out.replace('":"', '": "'), (out, err)
        recording = d.path("sim0", "recording.edxr")
        code, out, err = run("edxplay", "-q", "--speed", "max", "--pattern", "dealer", "--connect",
                             "--endpoint", d.endpoint["ingest"], "--key", own, recording)
        assert code == 0, err
        d.wait(state="finished", frames=3)
    with daemon(keys, "sub", bind=False) as d:
        code, out, err = run("edxsim", *sim, "--endpoint", d.endpoint["ingest"], "--key", own)
        assert code == 0 and "no subscriber" not in err, err
        d.wait(state="finished", frames=3)


def page_uses_keys(keys):
    """A browser sees through edxweb what edxd gives to edxweb's key, and may ask through it."""
    if not os.path.exists(os.path.join(os.environ.get("EDX_BUILDDIR", "."), "edxweb")):
        print("edxweb is not built")
        return
    from web_client import Server
    counts = random_counts(rng_of(6), 1)[0]
    with daemon(keys) as d:
        d.instrument().send_all([begin(), dense(counts, 0)])
        d.wait(frames=1)
        s = Server(d.endpoint["publish"], d.endpoint["control"], "--key", keys.path("operator"))
        try:
            browser = s.browser()
            body = browser.first("edx.spectrum", lambda b: b["frames"] == 1)
            assert body["counts"] == counts.sum(), body
            assert browser.answer(1, cmd="status")["frames"] == 1
        finally:
            s.close()


def library_uses_keys(keys):
    """A driver and clients of libedx, with every call of it; and without a key, none."""
    program_of = os.path.join("tests", "libedx_use")
    if not os.path.exists(os.path.join(os.environ.get("EDX_BUILDDIR", "."), program_of)):
        print("libedx_use is not built")
        return
    with daemon(keys, "router", **{"analysis.bin_pixels": 1, "analysis.bin_energy": 1}) as d:
        ends = [d.endpoint[name] for name in ("ingest", "publish", "control")]
        code, out, err = run(program_of, *ends, timeout=120)
        assert code == 1 and " 0 failures" not in out, (code, out, err)
        assert d.status()["received"] == 0
    with daemon(keys, "router", **{"analysis.bin_pixels": 1, "analysis.bin_energy": 1}) as d:
        ends = [d.endpoint[name] for name in ("ingest", "publish", "control")]
        code, out, err = run(program_of, *ends, key=keys.path("operator"), timeout=120)
        assert code == 0 and " 0 failures" in out, (code, out, err)


def programs_say_what_helps(keys):
    keys.make("stranger")
    stranger, own, wrong = keys.path("stranger"), keys.path("operator"), keys.path("stranger.pub")
    sim = ("--scene", "agau-8nm", "--size", "16", "--frames", "1", "-q", "--connect")

    def asks(d):
        yield ("edxctl", "-e", d.endpoint["control"], "status")
        yield ("edxmon", "-e", d.endpoint["publish"], "--json", "--count", "1", "--timeout", "10")
        yield ("edxmon", "-e", d.endpoint["publish"], "--once")
        for pattern in ("push", "dealer"):
            yield ("edxsim", *sim, "--pattern", pattern, "--endpoint", d.endpoint["ingest"])

    def check(d, expect, **named):
        for command in asks(d):
            start = time.monotonic()
            code, out, err = run(*command, **named)
            assert code == 1 and out == "" and err.count("\n") >= 1, (command, code, out, err)
            assert expect in err.splitlines()[-1], (command, err)
            assert time.monotonic() - start < WAIT, command

    with daemon(keys) as d:
        check(d, "--key FILE")
        check(d, "security.clients", key=stranger)
        check(d, "--server-key", key=own, server=wrong)
        web = run("edxweb", "--endpoint", d.endpoint["publish"], "--control", d.endpoint["control"],
                  "--listen", "127.0.0.1:0", "--root", os.path.join(os.environ.get("EDX_SRCDIR", "."),
                                                                   "client/web"))
        assert web[0] == 1 and "--key FILE" in web[2], web
    with Daemon() as d:
        check(d, "leave out --key", key=own)


def programs_judge_keys(keys):
    """Like edxd, they take no key that others may read, or that is none."""
    def copy(name, source, mode):
        shutil.copy(keys.path(source), keys.path(name))
        os.chmod(keys.path(name), mode)
        return keys.path(name)

    lonely = tempfile.mkdtemp(dir=keys.dir)
    shutil.copy(keys.path("operator"), lonely)
    cases = (((keys.path("nowhere"), None), ["No such file", "edxctl keygen"]),
             ((copy("mine", "operator", 0o640), None), ["640", "chmod 600"]),
             ((copy("public", "operator.pub", 0o600), None), ["no secret-key"]),
             ((os.path.join(lonely, "operator"), None), ["edxd.pub", "No such file"]),
             ((keys.path("operator"), keys.path("edxd")), ["a secret key"]),
             ((keys.path("operator"), copy("any.pub", "edxd.pub", 0o666)), ["chmod o-w"]))
    for (key, server), expect in cases:
        options = ["--key", key, *(["--server-key", server] if server else [])]
        for command in (["edxctl", *options, "status"], ["edxmon", *options, "--once"],
                        ["edxweb", *options, "--listen", "127.0.0.1:0", "--root",
                         os.path.join(os.environ.get("EDX_SRCDIR", "."), "client/web")],
                        ["edxsim", *options, "-q", "--frames", "1"],
                        ["edxplay", *options, "-q", "nothing.edxr"]):
            code, out, err = run(*command)
            assert code == 2 and out == "" and err.count("\n") == 1, (command, code, out, err)
            for text in expect:
                assert text in err, (command, text, err)


def main():
    keys = Keys()
    try:
        for test in [t for t in (wrong_keys_are_refused, open_config_is_refused, a_run_works,
                     nobody_gets_anything, nobody_sends_anything, rubbish_is_survived,
                     clients_come_and_go, one_file_may_hold_them, keygen_makes_pairs,
                     programs_use_keys, page_uses_keys, library_uses_keys,
                     programs_say_what_helps, programs_judge_keys)
                     if t.__name__ in (sys.argv[1:] or [t.__name__])]:
            start = time.monotonic()
            test(keys)
            print(f"{test.__name__}: ok, {time.monotonic() - start:.1f} s", flush=True)
    finally:
        shutil.rmtree(keys.dir, ignore_errors=True)


main()
