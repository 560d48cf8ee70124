# SPDX-License-Identifier: Apache-2.0
"""Hosts, routers and links as data, and the network namespaces made of it.

    eu --wlan0-- wlan --.                       .-- wan0 --.
                         core (the Internet) --+            gw --lan0-- host
    eu --lte0--- lte ---'                       '-- wan1 --'

`wlan` and `lte` are access routers; either may masquerade, each in its way, and rebind. With `emulate`, the access
routers' way to the core goes
through a link emulator (delay, loss, rate). All traffic stays inside; several labs run side by side.
"""
import os
import subprocess
import sys

from lab import reaper
from lab.run import Failed, run

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("IKAT_BUILD", os.path.join(ROOT, "build"))

# link: two ends, each (host, interface, IPv4, IPv6)
LINKS = {
    "wlan": (("eu", "wlan0", "10.1.0.2/24", "fd01::2/64"), ("wlan", "in", "10.1.0.1/24", "fd01::1/64")),
    "lte": (("eu", "lte0", "10.2.0.2/24", "fd02::2/64"), ("lte", "in", "10.2.0.1/24", "fd02::1/64")),
    "wlan-core": (("wlan", "out", "100.64.1.2/24", "fd64:1::2/64"), ("core", "wlan", "100.64.1.1/24", "fd64:1::1/64")),
    "lte-core": (("lte", "out", "100.64.2.2/24", "fd64:2::2/64"), ("core", "lte", "100.64.2.1/24", "fd64:2::1/64")),
    "wan0": (("core", "wan0", "192.0.2.254/24", "fd0a::fe/64"), ("gw", "wan0", "192.0.2.1/24", "fd0a::1/64")),
    "wan1": (("core", "wan1", "198.51.100.254/24", "fd0b::fe/64"), ("gw", "wan1", "198.51.100.1/24", "fd0b::1/64")),
    "lan": (("gw", "lan0", "10.20.0.1/24", "fd20::1/64"), ("host", "eth0", "10.20.0.2/24", "fd20::2/64")),
}
# default routes: host -> [(interface, IPv4 gateway, IPv6 gateway, metric)]
DEFAULTS = {
    "eu": [("wlan0", "10.1.0.1", "fd01::1", 100), ("lte0", "10.2.0.1", "fd02::1", 200)],
    "wlan": [("out", "100.64.1.1", "fd64:1::1", 0)],
    "lte": [("out", "100.64.2.1", "fd64:2::1", 0)],
    "gw": [("wan0", "192.0.2.254", "fd0a::fe", 100), ("wan1", "198.51.100.254", "fd0b::fe", 200)],
    "host": [("eth0", "10.20.0.1", "fd20::1", 0)],
}
# what the core knows beyond its own links (without NAT the access networks are reachable)
CORE_ROUTES = [("10.1.0.0/24", "100.64.1.2"), ("10.2.0.0/24", "100.64.2.2"),
               ("fd01::/64", "fd64:1::2"), ("fd02::/64", "fd64:2::2")]
HOSTS = ("eu", "wlan", "lte", "core", "gw", "host")
# what a NAT does with UDP ports: keeps them if it can, or gives others
NATS = {"plain": "", "random": "fully-random", "low": "to :20000-20999", "high": "to :40000-40999"}
INTERFACE = {"wlan": "wlan0", "lte": "lte0"}


def address(link, host, family=4):
    """The address of a host on a link, without its length."""
    for name, _, v4, v6 in LINKS[link]:
        if name == host:
            return (v4 if family == 4 else v6).split("/")[0]
    raise KeyError((link, host))


def sweep():
    """Removes what labs left whose reaper was killed too."""
    for name in reaper.names("ikat-"):
        owner = name.split("-")[1]
        if owner.isdigit() and not os.path.exists(f"/proc/{owner}") and not os.path.exists(f"/run/ikat-{owner}/kept"):
            reaper.reap(f"ikat-{owner}-", f"/run/ikat-{owner}")


class Emulator:
    """The link emulator between an access router and the core."""

    keys = ("delay_us", "loss_ppm", "rate_kbps", "cut", "jitter_us", "overtakes", "limit", "directions")

    def __init__(self, lab, name):
        program = os.path.join(BUILD, "bench", "link_emulator")
        self.process = lab.start(name, program, "left", "right", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.settings = dict.fromkeys(self.keys, 0) | {"directions": 3}

    def set(self, **settings):
        """delay_us (one way), loss_ppm, rate_kbps (0: no limit), cut (1: nothing passes), jitter_us, overtakes, limit
        (packets
        in flight), directions (1: to the core, 2: back, 3: both). lab/link_emulator.c says what each means."""
        self.settings.update(settings)
        line = " ".join(str(self.settings[key]) for key in self.keys)
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() != b"ok\n":
            raise Failed("the link emulator ended")


class Lab:
    """The topology, up and running until close(), the end of a with-block, or the end of this process.

    `nat`: names of access routers, or {name: kind of NAT}."""
    count = 0
    links, defaults, core_routes, hosts = LINKS, DEFAULTS, CORE_ROUTES, HOSTS
    routers = ("wlan", "lte", "core", "gw")

    def __init__(self, nat=(), emulate=()):
        if os.geteuid() != 0:
            raise Failed("the lab needs root (network namespaces)")
        sweep()
        Lab.count += 1
        self.prefix = f"ikat-{os.getpid()}-{Lab.count}-"
        self.directory = f"/run/ikat-{os.getpid()}/{Lab.count}"
        os.makedirs(self.directory)
        self.reaper = self._reaper()
        self.processes = []
        self.emulators = {}
        self.down = set()
        try:
            self._build(set(emulate))
            for name in nat:
                self.masquerade(name, nat[name] if isinstance(nat, dict) else "plain")
        except BaseException:
            self.close()
            raise

    def _reaper(self):
        return subprocess.Popen([sys.executable, "-m", "lab.reaper", self.prefix, self.directory],
                                stdin=subprocess.PIPE, cwd=ROOT, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def name(self, host):
        """The namespace's name, as `ip netns` knows it."""
        return self.prefix + host

    def path(self, name):
        """A file in the directory of this lab."""
        return os.path.join(self.directory, name)

    def run(self, host, *command, **options):
        """Runs a command on a host; see lab.run.run."""
        return run("ip", "netns", "exec", self.name(host), *command, **options)

    def start(self, host, *command, **options):
        """Starts a process on a host. It ends with the lab at the latest."""
        words = ["ip", "netns", "exec", self.name(host)] + [str(word) for word in command]
        process = subprocess.Popen(words, **options)
        self.processes.append(process)
        return process

    def batch(self, host, lines):
        """ip(8) commands on a host, in one go."""
        run("ip", "-n", self.name(host), "-batch", "-", input="\n".join(lines) + "\n")

    def _build(self, emulate):
        hosts = list(self.hosts) + [f"em-{name}" for name in emulate]
        run("ip", "-batch", "-", input="".join(f"netns add {self.name(host)}\n" for host in hosts))
        lines = {host: ["link set lo up"] for host in hosts}
        for link, ends in self.links.items():
            access = link.removesuffix("-core")
            pieces = [ends]
            if link.endswith("-core") and access in emulate:
                pieces = [(ends[0], (f"em-{access}", "left", None, None)), ((f"em-{access}", "right", None, None), ends[1])]
            for left, right in pieces:
                lines[left[0]].insert(0, f"link add {left[1]} type veth peer name {right[1]} netns {self.name(right[0])}")
        for host in hosts:  # all of them before the first link, whose other end is on another host
            run("ip", "netns", "exec", self.name(host), "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0",
                "net.ipv6.conf.all.accept_dad=0",
                "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0", "net.ipv4.ip_forward="
                + str(int(host in self.routers)), "net.ipv6.conf.all.forwarding="
                + str(int(host in self.routers)))
        for host in hosts:
            self.batch(host, lines[host])
        for host in hosts:
            self.batch(host, self._addresses(host) + self._routes(host))
        for name in emulate:
            self.batch(f"em-{name}", ["link set left up", "link set right up"])
            self.emulators[name] = Emulator(self, f"em-{name}")
            self.emulators[name].set()

    def single_packets(self):
        """No link takes super-frames from now on: an emulator then delays and drops single packets."""
        for host in self.hosts:
            devices = {end[1] for ends in self.links.values() for end in ends if end[0] == host}
            self.batch(host, [f"link set {device} gso_max_segs 1" for device in sorted(devices)])

    def _addresses(self, host, only=None):
        lines = []
        for ends in self.links.values():
            for name, interface, v4, v6 in ends:
                if name == host and only in (None, interface):
                    lines += [f"addr replace {v4} dev {interface}", f"addr replace {v6} dev {interface} nodad",
                              f"link set {interface} up"]
        return lines

    def _routes(self, host, only=None):
        lines = []
        for interface, v4, v6, metric in self.defaults.get(host, []):
            if only in (None, interface):
                lines += [f"route replace default via {v4} dev {interface} metric {metric}",
                          f"route replace ::/0 via {v6} dev {interface} metric {metric or 1024}"]
        if host == "core":
            lines += [f"route replace {net} via {via}" for net, via in self.core_routes]
        return lines

    def masquerade(self, access, kind="plain"):
        """Makes an access router a NAT for what goes to the core; see NATS for the kinds."""
        self.run(access, "nft", "-f", "-", input="table inet nat\ndelete table inet nat\n"
                 "table inet nat { chain post { type nat hook postrouting priority 100; "
                 f"oifname \"out\" meta l4proto udp masquerade {NATS[kind]}\noifname \"out\" masquerade\n}}\n}}\n")

    def rebind(self, access, kind):
        """The NAT forgets its mappings and gives new ones of this kind."""
        self.masquerade(access, kind)
        # without its interface the kernel forgets what was masqueraded to its address
        self.batch(access, ["link set out down", "link set out up"] + self._addresses(access, "out")
                   + self._routes(access, "out"))

    def blackhole(self, access, on=True):
        """The access router drops all it should forward, without a word; the End User's link stays up."""
        self.run(access, "nft", "-f", "-", input="table inet hole { chain pass { type filter hook forward priority 0; "
                                                 "drop\n}\n}\n" if on else "delete table inet hole\n")

    def cut(self, access):
        """The End User's interface goes down."""
        self.batch("eu", [f"link set {INTERFACE[access]} down"])

    def restore(self, access):
        """The End User's interface comes back, with its addresses and routes (what a DHCP client would do)."""
        interface = INTERFACE[access]
        self.batch("eu", [f"link set {interface} up"] + self._addresses("eu", interface) + self._routes("eu", interface))

    def keep(self):
        """Leaves the lab up when this process ends; returns the command that removes it."""
        with open(f"/run/ikat-{os.getpid()}/kept", "w", encoding="ascii"):
            pass
        self.reaper.stdin.write(reaper.KEPT)
        self.reaper.stdin.close()
        self.reaper.wait()
        self.reaper = None
        return f"{sys.executable} -m lab.reaper {self.prefix} /run/ikat-{os.getpid()} </dev/null"

    def close(self):
        """Ends all that runs in the lab and removes it."""
        if self.reaper is None:
            return
        self.reaper.stdin.close()
        self.reaper.wait()
        self.reaper = None
        for process in self.processes:
            process.wait(10)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        try:
            os.rmdir(f"/run/ikat-{os.getpid()}")
        except OSError:
            pass
