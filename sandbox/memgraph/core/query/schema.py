"""Indexes and constraints: making and dropping them, and what SHOW INDEX INFO and SHOW CONSTRAINT INFO list."""

from __future__ import annotations

from typing import Any, TypeAlias

from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.storage import constraints, types
from sandbox.memgraph.core.storage.changes import Op
from sandbox.memgraph.core.storage.graph import Graph
from sandbox.memgraph.core.storage.transaction import Transaction

Note: TypeAlias = tuple[str, str]
"""Code and title of a notification."""


def change(transaction: Transaction, statement: ast.SchemaChange) -> Note:
    """Buffer the change, if it is one. Raises QueryError if a node breaks a new constraint.

    A type constraint that is there already, or isn't there to be dropped, is an error, too; for all others a notice.
    """
    op: Op
    match statement:
        case ast.IndexChange(create, label, properties):
            there = (label, properties) in transaction.graph.indexes
            op, name = ["i" if create else "x", label, list(properties)], f"label {label} on properties"
        case ast.EdgeIndexChange(create, kind, properties):
            there = (kind, properties) in transaction.graph.edge_indexes
            op, name = ["ri" if create else "rx", kind, list(properties)], f"edge-type {kind or ''} on properties"
        case ast.ConstraintChange(kind="data_type"):
            return _change_type(transaction, statement)
        case ast.ConstraintChange():
            return _change_constraint(transaction, statement)
    listed = ", ".join(properties)
    if create is there:
        if create:
            return "IndexAlreadyExists", f"Index on {name} {listed} already exists."
        return "IndexDoesNotExist", f"Index on {name} {listed} doesn't exist."
    transaction.schema_ops.append(op)
    return ("CreateIndex", f"Created index on {name} {listed}.") if create else _dropped(statement, listed)


def _dropped(statement: ast.IndexChange | ast.EdgeIndexChange, listed: str) -> Note:
    if isinstance(statement, ast.EdgeIndexChange):
        return "DropIndex", f"Dropped index on edge-type {statement.type or ''}."
    return "DropIndex", f"Dropped index on label {statement.label} on properties {listed}."


def _change_constraint(transaction: Transaction, statement: ast.ConstraintChange) -> Note:
    key = (statement.kind, statement.label, statement.properties)
    there = next((known for known in transaction.graph.constraints if _same(known, key)), None)
    name = f"{statement.kind.upper()} constraint on label {statement.label} on properties"
    listed = ", ".join(statement.properties)
    missing = f"Constraint {statement.kind.upper()} on label {statement.label} on properties {listed}"
    if statement.create:
        if there is not None:
            return "ConstraintAlreadyExists", f"{missing} already exists."
        constraints.check_existing(transaction.graph, key)
        transaction.schema_ops.append(["c", statement.kind, statement.label, list(statement.properties)])
        return "CreateConstraint", f"Created {name} {listed}."
    if there is None:
        return "ConstraintDoesNotExist", f"{missing} doesn't exist."
    transaction.schema_ops.append(["cx", there[0], there[1], list(there[2])])
    return "DropConstraint", f"Dropped {name} {listed}."


def _change_type(transaction: Transaction, statement: ast.ConstraintChange) -> Note:
    label, name, wanted = statement.label, statement.properties[0], statement.data_type
    there = transaction.graph.types.get((label, name))
    if statement.create:
        if there is not None:
            raise QueryError(f"Constraint IS TYPED {wanted} on :{label}({name}) already exists")
        types.check_existing(transaction.graph, label, name, wanted)
        transaction.schema_ops.append(["t", label, name, wanted])
        return "CreateConstraint", f"Created IS TYPED {wanted} constraint on label {label} on property {name}."
    if there != wanted:
        raise QueryError(f"Constraint IS TYPED {wanted} on :{label}({name}) doesn't exist")
    transaction.schema_ops.append(["tx", label, name])
    return "DropConstraint", f"Dropped IS TYPED {wanted} constraint on label {label} on properties {name}."


def _same(known: tuple[str, str, tuple[str, ...]], key: tuple[str, str, tuple[str, ...]]) -> bool:
    return known[:2] == key[:2] and set(known[2]) == set(key[2])


def index_rows(graph: Graph) -> list[list[Any]]:
    """Type, label or relationship type, property or properties, and how many objects it holds; sorted as Memgraph."""
    rows: list[list[Any]] = []
    for label, properties in graph.indexes:
        nodes = [graph.nodes[node_id] for node_id in graph.lookup.labelled(label)]
        held = sum(all(name in node.properties for name in properties) for node in nodes)
        rows.append(["label+property" if properties else "label", label, list(properties) or None, held])
    for kind, properties in graph.edge_indexes:
        held = sum(
            kind in (None, edge.type) and all(name in edge.properties for name in properties)
            for edge in graph.edges.values()
        )
        name = "edge-property" if kind is None else "edge-type+property" if properties else "edge-type"
        rows.append([name, kind, properties[0] if properties else None, held])
    return sorted(rows, key=lambda row: (row[0], row[1] or "", row[2] or ""))


def constraint_rows(graph: Graph) -> list[list[Any]]:
    """Kind, label, property or properties, and of a type constraint the type; the kinds in Memgraph's order."""
    rows: list[list[Any]] = []
    for kind, label, properties in sorted(graph.constraints, key=lambda key: key[0]):
        rows.append([kind, label, properties[0] if kind == "exists" else list(properties), ""])
    return rows + [["data_type", label, name, wanted] for (label, name), wanted in graph.types.items()]
