"""SHOW queries: columns and rows as Memgraph Community gives them."""

from __future__ import annotations

from typing import Any, Final

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.instance import Instance, Registration, Role
from sandbox.memgraph.core.query import schema, storage_info

DATABASE: Final = "memgraph"
"""The only one that Community has."""
_STORAGE: Final = ("storage info", "value")
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "REPLICATION ROLE": ("replication role",),
    "REPLICAS": ("name", "socket_address", "sync_mode", "system_info", "data_info"),
    "STORAGE INFO": _STORAGE,
    "STORAGE INFO ON CURRENT DATABASE": _STORAGE,
    "STORAGE INFO ON DATABASE": _STORAGE,
    "BUILD INFO": ("build info", "value"),
    "LICENSE INFO": ("license info", "value"),
    "ACTIVE USERS INFO": ("username", "session uuid", "login timestamp"),
    "INDEX INFO": ("index type", "label", "property", "count"),
    "CONSTRAINT INFO": ("constraint type", "label", "properties", "data_type"),
    "CONFIG": ("name", "default_value", "current_value", "description"),
    "VERSION": ("version",),
    "USERS": ("user",),
}
_SUBJECTS: Final = {
    "REPLICATION ROLE": "Managing replication is",
    "REPLICAS": "Managing replication is",
    "CONFIG": "Configuration information query is",
    "VERSION": "Version information query is",
    "USERS": "Managing users is",
}
"""How the refusal inside an explicit transaction begins; all others are `Storage information query`."""
ROLE_LOCKED: Final = frozenset({"REPLICATION ROLE", "REPLICAS"})
"""These need the role lock: they wait while a registration is going on."""
SYSTEM_LOCKED: Final = frozenset({"USERS"})
"""These are system queries, of which there is one at a time, like the statements that change users and roles."""
_LOGIN: Final = "1970-01-01 00:00:00.000000"
"""Of every session: the core has no clock."""


def held_up(instance: Instance) -> bool:
    """Whether a query about roles has to wait: for a registration, or for a commit that waits for a connection."""
    return instance.exclusive or any(replica.opening for replica in instance.replicas.values())


def check(instance: Instance, statement: ast.Show, *, explicit: bool) -> None:
    """What is refused when the query is prepared. Raises QueryError."""
    compat = instance.settings.compat
    if statement.what == "DATABASES":
        raise errors.license_needed("multi-tenancy", compat)
    if statement.what in ("DATABASE", "CURRENT DATABASE"):
        raise QueryError(errors.NO_LICENSE)
    if explicit:
        subject = _SUBJECTS.get(statement.what, "Storage information query is")
        raise errors.in_explicit_transaction(subject, compat)
    if statement.database not in (None, DATABASE):
        raise errors.license_needed("multi-tenancy", compat)


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
            return _pairs(storage_info.unscoped(instance))
        case "STORAGE INFO ON CURRENT DATABASE" | "STORAGE INFO ON DATABASE":
            return _pairs(storage_info.of_database(instance))
        case "BUILD INFO":
            return [["build_type", "RelWithDebInfo"]]
        case "LICENSE INFO":
            return _pairs(_license(policy=instance.settings.compat.license_policy))
        case "ACTIVE USERS INFO":
            return [[name, uuid, _LOGIN] for name, uuid in instance.sessions.values()]
        case "INDEX INFO":
            return schema.index_rows(instance.graph)
        case "CONSTRAINT INFO":
            return schema.constraint_rows(instance.graph)
        case "CONFIG":
            return [list(row) for row in instance.settings.config]
        case "VERSION":
            return [[instance.settings.compat.version]]
        case "USERS":
            return [[name] for name in instance.users]
    return []


def _pairs(values: dict[str, Any]) -> list[list[Any]]:
    return [list(pair) for pair in values.items()]


def _replica(instance: Instance, replica: Registration) -> list[Any]:
    info: dict[str, Any] = {}
    if not replica.ghost and instance.transactional():
        behind = replica.ts - instance.ldt
        info = {DATABASE: {"ts": replica.ts, "behind": behind, "status": replica.status.value}}
    return [replica.name, replica.address, replica.mode.value, None, info]  # system_info: Null without a licence


def _license(*, policy: bool) -> dict[str, Any]:
    values: dict[str, Any] = {
        "organization_name": "",
        "license_key": "",
        "is_valid": False,
        "license_type": "",
        "valid_until": "",
        "memory_limit": "UNLIMITED",
        "status": "You have not provided any license!",
    }
    return values | ({"memory_limit_policy": "Memory usage is not limited."} if policy else {})
