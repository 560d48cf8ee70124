# SPDX-License-Identifier: Apache-2.0
"""OpenIKED (iked) as the peer of an interoperation case. It configures the kernel by PF_KEY, which has no AES-GCM for
ESP."""
import os
import re

from lab.daemons import Program
from lab.interop.package import unpack
from lab.net import address
from lab.run import run
from lab.settings import IDS

WORDS = {"aes128gcm16": "enc aes-128-gcm", "aes256gcm16": "enc aes-256-gcm", "chacha20poly1305": "enc chacha20-poly1305",
         "aes128": "enc aes-128", "aes256": "enc aes-256", "sha256": "auth hmac-sha2-256", "sha384": "auth hmac-sha2-384",
         "sha512": "auth hmac-sha2-512", "prfsha256": "prf hmac-sha2-256", "prfsha384": "prf hmac-sha2-384",
         "prfsha512": "prf hmac-sha2-512", "ecp256": "group ecp256", "ecp384": "group ecp384", "ecp521": "group ecp521",
         "x25519": "group curve25519", "modp2048": "group modp2048", "modp3072": "group modp3072", "esn": "esn", "noesn": "noesn"}
SOCKET = "/var/run/iked.sock"


def proposal(kind, text):
    """Proposals in iked's words; as in swanctl, the integrity algorithm of an IKE SA is its PRF too."""
    done = []
    for one in text.split(", "):
        words = one.split("-")
        if kind == "ikesa" and not any(word.startswith("prf") for word in words):
            words += ["prf" + word for word in words if word.startswith("sha")]
        done.append(kind + " " + " ".join(WORDS[word] for word in words))
    return " ".join(done)


class Peer(Program):
    """A new iked for each case: it has no command for much of what the cases need."""
    kind, title, leases = "openiked", "OpenIKED", False
    revives = False   # whether a Delete from the other end makes it log in again
    moves_esp = False  # whether MOBIKE moves its ESP, too
    ike, esp = "aes256-sha256-ecp256", "aes256-sha512"   # of SHA-2 for ESP, Debian's iked can tell the kernel only SHA-512
    watchful = {"set": ["fragmentation", "nomobike", "dpd_check_interval 1"]}   # keys of plan.peer: for liveness checks, ...
    mobile = {}   # ... and for MOBIKE

    def __init__(self, lab, host):
        super().__init__(lab, host, "iked")
        if not os.path.exists("/usr/sbin/iked"):
            unpack("openiked")
            with open("/etc/passwd", "a", encoding="ascii") as users, open("/etc/group", "a", encoding="ascii") as groups:
                users.write("_iked:x:990:990::/var/empty:/usr/sbin/nologin\n")
                groups.write("_iked:x:990:\n")
            for name in ("/var/empty", *("/etc/iked/" + part for part in ("ca", "crls", "certs", "private", "pubkeys/ipv4",
                                                                          "pubkeys/ipv6", "pubkeys/fqdn", "pubkeys/ufqdn"))):
                os.makedirs(name, exist_ok=True)
            run("openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", "/etc/iked/private/local.key")
            run("openssl", "ec", "-in", "/etc/iked/private/local.key", "-pubout", "-out", "/etc/iked/local.pub")

    def _answers(self):
        # it serves before it has its configuration, and forgets what came in between
        return "stickyaddress" in self.log()[self.begun:] and os.path.exists(SOCKET)

    def configure(self, plan):
        """Keys of plan.peer: `set`, lines without that word; `to`, the network behind the Gateway; others are
        parameters of the policy."""
        other = {"eu": "gw", "gw": "eu"}[self.host]
        ends = {"eu": address("wlan", "eu", plan.family), "gw": address("wan0", "gw", plan.family)}
        nets = {"eu": plan.inner, "gw": plan.peer.get("to", plan.lan)}
        keys = " ".join(f"{key} {value}" for key, value in plan.peer.items() if key not in ("set", "to"))
        # As the initiator, iked with MOBIKE puts the non-ESP marker before its messages from port 500, where nobody
        # expects it
        lines = [f"set {line}" for line in plan.peer.get("set", ["fragmentation"] + ["nomobike"] * (self.host == "eu"))]
        lines.append(f'ikev2 "net" {"active" if self.host == "eu" else "passive"} esp from {nets[self.host]} to {nets[other]} '
                     f'local {ends[self.host]} peer {"any" if plan.nat and self.host == "gw" else ends[other]} '
                     f'{proposal("ikesa", plan.peer_ike or plan.ike)} {proposal("childsa", plan.peer_esp or plan.esp)} '
                     f'srcid {IDS[self.host]} dstid {IDS[other]} {keys} psk "{plan.peer_secret or plan.secret}"')
        config = self.lab.path(self.name + ".conf")
        with open(config, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        os.chmod(config, 0o600)
        self.words = ["/usr/sbin/iked", "-d", "-vv", "-f", config]
        if self.host == "gw":
            self._begin()

    def begin(self):
        """Initiates, as the End User: an active policy does so as iked starts."""
        self._begin()

    def _begin(self):
        self.begun = len(self.log())
        self._launch(self.words, {})

    def _control(self, *words, check=True):
        return self.lab.run(self.host, "/usr/sbin/ikectl", *words, check=check)

    def ikes(self):
        """Its established IKE SAs."""
        if self.process is None or not os.path.exists(SOCKET):
            return []
        return re.findall(r"iked_sas: (\S+) [^\n]*ESTABLISHED", self._control("show", "sa", check=False))

    def wide(self, net):
        """Keys of plan.peer that ask for this network behind the Gateway."""
        return {"to": net}

    def due(self, what):
        """Keys of plan.peer that make rekey() possible: short lifetimes, since there is no command."""
        return {"ikelifetime" if what == "ike" else "lifetime": "4"}

    def rekey(self, what):
        """Nothing: due() has made it come by itself."""

    def delete(self, what):
        """Deletes its IKE SA."""
        self._control("reset", "sa")

    def reset(self):
        """Ends iked."""
        if self.process is not None:
            self.stop()
            self.process = None
        if os.path.exists(SOCKET):
            os.unlink(SOCKET)

    def close(self):
        """Nothing is left after reset()."""
