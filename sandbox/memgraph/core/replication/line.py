"""The one connection a main has to a replica: who holds it, and the replica's queue of tasks.

Memgraph has one RPC client a replica, guarded by one mutex, and one thread that carries out its tasks. So a ping waits
while a commit waits for a hung replica, and a commit waits while a ping hangs (M-3.6; its `rpc/client.hpp`,
`replication/replication_client.hpp`).
"""

from __future__ import annotations

from sandbox.memgraph.core.effects import Call, Spawn, Steps, Until
from sandbox.memgraph.core.instance import Instance, Registration, Role
from sandbox.memgraph.core.messages import Answer, Lost, Request


def stands(instance: Instance, replica: Registration) -> bool:
    """Whether this registration still stands (it may have been dropped while an answer was awaited)."""
    return instance.role is Role.MAIN and instance.replicas.get(replica.name) is replica


def take(replica: Registration, timeout_s: float | None = None) -> Steps[bool]:
    """Take the line; False: somebody else held it for `timeout_s`. Whoever took it sets `line` to False again."""
    if replica.line:
        free = yield Until(lambda: not replica.line, timeout_s)
        if not free:
            return False
    replica.line = True
    return True


def ask(
    replica: Registration, request: Request, timeout_s: float, *, patience_s: float | None = None
) -> Steps[Answer | Lost | None]:
    """One RPC, alone. None: the line wasn't free within `patience_s`."""
    taken = yield from take(replica, patience_s)
    if not taken:
        return None
    try:
        answer: Answer | Lost = yield Call(replica.address, request, timeout_s)
        return answer
    finally:
        replica.line = False


def enqueue(instance: Instance, replica: Registration, task: Steps[None]) -> Steps[None]:
    """Have a task carried out after the replica's earlier ones."""
    replica.tasks.append(task)
    if not replica.working:
        replica.working = True
        yield Spawn(replica, _work(instance, replica))


def _work(instance: Instance, replica: Registration) -> Steps[None]:
    try:
        while replica.tasks and stands(instance, replica):
            yield from replica.tasks.popleft()
    finally:
        replica.working = False
