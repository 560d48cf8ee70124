# SPDX-License-Identifier: Apache-2.0
"""What faults must not change: packets in the clear on a host's links, and the processes of a daemon."""
from lab.net import address
from lab.settings import LAN, LAN6

HOST = address("lan", "host")
PROTECTED = {4: (LAN, HOST), 6: (LAN6, address("lan", "host", 6))}
ALONE = ("fetcher", "resolver")  # of the servers, those that are started anew without the others
SERVERS = ("engine", "keyholder", "token", "verifier", "eap", "aaa", "fetcher", "resolver")


def processes(daemon):
    """Its processes by name."""
    found = {}
    for pid in daemon.pids():
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii") as file:
                name = file.read().strip()
        except FileNotFoundError:
            continue
        if name in SERVERS:
            found[name] = pid
    return found


class Watch:
    """Counts packets in the clear on the links of a host: nftables counts packets with a protected address."""

    def __init__(self, lab, host, links=("wlan0", "lte0")):
        self.lab, self.host = lab, host
        names = ", ".join(f'"{link}"' for link in links)
        rules = "".join(f"oifname {{ {names} }} {'ip' if family == 4 else 'ip6'} daddr {net} counter\n"
                        for family, (net, _) in PROTECTED.items())
        lab.run(host, "nft", "-f", "-", input=f"table inet watch {{ chain out {{ type filter hook postrouting priority 300;\n{rules}}}\n}}\n")

    def count(self):
        """Packets so far."""
        text = self.lab.run(self.host, "nft", "list", "table", "inet", "watch")
        return sum(int(word) for line in text.splitlines() for before, word in zip(line.split(), line.split()[1:]) if before == "packets")
