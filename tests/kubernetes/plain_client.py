"""A client that hides nothing: one HTTP request, its status, headers and body; a watch as the lines it brings."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

Object = dict[str, Any]
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
_ANSWER_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `body` is {} if it was no JSON object."""

    code: int
    body: Object
    headers: Mapping[str, str]
    warnings: list[str] = field(default_factory=list)

    @property
    def version(self) -> str:
        """The object's (or list's) resourceVersion."""
        return str(self.body["metadata"]["resourceVersion"])

    @property
    def refusal(self) -> tuple[int, str, str]:
        """Code, reason and message of a refusal, once in the answer and once in its body."""
        assert self.body.get("kind") == "Status", self.body
        assert (self.body["status"], self.body["code"]) == ("Failure", self.code), self.body
        return self.code, self.body.get("reason", ""), self.body["message"]


@dataclass(frozen=True, slots=True)
class PlainClient:
    """Talks to one API server with one token. Every request has a connection of its own."""

    url: str
    ca: Path
    token: str
    certificate: Path | None = None
    """With its key, for who has no token."""

    def ask(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json", **query: Any
    ) -> Answer:
        """One request and its whole answer."""
        with self._asking(method, path, body, content_type, query) as response:
            raw = response.read()
            headers = {name.lower(): value for name, value in response.getheaders()}
            warnings = response.headers.get_all("Warning") or []
        try:
            found = json.loads(raw)
        except ValueError:
            found = {}
        return Answer(response.status, found if isinstance(found, dict) else {}, headers, warnings)

    def get(self, path: str, **query: Any) -> Answer:
        return self.ask("GET", path, **query)

    def create(self, path: str, body: Any, **query: Any) -> Answer:
        return self.ask("POST", path, body, **query)

    def replace(self, path: str, body: Any, **query: Any) -> Answer:
        return self.ask("PUT", path, body, **query)

    def patch(self, path: str, body: Any, content_type: str = MERGE, **query: Any) -> Answer:
        return self.ask("PATCH", path, body, content_type=content_type, **query)

    def delete(self, path: str, body: Any = None, **query: Any) -> Answer:
        return self.ask("DELETE", path, body, **query)

    def made(self, path: str, body: Any, **query: Any) -> Object:
        """Create what has to be there for a test; its body."""
        answer = self.create(path, body, **query)
        assert answer.code == 201, answer.body
        return answer.body

    @contextmanager
    def watch(self, path: str, **query: Any) -> Iterator[Watch]:
        """A watch. It fails after half a minute without a byte."""
        with self._asking("GET", path, None, "", {"watch": "true", **query}) as response:
            yield Watch(response)

    @contextmanager
    def _asking(
        self, method: str, path: str, body: Any, content_type: str, query: Mapping[str, Any],
    ) -> Iterator[http.client.HTTPResponse]:  # fmt: skip
        where = urlsplit(self.url)
        context = ssl.create_default_context(cafile=str(self.ca))
        if self.certificate:
            context.load_cert_chain(self.certificate)
        connection = http.client.HTTPSConnection(where.hostname or "", where.port, timeout=_ANSWER_S, context=context)
        headers = {"Accept": "application/json", "Connection": "close"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = content_type
        target = path + (f"?{urlencode(query)}" if query else "")
        try:
            payload = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            connection.request(method, target, payload, headers)
            with connection.getresponse() as response:
                yield response
        finally:
            connection.close()


class Watch:
    """A watch under way."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        self.code = response.status
        self.content_type = response.getheader("Content-Type") or ""

    def next(self) -> Object | None:
        """The next event; None: the stream has ended."""
        line = self._response.readline()
        found: Object | None = json.loads(line) if line.strip() else None
        return found

    def rest(self) -> list[Object]:
        """Every event until the stream ends."""
        return list(iter(self.next, None))

    def until(self, kind: str, seconds: float = 20.0) -> Object:
        """Read on to the next event of this type."""
        deadline = time.monotonic() + seconds
        while (event := self.next()) is not None:
            if event["type"] == kind:
                return event
            assert time.monotonic() < deadline, f"no {kind} in {seconds} s"
        raise AssertionError(f"the stream ended without {kind}")


def kinds(events: list[Object]) -> list[tuple[str, str]]:
    """(type, name) of each event but the bookmarks."""
    return [(e["type"], e["object"]["metadata"]["name"]) for e in events if e["type"] != "BOOKMARK"]
