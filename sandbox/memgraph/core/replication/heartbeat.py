"""The main's side between commits: the 1 s check of a replica, its heartbeat and the judgement over it (M-3.4, 3.6)."""

from __future__ import annotations

from typing import Final

from sandbox.memgraph.core.effects import Sleep, Steps, Until
from sandbox.memgraph.core.instance import Instance, Mode, Registration, Status
from sandbox.memgraph.core.messages import Answer, Heartbeat, Lost, Ping, SystemRecovery
from sandbox.memgraph.core.replication import line, recovery
from sandbox.memgraph.core.storage.epochs import Verdict

PING_TIMEOUT_S: Final = 5.0
HEARTBEAT_TIMEOUT_S: Final = 10.0
SYSTEM_TIMEOUT_S: Final = 30.0
ASYNC_PATIENCE_S: Final = 5.0
"""An ASYNC replica's heartbeat gives up if the line isn't free by then: the commit that holds it may wait for it."""
STRIKES: Final = 3
"""Exactly this many failed pings in a row make a replica invalid; further ones change nothing."""


def check(instance: Instance, replica: Registration) -> Steps[None]:
    """Ping for ever; a replica that is invalid and answers gets a heartbeat. Frequency 0: no checks at all."""
    frequency = instance.settings.check_frequency_s
    while frequency > 0 and line.stands(instance, replica):
        yield Sleep(frequency)
        answer = yield from line.ask(replica, Ping(), PING_TIMEOUT_S)
        if isinstance(answer, Lost):
            replica.failures += 1
            if replica.failures == STRIKES:  # whatever its state: also one in recovery, also a diverged one
                replica.status = Status.INVALID
                replica.unaligned = True
            continue
        replica.failures = 0
        if replica.unaligned:
            yield from align(instance, replica)
        if replica.status is Status.INVALID:
            yield from queue_heartbeat(instance, replica)


def align(instance: Instance, replica: Registration) -> Steps[None]:
    """Offer the database's identity: an empty replica takes it, one with other data refuses for ever."""
    request = SystemRecovery(instance.main_uuid, instance.database_uuid)
    answer = yield from line.ask(replica, request, SYSTEM_TIMEOUT_S)
    replica.unaligned = not (isinstance(answer, Answer) and answer.ok)


def queue_heartbeat(instance: Instance, replica: Registration) -> Steps[None]:
    """Have the replica asked where it stands. One such question waits at a time: a second would learn nothing more."""
    if not replica.checking:
        replica.checking = True
        yield from line.enqueue(instance, replica, _recheck(instance, replica))


def _recheck(instance: Instance, replica: Registration) -> Steps[None]:
    replica.checking = False
    yield from heartbeat(instance, replica)


def heartbeat(instance: Instance, replica: Registration) -> Steps[Verdict | None]:
    """Ask for the position and judge it; a lagging replica's recovery is queued. None: no or a refusing answer."""
    patience = ASYNC_PATIENCE_S if replica.mode is Mode.ASYNC else None
    request = Heartbeat(instance.main_uuid, instance.database_uuid)
    answer = yield from line.ask(replica, request, HEARTBEAT_TIMEOUT_S, patience_s=patience)
    if answer is None or not line.stands(instance, replica):
        return None
    if isinstance(answer, Lost):
        replica.status = Status.INVALID
        return None
    if not answer.ok:
        replica.unaligned = True  # its status stays what it was
        return None
    if not instance.settings.compat.heartbeat_only_advances:
        replica.ts = answer.ldt
    if instance.epochs.judge(instance.ldt, answer.epoch, answer.ldt) is Verdict.DIVERGED:
        replica.status = Status.DIVERGED
        return Verdict.DIVERGED
    if instance.committing:
        yield Until(lambda: not instance.committing)
    if replica.status is Status.RECOVERY or not line.stands(instance, replica):
        return None
    if instance.settings.compat.heartbeat_only_advances:
        replica.ts = max(replica.ts, answer.ldt)
    if answer.ldt >= instance.ldt:
        replica.status = Status.READY
        return Verdict.READY
    replica.status = Status.RECOVERY
    yield from line.enqueue(instance, replica, recovery.recover(instance, replica, answer.ldt))
    return Verdict.BEHIND
