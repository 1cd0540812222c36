"""Takes each step with the sidecar's connection and with the model of it, and compares what came out."""

from __future__ import annotations

from bolt_link import Link
from bolt_model import Model, Stage

from sidecar.contract.env import Rewrite
from sidecar.contract.state import CutKind
from sidecar.core import session
from sidecar.core.pending import PENDING_MAX


class Referee:
    """One connection. The bounds are those that must hold, whatever the sidecar's constants say."""

    def __init__(
        self, *, held_bytes_max: int = session.HELD_BYTES_MAX, pending_max: int = PENDING_MAX,
        table: bytes | None = None, rewrite: Rewrite = Rewrite.FAILOVER,
    ) -> None:  # fmt: skip
        self.held_bytes_max = held_bytes_max
        self.link = Link(table=table, rewrite=rewrite)
        self.model = Model(held_bytes_max=held_bytes_max, pending_max=pending_max, table=table, rewrite=rewrite)

    def attach(self) -> None:
        """A dial succeeded."""
        if self.model.stage is Stage.HELD:
            self.link.attach()
            self.model.attach()
            self.compare()

    def from_client(self, data: bytes) -> None:
        """The client sent `data`."""
        if data and not self.model.client_eof:
            self.link.from_client(data)
            self.model.from_client(data)
            self.compare()

    def from_upstream(self, data: bytes) -> None:
        """The upstream sent `data`."""
        if data and self.link.upstream is not None and not self.model.fin_from_upstream:
            self.link.from_upstream(data)
            self.model.from_upstream(data)
            self.compare()

    def cut(self, kind: CutKind) -> None:
        """The route changed."""
        self.link.cut(kind)
        self.model.cut(kind)
        self.compare()

    def refuse(self, message: str, last: tuple[int, int] | None) -> None:
        """No upstream will be found."""
        if self.model.stage is Stage.HELD:
            self.link.refuse(message, last)
            self.model.refuse(message, last)
            self.compare()

    def upstream_eof(self) -> None:
        """The upstream sent a FIN."""
        if self.link.upstream is not None and not self.model.fin_from_upstream:
            self.link.upstream_eof()
            self.model.upstream_eof()
            self.compare()

    def client_eof(self) -> None:
        """The client sent a FIN."""
        if not self.model.client_eof:
            self.link.client_eof()
            self.model.end_of_client()
            self.compare()

    def wait(self) -> None:
        """A timer runs out."""
        self.link.wait()
        self.model.wait()
        self.compare()

    def compare(self) -> None:
        """Both agree on what was sent, and on who was left."""
        link, model = self.link, self.model
        assert bytes(link.client.got) == model.told, "the client"
        assert link.client.eof == model.fin, "the client's FIN"
        if link.upstream is not None:
            assert bytes(link.upstream.got) == model.passed, "the upstream"
            assert link.upstream.eof == model.client_eof or model.stage is not Stage.PUMPING, "the upstream's FIN"
            assert link.upstream.gone == (model.stage in (Stage.AWAITING, Stage.ENDED)), "the upstream's connection"

    def end(self) -> None:
        """The client is gone."""
        self.link.end()
