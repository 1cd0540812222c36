"""A cluster in a few lines, for planner tests: instances that obey actions at once, and a clock that is turned by hand.

It knows just enough of Memgraph for the planner's questions: roles, registrations, markers, and whether an instance
holds each acknowledged write. It is no model of Memgraph; the simulated server is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from controller.core.absorb import absorb
from controller.core.actions import (
    Action,
    AnswerRequest,
    ApplyUser,
    CloseOrder,
    DeletePod,
    Demote,
    Drop,
    Mark,
    Outcome,
    Plan,
    Promote,
    Prove,
    Publish,
    Register,
    Reseed,
)
from controller.core.memory import Memory
from controller.core.model import (
    Absent,
    Answer,
    Found,
    Instance,
    Malformed,
    Mode,
    Observation,
    Pod,
    Policy,
    Registration,
    ReseedOrder,
    ReseedOrders,
    Role,
    Status,
    Stored,
    Tls,
    UsersKnown,
    UsersWanted,
)
from controller.core.plan import plan
from controller.core.requests import RequestAnswer, first
from controller.core.view import ordinal_of
from sidecar.contract.state import Phase


@dataclass
class Node:
    """One instance: what is true of it, reachable or not."""

    ordinal: int
    role: Role = Role.REPLICA
    registrations: list[Registration] = field(default_factory=list)
    marker: int | None = None
    database_uuid: str = ""
    writes: int = 0
    incarnation: int = 0
    pod_uid: str = ""
    reach: str = "ok"  # ok, refused, silent, gone, denied
    silent_since: float = 0.0
    terminated: bool = False
    deleting: bool = False
    placed: bool = True
    """Whether its pod has an address yet."""
    transactional: bool = True
    users: dict[str, str] = field(default_factory=dict)
    """User -> version of its password."""
    users_asked: bool = True
    tail: bool = False
    """It holds a commit that no main of a later epoch has."""

    def pod(self) -> Pod | None:
        """Its pod, or None when it is gone."""
        if self.reach == "gone":
            return None
        return Pod(
            name=f"m-{self.ordinal}",
            uid=self.pod_uid or f"uid-{self.ordinal}",
            ip=f"10.0.0.{self.ordinal}" if self.placed else "",
            bolt_port=7687,
            replication_port=10000,
            replication_address=f"m-{self.ordinal}:10000",
            volume=f"vol-{self.ordinal}",
            container_id=f"c{self.incarnation}",
            running=not self.terminated,
            terminated=self.terminated,
            deleting=self.deleting,
        )


class Toy:
    """Three instances, one document, one clock."""

    def __init__(self, size: int = 3, policy: Policy | None = None) -> None:
        self.nodes = [Node(i, database_uuid=f"db-{i}") for i in range(size)]
        self.stored: Stored = Absent()
        self.version = 0
        self.now = 100.0
        self.pods_listed_at = 0.0
        self.on_list: Callable[[], None] = lambda: None
        """Called when the pods are listed anew: the moment for what a dead watch did not tell."""
        self.other_controllers = 1
        self.busy = False
        """Commits hold the main's lock whenever clients are let in."""
        self.policy = policy or Policy()
        self.memory = Memory()
        self.users: UsersWanted | None = None
        self.tls = Tls()
        self.refused_users: set[str] = set()
        self.requests: dict[str, str] = {}
        self.paused: str | None = None
        self.answers: list[RequestAnswer] = []
        self.log: list[Plan] = []
        self.deleted: list[int] = []
        self.order: ReseedOrder | None = None
        self.order_version: str | None = None
        self.kubelet = "prompt"
        """What becomes of a pod that is deleted with its grace: prompt, slow (`replace` does it), unseen (slow, and the
        watch does not tell), deaf to orders."""

    def observation(self) -> Observation:
        """What a leader sees now."""
        instances = tuple(self._instance(node) for node in self.nodes)
        return Observation(
            now=self.now,
            updated_at="2026-01-01T00:00:00",
            identity="c-0",
            stored=self.stored,
            instances=instances,
            replicas_wanted=len(self.nodes),
            other_controllers=self.other_controllers,
            users=self.users,
            tls=self.tls,
            orders=ReseedOrders(self.order, self.order_version),
            unix_s=1_000_000.0 + self.now,
            pods_listed_at=self.pods_listed_at,
            request=first(self.requests),
            paused=self.paused,
            policy=self.policy,
        )

    def _instance(self, node: Node) -> Instance:
        pod = node.pod()
        if node.reach == "ok":  # a process that just died may have answered a moment before
            main = node.role is Role.MAIN
            rows = tuple(self._row(node, row) for row in node.registrations) if main else None
            said = Answer(
                node.role,
                self.now,
                rows,
                node.marker,
                node.database_uuid,
                node.writes,
                transactional=node.transactional,
            )
            return Instance(node.ordinal, pod, said, users=self._users(node))
        if node.reach == "denied":
            return Instance(node.ordinal, pod, denied=True)
        said = Answer(node.role, self.now - 60, None, node.marker, node.database_uuid, node.writes)
        if node.reach == "silent":
            return Instance(node.ordinal, pod, said, silent=3, silent_since=node.silent_since)
        return Instance(node.ordinal, pod, said if pod else None, refused=2 if pod else 0)

    def _users(self, node: Node) -> UsersKnown | None:
        if self.users is None or not node.users_asked:
            return None
        lacks = tuple(name for name in self.users.names if node.users.get(name) != self.users.version)
        return UsersKnown(self.users.version, lacks)

    def _row(self, main: Node, row: Registration) -> Registration:
        if row.status is Status.DIVERGED:
            return row
        ordinal = ordinal_of(row.name)
        node = self.nodes[ordinal] if ordinal is not None else None
        if node is None or node.reach != "ok" or node.terminated or row.status is Status.INVALID:
            return replace(row, status=Status.INVALID)
        return replace(row, ts=node.writes, behind=min(0, node.writes - main.writes))

    @property
    def document(self):  # type: ignore[no-untyped-def]  # tests read its fields
        """The published document."""
        assert isinstance(self.stored, Found), f"no document: {self.stored}"
        return self.stored.document

    def step(self) -> Plan:
        """One plan, executed."""
        decision = plan(self.observation(), self.memory)
        self.log.append(decision)
        self.memory = decision.memory
        if decision.action is None:
            self.now += max(decision.wake_after, 0.01)
        else:
            outcome = self.apply(decision.action)
            self.memory = absorb(self.memory, decision.action, outcome, self.now)
            self.now += 0.01
        if decision.list_pods:
            self.pods_listed_at = self.now
            self.on_list()
        return decision

    def settle(self, steps: int = 1000, quiet_s: float = 5.0) -> list[Plan]:
        """Step until nothing was planned for a while (longer than any wait but the hung main's); the plans so far."""
        begin = len(self.log)
        last = self.now
        for _ in range(steps):
            if self.step().action is not None:
                last = self.now
            if self.now - last > quiet_s:
                return self.log[begin:]
        raise AssertionError("does not settle: " + "; ".join(p.message for p in self.log[-8:]))

    def apply(self, action: Action) -> Outcome:
        """Do what the action asks for, as far as the instances can be reached."""
        match action:
            case Publish():
                return self._publish(action)
            case Promote() | Demote():
                return self._role(action)
            case Mark():
                node = self.nodes[action.on.ordinal]
                node.marker = action.epoch
                node.writes += 1
                self._replicate(node)
            case Register():
                return self._register(action)
            case Drop():
                node = self.nodes[action.on.ordinal]
                node.registrations = [r for r in node.registrations if r.name != action.name]
            case Prove():
                return Outcome.DONE if self.nodes[action.replica.ordinal].reach == "ok" else Outcome.FAILED
            case ApplyUser():
                node = self.nodes[action.on.ordinal]
                assert node.role is Role.MAIN, "a replica takes no users"
                if node.reach != "ok" or action.name in self.refused_users:
                    return Outcome.FAILED
                node.users[action.name] = action.version
            case DeletePod():
                self.deleted.append(action.ordinal)
                self.restart(action.ordinal, new_pod=True)
            case Reseed():
                return self._reseed(action)
            case CloseOrder():
                return self._write_order(None, action.resource_version)
            case AnswerRequest():
                return self._answer(action)
        return Outcome.DONE

    def _answer(self, action: AnswerRequest) -> Outcome:
        answer = action.answer
        if self.requests.get(answer.request) != answer.value:
            return Outcome.FAILED
        del self.requests[answer.request]
        self.paused = action.paused
        self.answers.append(answer)
        return Outcome.DONE

    def _publish(self, action: Publish) -> Outcome:
        current = None if isinstance(self.stored, Absent) else self.stored.resource_version
        if action.resource_version != current:
            return Outcome.FAILED
        if isinstance(self.stored, Found):
            assert action.document.epoch >= self.stored.document.epoch, "the epoch went down"
            assert action.document.term >= self.stored.document.term, "the term went down"
        self.version += 1
        self.stored = Found(action.document, str(self.version), "cm-1")
        return Outcome.DONE

    def _write_order(self, order: ReseedOrder | None, version: str | None) -> Outcome:
        if version != self.order_version:
            return Outcome.FAILED
        self.order, self.order_version = order, str(int(version or "0") + 1)
        return Outcome.DONE

    def _reseed(self, action: Reseed) -> Outcome:
        outcome = self._write_order(action.order, action.resource_version)
        if outcome is Outcome.DONE and action.pod == self.nodes[action.ordinal].pod():
            self.nodes[action.ordinal].deleting = self.kubelet != "unseen"
            if self.kubelet in ("prompt", "deaf"):
                self.replace(action.ordinal)
        return outcome

    def replace(self, ordinal: int) -> None:
        """The deleted pod's successor starts; its init container carries out an order that is for it."""
        node, order = self.nodes[ordinal], self.order
        former = node.pod()
        applies = order is not None and former is not None and order.pod_uid == former.uid
        if applies and order is not None and order.epoch == self.document.epoch and self.kubelet != "deaf":
            node.writes, node.marker, node.tail, node.database_uuid = 0, None, False, f"db-{ordinal}-new"
        self.restart(ordinal, new_pod=True)

    def _role(self, action: Promote | Demote) -> Outcome:
        node = self.nodes[action.on.ordinal]
        if node.reach != "ok":
            return Outcome.UNKNOWN
        node.role = Role.MAIN if isinstance(action, Promote) else Role.REPLICA
        node.registrations = []
        return Outcome.DONE

    def _register(self, action: Register) -> Outcome:
        main, replica = self.nodes[action.on.ordinal], self.nodes[action.replica.ordinal]
        if self.busy and self.document.phase == "serving" and action.mode is Mode.STRICT_SYNC:
            return Outcome.BUSY
        main.registrations = [r for r in main.registrations if r.name != action.drop]
        if replica.reach != "ok" or replica.role is Role.MAIN:
            return Outcome.FAILED
        if replica.tail or replica.writes > main.writes:
            return Outcome.DIVERGED
        foreign = replica.writes > 0 and replica.database_uuid != main.database_uuid
        status = Status.INVALID if foreign else Status.READY
        main.registrations.append(Registration(action.name, action.address, action.mode, status))
        self._replicate(main)
        return Outcome.DONE

    def _replicate(self, main: Node) -> None:
        for row in main.registrations:
            ordinal = ordinal_of(row.name)
            assert ordinal is not None, "the plan names registrations by ordinal"
            node = self.nodes[ordinal]
            if node.reach == "ok" and node.role is Role.REPLICA and row.status is Status.READY:
                node.writes, node.marker, node.database_uuid = main.writes, main.marker, main.database_uuid

    def write(self) -> bool:
        """A client's write through the document: True if it was acknowledged."""
        main = self.nodes[self.document.master_index]
        if self.document.phase != "serving" or main.reach != "ok" or main.role is not Role.MAIN:
            return False
        strict = [r for r in main.registrations if r.mode is Mode.STRICT_SYNC]
        if any(self._row(main, r).status is not Status.READY for r in strict):
            return False
        main.writes += 1
        self._replicate(main)
        return True

    def restart(self, ordinal: int, *, new_pod: bool = False) -> None:
        """The process is another one: born a replica, its registrations gone, its data kept (P-N1, P-N2)."""
        node = self.nodes[ordinal]
        node.incarnation += 1
        node.role, node.registrations, node.reach, node.terminated = Role.REPLICA, [], "ok", False
        node.deleting = False
        if self.users is not None:
            node.users = dict.fromkeys(self.users.names, self.users.version)
        if new_pod:
            node.pod_uid = f"uid-{ordinal}-{node.incarnation}"
        for other in self.nodes:
            other.registrations = [
                replace(r, status=Status.INVALID) if ordinal_of(r.name) == ordinal else r for r in other.registrations
            ]

    def fail(self, ordinal: int, reach: str) -> None:
        """The instance can no longer be reached: refused, silent or gone."""
        node = self.nodes[ordinal]
        node.reach, node.silent_since = reach, self.now

    def restore(self, backup: Stored) -> None:
        """The ConfigMap is as it was once."""
        assert isinstance(backup, Found), "only a document can be restored"
        self.version += 1
        self.stored = replace(backup, resource_version=str(self.version))

    def damage(self) -> None:
        """Somebody wrote nonsense into the ConfigMap."""
        self.version += 1
        epoch = self.document.epoch
        self.stored = Malformed(("phase has the value 'x'",), str(self.version), epoch)


def serving(size: int = 3, policy: Policy | None = None) -> Toy:
    """A settled cluster: instance 0 is main, instance 1 its partner."""
    toy = Toy(size, policy)
    toy.settle()
    return toy


def healthy(toy: Toy) -> None:
    """One main, published and protected, everything else registered on it."""
    document = toy.document
    mains = [n.ordinal for n in toy.nodes if n.role is Role.MAIN and n.reach == "ok" and not n.terminated]
    assert mains == [document.master_index]
    assert document.phase is Phase.SERVING
    assert document.cut_kind is None
    main = toy.nodes[document.master_index]
    reachable = {n.ordinal for n in toy.nodes if n.reach == "ok" and not n.terminated} - {main.ordinal}
    registered = [ordinal_of(r.name) for r in main.registrations]
    assert len(registered) == len(set(registered))
    assert reachable <= set(registered)
    assert document.sync is not None
    strict = [r.name for r in main.registrations if r.mode is Mode.STRICT_SYNC]
    assert strict == [document.sync.registration]
    assert len(document.read_addresses) == len(reachable)
    assert main.marker is not None
    assert main.marker <= document.epoch
