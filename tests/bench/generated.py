"""What commands write into pages: a table, and the text between two markers. Pure."""

from __future__ import annotations

from collections.abc import Sequence


class NoMarkers(Exception):
    """The page has no place for the text."""


def replaced(page: str, text: str, begin: str, end: str) -> str:
    """The page with `text` between its markers. Raises NoMarkers."""
    before, found_begin, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise NoMarkers(f"the page needs the two lines {begin!r} and {end!r}")
    return f"{before}{begin}\n{text}\n{end}{after}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))
