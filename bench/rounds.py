# SPDX-License-Identifier: Apache-2.0
"""Time until both VPNs carry data, with 50 ms of round-trip time on both paths (link emulator), and what the Gateway
and the AAA server do for it: by one login and a clone, and by two logins.

The clock begins with the first request of IKE_SA_INIT and ends with the response that brings the second VPN; then TCP
flows go
through each of them, or the figure does not count.
"""
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from bench.logins import pids
from lab.capture import IKE_AUTH, IKE_SA_INIT, INFORMATIONAL, Capture, exchanges
from lab.daemons import Ikatd, Strongswan
from lab.logins import KINDS
from lab.net import INTERFACE, Lab, address
from lab.run import Failed, wait
from lab.settings import end_user, gateway, merge, paths
from lab.signatures import Signatures
from lab.traffic import cpu_seconds, iperf

RTT_MS = 50
HOST = address("lan", "host")
REDUCED = dict(clone="keep-old", combined_auth="yes", reduced="end-user")
FORMS = {
    "clone: separate exchanges": dict(clone="keep-old", combined_auth="no", reduced="off"),
    "clone: combined with IKE_AUTH": dict(clone="keep-old", combined_auth="yes", reduced="off"),
    "clone: combined and reduced (B.5)": REDUCED,
}
TIMES = ("logins", "exchanges", "round trips", "VPN_0, ms", "VPN_1, ms")
COSTS = ("logins", "round trips", "VPN_0, ms", "VPN_1, ms", "AAA requests", "signatures", "CPU, ms")


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
    logins = {}  # of each IKE SA the end of its last IKE_AUTH: EAP has several
    for request, response in asked:
        if request.exchange == IKE_AUTH:
            logins[request.sa] = response.time
    ends = [response.time for request, response in asked
            if request.exchange not in (IKE_SA_INIT, INFORMATIONAL) or "UPDATE_SA_ADDRESSES" in request.notifies]
    first, last = (min(logins.values()) - start) * 1000, (max(ends) - start) * 1000
    return {"logins": len(logins), "exchanges": len([1 for request, _ in asked if request.time < max(ends)]),
            "round trips": round(last / RTT_MS), "VPN_0, ms": first, "VPN_1, ms": last}


class Watched:
    """A started Gateway, and what it has done since: processor time, signatures made, Access-Requests."""

    def __init__(self, lab, login, kind, conn):
        self.server = login.server
        self.daemon = kind(lab, "gw", gateway(merge(login.gateway.conn, conn), top=login.gateway.top), files=login.gateway.files)
        self.signatures = Signatures(lab, "gw")
        self.daemon.environment = self.signatures.environment
        self.daemon.start()
        self.cpu = cpu_seconds(pids(self.daemon))

    def costs(self):
        """So far."""
        made = [kind for _, kind in self.signatures.notes()].count("made")
        return {"CPU, ms": (cpu_seconds(pids(self.daemon)) - self.cpu) * 1000, "signatures": made,
                "AAA requests": self.server.requests() if self.server else 0}


def cloned(auth, changes):
    """One login, and a clone for the second path."""
    with slow_lab() as lab:
        login = KINDS[auth](lab)
        gate = Watched(lab, login, Ikatd, {"reduced": changes["reduced"]})
        user = Ikatd(lab, "eu", end_user(merge(paths("balance", **changes), login.user.conn), top=login.user.top),
                     files=login.user.files).start()
        capture = Capture(lab, "eu")
        user.ikat("up", "home")
        session = user.wait_paths(2)
        costs = gate.costs()
        if session["logins"] != 1:
            raise Failed(f"{session['logins']} logins")
        messages = capture.dissect(user.keylog)
        carries(lab, user.children)
        return figures(exchanges(messages)) | costs


def two_connections(kind, login):
    """A connection for each interface; of two users, if there are two."""
    both, users = {}, list(login.users.values())
    for name, link, user in (("home", "wlan", users[0]), ("second", "lte", users[-1])):
        own = {"local_addrs": address(link, "eu"), "unique": "never"}
        if kind is Ikatd:
            own |= {"clone": "off", "paths": {link: paths()["paths"][link]}, "local_addrs": None}
        both[name] = merge(end_user(user)["connections"]["home"], own)
    return merge(end_user(top=login.user.top), {"connections": both})


def logged_in(auth, kind, at_once):
    """Two full logins, one after the other or at the same time."""
    with slow_lab() as lab:
        # strongSwan asks the host where addresses lead; ikatd binds its sockets to interfaces
        lab.batch("eu", [f"rule add from {address('lte', 'eu')} table 7", "route add default via 10.2.0.1 dev lte0 table 7"])
        login = KINDS[auth](lab)
        gate = Watched(lab, login, kind, {"unique": "never"})
        user = kind(lab, "eu", two_connections(kind, login), files=login.user.files).start()
        capture = Capture(lab, "eu")
        with ThreadPoolExecutor(2 if at_once else 1) as pool:
            for answer in pool.map(lambda name: user.initiate("net", name), ("home", "second")):
                if answer.get("success") != "yes":
                    raise Failed(f"login: {answer}")
        wait(lambda: len(gate.daemon.children()) == 2, "two Child SAs")
        costs = gate.costs()
        return figures(exchanges(capture.dissect(*([user.keylog] if kind is Ikatd else [])))) | costs


def in_turns(runs, times):
    """The median of each figure of several runs of each."""
    found = {name: [] for name in runs}
    for _ in range(times):
        for name, run in runs.items():
            found[name].append(run())
    return {name: {key: median(one[key] for one in all_of) for key in all_of[0]} for name, all_of in found.items()}


def table(rows, columns, base):
    """Prints it, with VPN_1 against that of the row that base() names."""
    width = max(len(name) for name in rows) + 1
    print(f"{'':{width}}" + "".join(f"{key:>13}" for key in columns) + f"{'ratio':>8}")
    for name, row in rows.items():
        print(f"{name:{width}}" + "".join(f"{row[key]:13.{int(key == 'CPU, ms')}f}" for key in columns)
              + f"{row['VPN_1, ms'] / rows[base(name)]['VPN_1, ms']:8.2f}")


def forms(times):
    """The forms of a clone beside two logins, by pre-shared key."""
    runs = {name: lambda changes=changes: cloned("psk", changes) for name, changes in FORMS.items()}
    for kind, name in ((Ikatd, "ikatd"), (Strongswan, "strongSwan")):
        for at_once in (False, True):
            runs[f"two logins, {name}, {'at once' if at_once else 'in turn'}"] = (
                lambda kind=kind, at_once=at_once: logged_in("psk", kind, at_once))
    print(f"\nUntil VPN_0 and VPN_1 are up, {RTT_MS} ms of round-trip time, PSK; median of {times}\n")
    table(in_turns(runs, times), TIMES, lambda _: "two logins, ikatd, in turn")
    print("\nratio: VPN_1 against two logins of ikatd, one after the other")


def kinds(times):
    """What each kind of login costs once, with a clone, and twice."""
    runs = {}
    for auth in ("cert", "eap-tls", "eap-mschapv2", "eap-aka"):
        runs |= {f"{auth}: clone": lambda auth=auth: cloned(auth, REDUCED),
                 f"{auth}: two logins in turn": lambda auth=auth: logged_in(auth, Ikatd, False),
                 f"{auth}: two logins at once": lambda auth=auth: logged_in(auth, Ikatd, True)}
    print(f"\nThe same by kind of login (clone: combined and reduced), and what it costs; median of {times}\n")
    table(in_turns(runs, times), COSTS, lambda name: name.split(":")[0] + ": two logins in turn")
    print("\nratio: VPN_1 against two logins in turn; AAA requests: Access-Requests; signatures: that the Gateway makes;\n"
          "CPU: of all processes of the Gateway's ikatd")


def rounds(times):
    """Prints both tables."""
    forms(times)
    kinds(times)
