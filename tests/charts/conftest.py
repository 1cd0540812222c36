"""Rendering by Helm's own engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python import Chart

CHART = Path(__file__).parents[2] / "charts" / "memgraph-ha"


@pytest.fixture(scope="session")
def chart() -> Iterator[Any]:
    """The loaded chart."""
    with Chart.load(CHART) as loaded:
        yield loaded


@pytest.fixture(scope="session")
def render(chart: Any) -> Callable[..., list[dict[str, Any]]]:
    """Values (and a release name) -> every object, in the release's namespace `database`."""

    def rendered(values: dict[str, Any] | None = None, name: str = "graph") -> list[dict[str, Any]]:
        files = chart.render(values or {}, name=name, namespace="database")
        texts = [text for path, text in files.items() if path.endswith(".yaml")]
        return [found for text in texts for found in yaml.safe_load_all(text) if found]

    return rendered
