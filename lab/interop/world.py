# SPDX-License-Identifier: Apache-2.0
"""Where the cases run: a small topology in the guest, one peer, ikatd at the other end.

    eu --wlan0, lte0-- wlan (router, may masquerade) --wan0-- gw --lan0-- host
"""
import ipaddress
import re
import subprocess
from dataclasses import dataclass, field

from lab.daemons import Ikatd
from lab.interop import wire
from lab.net import DEFAULTS, LINKS, Lab, address
from lab.run import Failed, wait
from lab.settings import LAN, LAN6, end_user, gateway

INNER = {4: "10.30.0.1", 6: "fd30::1"}
OTHER = {"eu": "gw", "gw": "eu"}


class GuestLab(Lab):
    """The lab with one router, for a guest: that has iptables and no nftables, and goes with all that is in it."""
    hosts = ("eu", "wlan", "gw", "host")
    routers = ("wlan", "gw")
    links = {"wlan": LINKS["wlan"], "lan": LINKS["lan"],
             "lte": (LINKS["lte"][0], ("wlan", "in2", *LINKS["lte"][1][2:])),
             "wan0": (("wlan", "out", "192.0.2.254/24", "fd0a::fe/64"), ("gw", "wan0", "192.0.2.1/24", "fd0a::1/64"))}
    defaults = {"eu": DEFAULTS["eu"], "gw": DEFAULTS["gw"][:1], "host": DEFAULTS["host"]}

    def _reaper(self):
        return subprocess.Popen(["cat"], stdin=subprocess.PIPE)

    def nat(self, on):
        """Makes the router a NAT, or a plain router."""
        for tool in ("iptables-legacy", "ip6tables-legacy"):
            self.run("wlan", tool, "-t", "nat", "-F")
            if on:
                self.run("wlan", tool, "-t", "nat", "-A", "POSTROUTING", "-o", "out", "-j", "MASQUERADE")


@dataclass
class Plan:
    """What a case wants of both ends. `ikat` and `peer` lie over what follows from the rest: ikatd's connection keys,
    and the
    keys that the peer's class names."""
    ike: str
    esp: str
    family: int = 4
    nat: bool = False
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
    settings = (end_user if role == "eu" else gateway)(conn | plan.ikat, child | plan.ikat_child, plan.family)
    settings["secrets"]["ike-lab"]["secret"] = f'"{plan.secret}"'
    return settings


class World:
    """A lab, the peer on one host, ikatd on the other, for one case after the other."""

    def __init__(self, lab, peer, capture):
        self.lab, self.peer, self.capture = lab, peer, capture
        self.role = OTHER[peer.host]   # ikatd's
        self.ikat, self.plan, self.facts, self.keylogs, self.marks = None, None, {}, [], {}
        self.address, self.seen = None, 0

    def prepare(self, **plan):
        """Both daemons, configured; nothing is connected."""
        self.plan = Plan(**({"ike": self.peer.ike, "esp": self.peer.esp} | plan))
        self.lab.nat(self.plan.nat)
        self.seen = wire.size(self.capture.file)
        if not self.peer.leases:
            self.lab.batch("eu", [f"addr replace {self.plan.inner} dev lo"])
        self.ikat = Ikatd(self.lab, self.role, ikat_settings(self.role, self.plan, self.peer.leases))
        self.marks = {end: len(end.log()) for end in (self.ikat, self.peer)}
        self.peer.configure(self.plan)
        self.ikat.start()
        self.keylogs.append(self.ikat.keylog)
        return self.ikat, self.peer

    def up(self, **plan):
        """Both daemons with one VPN that carries traffic."""
        self.prepare(**plan)
        error = self.login()
        if error is not None:
            raise Failed(f"it does not come up: {error}")
        self.settle("one VPN")
        self.address = self.inner()
        # iked installs its flows some time behind its SAs
        wait(lambda: not self.dead(), lambda: f"nothing goes through: {self.lab.run(self.peer.host, 'ip', 'xfrm', 'policy')}", 15)
        self.ping()
        return self.ikat, self.peer

    def login(self):
        """The End User begins. Returns why it could not, as ikatd says, or None; of the peer it is not known here."""
        if self.role == "gw":
            self.peer.begin()
            return None
        answer = self.ikat.initiate("net")
        return None if answer["success"] == "yes" else answer["errmsg"]

    def finish(self):
        """Ends the case: nothing of it may be left at the peer."""
        if self.ikat is not None:
            self.ikat.stop()
            self.ikat = None
        self.peer.reset()
        self.lab.run(self.peer.host, "ip", "xfrm", "state", "flush")
        self.lab.run(self.peer.host, "ip", "xfrm", "policy", "flush")

    def headers(self, exchange, end=None):
        """The headers of this case's messages of an exchange type so far; `end`: only those that "ikat" or "peer"
        sent."""
        found = [header for header in wire.headers(self.capture.file, self.seen) if header.exchange == exchange]
        return [header for header in found if end is None or (header.source in self._sources()) == (end == "ikat")]

    def _sources(self):
        links = ("wlan", "lte") if self.role == "eu" else ("wan0",)
        six = [ipaddress.ip_address(address(link, self.role, 6)).packed.hex() for link in links]
        return [address(link, self.role) for link in links] + six

    def logs(self):
        """What both ends logged since the case began."""
        return "".join(f"\n---- {end.name}\n{end.log()[mark:][-9000:]}" for end, mark in self.marks.items())

    def kernel_spis(self):
        """The SPIs of the ESP SAs in the peer's kernel."""
        states = self.lab.run(self.peer.host, "ip", "xfrm", "state")
        return {match.rjust(8, "0") for match in re.findall(r"proto esp spi 0x([0-9a-f]+)", states)}

    def settled(self):
        """Whether both ends have one IKE SA with one Child SA, and the same. (A Delete of an old IKE SA may be on its
        way: iked that
        began it does not answer that of a rekeyed one.)"""
        if len(self.ikat.established()) != 1 or len(self.ikat.children()) != 1 or len(self.peer.ikes()) != 1:
            return False
        child = self.ikat.children()[0]
        return self.kernel_spis() == {child["spi-in"], child["spi-out"]}

    def settle(self, what, timeout=15):
        """Waits until the ends agree."""
        wait(self.settled, lambda: f"{what}: ikatd has {self.ikat.sas()}, the peer {self.peer.ikes()} and in its kernel "
                                   f"{self.kernel_spis()}", timeout, 0.1)

    def inner(self):
        """The End User's address inside, as negotiated."""
        selectors = self.ikat.children()[0]["local-ts" if self.role == "eu" else "remote-ts"]
        return next(net.split("/")[0] for net in selectors if net.split("[")[0].endswith(("/32", "/128")))

    def ping(self, size=1000):
        """Packets through the VPN, both ways, counted by the kernel as ESP."""
        before = int(self.ikat.children()[0]["packets-in"])
        shown = self.lab.run("eu", "ping", "-c3", "-i0.05", "-W2", "-s", str(size), "-I", self.inner(),
                             address("lan", "host", self.plan.family), check=False)
        if " 0% packet loss" not in shown:
            raise Failed(f"traffic is lost: {shown}{self.lab.run(self.peer.host, 'ip', '-s', 'xfrm', 'state')}")
        if int(self.ikat.children()[0]["packets-in"]) < before + 3:
            raise Failed("the packets did not go through the VPN")

    def dead(self):
        """Whether nothing goes through any more."""
        shown = self.lab.run("eu", "ping", "-c1", "-W1", "-I", self.address, address("lan", "host", self.plan.family),
                             check=False)
        return "bytes from" not in shown
