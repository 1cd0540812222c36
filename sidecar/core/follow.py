"""Following one ConfigMap: answers and watch lines in, what was learned and what to ask next out.

Guarantees: of one object (`metadata.uid`) no lower epoch is ever accepted; another object is accepted whatever its
epoch (P-C5); whatever is malformed, deleted or refused leaves the last good state in place and is said. It has no
clock and no randomness: the shell adds jitter to `delay_s` and enforces the deadlines.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sidecar.contract.state import Document, MalformedDocument, Phase, decode

DELAYS_S: Final = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0)
"""Longest wait before the next try, by the number of failures in a row. The first try again comes at once: a failover
may be under way. The last is what one more sidecar may cost an API server that is down."""
URGENT_S: Final = 0.5
"""The longest wait while clients are cut: what they wait for may be there already. The first try comes at once."""
URGENT_TRIES: Final = 40
"""So often: an API server that is away for longer outlasts every failover, and has a fleet at its door."""
SHORT_WATCH_S: Final = 1.0
"""A watch that ended sooner and brought nothing counts as a failure, or we would spin."""
OBJECTS_MAX: Final = 8
"""Objects whose highest epoch is remembered. A ConfigMap is re-created by hand or by accident, not by the dozen."""


class Reason(StrEnum):
    """What is wrong with the document, or with the way to it."""

    MALFORMED = "DocumentMalformed"
    DELETED = "DocumentDeleted"
    NOT_FOUND = "DocumentNotFound"
    LOWER_EPOCH = "LowerEpochRefused"
    UNAUTHORIZED = "Unauthorized"
    FORBIDDEN = "Forbidden"
    THROTTLED = "Throttled"
    EXPIRED = "ResourceVersionExpired"
    BAD_ANSWER = "BadAnswer"
    UNREACHABLE = "ApiServerUnreachable"
    UNREADABLE_TOKEN = "TokenUnreadable"


@dataclass(frozen=True, slots=True)
class State:
    """An accepted document and the object it was in."""

    uid: str
    document: Document


@dataclass(frozen=True, slots=True)
class Changed:
    """`state` is the newest document; it differs from the one before."""

    state: State


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, as a word and as a sentence with the next step."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Get:
    """Ask for the object itself."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Ask for its changes. An empty version asks for the current state first."""

    resource_version: str


class Follow:
    """The protocol state of one ConfigMap's follower."""

    def __init__(self, namespace: str, config_map: str) -> None:
        self._what = f"ConfigMap {namespace}/{config_map}"
        self._namespace = namespace
        self._name = config_map
        self._version: str | None = None  # None: ask by GET first
        self._failures = 0
        self._brought = False  # the watch under way brought something
        self._highest: OrderedDict[str, int] = OrderedDict()
        self._contact: Problem | None = None
        self._content: Problem | None = None
        self.state: State | None = None

    @property
    def problem(self) -> Problem | None:
        """The last thing that went wrong and has not been mended since."""
        return self._contact or self._content

    @property
    def delay_s(self) -> float:
        """The longest wait before the next question, in seconds."""
        delay = DELAYS_S[min(self._failures, len(DELAYS_S) - 1)]
        if self.state is None or self.state.document.phase is not Phase.CUT or self._failures > URGENT_TRIES:
            return delay
        return min(delay, URGENT_S) if self._failures > 1 else 0.0

    def ask(self) -> Get | Watch:
        """The next question."""
        return Get() if self._version is None else Watch(self._version)

    def got(self, status: int, body: bytes, *, aside: bool = False) -> Changed | Problem | None:
        """The answer to a GET. `aside`: it was asked beside the watch under way, whose place it must not move."""
        if status == 404:
            self._contact = None
            if not aside:
                self._version = ""  # an unversioned watch begins with what is there by then
            return self._missing()
        if status != 200:
            return self._refused(status, aside)
        item = _object(body)
        if item is None:
            return self.failed(Reason.BAD_ANSWER, f"the API server's answer for {self._what} is no ConfigMap")
        self._contact = None
        if not aside:
            self._version = _resource_version(item)
        return self._see(item)

    def watching(self, status: int) -> Problem | None:
        """The status of the answer to a watch. None: lines follow."""
        self._brought = False
        if status == 200:
            self._contact = None
            return None
        return self._refused(status, aside=False)

    def line(self, text: bytes) -> Changed | Problem | None:
        """One line of the watch. After a Problem with EXPIRED or BAD_ANSWER the watch is to be ended."""
        event = _object(text)
        kind, item = (event or {}).get("type"), (event or {}).get("object")
        if not isinstance(item, dict):
            self._version = None
            return self.failed(Reason.BAD_ANSWER, f"a watch line for {self._what} is no event")
        if kind == "ERROR":
            code = item.get("code")
            return self._refused(code if isinstance(code, int) else 0, aside=False)
        self._brought = True
        self._failures = 0
        self._version = _resource_version(item) or self._version
        if _name(item) not in ("", self._name):
            return None  # a server that ignores the field selector
        if kind in ("ADDED", "MODIFIED"):
            return self._see(item)
        if kind == "DELETED":
            return self._deleted(item)
        return None  # BOOKMARK, or a kind yet to be invented

    def ended(self, lasted_s: float) -> None:
        """The watch ended without an error: the server's time limit, or a connection that was cut."""
        if self._brought or lasted_s >= SHORT_WATCH_S:
            self._failures = 0
        else:
            self._failures += 1

    def silent(self) -> None:
        """The watch under way brought nothing for long: see what is there, and go on from there.

        An API server whose etcd came back from a backup knows lower versions than ours. It does not refuse a watch
        from ours: it answers 200 and shows no change until it gets there.
        """
        self._version = None

    def failed(self, reason: Reason, message: str, *, aside: bool = False) -> Problem:
        """Nothing usable came back."""
        if not aside:
            self._failures += 1
            if reason is Reason.UNREACHABLE:
                self._version = None  # it may come back with another memory (see `silent`)
        self._contact = Problem(reason, message)
        return self._contact

    def _refused(self, status: int, aside: bool) -> Problem:
        if not aside and status not in (401, 403, 429):
            self._version = None  # 410 and whatever else: start from what is there
        match status:
            case 401:
                reason, hint = Reason.UNAUTHORIZED, "the token is not accepted; it is read again from the token folder"
            case 403:
                reason = Reason.FORBIDDEN
                hint = (
                    f"this pod's service account may not get and watch it; unless the API server has just started, "
                    f"check the Role and RoleBinding for it in namespace {self._namespace}"
                )
            case 410:
                reason, hint = Reason.EXPIRED, "the version asked for is too old; reading it afresh"
            case 429:
                reason, hint = Reason.THROTTLED, "the API server is busy"
            case _:
                reason, hint = Reason.BAD_ANSWER, "trying again"
        return self.failed(reason, f"the API server answered {status} for {self._what}: {hint}", aside=aside)

    def _see(self, item: dict[str, Any]) -> Changed | Problem | None:
        metadata = item.get("metadata")
        uid = metadata.get("uid") if isinstance(metadata, dict) else None
        data = item.get("data") or {}
        if not isinstance(uid, str) or not uid or not isinstance(data, dict):
            return self._wrong(Reason.BAD_ANSWER, f"{self._what} came without metadata.uid")
        try:
            document = decode({key: value for key, value in data.items() if isinstance(value, str)})
        except MalformedDocument as error:
            return self._wrong(Reason.MALFORMED, f"{self._what} is malformed: {error}; the last good state stays")
        known = self._highest.get(uid, -1)
        if document.epoch < known:
            return self._wrong(
                Reason.LOWER_EPOCH, f"{self._what} went back from epoch {known} to {document.epoch}; refused"
            )
        return self._accept(State(uid, document))

    def _accept(self, state: State) -> Changed | None:
        self._highest[state.uid] = state.document.epoch
        self._highest.move_to_end(state.uid)
        if len(self._highest) > OBJECTS_MAX:
            self._highest.popitem(last=False)
        self._content = None
        if state == self.state:
            return None
        self.state = state
        return Changed(state)

    def _deleted(self, item: dict[str, Any]) -> Problem | None:
        metadata = item.get("metadata")
        uid = metadata.get("uid") if isinstance(metadata, dict) else None
        if self.state is not None and uid != self.state.uid:
            return None  # late news of an object that another has already replaced
        return self._wrong(Reason.DELETED, f"{self._what} was deleted; the last good state stays")

    def _missing(self) -> Problem:
        stays = "the last good state stays" if self.state else "waiting for the controller to write it"
        return self._wrong(Reason.NOT_FOUND, f"{self._what} does not exist; {stays}")

    def _wrong(self, reason: Reason, message: str) -> Problem:
        self._content = Problem(reason, message)
        return self._content


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _name(item: dict[str, Any]) -> str:
    metadata = item.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def _resource_version(item: dict[str, Any]) -> str:
    metadata = item.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    return version if isinstance(version, str) else ""
