"""Simulated instances as real processes, asked by the neo4j driver."""

from __future__ import annotations

import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import neo4j
import pytest
from memgraph_process import ADDRESS, Memgraph, eventually, memgraphs
from neo4j.exceptions import ClientError, Neo4jError, TransientError

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.bolt.packstream import Structure
from sandbox.memgraph.core.bolt.stream import MAGIC, encode


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[list[Memgraph]]:
    """Three instances, born replicas; the first is promoted."""
    with memgraphs(tmp_path, 3) as instances:
        instances[0].query("SET REPLICATION ROLE TO MAIN")
        yield instances


def register(main: Memgraph, replica: Memgraph, name: str, mode: str) -> None:
    main.query(f"REGISTER REPLICA {name} {mode} TO '{replica.address}'")
    eventually(lambda: main.status()[name].get("status") == "ready")


def failure(instance: Memgraph, query: str) -> Neo4jError:
    with pytest.raises(Neo4jError) as caught:
        instance.query(query)
    return caught.value


def test_every_instance_is_born_a_replica(tmp_path: Path) -> None:
    """P-N1: also one that was main when it was killed."""
    with memgraphs(tmp_path, 1) as (instance,):
        assert instance.query("SHOW REPLICATION ROLE") == [["replica"]]
        instance.query("SET REPLICATION ROLE TO MAIN")
        instance.stop()
        instance.start()
        assert instance.query("SHOW REPLICATION ROLE") == [["replica"]]


def test_writes_by_every_kind_of_transaction_reach_the_replicas(cluster: list[Memgraph]) -> None:
    main, strict, lazy = cluster
    register(main, strict, "strict", "STRICT_SYNC")
    register(main, lazy, "lazy", "ASYNC")
    assert main.driver is not None
    with main.driver.session() as session:
        summary = session.run("CREATE (:T {id: 1})").consume()
        assert summary.counters.nodes_created == 1
        session.execute_write(lambda tx: tx.run("CREATE (:T {id: $id})", id=2).consume())
        with session.begin_transaction() as transaction:
            transaction.run("UNWIND $ids AS id CREATE (:T {id: id})", ids=[3, 4]).consume()
            transaction.commit()
        with session.begin_transaction() as transaction:
            transaction.run("CREATE (:T {id: 5})").consume()
            transaction.rollback()
        node = session.execute_read(lambda tx: tx.run("MATCH (n:T {id: 3}) RETURN n").single(strict=True)["n"])
    assert isinstance(node, neo4j.graph.Node)
    assert (set(node.labels), dict(node)) == ({"T"}, {"id": 3})
    assert strict.ids() == [1, 2, 3, 4], "at once"
    eventually(lambda: lazy.ids() == [1, 2, 3, 4])
    uuids = {dict(map(tuple, each.query("SHOW STORAGE INFO ON CURRENT DATABASE")))["database_uuid"] for each in cluster}
    assert len(uuids) == 1


def test_write_on_a_replica_is_refused_with_memgraphs_text(cluster: list[Memgraph]) -> None:
    error = failure(cluster[1], "CREATE (:T {id: 1})")
    assert isinstance(error, ClientError)
    assert (error.code, error.message) == (errors.CLIENT, errors.WRITE_ON_REPLICA)


def test_strict_replica_down_aborts_the_write_everywhere(cluster: list[Memgraph]) -> None:
    main, first, second = cluster
    register(main, first, "first", "STRICT_SYNC")
    register(main, second, "second", "STRICT_SYNC")
    main.query("CREATE (:T {id: 1})")
    second.stop()
    error = failure(main, "CREATE (:T {id: 2})")
    assert isinstance(error, ClientError)
    assert "Failed to replicate to STRICT_SYNC replica 'second'" in (error.message or "")
    assert main.ids() == first.ids() == [1]
    second.start()
    assert second.ids() == [1]
    main.query("DROP REPLICA second")
    register(main, second, "second_again", "STRICT_SYNC")
    main.query("CREATE (:T {id: 3})")
    assert second.ids() == [1, 3]


def test_killed_instance_keeps_every_commit(cluster: list[Memgraph]) -> None:
    main, strict, _ = cluster
    register(main, strict, "strict", "STRICT_SYNC")
    for number in range(50):
        main.query("CREATE (:T {id: $id})", id=number)
    main.query("CREATE INDEX ON :T(id)")
    for instance in (main, strict):
        instance.stop()
        instance.start()
        assert instance.ids() == list(range(50))
        assert instance.query("SHOW INDEX INFO") == [["label+property", "T", ["id"], 50]]


def test_takeover_fences_the_old_main(cluster: list[Memgraph]) -> None:
    old, new, third = cluster
    register(old, new, "new", "STRICT_SYNC")
    register(old, third, "third", "STRICT_SYNC")
    old.query("CREATE (:T {id: 1})")
    new.query("SET REPLICATION ROLE TO MAIN")
    register(new, third, "third", "STRICT_SYNC")
    assert "aborted on all instances" in (failure(old, "CREATE (:T {id: 2})").message or "")
    new.query("CREATE (:T {id: 3})")
    assert third.ids() == [1, 3]
    assert old.ids() == [1]


@pytest.mark.parametrize("fault", [{"state": "delay", "delay_ms": 20_000}, {"state": "blackhole"}])
def test_lagging_async_replica_catches_up_at_a_new_main(cluster: list[Memgraph], fault: dict[str, object]) -> None:
    main, strict, lagging = cluster
    register(main, strict, "strict", "STRICT_SYNC")
    register(main, lagging, "lagging", "ASYNC")
    assert main.admin(knob="link", peer=lagging.address, **fault) == {"ok": True}
    begin = time.monotonic()
    for number in range(20):
        main.query("CREATE (:T {id: $id})", id=number)
    assert time.monotonic() - begin < 5, "it never delays a commit"
    assert lagging.ids() == []
    main.stop()
    strict.query("SET REPLICATION ROLE TO MAIN")
    register(strict, lagging, "caught_up", "ASYNC")
    assert lagging.ids() == list(range(20))


def test_main_with_commits_of_its_own_rejoins_as_a_ghost(cluster: list[Memgraph]) -> None:
    old, new, _ = cluster
    register(old, new, "new", "STRICT_SYNC")
    old.query("CREATE (:T {id: 1})")
    old.query("DROP REPLICA new")
    old.query("CREATE (:T {id: 2})")
    new.query("SET REPLICATION ROLE TO MAIN")
    new.query("CREATE (:T {id: 3})")
    old.stop()
    old.start()
    register_old = f"REGISTER REPLICA old STRICT_SYNC TO '{old.address}'"
    assert failure(new, register_old).message == "Couldn't register replica old. Error: 3"
    assert new.query("SHOW REPLICAS") == [["old", old.address, "strict_sync", None, {}]]
    old.stop()
    shutil.rmtree(old.directory / "data")
    old.start()
    new.query("DROP REPLICA old")
    register(new, old, "old_wiped", "STRICT_SYNC")
    assert old.ids() == [1, 3]


def test_commands_in_the_sockets_of_a_hung_process_run_when_it_goes_on(cluster: list[Memgraph]) -> None:
    main = cluster[0]
    with socket.create_connection((ADDRESS, main.bolt)) as client:
        client.sendall(MAGIC + bytes.fromhex("00000205" + "00" * 12))
        for message in (Structure(0x01, [{"user_agent": "t"}]), Structure(0x6A, [{"scheme": "none"}])):
            client.sendall(encode(message))
        answers = b""
        while answers.count(b"connection_id") < 2:
            answers += client.recv(4096)
        main.send_signal(signal.SIGSTOP)
        client.sendall(encode(Structure(0x10, ["CREATE (:T {id: 1})", {}, {}])) + encode(Structure(0x3F, [{"n": -1}])))
    main.send_signal(signal.SIGCONT)
    eventually(lambda: main.ids() == [1])


def test_lost_finalize_knob(cluster: list[Memgraph]) -> None:
    main, strict, _ = cluster
    register(main, strict, "strict", "STRICT_SYNC")
    main.admin(knob="lose_finalize")
    main.query("CREATE (:T {id: 1})")
    assert strict.ids() == []
    assert strict.admin(show="state")["prepared"] == main.admin(show="state")["ldt"]
    assert main.status()["strict"]["behind"] < 0
    strict.query("SET REPLICATION ROLE TO MAIN")
    assert strict.admin(show="state")["prepared"] is None


def test_lock_busy_and_refuse_knobs(cluster: list[Memgraph]) -> None:
    main, replica, _ = cluster
    main.admin(knob="lock_busy", times=1)
    query = f"REGISTER REPLICA r ASYNC TO '{replica.address}'"
    assert (failure(main, query).message or "").endswith("Error: 6")
    main.admin(knob="link", peer="*", state="refuse")
    assert (failure(main, query).message or "").endswith("Error: 5")
    main.admin(knob="link", peer="*", state="ok")
    main.query("DROP REPLICA r")
    main.query(query)
    assert main.admin(knob="link", state="broken")["ok"] is False
    assert main.admin(what=1)["ok"] is False


def test_restored_main_finds_its_replicas_again(tmp_path: Path) -> None:
    """The other setting of P-N2."""
    with memgraphs(tmp_path, 2, born_replica=False) as (main, replica):
        assert replica.query("SHOW REPLICATION ROLE") == [["main"]], "a fresh instance is a main"
        replica.query(f"SET REPLICATION ROLE TO REPLICA WITH PORT {replica.replication}")
        register(main, replica, "r", "STRICT_SYNC")
        main.query("CREATE (:T {id: 1})")
        for instance in (replica, main):
            instance.stop()
            instance.start(born_replica=False)
        assert replica.query("SHOW REPLICATION ROLE") == [["replica"]]
        eventually(lambda: main.status()["r"]["status"] == "ready")
        main.query("CREATE (:T {id: 2})")
        assert replica.ids() == [1, 2]


@contextmanager
def unanswered(instance: Memgraph, query: str) -> Iterator[None]:
    """A client that has asked and doesn't wait for the answer."""
    with socket.create_connection((ADDRESS, instance.bolt)) as client:
        client.sendall(MAGIC + bytes.fromhex("00000205" + "00" * 12))
        messages = (
            Structure(0x01, [{"user_agent": "t"}]),
            Structure(0x6A, [{"scheme": "none"}]),
            Structure(0x10, [query, {}, {}]),
            Structure(0x3F, [{"n": -1}]),
        )
        client.sendall(b"".join(map(encode, messages)))
        yield


def end(instance: Memgraph, **command: object) -> None:
    """Give a command that ends the process, and wait for that."""
    process = instance.process
    assert process is not None
    with pytest.raises((OSError, anyio.EndOfStream, anyio.IncompleteRead)):
        instance.admin(**command)
    process.wait(10)


def test_hang_after_a_confirmation_leaves_the_vote_standing(cluster: list[Memgraph]) -> None:
    main, strict, _ = cluster
    register(main, strict, "strict", "STRICT_SYNC")
    strict.admin(knob="hang", rpc="prepare", when="after", times=1)
    with unanswered(main, "CREATE (:T {id: 1})"):
        eventually(lambda: strict.admin(show="state")["prepared"])
        assert main.admin(show="state")["vertex_count"] == 0, "not visible before every vote is in"
        with pytest.raises(Neo4jError, match="Couldn't set role to replica!"):
            main.query(f"SET REPLICATION ROLE TO REPLICA WITH PORT {main.replication}")
        strict.admin(knob="hang", times=0)
        eventually(lambda: main.ids() == strict.ids() == [1])


def test_hang_before_is_executed_when_let_go(cluster: list[Memgraph]) -> None:
    main, _, lazy = cluster
    register(main, lazy, "lazy", "ASYNC")
    lazy.admin(knob="hang", rpc="prepare", when="before", times=1)
    main.query("CREATE (:T {id: 1})")
    assert main.status()["lazy"]["status"] == "replicating"
    assert lazy.ids() == []
    lazy.admin(knob="hang", times=0)
    eventually(lambda: lazy.ids() == [1])
    eventually(lambda: main.status()["lazy"]["status"] == "ready")
    assert main.admin(knob="hang", rpc="nonsense")["ok"] is False


def test_stalled_disk_stalls_commits_and_not_the_server(cluster: list[Memgraph]) -> None:
    main = cluster[0]
    main.query("CREATE (:T {id: 1})")
    main.admin(knob="disk", state="stall")
    with unanswered(main, "CREATE (:T {id: 2})"):
        eventually(lambda: len(main.admin(show="state")["wals"]) and main.admin(show="state")["wals"][-1][2] > 2)
        assert main.query("SHOW REPLICATION ROLE") == [["main"]]
        assert main.admin(show="state")["vertex_count"] == 1
        main.admin(knob="disk", state="ok")
        eventually(lambda: main.ids() == [1, 2])


def test_power_failure_takes_unsynced_commits(tmp_path: Path) -> None:
    with memgraphs(tmp_path, 1, "--storage-wal-file-flush-every-n-tx=3", born_replica=False) as (instance,):
        for number in range(5):
            instance.query("CREATE (:T {id: $id})", id=number)
        end(instance, kill="power")
        instance.stop()
        instance.start(born_replica=False)
        assert instance.ids() == [0, 1, 2]
        instance.query("CREATE (:T {id: 9})")
        instance.stop()
        instance.start(born_replica=False)
        assert instance.ids() == [0, 1, 2, 9], "killed, it loses nothing"


def test_wiped_volume_comes_back_empty_and_is_filled_again(cluster: list[Memgraph]) -> None:
    main, strict, _ = cluster
    register(main, strict, "strict", "STRICT_SYNC")
    main.query("CREATE (:T {id: 1})")
    end(strict, kill="wipe")
    strict.stop()
    strict.start()
    assert strict.ids() == []
    main.query("DROP REPLICA strict")
    register(main, strict, "strict_again", "STRICT_SYNC")
    assert strict.ids() == [1]


def test_sigterm_writes_a_snapshot_that_is_enough(tmp_path: Path) -> None:
    with memgraphs(tmp_path, 1, born_replica=False) as (instance,):
        instance.query("CREATE (:T {id: 1})")
        before = instance.admin(show="state")
        assert instance.stop(signal.SIGTERM) == 0
        shutil.rmtree(instance.directory / "data" / "wal")
        instance.start(born_replica=False)
        after = instance.admin(show="state")
        assert instance.ids() == [1]
        assert (after["epoch"], after["history"], after["snapshots"]) == (before["epoch"], [], [before["ldt"]])


def test_start_without_recovery_keeps_the_identity_and_sets_the_data_aside(tmp_path: Path) -> None:
    with memgraphs(tmp_path, 1, "--data-recovery-on-startup=false", born_replica=False) as (instance,):
        instance.query("CREATE (:T {id: 1})")
        uuid = instance.admin(show="state")["database_uuid"]
        instance.stop()
        instance.start(born_replica=False)
        assert instance.ids() == []
        assert instance.admin(show="state")["database_uuid"] == uuid
        assert list((instance.directory / "data" / "wal.backup").iterdir())


@pytest.mark.parametrize(
    ("level", "kind", "text"),
    [
        ("3.6", TransientError, "At least one SYNC replica has not confirmed"),
        ("3.9", ClientError, "At least one SYNC replica has not confirmed"),
        ("3.12", ClientError, "Failed to replicate to SYNC replica 'b'"),
    ],
)
def test_a_driver_sees_the_imitated_release(tmp_path: Path, level: str, kind: type[Neo4jError], text: str) -> None:
    """M-2.1: under 3.6 the driver's hint is to try again, although the write is committed."""
    with memgraphs(tmp_path, 2, f"--compat={level}") as (main, replica):
        main.query("SET REPLICATION ROLE TO MAIN")
        register(main, replica, "b", "SYNC")
        replica.stop()
        error = failure(main, "CREATE (:T {id: 1})")
        assert type(error) is kind
        assert text in (error.message or "")
        assert main.ids() == [1]


def test_a_driver_gets_masters_warning_as_a_notification(tmp_path: Path) -> None:
    with memgraphs(tmp_path, 2, "--compat=master") as (main, replica):
        main.query("SET REPLICATION ROLE TO MAIN")
        register(main, replica, "b", "SYNC")
        replica.stop()
        assert main.driver is not None
        with main.driver.session() as session:
            summary = session.run("CREATE (:T {id: 1})").consume()
        assert [note["code"] for note in summary.metadata["notifications"]] == ["SyncReplicationFailure"]
        assert "WARNING" in [status.raw_severity for status in summary.gql_status_objects]
