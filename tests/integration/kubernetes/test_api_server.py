"""The API server stand-in as a process, asked by the official client and by ours."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trustme
from api_server import api_server
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


async def test_unknown_tokens_are_unauthorized_and_a_pod_s_token_works(kubeconfig: Path, kube: Kube) -> None:
    """401 as a Status; the kubelet gets tokens for the pods' service accounts."""
    tls = ssl.create_default_context(cafile=kubeconfig.parent / "ca.crt")
    token = await kube.token("ns", "default", 600)
    async with Http(tls) as http:
        for headers, code in (
            ({}, 401),
            ({"Authorization": "Bearer x"}, 401),
            ({"Authorization": f"Bearer {token}"}, 200),
        ):
            url = f"{kube.server}/api/v1/namespaces/ns/configmaps"
            answer = await http.ask("GET", url, timeout_s=5, headers=headers)
            assert answer.code == code
            assert answer.body["kind"] == ("ConfigMapList" if code == 200 else "Status")
        assert (await http.ask("GET", f"{kube.server}/readyz", timeout_s=5)).code == 200
    with pytest.raises(Refused, match="10 minutes"):
        await kube.token("ns", "default", 60)


async def test_every_namespace_has_the_authority_and_a_default_account(kubeconfig: Path, kube: Kube) -> None:
    """What projected volumes need."""
    authority = await kube.get("configmaps", "ns", "kube-root-ca.crt")
    assert authority["data"]["ca.crt"] == (kubeconfig.parent / "ca.crt").read_text()
    assert await kube.find("serviceaccounts", "ns", "default") is not None


async def test_a_pod_in_a_missing_namespace_is_not_found(kube: Kube) -> None:
    """With the words kubectl users know."""
    with pytest.raises(Refused, match='namespaces "other" not found') as refused:
        await kube.create("pods", "other", {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}})
    assert refused.value.code == 404


@pytest.mark.parametrize("path", ["/api/v1/nodes", "/apis/batch/v1/jobs"])
async def test_what_the_sandbox_has_not_is_not_found(kubeconfig: Path, kube: Kube, path: str) -> None:
    """No silent empty lists."""
    async with session(kubeconfig) as http:
        assert (await http.ask("GET", kube.server + path, timeout_s=5)).code == 404
        refused = await http.ask(
            "POST", f"{kube.server}/api/v1/namespaces?dryRun=All", {"metadata": {"name": "n"}}, timeout_s=5
        )
        assert (refused.code, refused.body["reason"]) == (400, "BadRequest")
        assert (await http.ask("DELETE", f"{kube.server}/api/v1/namespaces/ns/configmaps", timeout_s=5)).code == 405


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


async def test_a_version_too_old_is_told_inside_the_stream_or_as_status(kubeconfig: Path, kube: Kube) -> None:
    """Clients must understand both forms of 410."""
    old = await make(kube, "a")
    await make(kube, "b")
    await fault(kubeconfig, kube, fault="compact")
    code, events = await collect(kubeconfig, kube, f"resourceVersion={old}&timeoutSeconds=5")
    assert code == 200
    assert [(event["type"], event["object"]["code"], event["object"]["reason"]) for event in events] == [
        ("ERROR", 410, "Expired")
    ]
    await fault(kubeconfig, kube, fault="gone", **{"as": "status"})
    code, events = await collect(kubeconfig, kube, f"resourceVersion={old}&timeoutSeconds=5")
    assert (code, events[0]["reason"]) == (410, "Expired")


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


async def test_a_version_from_the_future_is_a_timeout(kubeconfig: Path, kube: Kube) -> None:
    """This server may have lost its memory: 504, and the client lists again."""
    code, events = await collect(kubeconfig, kube, "resourceVersion=999999")
    assert code == 504
    assert events[0]["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


@pytest.mark.parametrize("version", ["", "&resourceVersion=0"])
async def test_a_watch_without_a_version_begins_with_what_is_there(kubeconfig: Path, kube: Kube, version: str) -> None:
    """As ADDED events; then it ends at its timeoutSeconds, after a bookmark."""
    await make(kube, "a")
    query = f"timeoutSeconds=1&allowWatchBookmarks=true&fieldSelector=metadata.name%3Da{version}"
    _, events = await collect(kubeconfig, kube, query)
    assert [event["type"] for event in events] == ["ADDED", "BOOKMARK"]
    assert events[0]["object"]["metadata"]["name"] == "a"


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


class Hook:
    """A mutating webhook over TLS that answers with what the test says, and keeps what it was asked."""

    def __init__(self, authority: trustme.CA) -> None:
        self.asked: list[Object] = []
        self.response: Object = {"allowed": True}
        self.port = 0
        self.bundle = base64.b64encode(authority.cert_pem.bytes()).decode()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "hook.ns.svc").configure_cert(self._tls)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=self._tls)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            yield

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        review = json.loads(await reader.readexactly(length))
        self.asked.append(review)
        response = {"uid": review["request"]["uid"], **self.response}
        answer = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
        body = json.dumps(answer).encode()
        lines = (
            "HTTP/1.1 200 OK",
            "Content-Type: application/json",
            "Connection: close",
            f"Content-Length: {len(body)}",
        )
        writer.write("\r\n".join((*lines, "", "")).encode() + body)
        writer.close()

    def patch(self, *operations: Object) -> None:
        self.response = {
            "allowed": True,
            "patchType": "JSONPatch",
            "patch": base64.b64encode(json.dumps(operations).encode()).decode(),
            "warnings": ["look out"],
        }

    async def configure(self, kube: Kube, **changes: Any) -> None:
        webhook = {
            "name": "hook.example",
            "clientConfig": {"url": f"https://127.0.0.1:{self.port}/inject", "caBundle": self.bundle},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
            "namespaceSelector": {"matchLabels": {"inject": "yes"}},
            "objectSelector": {"matchExpressions": [{"key": "skip", "operator": "DoesNotExist"}]},
            "timeoutSeconds": 2,
            **changes,
        }
        await kube.create("mutatingwebhookconfigurations", None, {"metadata": {"name": "hook"}, "webhooks": [webhook]})


@pytest.fixture
async def hook(kube: Kube) -> AsyncIterator[Hook]:
    await kube.patch("namespaces", None, "ns", {"metadata": {"labels": {"inject": "yes"}}})
    hook = Hook(trustme.CA())
    async with hook.serve():
        yield hook


def a_pod(**metadata: Any) -> Object:
    return {"metadata": {"name": "p", **metadata}, "spec": {"containers": [{"name": "c"}]}}


async def test_a_pod_is_admitted_over_tls_and_patched(kubeconfig: Path, kube: Kube, hook: Hook) -> None:
    """The review has what a webhook needs; the patch is applied; warnings reach the client."""
    hook.patch({"op": "add", "path": "/metadata/annotations", "value": {"seen": "yes"}})
    await hook.configure(kube)
    async with official(kubeconfig) as core:
        answer = await core.create_namespaced_pod_with_http_info("ns", a_pod())
    assert answer.data.metadata.annotations == {"seen": "yes"}
    assert answer.headers["Warning"] == '299 - "look out"'
    request = hook.asked[0]["request"]
    assert (request["operation"], request["namespace"], request["name"]) == ("CREATE", "ns", "p")
    assert request["object"]["spec"]["restartPolicy"] == "Always", "defaults come before admission"
    assert request["userInfo"]["username"] == "kubernetes-admin"


async def test_selectors_decide_who_is_asked(kube: Kube, hook: Hook) -> None:
    """Another namespace, a labelled pod and another resource pass by."""
    await hook.configure(kube)
    await kube.create("namespaces", None, {"metadata": {"name": "other"}})
    await kube.create("pods", "other", a_pod())
    await kube.create("pods", "ns", a_pod(labels={"skip": ""}))
    await kube.create("configmaps", "ns", {"metadata": {"name": "x"}})
    assert hook.asked == []
    generated = await kube.create("pods", "ns", {**a_pod(), "metadata": {"generateName": "p-"}})
    assert "name" not in hook.asked[0]["request"], "admission comes before the name is generated"
    assert generated["metadata"]["name"].startswith("p-")


async def test_a_denial_is_forbidden(kube: Kube, hook: Hook) -> None:
    """And nothing is created."""
    hook.response = {"allowed": False, "status": {"message": "no"}}
    await hook.configure(kube)
    with pytest.raises(Refused, match=r'admission webhook "hook\.example" denied the request: no') as refused:
        await kube.create("pods", "ns", a_pod())
    assert refused.value.code == 403
    assert await kube.list("pods", "ns") == []


@pytest.mark.parametrize("fault_of", ["authority", "address", "answer", "patch"])
@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
async def test_the_failure_policy_decides_when_the_webhook_fails(
    kube: Kube, hook: Hook, fault_of: str, policy: str
) -> None:
    """A certificate of another authority, nobody there, another request's uid, a patch that doesn't apply."""
    if fault_of == "authority":
        hook.bundle = base64.b64encode(trustme.CA().cert_pem.bytes()).decode()
    if fault_of == "address":
        hook.port = 1
    if fault_of == "answer":
        hook.response = {"allowed": True, "uid": "another"}
    if fault_of == "patch":
        hook.patch({"op": "remove", "path": "/not/there"})
    await hook.configure(kube, failurePolicy=policy)
    if policy == "Ignore":
        assert (await kube.create("pods", "ns", a_pod()))["metadata"]["name"] == "p"
        return
    with pytest.raises(Refused, match=r'failed calling webhook "hook\.example"') as refused:
        await kube.create("pods", "ns", a_pod())
    assert (refused.value.code, refused.value.reason) == (500, "InternalError")


async def test_a_service_reference_leads_to_a_ready_pod(kube: Kube, hook: Hook) -> None:
    """By selector and port name, with the certificate checked for the Service's name."""
    service = {"selector": {"app": "hook"}, "ports": [{"port": 443, "targetPort": "https"}]}
    await kube.create("services", "ns", {"metadata": {"name": "hook"}, "spec": service})
    reference = {"service": {"name": "hook", "namespace": "ns", "path": "/inject"}, "caBundle": hook.bundle}
    await hook.configure(kube, clientConfig=reference)
    with pytest.raises(Refused, match="no endpoints available"):
        await kube.create("pods", "ns", a_pod())
    backend = {"name": "c", "ports": [{"name": "https", "containerPort": hook.port}]}
    manifest = {"metadata": {"name": "b", "labels": {"app": "hook", "skip": ""}}, "spec": {"containers": [backend]}}
    await kube.create("pods", "ns", manifest)
    ready = {"podIP": "127.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}
    await kube.patch("pods", "ns", "b", {"status": ready}, "status")
    await kube.create("pods", "ns", a_pod())
    assert len(hook.asked) == 1
