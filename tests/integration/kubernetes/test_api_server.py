"""The API server stand-in as a process: asked by the official client and by ours, and what is its own.

What it has in common with a real API server is tested on both (tests/kubernetes/conformance).
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel
import pytest
from api_server import api_server
from hook import Hook
from kubernetes.aio import client, config, watch

from sandbox.http import Http
from sandbox.kube import Kube, Refused

pytestmark = pytest.mark.anyio
Object = dict[str, Any]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    with api_server(tmp_path) as path:
        yield path


@pytest.fixture
async def kube(kubeconfig: Path) -> AsyncIterator[Kube]:
    async with Kube(kubeconfig) as kube:
        await kube.create("namespaces", None, {"metadata": {"name": "ns"}})
        yield kube


@asynccontextmanager
async def official(kubeconfig: Path) -> AsyncIterator[Any]:
    configuration = client.Configuration()
    await config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    async with client.ApiClient(configuration) as api:
        yield client.CoreV1Api(api)
    await anyio.lowlevel.checkpoint()  # closed transports say good-bye in the loop's next turn


def session(kubeconfig: Path) -> Http:
    """A bare session with the admin's token."""
    token = json.loads(kubeconfig.read_text())["users"][0]["user"]["token"]
    tls = ssl.create_default_context(cafile=kubeconfig.parent / "ca.crt")
    return Http(tls, {"Authorization": f"Bearer {token}"})


async def fault(kubeconfig: Path, kube: Kube, **body: str) -> None:
    """Turn one of the server's knobs."""
    async with session(kubeconfig) as http:
        assert (await http.ask("POST", f"{kube.server}/sandbox/faults", body, timeout_s=5)).code == 200


async def test_the_official_client_creates_swaps_lists_and_watches(kubeconfig: Path, kube: Kube) -> None:
    """The client that controller and webhook use, unmodified."""
    async with official(kubeconfig) as core:
        made = await core.create_namespaced_config_map("ns", {"metadata": {"name": "x"}, "data": {"k": "1"}})
        made.data["k"] = "2"
        swapped = await core.replace_namespaced_config_map("x", "ns", made)
        with pytest.raises(client.ApiException) as conflict:
            await core.replace_namespaced_config_map("x", "ns", made)
        assert conflict.value.status == 409
        assert json.loads(conflict.value.body or "")["reason"] == "Conflict"
        listed = await core.list_namespaced_config_map("ns", field_selector="metadata.name=x")
        assert [item.data for item in listed.items] == [{"k": "2"}]
        since = made.metadata.resource_version
        async with watch.Watch() as stream:
            follow = stream.stream(core.list_namespaced_config_map, "ns", resource_version=since, timeout_seconds=1)
            events = [event async for event in follow]
        seen = [(event["type"], event["object"].data, event["object"].metadata.resource_version) for event in events]
        assert seen == [("MODIFIED", {"k": "2"}, swapped.metadata.resource_version)]
        patched = await core.patch_namespaced_config_map("x", "ns", {"data": {"k": None, "j": "3"}})
        assert patched.data == {"j": "3"}
        await core.delete_namespaced_config_map("x", "ns")
        with pytest.raises(client.ApiException) as missing:
            await core.read_namespaced_config_map("x", "ns")
        assert missing.value.status == 404


async def test_every_namespace_has_the_authority_and_a_default_account(kubeconfig: Path, kube: Kube) -> None:
    """What projected volumes need."""
    authority = await kube.get("configmaps", "ns", "kube-root-ca.crt")
    assert authority["data"]["ca.crt"] == (kubeconfig.parent / "ca.crt").read_text()
    assert await kube.find("serviceaccounts", "ns", "default") is not None


@pytest.mark.parametrize("path", ["/api/v1/persistentvolumes", "/apis/batch/v1/jobs"])
async def test_what_the_sandbox_has_not_is_not_found(kubeconfig: Path, kube: Kube, path: str) -> None:
    """No silent empty lists."""
    async with session(kubeconfig) as http:
        assert (await http.ask("GET", kube.server + path, timeout_s=5)).code == 404
        refused = await http.ask("DELETE", f"{kube.server}/api/v1/namespaces/ns?dryRun=All", timeout_s=5)
        assert (refused.code, refused.body["reason"]) == (400, "BadRequest")
        assert (await http.ask("DELETE", f"{kube.server}/api/v1/namespaces/ns/configmaps", timeout_s=5)).code == 405


A_POD: Object = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}}


async def make(kube: Kube, name: str) -> str:
    made = await kube.create("configmaps", "ns", {"metadata": {"name": name}})
    version: str = made["metadata"]["resourceVersion"]
    return version


async def collect(kubeconfig: Path, kube: Kube, query: str) -> tuple[int, list[Object]]:
    """The status and all lines of one watch that ends by itself."""
    async with (
        session(kubeconfig) as http,
        http.lines(f"{kube.server}/api/v1/namespaces/ns/configmaps?watch=1&{query}", silence_s=10) as (code, lines),
    ):
        return code, [json.loads(line) async for line in lines]


async def test_a_reader_behind_the_history_s_bound_gets_410_and_can_list_again(tmp_path: Path) -> None:
    """With the server's ordinary bound, not by a knob."""
    with api_server(tmp_path, "--history", "5") as kubeconfig:
        async with Kube(kubeconfig) as kube:
            await kube.create("namespaces", None, {"metadata": {"name": "ns"}})
            first = await make(kube, "c0")
            for number in range(1, 8):
                await make(kube, f"c{number}")
            _, events = await collect(kubeconfig, kube, f"resourceVersion={first}&timeoutSeconds=5")
            assert [event["object"]["code"] for event in events] == [410]
            listing = await kube.listing("configmaps", "ns")
            _, events = await collect(
                kubeconfig, kube, f"resourceVersion={listing['metadata']['resourceVersion']}&timeoutSeconds=1"
            )
            assert events == []


async def test_bookmarks_carry_versions_that_others_made(tmp_path: Path) -> None:
    """A watcher with a selector isn't left behind while others write."""
    with api_server(tmp_path, "--bookmark-interval", "0.1") as kubeconfig:
        async with Kube(kubeconfig) as kube:
            await kube.create("namespaces", None, {"metadata": {"name": "ns"}})
            since = await make(kube, "a")
            latest = await make(kube, "b")
            query = f"resourceVersion={since}&timeoutSeconds=1&allowWatchBookmarks=true&fieldSelector=metadata.name%3Da"
            _, events = await collect(kubeconfig, kube, query)
            assert {event["type"] for event in events} == {"BOOKMARK"}
            assert events[-1]["object"]["metadata"]["resourceVersion"] == latest


async def test_hanging_up_ends_open_watches(kubeconfig: Path, kube: Kube) -> None:
    """As when an API server restarts: the stream ends without an error."""
    ended = anyio.Event()
    seen: list[str] = []

    async def follow() -> None:
        await kube.watch("configmaps", "ns", "0", lambda event: seen.append(event["object"]["metadata"]["name"]))
        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow)
        with anyio.fail_after(10):
            while not seen:  # noqa: ASYNC110  # the watch has begun when its first event is here
                await anyio.sleep(0.01)
            await fault(kubeconfig, kube, fault="hang-up")
            await ended.wait()
    assert seen == ["kube-root-ca.crt"]


async def test_a_service_reference_leads_to_a_ready_pod(kube: Kube) -> None:
    """By selector and port name, with the certificate checked for the Service's name."""
    with Hook().serving() as hook:
        await through_a_service(kube, hook)


async def through_a_service(kube: Kube, hook: Hook) -> None:
    """A Service that leads nowhere yet, then to a pod behind which the hook serves."""
    service = {"selector": {"app": "hook"}, "ports": [{"port": 443, "targetPort": "https"}]}
    await kube.create("services", "ns", {"metadata": {"name": "hook"}, "spec": service})
    reference = {"service": {"name": "hook", "namespace": "ns", "path": "/inject"}, "caBundle": hook.bundle}
    configuration = {"metadata": {"name": "hook"}, "webhooks": [hook.entry("ns", clientConfig=reference)]}
    await kube.create("mutatingwebhookconfigurations", None, configuration)
    with pytest.raises(Refused, match="no endpoints available"):
        await kube.create("pods", "ns", A_POD)
    backend = {"name": "c", "ports": [{"name": "https", "containerPort": int(urlsplit(hook.url).port or 0)}]}
    manifest = {"metadata": {"name": "b", "labels": {"app": "hook", "skip": ""}}, "spec": {"containers": [backend]}}
    await kube.create("pods", "ns", manifest)
    ready = {"podIP": "127.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}
    await kube.patch("pods", "ns", "b", {"status": ready}, "status")
    await kube.create("pods", "ns", A_POD)
    assert len(hook.asked) == 1
