"""The planner against a toy cluster: each scenario ends where the protocol says, whatever is forgotten on the way."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
from toy_cluster import Toy, healthy, serving

from controller.core.actions import Demote, Drop, Promote, Publish, Register
from controller.core.memory import Memory
from controller.core.model import Absent, Malformed, Mode, OnNoSyncReplica, Policy, Role, Status
from controller.core.plan import plan
from controller.core.reasons import Reason
from controller.core.view import ordinal_of
from sidecar.contract.state import CutKind, Phase


def test_a_fresh_cluster_is_bootstrapped_around_its_lowest_ordinal() -> None:
    """P-B1: every instance is born a replica, and the document comes first."""
    toy = Toy()
    plans = toy.settle()
    healthy(toy)
    assert toy.document.master_index == 0
    kinds = [type(p.action) for p in plans if p.action]
    assert kinds[0] is Publish
    assert kinds.index(Publish) < kinds.index(Promote) < kinds.index(Register)


def test_bootstrap_waits_until_every_ordinal_answered() -> None:
    """P-B1: one silent instance may be the one with the data."""
    toy = Toy()
    toy.fail(2, "refused")
    for _ in range(50):
        assert toy.step().reason is Reason.WAITING_FOR_INSTANCES
    assert isinstance(toy.stored, Absent)


def test_a_running_main_with_data_is_adopted() -> None:
    """P-B1, P-B2: data stays, the one MAIN is named."""
    toy = Toy()
    toy.nodes[1].role, toy.nodes[1].writes = Role.MAIN, 7
    toy.settle()
    healthy(toy)
    assert toy.document.master_index == 1
    assert not any(isinstance(p.action, (Promote, Demote)) for p in toy.log)


def test_two_mains_with_data_and_no_document_need_a_person() -> None:
    """P-F7's last sentence (O-F18, O-L9)."""
    toy = Toy()
    for ordinal in (0, 2):
        toy.nodes[ordinal].role, toy.nodes[ordinal].writes = Role.MAIN, 3
    plans = [toy.step() for _ in range(20)]
    assert {p.reason for p in plans} == {Reason.REBUILD_AMBIGUOUS}
    assert all(p.action is None for p in plans)
    assert "m-0: main" in plans[-1].message


KILLS: dict[str, Callable[[Toy], None]] = {
    "refused": lambda toy: toy.fail(0, "refused"),
    "silent": lambda toy: toy.fail(0, "silent"),
    "pod gone": lambda toy: toy.fail(0, "gone"),
    "restarted in place": lambda toy: toy.restart(0),
    "terminated, its last answer still fresh": lambda toy: setattr(toy.nodes[0], "terminated", True),
}


@pytest.mark.parametrize("how", KILLS)
def test_the_main_is_lost_and_a_holder_of_every_write_takes_over(how: str) -> None:
    """P-F1 to P-F6: cut, promote, mark, register, publish, in this order, and no acknowledged write is missing."""
    toy = serving()
    for _ in range(5):
        assert toy.write()
    before = toy.document
    KILLS[how](toy)
    toy.step()
    assert (toy.document.phase, toy.document.cut_kind) == (Phase.CUT, CutKind.FAILOVER)
    assert toy.document.epoch == before.epoch + 1
    toy.settle()
    healthy(toy)
    assert toy.nodes[toy.document.master_index].writes >= 5
    assert toy.document.epoch == before.epoch + 2
    assert toy.write()


def test_a_main_restarted_in_place_may_become_main_again_since_it_holds_everything() -> None:
    """P-F3: the last published main on its recorded volume, when its partner is gone, too."""
    toy = serving()
    toy.fail(1, "gone")
    toy.settle()
    toy.fail(2, "gone")
    toy.settle()
    assert toy.document.sync is None
    toy.write()
    toy.restart(0)
    toy.settle()
    assert toy.document.master_index == 0
    assert toy.nodes[0].role is Role.MAIN


def test_nobody_but_a_holder_is_ever_promoted() -> None:
    """P-F3: main and partner are gone; the asynchronous replica is not taken."""
    toy = serving()
    toy.fail(1, "refused")
    toy.fail(0, "refused")
    for _ in range(100):
        toy.step()
    assert toy.nodes[2].role is Role.REPLICA
    assert toy.log[-1].reason is Reason.NO_CANDIDATE
    assert toy.document.phase is Phase.SERVING, "no cut without somebody to take over (P-F2)"
    toy.restart(1)
    toy.settle()
    assert toy.document.master_index == 1


def test_an_old_main_that_comes_back_as_main_is_demoted_and_registered() -> None:
    """P-F7: it hung, was replaced, and woke up."""
    toy = serving()
    toy.fail(0, "silent")
    while toy.document.phase is not Phase.SERVING or toy.document.master_index == 0:
        toy.step()
    toy.nodes[0].reach = "ok"
    plans = toy.settle()
    assert any(isinstance(p.action, Demote) and p.action.on.ordinal == 0 for p in plans)
    healthy(toy)
    assert toy.deleted == []


def test_a_hung_old_main_is_deleted_after_ten_seconds() -> None:
    """P-F7: it would wake up as MAIN."""
    toy = serving()
    toy.fail(0, "silent")
    began = toy.now
    while not toy.deleted:
        toy.step()
    assert toy.deleted == [0]
    assert 10 <= toy.now - began < 12
    toy.settle()
    healthy(toy)


def test_a_hung_asynchronous_replica_is_left_alone() -> None:
    """It delays nobody and wakes up as the replica it is."""
    toy = serving()
    toy.fail(2, "silent")
    toy.settle()
    toy.now += 60
    toy.settle()
    assert toy.deleted == []


def test_a_switchover_is_planned_and_demotes_before_it_promotes() -> None:
    """P-P: cut planned, demote, promote, publish; the request is answered before the cut."""
    toy = serving()
    toy.write()
    toy.requests["switchover"] = "any"
    plans = toy.settle()
    healthy(toy)
    assert toy.document.master_index == 1
    kinds = [type(p.action).__name__ for p in plans if p.action]
    assert kinds[:4] == ["AnswerRequest", "Publish", "Demote", "Promote"]
    assert not any(p.reason is Reason.SWITCHOVER_BECAME_FAILOVER for p in plans)


def test_a_switchover_to_an_asynchronous_replica_makes_it_the_partner_first() -> None:
    """P-S7 within P-P."""
    toy = serving()
    toy.requests["switchover"] = "2"
    toy.settle()
    healthy(toy)
    assert toy.document.master_index == 2


@pytest.mark.parametrize("wanted", [0, 7])
def test_an_impossible_switchover_is_refused_and_changes_nothing(wanted: int) -> None:
    """The main itself, and an instance that does not exist."""
    toy = serving()
    before = toy.document
    toy.requests["switchover"] = str(wanted)
    plans = toy.settle()
    assert any(p.reason is Reason.SWITCHOVER_REFUSED for p in plans)
    assert toy.document == before
    assert toy.requests == {}


def test_a_main_that_freezes_in_the_middle_of_a_switchover_becomes_a_failover() -> None:
    """Scenario 23: the demotion is never answered."""
    toy = serving()
    toy.requests["switchover"] = "any"
    while not (toy.stored and toy.document.phase is Phase.CUT):
        toy.step()
    toy.fail(0, "silent")
    toy.settle()
    assert toy.document.master_index == 1
    assert any(p.reason is Reason.SWITCHOVER_BECAME_FAILOVER for p in toy.log)
    healthy(toy)


def test_a_main_whose_pod_is_being_deleted_is_switched_away_from() -> None:
    """The preStop sleep gives it the time."""
    toy = serving()
    toy.nodes[0].deleting = True
    toy.settle()
    assert toy.document.master_index == 1


def test_a_lost_partner_is_cleared_before_it_is_dropped_and_replaced() -> None:
    """P-S3, P-S8: publish without it, drop it, then another replica takes its place."""
    toy = serving()
    toy.fail(1, "refused")
    assert not toy.write(), "a strict partner that is away refuses writes"
    plans = toy.settle()
    kinds = [(type(p.action).__name__, p.reason) for p in plans if p.action]
    cleared = kinds.index(("Publish", Reason.PARTNER_LOST))
    dropped = kinds.index(("Drop", Reason.REGISTRATION_DROPPED))
    assert cleared < dropped
    assert toy.document.sync is not None
    assert toy.document.sync.ordinal == 2
    assert toy.write()


def test_a_partner_lost_and_gained_touches_no_connection() -> None:
    """The epoch stays: sync… keys alone cut nobody (P-1)."""
    toy = serving()
    epoch = toy.document.epoch
    toy.fail(1, "refused")
    toy.settle()
    assert toy.document.epoch == epoch


def test_with_block_nobody_writes_while_there_is_no_partner() -> None:
    """P-S8: `block` cuts until another partner is proven."""
    toy = serving(2, Policy(on_no_sync_replica=OnNoSyncReplica.BLOCK))
    toy.fail(1, "refused")
    for _ in range(50):
        toy.step()
    assert toy.document.phase is Phase.CUT
    assert not toy.write()
    toy.restart(1)
    toy.settle()
    healthy(toy)
    assert toy.write()


def test_a_replica_restarted_in_place_is_registered_again() -> None:
    """P-N2's price: its main UUID is another one, so the old registration is dead."""
    toy = serving()
    toy.restart(2)
    plans = toy.settle()
    healthy(toy)
    made = [p.action.name for p in plans if isinstance(p.action, Register)]
    assert len(made) == len(set(made))


def test_a_deleted_document_comes_back_as_it_was() -> None:
    """P-W5: nobody is cut for it."""
    toy = serving()
    before = toy.document
    toy.stored = Absent()
    toy.settle()
    assert (toy.document.epoch, toy.document.main_uid, toy.document.sync) == (
        before.epoch,
        before.main_uid,
        before.sync,
    )
    assert any(p.reason is Reason.DOCUMENT_RESTORED for p in toy.log)


def test_a_malformed_document_is_mended_with_a_higher_epoch() -> None:
    """P-W5: what readers saw under that epoch is unknown."""
    toy = serving()
    epoch = toy.document.epoch
    toy.damage()
    assert isinstance(toy.stored, Malformed)
    toy.settle()
    assert toy.document.epoch == epoch + 1
    assert toy.document.phase is Phase.SERVING


def test_a_document_deleted_between_two_leaders_is_rebuilt_from_the_newest_marker() -> None:
    """P-B1: a leader without memory asks everybody."""
    toy = serving()
    toy.write()
    toy.stored, toy.memory = Absent(), Memory()
    toy.settle()
    healthy(toy)
    assert toy.document.master_index == 0


def test_a_leader_that_was_superseded_steps_down() -> None:
    """P-W2: somebody else's term began."""
    toy = serving()
    stale = toy.memory
    toy.memory = Memory()
    toy.step()
    toy.memory = stale
    plan = toy.step()
    assert plan.reason is Reason.SUPERSEDED


SCENARIOS: dict[str, Callable[[Toy], None]] = {
    "bootstrap": lambda toy: None,
    "kill main": lambda toy: toy.fail(0, "refused"),
    "restart main": lambda toy: toy.restart(0),
    "lose main's pod": lambda toy: toy.fail(0, "gone"),
    "lose partner": lambda toy: toy.fail(1, "refused"),
    "restart partner": lambda toy: toy.restart(1),
    "restart replica": lambda toy: toy.restart(2),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_leader_that_dies_after_any_step_leaves_a_state_the_next_one_finishes(name: str) -> None:
    """Every plan is right with an empty memory: forget everything after step k, for every k (O-F7)."""

    def start() -> Toy:
        toy = Toy() if name == "bootstrap" else serving()
        SCENARIOS[name](toy)
        return toy

    smooth = copy.deepcopy(start())
    length = len(smooth.settle())
    for k in range(length):
        toy = start()
        for _ in range(k):
            toy.step()
        toy.memory = Memory()
        toy.settle()
        healthy(toy)


def test_a_switchover_whose_partner_does_not_catch_up_is_given_up() -> None:
    """P-P: the partner lags when the clients are cut; after two seconds the main is published again."""
    toy = serving()
    toy.requests["switchover"] = "any"
    while toy.document.phase is Phase.SERVING:
        toy.step()
    before = toy.document
    toy.nodes[1].writes -= 1
    began = toy.now
    while toy.document.phase is Phase.CUT:
        toy.step()
    assert toy.document.reason == Reason.SWITCHOVER_ABORTED
    assert toy.document.master_index == before.master_index
    assert toy.now - began < 4
    toy.nodes[1].writes += 1
    toy.settle()
    healthy(toy)
    assert toy.document.master_index == 0


def test_with_block_an_asynchronous_replica_becomes_the_partner_within_the_cut() -> None:
    """P-S5, P-S8: its ASYNC registration makes way for a strict one, in one action."""
    toy = serving(3, Policy(on_no_sync_replica=OnNoSyncReplica.BLOCK))
    asynchronous = next(r.name for r in toy.nodes[0].registrations if r.mode is Mode.ASYNC)
    toy.fail(1, "refused")
    plans = toy.settle()
    swaps = [p.action for p in plans if isinstance(p.action, Register) and p.action.mode is Mode.STRICT_SYNC]
    assert [swap.drop for swap in swaps] == [asynchronous]
    assert toy.document.sync is not None
    assert toy.document.sync.ordinal == 2
    assert toy.write()


@pytest.mark.parametrize("hung", [False, True])
def test_with_block_a_former_main_that_wakes_up_becomes_the_partner(hung: bool) -> None:
    """P-F7: with two instances nobody else can be, and it believes it is main; one that does not wake up is deleted."""
    toy = serving(2, Policy(on_no_sync_replica=OnNoSyncReplica.BLOCK))
    toy.write()
    toy.fail(0, "silent")
    toy.settle()
    if not hung:
        assert (toy.nodes[1].role, toy.document.phase) == (Role.MAIN, Phase.CUT)
        toy.nodes[0].reach = "ok"
        toy.settle()
    else:
        toy.settle(quiet_s=30)
    assert toy.deleted == ([0] if hung else [])
    healthy(toy)
    assert toy.document.master_index == 1


def both_ends_answer_again(toy: Toy) -> None:
    """The main's process is a new one, and so are its partner's answers: both are candidates."""
    toy.restart(toy.document.master_index)


def test_a_main_that_was_given_up_twice_within_a_minute_gives_way_to_its_partner() -> None:
    """P-F3: otherwise a process that crashes again and again would be published again and again."""
    toy = serving()
    first = toy.document.master_index
    both_ends_answer_again(toy)
    toy.settle()
    assert toy.document.master_index == first, "one restart: the last main goes on"
    both_ends_answer_again(toy)
    toy.settle()
    assert toy.document.master_index != first
    healthy(toy)


def test_restarts_a_minute_apart_are_no_pattern() -> None:
    toy = serving()
    first = toy.document.master_index
    for _ in range(3):
        both_ends_answer_again(toy)
        toy.settle()
        toy.now += 61.0
    assert toy.document.master_index == first


def test_without_flushing_every_commit_the_partner_comes_first() -> None:
    """P-F3, P-N3: a main that lost power may lack what its partner has."""
    toy = serving(policy=Policy(wal_flush_every=10))
    first = toy.document.master_index
    both_ends_answer_again(toy)
    toy.settle()
    assert toy.document.master_index != first
    healthy(toy)


def test_the_only_replica_is_cleared_before_its_pod_goes() -> None:
    """P-S7 with two pods under `serve`: writes do not wait until its loss is noticed."""
    toy = serving(2)
    toy.nodes[1].deleting = True
    while toy.document.sync is not None:
        toy.step()
    assert toy.nodes[1].reach == "ok", "it still answers"
    toy.settle()
    assert not toy.nodes[0].registrations or toy.nodes[0].registrations[0].mode is Mode.ASYNC
    assert toy.write()


def test_under_block_the_only_replica_is_kept_as_long_as_it_lives() -> None:
    toy = serving(2, Policy(on_no_sync_replica=OnNoSyncReplica.BLOCK))
    toy.nodes[1].deleting = True
    toy.settle()
    assert toy.document.sync is not None
    assert toy.document.phase is Phase.SERVING


def test_a_lag_that_comes_and_goes_closes_no_read_connection() -> None:
    """Scenario 25: a published reader keeps its place while the main has trouble with it for a moment."""
    toy = serving()
    reader = next(n for n in toy.nodes if n.ordinal not in (toy.document.master_index, toy.document.sync.ordinal))
    before, main = toy.document.read_addresses, toy.nodes[toy.document.master_index]
    assert len(before) == 2

    def rows(status: Status) -> None:
        main.registrations = [
            replace(row, status=status) if ordinal_of(row.name) == reader.ordinal else row for row in main.registrations
        ]

    for _ in range(3):
        rows(Status.INVALID)
        until = toy.now + 1.5
        while toy.now < until:
            toy.step()
        assert toy.document.read_addresses == before
        rows(Status.READY)
        toy.step()


def test_a_new_pod_without_an_address_is_no_reader() -> None:
    """O-F22: the hung partner's pod is another one, the main still calls its row ready; no document may say ':7687'."""
    toy = serving()
    partner = toy.nodes[toy.document.sync.ordinal]
    partner.pod_uid, partner.placed, partner.reach = "uid-new", False, "silent"
    for _ in range(10):
        toy.step()
        assert not any(address.startswith(":") for address in toy.document.read_addresses)
    assert len(toy.document.read_addresses) == 1


def test_a_reader_that_refuses_leaves_at_once() -> None:
    toy = serving()
    reader = next(n for n in toy.nodes if n.ordinal not in (toy.document.master_index, toy.document.sync.ordinal))
    toy.fail(reader.ordinal, "refused")
    until = toy.now + 1.0
    while toy.now < until:
        toy.step()
    assert len(toy.document.read_addresses) == 1


def test_a_switchover_cuts_first_and_waits_for_the_last_commits_then() -> None:
    """P-P: under load the partner is hardly ever seen with everything; who waits for that waits for ever."""
    toy = serving()
    main, partner = toy.nodes[toy.document.master_index], toy.nodes[toy.document.sync.ordinal]
    main.writes += 3
    toy.requests["switchover"] = "any"
    for _ in range(4):
        main.writes, partner.writes = main.writes + 1, partner.writes + 1  # always near, never there
        toy.step()
    assert (toy.document.phase, toy.document.cut_kind) == (Phase.CUT, CutKind.PLANNED)
    toy.step()
    assert main.role is Role.MAIN, "nobody is demoted before the partner holds everything"
    partner.writes = main.writes
    toy.settle()
    assert toy.document.master_index == partner.ordinal


def _status_of_the_asynchronous_replica(toy: Toy, status: Status) -> None:
    main = toy.nodes[0]
    main.registrations = [r if r.mode is Mode.STRICT_SYNC else replace(r, status=status) for r in main.registrations]


def test_a_busy_main_calls_its_asynchronous_replica_invalid_now_and_then() -> None:
    """It misses a commit while it gets another and catches up: a DROP would make it begin anew each time."""
    toy = serving()
    registered = list(toy.nodes[0].registrations)
    for _ in range(10):
        for status in (Status.INVALID, Status.RECOVERY, Status.READY):
            _status_of_the_asynchronous_replica(toy, status)
            until = toy.now + 1.0
            while toy.now < until:
                assert not isinstance(toy.step().action, Drop)
    assert toy.nodes[0].registrations == registered


def test_a_broken_link_to_an_asynchronous_replica_is_the_main_s_to_heal() -> None:
    """Scenario 25: REGISTER over it would stall the main for five seconds, and then again."""
    toy = serving()
    _status_of_the_asynchronous_replica(toy, Status.INVALID)
    until = toy.now + 60.0
    while toy.now < until:
        assert not isinstance(toy.step().action, (Drop, Register))


def test_an_earlier_leader_s_replica_that_stays_invalid_is_registered_anew() -> None:
    """It may have been made for a process that is gone; the main's checker gets its time to heal a short break."""
    toy = serving()
    _status_of_the_asynchronous_replica(toy, Status.INVALID)
    toy.memory = Memory()
    broken = toy.now
    while not isinstance(toy.step().action, Drop):
        assert toy.now < broken + 10
    assert toy.now - broken >= 3
    toy.settle()
    assert {row.status for row in toy.nodes[0].registrations} == {Status.READY}


@pytest.mark.parametrize("forget", [False, True])
def test_a_document_from_a_backup_is_not_believed(forget: bool) -> None:
    """P-W4: it names a former main and its partner of then; who holds the newest marker is main."""
    toy = serving()
    backup = toy.stored
    toy.fail(0, "refused")
    toy.settle()
    toy.restart(0)
    toy.settle()
    assert (toy.document.master_index, toy.document.sync.ordinal) == (1, 2)
    assert toy.write()
    epoch = toy.document.epoch
    toy.restore(backup)
    if forget:
        toy.memory = Memory()
    plans = toy.settle()
    assert not [p for p in plans if isinstance(p.action, Promote)]
    assert toy.document.master_index == 1
    assert toy.document.epoch > epoch
    healthy(toy)


def test_a_document_that_no_sidecar_could_read_is_not_published() -> None:
    """A document that its own readers refuse would be mended for ever (P-W5): the one before stays."""
    toy = Toy()
    toy.nodes[0].placed = False
    decided = toy.step()
    assert (decided.reason, decided.action) == (Reason.DOCUMENT_WITHHELD, None)
    assert "mainAddress" in decided.message
    assert toy.stored == Absent()
    toy.nodes[0].placed = True
    toy.settle()
    healthy(toy)


def restored_from_a_backup() -> Toy:
    """The document of before a failover is back, its leader is new, and the newest main is a replica now."""
    toy = serving()
    backup = toy.stored
    toy.fail(0, "refused")
    toy.settle()
    toy.restart(0)
    toy.settle()
    toy.restart(1)
    toy.restore(backup)
    toy.memory = Memory()
    return toy


def test_a_document_from_a_backup_needs_a_person_if_the_newest_main_is_gone() -> None:
    """P-W4, P-B1: several hold the newest marker, and which of them holds every write nobody knows."""
    toy = restored_from_a_backup()
    for _ in range(20):
        assert toy.step().reason is Reason.REBUILD_AMBIGUOUS


def test_a_person_decides_about_a_document_from_a_backup() -> None:
    """P-W4, P-F3: an outdated document is there, and counts as none: the promotion must not be bound to its epoch."""
    toy = restored_from_a_backup()
    toy.step()
    toy.requests["promote"] = "1 accept-data-loss"
    toy.settle()
    assert toy.document.master_index == 1
    healthy(toy)


def promoted_in_a_cut() -> Toy:
    """The main was restarted in place, and is main again; the cut is not over."""
    toy = serving()
    toy.nodes[0].role, toy.nodes[0].registrations = Role.REPLICA, []
    while toy.nodes[0].role is not Role.MAIN:
        toy.step()
    return toy


def test_whoever_was_promoted_in_a_cut_is_asked_again_before_another_one_is() -> None:
    """P-F8, scenario 24: news of a restart that came before makes its answer count for nothing for a moment."""
    toy = promoted_in_a_cut()
    toy.now += toy.policy.cut_settle_s
    seen = toy.observation()
    unheard = replace(seen.instances[0], answer=None)
    decided = plan(replace(seen, instances=(unheard, *seen.instances[1:])), toy.memory)
    assert (decided.action, decided.ask) == (None, (0,))
    toy.settle()
    assert toy.document.master_index == 0
    healthy(toy)


def test_whoever_was_promoted_and_died_at_once_is_not_waited_for() -> None:
    """P-F3: it refuses connections, so that it acknowledges nothing any more; the other candidate takes over."""
    toy = promoted_in_a_cut()
    toy.fail(0, "refused")
    since = toy.now
    while toy.document.master_index == 0:
        toy.step()
    assert toy.now - since < 2.0
    assert toy.document.master_index == 1


def test_a_main_in_analytical_mode_has_no_partner_and_gets_no_replication_query() -> None:
    """P-S1: nothing is replicated, and the main would refuse every DROP and REGISTER."""
    toy = serving()
    toy.nodes[0].transactional = False
    plans = toy.settle()
    assert toy.document.sync is None
    assert [type(p.action) for p in plans if p.action] == [Publish]
    toy.nodes[0].transactional = True
    toy.settle()
    healthy(toy)


def test_news_of_a_restart_that_comes_after_the_promotion_is_no_loss() -> None:
    """P-F1, scenario 24: the process answered and was promoted before its pod's status said that it is another one."""
    toy = serving(2)
    toy.fail(1, "refused")
    toy.settle()
    assert toy.document.sync is None
    toy.nodes[0].incarnation += 1
    toy.restart(1)
    toy.settle()
    healthy(toy)
    assert toy.document.master_index == 0
