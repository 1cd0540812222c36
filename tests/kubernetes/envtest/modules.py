"""Pinning a version: writes the Go module whose go.sum fixes every byte that is built from it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from envtest import go, versions
from envtest.binaries import cache
from envtest.failure import Unavailable


def pin_kubernetes(version: str) -> Path:
    """Write modules/kubernetes-VERSION; its folder. Raises Unavailable."""
    folder = versions.MODULES / f"kubernetes-{version}"
    source, go_line = _source("k8s.io/kubernetes", version)
    text = source.read_text()
    debug = re.findall(r"^godebug .*$|^godebug \([^)]*\)", text, re.MULTILINE)
    # The module replaces its staging modules by folders of its own; from outside they are modules of their own version.
    staging = re.findall(r"^\s*(\S+) => \./staging/", text, re.MULTILINE)
    of_staging = "v0." + version.partition(".")[2]
    replace = [f"\t{name} => {name} {of_staging}" for name in staging]
    head = ["module envtest/kubernetes", "", f"go {go_line}", "", *debug, ""]
    lines = [*head, f"require k8s.io/kubernetes v{version}", "", "replace (", *replace, ")", ""]
    return _write(folder, lines, [f"k8s.io/kubernetes/cmd/{name}" for name in versions.OF_KUBERNETES])


def pin_other(name: str) -> Path:
    """Write the module of one of `versions.OTHERS`, at its version there; the module's folder. Raises Unavailable."""
    other = versions.OTHERS[name]
    _, go_line = _source(other.path, other.version)
    lines = [f"module envtest/{name}", "", f"go {go_line}", "", f"require {other.path} v{other.version}", ""]
    return _write(versions.MODULES / f"{name}-{other.version}", lines, [other.package])


def _source(module: str, version: str) -> tuple[Path, str]:
    answer = json.loads(_go(["mod", "download", "-json", f"{module}@v{version}"], Path("/")))
    source = Path(answer["GoMod"])
    found = re.search(r"^go (\S+)$", source.read_text(), re.MULTILINE)
    return source, found[1] if found else "1.24.0"


def _write(folder: Path, lines: list[str], packages: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text("\n".join(lines))
    imports = "\n".join(f'\t_ "{package}"' for package in packages)
    (folder / "tools.go").write_text(f"//go:build tools\n\npackage tools\n\nimport (\n{imports}\n)\n")
    _go(["mod", "tidy"], folder)
    return folder


def _go(arguments: list[str], where: Path) -> Any:
    command = [str(go.find("1.24.0", cache())), *arguments]
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"go {' '.join(arguments)} failed: {(done.stderr or done.stdout)[-1500:]}")
    return done.stdout
