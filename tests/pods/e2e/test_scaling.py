"""Three instances, two, three again; and volumes that are lost for good: the ways of operations.md."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from plain_client import Object

from e2e import placing
from e2e.cluster import Cluster
from e2e.forms import long
from e2e.lane import lane
from e2e.scene import Scene
from e2e.verdict import sound
from e2e.waiting import until
from sidecar.contract import names

pytestmark = pytest.mark.timeout(1200)
_NAME = "scaled"
_GONE_S = 120.0


@pytest.fixture(scope="module")
def scaled(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A release of its own: others would miss the third."""
    with lane(cluster, _NAME, tmp_path_factory.mktemp(_NAME), 1, webhook={"replicas": 1}) as scene:
        yield scene


def _volume(scene: Scene, ordinal: int) -> Object:
    name = f"data-{scene.installation.name}-{ordinal}"
    return scene.cluster.read(scene.installation.path("persistentvolumeclaims", name))


@long
def test_scaling_down_and_up_again_loses_nothing(scaled: Scene) -> None:
    """The highest ordinal goes, and here it is the main."""
    release, first = scaled.installation, scaled.calm()
    began = time.time()
    placing.main_is(scaled, 2)
    volume = _volume(scaled, 2)["metadata"]["uid"]

    memgraph = scaled.values["memgraph"]
    release.upgrade({**scaled.values, "memgraph": {**memgraph, "replicas": 2}})
    until(lambda: f"{len(pods)} pods" if len(pods := release.pods("memgraph")) != 2 else "", _GONE_S, "two are left")
    sound(scaled, began)
    assert release.document().master_index in (0, 1)
    assert _volume(scaled, 2)["metadata"]["uid"] == volume, "the third's volume stays"

    release.upgrade(scaled.values)
    sound(scaled, began)
    assert len(release.pods("memgraph")) == 3
    assert release.document().epoch > first.epoch


@long
@pytest.mark.parametrize("role", ["main", "sync", "replica"])
def test_a_lost_volume_is_filled_from_the_others(scaled: Scene, role: str) -> None:
    """Claim and pod are deleted, as for a disk that is gone: what comes back is empty, and is no candidate for main."""
    release = scaled.installation
    scaled.calm()
    began = time.time()
    pod = next(one for one in release.pods("memgraph") if one["metadata"]["labels"][names.ROLE_LABEL] == role)
    name = pod["metadata"]["name"]
    ordinal = int(name.rpartition("-")[2])
    volume = _volume(scaled, ordinal)["metadata"]["uid"]

    release.kubectl("delete", "pvc", f"data-{name}", "--wait=false")
    release.kubectl("delete", "pod", name)
    until(
        lambda: "" if _volume(scaled, ordinal)["metadata"]["uid"] != volume else "the old one", _GONE_S,
        f"{name} has a new volume",
    )  # fmt: skip
    sound(scaled, began)
