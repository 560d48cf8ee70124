# SPDX-License-Identifier: Apache-2.0
"""What established flows notice when a path goes away, and comes back."""
import re

import pytest

from lab.capture import IKE_AUTH, Capture
from lab.flow import Flow
from lab.net import address
from lab.run import wait
from lab.settings import end_user, gateway, paths

HOST = address("lan", "host")
EU_WLAN, EU_LTE = address("wlan", "eu"), address("lte", "eu")


def start(world, mode="failover", flows=1, **conn):
    """Two VPNs and flows through them."""
    lab = world.lab()
    gw = world.ikatd(lab, "gw", gateway())
    eu = world.ikatd(lab, "eu", end_user(paths(mode, mesh="first", stable_for="1s", **conn)))
    capture = Capture(lab, "gw")
    eu.ikat("up", "home")
    eu.wait_paths(2)
    running = [Flow(lab, "eu", "host", HOST, 2) for _ in range(flows)]
    for flow in running:
        flow.report()
    return lab, gw, eu, capture, running


def silence(flows, timeout=10):
    """The longest silence in ms of any flow until all of them are heard again."""
    return max(flow.wait_alive(timeout) for flow in flows)


def one_login(eu, capture):
    """No second login, neither counted nor on the wire."""
    assert eu.session()["logins"] == 1
    assert len({m.sa for m in capture.dissect(eu.keylog) if m.exchange == IKE_AUTH}) == 1


@pytest.mark.parametrize("mode", ("failover", "balance"))
@pytest.mark.parametrize("access", ("wlan", "lte"))
def test_interface_down_and_back(world, mode, access):
    lab, _, eu, capture, flows = start(world, mode, 4)
    wait(lambda: all(flow.noise() >= 500 for flow in flows), "what the machine itself does")
    budget = 50 + max(flow.longest for flow in flows)
    lab.cut(access)
    eu.wait_paths(1)
    gap = silence(flows)
    assert gap <= budget, f"{gap} ms of silence when {access} went down"
    lab.restore(access)
    eu.wait_paths(2, timeout=20)
    gap = silence(flows)
    assert gap <= budget, f"{gap} ms of silence when {access} came back"
    one_login(eu, capture)


@pytest.mark.parametrize("probe_interval,budget_ms", ((None, 700), ("100ms", 500)))
def test_black_hole(world, probe_interval, budget_ms):
    extra = {"probe_interval": probe_interval, "failover": "500ms"} if probe_interval else {}
    lab, _, eu, capture, flows = start(world, "failover", 2, **extra)
    wait(lambda: all(flow.noise() >= 500 for flow in flows), "what the machine itself does")
    budget_ms += max(flow.longest for flow in flows)
    lab.blackhole("wlan")
    eu.wait_paths(1)  # a report before that says how short the silence was so far
    gap = silence(flows)
    assert 100 < gap <= budget_ms, f"{gap} ms of silence"
    lab.blackhole("wlan", False)
    eu.wait_paths(2, timeout=40)
    assert silence(flows) <= budget_ms
    one_login(eu, capture)


def test_figures_of_the_probes(world):
    """`ikat paths`, the JSON and the metrics tell which path loses packets; the gateway claims nothing."""
    lab = world.lab(emulate=("wlan", "lte"))
    gw = world.ikatd(lab, "gw", gateway())
    eu = world.ikatd(lab, "eu", end_user(paths("failover", mesh="first", stable_for="1s", probe_interval="100ms")))
    eu.ikat("up", "home")
    eu.wait_paths(2)
    for emulator, loss_ppm in ((lab.emulators["wlan"], 0), (lab.emulators["lte"], 200000)):
        emulator.set(delay_us=5000, loss_ppm=loss_ppm)

    def figures(daemon):
        return {path["name"]: path for session in daemon.sessions() for path in session["paths"]}

    def known():
        found = figures(eu)
        return found["wlan"]["probe_loss_ppm"] == 0 and (found["lte"]["probe_loss_ppm"] or 0) > 50000 and found
    found = wait(known, "the loss of both paths is known", 30)
    assert found["wlan"]["jitter_ms"] < found["wlan"]["rtt_ms"]
    assert all(path["probe_loss_ppm"] is None for path in figures(gw).values())
    assert re.search(r'ikat_path_probe_loss_ratio{[^}]*path="wlan"[^}]*} 0\.0', eu.ikat("metrics"))
    assert re.search(r"wlan .* 0\.0 % ", eu.ikat("paths"))
    assert "probe_loss_ratio{" not in gw.ikat("metrics")


def test_the_authenticated_sa_may_die(world):
    """The Gateway deletes the first IKE SA; its clone goes on, and clones it anew for its path, without a login."""
    _, gw, eu, capture, flows = start(world, "failover", 1)
    first = next(sa for sa in eu.session()["ike_sas"] if sa["origin"] == "authenticated")
    there = next(sa for sa in gw.session("gate")["ike_sas"] if sa["spi_i"] == first["spi_i"])
    assert gw.request("terminate", ike_id=str(there["id"]), timeout="10000")["success"] == "yes"
    session = wait(lambda: (s := eu.wait_paths(2, timeout=20)) and all(sa["id"] != first["id"] for sa in s["ike_sas"]) and s,
                   "the path has a new clone", 20)
    assert {sa["origin"] for sa in session["ike_sas"]} == {"cloned"}
    assert silence(flows) <= 200
    assert len(gw.established()) == 2
    one_login(eu, capture)


def test_both_gone_and_back(world):
    lab, gw, eu, _, flows = start(world, "failover", 1)
    lab.cut("wlan")
    lab.cut("lte")
    wait(lambda: not [p for p in eu.session()["paths"] if p["state"] == "up"], "no path is up")
    lab.restore("lte")
    lab.restore("wlan")
    eu.wait_paths(2, timeout=30)
    silence(flows)
    assert eu.session()["logins"] == 1
    assert len(gw.established()) == 2


@pytest.mark.parametrize("what", ("ike", "child"))
def test_rekey_of_each_sa_keeps_its_own_vpn(world, what):
    _, gw, eu, capture, flows = start(world, "balance", 4)
    for sa in eu.session()["ike_sas"]:
        name, number = ("ike_id", sa["id"]) if what == "ike" else ("child_id", sa["children"][0]["id"])
        old = sa["spi_i"] if what == "ike" else sa["children"][0]["spi_in"]
        assert eu.request("rekey", **{name: str(number)})["success"] == "yes"

        def fresh(path=sa["path"], old=old):
            session = eu.session()
            mine = [s for s in session["ike_sas"] if s["path"] == path]
            return len(session["ike_sas"]) == 2 and len(mine) == 1 and len(mine[0]["children"]) == 1 and old not in (
                mine[0]["spi_i"], mine[0]["children"][0]["spi_in"])
        wait(fresh, lambda: f"{sa['path']} has new keys: {eu.session()}")
    assert silence(flows) <= 100
    wait(lambda: len(gw.established()) == len(gw.children()) == 2, "two VPNs at the Gateway")
    one_login(eu, capture)


def test_own_addresses(world):
    """No inner address, and local_addrs is not the address that the kernel would send from: what the End User and the
    Gateway
    themselves send goes through all the same. While that address is away, the VPN waits at the other one."""
    lab = world.lab()
    gw = world.ikatd(lab, "gw", gateway({"pools": None}))
    eu = world.ikatd(lab, "eu", end_user({"vips": None, "local_addrs": EU_LTE, "stable_for": "1s"}))
    assert eu.initiate("net")["success"] == "yes"
    place = lambda daemon, key: [sa[key] for sa in daemon.established()]  # noqa: E731
    assert place(eu, "local-host") == [EU_LTE]
    lab.run("eu", "ping", "-c1", "-W2", HOST)
    lab.run("gw", "ping", "-c1", "-W2", EU_LTE)
    assert [(child["packets-in"], child["packets-out"]) for child in gw.children()] == [("2", "2")]
    lab.cut("lte")
    wait(lambda: place(gw, "remote-host") == [EU_WLAN], "the VPN is at the other interface")
    lab.restore("lte")
    wait(lambda: place(gw, "remote-host") == [EU_LTE], "the VPN is back")
    wait(lambda: "1 received" in lab.run("eu", "ping", "-c1", "-W2", HOST, check=False), "so is the route from that address")
    assert len(eu.established()) == 1
