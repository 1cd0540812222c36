"""Which addresses lead back to this sidecar (O-S20)."""

from __future__ import annotations

import pytest

from sidecar.core.itself import leads_home

LOOPBACK = [("127.0.0.1", 7687), ("::1", 7687), ("127.0.0.1", 7688), ("::1", 7688)]
ANYWHERE = [("0.0.0.0", 7687), ("::", 7687)]
POD = {"10.1.2.3", "fd00::5", "127.0.0.1", "::1"}


@pytest.mark.parametrize(
    ("address", "home"),
    [
        ("127.0.0.1:7687", True),
        ("127.0.0.1:7688", True),
        ("[::1]:7687", True),
        ("[0:0:0:0:0:0:0:1]:7687", True),
        ("[::ffff:127.0.0.1]:7687", True),
        ("localhost:7687", True),
        ("0.0.0.0:7687", True),
        ("[::]:7687", True),
        ("127.0.0.1:7689", False),
        ("127.0.0.2:7687", False),
        ("10.1.2.3:7687", False),  # nobody of us listens there: a Memgraph of this pod may
        ("memgraph-0.memgraph:7687", False),
    ],
)
def test_a_sidecar_on_loopback(address: str, home: bool) -> None:
    assert leads_home(address, LOOPBACK, POD.__contains__) is home


@pytest.mark.parametrize(
    ("address", "home"),
    [
        ("10.1.2.3:7687", True),
        ("[fd00::5]:7687", True),
        ("127.0.0.1:7687", True),
        ("localhost:7687", True),
        ("10.1.2.4:7687", False),
        ("[fd00::6]:7687", False),
        ("10.1.2.3:7700", False),
    ],
)
def test_a_sidecar_on_every_address_of_its_pod(address: str, home: bool) -> None:
    assert leads_home(address, ANYWHERE, POD.__contains__) is home


def test_a_v4_listener_takes_no_v6_dial() -> None:
    assert not leads_home("[fd00::5]:7687", [("0.0.0.0", 7687)], POD.__contains__)
