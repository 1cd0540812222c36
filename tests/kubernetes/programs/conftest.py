"""The chart's accounts on the shared control plane: our programs run with their tokens, never as administrator."""

from __future__ import annotations

import pytest
from real import AnyCluster, new_namespace
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
