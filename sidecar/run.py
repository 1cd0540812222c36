"""One sidecar from its settings to its end: the tasks, what they tell each other, and the drain."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import socket
import time
from contextlib import ExitStack
from typing import Final

import anyio

from sidecar import http, kube, listen
from sidecar.contract import env
from sidecar.contract.env import Settings
from sidecar.contract.logs import emit
from sidecar.contract.state import Phase
from sidecar.core.follow import Changed, Follow, Problem, Reason
from sidecar.core.route import Port
from sidecar.core.stale import silence_s, stale_in
from sidecar.metrics import Metrics
from sidecar.pages import PRIVATE, Pages
from sidecar.proxy import Proxy

DRAIN_S: Final = 20.0
"""After SIGTERM, for connections to end by themselves: well within Kubernetes' default grace period of 30 s."""

OTHER_FILES: Final = 256
"""Listeners, the admin port, the API server, the interpreter, and connections that are only told why they may not."""

_NO_CONTACT: Final = frozenset({Reason.UNREACHABLE, Reason.UNREADABLE_TOKEN})
_OF_THE_DOCUMENT: Final = frozenset({Reason.MALFORMED, Reason.DELETED, Reason.NOT_FOUND, Reason.LOWER_EPOCH})
"""The API server said what there is, and it is no good: the state acted on is as fresh as can be."""

logger = logging.getLogger(__name__)


async def run(settings: Settings) -> None:
    """Listen, follow the document and proxy until SIGTERM or SIGINT. Raises BadSettings for a port that is taken."""
    with ExitStack() as stack:
        writers, readers, admins = (
            _bound(stack, *where)
            for where in (
                (settings.listen, settings.port, env.PORT),
                (settings.listen, settings.read_port, env.READ_PORT),
                (settings.admin_address, settings.admin_port, env.ADMIN_PORT),
            )
        )
        stack.pop_all()  # from here on the servers own them
    listen.allow_files(2 * settings.max_connections + OTHER_FILES)
    async with anyio.create_task_group() as tasks:
        metrics = Metrics(f"{settings.namespace}/{settings.config_map}")
        sidecar = Sidecar(settings, Proxy(settings, metrics, tasks), metrics)
        await sidecar.proxy.front.open(Port.READ_WRITE, writers)
        await sidecar.proxy.front.open(Port.READ, readers)
        served = [await sidecar.serve_admin(one) for one in admins]
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
        patience = silence_s(settings.on_stale, settings.stale_s, kube.Pace().silence_s)
        client = kube.Kube(where, kube.Pace(silence_s=patience))
        tasks.start_soon(kube.follow, client, sidecar.follow, sidecar.learn)
        tasks.start_soon(sidecar.keep_asking, client)
        if settings.on_stale is env.OnStale.CUT:
            tasks.start_soon(sidecar.watch_age)
        await sidecar.until_told_to_stop()
        for server in served:
            server.close()
        for one in list(sidecar.admins):
            one.close()
        tasks.cancel_scope.cancel()


class Sidecar:
    """What one sidecar knows and says."""

    def __init__(self, settings: Settings, proxy: Proxy, metrics: Metrics) -> None:
        self.follow = Follow(settings.namespace, settings.config_map)
        self.proxy = proxy
        self.admins: set[http.Admin] = set()
        self._settings = settings
        self._metrics = metrics
        self._pages = Pages(self.follow, proxy, metrics)
        self._reported: Problem | None = None
        self._fresh: float | None = None  # when the document was last known to be what is acted on

    async def serve_admin(self, one: socket.socket) -> asyncio.Server:
        """Serve the admin pages from now on."""
        pages = self._pages.all()
        return await asyncio.get_running_loop().create_server(
            lambda: http.Admin(pages, self.admins, PRIVATE), sock=one, backlog=http.CONNECTIONS_MAX
        )

    # ---- what is learned ---------------------------------------------------------------------------------------

    def learn(self, outcome: Changed | Problem | None) -> None:
        """Act on what the follower learned."""
        if isinstance(outcome, Problem):
            self._metrics.problems.add(outcome.reason.value)
            if outcome.reason is Reason.MALFORMED:
                self._metrics.malformed.add()
        reason = outcome.reason if isinstance(outcome, Problem) else None
        if reason not in _NO_CONTACT:
            self._pages.last_contact = time.time()
            self._metrics.last_contact.set(self._pages.last_contact)
        self.proxy.problem = self.follow.problem
        if isinstance(outcome, Changed):
            self.proxy.apply(outcome.state)
            document = outcome.state.document
            self._metrics.epoch.set(document.epoch)
            self._metrics.serving.set(document.phase is Phase.SERVING)
        if reason is None or reason in _OF_THE_DOCUMENT:
            self._fresh = time.monotonic()
            self.proxy.heard()  # not before the new document is acted on: who waits goes where that one leads
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
        """Ask the API server at once about suspect upstreams (P-C4) and late answers (P-C6)."""
        while True:
            question = await self.proxy.suspicion.raised()
            await anyio.sleep(random.uniform(0, kube.ASIDE_JITTER_S))
            if question.open:
                if await kube.ask_aside(client, self.follow, self.learn):
                    question.answered(sure=self.follow.problem is None)
                else:
                    question.again()
            await anyio.sleep(kube.ASIDE_GAP_S)

    async def watch_age(self) -> None:
        """Cut when what is known has become too old (`onStale: cut`)."""
        limit = self._settings.stale_s
        while True:
            left = stale_in(self._settings.on_stale, limit, self._fresh, time.monotonic())
            if left == 0:
                self.proxy.go_stale()
            await anyio.sleep(left or limit)

    # ---- the end -----------------------------------------------------------------------------------------------

    async def until_told_to_stop(self) -> None:
        """Wait for a signal, then let the connections end: at most DRAIN_S, or until a second signal."""
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            await anext(signals)
            self.proxy.front.close()
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
