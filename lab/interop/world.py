# SPDX-License-Identifier: Apache-2.0
"""Where the cases run: a small topology in the guest, one peer, ikatd at the other end.

    eu --wlan0-- wlan (router, may masquerade) --wan0-- gw --lan0-- host
"""
import re
import subprocess
from dataclasses import dataclass, field

from lab.daemons import Ikatd
from lab.net import DEFAULTS, LINKS, Lab, address
from lab.run import Failed, wait
from lab.settings import LAN, LAN6, end_user, gateway, merge

INNER = {4: "10.30.0.1", 6: "fd30::1"}
OTHER = {"eu": "gw", "gw": "eu"}


class GuestLab(Lab):
    """The lab with one path, for a guest: that has iptables and no nftables, and goes with all that is in it."""
    hosts = ("eu", "wlan", "gw", "host")
    routers = ("wlan", "gw")
    links = {"wlan": LINKS["wlan"], "lan": LINKS["lan"],
             "wan0": (("wlan", "out", "192.0.2.254/24", "fd0a::fe/64"), ("gw", "wan0", "192.0.2.1/24", "fd0a::1/64"))}
    defaults = {"eu": DEFAULTS["eu"][:1], "gw": DEFAULTS["gw"][:1], "host": DEFAULTS["host"]}

    def _reaper(self):
        return subprocess.Popen(["cat"], stdin=subprocess.PIPE)

    def nat(self, on):
        """Makes the router a NAT, or a plain router."""
        for tool in ("iptables-legacy", "ip6tables-legacy"):
            self.run("wlan", tool, "-t", "nat", "-F")
            if on:
                self.run("wlan", tool, "-t", "nat", "-A", "POSTROUTING", "-o", "out", "-j", "MASQUERADE")

    def blackhole(self, access, on=True):
        for tool in ("iptables-legacy", "ip6tables-legacy"):
            self.run("wlan", tool, "-P", "FORWARD", "DROP" if on else "ACCEPT")


@dataclass
class Plan:
    """What a case wants of both ends. `ikat` and `peer` lie over what follows from the rest: ikatd's connection keys, and the
    keys that the peer's class names."""
    family: int = 4
    nat: bool = False
    ike: str = "aes128gcm16-prfsha256-ecp256"
    esp: str = "aes128gcm16"
    secret: str = "the lab's secret"
    peer_ike: str = None      # where the peer's differs
    peer_esp: str = None
    peer_secret: str = None
    ikat: dict = field(default_factory=dict)
    ikat_child: dict = field(default_factory=dict)
    peer: dict = field(default_factory=dict)

    @property
    def lan(self):
        """The network behind the Gateway."""
        return LAN if self.family == 4 else LAN6

    @property
    def inner(self):
        """The End User's address inside, as a network."""
        return INNER[self.family] + ("/32" if self.family == 4 else "/128")


def ikat_settings(role, plan, lease):
    """ikatd's configuration. With `lease` the Gateway gives the End User its inner address, without it both know it."""
    conn = {"proposals": plan.ike}
    child = {"esp_proposals": plan.esp}
    if not lease:
        conn |= {"vips": None, "pools": None}
        child["local_ts" if role == "eu" else "remote_ts"] = plan.inner
    settings = (end_user if role == "eu" else gateway)(merge(conn, plan.ikat), merge(child, plan.ikat_child), plan.family)
    settings["secrets"]["ike-lab"]["secret"] = f'"{plan.secret}"'
    return settings


class World:
    """A lab, the peer on one host, ikatd on the other, for one case after the other."""

    def __init__(self, lab, peer):
        self.lab, self.peer = lab, peer
        self.role = OTHER[peer.host]   # ikatd's
        self.ikat, self.plan, self.facts, self.keylogs = None, None, {}, []

    def prepare(self, **plan):
        """Both daemons, configured; nothing is connected."""
        self.plan = Plan(**plan)
        self.lab.nat(self.plan.nat)
        self.lab.blackhole("wlan", False)
        if not self.peer.leases:
            self.lab.batch("eu", [f"addr replace {self.plan.inner} dev lo"])
        self.peer.configure(self.plan)
        self.ikat = Ikatd(self.lab, self.role, ikat_settings(self.role, self.plan, self.peer.leases)).start()
        self.keylogs.append(self.ikat.keylog)
        return self.ikat, self.peer

    def up(self, **plan):
        """Both daemons with one VPN that carries traffic."""
        self.prepare(**plan)
        if self.role == "eu":
            answer = self.ikat.initiate("net")
            if answer["success"] != "yes":
                raise Failed(f"ikatd does not come up: {answer}")
        else:
            self.peer.begin()
        self.settle("one VPN")
        self.ping()
        return self.ikat, self.peer

    def finish(self):
        """Ends the case: nothing of it may be left at the peer."""
        if self.ikat is not None:
            self.ikat.stop()
            self.ikat = None
        self.peer.reset()
        self.lab.run(self.peer.host, "ip", "xfrm", "state", "flush")
        self.lab.run(self.peer.host, "ip", "xfrm", "policy", "flush")

    def kernel_spis(self):
        """The SPIs of the ESP SAs in the peer's kernel."""
        states = self.lab.run(self.peer.host, "ip", "xfrm", "state")
        return {match.rjust(8, "0") for match in re.findall(r"proto esp spi 0x([0-9a-f]+)", states)}

    def settled(self):
        """Whether both ends have one IKE SA with one Child SA, and the same."""
        if len(self.ikat.sas()) != 1 or len(self.ikat.children()) != 1 or len(self.peer.ikes()) != 1:
            return False
        child = self.ikat.children()[0]
        return self.kernel_spis() == {child["spi-in"], child["spi-out"]}

    def settle(self, what, timeout=15):
        """Waits until the ends agree."""
        wait(self.settled, lambda: f"{what}: ikatd has {self.ikat.sas()}, the peer {self.peer.ikes()} and in its kernel "
                                   f"{self.kernel_spis()}", timeout, 0.1)

    def ping(self, size=1000):
        """Packets through the VPN, both ways, counted by the kernel as ESP."""
        before = int(self.ikat.children()[0]["packets-in"])
        source = ("-I", INNER[self.plan.family])
        shown = self.lab.run("eu", "ping", "-c3", "-i0.05", "-W2", "-s", str(size), *source,
                             address("lan", "host", self.plan.family), check=False)
        if " 0% packet loss" not in shown:
            raise Failed(f"traffic is lost: {shown}{self.lab.run(self.peer.host, 'ip', '-s', 'xfrm', 'state')}")
        if int(self.ikat.children()[0]["packets-in"]) < before + 3:
            raise Failed("the packets did not go through the VPN")

    def dead(self):
        """Whether nothing goes through any more."""
        shown = self.lab.run("eu", "ping", "-c1", "-W1", "-I", INNER[self.plan.family],
                             address("lan", "host", self.plan.family), check=False)
        return "bytes from" not in shown
