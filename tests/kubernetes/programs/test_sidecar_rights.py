"""The sidecar's token: its one ConfigMap, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest
from plain_client import PlainClient
from real import account_token, needs_own
from real_release import Release
from release import rights, used
from thief import attempts

from sidecar.contract.state import encode
from tests.integration.sidecar.conftest import NAME, Api, World, document

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(release: Release, apps: str, tmp_path: Path) -> AsyncIterator[World]:
    """Sidecars with the token that the webhook mounts: of the app's own service account."""
    (tmp_path / "token").write_text(account_token(release.admin, apps, "default"))
    (tmp_path / "ca.crt").write_bytes(release.cluster.ca.read_bytes())
    with anyio.fail_after(45):
        async with AsyncExitStack() as stack:
            yield World(Api(release.cluster.port, tmp_path), stack)


@needs_own("the API server's audit log")
async def test_it_uses_every_right_it_has_and_no_other(release: Release, apps: str, world: World) -> None:
    """By the audit log: nothing missing, nothing left over (O-S9)."""
    release.put(NAME, encode(document("127.0.0.1:1")))
    sidecar = await world.sidecar()
    await sidecar.event("RouteChanged", new_epoch=1)
    release.put(NAME, encode(document("127.0.0.1:2", epoch=2)))
    await sidecar.event("RouteChanged", new_epoch=2)
    granted = rights(release.objects, ("Role", f"{release.name}-sidecar"))
    asked = release.cluster.audited(f"system:serviceaccount:{apps}:default")
    assert used(asked, granted) == granted
    assert {event.code for event in asked} <= {200, 404}
    assert (await sidecar.state())["lastProblem"] is None


@pytest.mark.parametrize("attempt", attempts(NAME.removesuffix("-state"), "apps"))
def test_everything_else_is_denied(release: Release, apps: str, attempt: str) -> None:
    """O-S9."""
    method, path, query = attempts(release.namespace, apps)[attempt]
    token = account_token(release.admin, apps, "default")
    thief = PlainClient(release.cluster.url, release.cluster.ca, token)
    body = None if method in ("GET", "DELETE") else {"metadata": {"name": NAME}}
    content_type = "application/merge-patch+json" if method == "PATCH" else "application/json"
    assert thief.ask(method, path, body, content_type=content_type, **query).refusal[:2] == (403, "Forbidden")
