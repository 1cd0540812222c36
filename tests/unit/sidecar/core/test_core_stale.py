"""How old the last word of the API server may get."""

from __future__ import annotations

import pytest

from sidecar.contract.env import OnStale
from sidecar.core.stale import silence_s, stale_in


@pytest.mark.parametrize(
    ("policy", "contact", "now", "left"),
    [
        (OnStale.KEEP, 0.0, 1e9, None),
        (OnStale.CUT, None, 1e9, None),
        (OnStale.CUT, 100.0, 100.0, 60.0),
        (OnStale.CUT, 100.0, 159.0, 1.0),
        (OnStale.CUT, 100.0, 160.0, 0.0),
        (OnStale.CUT, 100.0, 1e9, 0.0),
    ],
)
def test_only_cut_ever_goes_stale(policy: OnStale, contact: float | None, now: float, left: float | None) -> None:
    assert stale_in(policy, 60.0, contact, now) == left


def test_a_quiet_watch_is_looked_after_in_time() -> None:
    assert silence_s(OnStale.KEEP, 5.0, 75.0) == 75.0
    assert silence_s(OnStale.CUT, 60.0, 75.0) == 30.0
    assert silence_s(OnStale.CUT, 3600.0, 75.0) == 75.0
