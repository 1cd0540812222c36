"""What one sidecar says of itself on its admin port."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sidecar import http
from sidecar.core.follow import Follow
from sidecar.core.route import Port
from sidecar.metrics import Metrics
from sidecar.proxy import Proxy

PRIVATE: Final = frozenset({"/state"})
"""Addresses of databases and of API objects are for who can enter the pod, not for who can reach it."""


class Pages:
    """/livez and /readyz speak of this process alone; /metrics of figures, /state of everything."""

    def __init__(self, follow: Follow, proxy: Proxy, metrics: Metrics) -> None:
        self.last_contact: float | None = None  # seconds since 1970
        self._follow = follow
        self._proxy = proxy
        self._metrics = metrics

    def all(self) -> dict[str, http.Page]:
        """The pages by path."""
        return {
            "/livez": lambda: http.text(200, "alive"),
            "/readyz": self._readyz,
            "/metrics": self._exposition,
            "/state": lambda: http.as_json(self.state()),
        }

    def state(self) -> dict[str, object]:
        """What this sidecar acts on, for people and programs."""
        known, problem = self._proxy.state, self._follow.problem
        document = known.document if known else None
        return {
            "epoch": document.epoch if document else None,
            "phase": document.phase.value if document else None,
            "masterIndex": document.master_index if document else None,
            "mainUID": document.main_uid if document else None,
            "mainAddress": document.main_address if document else None,
            "readAddresses": list(document.read_addresses) if document else [],
            "cutOnChange": document.cut_on_change if document else None,
            "objectUID": known.uid if known else None,
            "lastContact": None if self.last_contact is None else _timestamp(self.last_contact),
            "stale": self._proxy.stale,
            "lastProblem": None if problem is None else {"reason": problem.reason.value, "message": problem.message},
            "connections": self._proxy.count(Port.READ_WRITE),
            "readConnections": self._proxy.count(Port.READ),
            "held": self._proxy.held,
        }

    def _readyz(self) -> tuple[int, str, str]:
        problem = self._follow.problem
        contact = "" if self.last_contact is None else f"\nlast contact: {_timestamp(self.last_contact)}"
        # The word alone: what it is about stands in /state, and in the log.
        note = f"{contact}\nproblem: {problem.reason.value}" if problem else contact
        return (
            http.text(200, "listening" + note)
            if self._proxy.front.listening
            else http.text(503, "not accepting" + note)
        )

    def _exposition(self) -> tuple[int, str, str]:
        for port in Port:
            self._metrics.connections.set(self._proxy.count(port), port.value)
        self._metrics.held.set(self._proxy.held)
        self._metrics.stale.set(self._proxy.stale)
        self._proxy.count_bytes()
        return 200, "text/plain; version=0.0.4; charset=utf-8", self._metrics.expose()


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
