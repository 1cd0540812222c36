"""Certificates: one authority per release, one leaf per process. Makes and reads them; stores nothing.

All replicas share the authority, so none of them can serve a certificate that the others' `caBundle` refuses. The
leaf's key never leaves the process. Both are renewed when two thirds of their life are over.
"""

from __future__ import annotations

import ipaddress
import ssl
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFETIME: Final = timedelta(days=365)
LEAF_LIFETIME: Final = timedelta(days=30)
"""Its key is in memory only, and a new one costs nothing."""
CLOCK_SKEW: Final = timedelta(hours=1)
"""A certificate is valid from this long ago: the API server's clock may be behind ours."""


class BadAuthority(ValueError):
    """The stored authority can't be used."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM. Its repr shows no key."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Pair(...)"

    @property
    def not_after(self) -> datetime:
        """When the certificate ends."""
        return x509.load_pem_x509_certificate(self.certificate).not_valid_after_utc

    @property
    def renew_at(self) -> datetime:
        """When two thirds of its life are over."""
        certificate = x509.load_pem_x509_certificate(self.certificate)
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return begin + (end - begin) * 2 / 3


def new_authority(release: str, now: datetime) -> Pair:
    """A fresh self-signed certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = authority_name(release)
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = (
        _builder(name, name, key.public_key(), now, now + AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
    )
    return _pair(builder.sign(key, hashes.SHA256()), key)


def authority_name(release: str) -> x509.Name:
    """The subject of the release's authorities, by which one is told from a stranger's certificate."""
    return _name(f"{release} webhook CA")


def check_authority(pair: Pair, now: datetime) -> None:
    """Raise BadAuthority, saying what is wrong, unless leaves can be issued with it.

    One that has ended is no problem: it is renewed like any other.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate)
        key = serialization.load_pem_private_key(pair.key, None)
    except (ValueError, TypeError) as error:
        raise BadAuthority("its certificate or key can't be read") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise BadAuthority("its key does not belong to its certificate")
    if now < certificate.not_valid_before_utc:
        raise BadAuthority("its certificate is not valid yet: is this node's clock right?")


def issue(authority: Pair, hosts: Iterable[str], now: datetime) -> Pair:
    """A server certificate for DNS names and IP addresses, valid no longer than the authority."""
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    issuer_key = serialization.load_pem_private_key(authority.key, None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)  # check_authority has seen it
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives = [_alternative(host) for host in dict.fromkeys(hosts)]
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    end = min(now + LEAF_LIFETIME, issuer.not_valid_after_utc)
    builder = (
        _builder(_name("memgraph-ha webhook"), issuer.subject, key.public_key(), now, end)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
    )
    return _pair(builder.sign(issuer_key, hashes.SHA256()), key)


def server_context() -> ssl.SSLContext:
    """A TLS server context without a certificate yet."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def load(context: ssl.SSLContext, leaf: Pair) -> None:
    """Serve with `leaf` from the next handshake on; connections that are open keep what they have.

    The key passes through a file of our own user for a moment: OpenSSL reads only files. Raises BadAuthority if
    certificate and key are no pair.
    """
    with tempfile.TemporaryDirectory(prefix="memgraph-ha-") as folder:  # mode 0700
        file = Path(folder, "leaf.pem")
        file.touch(mode=0o600)
        file.write_bytes(leaf.key + b"\n" + leaf.certificate)
        try:
            context.load_cert_chain(file)
        except ssl.SSLError as error:
            raise BadAuthority(f"its certificate and key can't be used: {error.reason}") from error


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    return Pair(
        certificate.public_bytes(encoding),
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password),
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])  # X.509's own limit


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
