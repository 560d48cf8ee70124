# SPDX-License-Identifier: Apache-2.0
"""usage: reaper PREFIX DIRECTORY - waits for the end of standard input, then removes all that a lab made.

It is a process of its own, so that a lab that was killed leaves nothing behind either.
"""
import os
import shutil
import signal
import subprocess
import sys

KEPT = b"keep\n"


def names(prefix):
    """The namespaces of a lab."""
    try:
        return [name for name in os.listdir("/run/netns") if name.startswith(prefix)]
    except FileNotFoundError:
        return []


def reap(prefix, directory):
    """Kills what runs in the lab's namespaces, and removes them and the lab's directory."""
    for name in names(prefix):
        listed = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
        for pid in listed.stdout.split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    shutil.rmtree(directory, ignore_errors=True)


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.stdin.buffer.read() != KEPT:
        reap(sys.argv[1], sys.argv[2])


if __name__ == "__main__":
    main()
