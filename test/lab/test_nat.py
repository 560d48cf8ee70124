# SPDX-License-Identifier: Apache-2.0
"""NATs in front of either interface or both, of different kinds; they rebind; and one path of IPv4, one of IPv6."""
import os

import pytest

from lab.capture import Capture
from lab.flow import Flow
from lab.net import address
from lab.run import wait
from lab.settings import end_user, gateway, paths

HOST = address("lan", "host")
INSIDE = {name: address(name, "eu") for name in ("wlan", "lte")}
OUTSIDE = {name: address(name + "-core", name) for name in ("wlan", "lte")}
PORTS = {"plain": range(4500, 4501), "low": range(20000, 21000), "high": range(40000, 41000), "random": range(1024, 65536)}


def start(world, nat, mode="balance", conn=None, gate=None):
    """Two VPNs up."""
    lab = world.lab(nat=nat)
    gw = world.ikatd(lab, "gw", gateway(gate))
    eu = world.ikatd(lab, "eu", end_user(paths(mode, mesh="first", stable_for="1s") | (conn or {})))
    eu.ikat("up", "home")
    eu.wait_paths(2)
    return lab, gw, eu


def mapping(gw):
    """Where the Gateway sees the IKE SAs: {address: port}."""
    return {sa["remote-host"]: int(sa["remote-port"]) for sa in gw.established()}


def both_carry(lab, gw):
    """Each path carries packets both ways: the Gateway answers a flow on the VPN on which it came in."""
    def counts():
        return {child["uniqueid"]: (int(child["packets-in"]), int(child["packets-out"])) for child in gw.children()}
    before = counts()
    assert len(before) == 2

    def grown():
        # refused, but each is a flow of its own
        lab.run("eu", "bash", "-c", f"for i in 1 2 3 4; do : </dev/tcp/{HOST}/9; done 2>/dev/null", check=False)
        return all(now[0] > before[child][0] and now[1] > before[child][1] for child, now in counts().items())
    wait(grown, "both VPNs carry packets both ways")


@pytest.mark.parametrize("nat", ({"wlan": "plain"}, {"lte": "random"}, {"wlan": "plain", "lte": "high"},
                                 {"wlan": "random", "lte": "random"}), ids=lambda nat: "-".join(f"{n}-{nat[n]}" for n in nat))
def test_nats_in_front_of(world, nat):
    lab, gw, eu = start(world, nat)
    seen = mapping(gw)
    assert set(seen) == {OUTSIDE[name] if name in nat else INSIDE[name] for name in INSIDE}
    for name in INSIDE:
        kind = nat.get(name, "plain")
        assert seen[OUTSIDE[name] if name in nat else INSIDE[name]] in PORTS[kind], (name, kind, seen)
    assert {(sa["local-host"], int(sa["local-port"])) for sa in eu.established()} == {(own, 4500) for own in INSIDE.values()}
    assert eu.session()["logins"] == 1
    both_carry(lab, gw)


def test_keepalives_of_the_path_behind_a_nat_only(world):
    lab, gw, eu = start(world, {"lte": "high"}, conn={"nat_keepalive": "300ms"})
    mapped = mapping(gw)[OUTSIDE["lte"]]
    capture = Capture(lab, "gw", "udp port 4500 and udp[4:2] = 9")
    wait(lambda: os.path.getsize(capture.file) > 400, "several keepalives")
    lines = [line for line in capture.text("udpencap.nat_keepalive").splitlines() if "keepalive" in line]
    assert len(lines) >= 3 and all(OUTSIDE["lte"] in line for line in lines), lines
    assert mapping(gw)[OUTSIDE["lte"]] == mapped and eu.session()["logins"] == 1


@pytest.mark.parametrize("access,other", (("lte", "wlan"), ("wlan", "lte")))
def test_rebinding_costs_the_other_path_nothing(world, access, other):
    lab, gw, eu = start(world, {"wlan": "low", "lte": "low"}, "failover",
                        {"paths": {other: {"interface": other + "0", "priority": "1"},
                                   access: {"interface": access + "0", "priority": "2"}}})
    flow = Flow(lab, "eu", "host", HOST, 2)
    wait(lambda: flow.noise() >= 500, "what the machine itself does")
    budget = 50 + flow.longest
    before = mapping(gw)
    lab.rebind(access, "high")
    wait(lambda: mapping(gw).get(OUTSIDE[access]) in PORTS["high"], "the Gateway follows the new mapping")
    assert mapping(gw)[OUTSIDE[other]] == before[OUTSIDE[other]]
    gap = flow.wait_alive(10)
    assert gap <= budget, f"{gap} ms of silence on {other} while {access} got a new mapping"
    eu.wait_paths(2)
    assert eu.session()["logins"] == 1


def test_rebinding_under_traffic(world):
    lab, gw, eu = start(world, {"wlan": "low", "lte": "high"})
    flows = [Flow(lab, "eu", "host", HOST, 5) for _ in range(4)]
    for flow in flows:
        flow.report()
    lab.rebind("wlan", "high")
    wait(lambda: mapping(gw).get(OUTSIDE["wlan"]) in PORTS["high"], "the Gateway follows the new mapping")
    gap = max(flow.wait_alive(10) for flow in flows)
    assert gap <= 2000, f"{gap} ms of silence"
    eu.wait_paths(2)
    both_carry(lab, gw)
    assert eu.session()["logins"] == 1


@pytest.mark.parametrize("nat", ({}, {"wlan": "high"}), ids=("no-nat", "wlan-high"))
def test_ipv4_on_one_path_and_ipv6_on_the_other(world, nat):
    six = address("wan0", "gw", 6)
    lab, gw, eu = start(world, nat, conn={"paths": {"wlan": {"interface": "wlan0", "remote_addrs": address("wan0", "gw")},
                                                    "lte": {"interface": "lte0", "remote_addrs": six}}},
                        gate={"local_addrs": f"{address('wan0', 'gw')}, {six}"})
    assert set(mapping(gw)) == {OUTSIDE["wlan"] if nat else INSIDE["wlan"], address("lte", "eu", 6)}
    both_carry(lab, gw)


def test_ipv6_leaves_by_the_interface_of_its_path(world):
    """The host prefers wlan0 for each IPv6 destination; the login over lte0 takes lte0 from its first datagram on."""
    six = address("wan0", "gw", 6)
    lab = world.lab()
    capture = Capture(lab, "wlan", "ip6 and udp")
    gw = world.ikatd(lab, "gw", gateway({"local_addrs": six}))
    eu = world.ikatd(lab, "eu", end_user({"paths": {"lte": {"interface": "lte0", "remote_addrs": six}}}))
    eu.ikat("up", "home")
    eu.wait_paths(1)
    assert set(mapping(gw)) == {address("lte", "eu", 6)}
    assert "fd02::2" not in capture.text("udp")
