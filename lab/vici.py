# SPDX-License-Identifier: Apache-2.0
"""A client of VICI, the control protocol of strongSwan and ikatd: requests, streamed answers, events."""
import socket
import struct

REQUEST, RESPONSE, UNKNOWN, REGISTER, UNREGISTER, CONFIRM, NO_EVENT, EVENT = range(8)


def encode(message):
    """A message of nested dicts, lists and strings, as octets."""
    out = b""
    for key, value in message.items():
        name = bytes([len(key)]) + key.encode()
        if isinstance(value, dict):
            out += b"\1" + name + encode(value) + b"\2"
        elif isinstance(value, list):
            out += b"\4" + name + b"".join(b"\5" + struct.pack(">H", len(v)) + v.encode() for v in value) + b"\6"
        else:
            octets = str(value).encode()
            out += b"\3" + name + struct.pack(">H", len(octets)) + octets
    return out


def decode(octets):
    """The nested dicts of a message. Sections and lists of one name come once, as VICI demands."""
    top = {}
    stack, items, at = [top], None, 0

    def text(width):
        nonlocal at
        length = int.from_bytes(octets[at:at + width], "big")
        at += width + length
        return octets[at - length:at].decode(errors="replace")

    while at < len(octets):
        tag = octets[at]
        at += 1
        if tag == 1:
            stack.append(stack[-1].setdefault(text(1), {}))
        elif tag == 2:
            stack.pop()
        elif tag == 3:
            key = text(1)
            stack[-1][key] = text(2)
        elif tag == 4:
            items = stack[-1].setdefault(text(1), [])
        elif tag == 5:
            items.append(text(2))
        elif tag != 6:
            raise ValueError(f"VICI element {tag}")
    return top


class Vici:
    """One connection; one request at a time."""

    def __init__(self, path, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.events = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _read(self, length):
        octets = b""
        while len(octets) < length:
            piece = self.socket.recv(length - len(octets))
            if not piece:
                raise ConnectionError("the daemon closed the connection")
            octets += piece
        return octets

    def _send(self, kind, name, message=None):
        body = bytes([kind, len(name)]) + name.encode() + encode(message or {})
        self.socket.sendall(struct.pack(">I", len(body)) + body)

    def _next(self):
        body = self._read(struct.unpack(">I", self._read(4))[0])
        if body[0] == EVENT:
            length = body[1]
            self.events.append((body[2:2 + length].decode(), decode(body[2 + length:])))
        return body

    def _answer(self):
        while (body := self._next())[0] == EVENT:
            pass
        return body

    def register(self, *names):
        """Asks for events."""
        for name in names:
            self._send(REGISTER, name)
            if self._answer()[0] != CONFIRM:
                raise KeyError(name)

    def event(self):
        """The next event that was registered for: (name, message)."""
        while not self.events:
            self._next()
        return self.events.pop(0)

    def send(self, name, message=None):
        """A request whose answer nobody waits for."""
        self._send(REQUEST, name, message)

    def answer(self):
        """The answer to the request that was sent last."""
        body = self._answer()
        if body[0] != RESPONSE:
            raise KeyError("the daemon does not know the command")
        return decode(body[1:])

    def request(self, name, message=None):
        """The answer to a request."""
        self.send(name, message)
        return self.answer()

    def stream(self, name, event, message=None):
        """The messages of the events that a request streams."""
        self.register(event)
        self.request(name, message)
        found = [body for kind, body in self.events if kind == event]
        self.events = [(kind, body) for kind, body in self.events if kind != event]
        return found
