"""The cluster as the tests see it: its API by a plain client, and the programs that people type."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import kubeconfig
from envtest import credentials
from plain_client import Object, PlainClient

from e2e.waiting import Unanswered

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "memgraph-ha"
_COMMAND_S = 600.0
"""The slowest is a roll-out of everything on a busy machine."""


class Failed(AssertionError):
    """A command ended badly. The text is what it said."""


@dataclass(frozen=True, slots=True)
class Cluster(PlainClient):
    """The administrator's view."""

    def read(self, path: str, **query: Any) -> Object:
        """One object or list. Raises Unanswered with the API server's words."""
        try:
            answer = self.get(path, **query)
        except (OSError, HTTPException) as error:
            raise Unanswered(f"GET {path}: {error!r}") from error
        if answer.code != 200:
            raise Unanswered(f"GET {path}: {answer.code} {answer.body.get('message', '')}")
        return answer.body

    def text(self, path: str, **query: Any) -> str:
        """What is no JSON: a log, metrics. Raises Unanswered."""
        try:
            with self._asking("GET", path, None, "", query) as response:
                found = response.read().decode(errors="replace")
        except (OSError, HTTPException) as error:
            raise Unanswered(f"GET {path}: {error!r}") from error
        if response.status != 200:
            raise Unanswered(f"GET {path}: {response.status} {found[:300]}")
        return found

    def items(self, path: str, **query: Any) -> list[Object]:
        """The objects of a list. Raises Unanswered."""
        return list(self.read(path, **query)["items"])

    def pods(self, namespace: str, selector: str = "") -> list[Object]:
        """Every pod, or those with these labels, by name. Raises Unanswered."""
        found = self.items(f"/api/v1/namespaces/{namespace}/pods", **({"labelSelector": selector} if selector else {}))
        return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))


def connect(folder: Path) -> Cluster:
    """The cluster that KUBECONFIG names. Raises kubeconfig.Unusable."""
    access = kubeconfig.read(Path(os.environ.get("KUBECONFIG", "")))
    ca, certificate = folder / "ca.crt", folder / "client.pem" if access.certificate else None
    credentials.private(ca, access.ca)
    if certificate:
        credentials.private(certificate, access.certificate)
    host = f"[{access.host}]" if ":" in access.host else access.host
    return Cluster(f"https://{host}:{access.port}", ca, access.token, certificate)


def run(*command: str, given: Any = None, seconds: float = _COMMAND_S) -> str:
    """What a command printed. `given` is its standard input as JSON. Raises Failed."""
    text = None if given is None else json.dumps(given)
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{' '.join(command)}: no end after {seconds:g} s") from error
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: exit code {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def kubectl(*arguments: str, given: Any = None, seconds: float = _COMMAND_S) -> str:
    """As a person types it."""
    return run("kubectl", *arguments, given=given, seconds=seconds)


def memgraph_ha(*arguments: str, seconds: float = _COMMAND_S) -> str:
    """Our command, of this checkout."""
    return run(sys.executable, "-c", "import sys; from memgraph_ha.cli import main; sys.exit(main())", *arguments,
               seconds=seconds)  # fmt: skip


def apply(objects: Sequence[Object]) -> None:
    """Make them, or make them so."""
    kubectl("apply", "-f", "-", given={"apiVersion": "v1", "kind": "List", "items": list(objects)})


def condition(pod: Object, name: str) -> str:
    """The status of one of a pod's conditions; "" if it has none."""
    found = pod.get("status", {}).get("conditions", [])
    return next((str(one["status"]) for one in found if one["type"] == name), "")


def alive(pod: Object) -> bool:
    """Neither ended nor about to be."""
    phase = pod.get("status", {}).get("phase")
    return "deletionTimestamp" not in pod["metadata"] and phase not in ("Succeeded", "Failed")


def container_status(pod: Object, name: str) -> Object:
    """What the kubelet says of a container, native sidecars included; {} if nothing yet."""
    status = pod.get("status", {})
    every = [*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])]
    return next((one for one in every if one["name"] == name), {})
