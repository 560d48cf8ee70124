# SPDX-License-Identifier: Apache-2.0
"""libreswan (pluto) as the peer of an interoperation case."""
import os
import re

from lab.daemons import Program
from lab.interop.package import unpack
from lab.net import address
from lab.run import run, wait
from lab.settings import IDS

LIBEXEC = "/usr/libexec/ipsec/"
CONTROL = "/run/pluto/pluto.ctl"
WORDS = {"aes128gcm16": "aes_gcm128", "aes256gcm16": "aes_gcm256", "chacha20poly1305": "chacha20_poly1305",
         "aes128": "aes128", "aes256": "aes256", "sha256": "sha2_256", "sha384": "sha2_384", "sha512": "sha2_512",
         "prfsha256": "sha2_256", "prfsha384": "sha2_384", "prfsha512": "sha2_512", "ecp256": "dh19", "ecp384": "dh20",
         "ecp521": "dh21", "x25519": "dh31", "modp2048": "dh14", "modp3072": "dh15", "modp4096": "dh16"}


def proposal(text):
    """A proposal (or several, comma separated) in libreswan's words."""
    done = []
    for one in text.split(", "):
        words = [WORDS[word] for word in one.split("-") if word not in ("esn", "noesn")]
        groups = [word for word in words if word.startswith("dh")]
        done.append("-".join(word for word in words if not word.startswith("dh")) + ("-" + "+".join(groups) if groups else ""))
    return ",".join(done)


class Peer(Program):
    """pluto stays up from case to case; a case has its own connection."""
    kind, title, leases = "libreswan", "libreswan", True
    moves_esp = True  # whether MOBIKE moves its ESP, too
    ike, esp = "aes128gcm16-prfsha256-ecp256", "aes128gcm16"
    watchful = {"dpddelay": "1", "dpdtimeout": "20", "dpdaction": "clear"}   # keys of plan.peer: for liveness checks, ...
    mobile = {"mobike": "yes", "right": "%any"}   # ... and for MOBIKE

    def __init__(self, lab, host):
        super().__init__(lab, host, "pluto")
        self.revives = host == "eu"
        if not os.path.exists(LIBEXEC + "pluto"):
            unpack("libreswan")
            for directory in ("/run/pluto", "/var/lib/ipsec/nss", "/etc/ipsec.d"):
                os.makedirs(directory, exist_ok=True)
            run("certutil", "-N", "-d", "sql:/var/lib/ipsec/nss", "--empty-password")

    def _answers(self):
        return os.path.exists(CONTROL)

    def _whack(self, *words, check=True):
        return self.lab.run(self.host, LIBEXEC + "whack", "--ctlsocket", CONTROL, *words, check=check)

    def configure(self, plan):
        """Keys of plan.peer: those of a conn."""
        other = {"eu": "gw", "gw": "eu"}[self.host]
        ends = {"eu": address("wlan", "eu", plan.family), "gw": address("wan0", "gw", plan.family)}
        conn = {"ikev2": "insist", "authby": "secret", "narrowing": "yes", "rekey": "yes", "fragmentation": "yes",
                "left": ends[self.host], "leftid": identity(self.host),
                "right": "%any" if plan.nat else ends[other], "rightid": identity(other),
                "ike": proposal(plan.peer_ike or plan.ike), "esp": proposal(plan.peer_esp or plan.esp),
                "pfs": "yes" if re.search("ecp|modp|x25519", plan.esp) else "no",
                "esn": "yes" if "-esn" in plan.esp else "no", "auto": "add"}
        if self.host == "gw":
            pool = "10.30.0.1-10.30.0.99" if plan.family == 4 else "fd30::/120"
            conn |= {"leftsubnet": plan.lan, "rightaddresspool": pool, "leftmodecfgserver": "yes", "rightmodecfgclient": "yes",
                     "leftupdown": "%disabled"}
        else:
            conn |= {"right": ends[other], "rightsubnet": plan.lan, "leftsubnet": "0.0.0.0/0" if plan.family == 4 else "::/0",
                     "leftmodecfgclient": "yes", "rightmodecfgserver": "yes"}
        conn |= plan.peer
        config = self.lab.path(self.name + ".conf")
        with open(config, "w", encoding="ascii") as file:
            file.write("config setup\n    uniqueids=no\nconn net\n"
                       + "".join(f"    {key}={value}\n" for key, value in conn.items() if value is not None))
        with open("/etc/ipsec.secrets", "w", encoding="ascii") as file:
            file.write(f'{identity(self.host)} {identity(other)} : PSK "{plan.peer_secret or plan.secret}"\n')
        if self.process is None or self.process.poll() is not None:
            if os.path.exists(CONTROL):
                os.unlink(CONTROL)
            self._launch([LIBEXEC + "pluto", "--config", config, "--nofork", "--stderrlog", "--log-no-time"], {})
        self._whack("--listen")
        self._whack("--rereadsecrets")
        mark = len(self.log())
        self.lab.run(self.host, LIBEXEC + "addconn", "--ctlsocket", CONTROL, "--config", config, "net")
        wait(lambda: "added IKEv2 connection" in self.log()[mark:], lambda: f"pluto has its connection: {self.log()[mark:]}")

    def begin(self):
        """Initiates, as the End User."""
        self._whack("--initiate", "--asynchronous", "--name", "net")

    def _states(self, name):
        return re.findall(r"#(\d+): [^\n]*" + name, self._whack("--showstates"))

    def ikes(self):
        """Numbers of its established IKE SAs."""
        return self._states("STATE_V2_ESTABLISHED_IKE_SA")

    def wide(self, net):
        """Keys of plan.peer that ask for this network behind the Gateway."""
        return {"rightsubnet": net}

    def due(self, _):
        """Keys of plan.peer that make rekey() possible: none are needed."""
        return {}

    def rekey(self, what):
        """Rekeys its IKE SA or Child SA."""
        self._whack("--rekey-ike" if what == "ike" else "--rekey-ipsec", "--asynchronous", "--name", "net")

    def delete(self, what):
        """Deletes its IKE SA or Child SA."""
        states = self.ikes() if what == "ike" else self._states("STATE_V2_ESTABLISHED_CHILD_SA")
        self._whack("--deletestate", states[0])

    def close(self):
        """Ends the daemon."""
        self.stop()

    def reset(self):
        """Ends and forgets all of the last case."""
        self._whack("--delete", "--name", "net", check=False)


def identity(host):
    """The identity of a host in libreswan's words: a name, or an e-mail address."""
    return IDS[host] if "@" in IDS[host] else "@" + IDS[host]
