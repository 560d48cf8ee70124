# SPDX-License-Identifier: Apache-2.0
"""ikatd with the other free daemons and the kernel's ESP. The cases (lab/interop/cases.py) run in guests, one for each
peer, two at once; here is judged what they left. A guest that does not come up fails them all. With IKAT_NIGHTLY set
all cases run, else the daily ones."""
import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.guest import Guest
from lab.interop.cases import DAILY, PEERS, listed
from lab.interop.table import differences, render
from lab.net import ROOT
from lab.run import Failed

NIGHTLY = bool(os.environ.get("IKAT_NIGHTLY"))
LIMIT = 1800  # seconds for all cases of one peer, also on a processor that is slow at it, and busy


class Run:
    """The cases of one peer: started, and then waited for."""

    def __init__(self, pool, peer, directory, processor):
        self.peer, self.directory, self.ended = peer, directory, None
        self.done = pool.submit(self._run, processor)

    def _run(self, processor):
        command = ("/usr/bin/python3", "-m", "lab.interop", self.peer, self.directory, *(() if NIGHTLY else DAILY))
        status, output = Guest(*command, limit=LIMIT, share=self.directory, processor=processor).finish()
        return f"status {status}: {output[-3000:]}"

    def records(self):
        """What was recorded: {(role, case): record}. Raises Failed if the guest did not run to its end."""
        self.ended = self.done.result()
        name = os.path.join(self.directory, self.peer + ".json")
        if not os.path.exists(name):
            raise Failed(f"no record at all; the guest ended with {self.ended}")
        with open(name, encoding="utf-8") as file:
            return {(record["role"], record["case"]): record for record in map(json.loads, file)}


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A Run for each peer."""
    directory = str(tmp_path_factory.mktemp("interop"))
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {peer: Run(pool, peer, directory, number) for number, peer in enumerate(PEERS)}


@pytest.mark.parametrize("peer,role,case", listed(NIGHTLY))
def test_case(runs, peer, role, case):
    record = runs[peer].records().get((role, case))
    if record is None:
        raise Failed(f"no record of this case; the guest ended with {runs[peer].ended}")
    assert not record["error"], record["error"]


def test_daily_cases_exist():
    assert {name for _, _, name in listed(nightly=False)} == set(DAILY)


def test_table(runs):
    """docs/interop.md says what was seen."""
    for one in runs.values():
        one.records()
    with open(os.path.join(ROOT, "docs", "interop.md"), encoding="utf-8") as file:
        shown = file.read()
    anew = f"write docs/interop.md anew: python3 -m lab.interop.table {one.directory}"
    assert not differences(shown, one.directory, NIGHTLY), anew
    assert not NIGHTLY or shown == render(one.directory), anew
