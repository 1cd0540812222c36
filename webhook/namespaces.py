"""The labels of namespaces, by live GETs with a very short memory.

A pod often follows its namespace's label by a second, so an answer counts for one second only; that still makes a
roll-out of hundreds of pods one GET a second. An older answer serves only while the API server does not answer.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

from sidecar.contract.logs import emit
from webhook.core.model import Namespace
from webhook.ports import Api, ApiProblem

FRESH_S: Final = 1.0
STALE_S: Final = 60.0
ENTRIES_MAX: Final = 1000
"""Some hundred bytes each."""

_log = logging.getLogger(__name__)


class Namespaces:
    """Looks namespaces up. `now` is a monotonic clock in seconds."""

    def __init__(self, api: Api, now: Callable[[], float]) -> None:
        self._api = api
        self._now = now
        self._known: OrderedDict[str, tuple[float, Mapping[str, str]]] = OrderedDict()

    async def get(self, name: str) -> Namespace:
        """The namespace; its labels are None if they could not be read lately. Never raises ApiProblem."""
        read_at, labels = self._known.get(name, (float("-inf"), {}))
        if self._now() - read_at <= FRESH_S:
            return Namespace(name, labels)
        try:
            labels = await self._api.namespace_labels(name)
        except ApiProblem as problem:
            known = self._now() - read_at <= STALE_S
            emit(_log, "NamespaceUnreadable", logging.WARNING, namespace=name, message=str(problem), remembered=known)
            return Namespace(name, labels if known else None)
        self._known[name] = (self._now(), labels)
        self._known.move_to_end(name)
        if len(self._known) > ENTRIES_MAX:
            self._known.popitem(last=False)
        return Namespace(name, labels)
