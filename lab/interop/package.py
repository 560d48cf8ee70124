# SPDX-License-Identifier: Apache-2.0
"""Packages of peers that cannot be installed beside strongSwan: tools/install-deps fetches them, the guest unpacks
them."""
import glob
import os
import subprocess

from lab.net import ROOT
from lab.run import Failed, run


def package(name):
    """The file of a package."""
    found = glob.glob(os.path.join(ROOT, "build-peers", name + "_*.deb"))
    if not found:
        raise Failed(f"build-peers has no package {name}: run tools/install-deps")
    return max(found, key=os.path.getmtime)


def unpack(name):
    """Lays the files of a package over the guest's root, keeping that /lib is a symbolic link."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package(name)], stdout=subprocess.PIPE) as pipe:
        run("tar", "-xC", "/", "--keep-directory-symlink", stdin=pipe.stdout)
