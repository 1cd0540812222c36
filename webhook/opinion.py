"""Logs a change of opinion, not each look."""

from __future__ import annotations

import logging

from sidecar.contract.logs import emit

_log = logging.getLogger(__name__)


class Opinion:
    """Good or bad, each with the name of its event."""

    def __init__(self, good_event: str, bad_event: str) -> None:
        self._good_event, self._bad_event = good_event, bad_event
        self._last: str | dict[str, str] | None = None

    def good(self, **fields: str) -> None:
        """All is well; said again only if it was not, or is in another way."""
        if self._last != fields:
            emit(_log, self._good_event, logging.INFO, **fields)
        self._last = fields

    def bad(self, message: str) -> None:
        """Something is wrong."""
        if self._last != message:
            emit(_log, self._bad_event, logging.WARNING, message=message)
        self._last = message
