"""Error codes and texts of Memgraph 3.12. A client may match on them, so they are exact, typos included."""

from __future__ import annotations

from typing import Final

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


_MULTICOMMAND: Final = (
    "{} not allowed in multicommand transactions. A multicommand transaction, also known as an explicit transaction, "
    "groups multiple commands into a single atomic operation. Instead, please use an implicit transaction, also known "
    "as an auto committing transaction, in order to execute this particularquery. For more details, visit "
    "https://memgraph.com/docs"
)


def in_explicit_transaction(subject: str) -> QueryError:
    """`subject` with its verb, such as `Managing replication is`."""
    return QueryError(_MULTICOMMAND.format(subject))


WRITE_ON_REPLICA: Final = (
    "Write queries are forbidden on the replica instance. Replica instances accept only read queries, while the main "
    "instance accepts read and write queries. Please retry your query on the main instance."
)
USERS_ON_REPLICA: Final = (
    "Query forbidden on the replica! Switch role to MAIN and update user data, then switch back to REPLICA."
)
NOT_MAIN_ANYMORE: Final = "Cannot commit because instance is not main anymore."
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
CONCURRENT_SYSTEM_QUERIES: Final = "Multiple concurrent system queries are not supported."
BAD_ADDRESS: Final = (
    "Invalid socket address. The socket address must be a string defining the address and port, delimited by a single "
    "colon. The address must be valid and the port must be an integer."
)
NO_ROUTE: Final = "You cannot fetch routing table from an instance which is not part of a cluster."
CONFLICT: Final = (
    "Cannot resolve conflicting transactions. You can retry this transaction when the conflicting transaction is "
    "finished."
)
FAILED_BEFORE: Final = (
    "Transaction can't be committed because there was a previous error. Please invoke a rollback instead."
)
TIMED_OUT: Final = "Transaction was asked to abort because of transaction timeout."
NO_READ_ONLY_ACCESS: Final = (
    "Cannot get read only access to the storage. Try stopping other queries that are running in parallel."
)
MISALIGNED_ACCESS: Final = "Accessor type READ and query type W are misaligned!"
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

# Reasons a replica did not confirm
NOT_IN_SYNC: Final = "not reachable or not in sync with the main"
RPC_ERROR: Final = "RPC communication error"
DIVERGED: Final = "diverged from main"
RPC_TIMEOUT: Final = "RPC timeout while replicating"


def register_failed(name: str, number: int) -> QueryError:
    """REGISTER's numbered failure."""
    return QueryError(f"Couldn't register replica {name}. Error: {number}")


def drop_failed(name: str) -> QueryError:
    """DROP of a name that isn't registered."""
    return QueryError(f"Failed to unregister the replica {name}.")


def not_replicated(mode: str, names: list[str], reason: str) -> QueryError:
    """A SYNC or STRICT_SYNC replica did not confirm. `reason` is one of the reasons above."""
    many = len(names) > 1
    if reason == NOT_IN_SYNC:
        reason = ("replicas are " if many else "replica is ") + reason
    elif reason == DIVERGED:
        reason = ("replicas have " if many else "replica has ") + reason
    quoted = " and ".join(f"'{name}'" for name in names)
    recovered = "Replicas" if many else "Replica"
    fate = (
        "Transaction was aborted on all instances."
        if mode == "STRICT_SYNC"
        else "Transaction is still committed on the main instance and other alive replicas."
    )
    tail = f" Main reached an RPC timeout while replicating to [{', '.join(names)}]." if reason == RPC_TIMEOUT else ""
    return QueryError(
        f"Replication Exception: Failed to replicate to {mode} replica{'s' if many else ''} {quoted}: {reason}. "
        f"{recovered} will be recovered automatically. {fate}{tail} Check the status of the replicas using "
        "'SHOW REPLICAS' query."
    )
