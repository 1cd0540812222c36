"""The replication RPCs: what a main says to a replica, and the one shape of answer."""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple, TypeAlias

from sandbox.memgraph.core.storage.changes import Commit


@dataclass(frozen=True, slots=True)
class Ping:
    """The 1 s liveness check (FrequentHeartbeat): says nothing about who asks, and isn't checked."""

    KIND: ClassVar[str] = "ping"


@dataclass(frozen=True, slots=True)
class SwapMainUUID:
    """`I am your main now`: accepted from anyone by a replica."""

    KIND: ClassVar[str] = "swap"
    main_uuid: str


@dataclass(frozen=True, slots=True)
class SystemRecovery:
    """`This is our database`: an empty replica takes over its UUID, one with data of another database refuses."""

    KIND: ClassVar[str] = "system"
    main_uuid: str
    database_uuid: str


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Ask for the replica's last durable timestamp and epoch."""

    KIND: ClassVar[str] = "heartbeat"
    main_uuid: str
    database_uuid: str


@dataclass(frozen=True, slots=True)
class Prepare:
    """One transaction. `previous` is the timestamp the replica must have reached; with `two_phase` it only votes."""

    KIND: ClassVar[str] = "prepare"
    main_uuid: str
    database_uuid: str
    previous: int
    commit: Commit
    two_phase: bool


@dataclass(frozen=True, slots=True)
class Finalize:
    """The second phase: commit or abort what was prepared at `ts`."""

    KIND: ClassVar[str] = "finalize"
    main_uuid: str
    database_uuid: str
    ts: int
    decision: bool


class WalPart(NamedTuple):
    """Commits of one WAL file, oldest first, all of one epoch."""

    epoch: str
    commits: list[Commit]


@dataclass(frozen=True, slots=True)
class WalFiles:
    """WAL files in order; `current` tells the one that is still written to from finished ones."""

    KIND: ClassVar[str] = "wal"
    main_uuid: str
    database_uuid: str
    parts: list[WalPart]
    current: bool = False


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """Everything: replaces what the replica holds. `snapshot` is `durability.Snapshot` as plain values."""

    KIND: ClassVar[str] = "snapshot"
    main_uuid: str
    database_uuid: str
    snapshot: dict[str, Any]


Request: TypeAlias = Ping | SwapMainUUID | SystemRecovery | Heartbeat | Prepare | Finalize | WalFiles | SnapshotFile
KINDS: dict[str, type[Request]] = {
    kind.KIND: kind
    for kind in (Ping, SwapMainUUID, SystemRecovery, Heartbeat, Prepare, Finalize, WalFiles, SnapshotFile)
}


@dataclass(frozen=True, slots=True)
class Answer:
    """The replica's answer: accepted or refused, its last durable timestamp, and the epoch that belongs to it."""

    ok: bool
    ldt: int = 0
    epoch: str = ""


class Loss(enum.Enum):
    """Why there is no answer. Except for `UNREACHABLE` the request may have been executed all the same."""

    UNREACHABLE = "unreachable"
    BROKEN = "broken"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer."""

    how: Loss = Loss.UNREACHABLE


def to_wire(message: Request | Answer) -> dict[str, Any]:
    """As a JSON object."""
    body: dict[str, Any] = {field.name: getattr(message, field.name) for field in fields(message)}
    if not isinstance(message, Answer):
        body["rpc"] = message.KIND
    return body


def request_from_wire(body: dict[str, Any]) -> Request:
    """The inverse of `to_wire` for requests. Raises ValueError on anything else."""
    values = dict(body)
    kind = KINDS.get(values.pop("rpc", ""))
    if kind is None:
        raise ValueError(f"unknown replication RPC: {body.get('rpc')!r}")
    try:
        if kind is Prepare:
            values["commit"] = Commit(*values["commit"])
        elif kind is WalFiles:
            values["parts"] = [
                WalPart(epoch, [Commit(*commit) for commit in commits]) for epoch, commits in values["parts"]
            ]
        return kind(**values)
    except (KeyError, TypeError) as error:
        raise ValueError(f"malformed replication RPC {kind.KIND}: {error}") from None


def answer_from_wire(body: dict[str, Any]) -> Answer:
    """The inverse of `to_wire` for answers. Raises ValueError."""
    try:
        return Answer(**body)
    except TypeError as error:
        raise ValueError(f"malformed replication answer: {error}") from None
