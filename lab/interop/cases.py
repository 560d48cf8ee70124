# SPDX-License-Identifier: Apache-2.0
"""What is tried with every peer, in both of its roles. A case raises what went wrong; it notes facts for
docs/interop.md."""
from lab.capture import CREATE_CHILD_SA, IKE_AUTH, IKE_SA_INIT, INFORMATIONAL
from lab.interop.wire import SKF
from lab.net import address
from lab.run import Failed, wait
from lab.settings import paths

CASES = {}   # name -> (function, arguments, the peers and roles it is for)
PEERS = ("strongswan", "libreswan", "openiked")


MOST = ("strongswan", "libreswan")  # not OpenIKED, which is started anew for each case: that takes seconds in a guest


def case(*variants, only=PEERS, roles=("gateway", "end-user")):
    """Registers a case, one for each variant: (suffix of its name, keyword arguments). `roles`: the peer's."""
    def register(function):
        for suffix, arguments in variants or (("", {}),):
            name = function.__name__ + ("_" + suffix if suffix else "")
            CASES[name] = (function, arguments, [(peer, role) for peer in only for role in roles])
        return function
    return register


# What `make test` takes: rekeys by either end, a peer's Delete, each mode, one algorithm. `make nightly` takes all.
DAILY = ("login", "rekey_child_by_ikat", "rekey_child_by_peer", "rekey_ike_by_ikat", "rekey_ike_by_peer",
         "delete_ike_by_peer", "wrong_secret", "invalid_ke", "move", "clone_unannounced", "kernel_esp_aes128_sha256_esn", "fragments", "own_addresses_narrow", "transport")


def listed(nightly=True):
    """The (peer, role, name) of all cases, or of the daily ones."""
    return [(peer, role, name) for name, (_, _, where) in CASES.items() for peer, role in where if nightly or name in DAILY]


@case(("behind_nat", {"nat": True}), ("ipv6", {"family": 6}), only=MOST)
@case()
def login(world, **plan):
    """A tunnel by PSK that carries traffic."""
    ikat, _ = world.up(**plan)
    child = ikat.children()[0]
    world.facts["algorithms"] = f"{child['encr-alg']}-{child.get('encr-keysize', '')}"


BOTH_SIDES = (("by_ikat", {"by": "ikat"}), ("by_peer", {"by": "peer"}))


@case(*BOTH_SIDES)
def rekey_child(world, by):
    """A new Child SA takes the place of the old one."""
    ikat, _ = world.up(peer=world.peer.due("child") if by == "peer" else {})
    before = ikat.children()[0]["spi-in"]
    rekey(world, by, "child")
    wait(lambda: world.settled() and ikat.children()[0]["spi-in"] != before, lambda: f"a new Child SA; {ikat.sas()}", 15, 0.1)
    world.ping()


@case(*BOTH_SIDES)
def rekey_ike(world, by):
    """A new IKE SA takes the place of the old one, and keeps the Child SA."""
    ikat, peer = world.up(peer=world.peer.due("ike") if by == "peer" else {})
    before, child = ikat.established()[0]["initiator-spi"], ikat.children()[0]["spi-in"]
    rekey(world, by, "ike")
    wait(lambda: world.settled() and ikat.established()[0]["initiator-spi"] != before,
         lambda: f"a new IKE SA; {ikat.sas()}; {peer.ikes()}", 15, 0.1)
    if ikat.children()[0]["spi-in"] != child:
        raise Failed("the Child SA did not live on")
    world.ping()
    rekey(world, "ikat", "child")
    wait(lambda: world.settled() and ikat.children()[0]["spi-in"] != child, "a Child SA rekeyed on the new IKE SA", 15, 0.1)
    world.ping()


def rekey(world, by, what):
    """Asks one end for new keys."""
    if by == "peer":
        world.peer.rekey(what)
        return
    name = "home" if world.role == "eu" else "gate"
    answer = world.ikat.request("rekey", **({"child": "net"} if what == "child" else {"ike": name}))
    if answer["success"] != "yes":
        raise Failed(f"rekey: {answer}")


@case(*BOTH_SIDES)
def delete_ike(world, by):
    """The end of the IKE SA is the end of all, at both ends."""
    ikat, peer = world.up()
    ike, spis = ikat.established()[0]["initiator-spi"], world.kernel_spis()
    if by == "peer":
        peer.delete("ike")
    else:
        ikat.request("terminate", ike="home" if world.role == "eu" else "gate", timeout="10000")
    gone = lambda: ike not in [sa["initiator-spi"] for _, sa in ikat.sas()] and not spis & world.kernel_spis()
    wait(gone, lambda: f"all is gone; {ikat.sas()}, {peer.ikes()}, {world.kernel_spis()}", 15, 0.1)
    if by == "ikat" and peer.revives:
        wait(world.settled, "it logs in again", 15, 0.1)
        world.facts["then"] = "logs in again"
        return
    if ikat.sas() or peer.ikes() or world.kernel_spis() or not world.dead():
        raise Failed(f"something is left: {ikat.sas()}, {peer.ikes()}, {world.kernel_spis()}")
    world.facts["then"] = "stays down"


@case(*BOTH_SIDES, only=MOST)
def delete_child(world, by):
    """The Child SA ends at both ends; what becomes of the IKE SA is the ends' policy."""
    ikat, peer = world.up()
    child, spis = ikat.children()[0]["spi-in"], world.kernel_spis()
    if by == "peer":
        peer.delete("child")
    else:
        ikat.request("terminate", child="net", timeout="10000")
    wait(lambda: child not in [c["spi-in"] for c in ikat.children()] and not spis & world.kernel_spis(),
         lambda: f"the Child SA is gone; {ikat.sas()}, {world.kernel_spis()}", 15, 0.1)


@case(("by_peer", {"by": "peer"}), only=MOST)
@case(("by_ikat", {"by": "ikat"}))
def liveness(world, by):
    """An idle peer is asked whether it is there, and answers. (OpenIKED does not ask an idle one for five minutes,
    only who does not
    answer its ESP.)"""
    # a peer that has just heard an answer to ikatd has nothing to ask: as End User it would probe its path every second
    world.up(**({"ikat": {"dpd_delay": "1s"}} if by == "ikat"
                else {"peer": world.peer.watchful, "ikat": {"probe_interval": "1m", "failover": "1m"}}))
    other = {"ikat": "peer", "peer": "ikat"}[by]

    def answered():
        asked = {(h.spi, h.number) for h in world.headers(INFORMATIONAL, by) if not h.response}
        return len(asked & {(h.spi, h.number) for h in world.headers(INFORMATIONAL, other) if h.response}) >= 2
    wait(answered, lambda: f"two liveness checks are answered: {world.headers(INFORMATIONAL)}", 20, 0.2)
    if not world.settled():
        raise Failed("the VPN did not outlive them")


def refused(world, exchange):
    """Waits until the login was answered and ended; nothing may be established."""
    error = None
    try:
        error = world.login()
    except ValueError as failure:  # the peer's word that it failed
        error = str(failure)
    wait(lambda: [h for h in world.headers(exchange) if h.response], "the login is answered", 15, 0.1)
    if world.role == "eu" and error is None:
        raise Failed("ikatd says that the login succeeded")
    # (in its kernel iked leaves the SPI that it had reserved)
    wait(lambda: not world.ikat.established() and not world.peer.ikes(),
         lambda: f"nothing is up; {world.ikat.sas()}, {world.peer.ikes()}", 15, 0.1)
    return error


@case()
def wrong_secret(world):
    """The two ends have different secrets."""
    world.prepare(peer_secret="something else")
    error = refused(world, IKE_AUTH)
    if world.role == "eu" and "auth" not in error:
        raise Failed(f"ikatd gives another reason: {error}")


@case(only=MOST)
def no_common_proposal(world):
    """No algorithm in common for the IKE SA."""
    world.prepare(ike="aes256gcm16-prfsha384-ecp384", peer_ike="aes128-sha256-ecp256")
    error = refused(world, IKE_SA_INIT)
    if world.role == "eu" and error != "no-proposal":
        raise Failed(f"ikatd gives another reason: {error}")


@case(only=MOST)
def invalid_ke(world):
    """The initiator guesses a group that the responder does not have, and is told the one to take."""
    one = world.peer.ike
    two = one.replace("ecp256", "ecp384-ecp256")
    world.up(**({"ike": two, "peer_ike": one} if world.role == "eu" else {"ike": one, "peer_ike": two}))
    if world.ikat.established()[0]["dh-group"] != "ECP_256":
        raise Failed("another group")
    initiator = "ikat" if world.role == "eu" else "peer"
    if len([h for h in world.headers(IKE_SA_INIT, initiator) if not h.response]) < 2:
        raise Failed("the first group was taken")


@case(only=MOST)
def narrowing(world):
    """The End User asks for more than the Gateway gives."""
    wide = "10.0.0.0/8"
    world.up(**({"ikat_child": {"remote_ts": wide}} if world.role == "eu" else {"peer": world.peer.wide(wide)}))
    child = world.ikat.children()[0]
    if child["remote-ts" if world.role == "eu" else "local-ts"] != ["10.20.0.0/24"]:
        raise Failed(f"not narrowed: {child}")


@case(roles=("gateway",))
def move(world):
    """ikatd's interface goes: MOBIKE takes the VPN to the other one. (OpenIKED moves its policies, but by PF_KEY the
    kernel cannot change
    the addresses of an SA: what it has stays at the old ones, until the Child SA is rekeyed, or iked ends.)"""
    ikat, _ = world.up(peer=world.peer.mobile)
    world.lab.cut("wlan")
    try:
        wait(lambda: [sa["local-host"] for sa in ikat.established()] == [address("lte", "eu")], "ikatd moves", 15, 0.1)
        source = ("-I", world.address)
        if not world.peer.moves_esp:
            wait(lambda: f"tmpl src {address('lte', 'eu')}" in world.lab.run("gw", "ip", "xfrm", "policy"), "its policies move", 5, 0.1)
            if address("lte", "eu") in world.lab.run("gw", "ip", "xfrm", "state"):
                raise Failed("its SAs have moved as well: there is no need for a rekey any more")
            rekey(world, "ikat", "child")
            world.facts["then"] = "after a rekey"
        wait(lambda: "bytes from" in world.lab.run("eu", "ping", "-c1", "-W1", *source, address("lan", "host"), check=False),
             lambda: f"traffic goes on; {ikat.sas()}", 15, 0.1)
        if len(ikat.established()) != 1 or ikat.session()["logins"] != 1 or (world.peer.moves_esp and not world.settled()):
            raise Failed("the VPN is another one")
    finally:
        world.lab.restore("wlan")


@case(roles=("gateway",))
def clone_unannounced(world):
    """N(KEEP_OLD_IKE_SA) to a peer that did not announce that it knows it: a rekey for it, and the VPN goes on."""
    ikat, peer = world.prepare(ikat=paths(mesh="first", keep_old_blind="yes", clone="keep-old"), peer=world.peer.mobile)
    error = world.login()
    if error is not None:
        raise Failed(error)
    wait(lambda: [h for h in world.headers(CREATE_CHILD_SA, "peer") if h.response], "the clone is answered", 15, 0.1)
    wait(lambda: world.settled() and ikat.established()[0].get("clone-of", "0") != "0",
         lambda: f"one VPN on the new IKE SA; {ikat.sas()}; {peer.ikes()}; {world.kernel_spis()}", 20, 0.1)
    world.ping()
    if ikat.session()["logins"] != 1:
        raise Failed("it logged in twice")


ESP = ("aes256gcm16-esn", "chacha20poly1305-noesn", "aes128-sha256-esn", "aes256-sha384", "aes256-sha512-ecp384")


@case(*((esp.replace("-", "_"), {"esp": esp}) for esp in ESP), only=("strongswan",), roles=("gateway",))
def kernel_esp(world, esp):
    """An algorithm of the data plane against the kernel's; after a rekey, too."""
    ikat, _ = world.up(esp=esp)
    before = ikat.children()[0]
    if ("esn" in esp.split("-")) != (before.get("esn") == "1"):
        raise Failed(f"extended sequence numbers: {before}")
    for size in (1, 15, 16, 17, 1300):
        world.ping(size)
    rekey(world, "ikat", "child")
    wait(lambda: world.settled() and ikat.children()[0]["spi-in"] != before["spi-in"], "a rekeyed Child SA", 15, 0.1)
    world.ping()


@case(only=("strongswan",))
def fragments(world):
    """IKE_AUTH does not fit into a datagram, on either side: RFC 7383."""
    nets = ", ".join(["fd20::/64"] + [f"fd20:{n}::/64" for n in range(1, 16)])
    inner = ", ".join(["dynamic"] + [f"fd31:{n}::/64" for n in range(1, 16)])
    mine, theirs = ("local_ts", "remote_ts") if world.role == "eu" else ("remote_ts", "local_ts")
    world.prepare(family=6, ikat_child={mine: inner, theirs: nets}, peer={"child": {mine: nets, theirs: inner}})
    error = world.login()
    if error is not None:
        raise Failed(error)
    world.settle("one VPN")
    world.address = world.inner()
    world.ping()
    for end in ("ikat", "peer"):
        if len([h for h in world.headers(IKE_AUTH, end) if h.first_payload == SKF]) < 2:
            raise Failed(f"no fragments from {end}: {world.headers(IKE_AUTH)}")


@case(only=("strongswan",))
def childless(world):
    """RFC 6023: an IKE SA first, its Child SA in an exchange of its own."""
    world.up(ikat={"childless": "force"}, peer={"childless": "force"})
    if not [h for h in world.headers(CREATE_CHILD_SA) if h.response]:
        raise Failed("the Child SA came with the login")


@case(("narrow", {"limit": "[icmp]"}), ("wide", {"limit": ""}), only=("strongswan",))
def own_addresses(world, limit):
    """No inner address: the End User's own address inside the tunnel, which leads to that very address."""
    here, there = ("local_ts", "remote_ts") if world.role == "eu" else ("remote_ts", "local_ts")
    lan = "10.20.0.0/24" + limit
    ikat, _ = world.up(ikat={"vips": None, "pools": None}, ikat_child={here: "dynamic" + limit, there: lan},
                       peer={"vips": None, "pools": None, "child": {there: "dynamic" + limit, here: lan}})
    child = ikat.children()[0]
    if child["remote-ts" if world.role == "eu" else "local-ts"] != [lan]:
        raise Failed(f"other selectors: {child}")
    rekey(world, "ikat", "child")
    wait(lambda: world.settled() and ikat.children()[0]["spi-in"] != child["spi-in"], "a rekeyed Child SA", 15, 0.1)
    world.ping()


@case(only=("strongswan",), roles=("gateway",))
def gateway_by_pattern(world):
    """The End User takes any Gateway of a domain, and asks for none by name."""
    ikat, _ = world.up(ikat={"remote": {"id": "*.lab.example"}})
    if ikat.established()[0]["remote-id"] != "gw.lab.example":
        raise Failed(f"another Gateway: {ikat.sas()}")


@case(only=("strongswan",), roles=("end-user",))
def transport_asked(world):
    """The peer asks for transport mode and gets a tunnel between the same addresses (RFC 7296 section 1.3.1)."""
    ikat, peer = world.prepare(ikat={"pools": None}, ikat_child={"local_ts": "dynamic"},
                               peer={"vips": None, "child": {"mode": "transport", "remote_ts": "dynamic"}})
    world.login()
    world.settle("one VPN")
    if [child["mode"] for child in peer.children()] != ["TUNNEL"]:
        raise Failed(f"another mode: {peer.sas()}")
    shown = world.lab.run("eu", "ping", "-c3", "-i0.05", "-W2", address("wan0", "gw"), check=False)
    if " 0% packet loss" not in shown or int(ikat.children()[0]["packets-in"]) < 3:
        raise Failed(f"traffic is lost: {shown}{ikat.sas()}")


@case(("behind_nat", {"nat": True}), only=("strongswan",), roles=("gateway",))
@case(only=("strongswan",))
def transport(world, nat=False):
    """Transport mode between the two hosts; TCP passes, and a rekey stays in the mode. Behind a NAT each end has the
    addresses that it sees (RFC 7296 section 2.23.1). (With ikatd as Gateway the NAT would be its router.)"""
    child = {"mode": "transport", "local_ts": "dynamic", "remote_ts": "dynamic"}
    hosts = {"pools": None, "vips": None, "mobike": "no"}
    ikat, peer = world.prepare(nat=nat, ikat=hosts, ikat_child=child, peer=hosts | {"child": child})
    world.login()
    world.settle("one VPN")
    for _ in range(2):
        if [one["mode"] for one in peer.children()] != ["TRANSPORT"] or [one["mode"] for one in ikat.children()] != ["TRANSPORT"]:
            raise Failed(f"another mode: {peer.sas()} {ikat.sas()}")
        wait(lambda: "1 received" in world.lab.run("eu", "ping", "-c1", "-W1", address("wan0", "gw"), check=False), "a ping")
        octets(world)
        before = ikat.children()[0]["spi-in"]
        rekey(world, "ikat", "child")
        wait(lambda b=before: world.settled() and ikat.children()[0]["spi-in"] != b, "a rekeyed Child SA", 15, 0.1)


def octets(world):
    """TCP from the End User to the Gateway's own address."""
    server = ("import socket\ns = socket.create_server(('', 7777))\nc, _ = s.accept()\nn = 0\nwhile True:\n"
              "    got = len(c.recv(65536))\n    n += got\n    if not got:\n        break\nprint(n)")
    listening = world.lab.start("gw", "python3", "-c", server, stdout=-1)
    wait(lambda: ":7777" in world.lab.run("gw", "ss", "-ltn"), "it listens")
    world.lab.run("eu", "python3", "-c", "import socket\nc = socket.create_connection("
                  f"('{address('wan0', 'gw')}', 7777), 10)\nc.sendall(bytes(300000))\nc.close()")
    if int(listening.communicate(timeout=20)[0]) != 300000:
        raise Failed("octets are lost")
