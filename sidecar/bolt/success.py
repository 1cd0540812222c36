"""What a SUCCESS says of the work that it ends, as far as a proxy cares."""

from __future__ import annotations

from sidecar.bolt import chunks, packstream


def made_nothing_durable(message: bytes) -> bool:
    """Whether this SUCCESS, in chunks, says that nothing was written: by a query that reads, or not yet.

    Memgraph's summary of a query has `type` ("r" for one that only reads) and `has_more`. What can't be read, or says
    neither, may have been a commit.
    """
    try:
        success = packstream.load(chunks.unpack(message))
    except packstream.BadPackStream:
        return False
    if not isinstance(success, packstream.Structure) or len(success.fields) != 1:
        return False
    summary = success.fields[0]
    return isinstance(summary, dict) and (summary.get("has_more") is True or summary.get("type") == "r")
