# SPDX-License-Identifier: Apache-2.0
"""Over time, on two emulated links: the rate of one TCP flow while the better link is cut and returns, and the delay of
a call beside a bulk flow.
"""
import json
import subprocess
import time
from statistics import mean

from bench.pictures import curves
from lab.call import PERIOD, call
from lab.daemons import Ikatd
from lab.net import INTERFACE, Lab, address
from lab.run import wait
from lab.settings import end_user, gateway, paths

HOST = address("lan", "host")
LINKS = {"wlan": dict(delay_us=20000, rate_kbps=50000), "lte": dict(delay_us=30000, rate_kbps=30000)}
LIMIT = 300  # packets that a link queues
SECONDS, CUT, RETURN = 26, 8, 14
MEAN = 5  # reports of 0.1 s of which the picture shows the mean


def tunnel(mode, names=tuple(LINKS)):
    """A lab with a session over these links."""
    lab = Lab(emulate=tuple(LINKS))
    lab.single_packets()
    for name, emulator in lab.emulators.items():
        emulator.set(limit=LIMIT, **LINKS[name])
    for interface in INTERFACE.values():
        lab.run("eu", "ping", "-c1", "-W5", "-I", interface, address("wan0", "gw"))
    keys = paths(mode)
    Ikatd(lab, "gw", gateway({"multipath": mode})).start()
    user = Ikatd(lab, "eu", end_user(keys | {"paths": {name: keys["paths"][name] for name in names}})).start()
    user.initiate("net")
    user.wait_paths(len(names))
    return lab


def cut(mode):
    """The rate that the End User receives, in Mbit/s: [(second, rate)]."""
    with tunnel(mode) as lab:
        server = lab.start("host", "iperf3", "-s", "-1", "-B", HOST, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait(lambda: ":5201" in lab.run("host", "ss", "-Hltn"), "iperf3 listens")
        flow = lab.start("eu", "iperf3", "-J", "-R", "-i", "0.1", "-t", str(SECONDS), "-c", HOST, stdout=subprocess.PIPE)
        for second, setting in ((CUT, 1), (RETURN, 0)):
            time.sleep(second if setting else RETURN - CUT)
            lab.emulators["wlan"].set(cut=setting)
        report = json.loads(flow.communicate(timeout=SECONDS + 30)[0])
        server.wait(10)
        return [(one["sum"]["end"], one["sum"]["bits_per_second"] / 1e6) for one in report["intervals"]]


def gap(points):
    """The longest time without an octet, in seconds."""
    longest, last = 0.0, 0.0
    for second, rate in points:
        if rate > 0:
            longest, last = max(longest, second - last - 0.1), second
    return longest


def smooth(points):
    """Means of MEAN points each."""
    parts = [points[at:at + MEAN] for at in range(0, len(points), MEAN)]
    return [(part[-1][0], mean(rate for _, rate in part)) for part in parts]


def beside_bulk(mode, names, seconds):
    """Delays of a call beside one TCP flow, in milliseconds: [(second, delay)], and how many were lost."""
    with tunnel(mode, names) as lab:
        server = lab.start("host", "iperf3", "-s", "-1", "-B", HOST, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait(lambda: ":5201" in lab.run("host", "ss", "-Hltn"), "iperf3 listens")
        bulk = lab.start("eu", "iperf3", "-c", HOST, "-t", str(seconds + 10), stdout=subprocess.DEVNULL)
        time.sleep(3)  # until the flow has its rate
        delays = call(lab, "eu", "host", HOST, seconds)
        for process in (bulk, server):
            process.kill()
            process.wait()
        points = [(number * PERIOD, 1000 * delay) for number, delay in enumerate(delays) if delay is not None]
        return points, len(delays) - len(points)


def jitter(points):
    """99 % of the packets vary by less, in milliseconds: delay beyond the least."""
    delays = sorted(delay for _, delay in points)
    return delays[int(0.99 * (len(delays) - 1))] - delays[0]


def timeline(seconds):
    """Prints the figures, and draws both pictures."""
    rates = {mode: cut(mode) for mode in ("failover", "aggregate")}
    print(f"\none TCP flow over links of 50 and 30 Mbit/s; the faster one is black from second {CUT} to {RETURN}\n")
    print(f"{'':12}{'before':>10}{'cut':>10}{'behind':>10}{'longest gap, ms':>18}")
    for mode, points in rates.items():
        spans = ((2, CUT), (CUT + 1, RETURN), (SECONDS - 4, SECONDS))
        line = "".join(f"{mean(rate for second, rate in points if first < second <= end):10.1f}" for first, end in spans)
        print(f"{mode:12}{line}{1000 * gap(points):18.0f}")
    curves("cut", "One TCP flow; the 50 Mbit/s link fails without a sign and returns, 30 Mbit/s remain", "Mbit/s",
           {f"multipath = {mode}": smooth(points) for mode, points in rates.items()}, {CUT: "black hole", RETURN: "returns"})
    calls = {"one path": beside_bulk("failover", ["wlan"], seconds), "both, aggregate": beside_bulk("aggregate", list(LINKS), seconds)}
    print(f"\na call of 50 packets a second beside one TCP flow\n\n{'':18}{'p99 jitter, ms':>16}{'lost':>8}")
    for name, (points, lost) in calls.items():
        print(f"{name:18}{jitter(points):16.1f}{lost:8}")
    curves("call", "A call beside a bulk flow: delay of each of its packets", "ms, one way",
           {name: points for name, (points, _) in calls.items()}, {}, "points pointtype 7 pointsize 0.4")
