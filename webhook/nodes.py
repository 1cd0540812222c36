"""Keeps an eye on how old the nodes are. Upgrades take hours, so a look a minute is enough."""

from __future__ import annotations

from typing import Final

import anyio

from webhook.core.model import OldNode
from webhook.opinion import Opinion
from webhook.ports import ApiProblem, PlaceApi

LOOK_EVERY_S: Final = 60.0
RETRY_EVERY_S: Final = 2.0


class Nodes:
    """`old` is what was seen last; `problem` says why nothing was seen yet, and is None from then on."""

    def __init__(self, api: PlaceApi) -> None:
        self._api = api
        self._opinion = Opinion("NodesSeen", "NodesUnreadable")
        self.old: tuple[OldNode, ...] = ()
        self.problem: str | None = "the nodes' versions were not read yet"

    async def run(self) -> None:
        """Look for ever."""
        while True:
            seen = await self.look()
            await anyio.sleep(LOOK_EVERY_S if seen else RETRY_EVERY_S)

    async def look(self) -> bool:
        """Look once; whether it worked. What was seen before stays true while the API server does not answer."""
        try:
            self.old = await self._api.old_nodes()
        except ApiProblem as problem:
            self._opinion.bad(str(problem))
            if self.problem is not None:
                self.problem = str(problem)
            return False
        self.problem = None
        self._opinion.good(too_old=", ".join(f"{node.name} {node.version}" for node in self.old[:10]))
        return True
