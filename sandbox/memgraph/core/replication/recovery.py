"""How a main brings a lagging replica up to date: which files it sends (M-3.5), and the sending."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from sandbox.memgraph.core.effects import Note, Steps, Until
from sandbox.memgraph.core.instance import Instance, Registration, Status
from sandbox.memgraph.core.messages import Answer, SnapshotFile, WalFiles, WalPart
from sandbox.memgraph.core.replication import line
from sandbox.memgraph.core.storage.durability import Files, Snapshot, Wal

WAL_TIMEOUT_S: Final = 30.0
SNAPSHOT_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class SendSnapshot:
    """The newest snapshot."""

    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class SendWals:
    """Finished WAL files, oldest first."""

    wals: tuple[Wal, ...]


@dataclass(frozen=True, slots=True)
class SendCurrentWal:
    """The WAL file that is written to; skipped if it isn't the same one any more when its turn comes."""

    seq: int


Step: TypeAlias = SendSnapshot | SendWals | SendCurrentWal


def steps_for(files: Files, replica_ldt: int) -> list[Step] | None:
    """The shortest way from `replica_ldt` to now: WAL files where their chain reaches back, else the newest snapshot
    and what came after it. None: there is no way (files are missing)."""
    finished = [wal for wal in files.wals if wal.finished]
    newest = files.snapshots[-1] if files.snapshots else None
    steps: list[Step] = []
    covered_to = 0
    if finished and finished[-1].last > replica_ldt:
        first, covered = _chain(finished, replica_ldt)
        if not covered:
            if newest is None and finished[first].seq != 0:
                return None
            if newest is not None and newest.ts > replica_ldt:
                steps.append(SendSnapshot(newest))
                covered_to = newest.ts
                while first < len(finished) and finished[first].last <= newest.ts:
                    first += 1
        if first < len(finished):
            steps.append(SendWals(tuple(finished[first:])))
    elif newest is not None and newest.ts > replica_ldt:
        steps.append(SendSnapshot(newest))
        covered_to = newest.ts
    current = files.current
    if current is not None and current.last > covered_to:
        steps.append(SendCurrentWal(current.seq))
    return steps


def _chain(wals: Sequence[Wal], replica_ldt: int) -> tuple[int, bool]:
    """Index of the first WAL file that is needed, and whether the unbroken chain from it to the newest covers all."""
    index = len(wals) - 1
    while wals[index].first > replica_ldt + 1:
        if index == 0:
            return 0, False
        if wals[index].seq - wals[index - 1].seq > 1:
            return index, False
        index -= 1
    return index, True


def recover(instance: Instance, replica: Registration, replica_ldt: int) -> Steps[None]:
    """Carry the steps out. A commit that comes meanwhile isn't sent: the replica is invalid again at the end then."""
    if replica.status is not Status.RECOVERY:  # three pings failed while this task waited for its turn
        return
    position = replica_ldt
    steps = steps_for(instance.files, replica_ldt)
    failed = steps is None
    for step in steps or ():
        request = _request(instance, step, position)
        if request is None:
            continue
        timeout = SNAPSHOT_TIMEOUT_S if isinstance(step, SendSnapshot) else WAL_TIMEOUT_S
        yield Note("RecoveryStep", {"replica": replica.name, "step": type(step).__name__, "from_ts": position})
        answer = yield from line.ask(replica, request, timeout)
        if not line.stands(instance, replica):
            return
        if not isinstance(answer, Answer) or not answer.ok:
            failed = True
            break
        position = answer.ldt
    if instance.committing:
        yield Until(lambda: not instance.committing)
    if line.stands(instance, replica):
        replica.ts = position
        replica.status = Status.READY if not failed and instance.ldt <= position else Status.INVALID


def _request(instance: Instance, step: Step, position: int) -> SnapshotFile | WalFiles | None:
    main, database = instance.main_uuid, instance.database_uuid

    def part(wal: Wal) -> WalPart:
        """What a replica at `position` would skip needn't travel."""
        begin = bisect_right(wal.commits, position, key=lambda commit: commit.ts)
        return WalPart(wal.epoch, wal.commits[begin:])

    match step:
        case SendSnapshot(snapshot):
            return SnapshotFile(main, database, snapshot.to_plain())
        case SendWals(wals):
            return WalFiles(main, database, [part(wal) for wal in wals])
        case SendCurrentWal(seq):
            wal = instance.files.current
            if wal is None or wal.seq != seq:
                return None
            return WalFiles(main, database, [part(wal)], current=True)
