#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The second end of esp_plane_peer's tunnel, with scapy's ESP: an implementation by other people. Answers ICMP echo.

usage: esp_scapy_end.py CIPHER SEED SPI_IN SPI_OUT ESN LOCAL REMOTE COUNT
"""
import socket
import sys

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.ipsec import ESP, SecurityAssociation

CIPHERS = {
    "gcm128": ("AES-GCM", 20, None, 0),
    "gcm256": ("AES-GCM", 36, None, 0),
    "chacha": ("CHACHA20-POLY1305", 36, None, 0),
    "cbc256": ("AES-CBC", 32, "SHA2-256-128", 32),
}


def key(length, seed, direction):
    return bytes((seed * 31 + direction * 101 + i * 7) & 0xff for i in range(length))


def association(cipher, seed, direction, spi, esn, source, destination):
    algorithm, key_len, auth, auth_len = CIPHERS[cipher]
    return SecurityAssociation(ESP, spi=spi, crypt_algo=algorithm, crypt_key=key(key_len, seed, direction),
                               auth_algo=auth, auth_key=key(auth_len, seed + 1, direction) if auth else None,
                               tunnel_header=IP(src=source, dst=destination),
                               nat_t_header=UDP(sport=4500, dport=4500), esn_en=esn, esn=0)


def main():
    cipher, seed, spi_in, spi_out, esn, local, remote, count = sys.argv[1:]
    inbound = association(cipher, int(seed), 0, int(spi_in), esn == "1", remote, local)
    outbound = association(cipher, int(seed), 1, int(spi_out), esn == "1", local, remote)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind((local, 4500))
        wire.settimeout(10)
        print("ready", flush=True)
        for _ in range(int(count)):
            octets, source = wire.recvfrom(65536)
            outer = IP(bytes(IP(src=remote, dst=local) / UDP(sport=4500, dport=4500) / octets))
            outer[UDP].remove_payload()
            inner = inbound.decrypt(outer / ESP(octets))
            assert inner[ICMP].type == 8, inner.summary()
            answer = IP(src=inner.dst, dst=inner.src) / ICMP(type=0, id=inner[ICMP].id, seq=inner[ICMP].seq) / bytes(
                inner[ICMP].payload)
            wire.sendto(bytes(outbound.encrypt(answer)[UDP].payload), source)


main()
