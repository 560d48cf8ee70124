# SPDX-License-Identifier: Apache-2.0
"""Commands, and waiting for something to become true."""
import subprocess
import time


class Failed(Exception):
    """A command of the lab failed, or something did not happen in time."""


def run(*command, check=True, timeout=60, **options):
    """Runs a command; returns its output, both streams. With check, a status other than 0 raises Failed."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=timeout, check=False, **options)
    if check and done.returncode:
        raise Failed(f"{' '.join(map(str, command))}: status {done.returncode}: {done.stdout.strip()}")
    return done.stdout


def wait(question, what, timeout=10.0, period=0.02):
    """Asks until the answer is true, and returns it. `what` names it in the error, and may be a function."""
    end = time.monotonic() + timeout
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() >= end:
            raise Failed(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(period)
