# SPDX-License-Identifier: Apache-2.0
"""Logins by certificate: ikatd with ikatd and with strongSwan, in both roles; and each way in which one is refused."""
import json
import signal

import pytest
from cryptography import x509

from lab.certificates import Authority, new_key, pem, pem_key
from lab.daemons import IKAT, IKATD, conf
from lab.net import address
from lab.run import run, wait
from lab.settings import end_user, gateway, merge

KINDS = ("ikatd-ikatd", "ikatd-strongswan", "strongswan-ikatd")
KEYS = ("rsa-2048", "ecdsa-256", "ecdsa-384", "ed25519")
NAMES = {"eu": "eu@lab.example", "gw": "gw.lab.example"}
SUBJECTS = {"eu": "C=CH, O=Lab, CN=eu", "gw": "C=CH, O=Lab, CN=gw"}


class Host:
    """One end: its settings and the files beside them."""

    def __init__(self, host, ca, kind="ecdsa-256", **options):
        self.host, self.ca = host, ca
        self.certificate, self.key = ca.issue(SUBJECTS[host], kind, names=(NAMES[host],), **options)
        self.files = {"x509ca/ca.pem": pem(ca.certificate), f"x509/{host}.pem": pem(self.certificate),
                      f"private/{host}.pem": pem_key(self.key)}

    def settings(self, local=None, remote=None, **conn):
        """The lab's usual connection, by certificate."""
        other = "gw" if self.host == "eu" else "eu"
        make = end_user if self.host == "eu" else gateway
        mine = {"auth": "pubkey", "id": NAMES[self.host], "certs": f"{self.host}.pem"} | (local or {})
        theirs = {"auth": "pubkey", "id": NAMES[other]} | (remote or {})
        return merge(make(top={"secrets": None}), {"connections": {"home" if self.host == "eu" else "gate": {
            "local": mine, "remote": theirs} | conn}})


def start(world, kinds, eu, gw, settings=None):
    """A lab with both ends; `settings`: {host: (local, remote)}."""
    lab, ends = world.lab(), []
    for kind, end in zip(kinds.split("-")[::-1], (gw, eu)):
        local, remote = (settings or {}).get(end.host, ({}, {}))
        make = world.ikatd if kind == "ikatd" else world.strongswan
        ends.append(make(lab, end.host, end.settings(local, remote), files=end.files))
    return lab, ends[1], ends[0]


def up(lab, eu, gw):
    """The VPN comes up and carries a packet each way."""
    answer = eu.initiate("net")
    assert answer["success"] == "yes", answer
    wait(lambda: len(eu.children()) == len(gw.children()) == 1, "one Child SA at both ends")
    lab.run("eu", "ping", "-c1", "-W5", address("lan", "host"))


def advised(eu, wanted, never=("pre-shared key", "`secrets`", "ike...")):
    """`ikat up` fails with advice that fits certificates."""
    said = eu.ikat("up", "home", "--timeout", "10", check=False)
    assert wanted in said and not [word for word in never if word in said], said


def refused(eu, *ends_and_words):
    """The login fails, and the log of each end that is given says why."""
    assert eu.initiate("net")["success"] == "no"
    for end, words in ends_and_words:
        end.wait_log(words)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("kinds", KINDS)
def test_login(world, kinds, key):
    ca = Authority()
    lab, eu, gw = start(world, kinds, Host("eu", ca, key), Host("gw", ca, key))
    up(lab, eu, gw)
    assert [sa["remote-id"] for sa in eu.established()] == [NAMES["gw"]]
    assert [sa["remote-id"] for sa in gw.established()] == [NAMES["eu"]]


@pytest.mark.parametrize("kinds", KINDS)
def test_distinguished_names(world, kinds):
    """Without `id` the subject of the certificate is the identity; the Gateway accepts a pattern."""
    ca = Authority()
    mine = {"eu": ({"id": None}, {"id": f'"{SUBJECTS["gw"]}"'}), "gw": ({"id": None}, {"id": '"C=CH, O=Lab, CN=*"'})}
    lab, eu, gw = start(world, kinds, Host("eu", ca), Host("gw", ca), mine)
    up(lab, eu, gw)
    assert [sa["remote-id"] for sa in gw.established()] == [SUBJECTS["eu"]]
    assert [sa["remote-id"] for sa in eu.established()] == [SUBJECTS["gw"]]


@pytest.mark.parametrize("kinds", ("ikatd-ikatd", "strongswan-ikatd"))
def test_identity_that_is_asked_for(world, kinds):
    """A Gateway without `id` and `certs` takes the identity of IDr, if a certificate of its own has that identity."""
    ca = Authority()
    gate, other = Host("gw", ca), ca.issue("C=CH, O=Lab, CN=other", "ecdsa-256", names=("other.lab.example",))
    gate.files |= {"x509/other.pem": pem(other[0]), "private/other.pem": pem_key(other[1])}
    lab, eu, gw = start(world, kinds, Host("eu", ca), gate, {"gw": ({"id": None, "certs": None}, {})})
    up(lab, eu, gw)
    assert [sa["local-id"] for sa in gw.established()] == [NAMES["gw"]]
    stranger = {"eu": ({}, {"id": "stranger.lab.example"}), "gw": ({"id": None, "certs": None}, {})}
    lab, eu, gw = start(world, kinds, Host("eu", ca), Host("gw", ca), stranger)
    refused(eu, (gw, "no certificate of stranger.lab.example with a private key is loaded"))


@pytest.mark.parametrize("sent", (True, False), ids=("sent", "configured"))
@pytest.mark.parametrize("kinds", KINDS)
def test_intermediate(world, kinds, sent):
    """The intermediate CA comes with the certificate, or is here already; the root alone is trusted."""
    root = Authority("C=CH, O=Lab, CN=Root")
    middle = Authority("C=CH, O=Lab, CN=Middle", issuer=root)
    eu, gw = Host("eu", middle), Host("gw", middle)
    for end in (eu, gw):
        end.files["x509ca/ca.pem"] = pem(root.certificate)
        end.files["x509/middle.pem" if sent and end is gw else "x509ca/middle.pem"] = pem(middle.certificate)
    if sent:
        del eu.files["x509ca/middle.pem"]
        eu.files["x509/middle.pem"] = pem(middle.certificate)
    lab, eu, gw = start(world, kinds, eu, gw)
    up(lab, eu, gw)


def test_unknown_ca(world):
    """The Gateway's CA is not among those of the connection: the log says which, and of which connection."""
    ca, other = Authority(), Authority("C=CH, O=Lab, CN=Other CA")
    eu, gw = Host("eu", ca), Host("gw", other)
    gw.files["x509ca/eu.pem"] = pem(ca.certificate)
    eu.files["x509ca/mine.pem"] = pem(ca.certificate)
    lab, eu, gw = start(world, "ikatd-ikatd", eu, gw, {"eu": ({}, {"cacerts": "mine.pem"})})
    refused(eu, (eu, "the gateway's certificate C=CH, O=Lab, CN=gw is signed by CA C=CH, O=Lab, CN=Other CA, which is not "
                     "in cacerts of connection home"))
    advised(eu, "its CA belongs into x509ca/")
    said = gw.ikat("why", NAMES["eu"])
    assert "does not accept the proof of this gateway" in said and "x509ca" not in said and "this host." not in said, said


@pytest.mark.parametrize("end", ("eu", "gw"))
def test_expired(world, end):
    ca = Authority(days=(-60, 60))
    ends = {host: Host(host, ca, days=(-30, -2) if host == end else (-1, 30)) for host in ("eu", "gw")}
    lab, eu, gw = start(world, "ikatd-ikatd", ends["eu"], ends["gw"])
    judge = gw if end == "eu" else eu
    refused(eu, (judge, f"CN={end} expired on "), (judge, "the clock of this host says 20"))
    advised(eu, "look at its dates" if end == "eu" else "is out of date")


def test_revoked(world):
    ca = Authority()
    eu, gw = Host("eu", ca), Host("gw", ca)
    gw.files["x509crl/ca.crl"] = pem(ca.revoke(eu.certificate))
    lab, eu, gw = start(world, "ikatd-ikatd", eu, gw)
    refused(eu, (gw, "the peer's certificate C=CH, O=Lab, CN=eu was revoked on 20"))


@pytest.mark.parametrize("revocation,crl,success", (("relaxed", None, True), ("strict", None, False), ("strict", (-1, 30), True),
                                                    ("strict", (-30, -1), False), ("ifuri", None, True)))
def test_strictness(world, revocation, crl, success):
    """Without a valid list: relaxed accepts, strict does not (A8)."""
    ca = Authority()
    eu, gw = Host("eu", ca), Host("gw", ca)
    if crl:
        gw.files["x509crl/ca.crl"] = pem(ca.revoke(days=crl))
    lab, eu, gw = start(world, "ikatd-ikatd", eu, gw, {"gw": ({}, {"revocation": revocation})})
    if success:
        up(lab, eu, gw)
    else:
        refused(eu, (gw, "no valid CRL or OCSP answer says whether C=CH, O=Lab, CN=eu is revoked (revocation = strict)"))


def test_address_blocks(world):
    """RFC 3779: the blocks of a CA narrow nothing, and the log says so; it says nothing of a CA without."""
    blocks = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.7"), bytes.fromhex("300c300a0402000130040302000a"))
    root = Authority("C=CH, O=Lab, CN=Root")
    certificate, key = root.issue("C=CH, O=Lab, CN=Blocks", ca=True, extensions=((blocks, True),))
    end = Host("gw", root)
    end.files |= {"x509ca/blocks.pem": pem(certificate), "private/blocks.pem": pem_key(key)}
    lab, eu, gw = start(world, "ikatd-ikatd", Host("eu", root), end)
    gw.wait_log('event=address-blocks-unused certificate="C=CH, O=Lab, CN=Blocks"')
    up(lab, eu, gw)
    assert gw.log().count("address-blocks-unused") == 1


def test_wrong_identity(world):
    """A4: a valid certificate of one peer with the identity of another."""
    ca = Authority()
    lab, eu, gw = start(world, "ikatd-ikatd", Host("eu", ca), Host("gw", ca),
                        {"eu": ({"id": "anna@lab.example"}, {}), "gw": ({}, {"id": "anna@lab.example"})})
    refused(eu, (gw, "the peer's certificate C=CH, O=Lab, CN=eu is not that of its identity anna@lab.example"))


def test_missing_private_key(world):
    ca = Authority()
    eu, gw = Host("eu", ca), Host("gw", ca)
    eu.files["private/eu.pem"] = pem_key(new_key("ecdsa-256"))
    lab, eu, gw = start(world, "ikatd-ikatd", eu, gw)
    refused(eu, (eu, "no private key for the configured certificate of eu@lab.example is loaded"))
    advised(eu, "its private key into private/")


def test_pinned(world):
    """`certs` of the peer: exactly this certificate, without any CA (A14)."""
    usage = x509.KeyUsage(True, False, False, False, False, True, False, False, False)
    alone = {host: Authority(SUBJECTS[host], names=(NAMES[host],), key_usage=usage) for host in ("eu", "gw")}
    ends = {host: Host(host, alone[host]) for host in alone}
    for host, end in ends.items():
        other = "gw" if host == "eu" else "eu"
        end.files = {f"x509/{host}.pem": pem(alone[host].certificate), f"x509/{other}.pem": pem(alone[other].certificate),
                     f"private/{host}.pem": pem_key(alone[host].key)}
    lab, eu, gw = start(world, "ikatd-ikatd", ends["eu"], ends["gw"],
                        {"eu": ({}, {"certs": "gw.pem"}), "gw": ({}, {"certs": "eu.pem"})})
    up(lab, eu, gw)


@pytest.mark.parametrize("auth,success", (("ecdsa-256-sha256", True), ("rsa-2048", False), ("ecdsa-384", False),
                                          ("pubkey-sha512", False), ("ike:pubkey-sha256", True)))
def test_constraints(world, auth, success):
    """`auth` of the peer says which keys and hashes its chain may have."""
    ca = Authority()
    lab, eu, gw = start(world, "ikatd-ikatd", Host("eu", ca), Host("gw", ca), {"gw": ({}, {"auth": auth})})
    if success:
        up(lab, eu, gw)
    else:
        refused(eu, (gw, "does not accept"))


def test_encrypted_key(world):
    ca = Authority()
    eu, gw = Host("eu", ca), Host("gw", ca)
    eu.files["private/eu.pem"] = pem_key(eu.key, b"open sesame")
    settings = eu.settings
    eu.settings = lambda *words: settings(*words) | {"secrets": {"private-eu": {"file": "eu.pem", "secret": '"open sesame"'}}}
    lab, eu, gw = start(world, "ikatd-ikatd", eu, gw)
    up(lab, eu, gw)


def test_stock_swanctl(world):
    """--load-creds, --list-certs and get-keys of the stock client, with a file that names nothing of ours."""
    ca = Authority()
    lab = world.lab()
    eu, gw = Host("eu", ca), Host("gw", ca)
    gw = world.ikatd(lab, "gw", gw.settings(), files=gw.files)
    daemon = world.ikatd(lab, "eu", {"connections": {}})
    folder = daemon.write_files("stock", eu.settings(), eu.files)
    daemon.swanctl("--load-all", folder=folder)
    listed = daemon.swanctl("--list-certs")
    assert 'subject:  "C=CH, O=Lab, CN=eu"' in listed and "has private key" in listed
    assert 'subject:  "C=CH, O=Lab, CN=Lab CA"' in listed
    assert len(daemon.request("get-keys")["keys"]) == 1
    up(lab, daemon, gw)
    daemon.swanctl("--flush-certs")
    daemon.swanctl("--load-creds", "--clear", folder=folder)
    assert len(daemon.request("get-keys")["keys"]) == 1


def test_a_ca_that_is_taken_out_is_trusted_no_more(world):
    """SIGHUP after files have gone: their certificates and keys are not loaded any more."""
    ca, other = Authority(), Authority("C=CH, O=Lab, CN=Other CA")
    eu, gw = Host("eu", other), Host("gw", ca)
    gw.files["x509ca/other.pem"], eu.files["x509ca/mine.pem"] = pem(other.certificate), pem(ca.certificate)
    lab, eu, gate = start(world, "ikatd-ikatd", eu, gw)
    up(lab, eu, gate)
    assert eu.request("terminate", ike="home")["success"] == "yes"
    gate.write_files("etc", gate.settings, {name: octets for name, octets in gw.files.items() if "other" not in name})
    gate.reload()
    refused(eu, (gate, "is signed by CA C=CH, O=Lab, CN=Other CA, which is not in x509ca"))
    assert len(gate.request("get-keys")["keys"]) == 1
    gate.write_files("etc", gate.settings, {name: octets for name, octets in gw.files.items() if "private" not in name})
    gate.reload()
    assert gate.request("get-keys").get("keys", []) == []


def test_faults_of_files(world):
    """What is wrong with a file is said with its name, and nothing of the load is used."""
    ca = Authority()
    gw = Host("gw", ca)
    daemon = world.ikatd(world.lab(), "gw", gw.settings(), files=gw.files)
    for name, octets, words in (("x509/bad.pem", b"nothing", "x509/bad.pem: 'data' is no certificate"),
                                ("private/bad.pem", b"-----BEGIN PRIVATE KEY-----\n", "private/bad.pem: is no private key"),
                                ("private/weak.pem", pem_key(new_key("rsa-1024")), "private/weak.pem: is neither RSA of 2,048"),
                                ("private/locked.pem", pem_key(new_key("ecdsa-256"), b"x"), "is encrypted, and no passphrase")):
        daemon.write_files("etc", daemon.settings, gw.files | {name: octets})
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_log(words)
        checked = run(IKAT, "check", daemon.config, check=False)
        assert words.replace("'data' ", "") in checked, checked
    daemon.write_files("etc", gw.settings({"certs": "gone.pem"}), gw.files)
    checked = run(IKATD, "-c", daemon.config, "--check", check=False)
    assert "x509/gone.pem: No such file or directory" in checked and len(checked.splitlines()) == 1, checked


@pytest.mark.parametrize("named", (True, False))
def test_check_of_what_a_login_lacks(world, tmp_path, named):
    """`ikat check` warns of a login by certificate that cannot work, and of nothing while all is there."""
    ca = Authority(days=(-60, 60))
    eu, old = Host("eu", ca), Host("eu", ca, days=(-30, -2))
    settings = eu.settings({} if named else {"certs": None})

    def warned(files):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, octets in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(octets)
        (folder / "swanctl.conf").write_text(conf(settings))
        said = json.loads(run(IKAT, "check", "--json", folder / "swanctl.conf"))
        return [one["kind"] for one in said["warnings"] if one["kind"] != "no-interface"]

    def without(word):
        return {name: octets for name, octets in eu.files.items() if word not in name}
    assert warned(eu.files) == []
    assert warned(without("private")) == ["no-key"]
    assert warned(without("private") | {"private/other.pem": pem_key(new_key("ecdsa-256"))}) == ["no-key"]
    assert warned(without("x509ca")) == ["no-ca"]
    assert warned(old.files) == ["expired"]
    assert warned(Host("eu", ca, days=(2, 30)).files) == ["not-yet-valid"]
    assert warned(without("private") | {"private/eu.pem": pem_key(eu.key, b"x")}) == ["config"]  # `ikat unlock`


@pytest.mark.parametrize("by", ("file", "swanctl"))
def test_authorities(world, by):
    """A CA of a section `authorities` is trusted as long as the section is there; the stock client lists it."""
    ca = Authority()
    eu, gw = Host("eu", ca), Host("gw", ca)
    eu.files["x509ca/ca.pem"] = pem(Authority("C=CH, O=Lab, CN=Other CA").certificate)
    eu.files["x509ca/lab.pem"] = pem(ca.certificate)
    settings = eu.settings() | {"authorities": {"lab": {"cacert": "lab.pem", "crl_uris": "http://crl.lab.example/ca.crl"}}}
    lab = world.lab()
    gate = world.ikatd(lab, "gw", gw.settings(), files=gw.files)
    if by == "file":
        user = world.ikatd(lab, "eu", settings, files=eu.files)
    else:
        user = world.ikatd(lab, "eu", {"connections": {}})
        user.swanctl("--load-all", folder=user.write_files("stock", settings, eu.files))
    listed = user.swanctl("--list-authorities")
    assert "cacert: C=CH, O=Lab, CN=Lab CA" in listed and "http://crl.lab.example/ca.crl" in listed
    up(lab, user, gate)
    with user.vici() as vici:
        assert vici.request("unload-authority", {"name": "lab"})["success"] == ("yes" if by != "file" else "no")
    if by == "file":
        user.write_files("etc", {"connections": {}}, {})
        user.reload()
    assert user.swanctl("--list-authorities").strip() == ""
