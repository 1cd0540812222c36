"""The API server's audit log: who asked for what, and how it was answered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """One request that was answered. `name` is empty for collections; a watch counts when its stream begins."""

    user: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    uri: str


def write_policy(path: Path) -> None:
    """Everything by its metadata, but for what the API server asks itself."""
    policy = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "None", "users": ["system:apiserver"]}, {"level": "Metadata"}],
    }
    path.write_text(json.dumps(policy))


def read_events(path: Path, user: str = "") -> list[Event]:
    """The log so far; of this user only, unless it is empty. Each request counts once."""
    found: dict[str, Event] = {}
    for line in path.read_text().splitlines():
        try:
            entry: dict[str, Any] = json.loads(line)
        except ValueError:
            continue  # a line the API server is just writing
        if user in ("", entry["user"].get("username", "")):
            found.setdefault(entry["auditID"], _event(entry))
    return list(found.values())


def _event(entry: dict[str, Any]) -> Event:
    about = entry.get("objectRef") or {}
    return Event(
        user=entry["user"].get("username", ""),
        verb=entry["verb"],
        group=about.get("apiGroup", ""),
        resource=about.get("resource", ""),
        subresource=about.get("subresource", ""),
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        code=(entry.get("responseStatus") or {}).get("code", 0),
        uri=entry["requestURI"],
    )
