"""What an input is run against. "Any bytes: parsed or passed through; never raises, never buffers more than N, never
alters": each target is a function of bytes that raises, whatever it raises, when that is not so.

The first byte chooses the target. The connection's bounds are scaled down, for an input to reach them in few bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import bolt_words as words
from bolt_dialogue import Dialogue
from bolt_model import Stage
from bolt_referee import Referee
from bolt_reference import split

from boltfuzz.choices import Choices
from sidecar.bolt import chunks, failure, handshake, packstream
from sidecar.bolt import messages as m
from sidecar.contract.env import Rewrite
from sidecar.contract.state import CutKind
from sidecar.core import session
from sidecar.core.pending import PENDING_MAX as _PENDING_MAX

HELD_BYTES_MAX: Final = 256
"""A FAILURE of Memgraph's still fits."""
PENDING_MAX: Final = 16
CLIENT, UPSTREAM, REQUEST, CUT, WAIT, UPSTREAM_EOF, CLIENT_EOF, REFUSE, ATTACH = _ACTS = range(9)
"""What a byte means to `connection`, modulo their number; the first two take two bytes of length and the data."""
Target = Callable[[bytes], None]
_LATE_MAX: Final = 8
"""Steps of a dialogue after its end, in which nothing may happen any more."""
_NESTED: Final = 12
"""Lists within lists for each step of the first byte above 200."""
_VERSIONS: Final = (None, (5, 2), (4, 4), (1, 0))
_REWRITES: Final = (Rewrite.FAILOVER, Rewrite.ALL, Rewrite.OFF, Rewrite.FAILOVER)
_REQUESTS: Final = tuple(words.REQUESTS.values())


@contextmanager
def scaled() -> Iterator[None]:
    """With the small bounds."""
    before = session.HELD_BYTES_MAX, _PENDING_MAX
    _bounds(HELD_BYTES_MAX, PENDING_MAX)
    try:
        yield
    finally:
        _bounds(*before)


def _bounds(held_bytes_max: int, pending_max: int) -> None:
    setattr(session, "HELD_BYTES_MAX", held_bytes_max)  # noqa: B010 it is Final for everybody else
    setattr(session, "PENDING_MAX", pending_max)  # noqa: B010


def _referee(number: int) -> Referee:
    return Referee(
        held_bytes_max=HELD_BYTES_MAX, pending_max=PENDING_MAX, table=words.TABLE if number & 2 else None,
        rewrite=_REWRITES[(number >> 2) % len(_REWRITES)],
    )  # fmt: skip


def dialogue(data: bytes) -> None:
    """A client and a server that keep to Bolt, cut anywhere (bolt_dialogue.py)."""
    choices = Choices(data)
    one = Dialogue(_referee(choices.number()))
    late = 0
    while choices and late < _LATE_MAX:
        late += one.referee.model.stage is Stage.ENDED
        what, number = choices.number() % 20, choices.number()
        if what < 18:
            one.step(what, number)
        elif number & 0x80:
            one.referee.wait()
        else:
            one.ending(number)
    one.close()


def connection(data: bytes) -> None:
    """Any bytes from both sides in any pieces, requests among them, and everything that may happen to a connection."""
    choices = Choices(data)
    kind = choices.number()
    one = _referee(kind)
    if kind & 1:
        one.attach()
    while choices:
        act = choices.number() % len(_ACTS)
        if act == CLIENT:
            one.from_client(choices.data(choices.number() << 8 | choices.number()))
        elif act == UPSTREAM:
            one.from_upstream(choices.data(choices.number() << 8 | choices.number()))
        elif act == REQUEST:
            one.from_client(_REQUESTS[choices.number() % len(_REQUESTS)])
        elif act == CUT:
            one.cut(CutKind.PLANNED if choices.number() & 1 else CutKind.FAILOVER)
        elif act == WAIT:
            one.wait()
        elif act == UPSTREAM_EOF:
            one.upstream_eof()
        elif act == CLIENT_EOF:
            one.client_eof()
        elif act == REFUSE:
            one.refuse("no main", _VERSIONS[choices.number() % len(_VERSIONS)])
        else:
            one.attach()
    one.end()


def scanner(data: bytes) -> None:
    """Messages do not depend on how bytes split."""
    choices = Choices(data)
    stream = choices.data(choices.number() << 8 | choices.number())
    found, at, scanning = [], 0, chunks.Scanner()
    while at < len(stream):
        part = stream[at : at + (choices.number() or len(stream))]
        found += [(signature, at + begun, at + end) for signature, begun, end in scanning.feed(part)]
        at += len(part)
    whole, rest = split(stream)
    assert found == [tuple(one) for one in whole]
    assert scanning.between == (rest is None)
    if rest is not None:
        assert (scanning.signature, len(stream) + scanning.start) == rest[:2]


def values(data: bytes) -> None:
    """PackStream of any bytes: a value that comes back, or BadPackStream; a rewritten FAILURE keeps what it said.

    The first byte may nest it: deeper than Python's own stack would bear, in an input of few bytes.
    """
    data = b"\x91" * (_NESTED * max(0, data[0] - 200)) + data[1:] if data else data
    try:
        value = packstream.load(data)
    except packstream.BadPackStream:
        value = None
    else:
        written = packstream.dump(value)
        assert packstream.dump(packstream.load(written)) == written
    message = chunks.pack(data)
    assert chunks.unpack(message) == data
    assert failure.rewritten(message, Rewrite.OFF) is None
    rewritten = failure.rewritten(message, Rewrite.ALL)
    if rewritten is None:
        return
    (whole,), rest = split(rewritten.message)
    assert (whole.signature, rest) == (m.FAILURE, None)
    before: dict[Any, Any] = value.fields[0]
    after: dict[Any, Any] = packstream.load(chunks.unpack(rewritten.message)).fields[0]
    assert after["message"].startswith(before["message"])
    assert set(after) - set(before) <= {"code"}
    if rewritten.kind is failure.Kind.CODE:
        assert after == {**before, "code": before["code"].replace("Memgraph.", "Neo.", 1)}
    else:
        assert after["code"] == failure.RETRY_CODE
        assert "still committed on the main" not in before["message"]


def start(data: bytes) -> None:
    """The first bytes of a connection."""
    client = (handshake.MAGIC + data)[: handshake.SIZE].ljust(handshake.SIZE, b"\0")
    assert handshake.looks_like_bolt(data) == handshake.MAGIC.startswith(data[:4])
    for last in _VERSIONS:
        version = handshake.choose(client, last)
        assert version is None or version == last or version in handshake.SUPPORTED
        assert version is None or handshake.agreed(handshake.encode(version)) == version
    answer = data[: handshake.ANSWER_SIZE].ljust(handshake.ANSWER_SIZE, b"\0")
    agreed = handshake.agreed(answer)
    assert agreed is None or handshake.encode(agreed) == answer


TARGETS: Final[tuple[Target, ...]] = (dialogue, connection, dialogue, connection, connection, scanner, values, start)


def run(data: bytes) -> None:
    """One input. Whatever this raises is a finding."""
    if data:
        TARGETS[data[0] % len(TARGETS)](data[1:])
