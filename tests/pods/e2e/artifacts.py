"""What a person would look at after a failed test, in a folder."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from e2e.cluster import ROOT

_ASK_S = 30.0


def folder() -> Path | None:
    """PODS_ARTIFACTS; "": nothing is kept."""
    named = os.environ.get("PODS_ARTIFACTS", str(ROOT / ".pods"))
    return Path(named) if named else None


def keep(place: Path) -> Path:
    """Pods, events, documents, logs. What can't be had is left out: the test has failed already."""
    place.mkdir(parents=True, exist_ok=True)
    _save(place / "pods.txt", "get", "pods", "-A", "-o", "wide")
    _save(place / "pods.yaml", "get", "pods", "-A", "-o", "yaml")
    _save(place / "events.txt", "get", "events", "-A", "--sort-by=.metadata.creationTimestamp")
    _save(place / "config-maps.yaml", "get", "configmaps", "-A", "-o", "yaml")
    _save(place / "nodes.txt", "describe", "nodes")
    try:
        listed = json.loads(_ask("get", "pods", "-A", "-o", "json"))["items"]
    except (ValueError, KeyError):
        return place
    for pod in listed:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            arguments = ["-n", namespace, "logs", name, "-c", container["name"], "--tail=3000"]
            _save(place / f"{namespace}-{name}-{container['name']}.log", *arguments)
            if any(s.get("restartCount") for s in pod.get("status", {}).get("containerStatuses", [])):
                _save(place / f"{namespace}-{name}-{container['name']}-before.log", *arguments, "--previous")
    return place


def _save(path: Path, *arguments: str) -> None:
    if found := _ask(*arguments):
        path.write_text(found)


def _ask(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["kubectl", *arguments], capture_output=True, text=True, timeout=_ASK_S, check=False, errors="replace"
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout
