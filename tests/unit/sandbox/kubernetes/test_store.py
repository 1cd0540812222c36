"""The store's promises: compare-and-swap, versions, deletion marks, a bounded history without holes."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.kubernetes.core.defaults import fill
from sandbox.kubernetes.core.problem import Problem
from sandbox.kubernetes.core.resources import BY_PLURAL
from sandbox.kubernetes.core.store import ChangeKind, DeleteOptions, Store

CONFIG_MAPS, PODS, LEASES = BY_PLURAL["configmaps"], BY_PLURAL["pods"], BY_PLURAL["leases"]
NOW = "2026-01-01T00:00:00Z"


def deadline(seconds: int) -> str:
    return f"in {seconds} s"


def make(store: Store, plural: str, name: str, **body: Any) -> dict[str, Any]:
    resource = BY_PLURAL[plural]
    obj = fill(resource, {"metadata": {"name": name}, **body})
    return store.create(
        resource, "ns" if resource.namespaced else None, obj, now=NOW, uid=f"uid-{name}-{store.version}"
    )


@pytest.fixture
def store() -> Store:
    store = Store()
    make(store, "namespaces", "ns")
    return store


def refusal(problem: pytest.ExceptionInfo[Problem]) -> tuple[int, str]:
    return problem.value.code, problem.value.reason


def test_an_update_from_a_stale_version_is_a_conflict_and_changes_nothing(store: Store) -> None:
    """The compare in compare-and-swap."""
    first = make(store, "configmaps", "x", data={"k": "1"})
    second = store.replace(CONFIG_MAPS, "ns", "x", first | {"data": {"k": "2"}})
    with pytest.raises(Problem) as problem:
        store.replace(CONFIG_MAPS, "ns", "x", first | {"data": {"k": "3"}})
    assert refusal(problem) == (409, "Conflict")
    assert store.get(CONFIG_MAPS, "ns", "x") == second


def test_an_update_with_the_uid_of_another_object_is_a_conflict(store: Store) -> None:
    """A ConfigMap that was deleted and made again is another one, whatever it holds."""
    old = make(store, "configmaps", "x")
    store.delete(CONFIG_MAPS, "ns", "x", DeleteOptions(), deadline=deadline)
    make(store, "configmaps", "x")
    metadata = {"name": "x", "uid": old["metadata"]["uid"]}
    with pytest.raises(Problem) as problem:
        store.replace(CONFIG_MAPS, "ns", "x", {"metadata": metadata})
    assert refusal(problem) == (409, "Conflict")


def test_a_blind_update_is_allowed_for_a_configmap_and_refused_for_a_lease(store: Store) -> None:
    """As on the real server: leases insist on a resourceVersion."""
    make(store, "configmaps", "x")
    make(store, "leases", "x")
    assert store.replace(CONFIG_MAPS, "ns", "x", {"metadata": {}, "data": {"a": "b"}})["data"] == {"a": "b"}
    with pytest.raises(Problem) as problem:
        store.replace(LEASES, "ns", "x", {"metadata": {}, "spec": {}})
    assert refusal(problem) == (422, "Invalid")


def test_an_update_without_a_change_gets_no_version(store: Store) -> None:
    """Nobody is woken by a write that changes nothing."""
    first = make(store, "configmaps", "x", data={"k": "1"})
    assert (
        store.replace(CONFIG_MAPS, "ns", "x", first)["metadata"]["resourceVersion"]
        == first["metadata"]["resourceVersion"]
    )


def test_creating_twice_and_creating_in_a_missing_namespace_are_refused(store: Store) -> None:
    """409 AlreadyExists, 404 for the namespace."""
    make(store, "pods", "x", spec={"containers": [{}]})
    with pytest.raises(Problem) as twice:
        make(store, "pods", "x", spec={"containers": [{}]})
    assert refusal(twice) == (409, "AlreadyExists")
    with pytest.raises(Problem) as nowhere:
        store.create(PODS, "other", {"metadata": {"name": "x"}}, now=NOW, uid="u")
    assert refusal(nowhere) == (404, "NotFound")
    assert nowhere.value.message == 'namespaces "other" not found'


def test_status_and_spec_are_written_apart_and_only_the_spec_counts_generations(store: Store) -> None:
    """An update can't write the status, and the status subresource nothing else."""
    pod = make(store, "pods", "x", spec={"containers": [{"name": "a"}]})
    status = store.replace(
        PODS, "ns", "x", {"metadata": {}, "spec": {}, "status": {"phase": "Running"}}, status_only=True
    )
    assert (status["spec"], status["status"]) == (pod["spec"], {"phase": "Running"})
    assert status["metadata"]["generation"] == 1
    updated = store.replace(PODS, "ns", "x", {**status, "spec": {"containers": []}, "status": {"phase": "Failed"}})
    assert updated["status"] == {"phase": "Running"}
    assert updated["metadata"]["generation"] == 2


def test_an_update_cannot_forge_what_the_server_sets(store: Store) -> None:
    """uid, creation and deletion times, generation."""
    made = make(store, "pods", "x", spec={"containers": [{"name": "a"}]})
    forged = made["metadata"] | {"creationTimestamp": "never", "generation": 9, "deletionTimestamp": "now"}
    assert store.replace(PODS, "ns", "x", made | {"metadata": forged})["metadata"] == made["metadata"]


def bound(store: Store) -> dict[str, Any]:
    return make(store, "pods", "x", spec={"containers": [{"name": "a"}], "nodeName": "n"})


def test_a_bound_pod_is_marked_and_goes_with_grace_zero(store: Store) -> None:
    """The kubelet of its node has the last word."""
    bound(store)
    marked = store.delete(PODS, "ns", "x", DeleteOptions(), deadline=deadline)["metadata"]
    assert (marked["deletionTimestamp"], marked["deletionGracePeriodSeconds"]) == ("in 30 s", 30)
    longer = store.delete(PODS, "ns", "x", DeleteOptions(grace_s=60), deadline=deadline)["metadata"]
    assert longer["deletionGracePeriodSeconds"] == 30, "a later deletion can't lengthen the grace"
    shorter = store.delete(PODS, "ns", "x", DeleteOptions(grace_s=2), deadline=deadline)["metadata"]
    assert shorter["deletionGracePeriodSeconds"] == 2
    store.delete(PODS, "ns", "x", DeleteOptions(grace_s=0), deadline=deadline)
    with pytest.raises(Problem):
        store.get(PODS, "ns", "x")


def test_a_pod_without_a_node_goes_at_once(store: Store) -> None:
    """Nobody runs it, so nobody has to be asked."""
    make(store, "pods", "x", spec={"containers": [{"name": "a"}]})
    gone = store.delete(PODS, "ns", "x", DeleteOptions(), deadline=deadline)
    assert gone["metadata"]["deletionGracePeriodSeconds"] == 0
    assert store.select(PODS) == []


@pytest.mark.parametrize("options", [DeleteOptions(uid="another"), DeleteOptions(version="1")])
def test_deletion_keeps_its_preconditions(store: Store, options: DeleteOptions) -> None:
    """A delete meant for another incarnation is refused."""
    made = bound(store)
    with pytest.raises(Problem) as problem:
        store.delete(PODS, "ns", "x", options, deadline=deadline)
    assert refusal(problem) == (409, "Conflict")
    assert store.get(PODS, "ns", "x") == made


def test_deleting_a_namespace_takes_what_is_in_it(store: Store) -> None:
    """And each object's watchers hear of it."""
    make(store, "configmaps", "x")
    version = store.version
    store.delete_namespace("ns")
    assert store.select(CONFIG_MAPS) == []
    assert [change.kind for change in store.since(CONFIG_MAPS, version)] == [ChangeKind.DELETED]


def test_the_history_is_bounded_and_says_so() -> None:
    """410 for what was forgotten, and nothing missing from what was not."""
    store = Store(history_max=3)
    make(store, "namespaces", "ns")
    made = [int(make(store, "configmaps", f"x{n}")["metadata"]["resourceVersion"]) for n in range(5)]
    assert [change.version for change in store.since(CONFIG_MAPS, made[1])] == made[2:]
    with pytest.raises(Problem) as problem:
        store.since(CONFIG_MAPS, made[0])
    assert refusal(problem) == (410, "Expired")


def test_compacting_forgets_everything_up_to_now(store: Store) -> None:
    """Versions from now on are still served."""
    before = store.version
    make(store, "configmaps", "x")
    store.compact()
    assert store.since(CONFIG_MAPS, store.version) == []
    with pytest.raises(Problem):
        store.since(CONFIG_MAPS, before)
