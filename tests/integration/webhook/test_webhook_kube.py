"""The adapter against an API server: every call, and how each failure is told."""

from __future__ import annotations

import base64
import copy
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from webhook import certs, kube
from webhook.authority import authority, authority_secret
from webhook.certs import Pair
from webhook.core.model import OldNode
from webhook.keeper import Keeper
from webhook.kube import Kube
from webhook.mounted import MountedCertificate
from webhook.ports import ApiProblem, Labelled

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(kubeconfig: Path) -> AsyncIterator[Kube]:
    async with kube.connect(str(kubeconfig), "memgraph-ha") as opened:
        yield opened


async def test_the_first_replica_makes_the_authority_and_the_second_reads_it(api: Any, client: Kube) -> None:
    now = datetime.now(UTC)
    first, second = await authority(client, "memgraph-ha", now), await authority(client, "memgraph-ha", now)
    assert first == second
    assert list(api.secrets) == [authority_secret("memgraph-ha")]
    assert api.secrets["memgraph-ha-webhook-ca"]["type"] == "kubernetes.io/tls"


async def test_creating_an_authority_that_exists_says_so(api: Any, client: Kube) -> None:
    pair = certs.new_authority("memgraph-ha", datetime.now(UTC))
    assert await client.create_authority("x", pair)
    assert not await client.create_authority("x", pair)
    stored = await client.read_authority("x")
    assert stored is not None
    assert stored.pair == pair
    assert await client.read_authority("y") is None


async def test_an_authority_is_replaced_only_by_who_has_seen_it(api: Any, client: Kube) -> None:
    old, new = (certs.new_authority("memgraph-ha", datetime.now(UTC)) for _ in range(2))
    await client.create_authority("x", old)
    stored = await client.read_authority("x")
    assert stored is not None
    assert not await client.replace_authority("x", new, "0")
    assert await client.replace_authority("x", new, stored.version)
    assert not await client.replace_authority("x", old, stored.version)
    again = await client.read_authority("x")
    assert again is not None
    assert again.pair == new


async def test_an_authority_of_which_two_thirds_are_over_is_renewed_once(api: Any, client: Kube) -> None:
    now = datetime.now(UTC)
    old = await authority(client, "memgraph-ha", now)
    late = now + certs.AUTHORITY_LIFETIME * 2 / 3
    renewed = await authority(client, "memgraph-ha", late)
    assert renewed != old
    assert await authority(client, "memgraph-ha", late) == renewed


async def test_a_secret_that_is_no_authority_is_left_alone_and_named(api: Any, client: Kube) -> None:
    await client.create_authority("memgraph-ha-webhook-ca", Pair(b"x", b"y"))
    with pytest.raises(ApiProblem, match="next: kubectl delete secret memgraph-ha-webhook-ca"):
        await authority(client, "memgraph-ha", datetime.now(UTC))


async def test_a_namespace_is_read_and_no_labels_are_an_empty_map(api: Any, client: Kube) -> None:
    api.namespaces |= {"a": {"memgraph-ha.io/inject": "enabled"}, "b": None}
    assert await client.namespace("a") == Labelled({"memgraph-ha.io/inject": "enabled"}, {})
    assert await client.namespace("b") == Labelled({}, {})


async def test_limit_ranges_are_read_raw(api: Any, client: Kube) -> None:
    api.limit_ranges["a"] = [[{"type": "Container", "max": {"cpu": "1"}}]]
    assert await client.limit_ranges("a") == ({"spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}}]}},)
    assert await client.limit_ranges("b") == ()


async def test_every_page_of_nodes_is_read(api: Any, client: Kube) -> None:
    versions = ("v1.34.1", "v1.29.3", "v1.33.0", "v1.28.0")
    api.nodes = [
        {"metadata": {"name": f"n{at}"}, "status": {"nodeInfo": {"kubeletVersion": version}}}
        for at, version in enumerate(versions)
    ]
    assert await client.old_nodes() == (OldNode("n1", "v1.29.3"), OldNode("n3", "v1.28.0"))
    api.refuse["GET", "/api/v1/nodes"] = 403
    with pytest.raises(ApiProblem, match="could not list Nodes: 403"):
        await client.old_nodes()


@pytest.mark.parametrize(("status", "hint"), [(403, "RBAC"), (401, "RBAC"), (404, "404"), (500, "500")])
async def test_a_refused_call_names_what_was_tried_and_the_status(
    api: Any, client: Kube, status: int, hint: str
) -> None:
    api.refuse["GET", "/api/v1/namespaces/a"] = status
    with pytest.raises(ApiProblem, match="could not read Namespace a") as caught:
        await client.namespace("a")
    assert caught.value.status == status
    assert hint in str(caught.value)


async def test_an_api_server_that_is_not_there_is_a_problem_without_status(dead_kubeconfig: Path) -> None:
    async with kube.connect(str(dead_kubeconfig), "memgraph-ha") as client:
        with pytest.raises(ApiProblem, match="is the API server reachable") as caught:
            await client.namespace("a")
    assert caught.value.status is None


@pytest.fixture
async def keeper(client: Kube) -> Keeper:
    found = Keeper(client, "memgraph-ha", ["localhost"], lambda: datetime.now(UTC), lambda _: None)
    await found.prepare()
    return found


def stored_authority(api: Any) -> bytes:
    """What every bundle has to hold."""
    return base64.b64decode(api.secrets["memgraph-ha-webhook-ca"]["data"]["tls.crt"])


async def test_the_bundle_is_put_into_both_webhooks_and_nothing_else_is_changed(api: Any, keeper: Keeper) -> None:
    before = copy.deepcopy(api.configuration)
    assert keeper.problem is not None
    await keeper.check()
    assert keeper.problem is None
    assert api.bundles() == [stored_authority(api)] * 2
    for hook in api.configuration["webhooks"]:
        del hook["clientConfig"]["caBundle"]
    assert api.configuration["webhooks"] == before["webhooks"]


async def test_a_bundle_that_is_right_is_not_written_again(api: Any, keeper: Keeper) -> None:
    await keeper.check()
    api.calls.clear()
    await keeper.check()
    assert [method for method, _ in api.calls] == ["GET", "GET"]


async def test_a_wiped_bundle_is_put_back_and_edits_of_others_stay(api: Any, keeper: Keeper) -> None:
    """O-S22."""
    await keeper.check()
    api.reset_configuration()
    api.configuration["webhooks"][0]["namespaceSelector"] = {"matchLabels": {"team": "a"}}
    await keeper.check()
    assert api.bundles() == [stored_authority(api)] * 2
    assert api.configuration["webhooks"][0]["namespaceSelector"] == {"matchLabels": {"team": "a"}}


async def test_a_bundle_that_can_not_be_written_makes_the_webhook_unready(api: Any, keeper: Keeper) -> None:
    await keeper.check()
    api.reset_configuration()
    api.refuse["PATCH", "/"] = 403
    await keeper.check()
    assert keeper.problem is not None
    assert "403" in keeper.problem


async def test_an_unreachable_api_server_does_not_make_a_ready_webhook_unready(api: Any, keeper: Keeper) -> None:
    await keeper.check()
    api.refuse["GET", "/"] = 503
    await keeper.check()
    assert keeper.problem is None


async def test_an_authority_that_can_not_be_read_does_not_keep_the_bundle_from_being_mended(
    api: Any, keeper: Keeper
) -> None:
    await keeper.check()
    api.reset_configuration()
    api.refuse["GET", "/api/v1/namespaces/memgraph-ha/secrets"] = 403
    await keeper.check()
    assert keeper.problem is None
    assert api.bundles() == [stored_authority(api)] * 2


async def test_a_configuration_that_lacks_a_webhook_is_told(api: Any, keeper: Keeper) -> None:
    api.configuration["webhooks"].pop()
    await keeper.check()
    assert keeper.problem is not None
    assert "lacks pod.inject.memgraph-ha.io" in keeper.problem
    assert api.bundles() == [stored_authority(api)]


async def test_a_mounted_certificate_is_served_and_reloaded_and_nothing_is_written(
    api: Any, client: Kube, tmp_path: Path
) -> None:
    """cert-manager's way: it renews the Secret, and its CA injector keeps caBundle."""
    now, ends = datetime.now(UTC), list[datetime]()
    theirs = certs.new_authority("cert-manager", now)
    mounted = MountedCertificate(client, "memgraph-ha", str(tmp_path), ends.append)
    write_pair(tmp_path, certs.issue(theirs, ["localhost"], now))
    await mounted.prepare()
    await mounted.check()
    assert "does not trust our certificate" in str(mounted.problem)
    for hook in api.configuration["webhooks"]:
        hook["clientConfig"]["caBundle"] = base64.b64encode(theirs.certificate).decode()
    await mounted.check()
    assert mounted.problem is None
    (tmp_path / "tls.key").write_bytes(b"half an update")
    await mounted.check()
    assert mounted.problem is None
    write_pair(tmp_path, certs.issue(theirs, ["localhost"], now + timedelta(days=1)))
    await mounted.check()
    assert [end - ends[0] for end in ends] == [timedelta(0), timedelta(days=1)]
    assert {method for method, _ in api.calls} == {"GET"}


def write_pair(folder: Path, pair: Pair) -> None:
    (folder / "tls.crt").write_bytes(pair.certificate)
    (folder / "tls.key").write_bytes(pair.key)


@pytest.mark.parametrize("text", ["", "{", "a: b", "[]"])
async def test_a_kubeconfig_that_is_no_use_names_the_variable(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(kube.BadAccess, match="KUBECONFIG="):
        async with kube.connect(str(path), "memgraph-ha"):
            raise AssertionError("connected")
