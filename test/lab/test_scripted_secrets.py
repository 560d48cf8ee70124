# SPDX-License-Identifier: Apache-2.0
"""What is left of keys in the memory of a daemon when their SAs are gone (RFC 7296 section 2.12). The scripted peer
knows them all."""
import re

import pytest

from lab.net import address
from lab.run import wait
from lab.scripted import message as m
from lab.scripted.algorithms import CBC, GCM
from lab.scripted.gateway import INNER, Accept
from lab.settings import end_user, gateway

HOST = address("lan", "host")
ALL = ([m.net("0.0.0.0/0")], [m.net("0.0.0.0/0")])
IKE = {"proposals": "aes128gcm16-prfsha256-x25519, aes128-sha256-prfsha256-x25519"}
ESP = {"esp_proposals": "aes128gcm16-x25519, aes128gcm16, aes128-sha256"}


@pytest.fixture(scope="module")
def gate(shared):
    """A Gateway."""
    return shared.ikatd(shared.lab(), "gw", gateway(IKE, ESP))


@pytest.fixture(scope="module")
def user(shared):
    """An End User, elsewhere."""
    return shared.ikatd(shared.lab(), "eu", end_user(IKE))


def memory(pid):
    """What a process can write to, region by region."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as octets:
        for line in maps:
            first, last, how = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
            if "w" in how:
                octets.seek(int(first, 16))
                try:
                    yield octets.read(int(last, 16) - int(first, 16))
                except OSError:   # not there, as pages of a device are
                    continue


def found(daemon, secrets):
    """The names of the secrets that are in the memory of any of its processes."""
    return {name for pid in daemon.pids() for octets in memory(pid) for name, secret in secrets.items() if secret in octets}


def keys_of(name, sa):
    """The secrets of an IKE SA and of its Child SAs, by name."""
    out = {f"{name} SK_{kind}": key for kind, key in sa.keys.items() if key}
    for child in sa.children:
        out |= {f"{name} child {what}": key[:child.suite.encryption_length] for what, key in (("in", child.key_in), ("out", child.key_out))}
    return out


@pytest.mark.parametrize("suite", (GCM, CBC), ids=("gcm", "cbc"))
def test_forgotten(case, gate, suite):
    """Deleted, rekeyed, cloned, with and without a group of its own: each goes with its SA, and nothing is left of
    the last one."""
    user = case.peer(gate.lab, "eu")
    login = user.login(suite=suite, child_suite=suite)
    _, clone = user.clone(login.sa)
    _, child = user.create_child(clone, ALL, group=31)
    assert user.ping(child, login.inner, HOST)
    secrets = keys_of("first", login.sa) | keys_of("clone", clone)
    assert found(gate, secrets) == set(secrets), "they are looked for in the right way"
    _, new = user.rekey_ike(clone)
    clone.children, new.children, child.ike = [], [child], new
    user.delete(clone)
    assert not found(gate, keys_of("clone", clone))
    secrets |= keys_of("rekeyed", new)
    user.delete(new)
    user.delete(login.sa)
    wait(lambda: not gate.established(), "nothing is established")
    wait(lambda: not found(gate, secrets), lambda: f"left: {sorted(found(gate, secrets))}")


def test_forgotten_after_a_login_that_failed(case, gate):
    """Who does not prove itself leaves nothing either."""
    user = case.peer(gate.lab, "eu")
    user.psk = b"wrong"
    login = user.login()
    assert login.answer.names == ["N(AUTHENTICATION_FAILED)"]
    wait(lambda: not found(gate, keys_of("login", login.sa)), "its keys are gone")


def test_forgotten_by_the_end_user(case, user):
    """The other role."""
    peer = case.peer(user.lab, "gw")
    with user.begin("initiate", child="net", ike="home", timeout="5000"):
        accept = Accept(peer).init().auth()
        assert any(peer.ping(accept.child, HOST, INNER, timeout=1) for _ in range(4))
    secrets = keys_of("login", accept.sa)
    assert found(user, secrets) == set(secrets)
    peer.delete(accept.sa)
    wait(lambda: not user.established(), "nothing is established")
    wait(lambda: not found(user, secrets), lambda: f"left: {sorted(found(user, secrets))}")
