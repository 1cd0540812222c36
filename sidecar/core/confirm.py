"""Which acknowledgements are not passed on before the API server was asked (P-C6).

A main that is cut off from its partner in the middle of a commit waits for the second phase until it gives it up, some
5 s, and then acknowledges a write that the partner may have thrown away when it was promoted meanwhile. A sidecar
that is cut off with it has not seen the cut. That the acknowledgement took long is the sign that both have in common.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from sidecar.bolt import success

CONFIRM_S: Final = 3.0
"""How long an acknowledgement waits for the API server's word; then its outcome is unknown to the client, as it is."""


class Word(StrEnum):
    """What became of an acknowledgement that had to wait."""

    CONFIRMED = "confirmed"
    """The main is still the main: it was passed on."""
    CHANGED = "changed"
    """It is not, or it is about to change: the connection ended."""
    UNANSWERED = "unanswered"
    """Nobody can say: the connection ended."""


def doubtful(acknowledgement: bytes, took_s: float, after_s: float) -> bool:
    """Whether a main that is no longer the main may have given this answer.

    `acknowledgement` is a SUCCESS, in chunks, to a request that may commit, or empty if it was not seen in one piece.
    """
    return took_s >= after_s and not success.made_nothing_durable(acknowledgement)
