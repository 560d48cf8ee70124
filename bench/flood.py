# SPDX-License-Identifier: Apache-2.0
"""Floods of spoofed IKE datagrams against a Gateway: who still gets in, what established paths notice, what it costs.

The generator is on the same processors. A login counts if it succeeds within 2 s; all of them come from one other host.
"""
import os
import time
from concurrent.futures import ThreadPoolExecutor

from bench.logins import pids
from lab.daemons import Ikatd, Strongswan
from lab.net import BUILD, Lab, address
from lab.settings import IDS, end_user, gateway, merge
from lab.traffic import cpu_seconds, resident_octets

KINDS = ("good", "bad", "nothing", "junk", "fragment", "mixed")
RATES = (1500, 20000, 100000)
WITHIN_MS = 2000
FIRST_MS = 20000
AT_ONCE = 4
SETTLE_S = 1
HOST = address("lan", "host")


class Target:
    """A Gateway with one established End User, and further connections to log in with."""

    def __init__(self, lab, kind, count):
        anybody = {"connections": {"gate": {"remote": {"id": "%any"}, "unique": "never"}},
                   "secrets": {"ike-lab": {"id-1": None, "id-2": None}},
                   "pools": {"inner": {"addrs": "10.32.0.0/16"}}}
        home = end_user()["connections"]["home"]
        many = {f"c{n}": merge(home, {"local": {"id": f"u{n}@lab.example"}, "unique": "never"}) for n in range(count)}
        secrets = {"ike-lab": {"id-1": IDS["gw"], "secret": '"the lab\'s secret"'}}
        lab.run("core", "ip", "route", "add", "blackhole", "198.18.0.0/15")
        self.gate = kind(lab, "gw", merge(gateway(), anybody)).start()
        self.user = Ikatd(lab, "eu", {"connections": many, "secrets": secrets})
        self.user.start()

    def login(self, name, within_ms=WITHIN_MS):
        """Whether it succeeds in time."""
        with self.user.vici() as vici:
            message = {"ike": name, "child": "net", "timeout": str(within_ms), "loglevel": "0"}
            answer = vici.request("initiate", message)
        return answer.get("success") == "yes"


def one(kind, what, rate, count, seconds):
    """The figures of one flood."""
    with Lab() as lab:
        target = Target(lab, kind, count + 1)
        if not target.login("c0", FIRST_MS):
            raise RuntimeError("no login without a flood")
        of = pids(target.gate)
        memory, cpu = resident_octets(of), cpu_seconds(of)
        program = os.path.join(BUILD, "bench", "flood")
        flood = lab.start("core", program, what, str(rate), str(seconds), address("wan0", "gw"), stdout=-1)
        ping = lab.start("eu", "ping", "-q", "-i", "0.2", "-w", str(seconds), HOST, stdout=-1)
        time.sleep(SETTLE_S)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            inside = sum(pool.map(target.login, [f"c{n}" for n in range(1, count + 1)]))
        over = flood.poll() is not None
        sent = int(flood.communicate(timeout=seconds + 10)[0] or 0)
        pings = ping.communicate(timeout=seconds + 10)[0].decode().split(",")
        lost = [part.strip().split("%")[0] for part in pings if "packet loss" in part]
        return {"sent/s": sent / seconds, "in, of 100": 100 * inside / count, "lost": lost[0] if lost else "?",
                "CPU %": 100 * (cpu_seconds(of) - cpu) / seconds, "more MiB": (resident_octets(of) - memory) / 2**20,
                "late": "flood over" if over else ""}


def flood(count, seconds, kinds=KINDS, rates=RATES):
    """Prints a line for each flood; strongSwan's beside it."""
    print(f"\n{count} logins in each flood of {seconds} s, {AT_ONCE} at once; {os.cpu_count()} processors for all\n")
    print(f"{'':12}{'kind':10}{'rate':>8}{'sent/s':>10}{'in, of 100':>12}{'ping loss %':>12}{'CPU %':>8}"
          f"{'more MiB':>10}")
    for rate in rates:
        for what in kinds:
            for name, kind in {"ikatd": Ikatd, "strongSwan": Strongswan}.items():
                found = one(kind, what, rate, count, seconds)
                print(f"{name:12}{what:10}{rate:8}{found['sent/s']:10.0f}{found['in, of 100']:12.0f}{found['lost']:>12}"
                      f"{found['CPU %']:8.0f}{found['more MiB']:10.1f} {found['late']}", flush=True)
