"""What a SUCCESS says of the work that it ends, as far as a proxy cares."""

from __future__ import annotations

from sidecar.bolt.fields import metadata


def made_nothing_durable(message: bytes) -> bool:
    """Whether this SUCCESS, in chunks, says that nothing was written: by a query that reads, or not yet.

    Memgraph's summary of a query has `type` ("r" for one that only reads) and `has_more`. What can't be read, or says
    neither, may have been a commit.
    """
    summary = metadata(message)
    return summary is not None and (summary.get("has_more") is True or summary.get("type") == "r")
