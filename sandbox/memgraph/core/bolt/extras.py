"""What the maps of RUN, BEGIN, PULL and DISCARD ask for."""

from __future__ import annotations

from typing import Any, Final

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.bolt.packstream import Malformed, Reader
from sandbox.memgraph.core.bolt.results import Abandoned
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.instance import Instance

TIMEOUT_LIMIT_S: Final = 600.0
"""Of any transaction that sets one: the real server's --query-execution-timeout-sec."""
NO_STRUCTURES: Final = (
    "This simulated server knows no temporal or spatial parameters, nor nodes as parameters: pass numbers or strings."
)


def check_target(instance: Instance, extra: dict[str, Any]) -> None:
    """User and database of a transaction. Raises QueryError for any but the own ones.

    Source: src/glue/SessionHL.cpp, `RuntimeConfig::Configure`; that an unknown name is a TransientError is its own.
    """
    user, database = extra.get("imp_user", ""), extra.get("db", "memgraph")
    if not isinstance(user, str) or not isinstance(database, str):
        raise QueryError("Malformed config input.")
    if "imp_user" in extra:
        if user in instance.users:
            raise errors.license_needed("impersonate user", instance.settings.compat)
        raise QueryError("Trying to impersonate a user that doesn't exist.", errors.TRANSIENT)
    if database != "memgraph":
        raise errors.unknown_database(database)


def amount(reader: Reader) -> tuple[int, int | None]:
    """`n` and `qid` of PULL or DISCARD, -1 being all and None the last; what is no integer counts as absent."""
    try:
        options = reader.expect(dict)
    except Malformed as error:
        raise Abandoned(str(error)) from None
    n, qid = options.get("n", -1), options.get("qid", -1)
    return (n if type(n) is int else -1), (qid if type(qid) is int and qid != -1 else None)


def timeout_s(extra: dict[str, Any]) -> float:
    """`tx_timeout` in seconds; 0 for none."""
    milliseconds = extra.get("tx_timeout", 0)
    return min(max(milliseconds, 0) / 1000, TIMEOUT_LIMIT_S) if type(milliseconds) is int else 0
