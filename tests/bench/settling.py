"""When a world of the sandbox has come to rest after a fault."""

from __future__ import annotations

from typing import Final

from sandbox import manifests
from sandbox.world import World
from sidecar.contract.state import Document, Phase

SETTLE_S: Final = 20.0
"""A deleted pod ends after 5 s, starts again and gets what it missed."""


async def settle(world: World, replicas: int = 2) -> None:
    """Wait until a main serves, protected, every replica follows, and both controllers are ready. Raises WorldError."""
    await world.wait_until(
        lambda seen: _is_settled(seen, replicas), deadline_s=SETTLE_S, what="the cluster has not settled"
    )


def _is_settled(world: World, replicas: int) -> bool:
    document = world.document
    controllers = world.state.get("controllers", ())
    return (
        document is not None
        and document.phase is Phase.SERVING
        and document.sync is not None
        and len(document.read_addresses) == replicas
        and any(item["leader"] for item in controllers)
        and all(item["pid"] and world.ready(manifests.RELEASE, item["pod"]) for item in controllers)
    )


def serves_anew(world: World, before: Document) -> bool:
    """Whether a later epoch than this one is served."""
    document = world.document
    return document is not None and document.phase is Phase.SERVING and document.epoch > before.epoch
