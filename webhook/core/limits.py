"""What a namespace's LimitRanges ask of one more container, and of the pod as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from webhook.core import quantity
from webhook.core.model import Json

RESOURCES: Final = ("cpu", "memory", "ephemeral-storage")


@dataclass(frozen=True, slots=True)
class Bounds:
    """For one resource. `ratio` is the greatest limit / request. `filled`: a container without a limit is given one."""

    least: Fraction | None = None
    most: Fraction | None = None
    ratio: Fraction | None = None
    filled: bool = False

    @property
    def wants_both(self) -> bool:
        """Whether a container must state request and limit, or would be given a limit that may not suit its request."""
        return self.most is not None or self.ratio is not None or self.filled

    def narrowed(self, other: Bounds) -> Bounds:
        """Both at once."""
        return Bounds(
            max(_known(self.least, other.least), default=None),
            min(_known(self.most, other.most), default=None),
            min(_known(self.ratio, other.ratio), default=None),
            self.filled or other.filled,
        )


def read(limit_ranges: Iterable[Json], kind: str) -> Mapping[str, Bounds]:
    """The bounds by resource for `Container` or `Pod`, of all LimitRanges together. Skips what it can't read."""
    found = {resource: Bounds() for resource in RESOURCES}
    for limit_range in limit_ranges:
        spec = limit_range.get("spec") if isinstance(limit_range, dict) else None
        items = spec.get("limits") if isinstance(spec, dict) else None
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict) and item.get("type") == kind:
                found = {resource: found[resource].narrowed(_bounds(item, resource)) for resource in RESOURCES}
    return found


def number(owner: Json, key: str, resource: str) -> Fraction | None:
    """`owner[key][resource]` as a number; None if it is not there or no quantity."""
    values = owner.get(key) if isinstance(owner, dict) else None
    if not isinstance(values, dict) or resource not in values:
        return None
    try:
        return quantity.parse(values[resource])
    except ValueError:
        return None


def _bounds(item: dict[str, Json], resource: str) -> Bounds:
    return Bounds(
        number(item, "min", resource),
        number(item, "max", resource),
        number(item, "maxLimitRequestRatio", resource) or None,
        number(item, "default", resource) is not None,
    )


def _known(*values: Fraction | None) -> list[Fraction]:
    return [value for value in values if value is not None]
