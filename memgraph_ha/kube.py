"""The command's door to Kubernetes: the requests' ConfigMap, with the rights of whoever types."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import anyio
import anyio.lowlevel
from kubernetes.aio import client, config
from kubernetes.aio.config import ConfigException

from sidecar.contract import names

_CALL_S: Final = 5.0  # a person waits, and a cluster's API server may be far away


class Problem(Exception):
    """What is in the way, as a sentence that says what to do about it."""


class Conflict(Exception):
    """Somebody else wrote first."""


@dataclass(frozen=True, slots=True)
class Found:
    """The ConfigMap as read. `answer` is the annotation's text, empty without one."""

    data: Mapping[str, str]
    answer: str
    raw: client.V1ConfigMap


@asynccontextmanager
async def connect(kubeconfig: str | None, context: str | None) -> AsyncIterator[tuple[client.ApiClient, str]]:
    """A client by this kubeconfig (None: as kubectl finds it) and its context's namespace. Raises Problem."""
    configuration = client.Configuration()
    if not _there(kubeconfig):
        where = kubeconfig or config.KUBE_CONFIG_DEFAULT_LOCATION
        raise Problem(f"there is no kubeconfig {where}: name one with --kubeconfig, or set KUBECONFIG")
    try:
        await config.load_kube_config(
            config_file=kubeconfig, context=context, client_configuration=configuration, persist_config=False
        )
        contexts, active = config.list_kube_config_contexts(config_file=kubeconfig)
    except (ConfigException, OSError) as error:
        raise Problem(f"the kubeconfig names no way to the API server: {error}") from error
    chosen = next((item for item in contexts if item["name"] == context), active)
    namespace = str(chosen["context"].get("namespace") or "default")
    configuration.retries = None  # a write sent twice would be its own conflict
    try:
        async with client.ApiClient(configuration) as api:
            yield api, namespace
    finally:
        with anyio.CancelScope(shield=True):
            # Closed transports say good-bye in the loop's next turn; without one, their sockets outlive the loop.
            await anyio.lowlevel.checkpoint()


def _there(kubeconfig: str | None) -> bool:
    """Whether there is a kubeconfig at all: the client would only log that there is none."""
    paths = kubeconfig or config.KUBE_CONFIG_DEFAULT_LOCATION
    return any(Path(path).expanduser().is_file() for path in paths.split(os.pathsep))


class RequestsMap:
    """The ConfigMap `<release>-requests` in one namespace. Every method raises Problem."""

    def __init__(self, api: client.ApiClient, namespace: str, release: str) -> None:
        self._core = client.CoreV1Api(api)
        self.namespace = namespace
        self.release = release
        self._name = names.requests_config_map(release)

    async def read(self) -> Found | None:
        """What it says now, or None."""
        try:
            async with self._explained("get"):
                raw = await self._core.read_namespaced_config_map(self._name, self.namespace, _request_timeout=_CALL_S)
        except client.ApiException:
            return None
        notes = (raw.metadata.annotations if raw.metadata else None) or {}
        return Found(raw.data or {}, notes.get(names.ANSWER_ANNOTATION, ""), raw)

    async def write(self, found: Found | None, data: Mapping[str, str]) -> None:
        """Give it this data if it is still as found; make it where it was not. Raises Conflict, too."""
        if found is None:
            body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name=self._name), data=dict(data))
            async with self._explained("create"):
                await self._core.create_namespaced_config_map(self.namespace, body, _request_timeout=_CALL_S)
            return
        found.raw.data = dict(data)
        try:
            async with self._explained("update"):
                await self._core.replace_namespaced_config_map(
                    self._name, self.namespace, found.raw, _request_timeout=_CALL_S
                )
        except client.ApiException as error:
            raise Conflict(self._name) from error  # 404: removed meanwhile

    @asynccontextmanager
    async def _explained(self, verb: str) -> AsyncIterator[None]:
        """Errors as sentences. A 404 of an object is for the caller."""
        try:
            yield
        except client.ApiException as error:
            if error.status == 404 and verb != "create":
                raise
            if error.status == 409:
                raise Conflict(self._name) from error
            raise Problem(self._sentence(verb, error)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Problem(f"the API server does not answer ({error or type(error).__name__})") from error

    def _sentence(self, verb: str, error: client.ApiException) -> str:
        where = f"ConfigMap {self._name} in namespace {self.namespace}"
        if error.status == 403:
            return f"you may not {verb} {where}: ask for the right, such as the Role {self.release}-operator"
        if error.status == 401:
            return "the API server does not accept these credentials: log in again"
        if error.status == 404:
            return f"there is no namespace {self.namespace}: name the release's with --namespace"
        return f"the API server refused to {verb} {where}: {error.status} {error.reason}"
