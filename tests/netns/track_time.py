# track_time.py HEAR-NS HEAR-IF CUT-NS CUT-IF GROUP ROUNDS [QUIET]: takes an interface down and up again and
# again, and prints for each time it goes down the milliseconds until a hello of the HSRP group
# (version 1) with another priority is on the wire, by the kernel's time stamps. QUIET: seconds before
# each cut; the kernel tells of a link that changes oftener than once a second up to a second late.
import ctypes
import fcntl
import os
import socket
import struct
import sys
import time

SO_TIMESTAMPNS = 35
libc = ctypes.CDLL(None, use_errno=True)


def enter(ns):
    fd = os.open("/var/run/netns/" + ns, os.O_RDONLY)
    if libc.setns(fd, 0):
        sys.exit("setns " + ns)
    os.close(fd)


if len(sys.argv) not in (7, 8):
    sys.exit("usage: track_time.py HEAR-NS HEAR-IF CUT-NS CUT-IF GROUP ROUNDS [QUIET]")
hear_ns, hear_if, cut_ns, cut_if = sys.argv[1:5]
group, rounds = int(sys.argv[5]), int(sys.argv[6])
enter(hear_ns)
rx = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
rx.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
rx.bind((hear_if, 0))
rx.settimeout(10)
enter(cut_ns)
ctl = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def flags_set(up):
    req = struct.pack("16sh22x", cut_if.encode(), 0)
    flags = struct.unpack_from("h", fcntl.ioctl(ctl, 0x8913, req), 16)[0]
    flags = flags | 1 if up else flags & ~1
    at = time.clock_gettime(time.CLOCK_REALTIME)
    fcntl.ioctl(ctl, 0x8914, struct.pack("16sh22x", cut_if.encode(), flags))
    return at


def hello(wanted):
    """Time stamp and priority of the next hello whose priority satisfies wanted()."""
    while True:
        data, extra, _, _ = rx.recvmsg(2048, 128)
        if data[23] != 17 or data[36:38] != b"\x07\xc1" or data[42 + 6] != group:
            continue
        stamp = struct.unpack("qq", extra[0][2][:16])
        if wanted(data[42 + 5]):
            return stamp[0] + stamp[1] / 1e9, data[42 + 5]


_, full = hello(lambda p: True)
took = []
for _ in range(rounds):
    time.sleep(float(sys.argv[7]) if len(sys.argv) > 7 else 0)
    at = flags_set(False)
    stamp, _ = hello(lambda p: p != full)
    took.append((stamp - at) * 1000)
    flags_set(True)
    hello(lambda p: p == full)
took.sort()
print("%d %.2f %.2f" % (len(took), took[len(took) // 2], took[-1]))
