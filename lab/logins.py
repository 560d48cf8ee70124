# SPDX-License-Identifier: Apache-2.0
"""Kinds of login: what the two ends are configured with for each, and the RADIUS server that it needs.

The Gateway proves itself by its certificate, except with a pre-shared key. With EAP it asks the server each time.
"""
from dataclasses import dataclass, field

from lab.certificates import Authority, new_key, pem, pem_key
from lab.daemons import PLUGINS
from lab.net import address
from lab.radius import SECRET, Freeradius, Hlr, Hostapd
from lab.settings import IDS

AAA = address("lan", "host")
PASSWORD = "correct horse"
# USIMs: identities (the first digit says EAP-AKA), K and OPc. hostapd serves one login of a USIM at a time
USIMS = ("0232010000000000@lab.example", "0232010000000001@lab.example")
KEY, OPC = "90dca4eda45b53cf0f12d7c9c3bc6a89", "cb9cccc4b9258e6dca4760379fb82581"
EAP_PLUGINS = PLUGINS + " eap-identity eap-mschapv2 md4 des eap-tls eap-aka eap-simaka-sql"


@dataclass
class End:
    """Changes of an end's settings: of its connection, of all of them; and files beside the configuration."""
    conn: dict = field(default_factory=dict)
    top: dict = field(default_factory=dict)
    files: dict = None


@dataclass
class Login:
    """The two ends of a kind of login, and its started server, which has requests() and accounts(). `users`: changes of
    the connection of each user; `user` is the first of them."""
    title: str
    user: End
    gateway: End
    users: dict
    server: object = None


ONE = (IDS["eu"],)


def psk(_lab, users=ONE):
    """A secret of the Gateway, that all users have."""
    secret = {"secrets": {"ike-lab": {"id-1": IDS["gw"], "id-2": None}}}
    return _login("PSK", {user: {"local": {"id": user}} for user in users}, End(top=secret),
                  End({"remote": {"id": "%any"}}, secret))


def certificate(_lab, users=ONE, key="ecdsa-256"):
    """Both ends sign. rsa-2048, ecdsa-256, ed25519, ..."""
    ca = Authority(kind=key)
    gateway = _gateway(ca, key, {"auth": "pubkey", "id": "%any"})
    conns = {user: _signs(user) | {"remote": {"auth": "pubkey"}} for user in users}
    return _login(f"certificate ({key})", conns, _user(ca, users, key), gateway)


def eap_tls(lab, users=("anna@lab.example",)):
    """A certificate of the server's own CA, in TLS 1.2 between the End User and FreeRADIUS."""
    server = Freeradius(lab, "host", {}, method="tls", tls="1.2").start()
    login = _by_radius(server, "EAP-TLS", "eap-tls", users)
    login.user.files |= _user(server.ca, users, "ecdsa-256", "aaa").files
    for user, conn in login.users.items():
        conn["local"] |= {"aaa_id": "aaa.lab.example", "certs": f"{user}.pem"}
    return login


def eap_mschapv2(lab):
    """A password that FreeRADIUS knows."""
    server = Freeradius(lab, "host", {"anna": (PASSWORD, [])}).start()
    login = _by_radius(server, "EAP-MSCHAPv2", "eap-mschapv2", ("anna",))
    login.user.top["secrets"] = {"eap-anna": {"id": "anna", "secret": f'"{PASSWORD}"'}}
    return login


def eap_aka(lab):
    """USIMs whose key hostapd's authentication centre knows."""
    hlr = Hlr(lab, "host", ",".join(user[1:].split("@")[0] for user in USIMS), KEY, OPC).start()
    more = f"eap_sim_db=unix:{hlr.socket}\neap_sim_aka_result_ind=0\neap_sim_id=0\nradius_server_acct_port=1813\n"
    server = Hostapd(lab, "host", '"0"* AKA\n', more).start()
    login = _by_radius(server, "EAP-AKA", "eap-aka", USIMS)
    login.user.top["secrets"] = {f"eap-usim-{n}": {"id": user, "secret": "0x" + KEY + OPC} for n, user in enumerate(USIMS)}
    return login


KINDS = {"psk": psk, "cert": certificate, "eap-tls": eap_tls, "eap-mschapv2": eap_mschapv2, "eap-aka": eap_aka}


def _login(title, users, user, gateway, server=None):
    user.conn = next(iter(users.values()))
    return Login(title, user, gateway, users, server)


def _signs(user):
    return {"local": {"auth": "pubkey", "id": user, "certs": f"{user}.pem"}}


def _user(ca, users, key, name="ca"):
    """All users have one key, and each a certificate."""
    private = new_key(key)
    files = {f"x509ca/{name}.pem": pem(ca.certificate), f"private/{name}-users.pem": pem_key(private)}
    files |= {f"x509/{user}.pem": pem(ca.issue(f"C=CH, O=Lab, CN={user}", key=private, names=(user,))) for user in users}
    return End(top={"secrets": None}, files=files)


def _gateway(ca, key, remote):
    certificate_, private = ca.issue("C=CH, O=Lab, CN=gw", key, names=(IDS["gw"],))
    return End({"local": {"auth": "pubkey", "certs": "gw.pem"}, "remote": remote}, {"secrets": None},
               {"x509ca/ca.pem": pem(ca.certificate), "x509/gw.pem": pem(certificate_), "private/gw.pem": pem_key(private)})


def _by_radius(server, title, method, users):
    ca = Authority()
    gateway = _gateway(ca, "ecdsa-256", {"auth": "eap-radius", "eap_id": "%any", "id": "%any"})
    gateway.top["radius"] = {"aaa": {"address": AAA, "secret": SECRET, "accounting": "yes"}}
    conns = {user: {"local": {"auth": method, "eap_id": user}, "remote": {"auth": "pubkey"}} for user in users}
    user = End(top={"secrets": None}, files={"x509ca/ca.pem": pem(ca.certificate)})
    return _login(title + " through RADIUS", conns, user, gateway, server)
