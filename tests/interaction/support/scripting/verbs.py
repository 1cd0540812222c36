"""All commands of the language."""

from __future__ import annotations

from typing import Final

from scripting import faults, looks, people
from scripting.stage import Verb

VERBS: Final[dict[str, Verb]] = {**faults.VERBS, **people.VERBS, **looks.VERBS}
