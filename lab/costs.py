# SPDX-License-Identifier: Apache-2.0
"""What each step of a story costs: logins and RADIUS requests on the Gateway's wires, signatures in its processes."""
import subprocess
import time
from dataclasses import dataclass

from lab.capture import IKE_AUTH, Capture
from lab.run import Failed
from lab.signatures import Signatures

ACCESS_REQUEST, ACCOUNTING_REQUEST = 1, 4
# The verifier checks a new certificate chain again 0.2 s after its login (CHAIN_WATCH_SETTLE), and then every hour. The
# first of these checks belongs to the login, although the next step has begun.
CHAIN_CHECKED_S = 1
COLUMNS = {"access": "Access-Requests", "accounting": "Accounting-Req.", "made": "signatures made", "verified": "verified"}


@dataclass
class Row:
    """A step, from `start` (seconds since 1970) to the next one."""
    title: str
    start: float
    logins: int = 0  # IKE SAs on which IKE_AUTH was asked
    access: int = 0
    accounting: int = 0
    made: int = 0
    verified: int = 0


class Costs:
    """Watches a Gateway that is not started yet."""

    def __init__(self, lab, gateway):
        self.steps = []  # (title, start, title of what follows the login or None)
        self.signatures = Signatures(lab, gateway.host)
        gateway.environment = self.signatures.environment
        self.capture = Capture(lab, gateway.host, "udp port 500 or udp port 4500 or udp port 1812 or udp port 1813")

    def step(self, title):
        """A step begins, which should need no login."""
        self.steps.append((title, time.time(), None))

    def login(self, title, then):
        """A step begins with a login; when that is over, the step `then` begins."""
        self.steps.append((title, time.time(), then))

    def rows(self, *keylogs):
        """Ends the capture; what each step cost."""
        asked, answered, rows = {}, [], []
        for message in self.capture.dissect(*keylogs):
            if message.exchange == IKE_AUTH and message.response:
                answered.append(message.time)
            elif message.exchange == IKE_AUTH:
                asked.setdefault(message.sa, message.time)
        starts = [start for _, start, _ in self.steps] + [float("inf")]
        for (title, start, then), end in zip(self.steps, starts[1:]):
            rows.append(Row(title, start))
            if then:
                rows.append(Row(then, max(at for at in answered if start <= at < end)))
        for at in asked.values():
            _row(rows, at).logins += 1
        for at, kind in self.signatures.notes():
            _add(rows, at, kind)
        self._requests(rows)
        return rows

    def _requests(self, rows):
        """A session's first accounting record belongs to its login, after which it leaves."""
        sessions = set()
        for at, code, session in _radius(self.capture.file):
            if at < rows[0].start:
                continue  # Accounting-On, when the Gateway started
            row = _row(rows, at)
            if code == ACCESS_REQUEST:
                row.access += 1
            elif code == ACCOUNTING_REQUEST:
                first = session not in sessions
                sessions.add(session)
                row = max((one for one in rows if one.logins and one.start <= at), key=lambda one: one.start) if first else row
                row.accounting += 1


def _row(rows, at):
    return max((row for row in rows if row.start <= at), key=lambda row: row.start)


def _add(rows, at, kind):
    if at >= rows[0].start:
        row = _row(rows, at)
        before = _row(rows, row.start - 1e-6) if row is not rows[0] else row
        if kind == "verified" and before.logins and not row.logins and at < row.start + CHAIN_CHECKED_S:
            row = before
        setattr(row, kind, getattr(row, kind) + 1)


def _radius(file):
    """The RADIUS packets of a capture: [(time, code, Acct-Session-Id)]."""
    fields = ["frame.time_epoch", "radius.code", "radius.Acct_Session_Id"]
    done = subprocess.run(["tshark", "-n", "-r", file, "-Y", "radius", "-T", "fields", *[word for name in fields for word in ("-e", name)]],
                          capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise Failed(f"tshark: {done.stderr}")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return [(float(at), int(code), session) for at, code, session in rows]
