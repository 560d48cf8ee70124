# SPDX-License-Identifier: Apache-2.0
"""Secrets and private keys are with the processes that keep them, and nowhere else: looked for in memory."""
import fcntl
import os
import signal
import sys
import termios

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lab.net import address
from lab.run import run, wait
from lab.settings import IDS, end_user, gateway
from lab.vici import Vici

OLD, NEW = "the secret of the old file 5f0a", "the secret of the new file 7c1b"
PASSWORD, RADIUS = "a password of anna 93d2", "a secret of a RADIUS server 11c4"


def process(daemon, name):
    """The process id of one of its processes."""
    for line in run("ps", "-eo", "pid=,args=").splitlines():
        pid, program = line.split(None, 1)
        if daemon.socket in program and program.startswith(f"ikatd-{name} "):
            return int(pid)
    return None


def holds(pid, octets):
    """Whether the octets stand in memory that the process can write."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            if "w" not in rights or "[v" in line:
                continue
            first, last = (int(end, 16) for end in span.split("-"))
            try:
                if octets in os.pread(memory.fileno(), last - first, first):
                    return True
            except OSError:  # a piece that is not there
                continue
    return False


def keepers(daemon, *what):
    """The names of the processes whose memory has one of the texts."""
    names = ("keyholder", "verifier", "eap", "aaa", "resolver", "engine", "hooks")
    return {name for name in names for octets in what if holds(process(daemon, name), octets)}


def forms(key):
    """A private key as it may lie in memory: the text of its file, and the number."""
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    number = key.private_numbers().private_value.to_bytes(32, "big")
    return text, (text.splitlines()[1], number)


def with_secret(secret):
    """A Gateway's settings with all kinds of secrets."""
    return gateway(top={"secrets": {"ike-lab": {"secret": f'"{secret}"'}, "eap-anna": {"id": "anna", "secret": f'"{PASSWORD}"'}},
                        "radius": {"aaa": {"address": address("lan", "host"), "secret": f'"{RADIUS}"'}}})


def user_of(secret):
    """An End User who has it."""
    return end_user(top={"secrets": {"ike-lab": {"secret": f'"{secret}"'}}})


def test_files_pass_by_the_engine(world):
    """What stands in the files is with its keeper alone, at the start, after a reload and after a login."""
    lab = world.lab()
    text, key = forms(ec.generate_private_key(ec.SECP256R1()))
    gate = world.ikatd(lab, "gw", with_secret(OLD), files={"private/own.pem": text})

    def alone():
        assert keepers(gate, OLD.encode()) == {"keyholder"}
        assert keepers(gate, PASSWORD.encode()) == {"eap"}
        assert keepers(gate, RADIUS.encode()) == {"aaa"}
        assert keepers(gate, key[0]) <= {"keyholder"} and "engine" not in keepers(gate, key[1])
    alone()
    gate.reload()
    alone()
    user = world.ikatd(lab, "eu", user_of(OLD))
    assert user.initiate("net")["success"] == "yes"
    alone()
    assert len(gate.request("get-keys")["keys"]) == 1 and gate.request("get-radius")["servers"] == ["aaa"]
    assert set(gate.request("get-shared")["keys"]) == {"ike-lab", "eap-anna"}


def test_clients_secrets_are_wiped(world):
    """swanctl gives its secrets to the engine, which hands them on: nothing of them stays there."""
    lab = world.lab()
    text, key = forms(ec.generate_private_key(ec.SECP256R1()))
    gate = world.ikatd(lab, "gw", gateway())
    settings = with_secret(NEW)
    del settings["radius"]
    folder = gate.write_files("creds", settings, {"private/own.pem": text})
    gate.swanctl("--load-creds", folder=folder)
    assert len(gate.request("get-keys")["keys"]) == 1
    user = world.ikatd(lab, "eu", user_of(NEW))
    assert user.initiate("net")["success"] == "yes"
    assert keepers(gate, NEW.encode()) == {"keyholder"} and keepers(gate, PASSWORD.encode()) == {"eap"}
    assert "engine" not in keepers(gate, *key)


def unread(client):
    """How much of the requests of a client the daemon has yet to read."""
    return int.from_bytes(fcntl.ioctl(client.socket, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def test_key_loaded_beside_a_clear(world):
    """All keys go while a client's key is on its way to the keyholder: the client learns that, and no key is left."""
    lab = world.lab()
    gate = world.ikatd(lab, "gw", with_secret(OLD))
    keys = [forms(ec.generate_private_key(ec.SECP256R1()))[0].decode() for _ in range(2)]
    holder = process(gate, "keyholder")
    with Vici(gate.socket) as gone, Vici(gate.socket) as client, Vici(gate.socket) as other:
        os.kill(holder, signal.SIGSTOP)
        for asks, key in ((gone, keys[0]), (client, keys[1])):
            asks.send("load-key", {"type": "any", "data": key})
            wait(lambda taken=asks: unread(taken) == 0, "the engine has the request")
        gone.socket.close()
        assert other.request("clear-creds")["success"] == "yes"
        os.kill(holder, signal.SIGCONT)
        assert client.answer()["success"] == "no"
        assert other.request("get-keys")["keys"] == []


def stopped_in_mid_load(gate):
    """The loader has handed the new secret to the keyholder, and waits for the aaa process, which is stopped."""
    aaa = process(gate, "aaa")
    os.kill(aaa, signal.SIGSTOP)
    gate.write_files("etc", with_secret(NEW), {})
    gate.process.send_signal(signal.SIGHUP)
    wait(lambda: holds(process(gate, "keyholder"), NEW.encode()), "the new secret is staged")
    return aaa


def test_loader_that_dies(world):
    """kill -9 of the loader in mid-load: the old secret is in force, and the new one is forgotten."""
    lab = world.lab()
    gate = world.ikatd(lab, "gw", with_secret(OLD), files={})
    aaa = stopped_in_mid_load(gate)
    assert holds(process(gate, "keyholder"), OLD.encode())
    os.kill(process(gate, "loader"), signal.SIGKILL)
    os.kill(aaa, signal.SIGCONT)
    gate.wait_log("event=process-ended name=loader signal=9")
    wait(lambda: not holds(process(gate, "keyholder"), NEW.encode()), "the new secret is gone")
    user = world.ikatd(lab, "eu", user_of(OLD))
    assert user.initiate("net")["success"] == "yes"
    gate.reload()
    assert keepers(gate, NEW.encode()) == {"keyholder"} and not keepers(gate, OLD.encode())


def test_keyholder_that_dies(world):
    """kill -9 of the keyholder in mid-load: all are started anew, and the whole new file is loaded."""
    lab = world.lab()
    gate = world.ikatd(lab, "gw", with_secret(OLD), files={})
    stopped_in_mid_load(gate)
    loads = gate.log().count("event=config-loaded")
    os.kill(process(gate, "keyholder"), signal.SIGKILL)
    wait(lambda: gate.log().count("event=config-loaded") > loads, "the new file is loaded", 30)
    assert keepers(gate, NEW.encode()) == {"keyholder"} and not keepers(gate, OLD.encode())
    user = world.ikatd(lab, "eu", user_of(NEW))
    assert user.initiate("net")["success"] == "yes"


def test_refused_load_keeps_the_old_secret(world):
    """D19: a load that the engine refuses changes no secret in any process."""
    lab = world.lab()
    gate = world.ikatd(lab, "gw", with_secret(OLD), files={})
    user = world.ikatd(lab, "eu", user_of(OLD))
    assert user.initiate("net")["success"] == "yes"
    settings = with_secret(NEW)
    server = settings["radius"].pop("aaa")
    settings["radius"] = {f"other{i}": server for i in range(9)}  # one more than the aaa process takes
    gate.write_files("etc", settings, {})
    gate.process.send_signal(signal.SIGHUP)
    gate.wait_log("event=config-not-loaded")
    wait(lambda: not holds(process(gate, "keyholder"), NEW.encode()), "the new secret is gone")
    assert keepers(gate, OLD.encode()) == {"keyholder"} and keepers(gate, RADIUS.encode()) == {"aaa"}
    assert gate.request("get-radius")["servers"] == ["aaa"]
    assert user.request("terminate", ike="home")["success"] == "yes"
    assert user.initiate("net")["success"] == "yes"
    assert IDS["eu"] == gate.established()[0]["remote-id"]
