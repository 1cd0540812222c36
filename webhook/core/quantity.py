"""Kubernetes' quantities, such as 100m, 64Mi or 1e3, as exact numbers."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from webhook.core.model import Json

_TEXT: Final = re.compile(
    r"\+?(\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?\d{1,2}))?", re.ASCII
)
_SUFFIXES: Final = {
    "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000),
    **{suffix: Fraction(1000**power) for power, suffix in enumerate("kMGTPE", 1)},
    **{f"{suffix}i": Fraction(1024**power) for power, suffix in enumerate("KMGTPE", 1)},
}  # fmt: skip
MEBI: Final = 1024 * 1024


def parse(value: Json) -> Fraction:
    """The number. Raises ValueError for anything that is no quantity, a negative one included."""
    found = _TEXT.fullmatch(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
    if found is None:
        raise ValueError(f"{value!r} is no quantity")
    number, suffix, exponent = found.groups()
    scale = _SUFFIXES[suffix] if suffix else Fraction(10) ** int(exponent or 0)
    return Fraction(number if not number.startswith(".") else f"0{number}") * scale


def render(resource: str, number: Fraction) -> str:
    """As a person would write it, rounded up to a whole millicore or byte."""
    if resource == "cpu":
        return f"{-(-number * 1000 // 1)}m"
    whole = -(-number // 1)
    return f"{whole // MEBI}Mi" if whole % MEBI == 0 else str(whole)
