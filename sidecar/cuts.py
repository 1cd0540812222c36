"""Which changes are still ending connections, and what is said of one when the last of them has ended."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from sidecar.contract.logs import emit
from sidecar.contract.state import CutKind
from sidecar.core.follow import State
from sidecar.core.route import Tag, tag
from sidecar.metrics import Metrics
from sidecar.pump import Connection

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Cut:
    """One change under way: which connections still have to end before it is done."""

    began: float
    old: Tag | None
    new: State
    kind: CutKind | None
    count: int = 0
    left: set[Connection] = field(default_factory=set)


class Cuts:
    """The changes that are not done."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._open: list[Cut] = []

    def add(self, cut: Cut) -> None:
        """A change was acted on."""
        self._open.append(cut)
        self._finish()

    def detached(self, connection: Connection) -> None:
        """This connection has ended."""
        if self._open:
            for cut in self._open:
                cut.left.discard(connection)
            self._finish()

    def _finish(self) -> None:
        done = [cut for cut in self._open if not cut.left]
        self._open = [cut for cut in self._open if cut.left]
        for cut in done:
            self._report(cut)

    def _report(self, cut: Cut) -> None:
        seconds = time.monotonic() - cut.began
        self._metrics.connections_cut.add(by=cut.count)
        if cut.kind is not None:
            self._metrics.cut_duration.observe(seconds)
        document = cut.new.document
        emit(
            logger,
            "RouteChanged" if cut.old != tag(document) else "ReadAddressesChanged",
            old_epoch=cut.old.epoch if cut.old else None,
            new_epoch=document.epoch,
            phase=document.phase.value,
            cut_kind=cut.kind.value if cut.kind else None,
            old_main=cut.old.main_address if cut.old else None,
            main=document.main_address,
            connections_cut=cut.count,
            duration_ms=round(seconds * 1000, 3),
        )
