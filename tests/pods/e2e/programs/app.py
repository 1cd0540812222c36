"""An app as people write them, in a pod: it writes through `bolt://localhost:7687`, and notes what it was told.

Some workers write in managed transactions (`execute_write`: the driver retries), one by auto-commit queries (nobody
retries). Several, as in any server: while a driver pauses before its next try, others find the new main. Each write
has an id of its own. The ledger is JSON lines in the format of `sandbox.demo.history`: on stdout, and over HTTP,
where `GET /ledger?boot=B&from=N` says that everything of this process before line N was taken. When it is to end, it
waits a moment for the rest to be taken: what was acknowledged last counts most.

Settings (environment): POD_NAME, MEMGRAPH_URI (set by the webhook), HTTP_PORT, COUNT (writes of each worker before the
program ends by itself with exit code 0; 0: never), MANAGED_EVERY_S (over all such workers), AUTO_EVERY_S, LINGER_S,
MEMGRAPH_USER and MEMGRAPH_PASSWORD.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NoReturn
from urllib.parse import parse_qsl, urlsplit

from neo4j import Driver, GraphDatabase, ManagedTransaction
from neo4j.exceptions import DriverError, Neo4jError

NAME = os.environ["POD_NAME"]
BOOT = str(time.time_ns())
"""Which process of this pod it is: pods of a StatefulSet have the same name again, containers start again."""
WORKERS = 4
STOP_S = 10.0
"""For writes under way when it is told to end."""
QUERY = "CREATE (:Write {id: $id, at: $at})"
FORBIDDEN = "Write queries are forbidden"
SURELY_NOT = (
    "aborted on all instances", "Cannot commit because instance is not main anymore", FORBIDDEN,
)  # fmt: skip


class Ledger:
    """Every line, and how many of them somebody has."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.taken = 0
        self.done = False
        self.changed = threading.Condition()

    def add(self, kind: str, identity: str, **more: object) -> None:
        line = json.dumps({"type": kind, "app": NAME, "id": identity, "ts": round(time.time(), 6), **more})
        with self.changed:
            self.lines.append(line)
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def page(self, first: int) -> dict[str, object]:
        """From this line on. Asking for it says that those before it were read."""
        with self.changed:
            self.taken = max(self.taken, min(first, len(self.lines)))
            self.changed.notify_all()
            return {"boot": BOOT, "lines": self.lines[first:], "next": len(self.lines), "done": self.done}

    def linger(self, seconds: float) -> None:
        """Until all of it was taken."""
        with self.changed:
            self.done = True
            self.changed.wait_for(lambda: self.taken >= len(self.lines), seconds)


class Writer:
    """Two ways to write with one driver."""

    def __init__(self, driver: Driver, ledger: Ledger) -> None:
        self._driver = driver
        self._ledger = ledger
        self.stopping = threading.Event()

    def work(self, way: str, worker: int, every: float, first_after: float, count: int) -> None:
        """Write in this way until stopped, or so many times."""
        number = 0
        self.stopping.wait(first_after)
        while not self.stopping.is_set() and (not count or number < count):
            due = time.monotonic() + every
            self._write(way, f"{NAME}.{BOOT}.{way}-{worker}.{number}")
            number += 1
            self.stopping.wait(max(0.0, due - time.monotonic()))

    def _write(self, way: str, identity: str) -> None:
        began = time.monotonic()
        tries = 0
        reached_commit = way == "auto"

        def create(transaction: ManagedTransaction) -> None:
            nonlocal tries, reached_commit
            tries += 1
            transaction.run(QUERY, id=identity, at=at).consume()
            reached_commit = True  # what follows is the driver's COMMIT

        self._ledger.add("invoke", identity)
        at = int(time.time())
        kind, error, message, forbidden = "ok", "", "", False
        try:
            with self._driver.session() as session:
                if way == "managed":
                    session.execute_write(create)
                else:
                    session.run(QUERY, id=identity, at=at).consume()
        except Exception as problem:  # an app that ended at an error would see no recovery
            error, message = type(problem).__name__, str(problem)
            answered = isinstance(problem, Neo4jError) and not isinstance(problem, DriverError)
            # A query that no driver repeats is told to be tried again, in words that begin with Memgraph's own.
            retryable = isinstance(problem, Neo4jError) and problem.is_retryable()
            forbidden = FORBIDDEN in message and (way == "managed" or not retryable)
            kind = self._outcome(way, reached_commit, answered, message)
        duration = round(time.monotonic() - began, 6)
        found: dict[str, object] = {"duration_s": duration, "retries": max(0, tries - 1)}
        if error:
            found |= {"error": error, "message": message, "forbidden": forbidden}
        self._ledger.add(kind, identity, **found)

    def _outcome(self, way: str, reached_commit: bool, answered: bool, message: str) -> str:
        """`fail`: it is certainly nowhere. `info`: nobody knows."""
        if not reached_commit:
            return "fail"
        if answered and any(text in message for text in SURELY_NOT):
            return "fail"
        # A query that was answered with a retryable FAILURE before it ran anywhere.
        return "fail" if way == "auto" and answered and "still committed" not in message else "info"


def serve(ledger: Ledger, port: int) -> ThreadingHTTPServer:
    """The ledger over HTTP, in threads of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            where = urlsplit(self.path)
            body = b"{}"
            if where.path == "/ledger":
                asked = dict(parse_qsl(where.query))
                first = int(asked.get("from", "0")) if asked.get("boot") == BOOT else 0
                body = json.dumps(ledger.page(first)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Only the ledger is on stdout, and nobody reads stderr."""

    server = ThreadingHTTPServer(("", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main() -> NoReturn:
    """Write until SIGTERM, or as often as it was told."""
    settings = os.environ
    count = int(settings.get("COUNT", "0"))
    ledger = Ledger()
    serve(ledger, int(settings.get("HTTP_PORT", "8000")))
    user = settings.get("MEMGRAPH_USER")
    auth = (user, settings["MEMGRAPH_PASSWORD"]) if user else None
    driver = GraphDatabase.driver(settings.get("MEMGRAPH_URI", "bolt://localhost:7687"), auth=auth)
    writer = Writer(driver, ledger)
    signal.signal(signal.SIGTERM, lambda *_: writer.stopping.set())
    pace, auto = float(settings.get("MANAGED_EVERY_S", "0.1")), float(settings.get("AUTO_EVERY_S", "0.5"))
    ways = [("managed", worker, WORKERS * pace, worker * pace, count) for worker in range(WORKERS)]
    ways.append(("auto", 0, auto, 0.0, count))
    workers = [threading.Thread(target=writer.work, args=way, daemon=True) for way in ways]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers) and not writer.stopping.is_set():
        writer.stopping.wait(0.1)
    deadline = time.monotonic() + STOP_S
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))
    ledger.linger(float(settings.get("LINGER_S", "15")))
    # Not driver.close(): a write that still waits for its answer would hold the process.
    os._exit(0)


if __name__ == "__main__":
    main()
