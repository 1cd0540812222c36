"""Each alert with series under which it has to fire, and others under which it must not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_CONTROLLER: Final = 'namespace="database",pod="graph-controller-7d4f9c8b6d-abcde"'
_OTHER: Final = 'namespace="database",pod="graph-controller-7d4f9c8b6d-fghij"'
_STRANGER: Final = 'namespace="database",pod="other-controller-7d4f9c8b6d-abcde"'
_WEBHOOK: Final = 'namespace="database",pod="graph-webhook-7d4f9c8b6d-abcde"'
_APP: Final = 'namespace="shop",pod="web-0"'


@dataclass(frozen=True)
class Case:
    """Series in promtool's notation, a sample every 5 s; `fires` are the labels that distinguish the alerts at `at`."""

    alert: str
    about: str
    series: Mapping[str, str]
    at: str
    fires: tuple[Mapping[str, str], ...] = field(default=())


def _one(name: str, values: str, labels: str = _CONTROLLER, more: str = "") -> dict[str, str]:
    return {f"{name}{{{labels}{more}}}": values}


_FIRES: Final[tuple[Mapping[str, str], ...]] = ({},)
_LEADER = _one("memgraph_ha_controller_leader", "1x60")
_WITHOUT = "memgraph_ha_without_main_seconds_total"
_CHANGES = "memgraph_ha_main_changes_total"
_FAILOVER = ',kind="failover",reason="MainSilent"'


def _sidecar(epochs: str, document: str = "database/graph-state") -> dict[str, str]:
    return {
        **_one("memgraph_ha_sidecar_epoch", epochs, _APP),
        **_one("memgraph_ha_sidecar_info", "1x60", _APP, f',version="0.1.0",document="{document}"'),
    }


CASES: Final = (
    Case("MemgraphHANoMain", "fifteen seconds", _one(_WITHOUT, "0x10 5 10 15 15x40"), "70s", _FIRES),
    Case("MemgraphHANoMain", "a failover", _one(_WITHOUT, "0x10 2.7x40"), "70s"),
    Case("MemgraphHANoMain", "another release", _one(_WITHOUT, "0x10 5 10 15 15x40", _STRANGER), "70s"),
    Case("MemgraphHANoLeader", "both stand by", _one("memgraph_ha_controller_leader", "0x60"), "35s", _FIRES),
    Case("MemgraphHANoLeader", "nobody is scraped", {}, "35s", _FIRES),
    Case("MemgraphHANoLeader", "a short change", _one("memgraph_ha_controller_leader", "1x3 0x2 1x60"), "60s"),
    Case("MemgraphHAUnprotected", "a minute", _one("memgraph_ha_unprotected", "1x60"), "65s", _FIRES),
    Case("MemgraphHAUnprotected", "half a minute", _one("memgraph_ha_unprotected", "1x6 0x60"), "65s"),
    Case(
        "MemgraphHAReplicaLags", "too far for a minute",
        _one("memgraph_ha_replica_behind", "1001x60", more=',ordinal="2"'), "65s", ({"ordinal": "2"},),
    ),
    Case("MemgraphHAReplicaLags", "just", _one("memgraph_ha_replica_behind", "1000x60", more=',ordinal="2"'), "65s"),
    Case(
        "MemgraphHASidecarBehind", "thirty seconds behind",
        {**_sidecar("7x60"), **_one("memgraph_ha_published_epoch", "8x60")}, "35s",
        ({"namespace": "shop", "pod": "web-0"},),
    ),
    Case(
        "MemgraphHASidecarBehind", "a cut takes its time",
        {**_sidecar("7x3 8x60"), **_one("memgraph_ha_published_epoch", "8x60")}, "35s",
    ),
    Case(
        "MemgraphHASidecarBehind", "it follows another release",
        {**_sidecar("7x60", "database/other-state"), **_one("memgraph_ha_published_epoch", "8x60")}, "35s",
    ),
    Case("MemgraphHASidecarBehind", "nobody leads", _sidecar("7x60"), "35s"),
    Case(
        "MemgraphHAPodsWithoutSidecar", "for five minutes",
        _one("memgraph_ha_fleet_pods", "2x80", more=',health="missing"'), "305s", _FIRES,
    ),
    Case(
        "MemgraphHAPodsWithoutSidecar", "old ones are not missing",
        _one("memgraph_ha_fleet_pods", "2x80", more=',health="outdated"'), "305s",
    ),
    Case(
        "MemgraphHACertificateEnds", "six days", # promtool's clock begins at 0
        _one("memgraph_ha_webhook_certificate_expiry_timestamp_seconds", "518400x20", _WEBHOOK), "10s", _FIRES,
    ),
    Case(
        "MemgraphHACertificateEnds", "eight days",
        _one("memgraph_ha_webhook_certificate_expiry_timestamp_seconds", "691200x20", _WEBHOOK), "10s",
    ),
    Case(
        "MemgraphHAConflicts", "again and again",
        _one("memgraph_ha_controller_actions_total", "0+1x120", more=',action="Publish",outcome="conflict"'), "10m",
        _FIRES,
    ),
    Case(
        "MemgraphHAConflicts", "one of a change of the leader",
        _one("memgraph_ha_controller_actions_total", "0 1x120", more=',action="Publish",outcome="conflict"'), "10m",
    ),
    Case(
        "MemgraphHAFailedOver", "the first one", {**_LEADER, **_one(_CHANGES, "_x20 1x60", more=_FAILOVER)}, "2m",
        ({"reason": "MainSilent"},),
    ),
    Case(
        "MemgraphHAFailedOver", "the second one, by the other controller",
        {**_one(_CHANGES, "1x200", more=_FAILOVER), **_one(_CHANGES, "1x100 2x100", _OTHER, _FAILOVER)}, "10m",
        ({"reason": "MainSilent"},),
    ),
    Case("MemgraphHAFailedOver", "long ago", _one(_CHANGES, "1x200", more=_FAILOVER), "15m"),
    Case(
        "MemgraphHAFailedOver", "a switchover",
        _one(_CHANGES, "0x20 1x60", more=',kind="switchover",reason="Switchover"'), "2m",
    ),
    Case("MemgraphHAPaused", "forgotten", _one("memgraph_ha_controller_paused", "1x200"), "16m", _FIRES),
    Case("MemgraphHAPaused", "a short one", _one("memgraph_ha_controller_paused", "1x100 0x100"), "16m"),
)  # fmt: skip
