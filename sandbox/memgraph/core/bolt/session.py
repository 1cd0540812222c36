"""The Bolt server's state machine for one connection: messages in, bytes out, effects in between."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, Final

from sandbox.memgraph.core import errors, users
from sandbox.memgraph.core.bolt.packstream import PackError, Structure
from sandbox.memgraph.core.bolt.stream import Version, encode
from sandbox.memgraph.core.effects import FreshId, Steps
from sandbox.memgraph.core.errors import ProtocolError, QueryError
from sandbox.memgraph.core.graph import Node, Relationship
from sandbox.memgraph.core.instance import Instance
from sandbox.memgraph.core.interpreter import Interpreter
from sandbox.memgraph.core.result import Result

SUCCESS: Final = 0x70
RECORD: Final = 0x71
IGNORED: Final = 0x7E
FAILURE: Final = 0x7F


class State(enum.Enum):
    """Where the conversation stands."""

    INIT = "init"
    IDLE = "idle"
    RESULT = "result"
    FAILED = "failed"
    CLOSED = "closed"


def failure(code: str, message: str) -> bytes:
    """A FAILURE message."""
    return encode(Structure(FAILURE, [{"code": code, "message": message}]))


def protocol_failure() -> bytes:
    """What is sent before a connection is closed for breaking the protocol."""
    return failure(errors.PROTOCOL, errors.PROTOCOL_MESSAGE)


class Session:
    """Handles messages of an agreed version. `send` takes encoded answers in order."""

    def __init__(self, instance: Instance, version: Version, send: Callable[[bytes], None]) -> None:
        self.instance = instance
        self.version = version
        self.state = State.INIT
        self.interpreter = Interpreter(instance)
        self._send = send
        self._result: Result | None = None
        self._greeted = False
        self._next_qid = 0

    def handle(self, message: Structure) -> Steps[None]:
        """Answer one message. Raises ProtocolError, after which the connection has to be closed."""
        handler = _HANDLERS.get(message.tag)
        if message.tag == 0x00 and self.version >= (4, 1):
            return  # NOOP
        if self.state is State.FAILED and message.tag != 0x0F and (message.tag != 0x0E or self.version[0] > 1):
            self._reply(IGNORED)
            return
        if handler is None or not _allowed(message.tag, self.version):
            raise ProtocolError(f"unexpected message {message.tag:#04x}")
        if self.state is State.INIT and message.tag not in (0x01, 0x02, 0x6A):
            raise ProtocolError("the session isn't initialized")
        try:
            yield from handler(self, message.fields)
        except QueryError as error:
            self._fail(error.code, error.message)
        except PackError:
            self._fail(errors.UNKNOWN, errors.UNKNOWN_MESSAGE)

    def close(self) -> None:
        """The connection ended: abort what was open."""
        self.interpreter.abort()
        self.instance.sessions.pop(self, None)
        self.state = State.CLOSED

    # Answers

    def _reply(self, tag: int, *fields: Any) -> None:
        self._send(encode(Structure(tag, list(fields)), self._convert))

    def _success(self, **metadata: Any) -> None:
        self._reply(SUCCESS, metadata)

    def _fail(self, code: str, message: str) -> None:
        self._result = None
        self.interpreter.abort()
        self.state = State.FAILED
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

    # Messages: initialization

    def _hello(self, fields: list[Any]) -> Steps[None]:
        if self.state is not State.INIT or self._greeted:
            raise ProtocolError("HELLO twice")
        if self.version[0] == 1:
            _shape(fields, str, dict)
            auth = fields[1]
        else:
            _shape(fields, dict)
            auth = fields[0]
            if not isinstance(auth.get("user_agent"), str):
                raise ProtocolError("HELLO without user_agent")
        self._greeted = True
        if self.version >= (5, 1):
            self._greet()
        else:
            yield from self._login(auth)

    def _logon(self, fields: list[Any]) -> Steps[None]:
        _shape(fields, dict)
        if self.state is not State.INIT or not self._greeted:
            raise ProtocolError("unexpected LOGON")
        yield from self._login(fields[0])

    def _login(self, auth: dict[str, Any]) -> Steps[None]:
        name, password = auth.get("principal", ""), auth.get("credentials", "")
        known = auth.get("scheme", "none") in ("none", "basic") and isinstance(name, str) and isinstance(password, str)
        if not known or not users.accepts(self.instance, name, password):
            self._send(failure(errors.UNAUTHENTICATED, errors.AUTHENTICATION_FAILURE))
            self.state = State.CLOSED
            return
        self.instance.sessions[self] = (name if self.instance.users else "", (yield FreshId()))
        self.state = State.IDLE
        self._greet()

    def _greet(self) -> None:
        name = self.instance.settings.server_name
        self._success(connection_id="bolt-1", **({"server": name} if name else {}))

    def _logoff(self, fields: list[Any]) -> Steps[None]:
        _shape(fields)
        if self.state is not State.IDLE:
            raise ProtocolError("unexpected LOGOFF")
        self.state = State.INIT
        if self.instance.settings.compat.logoff_answered:
            self._success()
        yield from ()

    def _goodbye(self, fields: list[Any]) -> Steps[None]:
        _shape(fields)
        self.state = State.CLOSED
        yield from ()

    def _reset(self, fields: list[Any]) -> Steps[None]:
        _shape(fields)
        self._result = None
        self.interpreter.abort()
        self.state = State.IDLE
        self._success()
        yield from ()

    # Messages: queries

    def _run(self, fields: list[Any]) -> Steps[None]:
        if self.version[0] == 1:
            _shape(fields, str, dict)
        else:
            _shape(fields, str, dict, dict)
            _check_database(fields[2])
        if self.state is not State.IDLE:
            raise ProtocolError("unexpected RUN")
        self._result = yield from self.interpreter.prepare(fields[0], fields[1])
        self.state = State.RESULT
        if self.interpreter.explicit and self.version[0] > 1:
            self._success(fields=list(self._result.columns), qid=self._next_qid)
            self._next_qid += 1
        else:
            self._success(fields=list(self._result.columns))

    def _pull(self, fields: list[Any]) -> Steps[None]:
        yield from self._take(fields, send_rows=True)

    def _discard(self, fields: list[Any]) -> Steps[None]:
        yield from self._take(fields, send_rows=False)

    def _take(self, fields: list[Any], *, send_rows: bool) -> Steps[None]:
        if self.version[0] == 1:
            _shape(fields)
            amount = -1
        else:
            _shape(fields, dict)
            amount = self._amount(fields[0])
        if self.state is not State.RESULT or self._result is None:
            raise ProtocolError("no result to pull")
        result = self._result
        rows, more = yield from self.interpreter.pull(result, amount)
        if send_rows:
            for row in rows:
                self._reply(RECORD, row)
        if more:
            self._success(has_more=True)
            return
        self._result = None
        self.state = State.IDLE
        self._reply(SUCCESS, _summary(result))

    def _amount(self, options: dict[str, Any]) -> int:
        amount, qid = options.get("n", -1), options.get("qid", -1)
        if type(amount) is not int or type(qid) is not int or amount < -1 or amount == 0:
            raise ProtocolError("n and qid are integers")
        if qid not in (-1, self._next_qid - 1):
            raise QueryError("Query with specified ID does not exist!")
        return amount

    def _begin(self, fields: list[Any]) -> Steps[None]:
        _shape(fields, dict)
        self._need_idle()
        _check_database(fields[0])
        self.interpreter.begin(read_only=fields[0].get("mode") == "r")
        self._next_qid = 0
        self._success()
        yield from ()

    def _commit(self, fields: list[Any]) -> Steps[None]:
        _shape(fields)
        self._need_idle()
        notifications = yield from self.interpreter.commit()
        self._success(**({"notifications": notifications, "run_id": ""} if notifications else {}))

    def _rollback(self, fields: list[Any]) -> Steps[None]:
        _shape(fields)
        self._need_idle()
        self.interpreter.rollback()
        self._success()
        yield from ()

    def _need_idle(self) -> None:
        if self.state is not State.IDLE:
            raise ProtocolError("a result is still open")

    def _route(self, fields: list[Any]) -> Steps[None]:
        raise QueryError(errors.NO_ROUTE, errors.TRANSIENT)
        yield


def _shape(fields: list[Any], *types: type) -> None:
    if len(fields) != len(types) or not all(isinstance(v, t) for v, t in zip(fields, types, strict=True)):
        raise ProtocolError("wrong fields in a message")


def _check_database(extra: dict[str, Any]) -> None:
    name = extra.get("db") or "memgraph"
    if name != "memgraph":
        raise errors.unknown_database(name)


def _allowed(tag: int, version: Version) -> bool:
    if version[0] == 1:
        return tag in (0x01, 0x0E, 0x0F, 0x10, 0x2F, 0x3F)
    if tag in (0x6A, 0x6B):
        return version >= (5, 1)
    if tag == 0x66:
        return version >= (4, 3)
    return tag != 0x0E


def _summary(result: Result) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "parsing_time": 0.0,
        "planning_time": 0.0,
        "cost_estimate": 0.0,
        "type": result.kind,
        "db": "memgraph",
        "has_more": False,
        "run_id": "",
    }
    if result.cypher:
        summary |= {"plan_execution_time": 0.0, "number_of_hops": 0}
    if result.stats:
        summary["stats"] = result.stats
    if result.notifications:
        summary["notifications"] = result.notifications
    return summary


_HANDLERS: Final[dict[int, Callable[[Session, list[Any]], Steps[None]]]] = {
    0x01: Session._hello,
    0x02: Session._goodbye,
    0x0E: Session._reset,
    0x0F: Session._reset,
    0x10: Session._run,
    0x11: Session._begin,
    0x12: Session._commit,
    0x13: Session._rollback,
    0x2F: Session._discard,
    0x3F: Session._pull,
    0x66: Session._route,
    0x6A: Session._logon,
    0x6B: Session._logoff,
}
