"""What a query says, as data. Expressions have a module of their own, but all go by this one's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from sandbox.memgraph.core.cypher.expressions import (
    AGGREGATES,
    Binary,
    Expression,
    Function,
    ListOf,
    Literal,
    MapOf,
    Parameter,
    Property,
    Unary,
    Variable,
    children,
    variables,
)

__all__ = [
    "AGGREGATES",
    "Binary",
    "Expression",
    "Function",
    "ListOf",
    "Literal",
    "MapOf",
    "Parameter",
    "Property",
    "Unary",
    "Variable",
    "children",
    "variables",
]

# Clauses


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
    """RETURN. `order`: (expression, descending)."""

    columns: tuple[Column, ...]
    distinct: bool
    order: tuple[tuple[Expression, bool], ...]
    skip: Expression | None
    limit: Expression | None


@dataclass(frozen=True, slots=True)
class With:
    """WITH: its columns, as in RETURN, and its WHERE."""

    body: Return
    where: Expression | None


Clause: TypeAlias = Unwind | Match | Create | Set | Remove | Merge | Delete | With | Return
WRITING = (Create, Set, Remove, Merge, Delete)

# Statements


@dataclass(frozen=True, slots=True)
class Cypher:
    """A query over data. `commit_every`: rows between two commits, of USING PERIODIC COMMIT."""

    clauses: tuple[Clause, ...]
    commit_every: int | None = None

    @property
    def writes(self) -> bool:
        """Whether Memgraph's planner would call it `w` or `rw`."""
        return any(isinstance(clause, WRITING) for clause in self.clauses)

    @property
    def kind(self) -> str:
        """`r`, `w` or `rw`, as the summary says it."""
        reads = any(isinstance(clause, Match | Merge) for clause in self.clauses)
        return ("rw" if reads else "w") if self.writes else "r"


@dataclass(frozen=True, slots=True)
class IndexChange:
    """CREATE INDEX ON or DROP INDEX ON."""

    create: bool
    label: str
    properties: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EdgeIndexChange:
    """CREATE EDGE INDEX ON or DROP EDGE INDEX ON; no type: GLOBAL."""

    create: bool
    type: str | None
    properties: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConstraintChange:
    """CREATE CONSTRAINT ON or DROP CONSTRAINT ON; `kind`: exists or unique."""

    create: bool
    kind: str
    label: str
    properties: tuple[str, ...]


SchemaChange: TypeAlias = IndexChange | EdgeIndexChange | ConstraintChange


@dataclass(frozen=True, slots=True)
class CreateTrigger:
    """CREATE TRIGGER; `event` as SHOW TRIGGERS names it (`ANY`, `() CREATE`), `statement` as written."""

    name: str
    event: str
    before: bool
    statement: str
    invoker: bool = False


@dataclass(frozen=True, slots=True)
class DropTrigger:
    """DROP TRIGGER."""

    name: str


@dataclass(frozen=True, slots=True)
class ShowTriggers:
    """SHOW TRIGGERS."""


TriggerStatement: TypeAlias = CreateTrigger | DropTrigger | ShowTriggers


@dataclass(frozen=True, slots=True)
class Forbidden:
    """A statement of Memgraph Enterprise, and what Community answers to it."""

    answer: str


@dataclass(frozen=True, slots=True)
class SetRole:
    """SET REPLICATION ROLE TO; a port that is no integer literal is refused when prepared."""

    main: bool
    port: Any = None
    has_port: bool = False


@dataclass(frozen=True, slots=True)
class Register:
    """REGISTER REPLICA; `mode` is the keyword."""

    name: str
    mode: str
    address: Any


@dataclass(frozen=True, slots=True)
class DropReplica:
    """DROP REPLICA."""

    name: str


@dataclass(frozen=True, slots=True)
class Show:
    """A SHOW query; `what` is its words after SHOW, in upper case (`REPLICATION ROLE`)."""

    what: str


@dataclass(frozen=True, slots=True)
class UserChange:
    """`action`: create, create-if-missing, password or drop."""

    action: str
    name: str
    password: str = ""


@dataclass(frozen=True, slots=True)
class TransactionControl:
    """BEGIN, COMMIT or ROLLBACK as a query."""

    action: str


Statement: TypeAlias = (
    Cypher
    | SchemaChange
    | TriggerStatement
    | Forbidden
    | SetRole
    | Register
    | DropReplica
    | Show
    | UserChange
    | TransactionControl
)
