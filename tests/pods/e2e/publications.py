"""Every document that is published while the tests run, with the time at which it was heard of."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from http.client import HTTPException

from e2e.background import Background
from e2e.installation import Installation, decoded
from e2e.waiting import Unanswered
from sidecar.contract import names
from sidecar.contract.state import Document, Phase

_AGAIN_S = 0.2
_WATCH_S = 20


@dataclass(frozen=True, slots=True)
class Publication:
    """Wall-clock seconds, and what was published."""

    ts: float
    document: Document


class Publications:
    """Follows the state ConfigMap of one release."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._lock = threading.Lock()
        self._known: list[Publication] = []
        self._task = Background(self._follow, _AGAIN_S, "publications")

    def since(self, ts: float) -> list[Publication]:
        """Those heard of at this time or later."""
        with self._lock:
            return [one for one in self._known if one.ts >= ts]

    def cuts(self, ts: float) -> list[Document]:
        """The cuts among them."""
        return [one.document for one in self.since(ts) if one.document.phase is Phase.CUT]

    def stop(self) -> None:
        """Hear nothing more."""
        self._task.stop()
        self._task.join(2.0 * _WATCH_S)

    def _follow(self) -> bool:
        installation = self._installation
        path, name = installation.path("configmaps"), names.state_config_map(installation.name)
        try:
            listed = installation.cluster.read(path, fieldSelector=f"metadata.name={name}")
            for item in listed["items"]:
                self._heard(decoded(item))
            with installation.cluster.watch(
                path, fieldSelector=f"metadata.name={name}", timeoutSeconds=_WATCH_S,
                resourceVersion=listed["metadata"]["resourceVersion"],
            ) as watch:  # fmt: skip
                while (event := watch.next()) is not None:
                    if event["type"] in ("ADDED", "MODIFIED"):
                        self._heard(decoded(event["object"]))
        except (Unanswered, OSError, HTTPException, ValueError):
            return True
        return True

    def _heard(self, document: Document) -> None:
        with self._lock:
            if not self._known or self._known[-1].document != document:
                self._known.append(Publication(time.time(), document))
