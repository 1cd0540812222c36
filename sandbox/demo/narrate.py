"""What happened, in words: log lines, processes and histories become one `Happening` each. No IO, no clock.

It tells changes, once: an app that fails a hundred times in a row is one line, and so is its recovery.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from sandbox.demo.coordination import Led, Line, Routed, Written
from sandbox.demo.history import Kind, Record
from sidecar.contract.state import Phase

STALL_S: Final = 0.5
"""A pause between two acknowledgements that is worth a line: 25 times an app's usual pace."""
_QUIET: Final = frozenset({"ReadAddressesChanged", "TermBegun"})
"""Reasons that touch no writer, or that another line says already."""


class Tone(Enum):
    """How a line is meant, for colours."""

    PLAIN = "plain"
    ACT = "act"
    GOOD = "good"
    BAD = "bad"
    TITLE = "title"


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the timeline. `ts` in wall-clock seconds."""

    ts: float
    who: str
    what: str
    epoch: int | None = None
    tone: Tone = Tone.PLAIN


class Narrator:
    """Remembers just enough to tell changes only."""

    def __init__(self) -> None:
        self._epoch = 0
        self._last_ok: dict[str, float] = {}
        self._told: dict[str, set[str]] = {}
        self._pids: dict[str, int] = {}

    def log_line(self, line: Line) -> Happening | None:
        """A controller's or sidecar's coordination line."""
        match line:
            case Led():
                return Happening(line.ts, line.controller, f"is the leader now (term {line.term})")
            case Written():
                return self._written(line)
            case Routed():
                return self._routed(line)

    def record(self, record: Record) -> Happening | None:
        """A line of an app's history."""
        told = self._told.setdefault(record.app, set())
        if record.kind is Kind.OK:
            before = self._last_ok.get(record.app)
            self._last_ok[record.app] = record.ts
            told.clear()
            if before is None:
                return Happening(record.ts, record.app, "its first write is acknowledged")
            if record.ts - before < STALL_S:
                return None
            return Happening(record.ts, record.app, f"writes again, after {record.ts - before:.2f} s", tone=Tone.GOOD)
        if record.kind is Kind.INVOKE or record.error in told:
            return None
        told.add(record.error)
        if record.kind is Kind.INFO:
            what = f"outcome of {record.id} unknown: {record.error}"
            return Happening(record.ts, record.app, what)
        return Happening(record.ts, record.app, f"{record.error}: {error_text(record.message)}", tone=Tone.BAD)

    def world(self, world: Mapping[str, Any], ts: float) -> list[Happening]:
        """A new world.json: which containers run as another process than before."""
        found = []
        for entry in [*world.get("memgraphs", ()), *world.get("controllers", ())]:
            pod, pid = str(entry["pod"]), entry.get("pid")
            if not pid:
                continue
            before = self._pids.get(pod)
            self._pids[pod] = pid
            if before not in (None, pid):
                found.append(Happening(ts, pod, f"was started again (pid {pid})"))
        return found

    def _written(self, line: Written) -> Happening | None:
        changed = line.epoch > self._epoch
        self._epoch = max(self._epoch, line.epoch)
        if not changed and line.reason in _QUIET:
            return None
        epoch = line.epoch if changed else None
        if changed and line.phase == Phase.CUT:
            return Happening(line.ts, line.controller, f"cut ({line.cut_kind}): {line.message}", epoch)
        if changed:
            return Happening(line.ts, line.controller, f"published: {line.message}", epoch, Tone.GOOD)
        return Happening(line.ts, line.controller, line.message)

    def _routed(self, line: Routed) -> Happening | None:
        if line.phase != Phase.CUT and not line.connections_cut:
            return None  # the app's own "writes again" says it better
        if line.old_epoch is None:
            return None  # it has only just started
        noun = "connection" if line.connections_cut == 1 else "connections"
        what = f"sidecar cut {line.connections_cut} {noun}" if line.connections_cut else "sidecar had nothing to cut"
        return Happening(line.ts, line.sidecar, what, line.new_epoch)


def error_text(text: str) -> str:
    """The driver's `{neo4j_code: ...} {message: ...}` without its wrapping."""
    return text.partition("{message: ")[2].partition("}")[0] or text
