"""What the webhook would do with a pod today: the one place where the fleet and the command meet its core."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.contract import names
from webhook.core import inject, pods, trial
from webhook.core.model import Json, Namespace, Reason, Release


@dataclass(frozen=True, slots=True)
class Today:
    """`pod`: as it would be admitted, or None; then `reason` and `message` say why it stays without."""

    pod: Json | None
    reason: Reason
    message: str = ""
    warnings: tuple[str, ...] = ()


def today(pod: Json, namespace: Namespace, release: Release) -> Today:
    """For a pod that has no sidecar yet. Total over any JSON."""
    if not _asked(pod, namespace):
        word = f"{names.INJECT_LABEL}={names.INJECT_ENABLED}"
        return Today(None, Reason.NOT_ENABLED, f"neither the pod nor its namespace has the label {word}")
    decision = inject.inject(pod, namespace, release)
    if decision.reason is not Reason.INJECTED:
        return Today(None, decision.reason, decision.message, decision.warnings)
    return Today(trial.apply(pod, decision.patch), decision.reason, "", decision.warnings)


def _asked(pod: Json, namespace: Namespace) -> bool:
    """Whether the API server asks the webhook at all: by labels, as the chart's selectors have it."""
    if pods.problem(pod) is not None or namespace.labels is None:
        return True  # let its own core say what is wrong
    return namespace.enabled or pods.label(pod, names.INJECT_LABEL) == names.INJECT_ENABLED
