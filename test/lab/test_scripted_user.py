# SPDX-License-Identifier: Apache-2.0
"""ikatd as End User, and a Gateway that is not ikat: what it asks for, and what it makes of every answer."""
import ipaddress

import pytest

from lab.net import address
from lab.run import wait
from lab.scripted import message as m
from lab.scripted.gateway import INNER, INNER6, Accept
from lab.scripted.peer import FLOAT, KEEP, KEPT, NOT_KEPT, UNUSED, VENDOR_ID
from lab.settings import end_user, merge, paths

HOST, HOST6, LTE = address("lan", "host"), address("lan", "host", 6), (address("lte", "eu"), FLOAT)
PROPOSALS = "aes128gcm16-prfsha256-x25519-ecp256-modp2048"
GROUP = ["N(KEEP_OLD)", "SA", "NONCE", "KE"]
CONNECTIONS = {"home": {}, "apart": {"combined_auth": "no"}, "rfc": {"clone": "rfc7791"}, "prefers": {"prefer": "rfc7791"},
               "reduced": {"reduced": "end-user"}, "consents": {"reduced": "gateway"}, "off": {"clone": "off"},
               "blind": {"keep_old_blind": "yes"}, "single": {"paths": None},
               "steady": {"paths": None, "follow_redirects": "no"},
               "nat": {"paths": None, "nat_keepalive": "1s"}, "six": {"paths": None, "vips": "0.0.0.0, ::"},
               "leaves": {"paths": None, "unused_old_timeout": "10s"},
               "mesh": {"mesh": "full", "remote_addrs": f"{address('wan0', 'gw')}, {address('wan1', 'gw')}"}, "create": {"combined_auth": "no",
                                                                                       "clone_order": "create-move"}}


@pytest.fixture(scope="module")
def user(shared):
    """The End User of this module: one connection for each case."""
    base = end_user(paths() | {"proposals": PROPOSALS})
    home = base["connections"]["home"]
    home["children"]["net"]["remote_ts"] += ", fd20::/64"
    base["connections"] = {name: merge(home, changes | {"children": {"net": None, name: home["children"]["net"]}})
                           for name, changes in CONNECTIONS.items()}
    return shared.ikatd(shared.lab(), "eu", base, ("-d",))


@pytest.fixture
def gate(user, case):
    """A Gateway; `begin(name)` makes the End User connect."""
    peer = case.peer(user.lab, "gw")
    open_ones = []

    def begin(name, **how):
        accept = Accept(peer, **how)
        open_ones.append(user.begin("initiate", child=name, ike=name, timeout="5000"))
        return accept
    peer.begin = begin
    yield peer
    for vici in open_ones:
        vici.socket.close()


def login(gate, name, **how):
    """A login that succeeds."""
    return gate.begin(name, **how).init().auth()


def carries(gate, child, here=None):
    """Whether the End User answers packets on a Child SA: the first may be there before it has read that there is
    one."""
    return any(gate.ping(child, HOST, INNER, here=here, timeout=1) is not None for _ in range(4))


def two_vpns(gate, user, accept, new, order="move-create"):
    """What has to follow a clone: the move, and a Child SA on it (KO-24, KO-29); then two VPNs."""
    request = gate.request(new, m.CREATE_CHILD_SA)
    assert request.names == ["SA", "NONCE", "TSI", "TSR"]
    if order == "move-create":
        assert request.there == new.there == LTE
    child = gate.answer_child(request, tsi=[m.Selector(INNER, INNER)])
    wait(lambda: new.there == LTE or gate.poll(0.01) and False, "the clone was moved")
    assert carries(gate, child) and carries(gate, accept.child)
    assert {sa["local-host"] for sa in user.established()} == {accept.sa.there[0], LTE[0]}


# ---- the login

def test_first_messages(gate, user):
    """KO-32, D-01: what is announced, and where."""
    accept = login(gate, "home")
    assert {"SA", "KE", "NONCE", "N(NAT_SOURCE)", "N(NAT_DESTINATION)", "VENDOR"} <= set(accept.request.names)
    assert VENDOR_ID in [payload.body for payload in accept.request.all(m.VENDOR)]
    gate.check_nat_detection(accept.request, (accept.request.spi_i, bytes(8)))
    names = accept.auth_request.names
    assert {"IDI", "AUTH", "CP", "TSI", "TSR", "N(MOBIKE_SUPPORTED)", "N(CLONE_SUPPORTED)", "N(ADDITIONAL_IP4_ADDRESS)"} <= set(names)
    assert names.index("CP") < names.index("SA") and names[-4:] == GROUP
    assert accept.auth_request.notify(m.KEEP_OLD) == KEEP
    two_vpns(gate, user, accept, accept.clone)


@pytest.mark.parametrize("name,vendor,rfc7791,wanted", (
    ("apart", 1, 1, "N(KEEP_OLD)"), ("apart", 1, 0, "N(KEEP_OLD)"), ("apart", 0, 1, "N(CLONE_IKE_SA)"), ("apart", 0, 0, None),
    ("prefers", 1, 1, "N(CLONE_IKE_SA)"), ("prefers", 1, 0, "N(KEEP_OLD)"), ("rfc", 1, 1, "N(CLONE_IKE_SA)"), ("rfc", 1, 0, None),
    ("off", 1, 1, None), ("blind", 0, 0, "N(KEEP_OLD)")))
def test_dialect(gate, user, name, vendor, rfc7791, wanted):
    """SUP-03: what is asked with follows from what both announced."""
    accept = login(gate, name, vendor=vendor, rfc7791=rfc7791, group=None)
    if wanted is None:
        assert gate.alive(accept.sa) and carries(gate, accept.child)
        assert not [x for x in gate.inbox if x.exchange == m.CREATE_CHILD_SA]
        return
    request = gate.request(accept.sa, m.CREATE_CHILD_SA)
    assert request.names == [wanted, "SA", "NONCE", "KE"]
    new = gate.answer_rekey_ike(request, [m.N(m.KEEP_OLD, KEPT)] if "KEEP" in wanted else [])
    two_vpns(gate, user, accept, new)


def test_without_mobike(gate):
    """A-20: what cannot be moved is not cloned."""
    accept = login(gate, "apart", mobike=False)
    assert gate.alive(accept.sa) and carries(gate, accept.child)
    assert not [x for x in gate.inbox if x.exchange == m.CREATE_CHILD_SA]


ANSWERS = {"kept": ([m.N(m.KEEP_OLD, KEPT)], True), "reserved bits": ([m.N(m.KEEP_OLD, bytes.fromhex("7f00ffff"))], True),
           "two octets": ([m.N(m.KEEP_OLD, b"\0\0")], True), "more octets": ([m.N(m.KEEP_OLD, bytes(9))], True),
           "others too": ([m.N(40970), m.N(m.KEEP_OLD, KEPT), m.Payload(m.VENDOR, b"x"), m.Payload(199, b"x")], True),
           "nothing": ([], False), "not kept": ([m.N(m.KEEP_OLD, NOT_KEPT)], False), "code 2": ([m.N(m.KEEP_OLD, b"\0\2\0\0")], False),
           "Q is 1": ([m.N(m.KEEP_OLD, KEEP)], False), "one octet": ([m.N(m.KEEP_OLD, b"\0")], False),
           "RFC 7791's": ([m.N(m.CLONE_IKE_SA)], False)}


@pytest.mark.parametrize("what", ANSWERS)
def test_answers(gate, user, what):
    """A-02, A-03, A-05 to A-07, D-02: kept, or a plain rekey that is believed and not tried again."""
    notifies, kept = ANSWERS[what]
    accept = login(gate, "apart")
    new = gate.answer_rekey_ike(gate.request(accept.sa, m.CREATE_CHILD_SA), notifies)
    if kept:
        two_vpns(gate, user, accept, new)
        return
    delete = gate.request(accept.sa, m.INFORMATIONAL, wanted=lambda x: x.names == ["DELETE"])
    assert delete.one(m.DELETE) == b"\1\0\0\0"
    accept.child.ike, accept.sa.children, new.children = new, [], [accept.child]
    assert gate.alive(new) and carries(gate, accept.child)
    assert not [x for x in gate.inbox if x.exchange == m.CREATE_CHILD_SA], "no clone is asked for again"
    assert len(user.established()) == 1


@pytest.mark.parametrize("name", ("apart", "rfc"))
@pytest.mark.parametrize("error", (m.NO_ADDITIONAL_SAS, m.NO_PROPOSAL_CHOSEN, m.TEMPORARY_FAILURE, 8191))
def test_refusals(gate, user, name, error):
    """SUP-08, SUP-09: the old IKE SA and its VPN go on, and there is no new login."""
    accept = login(gate, name)
    request = gate.request(accept.sa, m.CREATE_CHILD_SA)
    gate.answer(request, [m.N(error)])
    assert gate.alive(accept.sa) and carries(gate, accept.child)
    if error == m.TEMPORARY_FAILURE:
        again = gate.request(accept.sa, m.CREATE_CHILD_SA)
        assert again.names == request.names
        two_vpns(gate, user, accept, gate.answer_rekey_ike(again, [m.N(m.KEEP_OLD, KEPT)] if name == "apart" else []))
    assert not [x for x in gate.inbox if x.exchange == m.IKE_SA_INIT]


def test_another_group(gate, user):
    accept = login(gate, "apart")
    request = gate.request(accept.sa, m.CREATE_CHILD_SA)
    gate.answer(request, [m.N(m.INVALID_KE_PAYLOAD, b"\0\x13")])
    again = gate.request(accept.sa, m.CREATE_CHILD_SA)
    assert again.one(m.KE)[:2] == b"\0\x13" and again.notify(m.KEEP_OLD) == KEEP
    two_vpns(gate, user, accept, gate.answer_rekey_ike(again, [m.N(m.KEEP_OLD, KEPT)]))


def test_rfc7791_answer_with_other_notifies(gate, user):
    """SUP-06: in this dialect a response without the notify is success, whatever else is in it."""
    accept = login(gate, "rfc")
    new = gate.answer_rekey_ike(gate.request(accept.sa, m.CREATE_CHILD_SA), [m.N(m.KEEP_OLD, NOT_KEPT), m.N(40970)])
    two_vpns(gate, user, accept, new)


def test_create_then_move(gate, user):
    accept = login(gate, "create")
    new = gate.answer_rekey_ike(gate.request(accept.sa, m.CREATE_CHILD_SA), [m.N(m.KEEP_OLD, KEPT)])
    two_vpns(gate, user, accept, new, "create-move")


# ---- combined with IKE_AUTH

def test_combined_declined(gate, user):
    """D-07: a response without the group; the clone is asked for separately."""
    accept = login(gate, "home", group=None)
    request = gate.request(accept.sa, m.CREATE_CHILD_SA)
    assert request.names == GROUP
    two_vpns(gate, user, accept, gate.answer_rekey_ike(request, [m.N(m.KEEP_OLD, KEPT)]))


def test_combined_first(gate, user):
    """The group in front of the login's own payloads is the same group."""
    accept = login(gate, "home", edit_auth=lambda p: p[-4:] + p[:-4])
    two_vpns(gate, user, accept, accept.clone)


def test_combined_refused(gate, user):
    """A-08: INVALID_SYNTAX, and once more from IKE_SA_INIT without the group."""
    accept = gate.begin("home").init()
    request = gate.request(accept.sa, m.IKE_AUTH)
    assert request.names[-4:] == GROUP
    gate.answer(request, [m.N(m.INVALID_SYNTAX)])
    again = Accept(gate).init().auth()
    assert "KE" not in again.auth_request.names
    two_vpns(gate, user, again, gate.answer_rekey_ike(gate.request(again.sa, m.CREATE_CHILD_SA), [m.N(m.KEEP_OLD, KEPT)]))


@pytest.mark.parametrize("vendor", (False, True))
def test_combined_only_with_who_announced_it(gate, vendor):
    """D-04."""
    accept = login(gate, "home", vendor=vendor)
    assert ("KE" in accept.auth_request.names) == vendor


# ---- MOBIKE

def moving(gate):
    """A clone whose UPDATE_SA_ADDRESSES has come; (login, clone, request)."""
    gate.polite = False
    accept = gate.begin("home").init().auth()
    while True:
        request = gate.request(accept.clone, m.INFORMATIONAL)
        if request.notify(m.UPDATE_SA_ADDRESSES) is not None:
            assert request.names == ["N(UPDATE_SA_ADDRESSES)", "N(NAT_SOURCE)", "N(NAT_DESTINATION)", "N(COOKIE2)"]
            gate.check_nat_detection(request, accept.clone.spis)
            return accept, accept.clone, request
        gate.answer(request, gate.courtesy(request))


@pytest.mark.parametrize("protocol", (0, 1))
def test_move(gate, user, protocol):
    """RFC 4555 section 3.5; COOKIE2 that comes back with Protocol ID 1 is COOKIE2 (OpenIKED)."""
    accept, new, request = moving(gate)
    gate.polite = True
    new.here, new.there = request.here, request.there
    gate.answer(request, [*gate.nat_detection(new), m.N(m.COOKIE2, request.notify(m.COOKIE2), protocol)])
    cookie = b"sixteen octets.."
    answer = gate.ask(new, m.INFORMATIONAL, [m.N(m.COOKIE2, cookie)])
    assert answer.names == ["N(COOKIE2)"] and answer.notify(m.COOKIE2) == cookie
    two_vpns(gate, user, accept, new)


def test_move_that_is_refused(gate, user):
    """RFC 4555 section 3.5: UNACCEPTABLE_ADDRESSES leaves the IKE SA where it was; the first VPN is not concerned."""
    accept, new, request = moving(gate)
    gate.polite = True
    gate.answer(request, [m.N(m.UNACCEPTABLE_ADDRESSES), m.N(m.COOKIE2, request.notify(m.COOKIE2))])
    assert carries(gate, accept.child) and gate.alive(accept.sa)


@pytest.mark.parametrize("what", ("other", "none"))
def test_move_with_a_wrong_cookie(gate, user, what):
    """RFC 4555 section 3.7: the IKE SA MUST be closed; its sibling lives."""
    accept, new, request = moving(gate)
    gate.polite = True
    new.there = request.there
    gate.answer(request, gate.nat_detection(new) + ([m.N(m.COOKIE2, bytes(16))] if what == "other" else []))
    wait(lambda: gate.poll(0.01) and False or new.spi_i.hex() not in {sa["initiator-spi"] for sa in user.established()}, "it is closed")
    assert gate.alive(accept.sa) and carries(gate, accept.child)


def test_update_by_the_gateway(gate, user):
    """RFC 4555 section 3.5: only the End User moves; the request is answered and nothing moves."""
    accept = login(gate, "single")
    answer = gate.ask(accept.sa, m.INFORMATIONAL, [m.N(m.UPDATE_SA_ADDRESSES), *gate.nat_detection(accept.sa)])
    assert answer.error is None and carries(gate, accept.child)
    assert {sa["remote-host"] for sa in user.established()} == {gate.home}


# ---- the reduced last leg

def test_reduced(gate, user):
    """D-08 (a): the Child SA and the move in one exchange, from the second interface."""
    accept = login(gate, "reduced")
    request = gate.request(accept.clone, m.CREATE_CHILD_SA)
    assert request.there == LTE and request.names == ["SA", "NONCE", "TSI", "TSR", "N(UPDATE_SA_ADDRESSES)", "N(NAT_SOURCE)",
                                                      "N(NAT_DESTINATION)"]
    gate.check_nat_detection(request, accept.clone.spis)
    new = accept.clone
    new.here, new.there = request.here, request.there
    child = gate.answer_child(request, after=gate.nat_detection(new), tsi=[m.Selector(INNER, INNER)])
    assert carries(gate, child) and carries(gate, accept.child)


def test_reduced_by_the_gateway(gate, user):
    """D-08 (b): answering from there is consent."""
    accept = login(gate, "consents")
    new = accept.clone
    new.there = LTE
    answer, child = gate.create_child(new, ([m.net("10.20.0.0/24")], [m.Selector(INNER, INNER)]),
                                      after=[m.N(m.UPDATE_SA_ADDRESSES), *gate.nat_detection(new)])
    assert child, str(answer)
    assert answer.names == ["SA", "NONCE", "TSI", "TSR", "N(NAT_SOURCE)", "N(NAT_DESTINATION)"]
    assert carries(gate, child) and carries(gate, accept.child)


def test_reduced_by_the_gateway_without_consent(gate, user):
    """UNACCEPTABLE_ADDRESSES, and the End User moves by itself."""
    accept = login(gate, "home")
    new = accept.clone
    new.there = LTE
    answer, child = gate.create_child(new, ([m.net("10.20.0.0/24")], [m.Selector(INNER, INNER)]),
                                      after=[m.N(m.UPDATE_SA_ADDRESSES), *gate.nat_detection(new)])
    assert child is None and answer.error in (m.UNACCEPTABLE_ADDRESSES, m.TEMPORARY_FAILURE), str(answer)
    two_vpns(gate, user, accept, new)


# ---- clones that the Gateway asks for, and its rekeys

@pytest.mark.parametrize("dialect", ("keep-old", "rfc7791"))
@pytest.mark.parametrize("name", ("single", "apart"))
def test_clone_by_the_gateway(gate, dialect, name):
    """KO-13, A-09: right behind IKE_AUTH; the Gateway is the original initiator of the new IKE SA."""
    accept = login(gate, name)
    answer, new = gate.clone(accept.sa, dialect)
    assert answer.names == (["N(KEEP_OLD)"] if dialect == "keep-old" else []) + ["SA", "NONCE", "KE"]
    assert new.began and gate.alive(new) and gate.alive(accept.sa) and carries(gate, accept.child)


def test_unused_by_the_gateway(gate, user):
    """Code 1: the Child SA goes along, the old IKE SA is left."""
    accept = login(gate, "single")
    answer, new = gate.rekey_ike(accept.sa, [m.N(m.KEEP_OLD, UNUSED)])
    assert answer.notify(m.KEEP_OLD) == NOT_KEPT
    accept.child.ike, accept.sa.children, new.children = new, [], [accept.child]
    gate.delete(accept.sa)
    assert carries(gate, accept.child) and gate.alive(new) and len(user.established()) == 1


def test_rekeys_by_the_gateway(gate, user):
    accept = login(gate, "single")
    _, new = gate.rekey_ike(accept.sa)
    accept.child.ike, accept.sa.children, new.children = new, [], [accept.child]
    gate.delete(accept.sa)
    answer, child = gate.create_child(new, ([m.net("10.20.0.0/24")], [m.Selector(INNER, INNER)]),
                                      before=[m.N(m.REKEY_SA, b"", m.ESP, accept.child.spi_in)])
    assert child and carries(gate, child), str(answer)
    assert gate.ask(new, m.INFORMATIONAL, [m.D(m.ESP, [accept.child.spi_in])]).names == ["DELETE"]
    assert carries(gate, child) and len(user.children()) == 1


# ---- logins that go wrong

def test_cookie(gate):
    """RFC 7296 section 2.6: the same request again, with COOKIE in front."""
    accept = gate.begin("single")
    first = accept.wait_init()
    accept.refuse_init(m.N(m.COOKIE, b"a cookie"))
    again = accept.wait_init()
    assert again.names == ["N(COOKIE)"] + first.names and again.notify(m.COOKIE) == b"a cookie"
    assert again.spi_i == first.spi_i and again.one(m.NONCE) == first.one(m.NONCE) and again.one(m.KE) == first.one(m.KE)
    accept.init().auth()
    assert carries(gate, accept.child)


def test_group_of_the_login(gate):
    accept = gate.begin("single")
    first = accept.wait_init()
    accept.refuse_init(m.N(m.INVALID_KE_PAYLOAD, b"\0\x0e"))
    again = accept.wait_init()
    assert first.one(m.KE)[:2] == b"\0\x1f" and again.one(m.KE)[:2] == b"\0\x0e" and again.one(m.SA) == first.one(m.SA)
    accept.init().auth()
    assert carries(gate, accept.child)


HINTS = {"group that was not offered": [m.N(m.INVALID_KE_PAYLOAD, b"\0\2")], "group cut": [m.N(m.INVALID_KE_PAYLOAD, b"\0")],
         "no proposal": [m.N(m.NO_PROPOSAL_CHOSEN)], "authentication": [m.N(m.AUTHENTICATION_FAILED)], "syntax": [m.N(m.INVALID_SYNTAX)],
         "unknown": [m.N(9999)], "nothing": [], "cookie too long": [m.N(m.COOKIE, bytes(65))], "major version": [m.N(m.INVALID_MAJOR_VERSION)]}


@pytest.mark.parametrize("what", HINTS)
def test_forged_refusals(gate, what):
    """C11, C12: an unauthenticated refusal is a hint; the true answer that comes behind it makes the login."""
    accept = gate.begin("single")
    accept.wait_init()
    accept.refuse_init(*HINTS[what])
    accept.init().auth()
    assert carries(gate, accept.child)


def picked(*transforms):
    """Instead of the proposal that is right."""
    return lambda p: [m.sa(m.Proposal(m.IKE, b"", transforms, 1))] + p[1:]


E_, P_, G_ = m.Transform(m.ENCR, 20, 128), m.Transform(m.PRF, 5), m.Transform(m.GROUP, 31)
WRONG = {"not offered": picked(m.Transform(m.ENCR, 20, 256), P_, G_), "two of a kind": picked(E_, P_, G_, m.Transform(m.GROUP, 19)),
         "one missing": picked(E_, G_), "other group": picked(E_, P_, m.Transform(m.GROUP, 19)), "proposal 2": lambda p: [
             m.sa(m.Proposal(m.IKE, b"", (E_, P_, G_), 2))] + p[1:], "two proposals": lambda p: [
                 m.sa(m.Proposal(m.IKE, b"", (E_, P_, G_)), m.Proposal(m.IKE, b"", (E_, P_, G_)))] + p[1:],
         "no nonce": lambda p: [x for x in p if x.kind != m.NONCE], "KE of order one": lambda p: [p[0], m.ke(31, bytes(32))] + p[2:],
         "critical": lambda p: p + [m.Payload(222, b"", 0x80)]}


@pytest.mark.parametrize("what", WRONG)
def test_answers_to_init_that_are_wrong(gate, user, what):
    """C13: no IKE_AUTH follows."""
    gate.begin("single", edit_init=WRONG[what]).init()
    user.request("version")
    assert not user.established()
    gate.poll(0.02)
    assert not [x for x in gate.inbox if x.exchange == m.IKE_AUTH]


def replaced(kind, payload):
    """Another payload of a kind."""
    return lambda p: [payload if x.kind == kind else x for x in p]


REFUSED = {
    "AUTH": replaced(m.AUTH, m.Payload(m.AUTH, bytes([2, 0, 0, 0]) + bytes(32))), "no AUTH": lambda p: [x for x in p if x.kind != m.AUTH],
    "method": lambda p: [m.Payload(m.AUTH, b"\x0d" + x.body[1:]) if x.kind == m.AUTH else x for x in p],
    "IDr": replaced(m.IDR, m.identity(m.IDR, "other.example")), "no IDr": lambda p: p[1:], "two AUTH": lambda p: p[:2] + p[1:],
    "failed": lambda p: [m.N(m.AUTHENTICATION_FAILED)], "critical": lambda p: p + [m.Payload(222, b"", 0x80)]}


@pytest.mark.parametrize("what", REFUSED)
def test_answers_to_auth_that_are_wrong(gate, user, what):
    """No IKE SA, no address, no Child SA."""
    accept = gate.begin("single", edit_auth=REFUSED[what]).init().auth()
    wait(lambda: accept.sa.spi_i.hex() not in {sa["initiator-spi"] for _, sa in user.sas()}, "the login is over")
    assert not user.established()


CHILDLESS = {
    "TS wider": replaced(m.TSR, m.ts(m.TSR, m.net("0.0.0.0/0"))), "TS of others": replaced(m.TSI, m.ts(m.TSI, m.net("10.20.0.0/24"))),
    "error": lambda p: [x for x in p if x.kind not in (m.SA, m.TSI, m.TSR)] + [m.N(m.TS_UNACCEPTABLE)],
    "proposal": replaced(m.SA, m.sa(m.Proposal(m.ESP, b"\xc1\2\3\4", (m.Transform(m.ENCR, 12, 128), m.Transform(m.INTEG, 12),
                                                                     m.Transform(m.ESN, 0)))))}


@pytest.mark.parametrize("what", CHILDLESS)
def test_child_that_was_not_asked_for(gate, user, what):
    """T2: what is more than asked for is not installed."""
    login(gate, "single", edit_auth=CHILDLESS[what])
    wait(lambda: not any(sa["state"] == "CONNECTING" for _, sa in user.sas()), "the login is over")
    assert not user.children()


GOOD = {"unknown notifies": lambda p: [m.N(50000)] + p + [m.N(40999, b"x")], "unknown payloads": lambda p: [m.Payload(210)] + p,
        "order": lambda p: p[::-1], "reserved bits": lambda p: [m.Payload(x.kind, x.body, 0x7f) for x in p],
        "TS narrower": replaced(m.TSR, m.ts(m.TSR, m.net("10.20.0.2/32")))}


@pytest.mark.parametrize("what", GOOD)
def test_answers_that_are_unusual(gate, what):
    accept = login(gate, "single", edit_auth=GOOD[what])
    assert carries(gate, accept.child) and gate.alive(accept.sa)


def test_fragmented_answer(gate):
    """RFC 7383, out of order."""
    accept = gate.begin("single").init()
    answer = gate.answer
    gate.answer = lambda x, payloads: [gate.put(octets, x.here, x.there) for octets in reversed(
        accept.sa.seal_fragments(x.exchange, payloads, x.number, True, size=70))]
    accept.auth()
    gate.answer = answer
    assert carries(gate, accept.child)


def test_deletes_by_the_gateway(gate, user):
    accept = login(gate, "single")
    answer = gate.ask(accept.sa, m.INFORMATIONAL, [m.D(m.ESP, [accept.child.spi_in])])
    assert answer.names == ["DELETE"] and answer.one(m.DELETE)[4:] == accept.child.spi_out
    gate.delete(accept.sa)
    wait(lambda: not user.established(), "the session is over")


def test_what_is_unused_is_deleted(gate, user):
    """KO-21, D-11: the Gateway said code 1 and does not delete the old IKE SA, so the End User does."""
    accept = login(gate, "leaves")
    _, new = gate.rekey_ike(accept.sa, [m.N(m.KEEP_OLD, UNUSED)])
    accept.child.ike, accept.sa.children, new.children = new, [], [accept.child]
    delete = gate.request(accept.sa, m.INFORMATIONAL, timeout=30)
    assert delete.names == ["DELETE"] and delete.one(m.DELETE) == b"\1\0\0\0"
    wait(lambda: len(user.established()) == 1, "the new one is left")
    assert carries(gate, accept.child) and gate.alive(new)


# ---- clones that cross

@pytest.mark.parametrize("name,dialect", (("apart", "keep-old"), ("apart", "rfc7791"), ("rfc", "rfc7791")))
def test_both_clone(gate, name, dialect):
    """A-18, D-12: both are answered and both stay; the End User needs one, and moves it."""
    accept = login(gate, name)
    request = gate.request(accept.sa, m.CREATE_CHILD_SA)
    answer, second = gate.clone(accept.sa, dialect)
    assert second and answer.names == (["N(KEEP_OLD)"] if dialect == "keep-old" else []) + ["SA", "NONCE", "KE"]
    new = gate.answer_rekey_ike(request, [m.N(m.KEEP_OLD, KEPT)] if name == "apart" else [], nonce=bytes(32))
    # which of them gets the VPN, and whether the other one is deleted, is the End User's to say
    child = gate.answer_child(gate.request(None, m.CREATE_CHILD_SA), tsi=[m.Selector(INNER, INNER)])
    assert child.ike in (new, second)
    wait(lambda: child.ike.there == LTE or gate.poll(0.01) and False, "it was moved")
    assert carries(gate, child) and carries(gate, accept.child) and gate.alive(accept.sa)


# ---- several addresses of the Gateway (n x m)

def test_mesh(gate, user):
    """KO-31, B.6: two interfaces and two addresses are four VPNs after one login, each on its pair."""
    second = address("wan1", "gw")
    for port in (500, FLOAT):
        gate.socket((second, port))
    accept = login(gate, "mesh")
    sas, children = [accept.sa, accept.clone], [accept.child]
    while len(children) < 4:
        request = gate.request(None, m.CREATE_CHILD_SA)
        if "KE" in request.names:
            assert request.notify(m.KEEP_OLD) == KEEP
            sas.append(gate.answer_rekey_ike(request, [m.N(m.KEEP_OLD, KEPT)]))
        else:
            children.append(gate.answer_child(request, tsi=[m.Selector(INNER, INNER)]))
    pairs = {(here, there) for here in (gate.home, second) for there in (address("wlan", "eu"), LTE[0])}

    def ends():
        gate.poll(0.01)
        return {(sa.here[0], sa.there[0]) for sa in sas}
    wait(lambda: ends() == pairs, "each has its pair")
    assert len(sas) == 4 and {child.ike for child in children} == set(sas)
    assert all(carries(gate, child) for child in children)
    assert not [x for x in gate.inbox if x.exchange == m.IKE_AUTH]


# ---- inner IPv6

@pytest.mark.parametrize("inner", ((INNER, INNER6), (INNER6,)), ids=("both", "only"))
def test_inner_ipv6(gate, inner):
    accept = login(gate, "six", inner=inner)
    kind, attributes = m.read_cp(accept.auth_request.one(m.CP))
    assert kind == m.CFG_REQUEST and {m.INTERNAL_IP4_ADDRESS, m.INTERNAL_IP6_ADDRESS} <= {t for t, _ in attributes}
    assert {x.first for x in accept.auth_request.selectors(m.TSI)} == {"0.0.0.0", "::"}
    for source, target in ((HOST6, INNER6),) + (((HOST, INNER),) if INNER in inner else ()):
        assert any(gate.ping(accept.child, source, target, timeout=1) for _ in range(4)), target
    assert gate.alive(accept.sa)


# ---- a NAT in front of the End User

def seen_elsewhere(gate, mark):
    """From now on the Gateway sees the End User at an address that it does not have."""
    gate.nat_detection = lambda sa, *_: [*type(gate).nat_detection(gate, sa)[:1], m.N(m.NAT_DESTINATION, mark * 20)]


def test_nat(gate, user):
    """RFC 7296 section 2.23, RFC 4555 section 3.8: ESP in UDP, keepalives, and UPDATE_SA_ADDRESSES when the mapping
    changes."""
    def elsewhere(payloads):
        return [m.N(m.NAT_DESTINATION, b"a" * 20) if str(x) == "N(NAT_DESTINATION)" else x for x in payloads]
    seen_elsewhere(gate, b"a")
    accept = login(gate, "nat", edit_init=elsewhere, vendor=False)
    assert carries(gate, accept.child) and gate.came[0][1] == FLOAT
    wait(lambda: gate.keepalives or gate.poll(0.05) and False, "a keepalive")
    assert gate.keepalives[0] == ((gate.home, FLOAT), accept.sa.there)
    wait(lambda: gate.updates == 1 or gate.poll(0.05) and False, "an update: where it is seen is not known since the login")
    assert gate.alive(accept.sa)
    seen_elsewhere(gate, b"b")
    wait(lambda: gate.updates == 2 or gate.poll(0.05) and False, "an update: the mapping has changed")
    # a host behind a NAT does not follow: what comes from elsewhere, authentic as it is, moves nothing
    other = (gate.home, 40900)
    gate.socket(other)
    gate.raw(accept.child.seal(b"", following=59), other, accept.sa.there)
    assert gate.alive(accept.sa) and {sa["remote-port"] for sa in user.established()} == {str(FLOAT)}
    assert carries(gate, accept.child)


# ---- how long the authentication holds (RFC 4478)

def test_lifetime_of_the_authentication(gate, user):
    """A notify that is malformed is nothing; with zero the End User logs in anew, beside, and never sooner than after
    ten seconds."""
    accept = login(gate, "single")
    for data in (b"", bytes(3), bytes(5)):
        assert not gate.ask(accept.sa, m.INFORMATIONAL, [m.N(m.AUTH_LIFETIME, data)]).payloads
    assert not gate.ask(accept.sa, m.INFORMATIONAL, [m.N(m.AUTH_LIFETIME, bytes(4))]).payloads
    again = Accept(gate)
    again.wait_init(timeout=30)
    again.init().auth()
    names = again.auth_request.names
    assert "N(INITIAL_CONTACT)" not in names
    assert dict(m.read_cp(again.auth_request.one(m.CP))[1])[m.INTERNAL_IP4_ADDRESS] == ipaddress.ip_address(INNER).packed
    assert carries(gate, again.child)
    delete = gate.request(accept.sa, m.INFORMATIONAL, timeout=30)
    assert delete.names == ["DELETE"], "the old one goes when the new one carries the traffic"
    wait(lambda: len(user.established()) == 1, "one session is left")


# ---- extensions that were not agreed on

ELSEWHERE = b"\1\4\xc6\x33\x64\1"   # 198.51.100.1, where the Gateway is as well
REDIRECTS = {"instead of an answer": "init", "with the answer": "with init", "with AUTH": "auth", "later": "informational"}


@pytest.mark.parametrize("when", REDIRECTS)
def test_redirect(gate, user, when):
    """S28 (RFC 5685): the End User did not say that it follows, and does not; unauthenticated or not."""
    how, redirect = REDIRECTS[when], m.N(m.REDIRECT, ELSEWHERE)
    for port in (500, FLOAT):
        gate.socket((address("wan1", "gw"), port))
    add = {"edit_init": lambda p: p + [redirect]} if how == "with init" else {}
    add |= {"edit_auth": lambda p: p + [redirect]} if how == "auth" else {}
    accept = gate.begin("steady", **add)
    request = accept.wait_init()
    assert "N(REDIRECT_SUPPORTED)" not in request.names
    if how == "init":
        accept.refuse_init(m.N(m.REDIRECT, ELSEWHERE + request.one(m.NONCE)))
    accept.init().auth()
    if how == "informational":
        for data in (ELSEWHERE, b"", b"\1\xff", b"\3\x04host"):
            assert not gate.ask(accept.sa, m.INFORMATIONAL, [m.N(m.REDIRECT, data)]).payloads
    assert carries(gate, accept.child) and gate.alive(accept.sa)
    assert not [x for x in gate.inbox if x.exchange == m.IKE_SA_INIT and x.here[0] != gate.home]


def test_message_id_sync(gate):
    """S32 (RFC 6311): a Gateway that failed over without that being agreed on is not obeyed."""
    accept = login(gate, "single", edit_auth=lambda p: p + [m.N(m.MESSAGE_ID_SYNC_SUPPORTED)])
    assert "N(MESSAGE_ID_SYNC_SUPPORTED)" not in accept.auth_request.names
    sa, sync = accept.sa, m.N(m.MESSAGE_ID_SYNC, bytes(4) + b"\0\0\3\xe8\0\0\3\xe8")
    assert not gate.ask(sa, m.INFORMATIONAL, [sync]).payloads
    gate.post(sa, sa.seal(m.INFORMATIONAL, [m.D(m.IKE)], 1000))
    assert gate.alive(sa) and carries(gate, accept.child)
