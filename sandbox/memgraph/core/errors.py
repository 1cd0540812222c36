"""Error codes and texts of Memgraph. A client may match on them, so they are exact, typos included.

Those that differ between releases take the `Compat`; the constants are the same in all four.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from sandbox.memgraph.core.compat import Compat

CLIENT: Final = "Memgraph.ClientError.MemgraphError.MemgraphError"
TRANSIENT: Final = "Memgraph.TransientError.MemgraphError.MemgraphError"
UNAUTHENTICATED: Final = "Memgraph.ClientError.Security.Unauthenticated"
PROTOCOL: Final = "Memgraph.ExecutionException"
PROTOCOL_MESSAGE: Final = "Something went wrong while executing the query! Check the server logs for more details."
UNKNOWN: Final = "Memgraph.DatabaseError.MemgraphError.MemgraphError"
UNKNOWN_MESSAGE: Final = "An unknown exception occurred, this is unexpected. Real message should be in database logs."
AUTHENTICATION_FAILURE: Final = "Authentication failure"


class QueryError(Exception):
    """A FAILURE for the client: Bolt code and message."""

    def __init__(self, message: str, code: str = CLIENT) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class ProtocolError(Exception):
    """The client broke the Bolt protocol: a FAILURE, then the connection is closed."""


def in_explicit_transaction(subject: str, compat: Compat) -> QueryError:
    """`subject` with its verb, such as `Managing replication is`."""
    return QueryError(
        f"{subject} not allowed in multicommand transactions. A multicommand transaction, also known as an explicit "
        "transaction, groups multiple commands into a single atomic operation. Instead, please use an implicit "
        f"transaction, {compat.multicommand} For more details, visit https://memgraph.com/docs"
    )


def no_read_only_access(compat: Compat) -> QueryError:
    """CREATE or DROP INDEX waited in vain for transactions that may write."""
    return QueryError(compat.no_read_only_access, TRANSIENT)


def license_needed(feature: str, compat: Compat) -> QueryError:
    """Community is asked for what needs a licence."""
    return QueryError(compat.license_needed.format(feature))


NO_LICENSE: Final = (
    "Trying to use enterprise feature without a valid license. Check your license status by running SHOW LICENSE INFO."
)
WRITE_ON_REPLICA: Final = (
    "Write queries are forbidden on the replica instance. Replica instances accept only read queries, while the main "
    "instance accepts read and write queries. Please retry your query on the main instance."
)
USERS_ON_REPLICA: Final = (
    "Query forbidden on the replica! Switch role to MAIN and update user data, then switch back to REPLICA."
)


def user_exists(name: str) -> QueryError:
    """CREATE USER without IF NOT EXISTS."""
    return QueryError(
        f"User or role with name '{name}' already exists. Use the SHOW USERS or SHOW ROLES query to list all users and "
        "roles. In addition you can rerun the current query with IF NOT EXISTS."
    )


def no_such_user(name: str, *, drop: bool) -> QueryError:
    """SET PASSWORD or DROP USER."""
    if drop:
        return QueryError(
            f"User with username '{name}' doesn't exist. A new user can be created via the CREATE USER query."
        )
    return QueryError(f"User '{name}' doesn't exist.")


NOT_MAIN_ANYMORE: Final = "Cannot commit because instance is not main anymore."
REPLICA_SHOULD_NOT_WRITE: Final = "Queries on replica shouldn't write."
"""A change of indexes or constraints that reaches a replica's storage."""
CANNOT_PROMOTE: Final = "Couldn't set replication role to main!"
CANNOT_DEMOTE: Final = "Couldn't set role to replica!"
SHOW_REPLICAS_ON_REPLICA: Final = "Show replicas query should only be run on the main instance."
REGISTER_ON_REPLICA: Final = "Replica can't register another replica!"
DROP_ON_REPLICA: Final = (
    "Replica can't unregister a replica! Please rerun the query on main in order to unregister a replica from the "
    "cluster."
)
DROP_LOCKED: Final = (
    "Failed to unregister replica due to lack of unique access over the cluster state. Please try again later on."
)
ANALYTICAL: Final = "Replication query requires IN_MEMORY_TRANSACTIONAL mode."
CONSTRAINTS_IN_ANALYTICAL: Final = (
    "Constraints are not supported in analytical storage mode. Please drop them before changing storage mode to "
    "analytical or use transactional mode."
)
NO_REPLICA_SNAPSHOT: Final = "Failed to create a snapshot. Replica instances are not allowed to create them."
CONCURRENT_SYSTEM_QUERIES: Final = "Multiple concurrent system queries are not supported."
BAD_ADDRESS: Final = (
    "Invalid socket address. The socket address must be a string defining the address and port, delimited by a single "
    "colon. The address must be valid and the port must be an integer."
)
NO_ROUTE: Final = "You cannot fetch routing table from an instance which is not part of a cluster."
CONFLICT: Final = (
    "Cannot resolve conflicting transactions. Retry this transaction when the conflicting transaction is finished. For "
    "more details, visit https://memgraph.com/docs"
)

FAILED_BEFORE: Final = (
    "Transaction can't be committed because there was a previous error. Please invoke a rollback instead."
)
TIMED_OUT: Final = "Transaction was asked to abort because of transaction timeout."


def misaligned_access(kind: str) -> QueryError:
    """A query that writes (`w` or `rw`) in a transaction that was opened to read."""
    words = {"w": "WRITE", "rw": "READ-WRITE"}[kind]
    return QueryError(f"Accessor type READ and query type {words} are misaligned!")


def unknown_database(name: str) -> QueryError:
    """RUN or BEGIN with another `db` than Community's only one. A driver takes it for worth a retry."""
    return QueryError(f'Tried to retrieve an unknown database "{name}".', TRANSIENT)


NOT_A_COORDINATOR: Final = (
    "Coordinator was not initialized as coordinator port, coordinator id or management port were not set."
)

# Numbers of REGISTER's failures
NAME_EXISTS: Final = 1
ENDPOINT_EXISTS: Final = 2
CONNECTION_FAILED: Final = 3
"""A misnomer of Memgraph's: the replica has diverged."""
ERROR_ACCEPTING_MAIN: Final = 5
NO_ACCESS: Final = 6

# Reasons a replica did not confirm (storage_error.cpp). `failed to obtain RPC lock` can't occur here nor there: only an
# ASYNC replica's lock is tried, and what happens to those is never reported.
NOT_IN_SYNC: Final = "replica is not reachable or not in sync with the main"
RPC_ERROR: Final = "RPC communication error"
DIVERGED: Final = "replica has diverged from main"
RPC_TIMEOUT: Final = "RPC timeout while replicating"


class Failure(NamedTuple):
    """One replica that did not confirm. `mode` as in REGISTER, `reason` one of the above."""

    name: str
    mode: str
    reason: str


class NotReplicated(QueryError):
    """SYNC or STRICT_SYNC replicas did not confirm. `committed`: the transaction stands all the same.

    `notice` is the text without the prefix that only the error has.
    """

    def __init__(self, failures: Sequence[Failure], compat: Compat, *, committed: bool) -> None:
        text = _failures(failures, committed) if compat.failures_named else _anonymous(committed)
        self.notice = f"{text} Check the status of the replicas using 'SHOW REPLICAS' query."
        self.committed = committed
        super().__init__(f"Replication Exception: {self.notice}")


def register_failed(name: str, number: int) -> QueryError:
    """REGISTER's numbered failure."""
    return QueryError(f"Couldn't register replica {name}. Error: {number}")


def drop_failed(name: str) -> QueryError:
    """DROP of a name that isn't registered."""
    return QueryError(f"Failed to unregister the replica {name}.")


def _anonymous(committed: bool) -> str:
    if committed:
        return "At least one SYNC replica has not confirmed committing last transaction."
    return (
        "At least one STRICT_SYNC replica has not confirmed committing last transaction. Transaction will be aborted "
        "on all instances."
    )


def _failures(failures: Sequence[Failure], committed: bool) -> str:
    groups: dict[tuple[str, str], list[str]] = {}
    for name, mode, reason in failures:
        groups.setdefault((mode, reason), []).append(name)
    parts = [_group(mode, reason, names) for (mode, reason), names in groups.items()]
    parts.append(f"Replica{'s' if len(failures) > 1 else ''} will be recovered automatically.")
    parts.append(
        "Transaction is still committed on the main instance and other alive replicas."
        if committed
        else "Transaction was aborted on all instances."
    )
    late = [name for name, _, reason in failures if reason == RPC_TIMEOUT]
    if late:
        parts.append(
            f"Main reached an RPC timeout while replicating to [{', '.join(late)}]. One possible reason for this error "
            "is that the replica is down and in that case make sure to recover it. If all of your replicas are up and "
            "running normally, then please try setting a smaller parameter value for 'deltas_batch_progress_size' "
            "using 'SET COORDINATOR SETTING' query on the coordinator."
        )
    return " ".join(parts)


def _group(mode: str, reason: str, names: list[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    if len(quoted) == 1:
        return f"Failed to replicate to {mode} replica {quoted[0]}: {reason}."
    joined = ", ".join(quoted[:-1]) + " and " + quoted[-1]
    plural = reason.replace("replica is", "replicas are").replace("replica has", "replicas have")
    return f"Failed to replicate to {mode} replicas {joined}: {plural}."
