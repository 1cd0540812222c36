"""The checker: one hand-written history for each anomaly, and a slow, obvious oracle for the rest."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.demo.checker import WITNESSES_MAX, Reign, Window, check, longest_stall
from sandbox.demo.history import Kind, Record


def history(app: str, *lines: tuple[str, int, float]) -> list[Record]:
    """Lines of one app: kind, number of the write, time."""
    return [Record(Kind(kind), app, f"{app}-{number}", ts) for kind, number, ts in lines]


def write(app: str, number: int, ts: float, kind: str = "ok") -> list[Record]:
    return history(app, ("invoke", number, ts - 0.01), (kind, number, ts))


def test_a_clean_history_has_no_anomaly() -> None:
    report = check({"a": write("a", 0, 1.0) + write("a", 1, 2.0)}, ["a-0", "a-1"])
    assert report.acked == 2
    assert (report.lost, report.phantom, report.revived, report.duplicated) == ((), (), (), ())
    assert (report.refused, report.unknown, report.forbidden) == (0, 0, 0)


def test_an_acknowledged_write_that_is_absent_is_lost_and_has_a_witness() -> None:
    report = check(
        {"a": write("a", 0, 101.0) + write("a", 1, 104.2)},
        ["a-0"],
        reigns=[Reign(100.0, 3, "memgraph-ha-0"), Reign(105.25, 5, "memgraph-ha-2")],
        origin=100.0,
    )
    assert report.lost == ("a-1",)
    assert report.witnesses == (
        "write a-1 was acknowledged at 4.20 s (main memgraph-ha-0, epoch 3); "
        "it is absent on memgraph-ha-2, the main since 5.25 s (epoch 5)",
    )


def test_a_witness_needs_no_reigns() -> None:
    report = check({"a": write("a", 1, 104.2)}, [], origin=100.0)
    assert report.witnesses == ("write a-1 was acknowledged at 4.20 s; it is absent on the final main",)


def test_witnesses_are_bounded_and_losses_are_not() -> None:
    lines = [record for n in range(100) for record in write("a", n, float(n + 1))]
    report = check({"a": lines}, [])
    assert len(report.lost) == 100
    assert len(report.witnesses) == WITNESSES_MAX


def test_an_unknown_write_may_be_there_or_not() -> None:
    lines = write("a", 0, 1.0, "info") + write("a", 1, 2.0, "info") + history("a", ("invoke", 2, 3.0))
    report = check({"a": lines}, ["a-0"])
    assert report.unknown == 3
    assert (report.lost, report.phantom, report.revived) == ((), (), ())


def test_a_write_nobody_made_is_a_phantom() -> None:
    report = check({"a": write("a", 0, 1.0)}, ["a-0", "a-7", "fixed-1"], others=["fixed-1"])
    assert report.phantom == ("a-7",)


def test_a_refused_write_that_is_there_is_revived() -> None:
    report = check({"a": write("a", 0, 1.0, "fail") + write("a", 1, 2.0, "fail")}, ["a-1"])
    assert report.refused == 2
    assert report.revived == ("a-1",)
    assert report.phantom == ()


def test_a_write_applied_twice_is_duplicated() -> None:
    report = check({"a": write("a", 0, 1.0) + write("a", 1, 1.5)}, ["a-0", "a-1", "a-1"])
    assert report.duplicated == ("a-1",)
    assert report.acked == 2


def test_forbidden_answers_and_retries_are_summed() -> None:
    lines = [
        Record(Kind.FAIL, "a", "a-0", 1.0, error="ClientError", message="Write queries are forbidden", forbidden=True),
        Record(Kind.OK, "a", "a-1", 2.0, retries=3),
    ]
    report = check({"a": lines, "b": [Record(Kind.OK, "b", "b-0", 2.0, retries=2)]}, ["a-1", "b-0"])
    assert (report.forbidden, report.retries, report.acked) == (1, 5, 2)


@pytest.mark.parametrize(
    ("times", "stall"),
    [
        ((9.0, 9.9, 10.1, 10.4, 12.0), 1.6),  # the last gap begins inside the window and ends after it
        ((9.0, 13.0), 4.0),  # one gap covers the whole window
        ((9.0, 10.0, 10.9, 11.0, 30.0), 0.9),  # a gap that begins when the window ends is another event's
        ((9.0,), 2.0),  # silent from before the window until its end
        ((), 1.0),  # never acknowledged at all: the window itself
        ((10.4,), 0.6),
    ],
)
def test_a_stall_is_the_longest_gap_that_overlaps_the_window(times: tuple[float, ...], stall: float) -> None:
    lines = history("a", *(("ok", number, ts) for number, ts in enumerate(times)))
    assert longest_stall([lines], Window("kill", 10.0, 11.0)) == pytest.approx(stall)


def test_the_stall_of_an_event_is_that_of_its_slowest_app() -> None:
    fast = history("a", ("ok", 0, 9.9), ("ok", 1, 10.4), ("ok", 2, 11.2))
    slow = history("b", ("ok", 0, 9.9), ("fail", 1, 10.4), ("ok", 2, 11.5))
    report = check({"a": fast, "b": slow}, [], windows=[Window("kill", 10.0, 11.0)])
    assert report.stalls_s == {"kill": pytest.approx(1.6)}


KINDS = st.sampled_from(["invoke", "ok", "fail", "info"])
WRITES = st.dictionaries(st.tuples(st.sampled_from("abc"), st.integers(0, 12)), KINDS)
FINAL = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 12)).map(lambda item: f"{item[0]}-{item[1]}"))


def oracle(told: Mapping[str, str], final: Sequence[str], others: Sequence[str]) -> dict[str, set[str]]:
    """The definitions, word by word, as slow as they are plain."""
    return {
        "lost": {item for item in told if told[item] == "ok" and item not in final},
        "phantom": {item for item in final if item not in told and item not in others},
        "revived": {item for item in final if told.get(item) == "fail"},
        "duplicated": {item for item in final if list(final).count(item) > 1},
    }


@given(writes=WRITES, final=FINAL, others=FINAL)
def test_the_checker_agrees_with_the_oracle(
    writes: dict[tuple[str, int], str], final: list[str], others: list[str]
) -> None:
    histories: dict[str, list[Record]] = {}
    for ts, ((app, number), kind) in enumerate(writes.items(), start=1):
        lines = histories.setdefault(app, [])
        lines += history(app, ("invoke", number, ts))
        if kind != "invoke":
            lines += history(app, (kind, number, ts + 0.5))
    told = {f"{app}-{number}": kind for (app, number), kind in writes.items()}
    report = check(histories, final, others=others)
    expected = oracle(told, final, others)
    for name, items in expected.items():
        found = getattr(report, name)
        assert set(found) == items
        assert len(found) == len(items)
    kinds = list(told.values())
    assert (report.acked, report.refused) == (kinds.count("ok"), kinds.count("fail"))
    assert report.unknown == kinds.count("info") + kinds.count("invoke")


@given(
    gaps=st.lists(st.integers(0, 40), max_size=12),
    start=st.integers(1, 200),
    length=st.integers(1, 60),
)
def test_stalls_agree_with_the_oracle(gaps: list[int], start: int, length: int) -> None:
    times = [float(sum(gaps[: index + 1])) for index in range(len(gaps))]
    window = Window("event", float(start), float(start + length))
    edges = (
        times if any(ts <= window.start for ts in times) else [window.start, *(t for t in times if t > window.start)]
    )
    edges = edges if any(ts >= window.end for ts in edges) else [*edges, window.end]
    obvious = max((b - a for a, b in itertools.pairwise(edges) if a < window.end and b > window.start), default=0.0)
    lines = history("a", *(("ok", number, ts) for number, ts in enumerate(times)))
    assert longest_stall([lines], window) == pytest.approx(obvious)
