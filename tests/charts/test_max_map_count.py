"""`vm.max_map_count` is raised only where somebody asked for it: the chart's one privileged container."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

Objects = list[dict[str, Any]]
Render = Callable[..., Objects]
SCRIPT: Final = Path(__file__).parents[2] / "charts" / "memgraph-ha" / "files" / "max-map-count.sh"


def privileged(objects: Objects) -> list[str]:
    specs = [o["spec"]["template"]["spec"] for o in objects if o["kind"] in ("Deployment", "StatefulSet")]
    containers = [c for spec in specs for c in spec["containers"] + spec.get("initContainers", [])]
    return [c["name"] for c in containers if c["securityContext"].get("privileged")]


def test_nothing_is_privileged_unless_it_was_asked_for(render: Render) -> None:
    assert privileged(render()) == []
    assert privileged(render({"memgraph": {"raiseMaxMapCount": True}})) == ["max-map-count"]


def test_the_container_runs_the_script_that_the_release_mounts(render: Render) -> None:
    objects = render({"memgraph": {"raiseMaxMapCount": True}})
    (spec,) = (o["spec"]["template"]["spec"] for o in objects if o["kind"] == "StatefulSet")
    container, reseed, *_ = spec["initContainers"]
    assert (container["name"], reseed["name"]) == ("max-map-count", "reseed")
    (folder,) = (m["mountPath"] for m in container["volumeMounts"])
    assert container["command"] == ["/bin/sh", f"{folder}/max-map-count.sh", "/proc/sys/vm/max_map_count"]
    (init,) = (o["data"] for o in objects if o["metadata"]["name"] == "graph-init" and o["kind"] == "ConfigMap")
    assert init["max-map-count.sh"] == SCRIPT.read_text()


@pytest.mark.parametrize(("before", "after"), [("65530", "262144"), ("262144", "262144"), ("1048576", "1048576")])
def test_it_raises_and_never_lowers(tmp_path: Path, before: str, after: str) -> None:
    setting = tmp_path / "max_map_count"
    setting.write_text(f"{before}\n")
    subprocess.run(["/bin/sh", SCRIPT, setting], check=True)
    assert setting.read_text() == f"{after}\n"


def test_a_node_that_can_not_be_changed_keeps_the_pod_from_starting(tmp_path: Path) -> None:
    assert subprocess.run(["/bin/sh", SCRIPT, tmp_path / "nothing"], check=False).returncode != 0
