"""Situations that some seed must bring about; what no seed reaches is not tested, whatever the seeds say."""

from __future__ import annotations

from collections import Counter
from typing import Final

PROBES: Final[tuple[str, ...]] = ()


def unreached(seen: Counter[str]) -> list[str]:
    """The ones that never happened."""
    return [name for name in PROBES if not seen[name]]
