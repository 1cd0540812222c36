"""A connection against a model of it: clients and servers that keep to Bolt, any splits, and a cut at any point.

The model (tests/support/bolt_model.py) says what each step must bring, byte for byte.
"""

from __future__ import annotations

from bolt_dialogue import Dialogue
from bolt_referee import Referee
from bolt_words import TABLE
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.contract.env import Rewrite

step = st.tuples(st.integers(0, 15), st.integers(0, 255))


@given(
    before=st.lists(step, min_size=6, max_size=40),
    ending=st.integers(0, 7),
    after=st.lists(step, max_size=12),
    second=st.none() | st.integers(0, 7),
    late=st.lists(step, max_size=4),
    table=st.sampled_from((None, TABLE)),
    rewrite=st.sampled_from(Rewrite),
)
@settings(max_examples=500)
def test_every_step_brings_what_the_rules_say(
    before: list[tuple[int, int]], ending: int, after: list[tuple[int, int]], second: int | None,
    late: list[tuple[int, int]], table: bytes | None, rewrite: Rewrite,
) -> None:  # fmt: skip
    dialogue = Dialogue(Referee(table=table, rewrite=rewrite))
    for what, number in before:
        dialogue.step(what, number)
    dialogue.ending(ending)
    for what, number in after:
        dialogue.step(what, number)
    if second is None:
        dialogue.referee.wait()
    else:
        dialogue.ending(second)
    for what, number in late:
        dialogue.step(what, number)
    dialogue.close()
