"""What most tests of the simulated replication begin with."""

from __future__ import annotations

import pytest
from virtual_memgraph import World


@pytest.fixture
def world() -> World:
    """Three instances, all born as replicas; a is promoted."""
    world = World()
    for name in "abc":
        world.start(name)
        world.query(name, "SET REPLICATION ROLE TO REPLICA WITH PORT 10000")
    world.query("a", "SET REPLICATION ROLE TO MAIN")
    return world
