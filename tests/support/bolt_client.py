"""A Bolt client that speaks to a session of the simulated Memgraph without a socket."""

from __future__ import annotations

from typing import Any

from virtual_memgraph import World

from sandbox.memgraph.core.bolt.messages import BEGIN, HELLO, LOGON, RUN
from sandbox.memgraph.core.bolt.packstream import Reader, Structure, pack
from sandbox.memgraph.core.bolt.session import Session
from sandbox.memgraph.core.bolt.stream import Decoder

_NODE = 0x4E


def packed(tag: int, fields: list[Any]) -> bytes:
    """A message's bytes, without chunks."""
    out = bytearray()
    pack(Structure(tag, fields), out)
    return bytes(out)


def answers(data: bytes) -> list[Structure]:
    """What a server said."""
    decoder = Decoder()
    decoder.feed(data)
    return [_answer(message) for message in decoder.messages()]


def _answer(message: bytes) -> Structure:
    reader = _ServerReader(message, 4)
    marker, tag = reader.header()
    fields = [reader.value() for _ in range(marker & 0x0F)]
    assert reader.rest() == b""
    return Structure(tag, fields)


class _ServerReader(Reader):
    """Nodes of version 5 have a fourth field, which no server reads."""

    def _structure(self, size: int, depth: int) -> Structure:
        tag = self._data[self._offset]
        if (size, tag) != (4, _NODE):
            return super()._structure(size, depth)
        self._offset += 1
        return Structure(tag, [self._value(depth + 1) for _ in range(size)])


class Client:
    """One connection to instance `a` of a world of its own, or of another client's or a given one."""

    def __init__(
        self,
        version: tuple[int, int] = (5, 2),
        *,
        ready: bool = True,
        beside: Client | None = None,
        world: World | None = None,
        run_id: str = "r",
    ) -> None:
        self.world: World = world or (beside.world if beside is not None else World())
        if "a" not in self.world.instances:
            self.world.start("a")
        self.version = version
        self.trace: list[tuple[str, str]] = []
        self._out = bytearray()
        instance = self.world.instances["a"]
        self.session = Session(instance, version, self._out.extend, run_id=run_id, trace=self._note)
        if ready:
            self.greet()

    def _note(self, event: str, text: str) -> None:
        self.trace.append((event, text))

    def greet(self) -> None:
        """Log in, without credentials."""
        self.say(HELLO, *([] if self.version[0] > 1 else ["t"]), {"user_agent": "t"})
        if self.version >= (5, 1):
            self.say(LOGON, {"scheme": "none"})

    def say(self, tag: int, *fields: Any) -> list[Structure]:
        """One message; the answers to it."""
        return answers(self.send(packed(tag, list(fields))))

    def send(self, message: bytes) -> bytes:
        """One message's bytes; the bytes of the answers."""
        self._out.clear()
        self.world.do("a", self.session.handle(message))
        return bytes(self._out)

    def run(self, query: str, **parameters: Any) -> list[Structure]:
        """RUN in the client's version."""
        return self.say(RUN, query, parameters, *([{}] if self.version[0] > 1 else []))

    def begin(self, **extra: Any) -> list[Structure]:
        """BEGIN."""
        return self.say(BEGIN, extra)
