"""The command's door to Kubernetes, with the rights of whoever types: the requests' ConfigMap, any object as JSON."""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import anyio
import anyio.lowlevel
from kubernetes.aio import client, config
from kubernetes.aio.config import ConfigException

from sidecar.contract import names

_CALL_S: Final = 5.0  # a person waits, and a cluster's API server may be far away
_PAGE: Final = 200
"""Some 2 MB of pods: it arrives well within the timeout of one call."""
_OBJECTS_MAX: Final = 20_000
"""What a person's terminal can make anything of; and 200 MB of pods are enough."""


class Problem(Exception):
    """What is in the way, as a sentence that says what to do about it."""


class Absent(Problem):
    """There is no such object, or no such kind."""


class Forbidden(Problem):
    """Whoever types lacks the right."""


class Conflict(Exception):
    """Somebody else wrote first."""


@dataclass(frozen=True, slots=True)
class Found:
    """The ConfigMap as read. `answer` is the annotation's text, empty without one."""

    data: Mapping[str, str]
    answer: str
    raw: client.V1ConfigMap


@dataclass(frozen=True, slots=True)
class Made:
    """An answer to a creation: the object as it was admitted, and what admission had to say."""

    body: Any
    warnings: tuple[str, ...]


class Api:
    """Any object, as raw JSON: no field of somebody's pod is lost. Every method raises Problem."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api
        self._ahead = 0.0

    def now(self) -> float:
        """Seconds since 1970 by the API server's clock, to the second, once it has answered: a person's own clock may
        be wrong, and would make a leader's Lease look as if it had run out."""
        return time.time() + self._ahead

    async def get(self, path: str, **query: str) -> Any:
        """One object."""
        return json.loads((await self._send("get", "GET", path, query))[0])

    async def text(self, path: str, **query: str) -> str:
        """What is no JSON, such as a log."""
        return (await self._send("get", "GET", path, query))[0]

    async def all(self, path: str, *, most: int = _OBJECTS_MAX, **query: str) -> list[Any]:
        """Every object of a list, page by page. Raises Problem if there are more than `most`."""
        found: list[Any] = []
        token = ""
        while True:
            more = {"continue": token} if token else {}
            text, _ = await self._send("list", "GET", path, {**query, **more, "limit": str(_PAGE)})
            page = json.loads(text)
            found += page.get("items") or []
            token = (page.get("metadata") or {}).get("continue") or ""
            if not token:
                return found
            if len(found) >= most:
                raise Problem(f"{path} has more than {most} objects: name a namespace with -n")

    async def create(self, path: str, body: Any, **query: str) -> Made:
        """With dryRun=All: as if."""
        text, headers = await self._send("create", "POST", path, query, body)
        return Made(json.loads(text), tuple(_warning(value) for value in headers.getall("Warning", [])))

    async def patch(self, path: str, operations: list[dict[str, Any]]) -> Any:
        """A JSON patch (RFC 6902)."""
        text, _ = await self._send("patch", "PATCH", path, {}, operations)
        return json.loads(text)

    async def _send(
        self, verb: str, method: str, path: str, query: Mapping[str, str], body: Any = None
    ) -> tuple[str, Any]:
        content = "application/json-patch+json" if method == "PATCH" else "application/json"
        accept = {"Accept": "application/json, */*", "Content-Type": content}
        try:
            request = await self._api.param_serialize(
                method, quote(path, safe="/:"), query_params=list(query.items()), header_params=accept, body=body,
                auth_settings=["BearerToken"],
            )  # fmt: skip
            answer = await self._api.call_api(*request, _request_timeout=_CALL_S)
            text = (await answer.read() or b"").decode(errors="replace")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Problem(f"the API server does not answer ({error or type(error).__name__})") from error
        self._ahead = _ahead(answer.headers.get("Date"))
        if answer.status >= 400:
            raise _refusal(verb, path, answer.status, text)
        return text, answer.headers


def _ahead(date: str | None) -> float:
    """By how many seconds the clock behind an answer's Date is ahead of ours; 0 without one."""
    try:
        return parsedate_to_datetime(date).timestamp() - time.time() if date else 0.0
    except ValueError:
        return 0.0


def _refusal(verb: str, path: str, status: int, text: str) -> Problem:
    """The API server's own words, which name the object and what is wrong with it."""
    try:
        said = json.loads(text)["message"]
    except (ValueError, TypeError, KeyError):
        said = text.strip()[:200] or f"status {status}"
    match status:
        case 401:
            return Problem("the API server does not accept these credentials: log in again")
        case 403:
            return Forbidden(f"not allowed to {verb} {path}: {said}")
        case 404:
            return Absent(f"{path}: {said}")
    return Problem(f"could not {verb} {path}: {said}")


def _warning(header: str) -> str:
    """The text of `299 - "text"`."""
    _, _, quoted = header.partition('"')
    return quoted.rpartition('"')[0].replace('\\"', '"').replace("\\\\", "\\")


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
