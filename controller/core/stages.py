"""How long a change of the main took, stage by stage, and for how long there was none: from decisions and outcomes.

One tracker is fed with every plan before it is executed (`decided`) and with every outcome (`ended`), and says what to
count. Times are the caller's clock, in seconds. A leader that finishes a cut of another one knows its end only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from controller.core.actions import Action, Outcome, Plan, Promote, Publish
from controller.core.reasons import Reason
from sidecar.contract.state import CutKind, Document, Phase

SIGNS: Final = frozenset(
    {
        Reason.MAIN_UNHEARD,
        Reason.MAIN_POD_GONE,
        Reason.MAIN_TERMINATED,
        Reason.MAIN_RESTARTED,
        Reason.MAIN_IS_REPLICA,
        Reason.MAIN_REFUSES,
        Reason.MAIN_SILENT,
        Reason.NO_CANDIDATE,
    }
)
"""Reasons that say, while the document serves, that its main does not."""


class Kind(StrEnum):
    """What a cut turned out to be. PAUSE: planned, and the same main served again (an aborted switchover, `block`)."""

    FAILOVER = "failover"
    SWITCHOVER = "switchover"
    PAUSE = "pause"
    BOOTSTRAP = "bootstrap"


class Stage(StrEnum):
    """DETECT_TO_CUT begins with the first sign of trouble, or with the decision if there was none."""

    DETECT_TO_CUT = "detect_to_cut"
    CUT_TO_PROMOTED = "cut_to_promoted"
    PROMOTED_TO_PUBLISHED = "promoted_to_published"
    TOTAL = "total"


@dataclass(frozen=True, slots=True)
class Change:
    """A cut that ended: what it was, the reason it was made for, and what is known of its stages."""

    kind: Kind
    reason: Reason
    seconds: tuple[tuple[Stage, float], ...]


@dataclass(frozen=True, slots=True)
class Stages:
    """Where the present change is. `reason` is None while the document serves."""

    sign_at: float | None = None
    cut_at: float | None = None
    promoted_at: float | None = None
    reason: Reason | None = None
    kind: CutKind | None = None
    main_uid: str = ""
    """The main of before the cut."""
    without_since: float | None = None
    """There has been no main since then, as far as it was counted."""


def decided(stages: Stages, now: float, plan: Plan, document: Document | None) -> tuple[Stages, float]:
    """A plan was made for this document. Also: seconds without a main since the last look."""
    without = 0.0 if stages.without_since is None else max(0.0, now - stages.without_since)
    serving = document is not None and document.phase is Phase.SERVING
    served = serving and plan.reason not in SIGNS
    stages = replace(stages, without_since=None if served else now)
    if served:
        return Stages(), without
    if stages.sign_at is None:
        stages = replace(stages, sign_at=now)
    if document is not None and document.phase is Phase.CUT and stages.reason is None:
        # Another leader's cut: how it began is not known.
        stages = replace(stages, sign_at=None, reason=_reason(document), kind=document.cut_kind)
        stages = replace(stages, main_uid=document.main_uid)
    return stages, without


def ended(
    stages: Stages, now: float, action: Action, outcome: Outcome, before: Document | None, decided_at: float
) -> tuple[Stages, Change | None]:
    """An action ended like this; `before` is the document it was planned for. A change, if this was its end."""
    if outcome is not Outcome.DONE:
        return stages, None
    match action:
        case Promote():
            return replace(stages, promoted_at=now), None
        case Publish(document=document) if document.phase is Phase.CUT:
            return _cut(stages, now, document, before, decided_at), None
        case Publish(document=document) if stages.reason is not None:
            # What is left of the time without a main is counted at the next look, which comes at once.
            return Stages(without_since=stages.without_since), _changed(stages, now, stages.reason, document)
    return stages, None


def _cut(stages: Stages, now: float, document: Document, before: Document | None, decided_at: float) -> Stages:
    if stages.reason is not None:  # a new term, or a switchover that became a failover
        same = stages.kind is document.cut_kind
        return replace(stages, kind=document.cut_kind, reason=stages.reason if same else _reason(document))
    return replace(
        stages,
        sign_at=stages.sign_at if stages.sign_at is not None else decided_at,
        cut_at=now,
        promoted_at=None,
        reason=_reason(document),
        kind=document.cut_kind,
        main_uid=before.main_uid if before is not None else "",
        without_since=stages.without_since if stages.without_since is not None else now,
    )


def _changed(stages: Stages, now: float, reason: Reason, document: Document) -> Change:
    steps = [
        (Stage.DETECT_TO_CUT, stages.sign_at, stages.cut_at),
        (Stage.CUT_TO_PROMOTED, stages.cut_at, stages.promoted_at),
        (Stage.PROMOTED_TO_PUBLISHED, stages.promoted_at, now),
        (Stage.TOTAL, stages.sign_at if stages.cut_at is not None else None, now),
    ]
    known = tuple((stage, end - begin) for stage, begin, end in steps if begin is not None and end is not None)
    return Change(_kind(stages, reason, document), reason, known)


def _kind(stages: Stages, reason: Reason, document: Document) -> Kind:
    if reason in (Reason.BOOTSTRAP, Reason.ADOPTED):
        return Kind.BOOTSTRAP
    if stages.kind is CutKind.FAILOVER:
        return Kind.FAILOVER
    return Kind.SWITCHOVER if document.main_uid != stages.main_uid else Kind.PAUSE


def _reason(document: Document) -> Reason:
    try:
        return Reason(document.reason)
    except ValueError:
        return Reason.DOCUMENT_RESTORED  # written by a later version, whose words we do not know
