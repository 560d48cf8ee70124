# SPDX-License-Identifier: Apache-2.0
"""Logins per second of the Gateway's processor, and its memory for an IKE SA: several runs of each kind, in turns."""
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from lab.daemons import Ikatd
from lab.net import Lab
from lab.settings import IDS, end_user, gateway, merge
from lab.traffic import cpu_seconds, resident_octets

WARM = 30  # logins before anything is counted: what is allocated once
AT_ONCE = 3  # more half-open IKE SAs of one address are asked for cookies, or not answered


def pids(daemon):
    """Its processes, or an error: a figure without one of them would be wrong."""
    found = daemon.pids()
    if not found:
        raise RuntimeError("no process")
    return found


def one_run(kind, count):
    """Logins per second of the Gateway's processor, and its memory for an IKE SA with one Child SA."""
    anybody = {"connections": {"gate": {"remote": {"id": "%any"}, "unique": "never"}},
               "secrets": {"ike-lab": {"id-1": IDS["gw"], "id-2": None}}, "pools": {"inner": {"addrs": "10.32.0.0/16"}}}
    home = end_user()["connections"]["home"]
    many = {f"c{n}": merge(home, {"local": {"id": f"u{n}@lab.example"}, "unique": "never"}) for n in range(count + WARM)}
    with Lab() as lab:
        gate = kind(lab, "gw", merge(gateway(), anybody)).start()
        user = Ikatd(lab, "eu", {"connections": many, "secrets": {"ike-lab": {"id-1": IDS["gw"], "secret": '"the lab\'s secret"'}}})
        user.start()

        def login(names):
            with user.vici() as vici:
                for name in names:
                    answer = vici.request("initiate", {"ike": name, "child": "net", "timeout": "20000", "loglevel": "0"})
                    if answer.get("success") != "yes":
                        raise RuntimeError(f"login {name}: {answer}")

        def logins(first, end):
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(login, [[f"c{n}" for n in range(first + part, end, AT_ONCE)] for part in range(AT_ONCE)]))
        logins(0, WARM)
        of = pids(gate)
        cpu, memory = cpu_seconds(of), resident_octets(of)
        logins(WARM, WARM + count)
        cpu, memory = cpu_seconds(of) - cpu, resident_octets(of) - memory
        if len(gate.established()) != count + WARM:
            raise RuntimeError(f"{len(gate.established())} of {count + WARM} IKE SAs")
        return {"logins per CPU second": count / cpu, "KiB per IKE SA with a Child SA": memory / 1024 / count}


def logins(kinds, count, times):
    """Prints what the runs gave; returns the median of each figure for each kind."""
    runs = {name: [] for name in kinds}
    for _ in range(times):
        for name, kind in kinds.items():
            runs[name].append(one_run(kind, count))
    print(f"\n{times} runs in turns, {count} logins each, {AT_ONCE} at once\n")
    print(f"{'':34}{'':12}{'least':>10}{'median':>10}{'most':>10}")
    middle = {name: {} for name in kinds}
    for what in runs[next(iter(kinds))][0]:
        for name in kinds:
            values = sorted(run[what] for run in runs[name])
            middle[name][what] = median(values)
            print(f"{what:34}{name:12}{values[0]:10.1f}{median(values):10.1f}{values[-1]:10.1f}")
    print()
    return middle
