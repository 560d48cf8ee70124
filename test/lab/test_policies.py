# SPDX-License-Identifier: Apache-2.0
"""Policies without a Child SA: mode = pass and mode = drop (RFC 4301 section 4.4.1: BYPASS, DISCARD)."""
import os
import signal

import pytest

from lab.net import address
from lab.run import Failed, run, wait
from lab.settings import LAN, LAN6, end_user, gateway

HOST, HOST6 = address("lan", "host"), address("lan", "host", 6)
ROUTER, ROUTER6 = address("wlan", "wlan"), address("wlan", "wlan", 6)
CORE = address("wlan-core", "core")
WLAN, WLAN6 = "10.1.0.0/24", "fd01::/64"


def shunt(mode, local="dynamic", remote="dynamic", **keys):
    """A child without a Child SA, in force at once."""
    return {"mode": mode, "start_action": "trap", "local_ts": local, "remote_ts": remote} | keys


def shunts(**children):
    """A connection that has nothing else, as strongSwan's users write it."""
    return {"connections": {"shunts": {"children": children}}}


def start(world, top=None, everything=True):
    """A session with both families inside; `everything`: a full tunnel, which only policies leave something out of."""
    lab = world.lab()
    whole = "0.0.0.0/0, ::/0" if everything else f"{LAN}, {LAN6}"
    gw = world.ikatd(lab, "gw", gateway({"pools": "inner, inner6"}, {"local_ts": whole}))
    eu = world.ikatd(lab, "eu", end_user({"vips": "0.0.0.0, ::", "lan": "block"}, {"remote_ts": whole}, top=top))
    eu.ikat("up", "home")
    wait(lambda: ping(lab, "eu", HOST) and ping(lab, "eu", HOST6), "traffic")
    return lab, gw, eu


def ping(lab, host, target, *options):
    """Whether an answer comes."""
    return "1 received" in lab.run(host, "ping", "-c1", "-W1", *options, target, check=False)


def heard(lab, host, what, act, hook="input"):
    """How many packets of that kind a host takes in while `act` runs."""
    lab.run(host, "nft", "-f", "-", input=f"table inet heard {{ chain in {{ type filter hook {hook} priority 300;\n"
                                          f"{what} counter\n}}\n}}\n")
    act()
    words = lab.run(host, "nft", "list", "table", "inet", "heard").split()
    lab.run(host, "nft", "delete", "table", "inet", "heard")
    return sum(int(after) for before, after in zip(words, words[1:]) if before == "packets")


def listed(eu, *kinds):
    """What list-policies shows: {name: mode}."""
    with eu.vici() as vici:
        return {name: body["mode"] for event in vici.stream("list-policies", "list-policy", dict.fromkeys(kinds, "yes"))
                for name, body in event.items()}


def test_own_network_passes_beside_a_full_tunnel(world):
    """The classical use: the Wi-Fi's network stays reachable, from its own address."""
    lab, _, eu = start(world, shunts(lan=shunt("pass", remote=f"{WLAN}, {WLAN6}")))
    for target, family in ((ROUTER, "ip"), (ROUTER6, "ip6")):
        own = address("wlan", "eu", 6 if family == "ip6" else 4)
        clear = f'iifname "in" {family} saddr {own} {family} daddr {target}'
        assert heard(lab, "wlan", clear, lambda t=target: ping(lab, "eu", t)) > 0
        assert ping(lab, "eu", target)
    assert ping(lab, "eu", HOST) and ping(lab, "eu", HOST6)
    assert listed(eu, "pass") == {"shunts/lan": "PASS"} and not listed(eu, "drop") and not listed(eu, "trap")
    assert "shunts/lan, PASS" in eu.swanctl("--list-pols") and "lan: PASS" in eu.swanctl("--list-conns")
    # taken away: the tunnel has those packets, too
    eu.swanctl("--uninstall", "--child", "lan")
    with pytest.raises(Failed):
        eu.swanctl("--uninstall", "--child", "lan")
    icmp = f'iifname "in" ip saddr {address("wlan", "eu")} meta l4proto icmp'
    wait(lambda: heard(lab, "wlan", icmp, lambda: ping(lab, "eu", ROUTER)) == 0, "nothing leaves in the clear")
    assert not listed(eu)
    eu.swanctl("--install", "--child", "lan")
    wait(lambda: heard(lab, "wlan", icmp, lambda: ping(lab, "eu", ROUTER)) > 0, "it passes again")
    eu.stop()
    rules = lab.run("eu", "ip", "rule") + lab.run("eu", "ip", "-6", "rule")
    assert "goto" not in rules and "221:" not in rules


def test_ports_select_what_passes(world):
    """TCP to port 22 goes beside the tunnel, the rest through it."""
    lab, *_ = start(world, shunts(ssh=shunt("pass", remote="0.0.0.0/0[tcp/22]")))

    def clear(port):
        what = f'iifname "in" ip saddr {address("wlan", "eu")} tcp dport {port}'
        dial = f"timeout 1 bash -c '</dev/tcp/{HOST}/{port}'"
        return heard(lab, "wlan", what, lambda: lab.run("eu", "bash", "-c", dial, check=False), hook="prerouting")
    assert clear(22) > 0 and clear(23) == 0


def test_inbound_exception_is_no_wider_than_it_says(world):
    """Of a protected network one address may come in the clear; no other, and never to an inner address."""
    lab, _, eu = start(world, shunts(one=shunt("pass", remote="10.20.0.77/32")), everything=False)
    inner = next(a for a in eu.session()["config"]["addresses"] if ":" not in a)
    own = address("wlan", "eu")
    lab.run("wlan", "ip", "route", "add", inner, "via", own)
    for fake, target, arrives in (("10.20.0.77", own, True), ("10.20.0.78", own, False), ("10.20.0.77", inner, False)):
        lab.run("wlan", "ip", "addr", "replace", f"{fake}/32", "dev", "lo")
        got = heard(lab, "eu", f'iifname "wlan0" ip saddr {fake} ip daddr {target}',
                    lambda f=fake, t=target: ping(lab, "wlan", t, "-I", f))
        assert (got > 0) == arrives, (fake, target)


def test_drop_is_behind_tunnels_unless_it_says_otherwise(world):
    """As with strongSwan: a drop policy takes what no tunnel takes; with a low priority it comes first."""
    lab, _, eu = start(world, shunts(all=shunt("drop")), everything=False)
    assert ping(lab, "eu", HOST) and ping(lab, "eu", HOST6)
    assert not ping(lab, "eu", ROUTER) and not ping(lab, "eu", ROUTER6) and not ping(lab, "eu", CORE)
    echo = 'iifname "wlan0" icmp type echo-request'
    assert heard(lab, "eu", echo, lambda: ping(lab, "wlan", address("wlan", "eu"))) == 0
    assert listed(eu) == {"shunts/all": "DROP"}
    # IKE itself is not concerned, nor what carries the tunnel
    eu.ikat("down", "home")
    eu.ikat("up", "home")
    wait(lambda: ping(lab, "eu", HOST), "traffic")
    eu.load(end_user({"vips": "0.0.0.0, ::"}, {"remote_ts": f"{LAN}, {LAN6}"},
                     top=shunts(one=shunt("drop", remote=HOST, priority="9"))))
    wait(lambda: not ping(lab, "eu", HOST), "it comes before the tunnel")
    assert ping(lab, "eu", HOST6) and ping(lab, "eu", ROUTER)


def test_priority_of_a_tunnel_against_a_drop_policy(world):
    """The lower number counts, inside the tunnel as well; an interface limits a drop policy."""
    lab = world.lab()
    drop = shunts(all=shunt("drop", priority="4"), wifi=shunt("drop", priority="3", remote=CORE, interface="wlan0"))
    world.ikatd(lab, "gw", gateway())
    eu = world.ikatd(lab, "eu", end_user(child={"priority": "2"}, top=drop))
    eu.ikat("up", "home")
    wait(lambda: ping(lab, "eu", HOST), "the tunnel comes first")
    assert not ping(lab, "eu", ROUTER)
    eu.load(end_user(child={"priority": "5"}, top=drop))
    eu.ikat("down", "home")
    eu.ikat("up", "home")
    wait(lambda: not ping(lab, "eu", HOST), "the drop policy comes first")
    eu.load(end_user(top=shunts(wifi=shunt("drop", interface="lte0"))))
    wait(lambda: ping(lab, "eu", ROUTER), "the Wi-Fi is not concerned")
    assert not ping(lab, "eu", address("lte", "lte"))


def test_what_the_gateway_forwards(world):
    """The network behind a Gateway may not reach the core; the Gateway itself may."""
    lab = world.lab()
    world.ikatd(lab, "gw", gateway(top=shunts(lan=shunt("drop", local=LAN, remote="192.0.2.254/32"))))
    lab.run("core", "ip", "route", "add", LAN, "via", "192.0.2.1")
    assert ping(lab, "gw", "192.0.2.254")
    assert not ping(lab, "host", "192.0.2.254") and ping(lab, "host", address("wlan-core", "core"))


def test_drop_holds_while_the_engine_is_away(world):
    """A drop policy is the kernel's: it holds when the engine is killed, and its successor has it again."""
    lab, _, eu = start(world, shunts(core=shunt("drop", remote=CORE), lan=shunt("pass", remote=WLAN)), everything=False)
    assert not ping(lab, "eu", CORE)
    engine = next(int(line.split()[0]) for line in run("ps", "-eo", "pid=,args=").splitlines()
                  if "ikatd" in line and "engine" in line and int(line.split()[0]) in children(eu.process.pid))
    before = eu.log().count("event=config-loaded")
    os.kill(engine, signal.SIGKILL)
    assert not ping(lab, "eu", CORE)
    wait(lambda: eu.log().count("event=config-loaded") > before, "the next engine has its configuration", 30)
    assert not ping(lab, "eu", CORE)
    wait(lambda: listed(eu) == {"shunts/core": "DROP", "shunts/lan": "PASS"}, "they are in force")
    rules = lab.run("eu", "ip", "rule")
    assert rules.count("goto 221") == 1, rules


def children(pid):
    """All processes below one."""
    pairs = [tuple(map(int, line.split())) for line in run("ps", "-eo", "pid=,ppid=").splitlines()]
    found = {pid}
    for _ in range(4):
        found |= {child for child, parent in pairs if parent in found}
    return found


def test_connection_without_peer_takes_no_login(world):
    """A connection that only has pass or drop policies is for no IKE peer."""
    lab = world.lab()
    world.ikatd(lab, "gw", {"connections": {"shunts": {"children": {"lan": shunt("pass", remote=LAN)}}}})
    eu = world.ikatd(lab, "eu", end_user({"proposals": "default"}))
    answer = eu.initiate("net")
    assert answer["success"] == "no" and answer["errmsg"] == "no-proposal", answer


@pytest.mark.parametrize("child, why", (
    ({"mode": "pass", "remote_ts": "10.0.0.0/8[icmp/2048]"}, "ports are of tcp"),
    ({"mode": "pass", "interface": "eth0"}, "mode = drop only"),
    ({"mode": "drop", "interface": "a*b"}, "is not the name of an interface"),
))
def test_refused_in_words(world, child, why):
    """What the kernel cannot tell apart is refused with its line."""
    lab = world.lab()
    eu = world.ikatd(lab, "eu", {})
    with open(eu.config, "w", encoding="utf-8") as file:
        keys = "".join(f"{key} = {value}\n" for key, value in child.items())
        file.write("connections {\n a {\n children {\n n {\n" + keys + "}\n}\n}\n}\n")
    eu.process.send_signal(signal.SIGHUP)
    eu.wait_log(why)


MULTICAST = "224.0.0.0/24"
HEAR = ("import socket, struct\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('224.0.0.5', 9999))\n"
        "index = socket.if_nametoindex('ikat0')\n"
        "s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack('4s4si', socket.inet_aton('224.0.0.5'), bytes(4), index))\n"
        "s.settimeout(WAIT)\nprint('ready', flush=True)\ntry:\n    print(s.recvfrom(100)[1][0], flush=True)\n"
        "except TimeoutError:\n    print('nothing', flush=True)")
SAY = ("import socket, struct\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('OWN', 0))\n"
       "s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack('4s4si', bytes(4), bytes(4), socket.if_nametoindex('ikat0')))\n"
       "s.sendto(b'hello', ('224.0.0.5', 9999))")


@pytest.mark.parametrize("named", (True, False), ids=("named", "everything"))
def test_multicast_of_routing_daemons(world, named):
    """OSPF and its like pass where a selector names multicast; a tunnel for everything takes none along."""
    lab = world.lab()
    own = address("wlan", "eu")
    here, there = (f"{own}, {MULTICAST}", f"{LAN}, {MULTICAST}") if named else ("0.0.0.0/0", "0.0.0.0/0")
    world.ikatd(lab, "gw", gateway({"pools": None}, {"local_ts": there, "remote_ts": here if named else f"{own}/32"}))
    eu = world.ikatd(lab, "eu", end_user({"vips": None}, {"local_ts": here if named else own, "remote_ts": there}))
    eu.ikat("up", "home")
    wait(lambda: ping(lab, "eu", HOST, "-I", own), "traffic")
    hearing = lab.start("gw", "python3", "-c", HEAR.replace("WAIT", "10" if named else "1"), stdout=-1)
    assert hearing.stdout.readline() == b"ready\n"
    lab.run("eu", "python3", "-c", SAY.replace("OWN", own))
    if not named:  # behind it: a packet that does pass
        assert ping(lab, "eu", HOST, "-I", own)
    assert hearing.communicate(timeout=20)[0].decode().strip() == (own if named else "nothing")


@pytest.mark.parametrize("icmp", ("yes", "no"))
def test_errors_from_behind_the_peer(world, icmp):
    """RFC 4301 section 6.1.1: "time exceeded" of a router that no selector has. With icmp = yes it passes both ends."""
    lab = world.lab()
    lab.run("gw", "ip", "addr", "add", "172.31.0.1/32", "dev", "lo")
    gw = world.ikatd(lab, "gw", gateway(None, {"icmp": icmp}))
    eu = world.ikatd(lab, "eu", end_user(None, {"icmp": icmp}))
    eu.ikat("up", "home")
    wait(lambda: ping(lab, "eu", HOST), "traffic")
    inner = eu.session()["config"]["addresses"][0]
    table = ("table", "1229651968", "metric", "1")
    lab.run("gw", "ip", "route", "replace", f"{inner}/32", "dev", "ikat0", "src", "172.31.0.1", *table)
    said = lab.run("eu", "ping", "-c1", "-W1", "-t1", HOST, check=False)
    assert ("exceeded" in said) == (icmp == "yes"), said + gw.log()[-500:]
    assert ping(lab, "eu", HOST)


def test_rest_of_a_narrowed_trap_stays_caught(world):
    """The Gateway agrees to a part of what the trap catches: the rest does not leave in the clear, then or later."""
    lab = world.lab()
    near, far = "10.20.0.0/28", "10.20.0.77"
    assert HOST in (f"10.20.0.{n}" for n in range(1, 15))
    gw = world.ikatd(lab, "gw", gateway({"pools": "inner"}, {"local_ts": near}))
    eu = world.ikatd(lab, "eu", end_user({"vips": "0.0.0.0"}, {"remote_ts": LAN, "start_action": "trap"}))
    clear = f'iifname "in" ip daddr {far}'
    assert heard(lab, "wlan", clear, lambda: ping(lab, "eu", far), "prerouting") == 0
    wait(lambda: ping(lab, "eu", HOST), "the trap asks for a session")
    child, = eu.children()
    assert child["remote-ts"] == [near]
    assert heard(lab, "wlan", clear, lambda: ping(lab, "eu", far), "prerouting") == 0
    # the End User asked for the rest once, and pauses; what it got was no more than it has
    eu.wait_log("event=trap-rest-refused")
    assert not ping(lab, "eu", far) and eu.log().count("event=trap-rest-refused") == 1
    wait(lambda: [child["remote-ts"] for child in eu.children()] == [[near]], "the second one of the same is gone")
    assert gw.request("terminate", ike="gate")["success"] == "yes"
    wait(lambda: not eu.sas(), "the session ends")
    assert heard(lab, "wlan", clear, lambda: ping(lab, "eu", far), "prerouting") == 0


def test_rest_of_a_narrowed_trap_gets_its_child(world):
    """The Gateway divides what the trap catches among its children: a packet of each part asks for a Child SA of it."""
    lab = world.lab()
    near, rest, far = "10.20.0.0/28", "10.20.0.64/26", "10.20.0.77"
    lab.run("host", "ip", "addr", "add", f"{far}/24", "dev", "eth0")
    gate = gateway({"pools": "inner"}, {"local_ts": near})
    children = gate["connections"]["gate"]["children"]
    children["second"] = children["net"] | {"local_ts": rest}
    gw = world.ikatd(lab, "gw", gate)
    eu = world.ikatd(lab, "eu", end_user({"vips": "0.0.0.0"}, {"remote_ts": LAN, "start_action": "trap"}))
    clear = f'iifname "in" ip daddr {far}'

    def both():
        for target in (HOST, far):
            wait(lambda t=target: ping(lab, "eu", t), f"a packet to {target} asks")
    assert heard(lab, "wlan", clear, both, "prerouting") == 0
    assert sorted(child["remote-ts"] for child in eu.children()) == [[near], [rest]]
    assert ping(lab, "eu", HOST) and len(gw.children()) == 2
