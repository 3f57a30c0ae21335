#!/usr/bin/env python3
"""Forged SCTP packets: sctp_forge.py IF TARGET PEER PORT COUNT [STRANGERS]

IPv4 or IPv6, as TARGET is; STRANGERS is what their addresses begin with (9.2. or fd92::).
INITs from strangers and in the name of the peer, data, ABORT, SHUTDOWN and COOKIE ECHO with wrong
verification tags, broken lengths, noise. Prints how many left and how long it took.
"""
import os
import random
import socket
import struct
import sys
import time

random.seed(132)
ifname, target, peer, port, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
v6 = ":" in target
strangers = sys.argv[6] if len(sys.argv) > 6 else "fd92::" if v6 else "9.2."
family = socket.AF_INET6 if v6 else socket.AF_INET


def crc32c_table():
    table = []
    for i in range(256):
        c = i
        for _ in range(8):
            c = (c >> 1) ^ (0x82F63B78 if c & 1 else 0)
        table.append(c)
    return table


TABLE = crc32c_table()


def crc32c(data):
    c = 0xFFFFFFFF
    for b in data:
        c = (c >> 8) ^ TABLE[(c ^ b) & 0xFF]
    return c ^ 0xFFFFFFFF


def chunk(kind, flags, body, length=None):
    n = 4 + len(body) if length is None else length
    return struct.pack("!BBH", kind, flags, n & 0xFFFF) + body + b"\0" * (-len(body) % 4)


def packet(source, sport, tag, chunks):
    head = struct.pack("!HHII", sport, port, tag, 0)
    sctp = head + chunks
    sctp = sctp[:8] + struct.pack("<I", crc32c(sctp)) + sctp[12:]
    if v6:
        return struct.pack("!IHBB16s16s", 6 << 28, len(sctp), 132, 64, socket.inet_pton(family, source),
                           socket.inet_pton(family, target)) + sctp
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(sctp), random.getrandbits(16), 0, 64, 132, 0,
                     socket.inet_aton(source), socket.inet_aton(target))
    return ip + sctp


def init():
    return struct.pack("!IIHHI", random.getrandbits(32) | 1, 1 << 20, 17, 17, random.getrandbits(32))


def forged():
    stranger = strangers + ("%x:%x" if v6 else "%d.%d") % (random.randrange(256), random.randrange(1, 255))
    source, sport = random.choice([(stranger, random.randrange(1, 65536)), (stranger, port), (peer, port)])
    tag = random.getrandbits(32)
    noise = os.urandom(random.randrange(0, 200))
    kind = random.randrange(8)
    if kind <= 2:
        return packet(source, sport, 0, chunk(1, 0, init()))
    if kind == 3:  # DATA
        return packet(source, sport, tag, chunk(0, 3, struct.pack("!IHHI", tag, 1, 1, 0x544E4401) + noise))
    if kind == 4:  # ABORT, SHUTDOWN, SHUTDOWN ACK, COOKIE ACK
        return packet(source, sport, tag, chunk(random.choice([6, 7, 8, 11]), random.randrange(2), b"\0" * 4))
    if kind == 5:  # COOKIE ECHO
        return packet(source, sport, tag, chunk(10, 0, noise))
    if kind == 6:  # lengths that lie
        return packet(source, sport, tag, chunk(random.randrange(256), 0, noise, random.getrandbits(16)))
    return packet(source, sport, tag, noise)


raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, ifname.encode())
packets = [forged() for _ in range(2000)]
begin, sent = time.monotonic(), 0
for i in range(count):
    try:
        raw.sendto(packets[i % len(packets)], (target, 0))
        sent += 1
    except OSError:
        pass
print("%d forged packets in %.2f s" % (sent, time.monotonic() - begin))
