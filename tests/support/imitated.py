"""A simulated main of an imitated release, spoken to in Bolt messages, and its replica."""

from __future__ import annotations

from typing import Any

import pytest
from bolt_client import Client
from virtual_memgraph import World

from sandbox.memgraph.core.bolt.messages import RUN
from sandbox.memgraph.core.bolt.packstream import Structure
from sandbox.memgraph.core.compat import COMPAT
from sandbox.memgraph.core.errors import QueryError

OLD, NEW = ("3.6", "3.9"), ("3.12", "master")


class Cell:
    """A main `a` of that release, its replica `b`, and a Bolt session at `a`."""

    def __init__(self, level: str, version: tuple[int, int] = (5, 2)) -> None:
        self.world = World()
        for name in ("a", "b"):
            self.world.start(name, compat=COMPAT[level])
        self.world.query("b", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
        client = Client(version, world=self.world)
        self.session, self.say = client.session, client.say

    def run(self, query: str) -> Structure:
        return self.say(RUN, query, {}, {})[0]

    def lose_replica(self, mode: str) -> None:
        self.world.query("a", f"REGISTER REPLICA b {mode} TO 'b'")
        self.world.advance(0.1)
        self.world.kill("b")
        self.world.advance(1.5)  # a ping has found out

    def refusal(self, query: str, name: str = "a") -> QueryError:
        with pytest.raises(QueryError) as caught:
            self.world.query(name, query)
        return caught.value

    def pairs(self, query: str) -> dict[str, Any]:
        return {row[0]: row[1] for row in self.world.query("a", query)}


def metadata(answers: list[Structure]) -> dict[str, Any]:
    answer: dict[str, Any] = answers[-1].fields[0]
    return answer
