# SPDX-License-Identifier: Apache-2.0
"""Post-quantum preshared keys (RFC 8784): two ikats, and strongSwan in both roles."""
import pytest

from lab.certificates import Authority
from lab.daemons import PLUGINS
from lab.net import address
from lab.run import wait
from lab.settings import end_user, gateway, merge, paths
from test_certificates import Host

KINDS = ("ikatd-ikatd", "ikatd-strongswan", "strongswan-ikatd")
PPK_ID, PPK = "ppk-eu@lab.example", "0x98c61dd0f8c7daf07759617546f7b3ae156f19a7bc935c61523c7ca998e5eedb"
OTHER = "0x06918e49398db61094438a5be8b743894f155f4e8521e6bcd1d47690557e4b13"
EAP = {"load": PLUGINS + " eap-identity eap-mschapv2 eap-md5 md5"}


def ppk(name=PPK_ID, secret=PPK):
    """The secret that both ends have."""
    return {"secrets": {"ppk-eu": {"id": name, "secret": secret}}}


def start(world, kinds, eu, gw, files=(None, None)):
    """A lab with both ends; `files`: of the End User and the Gateway."""
    lab, ends = world.lab(), []
    for kind, host, settings, own in zip(kinds.split("-")[::-1], ("gw", "eu"), (gw, eu), files[::-1]):
        ends.append(world.ikatd(lab, host, settings, files=own) if kind == "ikatd"
                    else world.strongswan(lab, host, settings, EAP, own))
    return lab, ends[1], ends[0]


def asks(**keys):
    """An End User that asks for the PPK."""
    return end_user({"ppk_id": PPK_ID} | keys, top=ppk())


def protected(end):
    """For each IKE SA whether a PPK is in its keys."""
    return [sa.get("ppk") == "yes" for sa in end.established()]


def up(lab, eu, gw, with_ppk=True):
    """The VPN comes up, and carries a packet."""
    answer = eu.initiate("net")
    assert answer["success"] == "yes", answer
    wait(lambda: len(eu.children()) == len(gw.children()) == 1, "one Child SA at both ends")
    assert protected(eu) == protected(gw) == [with_ppk]
    lab.run("eu", "ping", "-c1", "-W5", address("lan", "host"))


@pytest.mark.parametrize("required", ("no", "yes"))
@pytest.mark.parametrize("kinds", KINDS)
def test_login_and_rekeys(world, kinds, required):
    """Rekeys of the Child SA and of the IKE SA derive their keys from the PPK's; either end begins."""
    lab, eu, gw = start(world, kinds, asks(ppk_required=required),
                        gateway({"ppk_id": "*@lab.example", "ppk_required": required}, top=ppk()))
    up(lab, eu, gw)
    for end, name in ((eu, "home"), (gw, "gate")):
        before = {child["spi-in"] for child in eu.children()}
        assert end.request("rekey", child="net")["success"] == "yes"
        wait(lambda: len(eu.children()) == len(gw.children()) == 1
             and before.isdisjoint({child["spi-in"] for child in eu.children()}), "the Child SA is rekeyed")
        spis = {sa["initiator-spi"] for sa in eu.established()}
        assert end.request("rekey", ike=name)["success"] == "yes"
        wait(lambda: len(eu.established()) == len(gw.established()) == 1
             and spis.isdisjoint({sa["initiator-spi"] for sa in eu.established()}), "the IKE SA is rekeyed")
        before = {child["spi-in"] for child in eu.children()}
        assert end.request("rekey", child="net")["success"] == "yes"
        wait(lambda: len(eu.children()) == len(gw.children()) == 1
             and before.isdisjoint({child["spi-in"] for child in eu.children()}), "and its Child SA once more")
        lab.run("eu", "ping", "-c1", "-W5", address("lan", "host"))


@pytest.mark.parametrize("required", ("no", "yes"))
@pytest.mark.parametrize("kinds", KINDS)
def test_certificates(world, kinds, required):
    """Two signatures where the PPK is optional: with it, and for NO_PPK_AUTH without."""
    ca = Authority()
    ends = Host("eu", ca), Host("gw", ca)
    eu, gw = (merge(end.settings(), ppk()) for end in ends)
    eu["connections"]["home"] |= {"ppk_id": PPK_ID, "ppk_required": required}
    lab, eu, gw = start(world, kinds, eu, gw, [end.files for end in ends])
    up(lab, eu, gw)


@pytest.mark.parametrize("method", ("mschapv2", "md5"))
@pytest.mark.parametrize("kinds", KINDS)
def test_eap(world, kinds, method):
    """With a key of the method, and without one: then SK_pi and SK_pr are mixed with the PPK, and take its place."""
    person = {"secrets": {"eap-anna": {"id": "anna", "secret": '"correct horse"'}}}
    eu = end_user({"ppk_id": PPK_ID, "local": {"auth": f"eap-{method}", "eap_id": "anna"}}, top=merge(ppk(), person))
    gw = gateway({"remote": {"auth": f"eap-{method}", "eap_id": "%any", "id": "%any"}}, top=merge(ppk(), person))
    up(*start(world, kinds, eu, gw))


@pytest.mark.parametrize("kinds", KINDS)
def test_unknown_to_the_gateway(world, kinds):
    """Where both ends allow it, the login goes on without: NO_PPK_AUTH proves the End User."""
    lab, eu, gw = start(world, kinds, asks(), gateway(top=ppk("ppk-other@lab.example", OTHER)))
    up(lab, eu, gw, with_ppk=False)
    for kind, end in zip(kinds.split("-"), (eu, gw)):
        if kind == "ikatd":
            end.wait_log("no PPK protects the session with")


def refused(eu, gw):
    """The login fails, and nothing is left."""
    assert eu.initiate("net")["success"] == "no"
    wait(lambda: not eu.sas() and not gw.established(), "nothing is left")


@pytest.mark.parametrize("kinds", KINDS)
def test_required_by_the_end_user(world, kinds):
    """The Gateway has PPKs, but not this one."""
    _, eu, gw = start(world, kinds, asks(ppk_required="yes"), gateway(top=ppk("ppk-other@lab.example", OTHER)))
    refused(eu, gw)


@pytest.mark.parametrize("kinds", KINDS)
def test_gateway_without_ppks(world, kinds):
    """The Gateway does not announce PPKs, which the End User needs."""
    _, eu, gw = start(world, kinds, asks(ppk_required="yes"), gateway())
    refused(eu, gw)
    if kinds.startswith("ikatd"):
        eu.wait_log("a PPK is required: the peer does not use PPKs")


@pytest.mark.parametrize("kinds", KINDS)
def test_required_by_the_gateway(world, kinds):
    """The End User has no PPK."""
    _, eu, gw = start(world, kinds, end_user(), gateway({"ppk_required": "yes"}, top=ppk()))
    refused(eu, gw)
    if kinds.endswith("ikatd"):
        gw.wait_log("a PPK is required, and it does not use PPKs")


@pytest.mark.parametrize("kinds", KINDS)
def test_another_ppk(world, kinds):
    """The same PPK_ID with another PPK: AUTH is wrong, and NO_PPK_AUTH does not help."""
    _, eu, gw = start(world, kinds, asks(), gateway(top=ppk(secret=OTHER)))
    refused(eu, gw)


def test_clones(world):
    """One login mixes the PPK in; the IKE SAs of all paths descend from it."""
    lab = world.lab()
    gw = world.ikatd(lab, "gw", gateway({"ppk_required": "yes"}, top=ppk()))
    eu = world.ikatd(lab, "eu", asks(ppk_required="yes", **paths()))
    assert eu.initiate("net")["success"] == "yes"
    eu.wait_paths(2)
    assert protected(eu) == protected(gw) == [True, True]
    lab.run("eu", "ping", "-c1", "-W5", address("lan", "host"))


def test_loaded_by_swanctl(world):
    """The stock swanctl loads a PPK, shows it in use, and takes it away again."""
    lab = world.lab()
    gw = world.ikatd(lab, "gw", gateway(top=ppk()))
    eu = world.ikatd(lab, "eu", {})
    folder = eu.write_files("stock", asks(ppk_required="yes"), {})
    eu.swanctl("--load-all", folder=folder)
    assert "ppk_id" in eu.swanctl("--list-conns", "--raw") and "ppk-eu" in eu.request("get-shared")["keys"]
    up(lab, eu, gw)
    assert "/PPK" in eu.swanctl("--list-sas")
    assert eu.request("terminate", ike="home")["success"] == "yes"
    assert eu.request("unload-shared", id="ppk-eu")["success"] == "yes"
    assert eu.initiate("net")["success"] == "no"
    eu.wait_log("a PPK is required: the PPK of 'ppk_id' is not loaded")


def test_short_ppk(world):
    """RFC 8784 section 6: a PPK has 256 bits of entropy."""
    gw = world.ikatd(world.lab(), "gw", gateway(top=ppk(secret="0x0102")))
    gw.wait_log("does not protect from a quantum computer")
