# SPDX-License-Identifier: Apache-2.0
"""A configuration that is loaded again: what goes on, what begins anew, what goes."""
import pytest

from lab.net import address
from lab.run import wait
from lab.settings import LAN, end_user, gateway, merge
from lab.watch import Watch

HOST = address("lan", "host")
HALF = LAN.replace("/24", "/25")


@pytest.fixture
def lab(world):
    """A lab with a Gateway."""
    lab = world.lab()
    lab.gw = world.ikatd(lab, "gw", gateway())
    return lab


def remote(eu):
    """{child: remote selectors} of what is installed."""
    return {child["name"]: child["remote-ts"] for child in eu.children()}


def with_ts(*selectors, **child):
    """The End User's settings with one child for each, net0 and so on."""
    base = end_user(child=child)
    one = base["connections"]["home"]["children"].pop("net")
    for i, ts in enumerate(selectors):
        base["connections"]["home"]["children"][f"net{i}"] = one | {"remote_ts": ts}
    return base


def test_sessions_go_on(world, lab):
    """What a person began is as it was; the next login is of the new configuration, whoever causes it."""
    eu = world.ikatd(lab, "eu", with_ts(LAN, dpd_action="restart"))
    assert eu.initiate("net0")["success"] == "yes"
    first = eu.session()["id"]
    eu.load(with_ts(HALF, dpd_action="restart"))
    assert eu.session()["id"] == first and remote(eu) == {"net0": [LAN]}
    assert eu.initiate("net0")["success"] == "yes" and eu.session()["id"] == first, "it is there already"
    # a child that only the new configuration has cannot be had on the session of the old one
    eu.load(with_ts(HALF, LAN, dpd_action="restart"))
    answer = eu.initiate("net1")
    assert answer["success"] == "no" and eu.session()["id"] == first, answer
    assert lab.gw.request("terminate", ike="gate", timeout="10000")["success"] == "yes"
    wait(lambda: eu.session() and eu.session()["id"] != first and remote(eu) == {"net0": [HALF]}, lambda: f"the new one: {eu.sas()}")
    assert eu.initiate("net1")["success"] == "yes" and remote(eu)["net1"] == [LAN]


def test_children_by_name(world, lab):
    """They stand in another order: the one that is asked for is the one that comes."""
    eu = world.ikatd(lab, "eu", with_ts(LAN, HALF))
    assert eu.initiate("net0")["success"] == "yes"
    turned = with_ts(LAN, HALF)
    children = turned["connections"]["home"]["children"]
    turned["connections"]["home"]["children"] = dict(reversed(children.items()))
    eu.load(turned)
    assert eu.initiate("net1")["success"] == "yes"
    assert remote(eu) == {"net0": [LAN], "net1": [HALF]}


def test_what_the_configuration_began_is_begun_anew(world, lab):
    """start_action = start: nothing happens if nothing has changed, and a new login if something has."""
    eu = world.ikatd(lab, "eu", with_ts(LAN, start_action="start"))
    wait(lambda: remote(eu) == {"net0": [LAN]}, "it is up")
    first = eu.session()["id"]
    eu.load(with_ts(LAN, start_action="start"))
    assert "conn-loaded conn=home unchanged=yes" in eu.log()
    eu.load(merge(with_ts(LAN, start_action="start"), {"connections": {"other": end_user()["connections"]["home"]}}))
    assert eu.session()["id"] == first
    eu.load(with_ts(HALF, LAN, start_action="start"))
    wait(lambda: remote(eu) == {"net0": [HALF], "net1": [LAN]}, lambda: f"both are up: {eu.sas()}")
    assert eu.session()["id"] != first and len(eu.established()) == 1
    wait(lambda: len(lab.gw.established()) == 1, "the old session is gone")
    # a child that is not there any more is closed
    eu.load(with_ts(HALF, start_action="start"))
    wait(lambda: remote(eu) == {"net0": [HALF]} and len(eu.established()) == 1, lambda: f"one is up: {eu.sas()}")
    assert "1 received" in lab.run("eu", "ping", "-c1", "-W5", HOST)
    eu.load(with_ts(HALF))
    wait(lambda: not eu.sas(), "what nobody wants to begin has ended")
    assert LAN.split("/", maxsplit=1)[0] not in lab.run("eu", "ip", "route", "show", "table", "all"), "and keeps no traffic from its way"


def test_traps_go_with_their_children(world, lab):
    """Also of a connection with a session; the others stay."""
    eu = world.ikatd(lab, "eu", with_ts(HALF, "10.20.0.128/25", start_action="trap"))

    def traps():
        with eu.vici() as vici:
            return {name for body in vici.stream("list-policies", "list-policy", {"trap": "yes"}) for name in body}
    assert traps() == {"home/net0", "home/net1"}
    lab.run("eu", "ping", "-c1", "-W1", HOST, check=False)  # the first one has no inner address yet
    wait(lambda: len(eu.children()) == 1, "the trap has its Child SA")
    first = eu.session()["id"]
    eu.load(with_ts(HALF, start_action="trap"))
    assert traps() == {"home/net0"} and eu.session()["id"] == first
    assert "10.20.0.128/25" not in lab.run("eu", "ip", "route", "show", "table", "all")
    eu.load(merge(with_ts(HALF), {"connections": {"home": None}}))
    assert not traps()


@pytest.mark.parametrize("before", ({"start_action": "trap", "remote_ts": HALF}, {"remote_ts": HALF}), ids=("wider", "new"))
def test_trap_that_changes_while_it_is_up(world, lab, before):
    """A load gives the trap more networks, or makes one of a child with a session: none of their packets leaves in the
    clear, whatever Child SA the peer gives for them."""
    eu = world.ikatd(lab, "eu", end_user(child=before))
    assert eu.initiate("net")["success"] == "yes"
    watch = Watch(lab, "eu")
    eu.load(end_user(child={"start_action": "trap", "remote_ts": LAN}))
    ping = ("ping", "-c5", "-i0.1", "-W1", LAN.replace(".0/24", ".200"))
    lab.run("eu", *ping, check=False)
    eu.wait_log("event=trap-rest-refused")
    lab.run("eu", *ping, check=False)
    assert watch.count() == 0 and remote(eu) == {"net": [HALF]}
    assert "1 received" in lab.run("eu", "ping", "-c1", "-W5", HOST)
    eu.load(end_user(child={"start_action": "trap", "remote_ts": HALF}))
    assert f"{LAN} " not in lab.run("eu", "ip", "route", "show", "table", "all"), "it holds no more than the configuration"


def test_down_holds(world, lab):
    """What a person has ended stays down through a reload that changes nothing, until `up`."""
    eu = world.ikatd(lab, "eu", with_ts(LAN, start_action="start"))
    wait(lambda: remote(eu) == {"net0": [LAN]}, "it is up")
    eu.ikat("down", "home")
    eu.load(with_ts(LAN, start_action="start"))
    assert not eu.sas() and "conn-loaded conn=home unchanged=yes" in eu.log()
    eu.ikat("up", "home")
    assert remote(eu) == {"net0": [LAN]}


def test_a_connection_that_goes_is_named(lab):
    """What is said of it is not read from what was freed."""
    names = ("gate", "a-connection-with-quite-a-long-name", "other")
    one = gateway()["connections"]["gate"]
    lab.gw.wait_log("event=config-loaded")
    lab.gw.load(gateway(top={"connections": {name: one for name in names}}))
    lab.gw.load(gateway())
    for name in names[1:]:
        lab.gw.wait_log(f"event=conn-unloaded conn={name}\n")


def test_pool_gets_another_range(world, lab):
    """All of the load counts while the pool has leases: sessions keep their address and what it reaches, and the next
    login has a new one."""
    eu = world.ikatd(lab, "eu", end_user())
    assert eu.initiate("net")["success"] == "yes"
    inner = eu.session()["config"]["addresses"][0]

    def leases():
        return lab.gw.request("get-pools")["inner"]
    assert inner == "10.30.0.1" and leases()["online"] == "1"
    lab.gw.load(gateway(top={"pools": {"inner": {"addrs": "10.30.0.0/16"}}}))
    assert leases()["online"] == "1" and "event=pool-changed" not in lab.gw.log(), "a wider range has the same leases"
    lab.gw.load(gateway(top={"pools": {"inner": {"addrs": "10.31.0.0/24"}}}))
    lab.gw.wait_log("event=pool-changed pool=inner leases-left=1")
    assert leases()["base"] == "10.31.0.1" and leases()["online"] == "0"
    assert "1 received" in lab.run("eu", "ping", "-c1", "-W5", HOST)
    assert lab.gw.session("gate") and lab.gw.children()[0]["remote-ts"] == [f"{inner}/32"]
    eu.ikat("down", "home")
    wait(lambda: not lab.gw.sas(), "the Gateway knows it")
    assert eu.initiate("net")["success"] == "yes" and eu.session()["config"]["addresses"] == ["10.31.0.1"]
    assert "1 received" in lab.run("eu", "ping", "-c1", "-W5", HOST)
    assert f"{inner} " not in lab.run("gw", "ip", "route", "show", "table", "all"), "its route has gone"
