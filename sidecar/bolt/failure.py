"""The FAILURE messages this proxy writes, and the ones it rewrites.

`Neo.TransientError.General.DatabaseUnavailable` is the one code that the Python, JavaScript, Java, Go and .NET drivers
all retry in managed transactions on `bolt://`; Memgraph's own code for the same situation is final in all of them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, NamedTuple

from sidecar.bolt import chunks, messages, packstream
from sidecar.bolt.fields import metadata
from sidecar.contract.env import Rewrite

RETRY_CODE: Final = "Neo.TransientError.General.DatabaseUnavailable"
IGNORED: Final = chunks.pack(bytes((0xB0, messages.IGNORED)))
SUCCESS: Final = chunks.pack(bytes((0xB1, messages.SUCCESS, 0xA0)))
_PREFIX: Final = "Memgraph."
NOT_THE_MAIN: Final = (
    "Write queries are forbidden on the replica instance",
    "Write query forbidden on the replica!",  # up to Memgraph 3.0
    "Cannot commit because instance is not main anymore.",
)
"""How messages begin that Memgraph raises before anything is committed (query/exceptions.hpp)."""
REPLICATION: Final = "Replication Exception: "
"""How messages begin that tell of replicas which did not confirm a commit."""
ABORTED: Final = ("Transaction was aborted on all instances.", "Transaction will be aborted on all instances.")
"""What such a message says if the replica was STRICT_SYNC (3.10 to 3.12; 3.5 to 3.9). With SYNC the transaction stays
committed on the main, and another try would write it twice: those are never touched."""
COMMITTED: Final = "still committed on the main instance"
_NOT_THE_MAIN_HINT: Final = (
    " [memgraph-ha: this instance is not the main any more; the transaction was not committed, retry it]"
)
_ABORTED_HINT: Final = " [memgraph-ha: the transaction was not committed, retry it]"


class Kind(StrEnum):
    """Why a FAILURE is rewritten."""

    NOT_THE_MAIN = "NotTheMain"
    ABORTED = "AbortedOnAllInstances"
    CODE = "Code"
    """Only the code is another one: the connection goes on."""


class Rewritten(NamedTuple):
    """What to send instead of a FAILURE."""

    message: bytes
    kind: Kind


def retry(message: str, pending: int = 1) -> bytes:
    """A retriable FAILURE for the first of `pending` requests and an IGNORED for each of the others."""
    fields = ({"code": RETRY_CODE, "message": message},)
    return _message(fields) + IGNORED * (pending - 1)


def rewritten(message: bytes, how: Rewrite = Rewrite.FAILOVER) -> Rewritten | None:
    """The same FAILURE under a code that drivers understand, where `how` asks for it; else None.

    Bytes that are no FAILURE, or none we can read, are left alone (None).
    """
    said = metadata(message) if how is not Rewrite.OFF else None
    if said is None:
        return None
    text, code = said.get("message"), said.get("code")
    if not isinstance(text, str):
        return None
    if text.startswith(REPLICATION):
        if COMMITTED in text or not any(words in text for words in ABORTED):
            return None
        return _retriable(said, text + _ABORTED_HINT, Kind.ABORTED)
    if text.startswith(NOT_THE_MAIN):
        return _retriable(said, text + _NOT_THE_MAIN_HINT, Kind.NOT_THE_MAIN)
    if how is Rewrite.ALL and isinstance(code, str) and code.startswith(_PREFIX):
        return Rewritten(_message(({**said, "code": "Neo." + code.removeprefix(_PREFIX)},)), Kind.CODE)
    return None


def _retriable(said: dict[Any, Any], text: str, kind: Kind) -> Rewritten:
    return Rewritten(_message(({**said, "code": RETRY_CODE, "message": text},)), kind)


def _message(fields: tuple[Any, ...]) -> bytes:
    return chunks.pack(packstream.dump(packstream.Structure(messages.FAILURE, fields)))
