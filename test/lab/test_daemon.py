# SPDX-License-Identifier: Apache-2.0
"""ikatd as a process: it dies and comes back, refuses what is wrong, keeps to its limits, leaves nothing behind."""
import os
import subprocess

import pytest

from lab.capture import CREATE_CHILD_SA, Capture, exchanges
from lab.daemons import IKAT, IKATD, Ikatd, conf
from lab.net import BUILD, ROOT, address
from lab.run import Failed, run, wait
from lab.settings import IDS, end_user, gateway, merge, paths

HOST = address("lan", "host")


def pair(world, user=None, gate=None, **lab_options):
    """Two started ikatd."""
    lab = world.lab(**lab_options)
    return lab, world.ikatd(lab, "eu", end_user(user)), world.ikatd(lab, "gw", gateway(gate))


def devices(lab, host):
    """TUN devices, addresses, routing rules of a host that a VPN might have left."""
    return lab.run(host, "ip", "-o", "addr"), lab.run(host, "ip", "rule"), lab.run(host, "ip", "route", "show", "table", "all")


def test_secret_of_the_gateway_alone(world):
    """A secret whose only owner is the Gateway is for all who log in there, as strongSwan has it."""
    lab = world.lab()
    alone = {"secrets": {"ike-lab": {"id-1": IDS["gw"], "id-2": None}}}
    world.ikatd(lab, "gw", merge(gateway({"remote": {"id": "%any"}}), alone))
    eu = world.ikatd(lab, "eu", merge(end_user({"local": {"id": "anybody@lab.example"}}), alone))
    assert eu.initiate("net")["success"] == "yes"


@pytest.mark.parametrize("how", ("stop", "kill"))
def test_nothing_is_left_on_the_host(world, how):
    lab = world.lab()
    before = devices(lab, "eu")
    gw = world.ikatd(lab, "gw", gateway())
    eu = world.ikatd(lab, "eu", end_user())
    eu.ikat("up", "home")
    assert devices(lab, "eu") != before
    pids = eu.pids()
    if how == "kill":
        eu.kill()
        # what was protected stays blocked until the next daemon is stopped on purpose
        assert "unreachable 10.20.0.0/24" in devices(lab, "eu")[2]
        eu.start()
        assert "blocks-inherited" in eu.log()
        assert eu.stop() == 0
    else:
        assert eu.stop() == 0
        wait(lambda: not gw.sas(), "the Gateway was told")
    wait(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), "all of its processes end")
    wait(lambda: devices(lab, "eu") == before, lambda: f"the host is as before: {devices(lab, 'eu')}")


def children(pid):
    """The processes below a process."""
    found = run("ps", "-o", "pid=", "--ppid", pid, check=False).split()
    return found + [grandchild for child in found for grandchild in children(child)]


@pytest.mark.parametrize("victim", ("eu", "gw"))
def test_killed_end_comes_back(world, victim):
    """kill -9 of one end: the other notices by itself or by INITIAL_CONTACT; a new login works at once."""
    lab = world.lab()
    ends = {"eu": world.ikatd(lab, "eu", end_user()), "gw": world.ikatd(lab, "gw", gateway())}
    ends["eu"].ikat("up", "home")
    ends[victim].kill()
    again = ends[victim] = Ikatd(lab, victim, ends[victim].settings)
    world.daemons.append(again)
    again.start()
    if victim == "gw":
        ends["eu"].ikat("down", "home", check=False)
    ends["eu"].ikat("up", "home")
    wait(lambda: "1 received" in lab.run("eu", "ping", "-c1", "-W1", HOST, check=False), "traffic again")
    wait(lambda: len(ends["gw"].established()) == 1, "INITIAL_CONTACT removed the old session")


@pytest.mark.parametrize("user,gate,word", (
    ({}, {"secrets": {"ike-lab": {"secret": '"other"'}}}, "auth"),
    ({"connections": {"home": {"local": {"id": "stranger@lab.example"}}}}, {}, "auth"),
    ({"connections": {"home": {"proposals": "aes256-sha512-modp4096"}}}, {}, "proposal"),
), ids=("secret", "identity", "proposal"))
def test_login_that_fails_says_why(world, user, gate, word):
    lab = world.lab()
    gw = world.ikatd(lab, "gw", merge(gateway(), gate))
    eu = world.ikatd(lab, "eu", merge(end_user(), user))
    with pytest.raises(Failed) as failure:
        eu.ikat("up", "home", timeout=90)
    assert word in str(failure.value).lower()
    assert not eu.established() and not gw.established() and not gw.sas()


def test_nobody_there(world):
    lab = world.lab()
    eu = world.ikatd(lab, "eu", end_user({"remote_addrs": "192.0.2.99"}))
    answer = eu.initiate("net", timeout=3)
    assert answer["success"] == "no" and "time" in answer["errmsg"].lower(), answer


def test_narrowed_selectors_that_leave_nothing(world):
    lab = world.lab()
    gw = world.ikatd(lab, "gw", gateway(child={"local_ts": "10.99.0.0/16"}))
    eu = world.ikatd(lab, "eu", end_user())
    answer = eu.initiate("net")
    assert answer["success"] == "no" and answer["errmsg"]
    assert not gw.children()


@pytest.mark.parametrize("broken,word", (
    ({"connections": {"home": {"proposal": "aes128-sha256-x25519"}}}, "proposal"),
    ({"connections": {"home": {"multipath": "sometimes"}}}, "multipath"),
    ({"connections": {"home": {"paths": {"wlan": {"interfaces": "wlan0"}}}}}, "interfaces"),
    ({"connections": {"home": {"probe_interval": "soon"}}}, "probe_interval"),
    ({"connections": {"home": {"children": {"net": {"esp_proposals": "des-md5"}}}}}, "esp_proposals"),
    ({"connections": {"home": {"remote_addrs": "192.0.2.1/33"}}}, "remote_addrs"),
))
def test_bad_configuration_is_named(world, broken, word, tmp_path):
    file = tmp_path / "ikat.conf"
    file.write_text(conf(merge(end_user(), broken)))
    done = subprocess.run([IKATD, "-c", str(file), "--check"], capture_output=True, text=True, timeout=20, check=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and word in said and str(file) in said, said


def test_syntax_errors_have_a_line(tmp_path):
    file = tmp_path / "ikat.conf"
    file.write_text("connections {\n  home {\n    version = 2\n    local { \n")
    done = subprocess.run([IKATD, "-c", str(file), "--check"], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0 and f"{file}:" in done.stdout + done.stderr


def test_all_errors_are_named(tmp_path):
    """As compilers do: each with its line, to a bound; `ikat check` is the same."""
    file = tmp_path / "ikat.conf"
    file.write_text("connections {\n" + "".join(f"  c{i} {{\n    nonsense = 1\n  }}\n" for i in range(30)) + "}\n")
    for command in ([IKATD, "-c", str(file), "--check"], [IKAT, "check", str(file)]):
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        lines = done.stderr.splitlines()
        assert done.returncode == 1 and len(lines) == 21 and "more" in lines[-1], done.stderr
        assert [line.split(":")[1] for line in lines[:-1]] == [str(3 * i + 3) for i in range(20)], done.stderr


def test_good_configuration_passes_the_check(tmp_path):
    file = tmp_path / "ikat.conf"
    file.write_text(conf(end_user(paths("balance", clone="both", stable_for="5s", max_ike_sas="8"))))
    done = subprocess.run([IKATD, "-c", str(file), "--check"], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_limit_of_ike_sas(world):
    """max_ike_sas at the Gateway: NO_ADDITIONAL_SAS, the VPN stays, nobody logs in again."""
    lab, eu, gw = pair(world, paths(mesh="first"), {"max_ike_sas": "1"})
    capture = Capture(lab, "eu")
    eu.ikat("up", "home", check=False)
    wait(lambda: eu.children(), "VPN_0")

    def refused():
        pairs = exchanges(Capture.dissect(capture, eu.keylog))
        return [a for r, a in pairs if r.exchange == CREATE_CHILD_SA and a is not None and "NO_ADDITIONAL_SAS" in a.notifies]
    wait(lambda: any(p["name"] == "lte" and p["state"] in ("backoff", "idle") for p in eu.session()["paths"]), "a refusal")
    assert refused()
    lab.run("eu", "ping", "-c1", "-W5", HOST)
    assert len(gw.established()) == 1 and eu.session()["logins"] == 1


def test_privileges(world):
    """The process that parses packets is not root and cannot become it."""
    lab, eu, gw = pair(world)
    eu.ikat("up", "home")
    found = {}
    for pid in [gw.process.pid, *map(int, children(gw.process.pid))]:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        found[pid] = status
    # updown scripts change firewalls: their process keeps all rights, and sees neither packets nor secrets
    found = {pid: status for pid, status in found.items() if status["Name"].strip() != "hooks"}
    supervisor = [s for s in found.values() if int(s["CapEff"], 16) != 0]
    workers = [s for s in found.values() if int(s["CapEff"], 16) == 0]
    assert len(supervisor) == 1 and len(workers) >= 2
    assert len({s["Uid"] for s in workers}) == len(workers), "a user of its own for each"
    for status in workers:
        assert status["Uid"].split()[0] != "0" and status["NoNewPrivs"].strip() == "1" and int(status["CapPrm"], 16) == 0
    assert all(status["Seccomp"].strip() == "2" for status in found.values())


def test_secrets_are_not_logged(world):
    lab, eu, gw = pair(world)
    eu.ikat("up", "home")
    for end in (eu, gw):
        assert "the lab's secret" not in end.log() and "the lab's secret" not in end.swanctl("--list-sas", "--raw")
    with open(eu.keylog, encoding="ascii") as file:
        key = file.read().split(",")[2]
    assert len(key) >= 32 and key not in eu.log()
    assert os.stat(eu.keylog).st_mode & 0o077 == 0


def test_versions():
    assert run(IKAT, "version", check=False).startswith("ikat")
    assert "ikatd" in run(IKATD, "--version", check=False)


def test_install(tmp_path):
    environment = dict(os.environ, DESTDIR=str(tmp_path))
    done = subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild"], capture_output=True, text=True, env=environment,
                          cwd=ROOT, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    installed = {os.path.relpath(os.path.join(folder, name), tmp_path) for folder, _, names in os.walk(tmp_path)
                 for name in names}
    for program in ("ikat", "ikatd"):
        assert any(path.endswith(f"bin/{program}") for path in installed), installed
    pages = [name for name in os.listdir(os.path.join(ROOT, "man")) if name[-1].isdigit()]
    assert "ikatd.8" in pages
    for page in pages:
        assert any(f"/{page}" in path for path in installed), installed
