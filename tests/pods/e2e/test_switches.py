"""The ways back: cutting off, the webhook off, the controller paused; each while everything runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from e2e import workloads
from e2e.cluster import apply, kubectl
from e2e.forms import long
from e2e.installation import image, ready
from e2e.scene import APPS_S, Scene, has_sidecar
from e2e.verdict import sound
from e2e.waiting import until
from sidecar.contract import names

pytestmark = pytest.mark.timeout(900)
_CUT = names.METRIC_PREFIX + "sidecar_connections_cut_total"
_TOLD_S = 60.0


@contextmanager
def _without_cutting(scene: Scene) -> Iterator[None]:
    """`helm upgrade` with `sidecar.cutOnChange: false`; and back."""
    release = scene.installation
    try:
        release.upgrade({**scene.values, "sidecar": {"cutOnChange": False}})
        until(lambda: "still on" if release.document().cut_on_change else "", _TOLD_S, "cutting is off")
        yield
    finally:
        release.upgrade(scene.values)
        until(lambda: "" if release.document().cut_on_change else "still off", _TOLD_S, "cutting is on again")


@long
def test_with_cutting_off_a_change_of_main_ends_no_connection_by_itself(scene: Scene) -> None:
    """The old main refuses writes then; drivers get that as a retryable error, and connect anew."""
    before = scene.calm()
    began = time.time()
    with _without_cutting(scene):
        pods = scene.app_pods()
        cut = {pod["metadata"]["name"]: scene.sidecar(pod).get(_CUT, 0) for pod in pods}
        scene.installation.ask("switchover")
        _main_is_another(scene, before.main_pod)
        sound(scene, began)
        assert not scene.installation.document().cut_on_change, "the controller's own writes keep the switch"
        assert {pod["metadata"]["name"]: scene.sidecar(pod).get(_CUT, 0) for pod in pods} == cut
    began = time.time()
    now = scene.calm()
    scene.installation.ask("switchover")
    _main_is_another(scene, now.main_pod)
    sound(scene, began)
    after = {pod["metadata"]["name"]: scene.sidecar(pod).get(_CUT, 0) for pod in pods}
    assert all(after[name] > cut[name] for name in cut), f"with the switch back, connections are cut: {cut}, {after}"


@long
def test_without_webhooks_pods_start_without_the_sidecar(scene: Scene) -> None:
    scene.calm()
    release, webhook = scene.installation, f"deployment/{scene.installation.name}-webhook"
    release.kubectl("scale", webhook, "--replicas=0")
    try:
        until(lambda: f"{len(pods)} pods" if (pods := release.pods("webhook")) else "", APPS_S, "no webhook is left")
        assert not has_sidecar(_started(scene, "bare-1"))
        scene.all_write(time.time())
    finally:
        release.kubectl("scale", webhook, "--replicas=2")
    scene.calm()
    assert has_sidecar(_started(scene, "bare-2"))
    kubectl("-n", scene.apps, "delete", "pod", "bare-1", "bare-2")


@long
def test_a_paused_controller_moves_no_main(scene: Scene) -> None:
    before = scene.calm()
    began = time.time()
    release = scene.installation
    release.ask("pause", "--why", "a test")
    try:
        release.kubectl("delete", "pod", before.main_pod)

        def gone() -> str:
            return (
                "" if release.pod(before.main_pod)["metadata"]["uid"] != before.main_uid else "it is still the old pod"
            )

        until(gone, APPS_S, "the main's pod was made anew")
        assert release.document().epoch == before.epoch
    finally:
        release.ask("resume")
    sound(scene, began)


def _main_is_another(scene: Scene, than: str) -> None:
    until(
        lambda: "" if scene.installation.document().main_pod != than else f"it is still {than}",
        _TOLD_S, "another main is published",
    )  # fmt: skip


def _started(scene: Scene, name: str) -> dict[str, object]:
    apply([workloads.pod(scene.apps, name, image("controller"))])

    def unready() -> str:
        pod = scene.cluster.read(f"/api/v1/namespaces/{scene.apps}/pods/{name}")
        return "" if ready([pod]) else str(pod.get("status", {}).get("phase"))

    until(unready, APPS_S, f"pod {name} is Ready")
    return scene.cluster.read(f"/api/v1/namespaces/{scene.apps}/pods/{name}")
