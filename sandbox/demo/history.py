"""What an app wrote and what it was told: one JSON line for the call, one for its outcome.

The format of a Jepsen history, small: `invoke`, then `ok`, `fail` (certainly not applied) or `info` (unknown). An
invoke without an outcome, as a killed app leaves it, is unknown too. Times are wall-clock seconds: every program of
the demo runs on one machine, and its log lines carry the same clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

FORBIDDEN: Final = "Write queries are forbidden"
"""How Memgraph refuses a write on a replica (3.1 and newer)."""

ABORTED: Final = (
    "Transaction was aborted on all instances",
    "Transaction will be aborted on all instances",
    "Cannot commit because instance is not main anymore",
    FORBIDDEN,
)
"""Answers to COMMIT after which the write is certainly nowhere: a STRICT_SYNC abort, or no main any more."""


class Kind(StrEnum):
    """What a line says."""

    INVOKE = "invoke"
    OK = "ok"
    FAIL = "fail"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Record:
    """One line. `duration_s` is by the monotonic clock; `retries` are the driver's own, unseen by the app's code."""

    kind: Kind
    app: str
    id: str
    ts: float
    duration_s: float = 0.0
    retries: int = 0
    error: str = ""
    message: str = ""
    forbidden: bool = False


def encode(record: Record) -> str:
    """One JSON line, without its newline."""
    line: dict[str, Any] = {"type": record.kind.value, "app": record.app, "id": record.id, "ts": round(record.ts, 6)}
    if record.kind is not Kind.INVOKE:
        line |= {"duration_s": round(record.duration_s, 6), "retries": record.retries}
    if record.error:
        line |= {"error": record.error, "message": record.message, "forbidden": record.forbidden}
    return json.dumps(line)


def decode(line: str) -> Record:
    """Read one line. Raises ValueError when it is none, such as the half line of an app killed while writing it."""
    try:
        data = json.loads(line)
        return Record(
            kind=Kind(data["type"]),
            app=str(data["app"]),
            id=str(data["id"]),
            ts=float(data["ts"]),
            duration_s=float(data.get("duration_s", 0.0)),
            retries=int(data.get("retries", 0)),
            error=str(data.get("error", "")),
            message=str(data.get("message", "")),
            forbidden=bool(data.get("forbidden", False)),
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise ValueError(f"no line of a history: {line[:200]!r}") from problem


def decode_all(lines: Iterable[str]) -> tuple[list[Record], int]:
    """Every readable record in order, and how many lines were none."""
    records: list[Record] = []
    unreadable = 0
    for line in lines:
        if not line.strip():
            continue  # a restarted app ends its predecessor's half line with a newline of its own
        try:
            records.append(decode(line))
        except ValueError:
            unreadable += 1
    return records, unreadable


def outcome(*, reached_commit: bool, answered: bool, message: str) -> Kind:
    """What an error says about the write: `fail` if it is certainly nowhere, else `info`.

    `reached_commit`: in some attempt, COMMIT was (or may have been) sent. `answered`: the error is the server's own
    answer, not a lost connection.
    """
    if not reached_commit:
        return Kind.FAIL
    if answered and any(text in message for text in ABORTED):
        return Kind.FAIL
    return Kind.INFO
