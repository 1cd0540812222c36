"""ANALYZE GRAPH: statistics of indexes. Nobody here plans with them, so only which there are is kept and replicated.

A query sets or clears them at once and for everybody, not at its commit: they stay so if that fails, which on a replica
it always does, after the rows (`interpreter.cpp`, `inmemory/storage.cpp`). Memgraph orders rows by the ids of names,
which are those of their first use; here the names themselves decide.
"""

from __future__ import annotations

from collections import Counter
from math import nan
from typing import Any, Final, TypeAlias

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.effects import Steps
from sandbox.memgraph.core.instance import Instance
from sandbox.memgraph.core.query.definitions import Open
from sandbox.memgraph.core.query.result import Result
from sandbox.memgraph.core.storage.indexes import IndexKey, Node, frozen
from sandbox.memgraph.core.storage.transaction import Transaction

COLUMNS: Final = (
    "label",
    "property",
    "num estimation nodes",
    "num groups",
    "avg group size",
    "chi-squared value",
    "avg degree",
)
DELETED: Final = ("label", "property")
_Groups: TypeAlias = dict[IndexKey, Counter[tuple[Any, ...]]]


def prepared(instance: Instance, statement: ast.AnalyzeGraph, begin: Open, *, explicit: bool) -> Result:
    """ANALYZE GRAPH and its DELETE STATISTICS. Raises QueryError."""
    if explicit:
        raise errors.in_explicit_transaction("Analyzing graph is", instance.settings.compat)

    def run() -> Steps[list[list[Any]]]:
        yield from instance.may_begin()
        transaction = begin(writes=False)
        indexes = [key for key in transaction.graph.indexes if statement.labels is None or key[0] in statement.labels]
        return _delete(transaction, indexes) if statement.delete else _analyze(transaction, indexes)

    return Result(DELETED if statement.delete else COLUMNS, run, commits=True)


def _analyze(transaction: Transaction, indexes: list[IndexKey]) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for label in sorted(label for label, properties in indexes if not properties):
        degrees = [_degree(transaction, node) for node in transaction.scan(label)]
        rows.append([label, None, len(degrees), None, None, None, _mean(sum(degrees), len(degrees))])
        _keep(transaction, (label, ()))
    degree_sums: Counter[IndexKey] = Counter()
    groups: _Groups = {}
    for key in sorted(indexes, key=lambda key: -len(key[1])):
        _count(transaction, key, groups, degree_sums)
    for (label, properties), sizes in sorted(groups.items()):
        nodes, mean = sum(sizes.values()), sum(sizes.values()) / len(sizes) if sizes else nan
        deviation = sum((size - mean) ** 2 / mean for size in sizes.values())
        degree = _mean(degree_sums[label, properties], nodes)
        rows.append([label, list(properties), nodes, len(sizes), mean, float(deviation), degree])
        _keep(transaction, (label, properties))
    return rows


def _count(transaction: Transaction, key: IndexKey, groups: _Groups, degree_sums: Counter[IndexKey]) -> None:
    """Count an index and those of its prefixes that no longer index has counted before."""
    label, properties = key
    prefixes: list[IndexKey] = []
    for length in range(len(properties), 0, -1):
        if (label, properties[:length]) in groups:
            break
        prefixes.append((label, properties[:length]))
    for prefix in prefixes:
        groups[prefix] = Counter()
    for node in transaction.scan(label) if prefixes else ():
        for prefix in prefixes:
            values = tuple(frozen(node.properties.get(name)) for name in prefix[1])
            if any(value is not None for value in values):
                groups[prefix][values] += 1
                degree_sums[prefix] += _degree(transaction, node)


def _degree(transaction: Transaction, node: Node) -> int:
    return sum((edge.start == node.id) + (edge.end == node.id) for edge in transaction.edges_at(node.id))


def _mean(total: int, count: int) -> float:
    return total / count if count else 0.0


def _keep(transaction: Transaction, key: IndexKey) -> None:
    transaction.graph.statistics[key] = None
    transaction.schema_ops.append(["s", key[0], list(key[1])])


def _delete(transaction: Transaction, indexes: list[IndexKey]) -> list[list[Any]]:
    """What there was. The clearing is committed, and fails on a replica, even if there was nothing."""
    rows: list[list[Any]] = []
    for label, of_properties in sorted({(label, bool(properties)) for label, properties in indexes}, key=_labels_first):
        gone = transaction.graph.clear_statistics(label, of_properties=of_properties)
        rows += [[label, list(properties) if properties else ""] for _, properties in sorted(gone)]
        transaction.schema_ops.append(["sx", label, of_properties])
    return rows


def _labels_first(found: tuple[str, bool]) -> tuple[bool, str]:
    return found[1], found[0]
