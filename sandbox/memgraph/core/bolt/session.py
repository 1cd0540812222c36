"""The Bolt server's state machine for one connection: messages in, bytes out, effects in between.

What a message does in which state and version is taken from src/communication/bolt/v1/states of Memgraph 3.12, also
where that is harsher than Bolt asks for (M-4.2).
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeAlias

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.bolt import messages
from sandbox.memgraph.core.bolt.extras import NO_STRUCTURES, amount, check_target, timeout_s
from sandbox.memgraph.core.bolt.login import accepted, introduction
from sandbox.memgraph.core.bolt.messages import failure
from sandbox.memgraph.core.bolt.packstream import Malformed, PackError, Reader, Structure
from sandbox.memgraph.core.bolt.results import Results, summary
from sandbox.memgraph.core.bolt.stream import Version, encode
from sandbox.memgraph.core.effects import FreshId, Steps
from sandbox.memgraph.core.errors import ProtocolError, QueryError
from sandbox.memgraph.core.instance import Instance
from sandbox.memgraph.core.query.interpreter import Interpreter
from sandbox.memgraph.core.storage.graph import Node, Relationship

_DONE: Final = encode(Structure(messages.SUCCESS, [{}]))


class State(enum.Enum):
    """Where the conversation stands."""

    INIT = "init"
    IDLE = "idle"
    RESULT = "result"
    FAILED = "failed"
    CLOSED = "closed"


class Session:
    """Handles messages of an agreed version. `send` takes encoded answers in order.

    `trace` is told of every (`Query`, its text) and (`QueryFailed`, the message).
    """

    def __init__(
        self,
        instance: Instance,
        version: Version,
        send: Callable[[bytes], None],
        *,
        run_id: str = "",
        trace: Callable[[str, str], None] = lambda event, text: None,
    ) -> None:
        self.instance = instance
        self.version = version
        self.state = State.INIT
        self.interpreter = Interpreter(instance)
        self.client = ""
        self.refused = False
        self._send = send
        self._trace = trace
        self._run_id = run_id
        self._results = Results()
        self._configured: dict[str, Any] | None = None
        self._rest = b""

    def handle(self, data: bytes) -> Steps[None]:
        """Answer one message. Raises ProtocolError, after which the connection has to be closed."""
        reader = Reader(self._rest + data, self.version[0])
        try:
            marker, tag = reader.header()
            handler = self._handler(tag)
            yield from handler(self, marker, reader)
        except QueryError as error:
            self._fail(error.code, error.message)
        except PackError:
            self.interpreter.fail()
            self._fail(errors.UNKNOWN, errors.UNKNOWN_MESSAGE)
        except Malformed as error:
            self.state = State.CLOSED
            raise ProtocolError(str(error)) from None
        except ProtocolError:
            self.state = State.CLOSED
            raise
        self._rest = reader.rest()  # the real server reads a message's surplus as the next one's beginning

    def close(self) -> None:
        """The connection ended: abort what was open."""
        self.interpreter.abort()
        self.instance.sessions.pop(self, None)
        self.state = State.CLOSED

    def _handler(self, tag: int) -> _Handler:
        if self.state is State.FAILED and tag != messages.RESET:
            if tag == messages.ACK_FAILURE and self.version[0] == 1:
                return Session._acknowledge
            if tag == messages.NOOP and self.version == (4, 1):
                return Session._noop
            return Session._ignore
        table = _FIRST if self.state is State.INIT else _LATER
        since, handler = table.get(tag, ((255, 0), Session._noop))
        if self.version < since:
            raise ProtocolError(f"unexpected message {tag:#04x}")
        return handler

    # Answers

    def _success(self, metadata: dict[str, Any]) -> None:
        self._send(encode(Structure(messages.SUCCESS, [metadata])) if metadata else _DONE)

    def _fail(self, code: str, message: str) -> None:
        self.state = State.FAILED
        self._trace("QueryFailed", message)
        self._send(failure(code, message))

    def _convert(self, value: Any) -> Any:
        """Nodes and relationships as structures; Bolt 5 names the same ids once more, as text."""
        match value:
            case Node(node_id, labels, properties):
                return self._structure(0x4E, [node_id, list(labels), properties], [node_id])
            case Relationship(edge_id, kind, start, end, properties):
                return self._structure(0x52, [edge_id, start, end, kind, properties], [edge_id, start, end])
        raise PackError(f"{type(value).__name__} has no PackStream form")

    def _structure(self, tag: int, fields: list[Any], ids: list[int]) -> Structure:
        return Structure(tag, [*fields, *map(str, ids)] if self.version[0] >= 5 else fields)

    # Messages of any time

    def _noop(self, marker: int, reader: Reader) -> Steps[None]:
        yield from ()

    def _ignore(self, marker: int, reader: Reader) -> Steps[None]:
        if marker & 0xF0 != 0xB0:
            raise ProtocolError("no message")
        for _ in range(marker & 0x0F):
            reader.value()
        self._send(encode(Structure(messages.IGNORED, [])))
        yield from ()

    def _acknowledge(self, marker: int, reader: Reader) -> Steps[None]:
        self.state = State.IDLE
        self._success({})
        yield from ()

    def _reset(self, marker: int, reader: Reader) -> Steps[None]:
        _need(marker, 0)
        self.interpreter.abort()
        self._results.clear()
        self.state = State.IDLE
        self._success({})
        yield from ()

    def _goodbye(self, marker: int, reader: Reader) -> Steps[None]:
        self.state = State.CLOSED
        yield from ()

    # Messages: who is there

    def _hello(self, marker: int, reader: Reader) -> Steps[None]:
        self.client, metadata = introduction(self.version, marker, reader)
        if self.version >= (5, 1):
            self._greet()
        else:
            yield from self._login(metadata)

    def _logon(self, marker: int, reader: Reader) -> Steps[None]:
        _need(marker, 1)
        yield from self._login(reader.expect(dict))

    def _login(self, metadata: dict[str, Any]) -> Steps[None]:
        if accepted(self.instance, metadata):
            name = str(metadata.get("principal", "")) if self.instance.users else ""
            self.instance.sessions[self] = (name, (yield FreshId()))
            self.state = State.IDLE
            self._greet()
        else:
            self.refused, self.state = True, State.CLOSED
            self._send(failure(errors.UNAUTHENTICATED, errors.AUTHENTICATION_FAILURE))

    def _greet(self) -> None:
        name = self.instance.settings.server_name
        self._success({"connection_id": "bolt-1", **({"server": name} if name else {})})

    def _logoff(self, marker: int, reader: Reader) -> Steps[None]:
        self.interpreter.abort()
        self._results.clear()
        self.state = State.INIT
        if self.instance.settings.compat.logoff_answered:
            self._success({})
        yield from ()

    # Messages: queries

    def _run(self, marker: int, reader: Reader) -> Steps[None]:
        _need(marker, 2 if self.version[0] == 1 else 3)
        query, parameters = reader.expect(str), reader.expect(dict)
        structures = reader.structures
        extra = reader.expect(dict) if self.version[0] > 1 else {}
        self._need_idle()
        self._configure(extra)
        self._trace("Query", query)
        if structures:
            raise QueryError(NO_STRUCTURES)
        result = yield from self.interpreter.prepare(query, parameters, timeout_s(extra))
        qid = self._results.add(result, explicit=self.interpreter.explicit)
        self.state = State.RESULT
        head: dict[str, Any] = {"fields": list(result.columns)}
        if qid is not None and self.version[0] > 1:
            head["qid"] = qid
        self._success(head)

    def _take(self, marker: int, reader: Reader, *, send_rows: bool) -> Steps[None]:
        _need(marker, 0 if self.version[0] == 1 else 1)
        if self.state is not State.RESULT:
            raise ProtocolError("no result to pull")
        n, qid = amount(reader) if self.version[0] > 1 else (-1, None)
        interpreter = self.interpreter
        index, result = self._results.find(qid, explicit=interpreter.explicit)
        if n < -1:
            raise QueryError("Invalid arguments sent: n - Cannot fetch negative number of results!")
        _, more = yield from interpreter.pull(result, n, self._records if send_rows else None)
        if more:
            self._success({"has_more": True, "run_id": self._run_id})
            return
        self._results.finished(index, explicit=interpreter.explicit)
        self.state = State.IDLE
        self._success(summary(result, self._run_id))

    def _records(self, rows: list[list[Any]]) -> None:
        if rows:
            self._send(b"".join(encode(Structure(messages.RECORD, [row]), self._convert) for row in rows))

    def _begin(self, marker: int, reader: Reader) -> Steps[None]:
        _need(marker, 1)
        extra = reader.expect(dict)
        self._need_idle()
        self._configure(extra)
        self._results.clear()
        yield from self.interpreter.begin(read_only=extra.get("mode") == "r")
        yield from self.interpreter.arm(timeout_s(extra))
        self._success({})

    def _commit(self, marker: int, reader: Reader) -> Steps[None]:
        _need(marker, 0)
        self._need_idle()
        notifications = yield from self.interpreter.commit()
        self._results.clear()
        self._success({"notifications": notifications, "run_id": self._run_id} if notifications else {})

    def _rollback(self, marker: int, reader: Reader) -> Steps[None]:
        _need(marker, 0)
        self._need_idle()
        self.interpreter.rollback()
        self._results.clear()
        self._success({})
        yield from ()

    def _route(self, marker: int, reader: Reader) -> Steps[None]:
        _need(marker, 3)
        reader.expect(dict)
        reader.expect(list)
        reader.value()
        raise QueryError(errors.NO_ROUTE, errors.TRANSIENT)
        yield

    def _need_idle(self) -> None:
        if self.state is not State.IDLE:
            raise ProtocolError("a result is still open")

    def _configure(self, extra: dict[str, Any]) -> None:
        """As in the real server, not again for the same wishes as before, nor within a transaction."""
        if not self.interpreter.explicit and extra != self._configured:
            check_target(self.instance, extra)
            self._configured = extra


def _need(marker: int, fields: int) -> None:
    if marker != 0xB0 + fields:
        raise ProtocolError("wrong number of fields in a message")


_Handler: TypeAlias = Callable[[Session, int, Reader], Steps[None]]
_Table: TypeAlias = dict[int, tuple[Version, _Handler]]
_FIRST: Final[_Table] = {
    messages.NOOP: ((4, 1), Session._noop),
    messages.HELLO: ((1, 0), Session._hello),
    messages.LOGON: ((5, 1), Session._logon),
}
"""Before the login: message -> since which version, handler."""
_LATER: Final[_Table] = {
    messages.NOOP: ((4, 1), Session._noop),
    messages.GOODBYE: ((4, 0), Session._goodbye),
    messages.RESET: ((1, 0), Session._reset),
    messages.RUN: ((1, 0), Session._run),
    messages.PULL: ((1, 0), partial(Session._take, send_rows=True)),
    messages.DISCARD: ((1, 0), partial(Session._take, send_rows=False)),
    messages.BEGIN: ((4, 0), Session._begin),
    messages.COMMIT: ((4, 0), Session._commit),
    messages.ROLLBACK: ((4, 0), Session._rollback),
    messages.ROUTE: ((4, 3), Session._route),
    messages.LOGOFF: ((5, 1), Session._logoff),
}
"""After it."""
