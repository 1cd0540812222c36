"""Each check: what it finds, and that it finds nothing where all is well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from fleet_pods import OURS, changed, injected, pod
from published import published

from memgraph_ha.core.checks.clients import quantity
from memgraph_ha.core.checks.database import FLAGS
from memgraph_ha.core.checks.facts import Bundle, Client, Facts, Level, Stateful, Trial, Unknown
from memgraph_ha.core.checks.rights import needed
from memgraph_ha.core.checks.table import CHECKS, examine, text
from sidecar.contract import names
from webhook.core.model import Namespace

ON = {names.INJECT_LABEL: "enabled"}
NOW, DAY = 1_800_000_000.0, 86400.0
DENIED = Unknown("not allowed to list it")
READY: Any = {"type": "Ready", "status": "True"}


def own(component: str, name: str, *, ready: bool = True, **spec: Any) -> Any:
    metadata = {"name": name, "namespace": "database", "labels": {names.COMPONENT_LABEL: component}}
    return {"metadata": metadata, "spec": spec, "status": {"conditions": [READY] if ready else []}}


def memgraph(*, image: str = "memgraph/memgraph:3.12.0", args: Any = tuple(FLAGS), in_sync: str = "True") -> Any:
    gates = [{"conditionType": names.IN_SYNC_CONDITION}]
    container = {"name": "memgraph", "image": image, "args": list(args)}
    found = own("memgraph", "graph-0", containers=[container], readinessGates=gates, nodeName="node-1")
    gate = {"type": names.IN_SYNC_CONDITION, "status": in_sync, "reason": "Diverged", "message": "it diverged"}
    found["status"]["conditions"].append(gate)
    return found


def node(version: str) -> Any:
    return {"metadata": {"name": "node-1"}, "status": {"nodeInfo": {"kubeletVersion": version}}}


def stateful_set() -> Any:
    """With everything that failover needs."""
    container = {
        "name": "db", "ports": [{"name": "bolt"}], "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        "args": ["--init-file=/i", "--storage_wal_file_flush_every_n_tx=1"],
    }  # fmt: skip
    spec = {
        "containers": [{"name": "exporter"}, container], "initContainers": [{"name": "reseed"}],
        "readinessGates": [{"conditionType": names.IN_SYNC_CONDITION}],
    }  # fmt: skip
    template = {"metadata": {"labels": {names.COMPONENT_LABEL: "memgraph"}}, "spec": spec}
    whole = {"podManagementPolicy": "Parallel", "serviceName": "db-nodes", "volumeClaimTemplates": [{}]}
    return {"spec": {**whole, "template": template}}


SERVICE: Any = {"spec": {"clusterIP": "None", "publishNotReadyAddresses": True}}
WHOLE = Stateful("db", "db-nodes", stateful_set(), SERVICE, "reseed", "1")


def without(*path: str, **changes: Any) -> Mapping[str, Any]:
    """The StatefulSet without what the path leads to; the path's `db` is Memgraph's container."""
    found = stateful_set()
    *way, last = path
    inside = found["spec"]
    for step in way:
        inside = inside["containers"][1] if step == "db" else inside[step]
    inside[last] = changes.pop("instead", None)
    return {"stateful": replace(WHOLE, found=found, **changes)}


CLIENT = Client(Namespace("apps", ON), Trial(injected()), True, pods=[injected()])
INSTANCE: Any = {"pod": "graph-0", "lacks_users": [], "problem": None}
WELL = Facts(
    release="graph",
    namespace="database",
    now=NOW,
    settings=OURS,
    bundles=(Bundle("inject.memgraph-ha.io", NOW + 300 * DAY),),
    nodes=[node("v1.30.2"), node("v1.34.1-gke.100")],
    pods=[memgraph(), own("webhook", "w-0"), own("controller", "c-0")],
    state=published(),
    leader="c-0",
    told={"instances": [INSTANCE]},
    logs={"graph-0": "You are running Memgraph v3.12.0\n"},
    rights=dict.fromkeys(needed("graph"), True),
    clients=[CLIENT],
    stateful=WHOLE,
)


def test_where_all_is_well_nothing_is_found() -> None:
    done = examine(WELL)
    assert [one.check for one in done] == list(CHECKS)
    assert [one for one in done if one.findings] == []
    assert text(done) == f"ok       {', '.join(CHECKS)}"


def client(**changes: Any) -> Mapping[str, Any]:
    return {"clients": [replace(CLIENT, **changes)]}


def instance(**changes: Any) -> Mapping[str, Any]:
    return {"told": {"instances": [{**INSTANCE, **changes}]}}


def pods(*found: Any) -> Mapping[str, Any]:
    return {"pods": [*found, own("webhook", "w-0")]}


def quota(key: str, most: str, used: str = "0") -> Any:
    return {"metadata": {"name": "q"}, "spec": {"hard": {key: most}}, "status": {"used": {key: used}}}


def limit(**limits: Any) -> Any:
    return {"metadata": {"name": "l"}, "spec": {"limits": [{"type": "Container", **limits}]}}


def unpulled() -> Any:
    state = {"waiting": {"reason": "ImagePullBackOff", "message": "no such host"}}
    status = {"name": names.SIDECAR_CONTAINER, "image": "example/sidecar:2", "state": state}
    return changed(injected(), phase="Pending", initContainerStatuses=[status])


def other_unpulled() -> Any:
    state = {"waiting": {"reason": "ImagePullBackOff"}}
    return changed(injected(), phase="Pending", containerStatuses=[{"name": "app", "state": state}])


E, W, U = Level.ERROR, Level.WARNING, Level.UNKNOWN
PAGE, FLUSH = "docs/installation.md", "--storage-wal-file-flush-every-n-tx=1"
POD = ("template", "spec")
TABLE: dict[str, tuple[str, Mapping[str, Any], Level, str, str]] = {
    "a StatefulSet that can't be read": ("StatefulSet", {"stateful": DENIED}, U, "not allowed", "more rights"),
    "no StatefulSet": (
        "StatefulSet", {"stateful": replace(WHOLE, found=None)}, E, "there is no StatefulSet db", "helm upgrade"
    ),
    "one pod after the other": ("StatefulSet", without("podManagementPolicy"), E, "not Parallel", PAGE),
    "no volumes": ("StatefulSet", without("volumeClaimTemplates"), E, "gone with its pod", PAGE),
    "another Service": ("StatefulSet", without("serviceName", instead="db"), E, "told db-nodes", PAGE),
    "no label": ("StatefulSet", without("template", "metadata", "labels"), E, "=memgraph: they could be", PAGE),
    "no init-file": ("StatefulSet", without(*POD, "db", "args", instead=[FLUSH]), E, "a second main", PAGE),
    "another flush interval": (
        "StatefulSet", {"stateful": replace(WHOLE, wal_flush="100")}, E, "is 1, and the controller was told 100", PAGE
    ),
    "no readiness gate in the template": ("StatefulSet", without(*POD, "readinessGates"), W, "the last copy", PAGE),
    "no preStop": ("StatefulSet", without(*POD, "db", "lifecycle"), W, "instead of switching over", PAGE),
    "nobody re-seeds": ("StatefulSet", without(*POD, "initContainers"), W, "set it to manual", PAGE),
    "no Service": ("StatefulSet", {"stateful": replace(WHOLE, service=None)}, E, "no Service db-nodes", PAGE),
    "a Service for the ready alone": (
        "StatefulSet", {"stateful": replace(WHOLE, service={"spec": {"clusterIP": "None"}})}, E,
        "publishNotReadyAddresses", PAGE,
    ),
    "nobody leads": ("failover", {"leader": ""}, E, "no controller leads", "kubectl -n database logs"),
    "no document": ("failover", {"state": None}, E, "there is no document", "logs"),
    "clients are cut": (
        "failover", {"state": published(serving=False, message="m")}, E,
        "clients are cut: m", "memgraph-ha status",
    ),
    "unprotected": ("failover", {"state": published(sync=False)}, W, "no replica holds every write", "status"),
    "the document is not shown": ("failover", {"state": DENIED}, U, "not allowed", "more rights"),
    "the Lease is not shown": ("failover", {"leader": DENIED}, U, "who leads: not allowed", "more rights"),
    "no webhook": ("webhook", {"pods": [own("webhook", "w", ready=False)]}, E, "no webhook pod is ready", "describe"),
    "pods are not shown": ("webhook", {"pods": DENIED}, U, "the webhook's pods: not allowed", "more rights"),
    "no caBundle": ("certificates", {"bundles": (Bundle("h", None, "it has none"),)}, E, "it has none", "logs"),
    "no configuration": ("certificates", {"bundles": ()}, E, "no MutatingWebhookConfiguration", "helm upgrade"),
    "an authority of the past": ("certificates", {"bundles": (Bundle("h", NOW - 1),)}, E, "has run out", "logs"),
    "an authority that ends": ("certificates", {"bundles": (Bundle("h", NOW + 2 * DAY),)}, W, "in 2.0 days", "logs"),
    "a right is lost": (
        "rights of the programs", {"rights": {needed("graph")[0]: False}}, E,
        "service account graph-controller may not update configmaps graph-state", "helm upgrade",
    ),
    "rights are not shown": (
        "rights of the programs", {"rights": dict.fromkeys(needed("graph"), DENIED)}, U, "whether",
        "more",
    ),
    "sidecars may not read": (
        "rights of sidecars", client(may_read=False), E, "sidecars in apps may not read ConfigMap graph-state",
        "create rolebinding graph-sidecar-apps --role=graph-sidecar --group=system:serviceaccounts:apps",
    ),
    "sidecars may not read before the label": (
        "rights of sidecars", client(may_read=False, namespace=Namespace("apps", {})), W,
        "sidecars in apps may not read ConfigMap graph-state yet", "the label will bring it",
    ),
    "nobody may ask": ("rights of sidecars", client(may_read=DENIED), U, "whether sidecars in apps", "more rights"),
    "not injected": (
        "a pod on trial", client(trial=Trial(pod())), E, "a new pod in apps is not injected",
        "webhook.port",
    ),
    "not injected, with a reason": (
        "a pod on trial", client(trial=Trial(pod(), ("memgraph-ha: not injected: x",))), E, "not injected: x", "logs",
    ),
    "refused": ("a pod on trial", client(trial=Trial(refusal="exceeded quota")), E, "refuses a pod", "change"),
    "no pod may be made": ("a pod on trial", client(trial=DENIED), U, "a pod on trial in apps", "more rights"),
    "no namespace": ("a pod on trial", {"clients": []}, W, "no namespace is labelled", "kubectl label namespace"),
    "namespaces are not shown": ("a pod on trial", {"clients": DENIED}, U, "labelled namespaces", "more rights"),
    "too many namespaces": ("a pod on trial", {"clients_left": 7}, U, "7 more labelled namespaces", "-N"),
    "a quota on what the sidecar lacks": (
        "quotas", client(quotas=[quota("limits.cpu", "2")]), E, "demands limits.cpu of every container", "LimitRange",
    ),
    "a full quota, before the label is set": (
        "quotas",
        client(
            namespace=Namespace("apps", {}), trial=Trial(refusal="exceeded quota"),
            quotas=[quota("requests.memory", "1Gi", "1000Mi")],
        ), W, "no room for one more sidecar (requests.memory", "edit",
    ),
    "a full quota": ("quotas", client(quotas=[quota("memory", "1Gi", "1000Mi")]), W, "no room for one more", "edit"),
    "quotas are not shown": ("quotas", client(quotas=DENIED), U, "quotas of apps", "more rights"),
    "a LimitRange below": (
        "limit ranges", client(limit_ranges=[limit(max={"memory": "64Mi"})]), E,
        "says max 64Mi of memory, the sidecar 96Mi", "edit limitrange",
    ),
    "a LimitRange above": (
        "limit ranges", client(limit_ranges=[limit(min={"cpu": "100m"})]), E,
        "says min 100m of cpu, the sidecar 10m", "edit limitrange",
    ),
    "limit ranges are not shown": ("limit ranges", client(limit_ranges=DENIED), U, "limit ranges of apps", "more"),
    "a pull secret is missing": (
        "pull secrets", client(secrets={"registry": False}), W, "which namespace apps lacks", "kubectl -n apps apply",
    ),
    "secrets are not shown": (
        "pull secrets", client(secrets={"registry": DENIED}), U, "secret registry in apps",
        "more",
    ),
    "a sidecar that can't be pulled": (
        "image pulls", client(pods=[unpulled()]), E, "apps/web-1: image example/sidecar:2 can't be pulled", "images",
    ),
    "an old pod": ("pods with sidecars", client(pods=[pod()]), W, "apps: pod web-1: it lacks the sidecar", "web-1"),
    "pods of apps are not shown": ("pods with sidecars", client(pods=DENIED), U, "pods of apps", "more rights"),
    "settings are not shown": ("pods with sidecars", {"settings": DENIED}, U, "what the webhook injects", "more"),
    "an old kubelet": ("kubelets", {"nodes": [node("v1.29.9")]}, E, "node node-1 has kubelet v1.29.9", "upgrade"),
    "nodes are not shown": ("kubelets", {"nodes": DENIED}, U, "kubelet versions", "more rights"),
    "an old Memgraph": (
        "Memgraph versions", pods(memgraph(image="r:5000/memgraph:3.4.1")), E, "needs Memgraph 3.5", "helm upgrade",
    ),
    "two Memgraphs": (
        "Memgraph versions", pods(memgraph(), memgraph(image="m:3.11.0")), W, "several images",
        "rollout",
    ),
    "a flag is gone": (
        "Memgraph flags", pods(memgraph(args=list(FLAGS)[1:])), E, "runs without --replication-restore",
        "helm",
    ),
    "no gate": (
        "readiness gates", pods(own("memgraph", "m", containers=[{}])), W, "no readiness gate",
        "readinessGate",
    ),
    "not in sync": (
        "readiness gates", pods(memgraph(in_sync="False")), W, "not in sync (Diverged): it diverged", "surfaces.md",
    ),
    "users pending": (
        "users", instance(lacks_users=["app", "ops"]), W, "lacks users or their passwords: app, ops",
        "users",
    ),
    "denied": ("users", instance(problem="denied"), E, "refuses the controller's credentials", "existingSecret"),
    "the leader is not asked": ("users", {"told": DENIED}, U, "as the leader sees them", "more rights"),
    "few memory maps": (
        "vm.max_map_count", {"logs": {"graph-0": "Max virtual memory areas vm.max_map_count 65530 is too low"}}, W,
        "graph-0 says that vm.max_map_count is too low", "on node-1: sysctl -w vm.max_map_count=262144",
    ),
    "logs are not shown": ("vm.max_map_count", {"logs": {"graph-0": DENIED}}, U, "under graph-0", "more rights"),
}  # fmt: skip


@pytest.mark.parametrize(("check", "changes", "level", "says", "fix"), TABLE.values(), ids=TABLE)
def test_what_each_check_finds(check: str, changes: Mapping[str, Any], level: Level, says: str, fix: str) -> None:
    found = list(CHECKS[check](replace(WELL, **changes)))
    (worst,) = [f for f in found if f.level is level]
    assert says in worst.message
    assert fix in worst.fix


QUIET: dict[str, tuple[str, Mapping[str, Any]]] = {
    "flags and their values in two words": (
        "StatefulSet", without(*POD, "db", "args", instead=["--init-file", "/i", *FLUSH.split("=")])
    ),
    "nobody is to re-seed": ("StatefulSet", without(*POD, "initContainers", on_diverged="manual")),
    "a quota that the sidecar meets": (
        "quotas",
        client(quotas=[quota("requests.cpu", "1", "100m"), quota("pods", "5")]),
    ),
    "a quota, and a LimitRange with a default": (
        "quotas", client(quotas=[quota("limits.cpu", "2")], limit_ranges=[limit(default={"cpu": "100m"})]),
    ),
    "a LimitRange that it meets": (
        "limit ranges",
        client(limit_ranges=[limit(max={"memory": "1Gi"}, min={"cpu": "1m"})]),
    ),
    "a pull secret that is there": ("pull secrets", client(secrets={"registry": True})),
    "the app's own image": ("image pulls", client(pods=[other_unpulled()])),
    "an image by digest": ("Memgraph versions", pods(memgraph(image="memgraph/memgraph@sha256:" + "0" * 64))),
    "a flag with underscores": (
        "Memgraph flags",
        pods(memgraph(args=[flag.replace("-", "_").replace("__", "--", 1) for flag in FLAGS])),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("check", "changes"), QUIET.values(), ids=QUIET)
def test_what_is_no_finding(check: str, changes: Mapping[str, Any]) -> None:
    assert list(CHECKS[check](replace(WELL, **changes))) == []


def test_the_gravest_comes_first_and_what_is_well_last() -> None:
    said = text(examine(replace(WELL, nodes=[node("v1.28.0")], state=published(sync=False), told=DENIED)))
    assert [line.partition(" ")[0] for line in said.splitlines() if not line.startswith(" ")] == [
        "error", "warning", "unknown", "ok",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text_", "number"),
    [("96Mi", 96 * 2**20), ("10m", Fraction(1, 100)), ("2", 2), ("1.5k", 1500), ("1G", 10**9), ("1e3", 1000)],
)
def test_quantities(text_: str, number: Fraction) -> None:
    assert quantity(text_) == number
    assert quantity("lots") is None
    assert quantity(None) is None
