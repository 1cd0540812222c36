"""What every client connection is made under, by the operator's choice, kept in the document (docs/safety.md)."""

from __future__ import annotations

from typing import Any

from controller.core.actions import Plan
from controller.core.model import Observation
from controller.core.reasons import Reason
from controller.core.view import View
from sidecar.contract.state import Document

_WORDS = {
    "tls_ca": "the authority that vouches for the instances",
    "tls_server_name": "the name in their certificates",
    "cut_on_change": "whether a change of main ends connections",
}


def keep_terms(view: View) -> Plan | None:
    """Publish the chosen terms where the document has others. Other TLS is another epoch: everybody is cut once."""
    changes = changed_terms(view.obs, view.document)
    if not changes:
        return None
    what = ", ".join(word for name, word in _WORDS.items() if name in changes)
    return view.publish(Reason.TERMS_CHANGED, f"changed: {what}", **changes)


def changed_terms(obs: Observation, document: Document) -> dict[str, Any]:
    """The document's keys that are not as chosen, as they should be."""
    if obs.terms is None:
        return {}
    chosen = {name: getattr(obs.terms, name) for name in _WORDS}
    return {name: value for name, value in chosen.items() if getattr(document, name) != value}
