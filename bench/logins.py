# SPDX-License-Identifier: Apache-2.0
"""Logins per second of the Gateway's processor by kind of login, the same without the public key operations, and memory
for an IKE SA: several runs of each daemon, in turns.
"""
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median

from lab.daemons import PLUGINS, Ikatd, Strongswan
from lab.logins import AAA, certificate, eap_tls, psk
from lab.net import Lab
from lab.radius import SECRET
from lab.run import run
from lab.settings import end_user, gateway, merge
from lab.signatures import Signatures
from lab.traffic import cpu_seconds, resident_octets

# kind of login: what makes it, and the key of the Gateway's signature as `openssl speed` calls it
LOGINS = {"PSK": (psk, None), "RSA-2048": (partial(certificate, key="rsa-2048"), "rsa 2048"),
          "ECDSA P-256": (partial(certificate, key="ecdsa-256"), "nistp256"),
          "Ed25519": (partial(certificate, key="ed25519"), "Ed25519"), "EAP-TLS": (eap_tls, "nistp256")}
RADIUS = {"load": PLUGINS + " eap-identity eap-radius",
          "plugins": {"eap-radius": {"servers": {"aaa": {"address": AAA, "secret": SECRET}}}}}
WARM = 30  # logins before anything is counted: what is allocated once
AT_ONCE = 3  # more half-open IKE SAs of one address are asked for cookies, or not answered


def pids(daemon):
    """Its processes, or an error: a figure without one of them would be wrong."""
    found = daemon.pids()
    if not found:
        raise RuntimeError("no process")
    return found


def speeds():
    """Seconds of an operation, by `openssl speed`: {name: (sign, verify)}, and of a key exchange with X25519."""
    text = run("openssl", "speed", "-seconds", "1", "rsa2048", "ecdsap256", "ed25519", "ecdhx25519", timeout=120)
    signatures = {name: re.search(re.escape(name) + r".* ([\d.]+) +([\d.]+)$", text, re.MULTILINE).groups()
                  for name in ("rsa 2048", "nistp256", "Ed25519")}
    exchange = re.search(r"X25519.* ([\d.]+)$", text, re.MULTILINE).group(1)
    return {name: (1 / float(sign), 1 / float(verify)) for name, (sign, verify) in signatures.items()}, 1 / float(exchange)


def ends(lab, auth, kind, count):
    """A Gateway of that kind and an ikatd with as many users, c0 and so on, both started; and the Gateway's
    Signatures."""
    login, signatures = LOGINS[auth][0](lab, [f"u{n}@lab.example" for n in range(count)]), Signatures(lab, "gw")
    theirs = kind is Strongswan
    top = merge(login.gateway.top, {"pools": {"inner": {"addrs": "10.32.0.0/16"}}})
    top = merge(top, {"radius": None if theirs else {"aaa": {"accounting": None}}}) if login.server else top
    gate = kind(lab, "gw", gateway(merge(login.gateway.conn, {"unique": "never"}), top=top), files=login.gateway.files,
                **({"charon": RADIUS} if theirs and login.server else {}))
    gate.environment = signatures.environment
    gate.start()
    conns = {f"c{n}": merge(end_user()["connections"]["home"], conn) | {"unique": "never"} for n, conn in enumerate(login.users.values())}
    user = Ikatd(lab, "eu", {**end_user(top=login.user.top), "connections": conns}, files=login.user.files)
    return gate, user.start(), signatures


def one_run(auth, kind, count, speed):
    """Logins per second of the Gateway's processor, what a login costs without public key operations, and memory for an
    IKE SA with one Child SA."""
    with Lab() as lab:
        gate, user, signatures = ends(lab, auth, kind, count + WARM)

        def login(names):
            with user.vici() as vici:
                for name in names:
                    answer = vici.request("initiate", {"ike": name, "child": "net", "timeout": "20000", "loglevel": "0"})
                    if answer.get("success") != "yes":
                        raise RuntimeError(f"login {name}: {answer}")

        def logins(first, end):
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(login, [[f"c{n}" for n in range(first + part, end, AT_ONCE)] for part in range(AT_ONCE)]))
        logins(0, WARM)
        of, before = pids(gate), len(signatures.notes())
        cpu, memory = cpu_seconds(of), resident_octets(of)
        logins(WARM, WARM + count)
        cpu, memory = cpu_seconds(of) - cpu, resident_octets(of) - memory
        if len(gate.established()) != count + WARM:
            raise RuntimeError(f"{len(gate.established())} of {count + WARM} IKE SAs")
        notes = [what for _, what in signatures.notes()[before:]]
        signatures, exchange = speed
        sign, verify = signatures.get(LOGINS[auth][1], (0, 0))
        # a key exchange makes a key and a secret; openssl speed measures the latter
        operations = notes.count("made") * sign + notes.count("verified") * verify + count * 2 * exchange
        return {f"logins per CPU second, {auth}": count / cpu,
                f"us per login without its keys, {auth}": (cpu - operations) / count * 1e6,
                f"KiB per IKE SA, {auth}": memory / 1024 / count}


def logins(kinds, count, times):
    """Prints what the runs gave; returns the median of each figure for each kind of daemon."""
    speed = speeds()
    print("openssl speed, us: " + ", ".join(f"{name} {sign * 1e6:.0f} and {verify * 1e6:.0f}" for name, (sign, verify)
                                            in speed[0].items()) + f", X25519 {speed[1] * 1e6:.0f}")
    print(f"\n{times} runs in turns, {count} logins each, {AT_ONCE} at once\n")
    print(f"{'':44}{'':12}{'least':>10}{'median':>10}{'most':>10}", flush=True)
    middle = {name: {} for name in kinds}
    for auth in LOGINS:
        runs = {name: [] for name in kinds}
        for _ in range(times):
            for name, kind in kinds.items():
                runs[name].append(one_run(auth, kind, count, speed))
        for what in runs[next(iter(kinds))][0]:
            for name in kinds:
                values = sorted(run[what] for run in runs[name])
                middle[name][what] = median(values)
                print(f"{what:44}{name:12}{values[0]:10.1f}{median(values):10.1f}{values[-1]:10.1f}", flush=True)
    print()
    return middle
