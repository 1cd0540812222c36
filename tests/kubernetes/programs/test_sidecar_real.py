"""The sidecar's follower on a real API server: tokens, roles, restarts, a fleet, and an etcd restored from a backup."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from api_server import until
from plain_client import Object, PlainClient
from real import account_token, needs_own, new_namespace, started
from real_release import Release, installed

from sidecar import kube
from sidecar.contract.state import encode
from sidecar.core.follow import Changed, Follow, Problem, Reason
from tests.integration.sidecar.conftest import NAME, document

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]
FLEET = 200
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces"


@dataclass
class Follower:
    """What one sidecar has learned."""

    epochs: list[int] = field(default_factory=list)
    problems: list[Reason] = field(default_factory=list)
    signs: int = 0

    def learn(self, outcome: Changed | Problem | None) -> None:
        self.signs += 1
        if isinstance(outcome, Changed):
            self.epochs.append(outcome.state.document.epoch)
        elif isinstance(outcome, Problem):
            self.problems.append(outcome.reason)

    @property
    def epoch(self) -> int:
        """Of the last document."""
        return self.epochs[-1] if self.epochs else -1


def token_dir(release: Release, folder: Path, namespace: str, account: str = "default") -> Path:
    """What the kubelet would mount."""
    (folder / "token").write_text(account_token(release.admin, namespace, account))
    (folder / "ca.crt").write_bytes(release.cluster.ca.read_bytes())
    return folder


@asynccontextmanager
async def following(release: Release, tokens: Path, pace: kube.Pace, count: int = 1) -> AsyncIterator[list[Follower]]:
    """Sidecars' followers, as tasks of this process."""
    where = kube.Where(*release.cluster.address, release.namespace, NAME, str(tokens))
    fleet = [Follower() for _ in range(count)]
    async with anyio.create_task_group() as tasks:
        for one in fleet:
            state = Follow(release.namespace, NAME)
            tasks.start_soon(kube.follow, kube.Kube(where, pace), state, one.learn)
        yield fleet
        tasks.cancel_scope.cancel()


def publish(release: Release, epoch: int) -> None:
    """What the controller would write."""
    release.put(NAME, encode(document(f"127.0.0.1:{epoch + 1}", epoch=epoch)))


@pytest.fixture
def base(release: Release) -> int:
    """An epoch above all before it, published."""
    found = release.admin.get(release.path("configmaps", NAME))
    epoch = int(found.body["data"]["epoch"]) + 1 if found.code == 200 else 1
    publish(release, epoch)
    return epoch


async def test_a_watch_that_ends_every_second_misses_nothing(
    release: Release, apps: str, base: int, tmp_path: Path
) -> None:
    """By its timeoutSeconds; the next one goes on from where it ended (O-F4, O-S7)."""
    tokens = token_dir(release, tmp_path, apps)
    async with following(release, tokens, kube.Pace(watch_s=(1, 1))) as (follower,):
        for epoch in range(base, base + 40):
            await anyio.to_thread.run_sync(publish, release, epoch)
            await anyio.sleep(0.05)  # spread over two ends at least
        await until("the last epoch", lambda: follower.epoch == base + 39)
    assert follower.epochs == sorted(follower.epochs)
    assert follower.problems == []


@needs_own("the API server's audit log")
async def test_a_token_is_read_again_and_a_dead_one_is_said(release: Release, base: int, tmp_path: Path) -> None:
    """The token's service account is deleted: 401. A new token on disk mends it, without a restart (O-S10)."""
    apps = new_namespace(release.admin)
    accounts = f"/api/v1/namespaces/{apps}/serviceaccounts"
    tokens = token_dir(release, tmp_path, apps)
    async with following(release, tokens, kube.Pace(watch_s=(1, 1))) as (follower,):
        await until("the document", lambda: follower.epoch == base)
        assert release.admin.delete(f"{accounts}/default").code == 200
        await until("unauthorized", lambda: Reason.UNAUTHORIZED in follower.problems, seconds=30)
        release.admin.made(accounts, {"metadata": {"name": "other"}})
        publish(release, base + 1)
        token_dir(release, tmp_path, apps, "other")
        await until("the new document", lambda: follower.epoch == base + 1, seconds=20)
    users = {event.user for event in release.cluster.audited() if f":{apps}:" in event.user}
    assert users == {f"system:serviceaccount:{apps}:default", f"system:serviceaccount:{apps}:other"}


async def test_rights_that_are_taken_and_given_back(release: Release, apps: str, base: int, tmp_path: Path) -> None:
    """An open watch lives on; the next question is forbidden, which is said; then it goes on (O-S9)."""
    binding = f"{RBAC}/{release.namespace}/rolebindings/{release.name}-sidecar"
    body = release.admin.get(binding).body
    tokens = token_dir(release, tmp_path, apps)
    async with following(release, tokens, kube.Pace(watch_s=(4, 4))) as (follower,):
        await until("its watch", lambda: follower.epoch == base and follower.signs >= 2)
        assert release.admin.delete(binding).code == 200
        try:
            await anyio.to_thread.run_sync(publish, release, base + 1)
            await until("by the open watch", lambda: follower.epoch == base + 1)
            assert follower.problems == []
            await until("forbidden", lambda: Reason.FORBIDDEN in follower.problems, seconds=20)
            await anyio.to_thread.run_sync(publish, release, base + 2)
        finally:
            fresh = {key: body[key] for key in ("roleRef", "subjects")}
            fresh["metadata"] = {"name": body["metadata"]["name"], "labels": body["metadata"]["labels"]}
            release.admin.made(binding.rpartition("/")[0], fresh)
        await until("allowed again", lambda: follower.epoch == base + 2, seconds=20)


@needs_own("an API server that may be stopped")
async def test_an_api_server_that_is_gone_for_a_while(release: Release, apps: str, base: int, tmp_path: Path) -> None:
    """The last document stays; what was published as soon as it is back arrives within the longest delay (O-S2)."""
    tokens = token_dir(release, tmp_path, apps)
    async with following(release, tokens, kube.Pace()) as (follower,):
        await until("the document", lambda: follower.epoch == base)
        await anyio.to_thread.run_sync(lambda: release.cluster.stop_api_server(kill=True))
        await until("several tries", lambda: follower.problems.count(Reason.UNREACHABLE) >= 4, seconds=20)
        assert follower.epoch == base
        await anyio.to_thread.run_sync(release.cluster.start_api_server)
        await anyio.to_thread.run_sync(publish, release, base + 1)
        await until("the new document", lambda: follower.epoch == base + 1, seconds=10)


async def test_a_silent_watch_is_looked_after(release: Release, apps: str, base: int, tmp_path: Path) -> None:
    """A quiet cluster: nothing comes for the whole watch, and nothing is reported as wrong."""
    tokens = token_dir(release, tmp_path, apps)
    async with following(release, tokens, kube.Pace(silence_s=0.5)) as (follower,):
        await until("several looks", lambda: follower.signs >= 6)
        assert (follower.epochs, follower.problems) == ([base], [])


async def test_a_fleet_at_once(release: Release, apps: str, base: int, tmp_path: Path) -> None:
    """Two hundred sidecars; all hear of the cut (within 60 ms here, though all run in this one process).

    O-S1, O-S8.
    """
    tokens = token_dir(release, tmp_path, apps)
    async with following(release, tokens, kube.Pace(), FLEET) as fleet:
        await until("all follow", lambda: all(one.signs >= 2 for one in fleet), seconds=60)
        await anyio.to_thread.run_sync(publish, release, base + 1)
        await until("all know", lambda: all(one.epoch == base + 1 for one in fleet), seconds=5)
    assert not any(one.problems for one in fleet)


async def test_an_etcd_restored_from_a_backup(tmp_path: Path) -> None:
    """All versions are lower than before: a watch from the old one would be silent until they are reached again.

    O-F5.
    """
    (tmp_path / "control-plane").mkdir()
    with started(tmp_path / "control-plane") as cluster:
        release = installed(cluster, "memgraph-ha", "memgraph-ha")
        apps = new_namespace(release.admin)
        publish(release, 5)
        cluster.save_etcd()
        burn_versions(release.admin, apps)
        publish(release, 6)
        tokens = token_dir(release, tmp_path, apps)
        async with following(release, tokens, kube.Pace()) as (follower,):
            await until("the document", lambda: follower.epoch == 6)
            await anyio.to_thread.run_sync(cluster.restore_etcd)
            # P-W4: the controller finds an epoch below one it knows, and publishes a higher one.
            await anyio.to_thread.run_sync(publish, release, 7)
            await until("the new document", lambda: follower.epoch == 7, seconds=15)


def burn_versions(admin: PlainClient, namespace: str) -> None:
    """Write a hundred versions."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    body: Object = {"metadata": {"name": "busy"}}
    admin.made(path, body)
    for number in range(100):
        admin.patch(f"{path}/busy", {"data": {"k": str(number)}})
