# hsrp_replay.py INTERFACE record FILE | replay FILE ROUNDS: every distinct HSRP frame that passes an
# interface, kept and sent again octet by octet, as somebody does who knows no key.
import select
import signal
import socket
import sys

if len(sys.argv) < 4:
    sys.exit("usage: hsrp_replay.py INTERFACE record FILE | replay FILE ROUNDS")
interface, verb, path = sys.argv[1], sys.argv[2], sys.argv[3]
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind((interface, 0))


def is_hsrp(f):
    if f[12:14] == b"\x08\x00":
        return f[23] == 17 and f[36:38] == b"\x07\xc1"
    return f[12:14] == b"\x86\xdd" and f[20] == 17 and f[56:58] == b"\x07\xed"


if verb == "record":
    seen, out, stop = set(), open(path, "wb"), []
    signal.signal(signal.SIGTERM, lambda *a: stop.append(1))
    while not stop:
        if not select.select([s], [], [], 0.1)[0]:
            continue
        f = s.recv(2048)
        if is_hsrp(f) and f not in seen:
            seen.add(f)
            out.write(len(f).to_bytes(2, "big") + f)
            out.flush()
else:
    data, frames = open(path, "rb").read(), []
    while data:
        n = int.from_bytes(data[:2], "big")
        frames.append(data[2:2 + n])
        data = data[2 + n:]
    for _ in range(int(sys.argv[4])):
        for f in frames:
            s.send(f)
            select.select([], [], [], 0.01)  # slower than two routers need to answer
    print(len(frames))
