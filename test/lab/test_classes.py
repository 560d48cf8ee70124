# SPDX-License-Identifier: Apache-2.0
"""Classes of traffic: which packets take which path, also when it is gone, and after a reload."""
import json
import subprocess
import time

import pytest

from lab.net import address
from lab.run import Failed, wait
from lab.settings import LAN, end_user, gateway, paths

HOST = address("lan", "host")
VOICE = {"dscp": "ef", "paths": "lte"}
SENT = 500 * 500  # octets that send() brings to a path at least
IDLE = 100_000  # octets that probes and rekeys take at most
SEND = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, int(sys.argv[2]) << 2)
for _ in range(500):
    sock.sendto(bytes(500), (sys.argv[1], int(sys.argv[3])))
"""


def took(lab, interface, way):
    """Octets that the End User sent or received over an interface."""
    return int(lab.run("eu", "cat", f"/sys/class/net/{interface}/statistics/{way}_bytes"))


def send(lab, dscp, port=9, way="tx", target=HOST):
    """The interfaces that 500 datagrams of one flow take: "wlan", "lte", "both", "none"."""
    before = [took(lab, name, way) for name in ("wlan0", "lte0")]
    lab.run("eu" if way == "tx" else "host", "python3", "-c", SEND, target, str(dscp), str(port))
    octets = [took(lab, name, way) - old for name, old in zip(("wlan0", "lte0"), before)]
    if any(IDLE < count < SENT for count in octets):
        raise Failed(f"{octets} octets: a part of 500 datagrams")
    return ("none", "wlan", "lte", "both")[sum(bit for bit, count in zip((1, 2), octets) if count > IDLE)]


def download(lab, user, dscp, port=9):
    """The same for datagrams that begin behind the Gateway."""
    inner = user.session()["config"]["addresses"][0]
    return send(lab, dscp, port, "rx", inner)


def in_the_clear(lab):
    """How many packets to the network behind the Gateway the access networks were asked to carry."""
    return sum(int(lab.run(host, "nft", "list", "table", "inet", "clear").split("packets ")[1].split()[0]) for host in ("wlan", "lte"))


def start(world, classes, mode="failover", child=None, gate=None, **conn):
    """Both ends, with a session over two paths, and counters of what is in the clear."""
    lab = world.lab(emulate=("wlan", "lte") if gate else ())
    for host in ("wlan", "lte"):
        lab.run(host, "nft", "-f", "-", input="table inet clear { chain in { type filter hook prerouting priority -300;\n"
                f"ip daddr {LAN} counter\n}}\n}}\n")
    world.ikatd(lab, "gw", gateway({"multipath": mode, "stable_for": "1s"} | (gate or {})))
    settings = end_user(paths(mode) | {"classes": classes, "stable_for": "1s"} | conn, child)
    user = world.ikatd(lab, "eu", settings)
    if child is None or child["start_action"] == "none":
        user.initiate("net")
    user.wait_paths(2)
    return lab, user, settings


def shown(user):
    """The classes of each path, as `ikat paths` says."""
    return {path["name"]: path["classes"] for path in user.session()["paths"]}


@pytest.mark.parametrize("mode", ("failover", "balance"))
def test_voice_takes_the_second_path(world, mode):
    """By DSCP, whatever the rank of the paths; by name of the path section or of the interface; by priority."""
    classes = {"voice": VOICE, "backup": {"protocol": "udp", "remote_port": "873", "paths": "wlan0"}}
    if mode == "failover":
        classes["slow"] = {"dscp": "le", "remote_ts": LAN, "priority": "2-9"}
    lab, user, _ = start(world, classes, mode)
    slow = ["slow"] if mode == "failover" else []
    assert shown(user) == {"wlan": ["backup"], "lte": ["voice"] + slow}
    assert "voice" in user.ikat("paths")
    assert [send(lab, 46) for _ in range(4)] == ["lte"] * 4
    assert [send(lab, 0, 873) for _ in range(4)] == ["wlan"] * 4
    assert send(lab, 46, 873) == "lte"  # the first class counts
    if mode == "failover":
        assert send(lab, 1) == "lte" and send(lab, 0) == "wlan"
    assert in_the_clear(lab) == 0


@pytest.mark.parametrize("strict", ("no", "yes"))
def test_path_of_a_class_is_gone(world, strict):
    """Its packets take another path, or with `strict` none; and its own path again when that is back."""
    lab, user, _ = start(world, {"voice": VOICE | {"strict": strict}})
    for down, up in ((lab.cut, lab.restore), (lab.blackhole, lambda name: lab.blackhole(name, False))):
        assert send(lab, 46) == "lte"
        down("lte")
        user.wait_paths(1)
        wait(lambda: send(lab, 46) == ("none" if strict == "yes" else "wlan"), "the class leaves the path", 10)
        assert send(lab, 0) == "wlan"
        up("lte")
        user.wait_paths(2, timeout=20)
        wait(lambda: send(lab, 46) == "lte", "the class has its path again", 20)
    assert in_the_clear(lab) == 0


@pytest.mark.parametrize("start_action", ("none", "start"))
def test_reload_needs_no_login(world, start_action):
    """Another list of classes concerns the session that is up; one with a mistake changes nothing."""
    lab, user, settings = start(world, {"voice": VOICE}, child={"start_action": start_action})
    before = user.session()
    home = settings["connections"]["home"]
    home["classes"] = {"first": {"dscp": "af11", "paths": "lte", "strict": "yes"}, "calls": {"dscp": "ef", "paths": "wlan"}}
    user.load(settings)
    wait(lambda: shown(user) == {"wlan": ["calls"], "lte": ["first"]}, "the new classes")
    assert send(lab, 46) == "wlan" and send(lab, 10) == "lte" and send(lab, 0) == "wlan"
    del home["classes"]
    user.load(settings)
    wait(lambda: shown(user) == {"wlan": [], "lte": []}, "no classes")
    assert send(lab, 10) == "wlan"
    home["classes"] = {"bad": {"dscp": "64"}}
    with pytest.raises(Failed, match=r"dscp: '64' is not a DSCP"):
        user.load(settings)
    after = user.session()
    assert (after["id"], after["logins"], after["age_s"] >= before["age_s"]) == (before["id"], before["logins"], True)
    assert in_the_clear(lab) == 0


COPIES = {"voice": {"dscp": "ef", "multipath": "redundant"}}
# sends and counts: numbered datagrams of 200 octets, 500 a second; what comes, in order of coming
CALL = """
import socket, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, int(sys.argv[2]) << 2)
begin = time.monotonic()
for number in range(int(sys.argv[4])):
    sock.sendto(b"%08d" % number + bytes(192), (sys.argv[1], int(sys.argv[3])))
    time.sleep(max(0, begin + number / 500 - time.monotonic()))
for _ in range(20):
    sock.sendto(b"end", (sys.argv[1], int(sys.argv[3])))
    time.sleep(0.02)
"""
HEAR = """
import json, socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("0.0.0.0", int(sys.argv[1])))
sock.settimeout(60)
print("ready", flush=True)
numbers = []
while (data := sock.recv(2048)) != b"end":
    numbers.append(int(data[:8]))
print(json.dumps(numbers), flush=True)
"""


def call(lab, count, during=lambda: None, dscp=46, port=5060, ends=("eu", "host", HOST)):
    """The numbers of the datagrams that come from one end to the other, while `during` runs."""
    source, target, to = ends
    ear = lab.start(target, "python3", "-c", HEAR, str(port), stdout=subprocess.PIPE, text=True)
    assert ear.stdout.readline() == "ready\n"
    mouth = lab.start(source, "python3", "-c", CALL, to, str(dscp), str(port), str(count))
    during()
    numbers = json.loads(ear.communicate(timeout=90)[0])
    assert mouth.wait(60) == 0
    assert len(set(numbers)) == len(numbers), "a copy came through"
    return numbers


@pytest.mark.parametrize("gate", ({"multipath": "auto"}, {"classes": COPIES}), ids=("auto", "class"))
def test_class_is_sent_twice(world, gate):
    """Two paths lose every twentieth packet each: of the class hardly one is lost, of the rest as much as is lost."""
    lab, user, _ = start(world, COPIES, gate=gate)
    for emulator in lab.emulators.values():
        emulator.set(delay_us=5000, loss_ppm=50000)
    numbers = call(lab, 5000)
    assert len(numbers) > 5000 * 0.995, f"{5000 - len(numbers)} of 5000 lost"
    assert sum(a > b for a, b in zip(numbers, numbers[1:])) < 50, "only a packet that was repaired may be late"
    assert len(call(lab, 2000, dscp=0)) < 2000 * 0.98
    print(f"lost of the class: {5000 - len(numbers)} of 5000")


def test_class_loses_nothing_when_a_path_is_cut(world):
    """A call goes on, whichever path is cut, and how; nothing leaves in the clear."""
    lab, user, _ = start(world, COPIES, gate={"classes": COPIES})
    call(lab, 500)
    for name in ("wlan", "lte"):
        for cut, back in ((lab.cut, lab.restore), (lab.blackhole, lambda name: lab.blackhole(name, False))):
            numbers = call(lab, 1500, lambda cut=cut, name=name: (time.sleep(1), cut(name)))
            assert sorted(numbers) == list(range(1500)), f"{1500 - len(numbers)} lost after {cut.__name__} of {name}"
            back(name)
            user.wait_paths(2, timeout=30)
    assert in_the_clear(lab) == 0


def told(gate):
    """The classes of each path, as the Gateway shows them."""
    with gate.vici() as vici:
        return sorted(path.get("classes", []) for body in vici.stream("list-paths", "list-path") for path in body.values())


@pytest.mark.parametrize("mode", ("failover", "balance", "auto"))
def test_download_takes_the_path_of_its_class(world, mode):
    """The Gateway learns the classes: by DSCP, and by port of the other end; also another list, without a login."""
    classes = {"voice": VOICE, "backup": {"protocol": "udp", "local_port": "873", "paths": "wlan0", "strict": "yes"}}
    lab, user, settings = start(world, classes, mode)
    gate = world.daemons[0]
    wait(lambda: told(gate) == [["1"], ["2"]], "the Gateway knows the classes")
    assert [download(lab, user, 46) for _ in range(3)] == ["lte"] * 3
    assert [download(lab, user, 0, 873) for _ in range(3)] == ["wlan"] * 3
    lab.cut("lte")
    user.wait_paths(1)
    wait(lambda: download(lab, user, 46) == "wlan", "voice leaves the path", 20)
    lab.restore("lte")
    user.wait_paths(2, timeout=20)
    wait(lambda: download(lab, user, 46) == "lte", "voice has its path again", 20)
    lab.cut("wlan")
    user.wait_paths(1)
    wait(lambda: download(lab, user, 0, 873) == "none", "what is strict does not move", 20)
    lab.restore("wlan")
    user.wait_paths(2, timeout=20)
    wait(lambda: download(lab, user, 0, 873) == "wlan", "what is strict has its path again", 20)
    settings["connections"]["home"]["classes"] = {"voice": {"dscp": "ef", "paths": "wlan"}}
    user.load(settings)
    wait(lambda: told(gate) == [[], ["1"]], "the Gateway knows the new classes")
    assert download(lab, user, 46) == "wlan"
    del settings["connections"]["home"]["classes"]
    user.load(settings)
    wait(lambda: told(gate) == [[], []], "the Gateway knows that there are none")
    assert user.session()["logins"] == 1 and in_the_clear(lab) == 0


def test_download_is_sent_twice(world):
    """A class that takes two paths does so in both directions."""
    lab, user, _ = start(world, COPIES, gate={"classes": COPIES})
    wait(lambda: told(world.daemons[0]) == [["1"], ["1"]], "the Gateway knows the classes")
    for emulator in lab.emulators.values():
        emulator.set(delay_us=5000, loss_ppm=50000)
    numbers = call(lab, 5000, ends=("host", "eu", user.session()["config"]["addresses"][0]))
    assert len(numbers) > 5000 * 0.995, f"{5000 - len(numbers)} of 5000 lost"
    print(f"lost of the class: {5000 - len(numbers)} of 5000")
