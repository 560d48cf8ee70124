# SPDX-License-Identifier: Apache-2.0
"""Rows of docs/hostile.txt that an independent peer shows: an End User that is not ikat, and ikatd as Gateway."""
import os
import struct

import pytest

from lab import daemons
from lab.net import BUILD, address
from lab.scripted import message as m
from lab.scripted.peer import Login
from lab.settings import end_user, gateway

HOST = address("lan", "host")
KNOWN = range(33, 54)  # payload numbers of IKEv2, with SKF
IKEV1 = (*range(1, 14), 20, 21, 130, 131, 132)


@pytest.fixture(scope="module")
def gate(shared):
    """The Gateway of this module."""
    return shared.ikatd(shared.lab(), "gw", gateway({"proposals": "aes128gcm16-prfsha256-x25519"}), ("-d",))


@pytest.fixture
def user(gate, case):
    """An End User."""
    return case.peer(gate.lab, "eu")


def carries(peer, login):
    """Whether its Child SA's packets are answered."""
    return peer.ping(login.child, login.inner, HOST) is not None


def test_p13_each_number_of_a_payload(user):
    """P13: each number, encrypted, with bodies of many lengths: what is unknown is skipped, the rest harms nobody."""
    login = user.login()
    for kind in range(1, 256):
        if kind in KNOWN:
            continue
        answer = user.ask(login.sa, m.INFORMATIONAL, [m.Payload(kind, os.urandom(kind % 65))])
        assert answer.names == [], kind
    assert user.alive(login.sa)  # the logins below end it: INITIAL_CONTACT
    for kind in KNOWN:
        torn = user.login()
        user.post(torn.sa, torn.sa.seal(m.INFORMATIONAL, [m.Payload(kind, os.urandom(kind % 7))], torn.sa.sent))
    assert carries(user, user.login())


@pytest.mark.parametrize("kind", IKEV1)
def test_p14_payloads_of_ikev1(user, kind):
    """P14: a number of IKEv1 is unknown in IKEv2: skipped in the clear and encrypted."""
    login = Login(user, edit_init=lambda payloads: payloads + [m.Payload(kind, os.urandom(24))])
    login.init()
    login.auth()
    assert user.ask(login.sa, m.INFORMATIONAL, [m.Payload(kind, os.urandom(24))]).names == []
    assert carries(user, login)


CLEAR = {"delete": m.D(m.IKE), "identity": m.Payload(m.IDI, bytes([2, 0, 0, 0]) + b"other.example"),
         "auth": m.Payload(m.AUTH, bytes([2, 0, 0, 0]) + bytes(32)), "selectors": m.ts(m.TSI, m.net("0.0.0.0/0")),
         "move": m.N(m.UPDATE_SA_ADDRESSES), "cookie2": m.N(m.COOKIE2, bytes(16)), "clone": m.N(m.KEEP_OLD, b"\x80\0\0\0")}


@pytest.mark.parametrize("what", CLEAR)
@pytest.mark.parametrize("exchange", (m.INFORMATIONAL, m.CREATE_CHILD_SA), ids=("informational", "create"))
def test_p17_in_the_clear(user, what, exchange):
    """P17: what belongs behind encryption changes nothing in the clear, and is not answered."""
    login = user.login()
    sa = login.sa
    first, octets = m.chain([CLEAR[what]])
    seen = len(user.inbox)
    user.put(m.header(*sa.spis, first, exchange, m.INITIATOR, sa.sent, 28 + len(octets)) + octets, sa.here, sa.there)
    assert user.alive(sa) and carries(user, login) and len(user.inbox) == seen


def test_p19_thousands_of_payloads(user):
    """P19: three thousand empty payloads in fragments: refused, and nothing else suffers."""
    login, other = user.login(contact=False), user.login(contact=False)
    for datagram in login.sa.seal_fragments(m.INFORMATIONAL, [m.Payload(200, b"")] * 3000, login.sa.sent, size=500):
        user.post(login.sa, datagram)
    assert user.alive(other.sa) and carries(user, other) and carries(user, user.login())


LIMITS = ((m.N(50000), 24), (m.Payload(m.VENDOR, b"x" * 16), 20), (m.D(m.ESP, [b"\0\0\1\1"]), 20))


@pytest.mark.parametrize("payload,most", LIMITS, ids=("notify", "vendor", "delete"))
def test_p20_one_too_many(user, payload, most):
    """P20: as many as are allowed are read, one more is refused; the next login is not."""
    login = user.login()
    assert "N(INVALID_SYNTAX)" not in user.ask(login.sa, m.INFORMATIONAL, [payload] * most).names
    user.post(login.sa, login.sa.seal(m.INFORMATIONAL, [payload] * (most + 1), login.sa.sent))
    login.sa.sent += 1
    assert user.response(login.sa).names == ["N(INVALID_SYNTAX)"]
    assert carries(user, user.login())


def test_s15_one_spi_from_two_addresses(gate, case):
    """S15: two End Users with the same SPI, from two addresses, are two IKE SAs."""
    users = [case.peer(gate.lab, "eu"), case.peer(gate.lab, "eu", link="lte")]
    logins = [Login(user, contact=False) for user in users]
    logins[1].spi = logins[0].spi
    for login in logins:
        login.init()
    for login in logins:
        login.auth()
    assert all(carries(user, login) for user, login in zip(users, logins))
    assert len({struct.pack("8s8s", *login.sa.spis) for login in logins}) == 2


def test_x8_what_is_wrong_is_logged(gate, user):
    """X8: this module and those of test_scripted run with -d: what fails is logged with all that there is to say."""
    bad = Login(user, edit_init=lambda payloads: payloads + [m.Payload(kind, b"%s%n\r\n\0" * 9) for kind in IKEV1])
    bad.init()
    bad.auth()
    assert carries(user, bad) and "<7>" in gate.log()
    assert all(line.startswith("<") and line.isprintable() for line in gate.log().splitlines())


@pytest.mark.parametrize("kind", ("good", "bad", "nothing", "junk", "fragment"))
def test_f11_a_flood_writes_no_log(gate, user, kind):
    """F11: 10,000 datagrams of strangers, of each kind that makes ikatd say or refuse something: no line for each."""
    before = len(gate.log().splitlines())
    gate.lab.run("core", os.path.join(BUILD, "bench", "flood"), kind, "5000", "2", address("wan0", "gw"))
    assert carries(user, user.login())
    lines = gate.log().splitlines()[before:]
    assert len([line for line in lines if not line.startswith("<7>")]) < 50, lines[:60]


def log_in_at_victim(world, monkeypatch, victim, program):
    """The victim runs another program (lab/unproven.c). Returns both daemons and whether the End User is up."""
    lab, ends = world.lab(), {}
    for host, settings in (("gw", gateway()), ("eu", end_user())):
        path = os.path.join(BUILD, "bench", program) if host == victim else os.path.join(BUILD, "ikatd")
        monkeypatch.setattr(daemons, "IKATD", path)
        ends[host] = world.ikatd(lab, host, settings)
    return ends, ends["eu"].initiate("net", timeout=3)["success"]


@pytest.mark.parametrize("victim", ("eu", "gw"))
def test_a35_no_session_without_a_proof(world, monkeypatch, victim):
    """A35: no proof reaches the victim's engine: the login is refused before a session or its lease begins."""
    ends, up = log_in_at_victim(world, monkeypatch, victim, "ikatd_unproven")
    assert up == "no"
    log = ends[victim].log()
    assert "event=session-unproven" in log and "event=session-up" not in log
    assert not ends[victim].established()
    assert victim == "eu" or "event=session-up" not in ends["eu"].log()


@pytest.mark.parametrize("victim", ("eu", "gw"))
def test_a35_no_session_without_an_admission(world, monkeypatch, victim):
    """A35: the victim has a session that was not admitted: it ends before it carries a packet."""
    ends, up = log_in_at_victim(world, monkeypatch, victim, "ikatd_unasked")
    assert up == "no" or victim == "gw"  # whose response may be there before its Delete
    log = ends[victim].log()
    assert "event=session-up" in log and "event=session-unproven" in log and "event=child-up" not in log
    assert not ends[victim].established()
