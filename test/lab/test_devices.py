# SPDX-License-Identifier: Apache-2.0
"""TUN devices of single children: the same networks on several connections, told apart by marks or by routes."""
from lab.net import address
from lab.run import wait
from lab.settings import IDS, end_user, gateway, merge, secrets

HOST = address("lan", "host")
NET, INNER = "10.99.0.0/24", "10.99.0.1"
OTHER = "other@lab.example"


def ping(lab, host, target, *options):
    """Whether an answer comes."""
    return "1 received" in lab.run(host, "ping", "-c1", "-W1", *options, target, check=False)


def heard(lab, host, what, hooks=("input", "forward")):
    """A counter of what a host forwards or takes; returns a function that reads it."""
    name = f"heard{len(what)}"
    chains = "".join(f"chain {hook} {{ type filter hook {hook} priority 300;\n{what} counter\n}}\n" for hook in hooks)
    lab.run(host, "nft", "-f", "-", input=f"table inet {name} {{\n{chains}}}\n")

    def count():
        words = lab.run(host, "nft", "list", "table", "inet", name).split()
        return sum(int(after) for before, after in zip(words, words[1:]) if before == "packets")
    return count


def is_up(lab, host, device):
    """Whether there is such a device, and it is up."""
    return device in lab.run(host, "ip", "-br", "link", "show", "up").split()


def packets(lab, host, device, way):
    """How many a device has seen: `tx` into the tunnel, `rx` out of it."""
    return int(lab.run(host, "cat", f"/sys/class/net/{device}/statistics/{way}_packets"))


def branch(lab, host, who, child=None):
    """A branch whose network is 10.99.0.0/24, as all of them are."""
    lab.batch(host, [f"addr add {INNER}/32 dev lo"])
    return end_user({"vips": None, "local": {"id": who}}, merge({"local_ts": NET}, child),
                    top={"secrets": {"ike-lab": {"id-3": OTHER}}})


def centre(conn, children):
    """The Gateway has a connection for each branch; `conn`: keys of both, `children`: of each."""
    conns = {}
    for (name, who), child in zip((("one", IDS["eu"]), ("two", OTHER)), children):
        conns[name] = gateway(merge({"pools": None, "remote": {"id": who}}, conn), merge({"remote_ts": NET}, child))["connections"]["gate"]
    return {"connections": conns, "secrets": merge(secrets(), {"ike-lab": {"id-3": OTHER}})}


def start(world, conn, children, **options):
    """Both branches are connected: `eu`, and the router `lte` as the second one."""
    lab = world.lab()
    gw = world.ikatd(lab, "gw", centre(conn, children), **options)
    daemons = []
    for host, who in (("eu", IDS["eu"]), ("lte", OTHER)):
        daemons.append(world.ikatd(lab, host, branch(lab, host, who)))
        assert daemons[-1].initiate("net")["success"] == "yes"
    return lab, gw, daemons


def map_networks(lab):
    """The LAN knows the branches as 10.3.0.10 and 10.3.0.20; the marks say which is which."""
    lab.run("gw", "nft", "-f", "-", input="""
table ip branches {
  chain pre { type filter hook prerouting priority -150;
    iifname "lan0" ip daddr 10.3.0.10 meta mark set 11
    iifname "lan0" ip daddr 10.3.0.20 meta mark set 21
  }
  chain to { type nat hook prerouting priority -100;
    meta mark { 11, 21 } dnat to 10.99.0.1
  }
  chain from { type nat hook postrouting priority 100;
    oifname "lan0" meta mark 10 snat to 10.3.0.10
    oifname "lan0" meta mark 20 snat to 10.3.0.20
  }
}
""")


def test_same_networks_told_apart_by_marks(world):
    """Two branches with one network, as in strongSwan's rw-mark-in-out: both reach the LAN, and are reached."""
    lab, gw, _ = start(world, {}, ({"mark_in": "10", "set_mark_in": "%same", "mark_out": "11"},
                                   {"mark_in": "20/0xffffffff", "mark_out": "21/0xffffffff"}))
    map_networks(lab)
    first, second = heard(lab, "host", "ip saddr 10.3.0.10"), heard(lab, "host", "ip  saddr 10.3.0.20")
    assert ping(lab, "eu", HOST, "-I", INNER) and (first(), second()) == (1, 0)
    assert ping(lab, "lte", HOST, "-I", INNER) and (first(), second()) == (1, 1)
    for host, outside in (("eu", "10.3.0.10"), ("lte", "10.3.0.20")):
        count = heard(lab, host, f"ip daddr {INNER} icmp type echo-request")
        assert ping(lab, "host", outside) and count() == 1
    marks = {child["mark-in"] + child["mark-out"] for child in gw.children()}
    assert marks == {"0000000a0000000b", "0000001400000015"}


def test_marks_of_the_wire_are_none(world):
    """Packets in the clear that claim to come from a branch get no mark: nobody takes them for the branch's. A branch
    cannot send into the other one's network, nor as anybody else."""
    lab, gw, _ = start(world, {}, ({"mark_in": "10", "mark_out": "11"}, {"mark_in": "20", "mark_out": "21"}))
    map_networks(lab)
    mapped, seen = heard(lab, "host", "ip saddr { 10.3.0.10, 10.3.0.20 }"), heard(lab, "host", f"ip saddr {INNER}")
    lab.batch("core", [f"addr add {INNER}/32 dev lo", f"route add {HOST} via 192.0.2.1"])
    ping(lab, "core", HOST, "-I", INNER)
    assert (mapped(), seen()) == (0, 1), "it comes as what it is"
    # through the tunnel, to what is behind the other one: the selectors of its own Child SA say no
    lab.batch("eu", ["addr add 10.98.0.1/32 dev lo", "route add 10.3.0.20/32 dev ikat0"])
    other = heard(lab, "lte", f"ip daddr {INNER} icmp type echo-request")
    assert not ping(lab, "eu", "10.3.0.20", "-I", INNER) and not ping(lab, "eu", HOST, "-I", "10.98.0.1")
    assert other() == 0 and mapped() == 0
    # a mark that no connection has leads to no branch
    ping(lab, "gw", INNER, "-m", "99")
    assert {child["packets-out"] for child in gw.children()} == {"0"}
    assert ping(lab, "gw", INNER, "-I", "10.20.0.1", "-m", "21") and other() == 1


def test_marked_packets_do_not_leave_in_the_clear(world):
    """The session is gone: what has its mark is refused, although the Gateway has a default route."""
    lab, gw, (eu, _) = start(world, {}, ({"mark_out": "11"}, {"mark_out": "21"}))
    clear = heard(lab, "core", f"ip daddr {INNER}")
    assert ping(lab, "gw", INNER, "-I", "10.20.0.1", "-m", "11")
    eu.stop()
    wait(lambda: len(gw.established()) == 1, "the first branch is gone")
    assert not ping(lab, "gw", INNER, "-I", "10.20.0.1", "-m", "11")
    assert ping(lab, "gw", INNER, "-I", "10.20.0.1", "-m", "21") and clear() == 0
    gw.kill()
    wait(lambda: "ikat-" not in lab.run("gw", "ip", "-br", "link"), "its devices are gone")
    assert not ping(lab, "gw", INNER, "-I", "10.20.0.1", "-m", "21") and clear() == 0


def test_devices_and_routes_of_the_administrator(world):
    """A device for each branch and no routes of ours; those who send choose by route. What routing daemons say on a
    link (multicast, link-local addresses) passes."""
    whole = {"local_ts": "0.0.0.0/0, ::/0", "remote_ts": "0.0.0.0/0, ::/0", "install_routes": "no"}
    lab = world.lab()
    conf = centre({}, (whole | {"device": "one0"}, whole | {"device": "two0"}))
    gw = world.ikatd(lab, "gw", conf)
    wait(lambda: is_up(lab, "gw", "two0"), "the devices are there before there is a session")
    for host, who, own in (("eu", IDS["eu"], 1), ("lte", OTHER, 2)):
        daemon = world.ikatd(lab, host, merge(branch(lab, host, who), {"connections": {"home": {"device": "up0", "children": {"net": whole}}}}))
        assert daemon.initiate("net")["success"] == "yes"
        device = ("one0", "two0")[own - 1]
        lab.batch("gw", [f"addr add 10.255.{own}.1 peer 10.255.{own}.2 dev {device}", f"addr add fe80::1/64 dev {device}"])
        lab.batch(host, [f"addr add 10.255.{own}.2 peer 10.255.{own}.1 dev up0", "addr add fe80::2/64 dev up0"])
    for way, own in (("one0", 1), ("two0", 2)):
        assert ping(lab, "gw", f"10.255.{own}.2")
        lab.batch("gw", [f"route replace {INNER}/32 dev {way} src 10.255.{own}.1"])
        host = ("eu", "lte")[own - 1]
        count = heard(lab, host, f"ip daddr {INNER} icmp type echo-request")
        assert ping(lab, "gw", INNER) and count() == 1
        hello = heard(lab, host, 'iifname "up0" ip daddr 224.0.0.5', ["prerouting"])
        lab.run("gw", "ping", "-c1", "-W1", "-I", way, "224.0.0.5", check=False)
        assert hello() == 1, "OSPF"
        hello6 = heard(lab, host, 'iifname "up0" ip6 daddr ff02::5', ["prerouting"])
        lab.run("gw", "ping", "-c1", "-W1", "-I", way, "ff02::5", check=False)
        assert hello6() == 1, "OSPFv3"
        assert ping(lab, "gw", f"fe80::2%{way}")
    assert {child["device"] for child in gw.children()} == {"one0", "two0"}
    # a device goes with the last one that needs it
    gw.ikat("down", "two")
    gw.load(centre({}, (whole | {"device": "one0"}, whole)))
    wait(lambda: not is_up(lab, "gw", "two0"), "the second device went")
    assert is_up(lab, "gw", "one0") and ping(lab, "gw", "10.255.1.2")


UPDOWN = """#!/bin/sh
# the administrator's: routes to the devices of interface ids that are chosen at run time
echo "$PLUTO_VERB in=$PLUTO_IF_ID_IN out=$PLUTO_IF_ID_OUT mark=$PLUTO_MARK_IN dev=$PLUTO_INTERFACE" >> LOG
[ "$PLUTO_VERB" = up-client ] && ip route replace 10.99.0.1/32 dev "$PLUTO_INTERFACE"
exit 0
"""


def test_interface_ids(world, hook):
    """As in strongSwan's net2net-xfrmi: one device for each direction, with fixed and with unique numbers."""
    whole = {"local_ts": "0.0.0.0/0", "remote_ts": "0.0.0.0/0"}
    lab = world.lab()
    log = lab.path("updown.log")
    script = hook(UPDOWN.replace("LOG", log))
    gw = world.ikatd(lab, "gw", centre({"if_id_in": "%unique-dir", "if_id_out": "%unique-dir"}, (whole | {"updown": script}, whole)))
    eu = world.ikatd(lab, "eu", branch(lab, "eu", IDS["eu"], whole | {"if_id_in": "42", "if_id_out": "1337"}))
    wait(lambda: is_up(lab, "eu", "ikat-1337"), "devices of fixed numbers")
    assert eu.initiate("net")["success"] == "yes"
    lab.batch("eu", ["route add 10.20.0.0/24 dev ikat-1337"])
    count = heard(lab, "host", f"ip saddr {INNER}")
    wait(lambda: ping(lab, "eu", HOST, "-I", INNER), "traffic")
    assert count() > 0
    child, = gw.children()
    ids = int(child["if-id-in"], 16), int(child["if-id-out"], 16)
    assert ids[0] != ids[1]
    with open(log, encoding="ascii") as file:
        assert file.readline().strip() == f"up-client in={ids[0]} out={ids[1]} mark= dev=ikat-{ids[1]}"
    assert packets(lab, "eu", "ikat-42", "tx") == packets(lab, "eu", "ikat-1337", "rx") == 0 < packets(lab, "eu", "ikat-42", "rx")
    # a rekey keeps the numbers; the end of the session takes the devices along
    before = child["spi-in"]
    eu.swanctl("--rekey", "--child", "net")
    wait(lambda: [c["spi-in"] for c in gw.children()] not in ([before], []) and len(gw.children()) == 1, "it is rekeyed")
    assert int(gw.children()[0]["if-id-out"], 16) == ids[1] and ping(lab, "eu", HOST, "-I", INNER)
    eu.ikat("down", "home")
    wait(lambda: not is_up(lab, "gw", f"ikat-{ids[1]}"), "the devices went")
    assert is_up(lab, "eu", "ikat-1337")


def trapped(**keys):
    """An End User whose packets wait for a session, with these keys of the child."""
    return end_user({"vips": None}, {"local_ts": "10.98.0.0/24", "remote_ts": NET, "start_action": "trap"} | keys)


def test_reload_gives_a_device_another_mark(world):
    """A trap waits on the device: after the reload it catches packets with the new mark."""
    lab = world.lab()
    eu = world.ikatd(lab, "eu", trapped(device="branch0", mark_out="11"))
    rules = lambda: lab.run("eu", "ip", "rule")
    wait(lambda: "fwmark 0xb" in rules() and is_up(lab, "eu", "branch0"), "the device of the first mark")
    eu.load(trapped(device="branch0", mark_out="12"))
    wait(lambda: "fwmark 0xc" in rules() and "fwmark 0xb" not in rules(), "the device of the second mark")
    table = rules().split("fwmark 0xc lookup ")[1].split()[0]
    wait(lambda: f"{NET} dev branch0" in lab.run("eu", "ip", "route", "show", "table", table), "the trap of the second mark")


def test_reload_leaves_routes_to_the_administrator(world):
    """After a reload to install_routes = no, neither route nor block stays, those of the pool included."""
    lab = world.lab()
    conf = gateway({}, {"remote_ts": NET})
    routes = lambda: lab.run("gw", "ip", "route", "show", "table", "all", "proto", "171")
    ours = lambda: all(f"unreachable {net}" in routes() and f"{net} dev" in routes() for net in (NET, "10.30.0.0/24"))
    gw = world.ikatd(lab, "gw", conf)
    wait(ours, "routes and blocks of the child and of the pool")
    gw.load(merge(conf, {"connections": {"gate": {"install_routes": "no"}}}))
    wait(lambda: not routes().strip(), "none of them is left")
    gw.load(conf)
    wait(ours, "they are back")


def test_unique_ids_are_those_of_no_other(world):
    """%unique counts from 1: an id that another connection names is left out."""
    lab = world.lab()
    gw = world.ikatd(lab, "gw", centre({}, ({"if_id_in": "%unique", "if_id_out": "%unique"}, {"if_id_in": "1", "if_id_out": "1"})))
    eu = world.ikatd(lab, "eu", branch(lab, "eu", IDS["eu"]))
    assert eu.initiate("net")["success"] == "yes"
    assert int(gw.children()[0]["if-id-out"], 16) == 2
