"""The sidecar's requests and limits, such that the pod stays what it was and is admitted where it was.

- Small by default: 10m and 48Mi requested, 96Mi at most, no CPU limit.
- A Guaranteed pod stays Guaranteed: request and limit are the same.
- What every other container states, the sidecar states, too: a ResourceQuota refuses pods in which one does not.
- What the pod states as a whole (pod-level resources) is left to it.
- A LimitRange's least, most, ratio and defaults are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from webhook.core import limits, pods, quantity
from webhook.core.limits import Bounds
from webhook.core.model import Json

Wishes = Mapping[tuple[str, str], str]


class DoesNotFit(Exception):
    """The namespace allows no sidecar in this pod. The text says what is in the way."""


@dataclass(frozen=True, slots=True)
class Default:
    """What is taken of one resource. `cap` is the limit where one has to be stated, `guaranteed` request and limit in a
    Guaranteed pod."""

    request: str | None
    limit: str | None
    cap: str
    guaranteed: str | None = None


DEFAULTS: Final[Mapping[str, Default]] = {
    "cpu": Default("10m", None, "250m", "100m"),
    "memory": Default("48Mi", "96Mi", "96Mi", "96Mi"),
    # Only logs are written: the kubelet keeps five files of 10 MiB.
    "ephemeral-storage": Default(None, None, "128Mi"),
}
LEAST: Final = {"memory": quantity.parse("48Mi"), "ephemeral-storage": quantity.parse("64Mi")}
"""With a lower limit it would be killed or evicted, and its pod with it."""


@dataclass(frozen=True, slots=True)
class _Share:
    """Request and limit of one resource."""

    request: Fraction | None
    limit: Fraction | None


def of_sidecar(pod: Json, wishes: Wishes, limit_ranges: tuple[Json, ...]) -> dict[str, dict[str, str]]:
    """The `resources` of the container. Raises DoesNotFit."""
    others = [one for one in pods.containers(pod) if not pods.is_sidecar(one)]
    bounds = limits.read(limit_ranges, "Container")
    guaranteed = _is_guaranteed(others)
    shares = {
        resource: _within(resource, _share(resource, default, others, wishes, guaranteed=guaranteed), bounds[resource])
        for resource, default in DEFAULTS.items()
        if not _is_covered(pod, resource)
    }
    _check_pod(others, shares, limits.read(limit_ranges, "Pod"))
    requests = {name: quantity.render(name, one.request) for name, one in shares.items() if one.request is not None}
    most = {name: quantity.render(name, one.limit) for name, one in shares.items() if one.limit is not None}
    return {key: values for key, values in (("requests", requests), ("limits", most)) if values}


def _share(resource: str, default: Default, others: list[Json], wishes: Wishes, *, guaranteed: bool) -> _Share:
    request, limit = default.request, default.limit
    if limit is None and _all_state(others, ("limits",), resource):
        limit = default.cap
    if request is None and _all_state(others, ("requests", "limits"), resource):
        request = default.cap
    if guaranteed and default.guaranteed:
        request = limit = default.guaranteed
    wanted = _Share(
        _number(wishes.get(("requests", resource), request)), _number(wishes.get(("limits", resource), limit))
    )
    return _equal(wanted) if guaranteed and default.guaranteed else _ordered(wanted)


def _within(resource: str, share: _Share, bounds: Bounds) -> _Share:
    """The share, moved into the bounds."""
    request, limit = share.request, share.limit
    equal = request is not None and request == limit
    if bounds.wants_both:
        limit = limit if limit is not None else max(request or Fraction(0), quantity.parse(DEFAULTS[resource].cap))
    if bounds.least is not None or bounds.wants_both:
        request = request if request is not None else (limit or bounds.least)
    if bounds.least is not None and request is not None:
        request, limit = max(request, bounds.least), max(limit, bounds.least) if limit is not None else None
    if bounds.most is not None and request is not None and limit is not None:
        request, limit = min(request, bounds.most), min(limit, bounds.most)
    if bounds.ratio is not None and request is not None and limit is not None:
        request = max(request, min(limit, limit / bounds.ratio))
    if limit is not None and limit < LEAST.get(resource, 0):
        least = quantity.render(resource, LEAST[resource])
        raise DoesNotFit(f"a LimitRange allows it less than {least} of {resource}")
    moved = _Share(request, limit)
    return _equal(moved) if equal else moved


def _check_pod(others: list[Json], shares: Mapping[str, _Share], bounds: Mapping[str, Bounds]) -> None:
    for resource, share in shares.items():
        limit_before, request_before = _sum(others, "limits", resource), _sum(others, "requests", resource)
        limit, request = limit_before + (share.limit or 0), request_before + (share.request or 0)
        most, ratio = bounds[resource].most, bounds[resource].ratio
        if most is not None and limit > most:
            raise DoesNotFit(f"with it, the pod would have more {resource} than its LimitRange allows")
        if ratio is not None and request and limit > ratio * request:
            raise DoesNotFit(f"with it, the pod's {resource} limits would be too far above its requests")


def _is_guaranteed(others: list[Json]) -> bool:
    """Whether each container has CPU and memory limits, and requests, if any, that are the same."""
    for container in others:
        resources = container.get("resources")
        for resource in ("cpu", "memory"):
            limit = limits.number(resources, "limits", resource)
            request = limits.number(resources, "requests", resource)
            if not limit or request not in (None, limit):
                return False
    return bool(others)


def _is_covered(pod: Json, resource: str) -> bool:
    """Whether the pod as a whole states it: its containers' sum may not exceed that, so ours adds nothing."""
    stated = pod["spec"].get("resources")
    return any(limits.number(stated, key, resource) is not None for key in ("requests", "limits"))


def _all_state(others: Iterable[Json], keys: tuple[str, ...], resource: str) -> bool:
    stated = [any(limits.number(one.get("resources"), key, resource) is not None for key in keys) for one in others]
    return bool(stated) and all(stated)


def _sum(others: Iterable[Json], key: str, resource: str) -> Fraction:
    return sum((limits.number(one.get("resources"), key, resource) or Fraction(0) for one in others), Fraction(0))


def _number(text: str | None) -> Fraction | None:
    return None if text is None else quantity.parse(text)


def _ordered(share: _Share) -> _Share:
    """No request above its limit: the API server refuses such a container."""
    if share.request is not None and share.limit is not None:
        return _Share(share.request, max(share.request, share.limit))
    return share


def _equal(share: _Share) -> _Share:
    both = max((one for one in (share.request, share.limit) if one is not None), default=None)
    return _Share(both, both)
