"""The short form (PODS_SHORT=1: some eight minutes, for CI) and the whole."""

from __future__ import annotations

import os
from typing import Final

import pytest

SHORT: Final = os.environ.get("PODS_SHORT") == "1"
long = pytest.mark.skipif(SHORT, reason="left out of the short form (PODS_SHORT=1)")
"""A test of the whole form only."""


def rollouts() -> int:
    """How many roll-outs the campaign is of."""
    return int(os.environ.get("PODS_ROLLOUTS") or (3 if SHORT else 100))
