"""The Memgraph pods: followed by a watch, deleted by UID; the StatefulSet's size; Events."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Final

import aiohttp
import anyio
from kubernetes.aio import client

from controller.core.model import Pod, ReseedOrder, ReseedOrders
from controller.kube.client import CALL_TIMEOUT_S, meta, version_of, watching, writing
from controller.kube.pods import is_ready, to_pod
from controller.kube.reseed import OrderStore
from controller.settings import Settings
from sidecar.contract import names

_WATCH_S: Final = 60  # bounds how long a watch that died silently hides a change; probes do not wait for it
_AGAIN_S: Final = 0.2  # after a broken watch; the API server's own limits protect it from one controller
_SIZE_EVERY_S: Final = 5.0


def name_of(pod: client.V1Pod) -> str:
    """The pod's name."""
    return meta(pod).name or ""


PodsChanged = Callable[[Mapping[int, Pod], int], Awaitable[None]]


class Cluster:
    """Implements ports.Cluster. `watch_pods` and `watch_config_maps` are to be run in a task group."""

    def __init__(self, api: client.ApiClient, settings: Settings) -> None:
        self._core = client.CoreV1Api(api)
        self._apps = client.AppsV1Api(api)
        self._settings = settings
        self._orders = OrderStore(api, settings.namespace, names.reseed_config_map(settings.release))
        self._raw: dict[str, client.V1Pod] = {}
        self._controllers: dict[str, client.V1Pod] = {}
        self._volumes: dict[str, str] = {}
        self._pods: dict[int, Pod] = {}
        self._wanted = 0
        self._listed_at = 0.0
        self._watch: anyio.CancelScope | None = None
        self._ordinal = re.compile(re.escape(settings.statefulset) + r"-(\d+)")

    @property
    def pods(self) -> Mapping[int, Pod]:
        """Ordinal -> pod, as the watch last said."""
        return self._pods

    @property
    def replicas_wanted(self) -> int:
        """spec.replicas of the StatefulSet; 0 until it was read."""
        return self._wanted

    @property
    def other_controllers(self) -> int:
        """How many other controller pods of this release are ready."""
        return sum(is_ready(pod) for name, pod in self._controllers.items() if name != self._settings.identity)

    @property
    def listed_at(self) -> float:
        """When the pods were last listed, by anyio's clock; 0 before."""
        return self._listed_at

    def look_again(self) -> None:
        """End the watch under way: the next one begins with a list. A list under way goes on."""
        if self._watch is not None:
            self._watch.cancel()

    async def watch_pods(self, changed: PodsChanged) -> None:
        """Follow the pods until cancelled; `changed` is called with every new picture."""
        while True:
            try:
                await self._follow_pods(changed)
            except (client.ApiException, aiohttp.ClientError, TimeoutError, OSError, ValueError):
                await anyio.sleep(_AGAIN_S)

    async def watch_size(self, changed: PodsChanged) -> None:
        """Read spec.replicas now and then, until cancelled."""
        while True:
            try:
                stateful = await self._apps.read_namespaced_stateful_set(
                    self._settings.statefulset, self._settings.namespace, _request_timeout=CALL_TIMEOUT_S
                )
                wanted = (stateful.spec.replicas if stateful.spec else None) or 0
                if wanted != self._wanted:
                    self._wanted = wanted
                    await changed(self._pods, wanted)
            except (client.ApiException, aiohttp.ClientError, TimeoutError, OSError):
                pass  # the last known size stays true until somebody changes it
            await anyio.sleep(_SIZE_EVERY_S if self._wanted else _AGAIN_S)

    async def watch_config_map(self, name: str, changed: Callable[[], None]) -> None:
        """Call `changed` whenever this ConfigMap may have changed, until cancelled."""
        call = self._core.list_namespaced_config_map
        selector = f"metadata.name={name}"
        while True:
            try:
                listed = await call(self._settings.namespace, field_selector=selector, _request_timeout=CALL_TIMEOUT_S)
                changed()
                async with watching() as stream:
                    async for _ in stream.stream(
                        call,
                        self._settings.namespace,
                        field_selector=selector,
                        resource_version=version_of(listed),
                        timeout_seconds=_WATCH_S,
                    ):
                        changed()
            except (client.ApiException, aiohttp.ClientError, TimeoutError, OSError, ValueError):
                await anyio.sleep(_AGAIN_S)

    async def delete_pod(self, pod: Pod, *, graceful: bool = False) -> None:
        """Delete this very pod with grace 0, or with its own. Raises Conflict if it is another one by now."""
        grace = None if graceful else 0
        body = client.V1DeleteOptions(grace_period_seconds=grace, preconditions=client.V1Preconditions(uid=pod.uid))
        async with writing(f"deleting pod {pod.name}"):
            await self._core.delete_namespaced_pod(
                pod.name, self._settings.namespace, body=body, _request_timeout=CALL_TIMEOUT_S
            )

    async def reseed_orders(self) -> ReseedOrders:
        """The open re-seed order. Raises Unavailable."""
        return await self._orders.read()

    async def write_reseed_order(self, order: ReseedOrder | None, resource_version: str | None) -> None:
        """Make this the only open order, or none. Raises Conflict, LostAnswer, Unavailable."""
        await self._orders.write(order, resource_version)

    async def record_event(self, reason: str, message: str, *, warning: bool) -> None:
        """A Kubernetes Event on the StatefulSet. Raises Unavailable."""
        now = datetime.now(UTC)
        settings = self._settings
        body = client.CoreV1Event(
            metadata=client.V1ObjectMeta(generate_name=f"{settings.release}-", namespace=settings.namespace),
            involved_object=client.V1ObjectReference(
                api_version="apps/v1", kind="StatefulSet", name=settings.statefulset, namespace=settings.namespace
            ),
            reason=reason,
            message=message,
            type="Warning" if warning else "Normal",
            source=client.V1EventSource(component="memgraph-ha-controller"),
            first_timestamp=now,
            last_timestamp=now,
            count=1,
        )
        async with writing("recording an Event"):
            await self._core.create_namespaced_event(settings.namespace, body, _request_timeout=CALL_TIMEOUT_S)

    async def _follow_pods(self, changed: PodsChanged) -> None:
        call, namespace = self._core.list_namespaced_pod, self._settings.namespace
        listed = await call(namespace, _request_timeout=CALL_TIMEOUT_S)
        self._raw = {name_of(pod): pod for pod in listed.items if self._ours(pod)}
        self._controllers = {name_of(pod): pod for pod in listed.items if self._controller(pod)}
        self._listed_at = anyio.current_time()
        await self._picture(changed)
        with anyio.CancelScope() as self._watch:
            async with watching() as stream:
                async for event in stream.stream(
                    call, namespace, resource_version=version_of(listed), timeout_seconds=_WATCH_S
                ):
                    if isinstance(event["object"], client.V1Pod):
                        await self._saw(event["object"], event["type"] == "DELETED", changed)

    async def _saw(self, pod: client.V1Pod, gone: bool, changed: PodsChanged) -> None:
        for known, wanted in ((self._controllers, self._controller(pod)), (self._raw, self._ours(pod))):
            if wanted and gone:
                known.pop(name_of(pod), None)
            elif wanted:
                known[name_of(pod)] = pod
        if self._ours(pod):
            await self._picture(changed)

    def _ours(self, pod: client.V1Pod) -> bool:
        return self._ordinal.fullmatch(name_of(pod)) is not None

    def _controller(self, pod: client.V1Pod) -> bool:
        labels = meta(pod).labels or {}
        return (
            labels.get(names.COMPONENT_LABEL) == "controller"
            and labels.get(names.INSTANCE_LABEL) == self._settings.release
        )

    async def _picture(self, changed: PodsChanged) -> None:
        pods: dict[int, Pod] = {}
        for name, raw in self._raw.items():
            match = self._ordinal.fullmatch(name)
            assert match is not None, "only our pods are kept"
            pods[int(match[1])] = to_pod(raw, await self._volume(raw), self._settings)
        self._pods = pods
        await changed(pods, self._wanted)

    async def _volume(self, pod: client.V1Pod) -> str:
        """The UID of the PVC behind the pod's first claim; without one, the pod's own."""
        claims = [
            v.persistent_volume_claim.claim_name
            for v in (pod.spec.volumes if pod.spec else None) or []
            if v.persistent_volume_claim
        ]
        uid = meta(pod).uid or ""
        if not claims:
            return uid
        if uid not in self._volumes:
            claim = await self._core.read_namespaced_persistent_volume_claim(
                claims[0], self._settings.namespace, _request_timeout=CALL_TIMEOUT_S
            )
            self._volumes[uid] = meta(claim).uid or uid
        return self._volumes[uid]
