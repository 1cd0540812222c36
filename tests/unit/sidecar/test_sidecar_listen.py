"""Taking ports: IPv6 may fail, IPv4 may not, and the error names the variable."""

from __future__ import annotations

import resource
import socket

import pytest

from sidecar.contract.env import BadSettings
from sidecar.listen import allow_files, bind, is_own


def _close(sockets: list[socket.socket]) -> list[tuple[str, int]]:
    names = [one.getsockname()[:2] for one in sockets]
    for one in sockets:
        one.close()
    return names


def test_any_port_is_the_same_on_every_address() -> None:
    """O-S19."""
    names = _close(bind(("127.0.0.1", "127.0.0.2"), 0, "MEMGRAPH_HA_PORT"))
    assert [host for host, _ in names] == ["127.0.0.1", "127.0.0.2"]
    assert names[0][1] == names[1][1] != 0


def test_an_ipv6_address_that_is_not_there_is_skipped(caplog: pytest.LogCaptureFixture) -> None:
    """O-S19."""
    names = _close(bind(("127.0.0.1", "2001:db8::1"), 0, "MEMGRAPH_HA_PORT"))
    assert [host for host, _ in names] == ["127.0.0.1"]
    assert [record.message for record in caplog.records] == ["ListenSkipped"]


@pytest.mark.parametrize("addresses", [("192.0.2.1",), ("127.0.0.1", "192.0.2.1"), ("2001:db8::1",), ("nonsense",)])
def test_without_an_ipv4_or_any_address_the_variable_is_named(addresses: tuple[str, ...]) -> None:
    with pytest.raises(BadSettings) as caught:
        bind(addresses, 0, "MEMGRAPH_HA_READ_PORT")
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(f"MEMGRAPH_HA_READ_PORT: cannot listen on {addresses[-1]}")


def test_a_port_already_taken_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(BadSettings, match="already in use"):
            bind(("127.0.0.1",), taken.getsockname()[1], "MEMGRAPH_HA_PORT")


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("0.0.0.0", True), ("192.0.2.1", False), ("2001:db8::1", False), ("no.such.host.", False)],
)
def test_only_this_pod_s_addresses_are_its_own(host: str, own: bool) -> None:
    assert is_own(host) is own


def test_files_are_allowed_as_far_as_the_hard_limit_goes(caplog: pytest.LogCaptureFixture) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        allow_files(200)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 256
        allow_files(300)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 300
        assert caplog.messages == []
        if hard != resource.RLIM_INFINITY:
            allow_files(hard + 1)
            assert caplog.messages == ["FewFiles"]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
