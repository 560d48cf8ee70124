# SPDX-License-Identifier: Apache-2.0
"""Certificates for the lab: made anew in each run by python3-cryptography, which is not the library of ikat."""
import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, ed448, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
ATTRIBUTES = {"C": NameOID.COUNTRY_NAME, "O": NameOID.ORGANIZATION_NAME, "CN": NameOID.COMMON_NAME}


def new_key(kind):
    """A private key: rsa-2048, ecdsa-256, ecdsa-384, ecdsa-521, ed25519, ed448."""
    name, _, bits = kind.partition("-")
    if name == "rsa":
        return rsa.generate_private_key(65537, int(bits))
    if name == "ecdsa":
        return ec.generate_private_key({"256": ec.SECP256R1, "384": ec.SECP384R1, "521": ec.SECP521R1}[bits]())
    return {"ed25519": ed25519.Ed25519PrivateKey, "ed448": ed448.Ed448PrivateKey}[kind].generate()


def name_of(text):
    """"C=CH, O=Lab, CN=gw" as a Name."""
    pairs = [part.split("=", 1) for part in text.split(", ")]
    return x509.Name([x509.NameAttribute(ATTRIBUTES[key], value) for key, value in pairs])


def alternative(text):
    """A subjectAltName by its look."""
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.RFC822Name(text) if "@" in text else x509.DNSName(text)


def pem(thing):
    """PEM of a certificate, CRL or public key."""
    if hasattr(thing, "public_bytes") and hasattr(thing, "curve") or "PublicKey" in type(thing).__name__:
        return thing.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return thing.public_bytes(serialization.Encoding.PEM)


def der(thing):
    """DER of a certificate or CRL."""
    return thing.public_bytes(serialization.Encoding.DER)


def pem_key(key, passphrase=None, form=serialization.PrivateFormat.PKCS8):
    """PEM of a private key."""
    protection = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, protection)


class Authority:
    """A CA with its key and its certificate."""

    def __init__(self, name="C=CH, O=Lab, CN=Lab CA", kind="ecdsa-256", issuer=None, **options):
        self.name, self.key = name_of(name), new_key(kind)
        self.certificate = (issuer or self).issue(name, key=self.key, ca=True, **options)

    def issue(self, name, kind="ecdsa-256", key=None, names=(), ca=False, days=(-1, 30), usages=None, path_length=None,
              extensions=(), key_usage=None, digest=None):
        """A certificate for that name; with a new key unless one is given: then the certificate alone."""
        own = key or new_key(kind)
        build = x509.CertificateBuilder(subject_name=name_of(name), issuer_name=self.name, public_key=own.public_key(),
                                        serial_number=x509.random_serial_number(),
                                        not_valid_before=NOW + days[0] * DAY, not_valid_after=NOW + days[1] * DAY)
        build = build.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
        build = build.add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        build = build.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                                    critical=False)
        if names:
            build = build.add_extension(x509.SubjectAlternativeName([alternative(name) for name in names]), critical=False)
        if ca or key_usage:
            build = build.add_extension(key_usage or x509.KeyUsage(False, False, False, False, False, True, True, False, False),
                                        critical=True)
        if usages:
            build = build.add_extension(x509.ExtendedKeyUsage([getattr(ExtendedKeyUsageOID, usage) for usage in usages]),
                                        critical=False)
        for extension, critical in extensions:
            build = build.add_extension(extension, critical)
        plain = isinstance(self.key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey))
        certificate = build.sign(self.key, None if plain else digest or hashes.SHA256())
        return certificate if key else (certificate, own)

    def revoke(self, *certificates, days=(-1, 30), number=1, fresh=None, base=None):
        """A list of revocations; `fresh`: the URL of its deltas; `base`: it is a delta to the list of that number."""
        build = x509.CertificateRevocationListBuilder(issuer_name=self.name, last_update=NOW + days[0] * DAY,
                                                      next_update=NOW + days[1] * DAY)
        build = build.add_extension(x509.CRLNumber(number), critical=False)
        if fresh:
            build = build.add_extension(x509.FreshestCRL([x509.DistributionPoint(
                [x509.UniformResourceIdentifier(fresh)], None, None, None)]), critical=False)
        if base:
            build = build.add_extension(x509.DeltaCRLIndicator(base), critical=True)
        build = build.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        for certificate in certificates:
            build = build.add_revoked_certificate(x509.RevokedCertificateBuilder(
                serial_number=certificate.serial_number, revocation_date=NOW - DAY).build())
        return build.sign(self.key, hashes.SHA256())
