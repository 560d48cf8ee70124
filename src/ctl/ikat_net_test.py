#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The ikat command with two ikatd in two network namespaces. usage: ikat_net_test.py IKATD IKAT EXPORTER [TEST...]

Needs root, TUN and veth; exit status 77 (skipped) says that it is not root.
"""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
import unittest

import jsonschema

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "daemon"))
import ikatd_net_test as net  # noqa: E402

IKAT = EXPORTER = None
REFUSED = 7  # status of curl: nobody listens there yet
NUMBER, TEXT = (int, float), str
LIMIT = {"name": TEXT, "used": int, "most": int}
SESSION = {"name": TEXT, "id": int, "role": TEXT, "local_id": TEXT, "remote_id": TEXT, "state": TEXT, "logins": int,
           "age_s": int, "dialect": TEXT, "multipath": TEXT, "config": dict, "ike_sas": list, "paths": list}
IKE_SA = {"id": int, "parent": int, "origin": TEXT, "state": TEXT, "path": TEXT, "interface": TEXT, "local": TEXT,
          "remote": TEXT, "spi_i": TEXT, "spi_r": TEXT, "age_s": int, "children": list}
CHILD = {"id": int, "name": TEXT, "state": TEXT, "spi_in": TEXT, "spi_out": TEXT, "bytes_in": int, "bytes_out": int,
         "packets_in": int, "packets_out": int, "encap": bool, "age_s": int}
PATH = {"name": TEXT, "interface": TEXT, "local": TEXT, "remote": TEXT, "state": TEXT, "usable": bool, "priority": int,
        "weight": int, "vpn": (int, type(None)), "rtt_ms": NUMBER, "jitter_ms": NUMBER,
        "probe_loss_ppm": (int, type(None)), "heard_s": (int, float, type(None)), "losses": int,
        "last_error": (TEXT, type(None)), "bytes_in": int, "bytes_out": int, "packets_in": int, "packets_out": int,
        "aggregate": (dict, type(None)), "classes": list, "metered": bool}


class IkatTest(net.DaemonTest):
    """Inherits the two namespaces; not the tests of the daemon (main() loads those that are named ikat)."""

    def user(self, name="user", change=lambda text: text):
        text = net.CONN.format(local="alice", remote="gw", more=net.USER_PART.format(link=net.LINK),
                               secret="a long enough secret").replace("start_action = start", "start_action = none")
        daemon = self.start(net.USER, name, self.config(name, change(text)))
        daemon.wait("event=config-loaded")
        self.socket = daemon.socket
        return daemon

    def ikat(self, *arguments, status=0, stream="stdout", prefix=()):
        done = subprocess.run([*prefix, IKAT, "-s", self.socket, *arguments], check=False, capture_output=True,
                              text=True, timeout=60)
        self.assertIn(done.returncode, (0, 1) if status is None else (status,), done.stdout + done.stderr)
        return done.stdout + done.stderr if stream == "both" else getattr(done, stream)

    def shape(self, value, fields):
        self.assertEqual(set(value), set(fields))
        for name, kind in fields.items():
            self.assertIsInstance(value[name], kind, name)

    def test_ikat_up_and_down(self):
        self.gateway()
        self.user()
        self.assertIn("office is down already", self.ikat("down", "office"))
        text = self.ikat("up", "office")
        self.assertRegex(text, r"1 login, 2 IKE SAs, 2 VPNs, balance")
        self.assertRegex(text, r"(?m)^  one .* up .* authenticated")
        self.assertRegex(text, r"(?m)^  two .* up .* cloned")
        self.assertIn("office is up already", self.ikat("up", "office"))
        self.assertEqual(self.ping(), 3)
        self.assertEqual(len(self.ikat("paths").splitlines()), 3)
        self.assertNotIn("\033", self.ikat("status"))
        self.assertIn("office is down", self.ikat("down", "office"))
        self.assertEqual(self.ping(1), 0)
        self.assertIn("no sessions", self.ikat("status"))
        self.assertIn("office: established", self.ikat("up", "office"))

    def test_ikat_down_of_a_renamed_connection(self):
        self.gateway()
        user = self.user()
        self.ikat("up", "office")
        text = net.CONN.format(local="alice", remote="gw", more=net.USER_PART.format(link=net.LINK),
                               secret="a long enough secret").replace("start_action = start", "start_action = none")
        self.config("user", text.replace("office", "bureau"))
        user.send(signal.SIGHUP)
        user.wait("event=conn-unloaded conn=office")
        self.assertIn("office is down", self.ikat("down", "office"))
        self.assertIn("no sessions", self.ikat("status"))
        self.assertIn("loaded are: bureau", self.ikat("down", "office", status=1, stream="stderr"))

    def test_ikat_json(self):
        """The document is the one that the manual describes: no field more, none less."""
        self.gateway()
        self.user()
        document = json.loads(self.ikat("status", "--json"))
        for limit in document.pop("limits"):
            self.shape(limit, LIMIT)
        self.assertEqual(document, {"sessions": [], "idle_paths": []})
        self.ikat("up", "office")
        self.assertEqual(self.ping(), 3)
        document = json.loads(self.ikat("status", "--json"))
        self.assertEqual(set(document), {"sessions", "idle_paths", "limits"})
        here = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(here, "../../dist/schema/status.schema.json"), encoding="utf-8") as file:
            jsonschema.validate(document, json.load(file))
        session, = document["sessions"]
        self.shape(session, SESSION)
        self.shape(session["config"], {"addresses": list, "dns": list, "encrypted_dns": list, "dns_domains": list})
        self.assertEqual((session["logins"], session["role"]), (1, "end-user"))
        self.assertEqual([len(session["ike_sas"]), len(session["paths"])], [2, 2])
        for sa in session["ike_sas"]:
            self.shape(sa, IKE_SA)
            for child in sa["children"]:
                self.shape(child, CHILD)
        for path in session["paths"]:
            self.shape(path, PATH)
            self.assertLess(path["heard_s"], 60)
        clone, = [sa for sa in session["ike_sas"] if sa["origin"] == "cloned"]
        self.assertIn(clone["parent"], [sa["id"] for sa in session["ike_sas"]])
        self.assertGreater(sum(child["packets_out"] for sa in session["ike_sas"] for child in sa["children"]), 2)
        here = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(here, "../../man/ikat.1"), encoding="utf-8") as file:
            manual = file.read()
        for fields in (LIMIT, SESSION, IKE_SA, CHILD, PATH):
            for name in fields:
                self.assertRegex(manual, rf"(?m)^(\w+, )?{name}(, \w+)?\t", name)

    def test_ikat_names(self):
        self.user()
        self.assertIn("did you mean 'office'?", self.ikat("up", "offic", status=1, stream="stderr"))
        self.assertIn("loaded are: office", self.ikat("down", "something", status=1, stream="stderr"))
        for arguments in ((), ("up",), ("nonsense",), ("up", "office", "--timeout", "5x"), ("status", "--nonsense")):
            self.assertNotEqual(self.ikat(*arguments, status=2, stream="stderr"), "")
        self.socket += ".gone"
        self.assertIn("is ikatd running?", self.ikat("status", status=1, stream="stderr"))
        self.assertIn("not running", self.ikat("version"))

    def test_ikat_commands(self):
        self.user()
        self.assertEqual(self.ikat("conns"), "office\n")
        self.assertIn("did you mean 'status'?", self.ikat("statsu", status=2, stream="stderr"))
        self.assertIn("usage: ikat up NAME", self.ikat("up", status=2, stream="stderr"))
        self.assertIn("expects the name", self.ikat("down", status=2, stream="stderr"))
        self.assertIn("needs a terminal", self.ikat("watch", status=1, stream="stderr"))
        for command in ("conns", "doctor", "version"):
            document = json.loads(self.ikat(command, "--json", status=None))
            with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), f"../../dist/schema/{command}.schema.json"),
                      encoding="utf-8") as file:
                jsonschema.validate(document, json.load(file))
        for command in ("upgrade", "metrics"):
            self.assertIn(f"'{command}' does not have the option --json\nusage: ikat {command}",
                          self.ikat(command, "--json", status=2, stream="stderr"))
        self.assertIn("does not have the option --child", self.ikat("down", "office", "--child", "net", status=2, stream="stderr"))
        self.assertEqual(self.ikat("watch", "x", status=2, stream="stderr"), "usage: ikat watch\n")
        self.assertIn("a number is expected", self.ikat("down", "--session", "x", status=2, stream="stderr"))

    def test_ikat_output_is_lost(self):
        """A full disk is an error of each command that prints, and a reader that ends early is not worth a word."""
        self.user()
        config = os.path.join(self.folder, "user.conf")
        for words in (("metrics",), ("status",), ("paths", "--json"), ("check", config), ("log",), ("conns",)):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = subprocess.run([IKAT, "-s", self.socket, *words], check=False, stdout=full, stderr=subprocess.PIPE,
                                      text=True, timeout=30)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn("ikat: cannot write the output", done.stderr, words)
        ends = os.pipe()
        os.close(ends[0])
        done = subprocess.run([IKAT, "-s", self.socket, "metrics"], check=False, stdout=ends[1], stderr=subprocess.PIPE,
                              text=True, timeout=30)
        os.close(ends[1])
        self.assertEqual((done.returncode, done.stderr), (1, ""))

    def documents(self, command, *arguments, status=0):
        """What the command prints with --json: each document fits the schema of the package."""
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), f"../../dist/schema/{command}.schema.json"), encoding="utf-8") as file:
            schema = json.load(file)
        text = self.ikat(command, *arguments, "--json", status=status)
        documents = [json.loads(line) for line in text.splitlines()] if command == "log" else [json.loads(text)]
        for document in documents:
            jsonschema.validate(document, schema)
        return documents

    def test_ikat_json_of_changes(self):
        """`up`, `down`, `log` and `why` for programs: what was done, how it went, and what failed."""
        self.gateway()
        self.user()
        up, = self.documents("up", "office")
        self.assertEqual((up["subject"], up["done"], up["already"], up["error"]), ("office", True, False, None))
        self.assertTrue([line for line in up["lines"] if line.startswith("IKE_SA office[")])
        self.assertTrue(self.documents("up", "office")[0]["already"])
        session = next(line for line in self.documents("log") if line["event"] == "session-up")
        self.assertEqual((session["values"]["conn"], session["values"]["local-id"]), ("office", "alice"))
        self.assertTrue(session["msg"].startswith("event=session-up session="))
        down, = self.documents("down", "office")
        self.assertTrue(down["done"] and not down["already"])
        self.assertTrue(self.documents("down", "office")[0]["already"])
        self.assertTrue(self.documents("why", "office")[0]["lines"])
        self.assertEqual(self.documents("why", "nobody", status=1), [{"peer": "nobody", "lines": [], "reason": None, "advice": None}])
        for command in ("up", "down"):
            failed, = self.documents(command, "nothing", status=1)
            self.assertEqual((failed["done"], failed["error"]), (False, "there is no such connection"))
        failed, = self.documents("down", "--session", "4711", status=1)
        self.assertFalse(failed["done"])

    def test_ikat_load_that_was_refused(self):
        """Each command that shows or uses the configuration says that it is not the one of the files."""
        user = self.user()
        self.assertNotIn("refused", self.ikat("status", stream="stderr"))
        with open(os.path.join(self.folder, "user.conf"), encoding="ascii") as file:
            text = file.read()
        self.config("user", text.replace("children", "childs"))
        user.send(signal.SIGHUP)
        user.wait("event=config-refused")
        deadline = time.monotonic() + 10
        while "refused at its last load" not in self.ikat("status", stream="stderr"):
            self.assertLess(time.monotonic(), deadline)
        self.assertIn("event=config-refused text=", self.ikat("log"))
        for line in ("ikat_config_loads_total 2", "ikat_config_loads_refused_total 1", "ikat_config_refused 1"):
            self.assertIn(line, self.ikat("metrics"))
        self.assertIn("refused at its last load", self.ikat("up", "nothing", status=1, stream="stderr"))
        self.config("user", text)
        user.send(signal.SIGHUP)
        user.wait("event=config-loaded", len(user.lines) - 1)
        while "refused" in self.ikat("paths", stream="stderr"):
            self.assertLess(time.monotonic(), deadline + 10)

    def test_ikat_engine_that_does_not_answer(self):
        """A stopped engine takes connections and answers nothing: each command ends within seconds and says so."""
        user = self.user()
        engine = user.child("engine")
        os.kill(engine, signal.SIGSTOP)
        try:
            running = [(words, time.monotonic(), subprocess.Popen([IKAT, "-s", self.socket, *words], stdout=subprocess.PIPE,
                                                                  stderr=subprocess.STDOUT, text=True))
                       for words in (("status",), ("paths",), ("metrics",), ("version",), ("up", "office"), ("down", "office"),
                                     ("doctor",), ("upgrade",), ("log",), ("why", "office"), ("conns",))]
            for words, begun, process in running:
                said, _ = process.communicate(timeout=30)
                self.assertLess(time.monotonic() - begun, 10, words)
                self.assertEqual(process.returncode, 1, (words, said))
                self.assertRegex(said, "does not answer|did not answer", words)
        finally:
            os.kill(engine, signal.SIGCONT)

    def doctor(self, namespace, status, *arguments):
        done = subprocess.run(["ip", "netns", "exec", namespace, IKAT, "-s", self.socket, "doctor", *arguments],
                              check=False, capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    def test_ikat_doctor(self):
        """Each fault is named with its remedy, and nothing is said of a sound host."""
        gateway = self.gateway()
        self.user()
        self.ikat("up", "office")
        net.run(f"ip netns exec {net.USER} sysctl -q -w net.ipv4.conf.all.rp_filter=0")
        for i in (1, 2):
            net.run(f"ip netns exec {net.USER} sysctl -q -w net.ipv4.conf.u{i}x{net.LINK}.rp_filter=0")
        self.assertIn("nothing wrong", self.doctor(net.USER, 0))
        net.run(f"ip netns exec {net.USER} sysctl -q -w net.ipv4.conf.u2x{net.LINK}.rp_filter=1")
        self.assertRegex(self.doctor(net.USER, 1), rf"rp_filter is strict on u2x{net.LINK}: .*rp_filter=2")
        net.run(f"ip netns exec {net.USER} sysctl -q -w net.ipv4.conf.u2x{net.LINK}.rp_filter=2")
        net.run(f"ip -n {net.USER} link set u2x{net.LINK} down")
        self.assertRegex(self.doctor(net.USER, 1), r"path two of office, .*switched off")
        self.socket = gateway.socket
        net.run(f"ip netns exec {net.GATEWAY} sysctl -q -w net.ipv4.ip_forward=0")
        self.assertIn("net.ipv4.ip_forward=1", self.doctor(net.GATEWAY, 1))
        net.run(f"ip netns exec {net.GATEWAY} sysctl -q -w net.ipv4.ip_forward=1")
        net.run(f"ip netns exec {net.GATEWAY} nft 'add table inet t; "
                "add chain inet t in { type filter hook input priority 0; policy drop; }'")
        self.assertIn("drops UDP port 4500", self.doctor(net.GATEWAY, 1))
        net.run(f"ip netns exec {net.GATEWAY} nft 'add rule inet t in udp dport {{ 500, 4500 }} accept'")
        self.assertIn("nothing wrong", self.doctor(net.GATEWAY, 0))
        self.socket += ".gone"
        self.assertIn("another program holds UDP port 500", self.doctor(net.GATEWAY, 1))

    def test_ikat_doctor_asks_the_gateway(self):
        """Each way in which its ports do not answer is told from the others."""
        def ports(status):
            return [line for line in self.doctor(net.USER, status, "office").splitlines() if "UDP" in line]

        def nft(namespace, chain, *rules):
            net.run(f"ip netns exec {namespace} nft 'add table inet t; add chain inet t c {{ type filter hook {chain} "
                    "priority 0; }'".replace("{{", "{"))
            for rule in rules:
                net.run(f"ip netns exec {namespace} nft 'add rule inet t c {rule}'")
        net.run(f"ip netns exec {net.USER} sysctl -q -w net.ipv4.conf.all.rp_filter=0")
        self.user()
        refused = ports(1)
        self.assertEqual(len(refused), 4)
        for i, port in enumerate((500, 4500)):
            self.assertIn(f"gateway 192.0.1.2 of office: UDP port {port} is refused by 192.0.1.2 (ICMP: port unreachable)",
                          refused[i])
        self.gateway()
        self.assertEqual(ports(0), [f"gateway 192.0.{i}.2 of office: UDP ports 500 and 4500 answer" for i in (1, 2)])
        nft(net.GATEWAY, "input", "udp dport 4500 ip daddr 192.0.1.2 drop", "ip daddr 192.0.2.2 drop")
        half, none = ports(1)
        self.assertIn("gateway 192.0.1.2 of office: UDP port 500 answers, port 4500 does not", half)
        self.assertIn("gateway 192.0.2.2 of office: UDP ports 500 and 4500 do not answer", none)
        net.run(f"ip netns exec {net.GATEWAY} nft delete table inet t")
        nft(net.USER, "output", "udp dport 4500 drop")
        own = ports(1)
        self.assertIn("the firewall of this host drops packets to UDP port 4500; allow them in its output chain", own[0])
        net.run(f"ip netns exec {net.USER} nft delete table inet t")
        self.ikat("up", "office")
        self.assertEqual(ports(0), [])  # a path that is up needs no question
        self.assertEqual(self.doctor(net.USER, 1, "offic"), "")

    def check(self, namespace, text, *arguments, status=0):
        """`ikat check` of a file in a namespace; gives standard output and standard error."""
        file = self.config("checked", text)
        done = subprocess.run(["ip", "netns", "exec", namespace, IKAT, "check", file, *arguments], check=False,
                              capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout, done.stderr.replace(file + ":", "")

    def check_json(self, namespace, text, status=0):
        """The same with --json, after the schema of the package found it well formed."""
        document = json.loads(self.check(namespace, text, "--json", status=status)[0])
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../dist/schema/check.schema.json"), encoding="utf-8") as file:
            jsonschema.validate(document, json.load(file))
        return document

    CHECKED = """connections {
 workers {
  pools = inner
  local { auth = psk
   id = gw }
  remote { auth = psk }
  children { net { local_ts = 10.20.0.0/24 } }
 }
}
pools { inner { addrs = POOL } }
secrets { ike-a { id = alice
  secret = "a long enough secret" } }
"""

    def test_ikat_check(self):
        """The configuration in words, and what of the host does not fit it, each with its cause alone."""
        lines = ("ip link add lan0 type veth peer name lan1", "ip link set lan1 up", "ip addr add 10.20.0.1/24 dev lan0",
                 "ip link set lan0 up",
                 "sysctl -q -w net.ipv4.ip_forward=1")
        for line in lines:
            net.run(f"ip netns exec {net.GATEWAY} {line}")
        sound = self.CHECKED.replace("POOL", "10.99.0.0/24")

        def warned(text=sound):
            return [one["kind"] for one in self.check_json(net.GATEWAY, text)["warnings"]]
        said, warnings = self.check(net.GATEWAY, sound)
        self.assertRegex(said, r"(?s)workers \(gateway\)\n.*A secret is here for alice\.\n.*inner address of 10\.99\.0\.0/24")
        self.assertIn("They may reach 10.20.0.0/24 (child net).", said)
        self.assertEqual(warnings, "")
        self.assertEqual(warned(), [])
        self.assertEqual(warned(self.CHECKED.replace("POOL", "10.20.0.128/25")), ["pool-in-network"])
        net.run(f"ip -n {net.GATEWAY} addr del 10.20.0.1/24 dev lan0")
        self.assertEqual(warned(), ["no-route"])
        net.run(f"ip -n {net.GATEWAY} addr add 10.20.0.1/24 dev lan0")
        net.run(f"ip -n {net.GATEWAY} route add default via 10.20.0.254")
        self.assertEqual(warned(), ["no-return-route"])
        net.run(f"ip -n {net.GATEWAY} route del default")
        net.run(f"ip netns exec {net.GATEWAY} sysctl -q -w net.ipv4.ip_forward=0")
        self.assertEqual(warned(), ["no-forwarding"])
        net.run(f"ip netns exec {net.GATEWAY} sysctl -q -w net.ipv4.ip_forward=1")
        net.run(f"ip netns exec {net.GATEWAY} nft 'add table inet t; "
                "add chain inet t in { type filter hook input priority 0; policy drop; }'")
        self.assertEqual(warned(), ["firewall", "firewall"])
        net.run(f"ip netns exec {net.GATEWAY} nft 'add rule inet t in udp dport {{ 500, 4500 }} accept'")
        self.assertEqual(warned(), [])
        broken = self.check_json(net.GATEWAY, sound.replace("auth = psk", "auth = pks"), status=1)
        self.assertEqual((broken["valid"], broken["connections"]), (False, []))
        self.assertIn("auth:", broken["errors"][0])
        _, errors = self.check(net.GATEWAY, sound.replace("10.20.0.0/24", "10.20.0.0/33"), status=1)
        self.assertRegex(errors, r"^7: local_ts: ")

    def test_ikat_check_readable_secret(self):
        file = self.config("readable", self.CHECKED.replace("POOL", "10.99.0.0/24"))
        os.chmod(file, 0o644)
        done = subprocess.run([IKAT, "check", "--json", file], check=True, capture_output=True, text=True, timeout=30)
        self.assertIn("secret-readable", [one["kind"] for one in json.loads(done.stdout)["warnings"]])

    SWANCTL = """connections {
 old { version = 1
  remote { auth = psk } }
 users {
  pools = inner
  over_time = 1h
  fragmentation = force
  local { auth = psk
   id = gw }
  remote { auth = psk
   id = *@example.org }
  children { net { local_ts = 10.20.0.0/24
    hw_offload = auto } }
 }
 groups { local { auth = psk
   id = gw }
  remote { auth = psk
   groups = admins }
  children { all { local_ts = 0.0.0.0/0 } } }
 labels { local { auth = psk }
  remote { auth = psk }
  children { a { local_ts = 10.1.0.0/16
    label = system_u }
   b { local_ts = 10.2.0.0/16 } } }
}
include conf.d/*.conf
pools { inner { addrs = 10.99.0.0/24
  nbns = 10.20.0.9 } }
"""

    def test_ikat_import(self):
        """What is written is valid for ikatd; what it does not have is told, and takes along what would be weaker."""
        os.mkdir(os.path.join(self.folder, "conf.d"))
        source = os.path.join(self.folder, "swanctl.conf")
        for path, text in ((source, self.SWANCTL), (os.path.join(self.folder, "conf.d/s.conf"),
                                                    'secrets { ike-a { secret = "a long enough secret" } }\n')):
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
            os.chmod(path, 0o600)
        made = os.path.join(self.folder, "made.conf")
        self.socket = ""
        told = self.ikat("import", self.folder, "-o", made, stream="stderr")
        self.assertEqual(os.stat(made).st_mode & 0o777, 0o600)
        full = net.run(f"""unshare -m sh -c 'mount -t tmpfs -o size=4k t /mnt; cat /dev/zero > /mnt/fill
            {IKAT} import {self.folder} -o /mnt/made.conf; echo status $?; ls /mnt' 2>&1""")
        self.assertIn("/mnt/made.conf: cannot be written", full)
        self.assertTrue(full.endswith("status 1\nfill\n"), full)
        subprocess.run([net.IKATD, "-c", made, "--check"], check=True, timeout=30)
        with open(made, encoding="ascii") as file:
            text = file.read()
        for gone in ("old {", "groups", "label =", " a {", "nbns", "hw_offload", "force"):
            self.assertNotIn(gone, text)
        for there in ("users {", " b {", "over_time = 1h", "secret = a long enough secret"):
            self.assertIn(there, text)
        self.assertRegex(told, r"refused: \S+:2: old: connection old is left out: version = 1 is IKEv1")
        self.assertRegex(told, r"refused: \S+: groups: groups is left out: ")
        self.assertRegex(told, r"refused: \S+: label: a is left out: ")
        self.assertRegex(told, r"left-out: \S+:7: fragmentation: 'force' is not one of")
        self.assertIn("File exists", self.ikat("import", self.folder, "-o", made, status=1, stream="stderr"))
        document = json.loads(self.ikat("import", source, "--json"))
        here = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(here, "../../dist/schema/import.schema.json"), encoding="utf-8") as file:
            jsonschema.validate(document, json.load(file))
        self.assertEqual(document["configuration"], text)
        self.assertEqual([name for name in os.listdir("/tmp") if name.startswith("ikat-import-")], [])
        self.assertIn("can be read", self.ikat("import", "/dev/null/x", status=1, stream="stderr"))

    def test_ikat_import_ipsec_conf(self):
        """A road warrior's gateway of ipsec.conf: its import is loaded, and says who may log in."""
        source = os.path.join(self.folder, "ipsec.conf")
        with open(source, "w", encoding="ascii") as file:
            file.write("conn workers\n right=%any\n rightid=*@example.org\n leftid=gw\n leftsubnet=10.20.0.0/24\n"
                       " rightsourceip=10.99.0.0/24\n authby=secret\n auto=add\n"
                       "conn old\n keyexchange=ikev1\n right=192.0.2.9\n authby=secret\n auto=start\n")
        with open(os.path.join(self.folder, "ipsec.secrets"), "w", encoding="ascii") as file:
            file.write('gw alice@example.org : PSK "a long enough secret"\n')
        made = os.path.join(self.folder, "made.conf")
        self.socket = ""
        told = self.ikat("import", source, "-o", made, stream="stderr")
        self.assertIn("connection old is left out: it is IKEv1", told)
        said = subprocess.run([IKAT, "check", made], check=True, capture_output=True, text=True, timeout=30).stdout
        self.assertIn("A secret is here for alice@example.org.", said)
        daemon = self.start(net.GATEWAY, "made", made)
        daemon.wait("event=config-loaded")

    def traced(self, *arguments):
        """The entries of `ikat trace --json`, each as the schema of the package says."""
        here = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(here, "../../dist/schema/trace.schema.json"), encoding="utf-8") as file:
            schema = json.load(file)
        entries = [json.loads(line) for line in self.ikat("trace", "--json", *arguments).splitlines()]
        for entry in entries:
            jsonschema.validate(entry, schema)
        return entries

    def test_ikat_trace(self):
        """A login, a clone and an end, as both sides saw them; and a login that gets no answer."""
        gateway = self.gateway()
        user = self.user()
        self.assertIn("no messages yet", self.ikat("trace", status=1, stream="stderr"))
        self.ikat("up", "office")
        session, = json.loads(self.ikat("status", "--json"))["sessions"]
        entries = self.traced(str(session["id"]))
        self.assertEqual([(one["kind"], one["exchange"], one["type"]) for one in entries[:4]],
                         [("out", "IKE_SA_INIT", "request"), ("in", "IKE_SA_INIT", "response"),
                          ("out", "IKE_AUTH", "request"), ("in", "IKE_AUTH", "response")])
        self.assertTrue(entries[0]["payloads"].startswith("SA KE NONCE "), entries[0])
        self.assertIn("N(NAT_DETECTION_SOURCE_IP)", entries[1]["payloads"])
        self.assertRegex(entries[2]["payloads"], r"^IDi .*AUTH ")
        self.assertEqual({one["conn"] for one in entries if one["session"] != 0}, {"office"})
        self.assertTrue(any("N(UPDATE_SA_ADDRESSES)" in one["payloads"] for one in entries))
        self.assertEqual(len({one["sa"] for one in entries}), 2)
        self.assertGreater(len({one["interface"] for one in entries}), 1)
        text = self.ikat("trace", "office")
        self.assertRegex(text, r"(?m)^\S+ +\+0\.0 ms  =+>  IKE_SA_INIT request 0  \d+ octets  { SA KE NONCE ")
        self.assertRegex(text, r"(?m)<-+  IKE_AUTH response 1  \d+ octets")
        self.ikat("down", "office")
        ended = [one["outcome"] for one in self.traced("office") if one["kind"] == "ended"]
        self.assertEqual(len(ended), 2)
        self.socket = gateway.socket  # the other side has the same messages
        self.assertEqual([(one["exchange"], one["octets"]) for one in self.traced() if one["kind"] == "in"][:2],
                         [(one["exchange"], one["octets"]) for one in entries if one["kind"] == "out"][:2])
        self.socket = user.socket
        gateway.end()
        follow = subprocess.Popen([IKAT, "-s", self.socket, "trace", "office", "-f", "--json"], stdout=subprocess.PIPE,
                                  text=True)
        self.ikat("up", "office", "--timeout", "3", status=1, stream="both")
        again = {}
        for line in follow.stdout:  # half open: nobody answers, and the request is repeated
            again = json.loads(line)
            if again.get("again"):
                break
        follow.kill()
        follow.communicate()
        self.assertEqual((again["kind"], again["exchange"], again["session"] == 0 or again["session"] > session["id"]),
                         ("out", "IKE_SA_INIT", True))
        self.assertIn("none of the messages", self.ikat("trace", "999999", status=1, stream="stderr"))

    def get(self, url):
        """Status and body of an HTTP request from within the user's namespace."""
        def asked():
            done = subprocess.run(f"ip netns exec {net.USER} curl -s -w '\n%{{http_code}}' {url}", shell=True, check=False,
                                  stdout=subprocess.PIPE, text=True)
            return done.stdout if done.returncode != REFUSED else None
        body, status = self.wait_for(asked).rsplit("\n", 1)
        return int(status), body

    def wait_for(self, question, timeout=30):
        deadline = time.monotonic() + timeout
        while not (answer := question()):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)
        return answer

    def background(self, *command):
        process = subprocess.Popen(["ip", "netns", "exec", net.USER, *command], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)

    def test_ikat_metrics(self):
        """The figures, at the command and by HTTP; the exporter serves these and nothing else."""
        gateway = self.gateway()
        user = self.user()
        self.ikat("up", "office")
        self.assertEqual(self.ping(), 3)
        for wanted in (r"ikat_logins_total 1", r"ikat_clones_total 1", r'ikat_paths_up{connection="office"} 2',
                       r'ikat_path_up{connection="office",session="\d+",path="two",interface="u2x\d+"} 1',
                       r'ikat_path_packets_total{.*direction="in"} [1-9]', r"# TYPE ikat_path_probe_loss_ratio gauge\n",
                       r'ikat_path_jitter_seconds{.*path="two".*} 0\.\d+', r'ikat_logins_failed_total{reason="peer-auth-failed"} 0',
                       r"ikat_failovers_total 0\n", r"ikat_failover_gap_longest_seconds 0\n",
                       r'ikat_dropped_packets_total{reason="in-replayed"} 0', r'ikat_limit_used{limit="[^"]+"} \d+', r"# EOF\n\Z"):
            self.assertRegex(self.ikat("metrics"), wanted)
        self.socket = gateway.socket
        self.assertRegex(self.ikat("metrics"), r'ikat_pool_online{pool="inner"} 1')
        self.background(EXPORTER, "-s", user.socket, "-p", "9000")
        status, text = self.get("http://127.0.0.1:9000/metrics")
        self.assertEqual(status, 200)
        self.assertRegex(text, r"(?s)ikat_logins_total 1\n.*# EOF\n")
        self.assertEqual(self.get("http://127.0.0.1:9000/")[0], 404)
        self.assertEqual(self.get("-X POST -d x http://127.0.0.1:9000/metrics")[0], 405)
        user.end()
        self.assertEqual(self.get("http://127.0.0.1:9000/metrics")[0], 503)

    def test_ikat_prometheus(self):
        """Prometheus scrapes the exporter, knows counters as counters, and takes the alert rules."""
        if shutil.which("prometheus") is None:
            self.skipTest("prometheus is not installed")
        self.gateway()
        user = self.user()
        self.ikat("up", "office")
        rules = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../dist/prometheus/ikat.rules.yml")
        config = os.path.join(self.folder, "prometheus.yml")
        with open(config, "w", encoding="ascii") as file:
            file.write(f"global:\n  scrape_interval: 1s\nrule_files: ['{os.path.abspath(rules)}']\nscrape_configs:\n"
                       "  - job_name: ikat\n    static_configs:\n      - targets: ['127.0.0.1:9000']\n")
        self.background(EXPORTER, "-s", user.socket, "-p", "9000")
        self.background("prometheus", f"--config.file={config}", f"--storage.tsdb.path={self.folder}/tsdb",
                        "--web.listen-address=127.0.0.1:9090")
        api = "http://127.0.0.1:9090/api/v1"

        def result():
            status, text = self.get(f"'{api}/query?query=ikat_logins_total'")
            return status == 200 and json.loads(text)["data"]["result"]
        series, = self.wait_for(result)
        self.assertEqual(series["value"][1], "1")
        kind = json.loads(self.get(f"'{api}/metadata?metric=ikat_logins'")[1])["data"]["ikat_logins"][0]
        self.assertEqual((kind["type"], kind["help"]), ("counter", "IKE SAs that were authenticated."))
        group, = json.loads(self.get(f"{api}/rules")[1])["data"]["groups"]
        self.assertEqual(len(group["rules"]), 9)

    def screen(self, terminal, wanted, timeout=20):
        """What came from the terminal until the pattern was there."""
        text, deadline = "", time.monotonic() + timeout
        while not re.search(wanted, text, re.DOTALL):
            left = deadline - time.monotonic()
            self.assertGreater(left, 0, f"no {wanted!r} in {text!r}")
            if select.select([terminal], [], [], left)[0]:
                text += os.read(terminal, 65536).decode(errors="replace")
        return text

    def test_ikat_watch(self):
        """The live view shows paths and events, follows a new size of the window, and ends with q."""
        self.gateway()
        self.user()
        self.ikat("up", "office")
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ.update(TERM="xterm", LC_ALL="C.UTF-8")
            os.execv(IKAT, [IKAT, "-s", self.socket, "watch"])
        self.addCleanup(os.close, terminal)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.kill(pid, signal.SIGWINCH)
        self.screen(terminal, r"office.*one.*two")
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        os.kill(pid, signal.SIGWINCH)
        self.screen(terminal, r"office.*one.*two")
        net.run(f"ip -n {net.USER} link set u2x{net.LINK} down")
        self.screen(terminal, r"office: path two: ")
        os.write(terminal, b"q")
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)

    def fails(self, *wanted, change=lambda text: text):
        self.user(change=change)
        text = self.ikat("up", "office", "--timeout", "8", status=1, stream="both",
                         prefix=("ip", "netns", "exec", net.USER))
        for pattern in wanted:
            self.assertRegex(text, pattern)

    def test_ikat_trap(self):
        """start_action = trap: traffic connects, but not after `down`; what no trap takes does nothing."""
        gateway = self.gateway()
        user = self.user(change=lambda text: text.replace("start_action = none", "start_action = trap"))
        user.wait("event=route-add what=10.1.0.0/")
        self.assertRegex(net.run(f"ip -n {net.USER} route get 10.1.0.1"), r"dev ikat0")
        self.assertIn("no sessions", self.ikat("status"))
        net.run(f"ip -n {net.USER} route add 10.9.0.0/16 dev ikat0")
        self.assertEqual(self.ping(2, to="10.9.0.1"), 0)
        self.assertFalse(any("event=trap" in line for line in user.lines))
        self.ping(1)
        user.wait("event=trap conn=office child=net to=gateway result=")
        for path in ("one", "two"):
            user.wait(f"event=path-up conn=office path={path}")
        self.assertEqual(self.ping(), 3)
        self.assertIn("office is down", self.ikat("down", "office"))
        since = len(user.lines)
        self.assertEqual(self.ping(1), 0)
        self.assertFalse(any("event=trap" in line for line in user.lines[since:]))
        self.ikat("up", "office")
        self.assertEqual(self.ping(), 3)
        self.assertEqual(len([line for line in gateway.lines if "event=session-up" in line]), 2)

    def test_ikat_two_children_at_once(self):
        """Each child with start_action = start gets its Child SAs, though there is one login."""
        both = "local_ts = 10.1.0.0/16\n        esp_proposals = aes128gcm16\n      }}\n      " \
               "more {{\n        local_ts = 10.2.0.0/16".replace("{{", "{").replace("}}", "}")
        self.gateway(change=lambda text: text.replace("local_ts = 10.1.0.0/16", both))
        net.run(f"ip -n {net.GATEWAY} addr add 10.2.0.1/32 dev lo")
        again = "start_action = start\n      }\n      more {\n        remote_ts = 10.2.0.0/16\n" \
                "        start_action = start"
        user = self.user(change=lambda text: text.replace("start_action = none", again))
        for path in ("one", "two"):
            user.wait(f"event=path-up conn=office path={path}")
        deadline = time.monotonic() + 10
        while self.ping(1) + self.ping(1, to="10.2.0.1") < 2:
            self.assertLess(time.monotonic(), deadline, "\n".join(user.lines))
        session, = json.loads(self.ikat("status", "--json"))["sessions"]
        self.assertEqual(session["logins"], 1)
        names = sorted(child["name"] for sa in session["ike_sas"] for child in sa["children"])
        self.assertEqual(names, ["more", "more", "net", "net"])

    def test_ikat_wrong_secret(self):
        self.gateway(secret="another long secret")
        self.fails("auth-failed", "Compare the pre-shared key")
        self.assertRegex(self.ikat("why", "office"), r"event=connect-failed conn=office reason=auth-failed[\s\S]*Compare the pre-shared key")
        self.assertEqual({one["payloads"] for one in self.traced() if one.get("error")}, {"N(AUTHENTICATION_FAILED)"})

    def test_ikat_no_secret(self):
        """The pair of identities for which there is none is named."""
        self.gateway()
        self.fails("no-secret", "no secret for alice and another-gw", "this pair of identities",
                   change=lambda text: text.replace("id = gw\n", "id = another-gw\n").replace("id-2 = another-gw", "id-2 = gw"))

    def test_ikat_no_answer(self):
        """`ikat up` asks the ports itself: who refuses, and which of the two is silent."""
        self.fails("timeout", r"(?s)192\.0\.1\.2 refuses UDP port 500, or a router before it \(ICMP: unreachable\); trying on"
                   r".*gateway 192\.0\.1\.2 of office(, over \w+)?: UDP port 500 is refused by 192\.0\.1\.2 \(ICMP: port unreachable\)")
        self.gateway()
        net.run(f"ip netns exec {net.GATEWAY} nft 'add table inet t; "
                "add chain inet t in { type filter hook input priority 0; }'")
        net.run(f"ip netns exec {net.GATEWAY} nft 'add rule inet t in udp dport 4500 drop'")
        said = self.ikat("up", "office", "--timeout", "3", status=1, stream="both", prefix=("ip", "netns", "exec", net.USER))
        self.assertRegex(said, r"timeout[\s\S]*gateway 192\.0\.1\.2 of office(, over \w+)?: UDP port 500 answers, port 4500 does not")

    def test_ikat_no_algorithm(self):
        self.gateway()
        self.fails("no-proposal", "for IKE the peer takes: aes128gcm16-prfsha256-x25519",
                   "offered for IKE: aes256gcm16-prfsha384-ecp384",
                   change=lambda text: text.replace("aes128gcm16-prfsha256-x25519", "aes256gcm16-prfsha384-ecp384"))

    def test_ikat_no_selectors(self):
        gateway = self.gateway()
        self.fails("ts-refused", "Compare local_ts", r"asked for net: local_ts = \S+ remote_ts = 172\.16\.0\.0/16", change=lambda text: text.replace("10.1.0.0/16", "172.16.0.0/16"))
        gateway.wait("a Child SA is refused to alice: it asks for 172.16.0.0/16 here and ")

    def test_ikat_no_interface(self):
        for i in (1, 2):
            net.run(f"ip -n {net.USER} link set u{i}x{net.LINK} down")
        self.fails("no-path", "No interface", rf"u1x{net.LINK}: it is switched off", rf"u2x{net.LINK}: it is switched off")

    def test_ikat_no_such_name(self):
        self.fails("vpn.nothere.invalid does not resolve", "getent ahosts vpn.nothere.invalid",
                   change=lambda text: re.sub(r"192\.0\.1\.2, 192\.0\.2\.2", "vpn.nothere.invalid", text)
                   .replace("        remote_addrs = 192.0.1.2\n", "").replace("        remote_addrs = 192.0.2.2\n", ""))

    def test_ikat_peer_cannot_clone(self):
        part = net.GATEWAY_PART
        net.GATEWAY_PART = "    mobike = no\n" + part
        try:
            self.gateway()
        finally:
            net.GATEWAY_PART = part
        self.user()
        self.assertRegex(self.ikat("up", "office"), r"1 IKE SA, 1 VPN")

    def test_ikat_selectors_of_words(self):
        """The engine, which may open no file, knows names of ports; loading again changes nothing."""
        user = self.user()
        path = os.path.join(self.folder, "words.conf")
        with open(os.path.join(self.folder, "user.conf"), encoding="ascii") as file:
            text = file.read()
        with open(path, "w", encoding="ascii") as file:
            file.write(text.replace("10.1.0.0/16", "10.1.0.0/16[tcp/https], 10.1.0.0/16[udp/domain]"))
        if shutil.which("swanctl") is None:
            self.skipTest("swanctl is not installed")
        for _ in range(3):
            done = subprocess.run(["swanctl", "--load-all", "--uri", "unix://" + user.socket, "--file", path],
                                  check=False, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIsNone(user.process.poll())
        listed = subprocess.run(["swanctl", "--list-conns", "--uri", "unix://" + user.socket], check=False,
                                capture_output=True, text=True).stdout
        self.assertEqual(len(re.findall(r"(?m)^office: ", listed)), 1)

    def test_ikat_beside_swanctl(self):
        """The stock swanctl sees and steers what ikat has brought up."""
        if shutil.which("swanctl") is None:
            self.skipTest("swanctl is not installed")
        self.gateway()
        user = self.user()
        uri = ["--uri", "unix://" + user.socket]

        def swanctl(*arguments, status=0):
            done = subprocess.run(["swanctl", *arguments, *uri], check=False, capture_output=True, text=True,
                                  timeout=60)
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
            return done.stdout

        monitor = subprocess.Popen(["stdbuf", "-oL", "swanctl", "--monitor-sa", *uri], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        self.addCleanup(monitor.stdout.close)
        self.addCleanup(monitor.wait)
        self.addCleanup(monitor.terminate)
        for _ in range(20):  # until it has registered, which nobody is told
            self.ikat("up", "office")
            if select.select([monitor.stdout], [], [], 0.2)[0]:
                break
            self.ikat("down", "office")
        self.assertRegex(monitor.stdout.readline(), r"up event|CHILD_SA|IKE_SA|office")
        listed = swanctl("--list-sas")
        self.assertEqual([listed.count("ESTABLISHED"), listed.count("INSTALLED, TUNNEL")], [2, 2])
        before = set(re.findall(r"in +(c?[0-9a-f]{8})", listed))
        self.assertEqual(len(before), 2)
        since = len(user.lines)
        self.assertIn("rekey completed successfully", swanctl("--rekey", "--child", "net"))
        for _ in range(2):
            since = user.wait("event=child-down", since) + 1  # the old ones are gone
        self.assertEqual(self.ping(), 3)
        self.assertTrue(before.isdisjoint(re.findall(r"in +(c?[0-9a-f]{8})", swanctl("--list-sas"))))
        self.assertIn("completed successfully", swanctl("--terminate", "--ike", "office"))
        self.assertIn("office is down already", self.ikat("down", "office"))


def main():
    global IKAT, EXPORTER
    if os.geteuid() != 0:
        print("needs root")
        return 77
    net.IKATD, IKAT, EXPORTER = (os.path.abspath(path) for path in sys.argv[1:4])
    names = sys.argv[4:] or [name for name in dir(IkatTest) if name.startswith("test_ikat_")]
    suite = unittest.TestSuite(IkatTest(name) for name in names)
    return 0 if unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
