"""The release's certificate authority in its Secret: made by whichever replica comes first, renewed by whichever
notices first. The compare-and-swap of the API server makes it one for all."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from webhook import certs
from webhook.certs import BadAuthority, Pair
from webhook.ports import ApiProblem, CertificateApi, StoredAuthority

TRIES_MAX: Final = 3
"""Each failed one means that another replica was faster, so that the next look finds what it wrote."""


def authority_secret(release: str) -> str:
    """Name of the Secret that holds the authority."""
    return f"{release}-webhook-ca"


async def authority(api: CertificateApi, release: str, now: datetime) -> Pair:
    """The authority to issue with. Raises ApiProblem."""
    secret = authority_secret(release)
    for _ in range(TRIES_MAX):
        stored = await api.read_authority(secret)
        if stored is None:
            fresh = certs.new_authority(release, now)
            if await api.create_authority(secret, fresh):
                return fresh
        elif now < _checked(stored, secret, now).renew_at:
            return stored.pair
        else:
            fresh = certs.new_authority(release, now)
            if await api.replace_authority(secret, fresh, stored.version):
                return fresh
    raise ApiProblem(f"Secret {secret} changed each time it was to be written; the next try comes by itself")


def _checked(stored: StoredAuthority, secret: str, now: datetime) -> Pair:
    try:
        certs.check_authority(stored.pair, now)
    except BadAuthority as problem:
        raise ApiProblem(f"Secret {secret} is no use: {problem}; next: kubectl delete secret {secret}") from problem
    return stored.pair
