"""What holds whatever happens: any interleaving of commands, crashes and link faults, under virtual time (P-S1, M-3).

* An epoch is born by one promotion only.
* A replica's data is a prefix of what its main logged, in the main's order, since they share a history.
* An acknowledged SYNC write is on every SYNC replica that was ready; a refused STRICT_SYNC write is nowhere.
* An acknowledged STRICT_SYNC write that its replica lacks was preceded by a lost finalize that the model noted, or the
  replica's files were lost after it.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import currently_in_test_context, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from virtual_memgraph import BROKEN, TIMEOUT, World

from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.instance import Registration, Role, Settings
from sandbox.memgraph.core.messages import Finalize, Lost, Prepare, Request
from sandbox.memgraph.core.storage.durability import Limits

NAMES = ("a", "b", "c")
ROLE = "SET REPLICATION ROLE TO REPLICA WITH PORT 10000"
FAULTS = st.sampled_from(["prepare lost", "vote lost", "finalize lost", "finalize unanswered", "prepare silent"])


class Cluster(RuleBasedStateMachine):
    """One main at a time is written to; the others are its replicas, or would be."""

    mode = "STRICT_SYNC"

    @initialize(
        wal_kib=st.sampled_from([1, 20_480]), flush=st.sampled_from([1, 3, 100_000]), snapshot_on_exit=st.booleans()
    )
    def begin(self, wal_kib: int, flush: int, snapshot_on_exit: bool) -> None:
        files = Limits(
            wal_file_bytes=wal_kib * 1024,
            flush_every=flush,
            snapshot_interval_s=0,
            snapshot_on_exit=snapshot_on_exit,
        )
        self.settings = Settings(files=files, stale_history=False)
        self.world = World()
        self.down: set[str] = set()
        self.frozen: set[str] = set()
        self.names = 0
        self.written = 0
        self.acknowledged: dict[int, set[str]] = {}
        self.refused: set[int] = set()
        self.unfinalized: set[tuple[str, int]] = set()
        self.excused: set[tuple[str, int]] = set()
        self.promotions: dict[str, str] = {}
        for name in NAMES:
            self.world.start(name, settings=self.settings)
            self.world.query(name, ROLE)
        self.main = "a"
        self.promote("a")
        for name in "bc":
            self.register(name)

    # What is done to it

    def promote(self, name: str) -> None:
        self.world.query(name, "SET REPLICATION ROLE TO MAIN")
        epoch = self.world.instances[name].epochs.current
        assert epoch not in self.promotions, "an epoch is born once"
        self.promotions[epoch] = name

    @rule(name=st.sampled_from(NAMES))
    def register(self, name: str) -> None:
        """(Again) under a fresh name."""
        if name == self.main or {name, self.main} & self.frozen or self.main in self.down:
            return
        for known in list(self.world.instances[self.main].replicas.values()):
            if known.address.startswith(name):
                self.world.query(self.main, f"DROP REPLICA {known.name}")
        self.names += 1
        query = f"REGISTER REPLICA r{self.names} {self.mode} TO '{name}:10000'"
        if name in self.down:
            with pytest.raises(QueryError, match="Error: 5"):
                self.world.query(self.main, query)
        else:
            self._register(name, query)
        self.world.advance(0.1)

    def _register(self, name: str, query: str) -> None:
        """Nobody has data of its own. Yet a main may have forgotten an epoch that ended with a snapshot (M-3.4, and
        `test_an_epoch_that_ended_with_a_snapshot_is_forgotten`): whoever stands there is judged as diverged."""
        try:
            self.world.query(self.main, query)
        except QueryError as error:
            if not (error.message.endswith("Error: 3") and self.settings.files.snapshot_on_exit):
                raise
        else:
            return
        _say("falsely diverged")
        self.excused |= {(name, number) for number in self.acknowledged}
        self.world.wipe(name)
        self.world.start(name, settings=self.settings)
        self.world.query(name, ROLE)
        self.world.query(self.main, f"DROP REPLICA r{self.names}")
        self.world.query(self.main, query)

    @precondition(lambda self: self.main not in self.down | self.frozen)
    @rule(fault=st.none() | FAULTS, to=st.sampled_from(NAMES))
    def write(self, fault: str | None, to: str) -> None:
        """One node with an id of its own, maybe while something is lost on the way."""
        self.written += 1
        number = self.written
        before, after = _lose(fault, to)
        self.world.intercept, self.world.intercept_answer = before, after
        ready = {_host(r) for r in self._live() if r.status.value == "ready"}
        running = self.world.begin_query(self.main, "CREATE (:T {id: $id})", id=number)
        self.world.advance(130)  # longer than every timeout of one commit
        self.world.intercept = self.world.intercept_answer = lambda *_: None
        assert running.done
        _say(f"write: {'acknowledged' if running.error is None else 'refused'}, {len(ready)} ready, {fault}")
        if running.error is None:
            self.acknowledged[number] = ready
        elif self.mode == "STRICT_SYNC":
            self.refused.add(number)
        self._note_finalizes(number)

    def _note_finalizes(self, number: int) -> None:
        for _, said, fields in self.world.notes:
            if said == "FinalizeLost":
                self.unfinalized.add((self._host_of(fields["replica"]), number))
        self.world.notes.clear()

    @rule(name=st.sampled_from(NAMES), gracefully=st.booleans())
    def stop(self, name: str, gracefully: bool) -> None:
        """SIGKILL or SIGTERM: nothing that was written is lost."""
        if name not in self.down | self.frozen:
            (self.world.stop if gracefully else self.world.kill)(name)
            self.down.add(name)

    @rule(name=st.sampled_from(NAMES), commits=st.none() | st.integers(1, 3))
    def lose_power(self, name: str, commits: int | None) -> None:
        """What wasn't synced is gone. A main that lost its tail would be behind its replicas: P-N3 forbids that."""
        if name in self.down | self.frozen or (name == self.main and self.settings.files.flush_every > 1):
            return
        before = self._ids(name)
        self.down.add(name)
        if self.world.lose_power(name, commits):
            _say("commits lost with the power")
        self.world.start(name, settings=self.settings, restore=True)
        self.excused |= {(name, number) for number in set(before) - set(self._ids(name))}
        self.world.kill(name)

    @rule(name=st.sampled_from(NAMES), restore=st.booleans())
    def start(self, name: str, restore: bool) -> None:
        """Back, in its old role or born a replica."""
        if name not in self.down:
            return
        self.down.discard(name)
        instance = self.world.start(name, settings=self.settings, restore=restore)
        if instance.role is Role.MAIN and not (restore and name == self.main):
            self.world.query(name, ROLE)
            if name == self.main:  # the same main again: nobody was promoted meanwhile
                self.promote(name)

    @rule(name=st.sampled_from(NAMES))
    def freeze(self, name: str) -> None:
        """SIGSTOP."""
        if name not in self.down | self.frozen and name != self.main:
            self.world.freeze(name)
            self.frozen.add(name)

    @rule()
    def thaw(self) -> None:
        """SIGCONT for everybody."""
        for name in sorted(self.frozen):
            self.world.thaw(name)
        self.frozen.clear()
        self.world.advance(3)

    @rule(seconds=st.sampled_from([0.01, 1.0, 5.0]))
    def wait(self, seconds: float) -> None:
        """Pings, heartbeats, recoveries."""
        self.world.advance(seconds)

    @rule(to=st.sampled_from(NAMES))
    def switch(self, to: str) -> None:
        """A planned switchover to a replica that has everything."""
        if to == self.main or self.down | self.frozen:
            return
        target = [r for r in self._live() if _host(r) == to]
        main, there = self.world.instances[self.main], self.world.instances[to]
        if not target or target[0].status.value != "ready" or target[0].ts != main.ldt or there.ldt != main.ldt:
            return
        _say("switched")
        self.world.query(self.main, ROLE)
        self.main = to
        self.promote(to)
        for name in NAMES:
            self.register(name)

    # What must hold

    def _live(self) -> list[Registration]:
        return self.world.instances[self.main].live()

    def _host_of(self, registration: str) -> str:
        return _host(self.world.instances[self.main].replicas[registration])

    def _ids(self, name: str) -> list[int]:
        nodes = self.world.instances[name].graph.nodes.values()
        return [node.properties["id"] for node in nodes]

    @invariant()
    def replicas_have_a_prefix(self) -> None:
        main = self._ids(self.main)
        for name in NAMES:
            ids = self._ids(name)
            assert ids == main[: len(ids)], f"{name} has {ids}, its main {main}"

    @invariant()
    def acknowledged_is_there(self) -> None:
        main = set(self._ids(self.main))
        assert set(self.acknowledged) <= main
        for number, ready in self.acknowledged.items():
            for name in ready:
                if number not in self._ids(name):
                    why = self.unfinalized | self.excused
                    assert (name, number) in why, f"{number} was acknowledged, and {name} lacks it"

    @invariant()
    def refused_is_nowhere(self) -> None:
        for name in NAMES:
            assert not self.refused & set(self._ids(name))

    def teardown(self) -> None:
        """In the end everybody has everything."""
        if not hasattr(self, "world"):
            return
        self.thaw()
        for name in sorted(self.down, key=lambda name: name != self.main):
            self.start(name, restore=False)
        for name in NAMES:
            self.register(name)
        self.world.advance(10)
        for name in NAMES:
            assert self._ids(name) == self._ids(self.main)


class SyncCluster(Cluster):
    """The same with SYNC: a refused write is on the main all the same, and whatever is acknowledged is everywhere."""

    mode = "SYNC"

    @invariant()
    def nothing_is_finalized(self) -> None:
        assert not self.unfinalized


def _say(what: str) -> None:
    """For `--hypothesis-show-statistics`."""
    if currently_in_test_context():
        event(what)


def _host(registration: Registration) -> str:
    return registration.address.partition(":")[0]


def _lose(fault: str | None, to: str) -> tuple[Any, Any]:
    def before(_: str, target: str, request: Request) -> Lost | None:
        if target != to:
            return None
        if isinstance(request, Prepare) and fault in ("prepare lost", "prepare silent"):
            return BROKEN if fault == "prepare lost" else TIMEOUT
        return BROKEN if isinstance(request, Finalize) and fault == "finalize lost" else None

    def after(_: str, target: str, request: Request) -> Lost | None:
        lost = (isinstance(request, Prepare) and fault == "vote lost") or (
            isinstance(request, Finalize) and fault == "finalize unanswered"
        )
        return BROKEN if lost and target == to else None

    return before, after


SIZE = settings(max_examples=200, stateful_step_count=40)
Cluster.TestCase.settings = SIZE
SyncCluster.TestCase.settings = SIZE
TestStrictSync = Cluster.TestCase
TestSync = SyncCluster.TestCase


def test_a_refusal_is_one_that_replicas_caused() -> None:
    """The machine above counts every error of a STRICT_SYNC write as a refusal: here is what it looks like."""
    machine = Cluster()
    machine.begin(20_480, 1, snapshot_on_exit=False)
    machine.write("prepare lost", "b")
    assert machine.refused == {1}
    machine.wait(3.0)
    machine.write("finalize lost", "b")
    assert machine.unfinalized == {("b", 2)}
    assert machine._ids("b") == []
    assert machine._ids("c") == [2]
    error = machine.world.begin_query("a", "CREATE (:T {id: 3})")
    machine.world.advance(1)
    assert error.error is not None
    assert "Transaction was aborted on all instances." in error.error.message
