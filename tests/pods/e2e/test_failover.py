"""Everything that can happen to the cluster while apps write, one after the other; after each, nothing is lost."""

from __future__ import annotations

import time

import pytest

from e2e import timing
from e2e.catalogue import FAULTS, Fault, published
from e2e.forms import SHORT
from e2e.scene import Scene
from e2e.verdict import assert_kept, judged, sound

pytestmark = pytest.mark.timeout(1200)


class TestE2E_FailoverReliability:
    """One release and its apps through all of it, as they would live for a year."""

    @pytest.fixture
    def fault(self, request: pytest.FixtureRequest, scene: Scene) -> Fault:
        found: Fault = request.param
        if SHORT and not found.short:
            pytest.skip("left out of the short form (PODS_SHORT=1)")
        if found.local and scene.local is None:
            pytest.skip("it breaks nodes or processes from outside: only `make pods` on Linux can")
        return found

    @pytest.mark.parametrize("fault", FAULTS, indirect=True, ids=lambda fault: fault.name)
    def test_no_acknowledged_write_is_lost(self, scene: Scene, fault: Fault) -> None:
        scene.calm()
        struck = fault.strike(scene)
        found = None
        try:
            if fault.once:
                published(scene, struck.epoch)
                scene.all_write(time.time(), without=struck.node)
                found = timing.stages(scene.installation, struck.at, struck.epoch)
        finally:
            fault.mend(scene, struck)
        verdict = sound(scene, struck.at)
        end = time.time()
        scene.timings.entries.append(
            timing.entry(
                fault.name, scene.ledgers.books(), scene.publications.since(struck.at), struck.at, end, found,
                struck.node,
            )
        )  # fmt: skip
        assert verdict.report.acked > 0

    def test_in_the_end_every_write_since_the_beginning_is_there(self, scene: Scene) -> None:
        scene.calm()
        found = judged(scene.installation, scene.ledgers.books(), since=0)
        assert_kept(found)
        assert found.report.acked > 100
