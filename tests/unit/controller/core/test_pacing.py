"""What every pod shows: its role, and whether a roll-out may go on after it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from toy_cluster import Toy, serving

from controller.core.model import Instance, Mode, Observation, Registration, Shown, Status
from controller.core.pacing import BELIEVED_S, DOUBT_S, Label, Why, pace, patiently
from controller.core.view import ordinal_of
from sidecar.contract.state import CutKind, Document, Phase


def shown(toy: Toy, **changes: Any) -> dict[int, Shown]:
    """With these changes of the document."""
    return pace(toy.observation(), replace(toy.document, **changes))


def reasons(found: dict[int, Shown]) -> list[tuple[bool | None, str]]:
    return [(found[ordinal].in_sync, found[ordinal].reason) for ordinal in sorted(found)]


def rows_with(toy: Toy, ordinal: int, **changes: Any) -> Observation:
    """The observation, with the main's row for this replica changed."""
    obs = toy.observation()
    main = obs.instance(0)
    assert main.answer is not None
    assert main.answer.registrations is not None
    rows = tuple(replace(r, **changes) if ordinal_of(r.name) == ordinal else r for r in main.answer.registrations)
    return changed(obs, replace(main, answer=replace(main.answer, registrations=rows)))


def changed(obs: Observation, instance: Instance) -> Observation:
    """The observation with this instance instead."""
    return replace(obs, instances=tuple(instance if i.ordinal == instance.ordinal else i for i in obs.instances))


def all_true(obs: Observation, document: Document) -> Observation:
    """The same, with every pod showing what it should: the day after."""
    wanted = pace(obs, document)
    instances = [replace(i, pod=replace(i.pod, shown=wanted[i.ordinal])) for i in obs.instances if i.pod]
    return replace(obs, instances=tuple(instances))


def test_a_settled_cluster_is_in_sync_and_says_who_is_what() -> None:
    found = shown(serving())
    assert [found[n].role for n in range(3)] == [Label.MAIN, Label.SYNC, Label.REPLICA]
    assert reasons(found) == [(True, Why.MAIN), (True, Why.IN_SYNC), (True, Why.IN_SYNC)]


def test_without_a_partner_only_the_main_is_ready() -> None:
    """Evictions of the others wait, and the message says for what."""
    found = shown(serving(), sync=None)
    assert reasons(found) == [(True, Why.MAIN), (False, Why.UNPROTECTED), (False, Why.UNPROTECTED)]
    assert [found[n].role for n in range(3)] == [Label.MAIN, Label.REPLICA, Label.REPLICA]
    assert "seed" in found[1].message


def test_a_cluster_of_one_is_ready() -> None:
    """There never is a partner, and nobody to wait for."""
    toy = serving(1)
    assert toy.document.sync is None
    assert reasons(shown(toy)) == [(True, Why.MAIN)]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"status": Status.RECOVERY}, Why.CATCHING_UP),
        ({"status": Status.INVALID}, Why.NOT_REACHED),
        ({"status": Status.GHOST}, Why.NOT_REACHED),
        ({"status": Status.DIVERGED}, Why.DIVERGED),
        ({"status": Status.READY, "behind": -1}, Why.CATCHING_UP),
        ({"status": Status.READY, "behind": None}, Why.CATCHING_UP),
        ({"name": "somebody_else"}, Why.NOT_REGISTERED),
        ({"status": Status.REPLICATING, "behind": 0}, Why.IN_SYNC),
    ],
)
def test_a_replica_is_judged_by_its_registration(changes: dict[str, Any], why: Why) -> None:
    toy = serving()
    found = pace(rows_with(toy, 2, **changes), toy.document)
    assert (found[2].in_sync, found[2].reason) == (why is Why.IN_SYNC, why)
    assert (found[1].in_sync, found[0].in_sync) == (True, True)
    assert found[2].role == Label.REPLICA, "it says so itself"


def test_a_replica_that_was_in_step_stays_so_through_a_short_lag() -> None:
    """An asynchronous replica of a busy main always lacks a moment: its condition must not flap with every probe."""
    toy = serving()
    near, far = -toy.policy.laggard_ts, -toy.policy.laggard_ts - 1
    for behind, before, expected in ((near, True, True), (far, True, False), (near, False, False)):
        obs = rows_with(toy, 2, behind=behind)
        pod = obs.instance(2).pod
        assert pod is not None
        obs = changed(obs, replace(obs.instance(2), pod=replace(pod, shown=Shown("replica", before))))
        assert pace(obs, toy.document)[2].in_sync is expected


@pytest.mark.parametrize(
    ("changes", "patience"),
    [
        ({"status": Status.INVALID}, True),
        ({"status": Status.RECOVERY}, True),
        ({"name": "somebody_else"}, True),
        ({"status": Status.DIVERGED}, False),
    ],
)
def test_a_glimpse_is_no_verdict(changes: dict[str, Any], patience: bool) -> None:
    """A main under load calls a replica invalid now and then; what does not pass is shown at once."""
    toy = serving()
    obs = rows_with(toy, 2, **changes)
    pod = obs.instance(2).pod
    assert pod is not None
    good = Shown("replica", True, Why.IN_SYNC.value, "m")
    obs = changed(obs, replace(obs.instance(2), pod=replace(pod, shown=good)))
    verdicts = pace(obs, toy.document)
    assert verdicts[2].in_sync is False
    shown, doubts = patiently(obs, verdicts, {})
    assert (shown[2] == good) is patience
    assert shown[1] == verdicts[1]
    later = replace(obs, now=obs.now + DOUBT_S)
    assert patiently(later, verdicts, doubts)[0][2] == verdicts[2]
    passed, forgotten = patiently(later, {2: good}, doubts)
    assert (passed, forgotten) == ({2: good}, {})
    assert (patiently(later, verdicts, forgotten)[0][2] == good) is patience, "it begins anew"


def test_a_replica_that_was_not_in_sync_gets_no_patience() -> None:
    toy = serving()
    obs = rows_with(toy, 2, status=Status.INVALID)
    verdicts = pace(obs, toy.document)
    assert patiently(obs, verdicts, {}) == (verdicts, {})


def test_while_clients_are_cut_nobody_is_main_and_nobody_may_go() -> None:
    found = shown(serving(), phase=Phase.CUT, cut_kind=CutKind.PLANNED)
    assert reasons(found) == [(False, Why.CLIENTS_CUT)] * 3
    assert [found[n].role for n in range(3)] == ["", Label.REPLICA, Label.REPLICA]


def test_without_a_document_nobody_is_ready() -> None:
    """A full stop of everything ends here: all pods run, none waits for another to be Ready, and B or F goes on."""
    toy = serving()
    assert reasons(pace(toy.observation(), None)) == [(False, Why.NO_DOCUMENT)] * 3


def test_a_main_that_misses_a_probe_is_believed_for_a_while() -> None:
    """And then its replicas are not in sync with anybody."""
    toy = serving()
    obs = toy.observation()
    main = replace(obs.instance(0), silent=1, silent_since=toy.now)
    obs = changed(obs, main)
    assert pace(replace(obs, now=toy.now + BELIEVED_S), toy.document)[1].in_sync is True
    later = pace(replace(obs, now=toy.now + BELIEVED_S + 0.1), toy.document)
    assert reasons(later) == [(True, Why.MAIN), (False, Why.MAIN_UNHEARD), (False, Why.MAIN_UNHEARD)]


def test_a_new_leader_changes_nothing_before_it_has_asked() -> None:
    """Its memory is empty; the pods still show what was true, and the document says who is who."""
    toy = serving()
    obs = all_true(toy.observation(), toy.document)
    blank = replace(obs, instances=tuple(Instance(i.ordinal, i.pod) for i in obs.instances))
    assert pace(blank, toy.document) == {i.ordinal: i.pod.shown for i in obs.instances if i.pod}
    main = blank.instance(0)
    for missed in (replace(main, refused=1), replace(main, silent=1)):
        asked = changed(blank, missed)
        assert pace(asked, toy.document)[2].in_sync is False


def test_only_one_pod_is_ever_labelled_main() -> None:
    """A former main that came back shows it until somebody says otherwise."""
    toy = serving()
    obs = toy.observation()
    pod = obs.instance(2).pod
    assert pod is not None
    former = Instance(2, replace(pod, shown=Shown("main", True)))
    assert pace(changed(obs, former), toy.document)[2].role == ""


def test_a_partner_on_another_volume_is_none() -> None:
    """The document's partner is a volume, not a name."""
    toy = serving()
    assert toy.document.sync is not None
    found = shown(toy, sync=replace(toy.document.sync, volume="another"))
    assert found[1].role == Label.REPLICA


def test_a_pod_that_is_gone_shows_nothing() -> None:
    toy = serving()
    toy.fail(2, "gone")
    assert set(shown(toy)) == {0, 1}


def test_messages_hold_no_number_that_changes_by_itself() -> None:
    """Else every commit would be a write to the API server."""
    toy = serving()
    texts = {pace(rows_with(toy, 2, behind=behind, ts=ts), toy.document)[2] for behind, ts in ((-5, 7), (-6, 8))}
    assert len(texts) == 1


def test_a_registration_of_a_stranger_is_nobody_s() -> None:
    toy = serving()
    obs = toy.observation()
    main = obs.instance(0)
    assert main.answer is not None
    stranger = Registration("x", "a", Mode.ASYNC, Status.READY, 1, 0)
    obs = changed(obs, replace(main, answer=replace(main.answer, registrations=(stranger,))))
    assert reasons(pace(obs, toy.document)) == [(True, Why.MAIN), *[(False, Why.NOT_REGISTERED)] * 2]
