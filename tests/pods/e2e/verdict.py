"""After each fault: is everything as it was promised?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from e2e.database import Instance, instances
from e2e.installation import Installation
from e2e.ledgers import Book
from e2e.scene import Scene
from e2e.waiting import answered, until
from sandbox.demo.checker import Report, check
from sandbox.demo.history import Kind, Record

_BEFORE_S: Final = 60
"""Writes that were under way when the fault struck are looked at, too: a driver tries for 30 s."""
_AGREE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the apps were told, compared with the main; `diverged`: ids that a replica has or lacks, and shouldn't."""

    report: Report
    diverged: int


def sound(scene: Scene, struck: float) -> Verdict:
    """Wait until all is well again, then judge every write since the fault. Raises AssertionError."""
    scene.installation.settle()
    scene.calm()
    found = judged(scene.installation, scene.ledgers.books(), int(struck) - _BEFORE_S)
    assert_kept(found)
    return found


def assert_kept(found: Verdict) -> None:
    """Nothing lost, refused as by a replica, written twice, or there although it surely failed; all copies equal."""
    report = found.report
    assert not report.lost, "\n".join(report.witnesses)
    assert report.forbidden == 0, f"{report.forbidden} times: Write queries are forbidden"
    assert not report.duplicated, f"written twice: {report.duplicated[:10]}"
    assert not report.revived, f"there, although the app was told that they failed: {report.revived[:10]}"
    assert found.diverged == 0, f"{found.diverged} writes are not on all instances alike"


def judged(installation: Installation, books: Sequence[Book], since: int) -> Verdict:
    """Compare the ledgers with what is on the instances, where others go on writing. Raises AssertionError."""
    return answered(lambda: _judged(installation, books, since), _AGREE_S, "every instance can be asked")


def _judged(installation: Installation, books: Sequence[Book], since: int) -> Verdict:
    document = installation.document()
    pods = [str(pod["metadata"]["name"]) for pod in installation.pods("memgraph")]
    with instances(installation.namespace, pods) as every:
        main = next(one for one in every if one.pod == document.main_pod)
        others = [one for one in every if one is not main]
        until(lambda: _disagreement(main, others), _AGREE_S, "one main, and every replica follows it")
        before = main.ids(since)
        copies: dict[str, frozenset[str]] = {}

        def behind() -> str:
            copies.update({one.pod: frozenset(one.ids(since)) for one in others})
            return str({pod: len(missing) for pod, ids in copies.items() if (missing := set(before) - ids)} or "")

        until(behind, _AGREE_S, "every replica has what the main had")
        after = frozenset(main.ids(since))
        extra = [identity for ids in copies.values() for identity in ids - after]
    histories = {book.uid: _recent(book.records, since) for book in books}
    return Verdict(check(histories, before), len(extra))


def _recent(records: Sequence[Record], since: int) -> list[Record]:
    begun = {record.id for record in records if record.kind is Kind.INVOKE and int(record.ts) >= since}
    return [record for record in records if record.id in begun]


def _disagreement(main: Instance, others: Sequence[Instance]) -> str:
    roles = {one.pod: one.role() for one in (main, *others)}
    if roles != {main.pod: "main", **{one.pod: "replica" for one in others}}:
        return f"they say {roles}"
    replicas = main.replicas()
    late = [replica for replica in replicas if (replica.status, replica.behind) != ("ready", 0)]
    if len(replicas) != len(others) or late:
        return f"{main.pod} says of its replicas: {replicas}"
    return ""
