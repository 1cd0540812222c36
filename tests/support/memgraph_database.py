"""One graph without a server: each query is its own transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.execute import execute
from sandbox.memgraph.core.cypher.parser import parse
from sandbox.memgraph.core.storage.graph import Graph
from sandbox.memgraph.core.storage.transaction import Transaction


class Database:
    """Runs `setup`, then whatever it is asked to."""

    def __init__(self, *setup: str) -> None:
        self.graph = Graph()
        for query in setup:
            self.run(query)

    def run(self, query: str, **parameters: Any) -> list[list[Any]]:
        """One query, committed."""
        with self.transaction() as transaction:
            rows = run(transaction, query, **parameters)
            if ops := transaction.ops():
                self.graph.apply(ops)
            return rows

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One that is rolled back unless its changes are applied."""
        transaction = Transaction(self.graph, writes=True)
        try:
            yield transaction
        finally:
            transaction.finish()


def run(transaction: Transaction, query: str, **parameters: Any) -> list[list[Any]]:
    """One query inside a transaction."""
    statement = parse(query)
    if isinstance(statement, ast.IndexChange):
        transaction.schema_ops.append(["i", statement.label, list(statement.properties)])
        return []
    assert isinstance(statement, ast.Cypher)
    return execute(statement, transaction, parameters)
