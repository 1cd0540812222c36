"""One pod and its namespace -> how its sidecar does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fleet_pods import OURS, changed, injected, pod, sidecar
from hypothesis import given
from hypothesis import strategies as st

from controller.core.fleet.model import Health, Owner
from controller.core.fleet.owners import commands, owner_of
from controller.core.fleet.pods import look_at, same_image, without_sidecar
from sidecar.contract import names
from webhook.core.model import Namespace, OldNode

ON = Namespace("apps", {names.INJECT_LABEL: names.INJECT_ENABLED})
OFF = Namespace("apps", {})
ELSEWHERE = Namespace("apps", {names.INJECT_LABEL: names.INJECT_ENABLED, names.CLUSTER_LABEL: "other"})
OTHER = replace(OURS, name="other", cluster="other", default=False)


def as_plain_container() -> Any:
    done = injected()
    done["spec"]["containers"].append(done["spec"].pop("initContainers")[0])
    return done


def with_setting(name: str, value: str) -> Any:
    done = injected()
    for entry in sidecar(done)["env"]:
        if entry["name"] == name:
            entry["value"] = value
    sidecar(done)["env"].append({"name": "ADDED_BY_SOMEBODY", "value": "x"})
    return done


def mirrored() -> Any:
    return injected(image="mirror.example:5000/cache/sidecar:2")


SMALL = {"spec": {"limits": [{"type": "Container", "max": {"memory": "32Mi"}}]}}
TIGHT = replace(ON, limit_ranges=(SMALL,))
AGING = replace(ON, old_nodes=(OldNode("old", "v1.29.3"),))


def on_a_node(given: Any, node: str) -> Any:
    return {**given, "spec": {**given["spec"], "nodeName": node}}


TABLE: dict[str, tuple[Any, Namespace, Health | None, bool]] = {
    "carries what it would get today": (injected(), ON, Health.CURRENT, True),
    "somebody added a variable": (with_setting("none", ""), ON, Health.CURRENT, True),
    "pulled through a mirror": (mirrored(), ON, Health.CURRENT, True),
    "another image": (injected(image="example/sidecar:1"), ON, Health.OUTDATED, True),
    "a plain container": (as_plain_container(), ON, Health.CURRENT, True),
    "another setting": (with_setting("MEMGRAPH_HA_PORT", "1"), ON, Health.STALE, True),
    "the namespace is unlabelled by now": (injected(), OFF, Health.STALE, True),
    "the namespace is another cluster's by now": (injected(), ELSEWHERE, Health.STALE, True),
    "it is another release's, and would be ours": (injected(OTHER), ON, Health.STALE, False),
    "another release's, and rightly so": (injected(OTHER), ELSEWHERE, None, False),
    "the namespace could not be read": (injected(), Namespace("apps", None), Health.CURRENT, True),
    "older than the label": (pod(), ON, Health.MISSING, False),
    "asks for it itself": (pod(labels={names.INJECT_LABEL: "enabled"}), OFF, Health.MISSING, False),
    "a LimitRange would keep it away": (pod(), TIGHT, None, False),
    "a LimitRange would keep it away by now": (injected(), TIGHT, Health.CURRENT, True),
    "the same, of another image": (injected(image="example/sidecar:1"), TIGHT, Health.OUTDATED, True),
    "an old node would keep it away": (pod(), AGING, None, False),
    "the same, wherever it was sent": (on_a_node(pod(owner=("StatefulSet", "db")), "new"), AGING, None, False),
    "a person sent it to a new node": (on_a_node(pod(), "new"), AGING, Health.MISSING, False),
    "opted out": (pod(labels={names.INJECT_LABEL: "disabled"}), ON, None, False),
    "nobody asked for it": (pod(), OFF, None, False),
    "part of memgraph-ha": (pod(labels={names.COMPONENT_LABEL: "memgraph"}), ON, None, False),
    "cannot have it": ({**pod(), "spec": {**pod()["spec"], "hostNetwork": True}}, ON, None, False),
    "has ended": (changed(injected(), phase="Succeeded"), ON, None, False),
    "has failed": (changed(pod(), phase="Failed"), ON, None, False),
    "is no pod": ({"metadata": {}, "spec": {"containers": "many"}}, ON, None, False),
}


@pytest.mark.parametrize(("raw", "namespace", "health", "carries"), TABLE.values(), ids=TABLE)
def test_how_its_sidecar_does(raw: Any, namespace: Namespace, health: Health | None, carries: bool) -> None:
    found = look_at(raw, namespace, OURS)
    assert (found.health if found else None, found.carries if found else False) == (health, carries)
    if found and health is not Health.CURRENT:
        assert found.why, "what is wrong is said"


class Unreadable(dict[str, Any]):
    """Annotations that the webhook's core trips over: the bug itself is ours."""

    def get(self, *_: Any) -> Any:
        raise RuntimeError("a bug")


def test_a_pod_that_the_webhook_fails_on_is_told() -> None:
    """It was admitted without a sidecar, and only the webhook's log and metric would know."""
    odd = replace(ON, annotations=Unreadable())
    found = look_at(pod(), odd, OURS)
    assert found is not None
    assert (found.health, "mistake of ours (RuntimeError('a bug'))" in found.why) == (Health.MISSING, True)
    carrying = look_at(injected(), odd, OURS)
    assert carrying is not None
    assert carrying.health is Health.CURRENT


def test_a_pod_that_is_being_deleted_still_needs_its_rights() -> None:
    going = injected()
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    found = look_at(going, OFF, OURS)
    assert found is not None
    assert (found.going, found.carries) == (True, True)


def test_without_its_sidecar_a_pod_is_what_it_was() -> None:
    """So that it is judged as a new one."""
    bare = pod()
    assert look_at(without_sidecar(injected(given=bare)), ON, OURS) == look_at(bare, ON, OURS)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["metadata", "spec", "containers", "initContainers", "name", "env", "labels", "value"]),
        inner, max_size=3,
    ),
    max_leaves=15,
)  # fmt: skip


@given(_JSON, _JSON)
def test_it_survives_any_json(raw: Any, entries: Any) -> None:
    """A stranger's pod is no reason to stop looking at the others."""
    look_at(raw, ON, OURS)
    odd = injected()
    sidecar(odd)["env"] = entries
    look_at(odd, ON, OURS)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("example/sidecar:2", "mirror:5000/x/sidecar:2", True),
        ("sidecar:2", "sidecar:2", True),
        ("sidecar:2", "sidecar:1", False),
        ("a/sidecar@sha256:0", "a/sidecar:2", False),
    ],
)
def test_images_are_compared_without_their_registry(one: str, other: str, same: bool) -> None:
    assert same_image(one, other) is same


OWNERS: dict[str, tuple[Any, Owner, str]] = {
    "Deployment": (
        pod(owner=("ReplicaSet", "web-5d9f"), labels={"pod-template-hash": "5d9f"}),
        Owner("Deployment", "web"), "kubectl -n apps rollout restart deployment/web",
    ),
    "Rollout": (
        pod(owner=("ReplicaSet", "web-5d9f"), labels={"rollouts-pod-template-hash": "5d9f"}),
        Owner("Rollout", "web"), "kubectl argo rollouts -n apps restart web",
    ),
    "a ReplicaSet of its own": (
        pod(owner=("ReplicaSet", "web")), Owner("ReplicaSet", "web"),
        "restart replicaset/web in namespace apps in its own way",
    ),
    "StatefulSet": (
        pod(owner=("StatefulSet", "db")), Owner("StatefulSet", "db"), "kubectl -n apps rollout restart statefulset/db",
    ),
    "DaemonSet": (
        pod(owner=("DaemonSet", "d")), Owner("DaemonSet", "d"), "kubectl -n apps rollout restart daemonset/d",
    ),
    "Job": (
        pod(owner=("Job", "j-1")), Owner("Job", "j-1"),
        "let job/j-1 in namespace apps end: its next run is another pod",
    ),
    "nobody": (
        pod(name="alone"), Owner("Pod", "alone"), "make pod alone in namespace apps anew: nothing else would",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "owner", "command"), OWNERS.values(), ids=OWNERS)
def test_who_makes_it_anew_and_how_to_have_that_done(raw: Any, owner: Owner, command: str) -> None:
    assert owner_of(raw) == owner
    assert commands("apps", owner, Health.MISSING) == (command,)
    assert commands("apps", owner, Health.OUTDATED) == ("memgraph-ha upgrade-sidecars -n apps", command)
