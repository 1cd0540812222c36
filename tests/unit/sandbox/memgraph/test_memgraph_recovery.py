"""WAL files, snapshots, and which of them a lagging replica gets (M-3.5, M-6.2/32)."""

from __future__ import annotations

import pytest
from virtual_memgraph import World

from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.instance import Instance, Settings, Status
from sandbox.memgraph.core.messages import Lost, Request, WalFiles
from sandbox.memgraph.core.replication.recovery import SendCurrentWal, SendSnapshot, SendWals, steps_for
from sandbox.memgraph.core.storage.changes import Commit
from sandbox.memgraph.core.storage.durability import Files, Limits, Snapshot, Wal, recover

SMALL = Settings(files=Limits(wal_file_bytes=1, snapshot_interval_s=0))
"""Every commit gets a WAL file of its own."""


def wal(seq: int, *timestamps: int, epoch: str = "E", finished: bool = True) -> Wal:
    return Wal(seq, epoch, "db", [Commit(ts, epoch, []) for ts in timestamps], finished=finished)


def snapshot(ts: int, history: list[tuple[str, int]] | None = None) -> Snapshot:
    return Snapshot(ts, "E", history or [], "db", [0, 0], [])


def shape(files: Files, replica_ldt: int) -> list[str] | None:
    steps = steps_for(files, replica_ldt)
    if steps is None:
        return None
    shown = []
    for step in steps:
        match step:
            case SendSnapshot(sent):
                shown.append(f"snapshot {sent.ts}")
            case SendWals(wals):
                shown.append("wals " + " ".join(str(each.seq) for each in wals))
            case SendCurrentWal(seq):
                shown.append(f"current {seq}")
    return shown


@pytest.mark.parametrize(
    ("files", "replica_ldt", "expected"),
    [
        (Files(), 0, []),
        (Files([wal(0, 2, 4, finished=False)]), 0, ["current 0"]),
        (Files([wal(0, 2, 4)]), 0, ["wals 0"]),
        (Files([wal(0, 2, 4), wal(1, 6, 8)]), 4, ["wals 0 1"]),
        (Files([wal(0, 2, 4), wal(1, 6, 8)]), 5, ["wals 1"]),
        (Files([wal(0, 2, 4), wal(1, 6, 8)]), 8, []),
        (Files([wal(0, 2, 4), wal(1, 6, 8, finished=False)]), 2, ["wals 0", "current 1"]),
        (Files([wal(3, 20, 22), wal(4, 24)], [snapshot(21)]), 2, ["snapshot 21", "wals 3 4"]),
        (Files([wal(3, 20, 22), wal(4, 24)], [snapshot(23)]), 2, ["snapshot 23", "wals 4"]),
        (Files([wal(3, 20, 22), wal(4, 24)], [snapshot(21)]), 22, ["wals 3 4"]),
        (Files([wal(2, 14), wal(4, 24)], [snapshot(23)]), 2, ["snapshot 23", "wals 4"]),
        (Files([wal(3, 20, 22)], [snapshot(30)]), 25, ["snapshot 30"]),
        (Files([], [snapshot(30)]), 30, []),
        (Files([wal(3, 20, finished=False)], [snapshot(30)]), 25, ["snapshot 30"]),
        (Files([wal(3, 20, 22)]), 2, None),
    ],
)
def test_steps(files: Files, replica_ldt: int, expected: list[str] | None) -> None:
    assert shape(files, replica_ldt) == expected


def test_retention_keeps_what_the_oldest_snapshot_needs() -> None:
    files = Files([wal(seq, 10 * seq + 2) for seq in range(5)], next_seq=5, held=5)
    files.add_snapshot(snapshot(15), 2)
    assert [each.seq for each in files.wals] == [0, 1, 2, 3, 4], "fewer snapshots than are kept: nothing is deleted"
    files.add_snapshot(snapshot(25), 2)
    assert [each.seq for each in files.wals] == [1, 2, 3, 4], "one file that begins before the oldest snapshot stays"
    files.add_snapshot(snapshot(45), 2)
    assert [each.ts for each in files.snapshots] == [25, 45]
    assert [each.seq for each in files.wals] == [2, 3, 4]
    assert files.held == 3


def test_start_from_wal_files_alone_rebuilds_the_history() -> None:
    found = recover([], [wal(0, 2, 4, epoch="A"), wal(1, 6, epoch="B"), wal(2, 8, epoch="B")])
    assert found.epochs is not None
    assert (found.epochs.current, found.epochs.history, found.ldt) == ("B", [("A", 4), ("B", 8)], 8)


def test_start_from_a_snapshot_that_covers_everything_lists_no_running_epoch() -> None:
    found = recover([snapshot(6, [("A", 4)])], [wal(0, 2, 4, epoch="A"), wal(1, 6)])
    assert found.epochs is not None
    assert (found.epochs.current, found.epochs.history, found.ldt) == ("E", [("A", 4)], 6)


def test_start_from_a_snapshot_and_newer_wal_files_lists_it() -> None:
    found = recover([snapshot(6, [("A", 4)])], [wal(1, 6, 8)])
    assert found.epochs is not None
    assert (found.epochs.history, found.ldt) == ([("A", 4), ("E", 8)], 8)


def test_wal_files_of_another_database_are_ignored() -> None:
    other = Wal(0, "X", "other", [Commit(50, "X", [])], finished=True)
    assert recover([snapshot(6)], [other]).ldt == 6


def pair(settings: Settings = SMALL) -> tuple[World, Instance]:
    world = World()
    for name in "ab":
        world.start(name, settings=settings)
        world.query(name, "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    world.query("a", "SET REPLICATION ROLE TO MAIN")
    return world, world.instances["a"]


def kinds(world: World) -> list[str]:
    return [fields["step"] for _, event, fields in world.notes if event == "RecoveryStep"]


def ids(world: World, name: str) -> list[int]:
    return [row[0] for row in world.query(name, "MATCH (n:T) RETURN n.id ORDER BY n.id")]


def statuses(main: Instance) -> list[str]:
    return [replica.status.value for replica in main.replicas.values()]


def write(world: World, *numbers: int) -> None:
    for number in numbers:
        world.query("a", "CREATE (:T {id: $id})", id=number)


@pytest.mark.parametrize("snapshots_at", [(), (4,), (2, 4, 6)])
def test_a_late_replica_gets_everything_by_whatever_way(snapshots_at: tuple[int, ...]) -> None:
    world, main = pair(Settings(files=Limits(wal_file_bytes=1, snapshot_interval_s=0, snapshot_retention=2)))
    for number in range(8):
        write(world, number)
        if number in snapshots_at:
            assert main.write_snapshot()
    world.query("a", "REGISTER REPLICA b SYNC TO 'b:10000'")
    world.advance(0.5)
    assert ids(world, "b") == list(range(8))
    assert main.replicas["b"].status is Status.READY
    assert main.replicas["b"].ts == main.ldt == world.instances["b"].ldt
    assert kinds(world) == (["SendSnapshot", "SendWals"] if snapshots_at else ["SendWals"])
    world.kill("b")
    world.start("b", settings=SMALL)
    assert ids(world, "b") == list(range(8)), "what was received is on its disk"


def test_commit_during_recovery_is_not_sent_and_the_next_turn_brings_it() -> None:
    world, main = pair()
    write(world, *range(5))
    late = world.begin_query("a", "REGISTER REPLICA b ASYNC TO 'b:10000'")
    arrived: list[Request] = []

    def commit_when_recovery_begins(_: str, __: str, request: Request) -> Lost | None:
        if isinstance(request, WalFiles) and not arrived:
            arrived.append(request)
            world.begin_query("a", "CREATE (:T {id: 5})")
        return None

    world.intercept = commit_when_recovery_begins
    world.advance(0.1)
    assert late.done
    assert ids(world, "a") == [*range(6)]
    assert statuses(main) == ["invalid"]
    world.advance(1.5)
    assert ids(world, "b") == [*range(6)]
    assert statuses(main) == ["ready"]


def test_missing_files_leave_the_replica_invalid() -> None:
    world, main = pair()
    write(world, *range(5))
    del main.files.wals[:2]
    world.query("a", "REGISTER REPLICA b ASYNC TO 'b:10000'")
    world.advance(3)
    assert main.replicas["b"].status is Status.INVALID
    assert ids(world, "b") == []


def test_unsynced_commits_are_lost_with_the_power_and_only_they() -> None:
    settings = Settings(files=Limits(flush_every=4, snapshot_interval_s=0))
    world, _ = pair(settings)
    write(world, *range(6))
    assert world.lose_power("a") == 2
    world.start("a", settings=settings)
    assert ids(world, "a") == [0, 1, 2, 3]


def test_wal_file_without_a_commit_does_not_count() -> None:
    """Its number is used again: else the chain from the first file would seem broken, and no replica could recover."""
    settings = Settings(files=Limits(flush_every=4, snapshot_interval_s=0))
    world, _ = pair(settings)
    write(world, 1)
    assert world.lose_power("a") == 1
    main = world.start("a", settings=settings)
    write(world, 2)
    assert [wal.seq for wal in main.files.wals] == [0]
    world.query("a", "REGISTER REPLICA b SYNC TO 'b:10000'")
    world.advance(0.5)
    assert ids(world, "b") == [2]


def test_snapshot_on_exit_covers_everything_so_the_history_gets_no_stale_entry() -> None:
    world, main = pair(Settings(files=Limits(snapshot_interval_s=0)))
    write(world, 1, 2)
    history = list(main.epochs.history)
    world.stop("a")
    assert world.start("a").epochs.history == history
    world.kill("a")
    again = world.start("a")
    assert again.epochs.history == history
    assert ids(world, "a") == [1, 2]


def test_new_epoch_survives_a_snapshot_without_any_commit() -> None:
    world, main = pair(Settings(files=Limits(snapshot_interval_s=0)))
    write(world, 1)
    world.query("a", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    world.query("a", "SET REPLICATION ROLE TO MAIN")
    epoch = main.epochs.current
    world.stop("a")
    assert world.start("a").epochs.current == epoch


@pytest.mark.parametrize("snapshot_on_exit", [True, False])
def test_an_epoch_that_ended_with_a_snapshot_is_forgotten(snapshot_on_exit: bool) -> None:
    """A snapshot lists the epochs before its own, and no WAL file brings anything newer of that one. So a later start
    knows of it no more, and a replica that stands at its very end is judged as diverged: false, with equal data."""
    settings = Settings(files=Limits(snapshot_interval_s=0, snapshot_on_exit=snapshot_on_exit), stale_history=False)
    world, _ = pair(settings)
    world.query("a", "REGISTER REPLICA b SYNC TO 'b:10000'")
    write(world, 1)
    world.stop("a")
    for _ in range(2):  # the second time from the snapshot and what came after it, if there is one
        main = world.start("a", settings=settings)
        world.query("a", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
        world.query("a", "SET REPLICATION ROLE TO MAIN")
        write(world, 2)
        world.kill("a")
    world.start("a", settings=settings)
    assert ids(world, "b") == [1]
    if snapshot_on_exit:
        with pytest.raises(QueryError, match="Error: 3"):
            world.query("a", "REGISTER REPLICA b SYNC TO 'b:10000'")
    else:
        world.query("a", "REGISTER REPLICA b SYNC TO 'b:10000'")
        world.advance(0.5)
        assert ids(world, "b") == [1, 2, 2]
    assert main.ldt == world.instances["a"].ldt


def test_commits_held_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.memgraph.core.instance.COMMITS_IN_MEMORY", 20)
    monkeypatch.setattr("sandbox.memgraph.core.storage.durability.WAL_COMMITS", 10)
    world, main = pair(Settings(files=Limits(snapshot_interval_s=0)))
    write(world, *range(100))
    assert main.files.held <= 21
    world.query("a", "REGISTER REPLICA b ASYNC TO 'b:10000'")
    world.advance(0.5)
    assert ids(world, "b") == [*range(100)]
