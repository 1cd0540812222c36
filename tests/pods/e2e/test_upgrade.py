"""Another image of the sidecar: old and new live side by side, and then the old ones are replaced, apps untouched."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from plain_client import Object
from pods import node
from pods.layout import layouts

from e2e import timing, workloads
from e2e.catalogue import published
from e2e.cluster import alive, container_status, kubectl, memgraph_ha
from e2e.forms import long
from e2e.installation import image
from e2e.scene import STORE, WEB, Scene
from e2e.verdict import sound
from sidecar.contract import names

pytestmark = pytest.mark.timeout(1200)
_TAG = "next"
_PARTS = ("memgraph", "controller", "webhook")


@pytest.fixture(scope="module")
def other_image(scene: Scene) -> str:
    """The sidecar's image under another tag; PODS_SIDECAR_IMAGE_NEXT names one elsewhere."""
    if "PODS_LOCAL" not in os.environ:
        if not (named := os.environ.get("PODS_SIDECAR_IMAGE_NEXT")):
            pytest.skip("no second image of the sidecar; next: PODS_SIDECAR_IMAGE_NEXT=REPOSITORY:TAG")
        return named
    known = image("sidecar")
    other = f"{known.rpartition(':')[0]}:{_TAG}"
    for one in layouts(Path(os.environ["PODS_LOCAL"])):
        node.on(one, *node.CTR, "images", "tag", "--force", known, other)
    return other


@long
def test_old_and_new_sidecars_side_by_side_and_then_all_new(scene: Scene, other_image: str) -> None:
    scene.calm()
    images = {
        **scene.values["images"],
        "sidecar": dict(zip(("repository", "tag"), other_image.rsplit(":", 1), strict=True)),
    }
    began = time.time()
    scene.values = {**scene.values, "images": images}
    scene.installation.upgrade(scene.values)
    scene.installation.settle()  # until the last of them ends, the old webhooks are asked now and then
    kubectl("-n", scene.apps, "rollout", "restart", f"statefulset/{STORE}")
    kubectl("-n", scene.apps, "rollout", "status", f"statefulset/{STORE}", "--timeout=300s")
    sound(scene, began)
    assert _images(scene, WEB) == {image("sidecar")}
    assert _images(scene, STORE) == {other_image}

    before, began = scene.calm(), time.time()
    scene.installation.kubectl("delete", "pod", before.main_pod, "--wait=false")
    published(scene, before.epoch)
    sound(scene, began)
    _keep(scene, "sidecar-image", began)

    _replace_the_old_ones(scene, other_image)


@long
def test_the_chart_is_rolled_back_under_load(scene: Scene) -> None:
    """An upgrade that makes every pod of the release anew, taken back; the document is no part of either."""
    scene.calm()
    began = time.time()
    scene.installation.upgrade({**scene.values, "extraLabels": {"e2e.memgraph-ha.io/taken-back": "yes"}})
    scene.installation.roll_back()
    sound(scene, began)
    labels = [pod["metadata"]["labels"] for part in _PARTS for pod in scene.installation.pods(part)]
    assert not [one for one in labels if "e2e.memgraph-ha.io/taken-back" in one]


def _replace_the_old_ones(scene: Scene, other_image: str) -> None:
    pods = {pod["metadata"]["uid"]: pod for pod in scene.cluster.pods(scene.apps, f"{workloads.LABEL}={WEB}")}
    old = [pod for pod in scene.cluster.pods(scene.apps) if alive(pod) and _sidecars([pod]) - {other_image}]
    began = time.time()
    said = memgraph_ha("upgrade-sidecars", "-n", scene.apps, "--release", scene.installation.name)
    assert f"{len(old)} upgraded" in said
    sound(scene, began)
    _keep(scene, "upgrade-sidecars", began)

    now = {pod["metadata"]["uid"]: pod for pod in scene.cluster.pods(scene.apps, f"{workloads.LABEL}={WEB}")}
    assert now.keys() == pods.keys(), "the same pods"
    for uid, pod in now.items():
        app, sidecar = (container_status(pod, name) for name in (workloads.CONTAINER, names.SIDECAR_CONTAINER))
        assert app["containerID"] == container_status(pods[uid], workloads.CONTAINER)["containerID"]
        assert sidecar["containerID"] != container_status(pods[uid], names.SIDECAR_CONTAINER)["containerID"]
    assert _images(scene, WEB) == {other_image}


def _images(scene: Scene, app: str) -> set[str]:
    return _sidecars(scene.cluster.pods(scene.apps, f"{workloads.LABEL}={app}"))


def _sidecars(pods: Sequence[Object]) -> set[str]:
    every = [one for pod in pods for one in pod["spec"].get("initContainers", [])]
    return {str(one["image"]) for one in every if one["name"] == names.SIDECAR_CONTAINER}


def _keep(scene: Scene, name: str, began: float) -> None:
    books, heard = scene.ledgers.books(), scene.publications.since(began)
    scene.timings.entries.append(timing.entry(name, books, heard, began, time.time(), None, ""))
