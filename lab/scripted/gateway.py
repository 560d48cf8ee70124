# SPDX-License-Identifier: Apache-2.0
"""The responder's side of a login, step by step."""
import ipaddress
import os

from lab.scripted import message as m
from lab.scripted.algorithms import KeyExchange
from lab.scripted.peer import FLOAT, KEPT, VENDOR_ID, chosen, nat_hash, pick
from lab.scripted.sa import Child, IkeSa, new_spi

INNER, INNER6 = "10.30.0.1", "fd30::1"


class Accept:
    """Answers IKE_SA_INIT and IKE_AUTH. `edit_init` and `edit_auth` change the payloads of the responses; `group`
    answers the group
    of B.5, if there is one, with this notify data (None: not). `inner`: the addresses that are given."""

    def __init__(self, peer, *, vendor=True, rfc7791=True, mobike=True, edit_init=None, edit_auth=None, group=KEPT, others=(),
                 inner=(INNER,)):
        self.peer, self.vendor, self.rfc7791, self.mobike = peer, vendor, rfc7791, mobike
        self.edit_init, self.edit_auth, self.group, self.others = edit_init, edit_auth, group, list(others)
        self.sa, self.child, self.clone, self.request, self.auth_request, self.octets = None, None, None, None, None, b""
        self.nonce, self.inner = os.urandom(32), inner
        for port in (500, FLOAT):
            peer.socket((peer.home, port))

    def wait_init(self, timeout=None):
        """Their IKE_SA_INIT request."""
        self.request = self.peer.wait(lambda x: x.exchange == m.IKE_SA_INIT and not x.response, "IKE_SA_INIT", timeout)
        return self.request

    def refuse_init(self, *payloads):
        """Answers it with nothing kept."""
        x = self.request
        first, octets = m.chain(list(payloads))
        self.peer.put(m.header(x.spi_i, bytes(8), first, m.IKE_SA_INIT, m.RESPONSE, 0, 28 + len(octets)) + octets, x.here, x.there)

    def init(self):
        """Answers IKE_SA_INIT, and has keys."""
        x = self.request or self.wait_init()
        body, spi = x.one(m.KE), new_spi()
        exchange = KeyExchange(int.from_bytes(body[:2], "big"))
        proposal = next(p for p in x.proposals() if exchange.group in p.of(m.GROUP))
        picked = m.Proposal(m.IKE, b"", pick(proposal, exchange.group), proposal.number)
        payloads = [m.sa(picked), m.ke(exchange.group, exchange.public), m.Payload(m.NONCE, self.nonce),
                    m.N(m.NAT_SOURCE, nat_hash(x.spi_i, spi, x.here)), m.N(m.NAT_DESTINATION, nat_hash(x.spi_i, spi, x.there)),
                    m.N(m.FRAGMENTATION_SUPPORTED), *([m.Payload(m.VENDOR, VENDOR_ID)] if self.vendor else [])]
        first, octets = m.chain(self.edit_init(payloads) if self.edit_init else payloads)
        self.octets = m.header(x.spi_i, spi, first, m.IKE_SA_INIT, m.RESPONSE, 0, 28 + len(octets)) + octets
        self.sa = IkeSa(chosen(picked), (x.spi_i, spi), False, ((x.here[0], FLOAT), (x.there[0], FLOAT)))
        self.sa.expected = 1
        self.sa.derive(exchange.shared(body[4:]), x.one(m.NONCE), self.nonce)
        self.peer.sas[x.spi_i] = self.sa
        self.peer.put(self.octets, x.here, x.there)
        return self

    def auth(self):
        """Answers IKE_AUTH: an inner address, and all selectors that are asked for."""
        x = self.auth_request = self.peer.request(self.sa, m.IKE_AUTH)
        m.demand(x.here[1] == FLOAT and x.there[1] == FLOAT, "MOBIKE floats to port 4500")
        mine = self.peer.auth_data(self.sa, False, self.request.raw, self.nonce, x.one(m.IDI))
        m.demand(x.one(m.AUTH) == bytes([2, 0, 0, 0]) + mine, "AUTH of the End User")
        ident = m.identity(m.IDR, self.peer.me)
        data = self.peer.auth_data(self.sa, True, self.octets, self.request.one(m.NONCE), ident.body)
        payloads = [ident, m.Payload(m.AUTH, bytes([2, 0, 0, 0]) + data),
                    m.cp(m.CFG_REPLY, *[(m.INTERNAL_IP6_ADDRESS, ipaddress.ip_address(x).packed + b"\x80") if ":" in x else
                                        (m.INTERNAL_IP4_ADDRESS, ipaddress.ip_address(x).packed) for x in self.inner])]
        payloads += self._child(x)
        payloads += [m.N(m.MOBIKE_SUPPORTED)] * self.mobike + [m.N(m.CLONE_SUPPORTED)] * self.rfc7791
        payloads += self._group(x)
        self.peer.answer(x, self.edit_auth(payloads) if self.edit_auth else payloads)
        return self

    def _child(self, x):
        proposal, spi = x.proposals()[0], new_spi(4)
        picked = m.Proposal(m.ESP, spi, pick(proposal, 0), proposal.number)
        tsi, tsr = [m.Selector(inner, inner) for inner in self.inner], x.selectors(m.TSR)
        self.child = Child(self.sa, chosen(picked), (spi, proposal.spi), False, self.request.one(m.NONCE) + self.nonce)
        self.child.here, self.child.there = tsr, tsi
        return [m.sa(picked), m.ts(m.TSI, *tsi), m.ts(m.TSR, *tsr)]

    def _group(self, x):
        """The answer to the group, and the IKE SA that it makes."""
        if len(x.all(m.SA)) < 2 or self.group is None:
            return []
        proposal, body, spi, nonce = x.proposals(1)[0], x.one(m.KE), new_spi(), os.urandom(32)
        exchange = KeyExchange(int.from_bytes(body[:2], "big"))
        picked = m.Proposal(m.IKE, spi, pick(proposal, exchange.group), proposal.number)
        self.clone = IkeSa(chosen(picked), (proposal.spi, spi), False, (self.sa.here, self.sa.there))
        self.clone.derive(exchange.shared(body[4:]), x.one(m.NONCE), nonce, self.sa)
        self.peer.sas[proposal.spi] = self.clone
        return [m.N(m.KEEP_OLD, self.group), m.sa(picked), m.Payload(m.NONCE, nonce), m.ke(exchange.group, exchange.public)]
