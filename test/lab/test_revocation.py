# SPDX-License-Identifier: Apache-2.0
"""Lists of revocations and OCSP answers that are fetched: from servers that work, and from hostile ones."""
import os
import signal
import time

import pytest

from lab.ca_server import OCSP_URL, CaServer, OcspResponder, distribution, ocsp_answer, responder, url
from lab.certificates import Authority, der, pem
from lab.daemons import PLUGINS
from lab.run import wait
from lab.watch import processes
from test_certificates import Host, refused, up

CHARON = {"load": PLUGINS + " revocation curl"}


def hosts(ca, *extensions, judged="eu"):
    """Both ends; the certificate of the one that is judged has the extensions."""
    return [Host(host, ca, extensions=extensions if host == judged else ()) for host in ("eu", "gw")]


def begin(world, ends, kinds="ikatd-ikatd", judge="gw", revocation="strict", top=None):
    """A lab with the server of a CA. Returns it, the server, and what starts both ends; `judge` demands a word about
    the certificate of the other one, and has the settings `top` besides."""
    lab = world.lab()
    server = CaServer(lab)
    world.daemons.append(server)

    def start(kind, end):
        settings = end.settings({}, {"revocation": revocation} if end.host == judge else {})
        settings |= (top or {}) if end.host == judge else {}
        if kind == "ikatd":
            return world.ikatd(lab, end.host, settings, files=end.files)
        return world.strongswan(lab, end.host, settings, CHARON, end.files)

    def go():
        gate = start(kinds.split("-")[1], ends[1])
        return start(kinds.split("-")[0], ends[0]), gate
    return lab, server, go


@pytest.mark.parametrize("form", (der, pem), ids=("der", "pem"))
@pytest.mark.parametrize("by", ("certificate", "authority"))
def test_list(world, by, form):
    """A list is fetched once, by the URL in the certificate or in `crl_uris`, and serves the next login as well."""
    ca = Authority()
    ends = hosts(ca, *([distribution(url("ca.crl"))] if by == "certificate" else []))
    authority = {"authorities": {"lab": {"cacert": "ca.pem", "crl_uris": url("ca.crl")}}} if by == "authority" else {}
    lab, server, go = begin(world, ends, top=authority)
    server.put("ca.crl", form(ca.revoke()))
    user, gate = go()
    up(lab, user, gate)
    gate.wait_log("event=revocation-fetched kind=crl")
    assert user.request("terminate", ike="home")["success"] == "yes"
    up(lab, user, gate)
    assert server.asked("/ca.crl") == 1
    assert "List of X.509 CRLs" in gate.swanctl("--list-certs")
    gate.swanctl("--flush-certs")
    assert user.request("terminate", ike="home")["success"] == "yes"
    server.put("ca.crl", form(ca.revoke(ends[0].certificate, number=2)))
    refused(user, (gate, "the peer's certificate C=CH, O=Lab, CN=eu was revoked on 20"))
    assert server.asked("/ca.crl") == 2


@pytest.mark.parametrize("kinds,judge", (("ikatd-ikatd", "gw"), ("strongswan-ikatd", "gw"), ("ikatd-strongswan", "eu"),
                                         ("ikatd-strongswan", "gw"), ("strongswan-ikatd", "eu")))
def test_ocsp(world, kinds, judge):
    """`openssl ocsp` says that the certificate is good; both programs judge each other."""
    ca = Authority()
    ends = hosts(ca, responder(OCSP_URL), judged="gw" if judge == "eu" else "eu")
    lab, _, go = begin(world, ends, kinds, judge)
    OcspResponder(lab, ca, [end.certificate for end in ends])
    user, gate = go()
    up(lab, user, gate)


@pytest.mark.parametrize("signer", ("ca", "delegated", "x509ocsp"))
def test_ocsp_revoked(world, signer):
    """The word of the CA, of a responder that it delegated, or of one that is trusted by a file of x509ocsp."""
    ca, other = Authority(), Authority("C=CH, O=Lab, CN=Responder CA")
    ends = hosts(ca, responder(OCSP_URL))
    issuer = other if signer == "x509ocsp" else ca
    by = None if signer == "ca" else issuer.issue("C=CH, O=Lab, CN=ocsp", usages=("OCSP_SIGNING",))
    if signer == "x509ocsp":
        ends[1].files["x509ocsp/responder.pem"] = pem(by[0])
    lab, _, go = begin(world, ends, revocation="relaxed")
    service = OcspResponder(lab, ca, [end.certificate for end in ends], signer=by)
    user, gate = go()
    up(lab, user, gate)
    gate.wait_log("event=revocation-fetched kind=ocsp")
    assert user.request("terminate", ike="home")["success"] == "yes"
    service.revoke(ends[0].certificate)
    gate.swanctl("--flush-certs")
    refused(user, (gate, "the peer's certificate C=CH, O=Lab, CN=eu was revoked on 20"))


def test_silent_responder(world):
    """The responder never answers, and a list is there in its place: the login waits for both. The peer repeats its
    request meanwhile, and gets one session."""
    ca = Authority()
    ends = hosts(ca, responder(url("slow/ocsp")), distribution(url("ca.crl")))
    lab, server, go = begin(world, ends, "strongswan-ikatd")
    server.put("ca.crl", der(ca.revoke()))
    user, gate = go()
    up(lab, user, gate)
    gate.wait_log("event=revocation-fetched kind=crl")
    assert "event=revocation-not-fetched kind=ocsp" in gate.log() and "retransmit 1 of request" in user.log()
    assert server.asked("/slow/ocsp") == 1 and len(gate.established()) == 1


HOSTILE = {
    "huge": (url("huge/x"), None, "the answer is longer than 1 MiB"),
    "slow": (url("slow/x"), None, "timed out"),
    "loop": (url("loop/x"), None, "redirects"),
    "file": (url("to/file:///etc/passwd"), None, "not supported"),
    "https": (url("to/https://192.0.2.254/"), None, "not supported"),
    "localhost": ("http://127.0.0.1:8080/x", None, "loopback, link-local or multicast"),
    "to-localhost": (url("to/http://localhost:8080/x"), None, "loopback, link-local or multicast"),
    "mapped": ("http://[::ffff:127.0.0.1]:8080/x", None, "loopback, link-local or multicast"),
    "missing": (url("none.crl"), None, "404"),
    "no-list": (url("x"), lambda ca, other, ends: b"<html>", "the answer is no list of revocations"),
    "wrong-key": (url("x"), lambda ca, other, ends: der(other.revoke()), "the list is not signed by the CA"),
    "old": (url("x"), lambda ca, other, ends: der(ca.revoke(days=(-9, -1))), "the list is out of date"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_lists(world, case):
    """No list comes of it: `strict` refuses and says why; `relaxed` lets the user in."""
    where, what, words = HOSTILE[case]
    ca, other = Authority(), Authority()
    ends = hosts(ca, distribution(where))
    lab, server, go = begin(world, ends)
    if what:
        server.put("x", what(ca, other, ends))
    user, gate = go()
    refused(user, (gate, "event=revocation-not-fetched kind=crl"), (gate, words),
            (gate, "no valid CRL or OCSP answer says whether C=CH, O=Lab, CN=eu is revoked"))
    gate.write_files("etc", ends[1].settings({}, {"revocation": "relaxed"}), ends[1].files)
    gate.reload()
    up(lab, user, gate)


def test_dead_host(world):
    """Nothing has the address of the CA's server: the first login waits for it, that of another user does not."""
    ca = Authority()
    ends = hosts(ca, distribution("http://192.0.2.99/1"), responder("http://192.0.2.99/ocsp"))
    _, _, go = begin(world, ends)
    user, gate = go()
    words = "no valid CRL or OCSP answer says whether C=CH, O=Lab, CN=eu is revoked; http://192.0.2.99/"
    begun = time.monotonic()
    refused(user, (gate, words))
    first = time.monotonic() - begun
    bert = Host("eu", ca, extensions=(distribution("http://192.0.2.99/2"), responder("http://192.0.2.99/ocsp")))
    user.write_files("etc", bert.settings({}, {}), bert.files)
    user.reload()
    begun = time.monotonic()
    assert user.initiate("net")["success"] == "no"
    wait(lambda: gate.log().count(words) == 2, "a second refusal")
    assert time.monotonic() - begun < first / 2
    assert gate.log().count("event=revocation-not-fetched") == 1, "the responder alone was tried, once"


@pytest.mark.parametrize("where,words", (("http://127.0.0.1:8080/x", "Failed to connect to 127.0.0.1"),
                                         (url("to/http://127.0.0.1:8080/x"), "loopback, link-local or multicast")),
                         ids=("named", "redirect"))
def test_configured_loopback(world, where, words):
    """`crl_uris` may name this host; a server that it names may not."""
    ca = Authority()
    _, _, go = begin(world, hosts(ca), top={"authorities": {"lab": {"cacert": "ca.pem", "crl_uris": where}}})
    user, gate = go()
    refused(user, (gate, "event=revocation-not-fetched kind=crl"), (gate, words))


ANSWERS = {
    "no-answer": (lambda ca, other, ends: b"<html>", "the answer is no OCSP response"),
    "other-serial": (lambda ca, other, ends: ocsp_answer(ca, ends[1].certificate), "is not about the certificate"),
    "other-ca": (lambda ca, other, ends: ocsp_answer(ca, ends[0].certificate,
                                                     other.issue("C=CH, O=Lab, CN=ocsp", usages=("OCSP_SIGNING",))),
                 "is not signed by the CA"),
    "not-delegated": (lambda ca, other, ends: ocsp_answer(ca, ends[0].certificate, ca.issue("C=CH, O=Lab, CN=ocsp")),
                      "is not signed by the CA"),
    "stale": (lambda ca, other, ends: ocsp_answer(ca, ends[0].certificate, days=(-9, -1)), "is not of now"),
    "early": (lambda ca, other, ends: ocsp_answer(ca, ends[0].certificate, days=(1, 2)), "is not of now"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_hostile_answers(world, case):
    """Answers to OCSP requests that say nothing."""
    what, words = ANSWERS[case]
    ca, other = Authority(), Authority("C=CH, O=Lab, CN=Other CA")
    ends = hosts(ca, responder(url("x")))
    _, server, go = begin(world, ends)
    server.put("x", what(ca, other, ends))
    user, gate = go()
    refused(user, (gate, "event=revocation-not-fetched kind=ocsp"), (gate, words),
            (gate, "no valid CRL or OCSP answer says whether C=CH, O=Lab, CN=eu is revoked"))


def test_replayed_answer(world):
    """An answer without a nonce that is older than the one that was here brings nobody back, though it is of today."""
    ca = Authority()
    ends = hosts(ca, responder(url("x")))
    _, server, go = begin(world, ends, revocation="relaxed")
    server.put("x", ocsp_answer(ca, ends[0].certificate, revoked=True, days=(-0.01, 1)))
    user, gate = go()
    refused(user, (gate, "was revoked on 20"))
    server.put("x", ocsp_answer(ca, ends[0].certificate, days=(-0.5, 1)))
    refused(user, (gate, "was revoked on 20"))


def test_url_of_a_stranger(world):
    """A URL in a certificate whose CA is not trusted is never asked."""
    ca, stranger = Authority(), Authority("C=CH, O=Lab, CN=Stranger")
    ends = [Host("eu", stranger, extensions=(distribution(url("x")), responder(url("x")))), Host("gw", ca)]
    ends[0].files["x509ca/gw.pem"] = pem(ca.certificate)
    _, server, go = begin(world, ends)
    user, gate = go()
    refused(user, (gate, "is signed by CA C=CH, O=Lab, CN=Stranger, which is not in x509ca"))
    assert server.log().split() == ["ready"]


def test_list_whose_file_is_gone(world):
    """SIGHUP after a file of x509crl has gone: nobody is revoked by it any more."""
    ca = Authority()
    ends = hosts(ca)
    ends[1].files["x509crl/ca.crl"] = pem(ca.revoke(ends[0].certificate))
    lab, _, go = begin(world, ends, revocation="relaxed")
    user, gate = go()
    refused(user, (gate, "was revoked on 20"))
    gate.write_files("etc", gate.settings, {name: octets for name, octets in ends[1].files.items() if "crl" not in name})
    gate.reload()
    up(lab, user, gate)


@pytest.mark.parametrize("policy", ("strict", "relaxed"))
def test_fetcher_dies(world, policy):
    """A login waits for the fetcher, which is killed: the policy answers, and the next login has a fetcher again."""
    ca = Authority()
    ends = hosts(ca, distribution(url("slow/x")))
    lab, server, go = begin(world, ends, revocation=policy)
    user, gate = go()
    before = processes(gate)
    login = user.begin("initiate", child="net", timeout="20000")
    wait(lambda: server.asked("/slow/x") == 1, "the login waits")
    os.kill(before["fetcher"], signal.SIGKILL)
    gate.wait_log("the fetcher process ended")
    assert login.answer()["success"] == ("no" if policy == "strict" else "yes")
    wait(lambda: set(processes(gate)) == set(before), "a fetcher again")
    assert {name for name, pid in processes(gate).items() if pid != before[name]} == {"fetcher"}
    if policy == "strict":
        gate.wait_log("no valid CRL or OCSP answer says whether C=CH, O=Lab, CN=eu is revoked; "
                      f"{url('slow/x')}: the fetcher process ended")


def test_delta(world):
    """The list names a delta that revokes; a delta of a stranger, and one that is missing, change nothing."""
    ca, other = Authority(), Authority()
    ends = hosts(ca, distribution(url("ca.crl")))
    lab, server, go = begin(world, ends)
    server.put("ca.crl", der(ca.revoke(fresh=url("delta.crl"))))
    user, gate = go()
    up(lab, user, gate)
    assert server.asked("/delta.crl") == 1 and "event=revocation-not-fetched kind=crl" in gate.log()
    for issuer, words in ((other, "the list is not signed by the CA"), (ca, "event=session-revoked")):
        server.put("delta.crl", der(issuer.revoke(ends[0].certificate, number=2, base=1)))
        gate.swanctl("--flush-certs")
        gate.wait_log(words)
    refused(user, (gate, "the peer's certificate C=CH, O=Lab, CN=eu was revoked on 20"))


def test_flush_of_one_kind(world):
    """`--flush-certs --type ocsp_response` keeps the list, `x509_crl` does not."""
    ca = Authority()
    ends = hosts(ca, distribution(url("ca.crl")))
    lab, server, go = begin(world, ends)
    server.put("ca.crl", der(ca.revoke()))
    user, gate = go()
    for kind, asked in (("ocsp_response", 1), ("x509_crl", 2)):
        up(lab, user, gate)
        assert user.request("terminate", ike="home")["success"] == "yes"
        gate.swanctl("--flush-certs", "--type", kind)
        up(lab, user, gate)
        assert user.request("terminate", ike="home")["success"] == "yes"
        assert server.asked("/ca.crl") == asked
