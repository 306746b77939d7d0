"""Policies: what a new run does when its lock is held; the order of the waiting list."""

from __future__ import annotations

import pytest
from conformance.ledgers import LOCK, LedgerUnderTest

from singletrack import operations as ops
from singletrack.errors import Holder
from singletrack.lifecycle import State
from singletrack.operations import Verdict
from singletrack.policies import Policy
from singletrack.run import Door


@pytest.mark.parametrize("policy", Policy)
def test_a_free_lock_is_taken_under_every_policy(ledger: LedgerUnderTest, policy: Policy) -> None:
    assert ledger.submit("a", policy=policy).state is State.READY


# --- Reject ---------------------------------------------------------------------------------------


def test_reject_refuses_and_names_the_lock_and_its_holder(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", name="monthly")
    reply = ledger.submit("b", policy=Policy.REJECT)
    run = ledger.run("b")
    assert (reply.verdict, reply.state, reply.created) == (Verdict.OK, State.REJECTED, True)
    assert reply.holder == run.holder == Holder("a", "monthly")
    assert run.finished_at is not None
    assert run.failure is not None
    assert run.failure.reason == "LockHeld"
    assert LOCK in run.failure.message
    assert "monthly" in run.failure.message


def test_a_holder_without_a_task_run_is_named_by_its_id(ledger: LedgerUnderTest) -> None:
    ledger.submit("holder-1")
    ledger.submit("b", policy=Policy.REJECT)
    failure = ledger.run("b").failure
    assert failure
    assert "holder-1" in failure.message


def test_a_refused_run_can_never_be_claimed(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    ledger.submit("b", policy=Policy.REJECT)
    reply = ledger.execute(ops.Claim(run_id="b", nonce="n", worker="w"))
    assert (reply.verdict, reply.state) == (Verdict.DROP, State.REJECTED)
    assert ledger.lock() == ops.LockStatus(key=LOCK, owner="a", token=0)


def test_reject_waits_for_a_holder_that_is_being_cancelled(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.cancel("a")
    assert ledger.submit("b", policy=Policy.REJECT).state is State.QUEUED
    ledger.finish(grant, State.CANCELLED)
    assert ledger.state("b") is State.READY


def test_only_one_run_waits_for_that_end_under_reject(ledger: LedgerUnderTest) -> None:
    ledger.running("a")
    ledger.cancel("a")
    ledger.submit("b", policy=Policy.REJECT)
    assert ledger.submit("c", policy=Policy.REJECT).state is State.REJECTED


# --- Queue ----------------------------------------------------------------------------------------


def test_waiting_runs_take_the_lock_in_the_order_they_came(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    for run_id in ("d", "b", "c"):
        ledger.submit(run_id)
    assert ledger.lock().waiting == ("d", "b", "c")
    ledger.finish(grant)
    assert ledger.lock() == ops.LockStatus(key=LOCK, owner="d", token=0, waiting=("b", "c"))


def test_a_full_waiting_list_refuses(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    assert ledger.submit("b", max_queue=1).state is State.QUEUED
    reply = ledger.submit("c", max_queue=1)
    failure = ledger.run("c").failure
    assert (reply.state, reply.holder) == (State.REJECTED, Holder("a"))
    assert failure
    assert failure.reason == "QueueFull"
    assert LOCK in failure.message


# --- Replace --------------------------------------------------------------------------------------


def test_replace_supersedes_everybody_waiting(ledger: LedgerUnderTest) -> None:
    ledger.running("a")
    ledger.submit("b")
    ledger.submit("c", priority=1000)
    ledger.submit("d", policy=Policy.REPLACE)
    assert ledger.lock().waiting == ("d",)
    for run_id in ("b", "c"):
        run = ledger.run(run_id)
        assert run.state is State.SUPERSEDED
        assert run.failure is not None
        assert run.failure.reason == "Replaced"
        assert "d" in run.failure.message


def test_replace_takes_the_lock_from_a_run_nobody_has_claimed(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    ledger.submit("b")
    reply = ledger.submit("c", policy=Policy.REPLACE, push=True)
    assert (reply.verdict, reply.state, reply.created) == (Verdict.OK, State.READY, True)
    assert (ledger.state("a"), ledger.state("b")) == (State.SUPERSEDED, State.SUPERSEDED)
    assert ledger.lock() == ops.LockStatus(key=LOCK, owner="c", token=0)
    assert ledger.messages() == ["to c"]


@pytest.mark.parametrize("state", [State.CLAIMED, State.RUNNING])
def test_replace_asks_a_claimed_holder_to_stop_and_waits(
    ledger: LedgerUnderTest, state: State
) -> None:
    grant = ledger.claimed("a") if state is State.CLAIMED else ledger.running("a")
    assert ledger.submit("b", policy=Policy.REPLACE).state is State.QUEUED
    run = ledger.run("a")
    assert run.state is state
    assert run.cancellation is not None
    assert (run.cancellation.by, run.cancellation.grace_seconds) == ("replaced", 30.0)
    assert "b" in run.cancellation.reason
    ledger.execute(ops.ChildGone(run_id="a", nonce=grant.nonce, cause=ops.Cause.CANCELLED))
    assert (ledger.state("a"), ledger.state("b")) == (State.CANCELLED, State.READY)


def test_replacing_does_not_overwrite_an_earlier_cancellation(ledger: LedgerUnderTest) -> None:
    ledger.running("a")
    ledger.cancel("a", by="bob")
    ledger.submit("b", policy=Policy.REPLACE)
    cancellation = ledger.run("a").cancellation
    assert cancellation
    assert cancellation.by == "bob"


def test_the_latest_of_several_replacing_runs_is_the_one_that_waits(
    ledger: LedgerUnderTest,
) -> None:
    grant = ledger.running("a")
    ledger.submit("b", policy=Policy.REPLACE)
    ledger.submit("c", policy=Policy.REPLACE)
    assert ledger.state("b") is State.SUPERSEDED
    ledger.finish(grant)
    assert ledger.lock() == ops.LockStatus(key=LOCK, owner="c", token=0)


# --- QueueLatest ----------------------------------------------------------------------------------


def test_queue_latest_supersedes_everybody_waiting_and_leaves_the_holder_alone(
    ledger: LedgerUnderTest,
) -> None:
    grant = ledger.running("a")
    ledger.submit("b")
    ledger.submit("c", priority=1000)
    reply = ledger.submit("d", policy=Policy.QUEUE_LATEST)
    assert (reply.state, reply.holder) == (State.QUEUED, Holder("a"))
    assert ledger.lock().waiting == ("d",)
    assert ledger.run("a").cancellation is None
    for run_id in ("b", "c"):
        run = ledger.run(run_id)
        assert run.state is State.SUPERSEDED
        assert run.failure is not None
        assert (run.failure.reason, run.failure.message) == ("Superseded", "superseded by run d")
    ledger.finish(grant)
    assert ledger.state("d") is State.READY


def test_at_most_one_run_waits_under_queue_latest(ledger: LedgerUnderTest) -> None:
    ledger.submit("holder")
    for run_id in ("a", "b", "c"):
        ledger.submit(run_id, policy=Policy.QUEUE_LATEST)
    assert ledger.lock() == ops.LockStatus(key=LOCK, owner="holder", token=0, waiting=("c",))


def test_queue_latest_waits_for_a_holder_that_is_ending_as_for_any_other(
    ledger: LedgerUnderTest,
) -> None:
    ledger.running("a")
    ledger.cancel("a", by="bob")
    assert ledger.submit("b", policy=Policy.QUEUE_LATEST).state is State.QUEUED


# --- Join -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reach", ["submit", "claimed", "running"])
def test_join_ends_at_once_and_points_at_the_holder(ledger: LedgerUnderTest, reach: str) -> None:
    getattr(ledger, reach)("a", name="monthly")
    reply = ledger.submit("b", policy=Policy.JOIN)
    run = ledger.run("b")
    assert (reply.state, reply.created) == (State.JOINED, True)
    assert reply.holder == run.holder == Holder("a", "monthly")
    assert run.finished_at is not None
    assert (run.failure, run.result, run.attempt) == (None, None, 0)
    assert ledger.lock().waiting == ()


def test_a_joined_run_is_not_touched_by_what_becomes_of_the_other(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.submit("b", policy=Policy.JOIN)
    before = ledger.run("b")
    ledger.finish(grant, result="[1]")
    assert ledger.run("b") == before


def test_nobody_joins_a_holder_that_is_being_cancelled(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.cancel("a")
    assert ledger.submit("b", policy=Policy.JOIN).state is State.QUEUED
    ledger.finish(grant, State.CANCELLED)
    assert ledger.state("b") is State.READY


def test_while_a_holder_is_ending_one_joins_the_first_in_line(ledger: LedgerUnderTest) -> None:
    ledger.running("a")
    ledger.submit("late")
    ledger.submit("next", priority=5, name="urgent")
    ledger.cancel("a")
    reply = ledger.submit("b", policy=Policy.JOIN)
    assert (reply.state, reply.holder) == (State.JOINED, Holder("next", "urgent"))
    assert ledger.run("b").holder == Holder("next", "urgent")


# --- Skip -----------------------------------------------------------------------------------------


def test_skip_ends_at_once_and_names_the_holder(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", name="monthly")
    reply = ledger.submit("b", policy=Policy.SKIP)
    run = ledger.run("b")
    assert (reply.state, reply.holder) == (State.SKIPPED, Holder("a", "monthly"))
    assert run.holder == Holder("a", "monthly")
    assert run.failure is not None
    assert run.failure.reason == "Skipped"
    assert LOCK in run.failure.message
    assert "monthly" in run.failure.message


def test_skip_does_not_wait_for_a_holder_that_is_ending(ledger: LedgerUnderTest) -> None:
    ledger.running("a")
    ledger.cancel("a")
    assert ledger.submit("b", policy=Policy.SKIP).state is State.SKIPPED


# --- all of them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", Policy)
def test_a_repeated_submission_has_no_second_effect(
    ledger: LedgerUnderTest, policy: Policy
) -> None:
    ledger.running("a")
    first = ledger.submit("b", policy=policy)
    before = (ledger.run("a"), ledger.run("b"), ledger.lock())
    again = ledger.submit("b", policy=policy)
    assert (again.verdict, again.state, again.created) == (Verdict.OK, first.state, False)
    assert (ledger.run("a"), ledger.run("b"), ledger.lock()) == before


@pytest.mark.parametrize(
    ("policy", "outcome"),
    [(Policy.REJECT, "rejected"), (Policy.JOIN, "joined"), (Policy.SKIP, "skipped")],
)
def test_an_end_at_the_door_is_counted_as_such(
    ledger: LedgerUnderTest, policy: Policy, outcome: str
) -> None:
    ledger.running("a")
    ledger.submit("b", policy=policy)
    counted = ledger.execute(ops.ReadCounters())
    assert counted[f"runs_finished_total|task=other|outcome={outcome}"] == 1


@pytest.mark.parametrize(
    ("policy", "latest"),
    [(Policy.REJECT, "a"), (Policy.SKIP, "a"), (Policy.JOIN, "b"), (Policy.QUEUE_LATEST, "b")],
)
def test_the_latest_run_of_the_rest_door_is_one_that_was_taken_on(
    ledger: LedgerUnderTest, policy: Policy, latest: str
) -> None:
    ledger.submit("a", door=Door.REST)
    ledger.submit("b", door=Door.REST, policy=policy)
    assert ledger.execute(ops.LatestRun(namespace="default")) == latest
