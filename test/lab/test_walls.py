# SPDX-License-Identifier: Apache-2.0
"""Walls between a Gateway, or a taken-over engine, and the host of the End User."""
import ctypes
import ipaddress
import json
import os
import re
import signal
import socket
import struct
import subprocess

import pytest

from lab.certificates import Authority, pem
from lab.daemons import IKAT, Ikatd
from lab.net import address
from lab.run import Failed, wait
from lab.scripted import message as m
from lab.scripted.gateway import INNER, Accept
from lab.settings import LAN, end_user, gateway, merge

ROUTER, OWN, OUTER = address("wlan", "wlan"), address("wlan", "eu"), address("wan0", "gw")
LAN_OF_USER = "10.1.0.0/24"
TABLE = "1229651968"


@pytest.fixture(scope="module")
def user(shared):
    """An End User: a split tunnel, one for everything, and one to the network where it is itself."""
    base = end_user({"proposals": "aes128gcm16-prfsha256-x25519"})
    home = base["connections"]["home"]
    base["connections"] = {name: merge(home, {"children": {"net": None, name: merge(home["children"]["net"], {"remote_ts": ts})}})
                           for name, ts in (("home", LAN), ("all", "0.0.0.0/0"), ("near", LAN_OF_USER))}
    return shared.ikatd(shared.lab(), "eu", base)


@pytest.fixture
def gate(user, case):
    """A Gateway; `begin(name)` makes the End User connect and keeps what `ikat up` would say."""
    peer = case.peer(user.lab, "gw")
    peer.ups = []

    def begin(name, **how):
        accept = Accept(peer, **how)
        peer.ups.append(subprocess.Popen([IKAT, "-s", user.socket, "up", name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                         text=True))
        return accept
    peer.begin = begin
    yield peer
    for up in peer.ups:
        up.kill()
        up.communicate()


def refused(user, gate, accept, words):
    """The Child SA is taken down, in words in the log and by `ikat up`; nothing of it is on the host."""
    before = len(user.log())
    accept.init().auth()
    gate.request(accept.sa, m.INFORMATIONAL, wanted=lambda x: x.names == ["DELETE"])
    said, _ = gate.ups[-1].communicate(timeout=20)
    assert words in said and gate.ups[-1].returncode != 0
    assert any("event=child-refused" in line and words in line for line in user.log()[before:].splitlines())
    assert "event=child-up" not in user.log()[before:], "a Child SA was up before the supervisor's word"
    routes = user.lab.run("eu", "ip", "route", "show", "table", TABLE, "type", "unicast", check=False)
    addresses = user.lab.run("eu", "ip", "-4", "address", "show", "dev", "ikat0")
    return routes, addresses


@pytest.mark.parametrize("inner,why", ((ROUTER, "the router of this host"), (OWN, "an address of this host"),
                                       (OUTER, "the Gateway's own")))
def test_inner_address_of_others(user, gate, inner, why):
    """CP5, L3: an inner address that is the host's router, its own, or the Gateway's outer one is refused."""
    accept = gate.begin("home", inner=(inner,))
    _, addresses = refused(user, gate, accept, why)
    assert f" {inner}/" not in addresses


def test_inner_address_of_nobody(user, gate):
    """The twin: any other address is taken."""
    accept = gate.begin("home").init().auth()
    assert gate.ping(accept.child, address("lan", "host"), INNER, timeout=1) is not None or gate.alive(accept.sa)
    wait(lambda: f" {INNER}/" in user.lab.run("eu", "ip", "-4", "address", "show", "dev", "ikat0"), "the address is there")


def narrowed(first, last=None):
    """An edit of IKE_AUTH: TSr is one range."""
    def edit(payloads):
        return [m.ts(m.TSR, m.Selector(first, last or first)) if x.kind == m.TSR else x for x in payloads]
    return edit


def test_selector_of_the_router(user, gate):
    """T4, L2: of everything that was asked for, the Gateway takes the host's router alone."""
    routes, _ = refused(user, gate, gate.begin("all", edit_auth=narrowed(ROUTER)), "the router of this host")
    assert ROUTER not in routes


def test_piece_of_the_own_network(user, gate):
    """L2: a piece of the network where the host is, with the router in it."""
    routes, _ = refused(user, gate, gate.begin("all", edit_auth=narrowed("10.1.0.0", "10.1.0.1")), "the router of this host")
    assert "10.1.0.0" not in routes


@pytest.mark.parametrize("name,edit,there", (("near", None, LAN_OF_USER), ("all", None, "default"),
                                             ("all", narrowed("10.0.0.0", "10.255.255.255"), "10.0.0.0/8")))
def test_networks_that_are_wanted(user, gate, name, edit, there):
    """The twins: what the configuration names, and a network that is more than the own one."""
    accept = gate.begin(name, edit_auth=edit).init().auth()
    wait(lambda: there in user.lab.run("eu", "ip", "route", "show", "table", TABLE, check=False), f"a route {there}")
    assert gate.alive(accept.sa)


def test_sorts_of_nonsense(user, gate):
    """CP5: loopback, multicast and 0.0.0.0 are no addresses of ours; a prefix of IPv6 without an address is none."""
    wrong = [(m.INTERNAL_IP4_ADDRESS, ipaddress.ip_address(x).packed) for x in ("127.0.0.1", "224.0.0.1", "0.0.0.0")]
    right = [(m.INTERNAL_IP4_ADDRESS, ipaddress.ip_address(INNER).packed)]

    def edit(payloads):
        return [m.cp(m.CFG_REPLY, *wrong, *right) if x.kind == m.CP else x for x in payloads]
    accept = gate.begin("home", edit_auth=edit).init().auth()
    wait(lambda: f" {INNER}/" in user.lab.run("eu", "ip", "-4", "address", "show", "dev", "ikat0"), "the address is there")
    addresses = user.lab.run("eu", "ip", "-4", "address", "show", "dev", "ikat0")
    assert "127.0.0.1" not in addresses and "224.0.0.1" not in addresses
    assert gate.alive(accept.sa)


# ---- a taken-over engine: its end of the channel to the supervisor says what our engine never would

ADDRESS_ADD, ROUTE_ADD, BLOCK_ADD, PATH_SOCKETS = 1, 3, 5, 10
PIDFD_OPEN, PIDFD_GETFD = 434, 438


def stolen_channels(user):
    """Copies of the engine's ends of its channels to the supervisor."""
    libc = ctypes.CDLL(None, use_errno=True)
    listed = [re.search(r"\* (\d+) \* (\d+) users:\((.*)\)", line) for line in user.lab.run(user.host, "ss", "-xpnaH").splitlines()]
    holders = {match[1]: (match[2], re.findall(r'"([^"]+)",pid=(\d+),fd=(\d+)', match[3])) for match in listed if match}
    pids = {str(pid) for pid in user.pids()}
    for peer, ends in holders.values():
        others = {name for name, pid, _ in holders.get(peer, ("", []))[1] if pid in pids}
        for name, pid, number in ends:
            if name == "engine" and pid in pids and others == {"ikatd"}:
                of_pid = libc.syscall(PIDFD_OPEN, int(pid), 0)
                with socket.socket(fileno=libc.syscall(PIDFD_GETFD, of_pid, int(number), 0)) as channel:
                    os.close(of_pid)
                    yield number, channel


def octets_of(text):
    """struct address."""
    packed = ipaddress.ip_address(text).packed
    return bytes([4 if len(packed) == 4 else 6]) + packed.ljust(16, b"\0")


def asks(kind, what, prefix_len=0, interface=0, peer=0):
    """struct priv_request, with an empty struct priv_policy and struct inner_device."""
    head, tail = struct.pack("=II", kind, interface), struct.pack("=HHBBHBxxx", 4500, 0, prefix_len, 0, 0, peer)
    return head + octets_of(what) + bytes(17 + 2 + 48) + tail + bytes(16 + 4 * 4)


def refusing_channel(user, question):
    """The channel on which the supervisor refuses that. On another one it may start the engine anew."""
    tried = set()
    while (left := [(number, channel.dup()) for number, channel in stolen_channels(user) if number not in tried]):
        for _, channel in left[1:]:
            channel.close()
        number, channel = left[0]
        tried.add(number)
        log = user.log()
        denied, ended, loaded = (log.count(f"event={event}") for event in ("request-denied", "engine-misbehaves", "config-loaded"))
        channel.settimeout(0.3)
        try:
            channel.send(question)
            wait(lambda: user.log().count("event=request-denied") > denied, "the supervisor says no", 0.5)
            return channel
        except (OSError, Failed):
            channel.close()
        if user.log().count("event=engine-misbehaves") > ended:
            wait(lambda: user.log().count("event=config-loaded") > loaded, "the engine is there again, with its files")
    raise Failed("no channel leads to the supervisor")


def test_taken_over_engine(world):
    """D22: routes that no file names, the router's address and interfaces of nobody are refused; others are not."""
    lab = world.lab()
    settings = end_user({"paths": {"wlan": {"interface": "wlan0"}}})
    user = world.ikatd(lab, "eu", settings)
    lte = int(lab.run("eu", "cat", "/sys/class/net/lte0/ifindex"))
    hostile = [asks(ROUTE_ADD, "0.0.0.0", 0), asks(ROUTE_ADD, "128.0.0.0", 1), asks(ROUTE_ADD, "203.0.113.0", 24),
               asks(ROUTE_ADD, "10.20.0.0", 23), asks(BLOCK_ADD, "0.0.0.0", 0),
               asks(ROUTE_ADD, ROUTER, 32, peer=1), asks(ADDRESS_ADD, ROUTER), asks(ADDRESS_ADD, OWN),
               asks(ADDRESS_ADD, "fd30::1"), asks(PATH_SOCKETS, address("lte", "eu"), interface=lte)]
    with refusing_channel(user, hostile[0]) as channel:
        for octets in hostile[1:] + [asks(ROUTE_ADD, "10.20.0.0", 24)]:
            channel.send(octets)
    wait(lambda: "10.20.0.0/24" in lab.run("eu", "ip", "route", "show", "table", TABLE, check=False), "what the files name is done")
    wait(lambda: user.log().count("event=request-denied") >= len(hostile), "each of the others is refused")
    assert len(lab.run("eu", "ip", "route", "show", "table", TABLE, check=False).strip().splitlines()) == 1
    assert ROUTER not in lab.run("eu", "ip", "address", "show", "dev", "ikat0")
    assert user.process.poll() is None


def test_vici_connections_are_held_to_the_files(world):
    """A connection of a VICI client goes as far as the files, or as their section `permits`."""
    lab = world.lab()
    foreign = {"remote_ts": "203.0.113.0/24", "start_action": "trap"}
    user = world.ikatd(lab, "eu", end_user())
    other = end_user(child=foreign)["connections"]["home"]

    def load(name):
        with user.vici() as vici:
            return vici.request("load-conn", {name: other | {"children": {name: other["children"]["net"]}}})
    assert load("first")["success"] == "yes"
    user.wait_log('what=203.0.113.0/24 reason="no connection in the files names it, nor do their permits"')
    assert "203.0.113" not in lab.run("eu", "ip", "route", "show", "table", TABLE, check=False)
    user.load(end_user(top={"permits": {"remote_ts": "203.0.113.0/24"}}))
    assert load("second")["success"] == "yes"
    wait(lambda: "203.0.113.0/24" in lab.run("eu", "ip", "route", "show", "table", TABLE, check=False), "with permits it is done")


def test_scripts_are_held_to_the_files(world, hook):
    """D22: root runs no script, and none with arguments, that neither the files nor their section `permits` name."""
    lab = world.lab()
    ran = lab.path("ran")
    script = hook(f'#!/bin/sh\necho "$1 $PLUTO_VERB" >> {ran}\n')
    world.ikatd(lab, "gw", gateway())
    user = world.ikatd(lab, "eu", end_user(top={"permits": {"updown": f"{script} named"}}))
    home = end_user()["connections"]["home"]

    def up(argument):
        child = home["children"]["net"] | {"updown": f"{script} {argument}"}
        with user.vici() as vici:
            assert vici.request("load-conn", {argument: home | {"children": {argument: child}}})["success"] == "yes"
        assert user.initiate(argument)["success"] == "yes"
    up("other")
    user.wait_log('event=request-denied what="updown"')
    user.wait_log("event=updown-refused")
    up("named")
    wait(lambda: os.path.exists(ran), "with permits it runs")
    with open(ran, encoding="ascii") as file:
        assert file.read().splitlines() == ["named up-client"]


# ---- one load, one switch

def test_refused_load_changes_nothing(world):
    """D19: a load that is refused as a whole leaves no CA, authority or RADIUS server behind."""
    lab, trusted, other = world.lab(), Authority("CN=Trusted"), Authority("CN=Other")
    radius = {"aaa": {"address": address("lan", "host"), "secret": "a secret that is long enough"}}
    gate = world.ikatd(lab, "gw", gateway(), files={"x509ca/ca.pem": pem(trusted.certificate)})
    user = world.ikatd(lab, "eu", end_user())
    assert user.initiate("net")["success"] == "yes"

    def names():
        return sorted(line.split('"')[1] for line in gate.swanctl("--list-certs").splitlines() if "subject:" in line)
    assert names() == ["CN=Trusted"]
    files = {"x509ca/ca.pem": pem(other.certificate), "x509ca/more.pem": pem(Authority("CN=Authority").certificate)}
    wrong = {"radius": radius, "authorities": {"home": {"cacert": "more.pem"}}}
    many = merge(wrong, {"radius": {f"more{i}": radius["aaa"] for i in range(8)}})

    def load(settings):
        gate.write_files("etc", settings, files)
        refusals = gate.log().count("event=config-not-loaded")
        loads = gate.log().count("event=config-loaded")
        gate.process.send_signal(signal.SIGHUP)
        wait(lambda: gate.log().count("event=config-not-loaded") > refusals or gate.log().count("event=config-loaded") > loads,
             "the load ends")
        return gate.log().count("event=config-loaded") > loads
    assert not load(gateway(top=many))
    assert "swanctl.conf:" in next(line for line in gate.log().splitlines() if "more7: limit reached" in line)
    assert names() == ["CN=Trusted"]
    assert not gate.request("get-authorities").get("authorities") and not gate.request("get-radius").get("servers")
    assert load(gateway(top=wrong))
    assert names() == ["CN=Authority", "CN=Other"]
    assert gate.request("get-authorities")["authorities"] == ["home"] and gate.request("get-radius")["servers"] == ["aaa"]


# ---- limits

def test_memory_pressure(world):
    """F12: near the most memory, logins of peers are get no answer, and `ikat status` says why."""
    lab = world.lab()
    gate = world.ikatd(lab, "gw", gateway(), options=("--memory", "1"))
    gate.wait_log("event=memory-pressure")
    assert "near a limit: memory" in gate.ikat("status")
    user = world.ikatd(lab, "eu", end_user())
    assert user.initiate("net", timeout=2)["success"] == "no"
    assert not gate.established()


def test_host_that_only_initiates(world):
    """--initiator-only: whoever tries to log in hears nothing, and the host itself logs in."""
    lab = world.lab()
    gate = world.ikatd(lab, "gw", gateway(), options=("--initiator-only", "-d"))
    user = world.ikatd(lab, "eu", end_user(), options=("--initiator-only",))
    assert user.initiate("net", timeout=2)["success"] == "no"
    assert "event=ike-send" not in gate.log() and not gate.sas()
    gate.stop()
    gate.options = ()
    gate.start()
    assert user.initiate("net")["success"] == "yes"


def test_limits_are_shown(world):
    """`ikat status` names what is nearly used up, and --json everything that has a limit."""
    lab = world.lab()
    gate = world.ikatd(lab, "gw", gateway({"max_sessions": "1"}, top={"pools": {"inner": {"addrs": "10.30.0.1-10.30.0.1"}}}))
    user = world.ikatd(lab, "eu", end_user())
    assert "near a limit" not in gate.ikat("status")
    assert user.initiate("net")["success"] == "yes"
    said = gate.ikat("status")
    assert "near a limit: leases of pool inner, 1 of 1" in said and "near a limit: sessions of one identity, 1 of 1" in said
    limits = {limit["name"]: limit for limit in json.loads(gate.ikat("status", "--json"))["limits"]}
    assert {"half-open logins", "sessions", "memory", "jobs for the keyholder"} <= set(limits)
    assert all(limit["most"] > 0 for limit in limits.values())


MANY = 20000


def test_twenty_thousand_connections(world):
    """Each has a peer, a secret and a network of its own: all of them load, also anew, and one of them works."""
    lab, base = world.lab(), gateway()
    gate_conn = merge(base["connections"].pop("gate"), {"pools": None, "remote": {"id": None}})
    settings = {"base": gate_conn, "connections": base["connections"], "secrets": {}}
    for i in range(MANY):
        name, network = f"u{i}@lab.example", f"172.{16 + i // 65536}.{i // 256 % 256}.{i % 256}/32"
        settings["connections"][f"c{i} : base"] = {"remote": {"id": name}, "children": {"net": {"remote_ts": network}}}
        settings["secrets"][f"ike-{i}"] = {"id-1": name, "secret": f"the secret of the peer {i}"}
    gate = Ikatd(lab, "gw", settings)
    world.daemons.append(gate)
    gate.start(f"c{i}" for i in range(MANY))
    user = world.ikatd(lab, "eu", end_user({"vips": None, "local": {"id": "u7@lab.example"}},
                                           {"local_ts": "172.16.0.7/32"}, top={"secrets": {"ike-lab": {
                                               "secret": "the secret of the peer 7", "id-1": "u7@lab.example"}}}))
    assert user.initiate("net", timeout=10)["success"] == "yes"
    gate.reload()
    assert len(gate.request("get-conns")["conns"]) == MANY and len(gate.established()) == 1
