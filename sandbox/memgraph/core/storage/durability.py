"""What lies in the data directory: WAL files and snapshots, which of them are kept, what a start makes of them.

Pure: the shell only carries out the records that `Instance.outbox` collects. Memgraph's rules (M-3.1, M-3.5; its
`storage/v2/durability/durability.cpp` and `snapshot.cpp`), with sizes that are estimates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from sandbox.memgraph.core.storage.changes import Commit, Op
from sandbox.memgraph.core.storage.epochs import Epochs

COMMIT_BYTES: Final = 40
OP_BYTES: Final = 80
"""Rough size of a transaction's frame and of one change in a WAL file: decides only when a file is full."""
WAL_COMMITS: Final = 25_000
"""Commits after which a WAL file counts as full whatever its size: they are held in memory, too."""


@dataclass(slots=True, eq=False)
class Wal:
    """One WAL file: commits of one epoch. Only the newest may be unfinished."""

    seq: int
    epoch: str
    database_uuid: str
    commits: list[Commit] = field(default_factory=list)
    size: int = 0
    finished: bool = False

    @property
    def first(self) -> int:
        """Timestamp of the oldest commit (0: there is none)."""
        return self.commits[0].ts if self.commits else 0

    @property
    def last(self) -> int:
        """Timestamp of the newest commit (0: there is none)."""
        return self.commits[-1].ts if self.commits else 0

    def append(self, commit: Commit) -> None:
        """Add a commit."""
        self.commits.append(commit)
        self.size += COMMIT_BYTES + OP_BYTES * len(commit.ops)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole data state at `ts`. JSON values only, so that `vars` of it can travel and be stored."""

    ts: int
    epoch: str
    history: list[tuple[str, int]]
    database_uuid: str
    next_ids: list[int]
    ops: list[Op]

    def to_plain(self) -> dict[str, Any]:
        """As a JSON object."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> Snapshot:
        """The inverse of `to_plain`. Raises TypeError or ValueError for anything else."""
        history = [(epoch, ts) for epoch, ts in values["history"]]
        return cls(**{**values, "history": history})


def snapshot_name(ts: int) -> str:
    """A snapshot's path within the data directory."""
    return f"snapshots/{ts:020}.snapshot"


@dataclass(frozen=True, slots=True)
class OpenWal:
    """A new WAL file begins."""

    wal: Wal


@dataclass(frozen=True, slots=True)
class AppendCommit:
    """To be appended to the newest WAL file. `sync`: it and all before it must survive a power loss from now on."""

    commit: Commit
    sync: bool


@dataclass(frozen=True, slots=True)
class FinishWal:
    """Nothing more is appended to the newest WAL file; it survives a power loss from now on."""


@dataclass(frozen=True, slots=True)
class WriteSnapshot:
    """Write a snapshot file. `replaces`: all other snapshots and WAL files move aside (`.old`, one copy)."""

    snapshot: Snapshot
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class DeleteFiles:
    """Delete WAL files (by `seq`) and snapshots (by `ts`)."""

    wals: tuple[int, ...]
    snapshots: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class IdentityRecord:
    """The database's UUID, kept apart from WAL files and snapshots."""

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
class Trigger:
    """A stored trigger; `event` as SHOW TRIGGERS names it, `parameters` of the query that made it."""

    name: str
    statement: str
    event: str
    before: bool
    invoker: bool = False
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TriggersRecord:
    """All triggers."""

    triggers: list[Trigger]


Record: TypeAlias = (
    OpenWal
    | AppendCommit
    | FinishWal
    | WriteSnapshot
    | DeleteFiles
    | IdentityRecord
    | RoleRecord
    | UsersRecord
    | TriggersRecord
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the flags say about files. `snapshot_interval_s` 0: no periodic snapshots."""

    wal_enabled: bool = True
    wal_file_bytes: int = 20480 * 1024
    flush_every: int = 100_000
    snapshot_interval_s: float = 300.0
    snapshot_on_exit: bool = True
    snapshot_retention: int = 3


@dataclass(slots=True)
class Files:
    """The files as they are now, oldest first; WAL files of another database are not listed. `held`: commits in all."""

    wals: list[Wal] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    next_seq: int = 0
    unsynced: int = 0
    held: int = 0

    @property
    def current(self) -> Wal | None:
        """The WAL file that is written to."""
        return self.wals[-1] if self.wals and not self.wals[-1].finished else None

    def log(self, commit: Commit, database_uuid: str, limits: Limits) -> list[Record]:
        """Write one commit."""
        records: list[Record] = []
        wal = self.current
        if wal is None:
            wal = Wal(self.next_seq, commit.epoch, database_uuid)
            self.next_seq += 1
            self.wals.append(wal)
            records.append(OpenWal(wal))
        wal.append(commit)
        self.unsynced += 1
        self.held += 1
        sync = self.unsynced >= limits.flush_every
        if sync:
            self.unsynced = 0
        records.append(AppendCommit(commit, sync))
        full = wal.size >= limits.wal_file_bytes or len(wal.commits) >= WAL_COMMITS
        return records + (self.finish() if full else [])

    def finish(self) -> list[Record]:
        """Close the current WAL file, if there is one."""
        wal = self.current
        if wal is None:
            return []
        wal.finished = True
        self.unsynced = 0
        return [FinishWal()]

    def add_snapshot(self, snapshot: Snapshot, retention: int) -> list[Record]:
        """Write a snapshot; the oldest ones go, and WAL files that only they needed."""
        self.snapshots = [each for each in self.snapshots if each.ts != snapshot.ts]  # it takes that one's place
        self.snapshots.append(snapshot)
        old = self.snapshots[: max(0, len(self.snapshots) - max(1, retention))]
        del self.snapshots[: len(old)]
        unneeded = self._unneeded() if len(self.snapshots) == max(1, retention) else []
        gone = DeleteFiles(tuple(wal.seq for wal in unneeded), tuple(each.ts for each in old))
        self.wals = [wal for wal in self.wals if wal not in unneeded]
        self.held = sum(len(wal.commits) for wal in self.wals)
        records: list[Record] = [WriteSnapshot(snapshot)]
        return [*records, gone] if gone.wals or gone.snapshots else records

    def _unneeded(self) -> list[Wal]:
        """WAL files older than the last one that begins before the oldest snapshot."""
        oldest = self.snapshots[0].ts
        after = next((index for index, wal in enumerate(self.wals) if wal.first > oldest), len(self.wals))
        return [wal for wal in self.wals[: max(0, after - 1)] if wal.finished]

    def replace(self, snapshot: Snapshot) -> list[Record]:
        """A snapshot received from a main: everything else moves aside, WAL files are counted from 0 again."""
        self.wals, self.snapshots, self.next_seq, self.unsynced, self.held = [], [snapshot], 0, 0, 0
        return [WriteSnapshot(snapshot, replaces=True)]


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a start found. `ops` in order; `database_uuid` None: nothing was found."""

    ops: list[list[Op]]
    next_ids: list[int]
    epochs: Epochs | None
    ldt: int
    database_uuid: str | None


def recover(snapshots: Sequence[Snapshot], wals: Sequence[Wal]) -> Recovered:
    """The newest snapshot, then the WAL files with anything newer. An epoch without commits is not found again."""
    if not snapshots and not wals:
        return Recovered([], [], None, 0, None)
    uuid = snapshots[-1].database_uuid if snapshots else wals[-1].database_uuid
    if snapshots:
        base = snapshots[-1]
        epochs, ldt, ops, next_ids = Epochs(base.epoch, list(base.history)), base.ts, [base.ops], base.next_ids
    else:
        epochs, ldt, ops, next_ids = Epochs(wals[-1].epoch), 0, [], []
    for wal in wals:
        fresh = [commit for commit in wal.commits if commit.ts > ldt]
        if wal.database_uuid == uuid and fresh:
            ops += [commit.ops for commit in fresh]
            ldt = fresh[-1].ts
            epochs.replayed(wal.epoch, ldt)
    return Recovered(ops, next_ids, epochs, ldt, uuid)
