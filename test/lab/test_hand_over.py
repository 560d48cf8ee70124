# SPDX-License-Identifier: Apache-2.0
"""`ikat upgrade`: sessions go on in the new engine. The peer sees no login, no Delete and no new SPI."""
import os
import re
import signal

import pytest

from lab import daemons
from lab.capture import Capture
from lab.daemons import IKATD
from lab.run import wait
from lab.settings import IDS, LAN, LAN6, PSK, end_user, gateway, paths
from lab.watch import PROTECTED, Watch, processes
from test_radius import ACCOUNTING, granted, total
from test_revoked_later import Story
from test_upgrade import CRASHES, compiled, install

BOTH = f"{LAN}, {LAN6}"
HOST = PROTECTED[4][1]
INFORMATIONAL = 37


@pytest.fixture(name="place")
def fixture_place(tmp_path, monkeypatch):
    """The path of a program that the daemons run, and that can be replaced."""
    place = str(tmp_path / "ikatd")
    install(IKATD, place)
    monkeypatch.setattr(daemons, "IKATD", place)
    return place


class Stream:
    """A ping each 5 ms: how many were lost, and the longest time without an answer."""

    def __init__(self, lab, folder, host="eu", target=HOST):
        self.place = os.path.join(folder, f"stream-{host}")
        with open(self.place, "w", encoding="ascii") as out:
            self.process = lab.start(host, "ping", "-D", "-i", "0.005", "-n", target, stdout=out, stderr=-3)

    def text(self):
        """What ping has said so far."""
        with open(self.place, encoding="ascii") as file:
            return file.read()

    def wait(self, count):
        """Until that many packets have come back."""
        wait(lambda: self.text().count("icmp_seq") >= count, "traffic")

    def end(self):
        """(lost before the last answer, gap in seconds)"""
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        answers = [(float(at), int(number)) for at, number in re.findall(r"^\[([0-9.]+)\] .*icmp_seq=(\d+)", self.text(), re.M)]
        numbers, times = sorted(number for _, number in answers), sorted(at for at, _ in answers)
        return numbers[-1] - len(set(numbers)), max(later - one for one, later in zip(times, times[1:]))


def spis(daemon):
    """Of all its IKE SAs and Child SAs."""
    sas = [sa for session in daemon.sessions() for sa in session["ike_sas"]]
    return (sorted(sa["spi_i"] + sa["spi_r"] for sa in sas),
            sorted(child["spi_in"] + child["spi_out"] for sa in sas for child in sa["children"]))


def traffic(lab, host="eu", target=HOST):
    """A packet goes there and comes back."""
    return "1 received" in lab.run(host, "ping", "-c1", "-W1", target, check=False)


def upgrade(daemon, place):
    """All its processes run another copy of the program."""
    before = processes(daemon)["engine"]
    install(IKATD, place)
    assert "the installed program runs" in daemon.ikat("upgrade")
    assert processes(daemon)["engine"] != before


class Unnoticed:
    """Over an upgrade: no packet is lost or leaves in the clear, no SPI changes, no session begins or ends."""

    def __init__(self, lab, folder, daemon):
        self.lab, self.daemon = lab, daemon
        self.spis, self.watch = spis(daemon), Watch(lab, "eu")
        self.capture, self.stream = Capture(lab, "gw"), Stream(lab, folder)
        self.stream.wait(50)

    def check(self):
        """Some packets after the upgrade."""
        self.stream.wait(self.stream.text().count("icmp_seq") + 100)
        lost, gap = self.stream.end()
        print("lost", lost, "gap", gap)
        exchanges = {message.exchange for message in self.capture.dissect()}
        assert lost <= 1 and self.watch.count() == 0 and spis(self.daemon) == self.spis
        assert exchanges <= {INFORMATIONAL}  # probes


@pytest.fixture(name="up")
def fixture_up(world, place):
    """A session with two paths, by a pre-shared key."""
    lab = world.lab()
    child = {"start_action": "start", "dpd_action": "restart", "remote_ts": BOTH}
    gw = world.ikatd(lab, "gw", gateway({"pools": "inner, inner6"}, {"local_ts": BOTH}))
    eu = world.ikatd(lab, "eu", end_user(paths("failover", vips="0.0.0.0, ::"), child))
    eu.wait_paths(2)
    wait(lambda: traffic(lab), "traffic")
    return lab, gw, eu, place


def test_end_user(up, tmp_path):
    """Twice, with a rekey between: the session is whole each time."""
    lab, gw, eu, place = up
    for _ in range(2):
        unnoticed = Unnoticed(lab, tmp_path, eu)
        upgrade(eu, place)
        unnoticed.check()
        eu.wait_paths(2)
        before = spis(eu)
        eu.swanctl("--rekey", "--ike", "home")
        eu.swanctl("--rekey", "--child", "net")
        wait(lambda old=before: not set(spis(eu)[0] + spis(eu)[1]) & set(old[0] + old[1]), "new keys")
        assert traffic(lab) and len(gw.sessions()) == 1
    eu.ikat("down", "home")
    wait(lambda: not gw.sessions(), "the Gateway heard of the end")
    packets = int(re.search(r"event=session-account .*packets-in=(\d+)", eu.log()).group(1))
    assert packets > 300, "the traffic before the upgrades counts"


def test_failover_afterwards(up):
    """The path manager knows the paths as before: a dead one is left, and comes back."""
    lab, _, eu, place = up
    upgrade(eu, place)
    lab.blackhole("wlan")
    wait(lambda: traffic(lab), "traffic over the other path")
    lab.blackhole("wlan", False)
    eu.wait_paths(2)


def test_connection_gone(up):
    """The files do not have the connection any more: the new engine takes no session of it. The other end notices."""
    lab, gw, eu, place = up
    with open(eu.config, encoding="ascii") as file:
        text = file.read()
    with open(eu.config, "w", encoding="ascii") as file:
        file.write(text.replace("home {", "other {"))
    first = gw.session("gate")["id"]
    upgrade(eu, place)
    eu.wait_log("event=session-not-taken")
    wait(lambda: traffic(lab), "traffic of a new session", 20)
    assert eu.session("other") and [s["id"] for s in gw.sessions()] != [first]


@pytest.fixture(name="many")
def fixture_many(world, place):
    """A Gateway with six clients: "home" with two paths, and five others."""
    lab = world.lab()
    names = [f"c{i}" for i in range(5)]
    identities = {f"id-{i}": f"{name}@lab.example" for i, name in enumerate(["eu", *names])}
    secret = {"secrets": {"ike-lab": {"id-gw": IDS["gw"], "secret": f'"{PSK}"'} | identities}}
    start = {"start_action": "start", "dpd_action": "restart"}
    eu = end_user(paths("failover"), start, top=secret)
    for name in names:
        eu["connections"][name] = end_user({"local": {"id": f"{name}@lab.example"}},
                                           start | {"remote_ts": f"10.21.{name[1]}.0/24"})["connections"]["home"]
    gw = world.ikatd(lab, "gw", gateway({"remote": {"id": "*@lab.example"}}, {"local_ts": f"{LAN}, 10.21.0.0/16"}, top=secret))
    eu = world.ikatd(lab, "eu", eu)
    eu.wait_paths(2)
    wait(lambda: len(gw.sessions()) == 6 and len(eu.children()) == 7, "six sessions")
    wait(lambda: traffic(lab), "traffic")
    return lab, gw, eu, names


def leases(daemon):
    """{identity: address} of those that are online."""
    return {lease["identity"]: lease["address"] for lease in daemon.request("get-pools", leases="yes")["inner"]["leases"].values()
            if lease["status"] == "online"}


def test_gateway(many, place, tmp_path):
    """Its clients notice nothing, each keeps its address, and a new one gets another."""
    lab, gw, eu, names = many
    before = leases(gw)
    assert len(before) == 6
    for _ in range(2):
        unnoticed = Unnoticed(lab, tmp_path, gw)
        upgrade(gw, place)
        unnoticed.check()
        assert leases(gw) == before
    eu.wait_paths(2)
    eu.ikat("down", names[0])
    wait(lambda: len(leases(gw)) == 5, "a free address")
    gw.swanctl("--rekey", "--ike", "gate")
    wait(lambda: len(gw.sessions()) == 5 and traffic(lab), "five sessions with new keys")
    eu.ikat("up", names[0])
    assert leases(gw) == before and len(set(before.values())) == 6


@pytest.mark.parametrize("judge", ("gw", "eu"))
def test_certificates(world, place, tmp_path, judge):
    """The session goes on, and ends when the new verifier learns that its certificate was revoked."""
    story = Story(world, "reload", judge)
    story.eu.ikat("up", "home")
    story.eu.wait_paths(2)
    wait(lambda: traffic(story.lab), "traffic")
    unnoticed = Unnoticed(story.lab, tmp_path, story.judge)
    upgrade(story.judge, place)
    unnoticed.check()
    story.revoke()
    story.judge.wait_log("event=session-revoked", timeout=60)
    wait(lambda: not story.eu.established(), "its IKE SAs have ended")


def test_radius(world, place, tmp_path):
    """EAP and accounting by RADIUS: one Start and one Stop with all traffic, and no Accounting-On or -Off between."""
    lab, server, eu, gw = granted(world, ['Class = "gold"', "Framed-IP-Address = 10.30.0.77"], paths("balance"), of_servers=ACCOUNTING)
    assert eu.initiate("net")["success"] == "yes"
    eu.wait_paths(2)
    wait(lambda: "Start" in server.accounts(), "a Start")
    before = server.requests()
    for _ in range(2):
        unnoticed = Unnoticed(lab, tmp_path, gw)
        upgrade(gw, place)
        unnoticed.check()
    assert server.requests() == before, "no login"
    updates = server.accounts().count("Interim-Update")
    wait(lambda: server.accounts().count("Interim-Update") > updates, "an Interim-Update of the new engine")
    assert eu.request("terminate", ike="home")["success"] == "yes"
    wait(lambda: "Stop" in server.accounts(), lambda: f"a Stop: {server.accounts()} {gw.log()}")
    records = server.records()
    assert [record["Acct-Status-Type"] for record in records] == ["Start"] + ["Interim-Update"] * (len(records) - 2) + ["Stop"]
    assert len({record["Acct-Session-Id"] for record in records}) == 1 and len(server.records(of_sessions=False)) == 1
    stop = records[-1]
    assert stop["Class"] == "0x676f6c64" and stop["Acct-Terminate-Cause"] == "User-Request"
    assert int(stop["Acct-Input-Packets"]) > 300 and total(stop, "Input") > 300 * 84


def test_radius_session_lost(world, place, tmp_path):
    """The new program crashes when it has got the session: the server hears of its end once."""
    _, server, eu, gw = granted(world, [], of_servers=ACCOUNTING)
    assert eu.initiate("net")["success"] == "yes"
    wait(lambda: "Interim-Update" in server.accounts(), "an interim record")
    install(compiled(tmp_path, CRASHES), place)
    gw.ikat("upgrade", check=False)
    wait(lambda: "Stop" in server.accounts(), lambda: f"a Stop: {gw.log()}")
    assert server.records()[-1]["Acct-Terminate-Cause"] == "NAS-Reboot"
    assert server.accounts().count("Stop") == 1
