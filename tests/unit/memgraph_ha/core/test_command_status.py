"""What status calls a problem."""

from __future__ import annotations

from typing import Any

import pytest
from published import published

from memgraph_ha.core.status import View, text, view
from sidecar.contract import names

NOW = 1_800_000_000.0


def lease(renewed: str = "2027-01-15T08:00:00.000000Z", holder: str = "c-0_4f") -> Any:
    return {"spec": {"holderIdentity": holder, "leaseDurationSeconds": 4, "renewTime": renewed}}


def member(name: str = "m-0", ready: str = "True") -> Any:
    conditions = [{"type": "Ready", "status": ready}, {"type": names.IN_SYNC_CONDITION, "message": "behind by 7"}]
    return {"metadata": {"name": name, "labels": {}}, "status": {"conditions": conditions}}


def shown(**changes: Any) -> View:
    given: dict[str, Any] = {
        "state": published(), "lease": lease(), "requests": None, "pods": [member()], "told": None, "unasked": "",
        "now": NOW,
    }  # fmt: skip
    return view("r", "db", **{**given, **changes})


PAUSED = {"metadata": {"annotations": {names.PAUSED_ANNOTATION: "ann, at noon"}}}
TABLE: dict[str, tuple[dict[str, Any], list[str]]] = {
    "all is well": ({}, []),
    "no document": ({"state": None}, ["there is no document: no controller has published a main yet"]),
    "a document of another kind": (
        {"state": {"data": {"schema": "9"}}},
        ["the document can't be read: schema is '9', this reader knows '1'"],
    ),
    "cut": ({"state": published(serving=False)}, ["clients are cut: no main serves"]),
    "unprotected": ({"state": published(sync=False)}, ["no replica is known to hold every write"]),
    "nobody ever led": ({"lease": None}, ["no controller leads"]),
    "a leader that is gone": (
        {"lease": lease("2027-01-15T07:00:00.000000Z")},
        ["no controller leads: the Lease of c-0 ran out 3596 s ago"],
    ),
    "a leader that has just gone": (
        {"lease": lease("2027-01-15T07:59:53.000000Z")},
        ["no controller leads: the Lease of c-0 ran out 3 s ago"],
    ),
    "a leader whose clock is a little behind": ({"lease": lease("2027-01-15T07:59:55.000000Z")}, []),
    "a Lease that was given away": ({"lease": lease(holder="")}, ["no controller leads"]),
    "paused": ({"requests": PAUSED}, ["paused (ann, at noon): no failover until memgraph-ha resume"]),
    "a pod that is not ready": ({"pods": [member(ready="False")]}, ["m-0 is not ready: behind by 7"]),
    "a person has to decide": (
        {"told": {"commands": ["memgraph-ha promote 1"]}},
        ["a person has to decide; choose one: memgraph-ha promote 1"],
    ),
}


@pytest.mark.parametrize(("changes", "problems"), TABLE.values(), ids=TABLE)
def test_what_is_a_problem(changes: dict[str, Any], problems: list[str]) -> None:
    assert list(shown(**changes).problems) == problems


def test_what_the_leader_knows_is_shown_too() -> None:
    instance = {"pod": "m-1", "role": "replica", "behind": -7, "problem": None, "left_alone": "it may be the only copy"}
    finding = {
        "namespace": "apps", "owner": {"kind": "Deployment", "name": "web"}, "health": "missing", "pods": ["w-1"],
        "commands": ["kubectl -n apps rollout restart deployment/web"],
    }  # fmt: skip
    fleet = {
        "at": "t", "pods": {"current": 2, "missing": 1}, "namespaces": ["apps"], "findings": [finding],
        "complete": False, "problem": None,
    }  # fmt: skip
    said = text(shown(told={"instances": [instance], "fleet": fleet, "commands": []}))
    assert "m-1       replica     -7      -        it may be the only copy" in said
    assert "the fleet was not seen in full: there is more than one look reads" in said
    assert "fleet (t): 2 current, 1 missing; namespaces: apps" in said
    assert "apps       deployment/web  missing  1     kubectl -n apps rollout restart deployment/web" in said


def test_what_keeps_the_leader_waiting_is_shown_under_what_it_published_last() -> None:
    waits = {"reason": "NoCandidate", "message": "waiting for m-1 to answer as a replica", "since": "t"}
    lines = text(shown(told={"instances": [], "commands": [], "decision": waits})).splitlines()
    assert lines[3] == "the leader: waiting for m-1 to answer as a replica (NoCandidate)"


@pytest.mark.parametrize("decision", [
    None, {"reason": "Steady", "message": "m-0 is main"}, {"reason": "Published", "message": shown().message},
])  # fmt: skip
def test_a_leader_with_no_news_says_nothing_twice(decision: Any) -> None:
    assert "the leader: " not in text(shown(told={"instances": [], "commands": [], "decision": decision}))
