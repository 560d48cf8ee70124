# SPDX-License-Identifier: Apache-2.0
"""ikatd as Gateway, and an End User that is not ikat: every requirement on cloning, both dialects, and what breaks
them."""
import ipaddress
import struct

import pytest

from lab.net import address
from lab.run import wait
from lab.scripted import message as m
from lab.scripted.algorithms import CBC, GCM, KeyExchange
from lab.scripted.peer import FLOAT, KEEP, KEPT, NOT_KEPT, UNUSED, VENDOR_ID, Login
from lab.settings import gateway, merge

HOST = address("lan", "host")
LTE = (address("lte", "eu"), 4500)
BOTH = "aes128gcm16-aes256gcm16-prfsha256-prfsha512-x25519-ecp256-modp2048, aes128-sha256-prfsha256-x25519-ecp256-modp2048"
ALL = ([m.net("0.0.0.0/0")], [m.net("0.0.0.0/0")])
keep, clone = m.N(m.KEEP_OLD, KEEP), m.N(m.CLONE_IKE_SA)


# connections that know less; what IKE_SA_INIT announces goes by the address
DIALECTS = {"off": ("off", "wan1", 4), "keeponly": ("keep-old", "wan0", 6), "rfconly": ("rfc7791", "wan1", 6)}


def settings():
    """A Gateway with a connection for each kind of peer; they differ by identity, or by the address that is asked."""
    base = gateway({"proposals": BOTH}, {"esp_proposals": "aes128gcm16, aes128-sha256, aes128gcm16-x25519"})
    gate = base["connections"]["gate"]
    more = {"two": {"max_ike_sas": "2"}, "many": {"max_ike_sas": "100"}, "begins": {"gateway_clones": "yes"},
            "sender": {"reduced": "gateway"}, "blind": {"gateway_clones": "yes", "keep_old_blind": "yes"},
            "begins7791": {"gateway_clones": "yes", "prefer": "rfc7791"}, "apart": {"combined_auth": "no"},
            "own": {"inner": "per-path"}, "leaves": {"unused_old_timeout": "10s"}, "short": {"reauth_time": "1h"}}
    for name, changes in more.items():
        base["connections"][name] = merge(gate, {"remote": {"id": f"{name}@lab.example"}} | changes)
    base["secrets"]["ike-all"] = {"secret": base["secrets"]["ike-lab"]["secret"]}
    for name, (kind, link, family) in DIALECTS.items():
        base["connections"][name] = merge(gate, {"clone": kind, "local_addrs": address(link, "gw", family)})
    return base


@pytest.fixture(scope="module")
def gate(shared):
    """The Gateway of this module."""
    lab = shared.lab()
    return shared.ikatd(lab, "gw", settings(), ("-d",))  # X8: the log says all, while peers do all wrong


@pytest.fixture
def user(gate, case):
    """An End User."""
    return case.peer(gate.lab, "eu")


def named(case, gate, name, **how):
    """An End User of another connection."""
    peer = case.peer(gate.lab, "eu", **how)
    peer.me = f"{name}@lab.example"
    return peer


def carries(peer, child, inner):
    """Whether packets on a Child SA are answered; the answer may come on another one of the session."""
    return peer.ping(child, inner, HOST) is not None


def moved(old, new, child):
    """What a plain rekey does to a Child SA: it belongs to the new IKE SA (its keys stay)."""
    old.children.remove(child)
    new.children.append(child)
    child.ike = new


def check_kept(peer, login, new):
    """Two IKE SAs, the Child SAs where they were (KO-14, KO-20, KO-23)."""
    old, child = login.sa, login.child
    assert peer.alive(old) and peer.alive(new) and carries(peer, child, login.inner)
    answer, _ = peer.create_child(new, ALL, before=[m.N(m.REKEY_SA, b"", m.ESP, child.spi_in)])
    assert answer.error == m.CHILD_SA_NOT_FOUND, "the clone has no Child SA of the old one"
    answer, second = peer.create_child(old, ALL, before=[m.N(m.REKEY_SA, b"", m.ESP, child.spi_in)])
    assert second, f"the old one still has it: {answer}"
    answer = peer.ask(old, m.INFORMATIONAL, [m.D(m.ESP, [child.spi_in])])
    assert answer.names == ["DELETE"] and answer.one(m.DELETE)[4:] == child.spi_out
    login.child = second
    answer, third = peer.create_child(new, ALL)
    assert third and carries(peer, third, login.inner) and carries(peer, second, login.inner), str(answer)


def check_rekeyed(peer, login, new):
    """The Child SA went to the new IKE SA; the old one is left by its Delete."""
    moved(login.sa, new, login.child)
    peer.delete(login.sa)
    assert peer.alive(new) and carries(peer, login.child, login.inner)
    answer = peer.ask(new, m.INFORMATIONAL, [m.D(m.ESP, [login.child.spi_in])])
    assert answer.names == ["DELETE"], "the new IKE SA has the Child SA"


# ---- what is announced

def knows_less(case, gate, name):
    """An End User at a connection of DIALECTS."""
    _, link, family = DIALECTS[name]
    return case.peer(gate.lab, "eu", other=address(link, "gw", family), family=family)


@pytest.mark.parametrize("name,kinds", (("both", "both"), ("off", ""), ("keeponly", "keep"), ("rfconly", "rfc")))
def test_announced(case, gate, name, kinds):
    """SUP-02: the Vendor ID in IKE_SA_INIT, CLONE_IKE_SA_SUPPORTED in the IKE_AUTH response."""
    peer = case.peer(gate.lab, "eu") if name == "both" else knows_less(case, gate, name)
    login = peer.login()
    vendor = [payload.body for payload in login.first.all(m.VENDOR)]
    assert (VENDOR_ID in vendor) == (kinds in ("both", "keep"))
    assert (login.answer.notify(m.CLONE_SUPPORTED) == b"") == (kinds in ("both", "rfc"))
    assert login.first.notify(m.CLONE_SUPPORTED) is None, "not in IKE_SA_INIT"


# (vendor, RFC 7791) announced by us; what we ask with; what is answered
MATRIX = ((1, 1, keep, "kept"), (1, 1, clone, "cloned"), (1, 0, keep, "kept"), (1, 0, clone, "refused"), (0, 1, keep, "kept"),
          (0, 1, clone, "cloned"), (0, 0, keep, "kept"), (0, 0, clone, "refused"))


@pytest.mark.parametrize("vendor,rfc7791,notify,outcome", MATRIX)
def test_dialects(user, vendor, rfc7791, notify, outcome):
    login = user.login(vendor=vendor, rfc7791=rfc7791)
    answer, new = user.rekey_ike(login.sa, [notify])
    if outcome == "refused":
        assert answer.names == ["N(NO_ADDITIONAL_SAS)"], "SUP-01: a rekey would move what the asker believes to stay"
        assert user.alive(login.sa) and carries(user, login.child, login.inner)
        return
    assert answer.names == (["N(KEEP_OLD)"] if outcome == "kept" else []) + ["SA", "NONCE", "KE"]
    (check_rekeyed if outcome == "rekeyed" else check_kept)(user, login, new)


@pytest.mark.parametrize("name,notify,outcome", (("off", keep, "rekeyed"), ("off", clone, "refused"), ("keeponly", keep, "kept"),
                                                 ("keeponly", clone, "refused"), ("rfconly", keep, "rekeyed"),
                                                 ("rfconly", clone, "kept")))
def test_dialects_that_are_off(case, gate, name, notify, outcome):
    peer = knows_less(case, gate, name)
    login = peer.login()
    answer, new = peer.rekey_ike(login.sa, [notify])
    if outcome == "refused":
        assert answer.names == ["N(NO_ADDITIONAL_SAS)"]
        return
    assert (answer.notify(m.KEEP_OLD) is not None) == (outcome == "kept" and notify is keep)
    (check_kept if outcome == "kept" else check_rekeyed)(peer, login, new)


# ---- the notify, octet by octet

NOTIFIES = {
    "keep": ([keep], KEPT),
    "reserved bits": ([m.N(m.KEEP_OLD, bytes.fromhex("ff00ffff"))], KEPT),
    "two octets": ([m.N(m.KEEP_OLD, KEEP[:2])], KEPT),
    "three octets": ([m.N(m.KEEP_OLD, KEEP[:3])], KEPT),
    "eight octets": ([m.N(m.KEEP_OLD, KEEP + b"\1\2\3\4")], KEPT),
    "critical": ([m.N(m.KEEP_OLD, KEEP, flags=0x80)], KEPT),
    "reserved bits of the payload": ([m.N(m.KEEP_OLD, KEEP, flags=0x7f)], KEPT),
    "protocol 1": ([m.N(m.KEEP_OLD, KEEP, protocol=1)], KEPT),
    "protocol 3 and an SPI": ([m.N(m.KEEP_OLD, KEEP, protocol=3, spi=b"\x80\1\0\0")], KEPT),
    "twice": ([keep, keep], KEPT),
    "keep, then unused": ([keep, m.N(m.KEEP_OLD, UNUSED)], KEPT),
    "unreadable, then keep": ([m.N(m.KEEP_OLD, b"\x80"), keep], KEPT),
    "others between": ([keep, m.N(40961, b"?"), m.Payload(m.VENDOR, b"somebody")], KEPT),
    "others before": ([m.N(40961, b"?"), m.Payload(200, b"unknown"), keep], KEPT),
    "unused": ([m.N(m.KEEP_OLD, UNUSED)], NOT_KEPT),
    "unused, reserved bits": ([m.N(m.KEEP_OLD, bytes.fromhex("ff01ffff"))], NOT_KEPT),
    "no data": ([m.N(m.KEEP_OLD)], None),
    "one octet": ([m.N(m.KEEP_OLD, b"\x80")], None),
    "Q is 0": ([m.N(m.KEEP_OLD, KEPT)], None),
    "code 2": ([m.N(m.KEEP_OLD, b"\x80\x02\0\0")], None),
    "code 255": ([m.N(m.KEEP_OLD, b"\x80\xff\0\0")], None),
    "another number": ([m.N(m.KEEP_OLD + 1, KEEP)], None),
    "nothing": ([], None),
}


@pytest.mark.parametrize("what", NOTIFIES)
def test_notify(user, what):
    """KO-01 to KO-09, KO-20, KO-22; A-02, A-03, A-05."""
    notifies, said = NOTIFIES[what]
    login = user.login()
    answer, new = user.rekey_ike(login.sa, notifies)
    assert answer.names == ([] if said is None else ["N(KEEP_OLD)"]) + ["SA", "NONCE", "KE"], "KO-06: in front of its SA"
    if said is not None:
        assert answer.all(m.NOTIFY)[0].body == bytes.fromhex("0000baaf") + said
    if said == KEPT:
        check_kept(user, login, new)
    else:
        check_rekeyed(user, login, new)


def test_notify_behind_its_sa(user):
    """KO-06: it is placed before the SA payload that it qualifies."""
    login = user.login()
    answer, new = user.rekey_ike(login.sa, [], [keep])
    assert answer.names == ["SA", "NONCE", "KE"]
    check_rekeyed(user, login, new)


CLONES = {"as it is": [clone], "data": [m.N(m.CLONE_IKE_SA, b"????")], "protocol 1": [m.N(m.CLONE_IKE_SA, protocol=1)],
          "twice": [clone, clone], "critical": [m.N(m.CLONE_IKE_SA, flags=0x80)],
          "SPI": [m.N(m.CLONE_IKE_SA, protocol=1, spi=bytes(8))]}


@pytest.mark.parametrize("where", ("before", "after"))
@pytest.mark.parametrize("what", CLONES)
def test_clone_notify(user, what, where):
    """anywhere, and no notify in the response."""
    login = user.login()
    answer, new = user.rekey_ike(login.sa, **{where: CLONES[what]})
    assert answer.names == ["SA", "NONCE", "KE"]
    check_kept(user, login, new)


@pytest.mark.parametrize("notifies", ([keep, clone], [clone, keep]))
@pytest.mark.parametrize("vendor", (True, False))
def test_both_notifies(user, notifies, vendor):
    """SUP-04: cloned; KEEP_OLD_IKE_SA comes back only to who announced it."""
    login = user.login(vendor=vendor)
    answer, new = user.rekey_ike(login.sa, notifies)
    assert answer.names == (["N(KEEP_OLD)"] if vendor else []) + ["SA", "NONCE", "KE"]
    check_kept(user, login, new)


@pytest.mark.parametrize("notify", (keep, clone, m.N(m.KEEP_OLD, UNUSED)), ids=("keep", "clone", "unused"))
def test_notify_where_no_ike_sa_is_rekeyed(user, notify):
    """KO-11, A-26, A-28: ignored in all other messages, the rest of which is done, and not answered."""
    login = user.login(edit_init=lambda payloads: [notify] + payloads,
                       edit_auth=(lambda payloads: payloads[:2] + [notify] + payloads[2:]) if notify is clone else None)
    for message in (login.first, login.answer):
        assert not {"N(KEEP_OLD)", "N(CLONE_IKE_SA)"} & set(message.names)
    sa = login.sa
    assert user.ask(sa, m.INFORMATIONAL, [notify]).payloads == []
    answer, child = user.create_child(sa, ALL, before=[notify])
    assert answer.names == ["SA", "NONCE", "TSI", "TSR"] and carries(user, child, login.inner)
    answer, second = user.create_child(sa, ALL, before=[notify, m.N(m.REKEY_SA, b"", m.ESP, child.spi_in)])
    assert answer.names == ["SA", "NONCE", "TSI", "TSR"] and carries(user, second, login.inner)
    answer = user.ask(sa, m.INFORMATIONAL, [notify, m.D(m.ESP, [child.spi_in])])
    assert answer.names == ["DELETE"]
    assert carries(user, login.child, login.inner) and user.silent(sa) == []


# ---- after a clone

@pytest.mark.parametrize("dialect", ("keep-old", "rfc7791"))
def test_clones_of_clones_and_any_order_of_deletion(gate, user, dialect):
    """A-21, A-22, A-23: the first goes, then one in the middle; the inner address stays until the last one goes."""
    login = user.login()
    sas = [login.sa]
    for _ in range(3):
        answer, new = user.clone(sas[-1], dialect)
        assert new and new.spi_r not in [sa.spi_r for sa in sas], str(answer)
        sas.append(new)
    children = [login.child] + [user.create_child(sa, ALL)[1] for sa in sas[1:]]
    assert all(carries(user, child, login.inner) for child in children)
    for index in (0, 2, 3):
        user.delete(sas[index])
        children[index] = None
        assert all(carries(user, child, login.inner) for child in children if child)
    assert len(gate.sas()) == 1 and [sa["remote-vips"] for sa in gate.established()] == [[login.inner]]
    user.delete(sas[1])
    wait(lambda: not gate.established(), "the session is over")


def test_numbers_of_a_clone(user):
    """A-14: Message IDs begin with 0 and the window is 1; those of the old IKE SA go on; a request of another sibling
    is nothing."""
    login = user.login()
    for _ in range(3):
        user.alive(login.sa)
    _, new = user.clone(login.sa)
    assert new.sent == 0 and user.alive(new) and user.alive(login.sa)
    new.sent += 1  # one that is missing: the window is one
    user.send(new, m.INFORMATIONAL, [])
    new.sent -= 2
    assert user.alive(new)
    assert not [x for x in user.inbox if x.sa is new]
    # K17: what one IKE SA sealed is nothing on its sibling
    foreign = login.sa.seal(m.INFORMATIONAL, [m.D(m.IKE)], new.sent, spis=new.spis)
    user.post(new, foreign)
    new.sent = 1
    assert user.alive(new) and user.alive(login.sa)


def test_repeated_request_makes_one_clone(gate, user):
    """A lost response: the same octets again, octet by octet, and one IKE SA; also when the request is sealed anew."""
    login = user.login()
    offered, nonce, exchange, spi = user.ike_group(31)
    payloads = [keep, m.sa(*offered), m.Payload(m.NONCE, nonce), m.ke(31, exchange.public)]
    octets = user.send(login.sa, m.CREATE_CHILD_SA, payloads)
    first = user.response(login.sa)
    for again in (octets, octets, login.sa.seal(m.CREATE_CHILD_SA, payloads, login.sa.sent - 1)):
        user.post(login.sa, again)
        assert user.response(login.sa).raw == first.raw
    assert len(gate.established()) == 2
    assert user.alive(user.ike_of(login.sa, first, offered, (spi, nonce, exchange)))


@pytest.mark.parametrize("dialect", ("keep-old", "rfc7791"))
def test_rekeys_after_a_clone(user, dialect):
    """Each IKE SA is rekeyed by itself, and its own Child SAs follow it; rekeyed ones are cloned like any other."""
    login = user.login()
    _, second = user.clone(login.sa, dialect)
    _, child = user.create_child(second, ALL)
    _, third = user.rekey_ike(login.sa)
    moved(login.sa, third, login.child)
    user.delete(login.sa)
    assert carries(user, login.child, login.inner) and carries(user, child, login.inner)
    _, fourth = user.rekey_ike(second)
    moved(second, fourth, child)
    user.delete(second)
    answer, fifth = user.clone(third, dialect)
    assert fifth, str(answer)
    for sa in (third, fourth, fifth):
        assert user.alive(sa)
    assert carries(user, child, login.inner) and carries(user, login.child, login.inner)
    for sa, gone in ((third, login.child), (fourth, child)):
        assert user.ask(sa, m.INFORMATIONAL, [m.D(m.ESP, [gone.spi_in])]).names == ["DELETE"]


@pytest.mark.parametrize("group", (14, 19, 31))
@pytest.mark.parametrize("suite", (GCM, CBC), ids=("gcm", "cbc"))
def test_clone_with_other_algorithms(user, group, suite):
    """The clone negotiates its own; keys are of the old IKE SA's SK_d and PRF."""
    login = user.login(suite=CBC if suite is GCM else GCM)
    answer, new = user.clone(login.sa, suite=suite, group=group)
    assert new and user.alive(new), str(answer)
    check_kept(user, login, new)


def test_clone_without_anything_to_go_by(user):
    """D-23: a key exchange is never left out. INVALID_SYNTAX or a refusal of the request; the old IKE SA's life is
    another matter."""
    login = user.login()
    answer, _ = user.rekey_ike(login.sa, [keep], edit=lambda p: [x for x in p if x.kind != m.KE])
    assert answer.error in (m.INVALID_SYNTAX, m.INVALID_KE_PAYLOAD)


def test_what_a_clone_cannot_change(gate, user):
    """K14: identities, AUTH, CP, INITIAL_CONTACT, MOBIKE_SUPPORTED in the request are not looked at."""
    login = user.login()
    extra = [m.identity(m.IDI, "root@lab.example"), m.Payload(m.AUTH, bytes([2, 0, 0, 0]) + bytes(32)), m.N(m.INITIAL_CONTACT),
             m.cp(m.CFG_REQUEST, (1, b"\x0a\x1e\0\x09")), m.N(m.MOBIKE_SUPPORTED), m.N(m.UPDATE_SA_ADDRESSES)]
    answer, new = user.rekey_ike(login.sa, [keep], extra)
    assert answer.names == ["N(KEEP_OLD)", "SA", "NONCE", "KE"]
    check_kept(user, login, new)
    assert {sa["remote-id"] for sa in gate.established()} == {user.me}


# ---- limits and refusals

@pytest.mark.parametrize("dialect", ("keep-old", "rfc7791"))
def test_limit(case, gate, dialect):
    """D-20: NO_ADDITIONAL_SAS, the old IKE SA lives, and after one is deleted there is room. A rekey is not a clone."""
    peer = named(case, gate, "two")
    login = peer.login()
    _, new = peer.clone(login.sa, dialect)
    for sa in (login.sa, new):
        assert peer.clone(sa, dialect)[0].names == ["N(NO_ADDITIONAL_SAS)"]
    _, third = peer.rekey_ike(new)
    assert third, "a plain rekey replaces one"
    peer.delete(new)
    assert carries(peer, login.child, login.inner)
    peer.delete(third)
    _, fourth = peer.clone(login.sa, dialect)
    assert fourth and peer.alive(fourth)


def test_rate(case, gate):
    """D-21: 16 at once, then TEMPORARY_FAILURE, over all IKE SAs of the session; no other peer is concerned."""
    peer = named(case, gate, "many")
    login = peer.login()
    sas, refused = [login.sa], None
    for index in range(20):
        answer, new = peer.clone(sas[index % len(sas)])
        if not new:
            refused = answer
            break
        sas.append(new)
    assert refused is not None and refused.names == ["N(TEMPORARY_FAILURE)"] and 16 <= len(sas) - 1 <= 18
    assert carries(peer, login.child, login.inner)


@pytest.mark.parametrize("dialect", ("keep-old", "rfc7791"))
def test_group_that_is_not_wanted(user, dialect):
    """INVALID_KE_PAYLOAD with the group, then the same notify again (A-12)."""
    login = user.login()
    offered = [m.Proposal(m.IKE, b"\xc1" * 8, (m.Transform(m.ENCR, 20, 128), m.Transform(m.PRF, 5), m.Transform(m.GROUP, 31)))]
    notify = keep if dialect == "keep-old" else clone
    answer, _ = user.rekey_ike(login.sa, group=19, edit=lambda p: [notify, m.sa(*offered)] + p[1:])
    assert answer.names == ["N(INVALID_KE_PAYLOAD)"] and answer.notify(m.INVALID_KE_PAYLOAD) == b"\0\x1f"
    _, new = user.clone(login.sa, dialect)
    check_kept(user, login, new)


@pytest.mark.parametrize("dialect", ("keep-old", "rfc7791"))
def test_proposal_that_is_not_wanted(user, dialect):
    login = user.login()
    bad = m.sa(m.Proposal(m.IKE, b"\xc1" * 8, (m.Transform(m.ENCR, 3), m.Transform(m.PRF, 5), m.Transform(m.INTEG, 2),
                                               m.Transform(m.GROUP, 31))))
    notify = keep if dialect == "keep-old" else clone
    answer, _ = user.rekey_ike(login.sa, edit=lambda p: [notify, bad] + p[1:])
    assert answer.names == ["N(NO_PROPOSAL_CHOSEN)"]
    assert carries(user, login.child, login.inner)
    _, new = user.clone(login.sa, dialect)
    check_kept(user, login, new)


@pytest.mark.parametrize("how", ("rekeyed", "unused"))
def test_clone_of_what_is_over(user, how):
    """K13: what was rekeyed, or said to be unused, is neither cloned nor gets Child SAs."""
    login = user.login()
    _, new = user.rekey_ike(login.sa, [] if how == "rekeyed" else [m.N(m.KEEP_OLD, UNUSED)])
    for dialect in ("keep-old", "rfc7791"):
        assert user.clone(login.sa, dialect)[0].names == ["N(TEMPORARY_FAILURE)"]
    assert user.create_child(login.sa, ALL)[0].names == ["N(TEMPORARY_FAILURE)"]
    assert user.rekey_ike(login.sa)[0].names == ["N(TEMPORARY_FAILURE)"], "RFC 7296 section 2.8.2: nor is it rekeyed again"
    assert user.alive(login.sa), "KO-16: an empty INFORMATIONAL is answered"
    check_rekeyed(user, login, new)


def test_what_is_unused_is_deleted(case, gate):
    """KO-21, D-11: the peer that said code 1 does not delete the old IKE SA, so the Gateway does; the Child SA is on
    the new one."""
    peer = named(case, gate, "leaves")
    login = peer.login()
    answer, new = peer.rekey_ike(login.sa, [m.N(m.KEEP_OLD, UNUSED)])
    assert answer.notify(m.KEEP_OLD) == NOT_KEPT
    moved(login.sa, new, login.child)
    assert len(gate.established()) == 2
    delete = peer.request(login.sa, m.INFORMATIONAL, timeout=30)
    assert delete.names == ["DELETE"] and delete.one(m.DELETE) == b"\1\0\0\0"
    wait(lambda: len(gate.established()) == 1, "the new one is left")
    assert peer.alive(new) and carries(peer, login.child, login.inner)


def test_lifetime_of_the_authentication(case, gate):
    """RFC 4478: told in the IKE_AUTH response, and again with zero when the Gateway wants a new login; the one beside
    gets the same
    inner address, and clones count for their own session."""
    peer = named(case, gate, "short")
    login = peer.login()
    assert login.answer.notify(m.AUTH_LIFETIME) == struct.pack(">I", 3600)
    for body in ([m.N(m.AUTH_LIFETIME, bytes(4))], [m.N(m.AUTH_LIFETIME)], [m.N(m.AUTH_LIFETIME, bytes(5))]):
        assert not peer.ask(login.sa, m.INFORMATIONAL, body).payloads, "it is the Gateway's to say"
    _, new = peer.clone(login.sa)
    with gate.begin("rekey", ike="short", reauth="yes"):
        request = peer.request(None, m.INFORMATIONAL)
        assert request.names == ["N(AUTH_LIFETIME)"] and request.notify(m.AUTH_LIFETIME) == bytes(4)
    held = (m.INTERNAL_IP4_ADDRESS, ipaddress.ip_address(login.inner).packed)
    again = peer.login(contact=False, edit_auth=lambda p: [m.cp(m.CFG_REQUEST, held) if x.kind == m.CP else x for x in p])
    assert again.inner == login.inner and again.answer.notify(m.AUTH_LIFETIME) == struct.pack(">I", 3600)
    assert peer.alive(login.sa) and peer.alive(new)
    peer.delete(new)
    peer.delete(login.sa)
    assert carries(peer, again.child, again.inner) and len(gate.established()) == 1


@pytest.mark.parametrize("theirs", ("begins", "begins7791"))
@pytest.mark.parametrize("ours", ("keep-old", "rfc7791"))
@pytest.mark.parametrize("first", ("our answer", "their answer"))
def test_both_clone(case, gate, ours, theirs, first):
    """A-18, D-12: two clones that cross are two clones; nothing moves, whatever the nonces are."""
    peer, login, request = begun(case, gate, theirs)
    said = [m.N(m.KEEP_OLD, KEPT)] if theirs == "begins" else []
    if first == "our answer":
        offered, nonce, exchange, spi = peer.ike_group(31)
        notify = keep if ours == "keep-old" else clone
        peer.send(login.sa, m.CREATE_CHILD_SA, [notify, m.sa(*offered), m.Payload(m.NONCE, nonce), m.ke(31, exchange.public)])
        new = peer.answer_rekey_ike(request, said, nonce=bytes(32))
        answer = peer.response(login.sa)
        second = peer.ike_of(login.sa, answer, offered, (spi, nonce, exchange))
    else:
        answer, second = peer.clone(login.sa, ours)
        new = peer.answer_rekey_ike(request, said, nonce=bytes(32))
    assert answer.names == (["N(KEEP_OLD)"] if ours == "keep-old" else []) + ["SA", "NONCE", "KE"]
    assert peer.alive(second) and peer.alive(new) and len(gate.established()) == 3
    check_kept(peer, login, new)
    assert peer.create_child(second, ALL)[1]
    peer.delete(login.sa)
    assert peer.alive(second) and peer.alive(new)


def test_clone_and_rekey_cross(case, gate):
    """A-18: the Gateway's clone is refused by who rekeys at the same time; it answers the rekey, and asks again on
    the new IKE SA."""
    peer, login, request = begun(case, gate, "begins")
    answer, new = peer.rekey_ike(login.sa)
    assert answer.names == ["SA", "NONCE", "KE"]
    peer.answer(request, [m.N(m.TEMPORARY_FAILURE)])
    moved(login.sa, new, login.child)
    peer.delete(login.sa)
    assert carries(peer, login.child, login.inner)
    again = peer.request(new, m.CREATE_CHILD_SA)
    assert again.names == ["N(KEEP_OLD)", "SA", "NONCE", "KE"]
    third = peer.answer_rekey_ike(again, [m.N(m.KEEP_OLD, KEPT)])
    assert peer.alive(third) and peer.alive(new) and carries(peer, login.child, login.inner)


# ---- combined with IKE_AUTH

class Combined(Login):
    """A login with the group of B.5, which `place(login, group)` puts where it wants; `clone` is what came of it."""

    def __init__(self, peer, place=lambda login, group: login + group, group=31, notify=keep, suite=GCM, edit_group=None, **how):
        super().__init__(peer, **how)
        self.offered_group, nonce, exchange, spi = peer.ike_group(group, suite)
        parts = [notify, m.sa(*self.offered_group), m.Payload(m.NONCE, nonce), m.ke(group, exchange.public)]
        self.made, self.clone = (spi, nonce, exchange), None
        self.edit_auth = lambda payloads: place(payloads, edit_group(parts) if edit_group else parts)
        self.init()
        self.auth()
        if self.answer.all(m.KE):
            self.clone = peer.ike_of(self.sa, self.answer, self.offered_group, self.made, len(self.answer.all(m.SA)) - 1)


GROUP = ["N(KEEP_OLD)", "SA", "NONCE", "KE"]
status = m.N(40961, b"between")
PLACES = {
    "last": lambda login, group: login + group,
    "first": lambda login, group: group + login,
    "in the middle": lambda login, group: login[:3] + group + login[3:],
    "notifies and Vendor IDs between": lambda login, group: login + [group[0], status, group[1], m.Payload(m.VENDOR, b"x"), group[2],
                                                                     status, group[3]],
    "a part of the login between": lambda login, group: login[:-1] + [group[0], login[-1]] + group[1:],
}


@pytest.mark.parametrize("where", PLACES)
def test_combined(user, where):
    """KO-12, B.5, D-06: one round trip less; the clone is one like any other."""
    login = Combined(user, PLACES[where])
    assert login.answer.names[-4:] == GROUP and login.answer.notify(m.KEEP_OLD) == KEPT
    assert login.clone.sent == 0
    check_kept(user, login, login.clone)
    _, third = user.clone(login.clone)
    assert third and user.alive(third)


BROKEN = {
    "no KE": lambda login, g: login + g[:3],
    "no Nonce": lambda login, g: login + [g[0], g[1], g[3]],
    "no SA": lambda login, g: login + [g[0], g[2], g[3]],
    "only the notify": lambda login, g: login + g[:1],
    "KE before Nonce": lambda login, g: login + [g[0], g[1], g[3], g[2]],
    "notify behind SA": lambda login, g: login + [g[1], g[0], g[2], g[3]],
    "no notify": lambda login, g: login + g[1:],
    "two groups": lambda login, g: login + g + g,
    "two KE": lambda login, g: login + g + g[3:],
    "TS within": lambda login, g: [p for p in login if p.kind != m.TSR] + g[:2] + [p for p in login if p.kind == m.TSR] + g[2:],
    "notify that opens nothing": lambda login, g: login + [m.N(m.KEEP_OLD, KEPT)] + g[1:],
}


@pytest.mark.parametrize("how", BROKEN)
def test_combined_broken(gate, user, how):
    """D-06: INVALID_SYNTAX, and nothing is left: neither a login nor a clone."""
    login = Combined(user, BROKEN[how])
    assert login.answer.names == ["N(INVALID_SYNTAX)"]
    assert not gate.established()


@pytest.mark.parametrize("how", ("group", "proposal", "KE", "mobike", "child"))
def test_combined_that_costs_the_clone_only(gate, user, how):
    """D-07: the login succeeds, without the group and without an error for it."""
    options = {
        "group": {"edit_group": lambda g: g[:3] + [m.ke(19, KeyExchange(19).public)]},
        "proposal": {"edit_group": lambda g: [g[0], m.sa(m.Proposal(m.IKE, b"\xc1" * 8, (m.Transform(m.ENCR, 3),)))] + g[2:]},
        "KE": {"edit_group": lambda g: g[:3] + [m.ke(31, bytes(32))]},
        "mobike": {"mobike": False},
        "child": {"selectors": ([m.net("0.0.0.0/0")], [m.net("172.16.0.0/16")])}}[how]
    login = Combined(user, **options)
    assert login.answer.all(m.AUTH) and not login.clone and not set(GROUP) <= set(login.answer.names)
    assert login.answer.error == (m.TS_UNACCEPTABLE if how == "child" else None)
    assert user.alive(login.sa) and len(gate.established()) == 1
    if how not in ("mobike", "child"):
        _, new = user.clone(login.sa)
        check_kept(user, login, new)


def test_combined_login_that_fails(gate, user):
    """K11: no clone without authentication."""
    user.psk = b"wrong"
    login = Combined(user)
    assert login.answer.names == ["N(AUTHENTICATION_FAILED)"] and not gate.sas()


def test_combined_without_vendor_id(gate, user):
    """D-04: to who did not announce itself, the notify means nothing; then SA, Nonce and KE are too many."""
    login = Combined(user, vendor=False)
    assert login.answer.names == ["N(INVALID_SYNTAX)"] and not gate.sas()


def test_combined_that_is_off(case, gate):
    """`combined_auth = no`: the login is done and the group left out."""
    peer = named(case, gate, "apart")
    login = Combined(peer)
    assert login.answer.all(m.AUTH) and not login.clone
    _, new = peer.clone(login.sa)
    check_kept(peer, login, new)


# ---- MOBIKE on a clone, and the reduced last leg

def check_moved(peer, gate, login, new, child):
    """The Gateway asks back by COOKIE2, and then sends to the new address; the old IKE SA stays where it was."""
    def moved():
        peer.poll()  # answers COOKIE2
        (sa,) = [sa for sa in gate.established() if sa["initiator-spi"] == new.spi_i.hex()]
        return sa["remote-host"] == new.here[0]
    wait(moved, "the Gateway sends to the new address")
    assert carries(peer, child, login.inner) and carries(peer, login.child, login.inner)
    (old,) = [sa for sa in gate.established() if sa["initiator-spi"] == login.sa.spi_i.hex()]
    assert old["remote-host"] == login.sa.here[0]


@pytest.mark.parametrize("order", ("create-move", "move-create"))
@pytest.mark.parametrize("dialect", ("keep-old", "rfc7791"))
def test_clone_is_moved(gate, user, order, dialect):
    """B.3, B.4 (KO-24, KO-29, KO-30): path test, UPDATE_SA_ADDRESSES, COOKIE2; a Child SA before or after."""
    login = user.login()
    _, new = user.clone(login.sa, dialect)
    child = user.create_child(new, ALL)[1] if order == "create-move" else None
    home, new.here = new.here, LTE
    answer = user.ask(new, m.INFORMATIONAL, user.nat_detection(new))
    user.check_nat_detection(answer, new.spis)
    new.here = home
    user.alive(new)
    answer = user.move(new, LTE)
    assert answer.names == ["N(NAT_SOURCE)", "N(NAT_DESTINATION)", "N(COOKIE2)"]
    assert answer.notify(m.COOKIE2) == b"0123456789abcdef"
    user.check_nat_detection(answer, new.spis)
    child = child or user.create_child(new, ALL)[1]
    check_moved(user, gate, login, new, child)


def asked_after_a_move(user):
    """The login, its clone that has moved, and the request with COOKIE2 that comes there."""
    user.polite = False
    login = user.login()
    _, new = user.clone(login.sa)
    user.move(new, LTE)
    return login, new, user.request(new, m.INFORMATIONAL)


@pytest.mark.parametrize("protocol", (0, 1))
def test_return_routability(gate, user, protocol):
    """RFC 4555 section 3.7; some reflect COOKIE2 with Protocol ID 1."""
    login, new, request = asked_after_a_move(user)
    cookie = request.notify(m.COOKIE2)
    assert request.names == ["N(COOKIE2)"] and request.here == LTE and 8 <= len(cookie) <= 64
    user.answer(request, [m.N(m.COOKIE2, cookie, protocol)])
    child = user.create_child(new, ALL)[1]
    check_moved(user, gate, login, new, child)


@pytest.mark.parametrize("what", ("other", "short", "none"))
def test_return_routability_that_fails(gate, user, what):
    """RFC 4555 section 3.7: a wrong COOKIE2 closes this IKE SA; its sibling lives (M5)."""
    login, new, request = asked_after_a_move(user)
    cookie = request.notify(m.COOKIE2)
    user.answer(request, {"other": [m.N(m.COOKIE2, bytes(len(cookie)))], "short": [m.N(m.COOKIE2, cookie[:8])], "none": []}[what])
    wait(lambda: [sa["initiator-spi"] for sa in gate.established()] == [login.sa.spi_i.hex()], "only the sibling is left")
    user.polite = True
    assert carries(user, login.child, login.inner)


def test_move_with_a_nat_that_is_not_allowed(gate, user):
    """RFC 4555 section 3.9: UNEXPECTED_NAT_DETECTED if the addresses were changed under way, and nothing moves."""
    login = user.login()
    _, new = user.clone(login.sa)
    there = new.there[0]

    def no_nats(source):
        ends = [source[0], there, source[1], FLOAT]
        octets = b"".join(ipaddress.ip_address(x).packed for x in ends[:2]) + b"".join(struct.pack(">H", x) for x in ends[2:])
        return m.N(m.NO_NATS_ALLOWED, octets)
    answer = user.move(new, LTE, extra=[no_nats((LTE[0], 999))])
    assert answer.error == m.UNEXPECTED_NAT_DETECTED
    assert {sa["remote-host"] for sa in gate.established()} == {user.home}
    user.alive(new)
    answer = user.move(new, LTE, extra=[no_nats(LTE)])
    assert answer.error is None
    check_moved(user, gate, login, new, user.create_child(new, ALL)[1])


def test_update_again(gate, user):
    """M1: an UPDATE_SA_ADDRESSES that comes again from elsewhere, is damaged, or old, moves nothing and makes nobody
    ask there."""
    login = user.login()
    _, new = user.clone(login.sa)
    third = (LTE[0], 40779)
    user.socket(third)
    before = new.here
    assert user.move(new, LTE).error is None
    wait(lambda: any(sa["remote-host"] == LTE[0] for sa in gate.established()), "it is there")
    update, _, there = new.last
    user.put(update, before, there)   # the last one: the response comes again, to where it was asked from
    user.response(new, new.sent - 1)
    assert user.alive(new) and user.alive(new)
    body = [m.N(m.UPDATE_SA_ADDRESSES), *user.nat_detection(new), m.N(m.COOKIE2, bytes(8))]
    for octets in (new.seal(m.INFORMATIONAL, body, new.sent, damage=lambda h, b: h + b[:-1] + bytes([b[-1] ^ 1])),
                   new.seal(m.INFORMATIONAL, body, new.sent - 2), new.seal(m.INFORMATIONAL, body, new.sent + 1)):
        user.put(octets, third, there)
    assert user.alive(new)
    assert sorted(sa["remote-host"] for sa in gate.established()) == sorted([user.home, LTE[0]])
    assert not [x for x in user.inbox if x.here == third]


@pytest.mark.parametrize("length", (0, 7, 8, 64, 65, 1000))
def test_cookie2_of_any_length(user, length):
    """M5, RFC 4555 section 4.2.5: 8 to 64 octets come back as they are; what else there is has no meaning, and does
    no harm."""
    login = user.login()
    cookie = bytes(range(256)) * 4
    answer = user.ask(login.sa, m.INFORMATIONAL, [m.N(m.COOKIE2, cookie[:length])])
    assert answer.notify(m.COOKIE2) == (cookie[:length] if 8 <= length <= 64 else None) and answer.error is None
    assert user.alive(login.sa)


def test_mobike_that_was_not_agreed_on(gate, user):
    """M10: addresses and moves of who did not say MOBIKE_SUPPORTED; NAT detection is not answered either (RFC 4555
    section 3.8)."""
    login = user.login(mobike=False, edit_auth=lambda p: p + [m.N(m.ADDITIONAL_IP4_ADDRESS, ipaddress.ip_address(LTE[0]).packed)])
    sa, home = login.sa, login.sa.here
    user.socket(LTE)
    sa.here = LTE
    answer = user.ask(sa, m.INFORMATIONAL, [m.N(m.UPDATE_SA_ADDRESSES), *user.nat_detection(sa), m.N(m.COOKIE2, bytes(8))])
    assert not answer.payloads
    sa.here = home
    assert user.alive(sa) and carries(user, login.child, login.inner)
    assert {sa["remote-host"] for sa in gate.established()} == {user.home}


@pytest.mark.parametrize("dialect", ("keep-old", "rfc7791"))
def test_clones_of_the_same_values(user, dialect):
    """K16, C23: with the nonce and the KE of an earlier clone, the keys are others all the same: SPIs, Nr and KEr are
    in them."""
    login = user.login()
    _, nonce, exchange, _ = user.ike_group(31)

    def fixed(group, suite=None, spi=None):
        offered, _, _, spi = type(user).ike_group(user, group, suite, spi)
        return offered, nonce, exchange, spi
    user.ike_group = fixed
    clones = [user.clone(login.sa, dialect)[1] for _ in range(2)]
    keys = [key for sa in (login.sa, *clones) for key in sa.keys.values() if key]
    assert len(keys) == len(set(keys)) and all(user.alive(sa) for sa in (*clones, login.sa))


def test_lists_of_addresses(user):
    """KO-31, RFC 4555 section 3.6: with the login and later, on either IKE SA; of any length and content; all are
    answered empty."""
    login = user.login(edit_auth=lambda p: p + [m.N(m.ADDITIONAL_IP4_ADDRESS, ipaddress.ip_address(LTE[0]).packed),
                                                m.N(m.ADDITIONAL_IP6_ADDRESS, bytes.fromhex("fd02" + "00" * 13 + "02"))])
    _, new = user.clone(login.sa)
    for body in ([m.N(m.NO_ADDITIONAL_ADDRESSES)], [m.N(m.ADDITIONAL_IP4_ADDRESS, bytes(4))],
                 [m.N(m.ADDITIONAL_IP4_ADDRESS, bytes([10, 9, 9, i])) for i in range(20)],
                 [m.N(m.ADDITIONAL_IP4_ADDRESS, b"\x7f\0\0\1"), m.N(m.NO_ADDITIONAL_ADDRESSES)]):
        for sa in (login.sa, new):
            assert user.ask(sa, m.INFORMATIONAL, body).payloads == []
    assert carries(user, login.child, login.inner)


def reduced(peer, new, here, *, vendor_answer=True, selectors=ALL, extra=(), source=None):
    """D-08 (a): the Child SA and the move in one exchange."""
    before, new.here = new.here, here
    answer, child = peer.create_child(new, selectors, after=[m.N(m.UPDATE_SA_ADDRESSES), *peer.nat_detection(new, source), *extra])
    if answer.error is not None or not vendor_answer:
        new.here = before
    return answer, child


@pytest.mark.parametrize("how", ("combined", "separate"))
def test_reduced_by_the_end_user(gate, user, how):
    login = Combined(user) if how == "combined" else user.login()
    new = login.clone if how == "combined" else user.clone(login.sa)[1]
    answer, child = reduced(user, new, LTE)
    assert answer.names == ["SA", "NONCE", "TSI", "TSR", "N(NAT_SOURCE)", "N(NAT_DESTINATION)"]
    user.check_nat_detection(answer, new.spis)
    check_moved(user, gate, login, new, child)


@pytest.mark.parametrize("how", ("TS", "NAT"))
def test_reduced_that_is_refused(gate, user, how):
    """Both happen or neither: the IKE SA stays where it was."""
    login = user.login()
    _, new = user.clone(login.sa)
    if how == "TS":
        answer, _ = reduced(user, new, LTE, selectors=([m.net("0.0.0.0/0")], [m.net("172.16.0.0/16")]))
        assert answer.names == ["N(TS_UNACCEPTABLE)"]
    else:
        answer, _ = reduced(user, new, LTE, extra=[m.N(m.NO_NATS_ALLOWED, bytes(12))])
        assert answer.names == ["N(UNEXPECTED_NAT_DETECTED)"]
    assert {sa["remote-host"] for sa in gate.established()} == {user.home} and user.alive(new)
    answer, child = reduced(user, new, LTE)
    check_moved(user, gate, login, new, child)


def test_reduced_from_who_announced_nothing(gate, user):
    """A-11: UPDATE_SA_ADDRESSES is ignored, the Child SA created."""
    login = user.login(vendor=False)
    _, new = user.clone(login.sa, "rfc7791")
    answer, child = reduced(user, new, LTE, vendor_answer=False)
    assert answer.names == ["SA", "NONCE", "TSI", "TSR"]
    assert {sa["remote-host"] for sa in gate.established()} == {user.home}
    assert carries(user, child, login.inner)


def test_reduced_by_the_gateway(case, gate):
    """D-08 (b): the Gateway's request arrives at the announced address, and answering from there is consent."""
    peer = named(case, gate, "sender")
    peer.socket(LTE)
    login = Combined(peer, place=lambda login, group: login + [m.N(m.ADDITIONAL_IP4_ADDRESS,
                                                                   ipaddress.ip_address(LTE[0]).packed)] + group)
    request = peer.request(login.clone, m.CREATE_CHILD_SA)
    assert request.here == LTE and request.names == ["SA", "NONCE", "TSI", "TSR", "N(UPDATE_SA_ADDRESSES)", "N(NAT_SOURCE)",
                                                     "N(NAT_DESTINATION)"]
    peer.check_nat_detection(request, login.clone.spis)
    login.clone.here = LTE
    child = peer.answer_child(request, after=peer.nat_detection(login.clone))
    check_moved(peer, gate, login, login.clone, child)


@pytest.mark.parametrize("error", (m.UNACCEPTABLE_ADDRESSES, m.TEMPORARY_FAILURE, m.NO_ADDITIONAL_SAS))
def test_reduced_by_the_gateway_that_is_refused(case, gate, error):
    peer = named(case, gate, "sender")
    peer.socket(LTE)
    login = Combined(peer, place=lambda login, group: login + [m.N(m.ADDITIONAL_IP4_ADDRESS,
                                                                   ipaddress.ip_address(LTE[0]).packed)] + group)
    peer.answer(peer.request(login.clone, m.CREATE_CHILD_SA), [m.N(error)])
    assert {sa["remote-host"] for sa in gate.established()} == {peer.home}
    peer.move(login.clone, LTE)
    check_moved(peer, gate, login, login.clone, peer.create_child(login.clone, ALL)[1])


def test_inner_address_of_a_clone(case, gate):
    """KO-27, KO-28: CP before SA, with the first Child SA of the clone."""
    peer = named(case, gate, "own")
    login = peer.login()
    _, new = peer.clone(login.sa)
    answer, child = peer.create_child(new, ALL, before=[m.cp(m.CFG_REQUEST, (m.INTERNAL_IP4_ADDRESS, b""))])
    assert answer.names == ["CP", "SA", "NONCE", "TSI", "TSR"]
    (_, value) = m.read_cp(answer.one(m.CP))[1][0]
    inner = str(ipaddress.ip_address(value))
    assert inner != login.inner and child.here == [m.Selector(inner, inner)]
    assert carries(peer, child, inner) and carries(peer, login.child, login.inner)


def test_same_inner_address_on_a_clone(user):
    """KO-25: a CFG_REQUEST on a clone gets the session's address again."""
    login = user.login()
    _, new = user.clone(login.sa)
    answer, child = user.create_child(new, ALL, before=[m.cp(m.CFG_REQUEST, (m.INTERNAL_IP4_ADDRESS, b""))])
    assert m.read_cp(answer.one(m.CP))[1][0] == (1, ipaddress.ip_address(login.inner).packed)
    assert carries(user, child, login.inner) and carries(user, login.child, login.inner)


# ---- clones that the Gateway begins

TWO = [m.N(m.ADDITIONAL_IP4_ADDRESS, ipaddress.ip_address(LTE[0]).packed)]


def begun(case, gate, name, **how):
    """A login, and the Gateway's request right behind it."""
    peer = named(case, gate, name)
    login = peer.login(edit_auth=lambda p: p + TWO, **how)
    return peer, login, peer.request(login.sa, m.CREATE_CHILD_SA)


@pytest.mark.parametrize("name", ("begins", "begins7791"))
def test_the_gateway_begins(case, gate, name):
    """KO-13, D-05, A-09: its first request; it is the original initiator of the new IKE SA, and the End User moves
    it."""
    peer, login, request = begun(case, gate, name)
    assert request.number == 0 and request.flags == 0
    rfc = name == "begins7791"
    assert request.names == ["N(CLONE_IKE_SA)" if rfc else "N(KEEP_OLD)", "SA", "NONCE", "KE"]
    assert request.all(m.NOTIFY)[0].body == bytes.fromhex("00004031" if rfc else "0000baaf80000000")
    new = peer.answer_rekey_ike(request, [] if rfc else [m.N(m.KEEP_OLD, KEPT)])
    check_kept(peer, login, new)
    peer.move(new, LTE)
    check_moved(peer, gate, login, new, peer.create_child(new, ALL)[1])


ANSWERS = {"kept": ([m.N(m.KEEP_OLD, KEPT)], True), "reserved bits": ([m.N(m.KEEP_OLD, bytes.fromhex("7f00ffff"))], True),
           "two octets": ([m.N(m.KEEP_OLD, b"\0\0")], True), "protocol 1": ([m.N(m.KEEP_OLD, KEPT, protocol=1)], True),
           "unreadable, then kept": ([m.N(m.KEEP_OLD), m.N(m.KEEP_OLD, KEPT)], True),
           "others too": ([m.N(40970), m.N(m.KEEP_OLD, KEPT), m.Payload(m.VENDOR, b"x"), m.Payload(199, b"x")], True),
           "nothing": ([], False), "not kept": ([m.N(m.KEEP_OLD, NOT_KEPT)], False), "code 2": ([m.N(m.KEEP_OLD, b"\0\2\0\0")], False),
           "Q is 1": ([m.N(m.KEEP_OLD, KEEP)], False), "one octet": ([m.N(m.KEEP_OLD, b"\0")], False)}


@pytest.mark.parametrize("what", ANSWERS)
def test_answers_to_the_gateway(case, gate, what):
    """A-02, A-03, A-06, A-07, D-02: kept, or else a plain rekey: the Child SA moves, and the asker deletes the old
    IKE SA."""
    notifies, kept = ANSWERS[what]
    peer, login, request = begun(case, gate, "begins")
    new = peer.answer_rekey_ike(request, notifies)
    if kept:
        check_kept(peer, login, new)
        return
    delete = peer.request(login.sa, m.INFORMATIONAL)
    assert delete.names == ["DELETE"] and delete.one(m.DELETE) == b"\1\0\0\0"
    moved(login.sa, new, login.child)
    assert peer.alive(new) and carries(peer, login.child, login.inner)
    wait(lambda: len(gate.established()) == 1, "the old IKE SA is gone")


def test_rfc7791_answer_with_unknown_notifies(case, gate):
    """SUP-06: absence of notifies is success; unknown ones are nothing, KEEP_OLD_IKE_SA of whatever kind too."""
    peer, login, request = begun(case, gate, "begins7791")
    check_kept(peer, login, peer.answer_rekey_ike(request, [m.N(40970), m.N(m.KEEP_OLD, NOT_KEPT), m.N(m.CLONE_IKE_SA)]))


@pytest.mark.parametrize("name", ("begins", "begins7791"))
@pytest.mark.parametrize("error", (m.NO_ADDITIONAL_SAS, m.NO_PROPOSAL_CHOSEN, m.TEMPORARY_FAILURE, 8191, 12345))
def test_refusals_to_the_gateway(case, gate, name, error):
    """SUP-08: the old IKE SA goes on; TEMPORARY_FAILURE is asked again, with the same notify."""
    peer, login, request = begun(case, gate, name)
    peer.answer(request, [m.N(error)])
    assert peer.alive(login.sa) and carries(peer, login.child, login.inner)
    if error == m.TEMPORARY_FAILURE:
        again = peer.request(login.sa, m.CREATE_CHILD_SA)
        assert again.names == request.names
        check_kept(peer, login, peer.answer_rekey_ike(again, [m.N(m.KEEP_OLD, KEPT)] if name == "begins" else []))


def test_another_group_for_the_gateway(case, gate):
    """A-12: asks again with the group that is wanted, and the same notify."""
    peer, login, request = begun(case, gate, "begins")
    assert int.from_bytes(request.one(m.KE)[:2], "big") == 31
    peer.answer(request, [m.N(m.INVALID_KE_PAYLOAD, b"\0\x13")])
    again = peer.request(login.sa, m.CREATE_CHILD_SA)
    assert again.one(m.KE)[:2] == b"\0\x13" and again.all(m.NOTIFY) == request.all(m.NOTIFY)
    check_kept(peer, login, peer.answer_rekey_ike(again, [m.N(m.KEEP_OLD, KEPT)]))


def test_nothing_is_begun_with_who_announced_nothing(case, gate):
    """KO-18: no clone with a peer that did not announce one, unless blindly: then it is a rekey if the answer says
    nothing."""
    peer = named(case, gate, "begins")
    login = peer.login(edit_auth=lambda p: p + TWO, vendor=False, rfc7791=False)
    assert carries(peer, login.child, login.inner) and peer.silent(login.sa) == []
    peer.close()
    peer, login, request = begun(case, gate, "blind", vendor=False, rfc7791=False)
    assert request.names == ["N(KEEP_OLD)", "SA", "NONCE", "KE"]
    new = peer.answer_rekey_ike(request)
    assert peer.request(login.sa, m.INFORMATIONAL).names == ["DELETE"]
    moved(login.sa, new, login.child)
    assert carries(peer, login.child, login.inner)
