"""The parser of the requests' ConfigMap, and the text of an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.requests import (
    KEYS,
    PauseRequest,
    PromoteRequest,
    RequestAnswer,
    ReseedRequest,
    ResumeRequest,
    SwitchoverRequest,
    Unreadable,
    Wanted,
    answer_text,
    first,
    parse,
    promotion,
    read_answer,
)

ANSWER = RequestAnswer("promote", "1 accept-data-loss", False, "RequestRefused", "it does not answer", "t", "c-0")


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("switchover", "", SwitchoverRequest(None)),
        ("switchover", " any\n", SwitchoverRequest(None)),
        ("switchover", "2", SwitchoverRequest(2)),
        ("promote", "1 accept-data-loss", PromoteRequest(1)),
        ("promote", "1   accept-data-loss ", PromoteRequest(1)),
        ("reseed", "0", ReseedRequest(0)),
        ("pause", "", PauseRequest("")),
        ("pause", "alice: a disk is replaced", PauseRequest("alice: a disk is replaced")),
        ("resume", "whatever", ResumeRequest()),
    ],
)
def test_what_a_value_means(key: str, value: str, wanted: Wanted) -> None:
    assert parse(key, value).wanted == wanted


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("switchover", "memgraph-1", "write an ordinal such as 1, or any"),
        ("switchover", "-1", "write an ordinal"),
        ("switchover", "\u0661", "write an ordinal"),  # an Arabic digit is a digit to Python
        ("switchover", "9" * 5000, "write an ordinal"),
        ("promote", "1", "'1 accept-data-loss'"),
        ("promote", "accept-data-loss", "'1 accept-data-loss'"),
        ("promote", "1 accept-data-loss 2", "'1 accept-data-loss'"),
        ("promote", "any accept-data-loss", "'1 accept-data-loss'"),
        ("reseed", "any", "write an ordinal"),
        ("pause", "two\nlines", "in one line"),
        ("pause", "x" * 201, "at most 200"),
    ],
)
def test_a_value_that_means_nothing_says_what_to_write(key: str, value: str, says: str) -> None:
    wanted = parse(key, value).wanted
    assert isinstance(wanted, Unreadable)
    assert says in wanted.why


def test_several_requests_are_taken_in_a_fixed_order() -> None:
    """And a key that is no request is nobody's business."""
    data = dict.fromkeys(reversed(KEYS), "") | {"note": "n"}
    taken = []
    while (request := first(data)) is not None:
        taken.append(request.key)
        del data[request.key]
    assert taken == ["resume", "pause", "promote", "switchover", "reseed"]
    assert data == {"note": "n"}


@given(st.sampled_from(KEYS), st.text())
def test_every_text_is_a_request_or_a_sentence(key: str, value: str) -> None:
    request = parse(key, value)
    assert (request.key, request.value) == (key, value)
    assert not isinstance(request.wanted, Unreadable) or request.wanted.why


@given(st.integers(0, 99))
def test_the_command_writes_what_the_parser_reads(ordinal: int) -> None:
    assert parse("promote", promotion(ordinal)).wanted == PromoteRequest(ordinal)


def test_an_answer_is_read_as_it_was_written() -> None:
    assert read_answer(answer_text(ANSWER)) == ANSWER


def test_a_later_controller_may_say_more() -> None:
    assert read_answer(answer_text(ANSWER)[:-1] + ',"more":1}') == ANSWER


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", '{"request":1}', answer_text(ANSWER).replace("false", '"no"')]
)
def test_what_is_no_answer_is_none(text: str) -> None:
    assert read_answer(text) is None
