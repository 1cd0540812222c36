"""Helm 3, Helm 4 and kubectl as programs, with folders of their own instead of the user's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from envtest import versions
from plain_client import Object
from real import client_program
from release import CHART

KUBERNETES = versions.DEFAULT_KUBERNETES
"""What `template` and `lint` judge by, as they ask no cluster. Built from their modules, programs take 1.20 for it."""


@dataclass(frozen=True, slots=True)
class Tool:
    """`program`: helm, helm3 or kubectl. Without a kubeconfig it has no cluster to ask."""

    program: Path
    folder: Path
    kubeconfig: Path | None = None

    def run(self, *arguments: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Its end, whatever it was."""
        environment = {"HOME": str(self.folder), "PATH": os.environ["PATH"]}
        if self.kubeconfig:
            environment["KUBECONFIG"] = str(self.kubeconfig)
        command = [self.program, *arguments]
        return subprocess.run(
            command, env=environment, input=given, capture_output=True, text=True, timeout=120, check=False
        )

    def __call__(self, *arguments: str | Path, given: str | None = None) -> str:
        """What it prints; it has to succeed."""
        ended = self.run(*arguments, given=given)
        assert ended.returncode == 0, (arguments, ended.stdout, ended.stderr)
        return ended.stdout


def tool(name: str, folder: Path, kubeconfig: Path | None = None) -> Tool:
    """Found, or the test is skipped."""
    return Tool(client_program(name), folder, kubeconfig)


def values_file(folder: Path, values: Object) -> Path:
    """For `-f`."""
    path = folder / f"values-{len(list(folder.iterdir()))}.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def templated(helm: Tool, name: str, namespace: str, values: Object) -> str:
    """`helm template`: every object as text."""
    given = yaml.safe_dump(values)
    return helm("template", name, CHART, "-n", namespace, "--kube-version", KUBERNETES, "-f", "-", given=given)


def objects_in(text: str) -> Iterator[Object]:
    """The objects of rendered text."""
    return (found for found in yaml.safe_load_all(text) if found)
