"""The HTTP face under anything: it always answers, with a status that says what happened, and writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from admission_noise import Noise
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract import names
from webhook import app
from webhook.core.model import OldNode, Release
from webhook.metrics import Metrics
from webhook.namespaces import Namespaces
from webhook.ports import ApiProblem, Labelled

RELEASE = Release("memgraph-ha", "memgraph-ha", "memgraph-ha", True, "sidecar:1")


class Reads:
    """An API that can only be read, and is down for namespaces called so."""

    async def namespace(self, name: str) -> Labelled:
        if name == "down":
            raise ApiProblem("down")
        return Labelled({names.INJECT_LABEL: names.INJECT_ENABLED}, {})

    async def limit_ranges(self, namespace: str) -> tuple[Any, ...]:
        return ()

    async def old_nodes(self) -> tuple[OldNode, ...]:
        return ()


APP = app.create(RELEASE, Namespaces(Reads(), lambda: 0.0), Metrics(), lambda: "not yet")


def ask(method: str, path: str, chunks: list[bytes], headers: list[tuple[bytes, bytes]]) -> tuple[int, bytes]:
    """One request by ASGI, its body in these chunks."""
    scope: Any = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": b"timeout=5s", "root_path": "", "scheme": "https",
        "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip
    parts: Iterator[bytes] = iter(chunks)
    left = len(chunks)
    status, body = 0, b""

    async def receive() -> Any:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": next(parts, b""), "more_body": left > 0}

    async def send(message: Any) -> None:
        nonlocal status, body
        status = message.get("status", status)
        body += message.get("body", b"")

    async def call() -> None:
        await APP(scope, receive, send)

    anyio.run(call)
    return status, body


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "uid": st.just("u") | anything,
        "namespace": st.sampled_from(["apps", "down"]) | anything,
        "operation": st.sampled_from(["CREATE", "UPDATE"]) | anything,
        "kind": st.just({"group": "", "version": "v1", "kind": "Pod"}) | anything,
        "object": st.integers(0, 500).map(lambda seed: Noise(seed).pod()) | anything,
        "dryRun": st.booleans() | anything,
    },
)
reviews = st.fixed_dictionaries(
    {},
    optional={
        "apiVersion": st.just("admission.k8s.io/v1") | anything,
        "kind": st.just("AdmissionReview") | anything,
        "request": requests | anything,
    },
)
bodies = st.binary(max_size=200) | (reviews | anything).map(lambda value: json.dumps(value).encode())


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "X"]),
    path=st.sampled_from(["/inject", "/livez", "/readyz", "/metrics", "/", "/docs", "/a%2f", "//", "/inject/"]),
    chunks=st.lists(bodies, max_size=2),
    headers=st.lists(st.tuples(st.sampled_from([b"content-type", b"expect"]), st.binary(max_size=9)), max_size=2),
)
def test_any_request_is_answered(method: str, path: str, chunks: list[bytes], headers: list[Any]) -> None:
    status, _ = ask(method, path, chunks, headers)
    assert status in (200, 400, 404, 405, 413, 503)
    assert (status == 503) == (path == "/readyz" and method == "GET")


@given(reviews)
def test_any_review_is_answered_by_a_review_or_refused(value: Any) -> None:
    status, body = ask("POST", "/inject", [json.dumps(value).encode()], [])
    if status == 400:
        assert b"review" in body.lower() or b"request" in body
        return
    assert status == 200
    answer = json.loads(body)
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert answer["response"]["uid"] == value["request"]["uid"]
    assert answer["response"]["allowed"] is True


@pytest.mark.parametrize(("size", "status"), [(app.BODY_MAX - 1, 400), (app.BODY_MAX + 1, 413)])
def test_the_limit_counts_the_whole_body_however_it_comes(size: int, status: int) -> None:
    """No chunk is too long, all together are; and 8 MiB are allowed."""
    assert app.BODY_MAX >= 8_000_000
    chunk = 1 << 20
    chunks = [b" " * min(chunk, size - at) for at in range(0, size, chunk)]
    assert ask("POST", "/inject", chunks, [])[0] == status


def test_a_dry_run_is_answered_like_any_other_and_nothing_is_written() -> None:
    """The API of this test has no call that writes; the decision is the same."""
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "app", "image": "i"}]}}
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    request = {"uid": "u", "kind": kind, "operation": "CREATE", "namespace": "apps", "object": pod}
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
    bodies = [json.dumps({**review, "request": request | {"dryRun": dry}}).encode() for dry in (True, False)]
    answers = [ask("POST", "/inject", [body], []) for body in bodies]
    assert answers[0] == answers[1]
    assert b'"patch"' in answers[0][1]
