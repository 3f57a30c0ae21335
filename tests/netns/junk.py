#!/usr/bin/python3
"""junk.py [--spi SPI] [--port PORT] [--seed N] SOURCE DESTINATION [DIRECTORY...]
Sends what nobody should send to a gateway, by raw sockets, from SOURCE.

Without --spi: every file of the directories as an IKE datagram to ports 500 and 4500 (with and
without the non-ESP marker), random datagrams of all small sizes, mutated IKE headers, random ESP.
With --spi: ESP in UDP of that SPI, with rising numbers and wrong contents.
With --replay FILE: what SOURCE sent to DESTINATION in a capture, again."""
import argparse
import pathlib
import random
import socket
import struct
import time

ap = argparse.ArgumentParser()
ap.add_argument("--spi", type=lambda x: int(x, 0))
ap.add_argument("--port", type=int, default=4500)
ap.add_argument("--replay")
ap.add_argument("--seed", type=int, default=1)
ap.add_argument("source")
ap.add_argument("destination")
ap.add_argument("directory", nargs="*")
a = ap.parse_args()
rnd = random.Random(a.seed)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
count = 0


def ip_send(proto, payload):
    """One IPv4 packet; the kernel fills in length, identification and checksum."""
    global count
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, proto, 0,
                       socket.inet_aton(a.source), socket.inet_aton(a.destination))
    try:
        raw.sendto(head + payload[:1480], (a.destination, 0))
    except OSError:
        return  # no buffer, too long for the link: as good as lost
    count += 1
    if count % 50 == 0:
        time.sleep(0.005)  # a pace that a test machine's virtual links keep up with


def udp_send(sport, dport, payload):
    ip_send(17, struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload)


def ike_header(next_payload, version, exchange, flags, length):
    return rnd.randbytes(8) + bytes(8) + struct.pack("!BBBBII", next_payload, version, exchange,
                                                     flags, 0, length)


def files():
    for d in a.directory:
        for f in sorted(pathlib.Path(d).rglob("*")):
            if f.is_file() and f.stat().st_size <= 1472 and f.suffix not in (".json", ".txt", ".md"):
                yield f.read_bytes()


def ike_junk():
    for blob in files():
        udp_send(500, 500, blob)
        udp_send(4500, 4500, bytes(4) + blob)
        udp_send(rnd.randrange(1024, 65535), 4500, blob)
    for size in list(range(0, 64)) * 4 + [1400] * 20:
        udp_send(500, 500, rnd.randbytes(size))
        udp_send(4500, 4500, rnd.randbytes(size))
        udp_send(4500, 4500, bytes(4) + rnd.randbytes(size))
    for _ in range(1000):
        body = rnd.randbytes(rnd.randrange(0, 300))
        version = rnd.choice([0x10, 0x10, 0x20, 0x00, 0xff])
        length = rnd.choice([28 + len(body)] * 3 + [0, 27, 28, 0xffffffff])
        udp_send(500, 500, ike_header(rnd.randrange(0, 40), version, rnd.choice([2, 4, 5, 6, 32, 34]),
                                      rnd.randrange(0, 256), length) + body)


def esp_junk():
    for _ in range(1000):
        ip_send(50, rnd.randbytes(rnd.randrange(0, 200)))
        udp_send(4500, 4500, struct.pack("!I", rnd.randrange(1, 1 << 32)) +
                 rnd.randbytes(rnd.randrange(0, 200)))


def replay(path):
    """Classic pcap of an Ethernet link, little-endian, as tcpdump writes it here."""
    data = pathlib.Path(path).read_bytes()
    at = 24
    while at + 16 <= len(data):
        caplen = struct.unpack_from("<I", data, at + 8)[0]
        packet = data[at + 16 + 14:at + 16 + caplen]
        at += 16 + caplen
        if packet[12:20] == socket.inet_aton(a.source) + socket.inet_aton(a.destination):
            ip_send(packet[9], packet[20:struct.unpack_from("!H", packet, 2)[0]])


if a.replay:
    replay(a.replay)
elif a.spi is None:
    ike_junk()
    esp_junk()
else:
    for seq in range(1, 500):
        udp_send(a.port, a.port, struct.pack("!II", a.spi, seq << 8) + rnd.randbytes(16 * rnd.randrange(1, 20) + 12))
        ip_send(50, struct.pack("!II", a.spi, seq << 8) + rnd.randbytes(16 * rnd.randrange(0, 20) + 12))
print(f"{count} packets sent")
