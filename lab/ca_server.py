# SPDX-License-Identifier: Apache-2.0
"""The web server of a CA on a host of the lab: lists of revocations and OCSP answers. Some paths misbehave:

    /NAME         the file NAME of the folder, to GET and to POST
    /slow/...     takes the request, and never answers
    /huge/...     answers without an end
    /loop/...     leads to itself
    /to/URL       leads to that URL
"""
import http.server
import os
import sys

from cryptography import x509
from cryptography.x509 import ocsp
from cryptography.hazmat.primitives import hashes, serialization

from lab.certificates import DAY, NOW, pem, pem_key
from lab.daemons import Program

HOST, PORT, OCSP_PORT = "192.0.2.254", 8080, 8081
WAITS = "waiting for OCSP client connections"


class Handler(http.server.BaseHTTPRequestHandler):
    """One request; the log has a line for each."""

    def answer(self):
        """Reads the request and answers as its path says."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        print(self.command, self.path, len(body), flush=True)
        kind, _, rest = self.path[1:].partition("/")
        if kind == "slow":
            self.rfile.read()  # until the client gives up
        elif kind == "huge":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(bytes(65536))
        elif kind in ("loop", "to"):
            self.send_response(302)
            self.send_header("Location", self.path if kind == "loop" else rest)
            self.end_headers()
        else:
            self.file(kind)

    def file(self, name):
        """The contents of a file."""
        if not os.path.exists(name):
            self.send_error(404)
            return
        with open(name, "rb") as file:
            octets = file.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    do_GET = do_POST = answer

    def log_message(self, format, *words):  # noqa: A002 - the base class names it
        """The line of answer() is enough."""


class CaServer(Program):
    """The server, in the middle of the Internet."""

    def __init__(self, lab, host="core"):
        super().__init__(lab, host, "ca")
        self.folder = lab.path("ca-files")
        os.makedirs(self.folder, exist_ok=True)
        self._launch([sys.executable, os.path.abspath(__file__), str(PORT), self.folder],
                     {"PYTHONPATH": os.path.dirname(os.path.dirname(os.path.abspath(__file__)))})

    def _answers(self):
        return "ready" in self.log()

    def put(self, name, octets):
        """A file that is there at once, whole."""
        path = os.path.join(self.folder, name)
        with open(path + ".new", "wb") as file:
            file.write(octets)
        os.rename(path + ".new", path)

    def asked(self, path):
        """How often a path was asked for."""
        return sum(line.split()[1] == path for line in self.log().splitlines() if line != "ready")


class OcspResponder(Program):
    """`openssl ocsp`: the responder of a CA, which signs by itself or by a delegated certificate."""

    def __init__(self, lab, ca, issued, revoked=(), signer=None, host="core"):
        super().__init__(lab, host, "ocsp")
        self.ca, self.issued, self.revoked, self.starts = ca, issued, set(revoked), 0
        self.signer = signer or (ca.certificate, ca.key)
        self.start()

    def start(self):
        """Writes its files, and starts it."""
        self.starts = self.log().count(WAITS)
        folder = self.lab.path("ocsp-files")
        os.makedirs(folder, exist_ok=True)
        names = {name: os.path.join(folder, name) for name in ("index.txt", "ca.pem", "signer.pem", "key.pem")}
        contents = {"ca.pem": pem(self.ca.certificate), "signer.pem": pem(self.signer[0]), "key.pem": pem_key(self.signer[1]),
                    "index.txt": "".join(map(self._line, self.issued)).encode()}
        for name, octets in contents.items():
            with open(names[name], "wb") as file:
                file.write(octets)
        self._launch(["openssl", "ocsp", "-port", str(OCSP_PORT), "-index", names["index.txt"], "-CA", names["ca.pem"],
                      "-rsigner", names["signer.pem"], "-rkey", names["key.pem"], "-ignore_err"], {})

    def _line(self, certificate):
        """A line of the index that `openssl ca` keeps."""
        gone = certificate in self.revoked
        when = "" if not gone else (NOW - DAY).strftime("%y%m%d%H%M%SZ")
        end = (NOW + 30 * DAY).strftime("%y%m%d%H%M%SZ")
        serial = f"{certificate.serial_number:X}"
        serial = serial if len(serial) % 2 == 0 else "0" + serial
        return f"{'R' if gone else 'V'}\t{end}\t{when}\t{serial}\tunknown\t/CN={serial}\n"

    def revoke(self, certificate):
        """Revokes it from now on."""
        self.stop()
        self.revoked.add(certificate)
        self.start()

    def _answers(self):
        return self.log().count(WAITS) > self.starts


def ocsp_answer(ca, certificate, signer=None, revoked=False, days=(-0.01, 1), serial_of=None):
    """An OCSP answer without a nonce, as one that was made beforehand or recorded, in DER."""
    signed_by, key = signer or (ca.certificate, ca.key)
    about = serial_of or certificate
    status = ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD
    build = ocsp.OCSPResponseBuilder().add_response(
        cert=about, issuer=ca.certificate, algorithm=hashes.SHA1(), cert_status=status,
        this_update=NOW + days[0] * DAY, next_update=NOW + days[1] * DAY,
        revocation_time=NOW - DAY if revoked else None, revocation_reason=None)
    build = build.responder_id(ocsp.OCSPResponderEncoding.HASH, signed_by)
    if signer:
        build = build.certificates([signed_by])
    return build.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def distribution(url):
    """The extension that names a list of revocations."""
    return x509.CRLDistributionPoints([x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)]), False


def responder(url):
    """The extension that names an OCSP responder."""
    return x509.AuthorityInformationAccess([x509.AccessDescription(
        x509.oid.AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url))]), False


def url(path):
    """Of a file of the server."""
    return f"http://{HOST}:{PORT}/{path}"


OCSP_URL = f"http://{HOST}:{OCSP_PORT}"


def main():
    """The server itself."""
    port, folder = int(sys.argv[1]), sys.argv[2]
    os.chdir(folder)
    server = http.server.ThreadingHTTPServer(("", port), Handler)
    server.daemon_threads = True
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
