# SPDX-License-Identifier: Apache-2.0
"""The recipes: ikatd takes each file of the page without a word, and what is imported there is imported as it says."""
import os
import re
import subprocess

import pytest

from lab.certificates import Authority, pem, pem_key
from lab.daemons import IKAT, IKATD
from lab.net import ROOT

with open(os.path.join(ROOT, "docs/recipes.md"), encoding="utf-8") as _file:
    PAGE = _file.read()
FILES = re.findall(r"^```conf (\w+) /etc/ikat/(\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module", name="credentials")
def made():
    """The certificates and keys that the page names, by folder and name."""
    ca = Authority()
    certificate, key = ca.issue("CN=vpn.example.org", names=("vpn.example.org",))
    return {"x509ca/example-ca.pem": pem(ca.certificate), "x509/vpn.pem": pem(certificate),
            "private/vpn.pem": pem_key(key)}


def write(folder, name, text):
    """A file that only root can read."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)
    return path


def check(folder):
    """What ikatd says of a folder: nothing, if it takes it without a warning."""
    done = subprocess.run([IKATD, "-c", str(folder), "--check"], check=False, capture_output=True, text=True, timeout=20)
    return done.returncode, done.stderr


def test_there_are_files():
    assert len(FILES) == 7 and len({host for host, _, _ in FILES}) == 7


@pytest.mark.parametrize("host, name, text", FILES, ids=[host for host, _, _ in FILES])
def test_each_file_is_loaded(host, name, text, tmp_path, credentials):
    write(tmp_path, name, text)
    for file, octets in credentials.items():
        if host in ("gateway", "laptop") and (file.startswith("x509ca") == (host == "laptop")):
            write(tmp_path, file, octets)
    assert check(tmp_path) == (0, ""), host


def test_import(tmp_path):
    """The example is imported: one connection is taken, the other one refused by name."""
    text, = re.findall(r"^```swanctl\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    source = write(tmp_path, "swanctl.conf", text)
    target = tmp_path / "ikat" / "imported.conf"
    target.parent.mkdir()
    done = subprocess.run([IKAT, "import", str(source), "-o", str(target)], check=False, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and re.search(r"refused.*old|old.*refused", done.stderr), done.stderr
    assert check(target.parent) == (0, "")
    assert "home {" in target.read_text() and "old {" not in target.read_text()


def test_commands_exist():
    """Each command of ikat that the page and the README name is one."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        named = set(re.findall(r"(?:`|^)ikat ([a-z]+)", PAGE + file.read(), re.MULTILINE))
    said = subprocess.run([IKAT, "--help"], check=False, capture_output=True, text=True, timeout=20)
    assert {"check", "import", "trace", "unlock", "doctor"} <= named
    assert [name for name in named if not re.search(rf"\b{name}\b", said.stdout + said.stderr)] == []
