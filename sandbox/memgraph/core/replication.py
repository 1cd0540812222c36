"""The main's side between commits: the 1 s check of a replica, its heartbeat, its recovery."""

from __future__ import annotations

from typing import Final

from sandbox.memgraph.core.effects import Call, Sleep, Spawn, Steps
from sandbox.memgraph.core.epochs import Verdict
from sandbox.memgraph.core.instance import Instance, Registration, Role, Status
from sandbox.memgraph.core.messages import Answer, Heartbeat, Lost, Ping, Snapshot, WalFiles

PING_TIMEOUT_S: Final = 5.0
HEARTBEAT_TIMEOUT_S: Final = 10.0
WAL_TIMEOUT_S: Final = 30.0
SNAPSHOT_TIMEOUT_S: Final = 60.0
STRIKES: Final = 3
"""Exactly this many failed pings in a row make a replica invalid; further ones change nothing."""
BATCH: Final = 1000
"""Commits a WAL message carries at most: bounds a message's size, and its timeout is per message."""


def current(instance: Instance, replica: Registration) -> bool:
    """Whether this registration still stands (it may have been dropped while an answer was awaited)."""
    return instance.role is Role.MAIN and instance.replicas.get(replica.name) is replica


def check(instance: Instance, replica: Registration) -> Steps[None]:
    """Ping for ever; a replica that is invalid and answers gets a heartbeat. Frequency 0: no checks at all."""
    frequency = instance.settings.check_frequency_s
    while frequency > 0 and current(instance, replica):
        yield Sleep(frequency)
        answer = yield Call(replica.address, Ping(), PING_TIMEOUT_S)
        if isinstance(answer, Lost):
            replica.failures += 1
            if replica.failures == STRIKES and replica.status is not Status.RECOVERY:
                replica.status = Status.INVALID
            continue
        replica.failures = 0
        if replica.status is Status.INVALID:
            yield from heartbeat(instance, replica)


def heartbeat(instance: Instance, replica: Registration) -> Steps[Verdict | None]:
    """Ask for the position and judge it; a lagging replica's recovery is started. None: no or a refusing answer."""
    if replica.checking:
        return None
    replica.checking = True
    try:
        answer = yield Call(replica.address, Heartbeat(instance.main_uuid), HEARTBEAT_TIMEOUT_S)
    finally:
        replica.checking = False
    if not current(instance, replica):
        return None
    if isinstance(answer, Lost) or not answer.ok:
        replica.status = Status.INVALID
        return None
    assert isinstance(answer, Answer)
    verdict = instance.epochs.judge(instance.ldt, answer.epoch, answer.ldt)
    if not instance.settings.compat.heartbeat_only_advances:
        replica.ts = answer.ldt
    elif verdict is not Verdict.DIVERGED:
        replica.ts = max(replica.ts, answer.ldt)
    if verdict is Verdict.DIVERGED:
        replica.status = Status.DIVERGED
    elif verdict is Verdict.READY:
        replica.status = Status.READY
    else:
        replica.status = Status.RECOVERY
        yield Spawn(replica, recover(instance, replica, answer.ldt))
    return verdict


def recheck(instance: Instance, replica: Registration) -> Steps[None]:
    """The heartbeat that a commit queues for an invalid replica."""
    if current(instance, replica) and replica.status is Status.INVALID:
        yield from heartbeat(instance, replica)


def recover(instance: Instance, replica: Registration, position: int) -> Steps[None]:
    """Ship what is missing: commits if the log reaches back, else everything. Later commits wait for a next turn.

    `position` is the replica's own; what the main shows of it (`ts`) changes only at the end.
    """
    target = instance.ldt
    while True:
        commits = instance.commits_after(position)
        request: WalFiles | Snapshot
        if commits is None:
            request, timeout = Snapshot(instance.main_uuid, instance.dump()), SNAPSHOT_TIMEOUT_S
        else:
            request = WalFiles(instance.main_uuid, instance.database_uuid, commits[:BATCH])
            timeout = WAL_TIMEOUT_S
        before = position
        answer = yield Call(replica.address, request, timeout)
        if not current(instance, replica):
            return
        if isinstance(answer, Lost) or not answer.ok:
            replica.ts, replica.status = position, Status.INVALID
            return
        position = answer.ldt
        if position >= target or position <= before:
            break
    replica.ts = position
    replica.status = Status.READY if instance.ldt <= replica.ts else Status.INVALID
