#!/usr/bin/env python3
"""charon_keys.py LOG [--tshark] - the keys of the ESP SAs in a charon log with level 4 of the group chd.

A line for esp_audit for each SA: SPI, aes-cbc or aes-gcm, encryption key (of GCM with the salt), key of
HMAC-SHA1 or -. --tshark: options for tshark that make it decrypt and check the same SAs."""
import re
import sys

DUMP = re.compile(r"^(?:encryption|integrity) (?:initiator|responder) key => |^(?:DH secret|initiator SA seed) => ")
HEX = re.compile(r"^ +\d+: ((?:[0-9A-F]{2} ?)+)  ")


class Thread:
    """What one thread of charon has logged: an SA is set up by one alone."""

    def __init__(self):
        self.dumps, self.open, self.spi_next = {}, None, None

    def line(self, text):
        if self.open and (m := HEX.match(text)):
            self.dumps[self.open] += m.group(1).replace(" ", "").lower()
            return None
        self.open = None
        if DUMP.match(text):
            self.open = text.split(" =>")[0]
            self.dumps[self.open] = ""
        elif m := re.match(r"  using (\S+) for encryption", text):
            self.dumps = {"cipher": m.group(1)}
        elif m := re.match(r"adding (in|out)bound ESP SA", text):
            self.spi_next = m.group(1)
        elif m := re.match(r"  SPI 0x([0-9a-f]{8}), src (\S+) dst (\S+)", text):
            return self.sa(m.group(1), m.group(3))
        return None

    def sa(self, spi, dst):
        # RFC 2409, 5.5: KEYMAT comes from [g(qm)^xy |] protocol | SPI | nonces, and is that of the SA with
        # this SPI; the seed of the initiator's one says which of the two it is
        seed = self.dumps["initiator SA seed"][len(self.dumps.get("DH secret", "")):]
        who = "initiator" if seed[2:10] == spi else "responder"
        return (spi, dst, self.dumps["cipher"], self.dumps[f"encryption {who} key"],
                self.dumps.get(f"integrity {who} key", "-"))


def sas(path):
    threads = {}
    with open(path, encoding="utf-8", errors="replace") as log:
        for raw in log:
            if m := re.match(r"\S+ (\d+)\[CHD\] (.*)", raw.rstrip("\n")):
                thread = threads.setdefault(m.group(1), Thread())
                if found := thread.line(m.group(2)):
                    yield found


def main():
    names = {"AES_CBC": ("aes-cbc", "AES-CBC [RFC3602]", "HMAC-SHA-1-96 [RFC2404]"),
             "AES_GCM_16": ("aes-gcm", "AES-GCM with 16 octet ICV [RFC4106]", "NULL")}
    for spi, dst, cipher, key, auth in sas(sys.argv[1]):
        short, long, mac = names[cipher]
        if "--tshark" in sys.argv:
            mac_key = "" if auth == "-" else "0x" + auth
            print(f'-o\nuat:esp_sa:"IPv4","*","{dst}","0x{spi}","{long}","0x{key}","{mac}","{mac_key}"')
        else:
            print(spi, short, key, auth)


main()
