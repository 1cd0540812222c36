"""What the webhook would do with a pod today: the one place where the fleet and the command meet its core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from webhook.core import decide, patch
from webhook.core.model import Inject, Json, Namespace, Reason, Release, Skip


@dataclass(frozen=True, slots=True)
class Today:
    """`pod`: as it would be admitted, or None; then `reason` and `message` say why it stays without."""

    pod: Json | None
    reason: Reason
    message: str = ""
    warnings: tuple[str, ...] = ()


def today(pod: Json, namespace: Namespace, release: Release) -> Today:
    """For a pod that has no sidecar yet. Total over any JSON."""
    decision = decide.decide(pod, namespace, release)
    match decision:
        case Skip(reason, message, warnings):
            return Today(None, reason, message, warnings)
        case Inject(warnings):
            try:
                done: Any = patch.apply(pod, patch.build(pod, release))
            except patch.BadPatch as error:
                return Today(None, Reason.INTERNAL_ERROR, str(error), warnings)
            return Today(done, Reason.INJECTED, "", warnings)
