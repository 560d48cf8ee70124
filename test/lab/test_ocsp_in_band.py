# SPDX-License-Identifier: Apache-2.0
"""OCSP responses in IKE_AUTH (RFC 4806): each end fetches the one about its own certificate, and judges the other end
by the one that it gets. strongSwan 5.9 does not know them."""
import pytest

from lab.ca_server import OCSP_URL, OcspResponder, responder
from lab.certificates import Authority, pem
from test_certificates import Host, refused, up
from test_revocation import CHARON

NAMES = {"eu": "CN=eu", "gw": "CN=gw"}


def ends_of(ca):
    return [Host(host, ca, extensions=[responder(OCSP_URL)]) for host in ("eu", "gw")]


def begin(world, lab, ends, kinds="ikatd-ikatd", ocsp="both"):
    """Both ends demand a word about the other one's certificate."""
    started = []
    for kind, end in zip(kinds.split("-")[::-1], ends[::-1]):
        if kind == "ikatd":
            started.append(world.ikatd(lab, end.host, end.settings({}, {"revocation": "strict"}, ocsp=ocsp), files=end.files))
        else:
            started.append(world.strongswan(lab, end.host, end.settings({}, {"revocation": "strict"}), CHARON, end.files))
    return started[::-1]


def fetched(daemon):
    """The certificates about which it asked a responder."""
    lines = [line for line in daemon.log().splitlines() if "event=revocation-fetched kind=ocsp" in line]
    return {host for host, name in NAMES.items() for line in lines if name in line}


def test_both_ask(world):
    ca, lab = Authority(), world.lab()
    ends = ends_of(ca)
    OcspResponder(lab, ca, [end.certificate for end in ends])
    user, gate = begin(world, lab, ends)
    up(lab, user, gate)
    assert fetched(user) == {"eu"} and fetched(gate) == {"gw"}


def test_nobody_asks(world):
    """The default: the same login, in which each end asks the responder about the other one."""
    ca, lab = Authority(), world.lab()
    ends = ends_of(ca)
    OcspResponder(lab, ca, [end.certificate for end in ends])
    user, gate = begin(world, lab, ends, ocsp="reply")
    up(lab, user, gate)
    assert fetched(user) == {"gw"} and fetched(gate) == {"eu"}
    assert "List of OCSP Responses" in gate.swanctl("--list-certs", "--type", "ocsp_response")


@pytest.mark.parametrize("kinds", ("ikatd-strongswan", "strongswan-ikatd"))
def test_peer_without(world, kinds):
    """A peer that does not know the request answers without a response: the responder is asked, as without it."""
    ca, lab = Authority(), world.lab()
    ends = ends_of(ca)
    OcspResponder(lab, ca, [end.certificate for end in ends])
    user, gate = begin(world, lab, ends, kinds)
    up(lab, user, gate)
    assert fetched(user if kinds.startswith("ikatd") else gate) == {"gw" if kinds.startswith("ikatd") else "eu"}


def test_trusted_responder(world):
    """A responder of another CA signs, which both ends trust by a file of x509ocsp: the request names it."""
    ca, other, lab = Authority(), Authority("C=CH, O=Lab, CN=Responder CA"), world.lab()
    ends = ends_of(ca)
    by = other.issue("C=CH, O=Lab, CN=ocsp", usages=("OCSP_SIGNING",))
    for end in ends:
        end.files["x509ocsp/responder.pem"] = pem(by[0])
    OcspResponder(lab, ca, [end.certificate for end in ends], signer=by)
    user, gate = begin(world, lab, ends)
    up(lab, user, gate)
    assert fetched(user) == {"eu"} and fetched(gate) == {"gw"}


def test_revoked(world):
    """Nobody shows a response that calls its own certificate revoked: the other end asks, and refuses."""
    ca, lab = Authority(), world.lab()
    ends = ends_of(ca)
    OcspResponder(lab, ca, [end.certificate for end in ends], revoked=[ends[0].certificate])
    user, gate = begin(world, lab, ends)
    refused(user, (gate, "the peer's certificate C=CH, O=Lab, CN=eu was revoked on 20"))
    assert "eu" in fetched(gate)


@pytest.mark.parametrize("ocsp", ("reply", "never"))
def test_eap_server(world, ocsp):
    """RFC 9190 section 5.4: a Gateway has the response about its certificate for clients that ask in TLS. No client of
    the lab asks; tls_inner_test shows the response on the wire."""
    ca, lab = Authority(), world.lab()
    user, gate = ends_of(ca)
    OcspResponder(lab, ca, [user.certificate, gate.certificate])
    gw = world.ikatd(lab, "gw", gate.settings({"auth": "eap-tls"}, {"auth": "eap-tls"}, ocsp=ocsp), files=gate.files)
    eu = world.ikatd(lab, "eu", user.settings({"auth": "eap-tls"}, {"auth": "eap-tls"}), files=user.files)
    up(lab, eu, gw)
    assert ("gw" in fetched(gw)) == (ocsp == "reply")
    assert "gw" in fetched(eu)
