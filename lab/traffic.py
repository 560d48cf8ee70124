# SPDX-License-Identifier: Apache-2.0
"""iperf3 between two hosts of the lab."""
import json
import subprocess

from lab.run import run, wait


def iperf(lab, source, target, address, *options, seconds=3):
    """Runs iperf3 from source to an address of target; returns the `end` of its report."""
    server = lab.start(target, "iperf3", "-s", "-1", "-B", address, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait(lambda: ":5201" in lab.run(target, "ss", "-Hltn"), "iperf3 listens")
    try:
        report = json.loads(lab.run(source, "iperf3", "-J", "-c", address, "-t", str(seconds), *options, check=False,
                                    timeout=seconds + 30))
        if "error" in report:
            raise RuntimeError(f"iperf3: {report['error']}")
        return report["end"]
    finally:
        server.kill()
        server.wait()


def cpu_seconds(pids):
    """User and system time that processes have used so far."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / int(run("getconf", "CLK_TCK"))


def resident_octets(pids):
    """Memory that processes have for themselves (proportional set size)."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total * 1024
