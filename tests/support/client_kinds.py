"""How a client in Python or JavaScript is installed and started; compiled ones are in compiled_clients.py."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

ROOT: Final = Path(__file__).parents[2]
PROGRAMS: Final = ROOT / "tests" / "clients" / "programs"
CHANGE: Final = PROGRAMS / "change"
"""The programs that go through a change of the main; conducted.py there says how they are spoken to."""
ENVIRONMENTS: Final = ROOT / ".venv" / "clients"

Command = tuple[list[str], dict[str, str]]
"""A program's command line, and additions to its environment."""


class Installable(Protocol):
    """What has an environment of its own, made anew when its pins change."""

    @property
    def name(self) -> str:
        """Of its folder."""

    @property
    def directory(self) -> Path:
        """Where it is installed."""

    @property
    def pins(self) -> tuple[Path, ...]:
        """What decides whether an environment is still the right one."""

    def obstacle(self) -> str | None:
        """Why it can't be had on this machine, and what would help."""

    def install(self) -> None:
        """Make the environment."""


@dataclass(frozen=True)
class PythonClient:
    """A driver from constraints/clients-NAME.txt, and the program that uses it (in PROGRAMS and in CHANGE)."""

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
        run(sys.executable, "-m", "venv", "--without-pip", str(self.directory))
        pip = (sys.executable, "-m", "pip", "--python", str(self.directory / "bin" / "python"), "install", "--quiet")
        options = ("--disable-pip-version-check", "--no-deps", "--require-hashes")  # the pins are the whole set
        run(*pip, *options, "-r", str(self.pins[0]))

    def command(self) -> Command:
        """The program that plays scenarios."""
        return [str(self.directory / "bin" / "python"), str(PROGRAMS / self.program)], {}

    def change_command(self) -> Command:
        """The program that goes through a change of the main."""
        return [str(self.directory / "bin" / "python"), str(CHANGE / self.program)], {}


@dataclass(frozen=True)
class RoutedClient:
    """A Python client used in its other way: it asks where the main is before it connects. Installed once for both."""

    client: PythonClient
    program: str

    @property
    def name(self) -> str:
        """In tables."""
        return f"{self.client.name}-routed"

    @property
    def directory(self) -> Path:
        """Where it is installed."""
        return self.client.directory

    @property
    def pins(self) -> tuple[Path, ...]:
        """What decides whether an environment is still the right one."""
        return self.client.pins

    def obstacle(self) -> str | None:
        """Why it can't be had on this machine, and what would help."""
        return self.client.obstacle()

    def install(self) -> None:
        """Make the environment."""
        self.client.install()

    def change_command(self) -> Command:
        """The program that goes through a change of the main."""
        return [str(self.directory / "bin" / "python"), str(CHANGE / self.program)], {}


@dataclass(frozen=True)
class NodeClient:
    """A driver from the package-lock.json of its folder under PROGRAMS, beside client.cjs."""

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
        return missing("node", "npm", package="nodejs npm")

    def install(self) -> None:
        """Make the environment."""
        self.directory.mkdir(parents=True)
        for pin in self.pins:
            shutil.copy(pin, self.directory)
        run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", cwd=self.directory)

    def command(self) -> Command:
        """The program that plays scenarios."""
        return self._node(self.folder / "client.cjs")

    def change_command(self) -> Command:
        """The program that goes through a change of the main."""
        return self._node(CHANGE / f"{self.name}.cjs")

    def _node(self, program: Path) -> Command:
        return ["node", str(program)], {"NODE_PATH": str(self.directory / "node_modules")}


def missing(*commands: str, package: str) -> str | None:
    """What to install when one of these commands isn't there."""
    if all(shutil.which(command) for command in commands):
        return None
    verb = "is" if len(commands) == 1 else "are"
    return f"{' and '.join(commands)} {verb} missing: apt-get install {package}"


def run(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    """One step of an installation. Raises RuntimeError with all that it said."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | (env or {})
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} ... failed:\n{result.stdout}{result.stderr}")
