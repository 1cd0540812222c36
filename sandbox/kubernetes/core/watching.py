"""Which events a watcher with selectors sees: a pure function over the history's entries."""

from __future__ import annotations

from typing import Any

from sandbox.kubernetes.core.problem import Problem
from sandbox.kubernetes.core.resources import Resource
from sandbox.kubernetes.core.selectors import Predicate
from sandbox.kubernetes.core.store import Change, ChangeKind

Event = dict[str, Any]


def visible(change: Change, namespace: str | None, matches: Predicate) -> Event | None:
    """The watch event for one change, or None if the watcher doesn't see it.

    An object that begins to match is ADDED for that watcher, one that ceases to match is DELETED.
    """
    if namespace is not None and change.obj["metadata"].get("namespace") != namespace:
        return None
    now = change.kind is not ChangeKind.DELETED and matches(change.obj)
    before = change.previous is not None and matches(change.previous)
    if not now and not before:
        return None
    kind = ChangeKind.MODIFIED if now and before else ChangeKind.ADDED if now else ChangeKind.DELETED
    return {"type": kind.value, "object": change.obj}


def bookmark(resource: Resource, version: int) -> Event:
    """Says how far the watcher has got, and nothing else."""
    metadata = {"resourceVersion": str(version), "creationTimestamp": None}
    return {
        "type": "BOOKMARK",
        "object": {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata},
    }


def error(problem: Problem) -> Event:
    """A refusal inside a stream that has already begun with 200."""
    return {"type": "ERROR", "object": problem.status()}
