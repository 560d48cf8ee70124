#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole daemon: two ikatd in two network namespaces with two links. usage: ikatd_net_test.py IKATD [TEST...]

Needs root, TUN and veth; exit status 77 (skipped) says that it is not root.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

IKATD = None
USER, GATEWAY = f"dt-u{os.getpid()}", f"dt-g{os.getpid()}"
LINK = os.getpid() % 10000
RULES = 2 * 3  # of IPv4 and IPv6: our table, and the ways of resolver and fetcher beside it

CONN = """connections {{
  office {{
    version = 2
    proposals = aes128gcm16-prfsha256-x25519
    multipath = balance
    clone = both
    local {{
      auth = psk
      id = {local}
    }}
    remote {{
      auth = psk
      id = {remote}
    }}
{more}
  }}
}}
secrets {{
  ike-1 {{
    id-1 = alice
    id-2 = gw
    secret = "{secret}"
  }}
}}
"""
USER_PART = """    remote_addrs = 192.0.1.2, 192.0.2.2
    vips = 0.0.0.0
    children {{
      net {{
        remote_ts = 10.1.0.0/16
        esp_proposals = aes128gcm16
        start_action = start
      }}
    }}
    paths {{
      one {{
        interface = u1x{link}
        remote_addrs = 192.0.1.2
      }}
      two {{
        interface = u2x{link}
        remote_addrs = 192.0.2.2
      }}
    }}"""
GATEWAY_PART = """    pools = inner
    children {
      net {
        local_ts = 10.1.0.0/16
        esp_proposals = aes128gcm16
      }
    }"""
POOLS = "pools {\n  inner {\n    addrs = 10.3.0.0/24\n  }\n}\n"


def run(command, check=True):
    return subprocess.run(command, shell=True, check=check, capture_output=True, text=True).stdout


class Daemon:
    """One ikatd, whose log is read as it comes."""

    def __init__(self, namespace, config, socket_path, *arguments):
        self.socket, self.lines, self.changed = socket_path, [], threading.Condition()
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, IKATD, "-c", config, "-s", socket_path, *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()

    def wait(self, pattern, since=0, timeout=15):
        """Waits for a line of the log that matches; its index."""
        def find():
            return next((i for i in range(since, len(self.lines)) if re.search(pattern, self.lines[i])), None)
        with self.changed:
            self.changed.wait_for(lambda: find() is not None, timeout)
            found = find()
        if found is None:
            raise AssertionError(f"no line like {pattern!r} in:\n" + "\n".join(self.lines))
        return found

    def children(self):
        text = run(f"pgrep -P {self.process.pid}", check=False)
        return [int(pid) for pid in text.split()]

    def child(self, name):
        """The process of this name."""
        return int(run(f"pgrep -x -P {self.process.pid} {name}").split()[0])

    def send(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.send(number)
        status = self.process.wait(timeout=15)
        self.reader.join(timeout=15)  # the pipe closes when the last child is gone
        if self.reader.is_alive():
            raise AssertionError("a process of the daemon outlives it")
        self.process.stderr.close()
        return status


class DaemonTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ikatd-")
        self.daemons = []
        for namespace in (USER, GATEWAY):
            run(f"ip netns add {namespace} && ip -n {namespace} link set lo up")
        for i in (1, 2):
            run(f"ip link add u{i}x{LINK} netns {USER} type veth peer name g{i}x{LINK} netns {GATEWAY}")
            for namespace, end, host in ((USER, "u", 1), (GATEWAY, "g", 2)):
                device = f"{end}{i}x{LINK}"
                run(f"ip -n {namespace} addr add 192.0.{i}.{host}/24 dev {device} && "
                    f"ip -n {namespace} link set {device} up")
        run(f"ip -n {GATEWAY} addr add 10.1.0.1/32 dev lo")

    def tearDown(self):
        for daemon in self.daemons:
            if not daemon.process.stderr.closed:
                daemon.end()
        for namespace in (USER, GATEWAY):
            run(f"ip netns del {namespace}", check=False)
        shutil.rmtree(self.folder)

    def config(self, name, text):
        path = os.path.join(self.folder, name + ".conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(path, 0o600)
        return path

    def start(self, namespace, name, config, *arguments):
        daemon = Daemon(namespace, config, os.path.join(self.folder, name + ".vici"), *arguments)
        self.daemons.append(daemon)
        return daemon

    def gateway(self, secret="a long enough secret", change=lambda text: text):
        text = CONN.format(local="gw", remote="alice", more=GATEWAY_PART, secret=secret) + POOLS
        daemon = self.start(GATEWAY, "gateway", self.config("gateway", change(text)))
        daemon.wait("event=config-loaded")
        return daemon

    def user(self, name="user"):
        text = CONN.format(local="alice", remote="gw", more=USER_PART.format(link=LINK), secret="a long enough secret")
        return self.start(USER, name, self.config(name, text))

    def both(self):
        gateway, user = self.gateway(), self.user()
        for path in ("one", "two"):
            user.wait(f"event=path-up conn=office path={path}")
        return gateway, user

    def ping(self, count=3, interval=0.05, to="10.1.0.1"):
        """How many of them were answered."""
        text = run(f"ip netns exec {USER} ping -c {count} -i {interval} -W 1 {to}", check=False)
        found = re.search(r"(\d+) received", text)
        return int(found.group(1)) if found else 0  # no route at all

    def leftovers(self, namespace):
        text = run(f"ip -n {namespace} rule; ip -n {namespace} -6 rule; ip -n {namespace} link; "
                   f"ip -n {namespace} route show table all")
        return [line for line in text.splitlines() if "ikat" in line or "proto 171" in line]

    def rules(self, namespace):
        return [line for line in self.leftovers(namespace) if "lookup" in line]

    # --- it works ---

    def test_two_paths_and_failover(self):
        _, user = self.both()
        self.assertEqual(self.ping(), 3)
        address = run(f"ip -n {USER} -o addr show dev ikat0")
        self.assertRegex(address, r"inet 10\.3\.0\.\d+/32")
        for lost, name in ((2, "two"), (1, "one")):
            since = len(user.lines)
            pinging = subprocess.Popen(["ip", "netns", "exec", USER, "ping", "-c", "100", "-i", "0.02", "-W", "1",
                                        "10.1.0.1"], stdout=subprocess.PIPE, text=True)
            pinging.stdout.readline()
            pinging.stdout.readline()  # the first answer: the flow has its path
            run(f"ip -n {USER} link set u{lost}x{LINK} down")
            user.wait(f"event=path-down .*path={name}", since)
            with pinging:
                text = pinging.stdout.read()
            received = int(re.search(r"(\d+) received", text).group(1))
            self.assertGreaterEqual(received, 98)  # 50 ms are two or three of them
            run(f"ip -n {USER} link set u{lost}x{LINK} up")
            user.wait(f"event=path-up .*path={name}", since, timeout=30)

    def test_ipv6(self):
        for i in (1, 2):
            run(f"ip -n {USER} addr add 2001:db8:{i}::1/64 dev u{i}x{LINK} nodad && "
                f"ip -n {GATEWAY} addr add 2001:db8:{i}::2/64 dev g{i}x{LINK} nodad")
        run(f"ip -n {GATEWAY} addr add fd10::1/128 dev lo")
        inner = "10.1.0.0/16, fd10::/64"
        part = GATEWAY_PART.replace("10.1.0.0/16", inner).replace("inner", "inner, inner6", 1)
        text = CONN.format(local="gw", remote="alice", more=part, secret="a long enough secret")
        text += POOLS + "pools {\n  inner6 {\n    addrs = fd33::/120\n  }\n}\n"
        self.start(GATEWAY, "gateway", self.config("gateway", text)).wait("event=config-loaded")
        part = re.sub(r"192\.0\.(\d)\.2", r"2001:db8:\1::2", USER_PART.format(link=LINK))
        part = part.replace("10.1.0.0/16", inner).replace("vips = 0.0.0.0", "vips = 0.0.0.0, ::")
        text = CONN.format(local="alice", remote="gw", more=part, secret="a long enough secret")
        user = self.start(USER, "user", self.config("user", text))
        for path in ("one", "two"):
            user.wait(f"event=path-up conn=office path={path}")
        self.assertTrue(any("local=[2001:db8:2::1]:4500" in line for line in user.lines))
        self.assertEqual(self.ping(), 3)
        self.assertEqual(self.ping(to="fd10::1"), 3)

    def test_everything_through_the_tunnel(self):
        """A default route into the tunnel does not swallow the tunnel's own packets."""
        every = "0.0.0.0/0"
        text = CONN.format(local="gw", remote="alice", more=GATEWAY_PART.replace("10.1.0.0/16", every),
                           secret="a long enough secret") + POOLS
        self.start(GATEWAY, "gateway", self.config("gateway", text)).wait("event=config-loaded")
        part = USER_PART.format(link=LINK).replace("10.1.0.0/16", every)
        text = CONN.format(local="alice", remote="gw", more=part, secret="a long enough secret")
        user = self.start(USER, "user", self.config("user", text))
        for path in ("one", "two"):
            user.wait(f"event=path-up conn=office path={path}")
        self.assertRegex(run(f"ip -n {USER} route get 203.0.113.1"), r"dev ikat0 .*src 10\.3\.0\.1")
        self.assertEqual(self.ping(), 3)
        since = len(user.lines)
        run(f"ip -n {USER} link set u1x{LINK} down")
        user.wait("event=path-down .*path=one", since)
        self.assertEqual(self.ping(), 3)

    def test_wrong_secret(self):
        gateway = self.gateway(secret="another long secret")
        user = self.user()
        user.wait("event=connect-(retry|failed) .*reason=auth-failed")
        self.assertFalse(any("session-up" in line for line in gateway.lines + user.lines))
        self.assertEqual(self.ping(1), 0)

    def test_garbage(self):
        gateway, _ = self.both()
        code = ("import os, socket\n"
                "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                "for port in (500, 4500):\n"
                "    for n in [0, 1, 2, 4, 5, 27, 28, 29, 300, 1400] * 50:\n"
                "        s.sendto(os.urandom(n), ('192.0.1.2', port))\n"
                "        s.sendto(bytes(4) + os.urandom(n), ('192.0.1.2', port))\n")
        subprocess.run(["ip", "netns", "exec", USER, sys.executable, "-c", code], check=True)
        self.assertEqual(self.ping(), 3)
        self.assertIsNone(gateway.process.poll())

    def test_name_of_the_peer(self):
        folder = f"/etc/netns/{USER}"  # `ip netns exec` shows its files in /etc
        os.makedirs(folder)
        self.addCleanup(shutil.rmtree, folder)
        with open(os.path.join(folder, "hosts"), "w", encoding="ascii") as file:
            file.write("192.0.1.2 gateway.test\n")
        self.gateway()
        more = re.sub(r"remote_addrs = .*", "remote_addrs = gateway.test", USER_PART.format(link=LINK), count=1)
        more = re.sub(r"    paths .*", "", more, flags=re.S)
        text = CONN.format(local="alice", remote="gw", more=more, secret="a long enough secret")
        user = self.start(USER, "user", self.config("user", text))
        user.wait("event=session-up")
        user.wait("event=child-up")
        self.assertEqual(self.ping(), 3)

    def test_unknown_name(self):
        more = re.sub(r"remote_addrs = .*", "remote_addrs = nobody.invalid", USER_PART.format(link=LINK))
        text = CONN.format(local="alice", remote="gw", more=re.sub(r"    paths .*", "", more, flags=re.S),
                           secret="a long enough secret")
        user = self.start(USER, "user", self.config("user", text))
        first = user.wait("event=name-unresolved conn=office")
        user.wait("event=name-unresolved conn=office", first + 1)  # tries again, every 10 s
        self.assertEqual(user.end(), 0)

    def test_keylog(self):
        path = os.path.join(self.folder, "keys")
        text = CONN.format(local="gw", remote="alice", more=GATEWAY_PART, secret="a long enough secret") + POOLS
        gateway = self.start(GATEWAY, "gateway", self.config("gateway", text), "-K", path)
        gateway.wait("event=config-loaded")
        self.user().wait("event=path-up conn=office path=two")
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()
        self.assertEqual(len(lines), 2)  # of the login and of the clone
        for line in lines:
            self.assertRegex(line, r'^[0-9a-f]{16},[0-9a-f]{16},[0-9a-f]{40},[0-9a-f]{40},'
                                   r'"AES-GCM-128 with 16 octet ICV \[RFC5282\]",,,"NONE \[RFC4306\]"$')
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)

    # --- the end, and what is left ---

    def test_stop(self):
        gateway, user = self.both()
        begin = time.monotonic()
        self.assertEqual(user.end(), 0)
        self.assertLess(time.monotonic() - begin, 3)
        self.assertEqual(self.leftovers(USER), [])
        self.assertFalse(os.path.exists(user.socket))
        gateway.wait("event=session-down .*reason=peer-deleted|event=session-down")
        self.assertEqual(gateway.end(signal.SIGINT), 0)
        self.assertEqual(self.leftovers(GATEWAY), [])

    def test_stop_without_peer(self):
        gateway, user = self.both()
        gateway.end(signal.SIGKILL)
        begin = time.monotonic()
        self.assertEqual(user.end(), 0)
        self.assertLess(time.monotonic() - begin, 4)
        self.assertEqual(self.leftovers(USER), [])

    def test_supervisor_killed(self):
        _, user = self.both()
        user.end(signal.SIGKILL)  # asserts that no process outlives it
        self.assertFalse([line for line in self.leftovers(USER) if "ikat" in line])
        self.assertTrue([line for line in self.leftovers(USER) if "unreachable" in line])
        user = self.user()
        user.wait("event=blocks-inherited")
        user.wait("event=path-up conn=office path=one")
        self.assertEqual(self.ping(), 3)
        self.assertEqual(len(self.rules(USER)), RULES)

    def test_helper_killed(self):
        user = self.user()
        user.wait("event=started")
        for name in ("engine", "keyholder", "resolver"):
            with self.subTest(name):
                since = len(user.lines)
                os.kill(user.child(name), signal.SIGKILL)
                user.wait(f"event=process-ended name={name} signal=9", since)
                # the resolver is started anew alone, since it keeps nothing
                user.wait("event=restarting name=resolver" if name == "resolver" else "event=started", since)
        self.assertEqual(user.end(), 0)
        self.assertEqual(self.leftovers(USER), [])

    def test_second_instance(self):
        _, user = self.both()
        for name in ("user", "other"):  # on the same socket; on the same ports
            second = self.start(USER, name, "none")
            self.assertEqual(second.process.wait(timeout=10), 1)
            second.wait("event=start-failed .*in use")
        self.assertTrue(os.path.exists(user.socket))
        self.assertFalse(os.path.exists(os.path.join(self.folder, "other.vici")))
        self.assertEqual(self.ping(), 3)
        self.assertEqual(len(self.rules(USER)), RULES)

    # --- configuration ---

    def test_reload(self):
        _, user = self.both()
        path = os.path.join(self.folder, "user.conf")
        with open(path, encoding="ascii") as file:
            good = file.read()
        self.config("user", good.replace("multipath = balance", "multipth = balance"))
        since = len(user.lines)
        user.send(signal.SIGHUP)
        found = user.wait("event=config-refused", since)
        self.assertRegex(user.lines[found], r"user\.conf:\d+: .*multipth")
        self.assertEqual(self.ping(), 3)
        self.config("user", good)
        for _ in range(100):
            user.send(signal.SIGHUP)
        user.wait("event=config-loaded", since)
        self.assertEqual(self.ping(), 3)
        self.assertFalse(any("session=2" in line for line in user.lines))

    # --- updown scripts ---

    SCRIPTS = "/usr/local/libexec/ikat"

    def script(self, text):
        os.makedirs(self.SCRIPTS, exist_ok=True)
        path = os.path.join(self.SCRIPTS, f"test-{os.getpid()}-{len(os.listdir(self.SCRIPTS))}")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\n{text}\n")
        os.chmod(path, 0o755)
        self.addCleanup(os.unlink, path)
        return path

    def hooked(self, script):
        """Both daemons; the gateway's child has the script."""
        updown = f"updown = {script} one two\n        local_ts"
        gateway = self.gateway(change=lambda text: text.replace("local_ts", updown))
        user = self.user()
        user.wait("event=path-up conn=office path=one")
        return gateway, user

    def hook_lines(self):
        with open(os.path.join(self.folder, "hooks"), encoding="ascii") as file:
            return file.read().splitlines()

    def test_updown(self):
        script = self.script(f'echo "$PLUTO_VERB $* $PLUTO_MY_CLIENT $PLUTO_PEER_CLIENT $PLUTO_PEER_ID $PLUTO_PEER_SOURCEIP '
                             f'$PLUTO_CONNECTION $PLUTO_PROTO $(id -u)" >> {self.folder}/hooks')
        gateway, user = self.hooked(script)
        gateway.wait("event=updown ")
        self.assertEqual(user.end(), 0)
        gateway.wait("event=updown .*VERB=down-client")
        self.assertEqual(gateway.end(), 0)
        rest = "one two 10.1.0.0/16 10.3.0.1/32 alice 10.3.0.1 net esp 0"
        self.assertEqual(self.hook_lines(), [f"up-client {rest}", f"down-client {rest}"])  # once, though there are two VPNs

    def test_updown_taken_back(self):
        """A daemon that dies says nothing: the hooks process takes back what was up."""
        gateway, _ = self.hooked(self.script(f'echo "$PLUTO_VERB" >> {self.folder}/hooks'))
        gateway.wait("event=updown ")
        gateway.end(signal.SIGKILL)
        self.assertEqual(self.hook_lines(), ["up-client", "down-client"])

    def test_updown_hangs(self):
        """X10: a script that hangs is killed; sessions do not notice."""
        gateway, _ = self.hooked(self.script("sleep 1000 & sleep 1000"))
        gateway.wait("event=updown ")
        self.assertEqual(self.ping(), 3)
        gateway.wait("event=program-killed")

    def test_many_secrets(self):
        """All of one load reach the keyholder at once, at each start."""
        more = "\n".join(f'  ike-x{i} {{\n    id = x{i}\n    secret = "sixteen letters {i}"\n  }}' for i in range(1000))
        for _ in range(3):
            gateway = self.gateway(change=lambda text: text.replace("secrets {", "secrets {\n" + more))
            user = self.user()
            user.wait("event=path-up conn=office path=one")
            self.assertFalse([line for line in gateway.lines if "secret-refused" in line or "not-loaded" in line])
            user.end()
            gateway.end()

    def test_check(self):
        good = self.config("good", CONN.format(local="gw", remote="alice", more="", secret="0123456789abcdef"))
        bad = self.config("bad", "connections {\n  office {\n    nonsense = 1\n  }\n}\n")
        self.assertEqual(subprocess.run([IKATD, "-c", good, "--check"], check=False).returncode, 0)
        for path in (bad, os.path.join(self.folder, "missing.conf")):
            done = subprocess.run([IKATD, "-c", path, "--check"], check=False, capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertNotEqual(done.stderr, "")
        self.assertEqual(subprocess.run([IKATD, "--nonsense"], check=False, capture_output=True).returncode, 2)

    # --- rights ---

    def status(self, pid):
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            return dict(re.match(r"(\w+):\s*(.*)", line).groups() for line in file)

    def test_rights(self):
        gateway = self.gateway()
        pids = {name: gateway.child(name) for name in ("keyholder", "resolver", "engine")}
        pids["supervisor"] = gateway.process.pid
        for name, pid in pids.items():
            with self.subTest(name):
                status = self.status(pid)
                self.assertEqual(status["NoNewPrivs"], "1")
                # CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, and CAP_SETGID, CAP_SETUID, CAP_SETPCAP for its processes
                kept = 1 << 12 | 1 << 10 | 1 << 6 | 1 << 7 | 1 << 8 if name == "supervisor" else 0
                for which in ("CapBnd", "CapEff", "CapPrm"):
                    # and CAP_IPC_LOCK, where the test has it
                    self.assertEqual(int(status[which], 16) & ~(1 << 14), kept)
                if name != "supervisor":
                    self.assertNotEqual(status["Uid"].split()[0], "0")
                    self.assertNotEqual(status["Gid"].split()[0], "0")
                self.assertEqual(status["Seccomp"], "2")
                with open(f"/proc/{pid}/maps", encoding="ascii") as file:
                    self.assertFalse([line for line in file if "rwx" in line.split()[1]])
                with open(f"/proc/{pid}/limits", encoding="ascii") as file:
                    self.assertRegex(file.read(), r"Max core file size\s+0\s+0")
        # the keyholder: standard descriptors, channels to engine, eap, aaa and token, its door for loads
        held = sorted(os.readlink(f"/proc/{pids['keyholder']}/fd/{fd}") for fd in os.listdir(f"/proc/{pids['keyholder']}/fd"))
        self.assertEqual(len(held), 8, held)
        self.assertEqual(os.stat(gateway.socket).st_mode & 0o777, 0o660)


def main():
    global IKATD
    if os.geteuid() != 0:
        print("needs root")
        return 77
    IKATD = os.path.abspath(sys.argv[1])
    program = unittest.main(argv=[sys.argv[0]] + sys.argv[2:], exit=False, verbosity=2)
    return 0 if program.result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
