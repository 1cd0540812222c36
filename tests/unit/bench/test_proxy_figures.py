"""What is behind `make bench`: its traffic, its statistics, the page they are written to."""

from __future__ import annotations

import time
from typing import Any

import pytest
from generated import NoMarkers, replaced
from proxy import loads, page, product
from proxy.figures import RATIOS, figures, percentile
from proxy.loads import Ends
from proxy.traffic import HANDSHAKE, Exchange, round_trip, stream

from sidecar.bolt import handshake, messages
from sidecar.bolt.chunks import Scanner

ROUNDS = {
    "sidecar": {
        "cpu_us_per_round_trip_32": [20.0, 22.0, 60.0], "cpu_us_per_mib_large": [300.0], "rss_idle_mib": [28.04],
        "p99_us": [100.0], "listening_ms": [150.0], "rss_kib_per_connection_1000": [5.0],
    },
    "haproxy": {"cpu_us_per_round_trip_32": [20.0, 20.0, 40.0], "cpu_us_per_mib_large": [400.0]},
}  # fmt: skip


def whole() -> dict[str, Any]:
    """The figures of ROUNDS, as the command has them."""
    return figures(ROUNDS) | {"absent": {"envoy": "it is not installed"}}


def signatures(data: bytes) -> list[int]:
    return [signature for signature, _, _ in Scanner().feed(data)]


def test_a_round_trip_is_bolt_of_the_size_it_says() -> None:
    exchange = round_trip()
    assert (len(exchange.request), exchange.answer_bytes) == (110, 231)
    assert signatures(exchange.request) == [messages.RUN, messages.PULL]
    assert signatures(exchange.head) == [messages.SUCCESS, messages.RECORD, messages.SUCCESS]
    assert len(HANDSHAKE) == handshake.SIZE


@pytest.mark.parametrize("size", [60, 64 << 10])
def test_a_stream_consists_of_records_of_the_size_it_says(size: int) -> None:
    exchange = stream(size)
    found = Scanner().feed(exchange.block)
    assert {(signature, end - start) for signature, start, end in found} == {(messages.RECORD, size)}
    assert len(exchange.block) == size * len(found)
    assert abs(exchange.answer_bytes - (4 << 20)) < 1 << 16


def test_ratios_are_of_the_same_round() -> None:
    """The medians' ratio would be 1.1; so is the median of 1.0, 1.1 and 1.5."""
    found = whole()
    assert found["ratios"]["round_trip_haproxy"] == 1.1
    assert found["ratios_range"]["round_trip_haproxy"] == [1.0, 1.5]
    assert found["ratios"]["bulk_haproxy"] == 0.75
    assert found["ratios"]["paced_envoy"] is None
    assert found["ratios_python"]["round_trip_haproxy"] is None


def test_every_peer_has_every_figure_or_null() -> None:
    found = whole()["peers"]
    assert found["haproxy"] == {
        "cpu_us_per_round_trip": 20.0, "cpu_us_per_round_trip_paced": None, "cpu_us_per_mib": 400.0,
        "rss_idle_mib": None, "rss_kib_per_connection": None, "p50_us": None, "p99_us": None, "listening_ms": None,
    }  # fmt: skip
    assert found["sidecar"]["rss_idle_mib"] == 28.04


def test_a_goal_is_met_missed_or_not_measured() -> None:
    text = page.text(whole(), "one machine")
    rows = [line for line in text.splitlines() if "<=" in line]
    assert len(rows) == len(page.goals(whole()))
    assert sum("| met |" in row for row in rows) == 5
    assert sum("| not measured |" in row for row in rows) == len(rows) - 5
    missed = figures({**ROUNDS, "sidecar": {**ROUNDS["sidecar"], "listening_ms": [251.0]}}) | {"absent": {}}
    assert "| 251 |  | <= 250 | missed |  |" in page.text(missed, "")


def test_an_absent_peer_is_named_with_the_reason() -> None:
    assert page.text(whole(), "").endswith("Absent: envoy: it is not installed")


def test_the_page_keeps_what_is_around_the_figures() -> None:
    old = f"head\n{page.BEGIN}\nold\n{page.END}\ntail\n"
    assert replaced(old, "new", page.BEGIN, page.END) == f"head\n{page.BEGIN}\nnew\n{page.END}\ntail\n"
    with pytest.raises(NoMarkers, match="bench:begin"):
        replaced("no markers", "new", page.BEGIN, page.END)


def test_percentiles_are_of_the_nearest_rank() -> None:
    assert [percentile([3.0, 1.0, 2.0], quantile) for quantile in (0.0, 0.5, 0.99)] == [1.0, 2.0, 3.0]


def test_ratios_are_the_six_that_have_goals() -> None:
    """By the names that other programs read."""
    assert list(RATIOS) == [
        "paced_haproxy", "paced_envoy", "round_trip_haproxy", "round_trip_envoy", "bulk_haproxy",
        "small_records_haproxy",
    ]  # fmt: skip


@pytest.fixture
def ends() -> Any:
    both = Ends()
    yield both
    both.close()


def test_loads_count_what_went_through(ends: Ends) -> None:
    """Straight from client to upstream: every load ends, and counts whole answers."""
    port = ends.answerer.listen()
    assert loads.saturated(ends, port, time.process_time, round_trip(), 4, 0.05).count > 10
    at_a_rate = loads.paced(ends, port, time.process_time, round_trip(), 4, 1000.0, 0.1)
    assert at_a_rate.count > 0
    assert loads.churn(ends, port, time.process_time, 20).count == 20
    large = Exchange(b"?" * 30, b"h" * 100, b"b" * 1000, 5000, b"t")
    sample = loads.bulk(ends, port, time.process_time, large, 0.05)
    assert sample.count * (1 << 20) % large.answer_bytes == 0


def test_held_connections_have_done_a_round_trip(ends: Ends) -> None:
    clients = ends.hold(ends.answerer.listen(), 10)
    assert all(one.greeted for one in clients)
    ends.close_all(clients)
    assert all(one.closed for one in clients)


def test_the_sidecar_is_measured_with_its_image_s_environment() -> None:
    dockerfile = "FROM a AS build\nENV WRONG=1\n\nFROM a\nENV ONE=1 \\\n TWO='2 3'\nRUN true\nENV THREE=3\n"
    assert product.image_environment(dockerfile) == {"ONE": "1", "TWO": "2 3", "THREE": "3"}
