# SPDX-License-Identifier: Apache-2.0
"""Round trips and time until both VPNs carry data, with 50 ms of round-trip time on both paths (link emulator).

The clock begins with the first request of IKE_SA_INIT and ends with the response that brings the second VPN; then TCP
flows go
through each of them, or the figure does not count.
"""
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from lab.capture import IKE_AUTH, IKE_SA_INIT, INFORMATIONAL, Capture, exchanges
from lab.daemons import Ikatd, Strongswan
from lab.net import INTERFACE, Lab, address
from lab.run import Failed, wait
from lab.settings import end_user, gateway, merge, paths
from lab.traffic import iperf

RTT_MS = 50
HOST = address("lan", "host")
SEPARATE = dict(clone="keep-old", combined_auth="no", reduced="off")
FORMS = {
    "clone: separate exchanges": SEPARATE,
    "clone: combined with IKE_AUTH": dict(clone="keep-old", combined_auth="yes", reduced="off"),
    "clone: combined and reduced (B.5)": dict(clone="keep-old", combined_auth="yes", reduced="end-user"),
}


def slow_lab():
    """A lab with the round-trip time on both access networks."""
    lab = Lab(emulate=("wlan", "lte"))
    for emulator in lab.emulators.values():
        emulator.set(delay_us=RTT_MS * 500)
    for interface in INTERFACE.values():  # the routers know each other's link addresses
        lab.run("eu", "ping", "-c1", "-W5", "-I", interface, address("wan0", "gw"))
    return lab


def carries(lab, children_of):
    """Sends eight TCP flows, until each Child SA has had packets in both directions."""
    def both():
        iperf(lab, "eu", "host", HOST, "-P", "8", seconds=1)
        children = children_of()
        return len(children) == 2 and all(int(child["bytes-in"]) and int(child["bytes-out"]) for child in children)
    wait(both, "both VPNs carry data", 20)


def figures(pairs):
    """What the exchanges took: round trips, and milliseconds until either VPN was there."""
    start = min(request.time for request, _ in pairs)
    asked = [(request, response) for request, response in pairs if response is not None]
    logins = [response.time for request, response in asked if request.exchange == IKE_AUTH]
    ends = [response.time for request, response in asked
            if request.exchange not in (IKE_SA_INIT, INFORMATIONAL) or "UPDATE_SA_ADDRESSES" in request.notifies]
    first, last = (min(logins) - start) * 1000, (max(ends) - start) * 1000
    return {"logins": len(logins), "exchanges": len([1 for request, _ in asked if request.time < max(ends)]),
            "round trips": round(last / RTT_MS), "VPN_0, ms": first, "VPN_1, ms": last}


def cloned(changes):
    """One login, and a clone for the second path."""
    with slow_lab() as lab:
        Ikatd(lab, "gw", gateway({"reduced": changes["reduced"]})).start()
        user = Ikatd(lab, "eu", end_user(paths("balance", **changes))).start()
        capture = Capture(lab, "eu")
        user.ikat("up", "home")
        session = user.wait_paths(2)
        if session["logins"] != 1:
            raise Failed(f"{session['logins']} logins")
        messages = capture.dissect(user.keylog)
        carries(lab, user.children)
        return figures(exchanges(messages))


def two_connections(kind):
    """A connection for each interface."""
    both = {}
    for name, link in (("home", "wlan"), ("second", "lte")):
        own = {"local_addrs": address(link, "eu"), "unique": "never"}
        if kind is Ikatd:
            own |= {"clone": "off", "paths": {link: paths()["paths"][link]}, "local_addrs": None}
        both[name] = merge(end_user()["connections"]["home"], own)
    return merge(end_user(), {"connections": both})


def logged_in(kind, at_once):
    """Two full logins, one after the other or at the same time."""
    with slow_lab() as lab:
        # strongSwan asks the host where addresses lead; ikatd binds its sockets to interfaces
        lab.batch("eu", [f"rule add from {address('lte', 'eu')} table 7", "route add default via 10.2.0.1 dev lte0 table 7"])
        gate = kind(lab, "gw", gateway({"unique": "never"})).start()
        user = kind(lab, "eu", two_connections(kind)).start()
        capture = Capture(lab, "eu")
        with ThreadPoolExecutor(2 if at_once else 1) as pool:
            for answer in pool.map(lambda name: user.initiate("net", name), ("home", "second")):
                if answer.get("success") != "yes":
                    raise Failed(f"login: {answer}")
        wait(lambda: len(gate.children()) == 2, "two Child SAs")
        return figures(exchanges(capture.dissect(*([user.keylog] if kind is Ikatd else []))))


def rounds(times):
    """Prints the table: the median of several runs of each."""
    runs = {name: lambda changes=changes: cloned(changes) for name, changes in FORMS.items()}
    for kind, name in ((Ikatd, "ikatd"), (Strongswan, "strongSwan")):
        for at_once in (False, True):
            runs[f"two logins, {name}, {'at once' if at_once else 'in turn'}"] = (
                lambda kind=kind, at_once=at_once: logged_in(kind, at_once))
    found = {name: [] for name in runs}
    for _ in range(times):
        for name, run in runs.items():
            found[name].append(run())
    print(f"\nUntil VPN_0 and VPN_1 are up, {RTT_MS} ms of round-trip time, PSK; median of {times}\n")
    columns = ("logins", "exchanges", "round trips", "VPN_0, ms", "VPN_1, ms")
    middle = {name: {key: median(one[key] for one in all_of) for key in columns} for name, all_of in found.items()}
    base = middle["two logins, ikatd, in turn"]["VPN_1, ms"]
    print(f"{'':36}" + "".join(f"{key:>13}" for key in columns) + f"{'ratio':>8}{'saved':>7}")
    for name, row in middle.items():
        print(f"{name:36}" + "".join(f"{row[key]:13.0f}" for key in columns)
              + f"{row['VPN_1, ms'] / base:8.2f}{2 - row['logins']:7.0f}")
    print("\nratio: VPN_1 against two logins of ikatd, one after the other; saved: logins")
