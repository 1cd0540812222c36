"""AdmissionReview `admission.k8s.io/v1` in and out.

An answer is `allowed: true` unless the release is strict. A denial rejects the pod whatever the failurePolicy says, and
a database proxy is no reason to keep somebody's pod from starting: an internal error admits the pod as it came, with a
warning.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Final

from sidecar.contract import names
from webhook.core.inject import inject
from webhook.core.model import Decision, Json, Namespace, Reason, Release

API_VERSION: Final = "admission.k8s.io/v1"
KIND: Final = "AdmissionReview"


class MalformedReview(ValueError):
    """The body is no AdmissionReview that could be answered."""


@dataclass(frozen=True, slots=True)
class Request:
    """The parts of a review that matter. `pod` is raw JSON and may be anything."""

    uid: str
    namespace: str
    new_pod: bool
    dry_run: bool
    pod: Json

    @property
    def pod_name(self) -> str:
        """For logs: the name, or the prefix from which the API server will make one."""
        metadata = self.pod.get("metadata") if isinstance(self.pod, dict) else None
        found = (metadata.get("name") or metadata.get("generateName")) if isinstance(metadata, dict) else None
        return found if isinstance(found, str) else ""


def parse(body: bytes) -> Request:
    """Read a review. Raises MalformedReview."""
    try:
        review = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedReview(f"the body is no JSON: {error}") from error
    if not isinstance(review, dict) or (review.get("apiVersion"), review.get("kind")) != (API_VERSION, KIND):
        raise MalformedReview(f"the body is no {KIND} of {API_VERSION}")
    request = review.get("request")
    if not isinstance(request, dict):
        raise MalformedReview("the review has no request")
    uid, namespace = request.get("uid"), request.get("namespace", "")
    if not isinstance(uid, str) or not uid or not isinstance(namespace, str):
        raise MalformedReview("request.uid or request.namespace is no text")
    return Request(
        uid=uid,
        namespace=namespace,
        new_pod=_is_new_pod(request),
        dry_run=request.get("dryRun") is True,
        pod=request.get("object"),
    )


def judge(request: Request, namespace: Namespace, release: Release) -> Decision:
    """The decision about a request. Never raises."""
    if not request.new_pod:
        return Decision(Reason.NOT_A_NEW_POD, "only pods being created are injected")
    return inject(request.pod, namespace, release)


def respond(uid: str, decision: Decision) -> dict[str, Json]:
    """The AdmissionReview that answers the request with that uid."""
    response: dict[str, Json] = {
        "uid": uid,
        "allowed": not decision.denied,
        "auditAnnotations": decision.audit_annotations,
    }
    if decision.denied:
        response["status"] = {"code": 403, "reason": "Forbidden", "message": _denial(decision)}
    if decision.patch:
        text = json.dumps(decision.patch, separators=(",", ":"))
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(text.encode()).decode()}
    if decision.warnings:
        response["warnings"] = list(decision.warnings)
    return {"apiVersion": API_VERSION, "kind": KIND, "response": response}


def _denial(decision: Decision) -> str:
    hint = "this release is strict (webhook.strict); to start without the sidecar, label the pod"
    return f"{decision.reason}: {decision.message}; {hint} {names.INJECT_LABEL}={names.INJECT_DISABLED}"


def _is_new_pod(request: dict[str, Json]) -> bool:
    kind = request.get("kind")
    is_pod = isinstance(kind, dict) and (kind.get("group"), kind.get("version"), kind.get("kind")) == ("", "v1", "Pod")
    return is_pod and request.get("operation") == "CREATE" and not request.get("subResource")
