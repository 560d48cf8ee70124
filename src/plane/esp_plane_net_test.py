#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two data planes with static keys in two network namespaces. usage: esp_plane_net_test.py ESP_PLANE_PEER [TEST...]

Needs root, TUN and veth; exit status 77 (skipped) says that it is not root.
"""
import json
import os
import re
import select
import subprocess
import sys
import time
import unittest

PEER = None
SCAPY_PYTHON = "/usr/bin/python3"  # the one of the distribution, which has its packages
OUTER = ("10.9.%d.1", "10.9.%d.2")
INNER = ("10.8.0.1", "10.8.0.2")
INNER6 = ("fd08::1", "fd08::2")


def run(command, check=True):
    return subprocess.run(command, shell=True, check=check, capture_output=True, text=True).stdout


class Peer:
    """One esp_plane_peer in a namespace of its own."""

    def __init__(self, namespace, end, workers, raw):
        self.namespace, self.events, self.buffer = namespace, [], b""
        arguments = ["ip", "netns", "exec", namespace, PEER, "tun0", str(workers), str(end)]
        self.process = subprocess.Popen(arguments + (["raw"] if raw else []), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        assert self.answer().startswith("ok")

    def line(self, timeout):
        """The next line, or None."""
        end = time.monotonic() + timeout
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            piece = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not piece:
                return None
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def answer(self):
        while (line := self.line(10)) is not None:
            if not line.startswith("event"):
                return line
            self.events.append(line)
        raise AssertionError("no answer from the peer")

    def command(self, *words):
        self.process.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self.process.stdin.flush()
        return self.answer()

    def do(self, *words):
        answer = self.command(*words)
        assert answer.startswith("ok"), f"{words}: {answer}"
        return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", answer)}

    def wait_event(self, pattern, timeout=5):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for event in self.events:
                if re.search(pattern, event):
                    self.events.remove(event)
                    return event
            line = self.line(0.2)
            if line is not None:
                self.events.append(line)
        raise AssertionError(f"no event {pattern}, only {self.events}")

    def run(self, command, check=True):
        return run(f"ip netns exec {self.namespace} {command}", check)

    def close(self):
        self.process.stdin.close()
        status = self.process.wait(10)
        self.process.stdout.close()
        return status


class Plane(unittest.TestCase):
    def setUp(self):
        self.peers, self.spi = [], 4096
        self.names = [f"ikat-esp-{os.getpid()}-{end}" for end in (0, 1)]

    def tearDown(self):
        statuses = [peer.close() for peer in self.peers]
        for name in self.names:
            run(f"ip netns del {name}", check=False)
        self.assertEqual(statuses, [0] * len(statuses))

    def start(self, workers=1, raw=False, paths=1, ends=(0, 1)):
        for end, name in enumerate(self.names):
            run(f"ip netns add {name}; ip -n {name} link set lo up")
        for path in range(paths):
            run(f"ip -n {self.names[0]} link add v{path} type veth peer name v{path} netns {self.names[1]}")
            for end, name in enumerate(self.names):
                run(f"ip -n {name} addr add {OUTER[end] % path}/24 dev v{path}; "
                    f"ip -n {name} addr add fd09:{path}::{end + 1}/64 dev v{path} nodad; "
                    f"ip -n {name} link set v{path} up")
        for end in ends:
            name = self.names[end]
            self.peers.append(Peer(name, end, workers, raw))
            run(f"ip -n {name} addr add {INNER[end]}/24 dev tun0; "
                f"ip -n {name} addr add {INNER6[end]}/64 dev tun0 nodad")

    def child(self, child, cipher="gcm128", path=0, replaces=0, now=1, priority=1, esn=0, v6=False, inner=INNER,
              ends=(0, 1)):
        """Installs both ends. The SPI of one direction is even, that of the other odd."""
        spi = (child * 1000, child * 1000 + 1)
        for end in ends:
            outer = [f"fd09:{path}::{e + 1}" for e in (0, 1)] if v6 else [o % path for o in OUTER]
            self.peers[end].do("child", child, replaces, spi[end], spi[1 - end], child, cipher, outer[end],
                               outer[1 - end], f"v{path}", now, priority, esn, inner[end], inner[1 - end])

    def ping(self, count=20, interval=0.01, target=INNER[1], size=56, more=""):
        """Number of answers."""
        text = self.peers[0].run(f"ping -q -W 1 -c {count} -i {interval} -s {size} {more} {target}", check=False)
        return int(re.search(r"(\d+) received", text).group(1)), text

    def tcp(self, seconds=1, streams=1, target=INNER[1], reverse=False):
        """Gbit/s of TCP from the first to the second end."""
        server = subprocess.Popen(["ip", "netns", "exec", self.names[1], "iperf3", "-s", "-1", "--forceflush"],
                                  stdout=subprocess.PIPE, text=True)
        while "listening" not in server.stdout.readline():
            pass
        text = self.peers[0].run(f"iperf3 -J -c {target} -t {seconds} -P {streams} {'-R' if reverse else ''}",
                                 check=False)
        server.wait(10)
        server.stdout.close()
        result = json.loads(text)
        self.assertNotIn("error", result)
        return result["end"]["sum_received"]["bits_per_second"] / 1e9

    def counters(self, end, child=1):
        return self.peers[end].do("counters", child)

    def assertClean(self, children=(1,)):
        for end in (0, 1):
            for child in children:
                counters = self.counters(end, child)
                for key in ("replayed", "auth_failed", "malformed", "wrong_selector", "out_errors"):
                    self.assertEqual(counters[key], 0, (end, child, counters))

    def test_ciphers_and_encapsulations(self):
        for raw in (False, True):
            self.start(workers=2, raw=raw)
            for child, (cipher, esn) in enumerate((("gcm128", 0), ("gcm256", 1), ("chacha", 1), ("cbc256", 1),
                                                   ("cbc256", 0)), 1):
                with self.subTest(raw=raw, cipher=cipher, esn=esn):
                    self.child(child, cipher, esn=esn, replaces=child - 1)
                    self.assertEqual(self.ping()[0], 20)
                    rate = self.tcp(1)
                    print(f"{'raw' if raw else 'udp'} {cipher} esn={esn}: {rate:.2f} Gbit/s", file=sys.stderr)
                    self.assertGreater(self.counters(1, child)["in"], 20)
                    self.assertClean([child])
            self.tearDown()
            self.setUp()

    def test_either_encapsulation_is_taken(self):
        """RFC 7296 section 2.23: both at any time, whatever this end sends."""
        self.start(raw=True)
        for child, encaps in enumerate(((1, 0), (0, 1), (1, 1)), 1):
            for end in (0, 1):
                self.peers[end].do("encap", encaps[end])
            self.child(child, replaces=child - 1)
            with self.subTest(encaps=encaps):
                self.assertEqual(self.ping()[0], 20)
                self.assertEqual(self.counters(1, child)["in"], 20)
                if encaps == (1, 0):
                    self.peers[1].wait_event(f"encap {child} ")
                self.assertFalse([e for peer in self.peers for e in peer.events if "rebound" in e or encaps == (1, 1) and f"encap {child} " in e])

    def test_ipv6_inside_and_outside(self):
        self.start(workers=2)
        self.child(1, v6=True, inner=INNER6)
        self.child(2, v6=True)
        self.assertEqual(self.ping(target=INNER6[1])[0], 20)
        self.assertEqual(self.ping()[0], 20)
        self.assertGreater(self.tcp(1, target=INNER6[1]), 0.1)
        self.assertGreater(self.tcp(1, reverse=True), 0.1)
        self.assertClean((1, 2))

    def test_rekey_loses_nothing(self):
        self.start(workers=2)
        self.child(1)
        ping = subprocess.Popen(["ip", "netns", "exec", self.names[0], "ping", "-q", "-W", "1", "-c", "1000", "-i",
                                 "0.002", INNER[1]], stdout=subprocess.PIPE, text=True)
        for child in range(2, 22):
            self.child(child, replaces=child - 1, now=0)  # receives on both ends before anybody sends
            self.peers[0].do("switch", child)
            self.peers[1].wait_event(f"traffic {child} ")  # proof: RFC 7296 section 2.8
            self.peers[1].do("switch", child)
            for end in (0, 1):
                self.peers[end].do("remove", child - 1, 200)
        text = ping.communicate(timeout=20)[0]
        self.assertIn(" 1000 received", text)
        self.assertEqual(self.peers[0].command("counters", 1), "err -5")

    def test_failover_and_return(self):
        self.start(paths=2)
        self.child(1, path=0, priority=1)
        self.child(2, path=1, priority=2)
        self.peers[0].do("mode", "failover", 0)
        self.peers[1].do("mode", "failover", 1)
        self.assertEqual(self.ping()[0], 20)
        self.assertEqual(self.counters(0, 2)["out"], 0)
        self.assertEqual(self.counters(1, 2)["out"], 0)
        run(f"ip -n {self.names[0]} link set v0 down")
        self.peers[0].do("state", 1, 1, 1, 0)  # one end knows; the other one follows the flow
        self.assertEqual(self.ping()[0], 20)
        self.assertGreaterEqual(self.counters(1, 2)["out"], 20)
        run(f"ip -n {self.names[0]} link set v0 up; ip -n {self.names[0]} addr replace {OUTER[0] % 0}/24 dev v0")
        self.peers[0].do("state", 1, 1, 1, 1)
        before = self.counters(1, 1)["out"]
        self.assertEqual(self.ping()[0], 20)
        self.assertGreaterEqual(self.counters(1, 1)["out"], before + 20)

    def test_balance_uses_both_and_answers_follow(self):
        self.start(paths=2, workers=2)
        self.child(1, path=0)
        self.child(2, path=1)
        self.peers[0].do("mode", "balance", 0)
        self.peers[1].do("mode", "balance", 1)
        self.tcp(1, streams=16)
        out = [self.counters(0, child)["out"] for child in (1, 2)]
        back = [self.counters(1, child)["out"] for child in (1, 2)]
        self.assertGreater(min(out), 1000)
        self.assertGreater(min(back), 10)
        self.assertClean((1, 2))

    def test_too_big_is_answered_and_tcp_fits(self):
        self.start()
        self.child(1)
        for peer in self.peers:
            peer.do("mtu", 1, 1000)
        got, text = self.ping(3, 0.2, size=1300, more="-M do")
        self.assertEqual(got, 0, text)
        self.assertIn("mtu", self.peers[0].run(f"ip route get {INNER[1]}"))
        self.assertGreater(self.peers[0].do("stats")["too_big_sent"], 0)
        self.assertGreater(self.counters(0)["too_big"], 0)
        run(f"ip -n {self.names[0]} route flush cache")
        # may be fragmented: both ends do, and the kernel puts together
        self.assertEqual(self.ping(5, 0.2, size=1300, more="-M dont")[0], 5)
        self.assertGreater(self.tcp(1), 0.05)
        self.assertClean()

    def narrow_link(self, confine, expected):
        self.start()
        self.child(1)
        if confine:
            self.peers[0].do("confine")
        for end in (0, 1):
            run(f"ip -n {self.names[end]} link set v0 mtu 1300")
        self.assertGreater(self.tcp(1), 0.05)
        self.peers[0].wait_event(f"mtu 1 mtu={expected}")
        self.peers[0].events.clear()
        self.assertGreater(self.tcp(1), 0.05)
        with self.assertRaises(AssertionError):  # that was it
            self.peers[0].wait_event("mtu 1 ", 0.5)

    def test_narrow_link_is_learned(self):
        self.narrow_link(False, 1300)

    def test_narrow_link_is_found_in_a_sandbox(self):
        self.narrow_link(True, 1280)

    def test_inner_source_outside_of_the_selectors(self):
        self.start()
        self.child(1, inner=("0.0.0.0/0", INNER[1]), ends=(0,))  # this end lies about what it may send
        self.child(1, ends=(1,))
        run(f"ip -n {self.names[0]} addr add 10.8.0.77/24 dev tun0")
        self.assertEqual(self.ping(5, 0.05, more="-I 10.8.0.77")[0], 0)
        self.assertEqual(self.counters(1)["wrong_selector"], 5)
        self.assertEqual(self.counters(1)["in"], 0)
        self.assertEqual(self.ping(5, 0.05)[0], 5)

    def test_hostile_datagrams_are_counted_and_ike_passes(self):
        self.start(workers=2)
        self.child(1)
        script = ("import socket,os; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); "
                  "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1); a=('%s',4500); "
                  "[s.sendto(d,a) for d in [b'\\xff', b'', b'\\x00', b'\\x01\\x02\\x03', b'\\x00'*3, "
                  "(1001).to_bytes(4,'big'), (1001).to_bytes(4,'big')+b'\\x00'*4, "
                  "(1001).to_bytes(4,'big')+os.urandom(96), (1001).to_bytes(4,'big')+b'\\x00\\x00\\x00\\x01'+"
                  "os.urandom(56)]+[os.urandom(n) for n in range(8,1400,7)]]" % (OUTER[1] % 0))
        self.peers[0].run(f"python3 -c \"{script}\"")
        self.peers[0].do("ike", OUTER[0] % 0, OUTER[1] % 0, "v0", "hello")
        self.assertIn("hello", self.peers[1].wait_event("ike"))
        stats = self.peers[1].do("stats")
        self.assertEqual(stats["keepalives_in"], 1)
        self.assertEqual(stats["ike_in"], 1)
        self.assertEqual(stats["runt"], 4, stats)  # the empty one never becomes a packet
        self.assertGreaterEqual(stats["unknown_spi"], 190)
        counters = self.counters(1)
        self.assertEqual(counters["in"], 0)
        self.assertGreaterEqual(counters["malformed"] + counters["auth_failed"], 2, counters)
        self.assertEqual(self.ping()[0], 20)

    def test_another_implementation_understands(self):
        self.start(ends=(0,))
        here = os.path.dirname(os.path.abspath(__file__))
        for child, (cipher, esn) in enumerate((("gcm128", 0), ("gcm256", 1), ("chacha", 0), ("chacha", 1),
                                               ("cbc256", 0)), 1):  # scapy lacks ESN with HMAC
            with self.subTest(cipher=cipher, esn=esn):
                self.child(child, cipher, esn=esn, replaces=child - 1, ends=(0,))
                other = subprocess.Popen(["ip", "netns", "exec", self.names[1], SCAPY_PYTHON,
                                          f"{here}/esp_scapy_end.py", cipher, str(child), str(child * 1000 + 1),
                                          str(child * 1000), str(esn), OUTER[1] % 0, OUTER[0] % 0, "20"],
                                         stdout=subprocess.PIPE, text=True)
                self.assertEqual(other.stdout.readline(), "ready\n")
                for size in range(56, 66):
                    self.assertEqual(self.ping(2, 0.05, size=size)[0], 2)
                self.assertEqual(other.wait(10), 0)
                other.stdout.close()
                counters = self.counters(0, child)
                self.assertEqual([counters[key] for key in ("in", "auth_failed", "malformed")], [20, 0, 0])

    def test_tun_device_goes_away(self):
        self.start(workers=2)
        self.child(1)
        self.assertEqual(self.ping(5)[0], 5)
        run(f"ip -n {self.names[1]} link set tun0 down")  # writes fail, are counted, and nothing else
        self.assertEqual(self.ping(5)[0], 0)
        run(f"ip -n {self.names[1]} link set tun0 up")
        self.assertEqual(self.ping(5)[0], 5)
        run(f"ip -n {self.names[1]} link del tun0")
        self.ping(5)

        def cpu():
            with open(f"/proc/{self.peers[1].process.pid}/stat") as stat:
                return sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13]))
        before = cpu()
        time.sleep(1)
        self.assertLess(cpu() - before, 15)  # ticks of 10 ms: the workers do not spin
        self.assertGreater(self.peers[1].do("stats")["tun_errors"], 0)

    def test_keepalive_and_nat_rebinding(self):
        self.start()
        self.child(1)
        self.peers[0].do("keepalive", 1, 1)
        end = time.monotonic() + 5
        while self.peers[1].do("stats")["keepalives_in"] == 0:
            self.assertLess(time.monotonic(), end)
            self.peers[0].wait_event("traffic|.*", 0.3) if self.peers[0].events else self.peers[0].line(0.2)
        run(f"ip -n {self.names[0]} addr add 10.9.0.9/24 dev v0")
        self.peers[0].do("move", 1, "10.9.0.9", OUTER[1] % 0, "v0")
        self.ping(3)
        self.peers[1].wait_event("rebound 1 ")
        self.peers[1].do("move", 1, OUTER[1] % 0, "10.9.0.9", "v0")
        self.assertEqual(self.ping()[0], 20)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("SKIPPED: the data plane test needs root for namespaces and TUN", file=sys.stderr)
        sys.exit(77)
    PEER = sys.argv.pop(1)
    unittest.main(verbosity=2)
