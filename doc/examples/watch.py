"""Shows the maps of a running edxd as text, one picture after every frame.  watch.py [ENDPOINT]"""
import sys
import msgpack, numpy, zmq

def array(o):
    return numpy.frombuffer(o["data"], o["dtype"]).reshape(o["shape"]) if "dtype" in o else o

socket = zmq.Context().socket(zmq.SUB)
socket.connect(sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5556")
socket.subscribe("edx.maps")  # the last one comes at once, then one after every analysis
while body := msgpack.unpackb(socket.recv_multipart()[1], object_hook=array):
    for line, net in zip(body["lines"], body["intensity"]):
        print(f"{body['acq']}: {body['frames']} frames, {line}: up to {net.max():.1f} net counts")
        shade = numpy.clip(5 * net / max(net.max(), 1), 0, 4).astype(int)
        print("\n".join("".join(" ░▒▓█"[s] * 2 for s in row) for row in shade), flush=True)
