"""Campaigns for the Lease and keeps it: the shell around core/election.py."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import anyio

from controller.core.election import Candidate, LeaseRecord, Step, Timings, next_step, observe, written
from controller.ports import Conflict, LeaseStore, LostAnswer, Unavailable
from sidecar.contract import logs

LOG: Final = logging.getLogger(__name__)
RESIGNED_FOR_S: Final = 15.0  # P-F1: whoever gave up stays out this long, so that somebody else can try


class Leadership:
    """Whether this process leads now. Run `campaign` in a task group; `changed` is called when that changes."""

    def __init__(
        self,
        store: LeaseStore,
        identity: str,
        timings: Timings,
        changed: Callable[[], None],
        *,
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._store = store
        self._clock = clock
        self._candidate = Candidate(identity, timings)
        self._changed = changed
        self._resigned = False
        self._epoch = 0
        self._term = 0

    @property
    def record(self) -> LeaseRecord | None:
        """The Lease as last read."""
        return self._candidate.record

    def remaining(self) -> float:
        """Seconds for which this process may still act (P-W3); 0 or less: it does not lead."""
        return 0.0 if self._resigned else self._candidate.remaining(self._clock())

    @property
    def leading(self) -> bool:
        """Whether this process leads."""
        return self.remaining() > 0

    def resign(self) -> None:
        """Stop acting at once; the Lease is released by the campaign."""
        self._resigned = True
        self._changed()

    def published(self, epoch: int, term: int) -> None:
        """Remember for the Lease's annotations what was published (P-W4)."""
        self._epoch, self._term = max(self._epoch, epoch), max(self._term, term)

    async def campaign(self) -> None:
        """Acquire, renew, and after a loss begin again, until cancelled."""
        timings = self._candidate.timings
        while True:
            led = self.leading
            try:
                with anyio.fail_after(timings.renew_deadline_s):
                    await self._once()
            except Conflict:
                pass  # somebody else wrote: the next look says who
            except (LostAnswer, Unavailable, TimeoutError) as error:
                logs.emit(LOG, "LeaseUnreachable", logging.WARNING, message=str(error) or "no answer in time")
            if led != self.leading:
                self._changed()
            if self._resigned:
                await self.release()
                await anyio.sleep(RESIGNED_FOR_S)
                self._resigned = False
            await anyio.sleep(timings.retry_period_s)

    async def _once(self) -> None:
        record = await self._store.read()
        now = self._clock()
        candidate = self._candidate = observe(self._candidate, record, now)
        step = next_step(candidate, now)
        if step is Step.WAIT or self._resigned:
            return
        base = record or LeaseRecord("", 0.0, 0, "")
        taking = step is not Step.RENEW
        wanted = replace(
            base,
            holder=candidate.identity,
            duration_s=candidate.timings.lease_duration_s,
            transitions=base.transitions + (1 if taking and record is not None else 0),
            epoch=max(base.epoch, self._epoch),
            term=max(base.term, self._term),
        )
        stored = await self._store.write(wanted, create=step is Step.CREATE)
        self._candidate = written(candidate, stored, now)

    async def release(self) -> None:
        """Give the Lease away at once, so that another controller need not wait for it to expire."""
        record = self._candidate.record
        if record is None or record.holder != self._candidate.identity:
            return
        try:
            with anyio.move_on_after(self._candidate.timings.retry_period_s * 2, shield=True):
                await self._store.write(replace(record, holder="", duration_s=1.0), create=False)
        except (Conflict, LostAnswer, Unavailable):
            pass  # it expires by itself
        self._candidate = replace(self._candidate, valid_until=0.0)
