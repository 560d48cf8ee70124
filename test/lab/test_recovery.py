# SPDX-License-Identifier: Apache-2.0
"""A session that is lost at one end is logged in anew by the other; one that was only out of reach goes on."""
import json
import os
import time

import pytest

from lab.daemons import Ikatd
from lab.net import address
from lab.run import wait
from lab.settings import end_user, gateway, paths

HOST = address("lan", "host")
KEEP = {"dpd_action": "restart"}


def traffic(lab):
    """A packet goes there and comes back."""
    return "1 received" in lab.run("eu", "ping", "-c1", "-W1", HOST, check=False)


def restart(world, daemon):
    """A new process of it, with nothing but its configuration."""
    again = Ikatd(daemon.lab, daemon.host, daemon.settings)
    world.daemons.append(again)
    return again.start()


def start(world, conn=None, child=None, gate=()):
    """An End User that stays connected, and its Gateway."""
    lab = world.lab()
    gw = world.ikatd(lab, "gw", gateway(), gate)
    eu = world.ikatd(lab, "eu", end_user(conn, KEEP | (child or {})))
    eu.ikat("up", "home")
    wait(lambda: traffic(lab), "traffic")
    return lab, gw, eu


def rekey(eu):
    """All keys of the session are new."""
    for what, kind in (("ike_id", "spi_i"), ("child_id", "spi_in")):
        before = eu.session()["ike_sas"]
        for sa in before:
            number = sa["id"] if what == "ike_id" else sa["children"][0]["id"]
            assert eu.request("rekey", **{what: str(number)})["success"] == "yes"
        old = {sa[kind] if kind == "spi_i" else child[kind] for sa in before for child in sa["children"]}

        def fresh(kind=kind, old=old, n=len(before)):
            sas = eu.session()["ike_sas"]
            new = {sa[kind] if kind == "spi_i" else child[kind] for sa in sas for child in sa["children"]}
            return len(sas) == len(new) == n and not new & old
        wait(fresh, lambda: f"new keys: {eu.session()}")


@pytest.mark.parametrize("conn", ({}, paths("failover")), ids=("single", "multipath"))
@pytest.mark.parametrize("away", (0, 12))
def test_gateway_restarted(world, conn, away):
    lab, gw, eu = start(world, conn)
    if conn:
        eu.wait_paths(2)
    inner = eu.session()["vips"] if "vips" in eu.session() else None
    rekey(eu)
    gw.kill()
    time.sleep(away)
    gw = restart(world, gw)
    since = time.monotonic()
    wait(lambda: traffic(lab), "traffic again", 20)
    took = time.monotonic() - since
    # 0.6 budgets until all is known to be dead, two seconds of patience, a knock, a question, a login
    assert took <= (8 if away == 0 else 6), f"{took:.1f} s"
    wait(lambda: len(gw.established()) == len(eu.established()) == (2 if conn else 1), lambda: f"as before: {eu.sas()}")
    assert len(gw.sessions()) == len(eu.sessions()) == 1
    assert ("vips" in eu.session() and eu.session()["vips"] or None) == inner


def test_black_hole_of_all_paths(world):
    """A minute without any path: the old session goes on, without a second login."""
    lab, gw, eu = start(world, paths("failover"))
    eu.wait_paths(2)
    rekey(eu)
    before = eu.session()
    for access in ("wlan", "lte"):
        lab.blackhole(access)
    time.sleep(60)
    for access in ("wlan", "lte"):
        lab.blackhole(access, False)
    since = time.monotonic()
    wait(lambda: traffic(lab), "traffic again", 20)
    took = time.monotonic() - since
    assert took <= 6, f"{took:.1f} s"
    eu.wait_paths(2, timeout=40)
    after = eu.session()
    assert after["id"] == before["id"] and after["logins"] == 1
    assert len(gw.sessions()) == 1 and gw.session("gate")["logins"] == 1


def test_end_user_restarted(world):
    """kill -9 of the End User: it logs in again by itself, gets the same address, and the Gateway forgets the old
    session."""
    lab, gw, eu = start(world, paths("failover"), {"start_action": "start"})
    eu.wait_paths(2)
    inner = gw.session("gate")
    eu.kill()
    eu = restart(world, eu)
    since = time.monotonic()
    wait(lambda: traffic(lab), "traffic again", 10)
    assert time.monotonic() - since <= 5
    eu.wait_paths(2)
    wait(lambda: len(gw.sessions()) == 1 and len(gw.established()) == 2, lambda: f"one session: {gw.sas()}")
    assert gw.session("gate").get("remote_vips") == inner.get("remote_vips")


def test_down_and_up(world):
    """Fifty times: nothing is left, and nothing grows."""
    lab, gw, eu = start(world, paths("failover"))
    def open_files(daemon):
        """All descriptors of all its processes."""
        return sum(len(lab.run("eu", "ls", f"/proc/{pid}/fd", check=False).split()) for pid in daemon.pids())
    eu.wait_paths(2)
    eu.ikat("down", "home")
    wait(lambda: not gw.sas() and not eu.sas(), "all down")
    before, routes = (open_files(eu), open_files(gw)), lab.run("eu", "ip", "route", "show", "table", "all")
    for _ in range(50):
        eu.ikat("up", "home")
        eu.ikat("down", "home")
    wait(lambda: not gw.sas() and not eu.sas(), lambda: f"all down: {gw.sas()} {eu.sas()}")
    wait(lambda: open_files(eu) <= before[0] and open_files(gw) <= before[1], lambda: f"{open_files(eu)} {open_files(gw)} {before}")
    assert lab.run("eu", "ip", "route", "show", "table", "all") == routes
    eu.ikat("up", "home")
    eu.wait_paths(2)
    assert traffic(lab)


def test_fail_closed(world):
    """The session is lost, and does not come back: what it protected goes nowhere, until `down` is asked for."""
    lab, gw, eu = start(world, child={"dpd_action": "clear"})

    def way():
        return lab.run("eu", "ip", "route", "get", HOST)
    assert "dev ikat" in way()
    assert gw.request("terminate", ike="gate", timeout="10000")["success"] == "yes"
    wait(lambda: not eu.sas(), "the session is gone")
    assert "dev ikat" in way()
    assert not traffic(lab)
    eu.ikat("up", "home")
    wait(lambda: traffic(lab), "traffic again")
    eu.ikat("down", "home")
    wait(lambda: "dev ikat" not in way(), "the host's own way is back")


def inner_mtu(lab, host):
    """The MTU of the inner device."""
    return json.loads(lab.run(host, "ip", "-j", "link", "show", "dev", "ikat0"))[0]["mtu"]


@pytest.mark.parametrize("family,esp,mode,mtu,outer", [
    (4, "aes128gcm16", "failover", 1430, 1492), (6, "aes128gcm16", "failover", 1410, 1492),
    (4, "aes128gcm16", "aggregate", 1422, 1492), (6, "aes256-sha512", "failover", 1374, 1480)])
def test_inner_mtu(world, family, esp, mode, mtu, outer):
    """The inner device is as wide as the ESP packet of a link of 1492 octets allows, whatever the overhead."""
    lab = world.lab()
    child, conn = {"esp_proposals": esp}, {"multipath": mode}
    inner = {"vips": "0.0.0.0"}, {"pools": "inner"}
    world.ikatd(lab, "gw", gateway(conn | inner[1], child | {"local_ts": "10.20.0.0/24"}, family))
    eu = world.ikatd(lab, "eu", end_user(conn | inner[0], child | {"remote_ts": "10.20.0.0/24"}, family))
    eu.ikat("up", "home")
    wait(lambda: inner_mtu(lab, "eu") == inner_mtu(lab, "gw") == mtu, lambda: f"{mtu}: {inner_mtu(lab, 'eu')}, {inner_mtu(lab, 'gw')}")
    capture = lab.start("gw", "tcpdump", "-Z", "root", "-Uni", "wan0", "-w", lab.path("size.pcap"), "udp", "port", "4500")
    wait(lambda: os.path.exists(lab.path("size.pcap")), "tcpdump listens")

    def longest():
        lab.run("eu", "ping", "-c1", "-W2", "-M", "do", "-s", str(mtu - 28), HOST)
        text = lab.run("gw", "tcpdump", "-nqr", lab.path("size.pcap"), check=False)
        lengths = [int(line.rsplit(" ", 1)[1]) for line in text.splitlines() if ", length " in line]
        return max(lengths, default=0) + (28 if family == 4 else 48)
    wait(lambda: longest() == outer, lambda: f"{outer} octets, not {longest()}")
    capture.terminate()
    capture.wait(10)


def test_narrow_links(world):
    """Outer links of 1400 octets: the inner device becomes narrower, what does not fit is said to the sender, and TCP
    gets through."""
    lab, _, _ = start(world, gate=("-m", "1390"))

    def inner(host="eu"):
        return inner_mtu(lab, host)
    assert (inner(), inner("gw")) == (1430, 1390)
    for host, link in (("eu", "wlan0"), ("wlan", "in"), ("eu", "lte0"), ("lte", "in"), ("gw", "wan0")):
        lab.run(host, "ip", "link", "set", link, "mtu", "1400")

    def ping(size):
        return lab.run("eu", "ping", "-c1", "-W1", "-M", "do", "-s", str(size), HOST, check=False)
    wait(lambda: inner() == 1338, "the inner device is narrower")
    assert "1 received" in ping(1200)
    wait(lambda: "too long" in (text := ping(1365)) or "needed" in text, lambda: f"ICMP: {ping(1365)}", 5)
    assert "1 received" in ping(1200)
    server = lab.start("host", "python3", "-c", "import socket; s = socket.create_server(('', 9)); c = s.accept()[0]; n = 0\n"
                       "while d := c.recv(65536): n += len(d)\nc.sendall(str(n).encode())")
    client = (f"import socket; c = socket.create_connection(('{HOST}', 9), 2); c.settimeout(20)\n"
              "c.sendall(bytes(4000000)); c.shutdown(1); print(c.recv(20).decode())")
    sent = wait(lambda: (text := lab.run("eu", "python3", "-c", client, check=False).strip()).isdigit() and text, "a big transfer", 30)
    assert sent == "4000000"
    server.wait(5)
    assert inner("gw") == 1390, "what the administrator says stays"


def test_flapping_link(world):
    """A link goes and comes a hundred times in ten seconds: the session ends up on the right path, with nothing left
    over."""
    lab, gw, eu = start(world, paths("failover", stable_for="1s"))
    eu.wait_paths(2)
    for _ in range(100):
        lab.cut("wlan")
        time.sleep(0.05)
        lab.restore("wlan")
        time.sleep(0.05)
    eu.wait_paths(2, timeout=30)
    assert traffic(lab)
    session = eu.session()
    assert session["logins"] == 1 and len(session["ike_sas"]) == 2
    wait(lambda: len(gw.established()) == len(gw.children()) == 2, lambda: f"two VPNs: {gw.sas()}")


def test_end_user_was_stopped(world):
    """SIGSTOP for longer than any path's patience, SIGCONT: the session goes on."""
    lab, gw, eu = start(world, paths("failover"))
    eu.wait_paths(2)
    pids = eu.pids()
    lab.run("eu", "kill", "-STOP", *pids)
    time.sleep(8)
    lab.run("eu", "kill", "-CONT", *pids)
    wait(lambda: traffic(lab), "traffic again", 10)
    eu.wait_paths(2, timeout=30)
    assert len(eu.sessions()) == len(gw.sessions()) == 1
    wait(lambda: len(gw.established()) == len(eu.established()) == 2, lambda: f"as before: {gw.sas()}")


BLAST = """import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setblocking(False)
while True:
    try: s.sendto(bytes(1200), ("TARGET", 9))
    except OSError: pass
"""


def dropped(lab):
    """Packets that found no room in the queue of the End User's inner device."""
    return json.loads(lab.run("eu", "ip", "-j", "-s", "link", "show", "ikat0"))[0]["stats64"]["tx"]["dropped"]


def held(daemon):
    """KiB of memory of all its processes."""
    words = [open(f"/proc/{pid}/statm", encoding="ascii").read().split()[1] for pid in daemon.pids()]
    return sum(map(int, words)) * 4


def test_more_than_there_is_room_for(world):
    """E32: programs send more than the tunnel carries. What has no room is dropped, no memory grows, and IKE goes on:
    all keys are changed meanwhile, and no path is given up."""
    lab, gw, eu = start(world, paths("failover"))
    before, memory = eu.wait_paths(2), (held(eu), held(gw))
    blasts = [lab.start("eu", "python3", "-c", BLAST.replace("TARGET", HOST)) for _ in range(3)]
    wait(lambda: dropped(lab) > 20_000, "more than there is room for", 60)
    for _ in range(2):
        rekey(eu)
    assert eu.ikat("status")
    for blast in blasts:
        blast.kill()
        blast.wait()
    wait(lambda: traffic(lab), "traffic")
    after = eu.session()
    assert (after["id"], after["logins"]) == (before["id"], 1) and "event=path-dead" not in eu.log()
    assert held(eu) < memory[0] + 32768 and held(gw) < memory[1] + 32768
