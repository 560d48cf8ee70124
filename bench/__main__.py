# SPDX-License-Identifier: Apache-2.0
"""usage: python3 -m bench [--only peer|speed|rounds|scale|aggregate|aggregate-model|timeline|crowd|flood]
[--profiles NAME,...] [--seconds N] [--logins N]
[--runs N] [--rounds N] [--scale N] [--flood KIND...] [--rate N...]

ikatd and strongSwan, measured in one run on one machine.

Both do ESP in user space (strongSwan: kernel-libipsec), with AES-128-GCM. Both ends, iperf3 and the links share the
machine's
processors. Logins and clones are counted per second of the Gateway's processor time, with ikatd as the initiator for
both.
"""
import argparse
import os
import sys

from bench.aggregate import aggregate, aggregate_model
from bench.crowd import crowds
from bench.flood import KINDS as FLOODS, RATES, flood
from bench.logins import logins, pids
from bench.rounds import rounds
from bench.scale import scale
from bench.speed import speed
from bench.timeline import timeline
from lab.daemons import Ikatd, Strongswan
from lab.net import INTERFACE, Lab, address
from lab.run import wait
from lab.settings import end_user, gateway
from lab.traffic import cpu_seconds, iperf

HOST = address("lan", "host")
KINDS = {"ikatd": Ikatd, "strongSwan": Strongswan}
PARTS = ("peer", "speed", "rounds", "scale", "aggregate", "aggregate-model", "timeline", "crowd", "flood")
FURTHER = 6  # VPNs that a session gets by cloning


def traffic(kind, seconds):
    """TCP throughput in Mbit/s, and packets of 64 octets per second, of one flow through a tunnel."""
    with Lab() as lab:
        KINDS[kind](lab, "gw", gateway()).start()
        user = KINDS[kind](lab, "eu", end_user()).start()
        answer = user.initiate("net")
        if answer.get("success") != "yes":
            raise RuntimeError(answer)
        lab.run("eu", "ping", "-c1", "-W5", HOST)
        tcp = iperf(lab, "eu", "host", HOST, seconds=seconds)["sum_received"]["bits_per_second"] / 1e6
        back = iperf(lab, "eu", "host", HOST, "-R", seconds=seconds)["sum_received"]["bits_per_second"] / 1e6
        udp = iperf(lab, "eu", "host", HOST, "-u", "-b", "0", "-l", "36", seconds=seconds)["sum"]
        return {"TCP, End User to host, Mbit/s": tcp, "TCP, host to End User, Mbit/s": back,
                "64-octet packets per second": (udp["packets"] - udp["lost_packets"]) / udp["seconds"]}


def sessions_cpu(further, count):
    """Gateway's processor seconds for sessions with that many further VPNs each."""
    gateways = [f"192.0.2.{n + 1}" for n in range(further + 1)]
    plan = {f"p{n}": {"interface": INTERFACE["wlan"], "remote_addrs": to} for n, to in enumerate(gateways)}
    conn = {"paths": plan, "multipath": "balance", "max_ike_sas": "16", "remote_addrs": gateways[0], "mesh": "full"}
    with Lab() as lab:
        lab.batch("gw", [f"addr add {to}/24 dev wan0" for to in gateways[1:]] or ["link set lo up"])
        gate = Ikatd(lab, "gw", gateway({"max_ike_sas": "16", "local_addrs": None})).start()
        user = Ikatd(lab, "eu", end_user(conn)).start()
        of = pids(gate)
        used = 0.0
        for _ in range(count):
            before = cpu_seconds(of)
            user.initiate("net")
            user.wait_paths(further + 1, timeout=30)
            used += cpu_seconds(of) - before
            user.request("terminate", ike="home", timeout="10000")
            wait(lambda: not gate.sas(), "the session is gone")
        return used


def clones(count):
    """Further VPNs (clone, move, Child SA) per second of the Gateway's processor."""
    extra = sessions_cpu(FURTHER, count) - sessions_cpu(0, count)
    return {"cloned VPNs per CPU second": count * FURTHER / extra if extra > 0 else float("nan")}


def peer(options):
    """The table beside strongSwan."""
    results = {}
    for kind in KINDS:
        results[kind] = traffic(kind, options.seconds)
    for kind, found in logins(KINDS, options.logins, options.runs).items():
        results[kind] |= found
    results["ikatd"] |= clones(options.sessions)
    print(f"{os.cpu_count()} processors, Linux {os.uname().release}\n")
    print(f"{'':44}{'ikatd':>12}{'strongSwan':>12}{'ratio':>8}")
    for what, mine in results["ikatd"].items():
        theirs = results["strongSwan"].get(what)
        ratio = f"{mine / theirs:8.2f}" if theirs else f"{'-':>8}"
        print(f"{what:44}{mine:12.1f}{theirs:12.1f}{ratio}" if theirs else f"{what:44}{mine:12.1f}{'-':>12}{ratio}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--logins", type=int, default=500)
    parser.add_argument("--runs", type=int, default=5, help="runs of the logins, of each kind")
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--scale", type=int, default=100000, help="most sessions in one Gateway")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind of round trips")
    parser.add_argument("--only", choices=PARTS, help="a part of it")
    parser.add_argument("--wireguard-go", metavar="PATH", help="a program of wireguard-go, for speed")
    parser.add_argument("--profiles", type=lambda text: text.split(","), help="of aggregate; all without")
    parser.add_argument("--flood", nargs="*", choices=FLOODS, default=FLOODS, help="kinds of floods")
    parser.add_argument("--crowd", type=int, nargs="*", default=(626, 1000, 10000), help="numbers of sessions of a crowd")
    parser.add_argument("--rate", type=int, nargs="*", default=RATES, help="spoofed datagrams a second")
    options = parser.parse_args()
    if options.only in (None, "peer"):
        peer(options)
    if options.only in (None, "speed"):
        speed(options.seconds, options.rounds, options.wireguard_go)
    if options.only in (None, "rounds"):
        rounds(options.rounds)
    if options.only in (None, "aggregate"):
        aggregate(options.seconds, options.rounds, options.profiles)
    if options.only in (None, "aggregate-model"):
        aggregate_model(options.rounds, options.profiles)
    if options.only in (None, "timeline"):
        timeline(options.seconds)
    if options.only in (None, "crowd"):
        crowds(options.crowd, options.seconds, options.rounds)
    if options.only in (None, "flood"):
        flood(100, 12, options.flood, options.rate)
    if options.only in (None, "scale") and not scale(options.scale):
        return "an operation costs too much with many sessions"
    return 0


if __name__ == "__main__":
    sys.exit(main())
