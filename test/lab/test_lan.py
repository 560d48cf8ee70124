# SPDX-License-Identifier: Apache-2.0
"""A tunnel for everything: the own network stays reachable, and no network takes packets out of it (L2, L4, L5, L7)."""
import pytest

from lab.net import address
from lab.run import wait
from lab.settings import LAN, LAN6, end_user, gateway
from lab.watch import HOST, PROTECTED, Watch

ROUTER, HOST6 = address("wlan", "wlan"), PROTECTED[6][1]
EVERYTHING = "0.0.0.0/0"


def settings(remote_ts=EVERYTHING, **conn):
    """An End User that connects by itself, with everything in the tunnel."""
    return end_user(conn, {"start_action": "start", "dpd_action": "restart", "remote_ts": remote_ts})


def gate(local_ts=EVERYTHING):
    """Its Gateway, which is the way to everything."""
    return gateway(child={"local_ts": local_ts})


def answers(lab, target):
    """A packet goes there and comes back."""
    return "1 received" in lab.run("eu", "ping", "-c1", "-W1", target, check=False)


def way(lab, target):
    """The interface that packets to this address leave by; none: they go nowhere."""
    words = lab.run("eu", "ip", "route", "get", target, check=False).split()
    return words[words.index("dev") + 1] if "dev" in words else None


@pytest.fixture(name="up")
def fixture_up(world):
    """A session, and a watch on the links of the End User."""
    lab = world.lab()
    watch = Watch(lab, "eu")
    eu = world.ikatd(lab, "eu", settings())
    world.ikatd(lab, "gw", gate())
    wait(lambda: answers(lab, HOST), lambda: f"traffic: {eu.log()[-3000:]}", 60)
    return lab, eu, watch


def test_before_the_first_login(world):
    """The own network can be reached, and nothing else: a captive portal, a printer, the router."""
    lab = world.lab()
    watch = Watch(lab, "eu")
    eu = world.ikatd(lab, "eu", settings())
    wait(lambda: way(lab, HOST) == "ikat0", "packets are held")
    assert answers(lab, ROUTER)
    assert not answers(lab, HOST) and not answers(lab, HOST6) and watch.count() == 0
    eu.ikat("down", "home", check=False)
    wait(lambda: way(lab, HOST) == "wlan0" and way(lab, HOST6) == "wlan0", "down: the host's own way is back")


def test_own_network(up):
    """With the session: the router answers in the clear, the host behind the Gateway through the tunnel."""
    lab, eu, watch = up
    assert way(lab, ROUTER) == "wlan0" and way(lab, HOST) == "ikat0"
    assert answers(lab, ROUTER)
    eu.load(settings(lan="block"))
    wait(lambda: way(lab, ROUTER) == "ikat0", "the own network is in the tunnel")
    wait(lambda: answers(lab, HOST), "traffic", 30)
    eu.load(settings())
    wait(lambda: way(lab, ROUTER) == "wlan0", "the own network is left out again")
    assert watch.count() == 0


def test_ipv6_beside_ipv4(up):
    """L5: only IPv4 is tunnelled: IPv6 goes nowhere, but on the link; with IPv6 in the tunnel it is tunnelled."""
    lab, eu, watch = up
    assert way(lab, HOST6) == "ikat0"
    assert not answers(lab, HOST6) and watch.count() == 0
    thrown = lab.run("eu", "ip", "-6", "route", "show", "table", "all", "type", "throw")
    assert "fe80::/10" in thrown, "link-local packets stay on the link"
    eu.load(settings(on_failure="bypass"))
    wait(lambda: way(lab, HOST6) == "wlan0", "on_failure = bypass: it leaves beside the tunnel")


def test_routes_of_the_network(up):
    """L4: DHCP option 121 and router advertisements announce routes that are more specific than the tunnel's."""
    lab, _, watch = up
    for route in ("10.20.0.0/24", "10.20.0.2/32", "0.0.0.0/1"):
        lab.run("eu", "ip", "route", "add", route, "via", ROUTER, "dev", "wlan0", "proto", "dhcp")
    lab.run("eu", "ip", "-6", "route", "add", LAN6, "via", "fd01::1", "dev", "wlan0", "proto", "ra")
    assert way(lab, HOST) == "ikat0" and answers(lab, HOST)
    assert not answers(lab, HOST6) and watch.count() == 0


def test_network_that_claims_addresses(up):
    """L2: a network with public addresses, or a huge one, is not left out; a private one of its size is."""
    lab, _, watch = up
    claimed = {"203.0.113.9": ("203.0.113.1/24", "ikat0"), "10.200.0.9": ("10.1.0.3/8", "ikat0"),
               "192.168.7.9": ("192.168.7.1/24", "wlan0"), "172.20.3.9": ("172.20.3.1/24", "wlan0")}
    for own, _ in claimed.values():
        lab.run("eu", "ip", "address", "add", own, "dev", "wlan0")
    wait(lambda: all(way(lab, target) == device for target, (_, device) in claimed.items()),
         lambda: f"only private networks are left out: {[way(lab, target) for target in claimed]}")
    lab.run("eu", "ip", "address", "del", "192.168.7.1/24", "dev", "wlan0")
    wait(lambda: way(lab, "192.168.7.9") == "ikat0", "a network that is gone is not left out any more")
    assert answers(lab, HOST) and watch.count() == 0


def test_network_around_name_servers(world):
    """L2: a network with the inner address or the name server of the Gateway in it is not left out; others are."""
    lab = world.lab()
    watch = Watch(lab, "eu")
    claimed = {"10.30.0.200": ("10.30.0.250/16", "ikat0"), "192.168.53.52": ("192.168.53.54/30", "ikat0"),
               "192.168.7.9": ("192.168.7.1/24", "wlan0")}
    for own, _ in claimed.values():
        lab.run("eu", "ip", "address", "add", own, "dev", "wlan0")
    eu = world.ikatd(lab, "eu", settings(install_dns="no"))
    world.ikatd(lab, "gw", gateway(child={"local_ts": EVERYTHING}, top={"pools": {"inner": {"dns": "192.168.53.53"}}}))
    wait(lambda: answers(lab, HOST), lambda: f"traffic: {eu.log()[-3000:]}", 60)
    wait(lambda: all(way(lab, target) == device for target, (_, device) in claimed.items()),
         lambda: f"what the Gateway gave is inside: {[way(lab, target) for target in claimed]}")
    assert way(lab, "192.168.53.53") == "ikat0" and watch.count() == 0
    eu.ikat("down", "home")
    wait(lambda: way(lab, "192.168.53.53") == "wlan0", "down: the host's own way is back")


def test_network_that_is_named(world):
    """What the configuration names stays protected, also where this host is in that network."""
    lab = world.lab()
    world.ikatd(lab, "eu", settings(remote_ts=f"10.0.0.0/8, {EVERYTHING}"))
    wait(lambda: way(lab, HOST) == "ikat0", "packets are held")
    assert way(lab, ROUTER) == "ikat0"
    assert way(lab, "169.254.1.1") not in (None, "ikat0")


def test_link_that_is_plugged_in(up):
    """L7: an interface that comes with a default route of its own and with routes to what is protected."""
    lab, _, watch = up
    lab.run("eu", "ip", "link", "add", "usb0", "type", "veth", "peer", "name", "usb1")
    lab.run("eu", "ip", "link", "set", "usb1", "up")
    lab.run("eu", "ip", "address", "add", "192.168.42.2/24", "dev", "usb0")
    lab.run("eu", "ip", "link", "set", "usb0", "up")
    lab.run("eu", "ip", "route", "add", "default", "via", "192.168.42.1", "dev", "usb0", "metric", "1")
    lab.run("eu", "ip", "route", "add", LAN, "via", "192.168.42.1", "dev", "usb0")
    wait(lambda: way(lab, "192.168.42.1") == "usb0", "its network is left out")
    assert way(lab, HOST) == "ikat0" and way(lab, "8.8.8.8") == "ikat0"
    lab.run("eu", "ip", "link", "del", "usb0")
    wait(lambda: answers(lab, HOST), "traffic", 30)
    assert watch.count() == 0
