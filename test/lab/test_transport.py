# SPDX-License-Identifier: Apache-2.0
"""Transport mode between two hosts (RFC 7296 sections 1.3.1 and 2.23.1, RFC 3948)."""
import re
import signal

import pytest

from lab.daemons import conf
from lab.net import address
from lab.run import wait
from lab.settings import end_user, gateway, merge

EU, EU6 = address("wlan", "eu"), address("wlan", "eu", 6)
GW, GW6 = address("wan0", "gw"), address("wan0", "gw", 6)


def hosts(eu=None, gw=None, child=None, family=4):
    """Configurations of two hosts without networks behind them."""
    both = {"mode": "transport", "remote_ts": None, "local_ts": None} | (child or {})
    one = end_user({"vips": None, "mobike": "no"}, merge(both, eu), family)
    other = gateway({"pools": None, "mobike": "no"}, merge(both, gw), family)
    return one, other


def start(world, one, other, **options):
    """Both ends, connected. Returns lab, End User and Gateway."""
    lab = world.lab(**options)
    gw = world.ikatd(lab, "gw", other)
    eu = world.ikatd(lab, "eu", one)
    answer = eu.initiate("net")
    assert answer["success"] == "yes", answer
    return lab, eu, gw


def ping(lab, host, target, *options):
    """Whether an answer comes."""
    return "1 received" in lab.run(host, "ping", "-c1", "-W1", *options, target, check=False)


def tcp(lab, octets=200_000):
    """Octets from the End User to the Gateway by TCP; returns how many arrived."""
    server = ("import socket\ns = socket.create_server(('', 7777))\nc, _ = s.accept()\nn = 0\n"
              "while True:\n    got = len(c.recv(65536))\n    n += got\n    if not got:\n        break\nprint(n)")
    listening = lab.start("gw", "python3", "-c", server, stdout=-1)
    wait(lambda: ":7777" in lab.run("gw", "ss", "-ltn"), "it listens")
    lab.run("eu", "python3", "-c", f"import socket\nc = socket.create_connection(('{GW}', 7777), 10)\n"
                                   f"c.sendall(bytes({octets}))\nc.close()")
    return int(listening.communicate(timeout=20)[0])


def udp(lab, octets=100):
    """A datagram there and back."""
    server = ("import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('', 7778))\n"
              "data, who = s.recvfrom(4096)\ns.sendto(data[::-1], who)")
    lab.start("gw", "python3", "-c", server)
    wait(lambda: ":7778" in lab.run("gw", "ss", "-lun"), "it listens")
    return lab.run("eu", "python3", "-c", "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.settimeout(5)\n"
                   f"s.sendto(bytes({octets}), ('{GW}', 7778))\nprint(len(s.recv(4096)))").strip() == str(octets)


def clear(lab, act):
    """How many packets between the two hosts pass the core that are neither ESP nor UDP of IKE, while `act` runs."""
    lab.run("core", "nft", "-f", "-", input="table inet seen { chain pass { type filter hook forward priority 0;\n"
            f"ip daddr {GW} meta l4proto {{ icmp, tcp, gre }} counter\n"
            f"ip saddr {GW} meta l4proto {{ icmp, tcp, gre }} counter\n}}\n}}\n")
    act()
    words = lab.run("core", "nft", "list", "table", "inet", "seen")
    lab.run("core", "nft", "delete", "table", "inet", "seen")
    return sum(map(int, re.findall(r"packets (\d+)", words)))


@pytest.mark.parametrize("family", (4, 6))
def test_two_hosts(world, family):
    """Both ends agree on transport mode; nothing leaves in the clear, and what comes is 20 or 40 octets shorter."""
    lab, eu, gw = start(world, *hosts(family=family))
    own, peer = (EU, GW) if family == 4 else (EU6, GW6)
    length = 32 if family == 4 else 128
    for daemon, local, remote in ((eu, own, peer), (gw, peer, own)):
        child, = daemon.children()
        assert child["mode"] == "TRANSPORT", child
        assert child["local-ts"] == [f"{local}/{length}"] and child["remote-ts"] == [f"{remote}/{length}"]
    assert "INSTALLED, TRANSPORT" in eu.swanctl("--list-sas") and "net: TRANSPORT" in eu.swanctl("--list-conns")
    assert ping(lab, "eu", peer) and ping(lab, "gw", own)
    if family == 4:
        assert clear(lab, lambda: (ping(lab, "eu", peer), tcp(lab), udp(lab))) == 0
    # a rekey stays in the mode
    before = {child["spi-in"] for child in eu.children()}
    eu.swanctl("--rekey", "--child", "net")
    wait(lambda: before.isdisjoint({child["spi-in"] for child in eu.children()}), "it is rekeyed")
    assert {child["mode"] for child in eu.children()} == {"TRANSPORT"} and ping(lab, "eu", peer)
    packets = int(gw.children()[0]["packets-in"])
    assert packets > 0


def test_tcp_and_udp(world):
    """Checksums and segments survive."""
    lab, eu, _ = start(world, *hosts())
    assert tcp(lab, 3_000_000) == 3_000_000 and udp(lab)
    assert int(eu.children()[0]["packets-out"]) > 1000


@pytest.mark.parametrize("eu, gw", (({"mode": "transport"}, {"mode": "tunnel"}), ({"mode": "tunnel"}, {"mode": "transport"})))
def test_one_end_declines(world, eu, gw):
    """Section 1.3.1: then there is a tunnel between the same addresses."""
    lab, one, other = start(world, *hosts(eu=eu, gw=gw))
    assert [child["mode"] for child in one.children() + other.children()] == ["TUNNEL", "TUNNEL"]
    assert ping(lab, "eu", GW) and ping(lab, "gw", EU)


def test_selectors_wider_than_the_hosts(world):
    """What a policy allows beyond the two hosts is left out in transport mode."""
    lab, eu, gw = start(world, *hosts(eu={"remote_ts": "192.0.2.0/24", "local_ts": "0.0.0.0/0"},
                                      gw={"local_ts": "0.0.0.0/0", "remote_ts": "10.0.0.0/8"}))
    child, = eu.children()
    assert child["mode"] == "TRANSPORT" and child["remote-ts"] == [f"{GW}/32"] and child["local-ts"] == [f"{EU}/32"]
    assert ping(lab, "eu", GW) and len(gw.children()) == 1


def test_networks_are_tunnelled(world):
    """mode = transport with networks that are not the hosts: a tunnel, as the peer's."""
    lab, eu, _ = start(world, *hosts(eu={"remote_ts": "10.20.0.0/24"}, gw={"local_ts": "10.20.0.0/24"}))
    assert [child["mode"] for child in eu.children()] == ["TUNNEL"]
    assert ping(lab, "eu", address("lan", "host"), "-I", EU)


def test_behind_a_nat(world):
    """Section 2.23.1: each end has the addresses that it sees; TCP's checksum is of others until it is made anew."""
    lab, eu, gw = start(world, *hosts(), nat=["wlan"])
    nat = address("wlan-core", "wlan")
    mine, = eu.children()
    theirs, = gw.children()
    assert mine["mode"] == theirs["mode"] == "TRANSPORT"
    assert mine["local-ts"] == [f"{EU}/32"] and mine["remote-ts"] == [f"{GW}/32"]
    assert theirs["local-ts"] == [f"{GW}/32"] and theirs["remote-ts"] == [f"{nat}/32"]
    assert ping(lab, "eu", GW) and tcp(lab) == 200_000 and udp(lab)
    before = {child["spi-in"] for child in gw.children()}
    for daemon in (gw, eu):
        daemon.swanctl("--rekey", "--child", "net")
        wait(lambda b=before: b.isdisjoint({child["spi-in"] for child in gw.children()}), "it is rekeyed")
        assert {child["mode"] for child in gw.children()} == {"TRANSPORT"} and tcp(lab) == 200_000
        before = {child["spi-in"] for child in gw.children()}


def test_a_nat_changes_no_policy_of_tunnels(world):
    """A Gateway whose policy is a tunnel gives no outer address behind a NAT, whatever the peer asks for."""
    one, other = hosts(gw={"mode": "tunnel"})
    lab = world.lab(nat=["wlan"])
    gw = world.ikatd(lab, "gw", other)
    eu = world.ikatd(lab, "eu", one)
    assert eu.initiate("net")["success"] == "no"
    assert not gw.children()


def test_gre_over_transport(world):
    """The classical use: GRE between the hosts is protected. Here its packets alone: protocol 47 and a payload."""
    lab, *_ = start(world, *hosts())
    take = ("import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_RAW, 47)\ns.settimeout(10)\nprint('ready', flush=True)\n"
            "print(s.recv(4096)[20:].hex(), flush=True)")
    taker = lab.start("gw", "python3", "-c", take, stdout=-1)
    assert taker.stdout.readline() == b"ready\n"
    gre = "000008004500001c" + "ab" * 20
    send = f"import socket\nsocket.socket(socket.AF_INET, socket.SOCK_RAW, 47).sendto(bytes.fromhex('{gre}'), ('{GW}', 0))"
    assert clear(lab, lambda: lab.run("eu", "python3", "-c", send)) == 0
    assert taker.communicate(timeout=15)[0].decode().strip() == gre


def test_trap_between_hosts(world):
    """On either side the first packet asks for the Child SA; with a selector of ports the others stay in the clear."""
    one, other = hosts(child={"start_action": "trap"})
    other["connections"]["gate"]["remote_addrs"] = EU
    lab = world.lab()
    gw = world.ikatd(lab, "gw", other)
    eu = world.ikatd(lab, "eu", one)
    assert not eu.sas() and "gate/net, TRANSPORT" in gw.swanctl("--list-pols", "--trap")
    wait(lambda: ping(lab, "gw", EU), "the Gateway's packet asks")
    assert gw.sas()[0][1].get("initiator") == "yes"
    gw.swanctl("--terminate", "--ike", "gate")
    wait(lambda: not eu.sas() and not gw.sas(), "it is over")
    wait(lambda: ping(lab, "eu", GW), "the End User's packet asks")
    assert eu.sas()[0][1].get("initiator") == "yes"
    # without the trap of a person's choice nothing asks
    eu.swanctl("--terminate", "--ike", "home")
    wait(lambda: not eu.sas(), "it is over")
    eu.swanctl("--uninstall", "--child", "net")
    assert "net" not in eu.swanctl("--list-pols", "--trap")
    gw.swanctl("--uninstall", "--child", "net")
    assert ping(lab, "eu", GW) and not eu.sas()
    eu.swanctl("--install", "--child", "net")
    wait(lambda: ping(lab, "eu", GW) and eu.children(), "it asks again")


def test_not_with_order_trailers(world):
    """multipath = aggregate numbers packets in the tunnel, and transport mode has none: said with its line."""
    one, _ = hosts()
    one["connections"]["home"]["multipath"] = "aggregate"
    lab = world.lab()
    eu = world.ikatd(lab, "eu", {})
    with open(eu.config, "w", encoding="utf-8") as file:
        file.write(conf(one))
    eu.process.send_signal(signal.SIGHUP)
    eu.wait_log("multipath: child net has mode = transport")


def test_trap_for_any_peer(world):
    """With remote_addrs = %any a packet asks for a session with its host, one for each; nothing leaves in the clear."""
    one, other = hosts(eu={"start_action": "trap"})
    one["connections"]["home"]["remote_addrs"] = "%any"
    other["connections"]["gate"] |= {"local_addrs": "%any", "unique": "never"}
    lab = world.lab()
    gw = world.ikatd(lab, "gw", other)
    eu = world.ikatd(lab, "eu", one)
    second = address("wan1", "gw")
    assert not eu.sas()

    def both():
        for target in (GW, second):
            wait(lambda t=target: ping(lab, "eu", t), f"a packet to {target} asks")
    assert clear(lab, both) == 0
    assert ping(lab, "eu", GW)
    assert sorted(child["remote-ts"] for child in eu.children()) == [[f"{GW}/32"], [f"{second}/32"]]
    assert {child["mode"] for child in eu.children()} == {"TRANSPORT"} and len(gw.children()) == 2
    # the end of one is not the end of the other, and the trap stays
    eu.swanctl("--terminate", "--ike-id", eu.sas()[0][1]["uniqueid"])
    wait(lambda: len(eu.children()) == 1, "one is over")
    assert clear(lab, both) == 0 and len(eu.children()) == 2
