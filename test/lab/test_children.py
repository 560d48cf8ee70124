# SPDX-License-Identifier: Apache-2.0
"""A connection with several children: each has a Child SA on each path, and comes back with the session."""
import threading

from lab.run import wait
from lab.settings import end_user, gateway, paths

NETS = {"a": "10.20.0.0/26", "b": "10.20.0.64/26", "c": "10.20.0.128/26"}


def with_children(settings, side, start=(), order=None):
    """The connection's child, once for each network, in that order."""
    conn = next(iter(settings["connections"].values()))
    child = conn["children"].pop("net")
    for name in order or NETS:
        conn["children"][name] = child | {side: NETS[name]} | ({"start_action": "start"} if name in start else {})
    return settings


def each_on(eu, count, names):
    """Waits until each child has as many Child SAs, and there is nothing else."""
    want = sorted(name for name in names for _ in range(count))
    wait(lambda: sorted(child["name"] for child in eu.children()) == want, lambda: f"{want}: {eu.session()}", 30)


def start(world, started, conn=None):
    lab = world.lab()
    gw = world.ikatd(lab, "gw", with_children(gateway(), "local_ts"))
    eu = world.ikatd(lab, "eu", with_children(end_user(paths("balance") | (conn or {})), "remote_ts", started))
    return lab, gw, eu


def test_all_are_started_and_come_back(world):
    _, gw, eu = start(world, NETS)
    each_on(eu, 2, NETS)
    assert eu.session()["logins"] == 1
    gw.stop()
    wait(lambda: not eu.established(), "the session is over")
    gw.start()
    each_on(eu, 2, NETS)


def test_what_was_ended_stays_ended_and_what_was_initiated_is_not_kept(world):
    _, gw, eu = start(world, "ab")
    each_on(eu, 2, "ab")
    assert eu.initiate("c")["success"] == "yes"
    each_on(eu, 2, "abc")
    assert eu.request("terminate", child="a", timeout="10000")["success"] == "yes"
    each_on(eu, 2, "bc")
    gw.stop()
    wait(lambda: not eu.established(), "the session is over")
    gw.start()
    each_on(eu, 2, "b")


def test_each_of_two_at_once_is_answered(world):
    """Both are initiated before there is a session: one login, both Child SAs, and both commands end."""
    lab, gw, eu = start(world, ())
    lab.blackhole("wlan")
    lab.blackhole("lte")
    answers = {}
    threads = [threading.Thread(target=lambda name=name: answers.update({name: eu.initiate(name)["success"]})) for name in "ab"]
    for thread in threads:
        thread.start()
    wait(lambda: eu.ikat("paths").count("connecting") > 0, "the login is under way")
    lab.blackhole("wlan", False)
    lab.blackhole("lte", False)
    for thread in threads:
        thread.join()
    assert answers == {"a": "yes", "b": "yes"}
    each_on(eu, 2, "ab")
    assert eu.session()["logins"] == 1 and len(gw.established()) == 2


def test_another_order_is_no_other_child(world):
    """The configuration is loaded with its children in another order, and one less: what a new authentication brings
    is by name."""
    often = {"reauth_time": "12s", "over_time": "6s", "rand_time": "0s"}
    _, _, eu = start(world, (), often)
    for name in "ac":
        assert eu.initiate(name)["success"] == "yes"
    each_on(eu, 2, "ac")
    first = eu.session()["id"]
    eu.load(with_children(end_user(paths("balance") | often), "remote_ts", order="ca"))
    wait(lambda: first not in [session["id"] for session in eu.sessions()], "a new authentication", 40)
    each_on(eu, 2, "ac")
