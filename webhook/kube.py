"""The only file that imports `kubernetes`: its client behind the calls of `ports.Api`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import aiohttp
from kubernetes.aio import client, config

from webhook.certs import Pair
from webhook.ports import ApiProblem, Hook

TIMEOUT_S: Final = 2.0
"""Of one call: the API server waits 5 s for our answer, and one look-up must fit well into it."""
AUTHORITY_LABELS: Final = {"app.kubernetes.io/name": "memgraph-ha", "app.kubernetes.io/component": "webhook"}


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

    async def read_authority(self, name: str) -> Pair | None:
        """See ports.Api."""
        try:
            with _problems(f"read Secret {self._namespace}/{name}"):
                secret = await self._core.read_namespaced_secret(name, self._namespace, _request_timeout=TIMEOUT_S)
        except ApiProblem as problem:
            if problem.status == 404:
                return None
            raise
        data = secret.data or {}
        return Pair(_decode(data.get("tls.crt")), _decode(data.get("tls.key")))

    async def create_authority(self, name: str, pair: Pair) -> bool:
        """See ports.Api."""
        secret = client.V1Secret(
            metadata=client.V1ObjectMeta(name=name, labels=AUTHORITY_LABELS),
            type="kubernetes.io/tls",
            data={"tls.crt": _encode(pair.certificate), "tls.key": _encode(pair.key)},
        )
        try:
            with _problems(f"create Secret {self._namespace}/{name}"):
                await self._core.create_namespaced_secret(self._namespace, secret, _request_timeout=TIMEOUT_S)
        except ApiProblem as problem:
            if problem.status == 409:
                return False
            raise
        return True

    async def namespace_labels(self, name: str) -> Mapping[str, str]:
        """See ports.Api."""
        with _problems(f"read Namespace {name}"):
            namespace = await self._core.read_namespace(name, _request_timeout=TIMEOUT_S)
        return (namespace.metadata.labels if namespace.metadata else None) or {}

    async def hooks(self, configuration: str) -> Sequence[Hook]:
        """See ports.Api."""
        with _problems(f"read MutatingWebhookConfiguration {configuration}"):
            live = await self._admission.read_mutating_webhook_configuration(configuration, _request_timeout=TIMEOUT_S)
        return [Hook(hook.name, _decode(hook.client_config.ca_bundle)) for hook in live.webhooks or ()]

    async def set_ca_bundle(self, configuration: str, index: int, hook: str, ca_bundle: bytes) -> None:
        """See ports.Api. A JSON patch: every other way replaces the whole list of webhooks."""
        patch: list[dict[str, Any]] = [
            {"op": "test", "path": f"/webhooks/{index}/name", "value": hook},
            {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": _encode(ca_bundle)},
        ]
        with _problems(f"patch MutatingWebhookConfiguration {configuration}"):
            await self._admission.patch_mutating_webhook_configuration(configuration, patch, _request_timeout=TIMEOUT_S)


@contextmanager
def _problems(what: str) -> Iterator[None]:
    try:
        yield
    except client.ApiException as error:
        hint = "; the release's RBAC objects don't allow it (yet)" if error.status in (401, 403) else ""
        raise ApiProblem(f"could not {what}: {error.status} {error.reason}{hint}", error.status) from error
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        raise ApiProblem(f"could not {what}: {error or type(error).__name__}; is the API server reachable?") from error


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: str | bytes | None) -> bytes:
    try:
        return base64.b64decode(text or "")
    except binascii.Error:
        return b""
