# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a lab per test; on failure the daemons' logs are shown."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from lab.daemons import Ikatd, Strongswan  # noqa: E402
from lab.net import Lab  # noqa: E402
from lab.run import wait  # noqa: E402
from lab.scripted.peer import Peer  # noqa: E402


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Notes the outcome for the fixture below."""
    outcome = yield
    item.failed_call = call.when == "call" and outcome.get_result().failed


class Bench:
    """What a test uses: a lab, and daemons that are started in it."""

    def __init__(self):
        self.labs, self.daemons, self.peers = [], [], []

    def lab(self, **options):
        """A lab that ends with the test."""
        self.labs.append(Lab(**options))
        return self.labs[-1]

    def ikatd(self, lab, host, settings, options=(), files=None, environment=None):
        """A started ikatd; `files`: certificates and keys by their names beside the configuration."""
        self.daemons.append(Ikatd(lab, host, settings, options, files, environment))
        return self.daemons[-1].start()

    def peer(self, lab, host, **how):
        """A scripted peer."""
        self.peers.append(Peer(lab, host, **how))
        return self.peers[-1]

    def strongswan(self, lab, host, settings, charon=None, files=None):
        """A started strongSwan."""
        self.daemons.append(Strongswan(lab, host, settings, charon, files))
        return self.daemons[-1].start()

    def close(self):
        """Ends all of it."""
        for thing in self.peers + self.labs:
            thing.close()


@pytest.fixture
def world(request):
    """The Bench of a test."""
    bench = Bench()
    yield bench
    if getattr(request.node, "failed_call", False):
        for daemon in bench.daemons:
            print(f"---- {daemon.name}\n{daemon.log()[-6000:]}")
    bench.close()


@pytest.fixture(scope="module")
def shared():
    """A Bench that all tests of a module use, one after the other."""
    bench = Bench()
    yield bench
    bench.close()


@pytest.fixture
def case(request, shared):
    """The shared Bench in one test: its scripted peers go, what its daemons log while it fails is shown."""
    begin = {daemon: len(daemon.log()) for daemon in shared.daemons}
    yield shared
    for peer in shared.peers:
        peer.close()
    shared.peers = []
    for daemon in shared.daemons:
        for name in {name for name, _ in daemon.sas()}:
            daemon.request("terminate", ike=name, force="yes", timeout="-1")
        wait(lambda one=daemon: not one.established(), f"{daemon.name} has nothing left")
        if getattr(request.node, "failed_call", False):
            print(f"---- {daemon.name}\n{daemon.log()[begin.get(daemon, 0):][-6000:]}")
        assert daemon.process.poll() is None and "event=died" not in daemon.log(), f"{daemon.name} died"


@pytest.fixture
def hook(request):
    """Writes an updown script to a folder where such are allowed, and returns its path."""
    folder = "/usr/local/libexec/ikat"

    def write(text):
        os.makedirs(folder, exist_ok=True)
        path = f"{folder}/lab-{os.getpid()}-{request.node.name}"
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(path, 0o755)
        request.addfinalizer(lambda: os.unlink(path))
        return path
    return write
