# SPDX-License-Identifier: Apache-2.0
"""A throw-away guest with a kernel of its own (User-Mode Linux), for peers that need ESP in the kernel (XFRM).

The guest sees all files of the host; what it writes is gone with it. It has no network but what is made in it.

usage: guest [--time SECONDS] [--mem SIZE] COMMAND... - runs it as root in a guest; its status, or 125 if there is none
"""
import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

from lab.net import BUILD, ROOT
from lab.run import Failed

KERNEL = "/usr/bin/linux.uml"
INIT = os.path.join(ROOT, "lab", "guest-init")
XSTATE = os.path.join(BUILD, "bench", "guest_xstate.so")  # processors whose state is larger than the guest's kernel knows
MARK = b"guest-status "


class Guest:
    """One run of one command in a guest. The kernel lives until finish(), the time limit, or the end of this process.
    What it writes below the directory `share` lasts."""

    def __init__(self, *command, limit=120, memory="512M", share=None, processor=0):
        for needed, package in ((KERNEL, "user-mode-linux"), ("/sbin/modprobe", "kmod")):
            if not os.path.exists(needed):
                raise Failed(f"{needed} is missing: install the package {package} (tools/install-deps)")
        if os.geteuid() != 0:
            raise Failed("a guest needs root (namespaces of its own)")
        self.limit, self.processor = limit, processor
        self.directory = tempfile.mkdtemp(prefix="ikat-guest-")
        script = self._path("command")
        with open(script, "w", encoding="utf-8") as file:
            if share is not None:
                file.write(f"mount -t hostfs -o {shlex.quote(share)} none {shlex.quote(share)}\n")
            file.write(f"export IKAT_BUILD={shlex.quote(BUILD)}\ncd {shlex.quote(ROOT)}\n")
            file.write(f"unshare --pid --fork --mount-proc {shlex.join(map(str, command))}\n")
        with open(self._path("output"), "wb") as output, open(self._path("console"), "wb") as console:
            self.process = subprocess.Popen(self._words(script, memory, output.fileno()), stdin=subprocess.DEVNULL,
                                            stdout=console, stderr=console, pass_fds=(output.fileno(),),
                                            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": "/root", **self._preload()})

    def _path(self, name):
        return os.path.join(self.directory, name)

    @staticmethod
    def _preload():
        return {"LD_PRELOAD": XSTATE} if os.path.exists(XSTATE) else {}

    def _words(self, script, memory, output):
        # One processor: the kernel's processes take turns, and waking another one at each system call is several times
        # slower. `timeout` is the first process of the name space, because there a kernel that panics could not
        # abort().
        processors = sorted(os.sched_getaffinity(0))
        cpu = processors[self.processor % len(processors)]
        return ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--net", "--ipc",
                "timeout", "--signal=KILL", str(self.limit), "taskset", "-c", str(cpu), KERNEL, f"mem={memory}",
                "rootfstype=hostfs", "rootflags=/", "ro", "panic=-1", f"uml_dir={self.directory}", "umid=uml", "con=null",
                "con0=null,fd:1", f"con1=null,fd:{output}", f"init={INIT}", "--", script]

    def output(self):
        """What the command has written so far, both streams."""
        with open(self._path("output"), "rb") as file:
            return file.read().partition(MARK)[0].decode(errors="replace")

    def finish(self):
        """Waits for the end; returns (status, output). Without a status, because the kernel did not come up or the time
        limit was reached, Failed says what its console showed."""
        try:
            status = self.process.wait(self.limit + 10)
            with open(self._path("output"), "rb") as file:
                text, found, number = file.read().rpartition(MARK)
            if not found:
                with open(self._path("console"), encoding="utf-8", errors="replace") as file:
                    raise Failed(f"the guest ended without a result (status {status}, limit {self.limit} s); its console:\n"
                                 f"{file.read()[-2000:]}\nits command wrote:\n{self.output()[-3000:]}")
            return int(number), text.decode(errors="replace")
        finally:
            self.close()

    def close(self):
        """Ends it, however far it is, and removes what is left of it."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(prog="guest")
    parser.add_argument("--time", type=int, default=120)
    parser.add_argument("--mem", default="512M")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    try:
        status, output = Guest(*options.command, limit=options.time, memory=options.mem).finish()
    except Failed as error:
        print(error, file=sys.stderr)
        return 125
    print(output, end="")
    return status


if __name__ == "__main__":
    sys.exit(main())
