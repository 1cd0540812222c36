"""The planted bug: it must choose the replica without proof, and only where there is a choice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.core.failover import choose_candidate, eligible
from controller.core.memory import Memory
from controller.core.model import Answer, Found, Instance, Observation, Pod, Role
from controller.core.view import View
from sandbox.demo import broken
from sidecar.contract.state import Document, Phase, SyncReplica

DOCUMENT = Document(
    term=1,
    epoch=2,
    phase=Phase.SERVING,
    cut_kind=None,
    master_index=0,
    main_pod="memgraph-ha-0",
    main_uid="u0",
    main_address="127.0.0.1:7687",
    main_volume="v0",
    database_uuid="d",
    sync=SyncReplica(1, "v1", "memgraph_1_t1_1"),
    read_addresses=(),
    reason="Published",
    message="",
    writer="c",
    updated_at="",
)


def view(document: Document) -> View:
    instances = tuple(
        Instance(
            n,
            Pod(f"memgraph-ha-{n}", f"u{n}", "127.0.0.1", 7687, 10000, "127.0.0.1:10000", f"v{n}"),
            Answer(Role.REPLICA, at=1.0, database_uuid="d"),
        )
        for n in range(3)
    )
    return View(Observation(1.0, "", "c", Found(document, "1", "u"), instances, 3), Memory(), document, "1")


def test_the_bug_prefers_the_replica_nobody_vouches_for() -> None:
    at = view(DOCUMENT)
    sound = choose_candidate(at)
    assert sound is not None
    assert sound.ordinal in (0, 1)
    assert [instance.ordinal for instance in broken.promote_stale(at)] == [2]


def test_a_fresh_cluster_comes_up_in_spite_of_the_bug() -> None:
    at = view(replace(DOCUMENT, sync=None))
    assert broken.promote_stale(at) == eligible(at)


@pytest.mark.parametrize("arguments", [[], ["promote-nobody"], ["promote-stale", "now"]])
def test_an_unknown_bug_is_wrong_use(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert broken.main(arguments) == 2
    assert "promote-stale" in capsys.readouterr().err
