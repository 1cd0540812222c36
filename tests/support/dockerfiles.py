"""What our Dockerfiles say, and which files their builds see."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]


def instructions(text: str) -> list[tuple[str, str]]:
    """(instruction, arguments) in order, with continued lines joined."""
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.partition(" ")[2]) for line in lines]


def allowed() -> set[str]:
    """The names and patterns that .dockerignore lets through."""
    return {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}


def context() -> list[Path]:
    """The files that a build sees, but for what a checkout has compiled for itself."""
    named = [path for pattern in allowed() for path in ROOT.glob(pattern)]
    files = [file for path in named for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    return sorted(file for file in files if "__pycache__" not in file.parts and file.suffix != ".so")
