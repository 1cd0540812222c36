"""What belongs into `caBundle`, and whether it makes the API server trust us. Pure.

Nothing is taken out before it has ended: as long as some replica may serve a leaf of a former authority, and some API
server may not have heard of the new one, both are there. That rule needs no memory and no word between replicas.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization

from webhook import certs

AUTHORITIES_MAX: Final = 5
"""An authority lives for a year and is renewed after eight months: two at once, and some that people made anew."""


def bundle(ours: Iterable[bytes], live: bytes, release: str, now: datetime) -> bytes:
    """`ours`, and of the live bundle the certificates of this release's authorities that have not ended.

    Sorted, so that all replicas write the same text.
    """
    name = certs.authority_name(release)
    kept = [one for one in read(live) if one.subject == name and one.not_valid_after_utc > now]
    wanted = [one for pem in ours for one in read(pem)]
    newest = sorted(set(kept) - set(wanted), key=_age, reverse=True)[: AUTHORITIES_MAX - len(wanted)]
    chosen = sorted({*wanted, *newest}, key=_age)
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chosen)


def is_trusted(chain: bytes, live: bytes) -> bool:
    """Whether a server that shows `chain` (leaf first) is trusted by who has this bundle."""
    shown = read(chain)
    return bool(shown) and any(_issued(one, authority) for one in shown for authority in read(live))


def read(pem: bytes) -> list[x509.Certificate]:
    """The certificates in it; none if it is no PEM."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        return []


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return certificate == authority
    return True


def _age(certificate: x509.Certificate) -> tuple[datetime, bytes]:
    return certificate.not_valid_before_utc, certificate.fingerprint(hashes.SHA256())
