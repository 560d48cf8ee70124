# SPDX-License-Identifier: Apache-2.0
"""The lab itself, with strongSwan at both ends: what fails here is not ikatd's fault."""
import os
import signal
import subprocess
import sys

import pytest

from lab import reaper
from lab.net import ROOT, address
from lab.run import wait
from lab.settings import end_user, gateway


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("nat", ((), ("wlan",)))
def test_strongswan_with_itself(world, family, nat):
    lab = world.lab(nat=nat)
    gw = world.strongswan(lab, "gw", gateway(family=family))
    eu = world.strongswan(lab, "eu", end_user(family=family))
    assert eu.initiate("net")["success"] == "yes"
    lab.run("eu", "ping", "-c1", "-W5", address("lan", "host", family))
    assert len(eu.children()) == len(gw.children()) == 1
    assert int(gw.children()[0]["packets-in"]) >= 1


def test_labs_side_by_side_and_emulated(world):
    labs = [world.lab(emulate=("wlan",)), world.lab()]
    labs[0].emulators["wlan"].set(delay_us=50000)
    assert 100 <= ping_ms(labs[0])
    assert ping_ms(labs[1]) < 50
    labs[0].emulators["wlan"].set(delay_us=0, cut=1)
    assert "100% packet loss" in labs[0].run("eu", "ping", "-c1", "-W1", address("wan0", "gw"), check=False)


def ping_ms(lab):
    """The round-trip time of a second ping: the first one waits for neighbour discovery."""
    return float(lab.run("eu", "ping", "-c2", "-i0.2", "-q", address("wan0", "gw")).rsplit("= ", 1)[1].split("/")[0])


def test_a_killed_lab_leaves_nothing_behind():
    program = ("from lab.net import Lab; import subprocess\n"
               "lab = Lab(emulate=('wlan',)); lab.start('eu', 'sleep', '1000'); print(lab.prefix, lab.directory, flush=True)\n"
               "import signal; signal.pause()")
    child = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    prefix, directory = child.stdout.readline().split()
    assert len(reaper.names(prefix)) == 7
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    wait(lambda: not reaper.names(prefix) and not os.path.exists(directory), "the reaper removes the lab")
