"""A leader that reaches no instance although they run gives way to one that may (P-F1)."""

from __future__ import annotations

from dataclasses import replace

from controller.core.actions import Plan, StepDown
from controller.core.memory import Memory
from controller.core.model import Instance, Observation
from controller.core.reasons import Reason


def note_heard(obs: Observation, memory: Memory) -> Memory:
    """Since when nobody has been heard of, while the API server says that somebody runs."""
    running = [i for i in obs.instances if i.pod is not None and i.pod.running and not i.pod.terminated]
    if not running or any(_heard(obs, instance) for instance in running):
        return replace(memory, unheard_since=None) if memory.unheard_since is not None else memory
    return replace(memory, unheard_since=obs.now) if memory.unheard_since is None else memory


def give_way(obs: Observation, memory: Memory) -> Plan | None:
    """Resign, if somebody else is ready to lead. The Lease's own rules keep this one away for a while."""
    since = memory.unheard_since
    if since is None or not obs.other_controllers or obs.now - since < obs.policy.lonely_s:
        return None
    message = f"no instance answers {obs.identity}, and another controller is ready: giving the lease up"
    return Plan(Reason.REACHES_NOBODY, message, StepDown(), 0.0, memory)


def _heard(obs: Observation, instance: Instance) -> bool:
    """A refused connection is an answer of its node: only silence says nothing."""
    return instance.refused > 0 or instance.denied or obs.answer(instance) is not None
