"""A prepared query, and the notes that come with its summary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sandbox.memgraph.core.effects import Steps

Notifications: TypeAlias = list[dict[str, str]]
"""Each with severity, code, title and description."""


@dataclass(slots=True)
class Result:
    """A prepared query. `execute` is run by the first pull; `rows` are what is left to deliver."""

    columns: tuple[str, ...]
    execute: Callable[[], Steps[list[list[Any]]]]
    kind: str = "rw"
    commits: bool = False
    rows: list[list[Any]] | None = None
    stats: dict[str, int] | None = None
    notifications: Notifications = field(default_factory=list)
    system: bool = False
    cypher: bool = False
    control: bool = False


def note(code: str, title: str, severity: str = "INFO") -> dict[str, str]:
    """A notification, as the summary has it."""
    return {"severity": severity, "code": code, "title": title, "description": ""}
