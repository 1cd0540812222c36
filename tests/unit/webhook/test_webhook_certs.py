"""Certificates: a leaf is trusted by its authority for its names, and a bad authority is told before it is used."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from webhook import certs
from webhook.certs import BadAuthority, Pair

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AUTHORITY = certs.new_authority("memgraph-ha", NOW)


@pytest.mark.parametrize("host", ["memgraph-ha-webhook.db.svc", "localhost"])
def test_a_leaf_is_trusted_for_its_names(host: str) -> None:
    leaf = certs.issue(AUTHORITY, ["memgraph-ha-webhook.db.svc", "localhost", "127.0.0.1"], NOW)
    store = Store([x509.load_pem_x509_certificate(AUTHORITY.certificate)])
    verifier = PolicyBuilder().store(store).time(NOW).build_server_verifier(x509.DNSName(host))
    assert verifier.verify(x509.load_pem_x509_certificate(leaf.certificate), [])


def test_a_leaf_has_each_host_once_and_addresses_as_addresses() -> None:
    leaf = certs.issue(AUTHORITY, ["a.svc", "127.0.0.1", "::1", "127.0.0.1"], NOW)
    names = x509.load_pem_x509_certificate(leaf.certificate).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["a.svc"]
    assert [str(address) for address in names.value.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


def test_a_leaf_lives_as_long_as_its_authority_whenever_it_is_issued() -> None:
    later = certs.issue(AUTHORITY, ["a"], NOW + timedelta(days=1000))
    assert later.not_after == AUTHORITY.not_after


def test_a_good_authority_passes() -> None:
    certs.check_authority(AUTHORITY, NOW)


@pytest.mark.parametrize(
    ("pair", "now", "hint"),
    [
        (Pair(b"", b""), NOW, "can't be read"),
        (Pair(AUTHORITY.certificate, b"x"), NOW, "can't be read"),
        (Pair(AUTHORITY.certificate, certs.new_authority("other", NOW).key), NOW, "does not belong"),
        (AUTHORITY, NOW + certs.LIFETIME, "not valid today"),
        (AUTHORITY, NOW - timedelta(days=1), "not valid today"),
    ],
)
def test_an_authority_that_is_no_use_says_why(pair: Pair, now: datetime, hint: str) -> None:
    with pytest.raises(BadAuthority, match=hint):
        certs.check_authority(pair, now)


def test_no_key_stays_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    seen: list[int] = []
    original = Path.write_bytes

    def spy(path: Path, data: bytes) -> int:
        seen.extend([stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)])
        return original(path, data)

    monkeypatch.setattr(Path, "write_bytes", spy)
    certs.server_context(certs.issue(AUTHORITY, ["localhost"], NOW))
    assert seen == [0o600, 0o700]
    assert list(tmp_path.iterdir()) == []


def test_a_pair_does_not_print_its_key() -> None:
    assert repr(AUTHORITY) == "Pair(...)"
