"""What the controller needs from the outside, as protocols; and how it can fail, one exception a situation.

PortError
  Refused       nobody listens there: nothing was done
  Silent        no answer in time: what was asked may have happened (P-W3)
  Denied        the credentials were refused
  Rejected      the other side understood and said no; the text is its own
  Conflict      the compare-and-swap lost: somebody else wrote first
  LostAnswer    the write was sent and its answer never came: read back, never assume (P-W1)
  Unavailable   the API server cannot be reached or has an error of its own
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from controller.core.actions import AnswerRequest
from controller.core.election import LeaseRecord
from controller.core.fleet.model import Binding, Finding, Labelled
from controller.core.logins import Login
from controller.core.model import Pod, ReseedOrder, ReseedOrders, Shown, Stored
from controller.core.requests import Request, RequestAnswer
from sidecar.contract.state import Document
from webhook.core.model import OldNode

T = TypeVar("T")


class PortError(Exception):
    """The root of everything a port may raise."""


class Refused(PortError):
    """Nobody listens there."""


class Silent(PortError):
    """No answer within the timeout."""


class Denied(PortError):
    """The credentials were refused."""


class Rejected(PortError):
    """The other side said no."""


class Conflict(PortError):
    """Somebody else wrote first."""


class LostAnswer(PortError):
    """It is not known whether the write happened."""


class Unavailable(PortError):
    """The API server cannot be reached, or answers with an error of its own."""


class Database(Protocol):
    """Memgraph instances over Bolt. Statements run auto-committed, as its replication queries demand (M-1.5)."""

    async def run(
        self, address: str, query: str, parameters: Mapping[str, Any] | None = None, *, timeout: float
    ) -> list[dict[str, Any]]:
        """All rows of one statement. Raises Refused, Silent, Denied or Rejected."""

    async def connects(self, host: str, port: int, *, timeout: float) -> bool:
        """Whether something accepts a TCP connection there."""

    async def forget(self, address: str) -> None:
        """Close what is pooled for this address: another process listens there now."""


class Door(Protocol):
    """Whether somebody may come in. Apart from Database, since only users need it."""

    async def admits(self, address: str, login: Login, *, timeout: float) -> bool:
        """Whether this login is accepted now, on a connection of its own. Raises Refused or Silent."""


class StateStore(Protocol):
    """The document's ConfigMap. `write` is the only way to change it, and a compare-and-swap."""

    async def read(self) -> Stored:
        """What is stored now. Raises Unavailable."""

    async def write(self, document: Document, resource_version: str | None) -> None:
        """Replace it if it still has this resourceVersion; create it if None.

        Raises Conflict, LostAnswer, Unavailable.
        """


@dataclass(frozen=True, slots=True)
class Asked:
    """The requests' ConfigMap: what to answer now, who paused the controller and when, and the last answer."""

    request: Request | None = None
    paused: str | None = None
    answer: RequestAnswer | None = None


class RequestStore(Protocol):
    """The requests' ConfigMap."""

    async def read(self) -> Asked:
        """What it says now. Raises Unavailable."""

    async def answer(self, action: AnswerRequest) -> None:
        """Take the request away, and store its answer and the pause. Raises Conflict, LostAnswer, Unavailable."""


class LeaseStore(Protocol):
    """The Lease object."""

    async def read(self) -> LeaseRecord | None:
        """The record now, or None. Raises Unavailable."""

    async def write(self, record: LeaseRecord, *, create: bool) -> LeaseRecord:
        """Compare-and-swap. Raises Conflict, LostAnswer, Unavailable."""


class Cluster(Protocol):
    """The Memgraph pods, and what may be done to them through the API server."""

    @property
    def pods(self) -> Mapping[int, Pod]:
        """Ordinal -> pod, as the watch last said."""

    @property
    def replicas_wanted(self) -> int:
        """spec.replicas of the StatefulSet."""

    @property
    def other_controllers(self) -> int:
        """How many other controller pods of this release are ready."""

    @property
    def listed_at(self) -> float:
        """When the pods were last asked for, not only watched: a time of anyio's clock."""

    def look_again(self) -> None:
        """Ask for the pods anew, soon and over another connection: the watch's may be dead, and nobody noticed."""

    async def delete_pod(self, pod: Pod, *, graceful: bool = False) -> None:
        """Delete this very pod (by UID), with grace 0 or with its own.

        Raises Conflict (another pod by now), Unavailable.
        """

    async def reseed_orders(self) -> ReseedOrders:
        """The open re-seed order. Raises Unavailable."""

    async def write_reseed_order(self, order: ReseedOrder | None, resource_version: str | None) -> None:
        """Compare-and-swap: this order alone is open, or none; resource_version None creates the ConfigMap.

        Raises Conflict, LostAnswer, Unavailable.
        """

    async def record_event(self, reason: str, message: str, *, warning: bool) -> None:
        """A Kubernetes Event on the StatefulSet. Raises Unavailable."""


class PodFaces(Protocol):
    """What the Memgraph pods show of us."""

    async def show(self, pod: Pod, shown: Shown) -> None:
        """Set the role label and the condition of this very pod (by UID), and nothing else of it.

        Raises Conflict, LostAnswer or Unavailable; one of the first and last if it is another pod by now.
        """


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """A list that was read page by page. Not `complete`: there was more than may be read at once."""

    items: tuple[T, ...]
    complete: bool = True


class FleetStore(Protocol):
    """Other people's namespaces and pods, and who may read the document. Every method raises PortError."""

    async def namespaces(self, *, labelled: bool) -> Listed[Labelled]:
        """All namespaces, or only those with the label for injection."""

    async def pods(
        self, judge: Callable[[Any], T | None], *, namespace: str = "", selector: str = "", most: int
    ) -> Listed[T]:
        """What `judge` makes of each pod (raw JSON), but for None; of one namespace, or by labels of all of them."""

    async def role_uid(self) -> str:
        """The UID of the sidecars' Role."""

    async def limit_ranges(self) -> Mapping[str, tuple[Any, ...]]:
        """The LimitRanges (raw JSON) of each namespace that has any."""

    async def old_nodes(self) -> tuple[OldNode, ...]:
        """Nodes whose kubelets are too old for the sidecar."""

    async def bindings(self, role_uid: str) -> Listed[Binding]:
        """Our RoleBindings. They are sound if they belong to this very Role."""

    async def bind(self, namespace: str, role_uid: str) -> None:
        """Let this namespace's service accounts read the document. Conflict: a RoleBinding has that name already."""

    async def unbind(self, binding: Binding) -> None:
        """Remove this very RoleBinding of ours. It is well if it is gone, or another one is in its place."""

    async def record_finding(self, finding: Finding) -> None:
        """An Event on the pods' owner."""
