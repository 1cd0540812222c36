"""What can go wrong, as two exceptions with sentences for people."""

from __future__ import annotations


class Unavailable(Exception):
    """There is no binary, and none could be made. The text says what to do."""


class DidNotStart(Exception):
    """A program ended, or was not ready in time. The text has the end of its log."""
