"""What differs between the four releases that can be imitated, as far as a driver or a controller can see it.

A pure table: each field is one difference, each row of `COMPAT` one release. Everything that isn't here is the same in
all four (SHOW REPLICAS, the role errors and REGISTER's numbers are). Read from the sources of 3.6.0, 3.9.0, 3.12.0 and
of the development branch 106 commits after it; memgraph.md's version map (M-0) tells which release brought what.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

_BEFORE_3_11: Final = "Your license has an invalid type. To use {} you need to have an enterprise license. \n"
_SINCE_3_11: Final = "Access to {} requires an enterprise, ai_platform, or oem license."


@dataclass(frozen=True, slots=True)
class Compat:
    """One release."""

    level: str
    """As `--compat` spells it."""
    version: str
    """SHOW VERSION."""

    # Commit
    failures_named: bool
    """A commit that replicas didn't confirm names them, with reasons (3.10)."""
    pull_failure_transient: bool
    """That failure has the code for `try again` when PULL or DISCARD commits (up to 3.7); COMMIT's is ClientError."""
    sync_failure_is_warning: bool
    """A SYNC replica's failure is a success with a WARNING notification (after 3.12)."""

    vote_counts_as_commit: bool
    """`ts` of a STRICT_SYNC replica moves when it votes (up to 3.9), not after the second phase: if that is lost, the
    replica is shown `ready` and 0 behind; if the transaction was aborted, ahead of its main."""
    heartbeat_only_advances: bool
    """A heartbeat never takes `ts` back, and says nothing of a diverged replica (3.12): one that lost commits is shown
    where it was until its recovery ends."""

    silence_s: float
    """An open connection whose packets vanish breaks after this time (3.12 sets TCP_USER_TIMEOUT; before, the RPC's
    own time-out comes first)."""

    # Registration
    diverged_rolled_back: bool
    """Error 3 leaves no ghost (after 3.12). Error 5 leaves one in every release."""

    replica_snapshots: bool
    """Replicas take snapshots, too (3.7.2)."""

    # Texts
    multicommand: str
    """How the refusal inside an explicit transaction goes on; two releases have a typo of their own each."""
    license_needed: str
    """The answer to a query that only Enterprise has; {} is what is asked for."""

    no_read_only_access: str
    """The answer to CREATE INDEX while transactions that may write stay open."""
    user_notifications: bool
    """CREATE USER says in a notification what it did (3.10)."""

    # SHOW
    storage_rows: str
    """Whose SHOW STORAGE INFO: `3.5`, `3.9` or, for the whole server and by database, `3.11`."""
    storage_scopes: bool
    """SHOW STORAGE INFO takes ON CURRENT DATABASE (3.11) and ON DATABASE (3.10)."""
    license_policy: bool
    """SHOW LICENSE INFO has memory_limit_policy (3.11)."""
    update_config: bool
    """The coordinator statement UPDATE CONFIG is known (3.8)."""
    routing_table: bool
    """The coordinator statement SHOW ROUTING TABLE is known (after 3.12)."""

    # Bolt
    bolt_versions: frozenset[tuple[int, int]]
    logoff_answered: bool
    """LOGOFF gets a SUCCESS (3.12); before, no answer at all."""


_3_6: Final = Compat(
    level="3.6",
    version="3.6.0",
    failures_named=False,
    pull_failure_transient=True,
    sync_failure_is_warning=False,
    vote_counts_as_commit=True,
    heartbeat_only_advances=False,
    silence_s=60.0,
    diverged_rolled_back=False,
    replica_snapshots=False,
    multicommand="also knwon as an auto committing transaction, in order to execute this particular query.",
    license_needed=_BEFORE_3_11,
    no_read_only_access=(
        "Cannot get read only access to the storage. Try stopping other queries that are running in parallel."
    ),
    user_notifications=False,
    storage_rows="3.5",
    storage_scopes=False,
    license_policy=False,
    update_config=False,
    routing_table=False,
    bolt_versions=frozenset({(1, 0), (4, 0), (4, 1), (4, 3), (5, 2)}),
    logoff_answered=False,
)
_3_9: Final = replace(
    _3_6,
    level="3.9",
    version="3.9.0",
    pull_failure_transient=False,
    replica_snapshots=True,
    multicommand="also known as an auto committing transaction, in order to execute this particularquery.",
    no_read_only_access=(
        "Cannot get read-only access to the storage. Try stopping other parallel queries. You can increase the timeout "
        "via SET DATABASE SETTINGS 'storage.access_timeout_sec' TO 'value'; or via the --storage-access-timeout-sec "
        "flag. Run SHOW CONFIG to return the current value. See: "
        "https://memgraph.com/docs/help-center/errors/transactions#storage-access-timeout"
    ),
    storage_rows="3.9",
    update_config=True,
)
_3_12: Final = replace(
    _3_9,
    level="3.12",
    version="3.12.0",
    failures_named=True,
    vote_counts_as_commit=False,
    heartbeat_only_advances=True,
    silence_s=5.0,
    license_needed=_SINCE_3_11,
    user_notifications=True,
    storage_rows="3.11",
    storage_scopes=True,
    license_policy=True,
    bolt_versions=_3_9.bolt_versions | {(4, 4)},
    logoff_answered=True,
)
_MASTER: Final = replace(
    _3_12,
    level="master",
    version="3.12.0+106~df0f63683",
    sync_failure_is_warning=True,
    diverged_rolled_back=True,
    routing_table=True,
)

COMPAT: Final = {compat.level: compat for compat in (_3_6, _3_9, _3_12, _MASTER)}
LEVELS: Final = tuple(COMPAT)
DEFAULT: Final = _3_12
