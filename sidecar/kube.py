"""The API server, for one ConfigMap: GET and watch over TLS, and the loop that keeps following it.

The only module that asks Kubernetes anything (answer.py reads what it says). Token and CA are read from disk for every
connection (the kubelet rotates them), and nothing of the token reaches a log or an error.
"""

from __future__ import annotations

import logging
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import SocketAttribute
from anyio.streams.tls import TLSStream

from sidecar.answer import Answer, Unreachable, translated
from sidecar.contract import env
from sidecar.contract.logs import emit
from sidecar.core.follow import Changed, Follow, Get, Problem, Reason, Watch
from sidecar.sockets import keep_alive

CONNECT_S: Final = 5.0
ANSWER_S: Final = 10.0
"""Until an answer's headers. A watch of a version that is too new waits 3 s before it is refused."""
ASIDE_S: Final = 3.0
"""For the answer to a question beside the watch: nobody waits for it longer (SUSPECT_S, CONFIRM_S)."""
ASIDE_GAP_S: Final = 0.25
"""Between two questions beside the watch: many upstreams may close at once."""
ASIDE_JITTER_S: Final = 0.1
"""All sidecars of a fleet see the main die in the same instant."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a watch goes on, in seconds."""

    watch_s: tuple[int, int] = (240, 300)
    """`timeoutSeconds`, at random between: a fleet must not come again all at once."""
    silence_s: float = 75.0
    """Without a byte for so long, the object is read afresh. Such a watch may be dead, or blind (Follow.silent), or
    just quiet: bookmarks come every minute only where other ConfigMaps change meanwhile."""


Learn = Callable[[Changed | Problem | None], None]

logger = logging.getLogger(__name__)


class UnreadableToken(Exception):
    """The folder with the token and the CA can't be read."""


@dataclass(frozen=True, slots=True)
class Where:
    """The API server and the object. `token_dir` holds `token` and `ca.crt`."""

    host: str
    port: int
    namespace: str
    config_map: str
    token_dir: str


class Kube:
    """Questions about one ConfigMap. Every question has a connection of its own."""

    def __init__(self, where: Where, pace: Pace = Pace()) -> None:
        self._where = where
        self.pace = pace

    async def get(self) -> tuple[int, bytes]:
        """Status and body. Raises Unreachable, UnreadableToken."""
        where = self._where
        path = f"/api/v1/namespaces/{where.namespace}/configmaps/{where.config_map}"
        async with self._ask(path) as answer:
            with translated("its answer"), anyio.fail_after(ANSWER_S):
                return answer.status, await answer.body()

    @asynccontextmanager
    async def watch(self, version: str) -> AsyncIterator[Answer]:
        """The answer to a watch from `version` on. Raises Unreachable, UnreadableToken."""
        where = self._where
        path = (
            f"/api/v1/namespaces/{where.namespace}/configmaps?watch=true&allowWatchBookmarks=true"
            f"&fieldSelector=metadata.name%3D{where.config_map}&timeoutSeconds={random.randint(*self.pace.watch_s)}"
        )
        if version:
            path += f"&resourceVersion={version}"
        async with self._ask(path) as answer:
            yield answer

    @asynccontextmanager
    async def _ask(self, path: str) -> AsyncIterator[Answer]:
        host = self._where.host
        headers = [
            ("host", f"[{host}]" if ":" in host else host),
            ("authorization", f"Bearer {self._token()}"),
            ("accept", "application/json"),
            ("user-agent", "memgraph-ha-sidecar"),
            ("connection", "close"),
        ]
        stream = await self._connect()
        try:
            answer = Answer(stream)
            with translated("its answer"), anyio.fail_after(ANSWER_S):
                await answer.ask(path, headers)
            yield answer
        finally:
            # Without a farewell: what is left of a watch is not worth a wait.
            with anyio.CancelScope(shield=True):
                await anyio.aclose_forcefully(stream)

    async def _connect(self) -> TLSStream:
        where = self._where
        try:
            context = ssl.create_default_context(cafile=str(Path(where.token_dir, "ca.crt")))
        except (OSError, ssl.SSLError) as error:
            raise UnreadableToken(self._unreadable("ca.crt", error)) from None
        with translated("a connection"), anyio.fail_after(CONNECT_S):
            stream = await anyio.connect_tcp(where.host, where.port, ssl_context=context, tls_standard_compatible=False)
        keep_alive(stream.extra(SocketAttribute.raw_socket))
        return stream

    def _token(self) -> str:
        try:
            token = Path(self._where.token_dir, "token").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UnreadableToken(self._unreadable("token", error)) from None
        if not token or not token.isprintable():
            raise UnreadableToken(self._unreadable("token", ValueError("it is empty or not a token")))
        return token

    def _unreadable(self, name: str, error: Exception) -> str:
        why = getattr(error, "strerror", None) or (str(error) if isinstance(error, ValueError) else "not readable")
        return (
            f"{env.TOKEN_DIR}: cannot read {Path(self._where.token_dir, name)}: {why}; "
            "check that the projected service account token is mounted there"
        )


async def follow(kube: Kube, state: Follow, learn: Learn) -> None:
    """Follow the ConfigMap for ever. `learn` is called at once with all that is learned; None is a sign of life."""
    while True:
        began = time.monotonic()
        try:
            match state.ask():
                case Get():
                    learn(state.got(*await kube.get()))
                case Watch(version):
                    await _watch_once(kube, state, version, learn)
                    state.ended(time.monotonic() - began)
        except UnreadableToken as error:
            learn(state.failed(Reason.UNREADABLE_TOKEN, str(error)))
        except Unreachable as error:
            learn(state.failed(Reason.UNREACHABLE, f"the API server is unreachable: {error}"))
        if state.delay_s:
            await anyio.sleep(random.uniform(0.5, 1.0) * state.delay_s)


async def ask_aside(kube: Kube, state: Follow, learn: Learn) -> bool:
    """One question beside the watch (P-C4, P-C6). Whether it was answered."""
    try:
        with translated("its answer"), anyio.fail_after(ASIDE_S):
            status, body = await kube.get()
    except (Unreachable, UnreadableToken) as error:
        emit(logger, "AsideFailed", logging.WARNING, message=str(error))
        return False
    learn(state.got(status, body, aside=True))
    return status in (200, 404)


async def _watch_once(kube: Kube, state: Follow, version: str, learn: Learn) -> None:
    async with kube.watch(version) as answer:
        learn(state.watching(answer.status))
        while answer.status == 200:
            with translated("its watch"), anyio.move_on_after(kube.pace.silence_s) as patience:
                line = await answer.line()
            if patience.cancelled_caught:
                state.silent()
                return
            if line is None:
                return
            outcome = state.line(line)
            learn(outcome)
            if isinstance(outcome, Problem) and outcome.reason in (Reason.EXPIRED, Reason.BAD_ANSWER):
                return
