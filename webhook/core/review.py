"""AdmissionReview `admission.k8s.io/v1` in and out.

Every answer is `allowed: true`. A denial rejects the pod whatever the failurePolicy says, and a database proxy is no
reason to keep somebody's pod from starting: an internal error admits the pod as it came, with a warning.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Final

from webhook.core import decide, patch
from webhook.core.model import Inject, Json, Namespace, Operation, Reason, Release, Skip, warning

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


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is answered. `decision` is inject, skip or error."""

    decision: str
    reason: Reason
    message: str = ""
    warnings: tuple[str, ...] = ()
    patch: tuple[Operation, ...] = ()


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


def judge(request: Request, namespace: Namespace, release: Release) -> Verdict:
    """Decide and build the patch. Never raises: what fails here admits the pod with a warning."""
    if not request.new_pod:
        return Verdict("skip", Reason.NOT_A_NEW_POD, "only pods being created are injected")
    try:
        decision = decide.decide(request.pod, namespace, release)
        match decision:
            case Skip(reason, message, warnings):
                return Verdict("skip", reason, message, warnings)
            case Inject(warnings):
                return Verdict("inject", Reason.INJECTED, "", warnings, tuple(patch.build(request.pod, release)))
    except Exception as error:  # whatever it is, somebody's pod must start
        text = f"not injected: internal error ({type(error).__name__}); see the log of the memgraph-ha webhook"
        return Verdict("error", Reason.INTERNAL_ERROR, repr(error), (warning(text),))


def respond(uid: str, verdict: Verdict) -> dict[str, Json]:
    """The AdmissionReview that answers the request with that uid."""
    response: dict[str, Json] = {
        "uid": uid,
        "allowed": True,
        "auditAnnotations": {"decision": verdict.decision, "reason": verdict.reason.value},
    }
    if verdict.patch:
        text = json.dumps(verdict.patch, separators=(",", ":"))
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(text.encode()).decode()}
    if verdict.warnings:
        response["warnings"] = list(verdict.warnings)
    return {"apiVersion": API_VERSION, "kind": KIND, "response": response}


def _is_new_pod(request: dict[str, Json]) -> bool:
    kind = request.get("kind")
    is_pod = isinstance(kind, dict) and (kind.get("group"), kind.get("version"), kind.get("kind")) == ("", "v1", "Pod")
    return is_pod and request.get("operation") == "CREATE" and not request.get("subResource")
