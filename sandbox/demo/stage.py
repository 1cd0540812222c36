"""What the events need of the running world, whatever it is made of."""

from __future__ import annotations

from typing import Final, Protocol

from sidecar.contract.state import Document

PLANTED_BUGS: Final = ("promote-stale",)
"""What `--break` takes; broken.py has them."""


class StageError(Exception):
    """The world could not do what an event asked of it; the message says what."""


class Stage(Protocol):
    """The world's handles. Pods are named; each call raises StageError when the world can't do it."""

    async def document(self) -> Document | None:
        """What is published now; None when there is none, or it can't be read."""

    async def kill(self, pod: str) -> None:
        """SIGKILL to the process of this Memgraph or controller pod."""

    async def hang(self, pod: str) -> None:
        """SIGSTOP."""

    async def resume(self, pod: str) -> None:
        """SIGCONT, if that process is still there."""

    async def blackhole(self, sender: str, receiver: str) -> None:
        """From now on, nothing the instance `sender` replicates reaches `receiver`."""

    async def heal(self) -> None:
        """Every link works again."""

    async def switchover(self) -> None:
        """Ask the controller for another main."""

    def leader(self) -> str:
        """The pod of the leading controller; empty when there is none."""

    def memgraphs(self) -> list[str]:
        """The pods of all instances, by ordinal."""
