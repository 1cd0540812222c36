"""CREATE, MERGE, SET, REMOVE and DELETE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.context import Context, Row
from sandbox.memgraph.core.cypher.evaluate import evaluate
from sandbox.memgraph.core.cypher.match import evaluate_properties, paths
from sandbox.memgraph.core.cypher.values import EdgeRef, NodeRef, storable
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.storage.graph import Node, Relationship


def create(clause: ast.Create, row: Row, context: Context) -> None:
    """Make what the paths say, and bind it in the row."""
    for path in clause.patterns:
        _create_path(path, row, context)


def _create_path(path: ast.Path, row: Row, context: Context) -> None:
    ends: list[int] = []
    for node in path.nodes:
        if node.variable not in row:
            stored = _stored(node.properties, row, context)
            row[node.variable] = NodeRef(context.transaction.create(node.labels, stored).id)
        reference = row[node.variable]
        if not isinstance(reference, NodeRef):
            raise QueryError(f"Expected {node.variable} to be a node, to create a relationship at it.")
        ends.append(reference.id)
    for number, edge in enumerate(path.edges):
        start, end = ends[number], ends[number + 1]
        if edge.direction == "in":
            start, end = end, start
        stored = _stored(edge.properties, row, context)
        row[edge.variable] = EdgeRef(context.transaction.connect(edge.types[0], start, end, stored).id)


def _stored(properties: ast.MapOf | ast.Parameter, row: Row, context: Context) -> dict[str, Any]:
    values = evaluate_properties(properties, row, context)
    return {key: storable(value) for key, value in values.items() if value is not None}


def merge(clause: ast.Merge, row: Row, context: Context) -> Iterator[Row]:
    """What is there of the path, or else the whole path made new, except for the variables that are bound."""
    for part in clause.pattern.parts:
        if not ast.variables(part.properties) - row.keys():
            values = evaluate_properties(part.properties, row, context).values()
            if any(value is None for value in values):
                raise QueryError("Can't use null as a property value in MERGE.")
    found = list(paths((clause.pattern,), None, row, context))
    action = clause.on_match if found else clause.on_create
    if not found:
        found = [dict(row)]
        _create_path(clause.pattern, found[0], context)
    for new in found:
        if action is not None:
            set_values(action, new, context)
        yield new


def set_values(clause: ast.Set, row: Row, context: Context) -> None:
    """SET, item by item."""
    for item in clause.items:
        entity = _entity(item.variable, row, context)
        match item:
            case _ if entity is None:
                continue
            case ast.SetLabels(_, labels):
                node = _node(entity)
                _replace(Node(node.id, tuple(dict.fromkeys(node.labels + labels)), node.properties), context)
            case ast.SetItem(_, key, value):
                _change(entity, {key: evaluate(value, row, context)}, context, replace=False)
            case ast.SetAll(_, value, replace):
                _change(entity, _map(evaluate(value, row, context), context), context, replace=replace)


def remove(clause: ast.Remove, row: Row, context: Context) -> None:
    """REMOVE, item by item."""
    for item in clause.items:
        entity = _entity(item.variable, row, context)
        if entity is None:
            continue
        if isinstance(item, ast.RemoveLabels):
            node = _node(entity)
            kept = tuple(label for label in node.labels if label not in item.labels)
            _replace(Node(node.id, kept, node.properties), context)
        else:
            _change(entity, {item.key: None}, context, replace=False)


def _entity(variable: str, row: Row, context: Context) -> Node | Relationship | None:
    reference = evaluate(ast.Variable(variable), row, context)
    if reference is None:
        return None
    if not isinstance(reference, NodeRef | EdgeRef):
        raise QueryError("Properties can only be set on edges and vertices.")
    return context.entity(reference)


def _node(entity: Node | Relationship | None) -> Node:
    if not isinstance(entity, Node):
        raise QueryError("Only nodes have labels.")
    return entity


def _map(value: Any, context: Context) -> dict[str, Any]:
    if isinstance(value, NodeRef | EdgeRef):
        return dict(context.entity(value).properties)
    if not isinstance(value, dict):
        raise QueryError("SET of all properties expects a map, a node or a relationship.")
    return value


def _change(entity: Any, changes: dict[str, Any], context: Context, *, replace: bool) -> None:
    merged = {**({} if replace else entity.properties), **{key: storable(new) for key, new in changes.items()}}
    kept = {key: value for key, value in merged.items() if value is not None}
    if isinstance(entity, Node):
        _replace(Node(entity.id, entity.labels, kept), context)
    else:
        _replace(Relationship(entity.id, entity.type, entity.start, entity.end, kept), context)
    context.transaction.set_count(len(changes))


def _replace(entity: Node | Relationship, context: Context) -> None:
    if isinstance(entity, Node):
        context.transaction.replace(entity)
    else:
        context.transaction.replace_edge(entity)


def delete(clause: ast.Delete, rows: list[Row], context: Context) -> None:
    """All relationships of all rows first, then the nodes: so their order in the query doesn't matter."""
    nodes: dict[int, None] = {}
    for row in rows:
        for item in clause.items:
            match evaluate(item, row, context):
                case None:
                    pass
                case NodeRef(node_id):
                    nodes[node_id] = None
                case EdgeRef(edge_id):
                    context.transaction.disconnect(edge_id)
                case _:
                    raise QueryError("Edges, vertices and paths can be deleted.")
    for node_id in nodes:
        context.transaction.delete(node_id, detach=clause.detach)
