# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a lab per test; on failure the daemons' logs are shown."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from lab.daemons import Ikatd, Strongswan  # noqa: E402
from lab.net import Lab  # noqa: E402


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Notes the outcome for the fixture below."""
    outcome = yield
    item.failed_call = call.when == "call" and outcome.get_result().failed


class Bench:
    """What a test uses: a lab, and daemons that are started in it."""

    def __init__(self):
        self.labs, self.daemons = [], []

    def lab(self, **options):
        """A lab that ends with the test."""
        self.labs.append(Lab(**options))
        return self.labs[-1]

    def ikatd(self, lab, host, settings, options=()):
        """A started ikatd."""
        self.daemons.append(Ikatd(lab, host, settings, options))
        return self.daemons[-1].start()

    def strongswan(self, lab, host, settings, charon=None):
        """A started strongSwan."""
        self.daemons.append(Strongswan(lab, host, settings, charon))
        return self.daemons[-1].start()


@pytest.fixture
def world(request):
    """The Bench of a test."""
    bench = Bench()
    yield bench
    if getattr(request.node, "failed_call", False):
        for daemon in bench.daemons:
            print(f"---- {daemon.name}\n{daemon.log()[-6000:]}")
    for lab in bench.labs:
        lab.close()
