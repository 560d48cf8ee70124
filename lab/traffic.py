# SPDX-License-Identifier: Apache-2.0
"""iperf3 between two hosts of the lab."""
import glob
import json
import subprocess

from lab.run import wait


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
    """Time that the threads of processes have run so far, to the nanosecond (/proc/PID/stat counts in ticks of 10
    ms)."""
    total = 0
    for pid in pids:
        for name in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            with open(name, encoding="ascii") as file:
                total += int(file.read().split()[0])
    return total / 1e9


def resident_octets(pids):
    """Memory that processes have for themselves (proportional set size)."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total * 1024
