"""What SHOW INDEX INFO and SHOW CONSTRAINT INFO list."""

from __future__ import annotations

from typing import Any

from sandbox.memgraph.core.graph import Graph


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
    """Kind, label, property or properties, and an empty data type."""
    existence = [
        ["exists", label, properties[0], ""] for kind, label, properties in graph.constraints if kind == "exists"
    ]
    unique = [
        ["unique", label, list(properties), ""] for kind, label, properties in graph.constraints if kind == "unique"
    ]
    return existence + unique
