#!/usr/bin/python3
"""uml-netfd.py linux.uml ARGS... - runs a user-mode Linux with packet sockets as network devices.

Each argument vecN:transport=packet,ifname=IF[,...] becomes vecN:transport=fd,fd=K[,...] where K
is an AF_PACKET socket on IF. The guest's own raw and tap transports insist on checksum offload; a
plain descriptor has none, so every frame leaves the guest complete, as it does a real machine."""
import os
import socket
import struct
import sys

SOL_PACKET, ADD_MEMBERSHIP, MR_PROMISC, IGNORE_OUTGOING, ETH_P_ALL = 263, 1, 1, 23, 3


def packet_socket(ifname):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    s.setsockopt(SOL_PACKET, IGNORE_OUTGOING, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.bind((ifname, ETH_P_ALL))
    index = socket.if_nametoindex(ifname)
    s.setsockopt(SOL_PACKET, ADD_MEMBERSHIP, struct.pack("iHH8s", index, MR_PROMISC, 0, b""))
    s.setblocking(False)
    os.set_inheritable(s.fileno(), True)
    return s.detach()


def rewrite(arg):
    if not (arg.startswith("vec") and "transport=packet" in arg):
        return arg
    dev, spec = arg.split(":", 1)
    options = dict(x.split("=", 1) for x in spec.split(","))
    fd = packet_socket(options.pop("ifname"))
    options.pop("transport")
    return ",".join([f"{dev}:transport=fd,fd={fd}"] + [f"{k}={v}" for k, v in options.items()])


args = [rewrite(a) for a in sys.argv[1:]]
os.execvp(args[0], args)
