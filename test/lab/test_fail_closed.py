# SPDX-License-Identifier: Apache-2.0
"""What a connection protects never leaves in the clear, whatever dies (L1, L4, L7)."""
import os
import signal

import pytest

from lab.daemons import Ikatd
from lab.net import address
from lab.run import wait
from lab.settings import LAN, LAN6, end_user, gateway, merge, paths
from lab.watch import ALONE, HOST, PROTECTED, SERVERS, Watch, processes

BOTH = f"{LAN}, {LAN6}"


def settings(**conn):
    """An End User that connects by itself."""
    child = {"start_action": "start", "dpd_action": "restart", "remote_ts": BOTH}
    return end_user(paths("failover", vips="0.0.0.0, ::", **conn), child)


def gate():
    """Its Gateway."""
    return gateway({"pools": "inner, inner6"}, {"local_ts": BOTH})


def traffic(lab):
    """A packet goes there and comes back."""
    return all("1 received" in lab.run("eu", "ping", "-c1", "-W1", target, check=False) for _, target in PROTECTED.values())


class Noise:
    """Packets to the protected network, all the time."""

    def __init__(self, lab):
        self.processes = [lab.start("eu", "ping", "-q", "-i", "0.01", "-n", target, stdout=-3, stderr=-3)
                          for _, target in PROTECTED.values()]

    def stop(self):
        """Ends them."""
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.wait()


@pytest.fixture(name="up")
def fixture_up(world):
    """A session, noise, and a watch on the links of the End User."""
    lab = world.lab()
    gw = world.ikatd(lab, "gw", gate())
    eu = world.ikatd(lab, "eu", settings())
    eu.wait_paths(2)
    watch = Watch(lab, "eu")
    noise = Noise(lab)
    wait(lambda: traffic(lab), "traffic")
    yield lab, gw, eu, watch
    noise.stop()


@pytest.mark.parametrize("name", [name for name in SERVERS if name not in ALONE])
def test_server_is_killed(up, name):
    """L1: kill -9 of one process: the supervisor starts all anew, the session comes back, nothing has leaked."""
    lab, _, eu, watch = up
    for _ in range(2):
        before = processes(eu)
        assert set(before) == set(SERVERS)
        os.kill(before[name], signal.SIGKILL)
        wait(lambda b=before: set(processes(eu).values()).isdisjoint(b.values()) and len(processes(eu)) == len(SERVERS), "new processes", 20)
        wait(lambda: traffic(lab), "traffic again", 20)
    assert watch.count() == 0
    assert eu.stop() == 0
    wait(lambda: not traffic(lab) and watch.count() > 0, "an end on purpose gives the host its own way back")


@pytest.mark.parametrize("name", ALONE)
def test_helper_is_killed(up, name):
    """kill -9 of a helper that keeps nothing: it alone is started anew, again and again, and the session stays."""
    lab, _, eu, watch = up
    first = processes(eu)
    for _ in range(3):
        before = processes(eu)
        os.kill(before[name], signal.SIGKILL)
        wait(lambda b=before: set(processes(eu)) == set(SERVERS) and processes(eu)[name] != b[name], "a new process", 20)
    assert {key: pid for key, pid in processes(eu).items() if key != name} == {key: pid for key, pid in first.items() if key != name}
    assert len(eu.sessions()) == 1 and traffic(lab) and watch.count() == 0


def test_name_waits_for_the_resolver(world):
    """A start is not lost while the resolver is away: the next one is asked for the name."""
    lab = world.lab()
    eu = world.ikatd(lab, "eu", end_user())
    conn = end_user({"remote_addrs": "nobody.invalid"}, {"start_action": "start"})["connections"]["home"]
    os.kill(eu.process.pid, signal.SIGSTOP)  # the supervisor, so that no new one comes yet
    try:
        os.kill(processes(eu)["resolver"], signal.SIGKILL)
        with eu.vici() as vici:
            assert vici.request("load-conn", {"later": conn})["success"] == "yes"
        assert "event=name-unresolved conn=later" not in eu.log()
    finally:
        os.kill(eu.process.pid, signal.SIGCONT)
    eu.wait_log("event=name-unresolved conn=later", 30)
    assert "event=start-refused" not in eu.log()


def test_next_of_remote_addrs(world):
    """A name whose addresses do not answer comes first: the login goes on with the address behind it."""
    lab = world.lab()
    world.ikatd(lab, "gw", gateway())
    eu = world.ikatd(lab, "eu", end_user({"remote_addrs": f"localhost, {address('wan0', 'gw')}"}))
    assert eu.initiate("net")["success"] == "yes" and len(eu.children()) == 1
    assert sorted(path["name"] for path in eu.session()["paths"]) == ["lte0", "wlan0"]


def test_supervisor_is_killed(world, up):
    """L1: what it blocked stays until the next daemon has the session, and goes when that one is stopped on purpose."""
    lab, _, eu, watch = up
    eu.kill()
    assert "No route to host" in lab.run("eu", "ip", "route", "get", HOST, check=False)
    assert not traffic(lab)
    again = Ikatd(lab, "eu", eu.settings)
    world.daemons.append(again)
    again.start()
    wait(lambda: traffic(lab), "traffic again", 20)
    assert watch.count() == 0
    assert again.stop() == 0
    assert "No route to host" not in lab.run("eu", "ip", "route", "get", HOST, check=False)
    assert not [line for line in lab.run("eu", "ip", "rule").splitlines() if "proto 171" in line or line.startswith(("219:", "220:"))]


def test_restart(world, up):
    """As systemd does it: no packet leaves in the clear between the end of one daemon and the session of the next."""
    lab, _, eu, watch = up
    eu.process.send_signal(signal.SIGUSR2)
    assert eu.process.wait(10) == 0 and "event=stopped status=0" in eu.log()
    assert "No route to host" in lab.run("eu", "ip", "route", "get", HOST, check=False)
    again = Ikatd(lab, "eu", eu.settings)
    world.daemons.append(again)
    again.start()
    wait(lambda: traffic(lab), "traffic again", 20)
    assert watch.count() == 0
    assert again.stop() == 0
    wait(lambda: not traffic(lab) and watch.count() > 0, "an end on purpose gives the host its own way back")


def test_links_go_and_come(up):
    """L1, L7: link loss, roaming to the other one, both gone, reload: 0 packets in the clear."""
    lab, _, eu, watch = up
    for access in ("wlan", "lte"):
        lab.cut(access)
    for access in ("lte", "wlan"):
        lab.restore(access)
    wait(lambda: traffic(lab), "traffic again", 30)
    lab.cut("wlan")
    wait(lambda: traffic(lab), "traffic on the other link", 30)
    eu.load(settings(stable_for="1s"))
    wait(lambda: traffic(lab), "traffic after the reload", 30)
    lab.restore("wlan")
    assert watch.count() == 0


def test_lease_changes(world, up):
    """L1: the session comes back with another inner address."""
    lab, gw, eu, watch = up
    before = eu.session()["config"]["addresses"]
    gw.kill()
    other = Ikatd(lab, "gw", merge(gw.settings, {"pools": {"inner": {"addrs": "10.31.0.0/24"}}}))
    world.daemons.append(other)
    other.start()
    wait(lambda: any(s["config"]["addresses"] not in ([], before) for s in eu.sessions()) and traffic(lab), "another address", 30)
    assert watch.count() == 0


def test_before_the_first_login(world):
    """L1: from the start on, though the Gateway is not there."""
    lab = world.lab()
    watch = Watch(lab, "eu")
    eu = world.ikatd(lab, "eu", settings())
    assert not traffic(lab) and watch.count() == 0
    eu.ikat("down", "home", check=False)
    wait(lambda: not traffic(lab) and watch.count() > 0, "down: the host's own way is back")


def test_bypass(world):
    """on_failure = bypass: without a session, packets leave in the clear."""
    lab = world.lab()
    watch = Watch(lab, "eu")
    gw = world.ikatd(lab, "gw", gate())
    eu = world.ikatd(lab, "eu", settings(on_failure="bypass"))
    eu.wait_paths(2)
    wait(lambda: traffic(lab), "traffic")
    assert watch.count() == 0
    gw.stop()
    wait(lambda: not eu.sas() and not traffic(lab) and watch.count() > 0, "in the clear", 20)
    os.kill(processes(eu)["engine"], signal.SIGKILL)
    wait(lambda: len(processes(eu)) == len(SERVERS), "it is started anew")


def test_supervisor_is_stopped(world):
    """A login waits for no supervisor: a stopped one leaves logins and traffic alone, and does its work later."""
    lab = world.lab()
    gw = world.ikatd(lab, "gw", gate())
    eu = world.ikatd(lab, "eu", end_user({"vips": "0.0.0.0, ::"}, {"remote_ts": BOTH}))
    os.kill(gw.process.pid, signal.SIGSTOP)
    for _ in range(3):
        assert eu.initiate("net", timeout=5)["success"] == "yes"
        wait(lambda: traffic(lab), "traffic")
        eu.ikat("down", "home")
    os.kill(gw.process.pid, signal.SIGCONT)
    assert eu.initiate("net", timeout=5)["success"] == "yes"
    wait(lambda: traffic(lab), "traffic")
    assert "supervisor-gone" not in gw.log() and "child-refused" not in gw.log()
