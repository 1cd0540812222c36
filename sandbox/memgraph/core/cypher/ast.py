"""What a query says, as data. Expressions and clauses have modules of their own, but all go by this one's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from sandbox.memgraph.core.cypher.clauses import (
    WRITING,
    Clause,
    Column,
    Create,
    Delete,
    EdgePattern,
    Match,
    Merge,
    NodePattern,
    Path,
    Remove,
    RemoveLabels,
    RemoveProperty,
    Return,
    Set,
    SetAll,
    SetItem,
    SetLabels,
    Unwind,
    With,
)
from sandbox.memgraph.core.cypher.expressions import (
    AGGREGATES,
    Binary,
    Case,
    Expression,
    Function,
    HasLabels,
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
    "WRITING",
    "Binary",
    "Case",
    "Clause",
    "Column",
    "Create",
    "Delete",
    "EdgePattern",
    "Expression",
    "Function",
    "HasLabels",
    "ListOf",
    "Literal",
    "MapOf",
    "Match",
    "Merge",
    "NodePattern",
    "Parameter",
    "Path",
    "Property",
    "Remove",
    "RemoveLabels",
    "RemoveProperty",
    "Return",
    "Set",
    "SetAll",
    "SetItem",
    "SetLabels",
    "Unary",
    "Unwind",
    "Variable",
    "With",
    "children",
    "variables",
]


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
    """CREATE CONSTRAINT ON or DROP CONSTRAINT ON; `kind`: exists, unique or data_type.

    `data_type`: the type of a data_type constraint, as SHOW CONSTRAINT INFO prints it.
    """

    create: bool
    kind: str
    label: str
    properties: tuple[str, ...]
    data_type: str = ""


@dataclass(frozen=True, slots=True)
class AnalyzeGraph:
    """ANALYZE GRAPH, with DELETE STATISTICS if `delete`; no labels: all."""

    delete: bool
    labels: tuple[str, ...] | None = None


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
    """A statement of Memgraph Enterprise, and what Community answers to it.

    `feature`: the answer is the release's sentence about the licence that this needs.
    """

    answer: str = ""
    feature: str = ""


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


@dataclass(frozen=True, slots=True)
class CreateSnapshot:
    """CREATE SNAPSHOT."""


@dataclass(frozen=True, slots=True)
class ShowSnapshots:
    """SHOW SNAPSHOTS."""


@dataclass(frozen=True, slots=True)
class SetStorageMode:
    """STORAGE MODE; `mode` is the keyword."""

    mode: str


StorageStatement: TypeAlias = CreateSnapshot | ShowSnapshots | SetStorageMode
SystemStatement: TypeAlias = SetRole | Register | DropReplica | UserChange
Statement: TypeAlias = (
    Cypher
    | SchemaChange
    | AnalyzeGraph
    | TriggerStatement
    | Forbidden
    | StorageStatement
    | SystemStatement
    | Show
    | Coordination
    | TransactionControl
)
