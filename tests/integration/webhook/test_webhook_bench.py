"""The benchmark runs and says what it promises to say; how fast is another question."""

from __future__ import annotations

import asyncio

from admission.__main__ import measure


def test_the_figures_are_there_and_no_admission_fails() -> None:
    figures = asyncio.run(measure(1.0))
    assert list(figures) == ["rate_per_s", "p50_ms", "p99_ms", "errors", "max_rate_per_s", "rss_mib"]
    assert figures["errors"] == 0
    assert figures["max_rate_per_s"] > 0
