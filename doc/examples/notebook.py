"""HyperSpy signals of a running edxd, live. In a notebook, with %matplotlib widget:

    from notebook import Live
    live = Live("tcp://127.0.0.1:5556")
    live.update(), print(list(live))   # once maps and spectrum are there:
    live["Ag_La"].plot(), live["sum"].plot(True)
    while live.update(): plt.gcf().canvas.flush_events()   # interrupt it when you have seen enough

Signals change in place, so that plots follow; take live["Ag_La"].deepcopy() of what shall stay."""
import sys
import hyperspy.api as hs
import msgpack, numpy, zmq

def array(o):
    return numpy.frombuffer(o["data"], o["dtype"]).reshape(o["shape"]) if "dtype" in o else o

class Live(dict):
    def __init__(self, endpoint="tcp://127.0.0.1:5556"):
        self.socket = zmq.Context.instance().socket(zmq.SUB)
        self.socket.connect(endpoint)
        for topic in ("edx.maps", "edx.spectrum"):  # the last one of each comes at once
            self.socket.subscribe(topic)

    def update(self, timeout_s=10):
        """Waits for a message and takes in all that are there; False when none came in time."""
        came = self.socket.poll(int(1000 * timeout_s))
        while self.socket.poll(0):
            topic, body = self.socket.recv_multipart()
            getattr(self, topic.decode()[4:])(msgpack.unpackb(body, object_hook=array))
        return bool(came)

    def put(self, name, kind, body, data, *axes):
        """axes: (name, unit, offset, scale) of each dimension of data."""
        if name not in self or self[name].data.shape != data.shape:
            keys = "size", "name", "units", "offset", "scale"
            axes = [dict(zip(keys, (n, *axis))) for n, axis in zip(data.shape, axes)]
            self[name] = kind(numpy.array(data), axes=axes)
        self[name].data[...] = data
        self[name].metadata.General.title = f"{name}, {body['acq']}, {body['frames']} frames"
        self[name].events.data_changed.trigger(self[name])

    def maps(self, body):
        (dy, dx), (y, x) = body["step_nm"], body.get("origin_nm", (0, 0))
        plane = ("y", "nm", y, dy), ("x", "nm", x, dx)
        for i, (line, element) in enumerate(zip(body["lines"], body["elements"])):
            for name, key in ((line, "intensity"), (f"{line} sigma", "sigma"),
                              (f"{element} fraction", "atomic_fraction")):
                self.put(name, hs.signals.Signal2D, body, body[key][i], *plane)

    def spectrum(self, body):
        offset, scale = body["energy"]["offset_eV"] / 1000, body["energy"]["scale_eV"] / 1000
        energy = "Energy", "keV", offset, scale
        self.put("sum", hs.signals.EDSTEMSpectrum, body, body["sum"], energy)
        self["sum"].set_elements(sorted(body.get("found", {})))

if __name__ == "__main__":  # notebook.py [ENDPOINT]: says what there is
    live = Live(*sys.argv[1:])
    while live.update():
        print("; ".join(repr(signal) for signal in live.values()), flush=True)
