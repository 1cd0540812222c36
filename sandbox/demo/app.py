"""`python -m sandbox.demo.app`: an app as people write them, which keeps a history of what it was told.

The five lines that matter are in `_write`: a driver on one address, a session, a managed transaction. Nothing in them
knows of failovers. Around them: unique ids, a pace, and the history. It goes on until SIGTERM, whatever happens.

Settings (environment): MEMGRAPH_URI, APP_NAME, HISTORY (file, appended), APP_MODE `managed` (50 writes/s by four
workers on one pool) or `fixed` (the same lines, 10 writes/s by one worker: meant for an address without a sidecar).
"""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

import anyio
from neo4j import AsyncDriver, AsyncGraphDatabase, AsyncManagedTransaction
from neo4j.exceptions import DriverError, Neo4jError

from sandbox.demo.history import FORBIDDEN, Kind, Record, decode_all, encode, outcome
from sidecar.contract import logs

LOG: Final = logging.getLogger(__name__)
_QUERY: Final = "CREATE (:Write {id: $id})"
_PACE: Final = {"managed": (4, 50.0), "fixed": (1, 10.0)}
"""By mode: workers, writes a second over all of them."""
CANCELLED: Final = "Cancelled"
"""The error of a write that was under way when the app was stopped: not one that the app saw."""
_STOP_GRACE_S: Final = 2.0
"""How long writes in flight may finish after SIGTERM; a pod's own grace is far longer."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the app is told."""

    uri: str
    name: str
    history: Path
    mode: str


@dataclass(slots=True)
class _Attempts:
    """What happened to one write so far. The driver calls the unit of work once for each of its attempts."""

    reached_commit: bool = False
    retries: int = 0


_CURRENT: ContextVar[_Attempts | None] = ContextVar("attempts", default=None)


class _CountRetries(logging.Handler):
    """Counts the driver's own retries: it announces each in the logger `neo4j.session`, in the writing task."""

    def emit(self, record: logging.LogRecord) -> None:
        attempts = _CURRENT.get()
        if attempts is not None and "will be retried" in record.getMessage():
            attempts.retries += 1


class _Writer:
    """Writes, and records the outcome of each write."""

    def __init__(self, settings: Settings, driver: AsyncDriver, history: TextIO, first: int) -> None:
        self._settings = settings
        self._driver = driver
        self._history = history
        self._next = first
        self._stopping = anyio.Event()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self, workers: int, rate: float) -> None:
        """Write until stopped; then give the writes in flight a moment."""
        async with anyio.create_task_group() as group:
            for _ in range(workers):
                group.start_soon(self._work, workers / rate)
            await self._stopping.wait()
            group.cancel_scope.deadline = anyio.current_time() + _STOP_GRACE_S

    async def _work(self, interval_s: float) -> None:
        due = anyio.current_time()
        while not self._stopping.is_set():
            await self._write(f"{self._settings.name}-{self._take_number()}")
            # After a stall the pace goes on from now: a burst would only hide the stall in the figures.
            due = max(due + interval_s, anyio.current_time())
            with anyio.move_on_at(due):
                await self._stopping.wait()

    def _take_number(self) -> int:
        number = self._next
        self._next += 1
        return number

    async def _write(self, write_id: str) -> None:
        attempts = _Attempts()
        _CURRENT.set(attempts)

        async def create(transaction: AsyncManagedTransaction) -> None:
            await (await transaction.run(_QUERY, id=write_id)).consume()
            attempts.reached_commit = True  # what follows is the driver's COMMIT

        self._record(Record(Kind.INVOKE, self._settings.name, write_id, time.time()))
        started = time.monotonic()
        kind, name, message = Kind.INFO, CANCELLED, "the app was stopped before the answer came"
        try:
            async with self._driver.session() as session:
                await session.execute_write(create)
            kind, name, message = Kind.OK, "", ""
        except Exception as error:  # an app that stops at an error would end the demo's evidence
            name, message = type(error).__name__, str(error)
            answered = isinstance(error, Neo4jError) and not isinstance(error, DriverError)
            kind = outcome(reached_commit=attempts.reached_commit, answered=answered, message=message)
        finally:
            self._record(
                Record(
                    kind,
                    self._settings.name,
                    write_id,
                    time.time(),
                    duration_s=time.monotonic() - started,
                    retries=attempts.retries,
                    error=name,
                    message=message,
                    forbidden=FORBIDDEN in message,
                )
            )

    def _record(self, record: Record) -> None:
        self._history.write(encode(record) + "\n")  # line buffered: a killed app loses at most half a line


def parse(environ: Mapping[str, str]) -> Settings:
    """Read the settings. Raises ValueError with one sentence for each that is missing or wrong."""
    problems = [f"{name} is not set" for name in ("MEMGRAPH_URI", "APP_NAME", "HISTORY") if not environ.get(name)]
    mode = environ.get("APP_MODE", "managed")
    if mode not in _PACE:
        problems.append(f"APP_MODE is {mode!r}: set it to managed or fixed")
    if problems:
        raise ValueError("; ".join(problems))
    return Settings(environ["MEMGRAPH_URI"], environ["APP_NAME"], Path(environ["HISTORY"]), mode)


def next_number(history: Path) -> int:
    """The number after the highest one used: ids stay unique when the app's container starts again."""
    if not history.exists():
        return 0
    records, _ = decode_all(history.read_text(encoding="utf-8", errors="replace").splitlines())
    return 1 + max((int(record.id.rpartition("-")[2]) for record in records), default=-1)


async def serve(settings: Settings) -> None:
    """Write until SIGTERM or SIGINT."""
    workers, rate = _PACE[settings.mode]
    first = next_number(settings.history)
    with (
        settings.history.open("a", encoding="utf-8", buffering=1) as history,
        anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals,
    ):
        if history.tell():
            history.write("\n")  # ends a line that a killed predecessor left half written
        driver = AsyncGraphDatabase.driver(settings.uri)
        writer = _Writer(settings, driver, history, first)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(writer.run, workers, rate)
                logs.emit(LOG, "AppStarted", uri=settings.uri, app=settings.name, mode=settings.mode)
                async for received in signals:
                    logs.emit(LOG, "AppStopping", signal=received.name)
                    writer.stop()
                    break
        finally:
            with anyio.move_on_after(_STOP_GRACE_S, shield=True):
                await driver.close()


def main(environ: Mapping[str, str]) -> int:
    """Run the app. Returns 2 when the settings are wrong."""
    logs.configure("app")
    try:
        settings = parse(environ)
    except ValueError as problem:
        print(f"sandbox.demo.app: {problem}", file=sys.stderr)
        return 2
    logging.getLogger("neo4j.session").addHandler(_CountRetries())
    anyio.run(serve, settings)
    return 0


if __name__ == "__main__":
    import os

    sys.exit(main(os.environ))
