# SPDX-License-Identifier: Apache-2.0
"""The stock swanctl drives ikatd unchanged."""
import datetime
import hashlib
import os
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab.daemons import conf
from lab.net import address
from lab.run import Failed, wait
from lab.settings import end_user, gateway, merge, paths


@pytest.fixture
def ends(world):
    """Two ikatd; the End User's starts empty and gets its configuration from swanctl."""
    lab = world.lab()
    gw = world.ikatd(lab, "gw", gateway())
    eu = world.ikatd(lab, "eu", {})
    eu.file = lab.path("swanctl.conf")
    load(eu, end_user(paths(mesh="first")))
    return lab, eu, gw


def load(eu, settings):
    """swanctl --load-all of settings."""
    with open(eu.file, "w", encoding="utf-8") as file:
        file.write(conf(settings))
    return eu.swanctl("--load-all", "--file", eu.file)


def test_life_of_a_vpn(ends):
    lab, eu, gw = ends
    assert "home" in eu.swanctl("--list-conns") and "net: TUNNEL" in eu.swanctl("--list-conns")
    assert "initiate completed successfully" in eu.swanctl("--initiate", "--child", "net")
    eu.wait_paths(2)
    listed = eu.swanctl("--list-sas")
    assert listed.count("ESTABLISHED") == 2 and listed.count("INSTALLED, TUNNEL") == 2 and "(null)" not in listed
    raw = eu.swanctl("--list-sas", "--raw")
    assert raw.count("list-sa event") == 2 and "clone-of=" in raw and "origin=cloned" in raw
    before = {child["spi-in"] for child in eu.children()}
    assert "rekey completed successfully" in eu.swanctl("--rekey", "--child", "net")
    wait(lambda: len(eu.children()) == 2 and before.isdisjoint({c["spi-in"] for c in eu.children()}), "both are rekeyed")
    lab.run("eu", "ping", "-c1", "-W5", address("lan", "host"))
    assert "terminate completed successfully" in eu.swanctl("--terminate", "--ike", "home")
    wait(lambda: not eu.sas() and not gw.sas(), "nothing is left")


def test_reloading(ends):
    _, eu, _ = ends
    changed = merge(end_user(), {"connections": {"second": end_user()["connections"]["home"]}})
    assert "2 connections" in load(eu, changed)
    assert set(eu.request("get-conns")["conns"]) == {"home", "second"}
    assert "unloaded connection" in load(eu, end_user()) or set(eu.request("get-conns")["conns"]) == {"home"}
    assert eu.request("get-shared")["keys"] == ["ike-lab"]


def test_errors_reach_the_user(ends):
    _, eu, _ = ends
    with pytest.raises(Failed) as failure:
        load(eu, merge(end_user(), {"connections": {"home": {"nonsense": "1"}}}))
    assert "nonsense" in str(failure.value)
    with pytest.raises(Failed) as failure:
        eu.swanctl("--initiate", "--child", "nobody")
    assert "nobody" in str(failure.value)
    with pytest.raises(Failed):
        eu.swanctl("--terminate", "--ike", "home")


def test_the_other_commands_answer(ends):
    _, eu, gw = ends
    eu.swanctl("--initiate", "--child", "net")
    assert "ikat" in eu.swanctl("--version", "--daemon").lower()
    assert "uptime" in eu.swanctl("--stats") and "IKE_SAs: " in eu.swanctl("--stats")
    assert "inner" in gw.swanctl("--list-pools", "--leases") and "eu@lab.example" in gw.swanctl("--list-pools", "--leases")
    for command in ("--list-certs", "--list-authorities", "--list-pols"):
        eu.swanctl(command)


def test_the_ike_sa_alone(ends):
    _, eu, gw = ends
    said = eu.swanctl("--initiate", "--ike", "home")
    assert "initiate completed successfully" in said and "IKE_SA home[1] established between" in said, said
    assert not eu.children() and len(eu.established()) >= 1
    said = eu.swanctl("--initiate", "--child", "net")
    assert "CHILD_SA net{1} established with SPIs" in said, said
    wait(lambda: len(gw.children()) == len(gw.established()) >= 1, "each path has its Child SA")
    assert "deleted, between" in eu.swanctl("--terminate", "--ike", "home")
    assert eu.swanctl("--initiate", "--ike", "home", "--loglevel", "-1") == "initiate completed successfully\n"


def test_counters(ends):
    _, eu, gw = ends
    eu.swanctl("--initiate", "--child", "net")
    eu.wait_paths(2)
    listed = eu.swanctl("--counters")
    assert "ike-init-out-req" in listed and "create-child-out-req" in listed, listed
    with gw.vici() as vici:
        assert vici.request("get-counters", {"name": "gate"})["counters"]["gate"]["ike-auth-out-resp"] == "1"
    assert "home" in eu.swanctl("--counters", "--all")
    eu.swanctl("--counters", "--all", "--reset")
    with eu.vici() as vici:
        assert set(vici.request("get-counters", {"name": "home"})["counters"]["home"].values()) == {"0"}


def test_the_log(ends):
    _, eu, _ = ends
    with eu.vici() as vici:
        vici.register("log")
        eu.initiate("net")
        lines = []
        while not any("event=child-up" in line["msg"] for line in lines):
            lines.append(vici.event()[1])
        up = next(line for line in lines if "event=sa-up" in line["msg"])
        assert up["group"] == "IKE" and up["level"] == "1" and up["ikesa-name"] == "home" and up["ikesa-uniqueid"] == "1"
        assert next(line for line in lines if "event=control" in line["msg"])["group"] == "CFG"


def test_commands_without_an_object(ends):
    _, eu, _ = ends
    with pytest.raises(Failed) as failure:
        eu.swanctl("--redirect", "--ike", "home", "--gateway", "192.0.2.9")
    assert "no matching SAs to redirect found" in str(failure.value)
    eu.swanctl("--flush-certs")
    eu.swanctl("--reload-settings")
    assert "AES_GCM_16" in eu.swanctl("--list-algs") and "CURVE_25519" in eu.swanctl("--list-algs")


def certificates(folder):
    """Files where swanctl looks for credentials, and a key that is encrypted; returns what must not be logged, and the
    key ID of the key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab")])
    begin = datetime.datetime(2026, 1, 1)
    issued = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1) \
        .not_valid_before(begin).not_valid_after(begin + datetime.timedelta(days=3650)).sign(key, hashes.SHA256())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    secret = key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    files = {"x509/lab.pem": issued.public_bytes(pem), "x509ca/lab.pem": issued.public_bytes(pem),
             "pubkey/lab.pem": key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo),
             "private/lab.pem": secret, "ecdsa/lab.pem": secret, "rsa/lab.pem": secret,
             "pkcs8/lab.pem": key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x"))}
    for path, octets in files.items():
        os.makedirs(os.path.join(folder, os.path.dirname(path)), exist_ok=True)
        with open(os.path.join(folder, path), "wb") as file:
            file.write(octets)
    info = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return secret.decode().splitlines()[1], hashlib.sha1(info).digest()


def load_all(eu, folder, settings):
    """(status, standard output, errors) of swanctl --load-all with a folder of credentials."""
    file = os.path.join(folder, "swanctl.conf")
    with open(file, "w", encoding="utf-8") as out:
        out.write(conf(settings))
    done = subprocess.run(["swanctl", "--load-all", "--noprompt", "--file", file, "--uri", "unix://" + eu.socket], timeout=30,
                          env=dict(os.environ, SWANCTL_DIR=folder), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_certificates_beside_the_configuration(world, tmp_path):
    """The credentials of the folders are loaded; swanctl itself leaves an encrypted key out without its password."""
    lab = world.lab()
    world.ikatd(lab, "gw", gateway())
    eu = world.ikatd(lab, "eu", {})
    secret, key_id = certificates(tmp_path)
    status, said, errors = load_all(eu, str(tmp_path), end_user())
    assert status == 0 and "loaded connection 'home'" in said and "loaded ike secret" in said, said + errors
    assert "loaded certificate" in said and "loaded ecdsa key" in said, said + errors
    assert eu.initiate("net")["success"] == "yes"
    assert "CN=lab" in eu.swanctl("--list-certs")
    # a connection that names a certificate is loaded beside the others
    certs = {"certs": {"remote_addrs": "192.0.2.9", "local": {"auth": "pubkey", "certs": "lab.pem"}, "remote": {"auth": "pubkey"}}}
    status, said, errors = load_all(eu, str(tmp_path), merge(end_user(), {"connections": certs}))
    assert status == 0 and "loaded connection 'certs'" in said, said + errors
    status, said, errors = load_all(eu, str(tmp_path), merge(end_user(), {"authorities": {"lab": {"cacert": "lab.pem"}}}))
    assert status == 0 and "loaded authority 'lab'" in said, said + errors
    assert eu.request("get-conns")["conns"] == ["home"] and len(eu.children()) == 1
    # a side without an id has the key ID of its public key
    keys = {"keys": {"remote_addrs": "192.0.2.9", "local": {"auth": "pubkey", "pubkeys": "lab.pem"},
                     "remote": {"auth": "pubkey", "pubkeys": "lab.pem"}}}
    status, said, errors = load_all(eu, str(tmp_path), {"connections": keys})
    assert status == 0 and "loaded connection 'keys'" in said, said + errors
    listed = eu.swanctl("--list-conns")
    assert f"id: {key_id.hex(':')}" in listed and f"id: @#{key_id.hex()}" in listed, listed
    assert secret not in eu.log()


def test_traps_are_listed(ends):
    _, eu, _ = ends
    load(eu, end_user(child={"start_action": "trap", "remote_ts": "10.20.0.0/24[tcp/80]"}))
    listed = eu.swanctl("--list-pols")
    assert "home/net, TUNNEL" in listed and "remote: 10.20.0.0/24[tcp/http]" in listed, listed
    assert "net" not in eu.swanctl("--list-pols", "--drop")


def test_events(ends):
    _, eu, _ = ends
    with eu.vici() as vici:
        vici.register("ike-updown", "child-updown")
        eu.initiate("net")
        names = [vici.event()[0]]
        while names[-1] == "ike-updown" and len(names) < 3:  # the second IKE SA may come before the first Child SA is up
            names.append(vici.event()[0])
        assert names[0] == "ike-updown" and names[-1] == "child-updown"


def test_files_beside_swanctl(world, tmp_path):
    """swanctl unloads nothing of what ikatd has of its files: the tunnels of both stay, and new logins succeed."""
    lab = world.lab()
    gw = world.ikatd(lab, "gw", merge(gateway(), {"pools": {"spare": {"addrs": "10.33.0.0/24"}}}))
    eu = world.ikatd(lab, "eu", end_user())
    assert eu.initiate("net")["success"] == "yes"
    branch = merge(gateway(), {"connections": {"gate": None, "branch": gateway()["connections"]["gate"] | {"pools": "more"}},
                               "pools": {"inner": None, "inner6": None, "more": {"addrs": "10.34.0.0/24"}},
                               "secrets": {"ike-lab": None, "ike-more": {"id": "more@lab.example", "secret": "more of it"}}})
    for _ in range(2):
        status, said, errors = load_all(gw, str(tmp_path), branch)
        assert status == 0 and "loaded connection 'branch'" in said, said + errors
        assert "unloading connection 'gate' failed: 'gate' stays: it is of the files of ikatd" in errors, errors
        assert set(gw.request("get-conns")["conns"]) == {"gate", "branch"}
        assert set(gw.request("get-pools")) == {"inner", "inner6", "spare", "more"}
        assert set(gw.request("get-shared")["keys"]) == {"ike-lab", "ike-more"}
    lab.run("eu", "ping", "-c1", "-W5", address("lan", "host"))
    eu.ikat("down", "home")
    assert eu.initiate("net")["success"] == "yes"
    status, said, errors = load_all(gw, str(tmp_path), {})  # its own ones it unloads
    assert status == 0 and "no connections found, 1 unloaded" in said, said + errors
    assert set(gw.request("get-conns")["conns"]) == {"gate"} and set(gw.request("get-shared")["keys"]) == {"ike-lab"}
    # what swanctl loads under the name of the files is its own
    status, said, errors = load_all(gw, str(tmp_path), {"connections": {"gate": gateway()["connections"]["gate"]}})
    assert status == 0 and not [line for line in errors.splitlines() if "connection" in line], errors
    with gw.vici() as vici:
        assert vici.request("unload-conn", {"name": "gate"})["success"] == "yes"
        gw.load(gateway())
        assert vici.request("unload-conn", {"name": "gate"})["success"] == "no"
