"""The actor: what it checks before a command, what it reads back after one, and what it calls unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from controller.act import Actor
from controller.core.actions import (
    AnswerRequest,
    CloseOrder,
    Demote,
    Drop,
    Mark,
    Outcome,
    Promote,
    Prove,
    Publish,
    Register,
    Reseed,
    StepDown,
    Target,
)
from controller.core.model import Found, Malformed, Mode, Pod, ReseedOrder, ReseedOrders, Stored
from controller.core.requests import RequestAnswer
from controller.observe import Prober
from controller.ports import Asked, Conflict, LostAnswer, Rejected, Silent
from sidecar.contract.state import Document, Phase

pytestmark = pytest.mark.anyio
MAIN = Pod("m-0", "u0", "10.0.0.1", 7687, 10000, "m-0:10000", "v0", "c0")
REPLICA = Pod("m-1", "u1", "10.0.0.2", 7687, 10000, "m-1:10000", "v1", "c0")
ON, OF = Target(0, MAIN), Target(1, REPLICA)
DOCUMENT = Document(
    term=1, epoch=3, phase=Phase.SERVING, cut_kind=None, master_index=0, main_pod="m-0", main_uid="u0",
    main_address="10.0.0.1:7687", main_volume="v0", database_uuid="d", sync=None, read_addresses=(),
    reason="", message="", writer="c", updated_at="",
)  # fmt: skip
Reply = list[dict[str, Any]] | Exception


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Fleet:
    """Two instances that keep a role; statements may be scripted to answer otherwise."""

    def __init__(self) -> None:
        self.roles = {MAIN.bolt_address: "replica", REPLICA.bolt_address: "replica"}
        self.asked: list[tuple[str, str]] = []
        self.scripts: dict[str, list[Reply]] = {}
        self.listening = True
        self.nodes: set[str] = set()

    def script(self, statement: str, *replies: Reply) -> None:
        """The next answers to statements that begin like this."""
        self.scripts[statement] = list(replies)

    async def run(
        self, address: str, query: str, parameters: Mapping[str, Any] | None = None, *, timeout: float
    ) -> list[dict[str, Any]]:
        self.asked.append((address, query))
        for begin, replies in self.scripts.items():
            if query.startswith(begin) and replies:
                reply = replies.pop(0)
                if isinstance(reply, Exception):
                    raise reply
                return reply
        if query.startswith("SET REPLICATION ROLE TO"):
            self.roles[address] = "main" if "MAIN" in query else "replica"
        if query.startswith("SHOW REPLICATION ROLE"):
            return [{"replication role": self.roles[address]}]
        if query.startswith("SHOW STORAGE INFO"):
            return [{"storage info": "database_uuid", "value": "d"}]
        if query.startswith("CREATE (") and parameters:
            self.nodes.add(parameters["token"])
        if "count(n)" in query and parameters:
            return [{"found": int(parameters["token"] in self.nodes)}]
        return []

    async def connects(self, host: str, port: int, *, timeout: float) -> bool:
        return self.listening

    async def forget(self, address: str) -> None:
        return None

    def commands(self) -> list[str]:
        """What was asked, but for the questions."""
        return [query for _, query in self.asked if not query.startswith(("SHOW", "MATCH", "CREATE ("))]


class Book:
    """A document store and a cluster in memory."""

    def __init__(self) -> None:
        self.stored: Stored = Found(DOCUMENT, "1", "cm")
        self.lose_answer = False
        self.pods: Mapping[int, Pod] = {0: MAIN, 1: REPLICA}
        self.replicas_wanted = 2
        self.other_controllers = 0
        self.listed_at = 0.0
        self.orders = ReseedOrders(None, "1")
        self.order_answer = ""
        self.done: list[str] = []

    async def read(self) -> Stored:
        return self.stored

    async def write(self, document: Document, resource_version: str | None) -> None:
        if isinstance(self.stored, Found | Malformed) and resource_version != self.stored.resource_version:
            raise Conflict("409")
        if not self.lose_answer:
            self.stored = Found(document, "2", "cm")
        else:
            raise LostAnswer("reset by peer")

    def look_again(self) -> None:
        raise AssertionError("the loop asks for that")

    async def delete_pod(self, pod: Pod, *, graceful: bool = False) -> None:
        self.done.append(f"delete {pod.uid} {graceful=}")

    async def reseed_orders(self) -> ReseedOrders:
        return self.orders

    async def write_reseed_order(self, order: ReseedOrder | None, resource_version: str | None) -> None:
        if resource_version != self.orders.resource_version:
            raise Conflict("409")
        self.done.append(f"order {order.pod_uid if order else None}")
        if self.order_answer != "lost before":
            self.orders = ReseedOrders(order, "2")
        if self.order_answer:
            raise LostAnswer("reset by peer")

    async def record_event(self, reason: str, message: str, *, warning: bool) -> None:
        return None


class Requests:
    """One request, and the last answer."""

    def __init__(self) -> None:
        self.answered: RequestAnswer | None = None
        self.lose: str = ""

    async def read(self) -> Asked:
        return Asked(None, None, self.answered)

    async def answer(self, action: AnswerRequest) -> None:
        if self.lose != "before":
            self.answered = action.answer
        if self.lose:
            raise LostAnswer("reset by peer")


class Lease:
    """A lease with so much time left."""

    def __init__(self, seconds: float = 4.0) -> None:
        self.seconds = seconds
        self.resigned = False

    def remaining(self) -> float:
        return self.seconds

    def resign(self) -> None:
        self.resigned = True


class World:
    """An actor and everything it touches."""

    def __init__(self) -> None:
        self.fleet, self.book, self.lease, self.requests = Fleet(), Book(), Lease(), Requests()
        self.published: list[Document] = []
        self.actor = Actor(
            self.fleet,
            self.book,
            self.book,
            self.requests,
            Prober(self.fleet, 0.5, _nothing),
            self.lease,
            self.published.append,
        )


_nothing: Callable[[], None] = lambda: None  # noqa: E731  # one word for "nobody listens"


@pytest.fixture
def world() -> World:
    return World()


async def test_a_promotion_is_read_back(world: World) -> None:
    """P-F6."""
    outcome, _ = await world.actor.execute(Promote(ON, "d"))
    assert outcome is Outcome.DONE
    assert world.fleet.commands() == ["SET REPLICATION ROLE TO MAIN;"]
    assert world.fleet.asked[-1][1] == "SHOW REPLICATION ROLE;"


async def test_another_database_is_not_promoted(world: World) -> None:
    """P-F2: the volume was replaced under the pod's name."""
    outcome, _ = await world.actor.execute(Promote(ON, "another"))
    assert outcome is Outcome.FAILED
    assert world.fleet.commands() == []


async def test_a_process_that_changed_since_the_plan_is_not_promoted(world: World) -> None:
    """The plan saw another incarnation."""
    world.book.pods = {0: Pod("m-0", "u0", "10.0.0.1", 7687, 10000, "m-0:10000", "v0", "c1")}
    outcome, _ = await world.actor.execute(Promote(ON, "d"))
    assert outcome is Outcome.FAILED
    assert world.fleet.asked == []


async def test_no_command_without_enough_lease(world: World) -> None:
    """P-W3: with less left than the call's timeout, it isn't started."""
    world.lease.seconds = 1.4
    for action in (Promote(ON, "d"), Demote(ON), Drop(ON, "x"), Publish(DOCUMENT, "1")):
        outcome, said = await world.actor.execute(action)
        assert outcome is Outcome.FAILED
        assert "lease" in said
    assert world.fleet.asked == []
    assert world.book.stored == Found(DOCUMENT, "1", "cm")


async def test_a_busy_lock_is_tried_again(world: World) -> None:
    """M-2.3: "lock busy" and "already so" share one text; the role tells them apart."""
    busy = Rejected("Couldn't set replication role to main!")
    world.fleet.script("SET REPLICATION ROLE TO MAIN", busy, busy)
    outcome, _ = await world.actor.execute(Promote(ON, "d"))
    assert outcome is Outcome.DONE
    assert len(world.fleet.commands()) == 3


async def test_a_demotion_without_answer_is_unknown_unless_read_back(world: World) -> None:
    """P-W3: an unanswered command is read back (O-F14)."""
    world.fleet.roles[MAIN.bolt_address] = "main"
    world.fleet.script("SET REPLICATION ROLE", Silent("no answer"))
    outcome, _ = await world.actor.execute(Demote(ON))
    assert outcome is Outcome.UNKNOWN
    assert world.fleet.roles[MAIN.bolt_address] == "main"


def _partner(behind: int) -> list[dict[str, Any]]:
    """SHOW REPLICAS of a main with one strict replica."""
    data = {"memgraph": {"ts": 7, "behind": behind, "status": "ready"}}
    return [{"name": "r", "socket_address": "m-1:10000", "sync_mode": "strict_sync", "data_info": data}]


async def test_a_partner_that_lags_by_now_stops_the_demotion(world: World) -> None:
    """P-P: the commit that made the first try fail lost its second phase; what the plan saw is older than that."""
    world.fleet.roles[MAIN.bolt_address] = "main"
    world.fleet.script("SHOW REPLICAS", _partner(0), _partner(-1))
    world.fleet.script("SET REPLICATION ROLE", Rejected("Couldn't set role to replica!"))
    outcome, _ = await world.actor.execute(Demote(ON, "r"))
    assert outcome is Outcome.FAILED
    assert len(world.fleet.commands()) == 1
    assert world.fleet.roles[MAIN.bolt_address] == "main"


async def test_a_partner_that_keeps_up_is_waited_for_no_longer(world: World) -> None:
    """P-P: a refused demotion is tried again as long as the partner holds everything."""
    world.fleet.roles[MAIN.bolt_address] = "main"
    world.fleet.script("SHOW REPLICAS", _partner(0), _partner(0))
    world.fleet.script("SET REPLICATION ROLE", Rejected("Couldn't set role to replica!"))
    outcome, _ = await world.actor.execute(Demote(ON, "r"))
    assert outcome is Outcome.DONE
    assert len(world.fleet.commands()) == 2


async def test_a_lost_answer_to_a_write_is_read_back(world: World) -> None:
    """P-W1: it may have happened. It had not, then it had (O-L16)."""
    world.book.lose_answer = True
    outcome, _ = await world.actor.execute(Publish(DOCUMENT.__class__(**{**fields(DOCUMENT), "term": 2}), "1"))
    assert outcome is Outcome.UNKNOWN
    assert world.published == []
    outcome, _ = await world.actor.execute(Publish(DOCUMENT, "1"))
    assert outcome is Outcome.DONE
    assert world.published == [DOCUMENT]


def fields(document: Document) -> dict[str, Any]:
    """The document's fields by name."""
    return {name: getattr(document, name) for name in document.__dataclass_fields__}


async def test_a_lost_compare_and_swap_is_a_conflict(world: World) -> None:
    """Somebody else wrote first."""
    outcome, said = await world.actor.execute(Publish(DOCUMENT, "0"))
    assert (outcome, said) == (Outcome.CONFLICT, "409")


REGISTER = Register(ON, OF, "memgraph_1_t1_0", "m-1:10000", Mode.STRICT_SYNC)


async def test_registering_asks_the_replica_first(world: World) -> None:
    """P-F9: a port that does not listen, or an instance that is main, would stall the main."""
    world.fleet.listening = False
    assert (await world.actor.execute(REGISTER))[0] is Outcome.FAILED
    world.fleet.listening = True
    world.fleet.roles[REPLICA.bolt_address] = "main"
    assert (await world.actor.execute(REGISTER))[0] is Outcome.FAILED
    assert world.fleet.commands() == []
    world.fleet.roles[REPLICA.bolt_address] = "replica"
    assert (await world.actor.execute(REGISTER))[0] is Outcome.DONE
    assert world.fleet.commands() == ['REGISTER REPLICA memgraph_1_t1_0 STRICT_SYNC TO "m-1:10000";']


@pytest.mark.parametrize(
    ("number", "outcome", "dropped"), [(3, Outcome.DIVERGED, True), (5, Outcome.FAILED, True), (6, Outcome.DONE, False)]
)
async def test_a_refused_registration_leaves_no_ghost(
    world: World, number: int, outcome: Outcome, dropped: bool
) -> None:
    """M-2.4: after any error but "busy" the name stays registered and protects nothing; busy is tried again (O-F46)."""
    error = Rejected(f"Couldn't register replica memgraph_1_t1_0. Error: {number}")
    world.fleet.script("REGISTER", error)
    assert (await world.actor.execute(REGISTER))[0] is outcome
    assert ("DROP REPLICA memgraph_1_t1_0;" in world.fleet.commands()) is dropped


async def test_dropping_what_is_gone_succeeds(world: World) -> None:
    """The goal is that it is not there."""
    world.fleet.script("DROP", Rejected("Failed to unregister the replica x."))
    assert (await world.actor.execute(Drop(ON, "x")))[0] is Outcome.DONE


async def test_the_proof_needs_the_replica_s_own_word(world: World) -> None:
    """P-M2: what the main commits must be found on that pod's port (O-F19)."""
    proof = Prove(ON, OF, "memgraph_1_t1_0")
    assert (await world.actor.execute(proof))[0] is Outcome.DONE
    world.fleet.script("MATCH (n:__memgraph_ha_probe {token", *([[{"found": 0}]] * 200))
    assert (await world.actor.execute(proof))[0] is Outcome.FAILED


async def test_a_marker_replaces_older_ones(world: World) -> None:
    """P-M1: written first, the older dropped afterwards."""
    world.fleet.script("SHOW INDEX INFO", [{"label": "__memgraph_ha_3"}, {"label": "Person"}])
    assert (await world.actor.execute(Mark(ON, 5)))[0] is Outcome.DONE
    assert world.fleet.commands() == ["CREATE INDEX ON :__memgraph_ha_5;", "DROP INDEX ON :__memgraph_ha_3;"]


async def test_stepping_down_gives_the_lease_up(world: World) -> None:
    """P-W2."""
    await world.actor.execute(StepDown())
    assert world.lease.resigned


ORDER = ReseedOrder(1, "u1", 3, 1_800_000_000)
RESEED = Reseed(REPLICA, 1, ORDER, "1", 1, ON, "d", 7)
MARKED: Reply = [{"label": "__memgraph_ha_7"}]


def trusted(world: World) -> None:
    """What a re-seed asks for: the main is main, with the newest marker."""
    world.fleet.roles[MAIN.bolt_address] = "main"
    world.fleet.script("SHOW INDEX INFO", MARKED)


async def test_a_re_seed_writes_its_order_before_it_deletes_the_pod(world: World) -> None:
    """P-R1, with the pod's ordinary grace."""
    trusted(world)
    assert (await world.actor.execute(RESEED))[0] is Outcome.DONE
    assert world.book.done == ["order u1", "delete u1 graceful=True"]
    assert (await world.actor.execute(CloseOrder(ORDER, "2", failed=False)))[0] is Outcome.DONE
    assert world.book.orders.open is None


@pytest.mark.parametrize(
    "what", ["role", "database", "marker", "process", "term", "epoch", "document", "order", "lease"]
)
async def test_a_re_seed_is_not_begun_unless_the_main_is_still_trusted(world: World, what: str) -> None:
    """P-R1: nothing cached decides it."""
    trusted(world)
    match what:
        case "role":
            world.fleet.roles[MAIN.bolt_address] = "replica"
        case "database":
            world.fleet.script("SHOW STORAGE INFO", [{"storage info": "database_uuid", "value": "another"}])
        case "marker":
            world.fleet.script("SHOW INDEX INFO", [{"label": "__memgraph_ha_5"}])
        case "process":
            world.book.pods = {0: replace(MAIN, container_id="c1"), 1: REPLICA}
        case "term":
            world.book.stored = Found(replace(DOCUMENT, term=2), "2", "cm")
        case "epoch":
            world.book.stored = Found(replace(DOCUMENT, epoch=4), "2", "cm")
        case "document":
            world.book.stored = Malformed(("no",), "2", 3)
        case "order":
            world.book.orders = ReseedOrders(None, "2")
        case "lease":
            world.lease.seconds = 0.1
    expected = Outcome.CONFLICT if what == "order" else Outcome.FAILED
    assert (await world.actor.execute(RESEED))[0] is expected
    assert world.book.done == []


async def test_a_lost_answer_to_the_order_is_read_back(world: World) -> None:
    """P-W1: written, it is gone on with; not written, nothing is deleted."""
    trusted(world)
    world.book.order_answer = "lost"
    assert (await world.actor.execute(RESEED))[0] is Outcome.DONE
    assert world.book.done[-1] == "delete u1 graceful=True"
    other = World()
    trusted(other)
    other.book.order_answer = "lost before"
    assert (await other.actor.execute(RESEED))[0] is Outcome.UNKNOWN
    assert other.book.done == ["order u1"]


ANSWER = RequestAnswer("switchover", "any", True, "RequestAnswered", "accepted", "t", "c-0")


@pytest.mark.parametrize(
    ("lost", "outcome"), [("", Outcome.DONE), ("before", Outcome.UNKNOWN), ("after", Outcome.DONE)]
)
async def test_a_lost_answer_to_an_answer_is_read_back(world: World, lost: str, outcome: Outcome) -> None:
    """P-W1: only what is known to be answered is begun."""
    world.requests.lose = lost
    assert (await world.actor.execute(AnswerRequest(ANSWER)))[0] is outcome


async def test_no_request_is_answered_without_enough_lease(world: World) -> None:
    """P-W3."""
    world.lease.seconds = 1.4
    assert (await world.actor.execute(AnswerRequest(ANSWER)))[0] is Outcome.FAILED
    assert world.requests.answered is None
