# SPDX-License-Identifier: Apache-2.0
"""ikatd and strongSwan on a host of the lab, with files, sockets and logs of their own."""
import json
import os
import shutil
import signal
import subprocess

from lab.net import BUILD
from lab.run import Failed, run, wait
from lab.settings import merge
from lab.vici import Vici

IKATD = os.path.join(BUILD, "ikatd")
IKAT = os.path.join(BUILD, "ikat")


def conf(tree, depth=0):
    """The syntax of swanctl.conf for nested dicts; lists become comma separated."""
    out = ""
    for key, value in tree.items():
        if isinstance(value, dict):
            out += "    " * depth + key + " {\n" + conf(value, depth + 1) + "    " * depth + "}\n"
        else:
            value = ", ".join(value) if isinstance(value, list) else value
            out += "    " * depth + f"{key} = {value}\n"
    return out


class Program:
    """A process on a host of the lab, with a log."""

    def __init__(self, lab, host, kind):
        self.lab, self.host = lab, host
        self.name = f"{kind}-{host}"
        self.log_path = lab.path(self.name + ".log")
        self.process = None
        self.environment = {}  # more than the lab's own

    def log(self):
        """All it has logged so far."""
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_log(self, text, timeout=10):
        """Waits for a piece of its log."""
        wait(lambda: text in self.log(), lambda: f"{self.name} logs {text!r}; it logged:\n{self.log()[-3000:]}", timeout)

    def _launch(self, words, environment, stdin=subprocess.DEVNULL):
        with open(self.log_path, "ab") as log:
            self.process = self.lab.start(self.host, *words, env=os.environ | environment | self.environment, stdout=log, stderr=log,
                                          stdin=stdin)
        wait(self._running, lambda: f"{self.name} answers; it logged:\n{self.log()[-3000:]}", 60)

    def _running(self):
        if self.process.poll() is not None:
            raise Failed(f"{self.name} ended with {self.process.returncode}:\n{self.log()[-3000:]}")
        return self._answers()

    def stop(self, timeout=10):
        """Ends it by SIGTERM; returns its status. None: it was never started."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)


class Daemon(Program):
    """What ikatd and strongSwan have in common: a VICI socket."""

    def __init__(self, lab, host, kind):
        super().__init__(lab, host, kind)
        self.socket = lab.path(self.name + ".vici")

    def vici(self):
        """A new VICI connection."""
        return Vici(self.socket)

    def _answers(self):
        try:
            with self.vici() as vici:
                return vici.request("version")
        except (OSError, ConnectionError):
            return None

    def swanctl(self, *words, check=True, folder=None):
        """The stock swanctl, talking to this daemon; `folder`: with the configuration there."""
        environment = dict(os.environ, SWANCTL_DIR=folder) if folder else None
        return run("swanctl", words[0], "--uri", "unix://" + self.socket, *words[1:], check=check, env=environment)

    def write_files(self, name, settings, files):
        """A folder as swanctl has it: swanctl.conf, and files by their names below it. Returns its path."""
        folder = self.lab.path(f"{self.name}-{name}")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        with open(os.path.join(folder, "swanctl.conf"), "w", encoding="utf-8") as file:
            file.write(conf(settings))
        for path, octets in files.items():
            os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
            with open(os.path.join(folder, path), "wb") as file:
                file.write(octets)
        return folder

    def sas(self):
        """Its IKE SAs as list-sas shows them: [(connection, dict)]."""
        with self.vici() as vici:
            return [item for body in vici.stream("list-sas", "list-sa") for item in body.items()]

    def established(self):
        """Its established IKE SAs."""
        return [sa for _, sa in self.sas() if sa["state"] == "ESTABLISHED"]

    def children(self):
        """Its installed Child SAs, once none is on its way into the data plane."""
        def settled():
            found = [child for sa in self.established() for child in sa["child-sas"].values()]
            return [found] if all(child["state"] != "INSTALLING" for child in found) else None
        return [child for child in wait(settled, "no Child SA is being installed")[0] if child["state"] == "INSTALLED"]

    def initiate(self, child, ike=None, timeout=20):
        """Brings a Child SA up, and waits for it. Returns the daemon's answer."""
        with self.vici() as vici:
            return vici.request("initiate", {"child": child, "timeout": timeout * 1000, "loglevel": 1}
                                | ({"ike": ike} if ike else {}))

    def request(self, name, **message):
        """One request; keys with - are written with _."""
        with self.vici() as vici:
            return vici.request(name, {key.replace("_", "-"): value for key, value in message.items()})

    def begin(self, name, **message):
        """The same, without waiting for the answer. Returns the connection, which has to stay open so long."""
        vici = self.vici()
        vici.send(name, {key.replace("_", "-"): value for key, value in message.items()})
        return vici

    def pids(self):
        """The processes of this daemon."""
        listed = run("ps", "-eo", "pid=,args=").splitlines()
        return [int(line.split()[0]) for line in listed if self.socket in line or line.split()[0] == str(self.process.pid)]

    def kill(self):
        """Ends it by SIGKILL: nothing is told to the peer. Waits for the end of the processes below it, too."""
        self.process.kill()
        self.process.wait()
        wait(lambda: not self.pids(), f"the processes of {self.name} end")


class Ikatd(Daemon):
    """ikatd from the build directory."""

    def __init__(self, lab, host, settings, options=(), files=None, environment=None):
        super().__init__(lab, host, "ikatd")
        self.environment = environment or {}
        self.keylog = lab.path(self.name + ".keys")
        self.state = lab.path(self.name + ".state")
        os.makedirs(self.state, exist_ok=True)
        self.config = lab.path(self.name + ".conf")
        self.settings, self.options, self.files = settings, options, files

    def start(self, names=None):
        """Starts it and waits until it serves with its configuration loaded; `names` of its connections, if not
        the keys of its settings."""
        names = set(self.settings.get("connections", {}) if names is None else names)
        if self.files is not None:
            self.config = self.write_files("etc", self.settings, self.files)
        else:
            with open(self.config, "w", encoding="utf-8") as file:
                file.write(conf(self.settings))
        self._launch([IKATD, "-c", self.config, "-s", self.socket, "-K", self.keylog, "-S", self.state, *self.options],
                     self.environment)
        wait(lambda: set(self.request("get-conns").get("conns", [])) == names,
             lambda: f"{self.name} has its connections; it logged:\n{self.log()[-3000:]}", 10 + len(names) / 200)
        return self

    def load(self, settings):
        """The file is another one, and SIGHUP; waits until it is loaded."""
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(conf(settings))
        self.reload()

    def reload(self):
        """SIGHUP; waits until the configuration is loaded."""
        before = self.log().count("event=config-loaded")
        self.process.send_signal(signal.SIGHUP)
        wait(lambda: self.log().count("event=config-loaded") > before, lambda: f"it is loaded: {self.log()[-2000:]}",
             10 + len(self.settings.get("connections", {})) / 200)

    def ikat(self, *words, check=True, timeout=60):
        """The ikat command, talking to this daemon."""
        return run(IKAT, "-s", self.socket, *words, check=check, timeout=timeout)

    def sessions(self):
        """`ikat status --json`."""
        return json.loads(self.ikat("status", "--json"))["sessions"]

    def session(self, name="home"):
        """The one session of a connection, or None."""
        found = [session for session in self.sessions() if session["name"] == name]
        if len(found) > 1:
            raise Failed(f"{len(found)} sessions {name}")
        return found[0] if found else None

    def wait_paths(self, count, name="home", timeout=15):
        """Waits until exactly as many paths are up, each with a VPN of its own; returns the session."""
        def ready():
            found = [session for session in self.sessions() if session["name"] == name]
            session = found[0] if len(found) == 1 else None  # logins that run beside it end once its paths answer
            up = [path for path in session["paths"] if path["state"] == "up" and path["usable"]] if session else []
            return session if len({path["vpn"] for path in up}) == count == len(up) else None
        return wait(ready, lambda: f"{count} paths with a VPN at {self.host}: {json.dumps(self.sessions(), indent=1)}\n"
                                   f"{self.log()[-4000:]}", timeout)


PLUGINS = ("random nonce openssl aes sha1 sha2 hmac kdf curve25519 gmp pem pkcs1 pkcs8 x509 pubkey constraints gcm "
           "drbg vici socket-default kernel-libipsec kernel-netlink counters attr resolve")


class Strongswan(Daemon):
    """charon-systemd with its userspace ESP (kernel-libipsec), configured over VICI by the stock swanctl."""
    plugins = PLUGINS

    def __init__(self, lab, host, settings, charon=None, files=None):
        super().__init__(lab, host, "charon")
        self.settings, self.charon, self.files = settings, charon or {}, files

    def start(self):
        """Starts it and loads its configuration."""
        options = {"charon-systemd": merge({
            "load": self.plugins, "install_virtual_ip": "yes", "retransmit_tries": "3", "retransmit_timeout": "1.0",
            "plugins": {"vici": {"socket": "unix://" + self.socket}, "resolve": {"file": self.lab.path("resolv.conf")}},
            "filelog": {"log": {"path": self.log_path, "default": "1", "ike": "2", "enc": "1", "flush_line": "yes"}},
            "journal": {"default": "-1"}}, self.charon)}
        strongswan_conf = self.lab.path(self.name + ".strongswan.conf")
        with open(strongswan_conf, "w", encoding="utf-8") as file:
            file.write(conf(options))
        self._launch([shutil.which("charon-systemd") or "/usr/sbin/charon-systemd"], {"STRONGSWAN_CONF": strongswan_conf})
        self.load()
        return self

    def load(self):
        """Loads its settings (again)."""
        if self.files is not None:
            self.swanctl("--load-all", folder=self.write_files("etc", self.settings, self.files))
            return
        config = self.lab.path(self.name + ".swanctl.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(conf(self.settings))
        self.swanctl("--load-all", "--file", config)
