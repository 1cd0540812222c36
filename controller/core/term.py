"""A leader begins by raising `term` (P-W2), and never lets the epoch fall behind one it knows (P-W4)."""

from __future__ import annotations

from dataclasses import replace

from controller.core.actions import Plan, Publish, StepDown
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


def raise_epoch(view: View) -> Plan | None:
    """P-W4: the store went back in time (a restored backup). Its partner is as old as its epoch: not to be trusted."""
    ahead = 1 if view.document.phase is Phase.CUT else 0
    markers = [i.answer.marker - ahead for i in view.obs.instances if i.answer and i.answer.marker is not None]
    remembered = view.memory.document.epoch if view.memory.document else 0
    known = max([view.obs.lease_epoch, remembered, *markers])
    if view.document.epoch >= known:
        return None
    return view.publish(
        Reason.EPOCH_RAISED,
        f"the document's epoch {view.document.epoch} is behind {known}, which was published before",
        epoch=known + 1,
        sync=None,
    )
