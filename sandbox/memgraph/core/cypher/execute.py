"""Clauses over rows, each clause finished before the next begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.evaluate import Context, Row, evaluate, truth
from sandbox.memgraph.core.cypher.projection import project
from sandbox.memgraph.core.cypher.values import NodeRef, equal, storable, type_name
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.graph import Node
from sandbox.memgraph.core.transaction import Transaction


def execute(query: ast.Cypher, transaction: Transaction, parameters: Mapping[str, Any]) -> list[list[Any]]:
    """Run a query inside a transaction and give RETURN's rows; nodes as `Node`."""
    context = Context(transaction, parameters)
    rows: list[Row] = [{}]
    for clause in query.clauses:
        match clause:
            case ast.Unwind():
                rows = [new for row in rows for new in _unwind(clause, row, context)]
            case ast.Match():
                rows = [new for row in rows for new in _match(clause, 0, row, context)]
            case ast.Create():
                for row in rows:
                    _create(clause, row, context)
            case ast.Merge():
                rows = [new for row in rows for new in _merge(clause, row, context)]
            case ast.Set():
                for row in rows:
                    _set(clause, row, context)
            case ast.Delete():
                _delete(clause, rows, context)
            case ast.Return():
                return [[resolve(value, context) for value in values] for values in project(clause, rows, context)]
    return []


def resolve(value: Any, context: Context) -> Any:
    """Node references to nodes, also inside lists and maps."""
    if isinstance(value, NodeRef):
        return context.node(value)
    if isinstance(value, list):
        return [resolve(item, context) for item in value]
    if isinstance(value, dict):
        return {key: resolve(item, context) for key, item in value.items()}
    return value


def _unwind(clause: ast.Unwind, row: Row, context: Context) -> Iterator[Row]:
    if clause.variable in row:
        raise QueryError(f"Redeclaring variable: {clause.variable}.")
    items = evaluate(clause.items, row, context)
    if items is None:
        return
    if not isinstance(items, list):
        raise QueryError(f"Argument of UNWIND must be a list, but '{type_name(items)}' was provided.")
    for item in items:
        yield {**row, clause.variable: item}


def _properties(pattern: ast.NodePattern, row: Row, context: Context) -> dict[str, Any]:
    values = evaluate(pattern.properties, row, context)
    if not isinstance(values, dict):
        raise QueryError("Properties of a node have to be a map.")
    return values


def _match(clause: ast.Match, position: int, row: Row, context: Context) -> Iterator[Row]:
    if position == len(clause.patterns):
        if clause.where is None or truth(evaluate(clause.where, row, context), "WHERE"):
            yield row
        return
    pattern = clause.patterns[position]
    for node in _candidates(pattern, clause.where, row, context):
        yield from _match(clause, position + 1, {**row, pattern.variable: NodeRef(node.id)}, context)


def _candidates(pattern: ast.NodePattern, where: ast.Expression | None, row: Row, context: Context) -> Iterator[Node]:
    """Nodes that fit a pattern; `where` only helps to choose an index."""
    wanted = _properties(pattern, row, context)
    transaction = context.transaction
    nodes: Iterator[Node]
    if pattern.variable in row:
        bound = row[pattern.variable]
        if not isinstance(bound, NodeRef):
            raise QueryError(f"Type mismatch: {pattern.variable} already defined as {type_name(bound)}, expected node.")
        node = transaction.get(bound.id)
        nodes = iter(() if node is None else (node,))
    elif pattern.labels:
        nodes = _by_label(pattern, {**_equalities(where, pattern.variable, row, context), **wanted}, transaction)
    else:
        nodes = transaction.scan()
    for node in nodes:
        if all(label in node.labels for label in pattern.labels) and all(
            equal(node.properties.get(key), value) for key, value in wanted.items()
        ):
            yield node


def _by_label(pattern: ast.NodePattern, known: dict[str, Any], transaction: Transaction) -> Iterator[Node]:
    for label in pattern.labels:
        for key, value in known.items():
            if transaction.graph.has_property_index(label, key):
                return transaction.find(label, key, value)
    return transaction.scan(pattern.labels[0])


def _equalities(where: ast.Expression | None, variable: str, row: Row, context: Context) -> dict[str, Any]:
    """Property values that WHERE demands by `variable.key = literal or parameter` in its top-level ANDs."""
    match where:
        case ast.Binary("AND", left, right):
            return {
                **_equalities(left, variable, row, context),
                **_equalities(right, variable, row, context),
            }
        case ast.Binary("=", ast.Property(ast.Variable(name), key), (ast.Literal() | ast.Parameter()) as value) if (
            name == variable
        ):
            return {key: evaluate(value, row, context)}
    return {}


def _create(clause: ast.Create, row: Row, context: Context) -> None:
    for pattern in clause.patterns:
        if pattern.variable in row:
            raise QueryError(f"Redeclaring variable: {pattern.variable}.")
        row[pattern.variable] = _create_node(pattern, row, context)


def _create_node(pattern: ast.NodePattern, row: Row, context: Context) -> NodeRef:
    values = _properties(pattern, row, context)
    stored = {key: storable(value) for key, value in values.items() if value is not None}
    return NodeRef(context.transaction.create(pattern.labels, stored).id)


def _merge(clause: ast.Merge, row: Row, context: Context) -> Iterator[Row]:
    pattern = clause.pattern
    if pattern.variable in row:
        raise QueryError(f"Redeclaring variable: {pattern.variable}.")
    if any(value is None for value in _properties(pattern, row, context).values()):
        raise QueryError("Can't use null as a property value in MERGE.")
    found = [{**row, pattern.variable: NodeRef(node.id)} for node in _candidates(pattern, None, row, context)]
    action = clause.on_match if found else clause.on_create
    if not found:
        found = [{**row, pattern.variable: _create_node(pattern, row, context)}]
    for new in found:
        if action is not None:
            _set(action, new, context)
        yield new


def _set(clause: ast.Set, row: Row, context: Context) -> None:
    for item in clause.items:
        reference = evaluate(ast.Variable(item.variable), row, context)
        if reference is None:
            continue
        if not isinstance(reference, NodeRef):
            raise QueryError("Properties can only be set on edges and vertices.")
        node = context.node(reference)
        if isinstance(item, ast.SetLabels):
            labels = tuple(dict.fromkeys(node.labels + item.labels))
            context.transaction.replace(Node(node.id, labels, node.properties))
            continue
        value = evaluate(item.value, row, context)
        changes = {item.key: value} if item.key is not None else value
        if not isinstance(changes, dict):
            raise QueryError("SET with += expects a map.")
        merged = {**node.properties, **{key: storable(new) for key, new in changes.items()}}
        kept = {key: value for key, value in merged.items() if value is not None}
        context.transaction.replace(Node(node.id, node.labels, kept))
        context.transaction.set_count(len(changes))


def _delete(clause: ast.Delete, rows: list[Row], context: Context) -> None:
    for row in rows:
        for item in clause.items:
            reference = evaluate(item, row, context)
            if reference is None:
                continue
            if not isinstance(reference, NodeRef):
                raise QueryError("Only edges and vertices can be deleted.")
            context.transaction.delete(reference.id)
