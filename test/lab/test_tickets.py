# SPDX-License-Identifier: Apache-2.0
"""Session tickets (RFC 5723): a Gateway that was killed gets its people back with all their paths, without a login."""
import os

from lab.daemons import Ikatd
from lab.net import address
from lab.radius import Freeradius
from lab.run import wait
from lab.settings import end_user, gateway, paths
from test_eap import PASSWORD, USER, secrets
from test_radius import AAA, radius

KEEP = {"dpd_action": "restart"}


def ends(world, lab, top=None, **of_gateway):
    """EAP through a RADIUS server, over two paths; the Gateway gives tickets."""
    keys = {"remote": {"auth": "eap-radius", "eap_id": "%any", "id": "%any"}, "session_tickets": "yes"} | of_gateway
    gw = world.ikatd(lab, "gw", gateway(keys, top=top or radius(AAA)))
    eu = world.ikatd(lab, "eu", end_user({"local": {"auth": "eap-mschapv2", "eap_id": USER}} | paths(), KEEP, top=secrets()))
    assert eu.initiate("net")["success"] == "yes"
    eu.wait_paths(2)
    return eu, gw


def again(world, gw, settings=None):
    """The Gateway is killed, all its processes with it, and comes back with the state folder that it had."""
    gw.kill()
    other = Ikatd(gw.lab, gw.host, settings or gw.settings)
    world.daemons.append(other)
    return other.start()


def test_killed_gateway(world):
    """kill -9: the session is back with both paths; the RADIUS server hears nothing of it."""
    lab = world.lab()
    server = Freeradius(lab, "host", {USER: (PASSWORD, [])}).start()
    eu, gw = ends(world, lab)
    inner, logins = gw.established()[0]["remote-vips"], server.requests()
    gw = again(world, gw)
    gw.wait_log("event=session-up", 60)
    wait(lambda: len(gw.sessions()) == 1, "the session", 60)
    eu.wait_paths(2, timeout=60)
    wait(lambda: "1 received" in lab.run("eu", "ping", "-c1", "-W1", address("lan", "host"), check=False), "traffic")
    assert server.requests() == logins
    assert gw.established()[0]["resumed"] == "yes"
    assert gw.established()[0]["remote-eap-id"] == USER
    assert gw.established()[0]["remote-vips"] == inner


def test_key_is_gone(world):
    """Without the file of the key no ticket counts: the End User logs in again."""
    lab = world.lab()
    server = Freeradius(lab, "host", {USER: (PASSWORD, [])}).start()
    eu, gw = ends(world, lab)
    logins = server.requests()
    os.unlink(os.path.join(gw.state, "tickets"))
    gw = again(world, gw)
    gw.wait_log("event=session-up", 60)
    wait(lambda: len(gw.sessions()) == 1, "the session", 60)
    eu.wait_paths(2, timeout=60)
    assert server.requests() > logins
    assert all("resumed" not in sa for sa in gw.established())


def test_other_method(world):
    """The connection wants another EAP method now than when the ticket was given: a full login."""
    lab = world.lab()
    Freeradius(lab, "host", {USER: (PASSWORD, [])}).start()
    eu, gw = ends(world, lab)
    own = {"remote": {"auth": "eap-mschapv2", "eap_id": "%any", "id": "%any"}, "session_tickets": "yes"}
    gw = again(world, gw, gateway(own, top=secrets()))
    gw.wait_log("the connection demands another EAP method now", 60)
    gw.wait_log("event=session-up", 60)
    eu.wait_paths(2, timeout=60)
    assert all("resumed" not in sa for sa in gw.established())


def test_changed_grant(world):
    """The RADIUS server changes what it granted (RFC 5176): no ticket brings back what was granted before."""
    lab = world.lab()
    server = Freeradius(lab, "host", {USER: (PASSWORD, [])}).start()
    eu, gw = ends(world, lab, top=radius(AAA, dae="yes"))
    assert "CoA-ACK" in server.ask(address("lan", "gw"), "coa", {"User-Name": USER, "Idle-Timeout": "3600"})
    logins = server.requests()
    gw = again(world, gw)
    gw.wait_log("it has expired, was used, or its session was ended", 60)
    gw.wait_log("event=session-up", 60)
    eu.wait_paths(2, timeout=60)
    assert server.requests() > logins
    assert all("resumed" not in sa for sa in gw.established())


def test_file_is_private(world):
    lab = world.lab()
    gw = world.ikatd(lab, "gw", gateway({"session_tickets": "yes"}))
    assert os.stat(os.path.join(gw.state, "tickets")).st_mode & 0o777 == 0o600
