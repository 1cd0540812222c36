"""The kinds of fault: how each is done to a running sandbox, and how it is mended.

`inject` returns when it happened: the wall-clock time just before the signal or the request left. Everything that has
to be looked up is looked up before.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from sandbox import manifests
from sandbox.control import Control
from sandbox.world import World
from sidecar.contract.state import Document

_CONTROLLER_AGENT: Final = "memgraph-ha-controller"
"""How the controllers' driver introduces itself (controller/memgraph.py)."""


@dataclass(frozen=True, slots=True)
class Target:
    """The world, and what was published before the fault."""

    world: World
    control: Control
    before: Document


Inject = Callable[[Target], Awaitable[float]]
Mend = Callable[[Target], Awaitable[None]]


async def _nothing(target: Target) -> None:
    return


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault. `goal_ms`: what the p99 of `goal_of` should not exceed."""

    name: str
    what: str
    inject: Inject
    mend: Mend = _nothing
    goal_of: str = "publish_ms"
    goal_ms: int = 0


async def _kill(target: Target) -> float:
    _, main = await target.control.resolve("main")
    at = time.time()
    os.kill(main, signal.SIGKILL)
    return at


async def _hang(target: Target) -> float:
    _, main = await target.control.resolve("main")
    at = time.time()
    os.kill(main, signal.SIGSTOP)
    return at


async def _wake(target: Target) -> None:
    pids = {item["pod"]: item["pid"] for item in target.world.state["memgraphs"]}
    pid = pids.get(target.before.main_pod)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):  # deleted for hanging too long (P-F7)
            os.kill(pid, signal.SIGCONT)


async def _delete(target: Target) -> float:
    at = time.time()
    await target.world.kubernetes.delete("pods", manifests.RELEASE, target.before.main_pod)
    return at


async def _switch(target: Target) -> float:
    at = time.time()
    await target.control.request_switchover()
    return at


async def _kill_both(target: Target) -> float:
    """The leader first: it must not have seen anything."""
    _, main = await target.control.resolve("main")
    _, leader = await target.control.resolve("leader")
    at = time.time()
    os.kill(leader, signal.SIGKILL)
    os.kill(main, signal.SIGKILL)
    return at


async def _cut_off(target: Target) -> float:
    at = time.time()
    await target.control.cut_off(_CONTROLLER_AGENT, target.before.main_pod)
    return at


async def _let_back(target: Target) -> None:
    await target.control.let_back(_CONTROLLER_AGENT, target.before.main_pod)


KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("kill", "kill -9 the main", _kill, goal_ms=1000),
        Kind("hang", "SIGSTOP the main", _hang, _wake, goal_ms=4000),
        Kind("delete", "delete the main's pod", _delete),
        Kind("switchover", "ask for another main", _switch, goal_of="write_stall_ms", goal_ms=400),
        Kind("leader", "kill -9 the main and the leading controller at once", _kill_both, goal_ms=6000),
        Kind("partition", "cut the controllers off from the main alone", _cut_off, _let_back),
    )
}
