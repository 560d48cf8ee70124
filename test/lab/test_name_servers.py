# SPDX-License-Identifier: Apache-2.0
"""The End User's host asks the Gateway's name servers, and its own again afterwards."""
import os
import shutil
import signal

import pytest

from lab.daemons import Ikatd
from lab.run import wait
from lab.settings import IDS, LAN, end_user, gateway, merge, paths
from lab.watch import SERVERS, processes

OWN = "# of the host\nnameserver 192.0.2.53\nsearch example.org\n"
INSIDE, OUTSIDE = "10.20.0.53", "192.0.2.99"
POOL = {"addrs": "10.30.0.0/24", "dns": f"{OUTSIDE}, {INSIDE}"}
OURS = f"nameserver {INSIDE} # by ikatd\n"


@pytest.fixture
def resolv_conf(world, request):
    """A lab whose End User has an /etc/resolv.conf of its own, and the path of that file."""
    lab = world.lab()
    folder = f"/etc/netns/{lab.name('eu')}"
    os.makedirs(folder)
    request.addfinalizer(lambda: shutil.rmtree(folder))
    path = os.path.join(folder, "resolv.conf")
    with open(path, "w", encoding="ascii") as file:
        file.write(OWN)
    world.ikatd(lab, "gw", gateway(top={"pools": {"inner": POOL}}))
    return lab, path



def split(world):
    """From now on the Gateway's pool has domains."""
    world.daemons[0].load(gateway(top={"pools": {"inner": POOL | {"dns_domains": "corp.example, lan"}}}))


def reads(path, text):
    """Waits until the file has this text."""
    def same():
        with open(path, encoding="ascii") as file:
            return file.read() == text
    wait(same, lambda: f"{path} is\n{text}\nbut it is\n{open(path, encoding='ascii').read()}")


def test_file(world, resolv_conf):
    """Our servers come first, once for both paths, without the one that no Child SA reaches; `down` takes them back."""
    lab, path = resolv_conf
    user = world.ikatd(lab, "eu", end_user(paths("balance")))
    for _ in range(2):
        user.initiate("net")
        user.wait_paths(2)
        reads(path, OURS + OWN)
        user.ikat("down", "home")
        reads(path, OWN)


def test_held_to_the_files(world, resolv_conf):
    """The connection of a VICI client gets no name server that the files leave out: the supervisor refuses it."""
    lab, path = resolv_conf
    conns, room = end_user()["connections"], {"remote_ts": LAN, "vips": "0.0.0.0"}
    user = world.ikatd(lab, "eu", merge(end_user(top={"permits": room}), {"connections": None}))
    user.wait_log("event=config-loaded")

    def connects():
        with user.vici() as vici:
            assert vici.request("load-conn", conns)["success"] == "yes"
        assert user.initiate("net")["success"] == "yes"
    connects()
    user.wait_log("event=dns-refused")
    assert 'what="name servers" reason="no connection in the files' in user.log()
    reads(path, OWN)
    user.ikat("down", "home")
    user.load(merge(end_user(top={"permits": room | {"dns": LAN}}), {"connections": None}))
    connects()
    reads(path, OURS + OWN)


def test_changes_of_others_stay(world, resolv_conf):
    """What another program wrote meanwhile is not overwritten by what was there before."""
    lab, path = resolv_conf
    user = world.ikatd(lab, "eu", end_user())
    user.initiate("net")
    reads(path, OURS + OWN)
    with open(path, "a", encoding="ascii") as file:
        file.write("options edns0\n")
    user.ikat("down", "home")
    reads(path, OWN + "options edns0\n")


def test_daemon_dies(world, resolv_conf):
    """The end of the supervisor takes them back; so does the next start, if every process was killed at once."""
    lab, path = resolv_conf
    user = world.ikatd(lab, "eu", end_user())
    user.initiate("net")
    reads(path, OURS + OWN)
    user.kill()
    reads(path, OWN)
    with open(path, "w", encoding="ascii") as file:
        file.write(OURS + OWN)
    world.ikatd(lab, "eu", end_user())
    reads(path, OWN)


def test_engine_dies(world, resolv_conf):
    """A new engine takes back what the one before it set up: its session is gone."""
    lab, path = resolv_conf
    user = world.ikatd(lab, "eu", end_user())
    for _ in range(2):
        user.initiate("net")
        reads(path, OURS + OWN)
        os.kill(processes(user)["engine"], signal.SIGKILL)
        reads(path, OWN)
        wait(lambda: len(processes(user)) == len(SERVERS) and user.request("get-conns")["conns"] == ["home"], "it serves again", 20)


def test_split_file(world, resolv_conf):
    """The search list of the file has the Gateway's domains before the host's; a top-level domain is left out."""
    lab, path = resolv_conf
    split(world)
    user = world.ikatd(lab, "eu", end_user())
    user.initiate("net")
    reads(path, OURS + OWN + "# by ikatd: the next line\nsearch corp.example example.org\n")
    config = user.session()["config"]
    assert config["dns"] == [OUTSIDE, INSIDE] and config["dns_domains"] == ["corp.example"]
    user.kill()
    reads(path, OWN)


def test_full_tunnel(world, resolv_conf):
    """A tunnel for all traffic is for all names: no Gateway takes domains out of the DNS (RFC 8598 section 2)."""
    lab, path = resolv_conf
    world.daemons[0].load(gateway(child={"local_ts": "0.0.0.0/0"},
                                  top={"pools": {"inner": POOL | {"dns_domains": "corp.example, lan"}}}))
    user = world.ikatd(lab, "eu", end_user(child={"remote_ts": "0.0.0.0/0"}))
    user.initiate("net")
    reads(path, f"nameserver {OUTSIDE} # by ikatd\n" + OURS + OWN)


def test_two_gateways(world, resolv_conf):
    """While one Gateway's servers are for its domains, those of another one wait; then they take their place."""
    lab, path = resolv_conf
    second, secret = "gw2.lab.example", {"ike-2": {"id-1": IDS["eu"], "id-2": "gw2.lab.example", "secret": "other"}}
    pools = {"inner": POOL | {"dns_domains": "corp.example"}, "small": {"addrs": "10.31.0.0/24", "dns": "10.20.0.65"}}
    gate = gateway(top={"pools": pools, "secrets": secret})
    gate["connections"]["second"] = merge(gate["connections"]["gate"], {
        "pools": "small", "local": {"id": second}, "children": {"net": {"local_ts": "10.20.0.64/26"}}})
    home = end_user(top={"secrets": secret})
    home["connections"]["other"] = merge(home["connections"]["home"], {
        "remote": {"id": second}, "children": {"net": None, "small": {"remote_ts": "10.20.0.64/26"}}})
    world.daemons[0].load(gate)
    user = world.ikatd(lab, "eu", home)
    user.initiate("net")
    first = OURS + OWN + "# by ikatd: the next line\nsearch corp.example example.org\n"
    reads(path, first)
    user.initiate("small")
    user.wait_log("event=dns-waits connection=other")
    reads(path, first)
    user.ikat("down", "home")
    reads(path, "nameserver 10.20.0.65 # by ikatd\n" + OWN)


def test_off(world, resolv_conf):
    """install_dns = no."""
    lab, path = resolv_conf
    user = world.ikatd(lab, "eu", end_user({"install_dns": "no"}))
    user.initiate("net")
    user.wait_paths(1)
    user.ikat("down", "home")
    user.stop()
    assert "event=dns-set" not in user.log()
    reads(path, OWN)


class Elsewhere(Ikatd):
    """ikatd with programs in front of the host's, in a mount namespace; each writes down how it was called."""
    programs, setup = (), ""

    def _launch(self, words, environment):
        over, self.calls = self.lab.path("over"), self.lab.path("calls")
        for name in ("upper", "work"):
            os.makedirs(os.path.join(over, name))
        for program in self.programs:
            script = os.path.join(over, "upper", program)
            with open(script, "w", encoding="ascii") as file:
                file.write(f'#!/bin/sh\necho "{program} $*" >> {self.calls}\n[ -t 0 ] || cat >> {self.calls}\n')
            os.chmod(script, 0o755)
        mounts = f"mount -t tmpfs none {over}.t && mkdir {over}.t/upper {over}.t/work && cp -a {over}/upper/. {over}.t/upper"
        os.makedirs(over + ".t")
        mounts += "".join(f" && mount -t overlay none -o lowerdir={folder},upperdir={over}.t/upper,workdir={over}.t/work {folder}"
                          for folder in [self.folder])
        super()._launch(["unshare", "-m", "sh", "-ec", mounts + self.setup + ' && exec "$@"', "sh", *words], environment)

    def called(self):
        """What was called so far."""
        with open(self.calls, encoding="ascii") as file:
            return file.read()


class Resolved(Elsewhere):
    """A host with systemd-resolved."""
    programs, folder = ("resolvectl",), "/usr/bin"
    setup = " && mkdir -p /run/systemd && mount -t tmpfs none /run/systemd && mkdir /run/systemd/resolve && " \
            "touch /run/systemd/resolve/io.systemd.Resolve"
    up = f"resolvectl default-route ikat0 yes\nresolvectl domain ikat0 ~.\n" \
         f"resolvectl dns ikat0 {INSIDE}\nresolvectl dnsovertls ikat0 \nresolvectl flush-caches\n"
    split = f"resolvectl default-route ikat0 no\nresolvectl domain ikat0 ~corp.example ~lan\n" \
            f"resolvectl dns ikat0 {INSIDE}\nresolvectl dnsovertls ikat0 \nresolvectl flush-caches\n"
    down = "resolvectl revert ikat0\nresolvectl flush-caches\n"


class Resolvconf(Elsewhere):
    """A host with resolvconf."""
    programs, folder = ("resolvconf",), "/usr/sbin"
    up = f"resolvconf -a ikat0.ikat\nnameserver {INSIDE}\n"
    split = up + "search corp.example lan\n"
    down = "resolvconf -d ikat0.ikat\n"


@pytest.mark.parametrize("kind", (Resolved, Resolvconf))
def test_programs(world, resolv_conf, kind):
    """Where systemd-resolved or resolvconf keeps the file, it is told, and the file is left alone."""
    lab, path = resolv_conf
    world.daemons.append(user := kind(lab, "eu", end_user()))
    user.start().initiate("net")
    wait(lambda: os.path.exists(user.calls) and user.called() == kind.up, "it is told of the server")
    user.ikat("down", "home")
    wait(lambda: user.called() == kind.up + kind.down, "it is told that the server is gone")
    reads(path, OWN)


@pytest.mark.parametrize("kind", (Resolved, Resolvconf))
def test_split_programs(world, resolv_conf, kind):
    """systemd-resolved gets the Gateway's domains as routing domains, resolvconf as a search list."""
    lab, path = resolv_conf
    split(world)
    world.daemons.append(user := kind(lab, "eu", end_user({"dns_domains": "corp.example, lan"})))
    user.start().initiate("net")
    wait(lambda: os.path.exists(user.calls) and user.called() == kind.split, "it is told of the domains")
    user.ikat("down", "home")
    wait(lambda: user.called() == kind.split + kind.down, "it is told that they are gone")
    reads(path, OWN)


ENCRYPTED = {"encrypted_dns": f"{INSIDE}, 10.20.0.54, {OUTSIDE}", "encrypted_dns_name": "DNS.corp.example",
             "encrypted_dns_port": "8853"}


def test_encrypted(world, resolv_conf):
    """systemd-resolved asks the Gateway's encrypted resolvers alone, by name and over TLS (RFC 9464); those that no
    Child SA reaches are left out."""
    lab, path = resolv_conf
    world.daemons[0].load(gateway(top={"pools": {"inner": POOL | ENCRYPTED}}))
    world.daemons.append(user := Resolved(lab, "eu", end_user()))
    user.start().initiate("net")
    up = "resolvectl default-route ikat0 yes\nresolvectl domain ikat0 ~.\nresolvectl dnsovertls ikat0 yes\n" \
         f"resolvectl dns ikat0 {INSIDE}:8853#dns.corp.example 10.20.0.54:8853#dns.corp.example\nresolvectl flush-caches\n"
    wait(lambda: os.path.exists(user.calls) and user.called() == up, "it is told of the resolvers")
    assert user.session()["config"]["encrypted_dns"] == [f"{server}:8853#dns.corp.example"
                                                         for server in (INSIDE, "10.20.0.54", OUTSIDE)]
    user.ikat("down", "home")
    wait(lambda: user.called() == up + Resolved.down, "it is told that they are gone")
    reads(path, OWN)


def test_encrypted_without_resolved(world, resolv_conf):
    """A host that cannot ask over TLS asks the plain servers; where there are none, its own, and the log says why."""
    lab, path = resolv_conf
    world.daemons[0].load(gateway(top={"pools": {"inner": POOL | ENCRYPTED}}))
    user = world.ikatd(lab, "eu", end_user())
    user.initiate("net")
    reads(path, OURS + OWN)
    user.ikat("down", "home")
    reads(path, OWN)
    world.daemons[0].load(gateway(top={"pools": {"inner": {"addrs": POOL["addrs"]} | ENCRYPTED}}))
    user.initiate("net")
    user.wait_log("that needs systemd-resolved")
    reads(path, OWN)
