"""Row 45: money moves between accounts on the main, while instances die; every read finds all of it, or nothing."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable

import neo4j
import pytest
from conformance_lab import Lab
from conformance_servers import Process, settles
from memgraph_process import eventually
from neo4j.exceptions import DriverError, Neo4jError

ACCOUNTS = 5
BALANCE = 400
ROUNDS = 3
"""Memgraph's own test kills for minutes. Each round here ends when everybody has done some more work."""
WORK = 8
ALLOWED = (
    "Failed to replicate to SYNC replica",
    "At least one SYNC replica",
    "Cannot get shared access to the storage",
    "Main reached an RPC timeout",
    "Transaction was asked to abort because of database shutdown",
    "Cannot resolve conflicting transactions.",
)


class Worker(threading.Thread):
    """Does its work again and again, until it is stopped or sees what may not be."""

    def __init__(self, instance: Process, work: Callable[[neo4j.Session], None], *, may_fail: bool) -> None:
        super().__init__()
        self.done: Counter[str] = Counter()
        self.bad: str | None = None
        self._uri = instance.uri
        self._work = work
        self._may_fail = may_fail
        self._stopped = threading.Event()

    def run(self) -> None:
        """Of a server that is gone, every error is all right."""
        with neo4j.GraphDatabase.driver(self._uri, max_transaction_retry_time=0) as driver:
            while not self._stopped.is_set():
                try:
                    with driver.session() as session:
                        self._work(session)
                    self.done["ok"] += 1
                except (DriverError, OSError):
                    self.done["down"] += 1
                    self._stopped.wait(0.01)
                except Neo4jError as error:
                    self.done["refused"] += 1
                    if not self._may_fail or not any(text in (error.message or "") for text in ALLOWED):
                        self.bad = repr(error)
                        return
                except AssertionError as error:
                    self.bad = str(error)
                    return

    def stop(self) -> None:
        """After what it does at the moment."""
        self._stopped.set()
        self.join()


def transfer(session: neo4j.Session) -> None:
    """One amount from one account to another, if it is there, in one transaction."""
    source, target = random.sample(range(ACCOUNTS), 2)
    amount = random.randint(1, 30)
    change = "MATCH (a:Account {id: $id}) SET a.balance = a.balance + $amount"
    with session.begin_transaction() as transaction:
        account = transaction.run("MATCH (a:Account {id: $id}) RETURN a.balance AS balance", id=source).single(
            strict=True
        )
        if account["balance"] >= amount:
            transaction.run(change, id=source, amount=-amount).consume()
            transaction.run(change, id=target, amount=amount).consume()
        transaction.commit()


def read(session: neo4j.Session) -> None:
    """All the money, or none of it: a replica that is filled anew."""
    balances = [record[0] for record in session.run("MATCH (a:Account) RETURN a.balance")]
    assert not balances or (len(balances), sum(balances)) == (ACCOUNTS, ACCOUNTS * BALANCE), balances


# A driver whose server is killed while it logs in may leave a socket to the garbage collector (seen once in many runs).
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.row("6.2/45")
def test_6_2_45_bank(lab: Lab) -> None:
    cluster = lab.cluster("SYNC", "ASYNC")
    main = cluster.main
    main.query(
        "UNWIND range(0, $last) AS id CREATE (:Account {id: id, balance: $balance})", last=ACCOUNTS - 1, balance=BALANCE
    )
    workers = [Worker(main, transfer, may_fail=True), Worker(main, transfer, may_fail=True)]
    workers += [Worker(instance, read, may_fail=False) for instance in cluster.all]

    def worked(kind: str, of: list[Worker]) -> None:
        """Until each of them has done some more of this kind."""
        goals = [(worker, worker.done[kind] + WORK) for worker in of]
        eventually(lambda: all(worker.bad or worker.done[kind] >= goal for worker, goal in goals), 20)

    for worker in workers:
        worker.start()
    try:
        # Every instance once, then some at random: each loss of the main, of a SYNC and of an ASYNC replica is met.
        victims = [[main], [cluster.replicas[0]], random.sample(cluster.all, random.randint(2, 3))]
        assert len(victims) == ROUNDS
        worked("ok", workers)
        for killed in victims:
            for instance in killed:
                instance.kill()
            alive = [worker for worker, on in zip(workers[2:], cluster.all, strict=True) if on not in killed]
            worked("ok", alive)
            for instance in killed:
                instance.launch()
            for instance in killed:
                instance.ready()
            settles(lambda: {seen.status for seen in main.replicas().values()} - {"ready", "replicating"}, set())
            worked("ok", workers)
    finally:
        for worker in workers:
            worker.stop()
    assert [worker.bad for worker in workers if worker.bad] == []
    settles(lambda: {seen[2:] for seen in main.replicas().values()}, {(0, "ready")})
    expected = main.nodes()
    assert sum(properties["balance"] for _, properties in expected) == ACCOUNTS * BALANCE
    assert [replica.nodes() for replica in cluster.replicas] == [expected, expected]
