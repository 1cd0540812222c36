"""The FAILURE messages this proxy writes, and the ones it rewrites.

`Neo.TransientError.General.DatabaseUnavailable` is the one code that the Python, JavaScript, Java, Go and .NET drivers
all retry in managed transactions on `bolt://`; Memgraph's own code for the same situation is final in all of them.
"""

from __future__ import annotations

from typing import Any, Final

from sidecar.bolt import chunks, messages, packstream

RETRY_CODE: Final = "Neo.TransientError.General.DatabaseUnavailable"
IGNORED: Final = chunks.pack(bytes((0xB0, messages.IGNORED)))
SUCCESS: Final = chunks.pack(bytes((0xB1, messages.SUCCESS, 0xA0)))
NOT_THE_MAIN: Final = (
    "Write queries are forbidden on the replica instance",
    "Write query forbidden on the replica!",  # up to Memgraph 3.0
    "Cannot commit because instance is not main anymore.",
)
"""How messages begin that Memgraph raises before anything is committed (query/exceptions.hpp). A replication error
after the commit is not among them and must never be: that data is committed on the main."""
_HINT: Final = " [memgraph-ha: this instance is not the main any more; the transaction was not committed, retry it]"


def retry(message: str, pending: int = 1) -> bytes:
    """A retriable FAILURE for the first of `pending` requests and an IGNORED for each of the others."""
    fields = ({"code": RETRY_CODE, "message": message},)
    return _message(fields) + IGNORED * (pending - 1)


def rewritten(message: bytes) -> bytes | None:
    """The same FAILURE under the retriable code, if it says that this instance is not the main; else None.

    Bytes that are no FAILURE, or none we can read, are left alone (None).
    """
    try:
        failure = packstream.load(chunks.unpack(message))
    except packstream.BadPackStream:
        return None
    if not isinstance(failure, packstream.Structure) or len(failure.fields) != 1:
        return None
    metadata = failure.fields[0]
    if not isinstance(metadata, dict) or not isinstance(metadata.get("message"), str):
        return None
    text: str = metadata["message"]
    if not text.startswith(NOT_THE_MAIN):
        return None
    return _message(({**metadata, "code": RETRY_CODE, "message": text + _HINT},))


def _message(fields: tuple[Any, ...]) -> bytes:
    return chunks.pack(packstream.dump(packstream.Structure(messages.FAILURE, fields)))
