"""TLS for the page and the signaling: from the operator's files, or self-signed and made at start.

Knows: certificates. Does not know: who listens where. (Media has certificates of its own, in DTLS.)
"""

import datetime
import ipaddress
import ssl
import tempfile
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sfu.config import ConfigError

VALID_DAYS = 365
"""Browsers refuse certificates valid for more than 398 days."""


def from_files(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a server context of PEM files; raises ConfigError if they don't fit."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except OSError as error:  # ssl.SSLError is one too.
        raise ConfigError(
            f"The certificate {certificate} and the key {key} can't be used: "
            f"{error.strerror or error}. Both must be PEM files, the key without a password."
        ) from None
    return context


def self_signed(hosts: Iterable[str]) -> ssl.SSLContext:
    """Return a server context with a new certificate for these host names and addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(key, hosts)
    with tempfile.TemporaryDirectory(prefix="sfu-tls-") as folder:  # Only its owner may look inside.
        path = Path(folder, "both.pem")
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        return from_files(path, path)


def _certificate(key: ec.EllipticCurvePrivateKey, hosts: Iterable[str]) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "aiosfu self-signed")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))  # For clocks that are behind.
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([_name(host) for host in dict.fromkeys(hosts)]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .sign(key, hashes.SHA256())
    )


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host.encode("idna").decode())


def _no_password() -> str:
    """Answer OpenSSL, which would otherwise ask at the terminal."""
    return ""
