# SPDX-License-Identifier: Apache-2.0
"""RADIUS over TLS (RFC 6614): logins, accounting and requests of the server; servers that vanish and return."""
import os
import re

import pytest

from lab.certificates import Authority, pem, pem_key
from lab.net import address
from lab.radius import SECRET, Freeradius
from lab.radsec import Radsec, request
from lab.run import wait
from lab.settings import end_user, gateway, paths
from test_eap import PASSWORD, USER, secrets, up

AAA = address("lan", "host")
ACCESS_REQUEST, STATUS_SERVER, DISCONNECT, DISCONNECT_ACK, DISCONNECT_NAK, COA, COA_NAK = 1, 12, 40, 41, 42, 43, 45


def tls(**keys):
    """A server with RADIUS/TLS, whose Gateway has the keys of files()."""
    return {"address": AAA, "transport": "tls", "id": "aaa.lab.example", "certs": "gateway.pem", "cacerts": "aaa.pem",
            "dead_time": "1s"} | keys


def files(certs):
    """The Gateway's files, of a folder of lab.radius.certificates()."""
    names = {"x509/gateway.pem": "gateway.pem", "private/gateway.pem": "gateway.key", "x509ca/aaa.pem": "ca.pem"}
    contents = {}
    for name, path in names.items():
        with open(os.path.join(certs, path), "rb") as file:
            contents[name] = file.read()
    return contents


def gate(world, lab, server_files, servers, **conn):
    """A Gateway that asks these servers: {name: keys}."""
    return world.ikatd(lab, "gw", gateway({"remote": {"auth": "eap-radius", "eap_id": "%any", "id": "%any"}} | conn,
                                          top={"radius": servers}), files=server_files)


def user(world, lab, method="mschapv2", conn=None, **keys):
    """An End User with a password, or with a certificate of the server's CA."""
    return world.ikatd(lab, "eu", end_user({"local": {"auth": f"eap-{method}", "eap_id": USER}} | (conn or {}), top=secrets()), **keys)


def freeradius(lab, version="1.3", **keys):
    """FreeRADIUS, started, with RADIUS/TLS."""
    return Freeradius(lab, "host", {USER: (PASSWORD, [])}, radsec=version, **keys).start()


def over_tls(server):
    """The Access-Requests that FreeRADIUS had over connections."""
    return len(re.findall(r"Received Access-Request .* to \S+:2083 ", server.log()))


@pytest.mark.parametrize("version", ("1.2", "1.3"))
def test_login_and_accounting(world, version):
    """EAP-MSCHAPv2 and accounting over one connection, with no datagram; clones cost it nothing."""
    lab = world.lab()
    server = freeradius(lab, version)
    gw = gate(world, lab, files(server.certs), {"aaa": tls(accounting="yes")})
    gw.wait_log("event=radius-tls-up server=aaa")
    eu = user(world, lab, conn=paths())
    assert eu.initiate("net")["success"] == "yes"
    eu.wait_paths(2)
    assert gw.sas()[0][1]["remote-eap-id"] == USER
    wait(lambda: server.accounts() == ["Start"], "a Start")
    assert eu.request("terminate", ike="home")["success"] == "yes"
    wait(lambda: server.accounts() == ["Start", "Stop"], lambda: f"a Stop: {server.accounts()}")
    assert server.requests() == 3 == over_tls(server)


def test_eap_tls(world):
    """EAP-TLS, whose packets are long, through RADIUS/TLS."""
    lab = world.lab()
    server = freeradius(lab, method="tls", tls="1.2")
    gate(world, lab, files(server.certs), {"aaa": tls()})
    names = {"x509/anna.pem": "client.pem", "private/anna.pem": "client.key", "x509ca/aaa.pem": "ca.pem"}
    own = {}
    for name, path in names.items():
        with open(os.path.join(server.certs, path), "rb") as file:
            own[name] = file.read()
    local = {"auth": "eap-tls", "eap_id": "anna@lab.example", "aaa_id": "aaa.lab.example", "certs": "anna.pem"}
    eu = user(world, lab, "tls", {"local": local}, files=own)
    assert eu.initiate("net")["success"] == "yes"


def test_server_vanishes_and_returns(world):
    """The server ends, and the connection with it. When it is back, it comes first again."""
    lab = world.lab()
    server = freeradius(lab)
    other = {"address": AAA, "secret": SECRET, "preference": "-1"}
    gw = gate(world, lab, files(server.certs), {"aaa": tls(), "old": other})
    eu = user(world, lab)
    up(lab, eu, gw)
    server.stop()
    gw.wait_log("event=radius-tls-down server=aaa reason=\"Connection refused\"")
    assert eu.request("terminate", ike="home")["success"] == "yes"
    server.start()
    wait(lambda: gw.log().count("event=radius-tls-up server=aaa") == 2, "a connection again", 20)
    before = over_tls(server)
    up(lab, eu, gw)
    assert over_tls(server) == before + 3


def test_other_server_at_once(world):
    """While there is no connection, a login asks the server with datagrams, and waits for nothing."""
    lab = world.lab()
    server = Freeradius(lab, "host", {USER: (PASSWORD, [])}).start()  # without RADIUS/TLS
    gw = gate(world, lab, files(server.certs), {"aaa": tls(), "old": {"address": AAA, "secret": SECRET, "preference": "-1"}})
    gw.wait_log("event=radius-tls-down server=aaa reason=\"Connection refused\"")
    eu = user(world, lab)
    assert eu.initiate("net", timeout=4)["success"] == "yes"


def test_only_server_away(world):
    """The only server has no connection: the login fails, and the reason names server and cause."""
    lab = world.lab()
    server = Freeradius(lab, "host", {}).start()
    gw = gate(world, lab, files(server.certs), {"aaa": tls(retransmit_timeout="100ms")})
    eu = user(world, lab)
    assert eu.initiate("net")["success"] == "no"
    gw.wait_log("no answer from the RADIUS server aaa (Connection refused)")


def expired(ca):
    """The server has an expired certificate."""
    return ca.issue("C=CH, O=Lab, CN=server", names=("aaa.lab.example",), days=(-30, -2))


def of_client(ca):
    """The server has a certificate of a client."""
    return ca.issue("C=CH, O=Lab, CN=server", names=("aaa.lab.example",), usages=("CLIENT_AUTH",))


def of_another(_ca):
    """The server has a certificate of another CA."""
    return Authority("C=CH, O=Lab, CN=Another CA").issue("C=CH, O=Lab, CN=server", names=("aaa.lab.example",))


@pytest.mark.parametrize("make, keys, reason", (
    (None, {"id": "other.lab.example"}, "the RADIUS server's certificate C=CH, O=Lab, CN=server is not that of other.lab.example"),
    (None, {"id": None}, f"is not that of {AAA}"),
    (expired, {}, "the RADIUS server's certificate C=CH, O=Lab, CN=server expired on"),
    (of_client, {}, "is not for a server of TLS"),
    (of_another, {}, "is signed by CA C=CH, O=Lab, CN=Another CA, which is not in cacerts of RADIUS server aaa"),
), ids=("name", "address", "expired", "client", "ca"))
def test_server_refused(world, make, keys, reason):
    """A server that is not the one of the configuration gets no request, and the log says why."""
    lab = world.lab()
    server = Freeradius(lab, "host", {USER: (PASSWORD, [])}, radsec="1.3")
    if make:
        certificate, key = make(server.ca)
        for name, octets in (("server.pem", pem(certificate)), ("server.key", pem_key(key))):
            with open(os.path.join(server.certs, name), "wb") as file:
                file.write(octets)
    server.start()
    section = {name: value for name, value in tls(**keys).items() if value}
    gw = gate(world, lab, files(server.certs), {"aaa": section})
    gw.wait_log(reason)
    assert "event=radius-tls-up" not in gw.log() and server.requests() == 0


@pytest.mark.parametrize("version, reason", (
    ("1.2", "the server closed the connection within the TLS handshake: it may not accept our certificate"),
    ("1.3", "the server closed the connection after the TLS handshake: it may not accept our certificate")))
def test_gateway_refused(world, version, reason):
    """The server refuses our certificate, FreeRADIUS without an alert; with TLS 1.3 it does so after the handshake."""
    lab = world.lab()
    server = freeradius(lab, version)
    own = files(server.certs)
    certificate, key = Authority("C=CH, O=Lab, CN=Another CA").issue("C=CH, O=Lab, CN=gw", names=("gw.lab.example",))
    own |= {"x509/gateway.pem": pem(certificate), "private/gateway.pem": pem_key(key)}
    gw = gate(world, lab, own, {"aaa": tls()})
    gw.wait_log(f"event=radius-tls-down server=aaa reason=\"{reason}")
    assert "event=radius-tls-up" not in gw.log()


def test_without_the_key(world):
    """The private key of our certificate is not there."""
    lab = world.lab()
    server = freeradius(lab)
    own = files(server.certs)
    del own["private/gateway.pem"]
    gw = gate(world, lab, own, {"aaa": tls()})
    gw.wait_log("the private key of 'certs' is not loaded")


def attribute(kind, value):
    """An attribute of a packet."""
    return bytes([kind, 2 + len(value)]) + value


def with_requests(world, **keys):
    """A session by FreeRADIUS, and a second server with RADIUS/TLS that may have it changed."""
    lab = world.lab()
    server = Freeradius(lab, "host", {USER: (PASSWORD, [])}).start()
    radsec = Radsec(lab, "host", AAA, server.certs).start()
    servers = {"old": {"address": AAA, "secret": SECRET, "preference": "1"}, "aaa": tls(**keys)}
    gw = gate(world, lab, files(server.certs), servers)
    gw.wait_log("event=radius-tls-up server=aaa")
    eu = user(world, lab, conn=paths())
    assert eu.initiate("net")["success"] == "yes"
    eu.wait_paths(2)
    return radsec, gw


def test_disconnect(world):
    """RFC 6614 section 2.5: a Disconnect-Request over the connection that we made ends the session with all its paths.
    It needs no Event-Timestamp, and the same octets again are another request."""
    radsec, gw = with_requests(world, dae="yes")
    packet = request(DISCONNECT, 7, attribute(1, USER.encode()))
    radsec.send(packet)
    wait(lambda: [got[:2] for got in radsec.packets() if got[0] == DISCONNECT_ACK] == [bytes([DISCONNECT_ACK, 7])], "an ACK")
    wait(lambda: not gw.established() and not gw.children(), "no IKE SA is left")
    radsec.send(packet)
    wait(lambda: any(got[0] == DISCONNECT_NAK for got in radsec.packets()), "Session-Context-Not-Found")


def test_requests_unwanted(world):
    """Without dae the server is told so (Error-Cause 406), and nothing happens. A wrong authenticator: no answer."""
    radsec, gw = with_requests(world)
    wrong = bytearray(request(DISCONNECT, 6, attribute(1, USER.encode())))
    wrong[5] ^= 1
    radsec.send(bytes(wrong))
    radsec.send(request(COA, 8, attribute(1, USER.encode()) + attribute(27, bytes((0, 0, 0, 5)))))
    wait(lambda: radsec.packets()[-1:] and radsec.packets()[-1][:2] == bytes([COA_NAK, 8]), "a NAK")
    assert attribute(101, (406).to_bytes(4, "big")) in radsec.packets()[-1]
    assert not any(got[0] == DISCONNECT_ACK for got in radsec.packets())
    assert len(gw.established()) == 2


def test_watchdog(world):
    """RFC 6613 section 2.6: a quiet connection gets Status-Server, with the Identifier 0. The host of a server vanishes
    without a word: the connection is given up."""
    lab = world.lab()
    certs = Freeradius(lab, "host", {}).certs
    radsec = Radsec(lab, "host", AAA, certs).start()
    gw = gate(world, lab, files(certs), {"aaa": tls(retransmit_timeout="100ms")})
    wait(lambda: [got[:2] for got in radsec.packets()].count(bytes([STATUS_SERVER, 0])) >= 2, "two Status-Servers")
    assert "event=radius-tls-down" not in gw.log()
    lab.run("host", "nft", "add table ip silence; add chain ip silence in { type filter hook input priority 0; }; "
            "add rule ip silence in tcp dport 2083 drop")
    gw.wait_log("the server does not answer Status-Server", 20)
    lab.run("host", "nft", "delete table ip silence")
    wait(lambda: gw.log().count("event=radius-tls-up server=aaa") >= 2, "a connection again", 30)
