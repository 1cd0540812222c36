"""Whether a new pod would be injected: the webhook, its certificates, and a pod created as if."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from controller.core.fleet.pods import sidecar_of
from memgraph_ha.core.checks.facts import Facts, Finding, Level, Unknown, is_ready, own, unknown
from sidecar.contract import names
from webhook.core import pods as raw

_SOON_S: Final = 7 * 86400.0
"""The authority is renewed long before: a week before its end, something keeps that from happening."""


def webhook_runs(facts: Facts) -> Iterator[Finding]:
    """Without it, pods start without sidecars, silently."""
    if isinstance(facts.pods, Unknown):
        yield unknown("the webhook's pods", facts.pods)
    elif not any(is_ready(pod) for pod in own(facts, "webhook", names.COMPONENT_LABEL)):
        yield Finding(
            Level.ERROR, "no webhook pod is ready: new pods start without the sidecar",
            f"kubectl -n {facts.namespace} describe pods -l {_selector(facts, 'webhook')}",
        )  # fmt: skip


def certificates(facts: Facts) -> Iterator[Finding]:
    """The API server calls only a webhook that it trusts."""
    logs = f"kubectl -n {facts.namespace} logs -l {_selector(facts, 'webhook')}"
    if not facts.bundles:
        yield Finding(Level.ERROR, "the release has no MutatingWebhookConfiguration", "helm upgrade it")
    for bundle in facts.bundles:
        if bundle.ends is None:
            yield Finding(Level.ERROR, f"webhook {bundle.hook}: {bundle.problem}", logs)
        elif bundle.ends <= facts.now:
            yield Finding(Level.ERROR, f"webhook {bundle.hook}: the authority in its caBundle has run out", logs)
        elif bundle.ends - facts.now < _SOON_S:
            days = (bundle.ends - facts.now) / 86400
            yield Finding(Level.WARNING, f"webhook {bundle.hook}: its authority ends in {days:.1f} days", logs)


def trials(facts: Facts) -> Iterator[Finding]:
    """A pod created with dryRun in each labelled namespace: what is true of it is true of the next real one."""
    if isinstance(facts.clients, Unknown):
        yield unknown("labelled namespaces", facts.clients)
        return
    if not facts.clients:
        command = f"kubectl label namespace YOUR-NAMESPACE {names.INJECT_LABEL}={names.INJECT_ENABLED}"
        yield Finding(Level.WARNING, "no namespace is labelled for this release: nobody gets a sidecar", command)
    if facts.clients_left:
        yield Finding(
            Level.UNKNOWN, f"{facts.clients_left} more labelled namespaces were not looked at", "name some with -N"
        )
    for client in facts.clients:
        name, trial = client.namespace.name, client.trial
        if isinstance(trial, Unknown):
            yield unknown(f"a pod on trial in {name}", trial)
        elif trial.refusal:
            fix = f"change what refuses it; kubectl -n {name} describe resourcequota,limitrange"
            yield Finding(Level.ERROR, f"namespace {name} refuses a pod with a sidecar: {trial.refusal}", fix)
        elif raw.problem(trial.pod) is not None or sidecar_of(trial.pod) is None:
            said = "; ".join(trial.warnings) or "the API server can't reach it, or trusts it not"
            yield Finding(
                Level.ERROR, f"a new pod in {name} is not injected: {said}",
                "open the webhook's port (webhook.port, 10250) from the control plane to the nodes; "
                f"kubectl -n {facts.namespace} logs -l {_selector(facts, 'webhook')}",
            )  # fmt: skip


def _selector(facts: Facts, component: str) -> str:
    return f"{names.INSTANCE_LABEL}={facts.release},{names.COMPONENT_LABEL}={component}"
