# SPDX-License-Identifier: Apache-2.0
"""A Gateway whose first connection does not take the peer, once it has shown what it has, goes on with the next one."""
import pytest

from lab.certificates import Authority, pem, pem_key
from lab.net import address
from lab.radius import SECRET, Freeradius
from lab.run import wait
from lab.settings import IDS, end_user, gateway, merge
from test_eap import EAP_PLUGINS, PASSWORD, USER, next_login, secrets, usim

NETS = {"research": "10.20.0.0/28", "sales": "10.20.0.16/28"}
POOLS = {"research": "10.31.0.0/24", "sales": "10.32.0.0/24"}
END_USERS = ("ikatd", "strongswan")


class Company:
    """A CA for each department, and one for the Gateway; the End User has a certificate of the department of sales."""

    def __init__(self):
        self.gate = Authority("C=CH, O=Lab, CN=Gate CA")
        self.cas = {name: Authority(f"C=CH, O=Lab, CN={name} CA") for name in NETS}
        self.anchors = {f"x509ca/{name}.pem": pem(ca.certificate) for name, ca in {"gate": self.gate, **self.cas}.items()}

    def files(self, host, ca, kind="ecdsa-256"):
        """The files of a host with a certificate of that CA."""
        certificate, key = ca.issue(f"C=CH, O=Lab, CN={host}", kind, names=(IDS[host],))
        return self.anchors | {f"x509/{host}.pem": pem(certificate), f"private/{host}.pem": pem_key(key)}


def departments(remotes, local=None, **top):
    """The Gateway's connections in their order, with the demands on the peer of each."""
    one = gateway(top={"secrets": None})["connections"]["gate"]
    conns = {}
    for name, remote in remotes.items():
        conns[name] = merge(one, {"pools": name, "local": local or {"auth": "pubkey", "certs": "gw.pem"},
                                  "remote": None, "children": {"net": {"local_ts": NETS[name]}}})
        conns[name] |= remote if "remote1" in remote else {"remote": remote}
    return {"connections": conns, "pools": {name: {"addrs": POOLS[name]} for name in remotes}} | top


def start(world, kind, company, remotes, user="sales"):
    """The Gateway with these connections, and an End User with a certificate of that department."""
    lab = world.lab()
    gw = world.ikatd(lab, "gw", departments(remotes), files=company.files("gw", company.gate))
    local, remote = {"auth": "pubkey", "certs": "eu.pem"}, {"auth": "pubkey"}
    settings = end_user({"local": local, "remote": remote}, {"remote_ts": "10.20.0.0/24"}, top={"secrets": None})
    make = world.ikatd if kind == "ikatd" else world.strongswan
    return make(lab, "eu", settings, files=company.files("eu", company.cas[user])), gw


def taken(eu, gw, name):
    """The End User is in, and all that the Gateway says of it is of that connection."""
    answer = eu.initiate("net")
    assert answer["success"] == "yes", answer
    [(conn, sa)] = gw.sas()
    assert conn == name
    prefix = POOLS[name].rpartition(".")[0] + "."
    assert sa["remote-vips"][0].startswith(prefix)
    [child] = gw.children()
    assert child["local-ts"] == [NETS[name]]
    assert child["remote-ts"][0].startswith(prefix)


@pytest.mark.parametrize("user", NETS)
@pytest.mark.parametrize("kind", END_USERS)
def test_two_cas(world, kind, user):
    """cacerts: the department whose CA signed the certificate, whichever connection is loaded first."""
    eu, gw = start(world, kind, Company(), {name: {"auth": "pubkey", "cacerts": f"{name}.pem"} for name in NETS}, user)
    taken(eu, gw, user)
    if user == "sales":
        gw.wait_log("is signed by CA C=CH, O=Lab, CN=sales CA, which is not in cacerts of connection research; "
                    "switching to connection 'sales'")


@pytest.mark.parametrize("first, second", (("rsa", "ecdsa"), ("ecdsa-384", "ecdsa-256"), ("pubkey-sha512", "pubkey-sha256")))
def test_constraints(world, first, second):
    """`auth`: kinds of keys, their bits, hashes."""
    eu, gw = start(world, "ikatd", Company(), {"research": {"auth": first}, "sales": {"auth": second}})
    taken(eu, gw, "sales")


@pytest.mark.parametrize("kind", END_USERS)
def test_none_fits(world, kind):
    """A certificate that no connection takes: refused as ever, and nothing is left."""
    eu, gw = start(world, kind, Company(), {"research": {"auth": "pubkey", "cacerts": "research.pem"},
                                            "sales": {"auth": "pubkey", "cacerts": "gate.pem"}})
    assert eu.initiate("net")["success"] == "no"
    gw.wait_log("is signed by CA C=CH, O=Lab, CN=sales CA, which is not in cacerts of connection sales")
    assert not gw.sas() and not eu.established()


def test_second_demands_more(world):
    """The certificate fits the second connection, which demands a second round too: the peer has but one."""
    two = {"remote1": {"auth": "pubkey", "cacerts": "sales.pem"}, "remote2": {"auth": "eap-md5", "id": "%any"}}
    eu, gw = start(world, "ikatd", Company(), {"research": {"auth": "pubkey", "cacerts": "research.pem"}, "sales": two})
    assert eu.initiate("net")["success"] == "no"
    gw.wait_log("which is not in cacerts of connection research")
    assert not gw.sas() and not eu.established()


def by_class(world, kind, group):
    """The Gateway's connections are for groups; the RADIUS server names this one for the End User."""
    lab = world.lab()
    server = Freeradius(lab, "host", {USER: (PASSWORD, [f'Class = "{group}"'])}).start()
    remotes = {name: {"auth": "eap-radius", "eap_id": "%any", "groups": name} for name in NETS}
    radius = {"aaa": {"address": address("lan", "host"), "secret": SECRET, "class_group": "yes"}}
    psk = gateway()["connections"]["gate"]["local"]
    gw = world.ikatd(lab, "gw", departments(remotes, psk, radius=radius, secrets=gateway()["secrets"]))
    settings = end_user({"local": {"auth": "eap-mschapv2", "eap_id": USER}}, {"remote_ts": "10.20.0.0/24"}, top=secrets())
    eu = world.ikatd(lab, "eu", settings) if kind == "ikatd" else world.strongswan(lab, "eu", settings, EAP_PLUGINS)
    return eu, gw, server


@pytest.mark.parametrize("kind", END_USERS)
def test_classes(world, kind):
    """groups: the department that the RADIUS server names; it is asked for one login."""
    eu, gw, server = by_class(world, kind, "sales")
    taken(eu, gw, "sales")
    gw.wait_log("the RADIUS server names none of the groups; switching to connection 'sales'")
    wait(lambda: server.counters()["Access-Accepts"] == 1, "one Access-Accept")


def test_class_of_none(world):
    """A group that no connection is for: refused, after one login at the server."""
    eu, gw, server = by_class(world, "ikatd", "guests")
    assert eu.initiate("net")["success"] == "no"
    gw.wait_log("the RADIUS server names none of the groups; switching to connection 'sales'")
    assert not gw.sas()
    assert server.counters()["Access-Accepts"] == 1


@pytest.mark.parametrize("kind", END_USERS)
@pytest.mark.parametrize("first,why", (('"C=CH, O=Lab, CN=*"', "its EAP identity is not one of eap_id"),
                                       ("%any", "it refuses the EAP method")), ids=("identity", "method"))
def test_eap(world, kind, first, why):
    """The End User's EAP identity chooses the connection, and with it the method; so does its refusal of a method."""
    lab = world.lab()
    remotes = {"research": {"auth": "eap-md5", "eap_id": first}, "sales": {"auth": "eap-mschapv2", "eap_id": "%any"}}
    top = gateway(top=secrets())
    gw = world.ikatd(lab, "gw", departments(remotes, top["connections"]["gate"]["local"], secrets=top["secrets"]))
    settings = end_user({"local": {"auth": "eap-mschapv2", "eap_id": USER}}, {"remote_ts": "10.20.0.0/24"}, top=secrets())
    eu = world.ikatd(lab, "eu", settings) if kind == "ikatd" else world.strongswan(lab, "eu", settings, EAP_PLUGINS)
    taken(eu, gw, "sales")
    assert gw.sas()[0][1]["remote-eap-id"] == USER
    gw.wait_log(f"{why}; switching to connection 'sales'")


def test_permanent_identity(world):
    """AKA: the permanent identity chooses, also when the End User says a name that the Gateway gave it."""
    lab, name = world.lab(), "0232010000000000@wlan.example"
    remotes = {"research": {"auth": "eap-aka", "eap_id": "0232010000000001@wlan.example"}, "sales": {"auth": "eap-aka", "eap_id": name}}
    top = gateway(top=usim(name))
    gw = world.ikatd(lab, "gw", departments(remotes, top["connections"]["gate"]["local"], secrets=top["secrets"]))
    settings = end_user({"local": {"auth": "eap-aka", "eap_id": name}}, {"remote_ts": "10.20.0.0/24"}, top=usim(name))
    eu = world.ikatd(lab, "eu", settings)
    taken(eu, gw, "sales")
    for _ in range(2):
        next_login(eu, gw)
        [(conn, sa)] = gw.sas()
        assert (conn, sa["remote-eap-id"]) == ("sales", name)


def test_user_name(world):
    """RADIUS: the server's User-Name chooses, and the session, VICI and accounting have it; one login asks it."""
    lab = world.lab()
    server = Freeradius(lab, "host", {USER: (PASSWORD, ['User-Name = "anna@sales.example"'])}).start()
    remotes = {name: {"auth": "eap-radius", "eap_id": f"*@{name}.example"} for name in NETS}
    radius = {"aaa": {"address": address("lan", "host"), "secret": SECRET, "accounting": "yes"}}
    psk = gateway()["connections"]["gate"]["local"]
    gw = world.ikatd(lab, "gw", departments(remotes, psk, radius=radius, secrets=gateway()["secrets"]))
    settings = end_user({"local": {"auth": "eap-mschapv2", "eap_id": USER}}, {"remote_ts": "10.20.0.0/24"}, top=secrets())
    eu = world.ikatd(lab, "eu", settings)
    taken(eu, gw, "sales")
    assert gw.sas()[0][1]["remote-eap-id"] == "anna@sales.example"
    wait(lambda: "Start" in server.accounts(), "a record of the accounting")
    assert server.records()[0]["User-Name"] == "anna@sales.example"
    assert server.counters()["Access-Accepts"] == 1
