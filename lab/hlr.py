# SPDX-License-Identifier: Apache-2.0
"""An authentication centre for hostapd's eap_sim_db socket: MILENAGE (3GPP TS 35.206), written from the standard.

usage: hlr.py SOCKET IMSI,... K OPC     (K and OPc of all USIMs, hexadecimal)
"""
import os
import socket
import sys

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


def xor(left, right):
    """Of two strings of octets, as long as the shorter one."""
    return bytes(a ^ b for a, b in zip(left, right))


class Usim:
    """K and OPc, and the sequence number that was used last."""

    def __init__(self, key, opc, sqn=32):
        self.key, self.opc, self.sqn = key, opc, sqn

    def _encrypt(self, block):
        encryptor = Cipher(algorithms.AES(self.key), modes.ECB()).encryptor()
        return encryptor.update(block) + encryptor.finalize()

    def _out(self, rand, rotate, constant):
        mixed = xor(self._encrypt(xor(rand, self.opc)), self.opc)
        mixed = mixed[rotate:] + mixed[:rotate]
        return xor(self._encrypt(xor(mixed, bytes(15) + bytes([constant]))), self.opc)

    def _mac(self, rand, sqn, amf):
        inner = xor((sqn + amf) * 2, self.opc)
        return xor(self._encrypt(xor(inner[8:] + inner[:8], self._encrypt(xor(rand, self.opc)))), self.opc)

    def vector(self):
        """RAND, AUTN, IK, CK, RES of the next sequence number."""
        rand, amf = os.urandom(16), b"\x80\x00"
        self.sqn += 32
        sqn = self.sqn.to_bytes(6, "big")
        out2, ck, ik = self._out(rand, 0, 1), self._out(rand, 4, 2), self._out(rand, 8, 4)
        autn = xor(sqn, out2[:6]) + amf + self._mac(rand, sqn, amf)[:8]
        return rand, autn, ik, ck, out2[8:]

    def triplet(self):
        """Kc, SRES, RAND of GSM (3GPP TS 55.205)."""
        rand, _, ik, ck, res = self.vector()
        return xor(xor(ck[:8], ck[8:]), xor(ik[:8], ik[8:])), xor(res[:4], res[4:8]), rand

    def synchronize(self, auts, rand):
        """The USIM's sequence number is ours from now on, if it proves it."""
        sqn = xor(auts[:6], self._out(rand, 12, 8)[:6])
        if self._mac(rand, sqn, b"\0\0")[8:] == auts[6:]:
            self.sqn = int.from_bytes(sqn, "big")


def main():
    path, names, key, opc = sys.argv[1:]
    usims = {imsi: Usim(bytes.fromhex(key), bytes.fromhex(opc)) for imsi in names.split(",")}
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.bind(path)
    print("ready", flush=True)
    while True:
        request, client = server.recvfrom(1000)
        words = request.decode().split()
        imsi = words[1]
        usim = usims.get(imsi)
        print(request.decode(), flush=True)
        if words[0] == "AKA-AUTS" and usim:
            usim.synchronize(bytes.fromhex(words[2]), bytes.fromhex(words[3]))
        elif words[0] == "AKA-REQ-AUTH" and usim:
            server.sendto(f"AKA-RESP-AUTH {imsi} {' '.join(part.hex() for part in usim.vector())}".encode(), client)
        elif words[0] == "SIM-REQ-AUTH" and usim:
            triplets = [":".join(part.hex() for part in usim.triplet()) for _ in range(3)]
            server.sendto(f"SIM-RESP-AUTH {imsi} {' '.join(triplets)}".encode(), client)
        elif words[0] == "AKA-REQ-AUTH":
            server.sendto(f"AKA-RESP-AUTH {imsi} FAILURE".encode(), client)


if __name__ == "__main__":
    main()
