"""Which RoleBindings are written, and which are taken away."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fleet_pods import OURS

from controller.core.fleet.access import AccessPlan, is_ours, missing, plan_access
from controller.core.fleet.model import Binding, Health, Labelled, Owner, PodFacts
from sidecar.contract import names

B = Binding("b-apps", "apps", True)
UNSOUND = Binding("b-apps", "apps", False)


def live(namespace: str, *, carries: bool = True, health: Health = Health.STALE, going: bool = False) -> PodFacts:
    return PodFacts(namespace, "p", Owner("Pod", "p"), carries, health, "", going)


TABLE: dict[str, tuple[list[str], list[PodFacts], list[Binding], set[str], AccessPlan]] = {
    "newly labelled": (["apps"], [], [], {"apps"}, AccessPlan((), ("apps",))),
    "labelled and bound": (["apps"], [], [B], {"apps"}, AccessPlan()),
    "unlabelled, nothing left": ([], [], [B], {"apps"}, AccessPlan((B,))),
    "unlabelled, a live sidecar left": ([], [live("apps")], [B], {"apps"}, AccessPlan()),
    "unlabelled, one that is going": ([], [live("apps", going=True)], [B], {"apps"}, AccessPlan()),
    "unlabelled, one of another release": ([], [live("b")], [B], {"apps"}, AccessPlan((B,), ("b",))),
    "unlabelled, not read in full": ([], [], [B], set(), AccessPlan()),
    "never labelled, a pod of its own accord": (
        [], [live("x", health=Health.CURRENT)], [], set(), AccessPlan((), ("x",)),
    ),
    "never labelled, a pod that will have one": (
        [], [live("x", carries=False, health=Health.MISSING)], [], set(), AccessPlan((), ("x",)),
    ),
    "a stranger's sidecar that would be ours": ([], [live("x", carries=False)], [], set(), AccessPlan()),
    "the Role was made anew": (
        ["apps"], [], [UNSOUND], {"apps"}, AccessPlan((UNSOUND,), ("apps",)),
    ),
    "the Role was made anew, unlabelled": (
        [], [], [UNSOUND], {"apps"}, AccessPlan((UNSOUND,)),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("labelled", "pods", "bindings", "read", "plan"), TABLE.values(), ids=TABLE)
def test_what_is_written_and_what_is_taken_away(
    labelled: list[str], pods: list[PodFacts], bindings: list[Binding], read: set[str], plan: AccessPlan
) -> None:
    assert plan_access(labelled, pods, bindings, read) == plan


def test_a_look_without_pods_takes_nothing_away() -> None:
    """It replaces what would not work, for a namespace that is labelled."""
    assert missing(["new"], [B]) == AccessPlan((), ("new",))
    assert missing(["apps"], [UNSOUND]) == AccessPlan((UNSOUND,), ("apps",))
    assert missing([], [UNSOUND]) == AccessPlan()


@pytest.mark.parametrize(
    ("labels", "default", "ours"),
    [
        ({names.INJECT_LABEL: "enabled"}, True, True),
        ({names.INJECT_LABEL: "enabled"}, False, False),
        ({names.INJECT_LABEL: "enabled", names.CLUSTER_LABEL: "graph"}, False, True),
        ({names.INJECT_LABEL: "enabled", names.CLUSTER_LABEL: "other"}, True, False),
        ({names.INJECT_LABEL: "disabled"}, True, False),
        ({}, True, False),
    ],
)
def test_whose_namespace_it_is(labels: dict[str, str], default: bool, ours: bool) -> None:
    release = replace(OURS, default=default)
    assert is_ours(Labelled("apps", labels), release) is ours
    assert not is_ours(Labelled("kube-system", labels), release)
