"""A simulated main of an imitated release, spoken to in Bolt messages, and its replica."""

from __future__ import annotations

from typing import Any

import pytest
from virtual_memgraph import World

from sandbox.memgraph.core.bolt.packstream import Structure
from sandbox.memgraph.core.bolt.session import Session
from sandbox.memgraph.core.bolt.stream import Decoder
from sandbox.memgraph.core.compat import COMPAT
from sandbox.memgraph.core.errors import QueryError

OLD, NEW = ("3.6", "3.9"), ("3.12", "master")
RUN, BEGIN, COMMIT, DISCARD, PULL, HELLO, LOGON, LOGOFF = 0x10, 0x11, 0x12, 0x2F, 0x3F, 0x01, 0x6A, 0x6B


class Cell:
    """A main `a` of that release, its replica `b`, and a Bolt session at `a`."""

    def __init__(self, level: str, version: tuple[int, int] = (5, 2)) -> None:
        self.world = World()
        for name in ("a", "b"):
            self.world.start(name, compat=COMPAT[level])
        self.world.query("b", "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
        self._decoder = Decoder()
        self.session = Session(self.world.instances["a"], version, self._decoder.feed)
        self.say(HELLO, {"user_agent": "t"})
        self.say(LOGON, {"scheme": "none"})

    def say(self, tag: int, *fields: Any) -> list[Structure]:
        self.world.do("a", self.session.handle(Structure(tag, list(fields))))
        return list(self._decoder.messages())

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
