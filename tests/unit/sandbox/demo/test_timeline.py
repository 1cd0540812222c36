"""What the demo prints: golden text without a terminal, colour only with one."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest

from sandbox.demo.checker import Report
from sandbox.demo.coordination import Coordination, Led, Routed, Written
from sandbox.demo.history import Kind, Record
from sandbox.demo.narrate import Happening, Narrator, Tone
from sandbox.demo.timeline import Timeline, paint, render, table, wants_color
from sandbox.demo.verdict import EventResult, Verdict, summary, to_json

ORIGIN = 1000.0
REFUSAL = "{neo4j_code: Memgraph.ClientError.M.M} {message: Write queries\nare forbidden} {gql_status: 50N42}"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(ts: float, epoch: int, phase: str, message: str, reason: str = "MainRefuses") -> Written:
    return Written(ts, "controller-a", epoch, 1, phase, "failover", "memgraph-ha-0", "127.0.0.1:7687", reason, message)


def routed(ts: float, phase: str, cut: int) -> Routed:
    return Routed(ts, "app-0", 2, 3, phase, "127.0.0.2:7687", cut)


def told() -> list[Happening | None]:
    """A failover as the programs would tell it."""
    narrator = Narrator()
    return [
        narrator.record(Record(Kind.INVOKE, "app-0", "app-0-0", 1000.9)),
        narrator.record(Record(Kind.OK, "app-0", "app-0-0", 1001.0)),
        narrator.log_line(written(1002.0, 2, "serving", "memgraph-ha-0 is main", "Published")),
        narrator.record(Record(Kind.OK, "app-0", "app-0-1", 1001.02)),
        Happening(1010.0, "you", "kill -9 memgraph-ha-0, the main", tone=Tone.ACT),
        narrator.log_line(written(1010.61, 3, "cut", "main memgraph-ha-0 refuses connections")),
        narrator.log_line(written(1010.62, 3, "cut", "2 replicas can be read", "ReadAddressesChanged")),
        narrator.log_line(routed(1010.625, "cut", 4)),
        narrator.log_line(replace(routed(1010.626, "cut", 0), sidecar="app-1")),
        narrator.log_line(replace(routed(1010.627, "cut", 0), old_epoch=None)),
        narrator.log_line(routed(1010.9, "serving", 0)),
        narrator.record(Record(Kind.INFO, "app-0", "app-0-9", 1010.63, error="IncompleteCommit", message="lost")),
        narrator.record(Record(Kind.INFO, "app-0", "app-0-8", 1010.63, error="IncompleteCommit", message="lost")),
        narrator.record(Record(Kind.OK, "app-0", "app-0-10", 1012.02)),
        narrator.record(Record(Kind.FAIL, "app-0", "app-0-11", 1012.3, error="ClientError", message=REFUSAL)),
        narrator.log_line(written(1013.0, 3, "serving", "replica 1 holds every write", "PartnerRecorded")),
        narrator.log_line(Led(1014.0, "controller-b", 2)),
    ]


GOLDEN = """\
    1.00 s            app-0                        its first write is acknowledged
    2.00 s  epoch 2   controller-a                 published: memgraph-ha-0 is main
   10.00 s            you                          kill -9 memgraph-ha-0, the main
   10.61 s  epoch 3   controller-a                 cut (failover): main memgraph-ha-0 refuses connections
   10.62 s  epoch 3   app-0                        sidecar cut 4 connections
   10.63 s  epoch 3   app-1                        sidecar had nothing to cut
   10.63 s            app-0                        outcome of app-0-9 unknown: IncompleteCommit
   12.02 s            app-0                        writes again, after 11.00 s
   12.30 s            app-0                        ClientError: Write queries are forbidden
   13.00 s            controller-a                 replica 1 holds every write
   14.00 s            controller-b                 is the leader now (term 2)
"""


def test_a_failover_reads_well_without_a_terminal() -> None:
    out = io.StringIO()
    timeline = Timeline(out, ORIGIN, color=wants_color(out, {}))
    for happening in told():
        if happening is not None:
            timeline.tell(happening)
    assert out.getvalue() == GOLDEN


@pytest.mark.parametrize(
    ("stream", "environ", "wanted"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colour_needs_a_terminal_that_wants_it(stream: io.StringIO, environ: dict[str, str], wanted: bool) -> None:
    assert wants_color(stream, environ) is wanted


def test_colour_changes_no_text() -> None:
    happening = Happening(1001.0, "app-0", "ClientError: no", tone=Tone.BAD)
    plain = render(happening, ORIGIN, color=False)
    assert render(happening, ORIGIN, color=True) == f"\x1b[31m{plain}\x1b[0m"
    assert paint("", Tone.BAD, color=True) == ""


def test_an_endless_message_is_clipped_to_one_line() -> None:
    line = render(Happening(1001.0, "app-0", "word " * 100), ORIGIN, color=False)
    assert "\n" not in line
    assert line.endswith("…")
    assert len(line) < 200


def test_a_new_process_is_told_once() -> None:
    narrator = Narrator()
    first = {"memgraphs": [{"pod": "memgraph-ha-0", "pid": 10}], "controllers": [{"pod": "c-a", "pid": 20}]}
    gone = {"memgraphs": [{"pod": "memgraph-ha-0", "pid": None}], "controllers": [{"pod": "c-a", "pid": 20}]}
    again = {"memgraphs": [{"pod": "memgraph-ha-0", "pid": 11}], "controllers": [{"pod": "c-a", "pid": 20}]}
    assert [narrator.world(world, 1.0) for world in (first, gone)] == [[], []]
    assert narrator.world(again, 2.0) == [Happening(2.0, "memgraph-ha-0", "was started again (pid 11)")]
    assert narrator.world(again, 3.0) == []


def test_a_table_aligns_words_left_and_figures_right() -> None:
    assert table(("event", "stall", "cut"), [("kill-main", "1.30 s", "-"), ("x", "12.00 s", "4 ms")]) == (
        "event      stall    cut\nkill-main   1.30 s     -\nx          12.00 s  4 ms"
    )


def report(**changes: object) -> Report:
    values: dict[str, object] = {
        "acked": 4123,
        "lost": (),
        "witnesses": (),
        "phantom": (),
        "revived": (),
        "duplicated": (),
        "refused": 2,
        "unknown": 1,
        "forbidden": 0,
        "retries": 12,
        "stalls_s": {"kill-main": 1.3219, "kill-leader": 0.05},
        "slowest_s": {"kill-main": 2.051, "kill-leader": 0.06},
    }
    return Report(**(values | changes))  # type: ignore[arg-type]  # values of the right types, chosen by name


KILL = EventResult("kill-main", Coordination(2, 4, "memgraph-ha-0", "memgraph-ha-1", "", {"app-0": 12.4}, (), 12))
LEADER = EventResult("kill-leader", Coordination(4, 4, "memgraph-ha-1", "memgraph-ha-1", "controller-b"))

TABLE = """\
writes
acknowledged  4123  by 3 apps with a sidecar; every id read back from memgraph-ha-1
lost             0  acknowledged, and not on the final main
refused          2  the app was told that they failed, and they are not there
unknown          1  the connection was lost while COMMIT was under way: there or not
retried         12  times, by the driver itself, unseen by the app
forbidden        0  answers "Write queries are forbidden" that reached an app

event        epoch  longest stall  slowest write  cut, slowest sidecar  main                            result
kill-main        4         1.32 s         2.05 s                 12 ms  memgraph-ha-0 -> memgraph-ha-1  ok
kill-leader      4         0.05 s         0.06 s                     -  memgraph-ha-1 (the same)        ok"""


def test_the_final_table_names_every_figure() -> None:
    verdict = Verdict(report(), [KILL, LEADER], 3, "memgraph-ha-1")
    assert summary(verdict) == TABLE
    assert verdict.exit_code == 0


def test_the_json_has_the_figures_of_the_table() -> None:
    found = json.loads(json.dumps(to_json(Verdict(report(), [KILL, LEADER], 3, "memgraph-ha-1"))))
    assert (found["acked"], found["lost"], found["forbidden"]) == (4123, 0, 0)
    first, second = found["events"]
    assert (first["name"], first["stall_ms"], first["cut_ms_max"], first["epoch"]) == ("kill-main", 1321.9, 12.4, 4)
    assert (second["name"], second["cut_ms_max"], second["epoch"]) == ("kill-leader", 0.0, 4)


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (
            Verdict(report(lost=("a-1",)), [KILL], 3, "memgraph-ha-1"),
            "1 acknowledged write is missing on memgraph-ha-1",
        ),
        (Verdict(report(lost=("a-1", "a-2")), [KILL], 3, "m"), "2 acknowledged writes are missing on m"),
        (Verdict(report(forbidden=3), [KILL], 3, "m"), 'apps with a sidecar saw "Write queries are forbidden" 3 times'),
        (Verdict(report(), [EventResult("switchover", KILL.told, "no")], 3, "m"), "switchover: no"),
        (Verdict(report(), [KILL], 3, ""), "no main could be read back, so none of 4123 acknowledged writes is proven"),
        (Verdict(report(acked=0), [KILL], 3, "m"), "no write was acknowledged at all, so nothing is proven"),
        (Verdict(report(), [KILL], 3, "m", ["the world did not start"]), "the world did not start"),
    ],
)
def test_each_broken_promise_fails_the_run_and_is_named(verdict: Verdict, said: str) -> None:
    assert verdict.exit_code == 1
    assert verdict.failures == (said,)
    assert to_json(verdict)["exit_code"] == 1


def test_without_a_main_to_read_nothing_is_called_lost_or_proven() -> None:
    verdict = Verdict(report(lost=("a-1",)), [KILL], 3, "")
    assert verdict.failures == ("no main could be read back, so none of 4123 acknowledged writes is proven",)
