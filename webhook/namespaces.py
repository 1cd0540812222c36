"""What is known of a pod's namespace, by live GETs with a very short memory.

A roll-out of hundreds of pods is two GETs a second: an answer counts for one second, and reviews that come while one is
under way wait for it. But a pod often follows its namespace's label at once: that there is no label counts for no time
at all, or the first pod of a new namespace would be without its sidecar. An older answer serves only while the API
server does not answer.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

import anyio

from sidecar.contract.logs import emit
from webhook.core.model import Json, Namespace, OldNode
from webhook.ports import ApiProblem, Labelled, PlaceApi

FRESH_S: Final = 1.0
STALE_S: Final = 60.0
ENTRIES_MAX: Final = 1000
"""Some hundred bytes each."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Flight:
    """A look-up under way, for whoever else wants to know the same."""

    found: Namespace
    done: anyio.Event = field(default_factory=anyio.Event)


class Namespaces:
    """Looks namespaces up. `now` is a monotonic clock in seconds; `old_nodes` are what is known of the nodes."""

    def __init__(
        self, api: PlaceApi, now: Callable[[], float], old_nodes: Callable[[], tuple[OldNode, ...]] = tuple
    ) -> None:
        self._api = api
        self._now = now
        self._old_nodes = old_nodes
        self._known: OrderedDict[str, tuple[float, Namespace]] = OrderedDict()
        self._flights: dict[str, _Flight] = {}

    async def get(self, name: str) -> Namespace:
        """The namespace; its labels are None if they could not be read lately. Never raises ApiProblem."""
        return replace(await self._shared(name), old_nodes=self._old_nodes())

    async def _shared(self, name: str) -> Namespace:
        under_way = self._flights.get(name)
        if under_way is not None:
            await under_way.done.wait()
            if under_way.found.enabled:
                return under_way.found
            # It may have been read just before the label was set; the next look-up has begun after this review came.
            under_way = self._flights.get(name)
            if under_way is not None:
                await under_way.done.wait()
                return under_way.found
        flight = self._flights[name] = _Flight(Namespace(name, None))
        try:
            flight.found = await self._look(name)
        finally:
            del self._flights[name]
            flight.done.set()
        return flight.found

    async def _look(self, name: str) -> Namespace:
        read_at, known = self._known.get(name, (float("-inf"), Namespace(name, None)))
        if known.enabled and self._now() - read_at <= FRESH_S:
            return known
        remembered = self._now() - read_at <= STALE_S
        found: list[Labelled] = []
        ranges: list[tuple[Json, ...]] = []

        async def read_namespace() -> None:
            with _Warned(name, remembered=remembered):
                found.append(await self._api.namespace(name))

        async def read_limit_ranges() -> None:
            with _Warned(name, remembered=remembered):
                ranges.append(await self._api.limit_ranges(name))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read_namespace)
            tasks.start_soon(read_limit_ranges)
        if not found:
            return known if remembered else Namespace(name, None)
        # Without its LimitRanges the sidecar has its usual share, which most of them allow.
        limit_ranges = _first(ranges) if ranges or not remembered else known.limit_ranges
        self._remember(Namespace(name, found[0].labels, found[0].annotations, limit_ranges))
        return self._known[name][1]

    def _remember(self, namespace: Namespace) -> None:
        self._known[namespace.name] = (self._now(), namespace)
        self._known.move_to_end(namespace.name)
        if len(self._known) > ENTRIES_MAX:
            self._known.popitem(last=False)


class _Warned:
    """A block whose ApiProblem is told and otherwise passed over."""

    def __init__(self, namespace: str, *, remembered: bool) -> None:
        self._namespace, self._remembered = namespace, remembered

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if not isinstance(error, ApiProblem):
            return False
        emit(
            _log, "NamespaceUnreadable", logging.WARNING,
            namespace=self._namespace, message=str(error), remembered=self._remembered,
        )  # fmt: skip
        return True


def _first(ranges: Iterable[tuple[Json, ...]]) -> tuple[Json, ...]:
    return next(iter(ranges), ())
