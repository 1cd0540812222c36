"""Reviews, each over a TLS connection of its own: at a fixed rate, or as fast as they are answered."""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

GOLDEN = Path(__file__).parents[2] / "golden" / "webhook"


class Load:
    """One source of reviews. `errors` counts what was not an admission."""

    def __init__(self, port: int, bundle: str) -> None:
        self._port = port
        self._context = ssl.create_default_context(cadata=bundle)
        self._requests: Iterator[bytes] = itertools.cycle(_requests())
        self.errors = 0

    async def review(self) -> None:
        """One review and its answer, after which the webhook closes the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._context)
        writer.write(next(self._requests))
        head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        if not head.startswith(b"HTTP/1.1 200") or json.loads(answer)["response"]["allowed"] is not True:
            self.errors += 1


async def open_loop(load: Load, rate_per_s: int, seconds: float, workers: int) -> list[float]:
    """Seconds each review took, from when it was due: one that had to wait for another is slow, too."""
    due: asyncio.Queue[float | None] = asyncio.Queue()
    took: list[float] = []

    async def work() -> None:
        while (at := await due.get()) is not None:
            await load.review()
            took.append(time.perf_counter() - at)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(workers):
            tasks.create_task(work())
        begin = time.perf_counter() + 0.1
        for number in range(int(rate_per_s * seconds)):
            at = begin + number / rate_per_s
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            due.put_nowait(at)
        for _ in range(workers):
            due.put_nowait(None)
    return took


async def closed_loop(load: Load, seconds: float, workers: int) -> int:
    """How many reviews were answered."""
    answered = 0
    end = time.perf_counter() + seconds

    async def work() -> None:
        nonlocal answered
        while time.perf_counter() < end:
            await load.review()
            answered += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(workers):
            tasks.create_task(work())
    return answered


def _requests() -> list[bytes]:
    """A review of every golden pod."""
    found = []
    for path in sorted(GOLDEN.glob("*.json")):
        request = {
            "uid": path.stem, "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE",
            "namespace": "apps", "object": json.loads(path.read_text())["pod"],
        }  # fmt: skip
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        body = json.dumps(review).encode()
        head = f"POST /inject?timeout=5s HTTP/1.1\r\nHost: webhook\r\nContent-Length: {len(body)}\r\n\r\n"
        found.append(head.encode() + body)
    return found
