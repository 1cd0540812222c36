"""Mutating admission: calls the webhooks that are configured for a new object, over TLS, and applies their patches.

Like the real thing: rules, namespaceSelector, objectSelector, failurePolicy, timeoutSeconds, caBundle, AdmissionReview
v1, warnings, configurations in the order of their names, reinvocation, a patch that doesn't apply as an error under any
policy. Unlike it: only CREATE is admitted, `matchConditions` (CEL) are ignored, and a `service` reference is resolved
to a ready pod behind the stored Service, since there is no service network.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import ssl
import uuid
from dataclasses import dataclass
from typing import Any, Final

from sandbox.http import Http, Unreachable
from sandbox.kubernetes.core.patches import json_patch
from sandbox.kubernetes.core.problem import Problem
from sandbox.kubernetes.core.resources import BY_PLURAL, Resource
from sandbox.kubernetes.core.selectors import matches_label_selector
from sandbox.kubernetes.core.store import Store
from sandbox.kubernetes.core.tokens import User
from sidecar.contract.logs import emit

_LOGGER: Final = logging.getLogger(__name__)
Object = dict[str, Any]


class CallFailed(Exception):
    """A webhook couldn't be asked, or its answer was no AdmissionReview."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to call: an URL, and the name its certificate must carry."""

    url: str
    server_name: str | None


class Admission:
    """Admits new objects. `http` is used without its own TLS context: each webhook brings its caBundle."""

    def __init__(self, store: Store, http: Http) -> None:
        self._store = store
        self._http = http
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def admit(
        self, resource: Resource, namespace: str, obj: Object, user: User, *, dry_run: bool
    ) -> tuple[Object, list[str]]:
        """The object as the webhooks want it, and their warnings. Raises Problem (denied, or not to be asked).

        Webhooks that ask for it (`reinvocationPolicy: IfNeeded`) see once more what later ones changed.
        """
        warnings: list[str] = []
        asked: list[Object] = []
        again: list[Object] = []
        for webhook in self._webhooks():
            if self._concerns(webhook, resource, namespace, obj):
                before = obj
                obj = await self._call(webhook, review(resource, namespace, obj, user, dry_run=dry_run), warnings)
                if obj != before:
                    again = [one for one in asked if one["reinvocationPolicy"] == "IfNeeded"]
                asked.append(webhook)
        for webhook in again:
            if self._concerns(webhook, resource, namespace, obj):
                obj = await self._call(webhook, review(resource, namespace, obj, user, dry_run=dry_run), warnings)
        return obj, warnings

    def _webhooks(self) -> list[Object]:
        configurations = self._store.select(BY_PLURAL["mutatingwebhookconfigurations"])
        return [webhook for configuration in configurations for webhook in configuration["webhooks"]]

    def _concerns(self, webhook: Object, resource: Resource, namespace: str, obj: Object) -> bool:
        if not any(_rule_matches(rule, resource) for rule in webhook.get("rules") or ()):
            return False
        labels = self._store.get(BY_PLURAL["namespaces"], None, namespace)["metadata"].get("labels") or {}
        own = obj["metadata"].get("labels") or {}
        return matches_label_selector(webhook.get("namespaceSelector"), labels) and matches_label_selector(
            webhook.get("objectSelector"), own
        )

    async def _call(self, webhook: Object, request: Object, warnings: list[str]) -> Object:
        name = webhook["name"]
        obj: Object = request["request"]["object"]
        try:
            response = await self._ask(webhook, request)
        except CallFailed as error:
            emit(_LOGGER, "AdmissionCallFailed", logging.WARNING, webhook=name, error=str(error))
            if webhook["failurePolicy"] == "Ignore":
                return obj
            raise _internal(f'failed calling webhook "{name}": {error}') from error
        warnings += [str(text) for text in response.get("warnings") or ()]
        if response.get("allowed") is True:
            return _patched(obj, response)
        status = response.get("status") or {}
        why = (
            f"denied the request: {status['message']}"
            if "message" in status
            else "denied the request without explanation"
        )
        message = f'admission webhook "{name}" {why}'
        raise Problem(status.get("code", 403), status.get("reason", "Forbidden"), message)

    async def _ask(self, webhook: Object, request: Object) -> Object:
        config = webhook["clientConfig"]
        timeout_s = webhook["timeoutSeconds"]
        endpoint = self._endpoint(config)
        headers = {"Host": endpoint.server_name} if endpoint.server_name else {}
        try:
            answer = await self._http.ask(
                "POST", f"{endpoint.url}?timeout={timeout_s}s", request, timeout_s=timeout_s, headers=headers,
                tls=self._trust(config.get("caBundle", "")), server_name=endpoint.server_name,
            )  # fmt: skip
        except Unreachable as error:
            raise CallFailed(str(error)) from error
        response = answer.body.get("response")
        if answer.code != 200 or not isinstance(response, dict):
            raise CallFailed(f"the server answered {answer.code} without an AdmissionReview")
        if answer.body.get("kind") != "AdmissionReview" or response.get("uid") != request["request"]["uid"]:
            raise CallFailed("the answer belongs to another request")
        return response

    def _endpoint(self, config: Object) -> Endpoint:
        if "url" in config:
            return Endpoint(config["url"], None)
        reference = config["service"]
        namespace, name = reference["namespace"], reference["name"]
        try:
            spec = self._store.get(BY_PLURAL["services"], namespace, name)["spec"]
        except Problem as problem:
            raise CallFailed(problem.message) from problem
        selector = {"matchLabels": spec.get("selector") or {}}
        for pod in self._store.select(BY_PLURAL["pods"], namespace):
            if _ready(pod) and matches_label_selector(selector, pod["metadata"].get("labels") or {}):
                port = _target_port(spec, reference.get("port", 443), pod)
                path = reference.get("path", "/")
                return Endpoint(f"https://{pod['status']['podIP']}:{port}{path}", f"{name}.{namespace}.svc")
        raise CallFailed(f'no endpoints available for service "{name}"')

    def _trust(self, bundle: str) -> ssl.SSLContext:
        if bundle not in self._contexts:
            try:
                pem = base64.b64decode(bundle, validate=True).decode()
                context = ssl.create_default_context(cadata=pem or None)
            except (binascii.Error, UnicodeDecodeError, ssl.SSLError) as error:
                raise CallFailed(f"caBundle is unusable: {error}") from error
            self._contexts = {bundle: context}  # one is enough: a new bundle replaces the old one
        return self._contexts[bundle]


def review(resource: Resource, namespace: str, obj: Object, user: User, *, dry_run: bool) -> Object:
    """The AdmissionReview for a creation."""
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    where = {"group": resource.group, "version": resource.version, "resource": resource.plural}
    request = {
        "uid": str(uuid.uuid4()),
        "kind": kind,
        "resource": where,
        "requestKind": kind,
        "requestResource": where,
        "namespace": namespace,
        "operation": "CREATE",
        "userInfo": {"username": user.name, "uid": user.uid, "groups": list(user.groups)},
        "object": obj,
        "oldObject": None,
        "dryRun": dry_run,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    if name := obj["metadata"].get("name"):
        request["name"] = name
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}


def _patched(obj: Object, response: Object) -> Object:
    if not response.get("patch"):
        return obj
    # It was asked and did answer: the failure policy is not about that.
    if response.get("patchType") != "JSONPatch":
        raise _internal(f"the patch type {response.get('patchType')!r} is not known")
    try:
        return json_patch(obj, json.loads(base64.b64decode(response["patch"], validate=True)))
    except (ValueError, Problem) as error:
        raise _internal(f"the patch can't be applied: {error}") from error


def _internal(message: str) -> Problem:
    return Problem(500, "InternalError", f"Internal error occurred: {message}")


def _rule_matches(rule: Object, resource: Resource) -> bool:
    def takes(key: str, value: str) -> bool:
        return bool({value, "*"} & set(rule.get(key) or ()))

    return (
        takes("operations", "CREATE")
        and takes("apiGroups", resource.group)
        and takes("apiVersions", resource.version)
        and takes("resources", resource.plural)
    )


def _ready(pod: Object) -> bool:
    status = pod.get("status", {})
    conditions = {item["type"]: item["status"] for item in status.get("conditions") or ()}
    return bool(status.get("podIP")) and conditions.get("Ready") == "True"


def _target_port(spec: Object, port: int, pod: Object) -> int:
    declared: Object = next((item for item in spec.get("ports") or () if item["port"] == port), {})
    target = declared.get("targetPort", port)
    if isinstance(target, int):
        return target
    for container in pod["spec"]["containers"]:
        for item in container.get("ports") or ():
            if item.get("name") == target:
                return int(item["containerPort"])
    raise CallFailed(f"no container port is called {target!r}")
