"""A client's program as a process: it says lines of JSON, and goes on when it is told to (conducted.py)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.abc
from anyio.streams.text import TextReceiveStream
from client_environments import Driver

READY_S: Final = 30.0
"""A virtual machine's start and a first query, on a busy machine."""
DONE_S: Final = 60.0
"""Drivers go on for 30 s, and the last attempt may be held for 20 s."""

_END_S: Final = 5.0
"""To close a driver."""


class ProgramError(Exception):
    """A client's program ended without a result, or had none in time; the message says where its log is."""


class Program:
    """A running client. Make it with `program`."""

    def __init__(self, process: anyio.abc.Process, log: Path) -> None:
        assert process.stdout is not None
        self._process = process
        self._log = log
        self._text = TextReceiveStream(process.stdout)
        self._rest = ""

    async def ready(self) -> None:
        """Wait until it is in the state asked for. Raises ProgramError."""
        await self._heard("ready", READY_S)

    async def go_on(self) -> None:
        """Let it do what comes next."""
        assert self._process.stdin is not None
        await self._process.stdin.send(b"go\n")

    async def done(self) -> dict[str, Any]:
        """Wait for its result. Raises ProgramError."""
        return await self._heard("done", DONE_S)

    async def _heard(self, event: str, seconds: float) -> dict[str, Any]:
        with anyio.move_on_after(seconds):
            try:
                while "\n" not in self._rest:
                    self._rest += await self._text.receive()
            except anyio.EndOfStream:
                raise ProgramError(f"the program ended before it was {event}: see {self._log}") from None
            line, _, self._rest = self._rest.partition("\n")
            message: dict[str, Any] = json.loads(line)
            if message["event"] != event:
                raise ProgramError(f"the program said {line!r} before it was {event}: see {self._log}")
            return message
        raise ProgramError(f"the program was not {event} within {seconds:g} s: see {self._log}")


@asynccontextmanager
async def program(client: Driver, state: str, address: str, unique: str, log: Path) -> AsyncIterator[Program]:
    """Start it, and end it however the block is left. `address` is host:port."""
    command, environment = client.change_command()
    host, _, port = address.rpartition(":")
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with log.open("ab") as file:
        process = await anyio.open_process(
            [*command, state, host, port, unique],
            env={**ours, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file,
        )  # fmt: skip
    async with process:
        try:
            yield Program(process, log)
            with anyio.move_on_after(_END_S):
                await process.wait()  # a signal to one that has just ended would take its exit code from asyncio
        finally:
            if process.returncode is None:
                process.kill()
