"""The campaign: so many rolling restarts of Memgraph under load (PODS_ROLLOUTS), and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count

import pytest

from e2e import campaign
from e2e.cluster import Cluster
from e2e.forms import SHORT, rollouts
from e2e.lane import lane
from e2e.scene import Scene
from e2e.timing import Timings

_LANES = 1 if SHORT else 3
"""Releases side by side. Most of a roll-out is waiting: three are as fast as one, until two cores are busy."""
_EACH_S = 300
pytestmark = pytest.mark.timeout(900 + _EACH_S * rollouts())


def test_rolling_restarts_under_load_lose_nothing(
    cluster: Cluster,
    timings: Timings,
    tmp_path_factory: pytest.TempPathFactory,
    record_property: Callable[[str, object], None],
    request: pytest.FixtureRequest,
) -> None:
    if not SHORT:
        request.getfixturevalue("first_token")  # it takes long enough for a token to end
    numbers = count()
    with ExitStack() as stack:
        with ThreadPoolExecutor(_LANES) as pool:
            folder = tmp_path_factory.mktemp("lanes")
            opened = [
                pool.submit(stack.enter_context, lane(cluster, f"lane-{number}", folder, 1, webhook={"replicas": 1}))
                for number in range(_LANES)
            ]
            scenes = [future.result() for future in opened]
            lanes = [campaign.Figures() for _ in scenes]

            def work(scene: Scene, figures: campaign.Figures) -> None:
                while next(numbers) < rollouts():
                    campaign.restart(scene, figures)
                campaign.finish(scene, figures)

            done = [pool.submit(work, scene, figures) for scene, figures in zip(scenes, lanes, strict=True)]
            problems = [problem for future in done if (problem := future.exception()) is not None]
        figures = campaign.together(lanes)
        timings.campaign = figures
        record_property("campaign", figures)
        assert problems == []
        assert figures["rollouts"] == rollouts()
        assert (figures["lost"], figures["forbidden"], figures["diverged"]) == (0, 0, 0), [
            witness for one in lanes if one.report for witness in one.report.witnesses
        ]
        assert figures["acked"] > 0
