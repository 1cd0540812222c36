"""Pods -> findings, and which of them become Events now."""

from __future__ import annotations

from controller.core.fleet.audit import EVENT_AGAIN_S, EVENTS_MAX, counts, due, findings
from controller.core.fleet.model import Health, Owner, PodFacts

WEB = Owner("Deployment", "web")


def facts(name: str, health: Health, owner: Owner = WEB, *, going: bool = False) -> PodFacts:
    return PodFacts("apps", name, owner, health is not Health.MISSING, health, "it is wrong", going)


def test_pods_of_one_owner_with_one_problem_are_one_finding() -> None:
    wrong = [facts("w-2", Health.MISSING), facts("w-1", Health.MISSING), facts("w-3", Health.OUTDATED)]
    found = findings([*wrong, facts("w-4", Health.CURRENT), facts("w-5", Health.STALE, going=True)])
    assert [(f.health, f.pods) for f in found] == [(Health.MISSING, ("w-1", "w-2")), (Health.OUTDATED, ("w-3",))]
    assert found[0].message == (
        "2 pods of deployment/web: it is wrong. Next: kubectl -n apps rollout restart deployment/web"
    )
    assert found[1].message == (
        "pod w-3: it is wrong. Next: memgraph-ha upgrade-sidecars -n apps; "
        "or kubectl -n apps rollout restart deployment/web"
    )


def test_what_is_going_is_not_counted() -> None:
    pods = [facts("a", Health.CURRENT), facts("b", Health.STALE, going=True), facts("c", Health.MISSING)]
    assert counts(pods) == {Health.CURRENT: 1, Health.OUTDATED: 0, Health.STALE: 0, Health.MISSING: 1}


def test_an_event_is_made_once_an_hour_while_it_lasts() -> None:
    found = findings([facts("w-1", Health.MISSING)])
    news, told = due(found, {}, 10.0)
    assert news == list(found)
    assert due(found, told, 20.0)[0] == []
    again, _ = due(found, told, 10.0 + EVENT_AGAIN_S)
    assert again == list(found)
    _, forgotten = due((), told, 30.0)
    assert due(found, forgotten, 40.0)[0] == list(found), "it was mended, and came back"


def test_a_roll_out_does_not_drown_the_api_server_in_events() -> None:
    """The others are told at the next audit."""
    found = findings([facts(f"p-{n}", Health.OUTDATED, Owner("Pod", f"p-{n}")) for n in range(EVENTS_MAX + 5)])
    news, told = due(found, {}, 0.0)
    assert len(news) == EVENTS_MAX
    assert len(due(found, told, 60.0)[0]) == 5
