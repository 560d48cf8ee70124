# SPDX-License-Identifier: Apache-2.0
"""RFC 5685: a Gateway sends its End Users to another one, which is a second address of the same host here."""
import os
import shutil

import pytest

from lab.net import address
from lab.run import Failed, wait
from lab.settings import end_user, gateway, merge, paths

OTHER = "192.0.2.77"
NAME = "gw-2.lab.example"


def other_gateway(**gate):
    """Two connections, one for each address; `gate`: keys of the one for the first."""
    both = gateway(gate)
    both["connections"]["other"] = dict(gateway()["connections"]["gate"], local_addrs=OTHER)
    return both


def hosts(world, kind, settings, of_user):
    """A lab whose Gateway has a second address; the two daemons."""
    lab = world.lab()
    lab.run("gw", "ip", "address", "add", OTHER + "/32", "dev", "wan0")
    gw = world.ikatd(lab, "gw", settings) if kind[1] == "ikatd" else world.strongswan(lab, "gw", settings)
    eu = world.ikatd(lab, "eu", of_user) if kind[0] == "ikatd" else world.strongswan(lab, "eu", of_user)
    return lab, eu, gw


def remotes(eu):
    """Where its IKE SAs with a Child SA are."""
    return {sa["remote-host"] for sa in eu.established() if sa["child-sas"]}


KINDS = (("ikatd", "ikatd"), ("charon", "ikatd"), ("ikatd", "charon"))


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_while_the_session_is_up(world, kind):
    lab, eu, gw = hosts(world, kind, other_gateway(), end_user())
    assert eu.initiate("net")["success"] == "yes"
    assert remotes(eu) == {address("wan0", "gw")}
    assert "redirect completed successfully" in gw.swanctl("--redirect", "--peer-id", "eu@lab.example", "--gateway", OTHER)
    wait(lambda: remotes(eu) == {OTHER} and [name for name, _ in gw.sas()] == ["other"],
         lambda: f"all of it is at the other Gateway: {eu.sas()} {gw.log()[-3000:]}", 20)
    lab.run("eu", "ping", "-c1", "-W5", address("lan", "host"))


def test_with_several_paths(world):
    """Make before break: both VPNs are set up at the other Gateway, then the old ones go."""
    lab, eu, gw = hosts(world, KINDS[0], other_gateway(), end_user(paths(mesh="first")))
    assert eu.initiate("net")["success"] == "yes"
    eu.wait_paths(2)
    assert gw.request("redirect", ike="gate", gateway=OTHER)["success"] == "yes"
    wait(lambda: remotes(eu) == {OTHER}, lambda: f"it moved: {eu.sas()}", 20)
    eu.wait_paths(2)
    lab.run("eu", "ping", "-c1", "-W5", address("lan", "host"))


@pytest.mark.parametrize("kind", KINDS[:2], ids="-".join)
def test_at_the_login(world, kind):
    _, eu, gw = hosts(world, kind, other_gateway(redirect_to=OTHER), end_user())
    assert eu.initiate("net")["success"] == "yes"
    assert remotes(eu) == {OTHER}
    assert gw.sas()[0][0] == "other"


def test_loops_end(world):
    """Two Gateways that send to each other: five redirections, then the login has failed."""
    settings = merge(other_gateway(redirect_to=OTHER), {"connections": {"other": {"redirect_to": address("wan0", "gw")}}})
    _, eu, gw = hosts(world, KINDS[0], settings, end_user({"keyingtries": "1"}))
    answer = eu.initiate("net")
    assert answer["success"] == "no" and "redirected" in answer["errmsg"], answer
    assert 6 <= eu.log().count("event=redirected") <= 12  # each of the two links is sent away, at each Gateway
    assert not eu.sas() and not gw.established()


@pytest.fixture(name="knows")
def names_of_the_end_user(world, request):
    """Gives the End User's host names of its own, and no name server."""
    def knows(lab, *lines):
        folder = f"/etc/netns/{lab.name('eu')}"
        os.makedirs(folder)
        request.addfinalizer(lambda: shutil.rmtree(folder))
        for name, text in (("hosts", "".join(f"{line}\n" for line in lines)), ("resolv.conf", "nameserver 127.0.0.1\n")):
            with open(os.path.join(folder, name), "w", encoding="ascii") as file:
                file.write(text)
    return knows


def named_hosts(world, knows, kind, to, *lines, **of_user):
    """Two Gateways; the first one sends to `to` at a login, if that is given. The End User knows names, and no IPv6."""
    lab = world.lab()
    lab.run("eu", "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
    knows(lab, *lines)
    lab.run("gw", "ip", "address", "add", OTHER + "/32", "dev", "wan0")
    settings = other_gateway(**({"redirect_to": to} if to else {}))
    gw = world.ikatd(lab, "gw", settings) if kind[1] == "ikatd" else world.strongswan(lab, "gw", settings)
    eu = (world.ikatd if kind[0] == "ikatd" else world.strongswan)(lab, "eu", end_user(of_user))
    return lab, eu, gw


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_to_a_name_while_the_session_is_up(world, knows, kind):
    lab, eu, gw = named_hosts(world, knows, kind, None, f"{OTHER} {NAME}")
    assert eu.initiate("net")["success"] == "yes"
    assert "redirect completed successfully" in gw.swanctl("--redirect", "--peer-id", "eu@lab.example", "--gateway", NAME)
    wait(lambda: remotes(eu) == {OTHER} and [name for name, _ in gw.sas()] == ["other"],
         lambda: f"all of it is at the other Gateway: {eu.sas()} {gw.log()[-3000:]}", 20)
    lab.run("eu", "ping", "-c1", "-W5", address("lan", "host"))


@pytest.mark.parametrize("kind", KINDS[:2], ids="-".join)
def test_to_a_name_at_the_login(world, knows, kind):
    """The first address is of a family in which the End User has no path."""
    _, eu, gw = named_hosts(world, knows, kind, NAME, f"2001:db8:77::1 {NAME}", f"{OTHER} {NAME}")
    assert eu.initiate("net")["success"] == "yes"
    assert remotes(eu) == {OTHER}
    assert gw.sas()[0][0] == "other"


@pytest.mark.parametrize("lines", ([], [f"2001:db8:77::1 {NAME}"], [f"127.0.0.1 {NAME}"]),
                         ids=("unknown", "other-family", "loopback"))
def test_a_name_that_leads_nowhere(world, knows, lines):
    """A login fails. A session stays where it is, without a login of its own there."""
    _, eu, gw = named_hosts(world, knows, KINDS[0], None, *lines, keyingtries="1")
    assert eu.initiate("net")["success"] == "yes"
    assert gw.request("redirect", ike="gate", gateway=NAME)["success"] == "yes"
    eu.wait_log("event=name-asked conn=home name=" + NAME)
    wait(lambda: gw.request("redirect", ike="gate", gateway=OTHER) and remotes(eu) == {OTHER},
         lambda: f"it is free to follow another redirection: {eu.sas()} {eu.log()[-2000:]}", 20, 0.5)
    assert gw.log().count("event=session-up") == 2
    assert eu.request("terminate", ike="home")["success"] == "yes"
    gw.load(other_gateway(redirect_to=NAME))
    assert eu.initiate("net")["success"] == "no"
    assert not eu.sas()


def test_names_in_circles(world, knows):
    """Two Gateways that send to each other by name: five questions, then the login has failed."""
    lab = world.lab()
    first = address("wan0", "gw")
    knows(lab, f"{OTHER} {NAME}", f"{first} gw-1.lab.example")
    lab.run("gw", "ip", "address", "add", OTHER + "/32", "dev", "wan0")
    gw = world.ikatd(lab, "gw", merge(other_gateway(redirect_to=NAME), {"connections": {"other": {"redirect_to": "gw-1.lab.example"}}}))
    eu = world.ikatd(lab, "eu", end_user({"keyingtries": "1"}))
    answer = eu.initiate("net")
    assert answer["success"] == "no" and "redirected" in answer["errmsg"], answer
    assert eu.log().count("event=name-asked") == 5
    assert not eu.sas() and not gw.established()


def test_who_does_not_follow(world):
    _, eu, gw = hosts(world, KINDS[0], other_gateway(redirect_to=OTHER), end_user({"follow_redirects": "no"}))
    assert eu.initiate("net")["success"] == "yes"
    assert remotes(eu) == {address("wan0", "gw")}
    with pytest.raises(Failed) as failure:
        gw.swanctl("--redirect", "--ike", "gate", "--gateway", OTHER)
    assert "did not announce" in str(failure.value)
