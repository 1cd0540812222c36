"""Which releases there are: by their webhook configurations, and what their webhooks were told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from memgraph_ha.core import paths
from memgraph_ha.kube import Absent, Api, Forbidden, Problem
from sidecar.contract import names
from sidecar.contract.env import BadSettings
from webhook.core.model import Namespace, Release
from webhook.core.nodes import old
from webhook.settings import NAMESPACE, RELEASE, from_env

_HELM_NAMESPACE: Final = "meta.helm.sh/release-namespace"


@dataclass(frozen=True, slots=True)
class Installed:
    """A release. `configuration`: its MutatingWebhookConfiguration, raw."""

    name: str
    namespace: str
    configuration: Any


async def releases(api: Api, name: str | None = None) -> list[Installed]:
    """Those of the whole Kubernetes, or the one of this name. Raises Problem if there is none."""
    found = [release for raw in await api.all(paths.ADMISSION) if (release := _installed(raw)) is not None]
    chosen = [release for release in found if name in (None, release.name)]
    if not chosen:
        there = f"there are {', '.join(r.name for r in found)}: name one with --release" if found else "there is none"
        raise Problem(f"no release{f' {name}' if name else ''} of memgraph-ha here; {there}. Install: helm install")
    return chosen


async def only_one(api: Api, name: str | None) -> Installed:
    """The release of this name, or the only one. Raises Problem."""
    found = await releases(api, name)
    if len(found) > 1:
        raise Problem(f"several releases ({', '.join(r.name for r in found)}): name one with --release")
    return found[0]


async def settings_of(api: Api, installed: Installed) -> Release:
    """What its webhook injects, by the variables of its Deployment. Raises Problem."""
    where = paths.apps(installed.namespace, "deployments", f"{installed.name}-webhook")
    try:
        raw = await api.get(where)
    except Absent as problem:
        name = installed.name
        raise Problem(f"release {name} has no Deployment {name}-webhook: helm upgrade it") from problem
    return release_of(raw, installed.name, installed.namespace)


def release_of(deployment: Any, name: str, namespace: str) -> Release:
    """The release by its webhook's variables. Raises Problem."""
    given = _environment(deployment)
    given |= {NAMESPACE: namespace, RELEASE: given.get(RELEASE, name)}
    for address in ("MEMGRAPH_HA_WEBHOOK_ADDRESS", "MEMGRAPH_HA_WEBHOOK_PORT", "POD_IP"):
        given.pop(address, None)  # what it listens on is its own affair
    try:
        return from_env(given).release
    except BadSettings as error:
        raise Problem(f"Deployment {name}-webhook has settings that don't do: {error}; helm upgrade it") from error


def variable(deployment: Any, name: str) -> str:
    """A variable of its container, or nothing."""
    return _environment(deployment).get(name, "")


def _environment(deployment: Any) -> dict[str, str]:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return {e["name"]: e["value"] for c in containers for e in c.get("env") or () if "value" in e}


def place_of(namespace: Any, limit_ranges: Iterable[Any] = (), nodes: Iterable[Any] = ()) -> Namespace:
    """A raw Namespace, with its LimitRanges and the cluster's nodes, in the words of admission."""
    metadata = namespace["metadata"]
    return Namespace(
        metadata["name"], metadata.get("labels") or {}, metadata.get("annotations") or {}, tuple(limit_ranges),
        tuple(old({"items": list(nodes)})),
    )  # fmt: skip


async def place(api: Api, name: str) -> tuple[Namespace, tuple[str, ...]]:
    """As the webhook sees it, as far as the caller may; and what could not be read, which the webhook may know."""
    try:
        raw = await api.get(f"{paths.NAMESPACES}/{name}")
    except Forbidden as problem:
        return Namespace(name, None), (f"the namespace's labels were not read ({problem})",)
    ranges, no_ranges = await _seen(api, "the namespace's LimitRanges", paths.inside(name, "limitranges"))
    nodes, no_nodes = await _seen(api, "the nodes' versions", paths.NODES)
    return place_of(raw, ranges, nodes), (*no_ranges, *no_nodes)


async def _seen(api: Api, what: str, path: str) -> tuple[list[Any], tuple[str, ...]]:
    try:
        return await api.all(path), ()
    except (Forbidden, Absent) as problem:
        return [], (f"{what} were not read: they may keep the sidecar away ({problem})",)


def _installed(raw: Any) -> Installed | None:
    for hook in raw.get("webhooks") or ():
        if hook.get("name") == names.WEBHOOK_NAME:
            service = (hook.get("clientConfig") or {}).get("service") or {}
            # Where the webhook is called by an address, Helm's own note says where the release is.
            notes = raw["metadata"].get("annotations") or {}
            namespace = service.get("namespace") or notes.get(_HELM_NAMESPACE) or ""
            return Installed(raw["metadata"]["name"], namespace, raw)
    return None
