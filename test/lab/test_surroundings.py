# SPDX-License-Identifier: Apache-2.0
"""Hosts that are odd, short of something, or hostile: a clear word, nothing lost, and recovery when the fault goes."""
import errno
import os
import signal
import socket
import struct
import subprocess

import pytest

from lab.daemons import IKATD
from lab.faults import Faults
from lab.net import address
from lab.run import run, wait
from lab.settings import end_user, gateway, paths
from test_secrets import process

HOST = address("lan", "host")


def traffic(lab):
    """A packet goes there and comes back."""
    return "1 received" in lab.run("eu", "ping", "-c1", "-W1", HOST, check=False)


def connected(world, conn=None, options=(), faults=False, top=None):
    """An End User that is connected, and what may fail in it."""
    lab = world.lab()
    world.ikatd(lab, "gw", gateway())
    faulty = Faults(lab) if faults else None
    user = world.ikatd(lab, "eu", end_user(conn, {"dpd_action": "restart"}, top=top), options,
                       environment=faulty.environment if faults else None)
    assert user.initiate("net")["success"] == "yes"
    assert traffic(lab)
    return lab, user, faulty


def spis(user):
    """Of its IKE SAs."""
    return {sa["initiator-spi"] for sa in user.established()}


# ---- sockets and clocks

@pytest.mark.parametrize("error", ("EPERM", "EACCES", "ENOBUFS", "ENETUNREACH", "EHOSTUNREACH", "ECONNREFUSED", "EINVAL", "EIO", "EAGAIN"))
def test_sends_that_fail(world, error):
    """E30: what cannot be sent is lost, and the session goes on when the fault goes."""
    lab, user, faults = connected(world, {"probe_interval": "3600s"}, faults=True)
    before = spis(user)
    cpu = user_seconds(user)
    faults.set(send=getattr(errno, error))
    for _ in range(3):
        assert not traffic(lab)
    assert user_seconds(user) - cpu < 2, "it spins"
    faults.set()
    wait(lambda: traffic(lab), "traffic as before", 30)
    assert spis(user) == before


def user_seconds(daemon):
    """Processor time of the engine, in seconds."""
    with open(f"/proc/{process(daemon, 'engine')}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_clock_is_set(world):
    """D11: the time of day jumps by years, and back: sessions, rekeys and logins take no notice."""
    lab, user, faults = connected(world, faults=True)
    before = spis(user)
    for jump in (10 * 365 * 86400, -10 * 365 * 86400, 86400, 0):
        faults.set(clock=jump)
        assert traffic(lab) and spis(user) == before
        assert user.request("rekey", child="net")["success"] == "yes"
        assert traffic(lab)
    faults.set(clock=-50 * 365 * 86400)  # before 1980
    assert user.request("terminate", ike="home")["success"] == "yes"
    assert user.initiate("net")["success"] == "yes" and traffic(lab)


def test_no_random_octets(world):
    """C19: without random octets the engine ends, in words, and makes no keys; it serves again when there are some."""
    lab, user, faults = connected(world, faults=True)
    loads = user.log().count("event=config-loaded")
    faults.set(random=errno.ENOSYS)
    user.begin("rekey", ike="home")
    user.wait_log("the kernel gives no random octets")
    assert not traffic(lab)
    faults.set()
    wait(lambda: user.log().count("event=config-loaded") > loads, "it is started anew", 60)
    assert user.initiate("net", timeout=30)["success"] == "yes"
    wait(lambda: traffic(lab), "traffic", 30)


# ---- netlink

def netlink_sockets(lab, pids):
    """(port, drops) of the rtnetlink sockets of these processes that listen to groups."""
    inodes = set()
    for pid in pids:
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{name}")
            except OSError:
                continue
            inodes.add(target.removeprefix("socket:[").removesuffix("]"))
    found = []
    for line in lab.run("eu", "cat", "/proc/net/netlink").splitlines()[1:]:
        _, family, port, groups, _, _, _, _, drops, inode = line.split()
        if family == "0" and inode in inodes and groups != "00000000":
            found.append((int(port), int(drops)))
    return found


def test_netlink_loses_messages(world):
    """D14: changes that the kernel could not tell are found all the same, and the engine does not spin."""
    lab, user, _ = connected(world, paths("failover"))
    user.wait_paths(2)
    engine = process(user, "engine")
    os.kill(engine, signal.SIGSTOP)
    changes = [f"route {what} 198.51.{i // 200}.{i % 200}/32 dev lo" for i in range(1000) for what in ("add", "del")]
    lab.batch("eu", changes)
    assert any(drops > 0 for _, drops in netlink_sockets(lab, [engine])), "nothing was lost"
    lab.run("eu", "ip", "link", "set", "wlan0", "down")
    os.kill(engine, signal.SIGCONT)
    user.wait_log("event=path-down conn=home path=wlan ", 20)
    wait(lambda: traffic(lab), "traffic on the other path", 20)
    cpu = user_seconds(user)
    assert traffic(lab) and user_seconds(user) - cpu < 1


def link_message(kind, index, flags, length=None):
    """A message of rtnetlink about a link."""
    body = struct.pack("=BxHiII", 0, 1, index, flags, 0xffffffff)
    return struct.pack("=IHHII", 16 + len(body) if length is None else length, kind, 0, 0, 0) + body


def test_forged_netlink(world):
    """D15: what another process sends in the kernel's name changes nothing, however torn it is."""
    lab, user, _ = connected(world)
    index = int(lab.run("eu", "cat", "/sys/class/net/wlan0/ifindex"))
    before, lines = spis(user), user.log().count("event=path-down")
    messages = [link_message(kind, index, 0, length) for kind in (16, 17) for length in (None, 0, 4, 15, 17, 33, 0xffffffff)]
    messages += [b"\0", link_message(17, index, 0) * 40]
    ports = [port for port, _ in netlink_sockets(lab, user.pids())]
    assert ports
    script = ("import socket,sys\ns = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)\ns.bind((0, 0))\n"
              f"for port in {ports!r}:\n for text in {[m.hex() for m in messages]!r}:\n"
              "  s.sendto(bytes.fromhex(text), (port, 0))\n")
    lab.run("eu", "/usr/bin/python3", "-c", script)
    for _ in range(3):
        assert traffic(lab)
    assert spis(user) == before and user.log().count("event=path-down") == lines


# ---- start

def ikatd(lab, *words, prefix=(), **options):
    """ikatd that is expected to end at once: its status and what it said."""
    done = subprocess.run(["ip", "netns", "exec", lab.name("eu"), *prefix, IKATD, *words], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=30, check=False, **options)
    return done.returncode, done.stdout


def test_without_the_right(world):
    """D27: without CAP_NET_ADMIN it ends, names the capability, and leaves nothing."""
    lab = world.lab()
    path = lab.path("without.vici")
    status, said = ikatd(lab, "-c", "none", "-s", path, prefix=("setpriv", "--bounding-set", "-net_admin"))
    assert status == 1 and "CAP_NET_ADMIN" in said
    assert not os.path.exists(path) and "ikat0" not in lab.run("eu", "ip", "link")


def test_socket_is_something_else(world):
    """X2: whatever else stands at the socket's path stays as it is, and is named."""
    lab = world.lab()
    file, folder, link, dangling, fifo = (lab.path(name) for name in ("a.file", "a.folder", "a.link", "a.dangling", "a.fifo"))
    with open(file, "w", encoding="ascii") as out:
        out.write("precious")
    os.mkdir(folder)
    os.symlink(file, link)
    os.symlink(lab.path("nowhere"), dangling)
    os.mkfifo(fifo)
    for path in (file, folder, link, dangling, fifo, os.path.join(lab.path("no.folder"), "vici")):
        before = os.lstat(path).st_ino if os.path.lexists(path) else None
        status, said = ikatd(lab, "-c", "none", "-s", path)
        assert status == 1 and path in said and "event=start-failed" in said, said
        assert (os.lstat(path).st_ino if os.path.lexists(path) else None) == before
    with open(file, encoding="ascii") as kept:
        assert kept.read() == "precious"
    assert not os.path.exists(lab.path("nowhere"))


OPTIONS = (
    (("-w", "0"), 2), (("-w", "9"), 2), (("-w", "-1"), 2), (("-w", "two"), 2), (("-w", "1x"), 2), (("-w",), 2),
    (("-m", "1"), 2), (("-m", "65536"), 2), (("-m", "99999999999999999999"), 2), (("-m", ""), 2),
    (("--memory", "0"), 2), (("--memory", "-5"), 2), (("--memory", "16777217"), 2),
    (("-g", "no-such-group"), 1), (("-g", ""), 1), (("-i", "a-name-that-is-too-long"), 1), (("-i", "a/b"), 1), (("-i", "lo"), 1),
    (("-s", ""), 2), (("-s", "/run/" + "x" * 120), 1), (("-K", "/nowhere/keys"), 1), (("-K", "/"), 1), (("-c", "x" * 300), 2),
    (("--no-such-option",), 2), (("-Z",), 2), (("a-word",), 2), (("--handed=2",), 75), (("--handed=x",), 75), (("--handed=999",), 75),
)


@pytest.fixture(scope="module")
def place(shared):
    """A lab for daemons that do not come up."""
    return shared.lab()


@pytest.mark.parametrize("words,expected", OPTIONS, ids=lambda value: " ".join(value)[:24] if isinstance(value, tuple) else "")
def test_options(place, words, expected):
    """G15: a wrong option is refused, in words, and nothing is left."""
    path = place.path("options.vici")
    own = () if words[0] in ("-s", "-c") else ("-c", "none")
    status, said = ikatd(place, *(() if words[0] == "-s" else ("-s", path)), *own, *words)
    assert status == expected, said
    assert words[0].startswith("--handed") or said.strip(), "without a word"
    assert "died" not in said and "assert" not in said.lower()
    assert not os.path.exists(path) and "ikat0" not in place.run("eu", "ip", "-o", "link")


def test_odd_surroundings(world):
    """D32: no standard descriptors, a locale and time zone that do not exist, a long host name, no environment."""
    lab = world.lab()
    world.ikatd(lab, "gw", gateway())
    user = world.ikatd(lab, "eu", end_user())
    user.stop()
    shell = 'hostname "$(printf %064d 7)"; exec 0<&- 1>&- 2>&-; exec env -i LC_ALL=tr_XX.UTF-9 TZ=:/etc/passwd PATH= "$@"'
    user.process = lab.start("eu", "unshare", "-u", "sh", "-c", shell, "sh", IKATD, "-c", user.config, "-s", user.socket,
                             "-S", user.state)
    wait(lambda: user.process.poll() is None and os.path.exists(user.socket) and user._answers(), "it answers", 30)
    wait(lambda: "home" in user.request("get-conns")["conns"], "its connections")
    assert user.initiate("net")["success"] == "yes" and traffic(lab)
    assert user.stop() == 0
    assert not os.path.exists(user.socket)


def full(folder):
    """Fills a file system to the last octet."""
    with open(os.path.join(folder, "filler"), "wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def test_disk_is_full(world, request):
    """D5: logins go on, what cannot be kept is named, and kept again when there is room."""
    lab = world.lab()
    folder = lab.path("small")
    os.makedirs(folder)
    run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder)
    request.addfinalizer(lambda: run("umount", "-l", folder))
    state, keys = os.path.join(folder, "state"), os.path.join(folder, "keys")
    os.makedirs(state)
    full(folder)
    radius = {"aaa": {"address": HOST, "secret": "a secret that is long enough", "accounting": "yes"}}
    gate = world.ikatd(lab, "gw", gateway(top={"radius": radius}), ("-S", state, "-K", keys))
    user = world.ikatd(lab, "eu", end_user())
    assert user.initiate("net")["success"] == "yes" and traffic(lab)
    gate.wait_log("event=accounting-not-kept")
    gate.wait_log("event=keylog-failed")
    assert os.path.getsize(keys) == 0
    os.unlink(os.path.join(folder, "filler"))
    assert user.request("terminate", ike="home")["success"] == "yes"
    assert user.initiate("net")["success"] == "yes" and traffic(lab)
    wait(lambda: os.path.getsize(keys) > 0, "the keys are written")
    wait(lambda: os.path.getsize(os.path.join(state, "accounting")) > 0, "the accounts are kept")
    assert gate.process.poll() is None


# ---- the network

def test_routes_of_the_network(world):
    """L4: a route that the network announces, more specific than the tunnel's, takes nothing out of the tunnel."""
    lab, user, _ = connected(world)
    for route in ("10.20.0.0/25", "10.20.0.128/25", HOST + "/32"):
        lab.run("eu", "ip", "route", "add", route, "via", address("wlan", "wlan"), "dev", "wlan0")
    counted = "ip daddr 10.20.0.0/24 counter"
    lab.run("eu", "nft", "add table inet watch; add chain inet watch out { type filter hook postrouting priority 0; }; "
            f'add rule inet watch out oifname "wlan0" {counted}')
    for _ in range(3):
        assert traffic(lab)
    assert "packets 0 " in lab.run("eu", "nft", "list", "table", "inet", "watch")
    assert user.process.poll() is None


def test_odd_datagrams(world):
    """P37: datagrams of 64 KiB, in fragments, change nothing; a login without UDP checksums is a login."""
    lab, user, _ = connected(world)
    target = address("wan0", "gw")
    script = ("import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
              "s.setsockopt(socket.SOL_SOCKET, 11, 1)\n"  # SO_NO_CHECK
              f"for port in (500, 4500):\n for size in (65507, 65000, 40000, 3000, 1473, 0):\n"
              f"  for octets in (bytes(size), b'\\xff' * size, bytes(4) + b'\\x5a' * max(size - 4, 0)):\n"
              f"   s.sendto(octets, ({target!r}, port))\n")
    before = spis(user)
    lab.run("eu", "/usr/bin/python3", "-c", script)
    assert traffic(lab) and spis(user) == before
    # the daemon's own messages without a checksum: RFC 768 allows it
    lab.run("eu", "nft", "add table ip odd; add chain ip odd out { type filter hook postrouting priority 0; }; "
            "add rule ip odd out udp dport { 500, 4500 } udp checksum set 0")
    assert user.request("terminate", ike="home")["success"] == "yes"
    assert user.initiate("net")["success"] == "yes" and traffic(lab)


def test_clones_are_shown(world):
    """K40: which IKE SA a clone comes from, in list-sa and in `ikat status`; the session ends with all of them."""
    lab, user, _ = connected(world, paths("balance"))
    user.wait_paths(2)
    sas = user.established()
    assert len(sas) == 2 and len({sa["session"] for sa in sas}) == 1
    clones, roots = ([sa for sa in sas if ("clone-of" in sa) == cloned] for cloned in (True, False))
    assert len(roots) == len(clones) == 1 and clones[0]["clone-of"] == roots[0]["uniqueid"]
    assert clones[0]["origin"] != roots[0]["origin"]
    shown = user.session()["ike_sas"]
    assert {str(sa["id"]) for sa in shown} == {sa["uniqueid"] for sa in sas}
    assert user.request("terminate", ike="home")["success"] == "yes"
    assert not user.established() and not traffic(lab)


NAME = "gate.example"
SERVER = """
import socket, sys, os
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.53", 53))
while True:
    octets, who = s.recvfrom(4096)
    how = open(sys.argv[1]).read().strip()
    at = 12
    while octets[at]: at += 1 + octets[at]
    question, kind = octets[12:at + 5], octets[at + 1:at + 3]
    def answer(code, addresses):
        rows = b"".join(b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\0\\0\\4" + socket.inet_aton(a) for a in addresses)
        counts = b"\\0\\1" + len(addresses).to_bytes(2, "big") + bytes(4)
        return octets[:2] + bytes((0x81, 0x80 | code)) + counts + question + rows
    if how == "silent": continue
    if how == "garbage": s.sendto(octets[:2] + b"\\x81\\x80" + b"\\xff" * 400, who); continue
    if how == "nothing": s.sendto(answer(3, []), who); continue
    several = ["203.0.113.%d" % i for i in range(1, 30)] if how == "many" else [how]
    s.sendto(answer(0, several if kind == b"\\0\\1" else []), who)
"""


def test_hostile_name_server(world, request):
    """D18: a name server that is silent, or says nonsense, keeps nothing else waiting; a right answer is taken."""
    lab = world.lab()
    folder, how = f"/etc/netns/{lab.name('eu')}", lab.path("how")
    os.makedirs(folder)
    request.addfinalizer(lambda: run("rm", "-rf", folder))
    with open(os.path.join(folder, "resolv.conf"), "w", encoding="ascii") as file:
        file.write("nameserver 127.0.0.53\noptions timeout:1 attempts:1\n")

    def say(text):
        with open(how + ".new", "w", encoding="ascii") as file:
            file.write(text)
        os.rename(how + ".new", how)
    say("silent")
    lab.start("eu", "/usr/bin/python3", "-c", SERVER, how)
    world.ikatd(lab, "gw", gateway())
    settings = end_user()
    settings["connections"]["named"] = dict(settings["connections"]["home"], remote_addrs=NAME,
                                            children={"other": {"remote_ts": "10.21.0.0/24"}})
    user = world.ikatd(lab, "eu", settings)
    for text in ("silent", "garbage", "nothing", "many", "127.0.0.1", "224.0.0.1", "0.0.0.0"):
        say(text)
        with user.vici() as waiting:
            waiting.send("initiate", {"child": "other", "ike": "named", "timeout": "20000"})
            assert user.initiate("net")["success"] == "yes" and traffic(lab), text
            assert user.request("terminate", ike="home")["success"] == "yes"
            user.request("terminate", ike="named", timeout="-1", force="yes")
    say(address("wan0", "gw"))
    wait(lambda: user.initiate("other", "named", timeout=10)["success"] == "yes" or user.established(), "a login by name", 60)
