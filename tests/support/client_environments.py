"""Drivers of the wild, each in an environment of its own under `.venv/clients`; `python client_environments.py` makes
them all.

A further client is one more entry of CLIENTS, its program in tests/clients/programs and its pins (with hashes) beside
those of the others. An environment is made anew when its pins change, never updated.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PROGRAMS: Final = ROOT / "tests" / "clients" / "programs"
ENVIRONMENTS: Final = ROOT / ".venv" / "clients"


@dataclass(frozen=True)
class PythonClient:
    """A driver from constraints/clients-NAME.txt, and the program that uses it."""

    name: str
    program: str

    @property
    def directory(self) -> Path:
        """Where it is installed."""
        return ENVIRONMENTS / self.name

    @property
    def pins(self) -> tuple[Path, ...]:
        """What decides whether an environment is still the right one."""
        return (ROOT / "constraints" / f"clients-{self.name}.txt",)

    def obstacle(self) -> str | None:
        """Why it can't be had on this machine, and what would help."""
        return None

    def install(self) -> None:
        """Make the environment. Without a pip of its own: half of the time would go into that."""
        _run(sys.executable, "-m", "venv", "--without-pip", str(self.directory))
        pip = (sys.executable, "-m", "pip", "--python", str(self.directory / "bin" / "python"), "install", "--quiet")
        options = ("--disable-pip-version-check", "--no-deps", "--require-hashes")  # the pins are the whole set
        _run(*pip, *options, "-r", str(self.pins[0]))

    def command(self) -> tuple[list[str], dict[str, str]]:
        """The program's command line and additions to its environment."""
        return [str(self.directory / "bin" / "python"), str(PROGRAMS / self.program)], {}


@dataclass(frozen=True)
class NodeClient:
    """A driver from the package-lock.json of its folder under tests/clients/programs, beside client.cjs."""

    name: str

    @property
    def directory(self) -> Path:
        """Where it is installed."""
        return ENVIRONMENTS / self.name

    @property
    def folder(self) -> Path:
        """Program and pins."""
        return PROGRAMS / self.name

    @property
    def pins(self) -> tuple[Path, ...]:
        """What decides whether an environment is still the right one."""
        return self.folder / "package.json", self.folder / "package-lock.json"

    def obstacle(self) -> str | None:
        """Why it can't be had on this machine, and what would help."""
        if shutil.which("node") and shutil.which("npm"):
            return None
        return "node and npm are missing: apt-get install nodejs npm"

    def install(self) -> None:
        """Make the environment."""
        self.directory.mkdir(parents=True)
        for pin in self.pins:
            shutil.copy(pin, self.directory)
        _run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", cwd=self.directory)

    def command(self) -> tuple[list[str], dict[str, str]]:
        """The program's command line and additions to its environment."""
        return ["node", str(self.folder / "client.cjs")], {"NODE_PATH": str(self.directory / "node_modules")}


Client = PythonClient | NodeClient
CLIENTS: Final[tuple[Client, ...]] = (
    PythonClient("neo4j-5", "neo4j_python.py"),
    PythonClient("neo4j-6", "neo4j_python.py"),
    PythonClient("pymgclient", "client_pymgclient.py"),
    PythonClient("gqlalchemy", "client_gqlalchemy.py"),
    NodeClient("neo4j_javascript"),
)


def ensure(client: Client) -> None:
    """Install a client, unless it is there with the same pins."""
    key = hashlib.sha256(sys.version.encode() + b"".join(pin.read_bytes() for pin in client.pins)).hexdigest()
    with _lock(client):
        stamp = client.directory / ".pins"
        if stamp.exists() and stamp.read_text() == key:
            return
        shutil.rmtree(client.directory, ignore_errors=True)
        print(f"Installing the client {client.name} into {client.directory.relative_to(ROOT)}", file=sys.stderr)
        client.install()
        stamp.write_text(key)


@contextmanager
def _lock(client: Client) -> Iterator[None]:
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    with (ENVIRONMENTS / f"{client.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(*command: str, cwd: Path | None = None) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} ... failed:\n{result.stdout}{result.stderr}")


def main() -> int:
    """Install all that this machine can have."""
    for client in CLIENTS:
        obstacle = client.obstacle()
        if obstacle is None:
            ensure(client)
        else:
            print(f"Without the client {client.name}: {obstacle}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
