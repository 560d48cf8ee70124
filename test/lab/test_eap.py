# SPDX-License-Identifier: Apache-2.0
"""Logins by EAP: two ikats, and strongSwan in both roles."""
import os

import pytest

from lab.daemons import PLUGINS
from lab.net import address
from lab.run import wait
from lab.settings import IDS, end_user, gateway, paths

EAP_PLUGINS = {"load": PLUGINS + " eap-identity eap-mschapv2 eap-md5 md5"}
KINDS = ("ikatd-ikatd", "ikatd-strongswan", "strongswan-ikatd")
USER, PASSWORD = "anna", "correct horse"


def secrets(password=PASSWORD, user=USER):
    """The password of one person; the Gateway still proves itself by the lab's shared secret."""
    return {"secrets": {"eap-anna": {"id": user, "secret": f'"{password}"'}}}


# a USIM, by which EAP-AKA logs in
IMSI, KEY, OPC = "232010000000000", "90dca4eda45b53cf0f12d7c9c3bc6a89", "cb9cccc4b9258e6dca4760379fb82581"


def usim(user=USER, key=KEY + OPC):
    """The USIM of one person: K and OPc."""
    return {"secrets": {"eap-sim": {"id": user, "secret": "0x" + key}}}


def pair(world, kinds, method="mschapv2", mine=None, theirs=None, **keys):
    """A lab with the two kinds of daemons as End User and Gateway; `mine`, `theirs`: changes of all settings."""
    lab = world.lab()
    eu = end_user({"local": {"auth": f"eap-{method}", "eap_id": USER}} | keys, top=mine or secrets())
    gw = gateway({"remote": {"auth": f"eap-{method}", "eap_id": "%any", "id": "%any"}}, top=theirs or secrets())
    ends = []
    for kind, host, settings in zip(kinds.split("-")[::-1], ("gw", "eu"), (gw, eu)):
        ends.append(world.ikatd(lab, host, settings) if kind == "ikatd" else world.strongswan(lab, host, settings, EAP_PLUGINS))
    return lab, ends[1], ends[0]


def up(lab, eu, gw):
    """Brings the VPN up and sends something through it."""
    answer = eu.initiate("net")
    assert answer["success"] == "yes", answer
    wait(lambda: len(eu.children()) == len(gw.children()) == 1, "one Child SA at both ends")
    lab.run("eu", "ping", "-c1", "-W5", address("lan", "host"))


@pytest.mark.parametrize("kinds", KINDS)
def test_mschapv2(world, kinds):
    lab, eu, gw = pair(world, kinds)
    up(lab, eu, gw)
    sa = gw.sas()[0][1]
    assert sa["remote-eap-id"] == USER and sa["remote-id"] == IDS["eu"]


@pytest.mark.parametrize("kinds", KINDS)
def test_wrong_password(world, kinds):
    """Nothing comes up, and ikat says why."""
    _, eu, gw = pair(world, kinds, mine=secrets("wrong"))
    assert eu.initiate("net")["success"] == "no"
    if kinds.startswith("ikatd"):
        eu.wait_log("E=691")
    else:
        gw.wait_log("wrong user name or password")
    assert not eu.established() and not gw.established()
    assert not kinds.endswith("ikatd") or gw.sas() == []  # the IKE SA stays to repeat its response; nobody sees it


def test_identity_of_idi(world):
    """Without eap_id at the Gateway nobody is asked: IDi is the EAP identity."""
    lab = world.lab()
    person = secrets(user=IDS["eu"])
    gw = world.ikatd(lab, "gw", gateway({"remote": {"auth": "eap-mschapv2"}}, top=person))
    eu = world.ikatd(lab, "eu", end_user({"local": {"auth": "eap-mschapv2"}}, top=person))
    up(lab, eu, gw)
    assert gw.sas()[0][1]["remote-eap-id"] == IDS["eu"]


@pytest.mark.parametrize("method", ("aka", "aka-prime", "sim"))
def test_aka(world, method):
    lab, eu, gw = pair(world, "ikatd-ikatd", method, usim(), usim())
    up(lab, eu, gw)


def next_login(eu, gw):
    """Ends the session; the next login follows."""
    assert eu.request("terminate", ike="home")["success"] == "yes"
    wait(lambda: not gw.established(), "the session ends")
    assert eu.initiate("net")["success"] == "yes"


@pytest.mark.parametrize("method", ("aka", "aka-prime", "sim"))
def test_names(world, method):
    """A second login by fast re-authentication: the identity on the wire is one that the Gateway gave, the session has
    the one that was proven. It outlives the End User's daemon. A Gateway that starts again has forgotten its names, and
    asks for the permanent identity."""
    name = "0232010000000000@wlan.example"
    _, eu, gw = pair(world, "ikatd-ikatd", method, usim(name), usim(name), local={"auth": f"eap-{method}", "eap_id": name})
    assert eu.initiate("net")["success"] == "yes"
    told = [gw.sas()[0][1]["remote-eap-id"]]
    next_login(eu, gw)
    eu.stop()
    wait(lambda: not gw.established(), "the session ends")
    eu.start()
    assert eu.initiate("net")["success"] == "yes"
    told.append(gw.sas()[0][1]["remote-eap-id"])
    gw.stop()
    gw.start()
    wait(lambda: not eu.established(), "the End User notices")
    assert eu.initiate("net")["success"] == "yes"
    assert told + [gw.sas()[0][1]["remote-eap-id"]] == [name] * 3
    with open(f"{eu.state}/usim", "rb") as file:
        octets = file.read()
    assert name.encode() in octets, len(octets)
    assert os.stat(f"{eu.state}/usim").st_mode & 0o777 == 0o600


def test_aka_of_another_network(world):
    """The USIM refuses a Gateway that does not know its key, before it says anything that the key yields."""
    _, eu, gw = pair(world, "ikatd-ikatd", "aka", usim(), usim(key=KEY + KEY))
    assert eu.initiate("net")["success"] == "no"
    eu.wait_log("does not know the USIM's key")
    assert not gw.established()


@pytest.mark.parametrize("kinds", KINDS)
def test_md5(world, kinds):
    """A method without a key: AUTH is made with SK_pi and SK_pr (RFC 7296 section 2.16), and the log warns."""
    lab, eu, gw = pair(world, kinds, "md5")
    up(lab, eu, gw)
    for kind, end in zip(kinds.split("-"), (eu, gw)):
        if kind == "ikatd":
            end.wait_log("event=eap-without-key method=md5")


@pytest.mark.parametrize("method", ("md5", "gtc"))
def test_wrong_password_without_key(world, method):
    _, eu, gw = pair(world, "ikatd-ikatd", method, mine=secrets("wrong"))
    assert eu.initiate("net")["success"] == "no"
    gw.wait_log(f"wrong user name or password ({method.upper()})")
    assert not eu.established() and not gw.established()


def test_gtc(world):
    lab, eu, gw = pair(world, "ikatd-ikatd", "gtc")
    up(lab, eu, gw)


@pytest.mark.parametrize("kinds", KINDS[::2])
def test_chosen_by_nak(world, kinds):
    """A Gateway with eap-dynamic offers one method after the other, until the End User has one."""
    lab = world.lab()
    gw = world.ikatd(lab, "gw", gateway({"remote": {"auth": "eap-dynamic", "eap_id": "%any", "id": "%any"}}, top=secrets()))
    mine = end_user({"local": {"auth": "eap-md5", "eap_id": USER}}, top=secrets())
    plugins = {"load": PLUGINS + " eap-identity eap-md5 md5"}
    make = world.ikatd if kinds.startswith("ikatd") else world.strongswan
    eu = make(lab, "eu", mine, *([plugins] if make == world.strongswan else []))
    up(lab, eu, gw)


def test_dynamic(world):
    lab, eu, gw = pair(world, "ikatd-ikatd", "dynamic")
    up(lab, eu, gw)


def test_clones_ask_nobody(world):
    """One login by EAP, two paths: the second one costs no EAP."""
    _, eu, gw = pair(world, "ikatd-ikatd", **paths())
    assert eu.initiate("net")["success"] == "yes"
    eu.wait_paths(2)
    assert gw.sessions()[0]["logins"] == 1
