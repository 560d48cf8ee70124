# SPDX-License-Identifier: Apache-2.0
"""A certificate that is revoked while its owner is logged in: the session ends on all its paths, and no other does."""
from datetime import datetime, timedelta

import pytest

from lab.ca_server import OCSP_URL, CaServer, OcspResponder, distribution, responder, url
from lab.certificates import DAY, NOW, Authority, der, pem, pem_key
from lab.run import wait
from lab.settings import merge, paths
from test_certificates import Host, refused
from test_session import lines

HOWS = ("reload", "load", "flush", "out-of-date", "ocsp")
OTHER = "C=CH, O=Lab, CN=other"


def list_of(ca, *revoked, seconds=30 * 86400, number=1, begin=-1):
    """A list that ikat takes for valid for so many seconds from now: 300 of them are the skew that it allows."""
    end = datetime.now(NOW.tzinfo) - NOW + timedelta(seconds=seconds - 300)
    return ca.revoke(*revoked, days=(begin, end / DAY), number=number)


class Story:
    """Two ends, two VPNs, and a second login of the same host with another certificate."""

    def __init__(self, world, how, judge):
        self.how, self.judged = how, "eu" if judge == "gw" else "gw"
        self.ca = Authority()
        where = {"ocsp": [responder(OCSP_URL)], "flush": [distribution(url("ca.crl"))],
                 "out-of-date": [distribution(url("ca.crl"))]}.get(how, [])
        eu, gw = (Host(host, self.ca, extensions=where if host == self.judged else ()) for host in ("eu", "gw"))
        self.certificate = (eu if self.judged == "eu" else gw).certificate
        other, key = self.ca.issue(OTHER, names=("other@lab.example",))
        eu.files |= {"x509/other.pem": pem(other), "private/other.pem": pem_key(key)}
        self.ends = {"eu": eu, "gw": gw}
        self.lab = world.lab()
        self.server = CaServer(self.lab)
        world.daemons.append(self.server)
        if how == "ocsp":
            self.responder = OcspResponder(self.lab, self.ca, [eu.certificate, gw.certificate])
        strict = {"revocation": "relaxed" if how in ("reload", "load") else "ifuri"}
        theirs = {host: strict if host == judge else {} for host in ("eu", "gw")}
        home = eu.settings({}, theirs["eu"], **paths("balance", mesh="first", stable_for="1s"))
        work = merge(home["connections"]["home"], {"local": {"certs": "other.pem", "id": "other@lab.example"}, "paths": None,
                                                   "multipath": None, "mesh": None, "stable_for": None,
                                                   "children": {"net": None, "one": {"remote_ts": "10.20.0.99/32",
                                                                                     "esp_proposals": "aes128gcm16"}}})
        home["connections"]["work"] = work
        self.gw = world.ikatd(self.lab, "gw", gw.settings({}, {"id": "%any"} | theirs["gw"]), files=gw.files)
        self.eu = world.ikatd(self.lab, "eu", home, files=eu.files)
        if how in ("flush", "out-of-date"):
            self.server.put("ca.crl", der(list_of(self.ca, seconds=20 if how == "out-of-date" else 86400)))
        self.judge = self.gw if judge == "gw" else self.eu

    def revoke(self):
        """The CA revokes the certificate, and the judge is told in the way of the story."""
        new, end = list_of(self.ca, self.certificate, number=2, begin=-0.5), self.ends[self.judge.host]
        if self.how == "reload":
            self.judge.write_files("etc", self.judge.settings, end.files | {"x509crl/ca.crl": pem(new)})
            self.judge.reload()
        elif self.how == "load":
            assert self.judge.request("load-cert", type="x509crl", data=pem(new).decode())["success"] == "yes"
        elif self.how == "ocsp":
            self.responder.revoke(self.certificate)
        else:
            self.server.put("ca.crl", der(new))
        if self.how in ("flush", "ocsp"):
            self.judge.swanctl("--flush-certs")


@pytest.mark.parametrize("judge", ("gw", "eu"))
@pytest.mark.parametrize("how", HOWS)
def test_revoked_later(world, how, judge):
    """Both IKE SAs end at both ends, the log says why, and the certificate does not come back."""
    story = Story(world, how, judge)
    eu, gw = story.eu, story.gw
    eu.ikat("up", "home")
    eu.wait_paths(2)
    assert eu.initiate("one", ike="work")["success"] == "yes"
    wait(lambda: len(gw.established()) == 3, "three IKE SAs")
    story.revoke()
    whose, name = ("the peer's", "eu") if judge == "gw" else ("the gateway's", "gw")
    story.judge.wait_log("event=session-revoked", timeout=60)
    wait(lambda: len(eu.established()) == (1 if judge == "gw" else 0), "its IKE SAs have ended")
    line = lines(story.judge, "session-revoked")[0]
    assert f"{whose} certificate C=CH, O=Lab, CN={name} was revoked on 20" in line["reason"]
    left = {"gw": ["other@lab.example"], "eu": []}[judge]
    wait(lambda: [sa["remote-id"] for sa in gw.established()] == left, "who was not revoked stays, nobody else")
    refused(eu, (story.judge, "was revoked on 20"))


def test_unloaded_ca(world):
    """A CA that is unloaded, as `swanctl --load-creds --clear` does for a moment, ends no session; its list does."""
    story = Story(world, "load", "gw")
    story.eu.ikat("up", "home")
    story.eu.wait_paths(2)
    assert story.gw.request("clear-creds")["success"] == "yes"
    story.revoke()
    story.gw.wait_log("event=session-revoked")
    wait(lambda: not story.gw.established(), "the session has ended")
