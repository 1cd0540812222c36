"""The only file that imports `kubernetes`: its client behind the calls of `ports.Api`."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import aiohttp
from kubernetes.aio import client, config

from webhook.certs import Pair
from webhook.core import nodes
from webhook.core.model import Json, OldNode
from webhook.ports import ApiProblem, Hooks, Labelled, StoredAuthority

TIMEOUT_S: Final = 2.0
"""Of one call: the API server waits 5 s for our answer, and one look-up must fit well into it."""
AUTHORITY_LABELS: Final = {"app.kubernetes.io/name": "memgraph-ha", "app.kubernetes.io/component": "webhook"}
FIELD_MANAGER: Final = "memgraph-ha-webhook"
NODES_PAGE: Final = 250
"""A megabyte of JSON, which takes ten milliseconds to read: reviews wait no longer than that."""
OLD_NODES_MAX: Final = 100
"""Reading ends here: that pods may come to an old node is known, and which one is only for the message."""
_AS_TABLE: Final = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}


class BadAccess(Exception):
    """There is no usable kubeconfig or service account. The text names the setting and the next step."""


@asynccontextmanager
async def connect(kubeconfig: str, namespace: str) -> AsyncIterator[Kube]:
    """Open a client by kubeconfig, or by the pod's service account if that is empty. Raises BadAccess."""
    configuration = client.Configuration()
    try:
        if kubeconfig:
            await config.load_kube_config(
                config_file=kubeconfig, client_configuration=configuration, persist_config=False
            )
        else:
            config.load_incluster_config(client_configuration=configuration)
        api = client.ApiClient(configuration)
    except Exception as error:  # YAML, base64, TLS and file errors of many kinds: all say that the access is unusable
        where = f"KUBECONFIG={kubeconfig}" if kubeconfig else "the pod's service account (KUBECONFIG is not set)"
        hint = "check the file" if kubeconfig else "outside a pod, set KUBECONFIG to the path of a kubeconfig"
        raise BadAccess(f"no access to Kubernetes by {where}: {error}; {hint}") from error
    async with api:
        yield Kube(api, namespace)


class Kube:
    """`ports.Api` by the `kubernetes` package."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self._core = client.CoreV1Api(api)
        self._admission = client.AdmissionregistrationV1Api(api)
        self._namespace = namespace

    async def read_authority(self, name: str) -> StoredAuthority | None:
        """See ports.CertificateApi."""
        try:
            with _problems(f"read Secret {self._namespace}/{name}"):
                secret = await self._core.read_namespaced_secret(name, self._namespace, _request_timeout=TIMEOUT_S)
        except ApiProblem as problem:
            if problem.status == 404:
                return None
            raise
        data = secret.data or {}
        pair = Pair(_decode(data.get("tls.crt")), _decode(data.get("tls.key")))
        return StoredAuthority(pair, (secret.metadata.resource_version if secret.metadata else None) or "")

    async def create_authority(self, name: str, pair: Pair) -> bool:
        """See ports.CertificateApi."""
        with _false_at(409), _problems(f"create Secret {self._namespace}/{name}"):
            await self._core.create_namespaced_secret(self._namespace, _secret(name, pair), _request_timeout=TIMEOUT_S)
            return True
        return False

    async def replace_authority(self, name: str, pair: Pair, version: str) -> bool:
        """See ports.CertificateApi."""
        with _false_at(409), _problems(f"update Secret {self._namespace}/{name}"):
            await self._core.replace_namespaced_secret(
                name, self._namespace, _secret(name, pair, version), _request_timeout=TIMEOUT_S
            )
            return True
        return False

    async def hooks(self, configuration: str) -> Hooks:
        """See ports.CertificateApi."""
        with _problems(f"read MutatingWebhookConfiguration {configuration}"):
            live = await self._admission.read_mutating_webhook_configuration(configuration, _request_timeout=TIMEOUT_S)
        bundles = {hook.name: _decode(hook.client_config.ca_bundle) for hook in live.webhooks or ()}
        return Hooks(bundles, (live.metadata.resource_version if live.metadata else None) or "")

    async def apply_bundles(self, configuration: str, bundles: Mapping[str, bytes], version: str) -> bool:
        """See ports.CertificateApi. Server-side apply: whatever else is in the configuration is somebody else's."""
        body = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": configuration, "resourceVersion": version},
            "webhooks": [
                {"name": name, "clientConfig": {"caBundle": _encode(bundle)}} for name, bundle in bundles.items()
            ],
        }
        with _false_at(409), _problems(f"patch MutatingWebhookConfiguration {configuration}"):
            await self._admission.patch_mutating_webhook_configuration(
                configuration, body, field_manager=FIELD_MANAGER, force=True,
                _content_type="application/apply-patch+yaml", _request_timeout=TIMEOUT_S,
            )  # fmt: skip
            return True
        return False

    async def namespace(self, name: str) -> Labelled:
        """See ports.PlaceApi."""
        with _problems(f"read Namespace {name}"):
            found = await self._core.read_namespace(name, _request_timeout=TIMEOUT_S)
        metadata = found.metadata
        return Labelled(
            (metadata.labels if metadata else None) or {}, (metadata.annotations if metadata else None) or {}
        )

    async def limit_ranges(self, namespace: str) -> tuple[Json, ...]:
        """See ports.PlaceApi."""
        with _problems(f"list LimitRanges of namespace {namespace}"):
            page = await _json(
                await self._core.list_namespaced_limit_range_without_preload_content(
                    namespace, _request_timeout=TIMEOUT_S
                )
            )
        return tuple(page.get("items") or ())

    async def old_nodes(self) -> tuple[OldNode, ...]:
        """See ports.PlaceApi. By Tables, whose rows are small: a Node is 15 kB, and clusters have thousands."""
        found: list[OldNode] = []
        where: str | None = None
        while where != "" and len(found) < OLD_NODES_MAX:
            with _problems("list Nodes"):
                page = await _json(
                    await self._core.list_node_without_preload_content(
                        limit=NODES_PAGE, _continue=where, _headers=dict(_AS_TABLE), _request_timeout=TIMEOUT_S
                    )
                )
            found += nodes.old(page)
            where = (page.get("metadata") or {}).get("continue") or ""
        return tuple(found)


async def _json(response: Any) -> Any:
    """The body of an answer that the client did not read for us. Raises ApiException."""
    body = await response.read()
    if response.status >= 300:
        raise client.ApiException(status=response.status, reason=response.reason)
    return json.loads(body)


@contextmanager
def _problems(what: str) -> Iterator[None]:
    try:
        yield
    except client.ApiException as error:
        hint = "; the release's RBAC objects don't allow it (yet)" if error.status in (401, 403) else ""
        raise ApiProblem(f"could not {what}: {error.status} {error.reason}{hint}", error.status) from error
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        raise ApiProblem(f"could not {what}: {error or type(error).__name__}; is the API server reachable?") from error


@contextmanager
def _false_at(status: int) -> Iterator[None]:
    """Leave the block quietly if the API server answered so."""
    try:
        yield
    except ApiProblem as problem:
        if problem.status != status:
            raise


def _secret(name: str, pair: Pair, version: str | None = None) -> client.V1Secret:
    return client.V1Secret(
        metadata=client.V1ObjectMeta(name=name, labels=AUTHORITY_LABELS, resource_version=version),
        type="kubernetes.io/tls",
        data={"tls.crt": _encode(pair.certificate), "tls.key": _encode(pair.key)},
    )


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: str | bytes | None) -> bytes:
    try:
        return base64.b64decode(text or "")
    except binascii.Error:
        return b""
