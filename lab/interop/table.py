# SPDX-License-Identifier: Apache-2.0
"""usage: python3 -m lab.interop.table DIRECTORY - docs/interop.md, from what the cases left in the directory."""
import json
import os
import sys
import textwrap

from lab.capture import IKE_AUTH, dissect
from lab.interop.cases import CASES, PEERS, listed
from lab.interop.package import package
from lab.run import run

NAMES = {"strongswan": "strongSwan", "libreswan": "libreswan", "openiked": "OpenIKED"}
ROLES = ("gateway", "end-user")
OURS = ("MOBIKE_SUPPORTED", "CLONE_IKE_SA_SUPPORTED")
HEAD = """# ikat with other IKEv2 daemons

Written by `python3 -m lab.interop.table`, from what the cases of lab/interop left in a run of
test/lab/test_interop.py: Debian 12's packages, PSK, the peer's ESP in the kernel (Linux 6.1), ikatd's in user space.
"gateway" and "end-user" are the peer's role.
"""


def title(peer):
    """The name of a peer, with its version (without Debian's part of it)."""
    if peer == "strongswan":
        version = run("dpkg-query", "-W", "-f", "${Version}", "strongswan-charon")
    else:
        version = os.path.basename(package(peer)).split("_")[1]
    return f"{NAMES[peer]} {version.split('-')[0]}"


def records(directory, nightly=True):
    """The records of all cases, or of the daily ones: {(peer, role, case): record}; KeyError if one is missing."""
    found = {}
    for peer in PEERS:
        with open(os.path.join(directory, peer + ".json"), encoding="utf-8") as file:
            found |= {(peer, record["role"], record["case"]): record for record in map(json.loads, file)}
    return {key: found[key] for key in listed(nightly)}


def notices(directory, peer, record):
    """Which of our notifies in IKE_AUTH the peer answered with the same, when it was asked; as Gateway."""
    messages = dissect(os.path.join(directory, peer + ".pcap"), os.path.join(directory, peer + ".keys"))
    mine = [m for m in messages if m.exchange == IKE_AUTH and record["begin"] <= m.time <= record["end"]]
    asked = {name for m in mine if not m.response for name in m.notifies}
    answered = {name for m in mine if m.response for name in m.notifies}
    return {name: "answered" if name in answered else "ignored" for name in OURS if name in asked}


def cell(record):
    """The outcome of a case in a word or two."""
    if record is None:
        return "-"
    return "FAILED" if record["error"] else record["facts"].get("then", "yes")


def row(*cells):
    """A line of a table."""
    return "| " + " | ".join(cells) + " |\n"


def differences(text, directory, nightly):
    """The cells of docs/interop.md that are not as seen: [((peer, role, case), shown, seen)]."""
    columns = [(peer, role) for peer in PEERS for role in ROLES]
    lines = [line.strip("| \n").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    shown = {(*column, line[0].replace(" ", "_")): told for line in lines for column, told in zip(columns, line[1:])}
    seen = {key: cell(record) for key, record in records(directory, nightly).items()}
    return [(key, shown.get(key), told) for key, told in seen.items() if shown.get(key) != told]


def render(directory):
    """The text of docs/interop.md."""
    found = records(directory)
    text = HEAD + "\n" + row("case", *(f"{title(peer)}, {role}" for peer in PEERS for role in ROLES)) + row(*["---"] * 7)
    for name in CASES:
        text += row(name.replace("_", " "), *(cell(found.get((peer, role, name))) for peer in PEERS for role in ROLES))
    text += "\n## What they do with our notifies in IKE_AUTH, as Gateway\n\n" + row("peer", *OURS) + row(*["---"] * 3)
    for peer in PEERS:
        seen = notices(directory, peer, found[(peer, "gateway", "login")])
        text += row(title(peer), *(seen.get(name, "not asked") for name in OURS))
    text += "\n## The cases\n\n"
    seen = {}
    for name, (function, _, _) in CASES.items():
        seen.setdefault(function, []).append(name.replace("_", " "))
    for function, names in seen.items():
        line = f"- {', '.join(names)}: {' '.join(function.__doc__.split())}"
        text += textwrap.fill(line, 119, subsequent_indent="  ", break_on_hyphens=False) + "\n"
    return text


if __name__ == "__main__":
    print(render(sys.argv[1]), end="")
