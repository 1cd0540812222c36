"""Ways to find nodes: by label, by label and property, by the values a unique constraint watches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

IndexKey: TypeAlias = tuple[str, tuple[str, ...]]
"""Label and properties; no properties: a label index."""


@dataclass(frozen=True, slots=True)
class Node:
    """One version of a node. Never changed: a change makes another version."""

    id: int
    labels: tuple[str, ...]
    properties: dict[str, Any]


def index_value(value: Any) -> Any:
    """A hashable stand-in with Cypher's equality (1 = 1.0, but 1 <> true), or None if the value isn't indexed."""
    if isinstance(value, bool):
        return ("bool", value)
    return value if isinstance(value, int | float | str) else None


def frozen(value: Any) -> Any:
    """A hashable stand-in for any property value, with the equality of `index_value`."""
    if isinstance(value, list):
        return ("list", *map(frozen, value))
    if isinstance(value, dict):
        return ("map", *((key, frozen(value[key])) for key in sorted(value)))
    return index_value(value)


class NodeIndexes:
    """Ids of current nodes. `by_property` has single-property indexes, `unique` the values of unique constraints."""

    def __init__(self) -> None:
        self._by_label: dict[str, dict[int, None]] = {}
        self._by_property: dict[tuple[str, str], dict[Any, dict[int, None]]] = {}
        self._unique: dict[IndexKey, dict[Any, dict[int, None]]] = {}

    def move(self, old: Node | None, new: Node | None) -> None:
        """A node's new version takes the place of its old one (None: there was none, or there is none any more)."""
        if old is not None:
            for label in old.labels:
                if new is None or label not in new.labels:
                    self._by_label[label].pop(old.id, None)
        if new is not None:
            for label in new.labels:
                self._by_label.setdefault(label, {})[new.id] = None
        for (label, key), values in self._by_property.items():
            _replace(values, old, _single(old, label, key), new, _single(new, label, key))
        for watched, values in self._unique.items():
            _replace(values, old, unique_value(old, watched), new, unique_value(new, watched))

    def labelled(self, label: str) -> dict[int, None]:
        """Ids with a label."""
        return self._by_label.get(label, {})

    def has(self, label: str, key: str) -> bool:
        """Whether label and property are indexed."""
        return (label, key) in self._by_property

    def property_keys(self) -> tuple[tuple[str, str], ...]:
        """All indexed pairs of label and property."""
        return tuple(self._by_property)

    def find(self, label: str, key: str, value: Any) -> Iterator[int]:
        """Ids with this indexed value."""
        return iter(tuple(self._by_property[(label, key)].get(value, ())))

    def holders(self, key: IndexKey, value: Any) -> dict[int, None]:
        """Ids of the nodes that have the values a unique constraint watches."""
        return self._unique[key].get(value, {})

    def add_property(self, label: str, key: str, nodes: dict[int, Node]) -> None:
        """Index what is there already."""
        values = self._by_property[(label, key)] = {}
        for node_id in self.labelled(label):
            _replace(values, None, None, nodes[node_id], _single(nodes[node_id], label, key))

    def drop_property(self, label: str, key: str) -> None:
        """Forget an index."""
        self._by_property.pop((label, key), None)

    def add_unique(self, key: IndexKey, nodes: dict[int, Node]) -> None:
        """Watch what is there already."""
        values = self._unique[key] = {}
        for node_id in self.labelled(key[0]):
            _replace(values, None, None, nodes[node_id], unique_value(nodes[node_id], key))

    def drop_unique(self, key: IndexKey) -> None:
        """Forget a constraint."""
        self._unique.pop(key, None)


def _single(node: Node | None, label: str, key: str) -> Any:
    return index_value(node.properties.get(key)) if node is not None and label in node.labels else None


def unique_value(node: Node | None, key: IndexKey) -> Any:
    """The values a unique constraint watches, or None: it needs the label and all of the properties."""
    label, properties = key
    if node is None or label not in node.labels or not all(name in node.properties for name in properties):
        return None
    return tuple(frozen(node.properties[name]) for name in properties)


def _replace(
    values: dict[Any, dict[int, None]], old: Node | None, old_value: Any, new: Node | None, new_value: Any
) -> None:
    if old is not None and old_value is not None and old_value in values:
        values[old_value].pop(old.id, None)
        if not values[old_value]:
            del values[old_value]
    if new is not None and new_value is not None:
        values.setdefault(new_value, {})[new.id] = None
