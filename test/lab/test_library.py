# SPDX-License-Identifier: Apache-2.0
"""libikat as a program outside of this project uses it: installed header, pkg-config, shared and static library."""
import os
import subprocess

import pytest

from lab.net import BUILD, ROOT
from lab.run import run

EXAMPLE = os.path.join(ROOT, "src/lib/example/two_paths.c")


@pytest.fixture(scope="module", name="installed")
def fixture_installed(tmp_path_factory):
    """The folder below which everything is installed, and what pkg-config says of it."""
    folder = str(tmp_path_factory.mktemp("installed"))
    run("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", folder)
    found = run("find", folder, "-name", "libikat.pc").split()
    assert len(found) == 1, found
    environment = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(found[0]), PKG_CONFIG_SYSROOT_DIR=folder)

    def flags(*words):
        return run("pkg-config", *words, "libikat", env=environment).split()
    return folder, flags


def said(program, folder):
    """What the example prints, which has a session with itself."""
    library, = run("find", folder, "-name", "libikat.so").split()
    environment = dict(os.environ, LD_LIBRARY_PATH=os.path.dirname(library))
    return subprocess.run([program], env=environment, check=True, capture_output=True, text=True, timeout=60).stdout


def test_shared(installed, tmp_path):
    folder, flags = installed
    program = str(tmp_path / "two_paths")
    run("cc", "-Wall", "-Wextra", "-Werror", "-o", program, EXAMPLE, *flags("--cflags", "--libs"))
    assert "libikat.so.0" in run("ldd", program)
    assert "1 login, 2 IKE SAs, 16 packets arrived" in said(program, folder)


def test_static(installed, tmp_path):
    folder, flags = installed
    program = str(tmp_path / "two_paths")
    libraries = [f"-l:lib{f[2:]}.a" if f == "-likat" else f for f in flags("--cflags", "--libs", "--static")]
    run("cc", "-o", program, EXAMPLE, *libraries)
    assert "libikat" not in run("ldd", program)
    assert "1 login, 2 IKE SAs, 16 packets arrived" in said(program, folder)


def test_header_is_cpp(installed, tmp_path):
    """The header alone is C and C++, and all that it declares is in both libraries, and nothing else."""
    folder, _ = installed
    header, = run("find", folder, "-name", "ikat.h").split()
    for language in ("c", "c++"):
        run("cc", "-x", language, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", header)
    with open(header, encoding="utf-8") as file:
        text = file.read()
    shared, = run("find", folder, "-name", "libikat.so").split()
    static, = run("find", folder, "-name", "libikat.a").split()
    lists = [run("nm", "-D", "--defined-only", shared), run("nm", "-g", "--defined-only", static)]
    names = [{line.split()[-1] for line in text.splitlines() if len(line.split()) == 3} for text in lists]
    assert names[0] == names[1] and len(names[0]) == 14
    assert all(f"{name}(" in text for name in names[0])
