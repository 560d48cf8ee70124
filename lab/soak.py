# SPDX-License-Identifier: Apache-2.0
"""An End User and a Gateway under load and faults for minutes: nothing may grow, get lost or leave in the clear.

usage: python3 -m lab.soak MINUTES [SEED]

All the time: echoes through the VPN, rekeys every few seconds, logins and logouts of others, and TCP at full rate in
turns. Every few seconds one fault: a link is cut, swallows packets or returns, a reload at either end, a flood of
spoofed requests, a client with valid secrets that sends nonsense, kill -9 of a process. Exit status 1: a demand is not
met.
"""
import os
import random
import signal
import sys
import time
from statistics import median

from lab.daemons import Ikatd
from lab.flow import Flow
from lab.net import BUILD, Lab, address
from lab.run import Failed, wait
from lab.scripted import message as m
from lab.scripted.peer import Peer
from lab.settings import IDS, end_user, gateway, merge, paths
from lab.traffic import iperf, resident_octets
from lab.watch import ALONE, HOST, SERVERS, Watch, processes

LOG = 20000                # octets of each log that a failure shows
GUESTS = 20                # who log in and out
PAUSE_S = 3                # between two faults
BACK_S = 30                # within which echoes come again after a fault
GROWTH, SLACK = 1.2, 2**21  # memory of the last third against the first one: at most GROWTH times and SLACK octets
SLOWER = 0.5               # throughput at the end against the beginning, on a machine that others use too


def configurations():
    """Of the End User and the Gateway."""
    quick = {"rekey_time": "7s", "over_time": "5s", "rand_time": "2s"}
    child = {"start_action": "start", "dpd_action": "restart", "rekey_time": "5s", "life_time": "9s", "rand_time": "2s"}
    home = end_user(paths("balance", stable_for="1s", **quick), child)
    guest = end_user()["connections"]["home"]
    guests = {f"g{n}": merge(guest, {"local": {"id": f"g{n}@lab.example"}}) for n in range(GUESTS)}
    user = merge(home, {"connections": guests, "secrets": {"ike-lab": {"id-1": IDS["gw"], "id-2": None}}})
    gate = gateway(quick)
    # a pool of their own, so that no guest gets the End User's address when the Gateway was started anew
    anybody = merge(gate["connections"]["gate"], {"remote": {"id": "%any"}, "pools": "guests"})
    gate = merge(gate, {"connections": {"guests": anybody}, "pools": {"guests": {"addrs": "10.31.0.0/24"}},
                        "secrets": {"ike-lab": {"id-1": None, "id-2": None}}})
    return user, gate


class Soak:
    """The lab, what runs in it, and what was seen."""

    def __init__(self, lab, seed):
        self.lab, self.dice = lab, random.Random(seed)
        lab.run("core", "ip", "route", "add", "blackhole", "198.18.0.0/15")
        user, gate = configurations()
        self.gate = Ikatd(lab, "gw", gate).start()
        self.user = Ikatd(lab, "eu", user).start()
        self.user.wait_paths(2)
        self.watch = Watch(lab, "eu")
        self.flow = Flow(lab, "eu", "host", HOST, 5)
        self.samples, self.faults, self.longest = [], {}, 0.0

    # ---- what happens

    def login_and_out(self):
        """A guest comes and goes."""
        name = f"g{self.dice.randrange(GUESTS)}"
        with self.user.vici() as vici:
            vici.request("initiate", {"ike": name, "child": "net", "timeout": "10000", "loglevel": "0"})
        self.user.request("terminate", ike=name, force="yes", timeout="-1")

    def cut_link(self):
        """A link goes down and comes back."""
        access = self.dice.choice(("wlan", "lte"))
        self.lab.cut(access)
        self.flow.wait_alive(BACK_S)
        self.lab.restore(access)

    def black_hole(self):
        """A link swallows packets for a while."""
        access = self.dice.choice(("wlan", "lte"))
        self.lab.blackhole(access)
        self.flow.wait_alive(BACK_S)
        self.lab.blackhole(access, False)

    def reload(self):
        """SIGHUP at both ends."""
        self.user.reload()
        self.gate.reload()

    def flood(self):
        """Three seconds of spoofed requests."""
        kind = self.dice.choice(("good", "bad", "nothing", "junk", "fragment", "mixed"))
        program = os.path.join(BUILD, "bench", "flood")
        self.lab.run("core", program, kind, "5000", "3", address("wan0", "gw"))

    def hostile_client(self):
        """Somebody with valid secrets: requests that make no sense, and an end without a word."""
        with Peer(self.lab, "eu", "lte") as peer:
            peer.host, peer.home, peer.me = "lte", address("lte-core", "lte"), "hostile@lab.example"
            login = peer.login()
            for _ in range(20):
                kind = self.dice.choice((m.INFORMATIONAL, m.CREATE_CHILD_SA, m.IKE_AUTH, 200))
                junk = m.Payload(self.dice.randrange(33, 60), self.dice.randbytes(self.dice.randrange(80)))
                peer.send(login.sa, kind, [junk])
                try:
                    peer.response(login.sa, timeout=0.2)
                except Failed:
                    break

    def kill(self):
        """kill -9 of one process at one end: all are started anew, and log in again."""
        daemon = self.dice.choice((self.user, self.gate))
        before = processes(daemon)
        os.kill(before[self.dice.choice([name for name in SERVERS if name not in ALONE])], signal.SIGKILL)
        wait(lambda: len(processes(daemon)) == len(SERVERS) and set(processes(daemon).values()).isdisjoint(before.values()),
             f"the processes of {daemon.name} are started anew", 30)

    FAULTS = (login_and_out, login_and_out, cut_link, black_hole, reload, flood, hostile_client, kill)

    # ---- what is seen

    def sample(self):
        """Memory and descriptors of each daemon."""
        sample = {}
        for daemon in (self.user, self.gate):
            pids = list(processes(daemon).values())
            sample[daemon.name, "octets"] = resident_octets(pids)
            sample[daemon.name, "descriptors"] = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)
        self.samples.append(sample)

    def throughput(self):
        """Mbit/s of TCP."""
        return iperf(self.lab, "eu", "host", HOST, seconds=5)["sum_received"]["bits_per_second"] / 1e6

    def fault(self):
        """One of them; then the echoes must come again."""
        what = self.dice.choice(self.FAULTS)
        self.faults[what.__name__] = self.faults.get(what.__name__, 0) + 1
        print(f"  {time.monotonic():10.3f} {what.__name__}", flush=True)
        what(self)
        self.longest = max(self.longest, self.flow.wait_alive(BACK_S))
        self.user.wait_paths(2, timeout=BACK_S)
        self.sample()

    def growth(self):
        """What is larger in the last third than it may be."""
        third = max(1, len(self.samples) // 3)
        for key in self.samples[0]:
            first = median(sample[key] for sample in self.samples[:third])
            last = median(sample[key] for sample in self.samples[-third:])
            print(f"  {key[0]:10} {key[1]:12} first third {first:12.0f}, last third {last:12.0f}")
            if last > first * GROWTH + (SLACK if key[1] == "octets" else 0):
                yield f"{key[0]}: {key[1]} grew from {first:.0f} to {last:.0f}"


def soak(minutes, seed):
    """Runs it; returns what was wrong."""
    with Lab() as lab:
        run = Soak(lab, seed)
        before = run.throughput()
        run.sample()
        end = time.monotonic() + 60 * minutes
        try:
            while time.monotonic() < end:
                run.fault()
                time.sleep(PAUSE_S)
        except Failed:
            print(f"---- {run.user.name}\n{run.user.log()[-LOG:]}\n---- {run.gate.name}\n{run.gate.log()[-LOG:]}")
            raise
        after = run.throughput()
        wrong = list(run.growth())
        clear = run.watch.count()
        print(f"  faults: {', '.join(f'{name} {count}' for name, count in sorted(run.faults.items()))}\n"
              f"  longest silence {run.longest:.0f} ms, packets in the clear {clear}, TCP {before:.0f}, at the end {after:.0f} Mbit/s")
        if clear:
            wrong.append(f"{clear} packets left in the clear")
        if after < before * SLOWER:
            wrong.append(f"throughput fell from {before:.0f} to {after:.0f} Mbit/s")
        for daemon in (run.user, run.gate):
            if daemon.stop(60) != 0:
                wrong.append(f"{daemon.name} ended with an error")
        return wrong


def main():
    """See above."""
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    seed = int(sys.argv[2]) if len(sys.argv) == 3 else int.from_bytes(os.urandom(3), "big")
    print(f"soak: {sys.argv[1]} minutes, seed {seed}", flush=True)
    wrong = soak(float(sys.argv[1]), seed)
    for text in wrong:
        print(f"soak: {text}")
    print(f"soak: {'not ' if wrong else ''}passed")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
