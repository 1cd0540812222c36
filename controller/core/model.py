"""What the planner sees: pods, what each Memgraph instance said of itself, and the published document.

Everything is frozen. What could not be seen is a value of its own (`answer is None`, counts of refusals and
silences), never a guess. Times are seconds of this process' monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from controller.core.requests import Request
from sidecar.contract.state import Document


class Role(StrEnum):
    """The words of SHOW REPLICATION ROLE."""

    MAIN = "main"
    REPLICA = "replica"


class Mode(StrEnum):
    """The words of SHOW REPLICAS' `sync_mode`; upper-cased they are REGISTER's."""

    STRICT_SYNC = "strict_sync"
    SYNC = "sync"
    ASYNC = "async"


class Status(StrEnum):
    """SHOW REPLICAS' `status`, and two of our own: a ghost has an empty `data_info`, unknown is any other word."""

    READY = "ready"
    REPLICATING = "replicating"
    RECOVERY = "recovery"
    INVALID = "invalid"
    DIVERGED = "diverged"
    GHOST = "ghost"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Registration:
    """One row of SHOW REPLICAS. `behind` is 0 or negative; None where the row does not say."""

    name: str
    address: str
    mode: Mode | None
    status: Status
    ts: int | None = None
    behind: int | None = None

    @property
    def streams(self) -> bool:
        """Whether commits reach this replica now."""
        return self.status in (Status.READY, Status.REPLICATING)

    @property
    def caught_up(self) -> bool:
        """P-S1's first half: it streams and lacks nothing the main knows of."""
        return self.streams and self.behind == 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What one instance said of itself over its own Bolt port.

    `marker` is the highest epoch marker found (P-M1), None without one. `registrations` is None on a replica.
    """

    role: Role
    at: float
    registrations: tuple[Registration, ...] | None = None
    marker: int | None = None
    database_uuid: str = ""
    vertices: int = 0
    user_schema: bool = False
    transactional: bool = True


@dataclass(frozen=True, slots=True)
class Shown:
    """What a pod shows of us: its role label ("" without one), and its readiness condition (None without one)."""

    role: str = ""
    in_sync: bool | None = None
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Pod:
    """One Memgraph pod as the API server knows it.

    `volume` is its PVC's UID, or the pod's own without a PVC. `replication_address` is what REGISTER is given: a
    per-pod DNS name, or the IP where there is no DNS (P-F9).
    """

    name: str
    uid: str
    ip: str
    bolt_port: int
    replication_port: int
    replication_address: str
    volume: str
    container_id: str = ""
    running: bool = True
    terminated: bool = False
    deleting: bool = False
    shown: Shown = field(default_factory=Shown)

    @property
    def bolt_address(self) -> str:
        """`ip:port`, or `[v6]:port`."""
        return f"[{self.ip}]:{self.bolt_port}" if ":" in self.ip else f"{self.ip}:{self.bolt_port}"

    @property
    def incarnation(self) -> str:
        """Changes whenever the process is another one."""
        return f"{self.uid}/{self.container_id}"


@dataclass(frozen=True, slots=True)
class UsersWanted:
    """Who the instances should know (P-U). `version` changes with any password and says nothing about it."""

    version: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UsersKnown:
    """Which users of this version an instance lacks, or knows by another password: it was asked by logging in."""

    version: str
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Instance:
    """One ordinal of the StatefulSet.

    `answer` is the last answer of this incarnation; `refused` and `silent` count the probes without one since then;
    `silent_since` is when the silence began. Probes during our own REGISTER or DROP are not counted (P-F1). `denied`:
    it refuses every password the controller has. `users` is None until this incarnation was asked.
    """

    ordinal: int
    pod: Pod | None = None
    answer: Answer | None = None
    refused: int = 0
    silent: int = 0
    silent_since: float | None = None
    denied: bool = False
    users: UsersKnown | None = None

    def fresh(self, now: float, within: float) -> Answer | None:
        """The answer, if it is recent and nothing since then contradicts it: no miss, no word of its death."""
        if self.pod is None or not self.pod.running or self.pod.terminated:
            return None
        if self.answer is None or self.refused or self.silent or now - self.answer.at > within:
            return None
        return self.answer


@dataclass(frozen=True, slots=True)
class Found:
    """The ConfigMap holds a valid document."""

    document: Document
    resource_version: str
    uid: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """The ConfigMap is there and holds no valid document. `epoch`, `term`: if they at least can be read."""

    problems: tuple[str, ...]
    resource_version: str
    epoch: int
    term: int = 0


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no ConfigMap."""


Stored = Found | Malformed | Absent


class OnNoSyncReplica(StrEnum):
    """What to do with writes when no replica is known to hold them all (P-S8)."""

    SERVE = "serve"
    BLOCK = "block"


class OnDiverged(StrEnum):
    """What to do with a replica that holds commits the main never had (P-R2)."""

    RESEED = "reseed"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's choices and the protocol's waits. Times in seconds."""

    on_no_sync_replica: OnNoSyncReplica = OnNoSyncReplica.SERVE
    on_diverged: OnDiverged = OnDiverged.RESEED
    probe_interval_s: float = 0.5
    cut_settle_s: float = 0.25  # P-F5: sidecars close within this
    partner_wait_s: float = 0.3  # P-S5: how long a `cut` waits for S1
    switchover_wait_s: float = 2.0  # P-P: for the partner to hold everything, and for the demotion's answer
    promotion_wait_s: float = 3.0  # P-F8
    hung_main_s: float = 10.0  # P-F7
    hung_partner_s: float = 3.0  # P-S10
    partner_grace_s: float = 1.0  # one tick of the main's own checker, which may heal the link by itself
    strict_wait_s: float = 2.0  # a strict registration that is not ready refuses writes meanwhile (P-S5)
    laggard_ts: int = 1000  # P-S5: nearer than this, a laggard goes straight to STRICT_SYNC
    # For Memgraph's grace period (half an hour in its own chart), a node and an image: until then an order is open.
    reseed_order_s: int = 3600
    lonely_s: float = 3.0  # P-F1: a leader that reaches nobody for so long gives way
    reader_grace_s: float = 3.0  # a lag that comes and goes closes no read connection (three of the main's checks)
    restarts_s: float = 60.0  # P-F3: a main that was given up twice within this does not come back before its partner
    wal_flush_every: int = 1  # P-F3, P-N3: above 1 a main that lost power may have lost what its partner has
    cut_on_change: bool = True  # false leaves it to a former main to refuse writes (P-N1)
    silent_probes: int = 3  # P-F1
    refused_probes: int = 2  # P-F1
    # P-U: how long a `cut` waits for users. Without the wait a password that was taken back works for a few seconds
    # more, on one instance; with it nobody works at all. A user costs Memgraph's bcrypt some 0.3 s. No user is begun
    # later; the one that was may take a command's timeout more.
    users_wait_s: float = 1.0

    @property
    def fresh_s(self) -> float:
        """How old an answer may be: one probe interval, and the time the probe itself may take (P-F2)."""
        return self.probe_interval_s * 2 + 0.1


@dataclass(frozen=True, slots=True)
class ReseedOrder:
    """The order to begin this instance anew, once: for the successor of this very pod, in this epoch (P-R1).

    `expires` is in seconds of the Unix clock: the node's init container compares it with its own.
    """

    ordinal: int
    pod_uid: str
    epoch: int
    expires: int


@dataclass(frozen=True, slots=True)
class ReseedOrders:
    """The ConfigMap with the orders: at most one is open. `resource_version` is None while there is no ConfigMap."""

    open: ReseedOrder | None = None
    resource_version: str | None = None


@dataclass(frozen=True, slots=True)
class Tls:
    """How instances are spoken to: with neither a CA (PEM) nor a server's name, without TLS."""

    ca: str = ""
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything seen when a plan is made.

    `lease_epoch` and `lease_term` are the Lease's annotations (P-W4). `updated_at` is a wall-clock text for people, and
    `unix_s` the same as seconds, for what another machine has to compare. `other_controllers` are ready.
    `request` is what a person asks for, `paused`
    says who asked to only observe, and when. `pods_listed_at`: the API server was asked for all pods then; since then
    only a watch has told of them, and one that died tells nothing. `users` is None where users are not the
    controller's business.
    """

    now: float
    updated_at: str
    identity: str
    stored: Stored
    instances: tuple[Instance, ...]
    replicas_wanted: int
    lease_epoch: int = 0
    lease_term: int = 0
    other_controllers: int = 0
    users: UsersWanted | None = None
    orders: ReseedOrders = ReseedOrders()
    tls: Tls = Tls()
    unix_s: float = 0.0
    pods_listed_at: float = 0.0
    request: Request | None = None
    paused: str | None = None
    policy: Policy = field(default_factory=Policy)

    def instance(self, ordinal: int) -> Instance:
        """The instance with this ordinal; one without pod and answer if there is none."""
        for instance in self.instances:
            if instance.ordinal == ordinal:
                return instance
        return Instance(ordinal)

    def answer(self, instance: Instance) -> Answer | None:
        """The instance's answer, if it is fresh."""
        return instance.fresh(self.now, self.policy.fresh_s)
