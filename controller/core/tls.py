"""What sidecars are told of TLS follows what the controller itself uses; whether they cut, what the operator chose."""

from __future__ import annotations

from controller.core.actions import Plan
from controller.core.reasons import Reason
from controller.core.view import View


def publish_tls(view: View) -> Plan | None:
    """Publish another CA or server's name: a new epoch, so every sidecar dials anew.

    It comes right after the main was heard, by TLS as it is to be published: until then no client can reach it.
    """
    document, wanted = view.document, view.obs.tls
    if (document.tls_ca, document.tls_server_name) == (wanted.ca, wanted.server_name):
        return None
    named = wanted.server_name or "their addresses"
    message = "instances are spoken to without TLS"
    if wanted.ca or wanted.server_name:
        message = f"instances are spoken to by TLS; their certificates have to be for {named}"
    return view.publish(Reason.TLS_CHANGED, message, tls_ca=wanted.ca, tls_server_name=wanted.server_name)


def publish_cutting(view: View) -> Plan | None:
    """Publish whether a change of main ends connections. No new epoch: nothing that a connection leads to changes."""
    wanted = view.obs.policy.cut_on_change
    if view.document.cut_on_change == wanted:
        return None
    message = f"sidecars {'cut' if wanted else 'do not cut'} their connections when the main changes"
    return view.publish(Reason.CUTTING_CHANGED, message, cut_on_change=wanted)
