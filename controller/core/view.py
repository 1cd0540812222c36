"""One observation and one memory, looked at together: the questions every rule asks."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Final

from controller.core.actions import Action, Plan, Publish, Target
from controller.core.memory import Memory
from controller.core.model import Answer, Instance, Mode, Observation, Registration, Role, Status
from controller.core.reasons import Reason
from sidecar.contract.state import Document, Phase, advance

_NAME: Final = re.compile(r"memgraph_(\d+)_t\d+_\d+")


@dataclass(frozen=True, slots=True)
class View:
    """A valid document, and everything seen and remembered around it."""

    obs: Observation
    memory: Memory
    document: Document
    resource_version: str

    @property
    def main(self) -> Instance:
        """The ordinal the document names; whether it is still that pod is another question."""
        return self.obs.instance(self.document.master_index)

    @property
    def main_answer(self) -> Answer | None:
        """The fresh answer of the recorded main, if it is still the recorded pod and says it is main."""
        pod = self.main.pod
        if pod is None or pod.uid != self.document.main_uid or not self.is_our_main(self.main):
            return None
        return self.obs.answer(self.main)

    def is_our_main(self, instance: Instance) -> bool:
        """Whether it freshly says that it is main of the recorded database (P-F9).

        At an address that a pod has lost, another cluster's main may answer before the watch tells of it: a REGISTER
        there would hand our replicas over to a stranger's data.
        """
        return self.is_ours(instance, Role.MAIN)

    def is_ours(self, instance: Instance, role: Role) -> bool:
        """Whether it freshly says that it has this role, and holds the recorded database."""
        answer = self.obs.answer(instance)
        return answer is not None and answer.role is role and answer.database_uuid == self.document.database_uuid

    def answers(self, instance: Instance, role: Role) -> bool:
        """Whether this instance freshly says that it has this role."""
        answer = self.obs.answer(instance)
        return answer is not None and answer.role is role

    def partner(self) -> Instance | None:
        """The recorded sync partner, if its pod is still on the recorded volume (P-F3)."""
        sync = self.document.sync
        if sync is None:
            return None
        instance = self.obs.instance(sync.ordinal)
        return instance if instance.pod is not None and instance.pod.volume == sync.volume else None

    def remember(self, **changes: Any) -> View:
        """The same view with a changed memory."""
        return replace(self, memory=replace(self.memory, **changes))

    def plan(self, reason: Reason, message: str, action: Action | None = None, wake_after: float = 0.5) -> Plan:
        """A plan that carries this view's memory."""
        return Plan(reason, message, action, wake_after, self.memory)

    def wait(self, reason: Reason, message: str, seconds: float, *ask: int) -> Plan:
        """A plan without an action: look again after this long, at these instances anew."""
        return Plan(reason, message, None, seconds, self.memory, ask)

    def publish(self, reason: Reason, message: str, **changes: Any) -> Plan:
        """A plan that publishes the document with these changes; the epoch follows from them."""
        successor = advance(self.document, **changes)
        return self.plan(reason, message, Publish(self.signed(successor, reason, message), self.resource_version))

    def signed(self, document: Document, reason: Reason, message: str) -> Document:
        """The document with who wrote it, when and why."""
        return replace(
            document,
            reason=reason.value,
            message=message,
            writer=self.obs.identity,
            updated_at=self.obs.updated_at,
        )


def target(instance: Instance) -> Target:
    """The instance as an action's target. It must have a pod."""
    assert instance.pod is not None, f"instance {instance.ordinal} has no pod to act on"
    return Target(instance.ordinal, instance.pod)


def name_of(instance: Instance) -> str:
    """What messages call an instance."""
    return instance.pod.name if instance.pod else f"instance {instance.ordinal}"


def ordinal_of(name: str) -> int | None:
    """The ordinal a registration name of ours was made for."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else None


def registration(answer: Answer, name: str) -> Registration | None:
    """The main's row with this registration name."""
    return next((row for row in answer.registrations or () if row.name == name), None)


def row_of(answer: Answer, ordinal: int) -> Registration | None:
    """The main's row for this ordinal, under whatever name."""
    return next((row for row in answer.registrations or () if ordinal_of(row.name) == ordinal), None)


def diverged(view: View, instance: Instance, main: Instance) -> bool:
    """Whether this process is known to hold commits that this main never had (M-3.4)."""
    if instance.pod is None or main.pod is None:
        return False
    between = (instance.pod.incarnation, main.pod.incarnation)
    return view.memory.diverged.get(instance.ordinal) == between


def identity_of(instance: Instance, answer: Answer) -> dict[str, Any]:
    """The document's main… keys for this instance."""
    assert instance.pod is not None, "only a running pod can be published"
    return {
        "master_index": instance.ordinal,
        "main_pod": instance.pod.name,
        "main_uid": instance.pod.uid,
        "main_address": instance.pod.bolt_address,
        "main_volume": instance.pod.volume,
        "database_uuid": answer.database_uuid,
    }


def readers(view: View, main: Instance, answer: Answer) -> tuple[str, ...]:
    """Addresses of the replicas that stream from this main now, for read connections."""
    addresses = []
    for row in answer.registrations or ():
        ordinal = ordinal_of(row.name)
        instance = view.obs.instance(ordinal) if ordinal is not None else None
        if instance is None or instance.pod is None or instance.ordinal == main.ordinal or instance.pod.deleting:
            continue
        if not instance.pod.ip:  # a new pod, while the main's row still speaks of the one before (O-F22)
            continue
        if row.streams or _lags_for_a_moment(view, instance, row):
            addresses.append((instance.ordinal, instance.pod.bolt_address))
    return tuple(address for _, address in sorted(set(addresses)))


def _lags_for_a_moment(view: View, instance: Instance, row: Registration) -> bool:
    """A published reader whose lag comes and goes: taking it away would close its connections each time."""
    pod, at = instance.pod, view.memory.streamed_at.get(instance.ordinal)
    if pod is None or at is None or row.status not in (Status.RECOVERY, Status.INVALID):
        return False
    published = pod.bolt_address in view.document.read_addresses
    answers = view.answers(instance, Role.REPLICA)
    return published and answers and view.obs.now - at < view.obs.policy.reader_grace_s


def without_readers(view: View, *candidates: Instance) -> tuple[str, ...]:
    """The published read addresses without those that may be promoted (P-F4)."""
    gone = {candidate.pod.bolt_address for candidate in candidates if candidate.pod}
    return tuple(address for address in view.document.read_addresses if address not in gone)


def serving(view: View) -> bool:
    """Whether the document lets clients in."""
    return view.document.phase is Phase.SERVING


def strict(row: Registration) -> bool:
    """Whether commits wait for this registration."""
    return row.mode is Mode.STRICT_SYNC
