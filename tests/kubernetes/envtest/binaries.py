"""Finding or building the programs: once for all checkouts, and safe when two builds race.

A program is looked for in this order: the environment (TEST_ASSET_KUBE_APISERVER, TEST_ASSET_ETCD, ..., the names
controller-runtime uses), PATH (etcd only: a recent one of a distribution will do), the cache. `build` fills it.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from envtest import go, versions
from envtest.failure import Unavailable
from envtest.versions import Program

REPORT_EVERY_S = 30
ETCD_AT_LEAST = (3, 5, 13)
"""From there on (and from 3.4.31) the API server believes what etcd says of its progress."""


def cache() -> Path:
    """Where built programs are kept: outside of any checkout, so that a fresh one builds nothing."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base, "memgraph-ha", "kubernetes")


def find(name: str, version: str) -> Path:
    """The program's path. Raises Unavailable, with the command that would build it."""
    variable = "TEST_ASSET_" + name.upper().replace("-", "_")
    if given := os.environ.get(variable):
        if not os.access(given, os.X_OK):
            raise Unavailable(f"{variable} is {given!r}, which is no program: correct it or unset it")
        return Path(given)
    if name == "etcd" and (found := shutil.which("etcd")) and recent_etcd(_said(found, "--version")):
        return Path(found)
    if version not in versions.pinned():
        known = ", ".join(versions.pinned())
        raise Unavailable(f"Kubernetes {version} is not pinned here (known: {known}); next: python -m envtest pin")
    program = versions.program(name, version)
    built = _built(program)
    if not built.exists():
        raise Unavailable(
            f"{name} {program.version} is not built; next: make kubernetes-binaries KUBERNETES_VERSION={version}"
        )
    return built


def recent_etcd(said: str) -> bool:
    """Whether `etcd --version` names one that will do. With Debian 12's 3.4.23, two watches of API server 1.34 that
    began without a version missed what happened next (tests/kubernetes/conformance)."""
    match = re.search(r"etcd Version: (\d+)\.(\d+)\.(\d+)", said)
    return match is not None and tuple(map(int, match.groups())) >= ETCD_AT_LEAST


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def build(names: list[str], version: str) -> list[Path]:
    """Find each program, or build it. Raises Unavailable."""
    made = []
    for name in names:
        try:
            made.append(find(name, version))
        except Unavailable:
            if version not in versions.pinned() or os.environ.get("TEST_ASSET_" + name.upper().replace("-", "_")):
                raise
            made.append(make(versions.program(name, version)))
    return made


def _built(program: Program) -> Path:
    return cache() / program.key / program.name


def make(program: Program) -> Path:
    """Build one program into the cache, unless it is there. Raises Unavailable."""
    target = _built(program)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(target.with_suffix(".lock")):
        if target.exists():
            return target  # whoever had the lock built it
        with _alone(cache() / "go.lock"):
            compiler = go.find(program.go_at_least, cache())
        started = time.monotonic()
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            fresh = Path(folder, program.name)
            _compile(compiler, program, fresh)
            fresh.replace(target)  # whole or not at all
        _say(f"{program.name} {program.version}: built in {time.monotonic() - started:.0f} s, kept as {target}")
    return target


def _compile(compiler: Path, program: Program, target: Path) -> None:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    command = [
        str(compiler), "build", "-trimpath", "-mod=readonly", "-ldflags", program.link_flags, "-o", str(target),
        program.package,
    ]  # fmt: skip
    _say(f"{program.name} {program.version}: building from its Go module (minutes the first time, seconds later)")
    with tempfile.TemporaryFile("w+") as log:
        started = time.monotonic()
        with subprocess.Popen(command, cwd=program.module, env=environment, stdout=log, stderr=log) as process:
            try:
                while process.poll() is None:
                    try:
                        process.wait(REPORT_EVERY_S)
                    except subprocess.TimeoutExpired:
                        _say(f"{program.name} {program.version}: still building, {time.monotonic() - started:.0f} s")
            finally:
                process.kill()
        if process.returncode != 0:
            log.seek(0)
            raise Unavailable(f"building {program.name} {program.version} failed:\n{log.read()[-2000:]}")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One build of a program at a time on this machine; the kernel lets go when the builder dies."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"waiting for another build of {path.stem}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
