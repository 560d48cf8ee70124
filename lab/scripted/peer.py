# SPDX-License-Identifier: Apache-2.0
"""The peer: sockets in a namespace of the lab, exchanges step by step, both roles."""
import ctypes
import hashlib
import ipaddress
import os
import select
import socket
import struct
import time
from dataclasses import replace

from lab.net import address
from lab.run import Failed
from lab.scripted import message as m
from lab.scripted.algorithms import AES_CBC, AES_GCM_16, GCM, KeyExchange, Suite, prf
from lab.scripted.sa import NEXT_IPV4, NEXT_IPV6, Child, IkeSa, new_spi
from lab.settings import IDS, PSK

VENDOR_ID = hashlib.sha256(b"draft-mglt-ipsecme-keep-old-ike-sa-00").digest()[:16] + struct.pack(">H", m.KEEP_OLD)
KEEP, UNUSED = bytes([0x80, 0, 0, 0]), bytes([0x80, 1, 0, 0])     # asked
KEPT, NOT_KEPT = bytes(4), bytes([0, 1, 0, 0])                     # answered
FLOAT = 4500
REFUSAL = 8.0  # seconds: a Gateway may wait as long before it says that AUTH was wrong
LIBC = ctypes.CDLL(None, use_errno=True)


def socket_in(namespace, family, kind=socket.SOCK_DGRAM, protocol=0):
    """A socket of another network namespace."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if LIBC.setns(there, 0x40000000):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            return socket.socket(family, kind, protocol)
        finally:
            LIBC.setns(home, 0x40000000)
    finally:
        os.close(home)
        os.close(there)


def transforms(suite, ike=True):
    """The transforms of a suite, for IKE or ESP."""
    found = [m.Transform(m.ENCR, suite.encryption, suite.bits)]
    if ike:
        found.append(m.Transform(m.PRF, suite.prf))
    if suite.integrity:
        found.append(m.Transform(m.INTEG, suite.integrity))
    if ike and suite.group:
        found.append(m.Transform(m.GROUP, suite.group))
    return tuple(found) if ike else tuple(found) + (m.Transform(m.ESN, 0),)


def chosen(proposal, offered=None):
    """The suite of a proposal that a response holds: one transform of each kind, all of them offered."""
    kinds = [t.kind for t in proposal.transforms]
    m.demand(len(kinds) == len(set(kinds)), "one transform of each kind")
    if offered:
        there = {(t.kind, t.number, t.bits) for t in offered[proposal.number - 1].transforms}
        m.demand({(t.kind, t.number, t.bits) for t in proposal.transforms} <= there, "only what was offered")
        m.demand(proposal.protocol == offered[proposal.number - 1].protocol, "the protocol that was offered")
        m.demand({t.kind for t in offered[proposal.number - 1].transforms} == set(kinds), "each kind that was offered")
    by = {t.kind: t for t in proposal.transforms}
    integrity = by[m.INTEG].number if m.INTEG in by else 0
    return Suite(by[m.ENCR].number, by[m.ENCR].bits, integrity, by[m.PRF].number if m.PRF in by else 0,
                 by[m.GROUP].number if m.GROUP in by else 0)


def nat_hash(spi_i, spi_r, end):
    """RFC 7296 section 2.23."""
    return hashlib.sha1(spi_i + spi_r + ipaddress.ip_address(end[0]).packed + struct.pack(">H", end[1])).digest()


class Peer:
    """A host of the lab that speaks IKEv2 as it is told. It answers INFORMATIONAL requests by itself unless `polite`
    is false."""

    def __init__(self, lab, host, link=None, other=None, family=4):
        self.lab, self.host = lab, host
        link, facing = (link or "wlan", "wan0") if host == "eu" else (link or "wan0", "wlan")
        self.home = address(link, host, family)
        self.gate = other or address(facing, "gw" if host == "eu" else "eu", family)
        self.me, self.you = (IDS["eu"], IDS["gw"]) if host == "eu" else (IDS["gw"], IDS["eu"])
        self.psk = PSK.encode()
        self.sockets, self.sas, self.inbox, self.esp, self.keepalives = {}, {}, [], [], []
        self.polite, self.clock, self.came, self.updates = True, 5.0, None, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Closes its sockets; nothing is said to the other end."""
        for sock in self.sockets.values():
            sock.close()

    # ---- datagrams

    def socket(self, end):
        """The socket of one of our addresses and ports; the port 0 is for ESP without UDP."""
        if end not in self.sockets:
            how = (socket.SOCK_DGRAM, 0) if end[1] else (socket.SOCK_RAW, socket.IPPROTO_ESP)
            sock = socket_in(self.lab.name(self.host), socket.AF_INET6 if ":" in end[0] else socket.AF_INET, *how)
            sock.bind(end)
            self.sockets[end] = sock
            if end[1]:
                self.socket((end[0], 0))
        return self.sockets[end]

    def raw(self, octets, here, there):
        """Sends octets as they are."""
        self.socket(here).sendto(octets, there)

    def put(self, octets, here, there):
        """Sends an IKE message, with the non-ESP marker where it belongs (RFC 3948 section 2.2)."""
        self.raw((b"" if there[1] == 500 else bytes(4)) + octets, here, there)

    def post(self, sa, datagrams):
        """Sends datagrams of an IKE SA to where its peer is."""
        for octets in datagrams if isinstance(datagrams, list) else [datagrams]:
            self.put(octets, sa.here, sa.there)

    def _take(self, octets, here, there):
        if here[1] == 0:
            self.esp.append((octets if ":" in here[0] else octets[20:], here, there))
            return
        if FLOAT in (here[1], there[1]):   # a NAT may have changed one of them
            if octets == b"\xff":
                self.keepalives.append((here, there))
                return
            if octets[:4] != bytes(4):
                self.esp.append((octets, here, there))
                return
            octets = octets[4:]
        message = m.read(octets)
        message.here, message.there = here, there
        message.sa = self.sas.get(message.spi_i) or self.sas.get(message.spi_r)
        if message.payloads and message.payloads[-1].kind in (m.SK, m.SKF):
            if message.sa is None or message.sa.keys is None:
                self.inbox.append(message)
                return
            if not message.sa.open(message):
                return
            if not message.response and self._seen(message):
                return
        self.inbox.append(message)

    def _seen(self, message):
        """Whether a request came before: then it gets the same response, and must have the same octets."""
        sa = message.sa
        if message.number in sa.theirs:
            m.demand(sa.theirs[message.number] == message.raw or message.raw[16] == m.SKF, f"other octets of {message}")
            if message.number in sa.answers:
                self.post(sa, sa.answers[message.number])
            return True
        m.demand(message.number == sa.expected, f"Message ID {message.number} instead of {sa.expected}: {message}")
        sa.expected += 1
        sa.theirs[message.number] = message.raw
        if self.polite and message.exchange == m.INFORMATIONAL:
            self.answer(message, self.courtesy(message))
            return message.notify(m.COOKIE2) is not None or not message.payloads
        return False

    def courtesy(self, request):
        """What a friendly peer says to an INFORMATIONAL request."""
        out = [payload for payload in request.all(m.NOTIFY) if payload.notify == m.COOKIE2]
        for payload in request.all(m.DELETE):
            if payload.body[0] == m.ESP:
                gone = [payload.body[4 + i:8 + i] for i in range(0, len(payload.body) - 4, 4)]
                pairs = [child for child in request.sa.children if child.spi_out in gone]
                request.sa.children = [child for child in request.sa.children if child not in pairs]
                if pairs:
                    out.append(m.D(m.ESP, [child.spi_in for child in pairs]))
        if request.notify(m.UPDATE_SA_ADDRESSES) is not None:
            self.updates += 1
            request.sa.here, request.sa.there = request.here, request.there
        if request.notify(m.NAT_SOURCE) is not None:
            out = self.nat_detection(request.sa, request.here, request.there) + out
        return out

    def poll(self, timeout=0.0):
        """Takes what has come; waits so long for the first datagram."""
        ready, _, _ = select.select(list(self.sockets.values()), [], [], timeout)
        for sock in ready:
            here = next(end for end, other in self.sockets.items() if other is sock)
            while True:
                try:
                    octets, there = sock.recvfrom(65536, socket.MSG_DONTWAIT)
                except BlockingIOError:
                    break
                except ConnectionRefusedError:
                    continue
                self._take(octets, here, there[:2])
        return bool(ready)

    def wait(self, wanted, what="a message", timeout=None):
        """The first message that is wanted; others stay."""
        end = time.monotonic() + (timeout or self.clock)
        while True:
            for message in self.inbox:
                if wanted(message):
                    self.inbox.remove(message)
                    return message
            left = end - time.monotonic()
            if left <= 0:
                raise Failed(f"no {what}; there is {[str(message) for message in self.inbox]}")
            self.poll(left)

    # ---- exchanges on an IKE SA

    def send(self, sa, exchange, payloads, **how):
        """Sends a request with the next Message ID; returns its datagram."""
        octets = sa.seal(exchange, payloads, sa.sent, **how)
        sa.sent += 1
        sa.last = octets, sa.here, sa.there
        self.post(sa, octets)
        return octets

    def response(self, sa, number=None, timeout=None):
        """The response to our last request, or to the one with this Message ID. The last one is sent again after a
        second: a request
        right behind an IKE_AUTH response may be there before AUTH was looked at, and is dropped then."""
        last, number = number is None, sa.sent - 1 if number is None else number
        left = timeout or self.clock

        def wanted(x):
            return x.sa is sa and x.response and x.number == number and x.protected
        while last and sa.last and left > 1:
            try:
                return self.wait(wanted, f"response {number}", 1)
            except Failed:
                self.put(*sa.last)
                left -= 1
        return self.wait(wanted, f"response {number}", left)

    def ask(self, sa, exchange, payloads=(), **how):
        """A whole exchange; returns the response."""
        self.send(sa, exchange, payloads, **how)
        answer = self.response(sa)
        m.demand(answer.exchange == exchange, f"the exchange type of {answer}")
        # a move of theirs may have been answered meanwhile
        m.demand((answer.here, answer.there) == sa.last[1:], f"{answer} from {answer.there} to {answer.here}")
        return answer

    def request(self, sa=None, exchange=None, timeout=None, wanted=None):
        """The next request of theirs (that is not answered by courtesy)."""
        return self.wait(lambda x: not x.response and (sa is None or x.sa is sa) and exchange in (None, x.exchange)
                         and (wanted is None or wanted(x)), f"request ({sa.spis if sa else ''}, {exchange})", timeout)

    def answer(self, request, payloads=(), **how):
        """Sends a response, and keeps it for when the request comes again."""
        sa = request.sa
        octets = sa.seal(request.exchange, payloads, request.number, True, **how)
        sa.answers[request.number] = octets
        self.put(octets, request.here, request.there)
        return octets

    def alive(self, sa):
        """Whether an empty INFORMATIONAL is answered by an empty one, and nothing else comes on this IKE SA before
        it."""
        answer = self.ask(sa, m.INFORMATIONAL)
        m.demand(not answer.payloads, f"{answer} is empty")
        return True

    def silent(self, sa, **how):
        """What an IKE SA has said unasked up to now: an exchange is the barrier, since the daemon works in order."""
        self.ask(sa, m.INFORMATIONAL, **how)
        return [str(x) for x in self.inbox if x.sa is sa]

    def nat_detection(self, sa, source=None, target=None):
        """NAT_DETECTION payloads for what we send; other ends than the true ones look like a NAT."""
        return [m.N(m.NAT_SOURCE, nat_hash(*sa.spis, source or sa.here)),
                m.N(m.NAT_DESTINATION, nat_hash(*sa.spis, target or sa.there))]

    def check_nat_detection(self, message, spis):
        """Whether theirs are right for the ends that the message has."""
        m.demand(message.notify(m.NAT_SOURCE) == nat_hash(*spis, message.there), "NAT_DETECTION_SOURCE_IP")
        m.demand(message.notify(m.NAT_DESTINATION) == nat_hash(*spis, message.here), "NAT_DETECTION_DESTINATION_IP")

    # ---- login, as initiator

    def login(self, **how):
        """IKE_SA_INIT and IKE_AUTH; see Login. Returns the Login, whose `sa`, `child` and `answer` are what came of
        it."""
        login = Login(self, **how)
        login.init()
        login.auth()
        return login

    def auth_data(self, sa, ours, first, nonce, ident):
        """The AUTH data of a side (RFC 7296 section 2.15): `first` is its IKE_SA_INIT message, `nonce` the other's."""
        kind = sa.suite.prf
        key = prf(kind, self.psk, b"Key Pad for IKEv2")
        return prf(kind, key, first + nonce + prf(kind, sa.keys["p" + sa.side(ours)], ident))

    # ---- CREATE_CHILD_SA

    def _new_child(self, sa, suite, spis, ours, seed):
        return Child(sa, suite, spis, ours, seed)

    def create_child(self, sa, selectors, *, suite=GCM, before=(), after=(), group=0, edit=None):
        """Asks for a Child SA. `selectors`: ([ours], [theirs]). Returns (response, Child or None)."""
        spi, nonce, exchange = new_spi(4), os.urandom(32), KeyExchange(group) if group else None
        offered = [m.Proposal(m.ESP, spi, transforms(suite, False) + ((m.Transform(m.GROUP, group),) if group else ()))]
        payloads = [*before, m.sa(*offered), m.Payload(m.NONCE, nonce), *([m.ke(group, exchange.public)] if group else []),
                    m.ts(m.TSI, *selectors[0]), m.ts(m.TSR, *selectors[1]), *after]
        answer = self.ask(sa, m.CREATE_CHILD_SA, edit(payloads) if edit else payloads)
        if answer.error is not None:
            return answer, None
        return answer, self.child_of(sa, answer, offered, spi, nonce, exchange)

    def child_of(self, sa, answer, offered, spi, nonce, exchange=None, index=0):
        """The Child SA that a response makes."""
        (proposal,) = answer.proposals(index)
        m.demand(proposal.protocol == m.ESP and len(proposal.spi) == 4 and int.from_bytes(proposal.spi, "big") > 255, "an SPI")
        suite = chosen(proposal, offered)
        shared = b""
        if exchange:
            shared = exchange.shared(answer.one(m.KE)[4:])
        else:
            m.demand(not answer.all(m.KE) or index, "no KE without a group")
        theirs = answer.all(m.NONCE)[0].body
        m.demand(16 <= len(theirs) <= 256, "a nonce's length")
        child = Child(sa, suite, (spi, proposal.spi), True, shared + nonce + theirs)
        child.here, child.there = answer.selectors(m.TSI), answer.selectors(m.TSR)
        return child

    def ike_group(self, group, suite=None, spi=None):
        """(proposals, Nonce, KeyExchange, SPI) of an IKE SA to be made."""
        spi = spi or new_spi()
        suite = replace(suite or GCM, group=group)
        return [m.Proposal(m.IKE, spi, transforms(suite))], os.urandom(32), KeyExchange(group), spi

    def rekey_ike(self, sa, before=(), after=(), *, group=31, suite=None, edit=None):
        """Asks for a new IKE SA: a rekey, or with a notify a clone. Returns (response, IkeSa or None)."""
        offered, nonce, exchange, spi = self.ike_group(group, suite or sa.suite)
        payloads = [*before, m.sa(*offered), m.Payload(m.NONCE, nonce), m.ke(group, exchange.public), *after]
        answer = self.ask(sa, m.CREATE_CHILD_SA, edit(payloads) if edit else payloads)
        if answer.error is not None:
            return answer, None
        return answer, self.ike_of(sa, answer, offered, (spi, nonce, exchange))

    def ike_of(self, old, answer, offered, group, index=0):
        """The IKE SA that a response makes."""
        spi, nonce, exchange = group
        (proposal,) = answer.proposals(index)
        m.demand(proposal.protocol == m.IKE and len(proposal.spi) == 8 and proposal.spi != bytes(8), "a new IKE SPI")
        suite = chosen(proposal, offered)
        body = answer.all(m.KE)[0].body
        m.demand(body[:4] == struct.pack(">HH", exchange.group, 0), "the group of KE")
        new = IkeSa(suite, (spi, proposal.spi), True, (old.here, old.there))
        new.derive(exchange.shared(body[4:]), nonce, answer.all(m.NONCE)[-1].body, old)
        self.sas[spi] = new
        return new

    def clone(self, sa, dialect="keep-old", **how):
        """A clone in a dialect; returns (response, IkeSa or None)."""
        notify = m.N(m.KEEP_OLD, KEEP) if dialect == "keep-old" else m.N(m.CLONE_IKE_SA)
        return self.rekey_ike(sa, [notify], **how)

    def answer_rekey_ike(self, request, before=(), after=(), *, edit=None, nonce=None):
        """Answers a request for a new IKE SA; returns it."""
        proposal = next(p for p in request.proposals() if set(p.of(m.GROUP)) & {14, 19, 31})
        body, nonce, spi = request.one(m.KE), nonce or os.urandom(32), new_spi()
        group = int.from_bytes(body[:2], "big")
        picked = m.Proposal(m.IKE, spi, pick(proposal, group), proposal.number)
        exchange = KeyExchange(group)
        payloads = [*before, m.sa(picked), m.Payload(m.NONCE, nonce), m.ke(group, exchange.public), *after]
        self.answer(request, edit(payloads) if edit else payloads)
        new = IkeSa(chosen(picked), (proposal.spi, spi), False, (request.here, request.there))
        new.derive(exchange.shared(body[4:]), request.one(m.NONCE), nonce, request.sa)
        self.sas[proposal.spi] = new
        return new

    def answer_child(self, request, before=(), after=(), *, tsi=None, tsr=None, edit=None, send=True):
        """Answers a request for a Child SA with all of its selectors, or with these; returns it."""
        proposal, spi, nonce = request.proposals()[0], new_spi(4), os.urandom(32)
        exchange, shared, ke = None, b"", []
        if request.all(m.KE):
            body = request.one(m.KE)
            exchange = KeyExchange(int.from_bytes(body[:2], "big"))
            shared, ke = exchange.shared(body[4:]), [m.ke(exchange.group, exchange.public)]
        picked = m.Proposal(m.ESP, spi, pick(proposal, exchange.group if exchange else None), proposal.number)
        tsi, tsr = tsi or request.selectors(m.TSI), tsr or request.selectors(m.TSR)
        payloads = [*before, m.sa(picked), m.Payload(m.NONCE, nonce), *ke, m.ts(m.TSI, *tsi), m.ts(m.TSR, *tsr), *after]
        if send:
            self.answer(request, edit(payloads) if edit else payloads)
        child = Child(request.sa, chosen(picked), (spi, proposal.spi), False, shared + request.one(m.NONCE) + nonce)
        child.here, child.there = tsr, tsi
        return child

    # ---- MOBIKE

    def move(self, sa, here, *, there=None, cookie=b"0123456789abcdef", extra=(), exchange=m.INFORMATIONAL, detect=True):
        """UPDATE_SA_ADDRESSES from another address; returns the response, which must reflect the cookie."""
        before = sa.here, sa.there
        sa.here, sa.there = here, there or sa.there
        payloads = [m.N(m.UPDATE_SA_ADDRESSES), *(self.nat_detection(sa) if detect else []),
                    *([m.N(m.COOKIE2, cookie)] if cookie else []), *extra]
        answer = self.ask(sa, exchange, payloads)
        if answer.error is not None:
            sa.here, sa.there = before
        return answer

    def delete(self, sa):
        """Deletes an IKE SA; the response must be empty."""
        answer = self.ask(sa, m.INFORMATIONAL, [m.D(m.IKE)])
        m.demand(not answer.payloads, f"{answer} is empty")

    # ---- ESP

    def ping(self, child, source, target, timeout=None, here=None):
        """Whether an echo request through a Child SA is answered; returns the Child SA that the answer came on. It
        goes in UDP, which
        has to be understood always; the answer may come without (RFC 7296 section 2.23)."""
        number = int.from_bytes(os.urandom(2), "big")
        ike = child.ike
        packet = child.seal(echo(source, target, number), following=NEXT_IPV6 if ":" in source else NEXT_IPV4)
        self.raw(packet, here or ike.here, (ike.there[0], FLOAT))
        return self.echo(number, timeout)

    def echo(self, number, timeout=None):
        """The Child SA on which the answer to an echo request came, or None after the time is over. `came`: from
        where to where."""
        end = time.monotonic() + (timeout or self.clock)
        while time.monotonic() < end:
            while self.esp:
                octets, *self.came = self.esp.pop(0)
                child = next((c for sa in self.sas.values() for c in sa.children if c.spi_in == octets[:4]), None)
                m.demand(child is not None, f"ESP with the SPI {octets[:4].hex()}")
                if echo_reply(child.open(octets)) == number:
                    return child
            self.poll(max(0, end - time.monotonic()))
        return None


def pick(proposal, group):
    """The first transform of each kind; of groups this one, or none."""
    found = {}
    for t in proposal.transforms:
        if t.kind == m.GROUP and t.number != group:
            continue
        if t.kind == m.ENCR and t.number not in (AES_CBC, AES_GCM_16):
            continue
        found.setdefault(t.kind, t)
    return tuple(found.values())


def checksum(octets):
    """The checksum of IP and ICMP."""
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def echo(source, target, number):
    """An IPv4 or IPv6 packet with an ICMP echo request."""
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(target).packed
    six = ":" in source
    icmp = struct.pack(">BBHHH", 128 if six else 8, 0, 0, number, 1) + bytes(56)
    pseudo = ends + struct.pack(">II", len(icmp), 58) if six else b""
    icmp = icmp[:2] + struct.pack(">H", checksum(pseudo + icmp)) + icmp[4:]
    if six:
        return struct.pack(">IHBB", 0x60000000, len(icmp), 58, 64) + ends + icmp
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(icmp), 1, 0, 64, 1, 0) + ends
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + icmp


def echo_reply(packet):
    """The identifier of an ICMP echo reply in an IPv4 or IPv6 packet, or None."""
    if len(packet) >= 28 and packet[0] == 0x45 and packet[9] == 1 and packet[20] == 0:
        return int.from_bytes(packet[24:26], "big")
    if len(packet) >= 48 and packet[0] >> 4 == 6 and packet[6] == 58 and packet[40] == 129:
        return int.from_bytes(packet[44:46], "big")
    return None


class Login:
    """The initiator's side of a login, step by step. `edit_init` and `edit_auth` change the payloads before they are
    sent. `behind`:
    where we are as we see it, with a NAT in front. `families`: of the inner addresses that are asked for."""

    def __init__(self, peer, *, suite=GCM, offered=None, mobike=True, vendor=True, rfc7791=True, inner=True, nat=True,
                 selectors=None, child=True, child_suite=GCM, float_=True, here=None, there=None, contact=True,
                 edit_init=None, edit_auth=None, fragment=0, behind=None, families=(4,)):
        self.peer, self.suite, self.fragment, self.behind, self.families = peer, suite, fragment, behind, families
        self.options = {"mobike": mobike, "vendor": vendor, "rfc7791": rfc7791, "inner": inner, "nat": nat, "child": child,
                        "float": float_, "contact": contact}
        self.here, self.there = here or (peer.home, 500), there or (peer.gate, 500)
        self.spi, self.nonce, self.exchange = new_spi(), os.urandom(32), KeyExchange(suite.group)
        self.offered = offered or [m.Proposal(m.IKE, b"", transforms(suite))]
        self.selectors = selectors or ([m.net("0.0.0.0/0")], [m.net("0.0.0.0/0")])
        self.child_suite, self.child_spi = child_suite, new_spi(4)
        self.edit_init, self.edit_auth = edit_init, edit_auth
        self.cookie, self.request, self.sa, self.child, self.answer, self.inner, self.inner6 = [], b"", None, None, None, None, None
        self.first = None

    def init_payloads(self):
        """SA, KE, Ni and what else an End User says in IKE_SA_INIT."""
        out = [m.sa(*self.offered), m.ke(self.exchange.group, self.exchange.public), m.Payload(m.NONCE, self.nonce)]
        if self.options["nat"]:
            out += [m.N(m.NAT_SOURCE, nat_hash(self.spi, bytes(8), self.behind or self.here)),
                    m.N(m.NAT_DESTINATION, nat_hash(self.spi, bytes(8), self.there))]
        out.append(m.N(m.FRAGMENTATION_SUPPORTED))
        if self.options["vendor"]:
            out.append(m.Payload(m.VENDOR, VENDOR_ID))
        return self.cookie + (self.edit_init(out) if self.edit_init else out)

    def send_init(self):
        """Sends IKE_SA_INIT."""
        first, octets = m.chain(self.init_payloads())
        self.request = m.header(self.spi, bytes(8), first, m.IKE_SA_INIT, m.INITIATOR, 0, 28 + len(octets)) + octets
        self.peer.put(self.request, self.here, self.there)

    def answered(self, timeout=None):
        """The response to IKE_SA_INIT."""
        return self.peer.wait(lambda x: x.spi_i == self.spi and x.response and x.exchange == m.IKE_SA_INIT,
                              "IKE_SA_INIT response", timeout)

    def init(self):
        """IKE_SA_INIT, with a cookie if it is asked for. Returns the response, which may be an error."""
        self.send_init()
        answer = self.answered()
        if answer.notify(m.COOKIE) is not None:
            m.demand(answer.names == ["N(COOKIE)"] and answer.spi_r == bytes(8), "a COOKIE response has nothing else")
            self.cookie = [m.N(m.COOKIE, answer.notify(m.COOKIE))]
            self.send_init()
            answer = self.answered()
        return self.take_init(answer)

    def take_init(self, answer):
        """Derives the keys."""
        self.first = answer
        if answer.error is not None:
            return answer
        m.demand(answer.flags == m.RESPONSE and answer.number == 0 and answer.spi_r != bytes(8), "the header")
        (proposal,) = answer.proposals()
        m.demand(proposal.spi == b"", "no SPI in IKE_SA_INIT")
        suite, body = chosen(proposal, self.offered), answer.one(m.KE)
        m.demand(body[:4] == struct.pack(">HH", self.exchange.group, 0) and suite.group == self.exchange.group, "the group of KE")
        ends = (self.here, self.there)
        if self.options["nat"] and self.options["float"]:
            self.peer.check_nat_detection(answer, (self.spi, answer.spi_r))
            ends = ((self.here[0], FLOAT if self.here[1] == 500 else self.here[1]), (self.there[0], FLOAT))
        self.peer.socket(ends[0])
        self.sa = IkeSa(suite, (self.spi, answer.spi_r), True, ends)
        self.sa.sent = 1
        self.sa.derive(self.exchange.shared(body[4:]), self.nonce, answer.one(m.NONCE))
        self.peer.sas[self.spi] = self.sa
        return answer

    def auth_payloads(self):
        """What an End User says in IKE_AUTH."""
        ident = m.identity(m.IDI, self.peer.me)
        data = self.peer.auth_data(self.sa, True, self.request, self.first.one(m.NONCE), ident.body)
        out = [ident]
        if self.options["contact"]:
            out.append(m.N(m.INITIAL_CONTACT))
        out += [m.identity(m.IDR, self.peer.you), m.Payload(m.AUTH, bytes([2, 0, 0, 0]) + data)]
        if self.options["inner"]:
            kinds = {4: m.INTERNAL_IP4_ADDRESS, 6: m.INTERNAL_IP6_ADDRESS}
            out.append(m.cp(m.CFG_REQUEST, *[(kinds[family], b"") for family in self.families]))
        if self.options["child"]:
            out += [m.sa(*self.child_offered()), m.ts(m.TSI, *self.selectors[0]), m.ts(m.TSR, *self.selectors[1])]
        if self.options["mobike"]:
            out.append(m.N(m.MOBIKE_SUPPORTED))
        if self.options["rfc7791"]:
            out.append(m.N(m.CLONE_SUPPORTED))
        return self.edit_auth(out) if self.edit_auth else out

    def child_offered(self):
        """The proposals of the first Child SA."""
        return [m.Proposal(m.ESP, self.child_spi, transforms(self.child_suite, False))]

    def auth(self):
        """IKE_AUTH; returns the response."""
        sa, payloads = self.sa, self.auth_payloads()
        if self.fragment:
            datagrams = sa.seal_fragments(m.IKE_AUTH, payloads, sa.sent, size=self.fragment)
            sa.sent, sa.last = sa.sent + 1, None
            self.peer.post(sa, datagrams)
        else:
            self.peer.send(sa, m.IKE_AUTH, payloads)
        self.answer = answer = self.peer.response(sa, timeout=self.peer.clock + REFUSAL)
        m.demand(answer.exchange == m.IKE_AUTH, "the exchange type")
        if answer.all(m.AUTH):
            body, ident = answer.one(m.AUTH), answer.one(m.IDR)
            wanted = self.peer.auth_data(sa, False, self.first.raw, self.nonce, ident)
            m.demand(body == bytes([2, 0, 0, 0]) + wanted, "AUTH of the Gateway")
        if answer.all(m.CP):
            kind, attributes = m.read_cp(answer.one(m.CP))
            m.demand(kind == m.CFG_REPLY, "CFG_REPLY")
            self.inner = next((str(ipaddress.ip_address(v[:4])) for t, v in attributes if t == m.INTERNAL_IP4_ADDRESS), None)
            self.inner6 = next((str(ipaddress.ip_address(v[:16])) for t, v in attributes if t == m.INTERNAL_IP6_ADDRESS), None)
        if answer.all(m.SA) and answer.error is None:
            nonces = self.nonce + self.first.one(m.NONCE)
            self.child = self._child(answer, nonces)
        return answer

    def _child(self, answer, nonces):
        (proposal,) = answer.proposals()
        suite = chosen(proposal, self.child_offered())
        child = Child(self.sa, suite, (self.child_spi, proposal.spi), True, nonces)
        child.here, child.there = answer.selectors(m.TSI), answer.selectors(m.TSR)
        return child
