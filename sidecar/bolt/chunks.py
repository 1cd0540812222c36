"""Where messages begin and end in one direction of a Bolt connection, byte by byte if need be.

A message is a run of chunks (two bytes of length, then the data) closed by an empty chunk; an empty chunk between
messages is a NOOP. The second byte of a message's data is its signature. Nothing is copied and nothing is refused:
any bytes are some sequence of chunks.
"""

from __future__ import annotations

Message = tuple[int, int, int]
"""One complete message: its signature, where it starts and where it ends. Offsets count from the start of the bytes fed
last: a negative start began earlier. A plain tuple, because a named one takes three times as long to make."""


class Scanner:
    """The chunk state of one direction. Guarantees: constant memory, never raises, independent of how bytes split.

    Messages whose signature is `skip` are passed over without a word: a query's answer may be millions of records.
    """

    __slots__ = ("_high", "_left", "_open", "_seen", "_skip", "between", "signature", "start")

    def __init__(self, skip: int = -2) -> None:
        self.between = True  # no message is under way
        self.signature = -1  # of the message under way; -1 while unknown
        self.start = 0  # of the message under way, as in Message
        self._high = -1  # the first byte of a chunk header that was split, else -1
        self._left = 0  # bytes of the current chunk still to come
        self._open = False  # a message has begun and its end has not been seen
        self._seen = 0  # bytes of the message's data seen, up to 2
        self._skip = skip

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes."""
        done: list[Message] = []
        at, end = 0, len(data)
        while at < end:
            if self._left:
                at = self._inside(data, at, end)
            elif self._high >= 0:
                at = self._header(data, at, done)
            else:
                if not self._open:
                    at = self.start = whole(data, at, self._skip, done)
                    if at == end:
                        break
                self._high = data[at]
                at += 1
        self.start -= end
        self.between = not self._open and self._high < 0
        return done

    def _header(self, data: bytes, at: int, done: list[Message]) -> int:
        self._left = self._high << 8 | data[at]
        self._high = -1
        if self._left:
            self._open = True
        elif self._open:
            if self.signature != self._skip:
                done.append((self.signature, self.start, at + 1))
            self._open = False
            self._seen = 0
            self.signature = -1
        return at + 1

    def _inside(self, data: bytes, at: int, end: int) -> int:
        take = min(self._left, end - at)
        if self._seen < 2:
            take = min(take, 2 - self._seen)
            self._seen += take
            if self._seen == 2:
                self.signature = data[at + take - 1]
        self._left -= take
        return at + take


def whole(data: bytes, at: int, skip: int, done: list[Message]) -> int:
    """Add the messages from `at` on that are one chunk and all here, but for `skip`; where the first begins that isn't.

    Nearly every message is. This is the loop that everything goes through, record by record.
    """
    end = len(data)
    last = end - 6  # the shortest: a header, a marker, a signature, the end mark
    while at <= last:
        length = data[at] << 8 | data[at + 1]
        after = at + length + 4
        if length < 2 or after > end or data[after - 1] or data[after - 2]:
            break
        if data[at + 3] != skip:
            done.append((data[at + 3], at, after))
        at = after
    return at


def pack(payload: bytes) -> bytes:
    """One message's data as chunks of at most 65535 bytes, with the end mark."""
    parts = [payload[at : at + 0xFFFF] for at in range(0, len(payload), 0xFFFF)]
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts) + b"\0\0"


def unpack(message: bytes) -> bytes:
    """The data of one complete message: its chunks put together."""
    parts: list[bytes] = []
    at = 0
    while at + 2 <= len(message):
        length = message[at] << 8 | message[at + 1]
        parts.append(message[at + 2 : at + 2 + length])
        at += 2 + length
    return b"".join(parts)
