"""The open results of a session and what a finished one is told with."""

from __future__ import annotations

from typing import Any

from sandbox.memgraph.core.errors import ProtocolError, QueryError
from sandbox.memgraph.core.query.result import Result


class Abandoned(ProtocolError):
    """The real server ends this connection without an answer, or dies by a failed assertion."""


class Results:
    """Prepared queries by qid.

    A qid counts the queries of an explicit transaction, whether they were sent as BEGIN or as the query `BEGIN`, which
    then is number 0. Only one result can be open at a time, since RUN is refused while one is; the number decides which
    is asked for all the same. Source: src/query/interpreter.hpp, `Interpreter::Pull`.
    """

    def __init__(self) -> None:
        self._results: list[Result | None] = []

    def clear(self) -> None:
        """Forget all."""
        self._results.clear()

    def add(self, result: Result, *, explicit: bool) -> int | None:
        """Keep a prepared query; its qid if it has one."""
        if not explicit:
            self.clear()
        self._results.append(result)
        return len(self._results) - 1 if explicit else None

    def find(self, qid: int | None, *, explicit: bool) -> tuple[int, Result]:
        """The result asked for, None being the last. Raises QueryError, or Abandoned where the real server dies."""
        if qid is not None and not explicit:
            raise Abandoned("qid outside of an explicit transaction")
        index = len(self._results) - 1 if qid is None else qid
        if not 0 <= index < len(self._results):
            raise QueryError("Invalid arguments sent: qid - Query with specified ID does not exist!")
        result = self._results[index]
        if result is None:
            raise Abandoned("the result with this qid was finished already")
        return index, result

    def finished(self, index: int, *, explicit: bool) -> None:
        """Nothing is left to pull. `explicit`: whether a transaction is open now."""
        if explicit:
            self._results[index] = None
        else:
            self.clear()


def summary(result: Result, run_id: str) -> dict[str, Any]:
    """The last SUCCESS of a result (M-4.5). The query `BEGIN` and its like have next to nothing to tell."""
    notes = {"notifications": result.notifications} if result.notifications else {}
    if result.control:
        return {"has_more": False, "run_id": run_id, **notes}
    told: dict[str, Any] = {
        "parsing_time": 0.0,
        "planning_time": 0.0,
        "cost_estimate": 0.0,
        "type": result.kind,
        "db": "memgraph",
        "has_more": False,
        "run_id": run_id,
    }
    if result.cypher:
        told |= {"plan_execution_time": 0.0, "number_of_hops": 0}
    if result.stats:
        told["stats"] = result.stats
    return told | notes
