# SPDX-License-Identifier: Apache-2.0
"""charon and ikatd side by side: the same configuration, the same commands, the answers field by field.

What differs on purpose stands in DIFFERENT below, with the reason; docs/vici.md has each of these rows. Everything else
that differs fails the test. `python3 -m pytest test/lab/test_vici_charon.py -s` prints all differences.
"""
import fnmatch
import os
import re

import pytest

from lab.certificates import Authority, pem, pem_key
from lab.run import wait
from lab.settings import end_user, gateway, merge

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# pattern of "command/place/of/the/field": why
DIFFERENT = {
    **{f"{where}/{field}": "ikatd adds" for where in ("list-sas*", "event *")
       for field in ("session", "origin", "clone-of", "interface", "path-*")},
    "event *-updown/*/reason": "ikatd adds", "list-conns/*/proposals": "ikatd adds", "list-conns/*/esp_proposals": "ikatd adds",
    "stats/ikat*": "ikatd adds",
    **{f"{where}/nat-*": "its userspace ESP pretends to be behind a NAT" for where in ("list-sas*", "event *")},
    "list-conns/*_port": "charon has it since 6.0",
    "version/daemon": "another program", "version/version": "another program",
    "stats/workers/*": "ikatd has one control thread", "stats/scheduled": "ikatd has one control thread",
    "stats/mallinfo/*": "ikatd has one control thread", "stats/plugins*": "ikatd has no plugins",
    "get-algorithms/*": "other algorithms", "get-pools/*/base": "as charon since 6.0",
    "get-pools/inner6/size": "charon counts to 2^31",
    "reload-settings/note": "a command that does nothing says so",
    "*/errmsg": "the words are ikatd's",
    "unload-shared/*/success": "a command that does nothing says so", "load-pool/*/success": "a command that does nothing says so",
    "get-counters reset/*": "the counters of a connection stay, as zeros",
    "event */tasks-*": "a queue of tasks",
    "event *-rekey/*/old/*": "what was replaced is told as it is then",
}
# fields whose value is another one in each run: their form is compared, not the value
VOLATILE = ("*-spi", "*/spi-in", "*/spi-out", "*/rekey-time", "*/life-time", "*/install-time", "*/established", "*/since",
            "*/running", "*/mallinfo/*", "*/use-in", "*/use-out", "*/release")


def form(value):
    """The shape of a value: what digits it has does not matter."""
    return "#" if re.fullmatch(r"[0-9a-f]{8,}", value) else re.sub(r"\d+", "0", value).removesuffix("s")


def leaves(value, path=()):
    """All values of nested dicts and lists, by their place."""
    if isinstance(value, dict):
        if not value:
            yield "/".join(path) + "/", ""
        for key, inner in value.items():
            yield from leaves(inner, path + (key,))
    elif isinstance(value, list):
        yield "/".join(path), ", ".join(value)
    else:
        yield "/".join(path), value


def flat(name, answer):
    """The leaves of an answer, without what changes from run to run."""
    found = {}
    for place, value in leaves(answer, (name,)):
        volatile = any(fnmatch.fnmatch(place, pattern) for pattern in VOLATILE)
        found[place] = form(value) if volatile else value
    return found


def differences(charon, ikatd):
    """[(place, charon's value, ikatd's value)]; None: not there."""
    places = dict.fromkeys([*charon, *ikatd])
    return [(place, charon.get(place), ikatd.get(place)) for place in places if charon.get(place) != ikatd.get(place)]


def meant(place):
    """The reason for a difference, or None."""
    return next((why for pattern, why in DIFFERENT.items() if fnmatch.fnmatch(place, pattern)), None)


def settings_of(end):
    """Both ends' configuration: beside the usual one what list-conns shows of other logins."""
    more = {"connections": {
        "certs": {"version": "2", "remote_addrs": "192.0.2.9", "local": {"auth": "pubkey", "certs": "end.pem"},
                  "remote": {"auth": "pubkey", "id": "gw.example", "cacerts": "ca.pem", "revocation": "strict"},
                  "unique": "replace", "reauth_time": "2h", "dpd_delay": "30s",
                  "children": {"one": {"remote_ts": "10.99.0.0/16", "dpd_action": "restart", "close_action": "start"},
                               "two": {"remote_ts": "10.98.0.0/16[tcp/80],10.97.0.1/32", "rekey_time": "10m"}}},
        "eap": {"version": "2", "remote_addrs": "192.0.2.8,192.0.2.7",
                "local": {"auth": "eap-mschapv2", "eap_id": "alice", "aaa_id": "aaa.example"},
                "remote": {"auth": "psk", "id": "*.example"}}},
        "authorities": {"lab": {"cacert": "ca.pem", "crl_uris": "http://crl.example/ca.crl"}}}
    return merge(end, more)


@pytest.fixture(scope="module")
def answers(shared):
    """What each of the two kinds answers: {"charon": {place: value}, "ikatd": ...}."""
    authority = Authority()
    certificate, key = authority.issue("C=CH, O=Lab, CN=end.example", names=("end.example",))
    files = {"x509/end.pem": pem(certificate), "private/end.pem": pem_key(key), "x509ca/ca.pem": pem(authority.certificate)}
    found = {}
    for kind in ("charon", "ikatd"):
        lab = shared.lab()
        start = shared.strongswan if kind == "charon" else shared.ikatd
        gw, eu = (start(lab, host, settings_of(end()), files=files) for host, end in (("gw", gateway), ("eu", end_user)))
        found[kind] = play(eu, gw)
    return found


EVENTS = ("ike-updown", "child-updown", "ike-rekey", "child-rekey", "ike-update")
LISTS = {"list-sas": "list-sa", "list-conns": "list-conn", "list-certs": "list-cert", "list-authorities": "list-authority"}
QUESTIONS = ("version", "stats", "get-conns", "get-shared", "get-keys", "get-authorities", "get-pools", "get-algorithms",
             "get-counters", "reload-settings", "flush-certs")
WRONG = (("initiate", {}), ("initiate", {"child": "nobody"}), ("initiate", {"ike": "nobody"}), ("terminate", {}),
         ("terminate", {"ike": "nobody"}), ("rekey", {}), ("rekey", {"child": "nobody"}), ("unload-conn", {"name": "nobody"}),
         ("unload-shared", {"id": "nobody"}), ("unload-pool", {"name": "nobody"}), ("unload-authority", {"name": "nobody"}),
         ("unload-key", {"id": "00"}), ("load-pool", {}), ("load-pool", {"x": {"addrs": "nonsense"}}),
         ("get-counters", {"name": "nobody"}), ("reset-counters", {"name": "nobody"}), ("get-pools", {"name": "nobody"}))


class Recorder:
    """The answers of a daemon, as leaves."""

    def __init__(self):
        self.found = {}

    def add(self, name, answer):
        """One answer."""
        self.found.update(flat(name, answer))

    def ask(self, daemon, command, message, name=None):
        """A request, whose answer is added."""
        with daemon.vici() as vici:
            self.add(name or command, vici.request(command, message))


def listed(daemon, command, event, message=None):
    """A listing, without order."""
    with daemon.vici() as vici:
        return {key: value for body in vici.stream(command, event, message) for key, value in body.items()}


def pulled(vici):
    """The events that came until now, each kind once."""
    vici.request("version")
    found, vici.events = vici.events, []
    return {f"{name}": body for name, body in found}


def counter(daemon, name):
    """One of all counters together."""
    return int(daemon.request("get-counters")["counters"][""][name])


def certificates(daemon):
    """list-certs by type and kind: the octets are compared elsewhere."""
    with daemon.vici() as vici:
        return {"certs": sorted(f"{c['type']} {c.get('flag')} {c.get('has_privkey')}" for c in vici.stream("list-certs", "list-cert"))}


def play(eu, gw):
    """The life of a VPN, with all commands."""
    record = Recorder()
    with eu.vici() as at_eu, gw.vici() as at_gw:
        for vici in (at_eu, at_gw):
            vici.register(*EVENTS)
        record.ask(eu, "initiate", {"ike": "home", "timeout": "20000"}, "initiate ike")
        record.add("list-sas without child", listed(eu, "list-sas", "list-sa"))
        record.ask(eu, "initiate", {"child": "net", "timeout": "20000"}, "initiate child")
        wait(lambda: len(eu.children()) == len(gw.children()) == 1, "one Child SA")
        for who, daemon in (("eu", eu), ("gw", gw)):
            for command, event in LISTS.items():
                answer = certificates(daemon) if command == "list-certs" else listed(daemon, command, event)
                record.add(f"{command}/{who}", answer)
            record.add(f"list-sas/{who} nobody", listed(daemon, "list-sas", "list-sa", {"ike": "nobody"}))
            record.add(f"list-sas/{who} other", listed(daemon, "list-sas", "list-sa", {"child": "nobody"}))
        for command in QUESTIONS:
            record.ask(gw, command, {})
        record.ask(gw, "get-pools", {"leases": "yes"}, "get-pools")
        record.ask(gw, "get-counters", {"all": "yes"}, "get-counters all")
        record.ask(gw, "unload-pool", {"name": "inner"}, "unload-pool online")
        for i, (command, message) in enumerate(WRONG):
            record.ask(gw, command, message, f"{command}/wrong {i}")
        for vici, who in ((at_eu, "eu"), (at_gw, "gw")):
            record.add(f"event {who} up", {k: v for k, v in pulled(vici).items() if k != "ike-update"})
        step(record, at_eu, at_gw, "child-rekey", lambda: record.ask(eu, "rekey", {"child": "net"}, "rekey child"))
        step(record, at_eu, at_gw, "ike-rekey", lambda: record.ask(eu, "rekey", {"ike": "home"}, "rekey ike"))
        wait(lambda: len(eu.sas()) == len(gw.sas()) == 1, "the old IKE SA is gone")
        wait(lambda: counter(gw, "info-in-req") == 2, "both ends of rekeyed SAs were told")
        record.ask(gw, "get-counters", {"name": "gate"}, "get-counters gate")
        record.ask(gw, "reset-counters", {"name": "gate"}, "reset-counters")
        record.ask(gw, "get-counters", {"name": "gate"}, "get-counters reset")
        step(record, at_eu, at_gw, "ike-updown", lambda: record.ask(eu, "terminate", {"ike": "home"}, "terminate"))
    return record.found


def step(record, at_eu, at_gw, event, act):
    """Does something, and records the events of both ends until that one has come."""
    act()
    for vici, who in ((at_eu, "eu"), (at_gw, "gw")):
        seen = {}
        while event not in seen:
            name, body = vici.event()
            seen[name] = body
        record.add(f"event {who} {event}", {event: seen[event]})


def test_only_documented_differences(answers):
    found = differences(answers["charon"], answers["ikatd"])
    assert len(answers["charon"]) > 300, "charon answered"
    for place, charon, ikatd in found:
        print(f"{'meant' if meant(place) else 'DIFFERS':8} {place}: {charon!r} | {ikatd!r} {meant(place) or ''}")
    assert not [row for row in found if not meant(row[0])]


def test_each_difference_is_documented():
    with open(os.path.join(ROOT, "docs", "vici.md"), encoding="utf-8") as file:
        text = file.read()
    missing = sorted(why for why in set(DIFFERENT.values()) if why not in text)
    assert not missing, "docs/vici.md gives the reason in the same words"
