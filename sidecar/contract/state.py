"""The document: what the controller publishes in a ConfigMap's `data` and every sidecar follows.

Guarantees: `decode(encode(d)) == d`; a missing or malformed key is an error that names it, never a default; unknown
keys are ignored, so that a sidecar injected months ago reads what today's controller writes.
The keys and their meaning are those of the failover protocol's section 1 (docs/safety.md).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, TypeVar

SCHEMA: Final = "1"
T = TypeVar("T")


class Phase(StrEnum):
    """Whether clients may talk to the main now."""

    SERVING = "serving"
    CUT = "cut"


class CutKind(StrEnum):
    """Why the clients are cut: a planned switchover may finish a COMMIT in flight, a failover may not (P-C1, P-C2)."""

    PLANNED = "planned"
    FAILOVER = "failover"


class MalformedDocument(ValueError):
    """The ConfigMap's data is no document. `problems` has one sentence per bad key."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class SyncReplica:
    """The replica known to hold every acknowledged write."""

    ordinal: int
    volume: str
    registration: str


@dataclass(frozen=True, slots=True)
class Document:
    """One published state. Addresses are `ip:port` or `[v6]:port`."""

    term: int
    epoch: int
    phase: Phase
    cut_kind: CutKind | None
    master_index: int
    main_pod: str
    main_uid: str
    main_address: str
    main_volume: str
    database_uuid: str
    sync: SyncReplica | None
    read_addresses: tuple[str, ...]
    reason: str
    message: str
    writer: str
    updated_at: str
    tls_ca: str = ""
    tls_server_name: str = ""
    cut_on_change: bool = True
    rebuilt_term: int = 0
    rebuilt_epoch: int = 0
    """Term and epoch in which the document was last rebuilt around data nobody had a record of; 0: never (P-R1)."""


_EPOCH_FIELDS: Final = (
    "phase", "cut_kind", "master_index", "main_pod", "main_uid", "main_address", "main_volume", "database_uuid",
    "tls_ca", "tls_server_name",
)  # fmt: skip


def advance(document: Document, **changes: Any) -> Document:
    """The next document: `changes` applied, and the epoch one higher if something a connection depends on changed.

    `cutKind` is derived: it is dropped when the phase becomes `serving`.
    """
    if changes.get("phase") is Phase.SERVING:
        changes["cut_kind"] = None
    successor = replace(document, **changes)
    changed = any(getattr(successor, name) != getattr(document, name) for name in _EPOCH_FIELDS)
    if changed and "epoch" not in changes:
        successor = replace(successor, epoch=document.epoch + 1)
    return successor


def encode(document: Document) -> dict[str, str]:
    """The ConfigMap's `data`. Every key is always there, except the optional ones when they say nothing."""
    sync = document.sync
    data = {
        "schema": SCHEMA,
        "term": str(document.term),
        "epoch": str(document.epoch),
        "phase": document.phase.value,
        "cutKind": document.cut_kind.value if document.cut_kind else "",
        "masterIndex": str(document.master_index),
        "mainPod": document.main_pod,
        "mainUID": document.main_uid,
        "mainAddress": document.main_address,
        "mainVolume": document.main_volume,
        "databaseUUID": document.database_uuid,
        "syncReplica": str(sync.ordinal) if sync else "",
        "syncVolume": sync.volume if sync else "",
        "syncRegistration": sync.registration if sync else "",
        "readAddresses": json.dumps(list(document.read_addresses)),
        "reason": document.reason,
        "message": document.message,
        "writer": document.writer,
        "updatedAt": document.updated_at,
    }
    if document.tls_ca or document.tls_server_name:
        data |= {"tlsCA": document.tls_ca, "tlsServerName": document.tls_server_name}
    if not document.cut_on_change:
        data["cutOnChange"] = "false"
    if document.rebuilt_term:
        data |= {"rebuiltTerm": str(document.rebuilt_term), "rebuiltEpoch": str(document.rebuilt_epoch)}
    return data


def decode(data: Mapping[str, str]) -> Document:
    """Read a ConfigMap's `data`. Raises MalformedDocument, naming every bad key at once."""
    reader = _Reader(data)
    if data.get("schema") != SCHEMA:
        raise MalformedDocument((f"schema is {data.get('schema')!r}, this reader knows {SCHEMA!r}",))
    phase = reader.take("phase", Phase, Phase.CUT)
    document = Document(
        term=reader.take("term", _natural, 0),
        epoch=reader.take("epoch", _natural, 0),
        phase=phase,
        cut_kind=reader.take("cutKind", CutKind, None) if phase is Phase.CUT else None,
        master_index=reader.take("masterIndex", _natural, 0),
        main_pod=reader.take("mainPod", _filled, ""),
        main_uid=reader.take("mainUID", _filled, ""),
        main_address=reader.take("mainAddress", _address, ""),
        main_volume=reader.take("mainVolume", _filled, ""),
        database_uuid=reader.take("databaseUUID", _filled, ""),
        sync=_sync(reader),
        read_addresses=reader.take("readAddresses", _addresses, ()),
        reason=data.get("reason", ""),
        message=data.get("message", ""),
        writer=data.get("writer", ""),
        updated_at=data.get("updatedAt", ""),
        tls_ca=data.get("tlsCA", ""),
        tls_server_name=data.get("tlsServerName", ""),
        cut_on_change=data.get("cutOnChange", "true") != "false",
        rebuilt_term=reader.take("rebuiltTerm", _natural, 0) if "rebuiltTerm" in data else 0,
        rebuilt_epoch=reader.take("rebuiltEpoch", _natural, 0) if "rebuiltTerm" in data else 0,
    )
    if reader.problems:
        raise MalformedDocument(tuple(reader.problems))
    return document


def unreadable(document: Document) -> str:
    """What keeps a reader from taking this document, once it is encoded; "" if nothing does."""
    try:
        decode(encode(document))
    except MalformedDocument as error:
        return str(error)
    return ""


class _Reader:
    """Takes keys out of the data and collects what is wrong with them."""

    def __init__(self, data: Mapping[str, str]) -> None:
        self._data = data
        self.problems: list[str] = []

    def take(self, key: str, parse: Callable[[str], T], otherwise: T | None) -> T:
        text = self._data.get(key)
        if text is None:
            self.problems.append(f"{key} is missing")
        else:
            try:
                return parse(text)
            except (ValueError, TypeError):
                self.problems.append(f"{key} has the value {text!r}")
        return otherwise  # type: ignore[return-value]  # never seen: decode raises when there is a problem


def _sync(reader: _Reader) -> SyncReplica | None:
    ordinal = reader.take("syncReplica", _natural_or_empty, None)
    volume = reader.take("syncVolume", str, "")
    registration = reader.take("syncRegistration", str, "")
    if ordinal is None and not volume and not registration:
        return None
    if ordinal is None or not volume or not registration:
        reader.problems.append("syncReplica, syncVolume and syncRegistration are neither all set nor all empty")
        return None
    return SyncReplica(ordinal, volume, registration)


def _natural(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


def _natural_or_empty(text: str) -> int | None:
    return _natural(text) if text else None


def _filled(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not 0 < _natural(port) < 65536 or (":" in host and not (host[0] == "[" and host[-1] == "]")):
        raise ValueError(text)
    return text


def _addresses(text: str) -> tuple[str, ...]:
    items = json.loads(text)
    if not isinstance(items, list):
        raise ValueError(text)
    return tuple(_address(item) if isinstance(item, str) else _filled("") for item in items)
