"""The cells as Markdown, and their place in docs/drivers.md. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import generated
from generated import table

from drivers.cells import EVENTS, NOTHING, STATES, Cell
from drivers.explain import NOTES, note

BEGIN: Final = "<!-- drivers:begin (written by make drivers) -->"
END: Final = "<!-- drivers:end -->"


def replaced(page: str, text: str) -> str:
    """The page with `text` between its markers. Raises NoMarkers."""
    return generated.replaced(page, text, BEGIN, END)


def tables(cells: Sequence[Cell], versions: Mapping[str, str], machine: str) -> str:
    """Everything between the markers: where it was measured, a table an event, and the notes that were used."""
    return "\n\n".join((machine, *(_event(cells, versions, event) for event in EVENTS), _notes(cells)))


def _event(cells: Sequence[Cell], versions: Mapping[str, str], event: str) -> str:
    what = EVENTS[event]
    found = {(cell.driver, cell.state): cell for cell in cells if cell.event == event}
    head = (what, *STATES)
    rows = [
        (
            f"{driver} {versions[driver]}",
            *[shown(found[driver, state]) if (driver, state) in found else "" for state in STATES],
        )
        for driver in dict.fromkeys(cell.driver for cell in cells)
    ]
    return table(head, rows)


def shown(cell: Cell) -> str:
    """One cell: what the app saw, what the driver did, how long it took, what is wrong, the note."""
    words = [cell.seen if cell.seen == NOTHING else f"`{cell.seen}`"]
    if cell.retried:
        words.append("retried")
    words.append(f"{cell.elapsed_ms} ms")
    if cell.duplicates:
        words.append(f"**{cell.duplicates} duplicate**")
    if cell.forbidden:
        words.append(f"**{cell.forbidden} forbidden**")
    number = note(cell)
    return ", ".join(words) + (f" [{number}]" if number else "")


def _notes(cells: Sequence[Cell]) -> str:
    used = sorted({number for cell in cells if (number := note(cell)) is not None})
    return "\n".join(f"- [{number}] {NOTES[number - 1].text}" for number in used)
