"""Re-seed orders, written and closed; the pod's init container carries them out (P-R1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from controller import questions
from controller.core import parse
from controller.core.actions import CloseOrder, Outcome, Reseed
from controller.core.model import Found, Pod, ReseedOrder, Role
from controller.ports import Cluster, LostAnswer, StateStore


class Reseeder:
    """`may` raises when the lease is too short for a call (P-W3); `run` is a command to a pod, which asks it itself."""

    def __init__(
        self,
        store: StateStore,
        cluster: Cluster,
        may: Callable[[], None],
        run: Callable[[Pod, str], Awaitable[list[dict[str, Any]]]],
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._may = may
        self._run = run

    async def order(self, action: Reseed) -> Outcome:
        """Only while the document still says so, and the main still holds what it is trusted to hold."""
        stored = await self._store.read()
        if not isinstance(stored, Found):
            return Outcome.FAILED
        if (stored.document.term, stored.document.epoch) != (action.term, action.order.epoch):
            return Outcome.FAILED
        current = self._cluster.pods.get(action.main.ordinal)
        if current is None or current.incarnation != action.main.pod.incarnation:
            return Outcome.FAILED
        ask = partial(self._run, action.main.pod)
        if await questions.role(ask) is not Role.MAIN:
            return Outcome.FAILED
        if (await questions.storage(ask)).get("database_uuid") != action.database_uuid:
            return Outcome.FAILED
        if parse.marker(await ask("SHOW INDEX INFO;")) != action.marker:
            return Outcome.FAILED
        await self._write(action.order, action.resource_version)
        self._may()
        await self._cluster.delete_pod(action.pod, graceful=True)
        return Outcome.DONE

    async def close(self, action: CloseOrder) -> None:
        """No order is open from now on."""
        await self._write(None, action.resource_version)

    async def _write(self, order: ReseedOrder | None, resource_version: str | None) -> None:
        self._may()
        try:
            await self._cluster.write_reseed_order(order, resource_version)
        except LostAnswer:
            if (await self._cluster.reseed_orders()).open != order:
                raise
