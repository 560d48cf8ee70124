# SPDX-License-Identifier: Apache-2.0
"""The audit file: what stands in it, and what happens when it is renamed, cannot be written, or its process dies."""
import json
import os
import signal

import jsonschema
import pytest

from lab.daemons import Ikatd
from lab.net import ROOT
from lab.run import Failed, run, wait
from lab.settings import IDS, PSK, end_user, gateway, paths

with open(os.path.join(ROOT, "dist/schema/audit.schema.json"), encoding="utf-8") as _file:
    SCHEMA = jsonschema.Draft202012Validator(json.load(_file))


class Audit:
    """The audit file of an ikatd."""

    def __init__(self, lab, name="audit.log"):
        self.file = lab.path(name)

    @property
    def options(self):
        """What ikatd is started with."""
        return ("--audit-log", self.file)

    def lines(self, event=None, file=None):
        """All lines, or those of one event; each fits the schema."""
        with open(file or self.file, encoding="ascii") as opened:
            text = opened.read()
        assert PSK not in text
        found = [json.loads(line) for line in text.splitlines()]
        for line in found:
            SCHEMA.validate(line)
        return [line for line in found if event in (None, line["event"])]

    def wait(self, event, count=1):
        """The lines of that event, once there are so many."""
        wait(lambda: len(self.lines(event)) >= count, lambda: f"{count} {event}: {self.lines()}")
        return self.lines(event)


def process(daemon, name):
    """Process id of one of its processes; None: there is none."""
    for pid in daemon.pids():
        with open(f"/proc/{pid}/comm", encoding="ascii") as file:
            if file.read().strip() == name:
                return int(pid)
    return None


def start(world, lab, settings=None):
    """A Gateway with an audit file."""
    audit = Audit(lab)
    return audit, world.ikatd(lab, "gw", settings or gateway(), audit.options)


def test_life_of_a_session(world):
    lab = world.lab()
    audit, gw = start(world, lab)
    eu = world.ikatd(lab, "eu", end_user(paths()))
    eu.ikat("up", "home")
    eu.wait_paths(2)
    login = audit.wait("login")[0]
    assert (login["conn"], login["role"], login["local_id"], login["remote_id"], login["method"]) == \
        ("gate", "gateway", IDS["gw"], IDS["eu"], "psk")
    assert login["addresses"] == ["10.30.0.1"]
    moved = audit.wait("moved")[0]  # the clone goes to the second path
    assert moved["session"] == login["session"] and moved["remote"] != moved["remote_old"] and moved["sa"] != login["sa"]
    gw.ikat("down", "gate")
    end = audit.wait("end")[0]
    assert (end["session"], end["remote_id"], end["reason"]) == (login["session"], IDS["eu"], "cancelled")
    command = audit.lines("command")[-1]
    assert (command["command"], command["uid"], command["arguments"]["ike"]) == ("terminate", 0, "gate")
    result = audit.wait("result")[-1]
    assert (result["command"], result["uid"], result["reason"]) == ("terminate", 0, "ok") and result["number"] > command["number"]
    gw.reload()
    assert [line["reason"] for line in audit.wait("reload", 2)] == ["loaded", "loaded"]
    assert gw.stop() == 0
    numbers = [line["number"] for line in audit.lines()]
    assert numbers == list(range(1, len(numbers) + 1)) and audit.lines()[-1]["event"] == "stop"


@pytest.mark.parametrize("rounds", (1, 2))
def test_methods(world, rounds):
    """The method on which both ends agreed stands in the record of the login, in the place of its round."""
    lab = world.lab()
    person = {"secrets": {"eap-anna": {"id": "anna", "secret": '"correct horse"'}}}
    mine, theirs = {"auth": "eap", "eap_id": "anna"}, {"auth": "eap-mschapv2", "eap_id": "%any", "id": "%any"}
    if rounds == 1:
        settings = gateway({"remote": theirs}, top=person), end_user({"local": mine}, top=person)
    else:
        settings = gateway({"remote": None, "remote-1": {"auth": "psk", "id": IDS["eu"]}, "remote-2": theirs}, top=person), \
            end_user({"local": None, "local-1": {"auth": "psk", "id": IDS["eu"]}, "local-2": mine}, top=person)
    audit, _ = start(world, lab, settings[0])
    eu = world.ikatd(lab, "eu", settings[1])
    assert eu.initiate("net")["success"] == "yes"
    assert audit.wait("login")[0]["method"] == "psk+eap-mschapv2"[0 if rounds == 2 else 4:]


def test_refusals(world):
    """Both ends record that a login failed, and why; what the peer calls itself is one value of one line."""
    lab = world.lab()
    audit, _ = start(world, lab, gateway({"remote": {"id": "%any"}}))
    mine = Audit(lab, "eu.audit")
    hostile = end_user({"local": {"id": '"@#0a1b5b324a2c226576656e74223a226c6f67696e22"'}, "keyingtries": "1"},
                       top={"secrets": {"ike-lab": {"id-1": None, "id-2": None, "secret": '"not the secret"'}}})
    eu = world.ikatd(lab, "eu", hostile, mine.options)
    assert eu.initiate("net")["success"] == "no"
    refused = audit.wait("refused")[0]
    assert refused["remote_id"] == '\\x0a\\x1b[2J,\\x22event\\x22:\\x22login\\x22' and refused["role"] == "gateway"
    assert "refused" in refused["reason"] and refused["remote"].startswith("10.1.")
    failed = mine.wait("refused")[0]
    assert (failed["role"], failed["conn"], failed["reason"]) == ("end-user", "home", "auth-failed")


def test_refused_configuration_and_secrets_of_clients(world):
    lab = world.lab()
    audit, gw = start(world, lab)
    gw.request("load-shared", id="ike-x", type="IKE", data="quite secret", owners=["a@lab.example"])
    gw.request("unload-shared", id="ike-x")
    commands = audit.wait("command", 2)
    assert [(line["command"], line["arguments"]) for line in commands] == \
        [("load-shared", {"id": "ike-x"}), ("unload-shared", {"id": "ike-x"})]
    assert [line["reason"] for line in audit.wait("result", 2)] == ["ok", "ok"]
    assert gw.request("unload-shared", id="ike-x")["success"] == "no"  # there is none any more
    assert "ok" != audit.wait("result", 3)[-1]["reason"] != ""
    with open(audit.file, encoding="ascii") as file:
        assert "quite secret" not in file.read()
    with open(gw.config, "a", encoding="utf-8") as file:
        file.write("nonsense = yes\n")
    gw.process.send_signal(signal.SIGHUP)
    assert audit.wait("reload", 2)[-1]["reason"] == "refused"


def test_rotation(world):
    """After a rename, SIGUSR1 or SIGHUP makes a new file; no line is lost between them."""
    lab = world.lab()
    audit, gw = start(world, lab)
    for number, how in enumerate((signal.SIGUSR1, signal.SIGHUP)):
        gw.request("reset-counters", all="yes")
        audit.wait("command")
        os.rename(audit.file, f"{audit.file}.{number}")
        gw.request("reset-counters", all="yes")  # goes to the renamed file
        wait(lambda n=number: len(audit.lines("command", f"{audit.file}.{n}")) == 2, "the old file has both")
        gw.process.send_signal(how)
        wait(lambda: os.path.exists(audit.file), "there is a new file")
    gw.request("reset-counters", all="yes")
    audit.wait("command")
    numbers = [line["number"] for part in (".0", ".1", "") for line in audit.lines(file=audit.file + part)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_full_disk(world):
    """A full disk is reported and stops no login; what could not be written comes once there is room."""
    lab = world.lab()
    folder = lab.path("small")
    os.mkdir(folder)
    run("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder)
    try:
        audit = Audit(lab, "small/audit.log")
        gw = world.ikatd(lab, "gw", gateway(), audit.options)
        audit.wait("reload")
        with open(os.path.join(folder, "filler"), "wb", buffering=0) as filler:
            try:
                while filler.write(b"x" * 512):
                    pass
            except OSError:
                pass
        for _ in range(60):
            gw.request("reset-counters", all="yes")
        gw.wait_log("event=audit-not-written")
        assert "No space left on device" in gw.log()
        eu = world.ikatd(lab, "eu", end_user())
        eu.ikat("up", "home")
        os.unlink(os.path.join(folder, "filler"))
        gw.wait_log("event=audit-written lost=0")
        audit.wait("login")
        numbers = [line["number"] for line in audit.lines()]
        assert numbers == list(range(1, len(numbers) + 1)) and len(audit.lines("command")) == 60
        gw.stop()
    finally:
        run("umount", "-l", folder)


def test_process_that_dies(world):
    """A dead audit process is replaced, and records that came meanwhile are written; a dead engine is a record."""
    lab = world.lab()
    audit, gw = start(world, lab)
    victim = process(gw, "audit")
    os.kill(victim, signal.SIGKILL)
    for _ in range(5):
        gw.request("reset-counters", all="yes")
    audit.wait("command", 5)
    assert process(gw, "audit") not in (None, victim)
    os.kill(process(gw, "engine"), signal.SIGKILL)
    assert audit.wait("restart")[0]["reason"] == "engine"
    audit.wait("start", 2)


def test_no_file_no_daemon(world):
    """Whoever asks for an audit file that cannot be had gets no daemon without one; nor may it be a FIFO."""
    lab = world.lab()
    fifo = lab.path("fifo")
    os.mkfifo(fifo)
    for file, why in ((lab.path("missing/audit.log"), "No such file"), (fifo, "Invalid argument|No such device")):
        gw = Ikatd(lab, "gw", gateway(), ("--audit-log", file))
        world.daemons.append(gw)
        with pytest.raises(Failed, match=f'start-failed what="{file}" reason="({why})'):
            gw.start()


def test_confined(world):
    """The audit process has its file and its channels, appends only, and has no rights."""
    lab = world.lab()
    _, gw = start(world, lab)
    pid = process(gw, "audit")
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    assert status["Seccomp"] == "2" and int(status["CapEff"], 16) == 0 and status["Uid"].split()[0] != "0"
    targets = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd") if int(fd) > 2]
    assert sorted(target.split(":")[0] for target in targets if "audit.log" not in target) == ["socket", "socket"]
    assert sum("audit.log" in target for target in targets) == 1
