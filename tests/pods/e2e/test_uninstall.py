"""What is left when the release is gone, and that the sidecars which lived through it follow its successor."""

from __future__ import annotations

import time

import pytest

from e2e.cluster import Cluster, container_status, run
from e2e.forms import long
from e2e.lane import gone, lane
from e2e.scene import Scene
from e2e.verdict import assert_kept, judged
from e2e.waiting import until
from sidecar.contract import names

pytestmark = pytest.mark.timeout(1200)
_PRE_STOP_S = 25
"""Long enough to see apps write to a main whose controllers, webhooks and rights are gone."""
_GONE_S = 60.0
_EPOCH = names.METRIC_PREFIX + "sidecar_epoch"


@long
def test_sidecars_outlive_the_release_and_accept_its_successor(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    memgraph = {"preStopSleepSeconds": _PRE_STOP_S}
    with lane(cluster, "second", tmp_path_factory.mktemp("second"), 1, memgraph=memgraph) as scene:
        release = scene.installation
        document = scene.calm()
        pods = {pod["metadata"]["name"]: pod for pod in scene.app_pods()}
        run("helm", "uninstall", release.name, "--namespace", release.namespace)

        gone(release, "controller")
        roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{release.namespace}/rolebindings"
        until(lambda: str([b["metadata"]["name"] for b in found] if (found := _ours(scene, roles)) else ""), _GONE_S,
              "the sidecars' rights are gone")  # fmt: skip
        scene.all_write(time.time())  # to the last main, which nobody looks after any more

        gone(release, "memgraph")
        assert {name: scene.sidecar(pod)[_EPOCH] for name, pod in pods.items()} == dict.fromkeys(pods, document.epoch)
        assert release.document() == document, "the document is no part of the release"
        claims = cluster.items(release.path("persistentvolumeclaims"))
        assert len(claims) == 3, "nor are the volumes"

        # Fresh volumes: what the document says of the old ones is void, so it goes, too.
        release.kubectl("delete", "persistentvolumeclaims", "--all")
        release.kubectl("delete", "configmap", names.state_config_map(release.name))
        began = time.time()
        release.install(scene.values)
        scene.calm()
        now = {pod["metadata"]["name"]: pod for pod in scene.app_pods()}
        for name, pod in pods.items():
            assert now[name]["metadata"]["uid"] == pod["metadata"]["uid"]
            sidecars = [container_status(one, names.SIDECAR_CONTAINER) for one in (pod, now[name])]
            assert sidecars[0]["containerID"] == sidecars[1]["containerID"]
        assert_kept(judged(release, scene.ledgers.books(), int(began)))


def _ours(scene: Scene, path: str) -> list[dict[str, dict[str, str]]]:
    bindings = scene.cluster.items(path)
    return [one for one in bindings if one["roleRef"]["name"] == names.sidecar_role(scene.installation.name)]
