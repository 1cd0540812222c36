"""Certificates: a leaf is trusted by its authority for its names, and a bad authority is told before it is used."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from webhook import certs, trust
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


def test_a_leaf_ends_before_its_authority() -> None:
    assert certs.issue(AUTHORITY, ["a"], NOW).not_after == NOW + certs.LEAF_LIFETIME
    assert certs.issue(AUTHORITY, ["a"], NOW + timedelta(days=360)).not_after == AUTHORITY.not_after


def test_both_are_renewed_at_two_thirds() -> None:
    leaf = certs.issue(AUTHORITY, ["a"], NOW)
    for pair, lifetime in ((AUTHORITY, certs.AUTHORITY_LIFETIME), (leaf, certs.LEAF_LIFETIME)):
        assert abs(pair.renew_at - (NOW + lifetime * 2 / 3)) < timedelta(hours=1)


@pytest.mark.parametrize("now", [NOW, NOW + certs.AUTHORITY_LIFETIME])
def test_a_good_authority_passes_and_one_that_has_ended(now: datetime) -> None:
    certs.check_authority(AUTHORITY, now)


def test_a_certificate_with_another_s_key_is_not_loaded() -> None:
    leaf, other = certs.issue(AUTHORITY, ["a"], NOW), certs.issue(AUTHORITY, ["a"], NOW)
    with pytest.raises(BadAuthority, match="can't be used"):
        certs.load(certs.server_context(), Pair(leaf.certificate, other.key))


def test_a_bundle_keeps_former_authorities_until_they_end_and_no_stranger() -> None:
    former, stranger = certs.new_authority("memgraph-ha", NOW - timedelta(days=300)), certs.new_authority("x", NOW)
    live = stranger.certificate + former.certificate + AUTHORITY.certificate
    both = trust.bundle([AUTHORITY.certificate], live, "memgraph-ha", NOW)
    assert both == former.certificate + AUTHORITY.certificate
    assert trust.bundle([AUTHORITY.certificate], both, "memgraph-ha", NOW) == both
    later = trust.bundle([AUTHORITY.certificate], both, "memgraph-ha", former.not_after)
    assert later == AUTHORITY.certificate


def test_two_replicas_that_know_different_authorities_end_with_one_bundle() -> None:
    """None takes out what the other one needs, also after a wipe."""
    first, second = AUTHORITY, certs.new_authority("memgraph-ha", NOW + timedelta(days=1))
    live = b""
    for known in (first, second, first, second):
        live = trust.bundle([known.certificate], live, "memgraph-ha", NOW + timedelta(days=1))
    assert live == first.certificate + second.certificate


def test_a_bundle_is_bounded() -> None:
    live = b"".join(certs.new_authority("memgraph-ha", NOW).certificate for _ in range(9))
    found = trust.read(trust.bundle([AUTHORITY.certificate], live, "memgraph-ha", NOW))
    assert len(found) == trust.AUTHORITIES_MAX


@pytest.mark.parametrize(
    ("live", "trusted"),
    [
        (AUTHORITY.certificate, True),
        (b"", False),
        (b"x", False),
        (certs.new_authority("memgraph-ha", NOW).certificate, False),
    ],
)
def test_a_leaf_is_trusted_by_its_own_authority_only(live: bytes, trusted: bool) -> None:
    """Another authority of the same name is another one."""
    assert trust.is_trusted(certs.issue(AUTHORITY, ["a"], NOW).certificate, live) is trusted


@pytest.mark.parametrize(
    ("pair", "now", "hint"),
    [
        (Pair(b"", b""), NOW, "can't be read"),
        (Pair(AUTHORITY.certificate, b"x"), NOW, "can't be read"),
        (Pair(AUTHORITY.certificate, certs.new_authority("other", NOW).key), NOW, "does not belong"),
        (AUTHORITY, NOW - timedelta(days=1), "not valid yet"),
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
    certs.load(certs.server_context(), certs.issue(AUTHORITY, ["localhost"], NOW))
    assert seen == [0o600, 0o700]
    assert list(tmp_path.iterdir()) == []


def test_a_pair_does_not_print_its_key() -> None:
    assert repr(AUTHORITY) == "Pair(...)"
