"""Crash at every step: whoever leads dies at the k-th step of a script, and the end state is the same, for every k.

One k again, with everything that happens: `pytest tests/interaction/test_crash.py -k NAME --crash-at=K -s`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from scripting.crash import Crash, When
from scripting.play import Played, play
from scripting.script import Script, parse

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.txt"))
EVERY_COMMAND = (
    "f05-document-deleted",
    "f05-etcd-restored-from-a-backup",
    "f07-bootstrap",
    "f10-partner-lost-while-the-main-dies",
    "f11-everybody-is-a-replica",
    "f17-partner-dies",
    "f19-lost-finalize-on-an-idle-main",
    "f19-registered-is-not-replicating",
    "f37-force-deleted",
    "f44-adopting-a-running-cluster",
    "f52-block-another-partner",
    "f53-again-at-once",
    "l06-somebody-else-s-registrations",
    "s32-switchover-on-request",
)
"""Between them these take every kind of step; here it is not only between two actions that the leader dies."""
CASES = [(path, when) for path in SCRIPTS for when in When if when is When.AFTER_ACTION or path.stem in EVERY_COMMAND]


@cache
def undisturbed(path: Path) -> tuple[Script, Played, dict[When, int]]:
    """The script, its run without a crash, and how many steps of each kind it had."""
    script = parse(path.read_text())
    counts = {when: Crash(when) for when in When}
    played = play(script, list(counts.values()))
    return script, played, {when: crash.steps for when, crash in counts.items()}


@pytest.mark.parametrize(("path", "when"), CASES, ids=[f"{path.stem}-{when.name.lower()}" for path, when in CASES])
def test_the_end_is_the_same_wherever_the_leader_dies(
    path: Path, when: When, subtests: pytest.Subtests, request: pytest.FixtureRequest
) -> None:
    """A leader without memory goes on where another one died: after any of its actions, or before it heard of one."""
    script, before, steps = undisturbed(path)
    assert not before.problems
    chosen = request.config.getoption("--crash-at", None)
    for at in range(1, steps[when] + 1):
        if chosen is not None and at != chosen:
            continue
        with subtests.test(script=path.stem, when=when.value, k=at):
            crash = Crash(when, at, refused_undisturbed=before.refused)
            played = play(script, [crash], print if chosen is not None else None)
            assert crash.struck, "nothing happened: the run before it was another one"
            assert played.ended
            assert not played.problems
