"""Named situations that some seed must reach: what no seed reached, no seed has tested.

They are read off what controllers decide and what becomes of their actions, never off the scenario that ran.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from controller.core.actions import Action, Outcome, Publish
from controller.core.reasons import Reason
from sidecar.contract.state import CutKind, Document, Phase


class Situation(StrEnum):
    """The closed list."""

    SECOND_FAILOVER = "second failover while the first is pending"
    LEADER_CHANGE_IN_CUT = "leader change during a cut"
    LEADER_CHANGE_IN_SWITCHOVER = "leader change during a planned cut"
    PROMOTION_UNANSWERED = "promotion unanswered"
    DEMOTION_UNANSWERED = "demotion unanswered"
    REGISTRATION_UNANSWERED = "registration unanswered"
    DIVERGED = "replica diverged"
    ANSWER_READ_BACK = "publication's answer lost and read back"
    ANSWER_UNKNOWN = "publication's answer lost and not read back"
    PUBLICATION_LOST_RACE = "publication refused: somebody else wrote first"
    POD_GONE = "failover: main's pod gone"
    TERMINATED = "failover: main's process ended"
    RESTARTED = "failover: main restarted unseen"
    IS_REPLICA = "failover: main says replica"
    REFUSES = "failover: main refuses connections"
    SILENT = "failover: main silent"
    OLD_MAIN_AGAIN = "old main published again"
    UNPROTECTED_MAIN = "new main published without a partner"
    SWITCHOVER_DONE = "switchover done"
    SWITCHOVER_ABORTED = "switchover aborted"
    SWITCHOVER_BECAME_FAILOVER = "switchover became failover"
    SWITCHOVER_REFUSED = "switchover refused"
    PARTNER_LOST = "partner lost"
    PARTNER_LAGS = "lost finalize seen"
    PARTNER_CHANGED = "partner handed over"
    HUNG_DELETED = "hung instance deleted"
    STEPPED_DOWN = "a leader stepped down: superseded, or it reached nobody"
    PARTNER_CUT = "busy main cut for a partner"
    RESEEDED = "diverged replica begun anew"
    NO_CANDIDATE = "main lost and nobody may take over"
    RESTORED = "document restored"
    MENDED = "document mended"
    ADOPTED = "rebuilt around what is there"
    PERSON_ASKED = "a person has to decide"


PROBES: Final[tuple[str, ...]] = tuple(Situation)

_OF_REASON: Final = {
    Reason.MAIN_POD_GONE: Situation.POD_GONE,
    Reason.MAIN_TERMINATED: Situation.TERMINATED,
    Reason.MAIN_RESTARTED: Situation.RESTARTED,
    Reason.MAIN_IS_REPLICA: Situation.IS_REPLICA,
    Reason.MAIN_REFUSES: Situation.REFUSES,
    Reason.MAIN_SILENT: Situation.SILENT,
    Reason.OLD_MAIN_PUBLISHED: Situation.OLD_MAIN_AGAIN,
    Reason.SWITCHOVER_ABORTED: Situation.SWITCHOVER_ABORTED,
    Reason.SWITCHOVER_BECAME_FAILOVER: Situation.SWITCHOVER_BECAME_FAILOVER,
    Reason.PARTNER_LOST: Situation.PARTNER_LOST,
    Reason.PARTNER_LAGS: Situation.PARTNER_LAGS,
    Reason.PARTNER_CHANGED: Situation.PARTNER_CHANGED,
    Reason.PARTNER_CUT: Situation.PARTNER_CUT,
    Reason.DOCUMENT_RESTORED: Situation.RESTORED,
    Reason.DOCUMENT_MENDED: Situation.MENDED,
    Reason.ADOPTED: Situation.ADOPTED,
}
_OF_EVENT: Final = {
    Reason.NO_CANDIDATE: Situation.NO_CANDIDATE,
    Reason.RESEEDED: Situation.RESEEDED,
    Reason.SWITCHOVER_REFUSED: Situation.SWITCHOVER_REFUSED,
}
_OF_ACTION: Final = {
    ("Promote", Outcome.UNKNOWN): Situation.PROMOTION_UNANSWERED,
    ("Demote", Outcome.UNKNOWN): Situation.DEMOTION_UNANSWERED,
    ("Register", Outcome.UNKNOWN): Situation.REGISTRATION_UNANSWERED,
    ("Register", Outcome.DIVERGED): Situation.DIVERGED,
    ("Publish", Outcome.UNKNOWN): Situation.ANSWER_UNKNOWN,
    ("Publish", Outcome.CONFLICT): Situation.PUBLICATION_LOST_RACE,
    ("DeletePod", Outcome.DONE): Situation.HUNG_DELETED,
    ("StepDown", Outcome.DONE): Situation.STEPPED_DOWN,
}


def of_event(reason: str) -> Situation | None:
    """What is only told to people, and not published."""
    return _OF_EVENT.get(Reason(reason))


class Witness:
    """Counts the situations as they come about."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._unanswered: set[str] = set()
        self._promoted: set[str] = set()

    def published(self, old: Document | None, new: Document) -> None:
        """A controller's compare-and-swap succeeded."""
        situation = _OF_REASON.get(Reason(new.reason)) if new.reason else None
        if situation is not None:
            self._counts[situation] += 1
        if old is not None and old.phase is Phase.CUT and new.phase is Phase.CUT and new.term > old.term:
            planned = new.cut_kind is CutKind.PLANNED
            self._counts[Situation.LEADER_CHANGE_IN_SWITCHOVER if planned else Situation.LEADER_CHANGE_IN_CUT] += 1
        if new.phase is Phase.SERVING and old is not None and old.phase is Phase.CUT:
            self._opened(old, new)

    def _opened(self, old: Document, new: Document) -> None:
        self._promoted.clear()
        if new.main_uid == old.main_uid:
            return
        if new.sync is None:
            self._counts[Situation.UNPROTECTED_MAIN] += 1
        if old.cut_kind is CutKind.PLANNED:
            self._counts[Situation.SWITCHOVER_DONE] += 1

    def arrived(self, name: str, query: str) -> None:
        """A command reached an instance."""
        if query.startswith("SET REPLICATION ROLE TO MAIN"):
            if self._promoted - {name}:
                self._counts[Situation.SECOND_FAILOVER] += 1
            self._promoted.add(name)

    def lost_answer(self, who: str) -> None:
        """The answer to a publication never came."""
        self._unanswered.add(who)

    def acted(self, who: str, action: Action, outcome: Outcome) -> None:
        """An action ended."""
        situation = _OF_ACTION.get((type(action).__name__, outcome))
        if situation is not None:
            self._counts[situation] += 1
        if isinstance(action, Publish):
            if who in self._unanswered and outcome is Outcome.DONE:
                self._counts[Situation.ANSWER_READ_BACK] += 1
            self._unanswered.discard(who)


def unreached(seen: Counter[str], scenarios: Iterable[str]) -> list[str]:
    """The ones that never happened, and the scenarios ("4a", "16") whose decisive point no seed came to."""
    wanted = (*PROBES, *(f"scenario {number} reached" for number in scenarios))
    return [name for name in wanted if not seen[name]]
