"""One sidecar from its settings to its end: the tasks, what they tell each other, and the drain."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Final

import anyio

from sidecar import http, kube, listen
from sidecar.contract import env
from sidecar.contract.env import Settings
from sidecar.contract.logs import emit
from sidecar.contract.state import Phase
from sidecar.core.follow import Changed, Follow, Problem, Reason
from sidecar.core.route import Port
from sidecar.metrics import Metrics
from sidecar.proxy import Proxy

DRAIN_S: Final = 20.0
"""After SIGTERM, for connections to end by themselves: well within Kubernetes' default grace period of 30 s."""

_NO_CONTACT: Final = frozenset({Reason.UNREACHABLE, Reason.UNREADABLE_TOKEN})

logger = logging.getLogger(__name__)


async def run(settings: Settings) -> None:
    """Listen, follow the document and proxy until SIGTERM or SIGINT. Raises BadSettings for a port that is taken."""
    with ExitStack() as stack:
        writers, readers, admins = (
            _bound(stack, *where)
            for where in (
                (settings.listen, settings.port, env.PORT),
                (settings.listen, settings.read_port, env.READ_PORT),
                ((settings.admin_address,), settings.admin_port, env.ADMIN_PORT),
            )
        )
        stack.pop_all()  # from here on the servers own them
    async with anyio.create_task_group() as tasks:
        metrics = Metrics()
        sidecar = Sidecar(settings, Proxy(settings, metrics, tasks), metrics)
        await sidecar.proxy.listen(Port.READ_WRITE, writers)
        await sidecar.proxy.listen(Port.READ, readers)
        admin = await asyncio.get_running_loop().create_server(
            lambda: http.Admin(sidecar.pages(), sidecar.admins), sock=admins[0], backlog=http.CONNECTIONS_MAX
        )
        emit(
            logger,
            "Listening",
            read_write=[_name(one) for one in writers],
            read=[_name(one) for one in readers],
            admin=_name(admins[0]),
        )
        where = kube.Where(
            settings.api_host, settings.api_port, settings.namespace, settings.config_map, settings.token_dir
        )
        client = kube.Kube(where)
        tasks.start_soon(kube.follow, client, sidecar.follow, sidecar.learn)
        tasks.start_soon(sidecar.keep_asking, client)
        await sidecar.until_told_to_stop()
        admin.close()
        for one in list(sidecar.admins):
            one.close()
        tasks.cancel_scope.cancel()


class Sidecar:
    """What one sidecar knows and says."""

    def __init__(self, settings: Settings, proxy: Proxy, metrics: Metrics) -> None:
        self.follow = Follow(settings.namespace, settings.config_map)
        self.proxy = proxy
        self.admins: set[http.Admin] = set()
        self._metrics = metrics
        self._reported: Problem | None = None
        self._last_contact: float | None = None

    # ---- what is learned ---------------------------------------------------------------------------------------

    def learn(self, outcome: Changed | Problem | None) -> None:
        """Act on what the follower learned."""
        if isinstance(outcome, Problem):
            self._metrics.problems.add(outcome.reason.value)
            if outcome.reason is Reason.MALFORMED:
                self._metrics.malformed.add()
        if not isinstance(outcome, Problem) or outcome.reason not in _NO_CONTACT:
            self._last_contact = time.time()
            self._metrics.last_contact.set(self._last_contact)
        if isinstance(outcome, Changed):
            self.proxy.apply(outcome.state)
            document = outcome.state.document
            self._metrics.epoch.set(document.epoch)
            self._metrics.serving.set(document.phase is Phase.SERVING)
        self._report()

    def _report(self) -> None:
        """Say a change of opinion once, not each time it is confirmed."""
        problem, before = self.follow.problem, self._reported
        if problem == before:
            return
        self._reported = problem
        if problem is not None:
            emit(logger, "Problem", logging.WARNING, reason=problem.reason.value, message=problem.message)
        elif before is not None:
            emit(logger, "Mended", reason=before.reason.value)

    async def keep_asking(self, client: kube.Kube) -> None:
        """Ask the API server at once about every suspect upstream (P-C4)."""
        while True:
            answered = await self.proxy.suspicion()
            if await kube.ask_aside(client, self.follow, self.learn):
                answered()
            await anyio.sleep(kube.ASIDE_GAP_S)

    # ---- what is said ------------------------------------------------------------------------------------------

    def pages(self) -> dict[str, http.Page]:
        """The admin listener's pages."""
        return {
            "/livez": lambda: http.text(200, "alive"),
            "/readyz": self._readyz,
            "/metrics": self._exposition,
            "/state": lambda: http.as_json(self.state()),
        }

    def state(self) -> dict[str, object]:
        """What this sidecar acts on, for people and programs."""
        known, problem = self.proxy.state, self.follow.problem
        document = known.document if known else None
        return {
            "epoch": document.epoch if document else None,
            "phase": document.phase.value if document else None,
            "masterIndex": document.master_index if document else None,
            "mainUID": document.main_uid if document else None,
            "mainAddress": document.main_address if document else None,
            "readAddresses": list(document.read_addresses) if document else [],
            "objectUID": known.uid if known else None,
            "lastContact": None if self._last_contact is None else _timestamp(self._last_contact),
            "lastProblem": None if problem is None else {"reason": problem.reason.value, "message": problem.message},
            "connections": self.proxy.count(Port.READ_WRITE),
            "readConnections": self.proxy.count(Port.READ),
            "held": self.proxy.held,
        }

    def _readyz(self) -> tuple[int, str, str]:
        problem = self.follow.problem
        note = f"\n{problem.reason.value}: {problem.message}" if problem else ""
        return http.text(200, "listening" + note) if self.proxy.listening else http.text(503, "not accepting" + note)

    def _exposition(self) -> tuple[int, str, str]:
        for port in Port:
            self._metrics.connections.set(self.proxy.count(port), port.value)
        self._metrics.held.set(self.proxy.held)
        return 200, "text/plain; version=0.0.4; charset=utf-8", self._metrics.expose()

    # ---- the end -----------------------------------------------------------------------------------------------

    async def until_told_to_stop(self) -> None:
        """Wait for a signal, then let the connections end: at most DRAIN_S, or until a second signal."""
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            await anext(signals)
            self.proxy.stop_accepting()
            emit(logger, "Draining", connections=self.proxy.count(Port.READ_WRITE) + self.proxy.count(Port.READ))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._drain, tasks.cancel_scope)
                await anext(signals)
                tasks.cancel_scope.cancel()
        self.proxy.close()
        emit(logger, "Stopped")

    async def _drain(self, scope: anyio.CancelScope) -> None:
        with anyio.move_on_after(DRAIN_S):
            await self.proxy.emptied()
        scope.cancel()


def _bound(stack: ExitStack, addresses: tuple[str, ...], port: int, variable: str) -> list[socket.socket]:
    return [stack.enter_context(one) for one in listen.bind(addresses, port, variable)]


def _name(one: socket.socket) -> str:
    host, port = one.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
