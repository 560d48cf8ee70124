# SPDX-License-Identifier: Apache-2.0
"""A Gateway of many sessions (scale.c, plane.c): what an operation costs with 1,000, 10,000 and 100,000 of them."""
import json
import os
import subprocess

from lab.net import BUILD

SIZES = (1000, 10000, 100000)
GROWTH = 1.5  # what 100,000 sessions may cost more
IKE = {"login_us": "login (lease, first Child SA)", "clone_us": "clone", "request_us": "request found by SPI, answered",
       "lookup_us": "lookup by SPI, of a batch", "single_us": "lookup by SPI, alone",
       "longest_login_us": "longest login"}
PLANE = {"come_us": "session comes (2 Child SAs)", "rekey_us": "Child SA rekeyed", "go_us": "session goes",
         "send_us": "packet sent to any session", "receive_us": "packet received from any",
         "inner_us": "mere lookup by inner packet", "spi_us": "mere lookup by SPI", "longest_come_us": "longest coming"}
# little else than waiting for memory, which is as far away as it is; and single ones
TOLD = {"single_us", "inner_us", "spi_us", "longest_login_us", "longest_come_us"}


def rows(program, sizes):
    """What the program found for each size."""
    command = [os.path.join(BUILD, "bench", program), *sizes]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return [json.loads(line) for line in lines]


def table(found, operations):
    """Prints it; returns the largest growth of those that have a limit."""
    print(f"{'sessions':34}" + "".join(f"{row['sessions']:>16,}" for row in found))
    grown = 1.0
    for key, name in operations.items():
        print(f"{name:34}" + "".join(f"{row[key][0]:9.2f} x{row[key][0] / row[key][1]:5.2f}" for row in found))
        if key not in TOLD:
            grown = max([grown] + [row[key][0] / row[key][1] for row in found])
    return grown


def scale(most):
    """Prints the tables; returns whether no operation grew beyond its limit."""
    sizes = [str(size) for size in SIZES if size <= most] or [str(most)]
    print("\nA Gateway with sessions of two IKE SAs: processor time per operation in microseconds;\n"
          "x: against a Gateway with 1,000 sessions that did the same in turns\n")
    found = rows("scale", sizes)
    grown = table(found, IKE)
    print(f"{'octets allocated per IKE SA':34}" + "".join(f"{row['octets_per_sa']:16.0f}" for row in found))
    print(f"{'octets resident per IKE SA':34}" + "".join(f"{row['resident_per_sa']:16.0f}" for row in found))
    print("\nIts data plane, two Child SAs per session; packets of 64 octets, with their system calls\n")
    return max(grown, table(rows("plane", sizes), PLANE)) <= GROWTH
