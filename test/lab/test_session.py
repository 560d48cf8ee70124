# SPDX-License-Identifier: Apache-2.0
"""What belongs to a session as a whole: its authentication, its end, its account."""
import re

import pytest

from lab.capture import CREATE_CHILD_SA, IKE_AUTH, Capture
from lab.flow import Flow
from lab.net import address
from lab.run import wait
from lab.settings import IDS, end_user, gateway, paths

HOST = address("lan", "host")


def start(world, user=None, gate=None, mode="balance"):
    """Two VPNs."""
    lab = world.lab()
    gw = world.ikatd(lab, "gw", gateway(gate))
    eu = world.ikatd(lab, "eu", end_user(paths(mode, mesh="first", stable_for="1s", **(user or {}))))
    return lab, gw, eu


def lines(daemon, event, **keys):
    """Its log lines of an event, as dicts, with these values."""
    found = []
    for line in re.findall(rf"event={event} .*", daemon.log()):
        entry = dict(re.findall(r'([\w-]+)=("[^"]*"|\S*)', line))
        if all(entry.get(key.replace("_", "-")) == str(value) for key, value in keys.items()):
            found.append(entry)
    return found


def test_reauthentication_of_a_whole_session(world):
    """The Gateway limits logins to 20 s: twice the End User logs in anew, and no flow loses a packet."""
    lab, gw, eu = start(world, gate={"reauth_time": "20s", "over_time": "10s", "unique": "replace"})
    capture = Capture(lab, "gw")
    eu.ikat("up", "home")
    session = eu.wait_paths(2)
    inner = session["config"]["addresses"]
    flows = [Flow(lab, "eu", "host", HOST, 5) for _ in range(6)]
    for flow in flows:
        flow.report()
    for logins in (2, 3):
        wait(lambda n=logins: any(s["logins"] == n for s in eu.sessions()), f"login {logins}", 30)
        wait(lambda n=logins: [s["logins"] for s in eu.sessions()] == [n], "the old session is gone", 30)
        session = eu.wait_paths(2)
        assert session["config"]["addresses"] == inner
        wait(lambda: len(gw.established()) == len(gw.children()) == 2, "two VPNs at the Gateway")
    assert [flow.lost() for flow in flows] == [0] * len(flows)
    assert len(lines(eu, "session-reauth")) == 2
    assert len({m.sa for m in capture.dissect(eu.keylog) if m.exchange == IKE_AUTH}) == 3


def test_revoked_by_the_gateway(world):
    """One path swallows packets: the End User still hears of the end of both IKE SAs, within seconds."""
    lab, gw, eu = start(world)
    eu.ikat("up", "home")
    eu.wait_paths(2)
    lab.blackhole("wlan")
    out = gw.ikat("down", "--peer", IDS["eu"], timeout=20)
    assert "is down" in out
    assert not gw.sas()
    wait(lambda: not eu.sas(), "the End User has nothing left", 5)
    (account,) = lines(gw, "session-account")
    assert account["reason"] == "cancelled" and account["conn"] == "gate"


def test_account(world):
    """Each octet is charged once, to its path; beginning and end are told once."""
    lab, gw, eu = start(world, mode="failover")
    eu.ikat("up", "home")
    eu.wait_paths(2)
    lab.run("eu", "ping", "-c", "10", "-i", "0.05", "-s", "972", HOST)  # 1000 octets of inner packet
    lab.cut("wlan")
    wait(lambda: [p["state"] for p in eu.session()["paths"] if p["name"] == "wlan"] != ["up"], "the first path is gone")
    lab.run("eu", "ping", "-c", "5", "-i", "0.05", "-s", "972", HOST)
    # keys change, the account does not
    child = next(c for sa in eu.session()["ike_sas"] for c in sa["children"])
    assert eu.request("rekey", child_id=str(child["id"]))["success"] == "yes"
    lab.restore("wlan")
    session = eu.wait_paths(2, timeout=20)
    by_path = {p["name"]: p for p in session["paths"]}
    assert (by_path["wlan"]["packets_out"], by_path["wlan"]["bytes_in"]) == (10, 10000)
    assert (by_path["lte"]["packets_in"], by_path["lte"]["bytes_out"]) == (5, 5000)
    eu.ikat("down", "home")
    for end in (eu, gw):
        wait(lambda end=end: lines(end, "session-down"), "the end is told")
        (begin,), (account,) = lines(end, "session-up"), lines(end, "session-account")
        assert (account["session"], account["remote-id"]) == (begin["session"], begin["remote-id"])
        assert (account["octets-in"], account["octets-out"], account["packets-in"]) == ("15000", "15000", "15")
        shares = [path["octets-out"] for path in lines(end, "session-path", session=account["session"])]
        assert sorted(shares) == ["10000", "5000"]


@pytest.mark.parametrize("asker", ("eu", "gw"))
def test_rekey_that_leaves_the_old_sa(world, asker):
    """KEEP_OLD_IKE_SA code 1 on the wire, from either end; no packet is lost, and the old IKE SA goes."""
    lab, gw, eu = start(world)
    capture = Capture(lab, "gw")
    eu.ikat("up", "home")
    session = eu.wait_paths(2)
    flows = [Flow(lab, "eu", "host", HOST, 5) for _ in range(4)]
    for flow in flows:
        flow.report()
    old = {sa["spi_i"] for sa in session["ike_sas"]}
    end, name = (eu, "home") if asker == "eu" else (gw, "gate")
    for sa in end.session(name)["ike_sas"]:
        assert end.request("rekey", ike_id=str(sa["id"]), unused_old="yes")["success"] == "yes"
    for end, name in ((eu, "home"), (gw, "gate")):
        wait(lambda end=end, name=name: len(now := end.session(name)["ike_sas"]) == 2 and all(
            sa["spi_i"] not in old and len(sa["children"]) == 1 for sa in now), "both were replaced, with their VPNs")
    eu.wait_paths(2)
    assert [flow.lost() for flow in flows] == [0] * len(flows)
    assert eu.session()["logins"] == 1
    said = [(m.response, m.notifies["KEEP_OLD_IKE_SA"][:4]) for m in capture.dissect(eu.keylog, gw.keylog)
            if m.exchange == CREATE_CHILD_SA and "KEEP_OLD_IKE_SA" in m.notifies]
    assert said.count((False, "8001")) == said.count((True, "0001")) == 2, said


def test_inner_address_per_path(world):
    """Two addresses on the inner device: what binds one goes over its path, and over the other one if that is cut."""
    lab, gw, eu = start(world, user={"inner": "per-path"}, gate={"inner": "per-path"}, mode="failover")
    eu.ikat("up", "home")
    eu.wait_paths(2)
    vips = {sa["interface"]: sa["local-vips"][0] for sa in eu.established()}
    assert set(vips) == {"wlan0", "lte0"} and len(set(vips.values())) == 2, vips
    assert {vip for sa in gw.established() for vip in sa["remote-vips"]} == set(vips.values())

    def ping(vip):
        return "3 received" in lab.run("eu", "ping", "-c3", "-i0.1", "-W2", "-I", vip, HOST, check=False)

    def sent():
        return {p["interface"]: p["packets_out"] for p in eu.session()["paths"]}
    for interface, vip in vips.items():
        before = sent()
        assert ping(vip), f"nothing comes back to {vip}"
        assert {name: n - before[name] for name, n in sent().items()} == {name: 3 * (name == interface) for name in vips}
    lab.cut("lte")
    wait(lambda: all(sa["interface"] == "wlan0" for sa in eu.established()), "both IKE SAs are on the path that is left")
    assert ping(vips["lte0"]) and ping(vips["wlan0"])
    lab.restore("lte")
    eu.wait_paths(2, timeout=20)
    assert {sa["interface"]: sa["local-vips"][0] for sa in eu.established()} == vips
    assert ping(vips["lte0"]) and ping(vips["wlan0"])
    assert eu.session()["logins"] == 1


def test_the_only_address_of_a_pool(world):
    """An End User that was killed has its address again, though there is no other one and the Gateway had not missed
    it."""
    lab = world.lab()
    gw = world.ikatd(lab, "gw", gateway(top={"pools": {"inner": {"addrs": "10.30.0.7"}}}))
    for _ in range(3):
        eu = world.ikatd(lab, "eu", end_user())
        assert eu.initiate("net")["success"] == "yes"
        lab.run("eu", "ping", "-c1", "-W2", HOST)
        assert [sa["remote-vips"] for sa in gw.established()] == [["10.30.0.7"]]
        eu.kill()
