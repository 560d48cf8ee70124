# SPDX-License-Identifier: Apache-2.0
"""usage: python3 -m lab.demo [--auth cert|psk|eap-tls|eap-mschapv2|eap-aka] [--keep]

Two real ikatd tell the story of figures 4, 5 and 6 of draft-mglt-ipsecme-keep-old-ike-sa, and then log in once more in
full. With EAP there is a real RADIUS server. Every number is measured here and now.
"""
import argparse
import contextlib
import sys

from lab.capture import CREATE_CHILD_SA, IKE_AUTH, IKE_SA_INIT, INFORMATIONAL, Capture, exchanges
from lab.costs import COLUMNS, Costs
from lab.daemons import IKAT, Ikatd
from lab.flow import Flow
from lab.logins import KINDS
from lab.net import INTERFACE, Lab, address
from lab.run import wait
from lab.settings import end_user, gateway, merge, paths
from lab.traffic import iperf

HOST = address("lan", "host")
DELAY_MS = {"wlan": 4, "lte": 12}  # one way
FLOWS = 6
NAMES = {IKE_SA_INIT: "IKE_SA_INIT", IKE_AUTH: "IKE_AUTH", CREATE_CHILD_SA: "CREATE_CHILD_SA", INFORMATIONAL: "INFORMATIONAL"}
NOISE = ("N(16406)", "N(16418)", "N(16431)", "N(IKEV2_FRAGMENTATION_SUPPORTED)", "N(INITIAL_CONTACT)", "V")


def say(text=""):
    """A line of the story, at once."""
    print(text, flush=True)


def indent(text):
    """A block of another program's output."""
    for line in text.rstrip().splitlines():
        say("    " + line)


def need(truth, what):
    """A step's condition."""
    if not truth:
        raise AssertionError(what)


class Story:
    """The demo: each method is a step, and adds its figures to the summary."""

    def __init__(self, lab, auth):
        self.lab, self.auth, self.summary, self.step = lab, auth, [], ""
        self.flows = []
        self.kind = self.gateway = self.user = self.costs = self.capture = None

    def daemons(self):
        """Two ikatd with what the login needs; the End User has one connection with two paths, and one that logs in
        over lte0."""
        gate, user = self.kind.gateway, self.kind.user
        several = paths("balance", mesh="first", clone="keep-old", combined_auth="no", clone_order="create-move", stable_for="1s")
        alone = {"lte": paths()["paths"]["lte"]}
        home = merge(several, user.conn) | {"unique": "never"}
        second = {"connections": {"second": merge(end_user()["connections"]["home"], user.conn)
                                  | {"paths": alone, "clone": "off", "unique": "never"}}}
        self.gateway = Ikatd(self.lab, "gw", gateway(gate.conn | {"unique": "never"}, top=gate.top), files=gate.files)
        self.user = Ikatd(self.lab, "eu", end_user(home, top=merge(user.top, second)), files=user.files)

    def figure(self, what, value):
        """A line of the summary table."""
        self.summary.append((what, str(value)))

    def begin(self, name):
        """The next step."""
        self.step = name
        say(f"\n== {name}")

    def status(self):
        """The table of paths, as a user sees it."""
        indent(self.user.ikat("status"))

    def build(self):
        """Two ikatd in their namespaces."""
        self.begin("The lab: End User with wlan0 and lte0, Gateway, a host behind it")
        for name, delay in DELAY_MS.items():
            self.lab.emulators[name].set(delay_us=delay * 1000)
            say(f"    {INTERFACE[name]:6} {address(name, 'eu'):12} {delay} ms away from the Gateway ({address('wan0', 'gw')})")
        say(f"    host   {HOST:12} behind the Gateway")
        self.kind = KINDS[self.auth](self.lab)
        say(f"    login  {self.kind.title}" + (f", {self.kind.server.name}" if self.kind.server else ""))
        self.daemons()
        self.costs = Costs(self.lab, self.gateway)
        self.gateway.start()
        self.user.start()
        self.capture = Capture(self.lab, "eu")

    def login(self):
        """One login; then VPN_1 without another."""
        self.begin("One login, then a second IKE SA that needs none")
        self.costs.login("login: VPN_0", "clone and move: VPN_1")
        indent(self.user.ikat("up", "home"))
        session = self.user.wait_paths(2)
        pairs = exchanges(self.capture.dissect(self.user.keylog))
        self.tell(pairs)
        need(session["logins"] == 1, f"{session['logins']} logins")
        say()
        self.status()

    def tell(self, pairs):
        """The exchanges up to figure 6, with round-trip times."""
        first = pairs[0][0].sa[0]
        told = {"Figure 4: VPN_0 on Interface_0 (B.1)": [], "Figure 5: a cloned IKE SA and VPN_1, still on Interface_0 (B.2, B.3)": [],
                "Figure 6: VPN_1 moves to Interface_1 (B.4)": []}
        titles = list(told)
        for request, response in pairs:
            if request.exchange in (IKE_SA_INIT, IKE_AUTH):
                told[titles[0]].append((request, response))
            elif request.exchange == CREATE_CHILD_SA:
                told[titles[1]].append((request, response))
            elif request.sa[0] != first and request.payloads:
                told[titles[2]].append((request, response))
        for title, part in told.items():
            need(part, f"no exchange of {title}")
            say(f"  {title}")
            for request, response in part:
                need(response is not None, f"no answer to {request}")
                rtt = (response.time - request.time) * 1000
                shown = [name for name in request.payloads if name not in NOISE]
                say(f"    {request.source[0]:>12}:{request.source[1]:<4} -> {request.target[0]}:{request.target[1]:<4}  "
                    f"{NAMES[request.exchange]:15} {rtt:6.1f} ms  {', '.join(shown)}")
            took = (part[-1][1].time - part[0][0].time) * 1000
            self.figure(title.split(":")[0] + ": exchanges, time", f"{len(part)}, {took:.1f} ms")
        clones = [r for r, a in told[titles[1]] if "KEEP_OLD_IKE_SA" in r.notifies and "KEEP_OLD_IKE_SA" in a.notifies]
        need(len(clones) == 1, f"{len(clones)} clones with KEEP_OLD_IKE_SA in both messages")

    def rekey(self):
        """New keys for all."""
        self.begin("Both IKE SAs and both Child SAs are rekeyed")
        self.costs.step("rekey of both IKE SAs and Child SAs")
        before = self.spis()
        for what in ({"ike": "home"}, {"child": "net"}):
            answer = self.user.request("rekey", **what)
            need(answer["success"] == "yes" and answer["matches"] == "2", f"rekey: {answer}")
            wait(lambda: len(self.user.established()) == 2 == len(self.user.children()), "two VPNs")
        wait(lambda: not before & self.spis(), "new SPIs")
        say(f"    {len(before)} SPIs are new; logins: {self.user.session()['logins']}")

    def spis(self):
        """Of all IKE SAs and Child SAs of the End User."""
        sas = self.user.established()
        return {sa["initiator-spi"] for sa in sas} | {child["spi-in"] for sa in sas for child in sa["child-sas"].values()}

    def octets(self):
        """Octets per path so far, both directions."""
        count = {}
        for sa in self.user.session()["ike_sas"]:
            for child in sa["children"]:
                count[sa["path"]] = count.get(sa["path"], 0) + child["bytes_in"] + child["bytes_out"]
        return count

    def traffic(self):
        """Real traffic over both."""
        self.begin(f"Traffic over both: iperf3 with 8 TCP flows to {HOST}, and {FLOWS} steady UDP flows with an echo")
        before = self.octets()
        end = iperf(self.lab, "eu", "host", HOST, "-P", "8", seconds=3)
        after = self.octets()
        rate = end["sum_received"]["bits_per_second"] / 1e6
        say(f"    {rate:.0f} Mbit/s through both VPNs")
        self.figure("TCP throughput, 8 flows", f"{rate:.0f} Mbit/s")
        for name in DELAY_MS:
            sent = after.get(name, 0) - before.get(name, 0)
            say(f"    {INTERFACE[name]:6} carried {sent / 1e6:.1f} MB")
            self.figure(f"carried by {INTERFACE[name]}", f"{sent / 1e6:.1f} MB")
            need(sent > 100000, f"{name} carried next to nothing")
        self.flows = [Flow(self.lab, "eu", "host", HOST, 2) for _ in range(FLOWS)]

    def gap(self):
        """The longest silence in any of the flows since the last time."""
        return max(flow.report()["gap_ms"] for flow in self.flows)

    def cut(self, name):
        """An interface goes down, and comes back."""
        interface = INTERFACE[name]
        self.begin(f"{interface} is cut, and comes back")
        self.costs.step(f"{interface} cut and back")
        idle = self.gap()
        self.lab.cut(name)
        session = self.user.wait_paths(1)
        silence = max(flow.wait_alive() for flow in self.flows)
        up = [path["name"] for path in session["paths"] if path["state"] == "up"]
        need(up == [other for other in DELAY_MS if other != name], f"up: {up}")
        say(f"    traffic goes on; the longest silence of {FLOWS} flows was {silence:.0f} ms (before the cut: {idle:.0f} ms)")
        self.figure(f"{interface} cut: longest silence of {FLOWS} flows", f"{silence:.0f} ms")
        need(silence < 1000, f"{silence} ms of silence")
        self.status()
        self.lab.restore(name)
        session = self.user.wait_paths(2, timeout=30)
        back = self.gap()
        say(f"    {interface} is back: both VPNs again; longest silence {back:.0f} ms")
        self.figure(f"{interface} back: longest silence", f"{back:.0f} ms")
        self.status()
        need(session["logins"] == 1, f"{session['logins']} logins")

    def second(self):
        """What the clone saves."""
        self.begin("For comparison: a second full login over lte0, beside the session")
        for flow in self.flows:
            flow.stop()
        self.costs.login("second login: another VPN_0", "after it")
        indent(self.user.ikat("up", "second"))
        wait(lambda: len(self.gateway.sessions()) == 2, "two sessions at the Gateway")
        if self.kind.server:
            wait(lambda: self.kind.server.accounts().count("Start") == 2, "two sessions in the accounting")

    def end(self):
        """What the wire says about logins."""
        self.begin("What did each step cost the Gateway and the AAA server?")
        sessions = [self.user.session(name) for name in ("home", "second")]
        rows = self.costs.rows(self.user.keylog)
        width = max(len(row.title) for row in rows)
        say(f"    {'':{width}}" + "".join(f"{name:>17}" for name in COLUMNS.values()))
        for row in rows:
            say(f"    {row.title:{width}}" + "".join(f"{getattr(row, name):17}" for name in COLUMNS))
        logins = [row for row in rows if row.logins]
        say(f"    ikat counts {[session['logins'] for session in sessions]} logins of its two sessions")
        need([session["logins"] for session in sessions] == [1, 1] and len(logins) == 2, "not one login for each session")
        need(not any(getattr(row, name) for row in rows if not row.logins for name in COLUMNS), "a step without login costs something")
        need(self.auth == "psk" or all(row.made for row in logins), "nobody sees the Gateway's signature")
        need(bool(self.kind.server) == all(row.access and row.accounting for row in logins), "the AAA server counts something else")
        self.figure("logins with all this; with a second login", "1; 2")
        for name, title in COLUMNS.items():
            self.figure(f"{title}: login; all other steps; second login",
                        f"{getattr(logins[0], name)}; {sum(getattr(row, name) for row in rows if not row.logins)}; {getattr(logins[1], name)}")

    def table(self):
        """The summary."""
        say("\n== Summary")
        width = max(len(what) for what, _ in self.summary)
        for what, value in self.summary:
            say(f"    {what:{width}}  {value}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--auth", choices=KINDS, default="cert", help="kind of login")
    parser.add_argument("--keep", action="store_true", help="leave the lab running")
    options = parser.parse_args()
    story, status = None, 0
    with contextlib.ExitStack() as stack:
        try:
            lab = stack.enter_context(Lab(emulate=tuple(DELAY_MS)))
            story = Story(lab, options.auth)
            story.build()
            story.login()
            story.rekey()
            story.traffic()
            for name in ("lte", "wlan"):
                story.cut(name)
            story.second()
            story.end()
            story.table()
        except Exception as error:  # whatever went wrong: say in which step
            say(f"\nFAILED: {story.step if story else 'the lab'}: {error}")
            status = 1
        if options.keep and story:
            user = f"ip netns exec {lab.name('eu')}"
            say(f"\nThe lab stays up. Play in it, for example:\n"
                f"    {IKAT} -s {story.user.socket} status\n"
                f"    {user} ping {HOST}\n"
                f"    {user} ip link set lte0 down\n"
                f"    {user} sh -c 'ip link set lte0 up; ip route replace default via 10.2.0.1 dev lte0 metric 200'\n"
                f"    logs and keys: {lab.directory}\n"
                f"Remove it:  {lab.keep()}")
    return status


if __name__ == "__main__":
    sys.exit(main())
