# SPDX-License-Identifier: Apache-2.0
"""What an End User says of its paths decides which of them a download takes."""
import pytest

from lab.net import address
from lab.run import wait
from lab.settings import end_user, gateway, paths
from lab.traffic import iperf

HOST = address("lan", "host")
DEAR = {"metered": {"metered": "yes"}, "priority": {"priority": "3"}}
IDLE = 100_000  # octets that probes and rekeys take at most
# 2,000 datagrams to an address, in 100 flows that begin here
FLOWS = """
import socket, sys
for _ in range(100):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(20):
        sock.sendto(bytes(1000), (sys.argv[1], 9))
"""


def took(lab, interface):
    """Octets that the End User received over an interface."""
    return int(lab.run("eu", "cat", f"/sys/class/net/{interface}/statistics/rx_bytes"))


def download(lab, how):
    """Octets that arrive over each interface. `flow`: in a download that the End User asked for; `flows`: in many flows
    that begin behind the Gateway, and that nothing answers."""
    before = [took(lab, name) for name in ("wlan0", "lte0")]
    if how == "flow":
        iperf(lab, "eu", "host", HOST, "-R", "-b", "20M", seconds=1)
    else:
        inner = lab.run("eu", "ip", "-4", "-o", "addr", "show", "to", "10.30.0.0/24").split()[3].split("/")[0]
        lab.run("host", "python3", "-c", FLOWS, inner)
    return [took(lab, name) - octets for name, octets in zip(("wlan0", "lte0"), before)]


def told(gate):
    """The paths as the Gateway knows them."""
    with gate.vici() as vici:
        return [path for body in vici.stream("list-paths", "list-path") for path in body.values()]


@pytest.mark.parametrize("how,mode", [("flow", "aggregate"), ("flows", "balance")])
@pytest.mark.parametrize("why", DEAR)
def test_download_spares_a_path(world, why, how, mode):
    lab = world.lab()
    gate = world.ikatd(lab, "gw", gateway({"multipath": mode, "stable_for": "1s"}))
    ways = paths("balance")["paths"]
    ways["lte"] |= DEAR[why]
    # in the file and by number the path to be spared comes first
    user = world.ikatd(lab, "eu", end_user({"paths": dict(reversed(ways.items())), "multipath": mode, "stable_for": "1s"}))
    user.initiate("net")
    user.wait_paths(2)
    wait(lambda: any(path[why] in ("yes", "3") for path in told(gate)), "the Gateway knows the paths")
    gate.wait_log("metered=yes" if why == "metered" else "priority=3")
    known = [path for session in gate.sessions() for path in session["paths"]]
    assert sorted(path["metered"] for path in known) == [False, why == "metered"]
    wlan, lte = download(lab, how)
    assert wlan > 10 * IDLE and lte < IDLE, f"{wlan} octets over wlan0, {lte} over lte0"
    lab.cut("wlan")
    user.wait_paths(1)
    wait(lambda: download(lab, how)[1] > 10 * IDLE, "the download goes over lte0", 20)
    lab.restore("wlan")
    user.wait_paths(2, timeout=20)
    wait(lambda: download(lab, how)[1] < IDLE, "the download goes over wlan0 again", 20)
