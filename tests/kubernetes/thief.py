"""What somebody who got hold of a sidecar's token would try."""

from __future__ import annotations


def attempts(ns: str, apps: str) -> dict[str, tuple[str, str, dict[str, str]]]:
    """Method, path and query of each. The release is named like its namespace `ns`; the token is of `apps`."""
    own, maps, name = f"/api/v1/namespaces/{apps}", f"/api/v1/namespaces/{ns}/configmaps", f"{ns}-state"
    state = f"metadata.name={name}"
    tries: dict[str, tuple[str, str, dict[str, str]]] = {
        "another ConfigMap": ("GET", f"{maps}/{ns}-init", {}),
        "a ConfigMap that is not there": ("GET", f"{maps}/nothing", {}),
        "all ConfigMaps": ("GET", maps, {}),
        "a watch of all ConfigMaps": ("GET", maps, {"watch": "1", "timeoutSeconds": "1"}),
        "a watch of another ConfigMap": ("GET", maps, {"watch": "1", "fieldSelector": f"metadata.name={ns}-init"}),
        "a watch of all but its own": ("GET", maps, {"watch": "1", "fieldSelector": f"metadata.name!={name}"}),
        "the ConfigMaps of all namespaces": ("GET", "/api/v1/configmaps", {"fieldSelector": state}),
        "writing the document": ("PUT", f"{maps}/{name}", {}),
        "patching the document": ("PATCH", f"{maps}/{name}", {}),
        "deleting the document": ("DELETE", f"{maps}/{name}", {}),
        "making a ConfigMap": ("POST", maps, {}),
        "its own namespace's ConfigMaps": ("GET", f"{own}/configmaps", {}),
        "the nodes": ("GET", "/api/v1/nodes", {}),
        "the namespaces": ("GET", "/api/v1/namespaces", {}),
        "its own namespace": ("GET", own, {}),
        "a token for itself": ("POST", f"{own}/serviceaccounts/default/token", {}),
        "a token for the controller": ("POST", f"/api/v1/namespaces/{ns}/serviceaccounts/{ns}-controller/token", {}),
        "the Lease": ("GET", f"/apis/coordination.k8s.io/v1/namespaces/{ns}/leases/{ns}-controller", {}),
        "the roles": ("GET", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles", {}),
        "binding itself": ("POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings", {}),
        "the webhook": ("GET", "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", {}),
        "a shell in a pod": ("POST", f"{own}/pods/app/exec", {"command": "sh"}),
    }
    for namespace in (ns, apps):
        for resource in ("secrets", "pods", "services", "serviceaccounts", "events", "persistentvolumeclaims"):
            tries[f"{resource} in {'its own' if namespace == apps else 'our'} namespace"] = (
                "GET", f"/api/v1/namespaces/{namespace}/{resource}", {},
            )  # fmt: skip
    tries["the webhook's authority"] = ("GET", f"/api/v1/namespaces/{ns}/secrets/{ns}-webhook-ca", {})
    return tries
