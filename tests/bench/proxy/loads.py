"""The loads. Each opens its connections through one port, warms up, counts, and closes them again.

CPU is the peer's whole process, asked before and after; times are taken at the client.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from proxy.ends import Answerer, Client
from proxy.loop import Loop
from proxy.traffic import Exchange, round_trip

Cpu = Callable[[], float]
"""The peer's CPU time so far, in seconds."""
_WARM_S: Final = 0.15
"""Until buffers, branch predictors and Python's adaptive interpreter have settled."""
_CHURN_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Sample:
    """What one load measured. `cpu_s` and `seconds` are for `count` round trips, MiB or connections."""

    count: float
    cpu_s: float
    seconds: float
    latencies_s: list[float] = field(default_factory=list)


class Ends:
    """Both ends of the load in this process."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.answerer = Answerer(self.loop)

    def close(self) -> None:
        """Stop listening."""
        self.answerer.close()
        self.loop.close()

    def connect(self, port: int, count: int, answered: Callable[[Client], None]) -> list[Client]:
        """So many connections, greeted. Raises Stuck, ConnectionError."""
        clients = [Client(self.loop, port, _nothing) for _ in range(count)]
        self.loop.until(lambda: all(one.greeted for one in clients), f"handshakes of {count} connections")
        for one in clients:
            one.answered = answered
        return clients

    def hold(self, port: int, count: int) -> list[Client]:
        """So many connections that have done one round trip each, and wait."""
        exchange = self.answerer.exchange = round_trip()
        done: list[Client] = []
        clients = self.connect(port, count, done.append)
        for one in clients:
            one.ask(exchange)
        self.loop.until(lambda: len(done) == count, f"round trips on {count} connections")
        return clients

    def close_all(self, clients: list[Client]) -> None:
        """Close them, and let the upstream side see it."""
        for one in clients:
            one.close()
        self.loop.run(0.05)


def saturated(ends: Ends, port: int, cpu: Cpu, exchange: Exchange, connections: int, seconds: float) -> Sample:
    """Every connection asks again as soon as it has its answer."""
    ends.answerer.exchange = exchange
    latencies: list[float] = []
    now = time.perf_counter

    def again(client: Client) -> None:
        at = now()
        latencies.append(at - client.asked_at)
        client.asked_at = at
        client.ask(exchange)

    clients = ends.connect(port, connections, again)
    for one in clients:
        one.asked_at = now()
        one.ask(exchange)
    ends.loop.run(_WARM_S)
    latencies.clear()
    began, used = now(), cpu()
    ends.loop.run(seconds)
    used, lasted = cpu() - used, now() - began
    ends.close_all(clients)
    return Sample(len(latencies), used, lasted, latencies)


def paced(ends: Ends, port: int, cpu: Cpu, exchange: Exchange, connections: int, rate: float, seconds: float) -> Sample:
    """So many round trips a second, evenly, whatever the answers do: times count from when each was due.

    The load's core never sleeps meanwhile: epoll counts in milliseconds, which is too coarse.
    """
    ends.answerer.exchange = exchange
    latencies: list[float] = []
    now = time.perf_counter
    idle: deque[Client] = deque()

    def answered(client: Client) -> None:
        latencies.append(now() - client.asked_at)
        idle.append(client)

    clients = ends.connect(port, connections, answered)
    idle.extend(clients)
    due = now()

    def go_on(until: float) -> None:
        nonlocal due
        while (at := now()) < until:
            while due <= at and idle:
                client = idle.popleft()
                client.asked_at = due
                client.ask(exchange)
                due += 1 / rate
            ends.loop.step(0)

    go_on(due + _WARM_S)
    latencies.clear()
    began, used = now(), cpu()
    go_on(began + seconds)
    used, lasted = cpu() - used, now() - began
    ends.close_all(clients)
    return Sample(len(latencies), used, lasted, latencies)


def bulk(ends: Ends, port: int, cpu: Cpu, exchange: Exchange, seconds: float) -> Sample:
    """One connection streams one answer after the other; counted in MiB, of whole answers."""
    ends.answerer.exchange = exchange
    now = time.perf_counter
    left, done = 1, 0  # the first one warms up

    def again(client: Client) -> None:
        nonlocal left, done
        left -= 1
        done += 1
        if left or now() < began + seconds:
            client.ask(exchange)
            left = max(left, 1)

    def stream() -> None:
        clients[0].ask(exchange)
        ends.loop.until(lambda: not left, "a stream of records", seconds + 20)

    clients = ends.connect(port, 1, again)
    began = now() - seconds
    stream()
    left, done = 1, 0
    began, used = now(), cpu()
    stream()
    used, lasted = cpu() - used, now() - began
    ends.close_all(clients)
    return Sample(done * exchange.answer_bytes / (1 << 20), used, lasted)


def churn(ends: Ends, port: int, cpu: Cpu, count: int) -> Sample:
    """Connect, shake hands, one round trip, close: so many times, a few at once."""
    exchange = ends.answerer.exchange = round_trip()
    finished = 0
    live: set[Client] = set()

    def advance(client: Client) -> None:
        nonlocal finished
        if client.asked_at:
            client.close()
            live.discard(client)
            finished += 1
        else:
            client.asked_at = time.perf_counter()
            client.ask(exchange)

    began, used = time.perf_counter(), cpu()
    started = 0
    while finished < count:
        while started < count and len(live) < _CHURN_AT_ONCE:
            live.add(Client(ends.loop, port, advance))
            started += 1
        ends.loop.step(0.1)
    ends.loop.run(0.02)  # closing costs the peer too
    return Sample(count, cpu() - used, time.perf_counter() - began)


def _nothing(_: Client) -> None:
    """Not asked yet."""
