"""Patterns and clauses, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from sandbox.memgraph.core.cypher.expressions import Expression, MapOf, Parameter


@dataclass(frozen=True, slots=True)
class NodePattern:
    """`(variable:Label {key: value})`; the properties may also be a parameter."""

    variable: str
    labels: tuple[str, ...]
    properties: MapOf | Parameter


@dataclass(frozen=True, slots=True)
class EdgePattern:
    """`-[variable:TYPE {key: value}]->`; `direction` is `out`, `in` or `any`, as read from left to right."""

    variable: str
    types: tuple[str, ...]
    properties: MapOf | Parameter
    direction: str


@dataclass(frozen=True, slots=True)
class Path:
    """Nodes, and between each two of them a relationship."""

    nodes: tuple[NodePattern, ...]
    edges: tuple[EdgePattern, ...] = ()

    @property
    def parts(self) -> tuple[NodePattern | EdgePattern, ...]:
        """Everything in it, from left to right."""
        between = [part for pair in zip(self.nodes, self.edges, strict=False) for part in pair]
        return (*between, self.nodes[-1])


@dataclass(frozen=True, slots=True)
class Unwind:
    """UNWIND."""

    items: Expression
    variable: str


@dataclass(frozen=True, slots=True)
class Match:
    """MATCH or OPTIONAL MATCH with its WHERE."""

    patterns: tuple[Path, ...]
    where: Expression | None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Create:
    """CREATE."""

    patterns: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class SetItem:
    """`variable.key = value`."""

    variable: str
    key: str
    value: Expression


@dataclass(frozen=True, slots=True)
class SetAll:
    """`variable = value` (`replace`) or `variable += value`."""

    variable: str
    value: Expression
    replace: bool


@dataclass(frozen=True, slots=True)
class SetLabels:
    """`SET variable:Label`."""

    variable: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Set:
    """SET."""

    items: tuple[SetItem | SetAll | SetLabels, ...]


@dataclass(frozen=True, slots=True)
class RemoveProperty:
    """`REMOVE variable.key`."""

    variable: str
    key: str


@dataclass(frozen=True, slots=True)
class RemoveLabels:
    """`REMOVE variable:Label`."""

    variable: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remove:
    """REMOVE."""

    items: tuple[RemoveProperty | RemoveLabels, ...]


@dataclass(frozen=True, slots=True)
class Merge:
    """MERGE of one path."""

    pattern: Path
    on_create: Set | None
    on_match: Set | None


@dataclass(frozen=True, slots=True)
class Delete:
    """DELETE and DETACH DELETE."""

    items: tuple[Expression, ...]
    detach: bool


@dataclass(frozen=True, slots=True)
class Column:
    """One column of RETURN or WITH, with its name: as `aliased` by AS, else as written."""

    expression: Expression
    name: str
    aliased: bool


@dataclass(frozen=True, slots=True)
class Return:
    """RETURN. `order`: (expression, descending). `everything`: `*` stands before the columns (until it is resolved)."""

    columns: tuple[Column, ...]
    distinct: bool
    order: tuple[tuple[Expression, bool], ...]
    skip: Expression | None
    limit: Expression | None
    everything: bool = False


@dataclass(frozen=True, slots=True)
class With:
    """WITH: its columns, as in RETURN, and its WHERE."""

    body: Return
    where: Expression | None


Clause: TypeAlias = Unwind | Match | Create | Set | Remove | Merge | Delete | With | Return
WRITING = (Create, Set, Remove, Merge, Delete)
