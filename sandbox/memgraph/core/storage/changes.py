"""What a transaction changes, as data that can be logged and sent."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

Op: TypeAlias = list[Any]
"""One change, as a plain list so that JSON carries it as it is. A node's or a relationship's new state and its removal:
`["n", id, labels, properties]`, `["d", id]`, `["r", id, type, start, end, properties]`, `["rd", id]`. Made or dropped:
an index `["i", label, properties]`, `["x", label, properties]`, one over relationships `["ri", type, properties]`,
`["rx", type, properties]` (type null: all), a constraint `["c", kind, label, properties]`,
`["cx", kind, label, properties]`, one of a type `["t", label, property, type]`, `["tx", label, property]`.
There are statistics of an index `["s", label, properties]`, or none any more of the label's own index or of all its
indexes over properties `["sx", label, of_properties]`.
A transaction lists removals of relationships before removals of nodes."""


class Commit(NamedTuple):
    """One committed transaction: its timestamp, the epoch it was made in, its changes."""

    ts: int
    epoch: str
    ops: list[Op]
