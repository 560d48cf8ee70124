# SPDX-License-Identifier: Apache-2.0
"""`ikat upgrade`: the daemon goes on with the installed program or, if that fails, with the earlier one.

Nothing leaves in the clear meanwhile."""
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from lab import daemons
from lab.daemons import IKATD
from lab.run import wait
from lab.settings import LAN, LAN6, end_user, gateway, paths
from lab.watch import PROTECTED, SERVERS, Watch, processes

BOTH = f"{LAN}, {LAN6}"
# Programs that are installed in its place: what they do as a probe, and what as any other process.
ENDS_AT_ONCE = "return 0;"
NEVER_SERVES = 'return strcmp(argv[0], "ikatd-probe") == 0 ? 76 : 1;'
# It comes to the gate, and then it crashes.
CRASHES = 'if (strcmp(argv[0], "ikatd-probe") == 0) return 76; usleep(300000); ' \
    'for (int fd = 3; fd < 1024; fd++) close(fd); sleep(1); return 1;'
HANGS = 'if (strcmp(argv[0], "ikatd-probe") == 0) return 76; for (;;) pause();'
OTHER_MESSAGES = "return 75;"


def traffic(lab):
    """A packet goes there and comes back."""
    return all("1 received" in lab.run("eu", "ping", "-c1", "-W1", target, check=False) for _, target in PROTECTED.values())


def install(source, place):
    """As dpkg does: a new file takes the name."""
    shutil.copy(source, place + ".new")
    os.rename(place + ".new", place)


def compiled(folder, body):
    """A program with this main()."""
    source, program = os.path.join(folder, "p.c"), os.path.join(folder, "p")
    with open(source, "w", encoding="ascii") as file:
        file.write("#include <string.h>\n#include <unistd.h>\nint main(int argc, char **argv)\n{\n(void)argc, (void)argv;\n" + body + "\n}\n")
    subprocess.run(["cc", "-O1", "-o", program, source], check=True)
    return program


@pytest.fixture(name="up")
def fixture_up(world, tmp_path, monkeypatch):
    """A session; both daemons run a program that can be replaced."""
    place = str(tmp_path / "ikatd")
    install(IKATD, place)
    monkeypatch.setattr(daemons, "IKATD", place)
    lab = world.lab()
    child = {"start_action": "start", "dpd_action": "restart", "remote_ts": BOTH}
    gw = world.ikatd(lab, "gw", gateway({"pools": "inner, inner6"}, {"local_ts": BOTH}))
    eu = world.ikatd(lab, "eu", end_user(paths("failover", vips="0.0.0.0, ::"), child))
    eu.wait_paths(2)
    wait(lambda: traffic(lab), "traffic")
    noise = [lab.start("eu", "ping", "-q", "-i", "0.005", "-n", target, stdout=-3, stderr=-3) for _, target in PROTECTED.values()]
    yield lab, gw, eu, place
    for process in noise:
        process.kill()
        process.wait()


def of(daemon):
    """The program that each of its processes runs."""
    return {name: os.stat(f"/proc/{pid}/exe").st_ino for name, pid in processes(daemon).items()}


def new(daemon, place):
    """All its servers run what is installed."""
    return set(of(daemon)) == set(SERVERS) and set(of(daemon).values()) == {os.stat(place).st_ino}


class Gap:
    """The longest time without an answer, by a ping each 5 ms."""

    def __init__(self, lab, folder):
        self.place = os.path.join(folder, "gap")
        with open(self.place, "w", encoding="ascii") as out:
            self.process = lab.start("eu", "ping", "-D", "-i", "0.005", "-n", PROTECTED[4][1], stdout=out, stderr=-3)

    def end(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        with open(self.place, encoding="ascii") as file:
            times = [float(at) for at in re.findall(r"^\[([0-9.]+)\] .*icmp_seq", file.read(), re.M)]
        return max(later - one for one, later in zip(times, times[1:]))


@pytest.mark.parametrize("role", ("eu", "gw"))
def test_upgrade(up, role, tmp_path):
    lab, gw, eu, place = up
    watch, daemon = Watch(lab, "eu"), {"eu": eu, "gw": gw}[role]
    wait(lambda: role == "eu" or eu.session()["age_s"] > 10, "an age at which its end is none of a short session", 15)
    gap = Gap(lab, tmp_path)
    assert "runs already" in daemon.ikat("upgrade")
    install(IKATD, place)
    since = time.monotonic()
    assert "the installed program runs" in daemon.ikat("upgrade")
    print("command", time.monotonic() - since)
    wait(lambda: traffic(lab), "traffic", 20)
    print("gap", gap.end())
    assert new(daemon, place) and watch.count() == 0 and daemon.process.poll() is None
    eu.wait_paths(2)
    assert len(gw.sessions()) == 1


@pytest.mark.parametrize("role", ("eu", "gw"))
@pytest.mark.parametrize("body", (ENDS_AT_ONCE, OTHER_MESSAGES, None), ids=("ends", "other", "missing"))
def test_refused(up, role, body, tmp_path):
    """A program that does not fit: no process, no session, no Child SA has changed."""
    lab, gw, eu, place = up
    daemon = {"eu": eu, "gw": gw}[role]
    if body is None:
        os.unlink(place)
    else:
        install(compiled(tmp_path, body), place)
    before = processes(daemon), gw.session("gate")["id"], sorted(c["spi-in"] for c in eu.children())
    done = subprocess.run([daemons.IKAT, "-s", daemon.socket, "upgrade"], capture_output=True, text=True)
    assert done.returncode == (3 if body == OTHER_MESSAGES else 1), done
    assert (processes(daemon), gw.session("gate")["id"], sorted(c["spi-in"] for c in eu.children())) == before
    assert traffic(lab)


def test_configuration_refused(up):
    lab, _, eu, place = up
    install(IKATD, place)
    before = processes(eu)
    with open(eu.config, "a", encoding="ascii") as file:
        file.write("nonsense {\n")
    done = subprocess.run([daemons.IKAT, "-s", eu.socket, "upgrade"], capture_output=True, text=True)
    assert done.returncode == 1 and "refuses the configuration" in done.stderr
    assert processes(eu) == before and traffic(lab)


@pytest.mark.parametrize("role", ("eu", "gw"))
@pytest.mark.parametrize("body", (NEVER_SERVES, HANGS), ids=("ends", "hangs"))
def test_never_comes_up(up, role, body, tmp_path):
    """A program that passes as a probe, and whose other processes fail: no process and no session has changed."""
    lab, gw, eu, place = up
    daemon = {"eu": eu, "gw": gw}[role]
    before = processes(daemon), gw.session("gate")["id"], sorted(c["spi-in"] for c in eu.children())
    install(compiled(tmp_path, body), place)
    done = subprocess.run([daemons.IKAT, "-s", daemon.socket, "upgrade"], capture_output=True, text=True)
    assert done.returncode == 1 and "does not run" in done.stderr, done
    assert (processes(daemon), gw.session("gate")["id"], sorted(c["spi-in"] for c in eu.children())) == before
    assert traffic(lab)
    install(IKATD, place)
    assert "the installed program runs" in daemon.ikat("upgrade")
    assert new(daemon, place)


def test_end_meanwhile(up, tmp_path):
    """The daemon ends while processes of the installed program wait: they end, too."""
    lab, _, eu, place = up
    install(compiled(tmp_path, HANGS), place)
    asked = lab.start("eu", daemons.IKAT, "-s", eu.socket, "upgrade", stdout=-3, stderr=-3)
    wait(lambda: len(eu.pids()) > 2 * len(SERVERS), "processes of both programs")
    assert eu.stop() == 0
    asked.kill()
    asked.wait()
    wait(lambda: not eu.pids(), "no process is left")


def test_falls_back(up, tmp_path):
    """A program that crashes when it has got the session: the earlier program runs again, and logs in."""
    lab, gw, eu, place = up
    old, watch = set(of(eu).values()), Watch(lab, "eu")
    install(compiled(tmp_path, CRASHES), place)
    done = subprocess.run([daemons.IKAT, "-s", eu.socket, "upgrade"], capture_output=True, text=True)
    assert done.returncode == 1 and "the one before runs again" in done.stderr, done
    wait(lambda: traffic(lab), "traffic", 20)
    assert set(of(eu).values()) == old and watch.count() == 0
    eu.wait_paths(2)
    assert len(gw.sessions()) == 1
