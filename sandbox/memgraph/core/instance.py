"""State of one Memgraph instance: role, identities, registrations, epochs, timestamps, commit log, locks."""

from __future__ import annotations

import enum
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from sandbox.memgraph.core.epochs import Epochs
from sandbox.memgraph.core.graph import Graph
from sandbox.memgraph.core.messages import Commit

VERSION: Final = "3.12.0"
SERVER_NAME: Final = "Neo4j/v5.11.0 compatible graph database server - Memgraph"
LOG_LIMIT: Final = 50_000
"""Commits kept in memory for lagging replicas; one that needs older ones gets a snapshot."""


class Role(enum.Enum):
    """As SHOW REPLICATION ROLE prints it."""

    MAIN = "main"
    REPLICA = "replica"


class Mode(enum.Enum):
    """As SHOW REPLICAS prints it."""

    SYNC = "sync"
    ASYNC = "async"
    STRICT_SYNC = "strict_sync"


class Status(enum.Enum):
    """What a main thinks of a registered replica, as SHOW REPLICAS prints it."""

    READY = "ready"
    REPLICATING = "replicating"
    RECOVERY = "recovery"
    INVALID = "invalid"
    DIVERGED = "diverged"


@dataclass(slots=True, eq=False)
class Registration:
    """A registered replica, on its main. A ghost is listed, but nothing is ever sent to it.

    `ts` is the main's cached idea of the replica's position; `failures` counts pings in a row.
    """

    name: str
    address: str
    mode: Mode
    status: Status = Status.INVALID
    ts: int = 0
    ghost: bool = False
    failures: int = 0
    checking: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A voted but undecided transaction, on a replica."""

    commit: Commit
    database_uuid: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What the flags decide."""

    check_frequency_s: float = 1.0
    stale_history: bool = True
    restore_replication_state: bool = True
    server_name: str = SERVER_NAME


@dataclass(frozen=True, slots=True)
class Trigger:
    """A stored trigger; `event` as SHOW TRIGGERS names it, `parameters` of the query that made it."""

    name: str
    statement: str
    event: str
    before: bool
    invoker: bool = False
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CommitRecord:
    """To be appended to the commit log."""

    commit: Commit


@dataclass(frozen=True, slots=True)
class ReplaceRecord:
    """The commit log begins anew with this state (`Instance.dump()`)."""

    state: dict[str, Any]


@dataclass(frozen=True, slots=True)
class IdentityRecord:
    """The database's UUID."""

    database_uuid: str


@dataclass(frozen=True, slots=True)
class RoleRecord:
    """Role and registrations; stored only where `Settings.restore_replication_state` says so."""

    state: dict[str, Any]


@dataclass(frozen=True, slots=True)
class UsersRecord:
    """All users with their password hashes."""

    users: dict[str, str]


@dataclass(frozen=True, slots=True)
class TriggersRecord:
    """All triggers."""

    triggers: list[Trigger]


Record: TypeAlias = CommitRecord | ReplaceRecord | IdentityRecord | RoleRecord | UsersRecord | TriggersRecord


@dataclass(slots=True, eq=False)
class Instance:
    """A fresh instance is MAIN, empty, with random identities (given by the caller).

    Locks: `readers` commits hold the role lock shared, a role change or a registration holds it exclusively;
    `committing` is the engine lock; `system_owner` is the session that runs a system query.
    """

    main_uuid: str
    database_uuid: str
    epochs: Epochs
    settings: Settings = field(default_factory=Settings)
    role: Role = Role.MAIN
    graph: Graph = field(default_factory=Graph)
    ldt: int = 0
    timestamp: int = 0
    port: int | None = None
    replicas: dict[str, Registration] = field(default_factory=dict)
    prepared: Prepared | None = None
    users: dict[str, str] = field(default_factory=dict)
    triggers: dict[str, Trigger] = field(default_factory=dict)
    log: list[Commit] = field(default_factory=list)
    log_base: int = 0
    outbox: list[Record] = field(default_factory=list)
    readers: int = 0
    exclusive: bool = False
    committing: bool = False
    system_owner: object = None
    write_access: set[object] = field(default_factory=set)
    busy_calls: int = 0

    def next_timestamp(self) -> int:
        """Take one: every transaction does at its start, a write once more at its commit."""
        taken = self.timestamp
        self.timestamp += 1
        return taken

    def try_exclusive(self) -> bool:
        """Whether a role change may go on now (one try, no waiting). `busy_calls` makes that many tries fail."""
        if self.busy_calls > 0:
            self.busy_calls -= 1
            return False
        return not self.exclusive and self.readers == 0

    def commit_possible(self) -> bool:
        """Whether a commit may take its locks now."""
        return not self.exclusive and not self.committing

    def apply(self, commit: Commit) -> None:
        """Make one commit part of the state and of the log. Its epoch becomes the current one."""
        self._apply(commit)
        self.outbox.append(CommitRecord(commit))

    def _apply(self, commit: Commit) -> None:
        self.epochs.receive(commit.epoch, self.ldt)
        self.graph.apply(commit.ops)
        self.ldt = commit.ts
        self.timestamp = max(self.timestamp, commit.ts + 1)
        self.log.append(commit)
        if len(self.log) > LOG_LIMIT:
            half = LOG_LIMIT // 2
            self.log_base = self.log[half - 1].ts
            del self.log[:half]

    def adopt_database(self, database_uuid: str) -> None:
        """The first sync copies the main's database UUID."""
        if self.database_uuid != database_uuid:
            self.database_uuid = database_uuid
            self.outbox.append(IdentityRecord(database_uuid))

    def commits_after(self, ts: int) -> list[Commit] | None:
        """Commits above `ts`, oldest first; None if the log doesn't reach back that far."""
        if ts < self.log_base:
            return None
        return self.log[bisect_right(self.log, ts, key=lambda commit: commit.ts) :]

    def live(self) -> list[Registration]:
        """Registrations that are no ghosts, in registration order."""
        return [replica for replica in self.replicas.values() if not replica.ghost]

    def dump(self) -> dict[str, Any]:
        """The whole data state, for a snapshot. JSON values only."""
        return {
            "database_uuid": self.database_uuid,
            "epoch": self.epochs.current,
            "history": [list(entry) for entry in self.epochs.history],
            "ldt": self.ldt,
            "next_id": self.graph.next_id,
            "ops": self.graph.dump(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Replace the data by a snapshot. Transactions that still run keep reading the old graph."""
        self.graph = Graph()
        self.graph.apply(state["ops"])
        self.graph.next_id = state["next_id"]
        self.epochs = Epochs(state["epoch"], [(epoch, ts) for epoch, ts in state["history"]])
        self.ldt = state["ldt"]
        self.timestamp = max(self.timestamp, self.ldt + 1)
        self.log, self.log_base = [], self.ldt
        self.database_uuid = state["database_uuid"]

    def persist_role(self) -> None:
        """Role or registrations changed."""
        self.outbox.append(
            RoleRecord(
                {
                    "role": self.role.value,
                    "main_uuid": self.main_uuid,
                    "port": self.port,
                    "replicas": [[r.name, r.address, r.mode.value] for r in self.replicas.values()],
                }
            )
        )

    def recover(self, records: list[CommitRecord | ReplaceRecord | IdentityRecord]) -> None:
        """Replay the commit log at start. The epoch of the last commit goes on; one without commits is forgotten."""
        replayed = False
        for record in records:
            match record:
                case IdentityRecord(database_uuid):
                    self.database_uuid = database_uuid
                case ReplaceRecord(state):
                    self.load(state)
                    replayed = False
                case CommitRecord(commit):
                    if self.ldt == 0:
                        self.epochs = Epochs(commit.epoch)
                    self._apply(commit)
                    replayed = True
        if replayed and self.settings.stale_history:
            self.epochs.replayed(self.ldt)

    def restore_role(self, state: dict[str, Any]) -> None:
        """Role, port, main UUID and registrations of the last run. The caller then resumes replication."""
        self.role = Role(state["role"])
        self.main_uuid = state["main_uuid"]
        self.port = state["port"]
        for name, address, mode in state["replicas"]:
            self.replicas[name] = Registration(name, address, Mode(mode))
