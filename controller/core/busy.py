"""A main too busy to get a partner while it serves: a moment without writes gives it one (P-S5)."""

from __future__ import annotations

from controller.core.actions import Plan
from controller.core.model import Instance
from controller.core.reasons import Reason
from controller.core.view import View, name_of
from sidecar.contract.state import CutKind, Phase

_TRIES = 2
"""Each may refuse writes for `strict_wait_s`, or wait that long for the lock: a third would cost more than the cut."""
_CUT_EVERY_S = 60.0
"""P-S5: a partner is not worth more than one pause a minute."""


def too_busy(view: View) -> bool:
    """Whether making a partner while clients write has failed often enough."""
    return view.memory.strict_tries >= _TRIES


def cut_for_partner(view: View, replica: Instance) -> Plan | None:
    """Cut the clients for a moment; whoever finishes the cut registers the replica then. None: not again so soon."""
    last, now = view.memory.partner_cut_at, view.obs.now
    if last is not None and now - last < _CUT_EVERY_S:
        return None
    message = f"{view.document.main_pod} is too busy to make {name_of(replica)} its partner: cutting the clients for it"
    view = view.remember(partner_cut_at=now, strict_tries=0)
    return view.publish(Reason.PARTNER_CUT, message, phase=Phase.CUT, cut_kind=CutKind.PLANNED)
