"""State of one Memgraph instance: role, identities, registrations, epochs, timestamps, files, locks."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sandbox.memgraph.core.compat import DEFAULT, Compat
from sandbox.memgraph.core.effects import Steps, Until
from sandbox.memgraph.core.storage.changes import Commit
from sandbox.memgraph.core.storage.durability import (
    Files,
    IdentityRecord,
    Limits,
    Record,
    RoleRecord,
    Snapshot,
    Trigger,
    Wal,
    recover,
)
from sandbox.memgraph.core.storage.epochs import Epochs
from sandbox.memgraph.core.storage.graph import Graph

SERVER_NAME: Final = "Neo4j/v5.11.0 compatible graph database server - Memgraph"
COMMITS_IN_MEMORY: Final = 50_000
"""WAL contents are also held in memory, for lagging replicas: beyond so many commits a snapshot lets old ones go."""


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


class StorageMode(enum.Enum):
    """As STORAGE MODE takes it. Analytical: nothing is logged, nothing replicated, nothing rolled back."""

    TRANSACTIONAL = "IN_MEMORY_TRANSACTIONAL"
    ANALYTICAL = "IN_MEMORY_ANALYTICAL"


@dataclass(slots=True, eq=False)
class Registration:
    """A registered replica, on its main. A ghost is listed, but nothing is ever sent to it.

    `ts` is the main's cached idea of the replica's position; `failures` counts pings in a row. There is one connection
    to a replica, and whoever uses it holds `line` (pings, heartbeats, commits and recovery wait for each other).
    `opening`: a commit waits for it, and holds the status, so that SHOW REPLICAS waits, too.
    `tasks` are carried out one after the other. `unaligned`: the replica hasn't accepted the database's identity yet.
    """

    name: str
    address: str
    mode: Mode
    status: Status = Status.INVALID
    ts: int = 0
    ghost: bool = False
    failures: int = 0
    line: bool = False
    opening: bool = False
    working: bool = False
    checking: bool = False
    unaligned: bool = True
    tasks: deque[Steps[None]] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the flags decide."""

    check_frequency_s: float = 1.0
    stale_history: bool = True
    restore_replication_state: bool = True
    automatic_label_indexes: bool = False
    automatic_edge_type_indexes: bool = False
    server_name: str = SERVER_NAME
    files: Limits = field(default_factory=Limits)
    compat: Compat = DEFAULT
    config: tuple[tuple[str, str, str, str], ...] = ()
    """SHOW CONFIG's rows: name, default_value, current_value, description."""


@dataclass(slots=True, eq=False)
class Instance:
    """A fresh instance is MAIN, empty, with random identities (given by the caller).

    Locks: `readers` commits (on a replica: what it is applying) hold the role lock shared, a role change or a
    registration holds it exclusively; `committing` is the engine lock; `serving`: a replica handles one RPC at a time;
    `system_owner` is the session that runs a system query.
    """

    main_uuid: str
    database_uuid: str
    epochs: Epochs
    settings: Settings = field(default_factory=Settings)
    role: Role = Role.MAIN
    storage_mode: StorageMode = StorageMode.TRANSACTIONAL
    graph: Graph = field(default_factory=Graph)
    ldt: int = 0
    timestamp: int = 0
    port: int | None = None
    replicas: dict[str, Registration] = field(default_factory=dict)
    prepared: Commit | None = None
    """On a replica: voted for, and undecided."""
    users: dict[str, str] = field(default_factory=dict)
    triggers: dict[str, Trigger] = field(default_factory=dict)
    files: Files = field(default_factory=Files)
    outbox: list[Record] = field(default_factory=list)
    readers: int = 0
    exclusive: bool = False
    committing: bool = False
    serving: bool = False
    system_owner: object = None
    write_access: set[object] = field(default_factory=set)
    sessions: dict[object, tuple[str, str]] = field(default_factory=dict)
    """Who is logged in: user (empty if there are none) and session UUID."""
    busy_calls: int = 0
    to_index: dict[tuple[str, str], None] = field(default_factory=dict)
    """Indexes to be made by themselves: `i` and a label, or `ri` and a relationship type, as in `storage.changes`."""

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

    def may_begin(self) -> Steps[None]:
        """Wait for the engine lock, as every transaction does at its start: also a read waits while a commit hangs."""
        if self.committing:
            yield Until(lambda: not self.committing)

    def transactional(self) -> bool:
        """Whether this instance replicates at all."""
        return self.storage_mode is StorageMode.TRANSACTIONAL

    # Data

    def log(self, commit: Commit) -> None:
        """Write a commit to the WAL. It isn't visible before `apply`."""
        self.outbox += self.files.log(commit, self.database_uuid, self.settings.files)

    def apply(self, commit: Commit) -> None:
        """Make a commit visible."""
        self.graph.apply(commit.ops)
        self.ldt = commit.ts
        self.timestamp = max(self.timestamp, commit.ts + 1)
        if self.files.held > COMMITS_IN_MEMORY:
            self.write_snapshot(retention=1)

    def receive_epoch(self, epoch: str) -> None:
        """On a replica: what arrives belongs to this epoch."""
        if epoch != self.epochs.current:
            self.outbox += self.files.finish()
            self.epochs.receive(epoch, self.ldt)

    def write_snapshot(self, *, force: bool = False, retention: int | None = None, ts: int | None = None) -> bool:
        """Write a snapshot file, as of `ts` (else of the last commit). False: nothing changed since the last one."""
        epoch, history = self.epochs.current, list(self.epochs.history)
        last = self.files.snapshots[-1] if self.files.snapshots else None
        if not force and last is not None and (last.ts, last.epoch, last.history) == (self.ldt, epoch, history):
            return False
        at = self.ldt if ts is None else ts
        snapshot = Snapshot(at, epoch, history, self.database_uuid, list(self.graph.next_ids), self.graph.dump())
        keep = self.settings.files.snapshot_retention if retention is None else retention
        self.outbox += self.files.add_snapshot(snapshot, keep)
        return True

    def load(self, snapshot: Snapshot) -> None:
        """Replace the data by a main's snapshot. Transactions that still run keep reading the old graph."""
        self.graph = Graph()
        self.graph.apply(snapshot.ops)
        self.graph.next_ids = list(snapshot.next_ids)
        self.epochs = Epochs(snapshot.epoch, list(snapshot.history))
        self.ldt = snapshot.ts
        self.timestamp = max(self.timestamp, self.ldt + 1)
        self.database_uuid = snapshot.database_uuid
        self.outbox += self.files.replace(snapshot)

    def adopt_database(self, database_uuid: str) -> None:
        """An empty instance becomes part of its main's database."""
        self.database_uuid = database_uuid
        self.outbox.append(IdentityRecord(database_uuid))

    def recover(self, snapshots: Sequence[Snapshot], wals: Sequence[Wal]) -> None:
        """Build the data from what lies in the data directory. A WAL file without a commit doesn't count as one."""
        wals = [wal for wal in wals if wal.commits]
        found = recover(snapshots, wals)
        if found.epochs is None or found.database_uuid is None:
            return
        for ops in found.ops:
            self.graph.apply(ops)
        self.graph.reserve(found.next_ids)
        self.epochs, self.ldt, self.database_uuid = found.epochs, found.ldt, found.database_uuid
        history = self.epochs.history
        if not self.settings.stale_history and history and history[-1][0] == self.epochs.current:
            history.pop()
        self.files.wals = [wal for wal in wals if wal.database_uuid == self.database_uuid]
        for wal in self.files.wals:
            wal.finished = True
        self.files.held = sum(len(wal.commits) for wal in self.files.wals)
        self.files.snapshots = list(snapshots)
        self.files.next_seq = max((wal.seq + 1 for wal in self.files.wals), default=0)

    # Replication state

    def live(self) -> list[Registration]:
        """Registrations that are no ghosts, in registration order."""
        return [replica for replica in self.replicas.values() if not replica.ghost]

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

    def restore_role(self, state: dict[str, Any]) -> None:
        """Role, port, main UUID and registrations of the last run. The caller then resumes replication."""
        self.role = Role(state["role"])
        self.main_uuid = state["main_uuid"]
        self.port = state["port"]
        for name, address, mode in sorted(state["replicas"]):  # as the key-value store lists them, not as registered
            self.replicas[name] = Registration(name, address, Mode(mode))
