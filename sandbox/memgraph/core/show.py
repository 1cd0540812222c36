"""SHOW queries: columns and rows as Memgraph Community 3.12 gives them."""

from __future__ import annotations

from typing import Any, Final

from sandbox.memgraph.core import errors, schema
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.instance import VERSION, Instance, Registration, Role

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "REPLICATION ROLE": ("replication role",),
    "REPLICAS": ("name", "socket_address", "sync_mode", "system_info", "data_info"),
    "STORAGE INFO": ("storage info", "value"),
    "STORAGE INFO ON CURRENT DATABASE": ("storage info", "value"),
    "INDEX INFO": ("index type", "label", "property", "count"),
    "CONSTRAINT INFO": ("constraint type", "label", "properties", "data_type"),
    "VERSION": ("version",),
    "USERS": ("user",),
}
SUBJECTS: Final = {
    "REPLICATION ROLE": "Managing replication is",
    "REPLICAS": "Managing replication is",
    "STORAGE INFO": "Storage information query is",
    "STORAGE INFO ON CURRENT DATABASE": "Storage information query is",
    "INDEX INFO": "Info reporting is",
    "CONSTRAINT INFO": "Info reporting is",
    "VERSION": "Version information query is",
    "USERS": "Authentication clause is",
}
"""How the refusal inside an explicit transaction begins."""
ROLE_LOCKED: Final = frozenset({"REPLICATION ROLE", "REPLICAS"})
"""These need the role lock: they wait while a registration is going on."""


def rows(instance: Instance, what: str) -> list[list[Any]]:
    """The rows of one SHOW query. Raises QueryError."""
    match what:
        case "REPLICATION ROLE":
            return [[instance.role.value]]
        case "REPLICAS":
            if instance.role is not Role.MAIN:
                raise QueryError(errors.SHOW_REPLICAS_ON_REPLICA)
            return [_replica(instance, replica) for replica in instance.replicas.values()]
        case "STORAGE INFO":
            return [list(pair) for pair in _server_info().items()]
        case "STORAGE INFO ON CURRENT DATABASE":
            return [list(pair) for pair in _database_info(instance).items()]
        case "INDEX INFO":
            return schema.index_rows(instance.graph)
        case "CONSTRAINT INFO":
            return schema.constraint_rows(instance.graph)
        case "VERSION":
            return [[VERSION]]
        case "USERS":
            return [[name] for name in instance.users]
    return []


def _replica(instance: Instance, replica: Registration) -> list[Any]:
    info: dict[str, Any] = {}
    if not replica.ghost:
        behind = replica.ts - instance.ldt
        info = {"memgraph": {"ts": replica.ts, "behind": behind, "status": replica.status.value}}
    return [replica.name, replica.address, replica.mode.value, None, info]  # system_info: Null without a licence


def _server_info() -> dict[str, Any]:
    # Memory figures of a simulated server would mean nothing: they are there for their names only.
    return {
        "vm_max_map_count": 262144,
        "memory_res": "0B",
        "peak_memory_res": "0B",
        "disk_usage": "0B",
        "memory_tracked": "0B",
        "memory_limit": "0B",
        "license_memory_limit": "0B",
        "query+graph_memory_tracked": "0B",
        "vector_index_memory_tracked": "0B",
        "global_isolation_level": "SNAPSHOT_ISOLATION",
        "session_isolation_level": "",
        "next_session_isolation_level": "",
        "global_storage_mode": "IN_MEMORY_TRANSACTIONAL",
    }


def _database_info(instance: Instance) -> dict[str, Any]:
    return {
        "name": "memgraph",
        "database_uuid": instance.database_uuid,
        "state": "HOT",
        "storage_mode": "IN_MEMORY_TRANSACTIONAL",
        "vertex_count": len(instance.graph.nodes),
        "edge_count": instance.graph.edge_count,
        "average_degree": 2 * instance.graph.edge_count / max(1, len(instance.graph.nodes)),
        "unreleased_delta_objects": 0,
        "disk_usage": "0B",
        "graph_memory_tracked": "0B",
        "query_memory_tracked": "0B",
        "vector_index_memory_tracked": "0B",
        "tenant_memory_tracked": "0B",
        "tenant_peak_memory_tracked": "0B",
        "tenant_memory_limit": "0B",
        "storage_isolation_level": "SNAPSHOT_ISOLATION",
        "health": "ready",
    }
