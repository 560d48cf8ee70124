# SPDX-License-Identifier: Apache-2.0
"""NetworkManager brings connections of ikat up and down, each with its own secret, device and name servers."""
import re
import shlex

import pytest

from lab.certificates import Authority, pem, pem_key
from lab.network_manager import NetworkManager, read
from lab.run import wait
from lab.settings import IDS, LAN, LAN6, PSK, gateway, merge

SECOND, BOB = "second@lab.example", "bob.lab.example"
OUTSIDE = "192.0.2.99"  # a name server that no Child SA reaches: what is asked there leaves in the clear


def gateways():
    """A Gateway with four users: of IPv4, of IPv6, and two to whom it proves itself by a certificate."""
    one = gateway()
    gate = one["connections"]["gate"]
    second = merge(gate, {"pools": "inner6", "remote": {"id": SECOND}, "children": {"net": {"local_ts": LAN6}}})
    alice = merge(gate, {"local": {"auth": "pubkey", "certs": "gw.pem"}, "remote": {"auth": "eap-mschapv2", "id": "alice"}})
    bob = merge(alice, {"remote": {"auth": "pubkey", "id": BOB}})
    return merge(one, {"connections": {"second": second, "alice": alice, "bob": bob},
                       "pools": {"inner": {"dns": f"{OUTSIDE}, 10.20.0.53", "dns_domains": "corp.example"}},
                       "secrets": {"ike-second": {"id-1": SECOND, "id-2": IDS["gw"], "secret": '"another secret"'},
                                   "eap-alice": {"id": "alice", "secret": "wonderland"}}})


@pytest.fixture(name="machines", scope="module")
def started(shared):
    """The lab, an ikatd without connections of its own, NetworkManager beside it, and the Gateway's ikatd."""
    lab = shared.lab()
    ca = Authority()
    certificate, key = ca.issue("CN=gw", names=(IDS["gw"],))
    gw = shared.ikatd(lab, "gw", gateways(), files={"x509/gw.pem": pem(certificate), "private/gw.pem": pem_key(key),
                                                    "x509ca/ca.pem": pem(ca.certificate)})
    certificate, key = ca.issue("CN=bob", names=(BOB,))
    for name, octets in (("ca.pem", pem(ca.certificate)), ("bob.pem", pem(certificate)), ("key.pem", pem_key(key, b"horse"))):
        with open(lab.path(name), "wb") as file:
            file.write(octets)
    eu = shared.ikatd(lab, "eu", {})
    nm = NetworkManager(eu).start()
    nm.nmcli("connection", "add", "type", "ethernet", "con-name", "uplink", "ifname", "wlan0", "autoconnect", "no",
             "ipv4.method", "manual", "ipv4.addresses", "10.1.0.2/24", "ipv4.gateway", "10.1.0.1", "ipv6.method", "disabled")
    nm.nmcli("connection", "up", "uplink")
    return lab, eu, nm, gw


@pytest.fixture(name="hosts")
def without_connections(machines):
    """The same, and afterwards NetworkManager has no VPN connection."""
    yield machines
    nm = machines[2]
    lines = nm.nmcli("-t", "-f", "UUID,TYPE", "connection").splitlines()
    for uuid in [line.split(":")[0] for line in lines if line.endswith(":vpn")]:
        nm.nmcli("connection", "delete", uuid)
    wait(lambda: is_empty(machines[1]), "ikatd has nothing left")


def add(nm, name, secret, **data):
    """A connection with keys of vpn.data, and a secret (name, value)."""
    data = {"gateway": "192.0.2.1", "method": "psk", "local-id": IDS["eu"], "remote-id": IDS["gw"],
            "proposals": "aes128gcm16-prfsha256-x25519", "esp-proposals": "aes128gcm16"} | {
                key.replace("_", "-"): value for key, value in data.items()}
    nm.nmcli("connection", "add", "type", "vpn", "vpn-type", "ikat", "con-name", name, "autoconnect", "no",
             "vpn.data", ", ".join(f"{key}={value}" for key, value in data.items() if value),
             *(["vpn.secrets", "=".join(secret)] if secret else []))


def reaches(lab, address):
    """A packet to that address comes back."""
    return "1 received" in lab.run("eu", "ping", "-c", "1", "-W", "2", address, check=False)


def is_empty(eu):
    """ikatd has neither session, connection, secret nor key of NetworkManager."""
    names = (eu.request("get-conns")["conns"], eu.request("get-shared")["keys"], eu.request("get-keys")["keys"])
    return not eu.sas() and names == ([], [], [])


def by_user(gw):
    """The number of each user's session at the Gateway."""
    return {sa["remote-id"]: sa["session"] for sa in gw.established()}


def active(nm):
    """The VPN connections that NetworkManager shows as active."""
    lines = nm.nmcli("-t", "-f", "NAME,TYPE,STATE", "connection", "show", "--active").splitlines()
    return sorted(line.split(":")[0] for line in lines if line.endswith(":vpn:activated"))


def test_up_and_down(hosts):
    """Address and name server are NetworkManager's, routes and blocks are ikatd's; down takes all of it away. Neither a
    log nor a command line has the secret."""
    lab, eu, nm, _ = hosts
    add(nm, "one", ("psk", PSK), remote_ts=LAN)
    nm.nmcli("connection", "up", "one")
    assert reaches(lab, "10.20.0.2") and active(nm) == ["one"]
    assert "10.30.0.1/32" in nm.nmcli("-g", "IP4.ADDRESS", "connection", "show", "one")
    wait(lambda: "nameserver 10.20.0.53" in nm.inside("cat", "/etc/resolv.conf"), "NetworkManager has the server")
    assert OUTSIDE not in nm.inside("cat", "/etc/resolv.conf")
    assert "corp.example" in nm.nmcli("-g", "IP4.DOMAIN", "connection", "show", "one")
    assert LAN not in lab.run("eu", "ip", "route")
    assert "unreachable " + LAN in lab.run("eu", "ip", "route", "show", "table", "all")
    assert PSK not in nm.log() + eu.log() + lab.run("eu", "ps", "-eo", "args")
    nm.nmcli("connection", "down", "one")
    wait(lambda: is_empty(eu), "ikatd has nothing left")
    after = lab.run("eu", "ip", "route", "show", "table", "all") + nm.inside("cat", "/etc/resolv.conf")
    assert "10.20.0" not in after


def test_two_at_once(hosts):
    """Each has a device and a secret of its own, and the end of one leaves the other as it is. One of them asks for its
    secret. A session that the Gateway ends is begun anew, unless on-failure says that NetworkManager is to be told."""
    lab, eu, nm, gw = hosts
    add(nm, "one", ("psk", PSK), remote_ts=LAN)
    add(nm, "two", None, local_id=SECOND, remote_ts=LAN6, psk_flags="2", on_failure="bypass")
    with open(lab.path("passwords"), "w", encoding="utf-8") as file:
        file.write("vpn.secrets.psk:another secret\n")
    nm.nmcli("connection", "up", "one")
    nm.nmcli("connection", "up", "two", "passwd-file", lab.path("passwords"))
    assert active(nm) == ["one", "two"] and reaches(lab, "10.20.0.2") and reaches(lab, "fd20::2")
    before = by_user(gw)
    gw.request("terminate", ike="gate", force="yes")
    gw.request("terminate", ike="second", force="yes")
    wait(lambda: active(nm) == ["one"], "NetworkManager knows that one session is gone")
    wait(lambda: reaches(lab, "10.20.0.2"), "the other one is begun anew")
    wait(lambda: by_user(gw).keys() == {IDS["eu"]} and by_user(gw)[IDS["eu"]] != before[IDS["eu"]], "one new session")
    nm.nmcli("connection", "down", "one")
    wait(lambda: is_empty(eu), "ikatd has nothing left")


def test_files_are_loaded_anew(hosts):
    """A reload of ikatd's files takes the connection away: NetworkManager is told when its session ends."""
    _, eu, nm, gw = hosts
    add(nm, "one", ("psk", PSK), remote_ts=LAN)
    nm.nmcli("connection", "up", "one")
    eu.reload()
    assert active(nm) == ["one"] and eu.established()
    gw.request("terminate", ike="gate", force="yes")
    wait(lambda: active(nm) == [], "NetworkManager knows that the session is gone")


def test_other_methods(hosts):
    """EAP with a password, and a certificate whose key has a passphrase."""
    lab, eu, nm, _ = hosts
    add(nm, "alice", ("password", "wonderland"), method="eap", local_id="", user="alice", ca=lab.path("ca.pem"), remote_ts=LAN)
    add(nm, "bob", ("key-password", "horse"), method="pubkey", local_id=BOB, ca=lab.path("ca.pem"), remote_ts=LAN,
        certificate=lab.path("bob.pem"), private_key=lab.path("key.pem"))
    for name in ("alice", "bob"):
        nm.nmcli("connection", "up", name)
        assert active(nm) == [name] and reaches(lab, "10.20.0.2")
        nm.nmcli("connection", "down", name)
        wait(lambda: is_empty(eu), "ikatd has nothing left")


def test_refused(hosts):
    """A wrong secret is a failed login. A key that ikat does not know is refused by its name, and so is a
    connection that only some users may use."""
    lab, eu, nm, _ = hosts
    add(nm, "wrong", ("psk", "not the secret"), remote_ts=LAN)
    assert "activation failed" in nm.nmcli("connection", "up", "wrong", check=False)
    nm.wait_log("auth-failed")
    wait(lambda: is_empty(eu), "ikatd has nothing left")
    add(nm, "unknown", ("psk", PSK), updown="/bin/sh")
    assert "activation failed" in nm.nmcli("connection", "up", "unknown", check=False)
    nm.wait_log("'updown' is not a key that ikat knows")
    add(nm, "nobody", PSK, remote_ts=LAN)
    nm.nmcli("connection", "modify", "nobody", "connection.permissions", "user:nobody")
    assert "activation failed" in nm.nmcli("connection", "up", "nobody", check=False)
    nm.wait_log("connections for all users only")
    assert not reaches(lab, "10.20.0.2")


def test_recipe(hosts):
    """The commands of docs/recipes.md, with the names of the lab."""
    lab, eu, nm, _ = hosts
    commands, = re.findall(r"^```nmcli\n(.*?)^```$", read("docs/recipes.md"), re.MULTILINE | re.DOTALL)
    for example, ours in (("vpn.example.org", "192.0.2.1"), ("laptop@example.org", IDS["eu"]), ("10.0.0.0/8", LAN),
                          ("wwan0", "lte0"), ("psk-flags", f"remote-id={IDS['gw']}, psk-flags")):
        assert example in commands
        commands = commands.replace(example, ours)
    for line in commands.splitlines():
        words = shlex.split(line)
        assert words.pop(0) == "nmcli"
        if "down" in words:
            assert active(nm) == ["office"] and reaches(lab, "10.20.0.2")
            eu.wait_paths(2, eu.sas()[0][0])
        nm.nmcli(*words, input=PSK + "\n" if "--ask" in words else "")
    wait(lambda: is_empty(eu), "ikatd has nothing left")
