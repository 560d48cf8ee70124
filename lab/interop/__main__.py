# SPDX-License-Identifier: Apache-2.0
"""usage: python3 -m lab.interop PEER DIRECTORY [CASE]... - in the guest: runs the cases with a peer.

Leaves in the directory: PEER.json, one record a line; PEER.pcap, all IKE of the run; PEER.keys, its keys.
"""
import importlib
import json
import shutil
import sys
import time
import traceback

from lab.capture import Capture
from lab.interop.cases import CASES
from lab.interop.world import GuestLab, World

ROLES = {"gateway": "gw", "end-user": "eu"}


def attempt(world, name, role):
    """Runs a case; returns its record."""
    function, arguments, _ = CASES[name]
    record = {"peer": world.peer.kind, "role": role, "case": name, "begin": time.time(), "error": ""}
    world.facts = record["facts"] = {}
    try:
        function(world, **arguments)
    except Exception:  # whatever it is, it is the result of this case and not of the others
        record["error"] = traceback.format_exc(limit=-3) + world.logs()
    try:
        world.finish()
    except Exception:
        record["error"] += "while ending: " + traceback.format_exc(limit=-3)
    record["end"] = time.time()
    return record


def main(kind, directory, *names):
    peers = importlib.import_module("lab.interop." + kind)
    with GuestLab() as lab, open(f"{directory}/{kind}.json", "w", encoding="utf-8") as records:
        capture = Capture(lab, "wlan", interface="in")
        worlds = []
        for role, host in ROLES.items():
            cases = [name for name, (_, _, where) in CASES.items() if (kind, role) in where and (not names or name in names)]
            if not cases:
                continue
            worlds.append(World(lab, peers.Peer(lab, host), capture))
            for name in cases:
                record = attempt(worlds[-1], name, role)
                print(f"{record['end'] - record['begin']:6.1f} s  {role} {name} {'FAILED' if record['error'] else 'ok'}", flush=True)
                print(json.dumps(record), file=records, flush=True)
            worlds[-1].peer.close()
        shutil.copy(capture.stop(), f"{directory}/{kind}.pcap")
        with open(f"{directory}/{kind}.keys", "w", encoding="ascii") as keys:
            for keylog in sorted({keylog for world in worlds for keylog in world.keylogs}):
                with open(keylog, encoding="ascii") as file:
                    keys.write(file.read())


if __name__ == "__main__":
    main(*sys.argv[1:])
