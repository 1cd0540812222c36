"""A release beside others in one Kubernetes: a name, a namespace, apps and a label of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from plain_client import Object

from e2e import workloads
from e2e.cluster import Cluster, apply, kubectl
from e2e.installation import Installation, values
from e2e.ledgers import Ledgers
from e2e.publications import Publications
from e2e.scene import Scene
from e2e.timing import Timings
from e2e.waiting import Unanswered, until

_GONE_S = 300.0


@contextmanager
def lane(
    cluster: Cluster,
    name: str,
    folder: Path,
    web: int,
    secrets: Sequence[Object] = (),
    environment: Mapping[str, str] | None = None,
    adopted: str = "",
    **more: Any,
) -> Iterator[Scene]:
    """Installed, with so many app pods (and one of a StatefulSet) that write; all of it is gone afterwards.

    `secrets` are in the release's namespace before the release is, and so is the StatefulSet that it adopts.
    `environment` is the apps'.
    """
    apps = f"{name}-apps"
    installation = Installation(cluster, name, name, folder, adopted)
    given = values(cluster={"default": False}, **more)
    apply([workloads.namespace(name), *secrets])
    installation.install(given)
    installation.settle()
    ledgers, publications = Ledgers(cluster, [apps]), Publications(installation)
    found = Scene(cluster, installation, apps, ledgers, publications, Timings(), None, given)
    try:
        found.start_apps({"memgraph-ha.io/cluster": name}, web=web, environment=environment)
        yield found
    finally:
        ledgers.stop()
        publications.stop()
        kubectl("delete", "namespace", apps, "--ignore-not-found", "--wait=false")
        installation.uninstall()
        kubectl("delete", "namespace", name, "--ignore-not-found")


def gone(installation: Installation, component: str) -> None:
    """Wait until no pod of this component is left."""
    until(
        lambda: f"{len(pods)} pods" if (pods := installation.pods(component)) else "",
        _GONE_S, f"no pod {component} of {installation.name} is left",
    )  # fmt: skip


def missing(cluster: Cluster, path: str) -> bool:
    """Whether the API server knows no such object."""
    try:
        cluster.read(path)
    except Unanswered:
        return True
    return False
