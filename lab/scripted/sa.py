# SPDX-License-Identifier: Apache-2.0
"""IKE SAs and Child SAs as the scripted peer has them: keys, numbers, and what they seal and open."""
import os
import struct

from lab.scripted import message as m
from lab.scripted.algorithms import prf, prf_plus

NEXT_IPV4, NEXT_IPV6, NEXT_NONE = 4, 41, 59


class IkeSa:
    """`began`: we are its original initiator. `sent` and `expected` are the next Message IDs of ours and of theirs."""

    def __init__(self, suite, spis, began, ends):
        self.suite, self.began = suite, began
        self.spi_i, self.spi_r = spis
        self.here, self.there = ends
        self.sent = self.expected = 0
        self.children = []
        self.fragments = {}
        self.answers = {}   # Message ID -> datagrams of our response
        self.theirs = {}    # Message ID -> the request's octets
        self.keys = self.last = None   # the last request as it was sent

    @property
    def spis(self):
        """Both SPIs."""
        return self.spi_i, self.spi_r

    def derive(self, shared, ni, nr, old=None):
        """Keys of RFC 7296 section 2.14, or of 2.18 out of an old IKE SA."""
        suite = self.suite
        seed = prf(suite.prf, ni + nr, shared) if old is None else prf(old.suite.prf, old.keys["d"], shared + ni + nr)
        length = len(prf(suite.prf, b"", b""))
        sizes = [("d", length), ("ai", suite.integrity_length), ("ar", suite.integrity_length),
                 ("ei", suite.encryption_length), ("er", suite.encryption_length), ("pi", length), ("pr", length)]
        material = prf_plus(suite.prf, seed, ni + nr + self.spi_i + self.spi_r, sum(size for _, size in sizes))
        self.keys = {}
        for name, size in sizes:
            self.keys[name], material = material[:size], material[size:]
        return self

    def side(self, ours):
        """The letter of the keys of what we (or they) send."""
        return "i" if self.began == ours else "r"

    def flags(self, response):
        """The flags of what we send."""
        return (m.INITIATOR if self.began else 0) | (m.RESPONSE if response else 0)

    def seal(self, exchange, payloads, number, response=False, *, clear=(), flags=None, version=0x20, text=None, spis=None,
             pad=b"", damage=None, fragment=None):
        """A message with an Encrypted payload. `clear`: payloads in front of it. `text`: what to encrypt instead of the
        payloads. `fragment`: (number, total, octets) makes an SKF payload. `damage(header, body)`: other octets."""
        first, plain = m.chain(list(payloads))
        plain = plain if text is None else text
        kind, insert = m.SK, b""
        if fragment:
            kind, insert, plain = m.SKF, struct.pack(">HH", *fragment[:2]), fragment[2]
            first = first if fragment[0] == 1 else 0
        suite, side = self.suite, self.side(True)
        missing = -(len(plain) + len(pad) + 1) % suite.block
        plain += pad + bytes(missing) + bytes([len(pad) + missing])
        body_length = len(insert) + suite.iv_length + len(plain) + suite.icv_length
        front, octets = m.chain(list(clear), kind)
        spi_i, spi_r = spis or self.spis
        head = m.header(spi_i, spi_r, front, exchange, self.flags(response) if flags is None else flags, number,
                        28 + len(octets) + 4 + body_length, version)
        head += octets + struct.pack(">BBH", first, 0, 4 + body_length) + insert
        body = suite.encrypt(self.keys["e" + side], head, plain, self.keys["a" + side])
        return damage(head, body) if damage else head + body

    def seal_fragments(self, exchange, payloads, number, response=False, size=100, **how):
        """The same message as fragments of so many octets of text (RFC 7383)."""
        _, plain = m.chain(list(payloads))
        pieces = [plain[at:at + size] for at in range(0, len(plain), size)] or [b""]
        return [self.seal(exchange, payloads, number, response, fragment=(index + 1, len(pieces), piece), **how)
                for index, piece in enumerate(pieces)]

    def open(self, message):
        """Decrypts a message in place; False if it is a fragment and others are missing."""
        last = message.payloads[-1]
        insert = 4 if last.kind == m.SKF else 0
        side = self.side(False)
        m.demand(bool(message.flags & m.INITIATOR) == (not self.began), f"the I flag of {message}")
        head, body = message.raw[:len(message.raw) - len(last.body) + insert], last.body[insert:]
        plain = self.suite.decrypt(self.keys["e" + side], head, body, self.keys["a" + side])
        m.demand(plain is not None, f"the ICV of {message}")
        m.demand(plain[-1] < len(plain), "padding")
        plain, first = plain[:len(plain) - 1 - plain[-1]], message.inner
        if insert:
            number, total = struct.unpack(">HH", last.body[:4])
            m.demand(0 < number <= total and (first != 0) == (number == 1), "a fragment's numbers")
            parts = self.fragments.setdefault((message.number, message.response, total), {})
            parts[number] = (first, plain)
            if len(parts) < total:
                return False
            del self.fragments[(message.number, message.response, total)]
            first, plain = parts[1][0], b"".join(parts[index + 1][1] for index in range(total))
        inner, _ = m.read_chain(first, plain)
        message.payloads = message.payloads[:-1] + inner
        message.protected = True
        for payload in message.all(m.NOTIFY):
            m.check_notify(payload)
        return True


class Child:
    """A Child SA in tunnel mode. `spi_in` is ours, `spi_out` theirs."""

    def __init__(self, ike, suite, spis, ours, seed):
        """`ours`: we asked for it; `seed`: [g^ir |] Ni | Nr (RFC 7296 section 2.17)."""
        self.ike, self.suite = ike, suite
        self.spi_in, self.spi_out = spis
        material = prf_plus(ike.suite.prf, ike.keys["d"], seed, 2 * (suite.encryption_length + suite.integrity_length))
        half = len(material) // 2
        first, second = material[:half], material[half:]
        self.key_out, self.key_in = (first, second) if ours else (second, first)
        self.number = 0
        self.here, self.there = [], []   # traffic selectors
        self.seen = []
        ike.children.append(self)

    def seal(self, packet, *, number=None, following=NEXT_IPV4, damage=None):
        """An ESP packet (RFC 4303) that carries an IP packet."""
        self.number = self.number + 1 if number is None else number
        block = max(4, self.suite.block)
        missing = -(len(packet) + 2) % block
        text = packet + bytes(range(1, missing + 1)) + bytes([missing, following])
        head = self.spi_out + struct.pack(">I", self.number)
        length = self.suite.encryption_length
        body = self.suite.encrypt(self.key_out[:length], head, text, self.key_out[length:])
        return damage(head, body) if damage else head + body

    def open(self, packet):
        """The IP packet in an ESP packet of theirs."""
        length = self.suite.encryption_length
        plain = self.suite.decrypt(self.key_in[:length], packet[:8], packet[8:], self.key_in[length:])
        m.demand(plain is not None, "the ICV of an ESP packet")
        number = int.from_bytes(packet[4:8], "big")
        m.demand(number not in self.seen and number > 0, "an ESP sequence number twice")
        self.seen.append(number)
        m.demand(plain[-2] < len(plain) - 1 and plain[-2 - plain[-2]:-2] == bytes(range(1, plain[-2] + 1)), "ESP padding")
        return plain[:len(plain) - 2 - plain[-2]]


def new_spi(length=8):
    """Not reserved (RFC 4303 section 2.1)."""
    return b"\xc0" + os.urandom(length - 1)
