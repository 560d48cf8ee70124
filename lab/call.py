# SPDX-License-Identifier: Apache-2.0
"""A call in one direction: 50 datagrams a second of 160 octets. All hosts of the lab have the same clock, so that the
delay in one direction is known.

usage: call listen ADDRESS PORT SECONDS | call speak ADDRESS PORT SECONDS
`listen` prints the delay of each number as JSON, SECONDS after the first datagram.
"""
import json
import socket
import struct
import subprocess
import sys
import time

from lab.net import ROOT
from lab.run import wait

PERIOD, OCTETS = 0.02, 160
HEAD = struct.Struct("!Id")


def listen(address, port, seconds):
    """Prints {number: seconds of delay} of what has arrived."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, port))
    delays, end = {}, None
    while end is None or time.monotonic() < end:
        sock.settimeout(max(end - time.monotonic(), 0.001) if end else 30)
        try:
            octets = sock.recv(2048)
        except TimeoutError:
            break
        number, sent = HEAD.unpack_from(octets)
        delays.setdefault(number, time.monotonic() - sent)
        end = end or time.monotonic() + seconds
    print(json.dumps(delays))


def speak(address, port, seconds):
    """Sends a datagram each period."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    start = time.monotonic()
    for number in range(int(seconds / PERIOD)):
        time.sleep(max(0.0, start + number * PERIOD - time.monotonic()))
        sock.sendto(HEAD.pack(number, time.monotonic()).ljust(OCTETS, b"."), (address, port))


def call(lab, source, target, address, seconds, port=5204):
    """Delays in seconds of a call from source to an address of target: a list, None where a datagram was lost."""
    command = [sys.executable, "-m", "lab.call"]
    ear = lab.start(target, *command, "listen", address, str(port), str(seconds + 1), cwd=ROOT, stdout=subprocess.PIPE)
    wait(lambda: f":{port}" in lab.run(target, "ss", "-Hlun"), "the other end listens")
    lab.start(source, *command, "speak", address, str(port), str(seconds), cwd=ROOT).wait(seconds + 20)
    delays = json.loads(ear.communicate(timeout=seconds + 30)[0])
    return [delays.get(str(number)) for number in range(int(seconds / PERIOD))]


if __name__ == "__main__":
    {"listen": listen, "speak": speak}[sys.argv[1]](sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
