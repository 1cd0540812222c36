"""`memgraph-ha status`, `explain`, `inject`, `upgrade-sidecars` and `doctor` against the sandbox's API server."""

from __future__ import annotations

import copy
import json
import signal
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
import yaml
from anyio.streams.text import TextReceiveStream
from command_world import GRAPH, World
from fleet_pods import injected, pod
from published import published

from memgraph_ha.core import paths
from sidecar.contract import names

pytestmark = pytest.mark.anyio
LEASES = "/apis/coordination.k8s.io/v1/namespaces/database/leases"
Output = pytest.CaptureFixture[str]


def deployment(name: str = "web", **labels: str) -> Any:
    """Labels are those of the Deployment itself."""
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels}, "spec": spec}


async def test_explain_says_why_a_pod_lacks_the_sidecar_and_what_to_type(kubernetes: World, capsys: Output) -> None:
    await kubernetes.pod(pod(owner=("StatefulSet", "db"), name="db-0"))
    assert await kubernetes.type("explain", "db-0", "-n", "apps") == 1
    assert capsys.readouterr().out.splitlines() == [
        "pod/db-0 in namespace apps: lacks the sidecar of release graph",
        "  - it is older than the label, or the webhook did not answer when it was made",
        "next:",
        "  kubectl -n apps rollout restart statefulset/db",
    ]
    await kubernetes.pod(injected(GRAPH))
    assert await kubernetes.type("explain", "web-1", "-n", "apps", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["well"] is True


async def test_explain_names_the_label_that_is_on_the_deployment(kubernetes: World, capsys: Output) -> None:
    """The usual mistake; its command mends it."""
    await kubernetes.namespace("plain")
    await kubernetes.put(paths.apps("plain", "deployments"), deployment(**{names.INJECT_LABEL: "enabled"}))
    assert await kubernetes.type("explain", "deploy/web", "-n", "plain") == 1
    said = capsys.readouterr().out
    assert "the label memgraph-ha.io/inject is on deployment/web itself; it has to be on its pod template" in said
    command = next(line for line in said.splitlines() if "patch deployment/web" in line)
    labels = json.loads(command.split("'")[1])["spec"]["template"]["metadata"]["labels"]
    path = paths.apps("plain", "deployments", "web")
    operations = [{"op": "add", "path": "/spec/template/metadata/labels", "value": {"app": "web", **labels}}]
    await kubernetes.api.patch(path, operations)
    assert await kubernetes.type("explain", "deploy/web", "-n", "plain") == 0
    assert "its new pods get the sidecar of release graph" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("explain", "nobody", "-n", "apps"), "there is no pod/nobody in namespace apps: see kubectl -n apps get pods"),
        (("explain", "svc/web"), "'svc/web' can't carry a sidecar: name a pod, or KIND/NAME such as deploy/web"),
        (("status", "--release", "other"), "no release other of memgraph-ha here; there are graph"),
        (("status", "-n", "apps"), "release graph is in namespace database, not in apps"),
        (("inject", "-f", "/nowhere"), "/nowhere can't be read"),
        (("upgrade-sidecars", "-n", "nowhere"), "/api/v1/namespaces/nowhere"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
async def test_what_can_not_be_done_is_a_sentence(
    kubernetes: World, capsys: Output, words: tuple[str, ...], says: str
) -> None:
    """Exit code 2; as JSON, too."""
    assert await kubernetes.type(*words) == 2
    assert says in capsys.readouterr().err
    assert await kubernetes.type(*words, "-o", "json") == 2
    assert says in json.loads(capsys.readouterr().out)["error"]


async def test_inject_writes_what_the_webhook_would(kubernetes: World, tmp_path: Path, capsys: Output) -> None:
    """Of the installed release; what it can't inject passes, and is said."""
    host = deployment("host")
    host["spec"]["template"]["spec"]["hostNetwork"] = True
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    manifests = tmp_path / "all.yaml"
    manifests.write_text(yaml.safe_dump_all([deployment(), service, host]))
    assert await kubernetes.type("inject", "-f", str(manifests)) == 1
    said = capsys.readouterr()
    web, *others = yaml.safe_load_all(said.out)
    template = deployment()["spec"]["template"]
    template["metadata"]["labels"][names.INJECT_LABEL] = "enabled"  # so that the controller finds its pods
    assert web["spec"]["template"] == injected(GRAPH, given=template)
    assert others == [service, host]
    assert said.err.splitlines() == [
        "deployment/web: injected",
        "service/web: holds no pods",
        "deployment/host: not injected: hostNetwork pods share the node's localhost",
    ]
    manifests.write_text(yaml.safe_dump(web))
    assert await kubernetes.type("inject", "-f", str(manifests)) == 0
    assert yaml.safe_load(capsys.readouterr().out) == web, "once is enough"


async def test_status_tells_the_document_the_pods_and_who_leads(kubernetes: World, capsys: Output) -> None:
    assert await kubernetes.type("status") == 1
    said = capsys.readouterr().out
    assert "! there is no document: no controller has published a main yet" in said
    assert "! no controller leads" in said
    state = {"metadata": {"name": "graph-state"}, **published()}
    await kubernetes.put(paths.inside("database", "configmaps"), state)
    spec = {"holderIdentity": "c-0_1", "leaseDurationSeconds": 4, "renewTime": "2999-01-01T00:00:00.000000Z"}
    await kubernetes.put(LEASES, {"metadata": {"name": "graph-controller"}, "spec": spec})
    body = pod("database", "graph-0", labels={
        names.INSTANCE_LABEL: "graph", names.COMPONENT_LABEL: "memgraph", names.ROLE_LABEL: "main",
    })  # fmt: skip
    gate = {"type": names.IN_SYNC_CONDITION, "status": "True", "message": "it is the main"}
    body["status"]["conditions"] = [{"type": "Ready", "status": "True"}, gate]
    await kubernetes.pod(body)
    assert await kubernetes.type("status") == 0
    said = capsys.readouterr().out
    assert said.splitlines()[:3] == [
        "release graph in namespace database: serving, epoch 7",
        "main m-0, sync replica 1, leader c-0",
        "m-0 serves",
    ]
    assert "graph-0  main  yes    0         it is the main" in said
    assert await kubernetes.type("status", "-o", "json", "--release", "graph", "-n", "database") == 0
    assert json.loads(capsys.readouterr().out)["pods"][0]["in_sync"] == "it is the main"


async def test_status_is_watched_until_it_is_interrupted(kubernetes: World) -> None:
    """It prints again when something changed."""
    words = ["status", "--watch", "--kubeconfig", str(kubernetes.kubeconfig)]
    program = f"import sys; from memgraph_ha.cli import main; sys.exit(main({words!r}))"
    async with await anyio.open_process([sys.executable, "-u", "-c", program], stderr=None) as process:
        try:
            assert process.stdout is not None
            said = TextReceiveStream(process.stdout)
            assert "there is no document" in await until_a_line(said, "---")
            state = {"metadata": {"name": "graph-state"}, **published(serving=False)}
            await kubernetes.put(paths.inside("database", "configmaps"), state)
            assert "clients are cut" in await until_a_line(said, "---")
            process.send_signal(signal.SIGINT)
            with anyio.fail_after(20):
                assert await process.wait() == 130
        finally:
            if process.returncode is None:
                process.kill()  # its end is waited for, whatever the test's own time limit


async def until_a_line(stream: TextReceiveStream, line: str) -> str:
    """Everything up to that line."""
    read = ""
    with anyio.fail_after(20):
        while f"\n{line}\n" not in read:
            read += await stream.receive()
    return read


class Kubelet:
    """Restarts a sidecar when its image changes, or can't pull it."""

    def __init__(self, kubernetes: World, *, pulls: bool = True) -> None:
        self._world = kubernetes
        self._pulls = pulls
        self.restarted: list[str] = []

    async def run(self) -> None:
        known: dict[str, str] = {}
        while True:
            for found in await self._world.api.all(paths.inside("apps", "pods")):
                name, image = found["metadata"]["name"], found["spec"]["initContainers"][0]["image"]
                if known.setdefault(name, image) != image:
                    known[name] = image
                    await self._restart(name)
            await anyio.sleep(0.02)

    async def _restart(self, name: str) -> None:
        self.restarted.append(name)
        state: Any = {"running": {}} if self._pulls else {"waiting": {"reason": "ImagePullBackOff", "message": "no"}}
        status = {"name": names.SIDECAR_CONTAINER, "restartCount": 1, "state": state, "started": True}
        operations = [{"op": "add", "path": "/status/initContainerStatuses", "value": [status]}]
        await self._world.api.patch(paths.inside("apps", "pods", name) + "/status", operations)


async def upgrade(kubernetes: World, kubelet: Kubelet, *words: str) -> int:
    """The command while a kubelet works."""
    async with anyio.create_task_group() as group:
        group.start_soon(kubelet.run)
        code = await kubernetes.type("upgrade-sidecars", *words)
        group.cancel_scope.cancel()
    return code


async def old_pods(kubernetes: World, *names_: str) -> None:
    for name in names_:
        await kubernetes.pod(injected(GRAPH, given=pod(name=name), image="memgraph-ha-sidecar:0.0.9"))


async def image_of(kubernetes: World, name: str) -> str:
    found = await kubernetes.api.get(paths.inside("apps", "pods", name))
    return str(found["spec"]["initContainers"][0]["image"])


async def test_sidecars_are_upgraded_one_after_the_other(kubernetes: World, capsys: Output) -> None:
    await old_pods(kubernetes, "a", "b", "c")
    await kubernetes.pod(injected(GRAPH, given=pod(name="new")))
    assert await kubernetes.type("upgrade-sidecars", "--dry-run", "-n", "apps") == 0
    assert capsys.readouterr().out.splitlines()[0] == ("apps/a: memgraph-ha-sidecar:0.0.9 -> memgraph-ha-sidecar:0.1.0")
    kubelet = Kubelet(kubernetes)
    assert await upgrade(kubernetes, kubelet, "--max", "2") == 0
    said = capsys.readouterr()
    assert said.out == "2 upgraded, 1 left as they were\n"
    assert said.err.splitlines() == ["[1/2] apps/a: upgraded", "[2/2] apps/b: upgraded"]
    assert kubelet.restarted == ["a", "b"]
    assert [await image_of(kubernetes, n) for n in ("a", "c")] == [
        "memgraph-ha-sidecar:0.1.0", "memgraph-ha-sidecar:0.0.9",
    ]  # fmt: skip
    assert await kubernetes.type("upgrade-sidecars", "--no-wait") == 0
    capsys.readouterr()
    assert await kubernetes.type("upgrade-sidecars") == 0
    assert capsys.readouterr().out == "every sidecar runs its release's image\n"


async def test_an_upgrade_stops_at_the_first_sidecar_that_does_not_come_back(kubernetes: World, capsys: Output) -> None:
    await old_pods(kubernetes, "a", "b")
    assert await upgrade(kubernetes, Kubelet(kubernetes, pulls=False)) == 1
    said = capsys.readouterr()
    assert said.out == "1 failed, 1 left as they were\n"
    assert said.err.splitlines() == [
        "[1/2] apps/a: failed: ImagePullBackOff no", "next: memgraph-ha explain a -n apps",
    ]  # fmt: skip
    assert await image_of(kubernetes, "b") == "memgraph-ha-sidecar:0.0.9"
    assert await kubernetes.type("explain", "a", "-n", "apps") == 1
    said = capsys.readouterr()
    assert "the sidecar does not run: ImagePullBackOff no" in said.out
    assert "kubectl -n apps logs a -c memgraph-ha-sidecar" in said.out


async def test_only_what_is_outdated_is_touched(kubernetes: World, capsys: Output) -> None:
    """Not a plain container, whose restart policy is the pod's; not one of another release."""
    plain = injected(GRAPH, given=pod(name="plain"), image="memgraph-ha-sidecar:0.0.9")
    plain["spec"]["containers"].append(plain["spec"].pop("initContainers")[0])
    other = copy.deepcopy(injected(GRAPH, given=pod(name="other"), image="memgraph-ha-sidecar:0.0.9"))
    for entry in other["spec"]["initContainers"][0]["env"]:
        entry["value"] = entry["value"].replace("graph-state", "other-state")
    for body in (plain, other, pod(name="without")):
        await kubernetes.pod(body)
    assert await kubernetes.type("upgrade-sidecars", "--dry-run", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out) == []


async def test_doctor_says_what_is_wrong_and_names_the_fix(kubernetes: World, capsys: Output) -> None:
    """Here nothing runs; what this API server does not know is unknown, and no error."""
    await kubernetes.pod(pod(owner=("StatefulSet", "db"), name="db-0"))
    assert await kubernetes.type("doctor") == 1
    said = capsys.readouterr().out
    for expected in (
        "error    failover: no controller leads: nobody would notice a dead main",
        "error    failover: there is no document: no controller has published a main yet",
        "error    webhook: no webhook pod is ready: new pods start without the sidecar",
        "error    certificates: webhook inject.memgraph-ha.io: it has no caBundle",
        "error    a pod on trial: a new pod in apps is not injected",
        "warning  pods with sidecars: apps: pod db-0: it lacks the sidecar that it would get today",
        "           fix: kubectl -n apps rollout restart statefulset/db",
        "unknown  rights of the programs: whether graph-controller may",
    ):
        assert expected in said
    assert await kubernetes.type("doctor", "-o", "json", "-N", "apps") == 1
    checked = {one["check"]: one["level"] for one in json.loads(capsys.readouterr().out)}
    assert (checked["certificates"], checked["image pulls"]) == ("error", "ok")


async def test_explain_knows_the_limit_range_that_the_webhook_knows(kubernetes: World, capsys: Output) -> None:
    """What somebody without the right to list it is told: tests/kubernetes/programs/test_command_real.py."""
    edge = {"limits": [{"type": "Container", "max": {"memory": "32Mi"}}]}
    await kubernetes.put(paths.inside("apps", "limitranges"), {"metadata": {"name": "small"}, "spec": edge})
    await kubernetes.put(paths.apps("apps", "deployments"), deployment())
    assert await kubernetes.type("explain", "deploy/web", "-n", "apps") == 1
    assert capsys.readouterr().out.splitlines()[0] == (
        "deployment/web in namespace apps: its new pods do not get the sidecar: "
        "a LimitRange allows it less than 48Mi of memory"
    )
