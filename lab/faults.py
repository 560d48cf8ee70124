# SPDX-License-Identifier: Apache-2.0
"""Calls of the kernel that fail in a daemon, from one moment to another: lab/fault.c is preloaded into it."""
import os
import struct

from lab.net import BUILD

LIBRARY = os.path.join(BUILD, "bench", "lab_fault.so")


class Faults:
    """The faults of the daemons that were started with `environment`. None at first."""

    def __init__(self, lab):
        self.path = lab.path("faults")
        self.environment = {"LD_PRELOAD": LIBRARY, "IKAT_FAULTS": self.path}
        with open(self.path, "wb") as file:
            file.write(bytes(16))
        os.chmod(self.path, 0o644)

    def set(self, random=0, send=0, clock=0):
        """From now on getrandom and sent datagrams fail with these errors, and the time of day is off by seconds."""
        with open(self.path, "r+b") as file:
            file.write(struct.pack("=iiq", random, send, clock))
