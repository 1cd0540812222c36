"""Indexes that Memgraph makes by itself, for labels and relationship types that had none (M-6.2/26).

A commit leaves its wishes in `Instance.to_index`; one worker fulfils them, each by a transaction of its own, so that an
index reaches the replicas as a commit after the one that caused it (`storage/v2/async_indexer.cpp`).
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from sandbox.memgraph.core.effects import Sleep, Steps, Until
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.instance import Instance, Settings
from sandbox.memgraph.core.replication.commit import commit
from sandbox.memgraph.core.storage.transaction import Transaction

ACCESS_TIMEOUT_S: Final = 1.0
"""How long it waits for transactions that may write: for longer it would hold up new ones."""
FIRST_PAUSE_S: Final = 0.1
PAUSE_GROWTH: Final = 1.5
LONGEST_PAUSE_S: Final = 10.0


def wanted(settings: Settings) -> bool:
    """Whether there is anything to do for the worker."""
    return settings.automatic_label_indexes or settings.automatic_edge_type_indexes


def work(instance: Instance) -> Steps[None]:
    """The worker: never ends."""
    while True:
        yield Until(lambda: bool(instance.to_index))
        pause = FIRST_PAUSE_S
        while not (yield Until(lambda: not instance.write_access, ACCESS_TIMEOUT_S)):
            yield Sleep(pause)
            pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE_S)
        yield from _make(instance)


def _make(instance: Instance) -> Steps[None]:
    """Make the next one. Nobody hears of a failure, and it isn't tried again."""
    yield from instance.may_begin()
    instance.next_timestamp()
    transaction = Transaction(instance.graph, writes=True)
    kind, name = next(iter(instance.to_index))
    there = (name, ()) in (instance.graph.indexes if kind == "i" else instance.graph.edge_indexes)
    if not there:  # else somebody made it by hand meanwhile
        transaction.schema_ops.append([kind, name, []])
    instance.write_access.add(transaction)
    try:
        with suppress(QueryError):
            yield from commit(instance, transaction)
    finally:
        instance.write_access.discard(transaction)
        del instance.to_index[kind, name]
