#!/usr/bin/env python3
"""sockbuf.py PID BYTES - gives every UDP socket of a process a receive buffer of that size.

A peer of the laboratory that handles each packet in user space and for a while gets no processor
loses what its sockets have no room for: net.core.rmem_default is 208 KiB, some 250 packets with
their bookkeeping. That is the laboratory's loss. The sysctl is the whole machine's; a socket can be
reached from outside (pidfd_getfd), and nothing has to be restored after.
"""
import ctypes
import os
import socket
import sys

SYS_PIDFD_GETFD = 438
SO_RCVBUFFORCE = 33


def main():
    pid, size = int(sys.argv[1]), int(sys.argv[2])
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    done = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
            continue
        fd = libc.syscall(SYS_PIDFD_GETFD, pidfd, int(name), 0)
        if fd < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        with socket.socket(fileno=fd) as s:
            if s.family in (socket.AF_INET, socket.AF_INET6) and s.type == socket.SOCK_DGRAM:
                s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, size)
                done += 1
    return 0 if done else f"process {pid} has no UDP socket"


sys.exit(main())
