"""Expressions, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias


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
    """`left operator right`, words in upper case (`AND`, `STARTS WITH`); `<>`: unequal, `[]`: `left[right]`."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Function:
    """A call, name in lower case. `count(*)` is `count` without arguments."""

    name: str
    arguments: tuple[Expression, ...]
    distinct: bool = False


@dataclass(frozen=True, slots=True)
class HasLabels:
    """`subject:Label`: whether the node has all of them."""

    subject: Expression
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """`CASE WHEN condition THEN value ... ELSE otherwise END`."""

    branches: tuple[tuple[Expression, Expression], ...]
    otherwise: Expression


Expression: TypeAlias = (
    Literal | Parameter | Variable | Property | ListOf | MapOf | Unary | Binary | Function | HasLabels | Case
)
AGGREGATES = frozenset({"count", "min", "max", "sum", "avg", "collect"})


def children(expression: Expression) -> tuple[Expression, ...]:
    """The expressions directly inside one."""
    match expression:
        case Property(subject, _) | HasLabels(subject, _):
            return (subject,)
        case Case(branches, otherwise):
            return (*(part for branch in branches for part in branch), otherwise)
        case ListOf(items):
            return items
        case MapOf(pairs):
            return tuple(value for _, value in pairs)
        case Unary(_, operand):
            return (operand,)
        case Binary(_, left, right):
            return (left, right)
        case Function(_, arguments):
            return arguments
    return ()


def variables(expression: Expression) -> frozenset[str]:
    """Names that an expression refers to. No recursion: a chain of operators may have thousands of links."""
    names: set[str] = set()
    waiting = [expression]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Variable):
            names.add(current.name)
        waiting.extend(children(current))
    return frozenset(names)
