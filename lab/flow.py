# SPDX-License-Identifier: Apache-2.0
"""A steady flow of small UDP datagrams with an echo at the other end: how long was nothing coming back?

usage: flow echo ADDRESS PORT | flow send ADDRESS PORT PERIOD_MS
`send` answers each line on standard input with a JSON report of the time since the last one. At the line "end" it sends
nothing more, and waits for the echoes that are on their way before it reports.
"""
import json
import os
import select
import socket
import subprocess
import sys
import time

from lab.net import ROOT
from lab.run import Failed, wait


def echo(address, port):
    """Sends each datagram back."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, port))
    print("ready", flush=True)
    while True:
        octets, sender = sock.recvfrom(2048)
        try:
            sock.sendto(octets, sender)
        except OSError:
            pass


def send(address, port, period):
    """Sends a number each period."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((address, port))
    sock.setblocking(False)
    number = 0
    due = last = time.monotonic()
    sent = received = 0
    told = recent = 0  # the last number before the last report, and the echoes of later ones
    gap = 0.0
    rtts = []
    ending = None  # when the wait for the last echoes is over
    while True:
        now = time.monotonic()
        if now >= due and ending is None:
            number += 1
            due = max(due + period, now - 10 * period)
            try:
                sock.send(f"{number} {now!r}".encode())
                sent += 1
            except OSError:
                pass
        ready, _, _ = select.select([sock, sys.stdin], [], [], max(0.0, (ending or due) - time.monotonic()))
        if sock in ready:
            try:
                octets = sock.recv(2048)
            except OSError:
                octets = b""
            if octets:
                now = time.monotonic()
                gap, last = max(gap, now - last), now
                received += 1
                recent += int(octets.split()[0]) > told
                rtts.append(now - float(octets.split()[1]))
        line = sys.stdin.readline() if sys.stdin in ready else None
        if line == "":
            return
        if line == "end\n":
            ending, line = time.monotonic() + 5, None
        if line is not None or (ending is not None and (recent == sent or time.monotonic() >= ending)):
            rtts.sort()
            gap = max(gap, time.monotonic() - last)
            print(json.dumps({"sent": sent, "received": received, "lost": sent - recent, "gap_ms": round(gap * 1000, 1),
                              "rtt_ms": round(rtts[len(rtts) // 2] * 1000, 2) if rtts else None}), flush=True)
            sent = received = recent = 0
            told = number
            if ending is not None:
                return
            gap = 0.0  # a silence that goes on counts in the next report too
            rtts = []


class Flow:
    """A flow from one host of the lab to an echo on another."""
    port = 7000

    def __init__(self, lab, source, target, address, period_ms=1):
        Flow.port += 1
        self.longest, self.heard = 0.0, 0
        program = ["/usr/bin/python3", "-m", "lab.flow"]
        self.echo = lab.start(target, *program, "echo", address, Flow.port, stdout=subprocess.PIPE, cwd=ROOT)
        if self.echo.stdout.readline() != b"ready\n":
            raise Failed("the echo does not start")
        self.sender = lab.start(source, *program, "send", address, Flow.port, period_ms, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, cwd=ROOT)
        self.wait_alive()

    def report(self):
        """What happened since the last report: sent, received, gap_ms (longest silence), rtt_ms (median)."""
        return self._ask(b"\n")

    def lost(self):
        """Ends the flow; returns how many datagrams since the last report never came back."""
        lost = self._ask(b"end\n")["lost"]
        self.sender.wait()
        self.echo.kill()
        self.echo.wait()
        return lost

    def _ask(self, line):
        self.sender.stdin.write(line)
        self.sender.stdin.flush()
        return json.loads(self.sender.stdout.readline())

    def noise(self):
        """Collects what silences there are while nothing happens, in `longest` (ms); returns the echoes heard
        meanwhile."""
        report = self.report()
        self.longest = max(self.longest, report["gap_ms"])
        self.heard += report["received"]
        return self.heard

    def wait_alive(self, timeout=10):
        """Waits until echoes arrive (again); returns the longest silence in ms since the last report."""
        longest = 0.0

        def arrives():
            nonlocal longest
            report = self.report()
            longest = max(longest, report["gap_ms"])
            return report["received"] > 0
        wait(arrives, "echoes arrive", timeout, 0.05)
        return longest

    def stop(self):
        """Ends both ends; returns the last report."""
        report = self.report()
        for process in (self.sender, self.echo):
            process.kill()
            process.wait()
        return report


if __name__ == "__main__":
    if sys.argv[1] == "echo":
        echo(sys.argv[2], int(sys.argv[3]))
    else:
        send(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]) / 1000)
    os._exit(0)
