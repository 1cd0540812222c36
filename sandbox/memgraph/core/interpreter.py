"""One session's queries: prepared at RUN, effective at PULL, committed when the last row was taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sandbox.memgraph.core import errors, roles, show, users
from sandbox.memgraph.core.commit import commit
from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.execute import execute
from sandbox.memgraph.core.cypher.parser import parse
from sandbox.memgraph.core.effects import Spawn, Steps, Until
from sandbox.memgraph.core.errors import QueryError
from sandbox.memgraph.core.instance import Instance, Mode, Role
from sandbox.memgraph.core.timer import Timer
from sandbox.memgraph.core.transaction import Transaction

SYSTEM_LOCK_TRY_S: Final = 0.1
STORAGE_ACCESS_TIMEOUT_S: Final = 1.0


@dataclass(slots=True)
class Result:
    """A prepared query. `execute` is run by the first pull; `rows` are what is left to deliver."""

    columns: tuple[str, ...]
    execute: Callable[[], Steps[list[list[Any]]]]
    kind: str = "rw"
    commits: bool = False
    rows: list[list[Any]] | None = None
    stats: dict[str, int] | None = None
    notifications: list[dict[str, str]] = field(default_factory=list)
    system: bool = False
    cypher: bool = False
    control: bool = False


class Interpreter:
    """Queries and the transaction of one session."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.transaction: Transaction | None = None
        self.explicit = False
        self.failed = False
        self._timer: Timer | None = None

    # Transactions

    def arm(self, timeout_s: float) -> Steps[None]:
        """From this time on the transaction's queries fail when they are pulled from; 0: never."""
        if timeout_s:
            self._timer = Timer()
            yield Spawn(self._timer, self._timer.run(timeout_s))

    def begin(self, *, read_only: bool = False) -> None:
        """Open an explicit transaction."""
        if self.explicit:
            raise QueryError("Nested transactions are not supported.")
        self._open(writes=not read_only)
        self.explicit = True

    def commit(self) -> Steps[None]:
        """Commit the explicit transaction. One that fails is gone, and yet waits for its rollback."""
        if not self.explicit:
            raise QueryError("No current transaction to commit.")
        if self.failed:
            raise QueryError(errors.FAILED_BEFORE)
        try:
            yield from self._commit()
        except QueryError:
            self.explicit = self.failed = True
            raise

    def rollback(self) -> None:
        """Abort the explicit transaction."""
        if not self.explicit:
            raise QueryError("No current transaction to rollback.")
        self.abort()

    def abort(self) -> None:
        """Abort whatever runs, and let go of every lock. Never fails."""
        if self.transaction is not None:
            self.transaction.finish()
        self._closed()
        if self.instance.system_owner is self:
            self.instance.system_owner = None

    def fail(self) -> None:
        """A query failed: that ends an auto-commit transaction; an explicit one waits for its rollback."""
        if self.explicit:
            self.failed = True
        else:
            self.abort()

    def _open(self, *, writes: bool) -> Transaction:
        self.instance.next_timestamp()
        self.transaction = Transaction(self.instance.graph, writes=writes)
        if writes:
            self.instance.write_access.add(self)
        return self.transaction

    def _closed(self) -> None:
        self.transaction = None
        self.explicit = self.failed = False
        self._disarm()
        self.instance.write_access.discard(self)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.stopped, self._timer = True, None

    def _commit(self) -> Steps[None]:
        assert self.transaction is not None
        try:
            yield from commit(self.instance, self.transaction)
        finally:
            self._closed()

    # Queries

    def prepare(self, query: str, parameters: Mapping[str, Any], timeout_s: float = 0) -> Steps[Result]:
        """Parse and check. Nothing has happened yet when this returns. `timeout_s`: as `arm`, if this auto-commits."""
        statement = parse(query)
        try:
            if not self.explicit:
                yield from self.arm(timeout_s)
            return (yield from self._prepare(statement, parameters))
        except QueryError:
            self.fail()
            raise

    def _prepare(self, statement: ast.Statement, parameters: Mapping[str, Any]) -> Steps[Result]:
        match statement:
            case ast.Cypher():
                return self._cypher(statement, parameters)
            case ast.TransactionControl(action):
                return Result((), lambda: self._control(action), control=True)
            case ast.IndexChange():
                return self._index(statement)
            case ast.Show(what):
                return self._show(what)
        if self.explicit:
            subject = "Authentication clause is" if isinstance(statement, ast.UserChange) else "Managing replication is"
            raise errors.in_explicit_transaction(subject)
        result = self._system(statement)
        instance = self.instance
        free = yield Until(lambda: instance.system_owner is None, SYSTEM_LOCK_TRY_S)
        if not free:
            raise QueryError(errors.CONCURRENT_SYSTEM_QUERIES)
        instance.system_owner = self
        result.system = True
        return result

    def pull(self, result: Result, n: int) -> Steps[tuple[list[list[Any]], bool]]:
        """The next `n` rows (-1: all) and whether more are left. The last one commits an auto-commit query."""
        try:
            if result.rows is None:
                result.rows = yield from result.execute()
            rows = result.rows if n < 0 else result.rows[:n]
            result.rows = [] if n < 0 else result.rows[n:]
            if result.rows:
                return rows, True
            if result.commits:
                yield from self._commit()
            if not self.explicit:
                self._disarm()
            return rows, False
        except QueryError:
            if not result.control:
                self.fail()
            raise
        finally:
            if result.system and self.instance.system_owner is self:
                self.instance.system_owner = None

    def _cypher(self, query: ast.Cypher, parameters: Mapping[str, Any]) -> Result:
        if query.writes:
            self._check_write()
        last = query.clauses[-1]
        columns = tuple(column.name for column in last.columns) if isinstance(last, ast.Return) else ()
        if len(set(columns)) != len(columns):
            raise QueryError("Multiple results with the same name are not allowed.")
        result = Result(columns, lambda: run(), query.kind, commits=not self.explicit, cypher=True)

        def run() -> Steps[list[list[Any]]]:
            transaction = self.transaction or self._open(writes=query.writes)
            if self._timer is not None and self._timer.expired:
                raise QueryError(errors.TIMED_OUT, errors.TRANSIENT)
            try:
                rows = execute(query, transaction, parameters)
            except RecursionError:  # a chain of thousands of operators
                raise QueryError("The query's expressions are nested too deeply.") from None
            result.stats = transaction.take_stats()
            yield from ()
            return rows

        return result

    def _check_write(self) -> None:
        if self.instance.role is not Role.MAIN:
            raise QueryError(errors.WRITE_ON_REPLICA)
        if self.transaction is not None and not self.transaction.may_write:
            raise QueryError(errors.MISALIGNED_ACCESS)

    def _control(self, action: str) -> Steps[list[list[Any]]]:
        if action == "BEGIN":
            self.begin()
        elif action == "ROLLBACK":
            self.rollback()
        else:
            yield from self.commit()
        return []

    def _index(self, change: ast.IndexChange) -> Result:
        if self.explicit:
            raise errors.in_explicit_transaction("Index manipulation is")
        self._check_write()
        instance, key = self.instance, (change.label, change.properties)

        def run() -> Steps[list[list[Any]]]:
            alone = yield Until(lambda: not instance.write_access, STORAGE_ACCESS_TIMEOUT_S)
            if not alone:
                raise QueryError(errors.NO_READ_ONLY_ACCESS, errors.TRANSIENT)
            transaction = self._open(writes=True)
            if change.create and key not in instance.graph.indexes:
                transaction.make_index(key)
            elif not change.create and key in instance.graph.indexes:
                transaction.drop_index(key)
            return []

        return Result((), run, "w", commits=True)

    def _show(self, what: str) -> Result:
        if what in ("INSTANCE", "INSTANCES"):
            raise QueryError(errors.NOT_A_COORDINATOR)
        if self.explicit:
            raise errors.in_explicit_transaction(show.SUBJECTS[what])
        instance = self.instance

        def run() -> Steps[list[list[Any]]]:
            if what in show.ROLE_LOCKED and instance.exclusive:
                yield Until(lambda: not instance.exclusive)
            return show.rows(instance, what)

        return Result(show.COLUMNS[what], run)

    def _system(self, statement: ast.Statement) -> Result:
        instance = self.instance
        match statement:
            case ast.SetRole():
                return self._set_role(statement)
            case ast.Register(name, mode, address):
                if not isinstance(address, str):
                    raise QueryError("Socket address should be a string literal!")
                note = _note("RegisterReplica", f"Replica {name} is registered.")
                return _effect(lambda: roles.register(instance, name, Mode(mode.lower()), address), note)
            case ast.DropReplica(name):
                note = _note("DropReplica", f"Replica {name} is dropped.")
                return _effect(lambda: roles.drop(instance, name), note)
            case ast.UserChange():
                return _effect(lambda: users.change(instance, statement))
        raise AssertionError(f"no handler for {statement!r}")

    def _set_role(self, statement: ast.SetRole) -> Result:
        instance, port = self.instance, statement.port
        if statement.has_port and type(port) is not int:
            raise QueryError("Port must be an integer literal!")
        if statement.main:
            if statement.has_port:
                raise QueryError("Main can't set a port!")
            return _effect(lambda: roles.promote(instance), _note("SetReplica", "Replica role set to MAIN."))
        if not statement.has_port:
            raise QueryError("Replica must set a port!")

        def run() -> Steps[None]:
            if not 0 <= port < 65536:
                raise QueryError("Port number invalid!")
            yield from roles.demote(instance, port)

        notes = [_note("SetReplica", "Replica role set to REPLICA.")]
        if port == 7687:
            warning = "Be careful the replication port must be different from the memgraph port!"
            notes.append(_note("ReplicaPortWarning", warning, "WARNING"))
        return _effect(run, *notes)


def _note(code: str, title: str, severity: str = "INFO") -> dict[str, str]:
    return {"severity": severity, "code": code, "title": title, "description": ""}


def _effect(procedure: Callable[[], Steps[None]], *notes: dict[str, str]) -> Result:
    """A statement without rows."""

    def run() -> Steps[list[list[Any]]]:
        yield from procedure()
        return []

    return Result((), run, notifications=list(notes))
