"""A small client of the Kubernetes API for the sandbox: objects are plain dicts, resources go by their plural.

`Kube` asks, `Mirror` keeps a local copy of a resource up to date by list and watch.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlencode

import anyio

from sandbox.http import Http, Unreachable
from sandbox.kubernetes.core.patches import MERGE
from sandbox.kubernetes.core.resources import BY_PLURAL, path

Object = dict[str, Any]
Key = tuple[str, str]
_ANSWER_S: Final = 10.0
_WATCH_S: Final = 240
_RECONNECT_S: Final = 0.2
_SILENCE_S: Final = 75.0  # bookmarks come every minute


class Refused(Exception):
    """The API server said no. `reason` is its word: NotFound, Conflict, AlreadyExists, ..."""

    def __init__(self, code: int, status: Object) -> None:
        super().__init__(status.get("message") or f"the API server answered {code}")
        self.code = code
        self.reason = str(status.get("reason", ""))


class Kube:
    """A client made from a kubeconfig the sandbox's API server wrote. Use as an async context manager.

    Every method raises Refused, or Unreachable when there was no answer.
    """

    def __init__(self, kubeconfig: Path) -> None:
        config = json.loads(kubeconfig.read_text())  # ours is JSON, which is YAML
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.server: str = cluster["server"]
        tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self._http = Http(tls, {"Authorization": f"Bearer {user['token']}"})

    async def __aenter__(self) -> Kube:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def get(self, plural: str, namespace: str | None, name: str) -> Object:
        return await self._ask("GET", path(BY_PLURAL[plural], namespace, name))

    async def find(self, plural: str, namespace: str | None, name: str) -> Object | None:
        """Like get, with None for what isn't there."""
        try:
            return await self.get(plural, namespace, name)
        except Refused as refused:
            if refused.code == 404:
                return None
            raise

    async def list(self, plural: str, namespace: str | None = None, **selectors: str) -> list[Object]:
        """`labelSelector` and `fieldSelector` as keywords."""
        items: list[Object] = (await self._ask("GET", _query(plural, namespace, **selectors)))["items"]
        return items

    async def create(self, plural: str, namespace: str | None, obj: Object) -> Object:
        # Admission may take as long as the slowest webhook is allowed to.
        return await self._ask("POST", path(BY_PLURAL[plural], namespace), obj, timeout_s=35.0)

    async def patch(
        self, plural: str, namespace: str | None, name: str, patch: Object, subresource: str = "",
        *, kind: str = MERGE,
    ) -> Object:  # fmt: skip
        """A merge patch, or one of another kind."""
        headers = {"Content-Type": kind}
        return await self._ask("PATCH", path(BY_PLURAL[plural], namespace, name, subresource), patch, headers=headers)

    async def delete(
        self, plural: str, namespace: str | None, name: str, *, grace_s: int | None = None, uid: str | None = None
    ) -> Object:
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        return await self._ask("DELETE", path(BY_PLURAL[plural], namespace, name), options)

    async def token(self, namespace: str, account: str, seconds: int) -> str:
        """A bearer token for a service account."""
        where = path(BY_PLURAL["serviceaccounts"], namespace, account, "token")
        answer = await self._ask("POST", where, {"spec": {"expirationSeconds": seconds}})
        token: str = answer["status"]["token"]
        return token

    async def ensure(self, plural: str, namespace: str | None, obj: Object) -> Object:
        """Create an object, or return the one that is already there."""
        try:
            return await self.create(plural, namespace, obj)
        except Refused as refused:
            if refused.reason != "AlreadyExists":
                raise
        return await self.get(plural, namespace, obj["metadata"]["name"])

    async def watch(self, plural: str, namespace: str | None, since: str, take: Callable[[Object], None]) -> None:
        """Give every event after version `since` to `take`, until the server ends the watch."""
        url = self.server + _query(
            plural,
            namespace,
            watch="1",
            resourceVersion=since,
            allowWatchBookmarks="true",
            timeoutSeconds=str(_WATCH_S),
        )
        async with self._http.lines(url, silence_s=_SILENCE_S) as (code, lines):
            async for line in lines:
                event = json.loads(line)
                if code != 200 or event["type"] == "ERROR":
                    status = event["object"] if code == 200 else event
                    raise Refused(status.get("code", code), status)
                take(event)

    async def listing(self, plural: str, namespace: str | None) -> Object:
        """The whole list object, with the version it shows."""
        return await self._ask("GET", _query(plural, namespace))

    async def _ask(
        self, method: str, where: str, body: Object | None = None, *, timeout_s: float = _ANSWER_S,
        headers: dict[str, str] | None = None,
    ) -> Object:  # fmt: skip
        answer = await self._http.ask(method, self.server + where, body, timeout_s=timeout_s, headers=headers)
        if answer.code >= 400:
            raise Refused(answer.code, answer.body)
        return answer.body


class Mirror:
    """A local copy of one resource (of one namespace or all). `changed` is called after every step of its way."""

    def __init__(self, kube: Kube, plural: str, namespace: str | None, changed: Callable[[], None]) -> None:
        self._kube = kube
        self._plural = plural
        self._namespace = namespace
        self._changed = changed
        self._version = ""
        self.objects: dict[Key, Object] = {}

    async def run(self) -> None:
        """Follow the server for ever; an unreachable one is tried again, a version too old (410) means a new list."""
        while True:
            try:
                if not self._version:
                    self._relist(await self._kube.listing(self._plural, self._namespace))
                await self._kube.watch(self._plural, self._namespace, self._version, self._take)
            except Refused as refused:
                self._version = ""
                if refused.code != 410:
                    await anyio.sleep(_RECONNECT_S)
            except Unreachable:
                await anyio.sleep(_RECONNECT_S)

    def _relist(self, listing: Object) -> None:
        self.objects = {_key(item): item for item in listing["items"]}
        self._version = listing["metadata"]["resourceVersion"]
        self._changed()

    def _take(self, event: Object) -> None:
        obj = event["object"]
        self._version = obj["metadata"]["resourceVersion"]
        match event["type"]:
            case "BOOKMARK":
                return
            case "DELETED":
                self.objects.pop(_key(obj), None)
            case _:
                self.objects[_key(obj)] = obj
        self._changed()


def _key(obj: Object) -> Key:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _query(plural: str, namespace: str | None, **parameters: str) -> str:
    query = urlencode(parameters)
    return path(BY_PLURAL[plural], namespace) + (f"?{query}" if query else "")
