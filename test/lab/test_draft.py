# SPDX-License-Identifier: Apache-2.0
"""Appendix B of draft-mglt-ipsecme-keep-old-ike-sa, message by message, as tshark reads it off the wire."""
import pytest

from lab.capture import CREATE_CHILD_SA, IKE_AUTH, IKE_SA_INIT, INFORMATIONAL, Capture, exchanges
from lab.net import address
from lab.run import wait
from lab.settings import end_user, gateway, paths

USER0, USER1, GATEWAY = address("wlan", "eu"), address("lte", "eu"), address("wan0", "gw")
INITIATOR = 0x08  # flag: sent by who began the IKE SA
NATD = ("N(NAT_DETECTION_SOURCE_IP)", "N(NAT_DETECTION_DESTINATION_IP)")


def start(world, nat=(), gate=None, **conn):
    """Brings two VPNs up; returns the two ends, the lab and the exchanges seen on the End User's host."""
    lab = world.lab(nat=nat)
    gw = world.ikatd(lab, "gw", gateway(gate))
    eu = world.ikatd(lab, "eu", end_user(paths(mesh="first", **conn)))
    capture = Capture(lab, "eu")
    eu.ikat("up", "home")
    session = eu.wait_paths(2)
    lab.run("eu", "ping", "-c1", "-W5", address("lan", "host"))
    pairs = exchanges(capture.dissect(eu.keylog))
    for request, response in pairs:
        assert response is not None, request
    return lab, gw, eu, session, pairs


def kind(pairs, exchange, *payloads):
    """The exchanges whose request has these payloads."""
    return [pair for pair in pairs if pair[0].exchange == exchange and pair[0].has(*payloads)]


def between(message, source, target, port):
    """Whether a message goes from here to there."""
    return message.source == (source, port) and message.target == (target, port)


def check_login(pairs):
    """B.1: M1 to M4. Returns the IKE SA."""
    (m1, m2), (m3, m4) = pairs[:2]
    assert m1.exchange == IKE_SA_INIT and between(m1, USER0, GATEWAY, 500) and m1.has("SA", "KE", "Nonce", *NATD)
    assert between(m2, GATEWAY, USER0, 500) and m2.has("SA", "KE", "Nonce", *NATD)
    assert m3.exchange == IKE_AUTH and between(m3, USER0, GATEWAY, 4500), "MOBIKE floats to port 4500 without a NAT too"
    assert m3.has("IDi", "AUTH", "CP", "SA", "TSi", "TSr", "N(MOBIKE_SUPPORTED)", "N(ADDITIONAL_IP4_ADDRESS)")
    assert between(m4, GATEWAY, USER0, 4500) and m4.has("IDr", "AUTH", "CP", "SA", "TSi", "TSr", "N(MOBIKE_SUPPORTED)")
    assert [len(kind(pairs, exchange)) for exchange in (IKE_SA_INIT, IKE_AUTH)] == [1, 1]
    return m3.sa


def check_clone(pairs, old):
    """B.2: M5 and M6. Returns the new IKE SA."""
    clones = kind(pairs, CREATE_CHILD_SA, "N(KEEP_OLD_IKE_SA)")
    assert len(clones) == 1
    m5, m6 = clones[0]
    assert m5.sa == m6.sa == old and between(m5, USER0, GATEWAY, 4500) and between(m6, GATEWAY, USER0, 4500)
    assert m5.payloads == m6.payloads == ["N(KEEP_OLD_IKE_SA)", "SA", "Nonce", "KE"], "the notify stands before its SA"
    assert (m5.notifies["KEEP_OLD_IKE_SA"], m6.notifies["KEEP_OLD_IKE_SA"]) == ("80000000", "00000000")
    assert not [pair for pair in pairs if "D" in pair[0].payloads], "nobody deletes the old IKE SA"
    return (m5.proposals[0][1], m6.proposals[0][1])


def check_child(pairs, new, user):
    """B.3: M7 and M8."""
    created = kind(pairs, CREATE_CHILD_SA, "TSi")
    assert len(created) == 1
    m7, m8 = created[0]
    assert m7.sa == m8.sa == new and between(m7, user, GATEWAY, 4500) and between(m8, GATEWAY, user, 4500)
    for message in (m7, m8):
        assert message.has("SA", "Nonce", "TSi", "TSr") and message.proposals[0][0] == 3
    return m7.time


def check_move(pairs, new):
    """B.4: M9 to M12."""
    on_new = [pair for pair in pairs if pair[0].sa == new and pair[0].exchange == INFORMATIONAL]
    tests = [pair for pair in on_new if pair[0].payloads == list(NATD)]
    assert tests and all(between(m9, USER1, GATEWAY, 4500) and between(m10, GATEWAY, USER1, 4500) and m10.has(*NATD)
                         for m9, m10 in tests)
    updates = [pair for pair in on_new if pair[0].has("N(UPDATE_SA_ADDRESSES)")]
    assert len(updates) == 1
    m11, m12 = updates[0]
    assert between(m11, USER1, GATEWAY, 4500) and between(m12, GATEWAY, USER1, 4500)
    assert m11.payloads == ["N(UPDATE_SA_ADDRESSES)", *NATD, "N(COOKIE2)"] and m12.payloads == [*NATD, "N(COOKIE2)"]
    assert m11.notifies["COOKIE2"] == m12.notifies["COOKIE2"] and 16 <= len(m11.notifies["COOKIE2"]) <= 128
    assert tests[0][0].time < m11.time
    return m11.time


def check_combined(pairs):
    """B.5: M1 to M4'. Returns both IKE SAs."""
    old = check_login(pairs)
    m3, m4 = pairs[1]
    group = ["N(KEEP_OLD_IKE_SA)", "SA", "Nonce", "KE"]
    assert m3.payloads[-4:] == m4.payloads[-4:] == group
    assert (m3.notifies["KEEP_OLD_IKE_SA"], m4.notifies["KEEP_OLD_IKE_SA"]) == ("80000000", "00000000")
    assert not kind(pairs, CREATE_CHILD_SA, "N(KEEP_OLD_IKE_SA)")
    return old, (m3.proposals[-1][1], m4.proposals[-1][1])


def check_two(eu, gw, session, old, new):
    """Figure 6: a VPN on each interface, with one login."""
    assert {sa["local"] for sa in session["ike_sas"]} == {USER0, USER1}
    assert {(sa["spi_i"], sa["spi_r"]) for sa in session["ike_sas"]} == {old, new}
    assert session["logins"] == gw.session("gate")["logins"] == 1
    assert len(eu.established()) == len(gw.established()) == len(eu.children()) == len(gw.children()) == 2


@pytest.mark.parametrize("order", ("create-move", "move-create"))
def test_messages_of_appendix_b(world, order):
    _, gw, eu, session, pairs = start(world, clone="keep-old", combined_auth="no", clone_order=order)
    old = check_login(pairs)
    new = check_clone(pairs, old)
    created = check_child(pairs, new, USER0 if order == "create-move" else USER1)
    moved = check_move(pairs, new)
    assert (created < moved) == (order == "create-move")
    check_two(eu, gw, session, old, new)


@pytest.mark.parametrize("family", (4, 6))
def test_two_vpns_with_one_inner_address(world, family):
    lab = world.lab()
    gw = world.ikatd(lab, "gw", gateway(family=family))
    eu = world.ikatd(lab, "eu", end_user(paths("balance", mesh="first"), family=family))
    eu.ikat("up", "home")
    eu.wait_paths(2)
    selectors = {tuple(child["local-ts"]) for child in eu.children()}
    assert len(selectors) == 1 and len(eu.children()) == 2
    for _ in range(20):
        lab.run("eu", "ping", "-c1", "-W5", address("lan", "host", family))
    assert sum(int(child["packets-in"]) for child in gw.children()) >= 20


def test_reduced_by_the_end_user(world):
    """B.5 with D-08 (a): M1, M2, M3', M4', and the last leg from the second interface."""
    _, gw, eu, session, pairs = start(world, gate={}, clone="keep-old", reduced="end-user")
    old, new = check_combined(pairs)
    assert len(pairs) == 3 + len(kind(pairs[3:], INFORMATIONAL)), [str(pair[0]) for pair in pairs]
    m13, m14 = pairs[2]
    assert m13.sa == m14.sa == new and m13.exchange == CREATE_CHILD_SA
    assert between(m13, USER1, GATEWAY, 4500) and between(m14, GATEWAY, USER1, 4500)
    assert m13.payloads == ["SA", "Nonce", "TSi", "TSr", "N(UPDATE_SA_ADDRESSES)", *NATD]
    assert m14.payloads == ["SA", "Nonce", "TSi", "TSr", *NATD]
    check_two(eu, gw, session, old, new)


def test_reduced_by_the_gateway(world):
    """B.5 as the draft draws it, D-08 (b): the Gateway's request, right behind M4'."""
    _, gw, eu, session, pairs = start(world, gate={"reduced": "gateway"}, clone="keep-old", reduced="gateway")
    old, new = check_combined(pairs)
    m13, m14 = pairs[2]
    assert m13.sa == m14.sa == new and m13.exchange == CREATE_CHILD_SA and m13.number == 0
    assert between(m13, GATEWAY, USER1, 4500) and between(m14, USER1, GATEWAY, 4500)
    assert not m13.flags & INITIATOR and m14.flags & INITIATOR, "the End User began the new IKE SA"
    assert m13.payloads == ["SA", "Nonce", "TSi", "TSr", "N(UPDATE_SA_ADDRESSES)", *NATD]
    assert m14.payloads == ["SA", "Nonce", "TSi", "TSr", *NATD]
    assert [pair for pair in pairs if pair[0].has("N(UPDATE_SA_ADDRESSES)")] == [pairs[2]]
    check_two(eu, gw, session, old, new)


def test_reduced_by_the_gateway_behind_a_nat(world):
    """Where it cannot be: B.3 and B.4."""
    _, gw, eu, session, pairs = start(world, nat=("wlan", "lte"), gate={"reduced": "gateway"}, clone="keep-old", reduced="gateway")
    old, new = check_combined(pairs)
    assert not [pair for pair in pairs if pair[0].source[0] == GATEWAY and pair[0].exchange == CREATE_CHILD_SA]
    check_move(pairs, new)
    check_two(eu, gw, session, old, new)


@pytest.mark.parametrize("dialect", ("keep-old", "rfc7791"))
def test_the_gateway_begins(world, dialect):
    """B.2, third variant; RFC 7791: either peer."""
    _, gw, eu, session, pairs = start(world, gate={"gateway_clones": "yes"}, clone=dialect, combined_auth="no")
    old = check_login(pairs)
    notify = {"keep-old": "N(KEEP_OLD_IKE_SA)", "rfc7791": "N(CLONE_IKE_SA)"}[dialect]
    request, response = next(pair for pair in pairs if pair[0].exchange == CREATE_CHILD_SA and pair[0].source[0] == GATEWAY)
    assert request.sa == old and request.number == 0 and not request.flags & INITIATOR
    assert request.payloads == [notify, "SA", "Nonce", "KE"]
    assert response.payloads == ([notify] if dialect == "keep-old" else []) + ["SA", "Nonce", "KE"]
    new = (request.proposals[0][1], response.proposals[0][1])
    (update,) = [pair for pair in pairs if pair[0].has("N(UPDATE_SA_ADDRESSES)")]
    assert update[0].source == (USER1, 4500), "the End User moves, whoever began the IKE SA"
    moved = update[0].sa
    if moved == new:
        assert not update[0].flags & INITIATOR and update[1].flags & INITIATOR, "the Gateway began it"
    assert len(eu.children()) == len(gw.children()) == 2, "also where both ends cloned"
    assert session["logins"] == gw.session("gate")["logins"] == 1


def test_messages_of_rfc7791(world):
    """RFC 7791 appendix A.1 to A.4."""
    _, gw, eu, session, pairs = start(world, clone="rfc7791")
    old = check_login(pairs)
    assert all(message.has("N(CLONE_IKE_SA_SUPPORTED)") for message in pairs[1])
    assert not any(message.has("N(CLONE_IKE_SA_SUPPORTED)") for pair in pairs if pair != pairs[1] for message in pair)
    ((clone, answer),) = kind(pairs, CREATE_CHILD_SA, "N(CLONE_IKE_SA)")
    assert clone.sa == answer.sa == old and between(clone, USER0, GATEWAY, 4500) and between(answer, GATEWAY, USER0, 4500)
    assert clone.payloads == ["N(CLONE_IKE_SA)", "SA", "Nonce", "KE"] and clone.notifies["CLONE_IKE_SA"] == ""
    assert answer.payloads == ["SA", "Nonce", "KE"], "no notify in the response"
    new = (clone.proposals[0][1], answer.proposals[0][1])
    check_child(pairs, new, USER1)
    check_move(pairs, new)
    check_two(eu, gw, session, old, new)


def test_four_vpns_between_two_and_two_addresses(world):
    """Figure 3: each interface with each address of the Gateway, learned from its ADDITIONAL_IP4_ADDRESS."""
    second = address("wan1", "gw")
    lab = world.lab()
    gw = world.ikatd(lab, "gw", gateway({"local_addrs": f"{GATEWAY}, {second}"}))
    eu = world.ikatd(lab, "eu", end_user(paths("balance", mesh="full")))
    eu.ikat("up", "home")
    session = eu.wait_paths(4)
    assert {(sa["local"], sa["remote"]) for sa in session["ike_sas"]} == {(user, gate) for user in (USER0, USER1)
                                                                         for gate in (GATEWAY, second)}
    assert session["logins"] == 1

    def all_carry():
        lab.run("eu", "bash", "-c", f"for i in 1 2 3 4; do : </dev/tcp/{address('lan', 'host')}/9; done 2>/dev/null", check=False)
        children = gw.children()
        return len(children) == 4 and all(int(child["packets-in"]) and int(child["packets-out"]) for child in children)
    wait(all_carry, "each of the four VPNs carries packets both ways")
