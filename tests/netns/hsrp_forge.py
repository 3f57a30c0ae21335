# hsrp_forge.py INTERFACE SOURCE GROUP VIRTUAL: hellos of a stranger, each wrong in one way.
# Sent as raw frames; nothing here knows the key of the group.
import socket
import struct
import sys


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def frame(src, payload, ttl=1, ip_len=None, bad_sum=False):
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0xC0, ip_len or 28 + len(payload), 0, 0, ttl, 17, 0,
                     socket.inet_aton(src), socket.inet_aton("224.0.0.2"))
    ip = ip[:10] + struct.pack("!H", checksum(ip) ^ (0x5555 if bad_sum else 0)) + ip[12:]
    udp = struct.pack("!HHHH", 1985, 1985, 8 + len(payload), 0)
    mac = b"\x01\x00\x5e\x00\x00\x02" + b"\x02\x00\x00\x00\x66\x66"
    return mac + b"\x08\x00" + ip + udp + payload


def hello(group, virtual, op=0, state=16, priority=255, version=0, auth=b"cisco\0\0\0"):
    return struct.pack("!8B8s4s", version, op, state, 1, 3, priority, group, 0, auth,
                       socket.inet_aton(virtual))


if len(sys.argv) != 5:
    sys.exit("usage: hsrp_forge.py INTERFACE SOURCE GROUP VIRTUAL")
interface, source, group, virtual = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((interface, 0))
good = hello(group, virtual)
for f in [
        frame(source, good),  # text authentication where a digest is wanted
        frame(source, hello(group, virtual, op=1)),  # coup
        frame("6.6.156.10", hello(group, virtual, op=2)),  # resign in the name of a router
        frame(source, good, ttl=64),
        frame(source, good[:12]),
        frame(source, good, ip_len=400),
        frame(source, good, bad_sum=True),
        frame(source, hello(group + 7, virtual)),
        frame(source, hello(group, virtual, state=3)),
        frame(source, hello(group, virtual, version=9)),
        # a digest that is none: type 4, length 28, algorithm 1, key 0
        frame(source, hello(group, virtual, auth=b"\0" * 8) + bytes([4, 28, 1, 0, 0, 0]) +
              socket.inet_aton(source) + b"\0" * 4 + b"\x5a" * 16),
]:
    for _ in range(20):
        s.send(f)
