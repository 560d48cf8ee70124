# SPDX-License-Identifier: Apache-2.0
"""usage: python3 -m lab.interop.captures RUN DIRECTORY - what the peers said in a run of the interoperability cases,
one file for each
kind of message: test/captures.

A file is an IKE message whose Encrypted payload was opened: the payloads in it follow the header. Messages of the
same peer, exchange,
direction and payloads are one kind. Those in fragments are left out.
"""
import csv
import ipaddress
import json
import os
import struct
import sys

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lab.interop.cases import PEERS
from lab.interop.wire import datagrams
from lab.net import address

EXCHANGES = {34: "init", 35: "auth", 36: "child", 37: "informational"}
SK, N = 46, 41
GATEWAY = (address("wan0", "gw"), ipaddress.ip_address(address("wan0", "gw", 6)).packed.hex())


def keys(file):
    """{SPIs: (SK_ei, SK_er, cipher)}"""
    with open(file, encoding="ascii") as lines:
        return {row[0] + row[1]: (*map(bytes.fromhex, row[2:4]), row[4]) for row in csv.reader(lines) if row}


def decrypted(key, cipher, message):
    """The payloads in the Encrypted payload, with their padding. What it protects was verified by ikatd."""
    body = message[32:]
    if "AES-GCM" in cipher:
        return AESGCM(key[:-4]).decrypt(key[-4:] + body[:8], body[8:], message[:32])
    opener = Cipher(algorithms.AES(key), modes.CBC(body[:16])).decryptor()
    return opener.update(body[16:-16]) + opener.finalize()  # HMAC_SHA2_256_128


def opened(message, known):
    """The message with what its Encrypted payload holds in that one's place; None: not to be had."""
    if message[16] != SK:
        return message if message[18] == 34 else None
    if message[:16].hex() not in known:
        return None
    *pair, cipher = known[message[:16].hex()]
    plain = decrypted(pair[0 if message[19] & 0x08 else 1], cipher, message)
    plain = plain[:len(plain) - 1 - plain[-1]]
    return message[:16] + message[28:29] + message[17:24] + struct.pack(">I", 28 + len(plain)) + plain


def kind(message):
    """What its name says: exchange, direction, and a hash of its payload and notify types."""
    at, found, types = 28, message[16], []
    while found != 0:
        following, _, length = struct.unpack_from(">BBH", message, at)
        types.append(found if found != N else (found, message[at + 6:at + 8]))
        at, found = at + length, following
    return message[18], message[19] & 0x20, tuple(types)


def said(run, peer):
    """The messages that the peer sent, one of each kind."""
    with open(f"{run}/{peer}.json", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    known, seen = keys(f"{run}/{peer}.keys"), {}
    for when, source, _, message in datagrams(f"{run}/{peer}.pcap"):
        roles = {record["role"] for record in records if record["begin"] <= when <= record["end"]}
        gateway = source in GATEWAY
        if roles != {"gateway" if gateway else "end-user"}:
            continue
        plain = opened(message, known)
        if plain is not None:
            seen.setdefault(kind(plain), plain)
    return seen


def main(run, directory):
    for peer in PEERS:
        numbers = {}
        for (exchange, response, _), message in said(run, peer).items():
            name = f"{peer}-{EXCHANGES[exchange]}-{'response' if response else 'request'}"
            numbers[name] = numbers.get(name, 0) + 1
            with open(os.path.join(directory, f"{name}-{numbers[name]}"), "wb") as out:
                out.write(message)


if __name__ == "__main__":
    main(*sys.argv[1:])
