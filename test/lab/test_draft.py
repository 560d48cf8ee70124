# SPDX-License-Identifier: Apache-2.0
"""Appendix B of draft-mglt-ipsecme-keep-old-ike-sa, message by message, as tshark reads it off the wire."""
import pytest

from lab.capture import CREATE_CHILD_SA, IKE_AUTH, IKE_SA_INIT, INFORMATIONAL, Capture, exchanges
from lab.net import address
from lab.settings import end_user, gateway, paths

USER0, USER1, GATEWAY = address("wlan", "eu"), address("lte", "eu"), address("wan0", "gw")
NATD = ("N(NAT_DETECTION_SOURCE_IP)", "N(NAT_DETECTION_DESTINATION_IP)")


def start(world, **conn):
    """Brings two VPNs up; returns the two ends, the lab and the exchanges seen on the End User's host."""
    lab = world.lab()
    gw = world.ikatd(lab, "gw", gateway())
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


@pytest.mark.parametrize("order", ("create-move", "move-create"))
def test_messages_of_appendix_b(world, order):
    _, gw, eu, session, pairs = start(world, clone="keep-old", combined_auth="no", clone_order=order)
    old = check_login(pairs)
    new = check_clone(pairs, old)
    created = check_child(pairs, new, USER0 if order == "create-move" else USER1)
    moved = check_move(pairs, new)
    assert (created < moved) == (order == "create-move")
    assert {sa["local"] for sa in session["ike_sas"]} == {USER0, USER1}
    assert {(sa["spi_i"], sa["spi_r"]) for sa in session["ike_sas"]} == {old, new}
    assert session["logins"] == gw.session("gate")["logins"] == 1
    # both are alive, and know different keys: each answers on its own
    assert len(eu.established()) == len(gw.established()) == len(eu.children()) == len(gw.children()) == 2


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


def test_the_standard_successor(world):
    _, gw, eu, session, pairs = start(world, clone="rfc7791")
    login = pairs[1]
    assert all(message.has("N(CLONE_IKE_SA_SUPPORTED)") for message in login)
    clones = kind(pairs, CREATE_CHILD_SA, "N(CLONE_IKE_SA)")
    assert len(clones) == 1 and not kind(pairs, CREATE_CHILD_SA, "N(KEEP_OLD_IKE_SA)")
    assert clones[0][0].notifies["CLONE_IKE_SA"] == "" and clones[0][0].has("SA", "Nonce", "KE")
    assert len(session["ike_sas"]) == len(gw.established()) == 2 and session["logins"] == 1


def test_nat_on_one_path_only(world):
    lab = world.lab(nat=("lte",))
    gw = world.ikatd(lab, "gw", gateway())
    eu = world.ikatd(lab, "eu", end_user(paths("balance", mesh="first")))
    eu.ikat("up", "home")
    eu.wait_paths(2)
    assert {sa["remote-host"] for sa in gw.established()} == {USER0, address("lte-core", "lte")}
    for _ in range(10):
        lab.run("eu", "ping", "-c1", "-W5", address("lan", "host"))
