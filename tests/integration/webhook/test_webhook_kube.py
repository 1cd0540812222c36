"""The adapter against an API server: every call, and how each failure is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from webhook import certs, kube
from webhook.keeper import BundleKeeper, authority_secret, obtain_authority
from webhook.kube import Kube
from webhook.ports import ApiProblem

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(kubeconfig: Path) -> AsyncIterator[Kube]:
    async with kube.connect(str(kubeconfig), "memgraph-ha") as opened:
        yield opened


async def test_the_first_replica_makes_the_authority_and_the_second_reads_it(api: Any, client: Kube) -> None:
    first = await obtain_authority(client, "memgraph-ha", lambda: datetime.now(UTC))
    second = await obtain_authority(client, "memgraph-ha", lambda: datetime.now(UTC))
    assert first == second
    assert list(api.secrets) == [authority_secret("memgraph-ha")]
    assert api.secrets["memgraph-ha-webhook-ca"]["type"] == "kubernetes.io/tls"


async def test_creating_an_authority_that_exists_says_so(api: Any, client: Kube) -> None:
    pair = certs.new_authority("memgraph-ha", datetime.now(UTC))
    assert await client.create_authority("x", pair)
    assert not await client.create_authority("x", pair)
    assert await client.read_authority("x") == pair
    assert await client.read_authority("y") is None


async def test_namespace_labels_are_read_and_no_labels_are_an_empty_map(api: Any, client: Kube) -> None:
    api.namespaces |= {"a": {"memgraph-ha.io/inject": "enabled"}, "b": None}
    assert await client.namespace_labels("a") == {"memgraph-ha.io/inject": "enabled"}
    assert await client.namespace_labels("b") == {}


@pytest.mark.parametrize(("status", "hint"), [(403, "RBAC"), (401, "RBAC"), (404, "404"), (500, "500")])
async def test_a_refused_call_names_what_was_tried_and_the_status(
    api: Any, client: Kube, status: int, hint: str
) -> None:
    api.refuse["GET", "/api/v1/namespaces/a"] = status
    with pytest.raises(ApiProblem, match="could not read Namespace a") as caught:
        await client.namespace_labels("a")
    assert caught.value.status == status
    assert hint in str(caught.value)


async def test_an_api_server_that_is_not_there_is_a_problem_without_status(dead_kubeconfig: Path) -> None:
    async with kube.connect(str(dead_kubeconfig), "memgraph-ha") as client:
        with pytest.raises(ApiProblem, match="is the API server reachable") as caught:
            await client.namespace_labels("a")
    assert caught.value.status is None


async def test_the_bundle_is_put_into_both_webhooks_and_nothing_else_is_changed(api: Any, client: Kube) -> None:
    before = api.configuration
    keeper = BundleKeeper(client, "memgraph-ha", b"authority")
    assert keeper.problem is not None
    await keeper.check()
    assert keeper.problem is None
    assert api.bundles() == [b"authority", b"authority"]
    for hook in api.configuration["webhooks"]:
        del hook["clientConfig"]["caBundle"]
    assert api.configuration == before


async def test_a_bundle_that_is_right_is_not_written_again(api: Any, client: Kube) -> None:
    keeper = BundleKeeper(client, "memgraph-ha", b"authority")
    await keeper.check()
    api.calls.clear()
    await keeper.check()
    assert [method for method, _ in api.calls] == ["GET"]


async def test_a_wiped_bundle_is_put_back(api: Any, client: Kube) -> None:
    keeper = BundleKeeper(client, "memgraph-ha", b"authority")
    await keeper.check()
    api.reset_configuration()
    await keeper.check()
    assert api.bundles() == [b"authority", b"authority"]


async def test_a_bundle_that_can_not_be_written_makes_the_webhook_unready(api: Any, client: Kube) -> None:
    keeper = BundleKeeper(client, "memgraph-ha", b"authority")
    await keeper.check()
    api.reset_configuration()
    api.refuse["PATCH", "/"] = 403
    await keeper.check()
    assert keeper.problem is not None
    assert "403" in keeper.problem


async def test_an_unreachable_api_server_does_not_make_a_ready_webhook_unready(api: Any, client: Kube) -> None:
    keeper = BundleKeeper(client, "memgraph-ha", b"authority")
    await keeper.check()
    api.refuse["GET", "/"] = 503
    await keeper.check()
    assert keeper.problem is None


async def test_a_configuration_that_lacks_a_webhook_is_told(api: Any, client: Kube) -> None:
    api.configuration["webhooks"].pop()
    keeper = BundleKeeper(client, "memgraph-ha", b"authority")
    await keeper.check()
    assert keeper.problem is not None
    assert "lacks pod.inject.memgraph-ha.io" in keeper.problem
    assert api.bundles() == [b"authority"]


@pytest.mark.parametrize("text", ["", "{", "a: b", "[]"])
async def test_a_kubeconfig_that_is_no_use_names_the_variable(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(kube.BadAccess, match="KUBECONFIG="):
        async with kube.connect(str(path), "memgraph-ha"):
            raise AssertionError("connected")
