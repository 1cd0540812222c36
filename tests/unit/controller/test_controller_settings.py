"""Settings: one table, every problem at once."""

from __future__ import annotations

import pytest

from controller.core.model import OnNoSyncReplica
from controller.settings import VARIABLES, from_env
from sidecar.contract.env import BadSettings

GOOD = {"POD_NAME": "c-0", "POD_NAMESPACE": "db", "MEMGRAPH_HA_RELEASE": "r"}


def test_defaults() -> None:
    """Three variables are enough."""
    settings = from_env(GOOD)
    assert (settings.statefulset, settings.service, settings.register_by) == ("r", "r-nodes", "dns")
    assert settings.policy.on_no_sync_replica is OnNoSyncReplica.SERVE
    assert settings.timings.lease_duration_s == 4.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MEMGRAPH_HA_REGISTER_BY", "carrier-pigeon"),
        ("MEMGRAPH_HA_REGISTER_BY", "1"),
        ("MEMGRAPH_HA_ON_NO_SYNC_REPLICA", "maybe"),
        ("MEMGRAPH_HA_ON_DIVERGED", "wipe"),
        ("MEMGRAPH_HA_PROBE_INTERVAL_S", "-1"),
        ("MEMGRAPH_HA_LEASE_DURATION_S", "500ms"),
        ("MEMGRAPH_HA_DEFAULT", "maybe"),
        ("MEMGRAPH_HA_CLIENT_ACCESS", "everybody"),
        ("MEMGRAPH_HA_CUT_ON_CHANGE", "no"),
        ("MEMGRAPH_HA_HTTP_PORT", "70000"),
        ("MEMGRAPH_HA_LOG_LEVEL", "LOUD"),
    ],
)
def test_a_bad_value_is_named_with_what_to_set(name: str, value: str) -> None:
    """The sentence holds the variable and the value."""
    with pytest.raises(BadSettings) as caught:
        from_env({**GOOD, name: value})
    assert any(name in problem and value in problem for problem in caught.value.problems)


def test_everything_wrong_is_said_at_once() -> None:
    """Nobody fixes one variable a restart."""
    with pytest.raises(BadSettings) as caught:
        from_env({"MEMGRAPH_HA_HTTP_PORT": "x", "MEMGRAPH_HA_LEASE_RENEW_DEADLINE_S": "9"})
    text = str(caught.value)
    for expected in ("POD_NAME", "POD_NAMESPACE", "MEMGRAPH_HA_RELEASE", "MEMGRAPH_HA_HTTP_PORT", "lease timings"):
        assert expected in text


def test_without_a_sidecar_s_image_nobody_looks_after_sidecars() -> None:
    """Such as in a cell of a test."""
    assert from_env(GOOD).fleet is None
    fleet = from_env({**GOOD, "MEMGRAPH_HA_SIDECAR_IMAGE": "s:1", "MEMGRAPH_HA_CLIENT_ACCESS": "perNamespace"}).fleet
    assert fleet is not None
    assert (fleet.access, fleet.release.cluster, fleet.release.default) == ("perNamespace", "r", True)


def test_the_password_is_not_printed() -> None:
    """Settings end up in tracebacks."""
    settings = from_env({**GOOD, "MEMGRAPH_HA_MEMGRAPH_PASSWORD": "hunter2"})
    assert settings.password == "hunter2"
    assert "hunter2" not in repr(settings)


def test_every_variable_is_explained() -> None:
    """The table is the help text."""
    assert all(VARIABLES.values())
    assert set(GOOD) <= set(VARIABLES)
