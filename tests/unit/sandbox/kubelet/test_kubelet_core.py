"""What is run for a pod: words, environment, order, status."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.kubelet.core.containers import (
    ConfigError,
    Place,
    Role,
    field_value,
    in_start_order,
    launch,
    move_ports,
    ports_in_use,
    references,
)
from sandbox.kubelet.core.status import State, gates_of, pod_status
from sidecar.contract import env, names

PLACE = Place("127.80.0.9")
MOVED = Place("127.0.0.1", {7687: 40001, 7688: 40002, 17687: 40003})
METADATA = {"name": "p", "namespace": "ns", "uid": "u", "labels": {"a": "b"}}
SIDECAR = {"name": names.SIDECAR_CONTAINER, "image": "r.example/memgraph-ha-sidecar:1", "restartPolicy": "Always"}


def pod(*containers: dict[str, Any], init: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"metadata": METADATA, "spec": {"containers": list(containers), "initContainers": list(init)}}


def run(container: dict[str, Any], place: Place = PLACE, **more: Any) -> tuple[tuple[str, ...], dict[str, str]]:
    given: dict[str, Any] = {"mounts": {}, "sources": {}, "base": {}} | more
    found = launch(pod(container), {"name": "c", "command": ["x"], **container}, place, **given)
    return found.argv, found.environment


def test_environment_comes_from_values_fields_secrets_and_configmaps() -> None:
    """All four sources; an optional key that isn't there sets nothing."""
    variables = [
        {"name": "PLAIN", "value": "v"},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "CONFIG", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
        {"name": "NONE", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "no", "optional": True}}},
        {"name": "BOTH", "value": "$(NAME)-$(PLAIN)-$(UNKNOWN)-$$(PLAIN)"},
    ]
    sources = {("secrets", "s"): {"data": {"k": "aGVsbG8="}}, ("configmaps", "c"): {"data": {"k": "world"}}}
    container = {"env": variables}
    assert references(pod({"name": "c", **container})) == set(sources)
    _, environment = run(container, sources=sources, base={"PATH": "/bin"})
    assert environment == {
        "PATH": "/bin", "HOSTNAME": "p", "PLAIN": "v", "NAME": "p", "IP": "127.80.0.9", "SECRET": "hello",
        "CONFIG": "world", "BOTH": "p-v-$(UNKNOWN)-$(PLAIN)",
    }  # fmt: skip


@pytest.mark.parametrize(
    "source",
    [
        {"configMapKeyRef": {"name": "c", "key": "k"}},
        {"secretKeyRef": {"name": "s", "key": "k"}},
        {"fieldRef": {"fieldPath": "spec.unknown"}},
        {"resourceFieldRef": {"resource": "limits.cpu"}},
    ],
)
def test_a_reference_that_leads_nowhere_is_a_config_error(source: dict[str, Any]) -> None:
    """The container waits, as on a cluster, and the message says for what."""
    with pytest.raises(ConfigError):
        run({"env": [{"name": "X", "valueFrom": source}]})


def test_mount_paths_become_folders_in_arguments_and_environment() -> None:
    """Only whole path prefixes, the longest first."""
    mounts = {"/data": Path("/tmp/d"), "/data/sub": Path("/tmp/s")}
    container = {
        "command": ["python", "-m", "x", "--dir=/data/db", "/data/sub/f", "/database", "/x/data"],
        "env": [{"name": "A", "value": "/data:/data/sub"}],
    }
    argv, environment = run(container, mounts=mounts)
    assert argv == (sys.executable, "-m", "x", "--dir=/tmp/d/db", "/tmp/s/f", "/database", "/x/data")
    assert environment["A"] == "/tmp/d:/tmp/s"


def test_localhost_in_an_app_s_environment_is_the_pod() -> None:
    """In its environment, not in its arguments; other names that contain the word stay."""
    value = "bolt://localhost:7687,http://localhost.example/"
    argv, environment = run({"command": ["x", "localhost"], "env": [{"name": "URI", "value": value}]})
    assert argv == ("x", "localhost")
    assert environment["URI"] == "bolt://127.80.0.9:7687,http://localhost.example/"


def test_the_sidecar_listens_at_the_pod_s_address() -> None:
    """Without a command its image stands for our program, and its address settings are the pod's."""
    found = launch(pod(init=(SIDECAR,)), {**SIDECAR}, PLACE, {}, {}, {})
    assert found.argv == (sys.executable, "-m", "sidecar")
    assert found.environment[env.LISTEN] == found.environment[env.ADMIN_ADDRESS] == "127.80.0.9"
    assert found.environment[env.PORT] == "7687"


def test_on_one_address_ports_move_everywhere() -> None:
    """The sidecar's ports, and the app's `localhost:7687`."""
    sidecar = launch(pod(init=(SIDECAR,)), {**SIDECAR}, MOVED, {}, {}, {}).environment
    assert [sidecar[name] for name in (env.PORT, env.READ_PORT, env.ADMIN_PORT)] == ["40001", "40002", "40003"]
    _, environment = run({"env": [{"name": "URI", "value": "bolt://localhost:7687"}]}, MOVED)
    assert environment["URI"] == "bolt://127.0.0.1:40001"
    assert move_ports("PORT 7687; 17687.5 x7688 127.0.0.1:7688", MOVED) == "PORT 40001; 17687.5 x7688 127.0.0.1:40002"


def test_an_image_nobody_stands_in_for_needs_a_command() -> None:
    """The message says so."""
    container = {"name": "c", "image": "docker.io/library/redis:7"}
    with pytest.raises(ConfigError, match="redis"):
        launch(pod(container), container, PLACE, {}, {}, {})


def test_start_order_and_ports() -> None:
    """Init containers in their order, native sidecars among them, then the main ones."""
    ports = {"ports": [{"containerPort": 80}]}
    manifest = pod({"name": "m", **ports}, init=({"name": "i"}, SIDECAR))
    assert [(role, item["name"]) for role, item in in_start_order(manifest)] == [
        (Role.INIT, "i"), (Role.SIDECAR, names.SIDECAR_CONTAINER), (Role.MAIN, "m"),
    ]  # fmt: skip
    assert ports_in_use(manifest) == [80, 7687, 7688, 17687]
    assert ports_in_use(pod({"name": "m", **ports})) == [80]


def test_fields_of_the_downward_api() -> None:
    """Single labels and all of them."""
    manifest = pod()
    assert field_value(manifest, "metadata.labels['a']", PLACE) == "b"
    assert field_value(manifest, "metadata.labels", PLACE) == 'a="b"'
    assert field_value(manifest, "metadata.uid", PLACE) == "u"


def running(name: str, role: Role) -> State:
    return State(name, role, pid=1, waiting=None, started=True, ready=True, container_id="sandbox://1", started_at="t")


def report(*states: State, policy: str = "Always") -> tuple[str, dict[str, str]]:
    status = pod_status(list(states), PLACE, policy, "t")
    return status["phase"], {item["type"]: item["status"] for item in status["conditions"]}


def test_a_pod_is_ready_when_its_containers_and_sidecars_are() -> None:
    """And initialized when its init containers are done and its sidecars have started."""
    main, sidecar = running("m", Role.MAIN), running("s", Role.SIDECAR)
    init = State("i", Role.INIT, exit_code=0, waiting=None)
    phase, conditions = report(init, sidecar, main)
    assert phase == "Running"
    assert set(conditions.values()) == {"True"}
    sidecar.ready = False
    assert report(init, sidecar, main)[1]["Ready"] == "False"
    init.exit_code = 1
    assert report(init, sidecar, main)[1]["Initialized"] == "False"


def test_a_pod_with_readiness_gates_is_ready_when_they_are_true() -> None:
    """And its containers are ready all the same."""
    state = running("m", Role.MAIN)
    for gates, ready in (({"g": True, "h": False}, "False"), ({"g": True, "h": True}, "True"), ({}, "True")):
        conditions = {c["type"]: c for c in pod_status([state], PLACE, "Always", "t", gates)["conditions"]}
        assert (conditions["ContainersReady"]["status"], conditions["Ready"]["status"]) == ("True", ready)
        assert conditions["Ready"]["reason"] == ("ReadinessGatesNotReady" if ready == "False" else None)
    state.ready = False
    conditions = {c["type"]: c for c in pod_status([state], PLACE, "Always", "t", {"g": False})["conditions"]}
    assert conditions["Ready"]["reason"] is None, "the containers are the first thing that is missing"


def test_the_gates_of_a_pod() -> None:
    """A condition that nobody has set is not True."""
    manifest = pod()
    assert gates_of(manifest) == {}
    manifest["spec"]["readinessGates"] = [{"conditionType": "a"}, {"conditionType": "b"}]
    assert gates_of(manifest) == {"a": False, "b": False}
    manifest["status"] = {"conditions": [{"type": "a", "status": "True"}, {"type": "b", "status": "False"}]}
    assert gates_of(manifest) == {"a": True, "b": False}


def test_phases() -> None:
    """Pending before the first main container, Succeeded and Failed only where nothing restarts it."""
    waiting = State("m", Role.MAIN)
    assert report(waiting)[0] == "Pending"
    done = State("m", Role.MAIN, exit_code=0, waiting=None)
    assert report(done, policy="Never")[0] == "Succeeded"
    failed = State("m", Role.MAIN, exit_code=3, waiting=None)
    assert report(failed, policy="Never")[0] == "Failed"
    back = State("m", Role.MAIN, exit_code=3, waiting="CrashLoopBackOff", restarts=1)
    assert report(back, policy="OnFailure")[0] == "Running"
    assert report(State("i", Role.INIT, exit_code=1, waiting=None), waiting, policy="Never")[0] == "Failed"


def test_a_killed_container_shows_signal_and_code() -> None:
    """137 for SIGKILL, and the last end stays visible after the restart."""
    state = running("m", Role.MAIN)
    state.previous = {"exitCode": 137, "signal": 9}
    shown = pod_status([state], PLACE, "Always", "t")["containerStatuses"][0]
    assert shown["state"] == {"running": {"startedAt": "t"}}
    assert shown["lastState"]["terminated"]["signal"] == 9
    state.exit_code, state.signal, state.pid = 137, 9, None
    assert state.terminated() == {
        "exitCode": 137, "signal": 9, "reason": "Error", "startedAt": "t", "finishedAt": "", "containerID": "sandbox://1",
    }  # fmt: skip
