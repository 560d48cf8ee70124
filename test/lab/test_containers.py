# SPDX-License-Identifier: Apache-2.0
"""PKCS#12 containers: key and certificates in one file, as openssl, Windows and macOS write them; and hostile ones."""
import signal
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from lab.certificates import Authority, der, pem, pem_key
from lab.daemons import IKAT
from lab.run import wait
from test_certificates import Host, refused, start, up

SECRET = "open sesame"


def container(end, secret=SECRET, chain=()):
    """Key and certificate of an end, and what else is to be in it."""
    lock = serialization.BestAvailableEncryption(secret.encode()) if secret else serialization.NoEncryption()
    return pkcs12.serialize_key_and_certificates(end.host.encode(), end.key, end.certificate, list(chain), lock)


def old_container(end, folder):
    """One that only OpenSSL's legacy provider reads: 40-bit RC2 and triple DES."""
    (folder / "both.pem").write_bytes(end.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + pem(end.certificate))
    subprocess.run(["openssl", "pkcs12", "-export", "-legacy", "-in", folder / "both.pem", "-out", folder / "old.p12",
                    "-passout", f"pass:{SECRET}"], check=True)
    return (folder / "old.p12").read_bytes()


def contain(end, octets, secret=SECRET):
    """The end has its key and certificate from a container only; the connection names no certificate."""
    end.files = {"x509ca/ca.pem": pem(end.ca.certificate), f"pkcs12/{end.host}.p12": octets}
    settings = end.settings
    secrets = {"secrets": {"pkcs12-mine": {"file": f"{end.host}.p12", "secret": f'"{secret}"'}}} if secret else {}
    end.settings = lambda local=None, remote=None: settings({"certs": None} | (local or {}), remote) | secrets


@pytest.mark.parametrize("form", ("new", "old", "empty"))
def test_login(world, tmp_path, form):
    """Both ends have what they need from containers."""
    ca = Authority()
    eu, gw = Host("eu", ca), Host("gw", ca, "rsa-2048")
    for end in (eu, gw):
        secret = "" if form == "empty" else SECRET
        contain(end, old_container(end, tmp_path) if form == "old" else container(end, secret), secret)
    lab, eu, gw = start(world, "ikatd-ikatd", eu, gw)
    up(lab, eu, gw)
    assert len(eu.request("get-keys")["keys"]) == 1


def test_chain(world):
    """An intermediate CA comes from the container; the CA in it is not trusted by that alone."""
    ca = Authority()
    middle = Authority("C=CH, O=Lab, CN=Middle", issuer=ca)
    eu, gw = Host("eu", middle), Host("gw", ca)
    contain(eu, container(eu, chain=(middle.certificate, ca.certificate)))
    eu.files["x509ca/ca.pem"] = pem(ca.certificate)
    lab, user, gate = start(world, "ikatd-ikatd", eu, gw)
    up(lab, user, gate)
    user.request("terminate", ike="home")
    user.write_files("etc", user.settings, {name: octets for name, octets in eu.files.items() if "x509ca" not in name})
    user.reload()
    refused(user, (user, "which is not in x509ca"))
    user.write_files("etc", user.settings, {"x509ca/ca.pem": pem(ca.certificate)})
    user.reload()
    assert user.request("get-keys").get("keys", []) == []


def test_stock_swanctl(world):
    """The stock client opens the container itself."""
    ca = Authority()
    lab = world.lab()
    eu, gw = Host("eu", ca), Host("gw", ca)
    contain(eu, container(eu))
    gate = world.ikatd(lab, "gw", gw.settings(), files=gw.files)
    user = world.ikatd(lab, "eu", {"connections": {}})
    user.swanctl("--load-all", folder=user.write_files("stock", eu.settings(), eu.files))
    assert "has private key" in user.swanctl("--list-certs")
    up(lab, user, gate)


def test_stock_swanctl_sends_the_ca(world):
    """swanctl sends the CAs of a container without a flag. That makes a root trusted, not an intermediate CA."""
    ca = Authority()
    middle = Authority("C=CH, O=Lab, CN=Middle", issuer=ca)
    lab = world.lab()
    eu, gw = Host("eu", middle), Host("gw", middle)
    contain(eu, container(eu, chain=(middle.certificate,)))
    gate = world.ikatd(lab, "gw", gw.settings(), files=gw.files)
    user = world.ikatd(lab, "eu", {"connections": {}})
    files = {name: octets for name, octets in eu.files.items() if "x509ca" not in name}
    user.swanctl("--load-all", folder=user.write_files("intermediate", eu.settings(), files))
    refused(user, (user, "which is not in x509ca"))
    files["pkcs12/eu.p12"] = container(eu, chain=(middle.certificate, ca.certificate))
    user.swanctl("--load-all", folder=user.write_files("root", eu.settings(), files))
    up(lab, user, gate)


def refusals(gate):
    """The lines about loads that ikatd refused, in their order."""
    return [line for line in gate.log().splitlines() if "event=config-not-loaded" in line]


def test_hostile(world):
    """What is wrong with a container is said with its name, and nothing of that load is used; the sessions stay."""
    ca = Authority()
    eu, gw = Host("eu", ca), Host("gw", ca)
    contain(gw, container(gw))
    lab, eu, gate = start(world, "ikatd-ikatd", eu, gw)
    up(lab, eu, gate)
    good = gw.files["pkcs12/gw.p12"]
    for octets, words in ((b"nothing", "pkcs12/gw.p12: is no PKCS#12 container"), (good[:-1], "is no PKCS#12 container"),
                          (good + b"\0", "is no PKCS#12 container"), (der(ca.certificate), "is no PKCS#12 container"),
                          (container(gw, "another"), "pkcs12/gw.p12: is encrypted with another passphrase"),
                          (b"\x30\x80" * 30000, "is no PKCS#12 container"), (bytes(70000), "is longer than 64 KiB")):
        gate.write_files("etc", gate.settings, gw.files | {"pkcs12/gw.p12": octets})
        before = refusals(gate)
        gate.process.send_signal(signal.SIGHUP)
        wait(lambda n=len(before): len(refusals(gate)) > n, "this load is refused")
        assert words in refusals(gate)[-1]
    assert len(gate.request("get-keys")["keys"]) == 1
    wait(lambda: len(eu.children()) == len(gate.children()) == 1, "the session stays")


def test_locked(world, tmp_path):
    """A container or key without a passphrase in the files is left out with a warning; `ikat unlock` asks for it."""
    ca = Authority()
    eu, gw = Host("eu", ca), Host("gw", ca)
    contain(eu, container(eu), None)
    gw.files["private/gw.pem"] = pem_key(gw.key, SECRET.encode())
    lab, user, gate = start(world, "ikatd-ikatd", eu, gw)
    user.wait_log("pkcs12/eu.p12: is encrypted, and no passphrase is given: 'ikat unlock' asks for it")
    refused(user, (user, "no certificate of eu@lab.example with a private key"))
    for daemon, octets in ((user, eu.files["pkcs12/eu.p12"]), (gate, gw.files["private/gw.pem"])):
        file = tmp_path / "locked"
        file.write_bytes(octets)
        for passphrase, status in (("wrong\n", 1), ("", 1), (SECRET + "\n", 0)):
            done = subprocess.run([IKAT, "-s", daemon.socket, "unlock", file], input=passphrase, text=True, capture_output=True)
            assert done.returncode == status, done
            assert "passphrase" in done.stderr if status else done.stderr == ""
    up(lab, user, gate)
