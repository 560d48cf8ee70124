# SPDX-License-Identifier: Apache-2.0
"""Signatures that the daemons of a host make and verify: count_signatures.c, preloaded, notes them."""
import os
import shutil
import struct

from lab.net import BUILD
from lab.run import Failed

RECORD = struct.Struct("qq")
RECORDS = 65535  # as in count_signatures.c
KINDS = {1: "made", 2: "verified"}


class Signatures:
    """The notes of one host. `environment` goes to each daemon that counts."""

    def __init__(self, lab, host):
        self.path = lab.path(f"{host}.signatures")
        library = lab.path("libcount_signatures.so")  # where each process may read, wherever the build is
        if not os.path.exists(library):
            shutil.copy(os.path.join(BUILD, "bench", "count_signatures.so"), library)
        with open(self.path, "wb") as file:
            file.truncate(RECORD.size * (1 + RECORDS))
        os.chmod(self.path, 0o666)  # processes of several users write
        self.environment = {"LD_PRELOAD": library, "IKAT_SIGNATURES": self.path}

    def notes(self):
        """All of them: [(seconds since 1970, "made" or "verified")]."""
        with open(self.path, "rb") as file:
            count = RECORD.unpack(file.read(RECORD.size))[0]
            if count > RECORDS:
                raise Failed(f"{count} signatures do not fit into {self.path}")
            return [(at / 1e9, KINDS[kind]) for at, kind in RECORD.iter_unpack(file.read(count * RECORD.size))]
