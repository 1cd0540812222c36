"""Which images there are, and what each is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import dockerfiles
from dockerfiles import ROOT

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Recipe:
    """`image` is built from `dockerfile` in `context`; `key` changes when that does. None: it is one Go program."""

    name: str
    dockerfile: Path | None
    context: Path
    key: str

    @property
    def image(self) -> str:
        """As pods name it."""
        return f"localhost/{self.name}:test"


def all_of(python: str) -> list[Recipe]:
    """In an order in which each can be built on those before."""
    ours = dockerfiles.context()
    pause = sorted((HERE / "pause").iterdir())
    sidecar, controller = ROOT / "Dockerfile.sidecar", ROOT / "Dockerfile.controller"
    memgraph = HERE / "Dockerfile.memgraph"
    return [
        Recipe("pause", None, HERE / "pause", key("", pause)),
        Recipe("memgraph-ha-sidecar", sidecar, ROOT, key(python, [sidecar, *ours])),
        Recipe("memgraph-ha-controller", controller, ROOT, key(python, [controller, *ours])),
        Recipe("memgraph-simulated", memgraph, HERE, key(python, [memgraph, controller, *ours])),
    ]


def key(base: str, files: Iterable[Path]) -> str:
    """Of a base, and of the files' names, rights and contents."""
    found = hashlib.sha256(base.encode())
    for path in files:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"\n{path.name} {path.stat().st_mode & 0o111:o} {content}".encode())
    return found.hexdigest()[:16]
