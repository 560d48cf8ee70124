# SPDX-License-Identifier: Apache-2.0
"""Configurations of the lab's two ends, as nested dicts in swanctl.conf's shape."""
from copy import deepcopy

from lab.net import address

PSK = "the lab's secret"
IDS = {"eu": "eu@lab.example", "gw": "gw.lab.example"}
POOL, POOL6 = "10.30.0.0/24", "fd30::/64"
LAN, LAN6 = "10.20.0.0/24", "fd20::/64"


def merge(base, changes):
    """A copy of nested dicts with changes; None removes a key."""
    out = deepcopy(base)
    for key, value in (changes or {}).items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = merge(out[key], value)
        else:
            out[key] = deepcopy(value)
    return out


def secrets():
    """The shared secret of both ends."""
    return {"ike-lab": {"id-1": IDS["eu"], "id-2": IDS["gw"], "secret": f'"{PSK}"'}}


def end_user(conn=None, child=None, family=4, top=None):
    """The End User: asks for an inner address and reaches the LAN behind the Gateway."""
    base = {"version": "2", "remote_addrs": address("wan0", "gw", family), "vips": "0.0.0.0" if family == 4 else "::",
            "proposals": "aes128gcm16-prfsha256-x25519",
            "local": {"auth": "psk", "id": IDS["eu"]}, "remote": {"auth": "psk", "id": IDS["gw"]},
            "children": {"net": merge({"remote_ts": LAN if family == 4 else LAN6, "esp_proposals": "aes128gcm16"}, child)}}
    return merge({"connections": {"home": merge(base, conn)}, "secrets": secrets()}, top)


def gateway(conn=None, child=None, family=4, top=None):
    """The Gateway: leases inner addresses and gives access to the LAN."""
    base = {"version": "2", "local_addrs": address("wan0", "gw", family), "pools": "inner" if family == 4 else "inner6",
            "proposals": "aes128gcm16-prfsha256-x25519",
            "local": {"auth": "psk", "id": IDS["gw"]}, "remote": {"auth": "psk", "id": IDS["eu"]},
            "children": {"net": merge({"local_ts": LAN if family == 4 else LAN6, "esp_proposals": "aes128gcm16"}, child)}}
    return merge({"connections": {"gate": merge(base, conn)}, "secrets": secrets(),
                  "pools": {"inner": {"addrs": POOL}, "inner6": {"addrs": POOL6}}}, top)


def paths(mode="failover", **conn):
    """Keys of an End User with a path over each interface; balanced ones have the same priority."""
    first, second = ("1", "2") if mode == "failover" else ("1", "1")
    return {"paths": {"wlan": {"interface": "wlan0", "priority": first}, "lte": {"interface": "lte0", "priority": second}},
            "multipath": mode} | conn
