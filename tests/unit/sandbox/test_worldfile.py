"""Who holds a sandbox's folder, and what world.json says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox import cli, show, worldfile
from sandbox.kubelet.core.containers import Place, Role
from sandbox.kubelet.core.status import State
from sandbox.portrait import Leadership, Seen, portrait
from sandbox.spoken import SANDBOX
from sidecar.contract import names

PLACE = Place("127.80.0.9")


def test_a_folder_has_one_runner(tmp_path: Path) -> None:
    """The second one is told how to look at the first and how to end it."""
    folder = tmp_path / "s"
    with worldfile.held(folder):
        assert worldfile.is_running(folder)
        with (
            pytest.raises(worldfile.Occupied, match=r"sandbox status --dir .*sandbox down --dir"),
            worldfile.held(folder),
        ):
            pass
        worldfile.write(folder, {"a": 1})
        assert worldfile.read(folder) == {"a": 1}
    assert not worldfile.is_running(folder)
    assert not (folder / "world.json").exists()
    with worldfile.held(folder):
        assert worldfile.is_running(folder)


def test_a_stale_file_is_no_world(tmp_path: Path) -> None:
    """Whether a sandbox runs is not read from a file somebody forgot."""
    (tmp_path / "world.json").write_text("{}")
    with pytest.raises(worldfile.NoWorld, match=r"memgraph-ha sandbox up"):
        worldfile.read(tmp_path)


def test_a_world_that_is_just_starting_says_so(tmp_path: Path) -> None:
    """Held, but nothing written yet."""
    with worldfile.held(tmp_path / "s"), pytest.raises(worldfile.NoWorld, match=r"just starting"):
        worldfile.read(tmp_path / "s")


@pytest.mark.parametrize("name", ["pods", "volumes", "world.json"])
def test_somebody_else_s_folder_is_left_alone(tmp_path: Path, name: str) -> None:
    """The runner removes `pods` and `volumes` of earlier runs: never in a folder that isn't a sandbox's."""
    (tmp_path / name).mkdir()
    with pytest.raises(worldfile.Occupied, match=r"--dir"), worldfile.held(tmp_path):
        pass
    assert (tmp_path / name).exists()


def seen(namespace: str, name: str, component: str, *states: State, place: Place = PLACE) -> Seen:
    return Seen(namespace, name, component, place, states)


def running(name: str, pid: int | None, role: Role = Role.MAIN) -> State:
    return State(name, role, pid=pid, waiting=None)


def world() -> dict[str, Any]:
    pods = [
        seen("memgraph-ha", "memgraph-ha-1", "memgraph", running("memgraph", None)),
        seen("memgraph-ha", "memgraph-ha-0", "memgraph", running("memgraph", 10)),
        seen("memgraph-ha", "c-a", "controller", running("controller", 20)),
        seen("memgraph-ha", "c-b", "controller", running("controller", 21)),
        seen("memgraph-ha", "w", "webhook", running("webhook", 30)),
        seen("apps", "app-0", "", running(names.SIDECAR_CONTAINER, 40, Role.SIDECAR), running("app", 41)),
        seen("apps", "plain", "", running("app", 42)),
    ]
    return portrait(Path("/k"), 1, pods, ("c-a", 20))


def test_world_json_has_every_part() -> None:
    """The keys other programs rely on; a process that isn't there has the pid null."""
    found = world()
    assert found["runner"] == {"pid": 1}
    assert (found["kubeconfig"], found["namespace"], found["configMap"]) == ("/k", "memgraph-ha", "memgraph-ha-state")
    assert [(item["pod"], item["ordinal"], item["pid"]) for item in found["memgraphs"]] == [
        ("memgraph-ha-0", 0, 10), ("memgraph-ha-1", 1, None),
    ]  # fmt: skip
    assert found["memgraphs"][0]["bolt"] == "127.80.0.9:7687"
    assert found["memgraphs"][0]["replication"] == "127.80.0.9:10000"
    assert [item["leader"] for item in found["controllers"]] == [True, False]
    assert found["webhook"] == {"pod": "w", "pid": 30, "url": "https://127.80.0.9:10250/inject"}
    assert found["apps"][0] == {
        "pod": "app-0", "namespace": "apps", "pid": 41, "uri": "bolt://127.80.0.9:7687", "readUri": "bolt://127.80.0.9:7688",
        "sidecarPid": 40, "metrics": "http://127.80.0.9:17687/metrics",
    }  # fmt: skip
    assert found["apps"][1]["uri"] is None
    assert json.loads(json.dumps(found)) == found


def test_moved_ports_are_the_ones_shown() -> None:
    """Where pods share an address."""
    place = Place("127.0.0.1", {7687: 40001, 7688: 40002, 17687: 40003})
    pod = seen("apps", "app-0", "", running(names.SIDECAR_CONTAINER, 40, Role.SIDECAR), place=place)
    app = portrait(Path("/k"), 1, [pod], ("", None))["apps"][0]
    assert (app["uri"], app["readUri"], app["metrics"]) == (
        "bolt://127.0.0.1:40001", "bolt://127.0.0.1:40002", "http://127.0.0.1:40003/metrics",
    )  # fmt: skip


def test_a_restarted_controller_leads_only_after_it_renewed_the_lease() -> None:
    """It has its predecessor's name, and the Lease still shows it."""
    leadership = Leadership()
    lease = {"spec": {"holderIdentity": "c-a", "renewTime": "1"}}
    assert leadership.observe(lease, {"c-a": 20}) == ("c-a", 20)
    assert leadership.observe(lease, {"c-a": 99}) == ("c-a", 20)
    renewed = {"spec": {"holderIdentity": "c-a", "renewTime": "2"}}
    assert leadership.observe(renewed, {"c-a": 99}) == ("c-a", 99)


def test_status_reads_well_without_a_document_and_with_hung_parts() -> None:
    """Whatever is missing is a dash or a word, never an exception."""
    found = world()
    found["memgraphs"] = [item | {"state": "hung"} for item in found["memgraphs"]]
    found["controllers"] = [item | {"state": "standby"} for item in found["controllers"]]
    found["apps"] = [item | {"sidecar": None} for item in found["apps"]]
    text = show.status(found | {"document": None})
    assert text.startswith("No valid document is published.")
    assert "memgraph-ha-1  hung   -    127.80.0.9:7687" in text
    assert "plain" in text


@pytest.mark.parametrize(
    "arguments", [[], ["bogus"], ["up", "--apps", "many"], ["kill", "a", "b"], ["partition", "--how", "x"]]
)
def test_wrong_use_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With the usage on stderr."""
    assert cli.main(arguments) == 2
    assert "usage: memgraph-ha sandbox" in capsys.readouterr().err


def test_too_many_apps_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the option and its bounds."""
    assert cli.main(["up", "--dir", str(tmp_path), "--apps", "51"]) == 2
    assert "--apps is 51: set it to 0 to 50" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "kill", "hang", "resume", "partition", "heal", "failover", "down"])
def test_without_a_world_every_command_names_the_next_one(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and how to start one."""
    assert cli.main([command, "--dir", str(tmp_path)]) == 1
    assert f"Start one: {SANDBOX} up --dir {tmp_path}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["", "up", "failover", "kill", "hang", "resume", "partition", "heal", "status", "down"]
)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0."""
    assert cli.main([*filter(None, [command]), "--help"]) == 0
    assert f"usage: memgraph-ha sandbox {command}".strip() in capsys.readouterr().out
