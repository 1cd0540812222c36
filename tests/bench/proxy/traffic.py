"""The bytes that go through the peers: Bolt as a driver and Memgraph would send it, always the same. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sidecar.bolt import messages as m
from sidecar.bolt.chunks import pack
from sidecar.bolt.handshake import MAGIC
from sidecar.bolt.packstream import Structure, dump

HANDSHAKE: Final = MAGIC + bytes((0, 0, 2, 5)) + bytes(12)
HANDSHAKE_ANSWER: Final = bytes((0, 0, 2, 5))
REQUEST_BYTES: Final = 110
ANSWER_BYTES: Final = 231
"""A point query and one row with three properties, as the Python driver and Memgraph put them on the wire."""
STREAM_BYTES: Final = 4 << 20
"""One answer of the bulk loads."""
LARGE_RECORD_BYTES: Final = 64 << 10
SMALL_RECORD_BYTES: Final = 60
_BLOCK_BYTES: Final = 1 << 20
"""Records are sent from one block of about this size, over and over."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer; the answer is `head`, then `block` so many times, then `tail`."""

    request: bytes
    head: bytes
    block: bytes = b""
    times: int = 0
    tail: bytes = b""

    @property
    def answer_bytes(self) -> int:
        """The whole answer's."""
        return len(self.head) + len(self.block) * self.times + len(self.tail)


def message(signature: int, *fields: Any) -> bytes:
    """One Bolt message, in chunks."""
    return pack(dump(Structure(signature, fields)))


def _request(query: str) -> bytes:
    return message(m.RUN, query, {"id": 4711}, {}) + message(m.PULL, {"n": 1000})


def _fitted(make: Callable[[str], bytes], size: int) -> bytes:
    """What `make` makes of the one padding that gives this size."""
    return next(made for length in range(size, -1, -1) if len(made := make(" " * length)) == size)


def _small_answer(padding: str) -> bytes:
    return (
        message(m.SUCCESS, {"fields": ["p.name", "p.age", "p.city"], "qid": 0})
        + message(m.RECORD, ["Ada Lovelace", 36, "London"])
        + message(m.SUCCESS, {"has_more": False, "type": "r", "db": "memgraph", "note": padding})
    )


_REQUEST: Final = _fitted(
    lambda padding: _request("MATCH (p:Person {id: $id}) RETURN p.name, p.age, p.city" + padding), REQUEST_BYTES
)


def round_trip() -> Exchange:
    """RUN and PULL, one row."""
    return Exchange(_REQUEST, _fitted(_small_answer, ANSWER_BYTES))


def stream(record_bytes: int) -> Exchange:
    """RUN and PULL, then records of exactly this size on the wire."""
    record = _fitted(lambda text: message(m.RECORD, [text]), record_bytes)
    block = record * max(1, _BLOCK_BYTES // record_bytes)
    return Exchange(
        _REQUEST,
        head=message(m.SUCCESS, {"fields": ["p.name"], "qid": 0}),
        block=block,
        times=max(1, STREAM_BYTES // len(block)),
        tail=message(m.SUCCESS, {"has_more": False, "type": "r", "db": "memgraph"}),
    )
