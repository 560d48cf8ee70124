# SPDX-License-Identifier: Apache-2.0
"""IKE messages and payloads as octets (RFC 7296 section 3). Writing is free to be wrong; reading is strict."""
import ipaddress
import struct
from dataclasses import dataclass, field

IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA, INFORMATIONAL = 34, 35, 36, 37
SA, KE, IDI, IDR, CERT, CERTREQ, AUTH, NONCE, NOTIFY, DELETE, VENDOR, TSI, TSR, SK, CP, EAP = range(33, 49)
SKF = 53
INITIATOR, RESPONSE = 0x08, 0x20
CRITICAL = 0x80
IKE, AH, ESP = 1, 2, 3
ENCR, PRF, INTEG, GROUP, ESN = 1, 2, 3, 4, 5

UNSUPPORTED_CRITICAL_PAYLOAD, INVALID_IKE_SPI, INVALID_MAJOR_VERSION, INVALID_SYNTAX, INVALID_MESSAGE_ID = 1, 4, 5, 7, 9
INVALID_SPI, NO_PROPOSAL_CHOSEN, INVALID_KE_PAYLOAD, AUTHENTICATION_FAILED, SINGLE_PAIR_REQUIRED = 11, 14, 17, 24, 34
NO_ADDITIONAL_SAS, INTERNAL_ADDRESS_FAILURE, FAILED_CP_REQUIRED, TS_UNACCEPTABLE, INVALID_SELECTORS = 35, 36, 37, 38, 39
UNACCEPTABLE_ADDRESSES, UNEXPECTED_NAT_DETECTED, TEMPORARY_FAILURE, CHILD_SA_NOT_FOUND = 40, 41, 43, 44
INITIAL_CONTACT, SET_WINDOW_SIZE, ADDITIONAL_TS_POSSIBLE = 16384, 16385, 16386
NAT_SOURCE, NAT_DESTINATION, COOKIE, USE_TRANSPORT_MODE, REKEY_SA = 16388, 16389, 16390, 16391, 16393
MOBIKE_SUPPORTED, ADDITIONAL_IP4_ADDRESS, ADDITIONAL_IP6_ADDRESS, NO_ADDITIONAL_ADDRESSES = 16396, 16397, 16398, 16399
UPDATE_SA_ADDRESSES, COOKIE2, NO_NATS_ALLOWED, AUTH_LIFETIME, FRAGMENTATION_SUPPORTED = 16400, 16401, 16402, 16403, 16430
CHILDLESS_SUPPORTED, CLONE_SUPPORTED, CLONE_IKE_SA, KEEP_OLD = 16418, 16432, 16433, 47791
REDIRECT_SUPPORTED, REDIRECT, REDIRECTED_FROM = 16406, 16407, 16408
MESSAGE_ID_SYNC_SUPPORTED, REPLAY_COUNTER_SYNC_SUPPORTED, MESSAGE_ID_SYNC, REPLAY_COUNTER_SYNC = 16420, 16421, 16422, 16423
CONSTANTS = [(name, value) for name, value in globals().items() if name.isupper() and isinstance(value, int)]
PAYLOADS = dict(map(reversed, CONSTANTS[CONSTANTS.index(("SA", SA)):CONSTANTS.index(("SKF", SKF)) + 1]))
NOTIFIES = dict(map(reversed, CONSTANTS[CONSTANTS.index(("UNSUPPORTED_CRITICAL_PAYLOAD", 1)):]))
EXCHANGES = dict(map(reversed, CONSTANTS[:4]))


class Malformed(Exception):
    """The daemon sent what the RFC does not allow."""


def demand(truth, what):
    """Raises Malformed unless it is true."""
    if not truth:
        raise Malformed(what)


@dataclass(frozen=True)
class Payload:
    """One payload: `flags` is the octet with the critical bit."""
    kind: int
    body: bytes = b""
    flags: int = 0

    def __str__(self):
        if self.kind == NOTIFY:
            return f"N({NOTIFIES.get(self.notify, self.notify)})"
        return PAYLOADS.get(self.kind, str(self.kind))

    @property
    def notify(self):
        """The type of a Notify payload."""
        return int.from_bytes(self.body[2:4], "big")

    @property
    def data(self):
        """The data of a Notify payload."""
        return self.body[4 + self.body[1]:]


def chain(payloads, last=0):
    """(type of the first payload, octets of all)."""
    out = b""
    for payload, following in zip(payloads, [p.kind for p in payloads[1:]] + [last]):
        out += struct.pack(">BBH", following, payload.flags, 4 + len(payload.body)) + payload.body
    return (payloads[0].kind if payloads else last), out


def header(spi_i, spi_r, first, exchange, flags, number, length, version=0x20):
    """The IKE header."""
    return spi_i + spi_r + struct.pack(">BBBBII", first, version, exchange, flags, number, length)


def N(kind, data=b"", protocol=0, spi=b"", flags=0):
    """Notify."""
    return Payload(NOTIFY, struct.pack(">BBH", protocol, len(spi), kind) + spi + data, flags)


def D(protocol, spis=()):
    """Delete."""
    size = 0 if protocol == IKE else 4
    return Payload(DELETE, struct.pack(">BBH", protocol, size, len(spis)) + b"".join(spis))


@dataclass(frozen=True)
class Transform:
    """One transform; `attributes` are octets, `bits` adds a Key Length."""
    kind: int
    number: int
    bits: int = 0
    attributes: bytes = b""
    reserved: int = 0


@dataclass(frozen=True)
class Proposal:
    """One proposal; `number` 0: counted."""
    protocol: int
    spi: bytes
    transforms: tuple
    number: int = 0
    reserved: int = 0

    def of(self, kind):
        """The IDs of its transforms of a kind."""
        return [t.number for t in self.transforms if t.kind == kind]


def sa(*proposals, flags=0):
    """SA payload."""
    out = b""
    for index, proposal in enumerate(proposals):
        body = b""
        for number, t in enumerate(proposal.transforms):
            attributes = (struct.pack(">HH", 0x800e, t.bits) if t.bits else b"") + t.attributes
            body += struct.pack(">BBHBBH", 0 if number == len(proposal.transforms) - 1 else 3, t.reserved, 8 + len(attributes),
                                t.kind, t.reserved, t.number) + attributes
        out += struct.pack(">BBHBBBB", 0 if index == len(proposals) - 1 else 2, proposal.reserved,
                           8 + len(proposal.spi) + len(body), proposal.number or index + 1, proposal.protocol,
                           len(proposal.spi), len(proposal.transforms)) + proposal.spi + body
    return Payload(SA, out, flags)


def read_transforms(octets, count):
    """The transforms of a proposal."""
    found = []
    while octets:
        last, reserved, length, kind, reserved2, number = struct.unpack(">BBHBBH", octets[:8])
        demand(last == (3 if len(octets) > length else 0) and not reserved and not reserved2 and 8 <= length <= len(octets),
               "a transform's header")
        attributes, bits = octets[8:length], 0
        if attributes:
            demand(len(attributes) == 4 and attributes[:2] == b"\x80\x0e", "a transform's attribute")
            bits = int.from_bytes(attributes[2:], "big")
        found.append(Transform(kind, number, bits))
        octets = octets[length:]
    demand(len(found) == count, "the number of transforms")
    return tuple(found)


def read_sa(body):
    """The proposals of an SA payload."""
    found, octets = [], body
    while octets:
        last, reserved, length, number, protocol, size, count = struct.unpack(">BBHBBBB", octets[:8])
        demand(last == (2 if len(octets) > length else 0) and not reserved and 8 + size <= length <= len(octets),
               "a proposal's header")
        found.append(Proposal(protocol, octets[8:8 + size], read_transforms(octets[8 + size:length], count), number))
        octets = octets[length:]
    return found


def ke(group, public, reserved=0):
    """KE payload."""
    return Payload(KE, struct.pack(">HH", group, reserved) + public)


def identity(kind, text):
    """IDi or IDr: a name with @ is a user's, else a host's; an address if it is one."""
    try:
        address = ipaddress.ip_address(text).packed
        return Payload(kind, bytes([1 if len(address) == 4 else 5, 0, 0, 0]) + address)
    except ValueError:
        return Payload(kind, bytes([3 if "@" in text else 2, 0, 0, 0]) + text.encode())


@dataclass(frozen=True)
class Selector:
    """One traffic selector."""
    first: str
    last: str
    protocol: int = 0
    ports: tuple = (0, 65535)

    def octets(self):
        """As in a TS payload."""
        first, last = ipaddress.ip_address(self.first).packed, ipaddress.ip_address(self.last).packed
        return struct.pack(">BBHHH", 7 if len(first) == 4 else 8, self.protocol, 8 + 2 * len(first), *self.ports) + first + last


def net(text, protocol=0, ports=(0, 65535)):
    """The selector of a subnet."""
    block = ipaddress.ip_network(text)
    return Selector(str(block[0]), str(block[-1]), protocol, ports)


def ts(kind, *selectors):
    """TSi or TSr."""
    return Payload(kind, bytes([len(selectors), 0, 0, 0]) + b"".join(s.octets() for s in selectors))


def read_ts(body):
    """The selectors of a TS payload."""
    found, octets = [], body[4:]
    demand(body[1:4] == bytes(3), "the reserved octets of TS")
    while octets:
        kind, protocol, length, low, high = struct.unpack(">BBHHH", octets[:8])
        demand((kind, length) in ((7, 16), (8, 40)) and length <= len(octets), "a traffic selector")
        size = (length - 8) // 2
        first, last = (str(ipaddress.ip_address(octets[8 + i * size:8 + (i + 1) * size])) for i in (0, 1))
        found.append(Selector(first, last, protocol, (low, high)))
        octets = octets[length:]
    demand(len(found) == body[0] > 0, "the number of traffic selectors")
    return found


CFG_REQUEST, CFG_REPLY = 1, 2
INTERNAL_IP4_ADDRESS, INTERNAL_IP4_DNS, INTERNAL_IP6_ADDRESS, APPLICATION_VERSION = 1, 3, 8, 7


def cp(kind, *attributes):
    """Configuration payload of (type, value)."""
    return Payload(CP, bytes([kind, 0, 0, 0]) + b"".join(struct.pack(">HH", t, len(v)) + v for t, v in attributes))


def read_cp(body):
    """(type, [(attribute, value)])."""
    demand(body[1:4] == bytes(3), "the reserved octets of CP")
    found, octets = [], body[4:]
    while octets:
        kind, length = struct.unpack(">HH", octets[:4])
        demand(kind < 0x8000 and 4 + length <= len(octets), "a configuration attribute")
        found.append((kind, octets[4:4 + length]))
        octets = octets[4 + length:]
    return body[0], found


def read_chain(first, octets):
    """The payloads of a chain; the Encrypted ones end it."""
    found = []
    while first:
        demand(len(octets) >= 4, "a payload's header")
        following, flags, length = struct.unpack(">BBH", octets[:4])
        demand(4 <= length <= len(octets), "a payload's length")
        demand(flags == 0, f"reserved bits, or the critical bit of payload {first}")
        found.append(Payload(first, octets[4:length], flags))
        octets = octets[length:]
        if first in (SK, SKF):
            demand(not octets, "octets behind the Encrypted payload")
            return found, following
        first = following
    demand(not octets, "octets behind the last payload")
    return found, 0


@dataclass
class Message:
    """A message that came in: `payloads` are those inside of SK, if there is one."""
    spi_i: bytes
    spi_r: bytes
    exchange: int
    flags: int
    number: int
    raw: bytes
    payloads: list = field(default_factory=list)
    here: tuple = ()    # our address and port
    there: tuple = ()   # theirs
    sa: object = None
    protected: bool = False

    @property
    def response(self):
        """Whether it is a response."""
        return bool(self.flags & RESPONSE)

    @property
    def names(self):
        """Its payloads in order, as text."""
        return [str(payload) for payload in self.payloads]

    def all(self, kind):
        """Its payloads of a kind."""
        return [payload for payload in self.payloads if payload.kind == kind]

    def one(self, kind):
        """Its only payload of a kind."""
        found = self.all(kind)
        demand(len(found) == 1, f"{len(found)} payloads {PAYLOADS.get(kind, kind)} in {self}")
        return found[0].body

    def notify(self, kind):
        """The data of the first notify of a type, or None."""
        return next((payload.data for payload in self.all(NOTIFY) if payload.notify == kind), None)

    @property
    def error(self):
        """The first error type, or None."""
        return next((payload.notify for payload in self.all(NOTIFY) if payload.notify < 16384), None)

    def proposals(self, index=0):
        """The proposals of an SA payload."""
        return read_sa(self.all(SA)[index].body)

    def selectors(self, kind):
        """The selectors of TSi or TSr."""
        return read_ts(self.one(kind))

    def __str__(self):
        return (f"{self.spi_i.hex()}_{self.spi_r.hex()} {EXCHANGES.get(self.exchange, self.exchange)} "
                f"{'response' if self.response else 'request'} {self.number} {{{', '.join(self.names)}}}")


def read(raw):
    """The message of a datagram; Encrypted payloads as they are."""
    demand(len(raw) >= 28, "a header")
    first, version, exchange, flags, number, length = struct.unpack(">BBBBII", raw[16:28])
    demand(version == 0x20 and not flags & ~(INITIATOR | RESPONSE) and length == len(raw), f"the header {raw[:28].hex()}")
    message = Message(raw[:8], raw[8:16], exchange, flags, number, raw)
    message.payloads, message.inner = read_chain(first, raw[28:])
    for payload in message.all(NOTIFY):
        check_notify(payload)
    return message


def check_notify(payload):
    """What holds for each notify (RFC 7296 section 3.10)."""
    protocol, size = payload.body[:2]
    demand(len(payload.body) >= 4 + size, "a notify")
    wanted = (ESP, 4) if payload.notify in (REKEY_SA, CHILD_SA_NOT_FOUND) else (0, 0)
    demand((protocol, size) == wanted, f"protocol and SPI size of {payload}")
