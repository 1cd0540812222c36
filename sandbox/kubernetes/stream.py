"""Watches: each one reads the store's history at its own pace, so a slow reader holds up nobody.

A reader that falls behind the history's bound gets 410 as an ERROR event inside its stream.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from sandbox.kubernetes.core import watching
from sandbox.kubernetes.core.problem import Problem, too_large
from sandbox.kubernetes.core.resources import Resource
from sandbox.kubernetes.core.selectors import Predicate
from sandbox.kubernetes.core.store import Store

FUTURE_WAIT_S: Final = 3.0
"""How long a version that isn't there yet is waited for; the real server's figure."""
_LAST_BOOKMARK_S: Final = 2.0
"""A bookmark is sent this long before a watch's deadline, as the real server does."""


class Bell:
    """Wakes the watchers of a resource after a change."""

    def __init__(self) -> None:
        self._events: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.closed = False
        self.generation = 0
        """Raised to end all streams that are open now."""

    def ring(self, resource: Resource) -> None:
        """Wake everyone who waits for this resource."""
        self._events.pop(resource.plural, asyncio.Event()).set()

    def hang_up(self, for_good: bool = False) -> None:
        """End every open watch; clients come again unless the server stops."""
        self.generation += 1
        self.closed = self.closed or for_good
        for event in self._events.values():
            event.set()
        self._events.clear()

    async def wait(self, resource: Resource, timeout_s: float) -> None:
        """Return after the next change of the resource, or after the timeout."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._events[resource.plural].wait()
        except TimeoutError:
            pass


@dataclass(frozen=True, slots=True)
class Watch:
    """One watch request. `since` None: begin with the current state as ADDED events."""

    resource: Resource
    namespace: str | None
    matches: Predicate
    since: int | None
    timeout_s: float
    bookmark_interval_s: float | None


async def wait_for_version(store: Store, bell: Bell, resource: Resource, version: int) -> None:
    """Wait until the store has reached `version`. Raises Problem 504 if it doesn't."""
    now = asyncio.get_running_loop().time
    deadline = now() + FUTURE_WAIT_S
    while store.version < version:
        if now() >= deadline:
            raise too_large(version, store.version)
        await bell.wait(resource, min(0.05, deadline - now()))


async def events(store: Store, bell: Bell, watch: Watch) -> AsyncIterator[bytes]:
    """The stream's lines, until its deadline, a 410, or the bell is hung up."""
    now = asyncio.get_running_loop().time
    deadline = now() + watch.timeout_s
    generation = bell.generation
    bookmarks = _Bookmarks(now(), deadline, watch.bookmark_interval_s)
    cursor, began = watch.since, watch.since or -1
    if cursor is None:
        cursor = store.version
        for obj in store.select(watch.resource, watch.namespace, watch.matches):
            yield line({"type": "ADDED", "object": obj})
    while not bell.closed and bell.generation == generation:
        reached = store.version
        try:
            changes = store.since(watch.resource, cursor)
        except Problem as problem:
            yield line(watching.error(problem))
            return
        for change in changes:
            event = watching.visible(change, watch.namespace, watch.matches)
            if event is not None:
                yield line(event)
        # A version from the future (another memory's) is neither refused nor left: changes before it are not shown.
        cursor = max(cursor, reached)
        if bookmarks.due(now()) and cursor > began:
            yield line(watching.bookmark(watch.resource, cursor))
        if now() >= deadline:
            return
        if store.version == reached:  # else a slow reader took its time, and more was written meanwhile
            await bell.wait(watch.resource, max(0.0, min(deadline, bookmarks.next_at) - now()))


class _Bookmarks:
    """When to send the next one."""

    def __init__(self, now: float, deadline: float, interval_s: float | None) -> None:
        self._interval_s = interval_s
        self._last_at = max(now, deadline - _LAST_BOOKMARK_S)
        self._sent_last = False
        self.next_at = self._after(now)

    def due(self, now: float) -> bool:
        """Whether one is due now; then the next one is planned."""
        if now < self.next_at:
            return False
        self._sent_last = self._sent_last or now >= self._last_at
        self.next_at = self._after(now)
        return True

    def _after(self, now: float) -> float:
        if self._interval_s is None:
            return float("inf")
        if self._sent_last:
            return now + self._interval_s
        return min(now + self._interval_s, self._last_at)


def line(event: dict[str, Any]) -> bytes:
    """One event on the wire."""
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"
