"""What an unblessed server learns from those who know more: kept outcomes, deaths, TaskRuns."""

from __future__ import annotations

import pytest
from conformance.ledgers import LOCK, LedgerUnderTest
from conformance.promise import Promise

from singletrack import operations as ops
from singletrack.exits import Exit
from singletrack.lifecycle import State
from singletrack.operations import Cause, EndReply, Grant, Verdict
from singletrack.run import Failure, Outcome

DONE = Outcome(state=State.SUCCEEDED, result="[42]")
FAILED = Outcome(
    state=State.FAILED,
    failure=Failure(
        reason="TaskError", message="no", error_type="E", traceback="line 1", exit=Exit(code=3)
    ),
)


def settle(ledger: LedgerUnderTest, run_id: str, outcome: Outcome = DONE) -> EndReply:
    return ledger.execute(ops.Settle(run_id=run_id, outcome=outcome))


def displaced(ledger: LedgerUnderTest) -> tuple[Grant, Grant]:
    """The claims of b, which the server thinks to be running, and of a, which is: b has ended."""
    other = ledger.running("b")
    ledger.submit("a")
    older = ledger.snapshot()
    ledger.finish(other)
    grant = ledger.claim("a")
    ledger.begin(grant)
    ledger.restart(back_to=older)
    assert ledger.reassert(grant).verdict is Verdict.OK
    assert (ledger.state("a"), ledger.state("b")) == (State.RUNNING, State.LOST)
    return other, grant


# --- outcomes an agent has kept -------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [DONE, FAILED, Outcome(state=State.LOST)])
def test_an_ended_run_that_was_forgotten_is_restored_with_its_end(
    ledger: LedgerUnderTest, outcome: Outcome
) -> None:
    grant = ledger.finished("a", name="monthly", kwargs={"month": "2026-10"})
    ledger.wipe()
    reply = ledger.reassert(grant, outcome, name="monthly", kwargs={"month": "2026-10"})
    assert reply == EndReply(verdict=Verdict.OK, state=outcome.state)
    run = ledger.run("a")
    assert (run.state, run.result, run.failure) == (
        outcome.state,
        outcome.result,
        outcome.failure,
    )
    assert (run.token, run.attempt, run.spec.kwargs) == (grant.token, 1, {"month": "2026-10"})
    assert run.finished_at is not None
    assert ledger.lock().owner is None
    assert ledger.execute(ops.ListLeases()) == ()
    assert ledger.execute(ops.ListUnprojected()) == ("a",)


@pytest.mark.parametrize("older", [State.QUEUED, State.READY, State.CLAIMED, State.RUNNING])
def test_an_older_record_gets_the_end_and_its_lock_moves_on(
    ledger: LedgerUnderTest, older: State
) -> None:
    holder = ledger.running("holder")
    ledger.submit("a")
    ledger.submit("next")
    snapshots = {State.QUEUED: ledger.snapshot()}
    ledger.finish(holder)
    snapshots[State.READY] = ledger.snapshot()
    grant = ledger.claim("a")
    snapshots[State.CLAIMED] = ledger.snapshot()
    ledger.begin(grant)
    snapshots[State.RUNNING] = ledger.snapshot()
    ledger.finish(grant)

    ledger.restart(back_to=snapshots[older])
    assert ledger.reassert(grant, DONE).verdict is Verdict.OK

    assert (ledger.state("a"), ledger.run("a").result) == (State.SUCCEEDED, "[42]")
    assert ledger.lock().owner == ("holder" if older is State.QUEUED else "next")
    assert "a" not in ledger.lock().waiting
    assert "a" not in ledger.due()


def test_an_outcome_told_twice_changes_nothing(ledger: LedgerUnderTest) -> None:
    grant = ledger.finished("a")
    ledger.wipe()
    ledger.reassert(grant, DONE)
    before = ledger.run("a")
    assert ledger.reassert(grant, DONE) == EndReply(verdict=Verdict.OK, state=State.SUCCEEDED)
    assert ledger.run("a") == before


def test_an_end_that_is_recorded_stays(ledger: LedgerUnderTest) -> None:
    grant = ledger.finished("a")
    ledger.restart()
    assert ledger.reassert(grant, FAILED) == EndReply(verdict=Verdict.DROP, state=State.SUCCEEDED)
    assert ledger.state("a") is State.SUCCEEDED


def test_a_blessed_server_takes_no_outcomes(ledger: LedgerUnderTest) -> None:
    grant = ledger.finished("a")
    ledger.wipe()
    ledger.bless()
    assert ledger.reassert(grant, DONE) == EndReply(verdict=Verdict.DROP)
    assert ledger.execute(ops.GetRun(run_id="a")) is None


def test_what_was_executing_can_end_after_it_was_restored(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.wipe()
    ledger.reassert(grant)
    assert ledger.reassert(grant, DONE) == EndReply(verdict=Verdict.OK, state=State.SUCCEEDED)
    assert ledger.lock().owner is None


# --- displaced runs -------------------------------------------------------------------------------


def test_a_displaced_run_ends_as_its_own_child_says(ledger: LedgerUnderTest) -> None:
    other, grant = displaced(ledger)
    assert ledger.finish(other, result="[1]") == EndReply(verdict=Verdict.OK, state=State.SUCCEEDED)
    run = ledger.run("b")
    assert (run.state, run.result, run.failure) == (State.SUCCEEDED, "[1]", None)
    assert ledger.finish(other).verdict is Verdict.OK
    assert (ledger.lock().owner, ledger.lock().token) == ("a", grant.token)


def test_a_displaced_run_ends_as_its_agent_remembers(ledger: LedgerUnderTest) -> None:
    other, _grant = displaced(ledger)
    assert ledger.reassert(other, FAILED) == EndReply(verdict=Verdict.OK, state=State.FAILED)
    assert ledger.run("b").failure == FAILED.failure
    assert ledger.lock().owner == "a"


def test_a_displaced_run_ends_as_its_taskrun_shows(ledger: LedgerUnderTest) -> None:
    displaced(ledger)
    assert settle(ledger, "b") == EndReply(verdict=Verdict.OK, state=State.SUCCEEDED)
    assert ledger.lock().owner == "a"


def test_a_displaced_run_is_lost_for_good_with_the_blessing(ledger: LedgerUnderTest) -> None:
    other, _grant = displaced(ledger)
    ledger.bless()
    before = ledger.run("b")
    assert ledger.finish(other) == EndReply(verdict=Verdict.DROP, state=State.LOST)
    ledger.restart()
    assert ledger.reassert(other, DONE).verdict is Verdict.DROP
    assert settle(ledger, "b").verdict is Verdict.DROP
    assert ledger.run("b") == before


def test_of_two_started_runs_that_want_a_lock_the_later_claim_has_it(
    ledger: LedgerUnderTest,
) -> None:
    first, second = displaced(ledger)
    assert ledger.reassert(first) == EndReply(verdict=Verdict.DROP, state=State.LOST)
    ledger.wipe()
    assert ledger.reassert(first).verdict is Verdict.OK
    assert ledger.reassert(second).verdict is Verdict.OK
    assert (ledger.state("b"), ledger.lock().owner) == (State.LOST, "a")


def test_a_displaced_run_may_turn_out_to_be_the_one_that_executes(
    ledger: LedgerUnderTest,
) -> None:
    first = ledger.running("b")
    older = ledger.snapshot()
    ledger.finish(first)
    second = ledger.running("a")
    ledger.restart(back_to=older)
    ledger.reassert(second)
    assert ledger.run("b").provisional
    later = Grant(run_id="b", nonce="n", token=second.token + 1, lock=LOCK, attempt=1)
    assert ledger.reassert(later).verdict is Verdict.OK
    assert (ledger.state("b"), ledger.state("a")) == (State.RUNNING, State.LOST)
    run = ledger.run("b")
    assert (run.failure, run.finished_at) == (None, None)
    assert ledger.lock().owner == "b"


@pytest.mark.parametrize("known", [True, False])
def test_a_displaced_run_is_counted_when_its_end_is_sure(
    ledger: LedgerUnderTest, *, known: bool
) -> None:
    ledger.execute(ops.RegisterTasks(entries={"report": "{}"}))
    other, _grant = displaced(ledger)
    counted = "runs_finished_total|task=report|outcome="
    before = ledger.execute(ops.ReadCounters())
    assert before[f"{counted}lost"] == 0
    if known:
        ledger.finish(other)
    ledger.bless()
    after = ledger.execute(ops.ReadCounters())
    assert after[f"{counted}lost"] == (0 if known else 1)
    assert after[f"{counted}succeeded"] == (1 if known else 0)


def test_the_judge_takes_the_blessing_of_a_displaced_run_for_no_change(
    ledger: LedgerUnderTest,
) -> None:
    displaced(ledger)
    promise, provisional = Promise(durable=False), ledger.run("b")
    promise.observed([provisional], [], leased=[], outbox=[])
    ledger.bless()
    promise.blessed()
    lost = ledger.run("b")
    assert (provisional.provisional, lost.provisional) == (True, False)
    promise.observed([lost], [], leased=[], outbox=[])
    with pytest.raises(AssertionError, match="S4"):
        promise.observed([provisional], [], leased=[], outbox=[])


# --- deaths the server cannot place ---------------------------------------------------------------


def test_a_death_the_server_cannot_place_is_told_again_with_the_record(
    ledger: LedgerUnderTest,
) -> None:
    grant = ledger.running("a")
    ledger.wipe()
    assert ledger.child_gone(grant) == EndReply(verdict=Verdict.RECOVERING)
    lost = Outcome(state=State.LOST, failure=Failure(reason="WorkerLost", message="signal 9"))
    assert ledger.reassert(grant, lost).verdict is Verdict.OK
    assert ledger.child_gone(grant) == EndReply(verdict=Verdict.DROP, state=State.LOST)


def test_a_death_of_an_older_record_is_told_again_with_the_record(
    ledger: LedgerUnderTest,
) -> None:
    ledger.submit("a")
    older = ledger.snapshot()
    grant = ledger.claim("a")
    ledger.begin(grant)
    ledger.restart(back_to=older)
    reply = ledger.child_gone(grant)
    assert reply == EndReply(verdict=Verdict.RECOVERING, state=State.READY)
    ledger.bless()
    assert ledger.child_gone(grant, Cause.CANCELLED).verdict is Verdict.DROP


def test_a_finish_the_server_cannot_place_waits_for_the_record(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.wipe()
    assert ledger.finish(grant) == EndReply(verdict=Verdict.RECOVERING)
    ledger.reassert(grant)
    assert ledger.finish(grant) == EndReply(verdict=Verdict.OK, state=State.SUCCEEDED)


# --- settling -------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.QUEUED, State.READY, State.CLAIMED, State.RUNNING])
def test_a_record_behind_its_taskrun_is_settled_and_its_lock_moves_on(
    ledger: LedgerUnderTest, state: State
) -> None:
    if state is State.QUEUED:
        ledger.running("holder")
    ledger.submit("a")
    ledger.submit("next")
    if state in (State.CLAIMED, State.RUNNING):
        grant = ledger.claim("a")
        if state is State.RUNNING:
            ledger.begin(grant)
    ledger.restart()
    assert settle(ledger, "a", FAILED) == EndReply(verdict=Verdict.OK, state=State.FAILED)
    assert ledger.run("a").failure == FAILED.failure
    assert ledger.lock().owner == ("holder" if state is State.QUEUED else "next")
    assert settle(ledger, "a", FAILED) == EndReply(verdict=Verdict.OK, state=State.FAILED)


def test_a_blessed_record_is_not_settled(ledger: LedgerUnderTest) -> None:
    ledger.running("a")
    assert settle(ledger, "a") == EndReply(verdict=Verdict.DROP, state=State.RUNNING)
    assert settle(ledger, "nobody") == EndReply(verdict=Verdict.UNKNOWN)


def test_a_record_that_has_ended_otherwise_stays_as_it_is(ledger: LedgerUnderTest) -> None:
    ledger.finished("a")
    ledger.restart()
    assert settle(ledger, "a", FAILED) == EndReply(verdict=Verdict.DROP, state=State.SUCCEEDED)
