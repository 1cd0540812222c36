"""The chart against Kubernetes' schemas, our own code, and the protocol's rules for starting Memgraph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import wrong_values
from helm_python import HelmError, lint

import controller.initfile
import controller.settings
import webhook.settings
from sidecar.contract import names
from webhook.authority import authority_secret
from webhook.core.decide import SYSTEM_NAMESPACES
from webhook.keeper import HOOKS

Objects = list[dict[str, Any]]
Render = Callable[..., Objects]
CHART = Path(__file__).parents[2] / "charts" / "memgraph-ha"

VALUES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "two instances, not the default": {
        "memgraph": {"replicas": 2, "preStopSleepSeconds": 0, "walFlushEveryTransactions": 1_000_000},
        "cluster": {"name": "123", "default": False},
    },
    "pinned and placed": {
        "images": {"sidecar": {"repository": "example/sidecar", "digest": "sha256:" + "0" * 64}},
        "imagePullSecrets": [{"name": "pull"}],
        "memgraph": {
            "extraArgs": ["--memory-limit=1024"],
            "storage": {"size": "1Ti", "storageClassName": "fast"},
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "database", "operator": "Exists"}],
            "priorityClassName": "high",
        },
        "webhook": {"port": 9443, "replicas": 1},
    },
    "strict, with cert-manager": {
        "webhook": {
            "strict": True,
            "failurePolicy": "Fail",
            "sidecarPullSecrets": ["one", "two"],
            "annotations": {"admissions.enforcer/disabled": "true"},
            "certManager": {"enabled": True},
        }
    },
    "without the readiness gate": {"memgraph": {"readinessGate": False}},
    "credentials, block, by address": {
        "controller": {
            "credentialsSecret": "memgraph-user",
            "onNoSyncReplica": "block",
            "onDiverged": "manual",
            "registerBy": "ip",
            "lease": {"duration": 15, "renewDeadline": 10, "retryPeriod": 2},
        },
        "rbac": {"clientAccess": "none"},
    },
    "users": {"users": {"existingSecret": "graph-users", "controllerUser": "ops"}},
    "tls": {"tls": {"existingSecret": "graph-tls"}},
}


@pytest.fixture(params=VALUES.values(), ids=list(VALUES))
def objects(request: pytest.FixtureRequest, render: Render) -> Objects:
    return render(request.param)


def one(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    (found,) = [o for o in objects if (o["kind"], o["metadata"]["name"]) == (kind, name)]
    return found


def pod_specs(objects: Objects) -> Iterator[dict[str, Any]]:
    for found in objects:
        if found["kind"] in ("Deployment", "StatefulSet"):
            yield found["spec"]["template"]["spec"]


def environment(objects: Objects, name: str) -> dict[str, str]:
    """The container's variables; those taken from elsewhere get a sample value."""
    spec = one(objects, "Deployment", name)["spec"]["template"]["spec"]
    return {e["name"]: e.get("value", "10.0.0.1") for e in spec["containers"][0]["env"]}


def rules(objects: Objects, kind: str, name: str) -> set[tuple[str, str, str, str]]:
    """(group, resource, name or *, verb), one for each right."""
    return {
        (group, resource, named, verb)
        for rule in one(objects, kind, name)["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for named in rule.get("resourceNames", ["*"])
        for verb in rule["verbs"]
    }


def test_every_object_is_valid(objects: Objects) -> None:
    assert len(objects) >= 20
    for found in objects:
        if found["apiVersion"] != "cert-manager.io/v1":  # not Kubernetes' own
            kubernetes_validate.validate(found, kubernetes_validate.latest_version(), strict=True)


def test_every_namespaced_object_is_in_the_release_s_namespace(objects: Objects) -> None:
    """O-L15."""
    cluster_wide = {"ClusterRole", "ClusterRoleBinding", "MutatingWebhookConfiguration"}
    for found in objects:
        expected = None if found["kind"] in cluster_wide else "database"
        assert found["metadata"].get("namespace") == expected


def test_helm_finds_nothing_to_complain_about() -> None:
    assert [m for m in lint(CHART, strict=True)["messages"] if m["severity"] > 1] == []


@pytest.mark.parametrize(("values", "said"), wrong_values.BY_SCHEMA, ids=str)
def test_the_schema_refuses_a_wrong_value_and_names_it(chart: Any, values: dict[str, Any], said: str) -> None:
    with pytest.raises(HelmError) as refused:
        chart.validate_schema(values)
    assert said in str(refused.value)


@pytest.mark.parametrize(("values", "said"), wrong_values.BY_SENTENCE, ids=str)
def test_values_that_contradict_each_other_are_refused_with_what_to_do(
    chart: Any, render: Render, values: dict[str, Any], said: str
) -> None:
    chart.validate_schema(values)
    with pytest.raises(HelmError) as refused:
        render(values)
    assert said in str(refused.value)


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
def test_the_schema_accepts_good_values(chart: Any, values: dict[str, Any]) -> None:
    chart.validate_schema(values)


@pytest.mark.parametrize("name", ["a" * 41, "1graph", "graph.one"])
def test_a_release_name_that_can_not_name_pods_and_services_is_refused(render: Render, name: str) -> None:
    with pytest.raises(HelmError, match="release name"):
        render(name=name)


def test_the_longest_release_name_keeps_every_label_short_enough(render: Render) -> None:
    """O-F6."""
    for found in render(name="a" * 40):
        labels = found["metadata"].get("labels", {})
        assert all(len(str(value)) <= 63 for value in labels.values())


@pytest.mark.parametrize(("program", "table"), [("controller", controller.settings), ("webhook", webhook.settings)])
def test_the_environment_is_what_the_program_reads(objects: Objects, program: str, table: Any) -> None:
    """Every variable the chart sets is in the program's table, and with them the program starts."""
    given = environment(objects, f"graph-{program}")
    assert given.keys() <= table.VARIABLES.keys()
    # Kept out on purpose: in a pod there is no kubeconfig, and users are optional.
    optional = {
        "KUBECONFIG",
        "MEMGRAPH_HA_MEMGRAPH_USERNAME",
        "MEMGRAPH_HA_MEMGRAPH_PASSWORD",
        "MEMGRAPH_HA_USERS_DIR",
        "MEMGRAPH_HA_CONTROLLER_USER",
        "MEMGRAPH_HA_TLS_CA_FILE",
        "MEMGRAPH_HA_TLS_SERVER_NAME",
        "MEMGRAPH_HA_WEBHOOK_ADDRESS",  # every address is right in a pod
    }
    assert table.VARIABLES.keys() - optional <= given.keys()
    table.from_env(given)


def test_values_reach_the_settings(render: Render) -> None:
    objects = render(VALUES["credentials, block, by address"])
    settings = controller.settings.from_env(environment(objects, "graph-controller"))
    assert (settings.register_by, settings.policy.on_no_sync_replica, settings.statefulset, settings.service) == (
        "ip",
        "block",
        "graph",
        "graph-nodes",
    )
    assert settings.policy.on_diverged == "manual"
    chosen = webhook.settings.from_env(environment(render(VALUES["pinned and placed"]), "graph-webhook"))
    assert chosen.release.sidecar_image == "example/sidecar@sha256:" + "0" * 64
    assert (chosen.port, chosen.release.cluster, chosen.release.default) == (9443, "graph", True)
    assert (chosen.release.strict, chosen.release.pull_secrets, chosen.certificate_dir) == (False, (), "")
    chosen = webhook.settings.from_env(environment(render(VALUES["strict, with cert-manager"]), "graph-webhook"))
    assert (chosen.release.strict, chosen.release.pull_secrets) == (True, ("one", "two"))


def test_the_controller_may_do_what_it_does_and_no_more(objects: Objects) -> None:
    state, requests = names.state_config_map("graph"), names.requests_config_map("graph")
    rbac, binds = "rbac.authorization.k8s.io", environment(objects, "graph-controller")["MEMGRAPH_HA_CLIENT_ACCESS"]
    binding = {
        *((rbac, "roles", names.sidecar_role("graph"), verb) for verb in ("get", "bind")),
        *((rbac, "rolebindings", "*", verb) for verb in ("list", "create", "delete")),
    }
    assert rules(objects, "Role", "graph-controller") - (binding if binds == "perNamespace" else set()) == {
        ("", "configmaps", "*", "create"),
        *(("", "configmaps", name, verb) for name in (state, requests) for verb in ("get", "list", "watch", "update")),
        *(("", "configmaps", names.reseed_config_map("graph"), verb) for verb in ("get", "update")),
        ("coordination.k8s.io", "leases", "*", "create"),
        *(("coordination.k8s.io", "leases", names.lease("graph"), verb) for verb in ("get", "update")),
        *(("", "pods", "*", verb) for verb in ("list", "watch", "delete")),
        ("", "pods/status", "*", "patch"),
        ("apps", "statefulsets", "graph", "get"),
        ("", "persistentvolumeclaims", "*", "get"),
    }
    assert rules(objects, "ClusterRole", "graph-controller") == {
        *(("", resource, "*", "list") for resource in ("namespaces", "pods", "limitranges", "nodes")),
        ("", "events", "*", "create"),
    }


SEES = {
    ("", "namespaces", "*", "get"),
    ("", "limitranges", "*", "list"),
    ("", "nodes", "*", "list"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "graph", "get"),
}


def test_the_webhook_may_do_what_it_does_and_no_more(render: Render) -> None:
    objects = render()
    assert rules(objects, "Role", "graph-webhook") == {
        ("", "secrets", "*", "create"),
        ("", "secrets", authority_secret("graph"), "get"),
        ("", "secrets", authority_secret("graph"), "update"),
    }
    assert rules(objects, "ClusterRole", "graph-webhook") == SEES | {
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "graph", "patch"),
    }


def test_with_cert_manager_the_webhook_writes_nothing(render: Render) -> None:
    objects = render({"webhook": {"certManager": {"enabled": True}}})
    assert rules(objects, "ClusterRole", "graph-webhook") == SEES
    assert not [o for o in objects if o["kind"] in ("Role", "RoleBinding") and o["metadata"]["name"] == "graph-webhook"]


def test_cert_manager_s_certificate_is_the_one_that_is_mounted_and_injected(render: Render) -> None:
    objects = render({"webhook": {"certManager": {"enabled": True}}})
    certificate = one(objects, "Certificate", "graph-webhook")
    assert certificate["spec"]["dnsNames"] == ["graph-webhook.database.svc"]
    spec = one(objects, "Deployment", "graph-webhook")["spec"]["template"]["spec"]
    (mounted,) = (volume for volume in spec["volumes"] if "secret" in volume)
    assert mounted["secret"]["secretName"] == certificate["spec"]["secretName"]
    (mount,) = (m for m in spec["containers"][0]["volumeMounts"] if m["name"] == mounted["name"])
    assert mount["mountPath"] == environment(objects, "graph-webhook")["MEMGRAPH_HA_WEBHOOK_CERTIFICATE_DIR"]
    configuration = one(objects, "MutatingWebhookConfiguration", "graph")["metadata"]["annotations"]
    assert configuration["cert-manager.io/inject-ca-from"] == "database/graph-webhook"
    issuers = {o["metadata"]["name"] for o in objects if o["kind"] == "Issuer"}
    refs = {o["spec"]["issuerRef"]["name"] for o in objects if o["kind"] == "Certificate"}
    assert refs == issuers


def test_cert_manager_takes_an_issuer_of_yours(render: Render) -> None:
    issuer = {"name": "company", "kind": "ClusterIssuer"}
    objects = render({"webhook": {"certManager": {"enabled": True, "issuerRef": issuer}}})
    assert one(objects, "Certificate", "graph-webhook")["spec"]["issuerRef"] == issuer
    assert [o for o in objects if o["kind"] == "Issuer"] == []


@pytest.mark.parametrize("strict", [False, True])
def test_a_strict_release_is_asked_about_pods_that_it_has_to_refuse(render: Render, strict: bool) -> None:
    hooks = one(render({"webhook": {"strict": strict}}), "MutatingWebhookConfiguration", "graph")["webhooks"]
    for hook in hooks:
        conditions = {condition["name"] for condition in hook["matchConditions"]}
        assert conditions == {"not-a-mirror-pod"} | (set() if strict else {"not-host-network", "not-windows"})


def test_the_webhook_configuration_carries_your_annotations(render: Render) -> None:
    objects = render({"webhook": {"annotations": {"admissions.enforcer/disabled": "true"}}})
    found = one(objects, "MutatingWebhookConfiguration", "graph")["metadata"]["annotations"]
    assert found == {"admissions.enforcer/disabled": "true"}
    assert "annotations" not in one(render(), "MutatingWebhookConfiguration", "graph")["metadata"]


def test_sidecars_may_follow_one_config_map(objects: Objects) -> None:
    """O-S9."""
    state = names.state_config_map("graph")
    expected = {("", "configmaps", state, verb) for verb in ("get", "watch")}
    assert rules(objects, "Role", "graph-sidecar") == expected


def test_people_may_ask_and_nothing_else(render: Render) -> None:
    """Whoever may write the requests can lose data by `promote`: the Role is bound to nobody."""
    objects, requests = render(), names.requests_config_map("graph")
    assert rules(objects, "Role", "graph-operator") == {
        ("", "configmaps", "*", "create"),
        ("", "configmaps", requests, "get"),
        ("", "configmaps", requests, "update"),
    }
    assert "graph-operator" not in {o["roleRef"]["name"] for o in objects if o["kind"] == "RoleBinding"}
    without = render({"rbac": {"operatorRole": False}})
    assert "graph-operator" not in {o["metadata"]["name"] for o in without}


@pytest.mark.parametrize(("access", "bound"), [("perNamespace", False), ("allServiceAccounts", True), ("none", False)])
def test_client_access_is_given_only_when_wanted(render: Render, access: str, bound: bool) -> None:
    """The right to bind, too: by default the controller gives it, a namespace at a time."""
    objects = render({"rbac": {"clientAccess": access}})
    bindings = {o["metadata"]["name"]: o for o in objects if o["kind"] == "RoleBinding"}
    assert set(bindings) == {"graph-controller", "graph-webhook"} | ({"graph-sidecar"} if bound else set())
    if bound:
        assert bindings["graph-sidecar"]["subjects"] == [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:serviceaccounts"}
        ]
    may_bind = ("rbac.authorization.k8s.io", "roles", "graph-sidecar", "bind")
    assert (may_bind in rules(objects, "Role", "graph-controller")) is (access == "perNamespace")
    fleet = controller.settings.from_env(environment(objects, "graph-controller")).fleet
    assert fleet is not None
    assert fleet.access == access
    defaults = controller.settings.from_env(environment(render(), "graph-controller")).fleet
    assert defaults is not None
    assert defaults.access == "perNamespace"


def test_controller_and_webhook_mean_the_same_release(objects: Objects) -> None:
    """The audit asks what the webhook would do."""
    fleet = controller.settings.from_env(environment(objects, "graph-controller")).fleet
    assert fleet is not None
    told = webhook.settings.from_env(environment(objects, "graph-webhook")).release
    # What else the webhook is told changes neither the sidecar's settings nor who gets one.
    assert fleet.release == replace(told, pull_secrets=(), strict=False)


def test_roles_are_bound_to_the_accounts_the_pods_use(objects: Objects) -> None:
    for program in ("controller", "webhook"):
        spec = one(objects, "Deployment", f"graph-{program}")["spec"]["template"]["spec"]
        binding = one(objects, "ClusterRoleBinding" if program == "webhook" else "RoleBinding", f"graph-{program}")
        assert binding["subjects"][0]["name"] == spec["serviceAccountName"]
        assert binding["roleRef"]["name"] == f"graph-{program}"
        assert spec["automountServiceAccountToken"] is True


def test_the_webhook_configuration_is_the_one_the_webhook_keeps(objects: Objects) -> None:
    configuration = one(objects, "MutatingWebhookConfiguration", "graph")
    service = one(objects, "Service", "graph-webhook")
    assert [hook["name"] for hook in configuration["webhooks"]] == list(HOOKS)
    for hook in configuration["webhooks"]:
        assert "caBundle" not in hook["clientConfig"]
        reference = {"name": "graph-webhook", "namespace": "database", "path": "/inject", "port": 443}
        assert hook["clientConfig"]["service"] == reference
        assert (hook["timeoutSeconds"], hook["sideEffects"]) == (5, "None")
        assert hook["reinvocationPolicy"] == "IfNeeded"
        excluded = {
            e["key"]: e["values"] for e in hook["namespaceSelector"]["matchExpressions"] if e["operator"] == "NotIn"
        }
        assert excluded["kubernetes.io/metadata.name"] == list(SYSTEM_NAMESPACES)
    assert service["spec"]["ports"] == [{"name": "https", "port": 443, "targetPort": "https"}]


@pytest.mark.parametrize("namespace", ["enabled", "disabled", "typo", None])
@pytest.mark.parametrize("pod", ["enabled", "disabled", "typo", None])
def test_a_pod_is_sent_to_at_most_one_webhook_and_to_one_if_it_may_be_wanted(
    render: Render, namespace: str | None, pod: str | None
) -> None:
    """O-L15, O-S34."""
    hooks = one(render(), "MutatingWebhookConfiguration", "graph")["webhooks"]
    namespace_labels = {"kubernetes.io/metadata.name": "apps"} | _label(namespace)
    called = [
        hook["name"]
        for hook in hooks
        if _matches(hook["namespaceSelector"], namespace_labels) and _matches(hook["objectSelector"], _label(pod))
    ]
    wanted = pod == "enabled" or (namespace == "enabled" and pod != "disabled")
    assert len(called) == int(wanted)


def test_our_own_pods_are_never_sent_to_the_webhook(render: Render) -> None:
    """O-F22, O-S20."""
    objects = render()
    labels = [
        o["spec"]["template"]["metadata"]["labels"] for o in objects if o["kind"] in ("Deployment", "StatefulSet")
    ]
    assert {own[names.COMPONENT_LABEL] for own in labels} == {"memgraph", "controller", "webhook"}
    for hook in one(objects, "MutatingWebhookConfiguration", "graph")["webhooks"]:
        assert not any(_matches(hook["objectSelector"], own | _label("enabled")) for own in labels)


def test_every_pod_of_ours_meets_the_restricted_standard(objects: Objects) -> None:
    """O-S23."""
    specs = list(pod_specs(objects))
    assert len(specs) == 3
    for spec in specs:
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert all(v.keys() & {"configMap", "emptyDir", "secret"} for v in spec["volumes"])
        for container in spec["containers"] + spec.get("initContainers", []):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["runAsNonRoot"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}
            assert "limits" in container["resources"]


def test_service_links_can_not_overwrite_our_settings(objects: Objects) -> None:
    assert all(spec["enableServiceLinks"] is False for spec in pod_specs(objects))


def test_every_instance_is_born_a_replica(objects: Objects) -> None:
    """P-N1, P-N2: a static init-file with the role twice, nothing restored, on every start of the process (O-F30)."""
    stateful = one(objects, "StatefulSet", "graph")["spec"]
    (container,) = stateful["template"]["spec"]["containers"]
    lines = one(objects, "ConfigMap", "graph-init")["data"]["init.cypherl"].splitlines()
    assert lines == [f"SET REPLICATION ROLE TO REPLICA WITH PORT {names.REPLICATION_PORT};"] * 2
    (mount,) = [m for m in container["volumeMounts"] if m["name"] in ("init", "init-users")]
    assert f"--init-file={mount['mountPath']}/init.cypherl" in container["args"]
    assert "--replication-restore-state-on-startup=false" in container["args"]
    init, *others = stateful["template"]["spec"]["initContainers"]
    assert (init["name"], [c["name"] for c in others]) == ("reseed", ["users"] if mount["name"] == "init-users" else [])
    script = one(objects, "ConfigMap", "graph-init")["data"]["reseed.sh"]
    assert script == (CHART / "files" / "reseed.sh").read_text()
    assert "REPLICATION" not in script, "no init container decides a role"
    mounts = {m["mountPath"]: m["name"] for m in init["volumeMounts"]}
    maps = {v["name"]: v["configMap"] for v in stateful["template"]["spec"]["volumes"] if "configMap" in v}
    data, orders, state = (mounts[path] for path in init["args"])
    assert data == stateful["volumeClaimTemplates"][0]["metadata"]["name"]
    assert maps[orders] == {"name": names.reseed_config_map("graph"), "optional": True}
    assert maps[state] == {"name": names.state_config_map("graph"), "optional": True}
    (folder,) = (path for path, name in mounts.items() if name == "init")
    assert init["command"] == ["/bin/sh", f"{folder}/reseed.sh"]
    assert stateful["podManagementPolicy"] == "Parallel"


def test_users_come_before_the_role_lines_in_an_init_file_that_only_memory_holds(
    render: Render, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P-U, P-N1: the init container, run with its own arguments on folders for its mounts."""
    objects = render(VALUES["users"])
    spec = one(objects, "StatefulSet", "graph")["spec"]["template"]["spec"]
    (_, init), volumes = spec["initContainers"], {v["name"]: v for v in spec["volumes"]}
    assert volumes["init-users"]["emptyDir"]["medium"] == "Memory"
    assert volumes["users"]["secret"] == {"secretName": "graph-users", "defaultMode": 0o440}
    for mount in init["volumeMounts"]:
        (tmp_path / mount["name"]).mkdir()
    (tmp_path / "users" / "ops").write_text("secret")
    lines = one(objects, "ConfigMap", "graph-init")["data"]["init.cypherl"]
    (tmp_path / "init" / "init.cypherl").write_text(lines)
    (python, flag, module, *arguments) = init["command"]
    assert (python, flag, module) == ("python", "-m", controller.initfile.__name__)
    for mount in init["volumeMounts"]:
        inside = str(tmp_path / mount["name"])
        arguments = [word.replace(mount["mountPath"], inside, 1) for word in arguments]
    monkeypatch.setattr("sys.argv", [module, *arguments])
    assert controller.initfile.main() == 0
    composed = (tmp_path / "init-users" / "init.cypherl").read_text()
    assert composed.startswith("CREATE USER IF NOT EXISTS `ops` ")
    assert composed.endswith(lines)
    (memgraph,) = spec["containers"]
    assert "users" not in {m["name"] for m in memgraph["volumeMounts"]}


def test_the_controller_follows_the_mounted_secret(render: Render) -> None:
    """P-U: a changed Secret reaches it without a restart, so no variable may hold it."""
    objects = render(VALUES["users"])
    settings = controller.settings.from_env(environment(objects, "graph-controller"))
    spec = one(objects, "Deployment", "graph-controller")["spec"]["template"]["spec"]
    (mount,) = [m for m in spec["containers"][0]["volumeMounts"] if m["name"] == "users"]
    assert (str(settings.users_dir), settings.controller_user) == (mount["mountPath"], "ops")
    assert {"name": "users", "secret": {"secretName": "graph-users"}} in spec["volumes"]


@pytest.mark.parametrize("level", ["DEBUG", "TRACE"])
def test_a_log_level_that_shows_passwords_is_refused_with_users(render: Render, level: str) -> None:
    """Memgraph logs whole statements then."""
    render({"memgraph": {"logLevel": level}})
    with pytest.raises(HelmError, match="passwords"):
        render({**VALUES["users"], "memgraph": {"logLevel": level}})


def test_instances_have_the_names_and_ports_the_controller_looks_for(objects: Objects) -> None:
    """O-F21."""
    stateful = one(objects, "StatefulSet", "graph")["spec"]
    service = one(objects, "Service", "graph-nodes")["spec"]
    (container,) = stateful["template"]["spec"]["containers"]
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    assert ports == {names.BOLT_PORT_NAME: names.READ_WRITE_PORT, names.REPLICATION_PORT_NAME: names.REPLICATION_PORT}
    assert {p["name"] for p in service["ports"]} == ports.keys()
    assert (service["clusterIP"], service["publishNotReadyAddresses"]) == ("None", True)
    assert stateful["serviceName"] == "graph-nodes"
    assert service["selector"].items() <= stateful["template"]["metadata"]["labels"].items()
    (claim,) = stateful["volumeClaimTemplates"]
    assert claim["metadata"]["name"] in {m["name"] for m in container["volumeMounts"]}


def test_a_roll_out_waits_for_the_gate_or_for_a_while(render: Render) -> None:
    """After a full stop nobody waits: pods start in parallel and are named while they are not ready."""
    for values, gates, seconds in (
        ({}, [{"conditionType": names.IN_SYNC_CONDITION}], None),
        ({"memgraph": {"readinessGate": False}}, None, 10),
    ):
        objects = render(values)
        stateful = one(objects, "StatefulSet", "graph")["spec"]
        assert stateful["template"]["spec"].get("readinessGates") == gates
        assert stateful.get("minReadySeconds") == seconds
        assert stateful["podManagementPolicy"] == "Parallel"
        assert "updateStrategy" not in stateful, "RollingUpdate, one at a time"
        assert one(objects, "Service", "graph-nodes")["spec"]["publishNotReadyAddresses"] is True
        assert one(objects, "PodDisruptionBudget", "graph-memgraph")["spec"]["maxUnavailable"] == 1


def test_a_commit_is_flushed_unless_the_user_says_otherwise(render: Render) -> None:
    """P-N3."""

    def flush(objects: Objects) -> list[str]:
        (container,) = one(objects, "StatefulSet", "graph")["spec"]["template"]["spec"]["containers"]
        return [arg for arg in container["args"] if "wal-file-flush" in arg]

    assert flush(render()) == ["--storage-wal-file-flush-every-n-tx=1"]
    assert flush(render({"memgraph": {"walFlushEveryTransactions": 1_000_000}})) == [
        "--storage-wal-file-flush-every-n-tx=1000000"
    ]


def test_the_document_and_the_requests_are_no_templates(objects: Objects) -> None:
    """Nothing but the controller makes or removes the document; people make requests (O-F5)."""
    assert [o["metadata"]["name"] for o in objects if o["kind"] == "ConfigMap"] == ["graph-init"]
    assert [o["kind"] for o in objects if o["kind"] == "Secret"] == []


def test_the_notes_name_next_commands_and_warn_of_risky_values(chart: Any) -> None:
    def notes(values: dict[str, Any]) -> str:
        files = chart.render(values, name="graph", namespace="database")
        return str(files["memgraph-ha/templates/NOTES.txt"])

    plain = notes({})
    assert "kubectl label namespace YOUR-NAMESPACE memgraph-ha.io/inject=enabled\n" in plain
    assert names.state_config_map("graph") in plain
    assert names.requests_config_map("graph") in plain
    assert "WARNING" not in plain
    after = plain.partition("\nNext:\n")[2]
    assert [line[:3] for line in after.splitlines() if line[:1].isdigit()] == ["1. ", "2. ", "3. "]
    risky = notes(VALUES["two instances, not the default"])
    assert risky.count("WARNING") == 2
    assert risky.partition("\nNext:\n")[2].count("WARNING") == 0, "the last thing one reads is what to do next"
    assert "memgraph-ha.io/cluster=123" in risky
    assert "create rolebinding" in notes({"rbac": {"clientAccess": "none"}})


def _label(value: str | None) -> dict[str, str]:
    return {names.INJECT_LABEL: value} if value else {}


def _matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Kubernetes' rules for matchExpressions: NotIn is true where the label is absent."""
    for expression in selector["matchExpressions"]:
        value = labels.get(expression["key"])
        match expression["operator"]:
            case "In":
                good = value in expression["values"]
            case "NotIn":
                good = value not in expression["values"]
            case "DoesNotExist":
                good = value is None
            case operator:
                raise AssertionError(operator)
        if not good:
            return False
    return True
