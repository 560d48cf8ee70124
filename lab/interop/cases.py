# SPDX-License-Identifier: Apache-2.0
"""What is tried with every peer, in both of its roles. A case raises what went wrong; it notes facts for docs/interop.md."""
from lab.run import Failed, wait

CASES = {}   # name -> (function, arguments, the peers and roles it is for)
PEERS = ("strongswan",)


def case(*variants, only=PEERS, roles=("gateway", "end-user")):
    """Registers a case, one for each variant: (suffix of its name, keyword arguments). `roles`: the peer's."""
    def register(function):
        for suffix, arguments in variants or (("", {}),):
            name = function.__name__ + ("_" + suffix if suffix else "")
            CASES[name] = (function, arguments, [(peer, role) for peer in only for role in roles])
        return function
    return register


def listed():
    """All (peer, role, name)."""
    return [(peer, role, name) for name, (_, _, where) in CASES.items() for peer, role in where]


@case(("", {}), ("behind_nat", {"nat": True}), ("ipv6", {"family": 6}))
def login(world, **plan):
    """A tunnel by PSK that carries traffic."""
    ikat, _ = world.up(**plan)
    child = ikat.children()[0]
    world.facts["algorithms"] = f"{child['encr-alg']}-{child.get('encr-keysize', '')}"


BOTH_SIDES = (("by_ikat", {"by": "ikat"}), ("by_peer", {"by": "peer"}))


@case(*BOTH_SIDES)
def rekey_child(world, by):
    """A new Child SA takes the place of the old one."""
    ikat, peer = world.up()
    before = ikat.children()[0]["spi-in"]
    rekey(world, by, "child")
    wait(lambda: world.settled() and ikat.children()[0]["spi-in"] != before, lambda: f"a new Child SA; {ikat.sas()}", 15, 0.1)
    world.ping()


@case(*BOTH_SIDES)
def rekey_ike(world, by):
    """A new IKE SA takes the place of the old one, and keeps the Child SA."""
    ikat, peer = world.up()
    before, child = ikat.established()[0]["initiator-spi"], ikat.children()[0]["spi-in"]
    rekey(world, by, "ike")
    wait(lambda: world.settled() and ikat.established()[0]["initiator-spi"] != before,
         lambda: f"a new IKE SA; {ikat.sas()}; {peer.ikes()}", 15, 0.1)
    if ikat.children()[0]["spi-in"] != child:
        raise Failed("the Child SA did not live on")
    world.ping()
    rekey(world, by, "child")
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
    if by == "peer":
        peer.delete("ike")
    else:
        ikat.request("terminate", ike="home" if world.role == "eu" else "gate", timeout="10000")
    wait(lambda: not ikat.sas() and not peer.ikes() and not world.kernel_spis(),
         lambda: f"all is gone; {ikat.sas()}, {peer.ikes()}, {world.kernel_spis()}", 15, 0.1)
    if not world.dead():
        raise Failed("traffic still passes")
