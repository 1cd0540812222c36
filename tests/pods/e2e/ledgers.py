"""Takes the ledgers of all apps, all the time: an app that is deleted takes along only what nobody has read."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from plain_client import Object

from e2e.background import Background
from e2e.cluster import Cluster
from e2e.waiting import Unanswered
from e2e.workloads import LABEL, PORT
from sandbox.demo.history import Kind, Record, decode_all

_TAKE_EVERY_S = 0.5
_LOOK_EVERY_S = 1.0
STOP_S = 60.0
"""The last page of an app whose node is gone is waited for as long as the API server waits for that node."""


@dataclass(slots=True)
class Book:
    """Of one pod. `node` is where it runs."""

    pod: str
    uid: str
    node: str
    records: list[Record] = field(default_factory=list)
    boot: str = ""
    """Which process of the pod the next line is asked of; another one answers from its first line on."""
    next: int = 0
    closed: bool = False


class Ledgers:
    """Of every pod with the label in these namespaces."""

    def __init__(self, cluster: Cluster, namespaces: Sequence[str]) -> None:
        self._cluster = cluster
        self._namespaces = namespaces
        self._lock = threading.Lock()
        self._books: dict[str, Book] = {}
        self._tasks: list[Background] = []
        self._watcher = Background(self._look, _LOOK_EVERY_S, "ledgers")

    def books(self, *, living: bool = False) -> list[Book]:
        """A copy of what is known now."""
        with self._lock:
            return [
                Book(b.pod, b.uid, b.node, list(b.records), b.boot, b.next, b.closed)
                for b in self._books.values()
                if not (living and b.closed)
            ]

    def stop(self) -> None:
        """Take nothing more."""
        for task in (self._watcher, *self._tasks):
            task.stop()
        for task in (self._watcher, *self._tasks):
            task.join(STOP_S)

    def _look(self) -> bool:
        for namespace in self._namespaces:
            try:
                pods = self._cluster.pods(namespace, LABEL)
            except Unanswered:
                continue
            for pod in pods:
                self._notice(namespace, pod)
            there = {str(pod["metadata"]["uid"]) for pod in pods}
            with self._lock:
                for uid, book in self._books.items():
                    book.closed = book.closed or (uid.split("/")[0] == namespace and uid.split("/")[1] not in there)
        return True

    def _notice(self, namespace: str, pod: Object) -> None:
        name, uid, node = pod["metadata"]["name"], pod["metadata"]["uid"], pod["spec"].get("nodeName", "")
        key = f"{namespace}/{uid}"
        if pod.get("status", {}).get("phase") != "Running":
            return
        with self._lock:
            if key in self._books:
                return
            book = self._books[key] = Book(name, uid, node)
        path = f"/api/v1/namespaces/{namespace}/pods/{name}:{PORT}/proxy/ledger"
        self._tasks.append(Background(lambda: self._take(path, book), _TAKE_EVERY_S, f"ledger of {name}"))

    def _take(self, path: str, book: Book) -> bool:
        if book.closed:
            return False
        try:
            page = self._cluster.read(path, **{"from": book.next, "boot": book.boot})
        except Unanswered:
            return True
        with self._lock:
            book.records += decode_all(page["lines"])[0]
            ended = page["done"] and not page["lines"]
            book.boot, book.next = str(page["boot"]), int(page["next"])
            book.closed = book.closed or ended
        return not ended


def acknowledged_after(records: Sequence[Record], moment: float) -> bool:
    """Whether a write that was begun after this moment was acknowledged."""
    return any(r.kind is Kind.OK and r.ts - r.duration_s > moment for r in reversed(records))
