"""Other people's namespaces and pods, read page by page as raw JSON; the sidecars' RoleBindings; Events on owners.

Raw, because the webhook's core judges raw pods: a typed library would drop fields that it does not know.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import anyio.lowlevel
from kubernetes.aio import client

from controller.core.fleet.model import Binding, Finding, Labelled
from controller.kube.client import reading, writing
from controller.ports import Conflict, Listed
from sidecar.contract import names
from webhook.core import nodes
from webhook.core.model import OldNode

T = TypeVar("T")
_CALL_S: Final = 10.0
"""Nothing waits for it but the fleet's own task; a LIST of a busy API server takes seconds."""
_PAGE: Final = 50
"""Parsing a page (pods of 8.6 KB) took 3 ms on a busy machine: so long no probe's answer is read."""
_IN_ONE_GO: Final = 5
"""Judging a pod took 0.3 ms there: after as many, whatever else is due has its turn."""
_NAMESPACES_MAX: Final = 10_000
"""Kubernetes' own tested limit of namespaces in a cluster."""
_BINDINGS_MAX: Final = 10_000
_LIMIT_RANGES_MAX: Final = 10_000
"""One for each namespace there can be."""
_OLD_NODES_MAX: Final = 100
"""That pods may come to an old node is known by then. The webhook stops there, too."""
_AS_TABLE: Final = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
"""A Node is 15 kB, its row in a table much less."""
_RBAC: Final = "rbac.authorization.k8s.io"
_API_VERSIONS: Final = {"Pod": "v1", "Job": "batch/v1", "Rollout": "argoproj.io/v1alpha1"}


class FleetStore:
    """Implements ports.FleetStore."""

    def __init__(self, api: client.ApiClient, namespace: str, release: str) -> None:
        self._core = client.CoreV1Api(api)
        self._rbac = client.RbacAuthorizationV1Api(api)
        self._namespace = namespace
        self._release = release
        self._role = names.sidecar_role(release)
        self._labels = {
            "app.kubernetes.io/name": "memgraph-ha", names.INSTANCE_LABEL: release,
            "app.kubernetes.io/component": "client-access", "app.kubernetes.io/managed-by": "memgraph-ha-controller",
        }  # fmt: skip

    async def namespaces(self, *, labelled: bool) -> Listed[Labelled]:
        """See ports.FleetStore."""
        selector = f"{names.INJECT_LABEL}={names.INJECT_ENABLED}" if labelled else ""

        def judge(raw: Any) -> Labelled:
            metadata = raw["metadata"]
            return Labelled(metadata["name"], metadata.get("labels") or {}, metadata.get("annotations") or {})

        call = self._core.list_namespace_without_preload_content
        return await _pages("listing namespaces", call, judge, _NAMESPACES_MAX, label_selector=selector)

    async def pods(
        self, judge: Callable[[Any], T | None], *, namespace: str = "", selector: str = "", most: int
    ) -> Listed[T]:
        """See ports.FleetStore."""
        where: dict[str, Any] = {"namespace": namespace} if namespace else {}
        call: _Call = (
            self._core.list_namespaced_pod_without_preload_content
            if namespace
            else self._core.list_pod_for_all_namespaces_without_preload_content
        )
        what = f"listing pods in {namespace}" if namespace else "listing labelled pods"
        return await _pages(what, call, judge, most, label_selector=selector, **where)

    async def limit_ranges(self) -> Mapping[str, tuple[Any, ...]]:
        """See ports.FleetStore."""
        call = self._core.list_limit_range_for_all_namespaces_without_preload_content
        listed = await _pages("listing LimitRanges", call, _as_it_is, _LIMIT_RANGES_MAX)
        found: dict[str, tuple[Any, ...]] = {}
        for raw in listed.items:
            namespace = raw["metadata"]["namespace"]
            found[namespace] = (*found.get(namespace, ()), raw)
        return found

    async def old_nodes(self) -> tuple[OldNode, ...]:
        """See ports.FleetStore."""
        found: list[OldNode] = []
        token = ""
        while len(found) < _OLD_NODES_MAX:
            call = self._core.list_node_without_preload_content
            page = await _page("listing nodes", call, token, {"_headers": dict(_AS_TABLE)})
            found += nodes.old(page)
            token = (page.get("metadata") or {}).get("continue") or ""
            if not token:
                break
        return tuple(found)

    async def role_uid(self) -> str:
        """See ports.FleetStore."""
        what = f"reading Role {self._role}"
        try:
            async with reading(what):
                role = await self._rbac.read_namespaced_role(self._role, self._namespace, _request_timeout=_CALL_S)
        except client.ApiException as error:
            raise Conflict(f"{what}: it is gone; helm upgrade makes it anew") from error
        return (role.metadata.uid if role.metadata else None) or ""

    async def bindings(self, role_uid: str) -> Listed[Binding]:
        """See ports.FleetStore."""
        selector = ",".join(f"{key}={value}" for key, value in self._labels.items())

        def judge(raw: Any) -> Binding | None:
            return binding(raw, self._role, role_uid)

        call = self._rbac.list_namespaced_role_binding_without_preload_content
        what = "listing the sidecars' RoleBindings"
        return await _pages(what, call, judge, _BINDINGS_MAX, namespace=self._namespace, label_selector=selector)

    async def bind(self, namespace: str, role_uid: str) -> None:
        """See ports.FleetStore."""
        owner = client.V1OwnerReference(
            api_version=f"{_RBAC}/v1", kind="Role", name=self._role, uid=role_uid, block_owner_deletion=False
        )
        name = f"{self._role}-{namespace}"
        body = client.V1RoleBinding(
            metadata=client.V1ObjectMeta(name=name, labels=self._labels, owner_references=[owner]),
            role_ref=client.V1RoleRef(api_group=_RBAC, kind="Role", name=self._role),
            subjects=[client.RbacV1Subject(api_group=_RBAC, kind="Group", name=group_of(namespace))],
        )
        try:
            async with writing(f"binding Role {self._role} for namespace {namespace}"):
                await self._rbac.create_namespaced_role_binding(self._namespace, body, _request_timeout=_CALL_S)
        except Conflict as conflict:
            if _status(conflict) != 409:
                raise
            # Another controller wrote it a moment ago, or a stranger's is in the way, and stays there.
            raise Conflict(
                f"RoleBinding {name} is there, and not known as ours: its labels or its owner differ"
            ) from conflict

    async def unbind(self, binding: Binding) -> None:
        """See ports.FleetStore."""
        body = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=binding.uid))
        try:
            async with writing(f"removing RoleBinding {binding.name}"):
                await self._rbac.delete_namespaced_role_binding(
                    binding.name, self._namespace, body=body, _request_timeout=_CALL_S
                )
        except Conflict as conflict:
            if _status(conflict) not in (404, 409):
                raise

    async def record_finding(self, finding: Finding) -> None:
        """See ports.FleetStore."""
        now, owner = datetime.now(UTC), finding.owner
        body = client.CoreV1Event(
            metadata=client.V1ObjectMeta(generate_name=f"{self._release}-fleet-", namespace=finding.namespace),
            involved_object=client.V1ObjectReference(
                api_version=_API_VERSIONS.get(owner.kind, "apps/v1"), kind=owner.kind, name=owner.name,
                namespace=finding.namespace,
            ),
            reason=f"Sidecar{finding.health.value.capitalize()}",
            message=finding.message[:1024],  # the API server's own limit
            type="Warning",
            source=client.V1EventSource(component="memgraph-ha-controller"),
            first_timestamp=now,
            last_timestamp=now,
            count=1,
        )  # fmt: skip
        async with writing("recording an Event"):
            await self._core.create_namespaced_event(finding.namespace, body, _request_timeout=_CALL_S)


def group_of(namespace: str) -> str:
    """Every service account of this namespace, as RBAC calls them."""
    return f"system:serviceaccounts:{namespace}"


def binding(raw: Any, role: str, role_uid: str) -> Binding | None:
    """What a RoleBinding with our labels says; None if it is not one that a controller of this release has written.

    By its name, its one group, the Role it binds and the Role that owns it, of whatever UID: RBAC lets the controller
    remove any RoleBinding of its namespace, so this is what keeps it from a stranger's.
    """
    metadata, reference = raw["metadata"], raw.get("roleRef") or {}
    owners = metadata.get("ownerReferences") or []
    if [(o.get("kind"), o.get("name")) for o in (*owners, reference)] != [("Role", role)] * 2:
        return None
    groups = [s.get("name", "") for s in raw.get("subjects") or () if s.get("kind") == "Group"]
    namespace = metadata["name"].removeprefix(f"{role}-")
    if groups != [group_of(namespace)]:
        return None
    return Binding(metadata["name"], namespace, owners[0].get("uid") == role_uid, metadata.get("uid", ""))


def _as_it_is(raw: Any) -> Any:
    return raw


_Call = Callable[..., Awaitable[Any]]


async def _pages(what: str, call: _Call, judge: Callable[[Any], T | None], most: int, **query: Any) -> Listed[T]:
    """Every page of a list, but not more than `most` objects. Raises Unavailable."""
    found: list[T] = []
    read, token = 0, ""
    while True:
        page = await _page(what, call, token, query)
        for item in page.get("items") or ():
            read += 1
            if (kept := judge(item)) is not None:
                found.append(kept)
            if read % _IN_ONE_GO == 0:
                await anyio.lowlevel.checkpoint()
        token = (page.get("metadata") or {}).get("continue") or ""
        if not token or read >= most:
            return Listed(tuple(found), complete=not token)


async def _page(what: str, call: _Call, token: str, query: dict[str, Any]) -> Any:
    wanted = {key: value for key, value in query.items() if value != ""}
    if token:
        wanted["_continue"] = token
    try:
        async with reading(what):
            answer = await call(limit=_PAGE, _request_timeout=_CALL_S, **wanted)
            text = await answer.read()
            if answer.status != 200:
                raise client.ApiException(status=answer.status, reason=answer.reason)
            return json.loads(text)
    except client.ApiException as error:
        # 404 for a namespace that is gone, or 410 for a list that got too old: the next audit begins anew.
        raise Conflict(f"{what}: {error.status} {error.reason}") from error


def _status(conflict: Conflict) -> int | None:
    cause = conflict.__cause__
    return cause.status if isinstance(cause, client.ApiException) else None
