"""Reads what doctor judges. What can't be read is Unknown with its reason: a person rarely has every right."""

from __future__ import annotations

import base64
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any, Final, TypeVar

from cryptography import x509

from controller.core.fleet.access import is_ours
from controller.core.fleet.model import Labelled
from memgraph_ha import look
from memgraph_ha.core import paths
from memgraph_ha.core.checks import trialpod
from memgraph_ha.core.checks.facts import Bundle, Client, Facts, Right, Stateful, Trial, Unknown
from memgraph_ha.core.checks.rights import needed
from memgraph_ha.core.status import leader_of
from memgraph_ha.installed import Installed, place_of, release_of, variable
from memgraph_ha.kube import Absent, Api, Forbidden, Problem
from sidecar.contract import names
from webhook.core.model import Namespace, OldNode, Release
from webhook.core.nodes import old
from webhook.settings import CERTIFICATE_DIR

T = TypeVar("T")
_FLUSH_EVERY: Final = "MEMGRAPH_HA_WAL_FLUSH_EVERY"
_NAMESPACES_MAX: Final = 50
"""Six requests each; more would keep a person waiting for minutes, and -N names the one that matters."""


async def gather(api: Api, installed: Installed, only: list[str]) -> Facts:
    """Everything about this release; of the namespaces, only these if there are any."""
    name, namespace = installed.name, installed.namespace
    deployment = await attempt(api.get(paths.apps(namespace, "deployments", f"{name}-webhook")))
    settings = _settings(deployment, installed)
    state = await attempt(look.state(api, namespace, name))
    pods = await attempt(_own_pods(api, namespace, name, state))
    lease = await attempt(look.lease(api, namespace, name))
    now = api.now()
    leader = lease if isinstance(lease, Unknown) else leader_of(lease, now)
    told, why = await look.ask_leader(api, namespace, leader if isinstance(leader, str) else "")
    nodes = await attempt(api.all(paths.NODES))
    old_nodes = () if isinstance(nodes, Unknown) else tuple(old({"items": nodes}))
    wanted = needed(name, own_certificates=isinstance(deployment, Unknown) or not variable(deployment, CERTIFICATE_DIR))
    clients, left = await _clients(api, installed, settings, deployment, only, old_nodes)
    return Facts(
        release=name,
        namespace=namespace,
        now=now,
        settings=settings,
        bundles=tuple(_bundle(hook) for hook in installed.configuration.get("webhooks") or ()),
        nodes=nodes,
        pods=pods,
        state=state,
        leader=leader,
        told=told if told is not None else Unknown(why),
        logs={} if isinstance(pods, Unknown) else await _logs(api, namespace, pods),
        rights={right: await _allowed(api, installed, right) for right in wanted},
        clients=clients,
        clients_left=left,
        stateful=await _stateful(api, namespace, name),
    )


async def _own_pods(api: Api, namespace: str, release: str, state: Any) -> list[Any]:
    ours = await api.all(paths.inside(namespace, "pods"), labelSelector=f"{names.INSTANCE_LABEL}={release}")
    known = {pod["metadata"]["name"] for pod in ours}
    instances = await look.instances(api, namespace, release, None if isinstance(state, Unknown) else state)
    return [*ours, *(pod for pod in instances if pod["metadata"]["name"] not in known)]


async def _stateful(api: Api, namespace: str, release: str) -> Stateful | Unknown:
    controller = await attempt(api.get(paths.apps(namespace, "deployments", f"{release}-controller")))
    if isinstance(controller, Unknown):
        return controller
    name = variable(controller, "MEMGRAPH_HA_STATEFULSET") or release
    service_name = variable(controller, "MEMGRAPH_HA_SERVICE") or f"{release}-nodes"
    found = await attempt(look.maybe(api, paths.apps(namespace, "statefulsets", name)))
    service = await attempt(look.maybe(api, paths.inside(namespace, "services", service_name)))
    for read in (found, service):
        if isinstance(read, Unknown):
            return read
    on_diverged, flush = variable(controller, "MEMGRAPH_HA_ON_DIVERGED"), variable(controller, _FLUSH_EVERY)
    return Stateful(name, service_name, found, service, on_diverged or "reseed", flush or "1")


async def attempt(asked: Awaitable[T]) -> T | Unknown:
    """The answer, or why there is none."""
    try:
        return await asked
    except Problem as problem:
        return Unknown(str(problem))


def _settings(deployment: Any, installed: Installed) -> Release | Unknown:
    if isinstance(deployment, Unknown):
        return deployment
    try:
        return release_of(deployment, installed.name, installed.namespace)
    except Problem as problem:
        return Unknown(str(problem))


def _bundle(hook: Any) -> Bundle:
    text = (hook.get("clientConfig") or {}).get("caBundle")
    if not text:
        return Bundle(hook.get("name", ""), None, "it has no caBundle: the webhook has not put it in place yet")
    try:
        found = x509.load_pem_x509_certificates(base64.b64decode(text))
    except ValueError as error:
        return Bundle(hook.get("name", ""), None, f"its caBundle can't be read ({error})")
    return Bundle(hook.get("name", ""), max(one.not_valid_after_utc.timestamp() for one in found))


async def _logs(api: Api, namespace: str, pods: list[Any]) -> dict[str, str | Unknown]:
    found: dict[str, str | Unknown] = {}
    for pod in pods:
        if (pod["metadata"].get("labels") or {}).get(names.COMPONENT_LABEL) == "memgraph":
            name = pod["metadata"]["name"]
            where = paths.inside(namespace, "pods", f"{name}/log")
            # From its beginning: the API has no other way to ask for the first lines than a limit of bytes.
            found[name] = await attempt(api.text(where, container="memgraph", limitBytes="65536"))
    return found


async def _clients(
    api: Api,
    installed: Installed,
    settings: Release | Unknown,
    deployment: Any,
    only: list[str],
    old_nodes: tuple[OldNode, ...],
) -> tuple[list[Client] | Unknown, int]:
    if isinstance(settings, Unknown):
        return settings, 0
    try:
        if only:
            raw = [await api.get(f"{paths.NAMESPACES}/{name}") for name in only]
        else:
            raw = await api.all(paths.NAMESPACES, labelSelector=f"{names.INJECT_LABEL}={names.INJECT_ENABLED}")
    except Absent:
        raise
    except Problem as problem:
        return Unknown(str(problem)), 0
    found = [replace(place_of(n), old_nodes=old_nodes) for n in raw]
    ours = [n for n in found if only or is_ours(Labelled(n.name, n.labels or {}), settings)]
    secrets = list(settings.pull_secrets) or ([] if isinstance(deployment, Unknown) else _pull_secrets(deployment))
    looked_at = ours[:_NAMESPACES_MAX]
    return [await _client(api, installed, n, secrets, settings) for n in looked_at], len(ours) - len(looked_at)


async def _client(
    api: Api, installed: Installed, namespace: Namespace, secrets: list[str], settings: Release
) -> Client:
    where = namespace.name
    sidecar = {"user": f"system:serviceaccount:{where}:default", "groups": [
        "system:serviceaccounts", f"system:serviceaccounts:{where}", "system:authenticated",
    ]}  # fmt: skip
    state = names.state_config_map(installed.name)
    ranges = await attempt(api.all(paths.inside(where, "limitranges")))
    return Client(
        namespace=replace(namespace, limit_ranges=() if isinstance(ranges, Unknown) else tuple(ranges)),
        trial=await _trial(api, where, settings.cluster),
        may_read=await _review(api, sidecar, installed.namespace, Right("", "get", "configmaps", name=state)),
        pods=await attempt(api.all(paths.inside(where, "pods"))),
        quotas=await attempt(api.all(paths.inside(where, "resourcequotas"))),
        limit_ranges=ranges,
        secrets={secret: await _there(api, where, secret) for secret in secrets},
    )


async def _trial(api: Api, namespace: str, cluster: str) -> Trial | Unknown:
    """As if: nothing is stored, and the webhook has no side effects."""
    try:
        made = await api.create(paths.inside(namespace, "pods"), trialpod.pod(cluster), dryRun="All")
    except Forbidden as problem:
        text = str(problem)
        # RBAC's refusal is about the caller; every other one is about the pod.
        return Unknown(text) if "cannot create resource" in text else Trial(refusal=text)
    except Problem as problem:
        return Trial(refusal=str(problem))
    return Trial(made.body, made.warnings)


async def _there(api: Api, namespace: str, secret: str) -> bool | Unknown:
    try:
        await api.get(paths.inside(namespace, "secrets", secret))
    except Absent:
        return False
    except Problem as problem:
        return Unknown(str(problem))
    return True


async def _allowed(api: Api, installed: Installed, right: Right) -> bool | Unknown:
    account = f"system:serviceaccount:{installed.namespace}:{installed.name}-{right.account}"
    return await _review(api, {"user": account}, installed.namespace, right)


async def _review(api: Api, who: Any, namespace: str, right: Right) -> bool | Unknown:
    resource, _, subresource = right.resource.partition("/")
    asked = {
        "verb": right.verb, "group": right.group, "resource": resource, "subresource": subresource, "name": right.name,
    }  # fmt: skip
    clusterwide = resource in ("namespaces", "mutatingwebhookconfigurations")
    spec = {**who, "resourceAttributes": {**asked, "namespace": "" if clusterwide else namespace}}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    made = await attempt(api.create(paths.ACCESS_REVIEWS, body))
    return made if isinstance(made, Unknown) else bool((made.body.get("status") or {}).get("allowed"))


def _pull_secrets(deployment: Any) -> list[str]:
    listed = deployment["spec"]["template"]["spec"].get("imagePullSecrets") or ()
    return [entry["name"] for entry in listed]
