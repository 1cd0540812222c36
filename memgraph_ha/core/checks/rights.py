"""Whether the API server lets our programs do what they have to, by asking it (SubjectAccessReview)."""

from __future__ import annotations

from collections.abc import Iterator

from memgraph_ha.core.checks.facts import Facts, Finding, Level, Right, Unknown, unknown
from sidecar.contract import names

_RBAC = "rbac.authorization.k8s.io"


def needed(release: str, *, own_certificates: bool = True) -> tuple[Right, ...]:
    """One right of each kind: who took away one rule of a Role took it whole. Without `own_certificates`, somebody else
    keeps the webhook's."""
    state = names.state_config_map(release)
    certificates = (
        Right("webhook", "get", "secrets", name=f"{release}-webhook-ca"),
        Right("webhook", "patch", "mutatingwebhookconfigurations", "admissionregistration.k8s.io", release),
    )
    return (
        Right("controller", "update", "configmaps", name=state),
        Right("controller", "update", "leases", "coordination.k8s.io", names.lease(release)),
        Right("controller", "delete", "pods"),
        Right("controller", "patch", "pods/status"),
        Right("webhook", "get", "namespaces"),
        *(certificates if own_certificates else ()),
    )


def programs(facts: Facts) -> Iterator[Finding]:
    """The controller's and the webhook's accounts."""
    for right, allowed in facts.rights.items():
        account = f"{facts.release}-{right.account}"
        if isinstance(allowed, Unknown):
            yield unknown(f"whether {account} may {right}", allowed)
            return  # the others have the same reason
        if not allowed:
            yield Finding(Level.ERROR, f"service account {account} may not {right}", "helm upgrade the release")


def sidecars(facts: Facts) -> Iterator[Finding]:
    """A sidecar that may not read the document knows no main."""
    for client in facts.clients if not isinstance(facts.clients, Unknown) else ():
        name = client.namespace.name
        if isinstance(client.may_read, Unknown):
            yield unknown(f"whether sidecars in {name} may read the document", client.may_read)
        elif not client.may_read:
            labelled = client.namespace.enabled
            role = names.sidecar_role(facts.release)
            by_label = "look at the leading controller's log" if labelled else "the label will bring it"
            yield Finding(
                Level.ERROR if labelled else Level.WARNING,
                f"sidecars in {name} may not read ConfigMap {names.state_config_map(facts.release)}"
                f"{'' if labelled else ' yet'}",
                f"with rbac.clientAccess perNamespace, {by_label}; else kubectl -n "
                f"{facts.namespace} create rolebinding {role}-{name} --role={role} "
                f"--group=system:serviceaccounts:{name}",
            )  # fmt: skip
