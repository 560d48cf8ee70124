# SPDX-License-Identifier: Apache-2.0
"""One TCP flow over two paths: each path alone, and both with `multipath = aggregate`, on emulated links of single
packets.

The profiles are those of mp0rta/mqvpn's report of 2026-06-18: delay, jitter and loss of the direction in which the
flow sends; the
other direction is clean. `UDP` is the sum of what paced UDP delivers over each path alone.
"""
import os
import subprocess
from statistics import median

from bench.pictures import bars, machine
from lab.daemons import Ikatd
from lab.net import BUILD, INTERFACE, Lab, address
from lab.settings import end_user, gateway, paths
from lab.traffic import iperf

HOST = address("lan", "host")
LIMIT = 1000  # packets that a link queues, as netem does

# name: (ms of delay, ms of jitter, % of loss, Mbit/s) of both paths
PROFILES = {
    "baseline": ((20, 0, 0, 50), (20, 0, 0, 50)),
    "rtt_40": ((20, 0, 0, 50), (40, 0, 0, 50)),
    "rtt_70": ((20, 0, 0, 50), (70, 0, 0, 50)),
    "rtt_120": ((20, 0, 0, 50), (120, 0, 0, 50)),
    "rtt_320": ((20, 0, 0, 50), (320, 0, 0, 50)),
    "jit_5": ((20, 5, 0, 50), (20, 5, 0, 50)),
    "jit_20": ((20, 20, 0, 50), (20, 20, 0, 50)),
    "loss_05": ((20, 0, 0.5, 50), (20, 0, 0.5, 50)),
    "loss_2": ((20, 0, 2, 50), (20, 0, 2, 50)),
    "bw_4to1": ((20, 0, 0, 50), (20, 0, 0, 12)),
    "bw_10to1": ((20, 0, 0, 100), (20, 0, 0, 10)),
    "dual_lte": ((30, 5, 0.5, 40), (45, 8, 0.5, 25)),
    "fiber_lte": ((8, 0, 0, 300), (40, 8, 0.5, 30)),
    "lte_starlink": ((35, 8, 0, 40), (50, 25, 1, 100)),
    "lte_geo": ((35, 0, 0, 40), (320, 20, 0.5, 20)),
    "congested": ((50, 20, 2, 20), (60, 25, 2, 15)),
}
# mqvpn's report: Mbit/s with BBR over its better path alone, and over both with whichever of its two schedulers
# delivered more, each with its reorder buffer on or off
RIVAL = {
    "baseline": (40.6, 73.9), "rtt_40": (40.5, 49.0), "rtt_70": (40.6, 40.2), "rtt_120": (40.7, 40.6),
    "rtt_320": (40.3, 40.1), "jit_5": (38.8, 61.4), "jit_20": (17.4, 37.6), "loss_05": (32.2, 70.7),
    "loss_2": (16.3, 29.0), "bw_4to1": (40.6, 39.9), "bw_10to1": (74.2, 70.1), "dual_lte": (29.6, 29.6),
    "fiber_lte": (212.4, 212.3), "lte_starlink": (29.6, 27.2), "lte_geo": (31.7, 31.5), "congested": (6.4, 6.4),
}
OVERTAKING = {"overtaking": ((20, 10, 0, 50), (20, 10, 0, 50))}
NAMES = ("wlan", "lte")


def conf(names, mode):
    """Keys of an End User that uses these paths."""
    keys = paths("balance")
    return keys | {"paths": {name: keys["paths"][name] for name in names}, "multipath": mode}


def flow(lab, control, seconds):
    """Mbit/s of one TCP flow at its receiver."""
    end = iperf(lab, "eu", "host", HOST, "-C", control, "-O", "2", seconds=seconds)
    return end["sum_received"]["bits_per_second"] / 1e6


def paced(lab, rate, seconds):
    """Mbit/s that UDP at this rate delivers."""
    end = iperf(lab, "eu", "host", HOST, "-u", "-b", f"{rate}M", "-l", "1300", seconds=seconds)["sum"]
    return end["bits_per_second"] * (1 - end["lost_percent"] / 100) / 1e6


def session(lab, names, mode, measure):
    """Measures through a session with these paths."""
    user = Ikatd(lab, "eu", end_user(conf(names, mode))).start()
    try:
        user.initiate("net")
        user.wait_paths(len(names))
        return measure(user)
    finally:
        user.stop()


def controls(seconds):
    """Measures one flow with each congestion control."""
    return lambda lab: {control: flow(lab, control, seconds) for control in ("cubic", "bbr")}


def profile(specs, overtakes, seconds):
    """What the paths alone and both together deliver."""
    found = {}
    with Lab(emulate=NAMES) as lab:
        lab.single_packets()
        for name, (delay, jitter, loss, rate) in zip(NAMES, specs):
            lab.emulators[name].set(delay_us=delay * 1000, jitter_us=jitter * 1000, loss_ppm=int(loss * 10000),
                                    rate_kbps=rate * 1000, overtakes=int(overtakes), limit=LIMIT, directions=1)
        for interface in INTERFACE.values():
            lab.run("eu", "ping", "-c1", "-W5", "-I", interface, address("wan0", "gw"))
        Ikatd(lab, "gw", gateway({"multipath": "aggregate"})).start()
        measure = controls(seconds)
        for name, spec in zip(NAMES, specs):
            found[name] = session(lab, [name], "failover",
                                  lambda _, rate=spec[3]: measure(lab) | {"udp": paced(lab, rate, seconds)})
        found["both"] = session(lab, NAMES, "aggregate", lambda _: measure(lab))
    return found


def figures(runs):
    """Medians of the runs: {(what, control): Mbit/s}."""
    keys = [(what, control) for what, values in runs[0].items() for control in values]
    return {(what, control): median(run[what][control] for run in runs) for what, control in keys}


def row(name, got):
    """A line of the table."""
    udp = got["wlan", "udp"] + got["lte", "udp"]
    line = f"{name:14}{udp:7.1f}"
    for control in ("cubic", "bbr"):
        alone = max(got["wlan", control], got["lte", control])
        both = got["both", control]
        line += f"{got['wlan', control]:9.1f}{got['lte', control]:7.1f}{both:7.1f}{both / alone:7.2f}{both / udp:7.2f}"
    return line


def picture(found, where):
    """Draws what both paths deliver together against the better one alone. `found`: {profile: {control: ratio}}."""
    groups = {name: [found[name]["bbr"], both / alone]
              for name, (alone, both) in RIVAL.items() if name in found}
    if len(groups) == len(RIVAL):
        bars("profiles", "One flow with BBR over two links, against the better link alone (1: no gain)", "times the better link", groups,
             ["ikat", "mqvpn, its best scheduler"],
             f"ikat: {where}, {machine()}; mqvpn: its report of 2026-06-18, another machine")


def ratios(got):
    """{control: what both deliver against the better one}."""
    return {control: got["both", control] / max(got[name, control] for name in NAMES) for control in ("cubic", "bbr")}


def aggregate(seconds, repetitions, only):
    """The table of all profiles, or of those named."""
    print(f"{'':14}{'':7}{'cubic: A':>9}{'B':>7}{'both':>7}{'/best':>7}{'/UDP':>7}{'BBR: A':>9}{'B':>7}{'both':>7}{'/best':>7}{'/UDP':>7}")
    print(f"{'Mbit/s':14}{'UDP':>7}")
    found = {}
    for name, specs in (PROFILES | OVERTAKING).items():
        if only and name not in only:
            continue
        runs = [profile(specs, name in OVERTAKING, seconds) for _ in range(repetitions)]
        print(row(name, figures(runs)), flush=True)
        found[name] = ratios(figures(runs))
    picture(found, "emulated links")


def aggregate_model(seeds, only):
    """The same table on virtual time (test/aggregate): it depends on no machine, and takes seconds."""
    program = os.path.join(BUILD, "test", "aggregate", "aggregate_model")
    table = subprocess.run([program, "-s", str(seeds), *(only or [])], check=True, stdout=subprocess.PIPE, text=True).stdout
    print(table, end="")
    found = {}
    for line in table.splitlines():
        name, *controls_of = line.split("|")
        if len(controls_of) == 2 and name.strip() in PROFILES:
            found[name.strip()] = {control: float(part.replace(":", "").split()[3]) for control, part in zip(("cubic", "bbr"), controls_of)}
    picture(found, "model on virtual time")
