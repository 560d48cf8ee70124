# SPDX-License-Identifier: Apache-2.0
"""A Gateway of many sessions (scale.c): what an operation costs with 1,000, 10,000 and 100,000 of them."""
import json
import os
import subprocess

from lab.net import BUILD

SIZES = (1000, 10000, 100000)
OPERATIONS = {"login_us": "login (lease, first Child SA)", "clone_us": "clone", "request_us": "request found by SPI, answered",
              "lookup_us": "mere lookup by SPI, of a batch",
              "single_us": "mere lookup by SPI, alone"}
WAITS = ("lookup_us", "single_us")  # little else than waiting for memory
GROWTH = 1.5  # what 100,000 sessions may cost more


def scale(most):
    """Prints the table; returns whether no operation grew beyond its limit."""
    program = os.path.join(BUILD, "bench", "scale")
    sizes = [str(size) for size in SIZES if size <= most] or [str(most)]
    lines = subprocess.run([program, *sizes], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    print("\nA Gateway with sessions of two IKE SAs: processor time per operation in microseconds;\n"
          "x: against a Gateway with 1,000 sessions that did the same in turns\n")
    print(f"{'sessions':34}" + "".join(f"{row['sessions']:>16,}" for row in rows))
    grown = 1.0
    for key, name in OPERATIONS.items():
        print(f"{name:34}" + "".join(f"{row[key][0]:9.2f} x{row[key][0] / row[key][1]:5.2f}" for row in rows))
        if key not in WAITS:
            grown = max([grown] + [row[key][0] / row[key][1] for row in rows])
    print(f"{'longest login':34}" + "".join(f"{row['longest_login_us'][0]:16.0f}" for row in rows))
    print(f"{'octets allocated per IKE SA':34}" + "".join(f"{row['octets_per_sa']:16.0f}" for row in rows))
    print(f"{'octets resident per IKE SA':34}" + "".join(f"{row['resident_per_sa']:16.0f}" for row in rows))
    return grown <= GROWTH
