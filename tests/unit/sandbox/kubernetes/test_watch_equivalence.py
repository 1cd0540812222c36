"""Whoever lists and then watches knows what whoever lists again would see, whatever the selector."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sandbox.kubernetes.core import selectors, watching
from sandbox.kubernetes.core.problem import Problem
from sandbox.kubernetes.core.resources import BY_PLURAL
from sandbox.kubernetes.core.store import DeleteOptions, Store

CONFIG_MAPS = BY_PLURAL["configmaps"]
NAMES = st.sampled_from(["a", "b", "c"])
NAMESPACES = st.sampled_from(["one", "two"])
LABELS = st.sampled_from(["red", "blue"])
STEPS = st.lists(st.tuples(st.sampled_from(["create", "replace", "delete"]), NAMESPACES, NAMES, LABELS), max_size=30)
QUERIES = st.tuples(
    st.sampled_from([None, "one"]),
    st.sampled_from(["", "colour=red", "colour!=red", "colour in (red, blue)", "!colour"]),
    st.sampled_from(["", "metadata.name=a", "metadata.namespace!=one"]),
)


def perform(store: Store, step: tuple[str, str, str, str], number: int) -> None:
    """One step; what the store refuses is no step."""
    verb, namespace, name, colour = step
    obj: dict[str, Any] = {"metadata": {"name": name, "labels": {"colour": colour}}, "data": {"n": str(number)}}
    try:
        if verb == "create":
            store.create(CONFIG_MAPS, namespace, obj, now="", uid=str(number))
        elif verb == "replace":
            store.replace(CONFIG_MAPS, namespace, name, obj)
        else:
            store.delete(CONFIG_MAPS, namespace, name, DeleteOptions(), deadline=str)
    except Problem as problem:
        if problem.code not in (404, 409):
            raise


@given(before=STEPS, after=STEPS, query=QUERIES)
def test_a_watch_from_a_list_arrives_at_the_next_list(
    before: list[tuple[str, str, str, str]], after: list[tuple[str, str, str, str]], query: tuple[str | None, str, str]
) -> None:
    """Also: versions only rise, and ADDED, MODIFIED and DELETED come in an order that makes sense to the watcher."""
    namespace, labels, fields = query
    store = Store()
    for name in ("one", "two"):
        store.create(BY_PLURAL["namespaces"], None, {"metadata": {"name": name}}, now="", uid=name)
    for number, step in enumerate(before):
        perform(store, step, number)
    matches = selectors.parse(CONFIG_MAPS, labels, fields)
    known = {obj["metadata"]["uid"]: obj for obj in store.select(CONFIG_MAPS, namespace, matches)}
    since = store.version
    for number, step in enumerate(after, len(before)):
        perform(store, step, number)
    last = since
    for change in store.since(CONFIG_MAPS, since):
        assert change.version > last
        last = change.version
        event = watching.visible(change, namespace, matches)
        if event is None:
            continue
        uid = event["object"]["metadata"]["uid"]
        assert (event["type"] == "ADDED") is (uid not in known)
        if event["type"] == "DELETED":
            del known[uid]
        else:
            known[uid] = event["object"]
    wanted = {obj["metadata"]["uid"]: obj for obj in store.select(CONFIG_MAPS, namespace, matches)}
    assert known == wanted


@given(writers=st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_of_several_writers_with_one_version_one_wins(writers: list[int]) -> None:
    """Each writer swaps from the version it read last: the counter ends at the number of swaps that were answered."""
    store = Store()
    store.create(BY_PLURAL["namespaces"], None, {"metadata": {"name": "one"}}, now="", uid="one")
    store.create(CONFIG_MAPS, "one", {"metadata": {"name": "a"}, "data": {"count": "0"}}, now="", uid="a")
    held = {writer: store.get(CONFIG_MAPS, "one", "a") for writer in range(4)}
    won = 0
    for writer in writers:
        mine = held[writer]
        try:
            store.replace(CONFIG_MAPS, "one", "a", mine | {"data": {"count": str(int(mine["data"]["count"]) + 1)}})
            won += 1
        except Problem as problem:
            if problem.reason != "Conflict":
                raise
            held[writer] = store.get(CONFIG_MAPS, "one", "a")
    assert store.get(CONFIG_MAPS, "one", "a")["data"]["count"] == str(won)
