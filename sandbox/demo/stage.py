"""What the events need of the running world, whatever it is made of."""

from __future__ import annotations

from typing import Final, Protocol

from sidecar.contract.state import Document

PLANTED_BUGS: Final = ("promote-stale",)
"""What `--break` takes; broken.py has them."""


class StageError(Exception):
    """The world could not do what an event asked of it; the message says what."""


def only(group: BaseExceptionGroup[BaseException], kinds: tuple[type[Exception], ...]) -> Exception | None:
    """The first exception of a group that holds nothing but these kinds. Task groups wrap what their body raised."""
    found, rest = group.split(kinds)
    error: BaseException | None = found if rest is None else None
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, Exception) else None


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


class World(Stage, Protocol):
    """The stage, and the apps on it."""

    async def start_fixed_app(self, main: str) -> None:
        """Start the app without a sidecar, with the address of this pod."""

    async def stop_apps(self, *apps: str) -> None:
        """Stop these apps and wait until their processes are gone."""

    def bolt(self) -> dict[str, str]:
        """The instances' Bolt addresses by pod."""
