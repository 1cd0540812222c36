"""What people ask the controller for: keys of the ConfigMap `<release>-requests`, and what it answered. Pure.

A value nobody understands is a request, too: it is refused with a sentence that says what to write.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Final

_ACCEPTANCE: Final = "accept-data-loss"
_TEXT_MAX: Final = 200  # who asked for a pause ends up in every message while it lasts


@dataclass(frozen=True, slots=True)
class SwitchoverRequest:
    """Another main, without loss; `target` None leaves the choice to the controller."""

    target: int | None


@dataclass(frozen=True, slots=True)
class PromoteRequest:
    """This instance becomes main, whatever it lacks (P-F3, P-B1)."""

    ordinal: int


@dataclass(frozen=True, slots=True)
class ReseedRequest:
    """This replica gets its data anew from the main (P-R1)."""

    ordinal: int


@dataclass(frozen=True, slots=True)
class PauseRequest:
    """Observe only, until `resume`; `who` is free text for people."""

    who: str


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """The end of a pause."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The value means nothing; `why` says what to write."""

    why: str


Wanted = SwitchoverRequest | PromoteRequest | ReseedRequest | PauseRequest | ResumeRequest | Unreadable


@dataclass(frozen=True, slots=True)
class Request:
    """One key of the ConfigMap: as it stands there, and what it means."""

    key: str
    value: str
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class RequestAnswer:
    """What became of a request. `reason` is a Reason's word, `at` a wall-clock text, `writer` the controller's pod."""

    request: str
    value: str
    accepted: bool
    reason: str
    message: str
    at: str
    writer: str


def _switchover(text: str) -> Wanted:
    if text in ("", "any"):
        return SwitchoverRequest(None)
    if _natural(text):
        return SwitchoverRequest(int(text))
    return Unreadable(f"{text!r} is no instance: write an ordinal such as 1, or any")


def _promote(text: str) -> Wanted:
    ordinal, _, rest = text.partition(" ")
    if _natural(ordinal) and rest.strip() == _ACCEPTANCE:
        return PromoteRequest(int(ordinal))
    return Unreadable(
        f"{text!r} does not say which instance, and that writes may be lost: write an ordinal and the word, "
        f"such as '1 {_ACCEPTANCE}'"
    )


def _reseed(text: str) -> Wanted:
    if _natural(text):
        return ReseedRequest(int(text))
    return Unreadable(f"{text!r} is no instance: write an ordinal such as 1")


def _pause(text: str) -> Wanted:
    if len(text) <= _TEXT_MAX and (not text or text.isprintable()):
        return PauseRequest(text)
    return Unreadable(f"write who pauses it and why in one line of at most {_TEXT_MAX} characters, or nothing")


def _resume(_: str) -> Wanted:
    return ResumeRequest()


_PARSERS: Final[Mapping[str, Callable[[str], Wanted]]] = {
    "resume": _resume,
    "pause": _pause,
    "promote": _promote,
    "switchover": _switchover,
    "reseed": _reseed,
}
"""In the order in which they are taken: `resume` with `pause` ends paused, the careful way; a switchover may wait."""

KEYS: Final = tuple(_PARSERS)


def parse(key: str, value: str) -> Request:
    """One key and its value. Raises KeyError for a key that is no request."""
    return Request(key, value, _PARSERS[key](value.strip()))


def first(data: Mapping[str, str]) -> Request | None:
    """The request to answer now. Several are taken one by one; keys that are no requests are somebody else's."""
    return next((parse(key, data[key]) for key in KEYS if key in data), None)


def promotion(ordinal: int) -> str:
    """The value of `promote` for this instance."""
    return f"{ordinal} {_ACCEPTANCE}"


def promote_command(ordinal: int) -> str:
    """What a person types for it."""
    return f"memgraph-ha promote {ordinal} --{_ACCEPTANCE}"


def answer_text(answer: RequestAnswer) -> str:
    """The annotation's text."""
    return json.dumps(asdict(answer), separators=(",", ":"))


def read_answer(text: str) -> RequestAnswer | None:
    """The answer in an annotation's text, or None if there is none. Unknown fields are ignored."""
    try:
        found = json.loads(text)
        fields = {name: found[name] for name in RequestAnswer.__dataclass_fields__}
    except (ValueError, KeyError, TypeError):
        return None
    good = isinstance(fields.pop("accepted"), bool) and all(isinstance(value, str) for value in fields.values())
    return RequestAnswer(accepted=found["accepted"], **fields) if good else None


def _natural(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10  # a StatefulSet's ordinals are 32 bit
