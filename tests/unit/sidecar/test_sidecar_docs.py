"""docs/sidecar.md names every setting and every metric."""

from __future__ import annotations

from pathlib import Path

from sidecar.contract import env
from sidecar.core.route import Reason
from sidecar.metrics import Metrics

PAGE = Path(__file__).parents[3].joinpath("docs", "sidecar.md").read_text()


def test_every_setting_and_choice_is_there() -> None:
    names = [value for key, value in vars(env).items() if key.isupper() and isinstance(value, str)]
    choices = [*env.CutMode, *env.OnStale, *env.ReadFallback, *env.Rewrite]
    assert [name for name in [*names, *choices] if f"`{name}`" not in PAGE] == []


def test_every_metric_is_there() -> None:
    names = [series.name.removeprefix("memgraph_ha_sidecar_") for series in vars(Metrics()).values()]
    assert [name for name in names if f"`{name}`" not in PAGE] == []


def test_every_reason_a_client_reads_is_there() -> None:
    told = set(Reason) - {Reason.HOLD_EXPIRED, Reason.TOO_MANY_HELD}
    assert [reason for reason in told if f"`{reason.value}`" not in PAGE] == []
