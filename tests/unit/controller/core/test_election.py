"""The Lease: nobody compares two machines' clocks, and a leader stops before anybody may follow it (P-W3)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.election import Candidate, LeaseRecord, Step, Timings, next_step, observe, written

TIMINGS = Timings(4.0, 3.0, 0.5)
ME = Candidate("me", TIMINGS)
THEIRS = LeaseRecord("them", 4.0, 1, "7", renewed="a")


def test_no_lease_is_created() -> None:
    """The first controller of a release finds nothing."""
    assert next_step(observe(ME, None, 10.0), 10.0) is Step.CREATE


def test_a_lease_is_taken_only_after_it_was_not_seen_to_change_for_its_duration() -> None:
    """What counts is when *we* first saw this record, not the time written in it."""
    seen = observe(ME, THEIRS, 10.0)
    assert next_step(seen, 13.9) is Step.WAIT
    assert next_step(seen, 14.0) is Step.ACQUIRE
    renewed = observe(seen, replace(THEIRS, resource_version="8", renewed="b"), 13.0)
    assert next_step(renewed, 14.0) is Step.WAIT
    assert next_step(renewed, 17.0) is Step.ACQUIRE


def test_an_annotation_alone_is_no_sign_of_life() -> None:
    """Only holder and renewal time restart the clock."""
    seen = observe(ME, THEIRS, 10.0)
    touched = observe(seen, replace(THEIRS, resource_version="8", epoch=9), 13.0)
    assert next_step(touched, 14.0) is Step.ACQUIRE


def test_a_released_lease_is_taken_at_once() -> None:
    """Its holder gave it up on SIGTERM."""
    assert next_step(observe(ME, replace(THEIRS, holder=""), 10.0), 10.0) is Step.ACQUIRE


def test_our_own_lease_counts_from_when_the_renewal_was_sent() -> None:
    """The answer may have taken its time."""
    mine = written(ME, replace(THEIRS, holder="me"), sent_at=10.0)
    assert mine.remaining(12.0) == 2.0
    assert mine.remaining(14.0) == 0.0


def test_seeing_somebody_else_as_holder_ends_our_lead() -> None:
    """We slept, and the next leader came."""
    mine = written(ME, replace(THEIRS, holder="me"), sent_at=10.0)
    lost = observe(mine, replace(THEIRS, resource_version="9"), 11.0)
    assert lost.remaining(11.0) <= 0


@pytest.mark.parametrize("timings", [Timings(3, 3, 1), Timings(4, 0.4, 0.5), Timings(4, 3, 0)])
def test_timings_that_overlap_are_named(timings: Timings) -> None:
    """retry < renew deadline < duration."""
    assert timings.problems()


@given(st.floats(0, 100), st.floats(0, 20), st.floats(0, 20))
def test_two_candidates_never_lead_at_once(renewed_at: float, delay: float, later: float) -> None:
    """However long the watcher needed to see the renewal: it takes over only when the holder's time is over.

    O-F26, O-L12.
    """
    holder = written(Candidate("them", TIMINGS), THEIRS, sent_at=renewed_at)
    watcher = observe(ME, THEIRS, renewed_at + delay)
    now = renewed_at + delay + later
    if next_step(watcher, now) is Step.ACQUIRE:
        assert holder.remaining(now) <= 0
