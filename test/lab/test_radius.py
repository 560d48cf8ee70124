# SPDX-License-Identifier: Apache-2.0
"""Logins through the Gateway to real RADIUS servers, and what clones cost them: nothing."""
import pytest

from lab.net import address
from lab.radius import SECRET, Freeradius, Hlr, Hostapd
from lab.run import run, wait
from lab.settings import end_user, gateway, paths
from test_eap import EAP_PLUGINS, IMSI, KEY, OPC, PASSWORD, USER, secrets, up, usim

AAA = address("lan", "host")


def radius(*servers):
    """The Gateway's servers, the first one preferred."""
    return {"radius": {f"aaa{i}": {"address": server, "secret": SECRET, "preference": str(-i)} for i, server in enumerate(servers)}}


def ends(world, lab, kind="ikatd", method="mschapv2", servers=(AAA,), conn=None, mine=None, **keys):
    """A Gateway that asks the servers, and an End User."""
    gw = world.ikatd(lab, "gw", gateway({"remote": {"auth": "eap-radius", "eap_id": "%any", "id": "%any"}} | keys, top=radius(*servers)))
    settings = end_user({"local": {"auth": f"eap-{method}", "eap_id": USER}} | (conn or {}), top=mine or secrets())
    eu = world.ikatd(lab, "eu", settings) if kind == "ikatd" else world.strongswan(lab, "eu", settings, EAP_PLUGINS)
    return eu, gw


@pytest.mark.parametrize("kind", ("ikatd", "strongswan"))
def test_freeradius(world, kind):
    """EAP-MSCHAPv2 through FreeRADIUS; both End Users."""
    lab = world.lab()
    server = Freeradius(lab, "host", {USER: (PASSWORD, [])}).start()
    eu, gw = ends(world, lab, kind)
    up(lab, eu, gw)
    assert gw.sas()[0][1]["remote-eap-id"] == USER
    wait(lambda: server.counters()["Access-Accepts"] == 1, "one Access-Accept")


def test_refused(world):
    """The server says no: nothing comes up, and the Gateway says who refused."""
    lab = world.lab()
    Freeradius(lab, "host", {USER: ("another", [])}).start()
    eu, gw = ends(world, lab)
    assert eu.initiate("net")["success"] == "no"
    gw.wait_log("the RADIUS server refuses the login")
    assert not gw.established()


def test_clones_cost_the_server_nothing(world):
    """By the server's own counters: requests for the login; none for a second path, a rekey, a move, a return."""
    lab = world.lab()
    server = Freeradius(lab, "host", {USER: (PASSWORD, [])}).start()
    eu, gw = ends(world, lab, conn=paths())
    assert eu.initiate("net")["success"] == "yes"
    wait(lambda: eu.session(), "a session")
    before = server.answers()
    eu.wait_paths(2)
    assert gw.request("rekey", ike="gate")["success"] == "yes"
    lab.cut("wlan")
    eu.wait_paths(1)
    lab.restore("wlan")
    eu.wait_paths(2, timeout=30)
    assert gw.sessions()[0]["logins"] == 1
    assert server.answers() == before == 3


def test_the_second_server_answers(world):
    """The preferred server is silent, and is named."""
    lab = world.lab()
    Freeradius(lab, "host", {USER: (PASSWORD, [])}).start()
    run("ip", "netns", "exec", lab.name("host"), "ip", "address", "add", "10.20.0.66/24", "dev", "eth0")
    lab.run("host", "nft", "add table ip silence; add chain ip silence in { type filter hook input priority 0; }; "
            "add rule ip silence in ip daddr 10.20.0.66 drop")
    eu, gw = ends(world, lab, servers=("10.20.0.66", AAA))
    assert eu.initiate("net", timeout=40)["success"] == "yes"
    gw.wait_log("event=radius-silent server=aaa0")


def test_session_timeout(world):
    """Session-Timeout bounds the session (RFC 4478): the End User logs in anew before it ends."""
    lab = world.lab()
    server = Freeradius(lab, "host", {USER: (PASSWORD, ["Session-Timeout = 15"])}).start()
    eu, gw = ends(world, lab)
    up(lab, eu, gw)
    wait(lambda: server.counters()["Access-Accepts"] >= 2, "a second login", 30)


def test_hostapd(world):
    lab = world.lab()
    server = Hostapd(lab, "host", f'"{USER}" MSCHAPV2 "{PASSWORD}"\n').start()
    eu, gw = ends(world, lab)
    up(lab, eu, gw)
    assert server.requests() == 3


def test_aka(world):
    """EAP-AKA of a USIM with hostapd, whose vectors come from another MILENAGE than ours. The second login is fresh."""
    lab = world.lab()
    hlr = Hlr(lab, "host", IMSI, KEY, OPC).start()
    Hostapd(lab, "host", '"0"* AKA\n', f"eap_sim_db=unix:{hlr.socket}\neap_sim_aka_result_ind=0\neap_sim_id=0\n").start()
    name = f"0{IMSI}@wlan.example"
    eu, gw = ends(world, lab, method="aka", conn={"local": {"auth": "eap-aka", "eap_id": name}}, mine=usim(name))
    for _ in range(2):
        up(lab, eu, gw)
        assert gw.sas()[0][1]["remote-eap-id"] == name
        assert eu.request("terminate", ike="home")["success"] == "yes"
        wait(lambda: not gw.established(), "the session ends")
