# SPDX-License-Identifier: Apache-2.0
"""What an administrator does all day: without being root, beside many programs at the socket, after a failure."""
import datetime
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess

import pytest

from lab.daemons import IKAT, IKATD, Ikatd, conf
from lab.run import Failed, run, wait
from lab.settings import end_user, gateway, merge

NOBODY = ("setpriv", "--reuid=65534", "--clear-groups", "--no-new-privs")


@pytest.fixture
def ends(world):
    """Two daemons; the End User's socket is for the group `adm`."""
    lab = world.lab()
    gw = world.ikatd(lab, "gw", gateway())
    return lab, world.ikatd(lab, "eu", end_user(), options=("-g", "adm")), gw


def test_a_group_needs_no_root(ends):
    _, eu, _ = ends
    mode = os.stat(eu.socket)
    assert stat.S_IMODE(mode.st_mode) == 0o660 and mode.st_gid == int(run("getent", "group", "adm").split(":")[2])
    words = (IKAT, "-s", eu.socket, "up", "home")
    run(*NOBODY, "--regid=adm", *words)
    assert eu.established()
    with pytest.raises(Failed) as failure:
        run(*NOBODY, "--regid=65534", *words)
    assert "denied" in str(failure.value).lower()


def test_a_group_that_does_not_exist(world):
    with pytest.raises(Failed) as failure:
        world.ikatd(world.lab(), "gw", gateway(), options=("-g", "no-such-group"))
    assert "event=no-such-group name=no-such-group" in str(failure.value)


def test_many_programs_at_the_socket(ends):
    """200 that wait for events, that ask and do not read, and that go in the middle of a word hurt no other."""
    _, eu, gw = ends
    clients = []
    for i in range(200):
        clients.append(eu.vici())
        if i % 4 == 0:
            clients[-1].register("log", "ike-updown")
        elif i % 4 == 1:
            for _ in range(50):
                clients[-1].send("get-algorithms")
        elif i % 4 == 2:
            clients[-1].socket.sendall(b"\0\0\0\x40\0\7ver")
    assert eu.initiate("net")["success"] == "yes"
    for client in clients[::2]:
        client.socket.close()
    assert "rekey completed successfully" in eu.swanctl("--rekey", "--child", "net")
    for client in clients[1::2]:
        client.socket.close()
    wait(lambda: len(gw.children()) == 1, "the Child SA is there")


def test_log_and_why(world):
    """A wrong secret: the End User learns that it was refused, the Gateway's administrator whose fault it is."""
    lab = world.lab()
    gw = world.ikatd(lab, "gw", gateway())
    eu = world.ikatd(lab, "eu", end_user(top={"secrets": {"ike-lab": {"secret": '"another one"'}}, "connections": {
        "home": {"keyingtries": "1"}}}))
    assert eu.initiate("net")["success"] == "no"
    said = gw.ikat("why", "eu@lab.example")
    assert "event=notice" in said, said
    refusal = next(line for line in gw.log().splitlines() if "login of eu@lab.example refused" in line)
    assert re.match(r"<4>.* event=notice .* remote=10\.\S+ text=", refusal), refusal
    assert re.search(r"^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d  event=", said), said
    assert "event=control command=initiate" in eu.ikat("log")
    stamps = re.findall(r"^<\d>t=\d+\.\d{6} time=(\S+)Z proc=", eu.log(), re.M)
    assert len(stamps) == len(eu.log().splitlines())
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    assert abs((datetime.datetime.fromisoformat(stamps[-1]) - now).total_seconds()) < 600
    with pytest.raises(Failed):
        gw.ikat("why", "nobody@lab.example")


def test_doctor_names_a_hidden_pool(world):
    """Hosts of the LAN look for the addresses of the pool on their own link, where nobody answers for them."""
    lab = world.lab()
    gw = world.ikatd(lab, "gw", gateway(top={"pools": {"inner": {"addrs": "10.20.0.128/25"}}}))

    def said():
        return lab.run("gw", IKAT, "-s", gw.socket, "doctor", check=False)
    assert "problem: pool inner lies in the network of lan0: " in said()
    lab.run("gw", "sysctl", "-w", "net.ipv4.conf.lan0.proxy_arp=1")
    assert "pool inner" not in said(), "the kernel answers"


def test_doctor_asks_strongswan(world):
    """The question is one that other daemons answer, too."""
    lab = world.lab()
    world.strongswan(lab, "gw", gateway())
    eu = world.ikatd(lab, "eu", end_user())
    said = lab.run("eu", IKAT, "-s", eu.socket, "doctor", "home", check=False)
    assert "of home: UDP ports 500 and 4500 answer" in said, said


def test_log_follows(ends):
    lab, eu, _ = ends
    with open(lab.path("followed"), "wb") as out:
        process = lab.start("eu", IKAT, "-s", eu.socket, "log", "-f", stdout=out)
    eu.initiate("net")
    def followed():
        with open(lab.path("followed"), encoding="utf-8") as file:
            return "event=child-up" in file.read()
    wait(followed, "what happened is shown")
    process.terminate()
    process.wait()


def comm(pid):
    """The name of a process."""
    with open(f"/proc/{pid}/comm", encoding="ascii") as file:
        return file.read().strip()


def test_the_service_manager_is_told(world, monkeypatch):
    lab = world.lab()
    path = lab.path("notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        gw = world.ikatd(lab, "gw", gateway())
        assert manager.recv(999) == b"READY=1\nSTATUS=the configuration is loaded"  # and not before
        for settings, status in ((gateway(), b"loaded"), (merge(gateway(), {"connections": {"gate": {"x": "1"}}}), b"refused")):
            with open(gw.config, "w", encoding="utf-8") as file:
                file.write(conf(settings))
            gw.process.send_signal(1)
            assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", manager.recv(999))
            told = manager.recv(999)
            assert told.startswith(b"READY=1\nSTATUS=") and status in told, told


def test_watchdog(world, monkeypatch):
    """The service manager hears that ikatd is well while the engine answers, and nothing while it is stopped."""
    lab = world.lab()
    path = lab.path("notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        monkeypatch.setenv("WATCHDOG_USEC", "300000")
        gw = world.ikatd(lab, "gw", gateway())
        engine = next(int(pid) for pid in gw.pids() if comm(pid) == "engine")

        def heard(seconds):
            """Whether it says within so many seconds that it is well."""
            manager.settimeout(seconds)
            try:
                while manager.recv(999) != b"WATCHDOG=1":
                    pass
            except TimeoutError:
                return False
            return True
        assert heard(10) and heard(10)

        def stop():
            os.kill(engine, signal.SIGSTOP)
            assert any(not heard(1) for _ in range(100))  # at first what was sent before
            assert not heard(1)
        stop()
        os.kill(engine, signal.SIGCONT)
        assert heard(10) and heard(10)
        stop()
        os.kill(engine, signal.SIGKILL)  # with a question unread; a new engine answers in its place
        gw.wait_log("event=restarting")
        assert heard(10) and heard(10)
        assert "engine-misbehaves" not in gw.log()


class Activated(Ikatd):
    """ikatd whose control socket was there before it: the first client starts it."""

    def _launch(self, words, environment):
        super()._launch(["systemd-socket-activate", "-l", self.socket, *words], environment)


def test_socket_of_the_service_manager(world):
    """The first client is served by the socket that was open before ikatd, which leaves it at its end."""
    lab = world.lab()
    gw = Activated(lab, "gw", gateway())
    world.daemons.append(gw)
    gw.start()
    assert gw.stop() == 0
    assert stat.S_ISSOCK(os.stat(gw.socket).st_mode)


@pytest.mark.parametrize("kind", (socket.SOCK_STREAM, socket.SOCK_DGRAM))
def test_other_sockets_of_the_service_manager(world, kind):
    """A socket at another path than that of -s, or of another kind, is refused."""
    lab = world.lab()
    path = lab.path("activated")
    own = path if kind == socket.SOCK_DGRAM else lab.path("own")
    words = ("-l", path, *(["-d"] if kind == socket.SOCK_DGRAM else []))
    with subprocess.Popen(["systemd-socket-activate", *words, IKATD, "-c", "none", "-s", own],
                          stderr=subprocess.PIPE, text=True) as process:
        wait(lambda: os.path.exists(path), "it listens")
        with socket.socket(socket.AF_UNIX, kind) as client:
            client.connect(path)
            client.send(b"x")
            assert "another one than -s" in process.communicate(timeout=20)[1]
        assert process.returncode == 1


def alerts(vici, kind):
    """Waits for an alert of that type; returns the name of its connection."""
    while True:
        name, body = vici.event()
        if name == "alert" and body["type"] == kind:
            return list(body.get("ike-sa", {}))


def test_alerts(world):
    lab = world.lab()
    gw = world.ikatd(lab, "gw", gateway())
    eu = world.ikatd(lab, "eu", end_user({"keyingtries": "1"}, top={"secrets": {"ike-lab": {"secret": '"another one"'}}}))
    with eu.vici() as at_eu, gw.vici() as at_gw:
        at_eu.register("alert")
        at_gw.register("alert")
        eu.initiate("net")
        assert alerts(at_eu, "local-auth-failed") in ([], ["home"])
        assert alerts(at_gw, "peer-auth-failed") == []
        eu.load(end_user({"keyingtries": "1"}, {"remote_ts": "10.99.0.0/24"}))
        eu.initiate("net")
        assert alerts(at_eu, "ts-mismatch") == ["home"]
        gw.process.terminate()
        assert alerts(at_gw, "shutdown-signal") == []


@pytest.mark.parametrize("action", ("start", "trap"))
def test_down_holds(world, action):
    """Neither a load, of the same file or of another one, nor a packet brings up what a person took down."""
    lab = world.lab()
    world.ikatd(lab, "gw", gateway())
    settings = end_user(child={"start_action": action})
    eu = world.ikatd(lab, "eu", settings)
    eu.ikat("up", "home")
    assert "home is down" in eu.ikat("down", "home")
    before = len(eu.log())
    eu.reload()
    eu.load(merge(settings, {"connections": {"home": {"rekey_time": "3h"}}}))
    with pytest.raises(Failed):
        lab.run("eu", "ping", "-c1", "-W1", "10.20.0.2")
    assert "path-connecting" not in eu.log()[before:] and not eu.sas()
    eu.ikat("up", "home")
    assert len(eu.established()) == 1


# What `systemd-analyze security` finds in the unit, and why it stays: each is something that the daemon does.
EXPOSED = {
    "UserOrDynamicUser",                          # the supervisor starts as root, and its processes have users of their own
    "CapabilityBoundingSet_CAP_SET_UID_GID_PCAP",
    "SystemCallFilter_privileged",                # setresuid, setgroups and capset, for the same
    "CapabilityBoundingSet_CAP_NET_ADMIN",        # routes, addresses, the packet filter
    "CapabilityBoundingSet_CAP_NET_BIND_SERVICE_BROADCAST_RAW)",  # ports 500 and 4500, ESP
    "RestrictAddressFamilies_AF_NETLINK",
    "RestrictAddressFamilies_AF_UNIX",
    "RestrictAddressFamilies_AF_INET_INET6",
    "PrivateNetwork",
    "PrivateUsers",                               # in another user namespace there is no CAP_NET_ADMIN for the host
    "IPAddressDeny",                              # peers are anywhere
    "DeviceAllow",                                # /dev/net/tun
    "RootDirectoryOrRootImage",                   # updown scripts
}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")
def test_unit_is_confined(tmp_path):
    """The service may do what the daemon does, and nothing else that systemd can take away."""
    source = os.path.join(os.path.dirname(__file__), "../../dist/ikatd.service.in")
    with open(source, encoding="utf-8") as file:
        text = file.read().replace("@sbindir@", "/usr/sbin")
    unit = tmp_path / "ikatd.service"
    unit.write_text(text, encoding="utf-8")
    analyze = ("systemd-analyze", "security", "--offline=true", "--json=short", str(unit))
    found = json.loads(subprocess.run(analyze, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout)
    exposed = {item["json_field"] for item in found if float(item.get("exposure") or 0) > 0}
    assert exposed <= EXPOSED, exposed - EXPOSED
