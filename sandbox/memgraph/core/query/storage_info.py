"""SHOW STORAGE INFO: of the server and of its database, in the rows of each release (M-1.4).

Memory and disk figures of a simulated server would mean nothing: they are there for their names and their form.
"""

from __future__ import annotations

from typing import Any, Final

from sandbox.memgraph.core.instance import Instance

_SIZE: Final = "43.16MiB"
_LIMIT: Final = "7.76GiB"
_DATA: Final = "0B"
_UNLIMITED: Final = "unlimited"
_ISOLATION: Final = "SNAPSHOT_ISOLATION"
_ISOLATIONS: Final = {
    "global_isolation_level": _ISOLATION,
    "session_isolation_level": "",
    "next_session_isolation_level": "",
}
_MAPS: Final = 262144


def size(octets: int) -> str:
    """As Memgraph writes sizes."""
    units = iter(("B", "KiB", "MiB", "GiB"))
    value, unit = float(octets), next(units)
    while value >= 1024 and unit != "GiB":
        value, unit = value / 1024, next(units)
    return f"{value:.2f}{unit}" if unit != "B" else f"{octets}B"


def unscoped(instance: Instance) -> dict[str, Any]:
    """SHOW STORAGE INFO. Since 3.11 it says nothing of the data any more."""
    rows = instance.settings.compat.storage_rows
    if rows != "3.11":
        return _with_data(instance, trackers=rows == "3.9")
    return {
        "vm_max_map_count": _MAPS,
        "memory_res": _SIZE,
        "peak_memory_res": _SIZE,
        "disk_usage": _DATA,
        "memory_tracked": _SIZE,
        "memory_limit": _LIMIT,
        "license_memory_limit": _UNLIMITED,
        "query+graph_memory_tracked": _DATA,
        "vector_index_memory_tracked": _DATA,
        **_ISOLATIONS,
        "global_storage_mode": instance.storage_mode.value,
    }


def _with_data(instance: Instance, *, trackers: bool) -> dict[str, Any]:
    return {
        "name": "memgraph",
        "database_uuid": instance.database_uuid,
        **_counts(instance),
        "vm_max_map_count": _MAPS,
        "memory_res": _SIZE,
        "peak_memory_res": _SIZE,
        "unreleased_delta_objects": 0,
        "disk_usage": _DATA,
        "memory_tracked": _SIZE,
        "allocation_limit": _LIMIT,
        **({"graph_memory_tracked": _DATA, "vector_index_memory_tracked": _DATA} if trackers else {}),
        **_ISOLATIONS,
        "storage_mode": instance.storage_mode.value,
    }


def _counts(instance: Instance) -> dict[str, Any]:
    nodes, edges = len(instance.graph.nodes), instance.graph.edge_count
    return {"vertex_count": nodes, "edge_count": edges, "average_degree": 2 * edges / nodes if nodes else 0.0}


def of_database(instance: Instance) -> dict[str, Any]:
    """SHOW STORAGE INFO ON CURRENT DATABASE, or ON DATABASE."""
    return {
        "name": "memgraph",
        "database_uuid": instance.database_uuid,
        "state": "HOT",
        "storage_mode": instance.storage_mode.value,
        **_counts(instance),
        "unreleased_delta_objects": 0,
        "disk_usage": _DATA,
        "graph_memory_tracked": _DATA,
        "query_memory_tracked": _DATA,
        "vector_index_memory_tracked": _DATA,
        "tenant_memory_tracked": _DATA,
        "tenant_peak_memory_tracked": _DATA,
        "tenant_memory_limit": _UNLIMITED,
        "storage_isolation_level": _ISOLATION,
        "health": "ready",
    }
