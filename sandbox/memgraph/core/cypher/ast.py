"""What a query says, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

# Expressions


@dataclass(frozen=True, slots=True)
class Literal:
    """Null, boolean, number or string."""

    value: Any


@dataclass(frozen=True, slots=True)
class Parameter:
    """`$name`."""

    name: str


@dataclass(frozen=True, slots=True)
class Variable:
    """A bound name."""

    name: str


@dataclass(frozen=True, slots=True)
class Property:
    """`subject.key`."""

    subject: Expression
    key: str


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[a, b]`."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """`{key: value}`."""

    items: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True, slots=True)
class Unary:
    """`NOT x`, `-x`, `x IS NULL`, `x IS NOT NULL`: operators `NOT`, `-`, `NULL`, `NOT NULL`."""

    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`; `<>` for inequality, `IN`, `AND`, `OR`, `XOR` in upper case."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Function:
    """A call, name in lower case. `count(*)` is `count` without arguments."""

    name: str
    arguments: tuple[Expression, ...]
    distinct: bool = False


Expression: TypeAlias = Literal | Parameter | Variable | Property | ListOf | MapOf | Unary | Binary | Function
AGGREGATES = frozenset({"count", "min", "max", "sum", "collect"})

# Clauses


@dataclass(frozen=True, slots=True)
class NodePattern:
    """`(variable:Label {key: value})`; the properties may also be a parameter."""

    variable: str
    labels: tuple[str, ...]
    properties: MapOf | Parameter


@dataclass(frozen=True, slots=True)
class Unwind:
    """UNWIND."""

    items: Expression
    variable: str


@dataclass(frozen=True, slots=True)
class Match:
    """MATCH with its WHERE."""

    patterns: tuple[NodePattern, ...]
    where: Expression | None


@dataclass(frozen=True, slots=True)
class Create:
    """CREATE of nodes."""

    patterns: tuple[NodePattern, ...]


@dataclass(frozen=True, slots=True)
class SetItem:
    """`variable.key = value`; no key: `variable += value`."""

    variable: str
    key: str | None
    value: Expression


@dataclass(frozen=True, slots=True)
class SetLabels:
    """`SET variable:Label`."""

    variable: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Set:
    """SET."""

    items: tuple[SetItem | SetLabels, ...]


@dataclass(frozen=True, slots=True)
class Merge:
    """MERGE of one node."""

    pattern: NodePattern
    on_create: Set | None
    on_match: Set | None


@dataclass(frozen=True, slots=True)
class Delete:
    """DELETE and DETACH DELETE (there are no relationships here to tell them apart)."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of RETURN, with its name."""

    expression: Expression
    name: str


@dataclass(frozen=True, slots=True)
class Return:
    """RETURN. `order`: (expression, descending)."""

    columns: tuple[Column, ...]
    distinct: bool
    order: tuple[tuple[Expression, bool], ...]
    skip: Expression | None
    limit: Expression | None


Clause: TypeAlias = Unwind | Match | Create | Set | Merge | Delete | Return

# Statements


@dataclass(frozen=True, slots=True)
class Cypher:
    """A query over data."""

    clauses: tuple[Clause, ...]

    @property
    def writes(self) -> bool:
        """Whether Memgraph's planner would call it `w` or `rw`."""
        return any(isinstance(clause, Create | Set | Merge | Delete) for clause in self.clauses)

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
    """A SHOW query; `what` is its words after SHOW, in upper case (`REPLICATION ROLE`), without a database's name."""

    what: str
    database: str | None = None


@dataclass(frozen=True, slots=True)
class Coordination:
    """A statement for Enterprise's coordinators (SHOW INSTANCES, REGISTER INSTANCE ...): always refused."""


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
    Cypher | IndexChange | SetRole | Register | DropReplica | Show | Coordination | UserChange | TransactionControl
)
