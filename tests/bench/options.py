"""What the command lines of the benches share: where the figures go, and numbers and names that are checked."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path


def check_places(parser: argparse.ArgumentParser, found: argparse.Namespace, page: str) -> None:
    """Exit with 2 if `--json`, `--docs` (which has to hold `page`) or, where there is one, `--dir` can't be used."""
    if found.json is not None and not found.json.parent.is_dir():
        parser.error(f"--json: there is no folder {found.json.parent}: make it first")
    if not (found.docs / page).is_file():
        parser.error(f"--docs: there is no {found.docs / page}: run it in the checkout")
    kept: Path | None = getattr(found, "dir", None)
    if kept is not None and kept.exists() and (not kept.is_dir() or any(kept.iterdir())):
        parser.error(f"--dir: {kept} is not an empty folder: give a new one, or empty it")


def positive(what: str) -> Callable[[str], int]:
    """A number of 1 or more; `what` is what it counts."""

    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and int(text) > 0):
            raise argparse.ArgumentTypeError(f"{text!r} is no number of {what}: give 1 or more")
        return int(text)

    return number


def some(names: Sequence[str], what: str = "there are") -> Callable[[str], list[str]]:
    """Names out of `names`, in their order, separated by commas."""

    def chosen(text: str) -> list[str]:
        named = [name.strip() for name in text.split(",")]
        unknown = [name for name in named if name not in names]
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(map(repr, unknown))}: {what} {', '.join(names)}")
        return [name for name in names if name in named]

    return chosen
