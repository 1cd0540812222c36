"""A leader begins by raising `term` (P-W2), and never lets the epoch fall behind one it knows (P-W4)."""

from __future__ import annotations

from dataclasses import replace

from controller.core.actions import Plan, Publish, StepDown
from controller.core.memory import Memory
from controller.core.model import Found, Malformed, Observation
from controller.core.reasons import Reason
from controller.core.view import View
from sidecar.contract.state import Phase


def begin_term(view: View) -> Plan | None:
    """The first compare-and-swap of a new leader; before it succeeded, no database gets a command."""
    mine, theirs = view.memory.term, view.document.term
    if mine == theirs:
        return None
    if mine is not None and theirs > mine:
        return view.plan(Reason.SUPERSEDED, f"term {theirs} began elsewhere: giving up term {mine}", StepDown())
    term = max(theirs, mine or 0, view.obs.lease_term) + 1
    message = f"term {term} begins: {view.obs.identity} leads"
    document = view.signed(replace(view.document, term=term), Reason.TERM_BEGUN, message)
    return view.plan(Reason.TERM_BEGUN, message, Publish(document, view.resource_version), 0.0)


def settle_write(view: View) -> Plan | None:
    """P-W1: a write without an answer may still be on its way: another one must win against it first.

    Otherwise a partner that was dropped meanwhile would be recorded late.
    """
    if not view.memory.write_unanswered:
        return None
    message = "the answer to the last write never came: writing again, so that it cannot arrive late"
    return view.publish(Reason.WRITE_SETTLED, message)


def went_back(obs: Observation, memory: Memory, found: Found) -> tuple[Malformed, Memory] | None:
    """P-W4: the store went back in time (a restored backup): its main and its partner are as old as its epoch.

    Such a document says no more than a malformed one (P-W5, P-B1). The second item is what this leader still knows: its
    own last document counts only if nobody published a later one.
    """
    document = found.document
    if memory.term is not None and document.term > memory.term:
        return None  # another leader's: not ours to mend
    ahead = 1 if document.phase is Phase.CUT else 0
    markers = [i.answer.marker - ahead for i in obs.instances if i.answer and i.answer.marker is not None]
    remembered = memory.document.epoch if memory.term is not None and memory.document else 0
    known = max([obs.lease_epoch, remembered, *markers])
    if document.epoch >= known:
        return None
    problem = f"its epoch {document.epoch} is behind {known}, which was published before"
    kept = memory if remembered == known else replace(memory, document=None)
    return Malformed((problem,), found.resource_version, document.epoch, document.term), kept
