"""A microscope in 30 lines: scans an invented AgAu particle.  publish.py [ENDPOINT [FRAMES]]"""
import sys, time
import msgpack, numpy, zmq

endpoint = sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5555"
frames = int(sys.argv[2]) if len(sys.argv) > 2 else 20
rows = cols = 32
eV = 10.0 * numpy.arange(600)  # the centre of every channel
shape = sum(h * numpy.exp(-0.5 * ((eV - e) / 40) ** 2) for h, e in ((1.4, 2123), (1, 2984))) / 20
y, x = numpy.mgrid[:rows, :cols] - 15.5
thickness = 2 * numpy.sqrt(numpy.maximum(10.0**2 - y**2 - x**2, 0)) / 20
rng = numpy.random.default_rng(1)

def send(topic, **body):
    body = dict(v=1, acq="example", t=time.time(), **body)
    array = lambda a: {"dtype": a.dtype.str, "shape": a.shape, "data": a.tobytes()}
    socket.send_multipart([topic.encode(), msgpack.packb(body, default=array)])

socket = zmq.Context().socket(zmq.XPUB)  # a PUB that tells when somebody subscribes
socket.bind(endpoint)
socket.recv()  # waits for edxd: what a PUB sends before is lost
send("edx.begin", title="invented particle", beam_keV=80.0, images=["HAADF"], elements=["Ag", "Au"],
     scan=dict(rows=rows, cols=cols, step_nm=[0.5, 0.5], dwell_s=1e-4, frames=frames),
     energy=dict(channels=eV.size, offset_eV=0.0, scale_eV=10.0))
for frame in range(frames):
    counts = rng.poisson(thickness[:, :, None] * shape + 0.001).astype("|u1")
    images = {"HAADF": thickness.astype("<f4")}
    send("edx.frame", seq=frame, frame=frame, counts=counts, images=images)
    time.sleep(rows * cols * 1e-4)  # a scan takes its time
send("edx.end", frames=frames, messages=frames, reason="complete")
