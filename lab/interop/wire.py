# SPDX-License-Identifier: Apache-2.0
"""The IKE headers in a capture file that is being written: what is to be seen without keys."""
import struct
from dataclasses import dataclass

SKF = 53


@dataclass
class Header:
    """An IKE message's source address and port, and its header."""
    source: str
    port: int
    exchange: int
    first_payload: int
    response: bool
    number: int
    spi: str


def datagrams(file, skip=0):
    """The IKE messages in a capture of Ethernet frames, without its first `skip` octets, see size(): (time, source,
    port, message)."""
    with open(file, "rb") as capture:
        octets = capture.read()
    at = max(skip, 24)
    while at + 16 <= len(octets):
        seconds, micros, length = struct.unpack_from("<III", octets, at)
        frame = octets[at + 16:at + 16 + length]
        at += 16 + length
        six = frame[12:14] == b"\x86\xdd"
        ip = frame[14:]
        udp = ip[40:] if six else ip[(ip[0] & 15) * 4:]
        source = ip[8:24].hex() if six else ".".join(map(str, ip[12:16]))
        ike = udp[8:]
        marked = ike[:4] == bytes(4)
        ike = ike[4:] if marked else ike
        if len(ike) >= 28 and ike[17] == 0x20 and struct.unpack_from(">I", ike, 24)[0] == len(ike):
            yield seconds + micros / 1e6, source, struct.unpack_from(">H", udp)[0], ike


def headers(file, skip=0):
    """The headers of the same."""
    return [Header(source, port, ike[18], ike[16], bool(ike[19] & 0x20), struct.unpack_from(">I", ike, 20)[0], ike[:8].hex())
            for _, source, port, ike in datagrams(file, skip)]


def size(file):
    """How long the capture is by now, in whole records."""
    with open(file, "rb") as capture:
        octets = capture.read()
    at = 24
    while at + 16 <= len(octets) and at + 16 + struct.unpack_from("<I", octets, at + 8)[0] <= len(octets):
        at += 16 + struct.unpack_from("<I", octets, at + 8)[0]
    return at
