"""One container: a process that is started, probed, and started again after it ended.

A dead container comes back after a fixed delay. A real kubelet restarts it at once the first time and then backs off
(10 s, 20 s, ... 5 min), and forgets the backoff after ten quiet minutes. A death is noticed at once, or at the next of
the looks that a real kubelet takes every second (`relist_s`). livenessProbe is not run.
"""

from __future__ import annotations

import logging
import signal
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio

from sandbox.kubelet import probes
from sandbox.kubelet.core.containers import ConfigError, Launch, Place, Role
from sandbox.kubelet.core.status import State
from sandbox.kubelet.processes import Group, Groups
from sidecar.contract.logs import emit

Object = dict[str, Any]
_LOGGER: Final = logging.getLogger(__name__)


class Container:
    """Runs one container of a pod. `prepare` gives the process to start, anew for each start."""

    def __init__(
        self, role: Role, manifest: Object, place: Place, restart_policy: str, *, groups: Groups, folder: Path,
        log: Path, restart_delay_s: float, relist_s: float, prepare: Callable[[Object], Awaitable[Launch]],
        changed: Callable[[], None],
    ) -> None:  # fmt: skip
        self.state = State(manifest["name"], role, manifest.get("image", ""))
        self.passed = anyio.Event()
        """The next container may start: this one is complete (INIT), started (SIDECAR) or launched (MAIN)."""
        self.ended = anyio.Event()
        """It will not run again."""
        self._manifest = manifest
        self._place = place
        self._policy = "Always" if role is Role.SIDECAR else restart_policy
        if role is Role.INIT and restart_policy == "Always":
            self._policy = "OnFailure"
        self._groups = groups
        self._folder = folder
        self._log = log
        self._delay_s = restart_delay_s
        self._relist_s = relist_s
        self._prepare = prepare
        self._changed = changed
        self._group: Group | None = None
        self._stopping = False
        self._idle = anyio.CancelScope()

    async def run(self) -> None:
        """Run until it is complete or stopped. Cancelling kills the process."""
        try:
            while not self._stopping:
                again = await self._once()
                if not again or self._stopping:
                    break
                with anyio.CancelScope() as self._idle:
                    await anyio.sleep(self._delay_s)
        finally:
            self.ended.set()

    def stop(self, number: int) -> None:
        """Signal the process; it will not be started again."""
        self._last_life()
        if self._group is not None:
            self._group.send(number)

    async def end(self) -> None:
        """What precedes SIGTERM (a preStop `sleep`; no other hook is known here), SIGTERM, and the process' end."""
        self._last_life()
        hook = (self._manifest.get("lifecycle") or {}).get("preStop") or {}
        with anyio.move_on_after(hook.get("sleep", {}).get("seconds", 0)):
            await self.ended.wait()
        self.stop(signal.SIGTERM)
        await self.ended.wait()

    def _last_life(self) -> None:
        self._stopping = True
        self._idle.cancel()

    async def _once(self) -> bool:
        """One life of the process; whether there is to be another."""
        state = self.state
        try:
            started = await self._prepare(self._manifest)
            if self._stopping:
                return False
            group = await self._groups.start(started.argv, started.environment, self._folder, self._log)
        except (ConfigError, OSError) as error:
            if (state.waiting, state.message) != ("CreateContainerConfigError", str(error)):
                emit(_LOGGER, "ContainerNotStarted", logging.WARNING, container=state.name, message=str(error))
            state.waiting, state.message = "CreateContainerConfigError", str(error)
            self._changed()
            return True
        self._group = group
        state.pid, state.container_id, state.waiting, state.exit_code = (
            group.pid,
            f"sandbox://{uuid.uuid4().hex}",
            None,
            None,
        )
        state.started_at, state.message = _now(), ""
        self._changed()
        code = await self._live(group, started)
        if self._relist_s and not self._stopping:
            with anyio.CancelScope() as self._idle:
                await anyio.sleep(self._relist_s - anyio.current_time() % self._relist_s)
        return self._after(code)

    async def _live(self, group: Group, started: Launch) -> int:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._probe, group, started)
                code = await group.wait()
                tasks.cancel_scope.cancel()
            return code
        finally:
            group.send(signal.SIGKILL)
            with anyio.CancelScope(shield=True):
                await group.wait()
            self._group = None

    def _after(self, code: int) -> bool:
        state = self.state
        state.pid, state.started, state.ready = None, False, False
        state.exit_code, state.signal = (code, 0) if code >= 0 else (128 - code, -code)
        state.finished_at = _now()
        again = not self._stopping and (self._policy == "Always" or (self._policy == "OnFailure" and code != 0))
        if again:
            state.previous = state.terminated()
            state.restarts += 1
            state.waiting = "CrashLoopBackOff"
        if state.role is Role.INIT and code == 0:
            self.passed.set()
        self._changed()
        return again

    async def _probe(self, group: Group, started: Launch) -> None:
        state, manifest = self.state, self._manifest
        if state.role is Role.INIT:
            return
        if state.role is Role.MAIN:
            self.passed.set()
        if (probe := manifest.get("startupProbe")) and not await self._until(
            probe, started, True, probe.get("failureThreshold", 3)
        ):
            emit(_LOGGER, "StartupProbeFailed", logging.WARNING, container=state.name)
            group.send(signal.SIGTERM)
            return
        state.started = True
        readiness = manifest.get("readinessProbe")
        state.ready = readiness is None
        self.passed.set()
        self._changed()
        while readiness is not None:
            await self._until(
                readiness, started, not state.ready, None if not state.ready else readiness.get("failureThreshold", 3)
            )
            state.ready = not state.ready
            self._changed()

    async def _until(self, probe: Object, started: Launch, wanted: bool, tries: int | None) -> bool:
        """Probe until success (`wanted` True) or, for a ready container, until `tries` failures in a row.

        Returns whether the wanted result came; for a startup probe False means its tries are used up.
        """
        await anyio.sleep(probe.get("initialDelaySeconds", 0))
        misses = 0
        while True:
            good = await probes.succeeds(
                probe, self._manifest, self._place, started, self._groups, self._folder, self._log
            )
            misses = 0 if good else misses + 1
            if wanted and good:
                return True
            if tries is not None and misses >= tries:
                return not wanted
            await anyio.sleep(probe.get("periodSeconds", 10))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
