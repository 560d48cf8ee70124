# SPDX-License-Identifier: Apache-2.0
"""The data plane beside other tunnels, in one run: throughput of TCP, processor time for each gigabyte, a ping beside a
bulk flow, and packets of 64 octets.

`bare` is bench/bare_tunnel.c: a TUN and UDP with GSO and GRO, without cryptography. No tunnel in user space can cost
less, so every figure stands beside it as a ratio. wireguard-go is measured if its program is named
(`--wireguard-go PATH`); it needs `wg` of Debian's package wireguard-tools.
"""
import os
import re
import subprocess
from statistics import median

from bench.logins import pids
from bench.pictures import bars
from lab.daemons import Ikatd, Strongswan
from lab.net import BUILD, Lab, address
from lab.run import wait
from lab.settings import LAN, end_user, gateway
from lab.traffic import cpu_seconds, iperf

HOST = address("lan", "host")
OUTER = {"eu": address("wlan", "eu"), "gw": address("wan0", "gw")}
INNER = {"eu": "10.31.0.2", "gw": "10.31.0.1"}
OTHER = {"eu": "gw", "gw": "eu"}
MTU = 1430  # of the TUNs, as ikatd computes it for these links
SEGMENT = 1472  # the UDP payload that fits an MTU of 1500
LOST = 0.001  # of packets of 64 octets: what counts as no loss
SMALL = os.path.join(BUILD, "bench", "small_packets")


class Bare:
    """Two ends of bench/bare_tunnel.c."""

    def __init__(self, lab):
        self.processes = [lab.start(end, os.path.join(BUILD, "bench", "bare_tunnel"), "tun0", OUTER[end],
                                    OUTER[OTHER[end]], SEGMENT) for end in INNER]
        routes(lab, dict.fromkeys(INNER, "tun0"))

    def pids(self):
        """The processes that carry the packets."""
        return [process.pid for process in self.processes]


class WireguardGo:
    """Two ends of wireguard-go, in the foreground."""
    program = None

    def __init__(self, lab):
        names = {end: f"wg{os.getpid() % 100000}{end}" for end in INNER}
        keys = {end: subprocess.check_output(["wg", "genkey"], text=True) for end in INNER}
        self.processes = [lab.start(end, self.program, "-f", names[end], stderr=subprocess.DEVNULL) for end in INNER]
        for end in INNER:
            wait(lambda end=end: os.path.exists(f"/var/run/wireguard/{names[end]}.sock"), "wireguard-go listens")
            public = subprocess.check_output(["wg", "pubkey"], input=keys[OTHER[end]], text=True).strip()
            with open(lab.path(f"{end}.key"), "w", encoding="ascii", opener=private) as file:
                file.write(keys[end])
            lab.run(end, "wg", "set", names[end], "private-key", lab.path(f"{end}.key"), "listen-port", "51820",
                    "peer", public, "allowed-ips", "0.0.0.0/0", "endpoint", f"{OUTER[OTHER[end]]}:51820")
        routes(lab, names)

    def pids(self):
        """The processes that carry the packets."""
        return [process.pid for process in self.processes]


class Ipsec:
    """Two ends of ikatd or strongSwan, logged in."""
    kind = None

    def __init__(self, lab):
        self.ends = [self.kind(lab, "gw", gateway()).start(), self.kind(lab, "eu", end_user()).start()]
        answer = self.ends[1].initiate("net")
        if answer.get("success") != "yes":
            raise RuntimeError(answer)

    def pids(self):
        """The processes that carry the packets."""
        return [pid for end in self.ends for pid in pids(end)]


class Ikat(Ipsec):
    """ikatd."""
    kind = Ikatd


class Charon(Ipsec):
    """strongSwan with kernel-libipsec."""
    kind = Strongswan


def private(path, flags):
    """Opens a file that only its owner can read."""
    return os.open(path, flags, 0o600)


def routes(lab, names):
    """Addresses of the TUNs, and the way to the LAN."""
    for end, name in names.items():
        wait(lambda end=end, name=name: name in lab.run(end, "ip", "-o", "link"), f"{name} is there")
        lab.batch(end, [f"addr add {INNER[end]} peer {INNER[OTHER[end]]} dev {name}", f"link set {name} mtu {MTU} up"])
    lab.batch("eu", [f"route add {LAN} dev {names['eu']}"])


def ping(lab, seconds):
    """Median of the round-trip times, in microseconds."""
    text = lab.run("eu", "ping", "-i", "0.01", "-w", str(seconds), HOST, timeout=seconds + 10)
    return 1000 * median(float(time) for time in re.findall(r"time=([\d.]+)", text))


def delivered(lab, rate, seconds=1):
    """The share of 64-octet packets at this rate that arrives, and how many that are in a second."""
    counter = lab.start("host", SMALL, "count", stdout=subprocess.PIPE)
    wait(lambda: ":5202" in lab.run("host", "ss", "-Hlun"), "small_packets counts")
    sent = int(lab.run("eu", SMALL, "send", HOST, str(rate), str(seconds), timeout=seconds + 10))
    received = int(counter.communicate(timeout=10)[0])
    return received / sent, received / seconds


def small_packets(lab):
    """The highest rate of 64-octet packets that the tunnel delivers without loss, to 3 %."""
    low, high, best = 10000, 2000000, 0
    while high > 1.03 * low:
        rate = int((low * high) ** 0.5)
        share, found = delivered(lab, rate)
        if share >= 1 - LOST:
            low, best = rate, max(best, found)
        else:
            high = rate
    return best


def loaded_ping(lab, seconds):
    """Median of round-trip times beside one TCP flow."""
    server = lab.start("host", "iperf3", "-s", "-1", "-B", HOST, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait(lambda: ":5201" in lab.run("host", "ss", "-Hltn"), "iperf3 listens")
    flow = lab.start("eu", "iperf3", "-c", HOST, "-t", str(seconds + 2), stdout=subprocess.DEVNULL)
    try:
        wait(lambda: ":5201" in lab.run("eu", "ss", "-Htn", "state", "established"), "the flow has begun")
        return ping(lab, seconds)
    finally:
        for process in (flow, server):
            process.kill()
            process.wait()


def megabits(report):
    """What the receiver of a TCP run got, in Mbit/s."""
    return report["bits_per_second"] / 1e6


def measure(kind, seconds):
    """One row of figures of one tunnel."""
    with Lab() as lab:
        tunnel = kind(lab)
        lab.run("eu", "ping", "-c1", "-W5", HOST)
        of, begin = tunnel.pids(), cpu_seconds(tunnel.pids())
        up = iperf(lab, "eu", "host", HOST, seconds=seconds)["sum_received"]
        used = cpu_seconds(of) - begin
        down = iperf(lab, "eu", "host", HOST, "-R", seconds=seconds)["sum_received"]
        both = iperf(lab, "eu", "host", HOST, "--bidir", "-P", "4", seconds=seconds)
        idle = ping(lab, 1)
        return {"TCP, 1 flow up, Mbit/s": megabits(up), "TCP, 1 flow down, Mbit/s": megabits(down),
                "TCP, 4 + 4 flows, Mbit/s": megabits(both["sum_received"]) + megabits(both["sum_received_bidir_reverse"]),
                "CPU of both daemons, ms per GB": 1e12 * used / up["bytes"],
                "ping, us": idle, "ping beside one flow, added us": loaded_ping(lab, 2) - idle,
                "64-octet packets a second, no loss": small_packets(lab)}


def speed(seconds, runs, wireguard_go):
    """Prints the median of the runs, of each tunnel in turn, and the median of the ratios to the bare one."""
    kinds = {"bare": Bare, "ikatd": Ikat, "strongSwan": Charon}
    if wireguard_go:
        WireguardGo.program = wireguard_go
        kinds["wireguard-go"] = WireguardGo
    found = [{name: measure(kind, seconds) for name, kind in kinds.items()} for _ in range(runs)]
    print(f"\n{'median of ' + str(runs) + ' runs (least to most)':38}" + "".join(f"{name:>16}" for name in kinds)
          + f"{'ikatd/bare':>20}" + "".join(f"{'ikatd/' + name:>20}" for name in kinds if name not in ("bare", "ikatd")))
    for what in found[0]["bare"]:
        line = f"{what:38}" + "".join(f"{median(run[name][what] for run in found):16.0f}" for name in kinds)
        for name in (name for name in kinds if name != "ikatd"):
            ratios = sorted(run["ikatd"][what] / run[name][what] for run in found if run[name][what])
            line += f"{f'{median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})':>20}" if ratios else f"{'-':>20}"
        print(line)
    throughput = {what.removesuffix(", Mbit/s"): [median(run[name][what] for run in found) / 1000 for name in kinds]
                  for what in found[0]["bare"] if what.endswith("Mbit/s")}
    bars("speed", "Throughput of tunnels in user space, both ends on the machine (bare: no cryptography)", "Gbit/s",
         throughput, list(kinds))
