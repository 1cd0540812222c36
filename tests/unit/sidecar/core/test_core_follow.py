"""The watch state machine: each kind of event by itself, then any order of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract.state import CutKind, Document, Phase, encode
from sidecar.core.follow import DELAYS_S, URGENT_S, URGENT_TRIES, Changed, Follow, Get, Problem, Reason, State, Watch

BASE = Document(
    term=1, epoch=1, phase=Phase.SERVING, cut_kind=None, master_index=0, main_pod="p", main_uid="u",
    main_address="10.0.0.1:7687", main_volume="v", database_uuid="d", sync=None, read_addresses=(), reason="r",
    message="m", writer="w", updated_at="t",
)  # fmt: skip


def item(epoch: int, uid: str = "a", version: str = "5", **changes: Any) -> dict[str, Any]:
    metadata = {"name": "state", "uid": uid, "resourceVersion": version}
    return {"kind": "ConfigMap", "metadata": metadata, "data": encode(replace(BASE, epoch=epoch, **changes))}


def line(kind: str, value: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": value}).encode()


def body(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()


def following(epoch: int = 1, uid: str = "a") -> Follow:
    follow = Follow("ns", "state")
    assert isinstance(follow.got(200, body(item(epoch, uid))), Changed)
    assert follow.watching(200) is None
    return follow


def state(follow: Follow) -> tuple[str, int]:
    assert follow.state is not None
    return follow.state.uid, follow.state.document.epoch


def reason(follow: Follow) -> Reason | None:
    return follow.problem.reason if follow.problem else None


def test_it_asks_for_the_object_and_then_for_changes_from_there() -> None:
    follow = Follow("ns", "state")
    assert follow.ask() == Get()
    assert follow.got(200, body(item(1))) == Changed(State("a", replace(BASE, epoch=1)))
    assert follow.ask() == Watch("5")
    assert follow.delay_s == 0


@pytest.mark.parametrize("kind", ["ADDED", "MODIFIED"])
def test_a_new_epoch_is_accepted_and_moves_the_version(kind: str) -> None:
    follow = following()
    assert isinstance(follow.line(line(kind, item(2, version="6"))), Changed)
    assert (state(follow), follow.ask()) == (("a", 2), Watch("6"))


def test_a_late_start_begins_without_a_document_and_watches_for_it() -> None:
    """O-F4."""
    follow = Follow("ns", "state")
    missing = follow.got(404, b"{}")
    assert isinstance(missing, Problem)
    assert (missing.reason, follow.state) == (Reason.NOT_FOUND, None)
    assert follow.ask() == Watch("")
    follow.watching(200)
    assert isinstance(follow.line(line("ADDED", item(1, version="9"))), Changed)
    assert (follow.problem, follow.ask()) == (None, Watch("9"))


def test_a_lower_epoch_of_the_same_object_is_refused_and_said() -> None:
    follow = following(epoch=5)
    problem = follow.line(line("MODIFIED", item(4)))
    assert isinstance(problem, Problem)
    assert "from epoch 5 to 4" in problem.message
    assert state(follow) == ("a", 5)
    follow.line(line("MODIFIED", item(5)))
    assert follow.problem is None


def test_another_object_is_accepted_whatever_its_epoch() -> None:
    follow = following(epoch=5)
    assert isinstance(follow.line(line("ADDED", item(1, uid="b"))), Changed)
    assert state(follow) == ("b", 1)
    refused = follow.line(line("MODIFIED", item(4, uid="a")))
    assert isinstance(refused, Problem)
    assert state(follow) == ("b", 1)


def test_deletion_keeps_the_state_and_re_creation_is_followed() -> None:
    """O-F5."""
    follow = following(epoch=5)
    assert isinstance(follow.line(line("DELETED", item(5, version="7"))), Problem)
    assert (state(follow), reason(follow), follow.ask()) == (("a", 5), Reason.DELETED, Watch("7"))
    assert isinstance(follow.line(line("ADDED", item(5, uid="b"))), Changed)
    assert (state(follow), follow.problem) == (("b", 5), None)


def test_late_news_of_the_deletion_of_a_replaced_object_is_no_problem() -> None:
    follow = following()
    follow.line(line("ADDED", item(1, uid="b")))
    assert follow.line(line("DELETED", item(1, uid="a"))) is None
    assert follow.problem is None


def test_a_duplicate_changes_nothing_and_a_change_beside_the_epoch_does() -> None:
    follow = following()
    assert follow.line(line("MODIFIED", item(1))) is None
    assert isinstance(follow.line(line("MODIFIED", item(1, reason="Another"))), Changed)


def test_a_bookmark_moves_the_version_and_is_a_sign_of_life() -> None:
    follow = following()
    bookmark = {"kind": "ConfigMap", "metadata": {"resourceVersion": "99"}}
    assert follow.line(line("BOOKMARK", bookmark)) is None
    assert follow.ask() == Watch("99")


def test_another_configmap_in_the_stream_is_ignored() -> None:
    follow = following()
    other = item(9)
    other["metadata"]["name"] = "other"
    assert follow.line(line("MODIFIED", other)) is None
    assert state(follow) == ("a", 1)


def test_410_as_a_status_and_inside_the_stream_lead_back_to_the_object() -> None:
    """O-S7."""
    follow = following()
    assert isinstance(follow.watching(410), Problem)
    assert (follow.ask(), reason(follow)) == (Get(), Reason.EXPIRED)
    assert isinstance(follow.got(200, body(item(2, version="8"))), Changed)
    assert (follow.ask(), follow.problem) == (Watch("8"), None)
    follow.watching(200)
    inside = follow.line(line("ERROR", {"kind": "Status", "code": 410}))
    assert isinstance(inside, Problem)
    assert inside.reason is Reason.EXPIRED
    assert follow.ask() == Get()


def test_a_circle_of_410_backs_off() -> None:
    follow = Follow("ns", "state")
    delays = []
    for _ in range(4):
        follow.got(200, body(item(1)))
        follow.watching(410)
        delays.append(follow.delay_s)
    assert delays == sorted(set(delays))


@pytest.mark.parametrize(
    ("status", "expected", "word"),
    [(401, Reason.UNAUTHORIZED, "token"), (403, Reason.FORBIDDEN, "RoleBinding"), (429, Reason.THROTTLED, "busy"),
     (500, Reason.BAD_ANSWER, "again")],
)  # fmt: skip
def test_each_refusal_is_explained_and_backs_off_without_losing_the_state(
    status: int, expected: Reason, word: str
) -> None:
    follow = following(epoch=3)
    problem = follow.watching(status)
    assert isinstance(problem, Problem)
    assert (problem.reason, state(follow)) == (expected, ("a", 3))
    assert word in problem.message
    assert "ns/state" in problem.message
    assert follow.delay_s > 0
    assert isinstance(follow.got(status, b""), Problem)
    assert follow.got(200, body(item(3))) is None
    assert follow.problem is None


@pytest.mark.parametrize(
    "text",
    [b"", b"nonsense", b"[]", b'{"type":"ADDED"}', b'{"type":"ADDED","object":[]}', b"[" * 100_000, b"\xff\xfe"],
)
def test_lines_that_are_no_events_are_said_and_start_afresh(text: bytes) -> None:
    follow = following()
    assert isinstance(follow.line(text), Problem)
    assert (state(follow), reason(follow), follow.ask()) == (("a", 1), Reason.BAD_ANSWER, Get())


@pytest.mark.parametrize(
    "value",
    [
        item(1) | {"data": {"schema": "1"}},
        item(1) | {"data": {}},
        item(1) | {"data": None},
        item(1) | {"data": {"schema": "2"}},
        item(1) | {"data": item(1)["data"] | {"epoch": 7}},
    ],
)
def test_a_malformed_document_is_said_and_the_next_good_one_mends_it(value: dict[str, Any]) -> None:
    follow = following(epoch=3)
    problem = follow.line(line("MODIFIED", value))
    assert isinstance(problem, Problem)
    assert (problem.reason, state(follow)) == (Reason.MALFORMED, ("a", 3))
    assert isinstance(follow.line(line("MODIFIED", item(4))), Changed)
    assert follow.problem is None


@pytest.mark.parametrize("metadata", [None, {}, {"uid": 7}, {"uid": ""}])
def test_an_object_without_identity_is_refused(metadata: object) -> None:
    follow = following()
    assert isinstance(follow.line(line("MODIFIED", item(2) | {"metadata": metadata})), Problem)
    assert state(follow) == ("a", 1)


def test_a_question_beside_the_watch_moves_neither_its_place_nor_its_pace() -> None:
    follow = following()
    assert isinstance(follow.got(200, body(item(2, version="50")), aside=True), Changed)
    assert (state(follow), follow.ask()) == (("a", 2), Watch("5"))
    follow.got(503, b"", aside=True)
    follow.got(404, b"", aside=True)
    assert (follow.ask(), follow.delay_s) == (Watch("5"), 0)


def test_failures_back_off_up_to_the_limit_and_a_line_ends_that() -> None:
    follow = following()
    for expected in (*DELAYS_S[1:], DELAYS_S[-1]):
        follow.failed(Reason.UNREACHABLE, "down")
        assert follow.delay_s == expected
    assert state(follow) == ("a", 1)
    follow.watching(200)
    assert follow.problem is None
    follow.line(line("BOOKMARK", {"metadata": {"resourceVersion": "6"}}))
    assert follow.delay_s == 0


def test_after_a_loss_of_contact_it_begins_with_what_is_there() -> None:
    """An API server restored from a backup is silent towards versions it does not have yet; it does not refuse them."""
    follow = following(epoch=3)
    follow.failed(Reason.UNREACHABLE, "down")
    assert follow.ask() == Get()
    assert isinstance(follow.got(200, body(item(4, uid="restored", version="2"))), Changed)
    assert follow.ask() == Watch("2")


def test_silence_is_no_problem_but_a_reason_to_look() -> None:
    """O-S7."""
    follow = following()
    follow.watching(200)
    follow.silent()
    follow.ended(75)
    assert (follow.ask(), follow.problem, follow.delay_s) == (Get(), None, 0)


def test_a_watch_that_ends_at_once_with_nothing_is_a_failure_and_a_long_one_is_not() -> None:
    follow = following()
    follow.ended(0.01)
    assert follow.delay_s > 0
    follow.watching(200)
    follow.ended(240)
    assert follow.delay_s == 0


steps = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 9), st.sampled_from(["MODIFIED", "ADDED", "DELETED"]))
)


@given(steps)
def test_no_order_of_events_ever_lowers_an_objects_epoch(events: list[tuple[str, int, str]]) -> None:
    follow = Follow("ns", "state")
    highest: dict[str, int] = {}
    for uid, epoch, kind in events:
        outcome = follow.line(line(kind, item(epoch, uid)))
        if isinstance(outcome, Changed):
            assert outcome.state.document.epoch >= highest.get(outcome.state.uid, 0)
            highest[outcome.state.uid] = outcome.state.document.epoch


@given(st.integers(1, 8).flatmap(lambda n: st.lists(st.integers(1, n), min_size=1).map(lambda order: (n, order))))
def test_shuffled_duplicated_and_lost_events_of_one_object_converge_to_the_highest_seen(
    case: tuple[int, list[int]],
) -> None:
    """O-F4."""
    last, order = case
    follow = Follow("ns", "state")
    for epoch in order:
        follow.line(line("MODIFIED", item(epoch)))
    assert state(follow) == ("a", max(order))
    follow.got(200, body(item(last)))
    assert (state(follow), follow.problem) == (("a", last), None)


@given(steps, st.sampled_from("abc"))
def test_after_any_events_the_objects_own_answer_is_the_state(events: list[tuple[str, int, str]], uid: str) -> None:
    follow = Follow("ns", "state")
    for one, epoch, kind in events:
        follow.line(line(kind, item(epoch, one)))
    follow.got(200, body(item(10, uid)))
    assert (state(follow), follow.problem) == ((uid, 10), None)


@given(st.binary(max_size=100), st.integers(100, 599))
def test_nothing_an_api_server_sends_makes_it_raise(data: bytes, status: int) -> None:
    follow = following()
    follow.got(status, data)
    follow.watching(status)
    follow.line(data)
    assert state(follow) == ("a", 1)


def test_while_clients_are_cut_it_tries_again_at_once_and_then_often() -> None:
    follow = Follow("ns", "state")
    follow.got(200, body(item(2, phase=Phase.CUT, cut_kind=CutKind.FAILOVER)))
    delays = []
    for _ in range(URGENT_TRIES + 1):
        follow.failed(Reason.UNREACHABLE, "away")
        delays.append(follow.delay_s)
    assert delays[0] == 0
    assert max(delays[:-1]) == URGENT_S
    assert delays[-1] == DELAYS_S[-1]
