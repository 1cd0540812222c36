"""The chart's accounts on the shared control plane: our programs run with their tokens, never as administrator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from envtest.control_plane import ControlPlane
from real import AnyCluster, new_namespace, started
from real_release import Release, installed
from release import RESTRICTED

RELEASE = NAMESPACE = "memgraph-ha"


@pytest.fixture(scope="session")
def release(cluster: AnyCluster) -> Release:
    """The release whose names are the sidecar tests' own."""
    return installed(cluster, RELEASE, NAMESPACE)


@pytest.fixture
def apps(release: Release) -> str:
    """A namespace whose pods get sidecars."""
    return new_namespace(release.admin, **{"memgraph-ha.io/inject": "enabled"}, **RESTRICTED)


@pytest.fixture(scope="session")
def managed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """With a controller-manager: Deployments and the StatefulSet get pods, what is deleted takes its own along."""
    with started(tmp_path_factory.mktemp("managed"), controller_manager=True) as cluster:
        yield cluster
