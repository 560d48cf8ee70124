# SPDX-License-Identifier: Apache-2.0
"""Logins by EAP-TLS: two ikats, strongSwan in both roles, and a RADIUS server behind the Gateway."""
import pytest

from lab.certificates import Authority, pem, pem_key
from lab.daemons import PLUGINS
from lab.radius import Freeradius
from lab.run import wait
from lab.settings import merge
from test_certificates import KEYS, KINDS, NAMES, Host, refused, up
from test_radius import AAA, radius

# charon's default is TLS 1.2 at most. Its TLS 1.3 before 5.9.10 lacks the success indication of RFC 9190 section 2.1.1,
# one octet of application data: as Gateway it sends none, and as End User it crashes (signal 11) at it.
EAP = {"load": PLUGINS + " eap-identity eap-tls"}
DHE = "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256, TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"


def start(world, kinds, eu, gw, settings=None, charon=EAP):
    """A lab with both ends; the End User logs in by EAP-TLS, the Gateway by its signature; `settings`: other keys."""
    lab, ends = world.lab(), []
    for kind, end in zip(kinds.split("-")[::-1], (gw, eu)):
        base = {"eu": ({"auth": "eap-tls"}, {}), "gw": ({}, {"auth": "eap-tls"})}[end.host]
        local, remote = [one | two for one, two in zip(base, (settings or {}).get(end.host, ({}, {})))]
        make, more = (world.ikatd, ()) if kind == "ikatd" else (world.strongswan, (charon,))
        ends.append(make(lab, end.host, end.settings(local, remote), *more, files=end.files))
    return lab, ends[1], ends[0]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("kinds", KINDS)
def test_login(world, kinds, key):
    ca = Authority()
    lab, eu, gw = start(world, kinds, Host("eu", ca, key), Host("gw", ca, key))
    up(lab, eu, gw)
    if kinds.endswith("-ikatd"):
        assert gw.established()[0]["remote-eap-id"] == NAMES["eu"]


@pytest.mark.parametrize("kinds", [kinds for kinds in KINDS if "strongswan" in kinds])
def test_old_peer_without_elliptic_curves(world, kinds):
    """TLS 1.2 with Diffie-Hellman in a group of primes is all that strongSwan offers, or takes."""
    ca = Authority()
    lab, eu, gw = start(world, kinds, Host("eu", ca, "rsa-2048"), Host("gw", ca, "rsa-2048"),
                        charon=EAP | {"tls": {"suites": DHE}})
    up(lab, eu, gw)
    charon, = [end for end in (eu, gw) if end.name.startswith("charon")]
    assert "using suite TLS_DHE_RSA_WITH_AES_" in charon.log()


def test_server_without_success_indication(world):
    """An old strongSwan sends EAP-Success without the octet 0 that RFC 9190 demands before it: the login fails."""
    ca = Authority()
    charon = EAP | {"tls": {"version_max": "1.3"}}
    _, eu, gw = start(world, "ikatd-strongswan", Host("eu", ca), Host("gw", ca), charon=charon)
    assert eu.initiate("net")["success"] == "no"
    gw.wait_log("EAP method EAP_TLS succeeded, MSK established")
    assert not eu.established() and not gw.established()


@pytest.mark.parametrize("kinds", KINDS)
def test_eap_only(world, kinds):
    """EAP-TLS proves both ends (RFC 5998): the Gateway makes no signature of IKE."""
    ca = Authority()
    both = {"eu": ({}, {"auth": "eap-tls"}), "gw": ({"auth": "eap-tls"}, {})}
    lab, eu, gw = start(world, kinds, Host("eu", ca), Host("gw", ca), both)
    up(lab, eu, gw)


@pytest.mark.parametrize("kinds", KINDS)
def test_asked_for_its_identity(world, kinds):
    """The EAP identity is another than IDi, and the certificate names it."""
    ca = Authority()
    user = Host("eu", ca)
    user.certificate, user.key = ca.issue("C=CH, O=Lab, CN=anna", names=("anna@lab.example",))
    user.files |= {"x509/eu.pem": pem(user.certificate), "private/eu.pem": pem_key(user.key)}
    ids = {"eu": ({"eap_id": "anna@lab.example"}, {}), "gw": ({}, {"eap_id": "%any"})}
    lab, eu, gw = start(world, kinds, user, Host("gw", ca), ids)
    up(lab, eu, gw)
    assert gw.established()[0]["remote-eap-id"] == "anna@lab.example"


@pytest.mark.parametrize("kinds", KINDS)
def test_distinguished_name(world, kinds):
    """The EAP identity is the certificate's subject: strongSwan sends it in DER, ikat as text."""
    ca, name = Authority(), "C=CH, O=Lab, CN=anna"
    user = Host("eu", ca)
    user.certificate, user.key = ca.issue(name, names=(NAMES["eu"],))
    user.files |= {"x509/eu.pem": pem(user.certificate), "private/eu.pem": pem_key(user.key)}
    lab, eu, gw = start(world, kinds, user, Host("gw", ca), {"eu": ({"eap_id": name}, {}), "gw": ({}, {"eap_id": "%any"})})
    up(lab, eu, gw)
    assert gw.established()[0]["remote-eap-id"] == name


def test_identity_of_another(world):
    """A certificate of the right CA, and the identity of somebody else."""
    ca = Authority()
    ids = {"eu": ({"eap_id": "boss@lab.example", "certs": "eu.pem"}, {}), "gw": ({}, {"eap_id": "%any"})}
    _, eu, gw = start(world, "ikatd-ikatd", Host("eu", ca), Host("gw", ca), ids)
    refused(eu, (gw, "the peer's certificate C=CH, O=Lab, CN=eu is not that of boss@lab.example"))
    assert not eu.established() and not gw.established()


def test_server_of_another_name(world):
    """With EAP alone the certificate of the Gateway has to be that of its ID payload."""
    ca = Authority()
    both = {"eu": ({}, {"auth": "eap-tls", "id": "vpn.lab.example"}), "gw": ({"auth": "eap-tls", "id": "vpn.lab.example"}, {})}
    _, eu, gw = start(world, "ikatd-ikatd", Host("eu", ca), Host("gw", ca), both)
    refused(eu, (eu, "the EAP server's certificate C=CH, O=Lab, CN=gw is not that of vpn.lab.example"))
    assert not gw.established()


@pytest.mark.parametrize("judge", ("eu", "gw"))
@pytest.mark.parametrize("kinds", KINDS)
def test_unknown_ca(world, kinds, judge):
    """Each end refuses a certificate of a CA that it does not trust; strongSwan does so as well."""
    ca, other = Authority(), Authority("C=CH, O=Lab, CN=Other CA")
    ends = {"eu": Host("eu", ca), "gw": Host("gw", ca)}
    ends[judge].files["x509ca/ca.pem"] = pem(other.certificate)
    both = {"eu": ({}, {"auth": "eap-tls"}), "gw": ({"auth": "eap-tls"}, {})}
    _, eu, gw = start(world, kinds, ends["eu"], ends["gw"], both)
    assert eu.initiate("net")["success"] == "no"
    end = {"eu": eu, "gw": gw}[judge]
    if kinds.split("-")[judge == "gw"] == "ikatd":
        end.wait_log("is signed by CA C=CH, O=Lab, CN=Lab CA")
    assert not eu.established() and not gw.established()


def test_revoked(world):
    ca = Authority()
    eu, gw = Host("eu", ca), Host("gw", ca)
    gw.files["x509crl/ca.crl"] = pem(ca.revoke(eu.certificate))
    _, eu, gw = start(world, "ikatd-ikatd", eu, gw)
    refused(eu, (gw, "the peer's certificate C=CH, O=Lab, CN=eu was revoked on 20"))


def test_without_certificate(world):
    """No certificate names the End User: it says so, and nothing leaves."""
    ca = Authority()
    ids = {"eu": ({"eap_id": "nobody@lab.example", "certs": None}, {})}
    _, eu, gw = start(world, "ikatd-ikatd", Host("eu", ca), Host("gw", ca), ids)
    refused(eu, (eu, "no certificate of nobody@lab.example with a private key is loaded"))


@pytest.mark.parametrize("kind", ("ikatd", "strongswan"))
@pytest.mark.parametrize("version", ("1.2", "1.3"))
def test_radius(world, kind, version):
    """FreeRADIUS is the server of EAP-TLS behind the Gateway; its certificate has another name than the Gateway."""
    lab, ca = world.lab(), Authority()
    server = Freeradius(lab, "host", {}, method="tls", tls=version).start()
    gw, eu = Host("gw", ca), Host("eu", ca)
    settings = merge(gw.settings({}, {"auth": "eap-radius", "eap_id": "%any", "id": "%any"}), radius(AAA))
    gate = world.ikatd(lab, "gw", settings, files=gw.files)
    with open(f"{server.folder}/certs/client.pem", "rb") as cert, open(f"{server.folder}/certs/client.key", "rb") as key, \
            open(f"{server.folder}/certs/ca.pem", "rb") as aaa_ca:
        eu.files |= {"x509/eu.pem": cert.read(), "private/eu.pem": key.read(), "x509ca/aaa.pem": aaa_ca.read()}
    mine = eu.settings({"auth": "eap-tls", "eap_id": "anna@lab.example", "aaa_id": "aaa.lab.example"})
    user = world.ikatd(lab, "eu", mine, files=eu.files) if kind == "ikatd" else \
        world.strongswan(lab, "eu", mine, EAP, files=eu.files)
    up(lab, user, gate)
    assert gate.established()[0]["remote-eap-id"] == "anna@lab.example"
    wait(lambda: server.counters()["Access-Accepts"] == 1, "one Access-Accept")
