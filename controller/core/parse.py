"""Rows of Memgraph's SHOW queries -> the model. Nothing here raises on a surprise: unknown stays unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from controller.core.model import Mode, Registration, Status

DEFAULT_DATABASE: Final = "memgraph"
MARKER_LABEL: Final = "__memgraph_ha_"
PROBE_LABEL: Final = "__memgraph_ha_probe"
_MARKER: Final = re.compile(r"__memgraph_ha_(\d+)")


def registrations(rows: Iterable[Mapping[str, Any]]) -> tuple[Registration, ...]:
    """SHOW REPLICAS (M-1.3). An empty `data_info` is a ghost registration (M-2.4)."""
    return tuple(_registration(row) for row in rows)


def _registration(row: Mapping[str, Any]) -> Registration:
    info = row.get("data_info")
    data = info.get(DEFAULT_DATABASE) if isinstance(info, Mapping) else None
    mode = _member(Mode, row.get("sync_mode"))
    name, address = str(row.get("name", "")), str(row.get("socket_address", ""))
    if isinstance(info, Mapping) and not info:
        return Registration(name, address, mode, Status.GHOST)
    if not isinstance(data, Mapping):
        return Registration(name, address, mode, Status.UNKNOWN)
    status = _member(Status, data.get("status")) or Status.UNKNOWN
    return Registration(name, address, mode, status, _whole(data.get("ts")), _whole(data.get("behind")))


def marker(rows: Iterable[Mapping[str, Any]]) -> int | None:
    """The highest epoch marker among SHOW INDEX INFO's rows (P-M1)."""
    return max(markers(rows), default=None)


def markers(rows: Iterable[Mapping[str, Any]]) -> list[int]:
    """Every epoch marker there is."""
    return [int(m[1]) for row in rows if (m := _MARKER.fullmatch(str(row.get("label") or "")))]


def user_indexes(rows: Iterable[Mapping[str, Any]]) -> bool:
    """Whether SHOW INDEX INFO has an index that is not one of ours."""
    return any(not str(row.get("label") or "").startswith(MARKER_LABEL) for row in rows)


def storage(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """SHOW STORAGE INFO's rows as one mapping (its columns differ by version, M-1.4)."""
    return {str(row.get("storage info")): row.get("value") for row in rows}


def transactional(info: Mapping[str, Any]) -> bool:
    """Whether the storage mode replicates (P-S1); a version that does not say is believed to."""
    mode = info.get("storage_mode", info.get("global_storage_mode", "IN_MEMORY_TRANSACTIONAL"))
    return str(mode) == "IN_MEMORY_TRANSACTIONAL"


def _member(kind: Any, value: object) -> Any:
    try:
        return kind(str(value).lower())
    except ValueError:
        return None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
