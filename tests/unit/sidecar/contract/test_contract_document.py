"""The document: every released form is read, what is written is read back, what is wrong is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract.state import (
    CutKind,
    Document,
    MalformedDocument,
    Phase,
    SyncReplica,
    advance,
    decode,
    encode,
)

GOLDEN = Path(__file__).parents[3] / "golden" / "sidecar"
DOCUMENTS = sorted((GOLDEN / "documents").glob("*.json"))
MALFORMED = sorted((GOLDEN / "malformed").glob("*.json"))


def _load(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def golden(name: str) -> Document:
    return decode(_load(GOLDEN / "documents" / f"{name}.json")["data"])


def test_there_is_a_sample_of_every_variant() -> None:
    names = {path.stem for path in DOCUMENTS}
    assert names == {"serving", "cut-planned", "cut-failover", "unprotected", "tls", "unknown-keys"}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_todays_writer_writes_what_was_released(path: Path) -> None:
    """O-S15."""
    data = _load(path)["data"]
    known = {key: value for key, value in data.items() if key not in ("weather", "mainColour")}
    assert encode(decode(data)) == known


def test_each_variant_means_what_it_says() -> None:
    assert golden("serving").phase is Phase.SERVING
    assert golden("serving").sync == SyncReplica(0, "0e6f5d1c-9a58-4b4f-8e1a-0d6a3c1f7001", "memgraph_0_t3_2")
    assert golden("serving").read_addresses == ("10.0.1.10:7687", "[fd00::c]:7687")
    assert (golden("cut-planned").phase, golden("cut-planned").cut_kind) == (Phase.CUT, CutKind.PLANNED)
    assert golden("cut-failover").cut_kind is CutKind.FAILOVER
    assert golden("unprotected").sync is None
    assert golden("tls").tls_server_name == "memgraph.example"
    assert not golden("tls").cut_on_change
    assert golden("unknown-keys") == golden("serving")


@pytest.mark.parametrize("path", MALFORMED, ids=lambda path: path.stem)
def test_a_malformed_document_has_every_problem_named(path: Path) -> None:
    sample = _load(path)
    with pytest.raises(MalformedDocument) as caught:
        decode(sample["configMap"]["data"])
    assert list(caught.value.problems) == sample["problems"]


@pytest.mark.parametrize("key", sorted(set(encode(golden("serving"))) - {"reason", "message", "writer", "updatedAt"}))
def test_no_mandatory_key_has_a_default(key: str) -> None:
    """O-F3."""
    data = encode(golden("serving"))
    del data[key]
    if key == "cutKind":  # means something only while cut
        data["phase"] = "cut"
    with pytest.raises(MalformedDocument, match=key):
        decode(data)


texts = st.text(min_size=1, max_size=20)
addresses = st.builds("10.0.0.{}:{}".format, st.integers(0, 255), st.integers(1, 65535))


@st.composite
def documents(draw: st.DrawFn) -> Document:
    phase = draw(st.sampled_from(Phase))
    ca = draw(st.sampled_from(["", "pem"]))
    rebuilt = draw(st.integers(0, 9))
    return Document(
        term=draw(st.integers(0, 99)),
        epoch=draw(st.integers(0, 99)),
        phase=phase,
        cut_kind=draw(st.sampled_from(CutKind)) if phase is Phase.CUT else None,
        master_index=draw(st.integers(0, 9)),
        main_pod=draw(texts),
        main_uid=draw(texts),
        main_address=draw(addresses),
        main_volume=draw(texts),
        database_uuid=draw(texts),
        sync=draw(st.none() | st.builds(SyncReplica, st.integers(0, 9), texts, texts)),
        read_addresses=draw(st.lists(addresses, max_size=3).map(tuple)),
        reason=draw(texts),
        message=draw(texts),
        writer=draw(texts),
        updated_at=draw(texts),
        tls_ca=ca,
        tls_server_name=draw(texts) if ca else "",
        cut_on_change=draw(st.booleans()),
        rebuilt_term=rebuilt,
        rebuilt_epoch=draw(st.integers(0, 99)) if rebuilt else 0,
    )


@given(documents())
def test_what_is_written_is_read_back(document: Document) -> None:
    assert decode(encode(document)) == document


@given(st.dictionaries(st.sampled_from(sorted(encode(golden("tls")))), st.text(max_size=9)))
def test_any_values_give_a_document_or_named_problems(changes: dict[str, str]) -> None:
    data = encode(golden("serving")) | changes
    try:
        document = decode(data)
    except MalformedDocument as error:
        named = error.problems
    else:
        assert decode(encode(document)) == document
        return
    assert named


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"phase": Phase.CUT, "cut_kind": CutKind.PLANNED}, 1),
        ({"main_uid": "another"}, 1),
        ({"main_address": "10.9.9.9:7687"}, 1),
        ({"tls_ca": "pem"}, 1),
        ({"database_uuid": "another"}, 1),
        ({"term": 9, "reason": "Another", "message": "m", "writer": "w", "updated_at": "u"}, 0),
        ({"sync": None}, 0),
        ({"read_addresses": ()}, 0),
    ],
)
def test_the_epoch_moves_with_what_a_connection_depends_on(changes: dict[str, Any], step: int) -> None:
    before = golden("serving")
    assert advance(before, **changes).epoch == before.epoch + step


def test_a_cut_that_ends_forgets_its_kind() -> None:
    after = advance(golden("cut-failover"), phase=Phase.SERVING)
    assert (after.cut_kind, after.epoch) == (None, 19)
