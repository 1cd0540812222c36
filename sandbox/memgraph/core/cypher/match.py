"""MATCH: all ways in which paths fit the graph. A relationship is used once in one clause (as in openCypher)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.context import Context, Row
from sandbox.memgraph.core.cypher.evaluate import evaluate, truth
from sandbox.memgraph.core.cypher.values import EdgeRef, NodeRef, equal, type_name
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.storage.graph import Node, Relationship
from sandbox.memgraph.core.storage.transaction import Transaction

Used: TypeAlias = frozenset[int]
Step: TypeAlias = tuple[int, int, int]
"""Number of the relationship, of the node it is looked up from, and of the node it leads to."""


def match(clause: ast.Match, row: Row, context: Context) -> Iterator[Row]:
    """The row, extended in every way that fits; OPTIONAL MATCH extends it by nulls where none does."""
    found = False
    for extended in paths(clause.patterns, clause.where, row, context):
        if clause.where is None or truth(evaluate(clause.where, extended, context), "WHERE"):
            found = True
            yield extended
    if clause.optional and not found:
        names = {part.variable: None for path in clause.patterns for part in path.parts}
        yield {**names, **row}


def paths(patterns: tuple[ast.Path, ...], where: ast.Expression | None, row: Row, context: Context) -> Iterator[Row]:
    """All ways in which several paths fit; `where` only helps to choose an index."""
    late = [part for path in patterns for part in path.parts if ast.variables(part.properties) - row.keys()]
    for extended in _paths(patterns, where, row, frozenset(), context):
        if all(_holds(part, extended, context) for part in late):
            yield extended


def _holds(part: ast.NodePattern | ast.EdgePattern, row: Row, context: Context) -> bool:
    """Whether properties fit that depend on another part of the same clause."""
    return _equal(context.entity(row[part.variable]).properties, evaluate_properties(part.properties, row, context))


def _wanted(part: ast.NodePattern | ast.EdgePattern, row: Row, context: Context) -> Row:
    """A part's properties as far as they are known already: all or nothing."""
    return evaluate_properties(part.properties, row, context) if ast.variables(part.properties) <= row.keys() else {}


def _equal(properties: Row, wanted: Row) -> bool:
    return all(equal(properties.get(key), value) for key, value in wanted.items())


def _paths(
    patterns: tuple[ast.Path, ...], where: ast.Expression | None, row: Row, used: Used, context: Context
) -> Iterator[Row]:
    if not patterns:
        yield row
        return
    path, *rest = patterns
    start = _start(path, where, row, context)
    steps: list[Step] = [(i, i, i + 1) for i in range(start, len(path.edges))]
    steps += [(i, i + 1, i) for i in reversed(range(start))]
    for node in _candidates(path.nodes[start], where, row, context, alone=not path.edges):
        begun = {**row, path.nodes[start].variable: NodeRef(node.id)}
        for extended, more in _walk(path, steps, begun, used, context):
            yield from _paths(tuple(rest), where, extended, more, context)


def _start(path: ast.Path, where: ast.Expression | None, row: Row, context: Context) -> int:
    """Where to begin: at a node that is known, or else at one with an index for a value that is known."""
    if not path.edges:
        return 0
    for number, node in enumerate(path.nodes):
        if node.variable in row or _known_id(where, node.variable, context) is not None:
            return number
    for number, node in enumerate(path.nodes):
        known = isinstance(node.properties, ast.MapOf) and ast.variables(node.properties) <= row.keys()
        keys = [key for key, _ in node.properties.items] if known and isinstance(node.properties, ast.MapOf) else []
        if any(context.transaction.graph.lookup.has(label, key) for label in node.labels for key in keys):
            return number
    return 0


def _walk(path: ast.Path, steps: list[Step], row: Row, used: Used, context: Context) -> Iterator[tuple[Row, Used]]:
    if not steps:
        yield row, used
        return
    number, here, there = steps[0]
    edge_pattern, target = path.edges[number], path.nodes[there]
    origin = row[path.nodes[here].variable].id
    for edge in _edges(edge_pattern, origin, here < there, row, context):
        if edge.id in used:
            continue
        other = edge.end if edge.start == origin else edge.start
        if _leads_to(target, other, row, context):
            extended = {**row, edge_pattern.variable: EdgeRef(edge.id), target.variable: NodeRef(other)}
            yield from _walk(path, steps[1:], extended, used | {edge.id}, context)


def _edges(pattern: ast.EdgePattern, origin: int, forward: bool, row: Row, context: Context) -> Iterator[Relationship]:
    wanted = _wanted(pattern, row, context)
    leaving = pattern.direction == "any" or (pattern.direction == "out") is forward
    arriving = pattern.direction == "any" or (pattern.direction == "in") is forward
    for edge in context.transaction.edges_at(origin):
        if pattern.types and edge.type not in pattern.types:
            continue
        if not ((leaving and edge.start == origin) or (arriving and edge.end == origin)):
            continue
        if _equal(edge.properties, wanted):
            yield edge


def _leads_to(pattern: ast.NodePattern, node_id: int, row: Row, context: Context) -> bool:
    if pattern.variable in row and _bound(pattern, row) != NodeRef(node_id):
        return False
    node = context.transaction.get(node_id)
    return node is not None and _fits(node, pattern, _wanted(pattern, row, context))


def _fits(node: Node, pattern: ast.NodePattern, wanted: Row) -> bool:
    return all(label in node.labels for label in pattern.labels) and _equal(node.properties, wanted)


def evaluate_properties(properties: ast.MapOf | ast.Parameter, row: Row, context: Context) -> Row:
    """A pattern's property map."""
    values = evaluate(properties, row, context)
    if not isinstance(values, dict):
        raise QueryError("Properties of a node or a relationship have to be a map.")
    return values


def _bound(pattern: ast.NodePattern, row: Row) -> NodeRef | None:
    bound = row[pattern.variable]
    if bound is not None and not isinstance(bound, NodeRef):
        raise QueryError(f"Type mismatch: {pattern.variable} already defined as {type_name(bound)}, expected node.")
    return bound


def _candidates(
    pattern: ast.NodePattern, where: ast.Expression | None, row: Row, context: Context, *, alone: bool
) -> Iterator[Node]:
    wanted = _wanted(pattern, row, context)
    transaction = context.transaction
    nodes: Iterator[Node]
    if pattern.variable in row:
        bound = _bound(pattern, row)
        if bound is None and alone:
            raise QueryError("Matching a variable that is null already isn't supported by this server.")
        node = None if bound is None else transaction.get(bound.id)
        nodes = iter(() if node is None else (node,))
    elif (node_id := _known_id(where, pattern.variable, context)) is not None:
        node = transaction.get(node_id)
        nodes = iter(() if node is None else (node,))
    elif pattern.labels:
        nodes = _by_label(pattern, {**_equalities(where, pattern.variable, row, context), **wanted}, transaction)
    else:
        nodes = transaction.scan()
    for node in nodes:
        if _fits(node, pattern, wanted):
            yield node


def _by_label(pattern: ast.NodePattern, known: Row, transaction: Transaction) -> Iterator[Node]:
    for label in pattern.labels:
        for key, value in known.items():
            if transaction.graph.lookup.has(label, key):
                return transaction.find(label, key, value)
    return transaction.scan(pattern.labels[0])


def _equalities(where: ast.Expression | None, variable: str, row: Row, context: Context) -> Row:
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


def _known_id(where: ast.Expression | None, variable: str, context: Context) -> int | None:
    """The id that WHERE demands by `id(variable) = literal or parameter` in its top-level ANDs."""
    match where:
        case ast.Binary("AND", left, right):
            found = _known_id(left, variable, context)
            return _known_id(right, variable, context) if found is None else found
        case ast.Binary("=", ast.Function("id", (ast.Variable(name),)), (ast.Literal() | ast.Parameter()) as value) if (
            name == variable
        ):
            wanted = evaluate(value, {}, context)
            return wanted if type(wanted) is int else None
    return None
