# SPDX-License-Identifier: Apache-2.0
"""Private keys on PKCS#11 tokens: SoftHSM2 in the place of a smart card or an HSM."""
import os
import shutil
import signal
import subprocess
import threading
import time

import pytest
from cryptography.hazmat.primitives import serialization

from lab.certificates import Authority, der
from lab.run import run, wait
from lab.settings import merge
from test_certificates import Host, refused, start, up

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
HANDLE = "01ab"
PIN = "1234"
USER = 61178  # of the token process


class Token:
    """A token of SoftHSM2 in a folder, owned by the token process as a package would set it up."""

    def __init__(self, folder, end):
        self.folder, self.end = folder, end
        os.makedirs(folder / "tokens")
        self.config = folder / "softhsm2.conf"
        self.config.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.environment = {"SOFTHSM2_CONF": str(self.config)}
        key = folder / "key.pem"
        key.write_bytes(end.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                              serialization.NoEncryption()))
        self.util("--init-token", "--free", "--label", "lab", "--so-pin", "9999", "--pin", PIN)
        self.util("--import", key, "--token", "lab", "--label", "key", "--id", HANDLE, "--pin", PIN)
        key.unlink()
        self.give()

    def util(self, *words):
        """softhsm2-util on this token."""
        subprocess.run(["softhsm2-util", *words], env=os.environ | self.environment, check=True, capture_output=True)

    def give(self):
        """The folder belongs to the user of the token process; those above let it pass."""
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, USER, USER)
        for path in list(self.folder.parents)[:-1]:
            if path.stat().st_mode & 0o001 == 0:
                path.chmod(path.stat().st_mode | 0o011)

    def take(self):
        """The card leaves its reader."""
        shutil.move(self.folder / "tokens", self.folder / "away")
        os.makedirs(self.folder / "tokens")
        self.give()

    def bring(self):
        """It comes back."""
        shutil.rmtree(self.folder / "tokens")
        shutil.move(self.folder / "away", self.folder / "tokens")

    def settings(self, pin=PIN, module=MODULE, **more):
        """Top-level sections of the configuration."""
        return {"pkcs11": {"softhsm": {"path": module}},
                "secrets": {"token-card": {"handle": HANDLE, "module": "softhsm", "pin": pin} | more}}


def tokened(end, folder, **options):
    """The end has its certificate in a file and its key on a token."""
    token = Token(folder, end)
    end.files = {name: octets for name, octets in end.files.items() if "private" not in name}
    settings = end.settings
    end.settings = lambda local=None, remote=None: merge(settings(local, remote), token.settings(**options))
    return token


def begin(world, eu, gw, token, monkeypatch, kinds="ikatd-ikatd"):
    """Both ends; the module finds its token by the environment."""
    monkeypatch.setenv("SOFTHSM2_CONF", token.environment["SOFTHSM2_CONF"])
    return start(world, kinds, eu, gw)


@pytest.mark.parametrize("kind", ("rsa-2048", "ecdsa-256", "ecdsa-384"))
@pytest.mark.parametrize("side", ("eu", "gw"))
def test_login(world, tmp_path, monkeypatch, side, kind):
    """The key on the token signs, in both roles; the daemon has no other."""
    ca = Authority()
    ends = {host: Host(host, ca, kind) for host in ("eu", "gw")}
    token = tokened(ends[side], tmp_path / "hsm")
    lab, eu, gw = begin(world, ends["eu"], ends["gw"], token, monkeypatch)
    up(lab, eu, gw)


@pytest.mark.parametrize("side,kinds", (("eu", "ikatd-strongswan"), ("gw", "strongswan-ikatd")))
def test_strongswan(world, tmp_path, monkeypatch, side, kinds):
    """charon believes what the token signed."""
    ca = Authority()
    ends = {host: Host(host, ca, "rsa-2048" if side == "eu" else "ecdsa-256") for host in ("eu", "gw")}
    token = tokened(ends[side], tmp_path / "hsm")
    lab, eu, gw = begin(world, ends["eu"], ends["gw"], token, monkeypatch, kinds)
    up(lab, eu, gw)


def test_certificate(world, tmp_path, monkeypatch):
    """The certificate is on the token as well: the connection names it by its handle."""
    ca = Authority()
    eu, gw = Host("eu", ca), Host("gw", ca, "rsa-2048")
    token = tokened(eu, tmp_path / "hsm")
    certificate = tmp_path / "eu.der"
    certificate.write_bytes(der(eu.certificate))
    run("pkcs11-tool", "--module", MODULE, "--token-label", "lab", "--login", "--pin", PIN, "--write-object", certificate,
        "--type", "cert", "--id", HANDLE, env=os.environ | token.environment)
    token.give()
    del eu.files["x509/eu.pem"]
    settings = eu.settings
    eu.settings = lambda local=None, remote=None: settings(
        {"certs": None, "cert": {"handle": HANDLE, "module": "softhsm"}} | (local or {}), remote)
    lab, user, gate = begin(world, eu, gw, token, monkeypatch)
    up(lab, user, gate)
    user.request("terminate", ike="home")
    token.take()
    user.reload()
    user.wait_log("no token is there: the certificate is left out")
    user.wait_log("no token is there: the key is not loaded")
    token.bring()
    user.reload()
    up(lab, user, gate)


def test_faults(world, tmp_path, monkeypatch):
    """What is wrong with a token is said; the load takes all else; a wrong PIN is tried once only."""
    ca = Authority()
    eu, gw = Host("eu", ca), Host("gw", ca)
    token = tokened(eu, tmp_path / "hsm")
    lab, user, gate = begin(world, eu, gw, token, monkeypatch)
    good = user.settings
    for wrong, words in (({"pin": "4321"}, "the token refuses the PIN"), ({"handle": "77"}, "no private key with that handle"),
                         ({"slot": 3}, "no token is in slot 3"), ({"module": "other"}, "module other is not configured")):
        user.write_files("etc", merge(good, {"secrets": {"token-card": wrong}}), eu.files)
        user.process.send_signal(signal.SIGHUP)
        user.wait_log(words)
    own = tmp_path / "own.so"
    shutil.copy(MODULE, own)
    own.chmod(0o777)
    for path, words in ((str(own), "is not a file of root's that only root can write"), ("/nowhere.so", "No such file"),
                        ("/etc/passwd", "cannot be loaded")):
        user.write_files("etc", merge(good, {"pkcs11": {"softhsm": {"path": path}}}), eu.files)
        user.process.send_signal(signal.SIGHUP)
        user.wait_log(words)
    user.write_files("etc", good, eu.files)
    user.reload()
    up(lab, user, gate)


def test_absence(world, tmp_path, monkeypatch):
    """A login while the token is away fails with the reason; the next one with the token works. Sessions stay."""
    ca = Authority()
    eu, gw = Host("eu", ca), Host("gw", ca)
    token = tokened(eu, tmp_path / "hsm")
    lab, user, gate = begin(world, eu, gw, token, monkeypatch)
    up(lab, user, gate)
    assert user.request("terminate", ike="home")["success"] == "yes"
    token.take()
    refused(user, (user, "no token is there"))
    token.bring()
    wait(lambda: user.initiate("net")["success"] == "yes", "a login with the token back")


def test_vici(world, tmp_path, monkeypatch):
    """The stock client loads a token key; a module that the files do not name is refused, whoever asks."""
    ca = Authority()
    eu, gw = Host("eu", ca), Host("gw", ca)
    stock = eu.settings
    token = tokened(eu, tmp_path / "hsm")
    monkeypatch.setenv("SOFTHSM2_CONF", token.environment["SOFTHSM2_CONF"])
    lab = world.lab()
    gate = world.ikatd(lab, "gw", gw.settings(), files=gw.files)
    user = world.ikatd(lab, "eu", {"pkcs11": token.settings()["pkcs11"]})
    for module in ("other", MODULE):
        answer = user.request("load-token", handle=HANDLE, module=module, pin=PIN)
        assert answer["success"] == "no" and "configured in the section pkcs11 of the files" in answer["errmsg"]
    settings = merge(stock(), {"secrets": token.settings()["secrets"]})
    said = user.swanctl("--load-all", folder=user.write_files("stock", settings, eu.files))
    assert "loaded" in said
    assert len(user.request("get-keys")["keys"]) == 1
    up(lab, user, gate)
    user.request("unload-key", id=user.request("get-keys")["keys"][0])
    user.request("terminate", ike="home")
    refused(user, (user, "no private key"))


def module_make(folder, name, body):
    """A module of our own: what it does when it is loaded."""
    source, library = folder / f"{name}.c", folder / f"{name}.so"
    source.write_text("#include <signal.h>\n#include <stdio.h>\n#include <string.h>\n#include <unistd.h>\n" + body)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    for path in (folder, *list(folder.parents)[:-1]):
        path.chmod(path.stat().st_mode | 0o011)
    return {"path": str(library)}


MUTE = "int C_GetFunctionList(void **list) { (void)list; for (;;) sleep(100); }\n"
# crashes where it may signal its parent, or finds the PIN 71828182 in its memory
SPY = """
int C_GetFunctionList(void **list)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512], perms[5];
    unsigned long from, to;
    (void)list;
    if (maps == NULL || kill(getppid(), 0) == 0)
        _exit(3);
    while (fgets(line, sizeof(line), maps) != NULL)
        if (sscanf(line, "%lx-%lx %4s", &from, &to, perms) == 3 && perms[0] == 'r' && perms[1] == 'w')
            for (const char *at = (const char *)from; at + 8 <= (const char *)to; at++) {
                int i = 0;
                while (i < 8 && at[i] == ("60939093"[i] ^ 1))
                    i++;
                if (i == 8)
                    _exit(3);
            }
    fclose(maps);
    return 5;
}
"""


def ask_later(user, **token):
    """load-token, whose answer nobody waits for yet."""
    asking = threading.Thread(target=lambda: user.request("load-token", handle=HANDLE, **token))
    asking.start()
    return asking


def test_pinned(world, tmp_path, monkeypatch):
    """The peer is held to a certificate on a token that is away: its connection is left out."""
    ca = Authority()
    eu, gw = Host("eu", ca), Host("gw", ca)
    token = tokened(eu, tmp_path / "hsm")
    lab, user, gate = begin(world, eu, gw, token, monkeypatch)
    up(lab, user, gate)
    for kind in ("cert", "cacert"):
        user.write_files("etc", eu.settings(None, {kind: {"handle": "77", "module": "softhsm"}}), eu.files)
        user.process.send_signal(signal.SIGHUP)
        wait(lambda: user.request("get-conns").get("conns", []) == [], "the connection is left out")
        user.write_files("etc", eu.settings(), eu.files)
        user.reload()
        wait(lambda: user.request("get-conns").get("conns", []) == ["home"], "it is back")
    assert "a certificate that the peer is held to is missing: the connection is left out" in user.log()


def test_silence(world, tmp_path):
    """A module that hangs: each request has its answer after 10 s, also one that waits behind another."""
    mute = module_make(tmp_path, "mute", MUTE)
    lab = world.lab()
    user = world.ikatd(lab, "eu", {"pkcs11": {"mute": mute}})
    user.wait_log("event=config-loaded")
    started = time.monotonic()
    first = ask_later(user, module="mute", pin="1")
    said = [user.request("load-token", handle="02", module="mute", pin="2")["errmsg"]]
    first.join()
    assert 9 < time.monotonic() - started < 15
    assert "within 10 s" in said[0] or "for 10 s" in said[0]


def test_spy(world, tmp_path):
    """A module finds no PIN of another in its memory, and cannot signal the process that started it."""
    lab = world.lab()
    user = world.ikatd(lab, "eu", {"pkcs11": {"mute": module_make(tmp_path, "mute", MUTE),
                                              "spy": module_make(tmp_path, "spy", SPY)}})
    user.wait_log("event=config-loaded")
    waiting = [ask_later(user, module="mute", pin="71828182") for _ in range(3)]
    workers = "pgrep -c -u 61178"
    wait(lambda: int(subprocess.run(workers.split(), capture_output=True, text=True, check=False).stdout) > 1, "a worker")
    assert "cannot be loaded" in user.request("load-token", handle=HANDLE, module="spy", pin="3")["errmsg"]
    for asking in waiting:
        asking.join()


def test_crash(world, tmp_path, monkeypatch):
    """A module that crashes or hangs ends its worker, and no session."""
    ca = Authority()
    eu, gw = Host("eu", ca), Host("gw", ca)
    bad = module_make(tmp_path, "bad", "int C_GetFunctionList(void **list) { (void)list; _exit(3); }\n")
    lab, user, gate = start(world, "ikatd-ikatd", eu, gw)
    up(lab, user, gate)
    user.write_files("etc", merge(user.settings, {"pkcs11": {"bad": bad},
                                                  "secrets": {"token-x": {"handle": HANDLE}}}), eu.files)
    user.reload()
    assert "the module of the token crashed: the key is not loaded" in user.log()
    wait(lambda: len(user.children()) == len(gate.children()) == 1, "the session stays")


def test_many_modules(world, tmp_path):
    """Reloads name other modules without end: each is loaded, also when as many as the daemon keeps were before."""
    lab = world.lab()
    user = world.ikatd(lab, "eu", {})
    user.wait_log("event=config-loaded")
    empty = module_make(tmp_path, "empty", "int C_GetFunctionList(void **list) { (void)list; return 5; }\n")["path"]
    for load in range(2):
        names = [f"m{load}{i}" for i in range(8)]
        for name in names:
            shutil.copy(empty, tmp_path / f"{name}.so")
        user.load({"pkcs11": {name: {"path": str(tmp_path / f"{name}.so")} for name in names}})
        for name in names:
            assert "cannot be loaded" in user.request("load-token", handle=HANDLE, module=name, pin="1")["errmsg"]
