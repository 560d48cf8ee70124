# SPDX-License-Identifier: Apache-2.0
"""What IPsec protects is not accepted in the clear (RFC 4301 section 5.2, CVE-2019-14899)."""
import pytest

from lab.net import address
from lab.run import wait
from lab.settings import LAN, LAN6, end_user, gateway

HOST, HOST6 = address("lan", "host"), address("lan", "host", 6)
BOTH = f"{LAN}, {LAN6}"


def start(world, rp_filter, everything=False):
    """A session with both families inside. `everything`: a full tunnel."""
    lab = world.lab()
    for host in ("eu", "gw"):
        for which in ("all", "default", "wlan0" if host == "eu" else "wan0"):
            lab.run(host, "sysctl", "-qw", f"net.ipv4.conf.{which}.rp_filter={rp_filter}")
        lab.run(host, "sysctl", "-qw", f"net.ipv4.conf.all.src_valid_mark={int(everything)}")
    whole = "0.0.0.0/0, ::/0"
    gw = world.ikatd(lab, "gw", gateway({"pools": "inner, inner6"}, {"local_ts": whole if everything else BOTH}))
    eu = world.ikatd(lab, "eu", end_user({"vips": "0.0.0.0, ::"}, {"remote_ts": whole if everything else BOTH}))
    eu.ikat("up", "home")
    wait(lambda: ping(lab, "eu", HOST) and ping(lab, "eu", HOST6), "traffic")
    return lab, gw, eu, eu.session()["config"]["addresses"]


def ping(lab, host, target, *options):
    """Whether an answer comes."""
    return "1 received" in lab.run(host, "ping", "-c1", "-W1", *options, target, check=False)


def heard(lab, host, what, act):
    """How many packets of that kind a host forwards to its programs or network, while `act` runs."""
    lab.run(host, "nft", "-f", "-", input=f"table inet heard {{ chain in {{ type filter hook input priority 300;\n{what} counter\n}}\n"
            f"chain on {{ type filter hook forward priority 300;\n{what} counter\n}}\n}}\n")
    act()
    words = lab.run(host, "nft", "list", "table", "inet", "heard").split()
    lab.run(host, "nft", "delete", "table", "inet", "heard")
    return sum(int(after) for before, after in zip(words, words[1:]) if before == "packets")


def source(lab, host, extra):
    """An address that is not its own, on the loopback interface."""
    lab.run(host, "ip", "addr", "add", extra, "dev", "lo", *(["nodad"] if ":" in extra else []))


@pytest.mark.parametrize("rp_filter", (0, 1, 2))
@pytest.mark.parametrize("everything", (False, True), ids=("split", "full"))
def test_neighbour_sends_to_the_inner_address(world, rp_filter, everything):
    """A neighbour on the Wi-Fi: its packets to the inner addresses are dropped; those to the outer one arrive."""
    lab, _, _, inner = start(world, rp_filter, everything)
    for target in inner:
        via = address("wlan", "eu", 6 if ":" in target else 4)
        lab.run("wlan", "ip", "route", "add", target, "via", via)
        kind = "ip6 daddr" if ":" in target else "ip daddr"
        assert heard(lab, "eu", f'iifname "wlan0" {kind} {target}', lambda t=target: ping(lab, "wlan", t)) == 0
    for family in (4, 6):
        own = address("wlan", "eu", family)
        kind = "ip6 daddr" if family == 6 else "ip daddr"
        assert heard(lab, "eu", f'iifname "wlan0" {kind} {own}', lambda o=own: ping(lab, "wlan", o)) > 0
    assert ping(lab, "eu", HOST) and ping(lab, "eu", HOST6)


@pytest.mark.parametrize("rp_filter", (0, 1, 2))
def test_neighbour_pretends_to_be_behind_the_gateway(world, rp_filter):
    """The protected network's addresses as sources, to the outer address."""
    lab, *_ = start(world, rp_filter)
    for fake, family in (("10.20.0.77/32", 4), ("fd20::77/128", 6)):
        source(lab, "wlan", fake)
        own = address("wlan", "eu", family)
        kind = "ip6 saddr" if family == 6 else "ip saddr"
        assert heard(lab, "eu", f"{kind} {fake.split('/', maxsplit=1)[0]}",
                     lambda f=fake, o=own: ping(lab, "wlan", o, "-I", f.split("/")[0])) == 0


@pytest.mark.parametrize("rp_filter", (0, 1, 2))
def test_host_on_the_wan_pretends_to_be_a_client(world, rp_filter):
    """Leased addresses as sources, into the LAN: the Gateway forwards none, whether the client is there or not."""
    lab, _, eu, inner = start(world, rp_filter)
    for turn in range(2):
        for fake in inner:
            if turn == 0:
                source(lab, "core", f"{fake}/{128 if ':' in fake else 32}")
            target, via, kind = (HOST6, "fd0a::1", "ip6 saddr") if ":" in fake else (HOST, "192.0.2.1", "ip saddr")
            lab.run("core", "ip", "route", "replace", target, "via", via)
            assert heard(lab, "gw", f'iifname "wan0" {kind} {fake}', lambda f=fake, t=target: ping(lab, "core", t, "-I", f)) == 0
        if turn == 0:
            eu.ikat("down", "home")


def test_router_advertisement_through_the_tunnel(world):
    """L4: a Gateway cannot tell the End User's host a router by the inner device."""
    lab, _, eu, _ = start(world, 0, everything=True)
    text = lab.run("eu", "nft", "list", "table", "inet", "ikat")
    assert "nd-router-advert" in text and "nd-redirect" in text
    eu.stop()
    assert "ikat" not in lab.run("eu", "nft", "list", "tables")
