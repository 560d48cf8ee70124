# SPDX-License-Identifier: Apache-2.0
"""strongSwan with the kernel's ESP, as the peer of an interoperation case."""
from lab.daemons import Strongswan
from lab.settings import end_user, gateway, merge

LISTS = ("local_addrs", "remote_addrs", "proposals", "esp_proposals", "vips", "pools", "local_ts", "remote_ts")


def vici(tree):
    """A connection of swanctl.conf as the message load-conn."""
    return {key: vici(value) if isinstance(value, dict) else value.split(", ") if key in LISTS and isinstance(value, str)
            else value for key, value in tree.items()}


class Peer(Strongswan):
    """charon stays up from case to case; connections are loaded over VICI."""
    kind, title, leases = "strongswan", "strongSwan", True
    ike, esp = "aes128gcm16-prfsha256-ecp256", "aes128gcm16"
    watchful = {"dpd_delay": "1s"}   # keys of plan.peer: for liveness checks, ...
    mobile = {}   # ... and for MOBIKE
    revives = False   # whether a Delete from the other end makes it log in again
    moves_esp = True  # whether MOBIKE moves its ESP, too
    plugins = ("random nonce openssl hmac kdf curve25519 chapoly gcm pem pkcs1 x509 pubkey kernel-netlink "
               "socket-default vici attr")

    def __init__(self, lab, host):
        super().__init__(lab, host, {}, {"fragment_size": "576"})

    def load(self):
        """Nothing: configure() does."""

    def configure(self, plan):
        """Keys of plan.peer: those of a connection; `child`: those of its child."""
        conn = {"proposals": plan.peer_ike or plan.ike} | {k: v for k, v in plan.peer.items() if k != "child"}
        child = merge({"esp_proposals": plan.peer_esp or plan.esp}, plan.peer.get("child"))
        settings = (end_user if self.host == "eu" else gateway)(conn, child, plan.family)
        if self.process is None:
            self.start()
        with self.vici() as client:
            secret = settings["secrets"]["ike-lab"]
            requests = [("load-shared", {"id": "lab", "type": "IKE", "data": plan.peer_secret or plan.secret,
                                         "owners": [secret["id-1"], secret["id-2"]]})]
            requests += [("load-pool", {name: pool}) for name, pool in settings["pools"].items()] if self.host == "gw" else []
            requests += [("load-conn", {name: vici(keys)}) for name, keys in settings["connections"].items()]
            for name, message in requests:
                answer = client.request(name, message)
                if answer.get("success") != "yes":
                    raise ValueError(f"{name}: {answer}")

    def begin(self):
        """Initiates, as the End User."""
        answer = self.initiate("net")
        if answer["success"] != "yes":
            raise ValueError(answer)

    def ikes(self):
        """Names of its established IKE SAs."""
        return [sa["uniqueid"] for sa in self.established()]

    def wide(self, net):
        """Keys of plan.peer that ask for this network behind the Gateway."""
        return {"child": {"remote_ts": net}}

    def due(self, _):
        """Keys of plan.peer that make rekey() possible: none are needed."""
        return {}

    def rekey(self, what):
        """Rekeys its IKE SA or Child SA."""
        name = "home" if self.host == "eu" else "gate"
        return self.request("rekey", **({"child": "net"} if what == "child" else {"ike": name}))

    def delete(self, what):
        """Deletes its IKE SA or Child SA."""
        name = "home" if self.host == "eu" else "gate"
        return self.request("terminate", **({"child": "net"} if what == "child" else {"ike": name}), timeout="10000")

    def close(self):
        """Ends the daemon."""
        self.stop()

    def reset(self):
        """Ends and forgets all of the last case."""
        for sa in self.sas():
            self.request("terminate", ike_id=sa[1]["uniqueid"], force="yes")
        with self.vici() as client:
            for name in client.request("get-conns").get("conns", []):
                client.request("unload-conn", {"name": name})
