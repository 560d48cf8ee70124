# SPDX-License-Identifier: Apache-2.0
"""ikatd with strongSwan, in both roles."""
import pytest

from lab.capture import CREATE_CHILD_SA, INFORMATIONAL, Capture, exchanges
from lab.flow import Flow
from lab.net import address
from lab.run import Failed, run, wait
from lab.settings import end_user, gateway, paths

KINDS = ("ikatd-strongswan", "strongswan-ikatd")


def pair(world, kinds, conn=None, child=None, family=4, charon=None, **lab_options):
    """A lab with the two kinds of daemons as End User and Gateway."""
    lab = world.lab(**lab_options)
    ends = []
    for kind, host, settings in zip(kinds.split("-")[::-1], ("gw", "eu"), (gateway, end_user)):
        config = settings(conn, child, family)
        ends.append(world.ikatd(lab, host, config) if kind == "ikatd" else world.strongswan(lab, host, config, charon))
    return lab, ends[1], ends[0]


def up(lab, eu, gw, family=4):
    """Brings the VPN up and sends something through it."""
    answer = eu.initiate("net")
    assert answer["success"] == "yes", answer
    wait(lambda: len(eu.children()) == len(gw.children()) == 1, "one Child SA at both ends")
    ping(lab, family)


def ping(lab, family=4):
    """One packet each way."""
    lab.run("eu", "ping", "-c1", "-W5", address("lan", "host", family))


@pytest.mark.parametrize("nat", ((), ("wlan",)), ids=("plain", "nat"))
@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("kinds", KINDS)
def test_login(world, kinds, family, nat):
    lab, eu, gw = pair(world, kinds, family=family, nat=nat)
    up(lab, eu, gw, family)
    for mine, theirs in ((eu, gw), (gw, eu)):
        assert mine.children()[0]["spi-in"] == theirs.children()[0]["spi-out"]
        assert mine.children()[0]["encr-alg"] == "AES_GCM_16" and int(mine.children()[0]["packets-in"]) >= 1
        assert mine.children()[0]["local-ts"] == theirs.children()[0]["remote-ts"]


@pytest.mark.parametrize("family", (4, 6))
def test_the_tunnel_leads_to_the_peers_own_address(world, family):
    """No inner addresses: the VPN's own packets do not go into it, nor do IKE's responses.

    strongSwan's userspace ESP always pretends to be behind a NAT, so `dynamic` is no address here (T3): the Gateway
    names it.
    """
    lab, no_inner = world.lab(), {"vips": None, "pools": None}
    gw = world.ikatd(lab, "gw", gateway(no_inner, {"remote_ts": address("wlan", "eu", family)}, family))
    eu = world.strongswan(lab, "eu", end_user(no_inner, None, family), None)
    up(lab, eu, gw, family)
    assert gw.children()[0]["remote-ts"] == [address("wlan", "eu", family) + ("/32" if family == 4 else "/128")]
    assert gw.request("rekey", child="net")["success"] == "yes"
    wait(lambda: rekeyed(eu, gw), "a rekeyed Child SA")
    ping(lab, family)


PROPOSALS = (("aes128-sha256-x25519", "aes128-sha256"), ("aes256-sha384-ecp384", "aes256gcm16-ecp384"),
             ("aes256gcm16-prfsha384-ecp256", "aes256-sha512"), ("aes256-sha512-modp3072", "aes128gcm16-x25519"),
             ("aes192-sha256-modp2048", "aes192gcm16"), ("aes192gcm16-prfsha256-x25519", "aes192-sha256"),
             ("default", "default"))


@pytest.mark.parametrize("ikat", ("eu", "gw"))
def test_legacy(world, ikat):
    """SHA-1 and modp1536, for an old peer: where the connection says so, and with a warning."""
    weak = {"proposals": "aes128-sha1-modp1536"}, {"esp_proposals": "aes128-sha1-modp1536"}
    lab, ends = world.lab(), {}
    for host, settings in (("gw", gateway), ("eu", end_user)):
        if host == ikat:
            ends[host] = world.ikatd(lab, host, settings(weak[0] | {"legacy": "yes"}, weak[1]))
        else:
            ends[host] = world.strongswan(lab, host, settings(*weak), None)
    assert "sha1 and modp1536 are weak" in ends[ikat].log()
    up(lab, ends["eu"], ends["gw"])
    sa, = ends[ikat].established()
    assert (sa["integ-alg"], sa["prf-alg"], sa["dh-group"]) == ("HMAC_SHA1_96", "PRF_HMAC_SHA1", "MODP_1536"), sa
    assert ends[ikat].request("rekey", child="net")["success"] == "yes"
    wait(lambda: rekeyed(ends["eu"], ends["gw"]), "a rekeyed Child SA")
    assert ends[ikat].children()[0]["dh-group"] == "MODP_1536"
    ping(lab)


@pytest.mark.parametrize("ike,esp", PROPOSALS, ids=[ike for ike, _ in PROPOSALS])
@pytest.mark.parametrize("kinds", KINDS)
def test_algorithms(world, kinds, ike, esp):
    lab, eu, gw = pair(world, kinds, {"proposals": ike}, {"esp_proposals": esp})
    up(lab, eu, gw)
    assert gw.request("rekey", child="net")["success"] == "yes"
    wait(lambda: rekeyed(eu, gw), "a rekeyed Child SA, with its own key exchange where configured")
    ping(lab)


def rekeyed(eu, gw):
    """Whether both ends have one Child SA that is not the first."""
    mine, theirs = eu.children(), gw.children()
    return len(mine) == len(theirs) == 1 and mine[0]["spi-in"] == theirs[0]["spi-out"] and mine[0]["uniqueid"] != "1"


@pytest.mark.parametrize("by", ("eu", "gw"))
@pytest.mark.parametrize("what", ("child", "ike"))
@pytest.mark.parametrize("kinds", KINDS)
def test_rekey(world, kinds, what, by):
    lab, eu, gw = pair(world, kinds)
    up(lab, eu, gw)
    flow = Flow(lab, "eu", "host", address("lan", "host"), 5)
    before = ((eu.established()[0]["initiator-spi"], eu.children()[0]["spi-in"]))
    end = eu if by == "eu" else gw
    assert end.request("rekey", **({"child": "net"} if what == "child" else {"ike": end.sas()[0][0]}))["success"] == "yes"

    def settled():
        mine, theirs = eu.established(), gw.established()
        if len(mine) != 1 or len(theirs) != 1 or len(eu.sas()) != 1 or len(gw.sas()) != 1:
            return False
        if len(eu.children()) != 1 or len(gw.children()) != 1 or eu.children()[0]["spi-in"] != gw.children()[0]["spi-out"]:
            return False
        return (mine[0]["initiator-spi"] != before[0]) if what == "ike" else (eu.children()[0]["spi-in"] != before[1])
    wait(settled, lambda: f"the rekey ends; {eu.sas()}; {gw.sas()}")
    flow.wait_alive()
    report = flow.stop()
    assert report["gap_ms"] < 500, report
    assert eu.children()[0]["reqid"] == gw.children()[0]["reqid"] == "1"


@pytest.mark.parametrize("kinds", KINDS)
def test_several_rekeys_in_a_row_keep_the_vpn(world, kinds):
    lab, eu, gw = pair(world, kinds)
    up(lab, eu, gw)
    for turn in range(6):
        end, name = ((eu, "home"), (gw, "gate"))[turn % 2]
        spis = {sa["initiator-spi"] for sa in eu.established()}
        assert end.request("rekey", ike=name)["success"] == "yes"
        wait(lambda: len(eu.sas()) == len(gw.sas()) == 1 and spis.isdisjoint({sa["initiator-spi"] for sa in eu.established()})
             and len(eu.children()) == len(gw.children()) == 1, f"rekey {turn} ends")
        ping(lab)


@pytest.mark.parametrize("kinds", KINDS)
def test_liveness(world, kinds):
    lab, eu, gw = pair(world, kinds, {"dpd_delay": "1s"})
    up(lab, eu, gw)
    capture = Capture(lab, "gw")
    wait(lambda: probes(capture) >= 2, "liveness checks, answered", 10, 0.5)
    assert len(eu.established()) == len(gw.established()) == 1
    lab.blackhole("wlan")
    lab.blackhole("lte")
    theirs = gw if kinds.startswith("ikatd") else eu
    if theirs is gw:
        wait(lambda: [p["state"] for p in eu.session()["paths"] if p["vpn"]] == ["dead"], lambda: f"ikatd notices: {eu.sessions()}")
    wait(lambda: not theirs.established(), "strongSwan gives up", 40)


def probes(capture):
    """INFORMATIONAL exchanges in a running capture so far."""
    return run("tshark", "-n", "-r", capture.file, "-Y", "isakmp.exchangetype == 37", check=False).count("INFORMATIONAL") // 2


@pytest.mark.parametrize("by", ("eu", "gw"))
@pytest.mark.parametrize("kinds", KINDS)
def test_delete(world, kinds, by):
    lab, eu, gw = pair(world, kinds)
    up(lab, eu, gw)
    end, name = (eu, "home") if by == "eu" else (gw, "gate")
    assert end.request("terminate", ike=name, timeout="10000")["success"] == "yes"
    wait(lambda: not eu.sas() and not gw.sas(), "nothing is left at either end")
    assert "100% packet loss" in lab.run("eu", "ping", "-c1", "-W1", address("lan", "host"), check=False)


def test_strongswan_moves_with_mobike(world):
    lab, eu, gw = pair(world, "strongswan-ikatd")
    up(lab, eu, gw)
    lab.cut("wlan")
    wait(lambda: [sa["remote-host"] for sa in gw.established()] == [address("lte", "eu")], "ikatd follows", 20)
    wait(lambda: "1 received" in lab.run("eu", "ping", "-c1", "-W1", address("lan", "host"), check=False), "traffic goes on")


def test_own_address_with_forced_encapsulation(world):
    """strongSwan pretends to be behind a NAT. Without an inner address it asks for its own one, and gets that alone."""
    _, eu, gw = pair(world, "strongswan-ikatd", {"vips": None, "pools": None})
    assert eu.initiate("net")["success"] == "yes"
    assert [child["remote-ts"] for child in gw.children()] == [[address("wlan", "eu") + "/32"]]


def test_ikatd_moves_with_mobike(world):
    lab = world.lab()
    gw = world.strongswan(lab, "gw", gateway())
    eu = world.ikatd(lab, "eu", end_user(paths(mesh="first", clone="off")))
    up(lab, eu, gw)
    lab.cut("wlan")
    wait(lambda: [sa["remote-host"] for sa in gw.established()] == [address("lte", "eu")], "strongSwan follows", 20)
    wait(lambda: "1 received" in lab.run("eu", "ping", "-c1", "-W1", address("lan", "host"), check=False), "traffic goes on")
    assert eu.session()["logins"] == 1


@pytest.mark.parametrize("kinds", KINDS)
def test_fragmentation(world, kinds):
    lab, eu, gw = pair(world, kinds, {"fragmentation": "yes"}, charon={"fragment_size": "576"})
    capture = Capture(lab, "gw")
    up(lab, eu, gw)
    assert any("IKEV2_FRAGMENTATION_SUPPORTED" in message.notifies for message in capture.dissect())


def test_peer_that_cannot_clone(world):
    """strongSwan knows neither dialect: one VPN, the other path said to be impossible, in words; no second login."""
    lab = world.lab()
    gw = world.strongswan(lab, "gw", gateway())
    eu = world.ikatd(lab, "eu", end_user(paths(mesh="first")))
    capture = Capture(lab, "eu")
    up(lab, eu, gw)
    session = wait(lambda: (s := eu.session()) and any(p.get("last_error") for p in s["paths"]) and s, "a reason is given")
    reasons = " ".join(path.get("last_error") or "" for path in session["paths"])
    assert "clon" in reasons, reasons
    assert session["logins"] == 1 and len(session["ike_sas"]) == 1
    ping(lab)
    asked = [pair for pair in exchanges(capture.dissect(eu.keylog)) if pair[0].exchange == CREATE_CHILD_SA]
    assert not asked, "nobody asks a peer that announced nothing"


def test_plain_rekey_by_a_peer_that_ignores_the_notify(world):
    """The draft as written, blind: strongSwan takes it for a plain rekey; the VPN lives on, on the new IKE SA."""
    lab = world.lab()
    gw = world.strongswan(lab, "gw", gateway())
    eu = world.ikatd(lab, "eu", end_user(paths(mesh="first", keep_old_blind="yes", clone="keep-old")))
    capture = Capture(lab, "eu")
    flow = None
    up(lab, eu, gw)
    flow = Flow(lab, "eu", "host", address("lan", "host"), 5)
    wait(lambda: len(eu.sas()) == len(gw.sas()) == 1 and "1" not in [sa["uniqueid"] for sa in gw.established()],
         lambda: f"the plain rekey ends; {eu.sas()}; {gw.sas()}")
    flow.wait_alive()
    assert flow.stop()["gap_ms"] < 500
    pairs = exchanges(capture.dissect(eu.keylog))
    clones = [p for p in pairs if p[0].has("N(KEEP_OLD_IKE_SA)")]
    assert len(clones) == 1 and "KEEP_OLD_IKE_SA" not in clones[0][1].notifies, "asked once, never again"
    assert [p for p in pairs if p[0].exchange == INFORMATIONAL and p[0].has("D") and p[0].sa == clones[0][0].sa]
    assert any("clon" in (path.get("last_error") or "") for path in eu.session()["paths"])


@pytest.mark.parametrize("kinds", KINDS)
def test_wrong_secret(world, kinds):
    lab, eu, gw = pair(world, kinds)
    wrong = end_user(top={"secrets": {"ike-lab": {"secret": '"something else"'}}})
    eu.settings = wrong
    if kinds.startswith("strongswan"):
        eu.load()
        assert "establishing" in refused(eu)
    else:
        eu.stop()
        eu.start()
        assert "auth" in refused(eu)
    assert not eu.established() and not gw.established()


def refused(end):
    """The words of an initiate that must fail."""
    try:
        answer = end.initiate("net")
    except Failed as error:
        return str(error)
    assert answer["success"] == "no"
    return answer["errmsg"]
