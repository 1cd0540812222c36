"""What the planner may ask for, as data, and the plan that carries it: at most one action a plan.

`act.py` executes an action and answers with an Outcome; `memory.absorb` turns that into what the next plan knows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from controller.core.memory import Memory
from controller.core.model import Mode, Pod, ReseedOrder
from controller.core.reasons import Reason
from controller.core.requests import RequestAnswer
from sidecar.contract.state import Document


@dataclass(frozen=True, slots=True)
class Target:
    """Which instance an action is for: executed only while that pod is still this incarnation."""

    ordinal: int
    pod: Pod


@dataclass(frozen=True, slots=True)
class Publish:
    """Compare-and-swap the document (P-W1). `resource_version` None creates the ConfigMap."""

    document: Document
    resource_version: str | None


@dataclass(frozen=True, slots=True)
class Promote:
    """SET REPLICATION ROLE TO MAIN, after its role, database_uuid and volume were read again; read back (P-F6)."""

    on: Target
    database_uuid: str


@dataclass(frozen=True, slots=True)
class Demote:
    """SET REPLICATION ROLE TO REPLICA; read back.

    `partner` is the registration that has to hold every write at each try, or it is not tried (P-P): a try is refused
    while a commit runs, and that commit's second phase may be lost. Empty: nobody is to take over.
    """

    on: Target
    partner: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """Write the epoch marker, drop older ones and leftover probe nodes (P-M1, P-M2)."""

    on: Target
    epoch: int


@dataclass(frozen=True, slots=True)
class Register:
    """REGISTER REPLICA, after a TCP connect to the replication port and a role check (P-F9).

    `drop` is dropped first, in the same action, so that little time passes in between (P-S5).
    """

    on: Target
    replica: Target
    name: str
    address: str
    mode: Mode
    drop: str | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """DROP REPLICA."""

    on: Target
    name: str


@dataclass(frozen=True, slots=True)
class Prove:
    """The registration proof (P-M2): a node written on the main, read on the replica's own port, deleted."""

    on: Target
    replica: Target
    registration: str


@dataclass(frozen=True, slots=True)
class ApplyUser:
    """Make one user with its password known to a main, and log in with it (P-U). One: each costs a main some 0.5 s."""

    on: Target
    version: str
    name: str


@dataclass(frozen=True, slots=True)
class DeletePod:
    """Delete the pod with grace 0: its process is hung."""

    pod: Pod
    ordinal: int


@dataclass(frozen=True, slots=True)
class Reseed:
    """Write the order, then delete the pod it names (P-R1), with its ordinary grace.

    First the document and the main are asked again: the same term and epoch, and MAIN with this database and marker.
    """

    pod: Pod
    ordinal: int
    order: ReseedOrder
    resource_version: str | None
    term: int
    main: Target
    database_uuid: str
    marker: int


@dataclass(frozen=True, slots=True)
class CloseOrder:
    """Take the re-seed order away: it was carried out, or must no longer be."""

    order: ReseedOrder
    resource_version: str | None
    failed: bool


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """Take the request away and store the answer, in one compare-and-swap; a value that changed meanwhile stays.

    `paused` is the pause from now on: who and when, or None.
    """

    answer: RequestAnswer
    paused: str | None = None


@dataclass(frozen=True, slots=True)
class StepDown:
    """Give up the lease: another leader's term began (P-W2)."""


Action = (
    StepDown | Publish | Promote | Demote | Mark | Register | Drop | Prove | ApplyUser | DeletePod | Reseed
    | CloseOrder | AnswerRequest
)  # fmt: skip


class Outcome(StrEnum):
    """How an action ended."""

    DONE = "done"
    FAILED = "failed"
    CONFLICT = "conflict"
    """A compare-and-swap that somebody else won: nothing was done (P-W1)."""
    BUSY = "busy"
    """REGISTER or DROP never got the main's try-lock: commits held it (P-S5). Nothing was done."""
    UNKNOWN = "unknown"
    """The answer was lost: it may have happened (P-W1, P-W3)."""
    DIVERGED = "diverged"
    """REGISTER's Error 3: this replica holds commits the main never had (M-2.4)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One decision: at most one action, when to look again at the latest, and why.

    `ask` are the ordinals whose next answer is what the plan waits for: they are asked again before the next plan,
    without waiting for their turn. `list_pods`: what an instance said speaks against what the watch last said of the
    pods, so they are asked for anew.
    """

    reason: Reason
    message: str
    action: Action | None = None
    wake_after: float = 0.5
    memory: Memory = field(default_factory=Memory)
    ask: tuple[int, ...] = ()
    list_pods: bool = False
