"""The kubelet stand-in with real processes: order, volumes, environment, restarts, deletion, and the two workloads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from api_server import api_server, until

from sandbox.kube import Kube, Refused
from sandbox.kubelet.addresses import Addresses, free_block, has_loopback_block
from sandbox.kubelet.kubelet import Kubelet
from sandbox.kubelet.processes import Groups
from sandbox.kubelet.workloads import Workloads
from sandbox.kubernetes.core.patches import STRATEGIC

pytestmark = pytest.mark.anyio
Object = dict[str, Any]
RESTART_S = 0.05
FOREVER = "import signal; print('up', flush=True); signal.pause()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, lambda *_: print('not now', flush=True))\n" + (
    "print('up', flush=True)\nwhile True: signal.pause()"
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    with api_server(tmp_path) as path:
        yield path


class Node:
    """A running kubelet with its API server."""

    def __init__(self, kube: Kube, kubelet: Kubelet, folder: Path) -> None:
        self.kube = kube
        self.kubelet = kubelet
        self.folder = folder

    async def run(self, name: str, *containers: Object, init: tuple[Object, ...] = (), **spec: Any) -> Object:
        body = {"containers": list(containers), "initContainers": list(init), **spec}
        return await self.kube.create("pods", "ns", {"metadata": {"name": name}, "spec": body})

    async def pod(self, name: str, wanted: Callable[[Object], bool]) -> Object:
        """The pod as soon as `wanted` holds for it."""
        with anyio.fail_after(20):
            while True:
                found = await self.kube.find("pods", "ns", name)
                if found is not None and wanted(found):
                    return found
                await anyio.sleep(0.01)

    async def gone(self, name: str) -> None:
        """Until the pod's object is gone."""
        with anyio.fail_after(20):
            while True:
                if await self.kube.find("pods", "ns", name) is None:
                    return
                await anyio.sleep(0.01)

    async def says(self, pod: str, container: str, text: str) -> None:
        """Until the container's log contains `text`."""
        await until(f"{container} says {text!r}", lambda: text in self.log(pod, container))

    def log(self, pod: str, container: str) -> str:
        path = self.folder / "pods" / f"ns_{pod}" / f"{container}.log"
        return path.read_text() if path.exists() else ""

    async def pid(self, pod: str) -> int:
        """Of its last container. A process can speak a moment before the kubelet has its number."""
        await until(f"{pod} has a process", lambda: self._pid(pod) is not None)
        pid = self._pid(pod)
        assert pid is not None
        return pid

    def _pid(self, pod: str) -> int | None:
        found = self.kubelet.find("ns", pod)
        assert found is not None
        return found.states[-1].pid


@pytest.fixture(params=["loopback", "one-address"])
async def node(kubeconfig: Path, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Node]:
    one = request.param == "one-address"
    if not one and not has_loopback_block():
        pytest.skip("this system has only 127.0.0.1; Linux has all of 127.0.0.0/8")
    async with running_node(kubeconfig, tmp_path, Addresses(None if one else free_block(str(tmp_path)))) as it:
        yield it


@asynccontextmanager
async def running_node(
    kubeconfig: Path, folder: Path, addresses: Addresses, relist_s: float = 0.0
) -> AsyncIterator[Node]:
    async with Kube(kubeconfig) as kube, Groups() as groups, anyio.create_task_group() as tasks:
        await kube.create("namespaces", None, {"metadata": {"name": "ns"}})
        kubelet = Kubelet(kube, groups, folder, addresses, restart_delay_s=RESTART_S, relist_s=relist_s)
        tasks.start_soon(kubelet.run)
        tasks.start_soon(Workloads(kube).run)
        yield Node(kube, kubelet, folder)
        tasks.cancel_scope.cancel()


def python(name: str, code: str, **more: Any) -> Object:
    return {"name": name, "command": ["python", "-c", code], **more}


def running(pod: Object) -> bool:
    return bool(pod.get("status", {}).get("phase") == "Running")


def ready(pod: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions") or ())


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_volumes_and_environment_reach_the_process(node: Node) -> None:
    """ConfigMap, Secret, projected token with authority and downward API, emptyDir shared between containers."""
    await node.kube.create("configmaps", "ns", {"metadata": {"name": "c"}, "data": {"f": "from a configmap", "v": "1"}})
    await node.kube.create("secrets", "ns", {"metadata": {"name": "s"}, "stringData": {"k": "from a secret"}})
    volumes: list[Object] = [
        {"name": "c", "configMap": {"name": "c", "items": [{"key": "f", "path": "deep/file"}]}},
        {"name": "s", "secret": {"secretName": "s"}},
        {"name": "e", "emptyDir": {}},
        {"name": "t", "projected": {"sources": [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        ]}},
    ]  # fmt: skip
    mounts = [{"name": v["name"], "mountPath": f"/mnt/{v['name']}"} for v in volumes]
    variables = [
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "V", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "v"}}},
        {"name": "TOKEN_DIR", "value": "/mnt/t"},
    ]
    code = (
        "import json,os,pathlib,sys; p=pathlib.Path; t=p(os.environ['TOKEN_DIR']);"
        "print(json.dumps({'argv':[p(a).read_text() for a in sys.argv[1:]],'env':dict(os.environ),"
        "'files':{f.name:f.read_text() for f in t.iterdir()}}))"
    )
    first = python("first", "import sys; open(sys.argv[1],'w').write('from an init container')", args=["/mnt/e/x"])
    main = python("main", code, args=["/mnt/c/deep/file", "/mnt/s/k", "/mnt/e/x"], env=variables, volumeMounts=mounts)
    await node.run("p", main, init=({**first, "volumeMounts": mounts},), volumes=volumes, restartPolicy="Never")
    pod = await node.pod("p", lambda pod: pod["status"]["phase"] in ("Succeeded", "Failed"))
    assert pod["status"]["phase"] == "Succeeded", node.log("p", "main")
    said = json.loads(node.log("p", "main"))
    assert said["argv"] == ["from a configmap", "from a secret", "from an init container"]
    assert said["env"]["IP"] == pod["status"]["podIP"]
    assert said["env"]["V"] == "1"
    assert (
        node.kube.server == f"https://{said['env']['KUBERNETES_SERVICE_HOST']}:{said['env']['KUBERNETES_SERVICE_PORT']}"
    )
    assert said["files"]["name"] == "p"
    assert said["files"]["ca.crt"].startswith("-----BEGIN CERTIFICATE")
    assert len(said["files"]["token"]) > 20


async def test_init_containers_run_one_after_the_other_and_sidecars_first_start(node: Node, tmp_path: Path) -> None:
    """A native sidecar must have started before the next container, and goes on while the main ones run."""
    order = tmp_path / "order"
    note = f"import signal,sys,time; open({str(order)!r},'a').write(sys.argv[1]+'\\n')"
    probe = {
        "exec": {"command": ["python", "-c", f"open({str(tmp_path / 'go')!r})"]},
        "periodSeconds": 0.05,
        "failureThreshold": 400,
    }
    init = (
        python("one", note, args=["one"]),
        python("sidecar", f"{note}; signal.pause()", args=["sidecar"], restartPolicy="Always", startupProbe=probe),
        python("two", note, args=["two"]),
    )
    await node.run("p", python("main", f"{note}; signal.pause()", args=["main"]), init=init)
    pod = await node.pod("p", lambda pod: len(pod["status"].get("initContainerStatuses", [])) == 3 and (
        "running" in pod["status"]["initContainerStatuses"][1]["state"]
    ))  # fmt: skip
    assert pod["status"]["phase"] == "Pending"
    await until("the sidecar runs", lambda: order.read_text().split() == ["one", "sidecar"])
    (tmp_path / "go").touch()
    pod = await node.pod("p", ready)
    await until("the main container runs", lambda: order.read_text().split() == ["one", "sidecar", "two", "main"])
    states = [status["state"] for status in pod["status"]["initContainerStatuses"]]
    assert [next(iter(state)) for state in states] == ["terminated", "running", "terminated"]


async def test_a_failed_init_container_is_tried_again(node: Node, tmp_path: Path) -> None:
    """And nothing after it runs before it succeeded."""
    flag = tmp_path / "flag"
    first = python(
        "first", f"import pathlib,sys; p=pathlib.Path({str(flag)!r}); e=p.exists(); p.touch(); sys.exit(0 if e else 3)"
    )
    await node.run("p", python("main", FOREVER), init=(first,))
    pod = await node.pod("p", ready)
    status = pod["status"]["initContainerStatuses"][0]
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["exitCode"] == 3


async def test_a_killed_container_comes_back_in_the_same_pod(node: Node) -> None:
    """Same pod, same address, another containerID, and the status tells what happened."""
    await node.run("p", python("main", FOREVER))
    before = await node.pod("p", ready)
    await node.says("p", "main", "up")
    os.kill(await node.pid("p"), signal.SIGKILL)
    after = await node.pod("p", lambda pod: ready(pod) and pod["status"]["containerStatuses"][0]["restartCount"] == 1)
    old, new = (pod["status"]["containerStatuses"][0] for pod in (before, after))
    assert (after["metadata"]["uid"], after["status"]["podIP"]) == (
        before["metadata"]["uid"],
        before["status"]["podIP"],
    )
    assert new["containerID"] != old["containerID"]
    assert new["lastState"]["terminated"]["signal"] == signal.SIGKILL
    assert new["lastState"]["terminated"]["containerID"] == old["containerID"]
    await node.says("p", "main", "up\nup\n")  # the log is appended to


async def test_deletion_asks_first_and_kills_after_the_grace(node: Node) -> None:
    """SIGTERM, the grace, SIGKILL, and only then the object goes."""
    await node.run("p", python("main", STUBBORN))
    await node.says("p", "main", "up")
    pid = await node.pid("p")
    await node.kube.delete("pods", "ns", "p", grace_s=1)
    await node.says("p", "main", "not now")
    pod = await node.kube.get("pods", "ns", "p")
    assert "deletionTimestamp" in pod["metadata"]
    assert alive(pid)
    await node.gone("p")
    assert not alive(pid)


async def test_a_death_is_noticed_at_the_next_look(kubeconfig: Path, tmp_path: Path) -> None:
    """Until then the pod is shown as it was; its deletion waits for no look."""
    async with running_node(kubeconfig, tmp_path, Addresses(None), relist_s=3600) as node:
        await node.run("p", python("main", FOREVER))
        await node.says("p", "main", "up")
        pid = await node.pid("p")
        os.kill(pid, signal.SIGKILL)
        await until("the process is gone", lambda: not alive(pid))
        await node.run("later", python("main", FOREVER))
        await node.pod("later", running)
        assert running(await node.kube.get("pods", "ns", "p"))
        await node.kube.delete("pods", "ns", "p")
        await node.gone("p")


def before_stop(seconds: int) -> Object:
    """The lifecycle of a container that is to live on for so long after its deletion."""
    return {"lifecycle": {"preStop": {"sleep": {"seconds": seconds}}}}


async def test_a_pre_stop_sleep_comes_before_sigterm_and_counts_as_grace(node: Node) -> None:
    """One that is longer than the grace leaves no time for a SIGTERM."""
    await node.run("short", python("main", STUBBORN, **before_stop(1)))
    await node.run("long", python("main", STUBBORN, **before_stop(3600)))
    for name in ("short", "long"):
        await node.says(name, "main", "up")
        await node.kube.delete("pods", "ns", name, grace_s=2)
    for name in ("short", "long"):
        await node.gone(name)
    assert node.log("short", "main").splitlines() == ["up", "not now"]
    assert node.log("long", "main").splitlines() == ["up"]


async def test_a_container_that_dies_in_its_pre_stop_sleep_does_not_come_back(node: Node) -> None:
    """Nor is the rest of the sleep waited for."""
    await node.run("p", python("main", STUBBORN, **before_stop(3600)))
    await node.says("p", "main", "up")
    pid = await node.pid("p")
    await node.kube.delete("pods", "ns", "p", grace_s=3600)
    await node.pod("p", lambda pod: "deletionTimestamp" in pod["metadata"])
    os.kill(pid, signal.SIGKILL)
    await node.gone("p")
    assert node.log("p", "main").splitlines() == ["up"]


async def test_grace_zero_kills_at_once(node: Node) -> None:
    """Nobody is asked, and the object is gone before the process."""
    await node.run("p", python("main", STUBBORN))
    await node.says("p", "main", "up")
    pid = await node.pid("p")
    await node.kube.delete("pods", "ns", "p", grace_s=0)
    assert await node.kube.find("pods", "ns", "p") is None
    await until("the process is gone", lambda: not alive(pid))


async def test_sidecars_end_after_the_main_containers(node: Node) -> None:
    """So that a last transaction finds its way (O-S14)."""
    ending = "import signal,sys\ndef end(*_):\n  {}print('end', flush=True); sys.exit()\n"
    ending += "signal.signal(signal.SIGTERM, end); print('up', flush=True); signal.pause()"
    waiting = ending.format("")
    sidecar_log = str(node.folder / "pods" / "ns_p" / "sidecar.log")
    slow = ending.format(f"print(repr(open({sidecar_log!r}).read()), flush=True); ")
    await node.run("p", python("main", slow), init=(python("sidecar", waiting, restartPolicy="Always"),))
    await node.says("p", "main", "up")
    await node.says("p", "sidecar", "up")
    await node.kube.delete("pods", "ns", "p")
    await node.gone("p")
    assert node.log("p", "main").splitlines() == ["up", r"'up\n'", "end"], "the sidecar had not been asked yet"
    assert node.log("p", "sidecar").splitlines() == ["up", "end"]


async def test_a_container_that_cannot_start_waits_with_a_reason(node: Node) -> None:
    """And starts when what it refers to appears."""
    variable = {"name": "V", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "k"}}}
    await node.run("p", python("main", FOREVER, env=[variable]))
    pod = await node.pod(
        "p", lambda pod: "waiting" in str(pod["status"].get("containerStatuses")) and "late" in str(pod["status"])
    )
    assert pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CreateContainerConfigError"
    await node.kube.create("configmaps", "ns", {"metadata": {"name": "late"}, "data": {"k": "v"}})
    await node.pod("p", ready)


async def test_readiness_follows_its_probe(node: Node, tmp_path: Path) -> None:
    """Both ways; an HTTP probe by the port's name."""
    code = (
        "import http.server,os,sys\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "  def do_GET(self):\n"
        f"    self.send_response(200 if os.path.exists({str(tmp_path / 'well')!r}) else 503); self.end_headers()\n"
        "http.server.HTTPServer((os.environ['IP'], int(os.environ['PORT'])), H).serve_forever()"
    )
    probe = {"httpGet": {"path": "/", "port": "web"}, "periodSeconds": 0.05, "failureThreshold": 1}
    variables = [
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "PORT", "value": "8080"},
    ]
    ports = [{"name": "web", "containerPort": 8080}]
    await node.run("p", python("main", code, env=variables, ports=ports, readinessProbe=probe))
    await node.pod("p", lambda pod: running(pod) and not ready(pod))
    (tmp_path / "well").touch()
    pod = await node.pod("p", ready)
    # Where pods share an address the port has moved, and the pod's spec says where to.
    port = pod["spec"]["containers"][0]["ports"][0]["containerPort"]
    assert (port == 8080) is (pod["status"]["podIP"] != "127.0.0.1")
    (tmp_path / "well").unlink()
    await node.pod("p", lambda pod: not ready(pod))


GATE = "example.io/in-sync"


async def set_gate(node: Node, name: str, status: str) -> None:
    """What a controller does: only its own condition, by strategic merge."""
    condition = {"type": GATE, "status": status, "reason": "Test"}
    body = {"status": {"conditions": [condition]}, "metadata": {"labels": {"role": status}}}
    await node.kube.patch("pods", "ns", name, body, "status", kind=STRATEGIC)


def condition(pod: Object, kind: str) -> Object | None:
    return next((c for c in pod["status"].get("conditions") or () if c["type"] == kind), None)


async def test_readiness_waits_for_a_gate_and_the_kubelet_leaves_it_alone(node: Node) -> None:
    """Both ways; what the kubelet reports later does not take the gate's condition away."""
    gates = [{"conditionType": GATE}]
    await node.run("p", python("main", FOREVER), readinessGates=gates)
    pod = await node.pod("p", lambda pod: (condition(pod, "ContainersReady") or {}).get("status") == "True")
    assert not ready(pod)
    assert (condition(pod, "Ready") or {})["reason"] == "ReadinessGatesNotReady"
    await set_gate(node, "p", "True")
    await node.pod("p", ready)
    os.kill(await node.pid("p"), signal.SIGKILL)
    pod = await node.pod("p", lambda pod: ready(pod) and pod["status"]["containerStatuses"][0]["restartCount"] == 1)
    assert condition(pod, GATE) == {"type": GATE, "status": "True", "reason": "Test"}
    assert pod["metadata"]["labels"]["role"] == "True", "a status may carry labels"
    assert "reason" not in (condition(pod, "Ready") or {})
    await set_gate(node, "p", "False")
    await node.pod("p", lambda pod: not ready(pod))


def template(code: str = FOREVER, **spec: Any) -> Object:
    return {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [python("main", code)], **spec},
    }


async def test_a_statefulset_pod_comes_back_with_its_volume(node: Node) -> None:
    """Another pod, another address, the same claim with the same UID and what was written to it."""
    code = "import signal,sys; f=open(sys.argv[1],'a+'); f.write('x'); f.seek(0); print(f.read(), flush=True);"
    code += "signal.pause()"
    container = python("main", code, args=["/data/f"], volumeMounts=[{"name": "data", "mountPath": "/data"}])
    spec = {
        "replicas": 2,
        "template": template(containers=[container]),
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}],
    }
    await node.kube.create("statefulsets", "ns", {"metadata": {"name": "s"}, "spec": spec})
    first = await node.pod("s-0", ready)
    await node.pod("s-1", ready)
    await node.says("s-0", "main", "x\n")
    claim = await node.kube.get("persistentvolumeclaims", "ns", "data-s-0")
    await node.kube.delete("pods", "ns", "s-0")
    second = await node.pod("s-0", lambda pod: ready(pod) and pod["metadata"]["uid"] != first["metadata"]["uid"])
    await node.says("s-0", "main", "xx\n")
    assert (await node.kube.get("persistentvolumeclaims", "ns", "data-s-0"))["metadata"]["uid"] == claim["metadata"][
        "uid"
    ]
    assert claim["status"]["phase"] == "Bound"
    if second["status"]["podIP"] != "127.0.0.1":
        assert second["status"]["podIP"] != first["status"]["podIP"]
    await node.kube.patch("statefulsets", "ns", "s", {"spec": {"replicas": 1}})
    await node.gone("s-1")


async def test_a_roll_out_waits_for_the_gate(node: Node) -> None:
    """A StatefulSet's second pod stays what it is until somebody says that the first new one is in sync."""
    gates = [{"conditionType": GATE}]
    spec = {"replicas": 2, "template": template(readinessGates=gates)}
    await node.kube.create("statefulsets", "ns", {"metadata": {"name": "s"}, "spec": spec})
    first = {name: await node.pod(name, running) for name in ("s-0", "s-1")}
    for name in first:
        await set_gate(node, name, "True")
    changed = {"spec": {"template": template(FOREVER.replace("up", "again"), readinessGates=gates)}}
    await node.kube.patch("statefulsets", "ns", "s", changed)

    def another(name: str) -> Callable[[Object], bool]:
        return lambda pod: running(pod) and pod["metadata"]["uid"] != first[name]["metadata"]["uid"]

    second = await node.pod("s-1", another("s-1"))
    await node.pod("s-1", lambda pod: (condition(pod, "ContainersReady") or {}).get("status") == "True")
    await until_reported(node, "s", updated=1)
    assert (await node.pod("s-0", running))["metadata"]["uid"] == first["s-0"]["metadata"]["uid"]
    await set_gate(node, "s-1", "True")
    await node.pod("s-0", another("s-0"))
    assert (await node.pod("s-1", running))["metadata"]["uid"] == second["metadata"]["uid"]


async def until_reported(node: Node, name: str, *, updated: int) -> None:
    """Until the StatefulSet's status counts so many pods of the current revision."""
    with anyio.fail_after(20):
        while True:
            found = await node.kube.get("statefulsets", "ns", name)
            if found["status"].get("updatedReplicas") == updated:
                return
            await anyio.sleep(0.01)


async def test_a_deployment_replaces_lost_pods_and_ends_with_its_object(node: Node) -> None:
    """N pods, always; none once the Deployment is deleted."""
    await node.kube.create(
        "deployments", "ns", {"metadata": {"name": "d"}, "spec": {"replicas": 2, "template": template()}}
    )

    async def pods(wanted: Callable[[list[Object]], bool]) -> list[Object]:
        with anyio.fail_after(20):
            while True:
                if wanted(found := await node.kube.list("pods", "ns")):
                    return found
                await anyio.sleep(0.01)

    first = await pods(lambda found: len(found) == 2 and all(map(ready, found)))
    lost = first[0]["metadata"]["name"]
    await node.kube.delete("pods", "ns", lost, grace_s=0)
    second = await pods(lambda found: len(found) == 2 and all(map(ready, found)))
    assert lost not in {pod["metadata"]["name"] for pod in second}
    await node.kube.delete("deployments", "ns", "d")
    assert await pods(lambda found: not found) == []


async def test_a_finished_pod_stays_finished(node: Node) -> None:
    """restartPolicy Never: Failed, not started again, deletable."""
    await node.run("p", python("main", "raise SystemExit(4)"), restartPolicy="Never")
    pod = await node.pod("p", lambda pod: pod["status"]["phase"] == "Failed")
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 4
    await node.kube.delete("pods", "ns", "p")
    await node.gone("p")
    with pytest.raises(Refused):
        await node.kube.get("pods", "ns", "p")


RUNNER = """
import asyncio, sys
from pathlib import Path
from sandbox.kubelet.processes import Groups

CHILD = (
    "import subprocess, sys, signal; c = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()']);"
    "print(c.pid, flush=True); signal.pause()"
)

async def main(folder):
    async with Groups() as groups:
        group = await groups.start([sys.executable, "-c", CHILD], {}, folder, folder / "child.log")
        print(group.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[1])))
"""


def test_nothing_survives_a_runner_that_is_killed(tmp_path: Path) -> None:
    """Neither a container's process nor what it started itself, though the runner could do nothing about it."""
    with subprocess.Popen([sys.executable, "-c", RUNNER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        child = int(runner.stdout.readline())
        log = tmp_path / "child.log"
        anyio.run(until, "the child is up", lambda: log.exists() and log.read_text().endswith("\n"))
        grandchild = int(log.read_text())
        assert alive(child)
        assert alive(grandchild)
        runner.kill()
    anyio.run(until, "both are gone", lambda: not _runs(child) and not _runs(grandchild))


def _runs(pid: int) -> bool:
    """Alive and no zombie: in a container nobody may be there to reap orphans."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.returncode == 0 and not found.stdout.startswith("Z")
