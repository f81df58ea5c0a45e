"""A stand-in for edxd: publishes a known scene and answers requests, as the interface says.

Run as a program it serves for a while, for looking at: client_fake.py SECONDS
"""
import os
import subprocess
import sys
import threading
import time

import msgpack
import numpy
import zmq

ROWS, COLS, CHANNELS = 32, 32, 512
LINES = ["Ag_La", "Au_Ma"]
ELEMENTS = ["Ag", "Au"]
ACQ = "AgAu-001"


def array(values, dtype):
    values = numpy.asarray(values, dtype)
    return {"dtype": values.dtype.str, "shape": list(values.shape), "data": values.tobytes()}


def plain(value):
    """What a JSON reader must see: arrays as lists, what is not finite as None."""
    if isinstance(value, dict) and "dtype" in value:
        return plain(numpy.frombuffer(value["data"], value["dtype"]).reshape(value["shape"]).tolist())
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, float) and not numpy.isfinite(value):
        return None
    return value


class Scene:
    """One particle, its numbers drawn with a seed, frame by frame."""

    def __init__(self, seed=1, frames=37, expected=100, acq=ACQ, alarms=()):
        self.seed = seed
        self.frames, self.expected, self.acq, self.alarms = frames, expected, acq, list(alarms)
        y, x = numpy.mgrid[0:ROWS, 0:COLS]
        self.rho = numpy.hypot(y - 14.0, x - 17.0)
        self.inside = self.rho < 11
        self.t = time.time()

    def head(self):
        return {"v": 1, "acq": self.acq, "t": self.t, "frames": self.frames,
                "frame": max(self.frames - 1, 0), "counts": 12345 * self.frames}

    def status(self):
        body = self.head()
        body.update(state="acquiring", expected=self.expected, received=self.frames + 2, lost=3,
                    duplicate=2, bad=1, rate_cps=35120.0, drift_nm=[0.3, -0.4],
                    health={"chi2": 36.5, "dof": 36, "p": 0.44, "outliers": [7]},
                    latency_ms={"p50": 4.2, "p99": 9.8, "max": 31.0},
                    behind={"sum": 0, "maps": 2, "components": 12, "heldout": 15, "profiles": 15},
                    last={t: self.t for t in self.results()}, version="0.1.0", uptime_s=61.5)
        body["t"] = time.time()
        return body

    def spectrum(self):
        energy = 100.0 + 20.0 * numpy.arange(CHANNELS)
        total = 40 + 300 * numpy.exp(-energy / 1500)
        for line, height in ((2984.3, 900), (2122.9, 1100), (277.0, 500)):
            total = total + height * numpy.exp(-0.5 * ((energy - line) / 55) ** 2)
        image = 1000 * numpy.exp(-(self.rho / 9) ** 2) + 50
        counts = numpy.where(self.inside, 400, 25) + (self.rho * 2).astype(int)
        body = self.head()
        body.update(energy={"offset_eV": 100.0, "scale_eV": 20.0},
                    sum=array(numpy.rint(total * self.frames), "<u8"),
                    image=array(image, "<f4"), total=array(counts, "<u4"))
        return body

    def maps(self):
        depth = numpy.where(self.inside, 1 - (self.rho / 11) ** 2, 0)
        net = numpy.stack([180 * depth, 220 * depth]) * self.frames / 37 + 0.25
        noise = numpy.random.default_rng(self.frames).standard_normal(net.shape)
        net = net * (1 + 0.2 * numpy.clip(noise, -2, 2) / numpy.sqrt(self.frames))
        fraction = numpy.stack([0.49 + 0.09 * self.rho / 11, 0.51 - 0.09 * self.rho / 11])
        missing = numpy.broadcast_to(~self.inside, fraction.shape)
        sigma = numpy.where(missing, numpy.nan, 0.005 + 0.004 * self.rho)
        fraction = numpy.where(missing, numpy.nan, fraction)
        body = self.head()
        body.update(lines=LINES, elements=ELEMENTS, step_nm=[0.5, 0.5],
                    intensity=array(net, "<f4"), sigma=array(numpy.sqrt(net + 4), "<f4"),
                    atomic_fraction=array(fraction, "<f4"), fraction_sigma=array(sigma, "<f4"),
                    denoised_fraction=array(fraction, "<f4"),
                    denoised_sigma=array(sigma / 3, "<f4"),
                    exposure=array(numpy.full((ROWS, COLS), self.frames), "<u4"))
        return body

    def trend(self):
        rng = numpy.random.default_rng((self.seed, self.frames))  # every repeat is the same
        f = numpy.arange(1, self.frames + 1)
        silver = 0.483 + 0.02 * rng.standard_normal(self.frames) / numpy.sqrt(f)
        silver[-1] = 0.4834
        sigma = 0.085 / numpy.sqrt(f)
        sigma[-1] = 0.0142
        drift = numpy.stack([0.01 * f, 0.02 * f], 1)
        body = self.head()
        body.update(composition=array([silver, 1 - silver], "<f8"), sigma=array([sigma, sigma], "<f8"),
                    dose_e_per_A2=51234.0, drift_nm=array(drift, "<f8"),
                    damage={"z": 1.25, "p": 0.61, "since_frame": -1},
                    forecast={"target_sigma": 0.01, "frames_needed": 80.0, "seconds": 139.0,
                              "delta_frames_needed": float("inf"), "delta_seconds": float("inf")},
                    contamination={"z": 0.4, "p": 1.0})
        return body

    def pca(self):
        m, channel = 12, numpy.arange(CHANNELS)
        values = numpy.array([1.0, 0.31, 0.021] + [0.0042 * 0.97 ** i for i in range(m - 3)])
        free = numpy.where(numpy.arange(m) < 3, 0.98 * values, 0.6 * values)
        error = 0.9 + 0.002 * (numpy.arange(m) - 2.0) ** 2
        spectra = numpy.stack([numpy.exp(-channel / 150), numpy.sin(channel / 30),
                               numpy.cos(channel / 50)])
        maps = numpy.stack([1 + 0 * self.rho, self.rho - 8, numpy.where(self.inside, 1, -2)])
        body = self.head()
        body.update(rank=3, eigenvalues=array(values, "<f8"),
                    eigenvalues_noise_free=array(free, "<f8"), noise_edge=0.0047,
                    heldout_error=array(error, "<f8"), spectra=array(spectra, "<f8"),
                    maps=array(0.01 * maps, "<f8"), explained=array([0.61, 0.19, 0.013], "<f8"))
        return body

    def nmf(self):
        channel = numpy.arange(CHANNELS)
        spectra = numpy.stack([numpy.exp(-channel / 150), numpy.exp(-((channel - 144) / 3.0) ** 2)])
        maps = numpy.stack([300 + 0 * self.rho, numpy.where(self.inside, 210 - self.rho, 0)])
        body = self.head()
        body.update(spectra=array(spectra / spectra.sum(1, keepdims=True), "<f4"),
                    maps=array(maps, "<f4"), divergence=45678.0, particle=[False, True],
                    share=array([[0.123, 0.0456], [0.877, 0.9544]], "<f8"))
        return body

    def particle(self, number, diameter, edge):
        """Silver rises outwards; pca's profile is flat, and its check says so."""
        r = 0.25 + 0.5 * numpy.arange(10)
        silver = 0.45 + 0.03 * r / 2
        sigma = 0.006 + 0.004 / (r + 0.3)
        known = r < 4.1

        def both(values, spread):
            values = numpy.where(known, values, numpy.nan)
            return (array([values, 1 - values], "<f8"), array([spread, spread], "<f8"))

        radial = {"r_nm": array(r, "<f8"), "quantified": [bool(k) for k in known]}
        counts = numpy.stack([900 * r, 1100 * r])
        radial.update(counts=array(counts, "<f8"), counts_sigma=array(numpy.sqrt(counts), "<f8"))
        for name, values, spread in (("fraction", silver + 0.004, sigma), ("model", silver, 0.8 * sigma),
                                     ("denoised", silver + 0.001, 0.5 * sigma),
                                     ("pca", 0 * r + 0.48, 0.4 * sigma)):
            radial[name], radial["sigma" if name == "fraction" else name + "_sigma"] = both(values, spread)
        radial.update(denoised_check={"chi2": 7.1, "dof": 8, "p": 0.53, "passed": True},
                      pca_check={"chi2": 61.2, "dof": 8, "p": 2.7e-10, "passed": False},
                      nmf_check={"chi2": 0.0, "dof": 0, "p": 0.0, "passed": False})
        nothing = numpy.full((2, len(r)), numpy.nan)
        radial.update(nmf=array(nothing, "<f8"), nmf_sigma=array(nothing, "<f8"))
        return {"id": number, "centre_nm": [7.1, 8.4], "diameter_nm": diameter,
                "area_diameter_nm": diameter - 0.4, "touches_edge": edge,
                "composition": {"Ag": [0.4812, 0.0042], "Au": [0.5188, 0.0042]}, "radial": radial,
                "segregation": {"element": "Ag", "core": [0.4561, 0.0051], "shell": [0.5034, 0.0058],
                                "delta": 0.0473, "sigma": 0.0077, "z": 6.143}}

    def particles(self):
        body = self.head()
        body.update(particles=[self.particle(4, 5.25, True), self.particle(7, 8.04, False)],
                    systematic={"Ag": 0.0075, "Au": 0.0068})
        return body

    def alarm(self):
        body = self.head()
        body["alarms"] = self.alarms
        return body

    def results(self):
        return ["edx.spectrum", "edx.maps", "edx.pca", "edx.nmf", "edx.particles", "edx.trend",
                "edx.alarm"]

    def body(self, topic):
        return getattr(self, topic.split(".")[1])()


class Fake:
    """Publishes on one random port (or at the endpoint publish), answers on another; use as a context."""

    def __init__(self, scene, topics=None, answer=None, period=0.25, publish="tcp://127.0.0.1:*"):
        self.scene, self.period, self.answer = scene, period, answer or (lambda r: {"ok": True})
        self.topics = topics or ["edx.status"] + scene.results()
        self.context = zmq.Context()
        self.publish = self.context.socket(zmq.XPUB)
        self.publish.setsockopt(zmq.XPUB_VERBOSE, 1)
        self.control = self.context.socket(zmq.ROUTER)
        self.endpoint = self.bind(self.publish, publish)
        self.control_endpoint = self.bind(self.control, "tcp://127.0.0.1:*")
        self.requests, self.stopping, self.quiet, self.due = [], False, False, 0.0
        self.sent, self.published = {}, scene.t
        self.thread = threading.Thread(target=self.serve, daemon=True)

    @staticmethod
    def bind(socket, endpoint):
        socket.setsockopt(zmq.LINGER, 0)
        socket.bind(endpoint)
        return socket.getsockopt(zmq.LAST_ENDPOINT).decode()

    def send(self, topic):
        body = self.scene.body(topic)
        self.sent[topic] = body
        self.publish.send_multipart([topic.encode(), msgpack.packb(body)])

    def step(self):
        poller = zmq.Poller()
        poller.register(self.publish, zmq.POLLIN)
        poller.register(self.control, zmq.POLLIN)
        ready = dict(poller.poll(20))
        if self.publish in ready:
            note = self.publish.recv()
            for topic in self.topics if note[:1] == b"\1" and not self.quiet else []:
                if topic.encode().startswith(note[1:]):
                    self.send(topic)
        if self.control in ready:
            *envelope, request = self.control.recv_multipart()
            request = msgpack.unpackb(request)
            self.requests.append(request)
            reply = self.answer(request)
            if reply is not None:
                self.control.send_multipart(envelope + [msgpack.packb(reply)])
        if not self.quiet and self.scene.t != self.published:
            self.published = self.scene.t
            for topic in self.topics:
                self.send(topic)
        if not self.quiet and time.monotonic() >= self.due:
            self.due = time.monotonic() + self.period
            if "edx.status" in self.topics:
                self.send("edx.status")

    def serve(self):
        while not self.stopping:
            self.step()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join(60)
        self.context.destroy(linger=0)


def program(name):
    return os.path.join(os.environ["EDX_BUILDDIR"], name)


def run(name, *args, timeout=90, **more):
    """Runs a program to its end; returns exit code, standard output, standard error."""
    done = subprocess.run([program(name), *args], capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, **more)
    return done.returncode, done.stdout, done.stderr


def main(seconds):
    scene = Scene(alarms=[{"kind": "loss", "severity": "warning", "since_frame": 12, "active": True,
                           "message": "3 messages lost: use the pull pattern or a faster link"}])

    def answer(request):
        if request["cmd"] == "history":
            past = Scene(frames=request["frame"] + 1)
            past.t = scene.t
            return {"ok": True, "message": past.body(request["topic"])}
        return {"ok": True}

    with Fake(scene, answer=answer) as fake:
        print(fake.endpoint, fake.control_endpoint, flush=True)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.5)
            scene.frames = min(scene.frames + 1, scene.expected)
            scene.t = time.time()


if __name__ == "__main__":
    main(float(sys.argv[1]))
