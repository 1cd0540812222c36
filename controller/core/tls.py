"""What sidecars are told of TLS follows what the controller itself uses."""

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
