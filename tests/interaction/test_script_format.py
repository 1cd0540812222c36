"""The format of scripts, and that a script can fail."""

from __future__ import annotations

import pytest
from scripting.play import play
from scripting.script import Unreadable, command, parse, render
from scripting.stage import Mistake

TEXT = """# A story.

cluster instances=2
----
ok

# It goes on.
write 2
check
----
2 acknowledged
every acknowledged write is there, no rule was broken

end main=0
----
well: main 0, all 2 writes there
"""


def test_what_is_read_is_written_again() -> None:
    """Comments, blank lines and all."""
    script = parse(TEXT)
    assert render(script, [step.expected for step in script.steps]) == TEXT


def test_a_script_says_what_it_should_twice() -> None:
    """The same seed, the same words."""
    script = parse(TEXT)
    assert render(script, play(script).said) == TEXT
    assert render(script, play(script).said) == TEXT


def test_a_lost_write_and_a_wrong_main_are_told() -> None:
    """`end` is what every crash run is judged by: it has to be able to fail."""
    text = "cluster\nwrite 1\nquery main MATCH (n:W) DETACH DELETE n\nend main=1\n----\n"
    problems = play(parse(text)).problems
    assert problems[0] == "0 is main, not 1"
    assert problems[1].startswith("LOST w:1")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("cluster\n\nwrite 1\n----\n", "line 2: ---- is missing after 'cluster'"),
        ("----\n", "line 1: ---- without a command"),
        ("cluster", "missing at the end"),
    ],
)
def test_what_is_no_script_is_refused(text: str, why: str) -> None:
    """With its line."""
    with pytest.raises(Unreadable, match=why):
        parse(text)


@pytest.mark.parametrize("text", ["fly\n----\n", "write 1\n----\n", "cluster\nkill 9\n----\n"])
def test_what_cannot_be_done_is_a_mistake(text: str) -> None:
    """An unknown command, no cluster yet, an instance that is not there."""
    with pytest.RaisesGroup(Mistake, flatten_subgroups=True):
        play(parse(text))


def test_a_command_is_taken_apart() -> None:
    """Words and options; free text keeps its equals signs."""
    assert command("kill main restart=2").words == ("main",)
    assert command("kill main restart=2").options == {"restart": "2"}
    assert command("query 0 MATCH (n {a: 1}) RETURN n").rest == "0 MATCH (n {a: 1}) RETURN n"
