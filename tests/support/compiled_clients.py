"""Clients whose program is compiled with the driver: Java, Go, Rust. They only go through changes of the main.

Each has a folder under CHANGE with its program and its pins. A changed program makes the environment anew, too; what
was downloaded stays in Maven's, Go's and Cargo's own caches.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from client_kinds import CHANGE, ENVIRONMENTS, Command, missing, run


@dataclass(frozen=True)
class _Compiled:
    """What the three have in common: `name` is the folder's."""

    name: str

    @property
    def directory(self) -> Path:
        """Where it is installed."""
        return ENVIRONMENTS / self.name

    @property
    def pins(self) -> tuple[Path, ...]:
        """What decides whether an environment is still the right one."""
        return tuple(sorted(path for path in (CHANGE / self.name).rglob("*") if path.is_file()))

    def _copy(self) -> None:
        shutil.copytree(CHANGE / self.name, self.directory)


class JavaClient(_Compiled):
    """The driver named in pom.xml, and Change.java."""

    def obstacle(self) -> str | None:
        """Why it can't be had on this machine, and what would help."""
        return missing("mvn", "javac", package="maven default-jdk-headless")

    def install(self) -> None:
        """Make the environment."""
        self._copy()
        copy_jars(self.directory)
        run("javac", "-cp", "lib/*", "-d", "classes", "Change.java", cwd=self.directory)

    def change_command(self) -> Command:
        """The program that goes through a change of the main."""
        path = os.pathsep.join((str(self.directory / "lib" / "*"), str(self.directory / "classes")))
        return ["java", "-cp", path, "Change"], {}


class GoClient(_Compiled):
    """The driver named in go.mod, and main.go."""

    def obstacle(self) -> str | None:
        """Why it can't be had on this machine, and what would help."""
        return missing("go", package="golang-go")

    def install(self) -> None:
        """Make the environment. Another toolchain is never downloaded."""
        self._copy()
        run("go", "build", "-o", "change", ".", cwd=self.directory, env={"GOTOOLCHAIN": "local"})

    def change_command(self) -> Command:
        """The program that goes through a change of the main."""
        return [str(self.directory / "change")], {}


class RustClient(_Compiled):
    """The driver named in Cargo.toml, and src/main.rs."""

    def obstacle(self) -> str | None:
        """Why it can't be had on this machine, and what would help."""
        return missing("cargo", package="cargo")

    def install(self) -> None:
        """Make the environment. Unoptimised: a minute less, and what is waited for is the network."""
        self._copy()
        run("cargo", "build", "--quiet", cwd=self.directory)

    def change_command(self) -> Command:
        """The program that goes through a change of the main."""
        return [str(self.directory / "target" / "debug" / "change")], {}


def copy_jars(directory: Path) -> None:
    """Fill `lib` with what the pom.xml beside it names, and all that needs."""
    run(
        "mvn", "--quiet", "--batch-mode", "dependency:copy-dependencies", "-DoutputDirectory=lib",
        "-DincludeScope=runtime", cwd=directory,
    )  # fmt: skip
