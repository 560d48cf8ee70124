# SPDX-License-Identifier: Apache-2.0
"""Real RADIUS servers on hosts of the lab: FreeRADIUS and hostapd."""
import os
import re
import sys
import time

from lab.certificates import Authority, pem, pem_key
from lab.daemons import Program
from lab.run import run, wait

SECRET = "radius-secret"
SESSION = ("Start", "Stop", "Interim-Update")  # Acct-Status-Type of sessions: 1, 2, 3

FREERADIUS = """
prefix = /usr
logdir = {dir}
run_dir = {dir}
libdir = /usr/lib/freeradius
name = freeradius
max_requests = 4096
cleanup_delay = 0
log {{
    destination = stdout
    auth = yes
}}
security {{
    allow_core_dumps = no
    status_server = yes
}}
thread pool {{
    start_servers = 1
    max_servers = 4
    min_spare_servers = 1
    max_spare_servers = 3
    max_requests_per_server = 0
}}
client lab {{
    ipaddr = 0.0.0.0/0
    secret = {secret}
    require_message_authenticator = yes
}}
client statistics {{
    ipaddr = 127.0.0.1
    secret = {secret}
}}
modules {{
    files {{
        usersfile = {dir}/users
    }}
    always ok {{
        rcode = ok
    }}
    always fail {{
        rcode = fail
    }}
    mschap {{
        use_mppe = yes
    }}
    pap {{
    }}
    chap {{
    }}
    detail accounts {{
        filename = {dir}/accounts
    }}
    eap {{
        default_eap_type = {method}
        md5 {{
        }}
        gtc {{
            auth_type = PAP
        }}
        sim {{
        }}
        mschapv2 {{
            send_error = yes
        }}
        tls-config tls-lab {{
            private_key_file = {certs}/server.key
            certificate_file = {certs}/server.pem
            ca_file = {certs}/ca.pem
            tls_min_version = "1.2"
            tls_max_version = "{tls}"
        }}
        tls {{
            tls = tls-lab
        }}
        ttls {{
            tls = tls-lab
            default_eap_type = {inner}
            virtual_server = default
        }}
        peap {{
            tls = tls-lab
            default_eap_type = {inner}
            virtual_server = default
        }}
    }}
}}
server default {{
    listen {{
        type = auth
        ipaddr = *
        port = 1812
    }}
    listen {{
        type = acct
        ipaddr = *
        port = 1813
    }}
    listen {{
        type = status
        ipaddr = 127.0.0.1
        port = 18121
    }}
{radsec}
    authorize {{
        files
        eap {{
            ok = return
        }}
        chap
        mschap
        pap
    }}
    authenticate {{
        Auth-Type MS-CHAP {{
            mschap
        }}
        Auth-Type PAP {{
            pap
        }}
        Auth-Type CHAP {{
            chap
        }}
        eap
    }}
    accounting {{
        if (&Acct-Status-Type == "{unheeded}") {{
            fail
        }}
        accounts
    }}
}}
"""

RADSEC = """
    listen {{
        type = auth+acct
        proto = tcp
        ipaddr = *
        port = 2083
        clients = radsec
        tls {{
            private_key_file = {certs}/server.key
            certificate_file = {certs}/server.pem
            ca_file = {certs}/ca.pem
            require_client_cert = yes
            cipher_list = "DEFAULT"
            tls_min_version = "1.2"
            tls_max_version = "{tls}"
        }}
    }}
"""

RADSEC_CLIENTS = """
clients radsec {
    client lab {
        ipaddr = 0.0.0.0/0
        proto = tls
        secret = radsec
    }
}
"""

HOSTAPD = """
interface=lo
driver=none
logger_stdout=-1
logger_stdout_level=0
radius_server_clients={dir}/clients
radius_server_auth_port=1812
eap_server=1
eap_user_file={dir}/users
ca_cert={certs}/ca.pem
server_cert={certs}/server.pem
private_key={certs}/server.key
{more}
"""


def certificates(folder):
    """A CA, a server aaa.lab.example, a client anna and a Gateway, as files in the folder; returns the CA."""
    os.makedirs(folder, exist_ok=True)
    ca = Authority("C=CH, O=Lab, CN=AAA CA")
    files = {"ca.pem": pem(ca.certificate)}
    for name, alternative in (("server", "aaa.lab.example"), ("client", "anna@lab.example"), ("gateway", "gw.lab.example")):
        certificate, key = ca.issue(f"C=CH, O=Lab, CN={name}", names=(alternative,))
        files |= {f"{name}.pem": pem(certificate), f"{name}.key": pem_key(key)}
    for name, octets in files.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(octets)
    return ca


class Freeradius(Program):
    """FreeRADIUS 3.2. `users`: {name: (password or [check items], [reply attributes])}. `radsec`: the highest version
    of TLS with which it also serves RADIUS/TLS. `unheeded`: the Acct-Status-Type that it does not acknowledge."""

    def __init__(self, lab, host, users, method="mschapv2", tls="1.3", inner="mschapv2", radsec=None, unheeded="Failed"):
        super().__init__(lab, host, "freeradius")
        self.folder = lab.path(self.name)
        os.makedirs(self.folder, exist_ok=True)
        certs = os.path.join(self.folder, "certs")
        self.ca, self.certs, self.radsec = certificates(certs), certs, radsec
        with open(os.path.join(self.folder, "radiusd.conf"), "w", encoding="utf-8") as file:
            file.write((RADSEC_CLIENTS if radsec else "") + FREERADIUS.format(
                dir=self.folder, certs=certs, method=method, tls=tls, inner=inner, secret=SECRET, unheeded=unheeded,
                radsec=RADSEC.format(certs=certs, tls=radsec) if radsec else ""))
        with open(os.path.join(self.folder, "users"), "w", encoding="utf-8") as file:
            for name, (password, replies) in users.items():
                checks = f'Cleartext-Password := "{password}"' if isinstance(password, str) else ", ".join(password)
                file.write(f"{name} {checks}\n" + ",\n".join(f"\t{reply}" for reply in replies) + "\n\n")

    def start(self):
        """Starts it and waits until it serves."""
        debug = ["-fxx", "-l", "stdout"] if self.radsec else ["-X"]  # TLS takes threads
        self._launch(["freeradius", *debug, "-d", self.folder, "-D", "/usr/share/freeradius"], {})
        return self

    def _answers(self):
        return "Ready to process requests" in self.log()

    def records(self, of_sessions=True):
        """The Accounting-Requests that it took, in their order: [{attribute: value}]; of several values a list. Those
        of sessions, or else Accounting-On and -Off."""
        path = os.path.join(self.folder, "accounts")
        if not os.path.exists(path):
            return []
        records = []
        with open(path, encoding="utf-8") as file:
            for block in file.read().split("\n\n"):
                record = {}
                for name, value in re.findall(r"^\t(\S+) = (.*)$", block, re.MULTILINE):
                    record.setdefault(name, []).append(value.strip('"'))
                if record and (record["Acct-Status-Type"][0] in SESSION) == of_sessions:
                    records.append({name: values[0] if len(values) == 1 else values for name, values in record.items()})
        return records

    def ask(self, gateway, what, attributes, secret=SECRET, dated=True):
        """Sends a request of RFC 5176 (`what`: disconnect or coa) to a Gateway; returns what radclient prints of it."""
        lines = [f"{name} = {value}" for name, value in attributes.items()] + [f"Event-Timestamp = {int(time.time())}"] * dated
        return run("ip", "netns", "exec", self.lab.name(self.host), "radclient", "-x", "-r", "1", "-t", "2", gateway + ":3799",
                   what, secret, input="\n".join(["Message-Authenticator = 0x00"] + lines) + "\n", check=False)

    def counters(self):
        """What Status-Server says: {"Access-Requests": n, "Accounting-Requests": n, ...}."""
        answer = run("ip", "netns", "exec", self.lab.name(self.host), "radclient", "-x", "127.0.0.1:18121", "status", SECRET,
                     input="Message-Authenticator = 0x00, FreeRADIUS-Statistics-Type = All\n")
        return {name: int(value) for name, value in re.findall(r"FreeRADIUS-Total-(\S+) = (\d+)", answer)}

    def answers(self):
        """Answers to Access-Requests, by its counters, which it brings up to date a little later. (They also count
        Status-Server as a request.)"""
        def count():
            counters = self.counters()
            answers = counters["Access-Accepts"] + counters["Access-Rejects"] + counters["Access-Challenges"]
            return answers if answers == self.requests() else None
        return wait(count, "as many answers as requests")

    def requests(self):
        """Access-Requests on the wire, by its log."""
        return self.log().count("Received Access-Request")

    def accounts(self):
        """The Acct-Status-Type of each accounting request of a session, in order."""
        return [record["Acct-Status-Type"] for record in self.records()]


class Hlr(Program):
    """lab/hlr.py for hostapd; `imsi`: one, or several with commas between them."""

    def __init__(self, lab, host, imsi, key, opc):
        super().__init__(lab, host, "hlr")
        self.socket = lab.path("hlr.socket")
        self.words = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "hlr.py"), self.socket, imsi, key, opc]

    def start(self):
        """Starts it and waits until it serves."""
        self._launch(self.words, {})
        return self

    def _answers(self):
        return "ready" in self.log()


class Hostapd(Program):
    """hostapd as a RADIUS server. `users`: lines of its eap_user_file."""

    def __init__(self, lab, host, users, more=""):
        super().__init__(lab, host, "hostapd")
        self.folder = lab.path(self.name)
        os.makedirs(self.folder, exist_ok=True)
        self.certs = os.path.join(self.folder, "certs")
        certificates(self.certs)
        for name, text in (("users", users), ("clients", f"0.0.0.0/0 {SECRET}\n"),
                           ("hostapd.conf", HOSTAPD.format(dir=self.folder, certs=self.certs, more=more))):
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
                file.write(text)

    def start(self):
        """Starts it and waits until it serves."""
        self._launch(["hostapd", "-dd", os.path.join(self.folder, "hostapd.conf")], {})
        return self

    def _answers(self):
        return "AP-ENABLED" in self.log()

    def requests(self):
        """Access-Requests that came."""
        return self.log().count("RADIUS message: code=1 (Access-Request)")

    def accounts(self):
        """The Acct-Status-Type of each accounting request of a session, in order."""
        values = re.findall(r"Acct-Status-Type\) length=6\s+Value: (\d)", self.log())
        return [SESSION[int(value) - 1] for value in values if int(value) <= len(SESSION)]
