"""What each verb does: the store's rules joined with the clock, generated names, admission and what other parts of a
real control plane would add (a namespace's `default` service account and its `kube-root-ca.crt`)."""

from __future__ import annotations

import secrets
import string
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sandbox.kubernetes.admission import Admission
from sandbox.kubernetes.core import checks, defaults, patches, problem
from sandbox.kubernetes.core.resources import BY_PLURAL, Resource, Target
from sandbox.kubernetes.core.store import DeleteOptions, Object, Store
from sandbox.kubernetes.core.tokens import Tokens, User, service_account
from sandbox.kubernetes.stream import Bell

ROOT_CA: Final = "kube-root-ca.crt"
TOKEN_SECONDS_MIN: Final = 600  # the real server refuses less
_NAME_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"  # as in Kubernetes: no vowels, so no words


class Verbs:
    """The verbs over one store. Every change rings the bell for the watchers of its resource."""

    def __init__(self, store: Store, bell: Bell, admission: Admission, tokens: Tokens, ca_pem: str) -> None:
        self._store = store
        self._bell = bell
        self._admission = admission
        self._tokens = tokens
        self._ca_pem = ca_pem

    async def create(
        self, target: Target, body: Object, user: User, *, dry_run: bool = False
    ) -> tuple[Object, list[str]]:
        """Create an object, or find out what would become of it; returns it with the warnings of the webhooks."""
        resource, namespace = target.resource, target.namespace
        body = {**body, "metadata": dict(body.get("metadata") or {})}
        checks.check(resource, body, namespace)
        obj = defaults.fill(resource, body)
        warnings: list[str] = []
        if namespace is not None:
            self._store.get(BY_PLURAL["namespaces"], None, namespace)
            obj["metadata"].setdefault("namespace", namespace)
            obj, warnings = await self._admission.admit(resource, namespace, obj, user, dry_run=dry_run)
        if not obj["metadata"].get("name"):
            suffix = "".join(secrets.choice(_NAME_LETTERS) for _ in range(5))
            obj = obj | {"metadata": obj["metadata"] | {"name": obj["metadata"]["generateName"] + suffix}}
        checks.check(resource, obj, namespace)
        if dry_run:
            moment, uid = _timestamp(0), str(uuid.uuid4())
            return self._store.create(resource, namespace, obj, now=moment, uid=uid, dry_run=True), warnings
        created = self._add(resource, namespace, obj)
        if resource is BY_PLURAL["namespaces"]:
            self._furnish(created["metadata"]["name"])
        return created, warnings

    def update(self, target: Target, body: Object) -> Object:
        """Replace an object, or only its status."""
        checks.check(target.resource, body, target.namespace)
        return self._replace(target, body)

    def patch(self, target: Target, body: Any, content_type: str) -> Object:
        """Patch an object, or only its status. A resourceVersion inside the patch is a precondition."""
        current = self._store.get(target.resource, target.namespace, target.name)
        patched = patches.apply(current, body, content_type)
        checks.check(target.resource, patched, target.namespace)
        return self._replace(target, patched)

    def delete(self, target: Target, options: DeleteOptions) -> Object:
        """Delete an object; see Store.delete. Pods and namespaces are answered as they were last, others by name."""
        if target.resource is BY_PLURAL["namespaces"]:
            gone = self._store.delete_namespace(target.name)
            for resource in BY_PLURAL.values():
                self._bell.ring(resource)
            return gone
        left = self._store.delete(target.resource, target.namespace, target.name, options, deadline=_timestamp)
        self._bell.ring(target.resource)
        return left if target.resource is BY_PLURAL["pods"] else _success(target.resource, left)

    def issue_token(self, namespace: str, name: str, body: Object) -> Object:
        """Answer a TokenRequest for a service account."""
        account = self._store.get(BY_PLURAL["serviceaccounts"], namespace, name)
        seconds = (body.get("spec") or {}).get("expirationSeconds") or 3600
        if seconds < TOKEN_SECONDS_MIN:
            because = f"Invalid value: {seconds}: may not specify a duration less than 10 minutes"
            kind = "TokenRequest.authentication.k8s.io"
            raise problem.unprocessable(kind, "", "spec.expirationSeconds", because)
        token = secrets.token_urlsafe(32)
        user = service_account(namespace, name, account["metadata"]["uid"])
        self._tokens.issue(token, user, time.time() + seconds)
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"expirationSeconds": seconds, "audiences": ["https://kubernetes.default.svc"]},
            "status": {"token": token, "expirationTimestamp": _timestamp(seconds)},
        }

    def _replace(self, target: Target, obj: Object) -> Object:
        if target.subresource and not target.resource.has_status:
            raise problem.no_such_path()
        obj = defaults.normal(target.resource, obj)
        stored = self._store.replace(
            target.resource, target.namespace, target.name, obj, status_only=target.subresource == "status"
        )
        self._bell.ring(target.resource)
        return stored

    def _add(self, resource: Resource, namespace: str | None, obj: Object) -> Object:
        created = self._store.create(resource, namespace, obj, now=_timestamp(0), uid=str(uuid.uuid4()))
        self._bell.ring(resource)
        return created

    def _furnish(self, namespace: str) -> None:
        account: Object = {"metadata": {"name": "default"}}
        authority: Object = {"metadata": {"name": ROOT_CA}, "data": {"ca.crt": self._ca_pem}}
        for plural, obj in (("serviceaccounts", account), ("configmaps", authority)):
            self._add(BY_PLURAL[plural], namespace, defaults.fill(BY_PLURAL[plural], obj))


def _success(resource: Resource, gone: Object) -> Object:
    named = {"name": gone["metadata"]["name"], **({"group": resource.group} if resource.group else {})}
    details = {**named, "kind": resource.plural, "uid": gone["metadata"]["uid"]}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def random_token() -> str:
    """A bearer token nobody can guess, of letters and digits only."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(40))


def _timestamp(seconds_ahead: int) -> str:
    moment = datetime.now(UTC) + timedelta(seconds=seconds_ahead)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
