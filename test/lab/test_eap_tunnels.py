# SPDX-License-Identifier: Apache-2.0
"""Logins by EAP-TTLS and PEAP: a password inside of TLS. Two ikats, strongSwan in both roles, FreeRADIUS."""
import pytest

from lab.certificates import Authority, pem
from lab.daemons import PLUGINS
from lab.radius import Freeradius
from lab.run import wait
from lab.settings import merge
from test_certificates import KINDS, NAMES, Host, refused, up
from test_eap import PASSWORD, secrets
from test_radius import AAA, radius

METHODS = ("ttls", "peap")
# Debian's strongSwan has no plugin for PEAP
PAIRS = [(kinds, "ttls") for kinds in KINDS] + [("ikatd-ikatd", "peap")]
USER = "anna@lab.example"


def charon(method, inner):
    """strongSwan with those plugins; as a server it asks for `inner` in the tunnel, and for the identity first."""
    return {"load": PLUGINS + " eap-identity eap-tls eap-ttls eap-mschapv2 eap-md5 md5",
            "plugins": {f"eap-{method}": {"phase2_method": inner, "phase2_piggyback": "yes"}}}


def start(world, kinds, method, inner="mschapv2", password=PASSWORD, names=None, only=False):
    """A lab with both ends; `only`: TLS is all that proves the Gateway."""
    lab, ca, ends = world.lab(), Authority(), []
    for kind, host in zip(kinds.split("-")[::-1], ("gw", "eu")):
        end = Host(host, ca)
        if host == "eu":
            end.files = {"x509ca/ca.pem": pem(ca.certificate)}
            settings = end.settings({"auth": f"eap-{method}", "eap_id": USER, "certs": None},
                                    {"auth": f"eap-{method}"} if only else {})
            settings = merge(settings, secrets(password, USER))
        else:
            settings = end.settings({"auth": f"eap-{method}"} if only else {}, {"auth": f"eap-{method}", "eap_id": "%any"})
            settings = merge(settings, secrets(user=USER))
        settings = merge(settings, (names or {}).get(host))
        make, more = (world.ikatd, ()) if kind == "ikatd" else (world.strongswan, (charon(method, inner),))
        ends.append(make(lab, host, settings, *more, files=end.files))
    return lab, ends[1], ends[0]


@pytest.mark.parametrize("kinds,method", PAIRS)
def test_login(world, kinds, method):
    lab, eu, gw = start(world, kinds, method)
    up(lab, eu, gw)
    if kinds.endswith("-ikatd"):
        assert gw.established()[0]["remote-eap-id"] == USER


def test_md5_inside(world):
    lab, eu, gw = start(world, "ikatd-strongswan", "ttls", "md5")
    up(lab, eu, gw)


@pytest.mark.parametrize("method", METHODS)
def test_alone(world, method):
    """The certificate in TLS is all that proves the Gateway (RFC 5998)."""
    lab, eu, gw = start(world, "ikatd-ikatd", method, only=True)
    up(lab, eu, gw)


@pytest.mark.parametrize("kinds,method", PAIRS)
def test_wrong_password(world, kinds, method):
    _, eu, gw = start(world, kinds, method, password="wrong")
    assert eu.initiate("net")["success"] == "no"
    assert not eu.established() and not gw.established()


@pytest.mark.parametrize("method", METHODS)
def test_server_of_another_name(world, method):
    """The password is not said to a server that is not the one of aaa_id."""
    _, eu, gw = start(world, "ikatd-ikatd", method, names={"eu": {"connections": {"home": {"local": {"aaa_id": "aaa.lab.example"}}}}})
    refused(eu, (eu, "the EAP server's certificate C=CH, O=Lab, CN=gw is not that of aaa.lab.example"))
    assert not gw.established()


def behind(world, server, lab, auth, password=PASSWORD):
    """A Gateway that asks the server, and an End User whose `auth` it is; both are started."""
    ca = Authority()
    gw, eu = Host("gw", ca), Host("eu", ca)
    gate = world.ikatd(lab, "gw", merge(gw.settings({}, {"auth": "eap-radius", "eap_id": "%any", "id": "%any"}), radius(AAA)),
                       files=gw.files)
    with open(f"{server.folder}/certs/ca.pem", "rb") as aaa_ca:
        eu.files = {"x509ca/ca.pem": pem(ca.certificate), "x509ca/aaa.pem": aaa_ca.read()}
    mine = eu.settings({"auth": auth, "eap_id": USER, "aaa_id": "aaa.lab.example", "certs": None})
    return world.ikatd(lab, "eu", merge(mine, secrets(password, user=USER)), files=eu.files), gate


@pytest.mark.parametrize("version", ("1.2", "1.3"))
@pytest.mark.parametrize("inner", ("pap", "chap", "mschapv2"))
def test_plain_password(world, inner, version):
    """TTLS without EAP in the tunnel."""
    lab = world.lab()
    server = Freeradius(lab, "host", {USER: (PASSWORD, [])}, method="ttls", tls=version).start()
    user, gate = behind(world, server, lab, f"eap-ttls-{inner}")
    up(lab, user, gate)
    assert gate.established()[0]["remote-eap-id"] == USER
    wait(lambda: server.counters()["Access-Accepts"] == 1, "one Access-Accept")


@pytest.mark.parametrize("inner", ("pap", "chap", "mschapv2"))
def test_wrong_plain_password(world, inner):
    lab = world.lab()
    server = Freeradius(lab, "host", {USER: (PASSWORD, [])}, method="ttls").start()
    user, gate = behind(world, server, lab, f"eap-ttls-{inner}", "wrong")
    assert user.initiate("net")["success"] == "no"
    assert not user.established() and not gate.established()
    wait(lambda: server.counters()["Access-Rejects"] == 1, "one Access-Reject")


@pytest.mark.parametrize("inner", ("mschapv2", "md5", "gtc"))
@pytest.mark.parametrize("version", ("1.2", "1.3"))
@pytest.mark.parametrize("method", METHODS)
def test_freeradius(world, method, version, inner):
    """FreeRADIUS behind the Gateway is the server of TLS and of what is inside."""
    lab = world.lab()
    server = Freeradius(lab, "host", {USER: (PASSWORD, [])}, method=method, tls=version, inner=inner).start()
    user, gate = behind(world, server, lab, f"eap-{method}")
    up(lab, user, gate)
    assert gate.established()[0]["remote-eap-id"] == USER
    wait(lambda: server.counters()["Access-Accepts"] == 1, "one Access-Accept")
    assert NAMES["gw"] == user.established()[0]["remote-id"]
