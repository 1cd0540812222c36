"""Keeps what the Memgraph pods show true (core/pacing.py decides what), beside the decisions and never in their way."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import anyio

from controller.core.model import Found, Observation, Pod, Shown
from controller.core.pacing import pace, patiently
from controller.ports import PodFaces, PortError
from sidecar.contract import logs

LOG: Final = logging.getLogger(__name__)
EVERY_S: Final = 1.0  # what flaps within a second is not shown; and an API server hears of us this often at most
_AFTER_FAILURE_S: Final = 5.0  # an API server that is slow or says no is not asked again at once
_CALL_S: Final = 2.0  # a call that takes longer than its own timeout is given up here


class Surfaces:
    """Applies differences only. `look` is called by the loop and returns at once; `run` belongs in a task of its own.

    `remaining` is the lease: with less left than a call may take, nothing is written (P-W3).
    """

    def __init__(self, faces: PodFaces, remaining: Callable[[], float]) -> None:
        self._faces = faces
        self._remaining = remaining
        self._latest: Observation | None = None
        self._news = anyio.Event()
        self._sent: dict[str, tuple[Shown, Shown]] = {}
        """Pod UID -> (what the watch showed, what was written then): until either changes, it is not written again."""
        self._doubts: dict[int, float] = {}
        self._complaint = ""

    def look(self, observation: Observation | None) -> None:
        """The latest picture, or None: this process no longer leads."""
        self._latest = observation
        self._news.set()

    async def run(self) -> None:
        """Show, until cancelled."""
        while True:
            await self._news.wait()
            self._news = anyio.Event()
            well = await self.apply()
            await anyio.sleep(EVERY_S if well else _AFTER_FAILURE_S)

    async def apply(self) -> bool:
        """Write what differs; whether all went well."""
        observation = self._latest
        if observation is None:
            self._doubts = {}
            return True
        stored = observation.stored
        verdicts = pace(observation, stored.document if isinstance(stored, Found) else None)
        wanted, self._doubts = patiently(observation, verdicts, self._doubts)
        pods = {i.ordinal: i.pod for i in observation.instances if i.pod is not None}
        self._sent = {pod.uid: self._sent[pod.uid] for pod in pods.values() if pod.uid in self._sent}
        well = True
        for ordinal, shown in wanted.items():
            pod = pods[ordinal]
            if pod.shown == shown or self._sent.get(pod.uid) == (pod.shown, shown):
                continue
            if self._latest is None or self._remaining() < _CALL_S:
                return well
            well = await self._show(pod, shown) and well
        if well:
            self._complaint = ""
        return well

    async def _show(self, pod: Pod, shown: Shown) -> bool:
        """Whether it was written; the reason of a failure is logged once, not at each try."""
        try:
            with anyio.fail_after(_CALL_S):
                await self._faces.show(pod, shown)
        except (PortError, TimeoutError) as error:
            said = str(error) or "no answer in time"
            if said != self._complaint:
                self._complaint = said
                logs.emit(LOG, "PodNotShown", logging.WARNING, pod=pod.name, message=said)
            return False
        self._sent[pod.uid] = (pod.shown, shown)
        logs.emit(
            LOG, "PodShown", pod=pod.name, role=shown.role, in_sync=shown.in_sync, reason=shown.reason,
            message=shown.message,
        )  # fmt: skip
        return True
