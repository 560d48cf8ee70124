# SPDX-License-Identifier: Apache-2.0
"""A server with RADIUS/TLS (RFC 6614), written from the RFCs: it answers Status-Server, and sends requests of RFC 5176
over the connections that it has accepted, which FreeRADIUS 3.2.1 cannot do.

radsec.py ADDRESS FOLDER: lines on standard input are packets in hexadecimal; what arrives is printed as "packet HEX".
"""
import hashlib
import hmac
import os
import select
import socket
import ssl
import sys

from lab.daemons import Program

SECRET, PORT = b"radsec", 2083
STATUS_SERVER, ACCESS_ACCEPT = 12, 2


def response(request, code):
    """A reply with Message-Authenticator."""
    head = bytes([code, request[1]]) + (38).to_bytes(2, "big")
    attribute = bytes([80, 18])
    mac = hmac.new(SECRET, head + request[4:20] + attribute + bytes(16), hashlib.md5).digest()
    return head + hashlib.md5(head + request[4:20] + attribute + mac + SECRET).digest() + attribute + mac


def request(code, identifier, attributes):
    """A request whose authenticator is a digest (RFC 5176 section 2.3)."""
    head = bytes([code, identifier]) + (20 + len(attributes)).to_bytes(2, "big")
    return head + hashlib.md5(head + bytes(16) + attributes + SECRET).digest() + attributes


class Radsec(Program):
    """The server as a program on a host of the lab; `certs`: a folder of lab.radius.certificates()."""

    def __init__(self, lab, host, address, certs):
        super().__init__(lab, host, "radsec")
        self.words = [sys.executable, "-m", "lab.radsec", address, certs]
        self.pipe = None

    def start(self):
        """Starts it and waits until it serves."""
        out, self.pipe = os.pipe()
        self._launch(self.words, {"PYTHONPATH": os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}, stdin=out)
        os.close(out)
        return self

    def send(self, packet):
        """A packet over its connection."""
        os.write(self.pipe, packet.hex().encode() + b"\n")

    def packets(self):
        """All packets that came."""
        return [bytes.fromhex(line.split()[1]) for line in self.log().splitlines() if line.startswith("packet ")]

    def _answers(self):
        return "ready" in self.log()


def take(stream, buffer):
    """Prints the whole packets, and answers Status-Server; returns what is left."""
    while len(buffer) >= 4 and len(buffer) >= int.from_bytes(buffer[2:4], "big"):
        packet, buffer = buffer[:int.from_bytes(buffer[2:4], "big")], buffer[int.from_bytes(buffer[2:4], "big"):]
        print("packet", packet.hex(), flush=True)
        if packet[0] == STATUS_SERVER:
            stream.sendall(response(packet, ACCESS_ACCEPT))
    return buffer


def serve(stream):
    """One connection, until it ends."""
    buffer = b""
    while True:
        ready, _, _ = select.select([stream, sys.stdin], [], [])
        if sys.stdin in ready:
            for line in os.read(0, 65536).split():  # a line is written at once
                stream.sendall(bytes.fromhex(line.decode()))
        if stream in ready:
            octets = stream.recv(65536)
            while stream.pending():
                octets += stream.recv(65536)
            if not octets:
                return
            buffer = take(stream, buffer + octets)


def main():
    """The server."""
    address, certs = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(certs, "server.pem"), os.path.join(certs, "server.key"))
    context.load_verify_locations(os.path.join(certs, "ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server((address, PORT))
    print("ready", flush=True)
    while True:
        try:
            with context.wrap_socket(listener.accept()[0], server_side=True) as stream:
                serve(stream)
        except OSError as error:
            print("failed", error, flush=True)


if __name__ == "__main__":
    main()
