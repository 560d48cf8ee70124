# SPDX-License-Identifier: Apache-2.0
"""ikatd as Gateway, and an End User that is not ikat: IKEv2 as such (RFC 7296, 7383, 4301), and what is wrong with
it."""
import ipaddress
import os
import struct

import pytest

from lab.net import address
from lab.run import wait
from lab.scripted import message as m
from lab.scripted.algorithms import CBC, CBC256, GCM, GCM256, KeyExchange, Suite
from lab.scripted.peer import FLOAT, Login, echo, transforms
from lab.scripted.sa import Child, new_spi
from lab.settings import gateway, merge

HOST, HOST6 = address("lan", "host"), address("lan", "host", 6)
BOTH = "aes128gcm16-aes256gcm16-prfsha256-prfsha512-x25519-ecp256-modp2048, " \
       "aes128-aes256-sha256-sha512-prfsha256-prfsha512-x25519-ecp256-modp2048"
ALL = ([m.net("0.0.0.0/0")], [m.net("0.0.0.0/0")])


@pytest.fixture(scope="module")
def gate(shared):
    """The Gateway of this module."""
    settings = gateway({"proposals": BOTH}, {"esp_proposals": "aes128gcm16, aes128-sha256, aes128gcm16-x25519-ecp256-modp2048",
                                             "local_ts": "10.20.0.0/24, fd20::/64"})
    return shared.ikatd(shared.lab(), "gw", merge(settings, {"connections": {"gate": {
        "pools": "inner, inner6", "local_addrs": f"{address('wan0', 'gw')}, {address('wan0', 'gw', 6)}"}}}), ("-d",))


@pytest.fixture
def user(gate, case):
    """An End User."""
    return case.peer(gate.lab, "eu")


def carries(peer, login, child=None):
    """Whether a Child SA's packets are answered."""
    return peer.ping(child or login.child, login.inner, HOST) is not None


# ---- IKE_SA_INIT

@pytest.mark.parametrize("group", (14, 19, 31))
@pytest.mark.parametrize("suite", (GCM, GCM256, CBC, CBC256), ids=("gcm128", "gcm256", "cbc128", "cbc256"))
def test_algorithms(user, suite, group):
    child = suite if suite in (GCM, CBC) else GCM
    login = user.login(suite=Suite(suite.encryption, suite.bits, suite.integrity, suite.prf, group), child_suite=child)
    assert login.answer.names[:6] == ["IDR", "AUTH", "CP", "SA", "TSI", "TSR"]
    assert user.alive(login.sa) and carries(user, login)


@pytest.mark.parametrize("family", (4, 6))
def test_addresses(case, gate, family):
    peer = case.peer(gate.lab, "eu", family=family)
    assert carries(peer, peer.login())


def test_group_that_is_not_wanted(user):
    """RFC 7296 section 1.2: INVALID_KE_PAYLOAD names the group, keeps nothing, and the next one is as good as the
    first."""
    offered = [m.Proposal(m.IKE, b"", transforms(GCM))]
    login = Login(user, suite=Suite(group=19), offered=offered)
    answer = login.init()
    assert answer.names == ["N(INVALID_KE_PAYLOAD)"] and answer.notify(m.INVALID_KE_PAYLOAD) == b"\0\x1f"
    assert answer.spi_r == bytes(8) and answer.number == 0
    login = user.login()
    assert carries(user, login)


MANY = tuple(m.Transform(m.ENCR, number, bits) for number in (20, 19, 18, 28) for bits in (128, 192, 256)
             if (number, bits) != (28, 192))
OFFERS = {
    "unknown transforms": (m.Transform(m.ENCR, 1023, 128), *transforms(GCM), m.Transform(m.PRF, 1023), m.Transform(m.GROUP, 1023)),
    "unknown kind, with another choice": None,
    "unknown attribute": (m.Transform(m.ENCR, 20, 128, b"\x80\x7f\0\1"), *transforms(GCM)),
    "long attribute": (m.Transform(m.ENCR, 20, 128, b"\0\x7f\0\2ab"), *transforms(GCM)),
    "many": MANY[:20] + transforms(GCM),
    "reserved octets": tuple(m.Transform(t.kind, t.number, t.bits, b"", 0xff) for t in transforms(GCM)),
    "integrity NONE": (*transforms(GCM), m.Transform(m.INTEG, 0)),
}


@pytest.mark.parametrize("what", OFFERS)
def test_offers(user, what):
    """RFC 7296 section 3.3.6: what is unknown is as if it were not offered."""
    if OFFERS[what] is None:
        offered = [m.Proposal(m.IKE, b"", transforms(GCM) + (m.Transform(77, 1),)), m.Proposal(m.IKE, b"", transforms(GCM))]
    else:
        offered = [m.Proposal(m.IKE, b"", OFFERS[what])]
    if what == "integrity NONE":
        login = Login(user, offered=offered)
        login.send_init()
        (proposal,) = login.answered().proposals()
        assert proposal.of(m.INTEG) in ([], [0])
        return
    login = user.login(offered=offered)
    if OFFERS[what] is None:
        assert login.first.proposals()[0].number == 2
    assert carries(user, login)


def test_the_second_of_two_proposals(user):
    bad = m.Proposal(m.IKE, b"", (m.Transform(m.ENCR, 3), m.Transform(m.PRF, 2), m.Transform(m.INTEG, 2), m.Transform(m.GROUP, 31)))
    login = user.login(offered=[bad, m.Proposal(m.IKE, b"", transforms(CBC))], suite=CBC)
    assert login.first.proposals()[0].number == 2 and carries(user, login)


@pytest.mark.parametrize("offered", (
    m.Proposal(m.IKE, b"", (m.Transform(m.ENCR, 3), m.Transform(m.PRF, 2), m.Transform(m.INTEG, 2), m.Transform(m.GROUP, 31))),
    m.Proposal(m.IKE, b"", transforms(GCM)[:2]),
    m.Proposal(m.IKE, b"", (m.Transform(m.ENCR, 20), *transforms(GCM)[1:])),
    m.Proposal(m.ESP, b"\1\2\3\4", transforms(GCM)),
), ids=("3DES", "no group", "no key length", "ESP"))
def test_offers_that_are_refused(user, offered):
    login = Login(user, offered=[offered])
    answer = login.init()
    assert [name for name in answer.names if name != "VENDOR"] in (["N(NO_PROPOSAL_CHOSEN)"], ["N(INVALID_SYNTAX)"])
    assert answer.spi_r == bytes(8)


def clear(user, login, payloads, **how):
    """IKE_SA_INIT with other payloads, or another header. Returns the octets."""
    first, octets = m.chain(payloads)
    head = {"spi_i": login.spi, "spi_r": bytes(8), "first": first, "exchange": m.IKE_SA_INIT, "flags": m.INITIATOR, "number": 0,
            "length": 28 + len(octets), "version": 0x20} | how
    return m.header(**head) + octets


TOLERATED = {
    "minor version": {"version": 0x2f}, "version flag": {"flags": m.INITIATOR | 0x10},
    "reserved flags": {"flags": m.INITIATOR | 0x47 | 0x80},
}


@pytest.mark.parametrize("what", (*TOLERATED, "unknown payloads", "reserved bits", "critical bit of known ones", "unknown notifies",
                                  "reserved octets of KE", "order"))
def test_what_is_tolerated_in_the_clear(user, what):
    """RFC 7296 sections 2.5, 3.1, 3.2: the whole login works, AUTH over the very octets included."""
    def edit(payloads):
        if what == "unknown payloads":
            return [m.Payload(128, b"?"), *payloads, m.Payload(255, b"")]
        if what == "reserved bits":
            return [m.Payload(p.kind, p.body, 0x7f) for p in payloads]
        if what == "critical bit of known ones":
            return [m.Payload(p.kind, p.body, 0x80) for p in payloads]
        if what == "unknown notifies":
            return [m.N(50000, b"?"), *payloads, m.N(8191), m.N(12345, b"x" * 64)]
        if what == "reserved octets of KE":
            return [m.ke(31, p.body[4:], 0xffff) if p.kind == m.KE else p for p in payloads]
        return payloads[::-1] if what == "order" else payloads
    login = Login(user, edit_init=edit)
    login.request = clear(user, login, login.init_payloads(), **TOLERATED.get(what, {}))
    user.put(login.request, login.here, login.there)
    login.take_init(login.answered())
    login.auth()
    assert carries(user, login)


@pytest.mark.parametrize("inside", (False, True), ids=("clear", "sealed"))
def test_unknown_critical_payload(user, inside):
    """RFC 7296 section 2.5: UNSUPPORTED_CRITICAL_PAYLOAD with its type; an established IKE SA lives on."""
    bad = m.Payload(200, b"?", m.CRITICAL)
    if not inside:
        login = Login(user, edit_init=lambda p: p[:1] + [bad] + p[1:])
        answer = login.init()
    else:
        login = user.login()
        for exchange, body in ((m.INFORMATIONAL, []), (m.CREATE_CHILD_SA, [m.Payload(m.NONCE, bytes(32))])):
            answer = user.ask(login.sa, exchange, [bad] + body)
            assert answer.names == ["N(UNSUPPORTED_CRITICAL_PAYLOAD)"]
        assert user.alive(login.sa) and carries(user, login)
    assert answer.names == ["N(UNSUPPORTED_CRITICAL_PAYLOAD)"] and answer.notify(m.UNSUPPORTED_CRITICAL_PAYLOAD) == b"\xc8"


def test_major_version(user):
    """RFC 7296 section 2.5: INVALID_MAJOR_VERSION, unprotected, with our highest version."""
    login = Login(user)
    user.put(clear(user, login, login.init_payloads(), version=0x30), login.here, login.there)
    answer = user.wait(lambda x: x.spi_i == login.spi, "INVALID_MAJOR_VERSION")
    assert answer.names == ["N(INVALID_MAJOR_VERSION)"] and answer.response


SILENCE = {
    "response flag": {"flags": m.INITIATOR | m.RESPONSE}, "no I flag": {"flags": 0}, "responder's SPI": {"spi_r": b"\1" * 8},
    "no SPI": {"spi_i": bytes(8)}, "Message ID": {"number": 7}, "length more": {"length": 2000}, "length less": {"length": 40},
    "length huge": {"length": 0xffffffff}, "exchange 33": {"exchange": 33}, "exchange 43": {"exchange": 43},
    "exchange 240": {"exchange": 240}, "IKE_AUTH": {"exchange": m.IKE_AUTH}, "version 1": {"version": 0x10},
}


@pytest.mark.parametrize("what", SILENCE)
def test_headers_that_get_no_key_exchange(user, what):
    """P2 to P8: silence, or an error; never an IKE_SA_INIT response with SA."""
    login = Login(user)
    user.put(clear(user, login, login.init_payloads(), **SILENCE[what]), login.here, login.there)
    good = user.login()
    assert carries(user, good)
    assert not [x for x in user.inbox if "SA" in x.names], user.inbox


BODIES = {
    "no nonce": lambda p: [x for x in p if x.kind != m.NONCE], "no KE": lambda p: [x for x in p if x.kind != m.KE],
    "no SA": lambda p: p[1:], "two SA": lambda p: p[:1] + p, "two KE": lambda p: p[:2] + p[1:],
    "two nonces": lambda p: p + [m.Payload(m.NONCE, bytes(32))],
    "short nonce": lambda p: [m.Payload(m.NONCE, bytes(15)) if x.kind == m.NONCE else x for x in p],
    "long nonce": lambda p: [m.Payload(m.NONCE, bytes(257)) if x.kind == m.NONCE else x for x in p],
    "KE of order one": lambda p: [m.ke(31, bytes(32)) if x.kind == m.KE else x for x in p],
    "short KE": lambda p: [m.ke(31, bytes(31)) if x.kind == m.KE else x for x in p],
    "empty SA": lambda p: [m.Payload(m.SA)] + p[1:], "torn SA": lambda p: [m.Payload(m.SA, p[0].body[:-1])] + p[1:],
    "33 proposals": lambda p: [m.sa(*[m.Proposal(m.IKE, b"", transforms(GCM))] * 33)] + p[1:],
    "torn notify": lambda p: p + [m.Payload(m.NOTIFY, b"\0\xff\x40\0")], "empty notify": lambda p: p + [m.Payload(m.NOTIFY)],
}


@pytest.mark.parametrize("what", BODIES)
def test_bodies_that_get_no_key_exchange(gate, user, what):
    login = Login(user, edit_init=BODIES[what])
    login.send_init()
    assert carries(user, user.login())
    answers = [x for x in user.inbox if x.spi_i == login.spi]
    assert not [x for x in answers if "SA" in x.names] and len(answers) <= 1, answers


@pytest.mark.parametrize("octets", (b"", b"\0", b"\xff", bytes(4), bytes(27), b"\xff" * 28, b"\x20" * 100, bytes(65000)),
                         ids=("none", "zero", "keepalive", "marker", "27", "ones", "spaces", "65000"))
def test_datagrams_that_are_nothing(user, octets):
    user.socket((user.home, 500)), user.socket((user.home, FLOAT))
    for port in (500, FLOAT):
        user.raw(octets, (user.home, port), (user.gate, port))
        user.put(octets[:60000], (user.home, port), (user.gate, port))
    assert carries(user, user.login()) and not user.inbox


def test_repeated_init(user):
    """RFC 7296 section 2.1: the same request, the same response octet by octet; the login goes on."""
    login = Login(user)
    login.send_init()
    first = login.answered()
    if first.notify(m.COOKIE) is None:
        login.send_init()
        assert login.answered().raw == first.raw
        login.take_init(first)
    else:
        login.init()
    login.auth()
    assert carries(user, login)


def test_cookies(gate, user):
    """RFC 7296 section 2.6: beyond a few half-open ones of an address COOKIE, which is right for its SPI, nonce and
    address only."""
    for _ in range(8):
        login = Login(user)
        login.send_init()
        answer = login.answered()
        if answer.notify(m.COOKIE) is not None:
            break
    cookie = answer.notify(m.COOKIE)
    assert cookie and 1 <= len(cookie) <= 64
    for wrong in (bytes(len(cookie)), cookie[:-1], cookie + b"\0", bytes(64)):
        login.cookie = [m.N(m.COOKIE, wrong)]
        login.send_init()
        assert login.answered().names == ["N(COOKIE)"]
    other = Login(user)
    other.cookie = [m.N(m.COOKIE, cookie)]
    other.send_init()
    assert other.answered().names == ["N(COOKIE)"]
    login.cookie = [m.N(m.COOKIE, cookie)]
    login.send_init()
    login.take_init(login.answered())
    login.auth()
    assert carries(user, login)


# ---- IKE_AUTH

def test_auth_that_fails(gate, user):
    user.psk = b"wrong"
    login = user.login()
    assert login.answer.names == ["N(AUTHENTICATION_FAILED)"]
    user.send(login.sa, m.INFORMATIONAL, [])
    user.psk, user.me = Login(user) and b"the lab's secret", "stranger@lab.example"
    assert user.login().answer.names == ["N(AUTHENTICATION_FAILED)"], "the same for an identity that nobody knows"
    assert not gate.established()


AUTHS = {
    "no IDr": (lambda p: [x for x in p if x.kind != m.IDR], None), "no INITIAL_CONTACT": (lambda p: p[:1] + p[2:], None),
    "IDr empty of kind": (lambda p: [m.Payload(m.IDR, bytes([2, 0xff, 0xff, 0xff]) + x.body[4:]) if x.kind == m.IDR else x for x in p],
                          None),
    "unknown payloads": (lambda p: [m.Payload(222)] + p + [m.Payload(130, bytes(100))], None),
    "unknown notifies": (lambda p: [m.N(50001)] + p + [m.N(9000, b"?")], None), "order": (lambda p: p[::-1], None),
    "CERTREQ": (lambda p: p[:1] + [m.Payload(m.CERTREQ, b"\4" + bytes(20))] + p[1:], None),
    "reserved octets": (lambda p: [m.Payload(x.kind, x.body[:1] + b"\xff\xff\xff" + x.body[4:], 0x7f)
                                   if x.kind in (m.AUTH, m.TSI, m.TSR, m.CP) else x for x in p], None),
    "other IDr": (lambda p: [m.identity(m.IDR, "other.example") if x.kind == m.IDR else x for x in p], m.AUTHENTICATION_FAILED),
    "AUTH method": (lambda p: [m.Payload(m.AUTH, b"\1" + x.body[1:]) if x.kind == m.AUTH else x for x in p], m.AUTHENTICATION_FAILED),
    "AUTH empty": (lambda p: [m.Payload(m.AUTH, b"\2\0\0\0") if x.kind == m.AUTH else x for x in p], m.AUTHENTICATION_FAILED),
    "no AUTH": (lambda p: [x for x in p if x.kind != m.AUTH], "any"), "no IDi": (lambda p: p[1:], m.INVALID_SYNTAX),
    "two IDi": (lambda p: p[:1] + p, m.INVALID_SYNTAX), "two AUTH": (lambda p: p + [x for x in p if x.kind == m.AUTH], m.INVALID_SYNTAX),
    "no TSr": (lambda p: [x for x in p if x.kind != m.TSR], m.INVALID_SYNTAX),
    "critical": (lambda p: p + [m.Payload(201, b"", 0x80)], m.UNSUPPORTED_CRITICAL_PAYLOAD),
}


@pytest.mark.parametrize("what", AUTHS)
def test_auth_payloads(gate, user, what):
    edit, error = AUTHS[what]
    login = user.login(edit_auth=edit)
    if error is None:
        assert user.alive(login.sa) and carries(user, login)
    else:
        assert error == "any" and login.answer.error or login.answer.error == error, str(login.answer)
        assert not gate.established() and "AUTH" not in login.answer.names, str(login.answer)


def ident_reserved(user, login):
    """IDi with reserved octets, which AUTH covers (RFC 7296 section 2.15)."""
    body = m.identity(m.IDI, user.me).body
    body = body[:1] + b"\1\2\3" + body[4:]
    data = user.auth_data(login.sa, True, login.request, login.first.one(m.NONCE), body)
    return m.Payload(m.IDI, body), m.Payload(m.AUTH, bytes([2, 0, 0, 0]) + data)


def test_reserved_octets_of_the_identity(user):
    login = Login(user)
    login.init()
    login.edit_auth = lambda p: [dict(zip((m.IDI, m.AUTH), ident_reserved(user, login))).get(x.kind, x) for x in p]
    login.auth()
    assert carries(user, login)


@pytest.mark.parametrize("why,options,error", (
    ("TS", {"selectors": ([m.net("0.0.0.0/0")], [m.net("172.16.0.0/12")])}, m.TS_UNACCEPTABLE),
    ("proposal", {"child_suite": Suite(20, 256, 0, 0, 0)}, m.NO_PROPOSAL_CHOSEN)))
def test_login_without_its_child(user, why, options, error):
    """RFC 7296 section 2.21.2: the IKE SA is there, and a Child SA can be created on it."""
    login = user.login(**options)
    assert login.answer.all(m.AUTH) and login.answer.error == error, why
    answer, child = user.create_child(login.sa, ALL)
    assert child, str(answer)


def test_childless(user):
    """RFC 6023."""
    login = user.login(child=False)
    assert login.first.notify(m.CHILDLESS_SUPPORTED) is not None and login.answer.error is None
    assert "SA" not in login.answer.names
    _, child = user.create_child(login.sa, ALL)
    assert carries(user, login, child)


@pytest.mark.parametrize("exchange", (m.CREATE_CHILD_SA, m.INFORMATIONAL))
def test_nothing_before_authentication(gate, user, exchange):
    """S2: keys are there, the login is not; no answer, no effect, and the login goes on."""
    login = Login(user)
    login.init()
    sa = login.sa
    user.post(sa, sa.seal(exchange, [m.D(m.IKE)], 1))
    login.auth()
    assert carries(user, login)


@pytest.mark.parametrize("size", (60, 120, 500))
@pytest.mark.parametrize("suite", (GCM, CBC), ids=("gcm", "cbc"))
def test_fragments(user, suite, size):
    login = user.login(suite=suite, fragment=size)
    assert carries(user, login)
    pieces = login.sa.seal_fragments(m.INFORMATIONAL, [m.N(50000, bytes(3 * size))], login.sa.sent, size=size)
    login.sa.sent += 1
    user.post(login.sa, [pieces[-1], pieces[0], pieces[0], *pieces[::-1]])
    assert not user.response(login.sa).payloads and user.alive(login.sa)


def test_fragments_that_are_wrong(user):
    """RFC 7383 section 2.6; P35: numbers that lie, and damage; then the right ones are as good as ever."""
    login = user.login()
    sa, body = login.sa, [m.N(50000, bytes(300))]
    def piece(number, total, octets, **how):
        return sa.seal(m.INFORMATIONAL, body, sa.sent, fragment=(number, total, octets), **how)
    wrong = [piece(0, 2, b"x"), piece(3, 2, b"x"), piece(1, 0, b"x"), piece(1, 65535, b"x"),
             piece(1, 4, b"x" * 50, damage=lambda h, b: h + b[:-1] + bytes([b[-1] ^ 1]))]
    user.post(sa, wrong)
    user.post(sa, sa.seal_fragments(m.INFORMATIONAL, body, sa.sent))
    sa.sent += 1
    assert not user.response(sa).payloads and user.alive(sa) and carries(user, login)


# ---- exchanges of an established IKE SA

def test_message_ids(user):
    """S4 to S6: repeats get the same octets, what is old or too new gets nothing."""
    login = user.login()
    sa = login.sa
    octets = user.send(sa, m.INFORMATIONAL, [])
    first = user.response(sa).raw
    for _ in range(3):
        user.post(sa, octets)
        assert user.response(sa).raw == first
    user.post(sa, [sa.seal(m.INFORMATIONAL, [m.D(m.IKE)], number) for number in (0, 1, sa.sent + 1, sa.sent + 9, 0xffffffff)])
    assert user.alive(sa) and carries(user, login)


def test_login_again(user):
    """S3: IKE_AUTH once more, with other contents, is the old response or the end; never a second login."""
    login = user.login()
    sa, first = login.sa, login.answer.raw
    user.post(sa, sa.seal(m.IKE_AUTH, [m.identity(m.IDI, "root@lab.example"), m.Payload(m.AUTH, bytes([2, 0, 0, 0]) + bytes(32))], 1))
    assert user.response(sa, 1).raw == first
    assert user.alive(sa)
    user.send(sa, m.IKE_AUTH, login.auth_payloads())
    assert user.response(sa).names == ["N(INVALID_SYNTAX)"]
    assert carries(user, user.login())


def test_responses_that_nobody_waits_for(gate, user):
    """S7, S8: without a request, of another exchange or number, or the second one; and the right one may come from
    elsewhere."""
    login = user.login()
    sa, other = login.sa, (user.home, 40778)

    def responses(*numbers, exchange=m.INFORMATIONAL, body=(m.D(m.IKE),)):
        user.post(sa, [sa.seal(exchange, body, number, True) for number in numbers])
    responses(0, 1, 2, sa.sent, 0xffffffff)
    assert user.alive(sa)
    with gate.begin("rekey", child="net"):
        request = user.request(sa, m.CREATE_CHILD_SA)
        responses(request.number)
        responses(request.number + 1, 0xffffffff, exchange=m.CREATE_CHILD_SA, body=[m.N(m.NO_PROPOSAL_CHOSEN)])
        user.socket(other)
        request.here = other
        new = user.answer_child(request)
        responses(request.number, exchange=m.CREATE_CHILD_SA, body=[m.N(m.CHILD_SA_NOT_FOUND)])
        assert user.request(sa, m.INFORMATIONAL).one(m.DELETE)[4:] == login.child.spi_out
    assert user.alive(sa) and carries(user, login, new)
    assert {sa["remote-port"] for sa in gate.established()} == {str(FLOAT)}


BAD = {
    "ICV": {"damage": lambda h, b: h + b[:-1] + bytes([b[-1] ^ 1])}, "text": {"damage": lambda h, b: h + b[:9] + bytes([b[9] ^ 1]) + b[10:]},
    "IV": {"damage": lambda h, b: h + bytes([b[0] ^ 1]) + b[1:]}, "cut": {"damage": lambda h, b: h + b[:-1]},
    "header": {"damage": lambda h, b: h[:16] + bytes([h[16], h[17], h[18] ^ 1]) + h[19:] + b}, "more": {"damage": lambda h, b: h + b + b"\0"},
    "own SPI": {"spis": (b"\1" * 8, b"\2" * 8)}, "I flag": {"flags": 0}, "response": {"flags": m.INITIATOR | m.RESPONSE},
    "no text": {"damage": lambda h, b: h}, "SK length": {"damage": lambda h, b: h[:30] + b"\0\4" + h[32:] + b},
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("suite", (GCM, CBC), ids=("gcm", "cbc"))
def test_seals_that_are_broken(user, suite, what):
    """C1, P34: no answer under the keys, no effect; the true request has the same number."""
    login = user.login(suite=suite)
    sa = login.sa
    user.post(sa, sa.seal(m.INFORMATIONAL, [m.D(m.IKE)], sa.sent, **BAD[what]))
    assert user.alive(sa) and carries(user, login)
    assert not [x for x in user.inbox if x.protected]


def test_reflected(user):
    """C3: its own response, with the flags as they are or turned, is nothing."""
    login = user.login()
    answer = user.ask(login.sa, m.INFORMATIONAL)
    for flags in (answer.raw[19], answer.raw[19] ^ 0x08, answer.raw[19] ^ 0x20, answer.raw[19] ^ 0x28):
        user.post(login.sa, answer.raw[:19] + bytes([flags]) + answer.raw[20:])
    assert user.alive(login.sa)


def test_wrong_spi(user):
    """RFC 7296 section 2.21.4: INVALID_IKE_SPI without protection, or silence."""
    login = user.login()
    spis = (b"\x77" * 8, b"\x78" * 8)
    user.post(login.sa, login.sa.seal(m.INFORMATIONAL, [], 0, spis=spis))
    assert user.alive(login.sa)
    answers = [x for x in user.inbox if x.spi_i == spis[0]]
    assert [x.names for x in answers] in ([], [["N(INVALID_IKE_SPI)"]]) and all(x.response and x.spis == spis for x in answers
                                                                              if hasattr(x, "spis"))


@pytest.mark.parametrize("body", (
    b"", b"\0", b"\0\0\0", struct.pack(">BBH", 0, 0, 3), struct.pack(">BBH", 0, 0, 400) + b"x", struct.pack(">BBH", 77, 0, 4)),
    ids=("header", "length", "cut", "short", "long", "chain"))
def test_chains_that_are_broken(gate, user, body):
    """RFC 7296 section 2.21.3: INVALID_SYNTAX to who has authenticated the octets; that IKE SA is over, the next
    login is not."""
    login = user.login()
    sa = login.sa

    def damaged(octets):
        return sa.seal(m.INFORMATIONAL, [m.N(50000)], sa.sent, text=octets)
    user.post(sa, damaged(body))
    sa.sent += 1
    answer = user.response(sa)
    assert answer.names == ["N(INVALID_SYNTAX)"]
    assert carries(user, user.login())


def test_unknown_exchange(user):
    """RFC 7296 section 2.5 and 3.1: an exchange type nobody agreed on changes nothing."""
    login = user.login()
    for exchange in (33, 38, 43, 44, 240):
        user.post(login.sa, login.sa.seal(exchange, [m.D(m.IKE)], login.sa.sent))
        answered = False
        try:
            answered = user.response(login.sa, login.sa.sent, timeout=0.05)
        except Exception:  # pylint: disable=broad-except
            pass
        if answered:
            assert answered.names == ["N(INVALID_SYNTAX)"]
            return
    assert user.alive(login.sa) and carries(user, login)


IGNORED = {
    "nothing": [], "unknown status": [m.N(50000, bytes(40))], "unknown error": [m.N(8192), m.N(16383, b"x")],
    "unknown payload": [m.Payload(150, bytes(10))], "Vendor ID": [m.Payload(m.VENDOR, b"x")], "SET_WINDOW_SIZE": [m.N(16385, bytes(4))],
    "INITIAL_CONTACT": [m.N(m.INITIAL_CONTACT)], "errors": [m.N(m.TEMPORARY_FAILURE), m.N(m.NO_PROPOSAL_CHOSEN)],
    "Delete of nothing": [m.D(m.ESP, [b"\1\2\3\4"])], "Delete of AH": [m.D(m.AH, [b"\1\2\3\4"])], "Delete without SPI": [m.D(m.ESP, [])],
    "COOKIE2": None, "CFG_REQUEST": None,
}


@pytest.mark.parametrize("what", IGNORED)
def test_informational(user, what):
    login = user.login()
    if what == "COOKIE2":
        assert user.ask(login.sa, m.INFORMATIONAL, [m.N(m.COOKIE2, b"12345678")]).notify(m.COOKIE2) == b"12345678"
    elif what == "CFG_REQUEST":
        answer = user.ask(login.sa, m.INFORMATIONAL, [m.cp(m.CFG_REQUEST, (m.APPLICATION_VERSION, b""))])
        assert answer.error is None
    else:
        assert user.ask(login.sa, m.INFORMATIONAL, IGNORED[what]).payloads == []
    assert user.alive(login.sa) and carries(user, login)


def test_deletes(gate, user):
    """RFC 7296 section 1.4.1: the paired SPI comes back once; the IKE SA with an empty response."""
    login = user.login()
    _, child = user.create_child(login.sa, ALL)
    answer = user.ask(login.sa, m.INFORMATIONAL, [m.D(m.ESP, [child.spi_in, child.spi_in, b"\7\7\7\7"])])
    assert answer.names == ["DELETE"] and answer.one(m.DELETE) == b"\3\4\0\1" + child.spi_out
    assert user.ask(login.sa, m.INFORMATIONAL, [m.D(m.ESP, [child.spi_in])]).payloads == [], "it is gone"
    assert carries(user, login)
    user.delete(login.sa)
    wait(lambda: not gate.established(), "nothing is left")


DELETES = {
    "Child SA, then IKE SA": (lambda c: [m.D(m.ESP, [c.spi_in]), m.D(m.IKE)], True),
    "IKE SA, then Child SA": (lambda c: [m.D(m.IKE), m.D(m.ESP, [c.spi_in])], True),
    "IKE SA twice": (lambda c: [m.D(m.IKE), m.D(m.IKE)], True),
    "IKE SA, and more that would need it": (lambda c: [m.D(m.IKE), m.N(m.UPDATE_SA_ADDRESSES), m.N(m.COOKIE2, bytes(8)),
                                                       m.N(m.ADDITIONAL_IP4_ADDRESS, b"\x0a\1\1\1"), m.N(m.AUTH_LIFETIME, bytes(4))], True),
    "Child SA twice": (lambda c: [m.D(m.ESP, [c.spi_in]), m.D(m.ESP, [c.spi_in])], False),
    "its other SPI": (lambda c: [m.D(m.ESP, [c.spi_out])], None),
}


@pytest.mark.parametrize("what", DELETES)
def test_deletes_together(gate, user, what):
    """S18: several Deletes, and payloads behind one, in a message: each is done once, and nothing after the end of
    the IKE SA."""
    make, over = DELETES[what]
    login = user.login()
    answer = user.ask(login.sa, m.INFORMATIONAL, make(login.child))
    assert answer.error is None
    if over:
        assert not answer.all(m.DELETE)
        wait(lambda: not gate.established() and not gate.children(), "nothing is left")
    elif over is None:
        assert not answer.payloads and carries(user, login)
    else:
        assert answer.one(m.DELETE) == b"\3\4\0\1" + login.child.spi_out and not gate.children()
    assert carries(user, user.login())


def test_rekeyed_twice(gate, user):
    """S23: a second rekey of a Child SA before the first one is over, and one of what came of it."""
    login = user.login()
    again = [m.N(m.REKEY_SA, b"", m.ESP, login.child.spi_in)]
    _, new = user.create_child(login.sa, ALL, before=again)
    for _ in range(3):
        assert user.create_child(login.sa, ALL, before=again)[0].names == ["N(TEMPORARY_FAILURE)"]
    _, third = user.create_child(login.sa, ALL, before=[m.N(m.REKEY_SA, b"", m.ESP, new.spi_in)])
    assert third and all(carries(user, login, child) for child in (login.child, new, third))
    assert user.ask(login.sa, m.INFORMATIONAL, [m.D(m.ESP, [login.child.spi_in, new.spi_in])]).names == ["DELETE"]
    assert carries(user, login, third)
    wait(lambda: len(gate.children()) == 1, "one is left")


@pytest.mark.parametrize("theirs", ("10.0.0.0/8", "10.20.0.0/25", "172.16.0.0/12"))
def test_rekey_with_other_selectors(user, theirs):
    """S24: never more than the policy or what was asked for, whatever was in use."""
    login = user.login()
    answer, new = user.create_child(login.sa, ([m.net("0.0.0.0/0")], [m.net(theirs)]),
                                    before=[m.N(m.REKEY_SA, b"", m.ESP, login.child.spi_in)])
    block = ipaddress.ip_network(theirs)
    if not block.overlaps(ipaddress.ip_network("10.20.0.0/24")):
        assert answer.names == ["N(TS_UNACCEPTABLE)"] and carries(user, login)
        return
    (selector,) = new.there
    inside = ipaddress.ip_network("10.20.0.0/24") if block.prefixlen < 24 else block
    assert (selector.first, selector.last) == (str(inside[0]), str(inside[-1]))
    assert new.here == [m.Selector(login.inner, login.inner)] and carries(user, login, new)


SELECTORS = {
    "all": ([m.net("0.0.0.0/0")], [m.net("0.0.0.0/0")], None),
    "lists": ([m.net("172.16.0.0/16"), m.net("0.0.0.0/0")], [m.net("192.168.0.0/16"), m.net("10.20.0.0/16")], None),
    "both families": ([m.net("0.0.0.0/0"), m.net("::/0")], [m.net("10.20.0.0/24"), m.net("fd20::/64")], None),
    "narrower": ([m.net("0.0.0.0/0")], [m.net("10.20.0.2/32")], m.net("10.20.0.2/32")),
    "ICMP": ([m.net("0.0.0.0/0", 1)], [m.net("10.20.0.0/24", 1)], m.net("10.20.0.0/24", 1)),
    "ports": ([m.net("0.0.0.0/0", 6)], [m.net("10.20.0.0/24", 6, (80, 443))], m.net("10.20.0.0/24", 6, (80, 443))),
    "16 of them": ([m.net("0.0.0.0/0")], [m.net(f"10.20.0.{i}/32") for i in range(16)], None),
}


@pytest.mark.parametrize("what", SELECTORS)
def test_selectors(user, what):
    """RFC 7296 section 2.9: never more than asked, never more than the policy."""
    login = user.login()
    ours, theirs, wanted = SELECTORS[what]
    answer, child = user.create_child(login.sa, (ours, theirs))
    assert child, str(answer)
    inner = ipaddress.ip_address(login.inner)
    for selector in child.here:
        if selector.first == login.inner:
            assert selector.last == login.inner
        assert ipaddress.ip_address(selector.first) == inner
    if wanted:
        assert child.there == [wanted]
    for selector in child.there:
        assert ipaddress.ip_address(selector.first) in ipaddress.ip_network("10.20.0.0/24" if ":" not in selector.first else "fd20::/64")
    if what not in ("ports",):
        assert carries(user, login, child)


@pytest.mark.parametrize("ours,theirs", (
    ([m.net("10.30.0.77/32")], [m.net("10.20.0.0/24")]), ([m.net("0.0.0.0/0")], [m.net("172.16.0.0/12")]),
    ([m.net("::/0")], [m.net("10.20.0.0/24")]), ([m.net("10.20.0.2/32")], [m.net("10.20.0.0/24")])),
    ids=("somebody's", "elsewhere", "families", "host's"))
def test_selectors_that_are_refused(user, ours, theirs):
    """T1, T3: another inner address than its own, or nothing in common."""
    login = user.login()
    assert user.create_child(login.sa, (ours, theirs))[0].names == ["N(TS_UNACCEPTABLE)"]
    assert carries(user, login)


def test_many_selectors(user):
    """P31: more than are taken; an answer, and an IKE SA that lives, or an IKE SA that is over and a Gateway that
    lives."""
    login = user.login()
    answer, _ = user.create_child(login.sa, ([m.net("0.0.0.0/0")], [m.net(f"10.20.0.{i}/32") for i in range(40)]))
    assert answer.error in (None, m.TS_UNACCEPTABLE, m.INVALID_SYNTAX)
    assert carries(user, user.login())


CHILD = {
    "proposal": (lambda p: [m.sa(m.Proposal(m.ESP, b"\xc1\2\3\4", (m.Transform(m.ENCR, 3), m.Transform(m.ESN, 0)))) if x.kind == m.SA
                            else x for x in p], m.NO_PROPOSAL_CHOSEN),
    "AH": (lambda p: [m.sa(m.Proposal(m.AH, b"\xc1\2\3\4", (m.Transform(m.INTEG, 12), m.Transform(m.ESN, 0)))) if x.kind == m.SA
                      else x for x in p], m.NO_PROPOSAL_CHOSEN),
    "no nonce": (lambda p: [x for x in p if x.kind != m.NONCE], m.INVALID_SYNTAX),
    "no SA": (lambda p: [x for x in p if x.kind != m.SA], m.INVALID_SYNTAX),
    "transport mode": (lambda p: p + [m.N(m.USE_TRANSPORT_MODE)], None),
    "status notifies": (lambda p: p + [m.N(16387, bytes(3)), m.N(16394), m.N(16395), m.N(50000)], None),
    "unknown payload": (lambda p: [m.Payload(99)] + p, None),
    "order": (lambda p: p[::-1], None),
}


@pytest.mark.parametrize("what", CHILD)
def test_child_requests(user, what):
    edit, error = CHILD[what]
    login = user.login()
    answer, child = user.create_child(login.sa, ALL, edit=edit)
    if error is None:
        assert child and not answer.all(m.NOTIFY) and carries(user, login, child), str(answer)
        return
    assert answer.names == [f"N({m.NOTIFIES[error]})"]
    if error != m.INVALID_SYNTAX:
        assert carries(user, login)


@pytest.mark.parametrize("group", (14, 19, 31))
def test_child_with_a_group(user, group):
    login = user.login()
    answer, child = user.create_child(login.sa, ALL, group=group)
    assert child and carries(user, login, child), str(answer)
    answer, again = user.create_child(login.sa, ALL, before=[m.N(m.REKEY_SA, b"", m.ESP, child.spi_in)], group=group)
    assert again and carries(user, login, again), str(answer)


def test_rekeyed_child(user):
    """RFC 7296 section 1.3.3; S23: CHILD_SA_NOT_FOUND for what is not there, with its SPI; a Delete of the old one
    ends it."""
    login = user.login()
    for spi in (b"\1\2\3\4", login.child.spi_out):
        answer, _ = user.create_child(login.sa, ALL, before=[m.N(m.REKEY_SA, b"", m.ESP, spi)])
        assert answer.names == ["N(CHILD_SA_NOT_FOUND)"] and answer.all(m.NOTIFY)[0].body[4:] == spi
    _, new = user.create_child(login.sa, ALL, before=[m.N(m.REKEY_SA, b"", m.ESP, login.child.spi_in)])
    assert carries(user, login, new) and carries(user, login)
    assert user.ask(login.sa, m.INFORMATIONAL, [m.D(m.ESP, [login.child.spi_in])]).names == ["DELETE"]
    assert carries(user, login, new)
    assert user.create_child(login.sa, ALL, before=[m.N(m.REKEY_SA, b"", m.ESP, login.child.spi_in)])[0].error == m.CHILD_SA_NOT_FOUND


@pytest.mark.parametrize("group", (14, 19, 31))
def test_rekeyed_ike_sa(user, group):
    """RFC 7296 section 1.3.2: numbers begin anew, the Child SA goes along, and a second rekey works like the first."""
    login = user.login()
    for _ in range(2):
        old = login.sa
        answer, login.sa = user.rekey_ike(old, group=group)
        assert login.sa, str(answer)
        login.child.ike = login.sa
        old.children, login.sa.children = [], [login.child]
        user.delete(old)
        assert user.alive(login.sa) and carries(user, login)


# ---- extensions that were not agreed on

WINDOWS = (bytes(4), b"\0\0\0\1", b"\0\0\0\x10", b"\x80\0\0\0", b"\xff\xff\xff\xff", b"", b"\0\0\1", bytes(5))


@pytest.mark.parametrize("size", WINDOWS, ids=lambda size: size.hex() or "empty")
def test_window_size(user, size):
    """S27: whatever the peer promises to keep, the Gateway sends and takes one request at a time, in their order,
    each once."""
    window = m.N(m.SET_WINDOW_SIZE, size)
    login = user.login(edit_auth=lambda p: p + [window])
    assert "N(SET_WINDOW_SIZE)" not in login.answer.names
    sa = login.sa
    assert not user.ask(sa, m.INFORMATIONAL, [window]).payloads
    # the second one first: it is dropped, does nothing, and is as good as ever in its turn
    second = sa.seal(m.INFORMATIONAL, [m.D(m.ESP, [login.child.spi_in])], sa.sent + 1)
    user.post(sa, [second, second])
    assert user.alive(sa) and carries(user, login)
    user.post(sa, second)
    sa.sent += 1
    assert user.response(sa).names == ["DELETE"]
    user.post(sa, second)
    assert user.response(sa).names == ["DELETE"], "of the same octets"
    assert user.alive(sa)


def test_window_size_of_two_requests(gate, user):
    """S27: although sixteen may be outstanding, the Gateway waits for the answer."""
    login = user.login(edit_auth=lambda p: p + [m.N(m.SET_WINDOW_SIZE, b"\0\0\0\x10")])
    with gate.begin("rekey", child="net"), gate.begin("rekey", ike="gate"):
        request = user.request(login.sa, m.CREATE_CHILD_SA)
        assert user.alive(login.sa) and not [x for x in user.inbox if not x.response]
        user.answer(request, [m.N(m.TEMPORARY_FAILURE)])


def test_redirect_is_not_spoken(user):
    """S28 (RFC 5685): who says that it can be redirected is not, and where it was redirected from changes nothing."""
    gone = b"\1\4" + ipaddress.ip_address("203.0.113.5").packed
    login = user.login(edit_init=lambda p: p + [m.N(m.REDIRECT_SUPPORTED), m.N(m.REDIRECTED_FROM, gone[:2] + gone[2:])])
    for answer in (login.first, login.answer):
        assert not [x for x in answer.names if "REDIRECT" in x]
    for data in (gone, b"", b"\1", b"\1\xff" + gone[2:], b"\3\4host", gone + bytes(300)):
        assert not user.ask(login.sa, m.INFORMATIONAL, [m.N(m.REDIRECT, data), m.N(m.REDIRECTED_FROM, data)]).payloads
    assert user.alive(login.sa) and carries(user, login)


def test_message_id_sync(user):
    """S32 (RFC 6311): not agreed on, so neither answered nor obeyed; least of all with the Message ID 0 that it has."""
    login = user.login(edit_auth=lambda p: p + [m.N(m.MESSAGE_ID_SYNC_SUPPORTED), m.N(m.REPLAY_COUNTER_SYNC_SUPPORTED)])
    assert not [x for x in login.answer.names if "SYNC" in x]
    sa, sync = login.sa, m.N(m.MESSAGE_ID_SYNC, os.urandom(4) + struct.pack(">II", 1000, 2000))
    user.post(sa, sa.seal(m.INFORMATIONAL, [sync], 0))
    assert user.alive(sa) and not [x for x in user.inbox if x.sa is sa], "it is old"
    for body in ([sync], [m.N(m.MESSAGE_ID_SYNC)], [m.N(m.REPLAY_COUNTER_SYNC, b"\xff\xff\xff\xff")], [sync, sync]):
        assert not user.ask(sa, m.INFORMATIONAL, body).payloads
    user.post(sa, sa.seal(m.INFORMATIONAL, [m.D(m.IKE)], 1000))
    assert user.alive(sa) and carries(user, login)


# ---- a NAT in front of the peer

BEHIND = ("10.99.0.5", 500)


def remote_port(gate):
    """Where the Gateway sends to on its only IKE SA."""
    (sa,) = gate.established()
    return int(sa["remote-port"])


@pytest.mark.parametrize("mobike", (False, True))
def test_nat(gate, user, mobike):
    """RFC 7296 section 2.23, RFC 4555 section 3.8: ESP in UDP to the port that the NAT gave; another port is
    followed, without
    MOBIKE, from the next authentic message on, and with it when the peer says so; a repetition moves nothing."""
    here, other = (user.home, 40500), (user.home, 40777)
    login = user.login(mobike=mobike, vendor=False, here=here, behind=BEHIND)
    sa = login.sa
    assert sa.here == here and carries(user, login) and user.came == [here, (user.gate, FLOAT)]
    octets = user.send(sa, m.INFORMATIONAL, [])
    first = user.response(sa)
    user.socket(other)
    user.put(octets, other, sa.there)
    assert user.response(sa).raw == first.raw and remote_port(gate) == 40500, "the response goes back, and nothing else"
    sa.here = other
    assert user.alive(sa)
    assert remote_port(gate) == (40500 if mobike else 40777)
    if mobike:
        answer = user.move(sa, other, detect=False, extra=user.nat_detection(sa, BEHIND))
        assert answer.error is None
        user.check_nat_detection(answer, sa.spis)
    assert remote_port(gate) == 40777
    assert carries(user, login) and user.came == [other, (user.gate, FLOAT)]
    with gate.begin("terminate", ike="gate"):
        request = user.request(sa, m.INFORMATIONAL)
        assert request.here == other and request.names == ["DELETE"]


def test_no_nat(gate, user):
    """Without one the Gateway believes no other port."""
    login = user.login(mobike=False, vendor=False)
    assert carries(user, login)
    other = (user.home, 40777)
    user.socket(other)
    login.sa.here = other
    assert user.alive(login.sa) and remote_port(gate) == FLOAT


def test_nat_seen_by_esp(gate, user):
    """Section 2.23: the newest packet of a Child SA shows the new port too; one that is a replay or damaged does
    not."""
    here, other = (user.home, 40500), (user.home, 40777)
    login = user.login(mobike=False, vendor=False, here=here, behind=BEHIND)
    child, end = login.child, (user.gate, FLOAT)
    user.socket(other)
    old = child.seal(echo(login.inner, HOST, 9))
    user.raw(old, here, end)
    assert user.echo(9) is child
    for octets in (old, child.seal(echo(login.inner, HOST, 9), damage=lambda h, b: h + b[:-1] + bytes([b[-1] ^ 1]))):
        user.raw(octets, other, end)
    assert carries(user, login) and remote_port(gate) == 40500
    login.sa.here = other
    assert user.ping(child, login.inner, HOST, here=other) is not None
    wait(lambda: remote_port(gate) == 40777, "the Gateway follows")


# ---- inner IPv6

@pytest.mark.parametrize("families", ((6,), (4, 6), (6, 4)), ids=str)
def test_inner_ipv6(user, families):
    nets = {4: m.net("0.0.0.0/0"), 6: m.net("::/0")}
    both = ([nets[x] for x in families], [nets[x] for x in families])
    login = user.login(families=families, selectors=both)
    assert (login.inner is not None) == (4 in families) and login.inner6
    inner = {4: login.inner, 6: login.inner6}
    assert login.child.here == [m.Selector(inner[x], inner[x]) for x in families]
    assert login.child.there == [m.net({4: "10.20.0.0/24", 6: "fd20::/64"}[x]) for x in families]
    assert user.ping(login.child, login.inner6, HOST6) is login.child
    if 4 in families:
        assert carries(user, login)
    _, new = user.clone(login.sa)
    _, second = user.create_child(new, both)
    assert user.ping(second, login.inner6, HOST6) is not None
    for source, target, following in (("fd30::beef", HOST6, 41), (login.inner6, HOST6, 4), ("fe80::1", HOST6, 41), ("::1", HOST6, 41)):
        user.raw(second.seal(echo(source, target, 77), following=following), new.here, (user.gate, FLOAT))
    assert user.ping(second, login.inner6, HOST6) is not None and user.echo(77, timeout=0.05) is None


# ---- requests of the Gateway, and what crosses

def rekeys(gate, what):
    """Makes the Gateway rekey an IKE SA or a Child SA, without waiting."""
    return gate.begin("rekey", **{what: "gate" if what == "ike" else "net"})


def test_the_gateway_rekeys_an_ike_sa(gate, user):
    login = user.login()
    with rekeys(gate, "ike"):
        request = user.request(login.sa, m.CREATE_CHILD_SA)
        assert request.names == ["SA", "NONCE", "KE"]
        new = user.answer_rekey_ike(request)
        delete = user.request(login.sa, m.INFORMATIONAL)
        assert delete.names == ["DELETE"]
        login.child.ike, login.sa.children, new.children = new, [], [login.child]
        assert user.alive(new) and carries(user, login)
        assert len(gate.established()) == 1


def test_the_gateway_rekeys_a_child(gate, user):
    login = user.login()
    with rekeys(gate, "child"):
        request = user.request(login.sa, m.CREATE_CHILD_SA)
        assert set(request.names) == {"N(REKEY_SA)", "SA", "NONCE", "TSI", "TSR"}
        assert request.all(m.NOTIFY)[0].body[4:8] == login.child.spi_out
        new = user.answer_child(request)
        delete = user.request(login.sa, m.INFORMATIONAL)
        assert delete.one(m.DELETE)[4:] == login.child.spi_out
        assert carries(user, login, new) and user.alive(login.sa)


@pytest.mark.parametrize("error", (m.TEMPORARY_FAILURE, m.NO_ADDITIONAL_SAS, m.NO_PROPOSAL_CHOSEN, m.CHILD_SA_NOT_FOUND, 8191))
@pytest.mark.parametrize("what", ("ike", "child"))
def test_rekeys_that_are_refused(gate, user, what, error):
    """RFC 7296 sections 2.25, 2.8: the old one goes on; a Child SA that is not there is given up."""
    login = user.login()
    with rekeys(gate, what):
        request = user.request(login.sa, m.CREATE_CHILD_SA)
        spi = request.all(m.NOTIFY)[0].body[4:8] if error == m.CHILD_SA_NOT_FOUND and what == "child" else b""
        user.answer(request, [m.N(error, b"", 3 if spi else 0, spi)])
        assert user.alive(login.sa)
        if not spi:
            assert carries(user, login)


@pytest.mark.parametrize("low", ("ours", "theirs"))
def test_both_rekey_the_ike_sa(gate, user, low):
    """RFC 7296 section 2.8.2: of two new IKE SAs the one with the lowest nonce goes, by who made it; the Child SA is
    on the other."""
    login = user.login()
    with rekeys(gate, "ike"):
        request = user.request(login.sa, m.CREATE_CHILD_SA)
        fill = {"ours": b"\0", "theirs": b"\xff"}[low]
        offered, _, exchange, spi = user.ike_group(31)
        sa, nonce = login.sa, fill * 32
        user.send(sa, m.CREATE_CHILD_SA, [m.sa(*offered), m.Payload(m.NONCE, nonce), m.ke(31, exchange.public)])
        answer = user.response(sa)
        assert answer.error is None
        mine = user.ike_of(sa, answer, offered, (spi, nonce, exchange))
        theirs = user.answer_rekey_ike(request, nonce=b"\xff" * 32)
        if nonce < answer.one(m.NONCE) or answer.one(m.NONCE) < request.one(m.NONCE):
            user.delete(mine)
            keep = theirs
            assert user.request(sa, m.INFORMATIONAL).names == ["DELETE"], "who won deletes the old one"
        else:
            assert user.request(theirs, m.INFORMATIONAL).names == ["DELETE"], "the lowest nonce is in theirs"
            keep = mine
            user.delete(sa)
        login.child.ike = keep
        sa.children, keep.children = [], [login.child]
        assert user.alive(keep) and carries(user, login)
        wait(lambda: len(gate.established()) == 1, "one IKE SA is left")


def test_delete_crosses_a_rekey(gate, user):
    """RFC 7296 section 2.25.2: a Delete is always honoured."""
    login = user.login()
    with rekeys(gate, "ike"):
        request = user.request(login.sa, m.CREATE_CHILD_SA)
        user.delete(login.sa)
        user.answer(request, [m.N(m.TEMPORARY_FAILURE)])
        wait(lambda: not gate.established(), "it is gone")


def test_requests_under_a_rekey(gate, user):
    """RFC 7296 section 2.25.2: Child SAs cannot be created on an IKE SA that is being rekeyed; clones neither."""
    login = user.login()
    with rekeys(gate, "ike"):
        request = user.request(login.sa, m.CREATE_CHILD_SA)
        assert user.create_child(login.sa, ALL)[0].names == ["N(TEMPORARY_FAILURE)"]
        for dialect in ("keep-old", "rfc7791"):
            assert user.clone(login.sa, dialect)[0].names == ["N(TEMPORARY_FAILURE)"]
        new = user.answer_rekey_ike(request)
        assert user.request(login.sa, m.INFORMATIONAL).names == ["DELETE"]
        login.child.ike = new
        answer, clone = user.clone(new)
        assert clone and user.alive(clone) and carries(user, login), str(answer)


@pytest.mark.parametrize("dialect", ("keep-old", "rfc7791"))
def test_clone_under_a_child_rekey(gate, user, dialect):
    """A-18: nothing moves, so nothing waits."""
    login = user.login()
    with rekeys(gate, "child"):
        request = user.request(login.sa, m.CREATE_CHILD_SA)
        answer, clone = user.clone(login.sa, dialect)
        assert clone, str(answer)
        assert user.rekey_ike(login.sa)[0].names == ["N(TEMPORARY_FAILURE)"], "a plain rekey would move it (section 2.25.1)"
        new = user.answer_child(request)
        assert user.request(login.sa, m.INFORMATIONAL).names == ["DELETE"]
        assert user.alive(clone) and carries(user, login, new)


@pytest.mark.parametrize("low", ("ours", "theirs"))
def test_both_rekey_the_child(gate, user, low):
    """RFC 7296 section 2.8.1: one new Child SA is left; who made the one with the lowest nonce deletes it."""
    login = user.login()
    with rekeys(gate, "child"):
        request = user.request(login.sa, m.CREATE_CHILD_SA)
        fill = {"ours": b"\0", "theirs": b"\xff"}[low] * 32
        spi, suite = new_spi(4), GCM
        offered = [m.Proposal(m.ESP, spi, transforms(suite, False))]
        user.send(login.sa, m.CREATE_CHILD_SA, [m.N(m.REKEY_SA, b"", m.ESP, login.child.spi_in), m.sa(*offered), m.Payload(m.NONCE, fill),
                                                m.ts(m.TSI, *ALL[0]), m.ts(m.TSR, *ALL[1])])
        answer = user.response(login.sa)
        assert answer.error is None, str(answer)
        mine = user.child_of(login.sa, answer, offered, spi, fill)
        theirs = user.answer_child(request)
        if low == "ours":
            assert user.ask(login.sa, m.INFORMATIONAL, [m.D(m.ESP, [mine.spi_in])]).names == ["DELETE"]
            login.sa.children.remove(mine)
            gone = user.request(login.sa, m.INFORMATIONAL)
            assert gone.one(m.DELETE)[4:] == login.child.spi_out, "the winner deletes the old one"
            assert carries(user, login, theirs)
        else:
            assert user.ask(login.sa, m.INFORMATIONAL, [m.D(m.ESP, [login.child.spi_in])]).error is None
            assert carries(user, login, mine) or carries(user, login, theirs)
        wait(lambda: len(gate.children()) == 1 or low == "theirs", "one Child SA is left")


def test_delete_of_the_gateway_is_answered(gate, user):
    login = user.login()
    with gate.begin("terminate", ike="gate"):
        request = user.request(login.sa, m.INFORMATIONAL)
        assert request.names == ["DELETE"] and request.one(m.DELETE) == b"\1\0\0\0"
        wait(lambda: not gate.established(), "nothing is left")


def test_clone_under_a_delete(gate, user):
    """A-18, section 2.25.2: TEMPORARY_FAILURE while the Gateway deletes the IKE SA."""
    user.polite = False
    login = user.login()
    with gate.begin("terminate", ike="gate"):
        request = user.request(login.sa, m.INFORMATIONAL)
        for dialect in ("keep-old", "rfc7791"):
            assert user.clone(login.sa, dialect)[0].names == ["N(TEMPORARY_FAILURE)"]
        user.answer(request)
        wait(lambda: not gate.established(), "nothing is left")


# ---- ESP

def test_esp_in_udp_is_answered_in_udp(user):
    """RFC 7296 section 2.23: without a NAT either end may send as it likes; ours does as the peer, once that has
    shown it."""
    login = user.login(vendor=False)
    assert carries(user, login)
    wait(lambda: carries(user, login) and user.came[0][1] != 0, "answers come in UDP as well")


def test_esp(user):
    """E4 to E12, E21: replays, damage, other addresses; and then a good packet."""
    login = user.login()
    child, end = login.child, (user.gate, FLOAT)
    good = child.seal(echo(login.inner, HOST, 1), number=5)
    child.number = 5
    for octets in (good, good):
        user.raw(octets, login.sa.here, end)
    assert user.echo(1) is child and user.echo(1, timeout=0.1) is None, "once"
    for octets in (child.seal(echo("10.30.0.200", HOST, 2), number=6), child.seal(echo(login.inner, "10.30.0.1", 2), number=7),
                   child.seal(echo(login.inner, HOST, 2), number=8, damage=lambda h, b: h + b[:-1] + bytes([b[-1] ^ 1])),
                   child.seal(echo(login.inner, HOST, 2), number=9, following=59), child.seal(echo(login.inner, HOST, 2), number=10, following=41),
                   child.seal(b"", number=11), child.seal(b"\x45", number=12), good[:7], good[:20], b"\0\0\0\1" + bytes(40)):
        user.raw(octets, login.sa.here, end)
    child.number = 12
    assert user.ping(child, login.inner, HOST) is child
    assert user.echo(2, timeout=0.05) is None
