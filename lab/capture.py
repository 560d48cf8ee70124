# SPDX-License-Identifier: Apache-2.0
"""Captures on a host, dissected by tshark, which reads IKE with the keys that ikatd wrote (`ikatd -K`)."""
import os
import signal
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field

from lab.run import Failed, run, wait

IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA, INFORMATIONAL = 34, 35, 36, 37
PAYLOADS = {33: "SA", 34: "KE", 35: "IDi", 36: "IDr", 37: "CERT", 38: "CERTREQ", 39: "AUTH", 40: "Nonce", 41: "N", 42: "D",
            43: "V", 44: "TSi", 45: "TSr", 46: "SK", 47: "CP", 53: "SKF"}
NOTIFIES = {14: "NO_PROPOSAL_CHOSEN", 17: "INVALID_KE_PAYLOAD", 24: "AUTHENTICATION_FAILED", 35: "NO_ADDITIONAL_SAS",
            38: "TS_UNACCEPTABLE", 43: "TEMPORARY_FAILURE", 16384: "INITIAL_CONTACT", 16388: "NAT_DETECTION_SOURCE_IP",
            16389: "NAT_DETECTION_DESTINATION_IP", 16390: "COOKIE", 16393: "REKEY_SA", 16396: "MOBIKE_SUPPORTED",
            16397: "ADDITIONAL_IP4_ADDRESS", 16398: "ADDITIONAL_IP6_ADDRESS", 16399: "NO_ADDITIONAL_ADDRESSES",
            16400: "UPDATE_SA_ADDRESSES", 16401: "COOKIE2", 16430: "IKEV2_FRAGMENTATION_SUPPORTED",
            16432: "CLONE_IKE_SA_SUPPORTED", 16433: "CLONE_IKE_SA", 47791: "KEEP_OLD_IKE_SA"}


@dataclass
class Message:
    """One IKE message as tshark sees it."""
    time: float
    source: tuple
    target: tuple
    interface: int
    exchange: int
    flags: int
    number: int
    spi_i: str
    spi_r: str
    payloads: list = field(default_factory=list)   # names in order; notifies as N(NAME)
    notifies: dict = field(default_factory=dict)   # name -> data as hex
    proposals: list = field(default_factory=list)  # (protocol, SPI as hex) of the SA payloads

    @property
    def response(self):
        """Whether it is a response."""
        return bool(self.flags & 0x20)

    @property
    def sa(self):
        """The IKE SA it belongs to."""
        return (self.spi_i, self.spi_r)

    def has(self, *names):
        """Whether it has each of these payloads."""
        return all(name in self.payloads for name in names)

    def __str__(self):
        return (f"{self.source[0]}:{self.source[1]} -> {self.target[0]}:{self.target[1]} {self.exchange} "
                f"{'resp' if self.response else 'req'} {self.number} {{{', '.join(self.payloads)}}}")


def _number(text):
    return int(text, 16) if text.startswith("0x") else int(text)


def _show(packet, name, default=None):
    found = packet.find(f".//field[@name='{name}']")
    return default if found is None else found.get("show")


def _message(packet):
    isakmp = packet.find("proto[@name='isakmp']")
    if isakmp is None or _show(isakmp, "isakmp.exchangetype") is None:
        return None
    layer = "ipv6" if packet.find("proto[@name='ipv6']") is not None else "ip"
    message = Message(
        time=float(_show(packet, "frame.time_epoch")),
        source=(_show(packet, layer + ".src"), int(_show(packet, "udp.srcport"))),
        target=(_show(packet, layer + ".dst"), int(_show(packet, "udp.dstport"))),
        interface=_number(_show(packet, "sll.ifindex", "0")), exchange=int(_show(isakmp, "isakmp.exchangetype")),
        flags=_number(_show(isakmp, "isakmp.flags")), number=_number(_show(isakmp, "isakmp.messageid")),
        spi_i=_show(isakmp, "isakmp.ispi").replace(":", ""), spi_r=_show(isakmp, "isakmp.rspi").replace(":", ""))
    for part in isakmp.iter("field"):
        name, show = part.get("name"), part.get("show")
        if name == "isakmp.typepayload":
            # the payloads inside of an Encrypted payload come as its children: SK itself is left out
            kind = int(show)
            if kind not in (2, 3, 46) and kind in PAYLOADS and PAYLOADS[kind] != "N":
                message.payloads.append(PAYLOADS[kind])
        elif name == "isakmp.notify.msgtype":
            number = int(show)
            message.payloads.append(f"N({NOTIFIES.get(number, number)})")
            message.notifies[NOTIFIES.get(number, number)] = ""
        elif name == "isakmp.notify.data" or (name or "").startswith("isakmp.notify.data."):
            if message.notifies and name == "isakmp.notify.data":
                message.notifies[list(message.notifies)[-1]] = part.get("value") or ""
        elif name == "isakmp.prop.protoid":
            message.proposals.append((int(show), ""))
        elif name == "isakmp.spi" and message.proposals and not message.proposals[-1][1]:
            message.proposals[-1] = (message.proposals[-1][0], (part.get("value") or ""))
    return message


def dissect(file, *keylogs):
    """The IKE messages of a capture, decrypted with the keys of these files."""
    profile = file + ".wireshark"
    os.makedirs(profile, exist_ok=True)
    with open(os.path.join(profile, "ikev2_decryption_table"), "w", encoding="ascii") as table:
        for line in sorted({line for name in keylogs for line in open(name, encoding="ascii")}):
            table.write(line)
    done = subprocess.run(["tshark", "-n", "-r", file, "-Y", "isakmp", "-T", "pdml"], capture_output=True,
                          env=dict(os.environ, WIRESHARK_CONFIG_DIR=profile), timeout=120, check=False)
    if done.returncode:
        raise Failed(f"tshark: {done.stderr.decode()}")
    messages = [_message(packet) for packet in ET.fromstring(done.stdout).iter("packet")]
    return [message for message in messages if message is not None]


class Capture:
    """tcpdump on all interfaces of a host, from construction until stop()."""

    def __init__(self, lab, host, what="udp port 500 or udp port 4500", interface="any"):
        self.lab, self.file = lab, lab.path(f"{host}-{len(os.listdir(lab.directory))}.pcap")
        errors = self.file + ".err"
        with open(errors, "wb") as out:
            self.process = lab.start(host, "tcpdump", "-i", interface, "-U", "--immediate-mode", "-s", "0", "-Z", "root",
                                     "-w", self.file, what, stderr=out)
        with open(errors, "rb") as out:
            wait(lambda: b"listening on" in out.read(), "tcpdump listens")

    def stop(self):
        """Ends the capture; returns its file."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(10)
        return self.file

    def dissect(self, *keylogs):
        """Ends the capture; returns its IKE messages, decrypted with the keys of these files."""
        return dissect(self.stop(), *keylogs)

    def text(self, display="isakmp"):
        """Ends the capture; returns tshark's lines, for error messages."""
        self.stop()
        return run("tshark", "-n", "-r", self.file, "-Y", display)


def exchanges(messages):
    """Pairs requests with their responses: [(request, response or None)], in the order of the requests."""
    pairs = []
    open_requests = {}
    for message in messages:
        asker = bool(message.flags & 0x08) != message.response
        key = (message.spi_i, asker, message.number, message.exchange)
        if not message.response:
            if key not in open_requests:
                open_requests[key] = len(pairs)
                pairs.append([message, None])
        elif key in open_requests and pairs[open_requests[key]][1] is None:
            pairs[open_requests[key]][1] = message
    return [tuple(pair) for pair in pairs]
