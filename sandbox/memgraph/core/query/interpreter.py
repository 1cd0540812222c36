"""One session's queries: prepared at RUN, effective at PULL, committed when the last row was taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sandbox.memgraph.core import errors
from sandbox.memgraph.core.cypher import ast
from sandbox.memgraph.core.cypher.execute import execute
from sandbox.memgraph.core.cypher.parser import parse
from sandbox.memgraph.core.effects import Spawn, Steps, Until
from sandbox.memgraph.core.errors import NotReplicated, QueryError
from sandbox.memgraph.core.instance import Instance, Role
from sandbox.memgraph.core.query import definitions, periodic, show, snapshots, statistics, system, triggers
from sandbox.memgraph.core.query.events import Events, events_of
from sandbox.memgraph.core.query.result import Notifications, Result, note
from sandbox.memgraph.core.query.timer import Timer
from sandbox.memgraph.core.replication.commit import commit
from sandbox.memgraph.core.storage.transaction import Transaction

SYSTEM_LOCK_TRY_S: Final = 0.1


class Interpreter:
    """Queries and the transaction of one session."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.transaction: Transaction | None = None
        self.explicit = False
        self.failed = False
        self._events = Events()
        self._timer: Timer | None = None

    # Transactions

    def arm(self, timeout_s: float) -> Steps[None]:
        """From this time on the transaction's queries fail when they are pulled from; 0: never."""
        if timeout_s:
            self._timer = Timer()
            yield Spawn(self._timer, self._timer.run(timeout_s))

    def begin(self, *, read_only: bool = False) -> Steps[None]:
        """Open an explicit transaction."""
        if self.explicit:
            raise QueryError("Nested transactions are not supported.")
        yield from self.instance.may_begin()
        self._open(writes=not read_only)
        self.explicit = True

    def commit(self) -> Steps[Notifications]:
        """Commit the explicit transaction; gives what the client has to be told although it succeeded.

        One that fails is gone, and yet waits for its rollback.
        """
        if not self.explicit:
            raise QueryError("No current transaction to commit.")
        if self.failed:
            raise QueryError(errors.FAILED_BEFORE)
        try:
            return (yield from self._commit())
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
        self._events = Events()
        self._disarm()
        self.instance.write_access.discard(self)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.stopped, self._timer = True, None

    def _commit(self) -> Steps[Notifications]:
        assert self.transaction is not None
        transaction = self.transaction
        events = triggers.run_before(self.instance, transaction, self._events)
        failed: QueryError | None = None
        try:
            yield from commit(self.instance, transaction)
        except QueryError as error:
            if not transaction.committed:
                raise
            failed = error
        finally:
            self._closed()
        if events is not None and events.of("ANY"):
            yield Spawn(self.instance, triggers.run_after(self.instance, events))
        if failed is None:
            return []
        if isinstance(failed, NotReplicated) and self.instance.settings.compat.sync_failure_is_warning:
            return [note("SyncReplicationFailure", failed.notice, "WARNING")]
        raise failed

    def _renew(self) -> Steps[Transaction]:
        """Commit and go on in a new transaction. A SYNC replica that doesn't confirm is only logged by Memgraph."""
        assert self.transaction is not None
        old = self.transaction
        if self.instance.triggers:
            self._events.add(events_of(old))
        try:
            yield from commit(self.instance, old)
        except QueryError as error:
            if not old.committed:
                raise periodic.failed(error) from None
        new = self._open(writes=old.may_write)
        new.stats = old.stats
        return new

    # Queries

    def prepare(self, query: str, parameters: Mapping[str, Any], timeout_s: float = 0) -> Steps[Result]:
        """Parse and check. Nothing has happened yet when this returns. `timeout_s`: as `arm`, if this auto-commits."""
        statement = parse(query, self.instance.settings.compat)
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
                return self._control(action)
            case ast.IndexChange() | ast.EdgeIndexChange() | ast.ConstraintChange():
                return definitions.of_schema(self.instance, statement, self._open, explicit=self.explicit)
            case ast.AnalyzeGraph():
                return statistics.prepared(self.instance, statement, self._open, explicit=self.explicit)
            case ast.Show(what) if what not in show.SYSTEM_LOCKED:
                return self._show(statement)
            case ast.Coordination():
                raise QueryError(errors.NOT_A_COORDINATOR)
            case ast.CreateTrigger() | ast.DropTrigger() | ast.ShowTriggers():
                return definitions.of_trigger(self.instance, statement, parameters, explicit=self.explicit)
            case ast.Forbidden(answer, feature):
                if feature:
                    raise errors.license_needed(feature, self.instance.settings.compat)
                raise QueryError(answer)
            case ast.CreateSnapshot() | ast.ShowSnapshots() | ast.SetStorageMode():
                return snapshots.prepared(self.instance, statement, explicit=self.explicit)
        instance = self.instance
        if isinstance(statement, ast.Show):
            result = self._show(statement)
        else:
            result = system.prepared(instance, statement, explicit=self.explicit)
        free = yield Until(lambda: instance.system_owner is None, SYSTEM_LOCK_TRY_S)
        if not free:
            raise QueryError(errors.CONCURRENT_SYSTEM_QUERIES)
        instance.system_owner = self
        result.system = True
        return result

    def pull(
        self, result: Result, n: int, deliver: Callable[[list[list[Any]]], None] | None = None
    ) -> Steps[tuple[list[list[Any]], bool]]:
        """The next `n` rows (-1: all) and whether more are left. The last one commits an auto-commit query.

        `deliver` gets the rows before that: the client has them even if the commit fails.
        """
        try:
            if result.rows is None:
                result.rows = yield from result.execute()
                if result.system and self.instance.readers:
                    yield Until(lambda: not self.instance.readers)  # its own commit takes the role lock once more
            rows = result.rows if n < 0 else result.rows[:n]
            result.rows = [] if n < 0 else result.rows[n:]
            if deliver is not None:
                deliver(rows)
            if result.rows:
                return rows, True
            if result.commits:
                result.notifications += yield from self._commit()
            if not self.explicit:
                self._disarm()
            return rows, False
        except NotReplicated as error:
            if not result.control:
                self.fail()
            transient = self.instance.settings.compat.pull_failure_transient
            raise QueryError(error.message, errors.TRANSIENT if transient else errors.CLIENT) from None
        except QueryError:
            if not result.control:
                self.fail()
            raise
        finally:
            if result.system and self.instance.system_owner is self:
                self.instance.system_owner = None

    def _cypher(self, query: ast.Cypher, parameters: Mapping[str, Any]) -> Result:
        if query.writes:
            self._check_write(query.kind)
        last = query.clauses[-1]
        columns = tuple(column.name for column in last.columns) if isinstance(last, ast.Return) else ()
        result = Result(columns, lambda: run(), query.kind, commits=not self.explicit, cypher=True)

        def run() -> Steps[list[list[Any]]]:
            if self.transaction is None:
                yield from self.instance.may_begin()
            transaction = self.transaction or self._open(writes=query.writes)
            if self._timer is not None and self._timer.expired:
                raise QueryError(errors.TIMED_OUT, errors.TRANSIENT)
            try:
                if query.commit_every is not None:
                    rows = yield from periodic.execute(query, query.commit_every, parameters, transaction, self._renew)
                else:
                    rows = execute(query, transaction, parameters)
            except RecursionError:  # a chain of thousands of operators
                raise QueryError("The query's expressions are nested too deeply.") from None
            result.stats = (self.transaction or transaction).take_stats()
            return rows

        return result

    def _check_write(self, kind: str) -> None:
        if self.instance.role is not Role.MAIN:
            raise QueryError(errors.WRITE_ON_REPLICA)
        if self.transaction is not None and not self.transaction.may_write:
            raise errors.misaligned_access(kind)

    def _control(self, action: str) -> Result:
        def run() -> Steps[list[list[Any]]]:
            if action == "BEGIN":
                yield from self.begin()
            elif action == "ROLLBACK":
                self.rollback()
            else:
                result.notifications += yield from self.commit()
            return []

        result = Result((), run, control=True)
        return result

    def _show(self, statement: ast.Show) -> Result:
        instance, what = self.instance, statement.what
        show.check(instance, statement, explicit=self.explicit)

        def run() -> Steps[list[list[Any]]]:
            if what in show.ROLE_LOCKED and show.held_up(instance):
                yield Until(lambda: not show.held_up(instance))
            return show.rows(instance, what)

        return Result(show.COLUMNS[what], run)
