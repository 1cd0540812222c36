"""How old the last word of the API server may get (`onStale: cut`)."""

from __future__ import annotations

from sidecar.contract.env import OnStale


def stale_in(policy: OnStale, age_s: float, contact: float | None, now: float) -> float | None:
    """Seconds until what is known is stale; 0: it is. None: it never will be, or nothing is known yet.

    `contact` and `now` are times of one monotonic clock, in seconds.
    """
    if policy is OnStale.KEEP or contact is None:
        return None
    return max(0.0, contact + age_s - now)


def silence_s(policy: OnStale, age_s: float, usual_s: float) -> float:
    """How long the watch may bring nothing before the object is read afresh.

    A quiet watch brings a bookmark a minute at best, so with `cut` it is not trusted for longer than half the age: a
    look whose answer comes in time keeps a healthy sidecar from going stale.
    """
    return min(usual_s, age_s / 2) if policy is OnStale.CUT else usual_s
