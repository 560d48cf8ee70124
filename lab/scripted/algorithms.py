# SPDX-License-Identifier: Apache-2.0
"""Key exchanges, pseudorandom functions, and the protection of Encrypted payloads and ESP (RFC 7296, 5282, 4106,
3602, 4868)."""
import hashlib
import hmac
import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MODP2048, ECP256, X25519 = 14, 19, 31
# RFC 3526 section 3
PRIME = int("""
    FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B
    302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE6
    49286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB9ED529077096966D
    670C354E4ABC9804F1746C08CA18217C32905E462E36CE3BE39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718
    3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF""".replace("\n", "").replace(" ", ""), 16)


class KeyExchange:
    """One end of a key exchange: `public` is the KE payload's data, `shared(theirs)` is g^ir."""

    def __init__(self, group):
        self.group = group
        if group == X25519:
            self.key = x25519.X25519PrivateKey.generate()
            self.public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        elif group == ECP256:
            self.key = ec.generate_private_key(ec.SECP256R1())
            self.public = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
        elif group == MODP2048:
            self.key = int.from_bytes(os.urandom(64), "big")
            self.public = pow(2, self.key, PRIME).to_bytes(256, "big")
        else:
            raise ValueError(f"group {group}")

    def shared(self, theirs):
        """The shared secret, as long as its group demands (RFC 7296 section 2.14, RFC 5903 section 7)."""
        if self.group == X25519:
            return self.key.exchange(x25519.X25519PublicKey.from_public_bytes(theirs))
        if self.group == ECP256:
            point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\4" + theirs)
            return self.key.exchange(ec.ECDH(), point)
        return pow(int.from_bytes(theirs, "big"), self.key, PRIME).to_bytes(256, "big")


HASHES = {5: hashlib.sha256, 6: hashlib.sha384, 7: hashlib.sha512}   # PRF transform -> hash
INTEGRITY = {12: (hashlib.sha256, 16), 13: (hashlib.sha384, 24), 14: (hashlib.sha512, 32)}
AES_CBC, AES_GCM_16, CHACHA20 = 12, 20, 28


def prf(kind, key, data):
    """HMAC of a PRF transform."""
    return hmac.new(key, data, HASHES[kind]).digest()


def prf_plus(kind, key, seed, length):
    """RFC 7296 section 2.13."""
    out = block = b""
    count = 1
    while len(out) < length:
        block = prf(kind, key, block + seed + bytes([count]))
        out, count = out + block, count + 1
    return out[:length]


@dataclass(frozen=True)
class Suite:
    """The algorithms of an IKE SA or a Child SA, by their transform IDs; `prf` and `group` only for IKE."""
    encryption: int = AES_GCM_16
    bits: int = 128
    integrity: int = 0
    prf: int = 5
    group: int = X25519

    @property
    def aead(self):
        """Whether encryption and integrity are one."""
        return self.encryption == AES_GCM_16

    @property
    def encryption_length(self):
        """Octets of SK_e: with GCM four of salt at the end (RFC 5282 section 7.1)."""
        return self.bits // 8 + (4 if self.aead else 0)

    @property
    def integrity_length(self):
        """Octets of SK_a."""
        return 0 if self.aead else INTEGRITY[self.integrity][0]().digest_size

    @property
    def iv_length(self):
        """Octets of the IV in the packet."""
        return 8 if self.aead else 16

    @property
    def icv_length(self):
        """Octets of the ICV."""
        return 16 if self.aead else INTEGRITY[self.integrity][1]

    @property
    def block(self):
        """What the encrypted text is a multiple of."""
        return 1 if self.aead else 16

    def encrypt(self, key, header, text, integrity_key=b""):
        """IV, cipher text and ICV of a text that is padded already; `header` is authenticated with it."""
        iv = os.urandom(self.iv_length)
        if self.aead:
            return iv + AESGCM(key[:-4]).encrypt(key[-4:] + iv, text, header)
        cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
        body = iv + cipher.update(text) + cipher.finalize()
        return body + self._mac(integrity_key, header + body)

    def decrypt(self, key, header, body, integrity_key=b""):
        """The text, or None if the ICV is wrong."""
        iv, sealed = body[:self.iv_length], body[self.iv_length:]
        if self.aead:
            try:
                return AESGCM(key[:-4]).decrypt(key[-4:] + iv, sealed, header)
            except InvalidTag:
                return None
        sealed, icv = body[self.iv_length:-self.icv_length], body[-self.icv_length:]
        if self._mac(integrity_key, header + body[:-self.icv_length]) != icv:
            return None
        cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
        return cipher.update(sealed) + cipher.finalize()

    def _mac(self, key, octets):
        digest, length = INTEGRITY[self.integrity]
        return hmac.new(key, octets, digest).digest()[:length]


GCM = Suite()
GCM256 = Suite(bits=256, prf=7)
CBC = Suite(AES_CBC, 128, 12)
CBC256 = Suite(AES_CBC, 256, 14, 7)
