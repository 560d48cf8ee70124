# SPDX-License-Identifier: Apache-2.0
"""Logins through the Gateway to real RADIUS servers, and what clones cost them: nothing."""
import pytest

from lab.net import address
from lab.radius import SECRET, Freeradius, Hlr, Hostapd
from lab.run import run, wait
from lab.settings import IDS, end_user, gateway, merge, paths
from test_eap import EAP_PLUGINS, IMSI, KEY, OPC, PASSWORD, USER, secrets, up, usim

AAA = address("lan", "host")
SILENT = "10.20.0.66"  # of the same host


def radius(*servers, **keys):
    """The Gateway's servers, the first one preferred; `keys`: more of each."""
    return {"radius": {f"aaa{i}": {"address": server, "secret": SECRET, "preference": str(-i)} | keys
                       for i, server in enumerate(servers)}}


def ends(world, lab, kind="ikatd", method="mschapv2", servers=(AAA,), conn=None, mine=None, of_servers=None, **keys):
    """A Gateway that asks the servers, and an End User. `of_servers`: more keys of the servers."""
    gw = world.ikatd(lab, "gw", gateway({"remote": {"auth": "eap-radius", "eap_id": "%any", "id": "%any"}} | keys,
                                        top=radius(*servers, **(of_servers or {}))))
    settings = end_user({"local": {"auth": f"eap-{method}", "eap_id": USER}} | (conn or {}), top=mine or secrets())
    eu = world.ikatd(lab, "eu", settings) if kind == "ikatd" else world.strongswan(lab, "eu", settings, EAP_PLUGINS)
    return eu, gw


def silence(lab):
    """Another address of the server's host, which answers nothing."""
    run("ip", "netns", "exec", lab.name("host"), "ip", "address", "add", f"{SILENT}/24", "dev", "eth0")
    lab.run("host", "nft", "add table ip silence; add chain ip silence in { type filter hook input priority 0; }; "
            f"add rule ip silence in ip daddr {SILENT} drop")


@pytest.mark.parametrize("kind", ("ikatd", "strongswan"))
def test_freeradius(world, kind):
    """EAP-MSCHAPv2 through FreeRADIUS; both End Users."""
    lab = world.lab()
    server = Freeradius(lab, "host", {USER: (PASSWORD, [])}).start()
    eu, gw = ends(world, lab, kind)
    up(lab, eu, gw)
    assert gw.sas()[0][1]["remote-eap-id"] == USER
    wait(lambda: server.counters()["Access-Accepts"] == 1, "one Access-Accept")
    assert 'NAS-Identifier = "gw.lab.example"' in server.log()


def test_refused(world):
    """The server says no: nothing comes up, and the Gateway says who refused."""
    lab = world.lab()
    Freeradius(lab, "host", {USER: ("another", [])}).start()
    eu, gw = ends(world, lab)
    assert eu.initiate("net")["success"] == "no"
    gw.wait_log("the RADIUS server aaa0 refuses the login")
    assert not gw.established()


def test_clones_cost_the_server_nothing(world):
    """By the server's own counters: requests for the login and one Start; none for a second path, a rekey, a move."""
    lab = world.lab()
    server = Freeradius(lab, "host", {USER: (PASSWORD, [])}).start()
    eu, gw = ends(world, lab, conn=paths(), of_servers={"accounting": "yes"})
    assert eu.initiate("net")["success"] == "yes"
    wait(lambda: eu.session(), "a session")
    before = server.answers()
    eu.wait_paths(2)
    assert gw.request("rekey", ike="gate")["success"] == "yes"
    lab.cut("wlan")
    eu.wait_paths(1)
    lab.restore("wlan")
    eu.wait_paths(2, timeout=30)
    assert gw.sessions()[0]["logins"] == 1
    assert server.answers() == before == 3
    assert server.accounts() == ["Start"]


def test_the_second_server_answers(world):
    """The preferred server is silent, and is named; its accounting goes to the other one as well."""
    lab = world.lab()
    server = Freeradius(lab, "host", {USER: (PASSWORD, [])}).start()
    silence(lab)
    eu, gw = ends(world, lab, servers=(SILENT, AAA), of_servers={"accounting": "yes", "retransmit_timeout": "500ms"})
    assert eu.initiate("net", timeout=40)["success"] == "yes"
    gw.wait_log("event=radius-silent server=aaa0 port=access")
    wait(lambda: server.accounts() == ["Start"], "a Start", 20)
    gw.wait_log("event=radius-silent server=aaa0 port=accounting")


def test_status_server(world):
    """A silent server is asked by Status-Server until it answers: no login has to try it. Then it comes first again."""
    lab = world.lab()
    server = Freeradius(lab, "host", {USER: (PASSWORD, [])}).start()
    silence(lab)
    eu, gw = ends(world, lab, servers=(SILENT, AAA),
                  of_servers={"status_server": "yes", "retransmit_timeout": "200ms", "dead_time": "1s"})
    assert eu.initiate("net", timeout=40)["success"] == "yes"
    gw.wait_log("event=radius-silent server=aaa0 port=access")
    logins = server.requests()
    lab.run("host", "nft", "delete table ip silence")
    gw.wait_log("event=radius-answers server=aaa0 port=access")
    assert server.requests() == logins
    assert "Received Status-Server" in server.log()
    assert eu.request("terminate", ike="home")["success"] == "yes"
    assert eu.initiate("net")["success"] == "yes"
    assert f"to {SILENT}:1812" in server.log()[server.log().rindex("Received Access-Request"):]


def test_dead_servers_are_named(world):
    """No server answers: the log names all that were asked. Limits of a server are its own."""
    lab = world.lab()
    keys = {"retransmit_tries": "0", "retransmit_timeout": "100ms"}
    eu, gw = ends(world, lab, servers=(AAA, address("lan", "host")), of_servers=keys)
    assert eu.initiate("net")["success"] == "no"
    gw.wait_log("no answer from the RADIUS server aaa0 aaa1")


def test_session_timeout(world):
    """Session-Timeout bounds the session (RFC 4478): the End User logs in anew before that, with the same address."""
    lab = world.lab()
    replies = ["Session-Timeout = 15", "Framed-IP-Address = 10.30.0.77"]
    server = Freeradius(lab, "host", {USER: (PASSWORD, replies)}).start()
    eu, gw = ends(world, lab)
    up(lab, eu, gw)
    wait(lambda: server.counters()["Access-Accepts"] >= 2, "a second login", 30)
    wait(lambda: [session["config"]["addresses"] for session in gw.sessions()] == [["10.30.0.77"]], "one session is left")


def granted(world, replies, conn=None, lab=None, unheeded="Failed", **keys):
    """A login to which the server grants `replies`; returns both ends and the server."""
    lab = lab or world.lab()
    server = Freeradius(lab, "host", {USER: (PASSWORD, replies)}, unheeded=unheeded).start()
    eu, gw = ends(world, lab, conn=conn, **keys)
    return lab, server, eu, gw


def test_grant(world):
    """Inner addresses and name servers are those that the server names."""
    vips = {"vips": "0.0.0.0, ::"}
    _, _, eu, gw = granted(world, ["Framed-IP-Address = 10.30.0.77", "Framed-IPv6-Address = fd30::77", "MS-Primary-DNS-Server = 10.20.0.53",
                                   "DNS-Server-IPv6-Address = fd20::53"], vips, pools="inner, inner6")
    assert eu.initiate("net")["success"] == "yes"
    session, = eu.sessions()
    assert session["config"]["addresses"] == ["10.30.0.77", "fd30::77"]
    assert sorted(session["config"]["dns"]) == ["10.20.0.53", "fd20::53"]
    assert gw.sessions()[0]["config"]["addresses"] == ["10.30.0.77", "fd30::77"]


def test_grant_out_of_bounds(world):
    """An address of no pool of the connection is not given, and no other takes its place."""
    _, _, eu, gw = granted(world, ["Framed-IP-Address = 10.20.0.2"])
    assert eu.initiate("net")["success"] == "no"
    gw.wait_log("event=lease-failed")


def test_addresses_of_the_server(world):
    """pools = radius: the server names an address of no pool. It is one person's at a time, and has a route of its own.
    A person for whom the server names none gets one of the next pool."""
    lab = world.lab()
    named = ["Framed-IP-Address = 10.33.0.7", "Framed-IPv6-Address = fd33::7"]
    server = Freeradius(lab, "host", {USER: (PASSWORD, named), "bert": (PASSWORD, named), "cleo": (PASSWORD, [])}).start()
    remote = {"auth": "eap-radius", "eap_id": "%any", "id": "%any"}
    gw = world.ikatd(lab, "gw", gateway({"remote": remote, "pools": "radius, inner"}, top=radius(AAA, accounting="yes")))
    people = {name: {"local": {"auth": "eap-mschapv2", "eap_id": name}} for name in (USER, "bert", "cleo")}
    settings = end_user(people[USER] | {"vips": "0.0.0.0, ::"}, top=secrets())
    for name in ("bert", "cleo"):
        settings["connections"][name] = merge(settings["connections"]["home"], people[name] | {"vips": "0.0.0.0"})
        settings["secrets"][f"eap-{name}"] = {"id": name, "secret": f'"{PASSWORD}"'}
    eu = world.ikatd(lab, "eu", settings)
    assert eu.request("initiate", child="net", ike="home")["success"] == "yes"
    assert gw.sessions()[0]["config"]["addresses"] == ["10.33.0.7", "fd33::7"]
    lab.run("eu", "ping", "-c1", "-W5", "-I", "10.33.0.7", address("lan", "host"))
    wait(server.records, "a Start")
    said = {"Framed-IP-Address": "10.33.0.7", "Framed-IPv6-Address": "fd33::7"}
    assert {name: server.records()[0][name] for name in said} == said
    assert eu.request("initiate", child="net", ike="bert")["success"] == "no"
    gw.wait_log("event=lease-failed")
    assert eu.request("initiate", child="net", ike="cleo")["success"] == "yes"
    assert sorted(session["config"]["addresses"][0] for session in gw.sessions()) == ["10.30.0.1", "10.33.0.7"]
    assert eu.request("terminate", ike="home")["success"] == "yes"
    wait(lambda: len(gw.sessions()) == 1, "the address is nobody's")
    assert eu.request("initiate", child="net", ike="bert")["success"] == "yes"


@pytest.mark.parametrize("name, address_", (("guests", "10.31.0.1"), ("nobody", None)))
def test_grant_of_a_pool(world, name, address_):
    """Framed-Pool chooses among the pools of the connection."""
    lab = world.lab()
    Freeradius(lab, "host", {USER: (PASSWORD, [f'Framed-Pool = "{name}"'])}).start()
    conn = {"remote": {"auth": "eap-radius", "eap_id": "%any", "id": "%any"}, "pools": "inner, guests"}
    world.ikatd(lab, "gw", gateway(conn, top=radius(AAA) | {"pools": {"guests": {"addrs": "10.31.0.0/24"}}}))
    eu = world.ikatd(lab, "eu", end_user({"local": {"auth": "eap-mschapv2", "eap_id": USER}}, top=secrets()))
    assert eu.initiate("net")["success"] == ("yes" if address_ else "no")
    leased = [[address_]] if address_ else []  # a session without an address is deleted, which takes an exchange
    wait(lambda: [session["config"]["addresses"] for session in eu.sessions()] == leased, f"the leases are {leased}")


@pytest.mark.parametrize("reply, let_in", (('Filter-Id = "staff"', True), ('Filter-Id = "guests"', False), ('Class = "staff"', False)))
def test_groups(world, reply, let_in):
    """Only people of a group may log in. Class names none without class_group."""
    lab = world.lab()
    Freeradius(lab, "host", {USER: (PASSWORD, [reply])}).start()
    remote = {"auth": "eap-radius", "eap_id": "%any", "id": "%any", "groups": "managers, staff"}
    gw = world.ikatd(lab, "gw", gateway({"remote": remote}, top=radius(AAA)))
    eu = world.ikatd(lab, "eu", end_user({"local": {"auth": "eap-mschapv2", "eap_id": USER}}, top=secrets()))
    assert eu.initiate("net")["success"] == ("yes" if let_in else "no")
    if not let_in:
        gw.wait_log("the RADIUS server names none of the groups")


def test_idle_timeout(world):
    """A session that carries nothing on any path for Idle-Timeout ends, with both. One that carries something stays."""
    lab, _, eu, gw = granted(world, ["Idle-Timeout = 6"], paths())
    assert eu.initiate("net")["success"] == "yes"
    eu.wait_paths(2)
    lab.run("eu", "ping", "-c8", "-i1", "-W5", address("lan", "host"))
    assert len(gw.established()) == 2
    wait(lambda: not gw.sessions(), "the session is over", 20)
    assert "reason=\"Idle-Timeout\"" in gw.log()


def test_session_timeout_of_clones(world):
    """No login, no session: when Session-Timeout is over and the server lets nobody in, all paths are down."""
    lab, server, eu, gw = granted(world, ["Session-Timeout = 12"], paths())
    assert eu.initiate("net")["success"] == "yes"
    eu.wait_paths(2)
    assert len(gw.established()) == 2
    server.stop()
    wait(lambda: not gw.established() and not gw.children(), "no IKE SA and no Child SA is left", 30)
    gw.wait_log("event=session-down")
    assert "reason=expired" in gw.log()


ACCOUNTING = {"accounting": "yes", "accounting_interval": "1s"}


def total(record, direction):
    """Octets of a record, all its paths."""
    return int(record[f"Acct-{direction}-Octets"]) + (int(record[f"Acct-{direction}-Gigawords"]) << 32)


def test_accounting(world):
    """A session with two paths: one Start, some Interim-Updates, one Stop with the sum of both paths."""
    lab, server, eu, gw = granted(world, ['Class = "gold"', "Framed-IP-Address = 10.30.0.77"], paths("balance"),
                                  of_servers=ACCOUNTING)
    assert eu.initiate("net")["success"] == "yes"
    eu.wait_paths(2)
    for port in range(20):  # flows over both paths
        lab.run("eu", "ping", "-c1", "-W5", "-s", str(100 + port), address("lan", "host"))
    wait(lambda: server.accounts().count("Interim-Update") >= 2, "two interim records")
    assert eu.request("terminate", ike="home")["success"] == "yes"
    wait(lambda: "Stop" in server.accounts(), lambda: f"a Stop: {server.accounts()} {gw.log()}")
    records = server.records()
    assert [record["Acct-Status-Type"] for record in records] == ["Start"] + ["Interim-Update"] * (len(records) - 2) + ["Stop"]
    assert len({record["Acct-Session-Id"] for record in records}) == 1
    stop = records[-1]
    said = {"User-Name": USER, "Framed-IP-Address": "10.30.0.77", "Class": "0x676f6c64", "NAS-Identifier": "gw.lab.example",
            "Acct-Terminate-Cause": "User-Request"}
    assert {name: stop[name] for name in said} == said
    assert 20 * 128 < total(stop, "Input") and 20 * 128 < total(stop, "Output")
    assert int(stop["Acct-Input-Packets"]) >= 20


def test_accounting_server_away(world):
    """What happens while the server is away is told later, with Acct-Delay-Time, also by another ikatd."""
    lab, server, eu, gw = granted(world, [], paths(), of_servers=ACCOUNTING)
    assert eu.initiate("net")["success"] == "yes"
    eu.wait_paths(2)
    wait(lambda: "Start" in server.accounts(), "a Start")
    server.stop()
    lab.run("eu", "ping", "-c3", "-i0.2", "-W5", address("lan", "host"))
    assert eu.request("terminate", ike="home")["success"] == "yes"
    wait(lambda: not gw.sessions(), "the session is over")
    gw.stop()
    assert "Stop" not in server.accounts()
    server.start()
    gw.start()
    wait(lambda: "Stop" in server.accounts(), lambda: f"a Stop: {gw.log()}", 30)
    stop, = (record for record in server.records() if record["Acct-Status-Type"] == "Stop")
    assert int(stop["Acct-Delay-Time"]) >= 1 and int(stop["Acct-Input-Packets"]) >= 3
    assert server.accounts().count("Start") == 1


def test_accounting_abrupt_end(world):
    """A Gateway that is killed: the next one tells the server that the sessions are over."""
    _, server, eu, gw = granted(world, [], of_servers=ACCOUNTING)
    assert eu.initiate("net")["success"] == "yes"
    wait(lambda: "Interim-Update" in server.accounts(), "an interim record")
    gw.kill()
    gw.start()
    wait(lambda: "Stop" in server.accounts(), lambda: f"a Stop: {gw.log()}")
    assert server.records()[-1]["Acct-Terminate-Cause"] == "NAS-Reboot"
    assert server.accounts().count("Stop") == 1


def test_accounting_at_the_end(world):
    """ikatd ends: each session has its Stop before."""
    _, server, eu, gw = granted(world, [], of_servers={"accounting": "yes"})
    assert eu.initiate("net")["success"] == "yes"
    assert gw.stop() == 0
    wait(lambda: server.accounts() == ["Start", "Stop"], "Start and Stop")
    assert server.records()[-1]["Acct-Terminate-Cause"] == "Admin-Reboot"


def test_accounting_on_and_off(world):
    """RFC 2866 section 5.1: the server hears that we begin and that we end, by the name that sessions have."""
    _, server, eu, gw = granted(world, [], of_servers={"accounting": "yes"})
    wait(lambda: server.records(of_sessions=False), "Accounting-On")
    assert eu.initiate("net")["success"] == "yes"
    wait(lambda: server.accounts() == ["Start"], "a Start")
    assert gw.stop() == 0
    wait(lambda: len(server.records(of_sessions=False)) == 2, "Accounting-Off")
    on, off = server.records(of_sessions=False)
    assert (on["Acct-Status-Type"], off["Acct-Status-Type"]) == ("Accounting-On", "Accounting-Off")
    assert on["NAS-Identifier"] == off["NAS-Identifier"] == server.records()[0]["NAS-Identifier"]
    assert server.accounts() == ["Start", "Stop"]
    assert server.log().rindex("Acct-Status-Type = Stop") < server.log().index("Acct-Status-Type = Accounting-Off")


def test_accounting_on_unheeded(world):
    """FreeRADIUS with a new radutmp does not acknowledge Accounting-On: sessions do not wait for that."""
    _, server, eu, gw = granted(world, [], of_servers={"accounting": "yes"}, unheeded="Accounting-On")
    assert eu.initiate("net")["success"] == "yes"
    assert eu.request("terminate", ike="home")["success"] == "yes"
    wait(lambda: server.accounts() == ["Start", "Stop"], lambda: f"Start and Stop: {server.accounts()} {gw.log()}")
    assert server.records(of_sessions=False) == []


def test_two_rounds(world):
    """A login of two rounds (RFC 4739), each by the RADIUS server: the session has what both grant."""
    lab = world.lab()
    server = Freeradius(lab, "host", {USER: (PASSWORD, ['Class = "gold"', "Framed-IP-Address = 10.30.0.77"]),
                                      "bert": (PASSWORD, ['Class = "silver"'])}).start()
    theirs = {"auth": "eap-radius", "eap_id": "%any", "id": "%any"}
    world.ikatd(lab, "gw", gateway({"remote": None, "remote1": theirs, "remote2": theirs},
                                   top=radius(AAA, accounting="yes")))
    own = {name: {"auth": "eap-mschapv2", "eap_id": name, "id": IDS["eu"]} for name in (USER, "bert")}
    both = {"secrets": {f"eap-{name}": {"id": name, "secret": f'"{PASSWORD}"'} for name in own}}
    eu = world.ikatd(lab, "eu", end_user({"local": None, "local1": own[USER], "local2": own["bert"]}, top=both))
    assert eu.initiate("net")["success"] == "yes"
    assert eu.sessions()[0]["config"]["addresses"] == ["10.30.0.77"]
    wait(server.records, "a Start")
    assert server.records()[0]["Class"] == ["0x676f6c64", "0x73696c766572"]


GATEWAY = address("lan", "gw")


def changed(world, replies=(), **keys):
    """A session with two paths, of which the server may change something."""
    lab, server, eu, gw = granted(world, list(replies), paths(), of_servers=ACCOUNTING | {"dae": "yes"}, **keys)
    assert eu.initiate("net")["success"] == "yes"
    eu.wait_paths(2)
    wait(server.records, "a Start")
    return lab, server, eu, gw


@pytest.mark.parametrize("by", ("Acct-Session-Id", "User-Name", "Framed-IP-Address", "Calling-Station-Id"))
def test_disconnect(world, by):
    """The server ends a session, with both paths, by whatever it knows of it."""
    _, server, _, gw = changed(world)
    start = server.records()[0]
    assert "Disconnect-ACK" in server.ask(GATEWAY, "disconnect", {by: start[by], "NAS-Identifier": start["NAS-Identifier"]})
    wait(lambda: not gw.established() and not gw.children(), "no IKE SA is left")
    wait(lambda: "Stop" in server.accounts(), "a Stop")
    assert server.records()[-1]["Acct-Terminate-Cause"] == "Admin-Reset"


def test_disconnect_refused(world):
    """Requests about others are refused with a cause; forged, old and undated ones get no answer. Nothing happens."""
    _, server, _, gw = changed(world)
    for attributes, cause in (({"User-Name": "bert"}, "Session-Context-Not-Found"),
                              ({"User-Name": USER, "Acct-Session-Id": "0-1"}, "Session-Context-Not-Found"),
                              ({"User-Name": USER, "NAS-Identifier": "another"}, "NAS-Identification-Mismatch"),
                              ({"User-Name": USER, "Session-Timeout": "5"}, "Unsupported-Attribute"),
                              ({"NAS-Identifier": "gw.lab.example"}, "Missing-Attribute")):
        answer = server.ask(GATEWAY, "disconnect", attributes)
        assert "Disconnect-NAK" in answer and cause in answer, answer
    for keys in ({"secret": "another"}, {"dated": False}):
        assert "Received" not in server.ask(GATEWAY, "disconnect", {"User-Name": USER}, **keys)
    assert "Received" not in server.ask(GATEWAY, "disconnect", {"User-Name": USER, "Event-Timestamp": "1000"}, dated=False)
    assert len(gw.established()) == 2


def test_coa(world):
    """Session-Timeout and Filter-Id of a session that lives: a time that is over, or no group, ends all paths."""
    _, server, eu, gw = changed(world, ['Filter-Id = "staff"'], remote={
        "auth": "eap-radius", "eap_id": "%any", "id": "%any", "groups": "staff, managers"})
    before = server.requests()
    for attributes in ({"Filter-Id": '"managers"'}, {"Session-Timeout": "15"}):
        assert "CoA-ACK" in server.ask(GATEWAY, "coa", {"User-Name": USER} | attributes)
    assert len(gw.established()) == 2
    eu.wait_log("event=session-reauth", 20)  # it is told when, and logs in anew before that
    wait(lambda: server.requests() > before, "a login")
    wait(lambda: len(gw.sessions()) == 1 and len(gw.established()) == 2, "the new session has both paths", 20)
    assert "CoA-ACK" in server.ask(GATEWAY, "coa", {"User-Name": USER, "Filter-Id": '"guests"'})
    gw.wait_log("Filter-Id names none of the groups")
    answer = server.ask(GATEWAY, "coa", {"User-Name": USER, "Service-Type": "Authorize-Only"})
    assert "CoA-NAK" in answer and "Unsupported-Service" in answer


def test_hostapd(world):
    lab = world.lab()
    server = Hostapd(lab, "host", f'"{USER}" MSCHAPV2 "{PASSWORD}"\n').start()
    eu, gw = ends(world, lab)
    up(lab, eu, gw)
    assert server.requests() == 3


def test_triplets(world):
    """EAP-SIM by triplets of a list, with FreeRADIUS, which has the same list in another order."""
    lab = world.lab()
    triplets = [(f"3{n}" * 16, f"3{n}112233", f"3{n}5566778899aabb") for n in range(4)]
    server = Freeradius(lab, "host", {USER: ([f"EAP-Sim-{name}{i} := 0x{value}" for i, triplet in enumerate(triplets[3:0:-1], 1)
                                              for name, value in zip(("RAND", "SRES", "KC"), triplet)], [])}, method="sim").start()
    eu, gw = ends(world, lab, method="sim", mine=usim(key="".join("".join(triplet) for triplet in triplets)))
    up(lab, eu, gw)
    assert gw.sas()[0][1]["remote-eap-id"] == USER
    wait(lambda: server.counters()["Access-Accepts"] == 1, "one Access-Accept")


@pytest.mark.parametrize("method,word,digits", (("aka", "AKA", "024"), ("aka-prime", "AKA'", "678"), ("sim", "SIM", "135")))
def test_aka(world, method, word, digits):
    """AKA, AKA' and SIM of a USIM with hostapd, whose vectors come from another MILENAGE than ours. hostapd gives a
    pseudonym and a re-authentication identity: the second login takes the one, without a vector, and the third takes
    the other, because the End User has lost what the second one gave it."""
    lab = world.lab()
    hlr = Hlr(lab, "host", IMSI, KEY, OPC).start()
    users = "".join(f'"{digit}"* {word}\n' for digit in digits)
    Hostapd(lab, "host", users, f"eap_sim_db=unix:{hlr.socket}\neap_sim_db_timeout=10\neap_sim_aka_result_ind=0\neap_sim_id=3\n").start()
    name = f"{digits[0]}{IMSI}@wlan.example"
    eu, gw = ends(world, lab, method=method, conn={"local": {"auth": f"eap-{method}", "eap_id": name}}, mine=usim(name))
    for digit, vectors in zip((digits[0], digits[2], digits[2]), (1, 1, 1)):
        up(lab, eu, gw)
        assert gw.sas()[0][1]["remote-eap-id"].startswith(digit)
        assert hlr.log().count("-REQ-AUTH") == vectors
        assert eu.request("terminate", ike="home")["success"] == "yes"
        wait(lambda: not gw.established(), "the session ends")
