"""edxmon --json prints what was published, number by number, and ends when it should."""
import json
import os
import signal
import subprocess
import tempfile
import time

from client_fake import Fake, Scene, plain, program, run


def lines_are_the_messages():
    with Fake(Scene()) as fake:
        code, out, err = run("edxmon", "--endpoint", fake.endpoint, "--json", "--count", "5",
                             "--timeout", "10")
        assert (code, err) == (0, ""), (code, err)
        lines = [json.loads(line) for line in out.splitlines()]
        assert len(lines) == 5
        for line in lines:
            topic = line.pop("topic")
            if topic == "edx.status":
                line["t"] = fake.sent[topic]["t"]
            assert line == plain(fake.sent[topic]), topic
        assert any(None in sum(sum(l.get("atomic_fraction", []), []), []) for l in lines)


def topics_are_chosen_by_either_name():
    with Fake(Scene(), period=0.05) as fake:
        for names, expected in ((["maps"], {"edx.maps"}), (["edx.trend"], {"edx.trend"}),
                                (["alarm", "edx.spectrum"], {"edx.alarm", "edx.spectrum"})):
            code, out, _ = run("edxmon", "--endpoint", fake.endpoint, "--json", "--count",
                               str(len(expected)), "--timeout", "10", *names)
            assert code == 0
            assert {json.loads(line)["topic"] for line in out.splitlines()} == expected


def wrong_use_says_what_was_expected():
    for args, text in ((["--json", "mapps"], 'topic "mapps": unknown, expected one of: status '
                        "spectrum maps pca nmf particles profile trend alarm"),
                       (["--json", "--count", "0"], "--count: expected"),
                       (["--json", "--timeout", "-1"], "--timeout: expected"),
                       (["--once", "--size", "80"], "--size: expected"),
                       (["--colour", "red"], "--colour: expected"),
                       (["maps"], "maps: not expected here"),
                       (["--endpoint", "nowhere", "--json"], 'endpoint "nowhere"')):
        code, out, err = run("edxmon", *args)
        assert code == 2 and out == "" and text in err, (args, code, err)
        assert err.count("\n") == 1 and err.startswith("edxmon: "), err


def silence_fails_in_time():
    with Fake(Scene()) as fake:
        fake.quiet = True
        start = time.monotonic()
        code, out, err = run("edxmon", "--endpoint", fake.endpoint, "--json", "--timeout", "0.7")
        assert code == 1 and out == "", (code, out)
        assert "nothing came within 0.7 s: is edxd running?" in err and err.count("\n") == 1, err
        assert 0.6 < time.monotonic() - start < 30


def start(endpoint, **more):
    return subprocess.Popen([program("edxmon"), "--endpoint", endpoint, "--json"], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def signals_end_it():
    with Fake(Scene(), period=0.05) as fake:
        for number in (signal.SIGINT, signal.SIGTERM):
            process = start(fake.endpoint)
            assert process.stdout.readline()
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
            assert (process.returncode, err) == (0, ""), (process.returncode, err)


def a_reader_that_leaves_ends_it():
    with Fake(Scene(), period=0.05) as fake:
        process = start(fake.endpoint)
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == ""
        process.stderr.close()


def a_full_disk_is_an_error():
    if not os.path.exists("/dev/full"):
        return
    with Fake(Scene(), period=0.05) as fake, open("/dev/full", "w") as full:
        done = subprocess.run([program("edxmon"), "--endpoint", fake.endpoint, "--json"],
                              stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        assert done.returncode == 1 and "No space left" in done.stderr, done.stderr


def it_comes_back_after_the_daemon():
    with tempfile.TemporaryDirectory(prefix="edx-json-") as folder:
        it_comes_back(f"ipc://{folder}/publish")


def it_comes_back(place):
    with Fake(Scene(), period=0.05, publish=place) as fake:
        process = start(fake.endpoint)
        assert process.stdout.readline()
    with Fake(Scene(acq="second"), period=0.05, publish=place):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if json.loads(process.stdout.readline())["acq"] == "second":
                break
        else:
            raise AssertionError("it did not connect again")
        process.terminate()
        process.communicate(timeout=60)


if __name__ == "__main__":
    lines_are_the_messages()
    topics_are_chosen_by_either_name()
    wrong_use_says_what_was_expected()
    silence_fails_in_time()
    signals_end_it()
    a_reader_that_leaves_ends_it()
    a_full_disk_is_an_error()
    it_comes_back_after_the_daemon()
