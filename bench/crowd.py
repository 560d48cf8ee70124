# SPDX-License-Identifier: Apache-2.0
"""One TCP flow while other things go on: among many Child SAs, and while its own Child SA is rekeyed every two seconds.
Then processor time of a Gateway whose sessions are all idle.
"""
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from bench.logins import AT_ONCE, ends, pids
from lab.daemons import Ikatd
from lab.net import Lab, address
from lab.settings import end_user, gateway
from lab.traffic import cpu_seconds, iperf

HOST = address("lan", "host")
REKEY = {"rekey_time": "2s", "life_time": "4s", "rand_time": "0s"}
IDLE = 10  # seconds for which the idle sessions are watched


def crowd(lab, count):
    """So many sessions of one Child SA each: (Gateway, End User)."""
    gate, user, _ = ends(lab, "PSK", Ikatd, count)

    def login(part):
        with user.vici() as vici:
            for number in range(part, count, AT_ONCE):
                answer = vici.request("initiate", {"ike": f"c{number}", "child": "net", "timeout": "20000", "loglevel": "0"})
                if answer.get("success") != "yes":
                    raise RuntimeError(f"login {number}: {answer}")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(login, range(AT_ONCE)))
    if len(gate.established()) != count:
        raise RuntimeError(f"{len(gate.established())} of {count} sessions")
    return gate, user


def idle_cpu(gate):
    """The share of one processor that the Gateway takes."""
    before = cpu_seconds(pids(gate))
    time.sleep(IDLE)
    return (cpu_seconds(pids(gate)) - before) / IDLE


def among(count, seconds, repetitions):
    """Mbit/s of one TCP flow through the first of so many sessions beside another lab with one, in turns: the ratios;
    and the processor time of the idle Gateway."""
    with Lab() as small, Lab() as large:
        labs = {small: crowd(small, 1), large: crowd(large, count)}
        idle = idle_cpu(labs[large][0])
        source = {lab: user.session("c0")["config"]["addresses"][0] for lab, (_, user) in labs.items()}

        def flow(lab):
            return iperf(lab, "eu", "host", HOST, "-B", source[lab], seconds=seconds)["sum_received"]["bits_per_second"]
        return sorted(flow(large) / flow(small) for _ in range(repetitions)), idle


def retransmits(child, seconds):
    """Segments that one TCP flow sends again for each GB, and the Child SAs that carried it."""
    with Lab() as lab:
        Ikatd(lab, "gw", gateway()).start()
        user = Ikatd(lab, "eu", end_user(child=child)).start()
        user.initiate("net")
        first = user.children()[0]["uniqueid"]
        end = iperf(lab, "eu", "host", HOST, seconds=seconds)
        used = int(user.children()[0]["uniqueid"]) - int(first) + 1
        return 1e9 * end["sum_sent"]["retransmits"] / end["sum_sent"]["bytes"], used


def crowds(sizes, seconds, repetitions):
    """Prints the tables."""
    print(f"\n{'sessions, one Child SA each':30}{'one flow, against 1 session':>34}{'idle Gateway, processors':>28}")
    for count in sizes:
        ratios, idle = among(count, seconds, repetitions)
        spread = f"{median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"
        print(f"{count:<30,}{spread:>34}{idle:28.3f}", flush=True)
    print(f"\n{'one TCP flow':30}{'retransmits per GB':>34}{'Child SAs':>28}")
    for name, child in (("without a rekey", None), ("rekeyed every 2 s", REKEY)):
        runs = [retransmits(child, max(seconds, 8)) for _ in range(repetitions)]
        again = sorted(again for again, _ in runs)
        print(f"{name:30}{f'{median(again):.1f} ({again[0]:.1f}-{again[-1]:.1f})':>34}{median(used for _, used in runs):28.0f}", flush=True)
