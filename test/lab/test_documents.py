# SPDX-License-Identifier: Apache-2.0
"""The tutorials do what they say: their files are loaded, and their commands run, in the order of the page.

A block of a page begins with ```conf HOST FILE (a file), or ```sh HOST (commands); one without a host is not run.
"""
import os
import re
import shutil

import pytest

from lab.daemons import Ikatd
from lab.net import BUILD, ROOT
from lab.run import run, wait

HOSTS = {"gateway": "gw", "laptop": "eu", "host": "host"}
BLOCK = re.compile(r"^```(\w+)[ \t]*([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class FromFolder(Ikatd):
    """ikatd with a folder as its configuration, as systemctl would start it."""

    def start(self):
        self.config = self.settings
        self._launch([os.path.join(BUILD, "ikatd"), "-c", self.settings, "-s", self.socket, *self.options], {})
        return self


class Page:
    """A page of docs/ that is followed in a lab; each host has an /etc/ikat of its own."""

    def __init__(self, name, lab):
        self.lab, self.daemons = lab, {}
        with open(os.path.join(ROOT, "docs", name), encoding="utf-8") as file:
            self.blocks = BLOCK.findall(file.read())
        for host in HOSTS.values():
            os.mkdir(lab.path(host), 0o750)

    def local(self, host, text):
        """The words of the page, with this host's folder, programs and socket."""
        daemon = self.daemons.get(host)
        text = text.replace("/etc/ikat", self.lab.path(host))
        here = f"{BUILD}/ikat -s {daemon.socket} " if daemon else f"{BUILD}/ikat "
        return re.sub(r"(?m)^ikat ", here, text)

    def follow(self):
        """Runs the page; returns what the last block of commands printed."""
        said = ""
        for kind, words, text in self.blocks:
            name, _, path = words.partition(" ")
            host = HOSTS.get(name)
            if kind == "conf":
                with open(self.local(host, path), "w", encoding="utf-8") as file:
                    file.write(text)
            elif kind == "sh" and "systemctl enable" in text:
                self.start()
            elif kind == "sh" and host:
                said = self.lab.run(host, "sh", "-euxc", self.local(host, text))
        return said

    def start(self):
        """Each host that has a configuration by now, and no daemon."""
        for host in HOSTS.values():
            if host not in self.daemons and os.listdir(self.lab.path(host)):
                self.daemons[host] = FromFolder(self.lab, host, self.lab.path(host)).start()
                self.daemons[host].wait_log("event=config-loaded")


def test_first_vpn(world):
    lab = world.lab()
    page = Page("first-vpn.md", lab)
    said = page.follow()
    assert "3 received" in said
    assert len(re.findall(r"(?m)^office +(wifi|lte) .* up ", said)) == 2
    assert "nothing wrong" in lab.run("eu", os.path.join(BUILD, "ikat"), "-s", page.daemons["eu"].socket, "doctor")
    lab.run("eu", "ip", "link", "set", "wlan0", "down")
    wait(lambda: lab.run("eu", "ping", "-c", "1", "-W", "1", "10.20.0.2", check=False).count("1 received"), "LTE carries it")


def test_limits_are_those_of_the_program():
    """Each number of docs/limits.md that names its constant is that constant; no name is one of the past."""
    constants = {}
    for header in ("src/base/limits.h", "src/daemon/vici/vici_log.h", "src/daemon/common/key_channel.h",
                   "src/daemon/common/hook_channel.h"):
        with open(os.path.join(ROOT, header), encoding="utf-8") as file:
            constants.update(re.findall(r"#define +(\w+)(?: +|[ \\\n]+)(\d+)\b", file.read()))
    with open(os.path.join(ROOT, "docs/limits.md"), encoding="utf-8") as file:
        named = re.findall(r"(\d+)(?: \w+)? \(`(\w+)`\)", file.read())
    assert len(named) > 20
    assert [(name, number) for number, name in named if constants.get(name) != number] == []


@pytest.mark.skipif(shutil.which("man") is None, reason="no man")
@pytest.mark.parametrize("page", sorted(name for name in os.listdir(os.path.join(ROOT, "man")) if name[-1].isdigit()))
def test_manual_pages_are_sound(page):
    """groff has nothing to complain of."""
    said = run("sh", "-c", f"LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings -E UTF-8 -l -Tutf8 -Z {ROOT}/man/{page} 2>&1 >/dev/null")
    assert said == ""
