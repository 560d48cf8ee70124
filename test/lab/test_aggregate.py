# SPDX-License-Identifier: Apache-2.0
"""`multipath = aggregate`: one TCP flow uses both paths, and goes on whatever becomes of one of them."""
import os

import pytest

from lab.net import address
from lab.run import wait
from lab.settings import end_user, gateway, paths
from lab.traffic import iperf

HOST = address("lan", "host")
SPREAD = {"multipath": "aggregate"}


def slow(lab):
    """Links of single packets, slow enough that one flow fills them."""
    lab.single_packets()
    for emulator in lab.emulators.values():
        emulator.set(delay_us=5000, rate_kbps=8000, limit=200)


def start(world, conn=None, gate=None):
    """A session with both paths up."""
    lab = world.lab(emulate=("wlan", "lte"))
    slow(lab)
    world.ikatd(lab, "gw", gateway(gate or SPREAD))
    user = world.ikatd(lab, "eu", end_user(paths("aggregate") | {"paths": paths("balance")["paths"]} | (conn or {})))
    user.initiate("net")
    user.wait_paths(2)
    return lab, user


def carried(user):
    """Octets that went out over each path."""
    return [path["bytes_out"] for path in user.session("home")["paths"]]


def lanes(user):
    """What each path shows of its part."""
    return [path["aggregate"] for path in user.session("home")["paths"]]


def test_one_flow_over_both(world):
    lab, user = start(world)
    iperf(lab, "eu", "host", HOST, seconds=3)
    assert min(carried(user)) > 200_000
    for lane in lanes(user):
        assert lane["state"] == "carries"
        assert lane["rtt_ms"] >= 10 and lane["rate_kbps"] > 1000


@pytest.mark.parametrize("reverse", ["-R", "--bidir"])
def test_other_direction(world, reverse):
    lab, user = start(world)
    iperf(lab, "eu", "host", HOST, reverse, seconds=3)
    took = [path["bytes_in"] for path in user.session("home")["paths"]]
    assert min(took) > 200_000


@pytest.mark.parametrize("gate", ["auto", "aggregate"])
def test_auto(world, gate):
    """A flow that one path cannot carry gets both; a trickle keeps its path."""
    lab, user = start(world, {"multipath": "auto"}, {"multipath": gate})
    lab.run("eu", "ping", "-c", "3", "-i", "0.2", "-s", "500", HOST)
    assert {lane["spreads"] for lane in lanes(user)} == {"flows"}
    assert user.session("home")["multipath"] == "auto"
    iperf(lab, "eu", "host", HOST, seconds=4)
    assert min(carried(user)) > 200_000
    assert {lane["spreads"] for lane in lanes(user)} == {"packets"}


def test_rekeys_in_mid_flow(world):
    lab, user = start(world)
    flow = lab.start("host", "iperf3", "-s", "-1", "-B", HOST)
    wait(lambda: ":5201" in lab.run("host", "ss", "-Hltn"), "iperf3 listens")
    client = lab.start("eu", "iperf3", "-c", HOST, "-n", "4M")
    for _ in range(3):
        before = {child["spi-in"] for child in user.children()}
        user.request("rekey", child="net")
        wait(lambda old=before: not old & {child["spi-in"] for child in user.children()}, "other SPIs")
    assert client.wait(60) == 0
    flow.wait(10)
    assert min(carried(user)) > 100_000


def test_a_path_dies_in_mid_flow(world):
    lab, user = start(world)
    server = lab.start("host", "iperf3", "-s", "-1", "-B", HOST)
    wait(lambda: ":5201" in lab.run("host", "ss", "-Hltn"), "iperf3 listens")
    client = lab.start("eu", "iperf3", "-c", HOST, "-n", "4M")
    wait(lambda: min(carried(user)) > 100_000, "both paths carry")
    lab.emulators["wlan"].set(cut=1)
    assert client.wait(60) == 0
    server.wait(10)


@pytest.mark.parametrize("mode", ["aggregate", "auto"])
@pytest.mark.parametrize("gate", [{"multipath": "balance"}, {"multipath": "aggregate", "clone": "rfc7791"}])
def test_without_an_agreement(world, gate, mode):
    """The peer does not want it, or cannot announce it: flows are spread as with `balance`."""
    lab, user = start(world, {"multipath": mode}, gate=gate)
    iperf(lab, "eu", "host", HOST, "-P", "32", seconds=2)  # that all choose the same path does not happen
    assert min(carried(user)) > 100_000
    assert lanes(user) == [None, None]


def test_links_carry_single_packets(world):
    """What the emulator drops or delays is one packet: no super-frame passes it."""
    lab, _ = start(world)
    capture = lab.start("wlan", "timeout", "60", "tcpdump", "-Z", "root", "-Uni", "out", "-w", lab.path("single.pcap"), "udp", "port", "4500")
    wait(lambda: os.path.exists(lab.path("single.pcap")), "tcpdump listens")
    iperf(lab, "eu", "host", HOST, seconds=2)
    capture.terminate()
    capture.wait(10)
    packets = lab.run("wlan", "tcpdump", "-nqr", lab.path("single.pcap")).splitlines()
    longest = max(int(line.rsplit(" ", 1)[1]) for line in packets if ", length " in line)
    assert 1000 < longest <= 1472, longest


def test_redundant(world):
    """Each packet takes both paths, which lose every twentieth one: nearly all come, and none comes twice."""
    lab, user = start(world, {"multipath": "redundant"})
    for emulator in lab.emulators.values():
        emulator.set(delay_us=5000, loss_ppm=50000)
    got = iperf(lab, "eu", "host", HOST, "-u", "-b", "5M", "-l", "1000", seconds=5)["sum"]
    assert got["packets"] > 2000
    assert got["lost_percent"] < 2
    assert got.get("out_of_order", 0) == 0
    assert user.session("home")["multipath"] == "redundant"
    assert min(lane["copies"] for lane in lanes(user)) > 1000
