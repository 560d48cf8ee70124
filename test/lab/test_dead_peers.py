# SPDX-License-Identifier: Apache-2.0
"""When a Gateway forgets an End User that said no farewell: it vanished within a conversation, or in silence."""
import pytest

from lab.daemons import Ikatd, Strongswan
from lab.run import wait
from lab.settings import end_user, gateway, paths

INNER = "10.30.0.1"


def begin(world, gate, conn=None, kind=Ikatd):
    """A Gateway with these keys, and an End User that is logged in."""
    lab = world.lab()
    gw = world.ikatd(lab, "gw", gateway(gate))
    user = kind(lab, "eu", end_user(conn))
    world.daemons.append(user)
    user.start().initiate("net")
    wait(lambda: gw.session("gate"), "a session at the Gateway")
    return lab, gw, user


def forgotten(gw, timeout):
    """The Gateway has no session, and no lease that is in use."""
    def gone():
        return not gw.sessions() and gw.request("get-pools")["inner"]["online"] == "0"
    wait(gone, lambda: f"the session is forgotten: {gw.sessions()}\n{gw.log()[-3000:]}", timeout)


@pytest.mark.parametrize("conn", ({}, paths("failover")), ids=("single", "multipath"))
def test_vanished_in_a_conversation(world, conn):
    """A host goes on sending to it. Without dpd_timeout this takes 165 s, without traffic an hour."""
    lab, gw, user = begin(world, {"dpd_timeout": "2s"}, conn)
    user.wait_paths(2 if conn else 1)
    ping = lab.start("host", "ping", "-i0.2", INNER)
    wait(lambda: int(user.children()[0]["packets-in"]) > 3, "a conversation")
    user.kill()
    forgotten(gw, 60)
    ping.kill()
    ping.wait()


def test_vanished_in_silence(world):
    """Nothing is sent to it: it is asked after dead_peer."""
    _, gw, user = begin(world, {"dead_peer": "2s", "dpd_timeout": "2s"})
    user.kill()
    forgotten(gw, 60)


@pytest.mark.parametrize("kind", (Ikatd, Strongswan))
def test_asked_often(world, kind):
    """dpd_delay = 1s means seconds, for any IKEv2 peer, and not 80 s of retransmissions."""
    _, gw, user = begin(world, {"dpd_delay": "1s"}, kind=kind)
    user.kill()
    forgotten(gw, 40)


def test_silent_peer_that_lives(world):
    """A peer that answers when it is asked keeps its session, however silent it is."""
    _, gw, user = begin(world, {"dead_peer": "1s", "dpd_timeout": "20s"}, {"probe_interval": "1h", "failover": "1h"})
    before = gw.session("gate")["id"]

    def asked():
        with gw.vici() as vici:
            return int(vici.request("get-counters", {"name": "gate"})["counters"]["gate"]["info-out-req"])
    wait(lambda: asked() >= 3, lambda: f"it is asked: {gw.log()[-3000:]}", 60)
    assert gw.session("gate")["id"] == before
