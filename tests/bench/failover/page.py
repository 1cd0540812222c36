"""The figures as Markdown, and their place in docs/failover.md. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import generated
from generated import table

from failover.faults import KINDS, Kind

BEGIN: Final = "<!-- failover:begin (written by make failover) -->"
END: Final = "<!-- failover:end -->"
Figures = Mapping[str, Mapping[str, Any]]
_COLUMNS: Final = ("detect_ms", "promote_ms", "publish_ms", "write_stall_ms")
_STEPS: Final = {
    "Promote": "promote, with the wait for sidecars (P-F5)",
    "Demote": "demote",
    "BecameLeader": "another leader's term",
    "cut": "cut again",
    "Mark": "mark",
    "Register": "register",
    "Prove": "prove",
    "Drop": "drop",
    "serving": "publish",
}


def replaced(page: str, text: str) -> str:
    """The page with `text` between its markers. Raises NoMarkers."""
    return generated.replaced(page, text, BEGIN, END)


def tables(figures: Figures, machine: str) -> str:
    """Everything between the markers: where it was measured, the stages, and what they consist of."""
    return "\n\n".join((machine, _stages(figures), _parts(figures)))


def verdict(kind: Kind, figures: Mapping[str, Any]) -> str:
    """The goal, and whether it was met."""
    if not kind.goal_ms:
        return "-"
    reached = figures[kind.goal_of]["p99"]
    name = kind.goal_of.removesuffix("_ms").replace("_", " ")
    return f"{name} <= {kind.goal_ms}: {'met' if reached <= kind.goal_ms else 'missed'}"


def _stages(figures: Figures) -> str:
    head = ("fault", "detect", "promote", "publish", "write stall", "errors", "lost", "goal for the p99")
    rows = [
        (
            f"`{name}`: {KINDS[name].what}",
            *[_spread(found[column]) for column in _COLUMNS],
            str(found["errors"]),
            str(found["lost"]),
            verdict(KINDS[name], found),
        )
        for name, found in figures.items()
    ]
    return table(head, rows)


def _parts(figures: Figures) -> str:
    steps = [step for step in _STEPS if any(step in found["steps_ms"] for found in figures.values())]
    head = ("from `cut` to the first write", *[_STEPS[step] for step in steps], "first write")
    rows = [
        (
            f"`{name}`",
            *[_spread(found["steps_ms"][step]) if step in found["steps_ms"] else "" for step in steps],
            _spread(found["resume_ms"]),
        )
        for name, found in figures.items()
    ]
    return table(head, rows)


def _spread(values: Mapping[str, float]) -> str:
    return f"{values['p50']:.0f} / {values['p99']:.0f}"
