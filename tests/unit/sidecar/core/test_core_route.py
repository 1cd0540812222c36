"""Where a connection goes and what a new document cuts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sidecar.contract.env import OnStale, ReadFallback
from sidecar.contract.state import CutKind, Document, Phase, SyncReplica
from sidecar.core.follow import State
from sidecar.core.route import (
    DIAL_RETRY_S,
    HELD_MAX,
    TOLD_MAX,
    Admission,
    Change,
    Hold,
    Loads,
    Policy,
    Port,
    Reason,
    Refuse,
    Upstream,
    Waiter,
    admit,
    change,
    route,
    tag,
)

SERVING = Document(
    term=1, epoch=5, phase=Phase.SERVING, cut_kind=None, master_index=0, main_pod="p", main_uid="u",
    main_address="10.0.0.1:7687", main_volume="v", database_uuid="d", sync=None,
    read_addresses=("10.0.0.2:7687", "10.0.0.3:7687"), reason="r", message="m", writer="w", updated_at="t",
)  # fmt: skip
PLANNED = replace(SERVING, epoch=6, phase=Phase.CUT, cut_kind=CutKind.PLANNED)
FAILOVER = replace(SERVING, epoch=6, phase=Phase.CUT, cut_kind=CutKind.FAILOVER)
NOTHING = Loads({}, {})
WRITER = Waiter(Port.READ_WRITE, since=100.0, hold_s=20.0)
READER = replace(WRITER, port=Port.READ)


def _after(document: Document, **changes: Any) -> Document:
    """The next epoch: serving, on another main unless told otherwise."""
    changes = {"main_uid": "u2", "main_address": "10.0.0.2:7687"} | changes
    return replace(document, epoch=document.epoch + 1, phase=Phase.SERVING, cut_kind=None, **changes)


def test_while_serving_the_main_is_dialled_under_its_tag() -> None:
    document = replace(SERVING, tls_ca="pem", tls_server_name="name")
    assert route(State("a", document), WRITER, 100.0, NOTHING) == Upstream(
        "10.0.0.1:7687", tag(document), "pem", "name"
    )


@pytest.mark.parametrize(
    ("state", "why"),
    [(None, Reason.NO_DOCUMENT), (State("a", PLANNED), Reason.CUT), (State("a", FAILOVER), Reason.CUT)],
)
def test_without_an_upstream_it_waits_and_then_refuses(state: State | None, why: Reason) -> None:
    assert route(state, WRITER, 100.0, NOTHING) == Hold(why, 120.0)
    assert route(state, WRITER, 119.9, NOTHING) == Hold(why, 120.0)
    assert route(state, WRITER, 120.0, NOTHING) == Refuse(Reason.HOLD_EXPIRED, why)


def test_a_bounded_number_waits() -> None:
    crowd = replace(WRITER, others_held=HELD_MAX)
    assert route(None, crowd, 100.0, NOTHING) == Refuse(Reason.TOO_MANY_HELD, Reason.NO_DOCUMENT)
    assert isinstance(route(State("a", SERVING), crowd, 100.0, NOTHING), Upstream)


def test_a_suspect_upstream_is_waited_for_and_then_dialled_again() -> None:
    state, world = State("a", SERVING), Loads({}, {"10.0.0.1:7687": 103.0})
    assert route(state, WRITER, 100.0, world) == Hold(Reason.SUSPECT, 103.0)
    assert isinstance(route(state, WRITER, 103.0, world), Upstream)
    assert isinstance(route(state, WRITER, 100.0, Loads({}, {"10.0.0.9:7687": 103.0})), Upstream)
    assert route(state, replace(WRITER, hold_s=1.0), 100.0, world) == Hold(Reason.SUSPECT, 101.0)


def test_failed_dials_are_spaced_and_end_with_the_hold() -> None:
    state = State("a", SERVING)
    for failed in range(1, 8):
        delay = DIAL_RETRY_S[min(failed, len(DIAL_RETRY_S) - 1)]
        waiter = replace(WRITER, dials_failed=failed, failed_at=110.0)
        assert route(state, waiter, 110.0, NOTHING) == Hold(Reason.DIAL_FAILED, 110.0 + delay)
        assert isinstance(route(state, waiter, 110.0 + delay, NOTHING), Upstream)
    assert route(state, waiter, 120.0, NOTHING) == Refuse(Reason.HOLD_EXPIRED, Reason.DIAL_FAILED)


def test_the_read_port_takes_the_address_with_the_fewest_connections() -> None:
    state = State("a", SERVING)
    for connections, expected in (({}, "10.0.0.2:7687"), ({"10.0.0.2:7687": 1}, "10.0.0.3:7687")):
        found = route(state, READER, 100.0, Loads(connections, {}))
        assert isinstance(found, Upstream)
        assert found.address == expected


def test_the_read_port_avoids_what_failed_and_what_is_suspect() -> None:
    state, one, two = State("a", SERVING), "10.0.0.2:7687", "10.0.0.3:7687"
    found = route(state, READER, 100.0, Loads({two: 9}, {one: 103.0}))
    assert isinstance(found, Upstream)
    assert found.address == two
    found = route(state, replace(READER, failed=frozenset({one})), 100.0, Loads({two: 9}, {}))
    assert isinstance(found, Upstream)
    assert found.address == two


def test_reads_go_on_while_cut_and_wait_when_there_is_no_replica() -> None:
    """O-S30."""
    assert isinstance(route(State("a", FAILOVER), READER, 100.0, NOTHING), Upstream)
    alone = State("a", replace(SERVING, read_addresses=()))
    assert route(alone, READER, 100.0, NOTHING) == Hold(Reason.NO_READ_ADDRESS, 120.0)


FALLBACK = Policy(read_fallback=ReadFallback.MAIN)


@pytest.mark.parametrize(
    ("document", "waiter", "policy", "expected"),
    [
        (SERVING, READER, FALLBACK, "10.0.0.2:7687"),
        (replace(SERVING, read_addresses=()), READER, FALLBACK, "10.0.0.1:7687"),
        (replace(SERVING, read_addresses=()), READER, Policy(), Reason.NO_READ_ADDRESS),
        (replace(FAILOVER, read_addresses=()), READER, FALLBACK, Reason.CUT),
    ],
)
def test_the_read_port_falls_back_to_the_main_only_if_told_so(
    document: Document, waiter: Waiter, policy: Policy, expected: str | Reason
) -> None:
    found = route(State("a", document), waiter, 100.0, NOTHING, policy)
    assert isinstance(found, Upstream | Hold)
    assert (found.address if isinstance(found, Upstream) else found.reason) == expected


def test_a_reader_falls_back_when_every_replica_has_failed_it() -> None:
    state = State("a", SERVING)
    one = replace(READER, failed=frozenset({"10.0.0.2:7687"}), dials_failed=1, failed_at=90.0)
    both = replace(one, failed=frozenset(SERVING.read_addresses), dials_failed=2)
    for waiter, address in ((one, "10.0.0.3:7687"), (both, "10.0.0.1:7687")):
        found = route(state, waiter, 100.0, NOTHING, FALLBACK)
        assert isinstance(found, Upstream)
        assert found.address == address


def test_what_is_too_old_is_waited_for_by_both_ports() -> None:
    for waiter in (WRITER, READER):
        found = route(State("a", SERVING), waiter, 100.0, Loads({}, {}, stale=True))
        assert found == Hold(Reason.STALE, 120.0)
    assert route(State("a", SERVING), WRITER, 120.0, Loads({}, {}, stale=True)) == Refuse(
        Reason.HOLD_EXPIRED, Reason.STALE
    )


def test_a_suspect_nobody_spoke_for_is_dialled_or_refused_as_told() -> None:
    """P-C4: after three seconds without an answer; `onStale: cut` refuses."""
    state, unanswered = State("a", SERVING), Loads({}, {"10.0.0.1:7687": 103.0})
    strict = Policy(on_stale=OnStale.CUT)
    assert route(state, WRITER, 102.9, unanswered, strict) == Hold(Reason.SUSPECT, 103.0)
    assert route(state, WRITER, 103.0, unanswered, strict) == Refuse(Reason.UNCONFIRMED)
    assert isinstance(route(state, WRITER, 103.0, unanswered), Upstream)


def test_an_upstream_that_is_itself_is_never_dialled() -> None:
    """O-S20."""
    state = State("a", SERVING)
    assert route(state, WRITER, 100.0, Loads({}, {}, frozenset({"10.0.0.1:7687"}))) == Hold(Reason.ITSELF, 120.0)
    found = route(state, READER, 100.0, Loads({}, {}, frozenset({"10.0.0.2:7687"})))
    assert isinstance(found, Upstream)
    assert found.address == "10.0.0.3:7687"
    everybody = Loads({}, {}, frozenset({*SERVING.read_addresses, SERVING.main_address}))
    for policy in (Policy(), FALLBACK):
        assert route(state, READER, 100.0, everybody, policy) == Hold(Reason.ITSELF, 120.0)


def test_beyond_the_limit_some_are_told_why_and_the_others_closed() -> None:
    assert [admit(count, 10) for count in (1, 10, 11, 10 + TOLD_MAX, 11 + TOLD_MAX)] == [
        Admission.YES, Admission.YES, Admission.TELL, Admission.TELL, Admission.CLOSE,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (SERVING, PLANNED, CutKind.PLANNED),
        (SERVING, FAILOVER, CutKind.FAILOVER),
        (PLANNED, _after(PLANNED), CutKind.PLANNED),
        (FAILOVER, _after(FAILOVER), CutKind.FAILOVER),
        (PLANNED, replace(FAILOVER, epoch=7), CutKind.FAILOVER),
        (SERVING, _after(SERVING), CutKind.FAILOVER),  # its cut was not seen
        (SERVING, replace(PLANNED, epoch=8), CutKind.FAILOVER),  # nor what came between
        (PLANNED, _after(replace(PLANNED, epoch=8)), CutKind.FAILOVER),
        (SERVING, replace(SERVING, main_uid="u2"), CutKind.FAILOVER),
        (SERVING, replace(SERVING, main_address="10.0.0.9:7687"), CutKind.FAILOVER),
        (SERVING, replace(SERVING, epoch=6), CutKind.FAILOVER),
    ],
)
def test_a_change_of_epoch_phase_or_main_cuts_everything(old: Document, new: Document, kind: CutKind) -> None:
    """O-F27, O-S5."""
    assert change(State("a", old), State("a", new)) == Change(kind)


def test_a_planned_step_to_another_object_counts_as_failover() -> None:
    assert change(State("a", SERVING), State("b", PLANNED)) == Change(CutKind.FAILOVER)


@pytest.mark.parametrize(
    "new",
    [
        SERVING,
        replace(SERVING, term=9, reason="x", message="x", writer="x", updated_at="x"),
        replace(SERVING, sync=SyncReplica(1, "v", "r")),
        replace(SERVING, read_addresses=(*SERVING.read_addresses, "10.0.0.4:7687")),
    ],
)
@pytest.mark.parametrize("uid", ["a", "b"])
def test_what_connections_do_not_depend_on_cuts_nothing(new: Document, uid: str) -> None:
    assert change(State("a", SERVING), State(uid, new)) == Change(None)


def test_a_read_address_that_left_is_named() -> None:
    """O-F55."""
    new = replace(SERVING, read_addresses=("10.0.0.3:7687",))
    assert change(State("a", SERVING), State("a", new)) == Change(None, frozenset({"10.0.0.2:7687"}))


def test_the_first_document_and_a_fleet_that_is_rolled_back_cut_nothing() -> None:
    assert change(None, State("a", FAILOVER)) == Change(None)
    assert change(State("a", SERVING), State("a", replace(FAILOVER, cut_on_change=False))) == Change(None)
