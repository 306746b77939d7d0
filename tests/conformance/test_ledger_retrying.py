"""Retries: a failed attempt is followed by another one of the same run, which keeps its lock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from conformance.ledgers import LOCK, LedgerUnderTest
from conformance.test_ledger_counters import observed

from singletrack import operations as ops
from singletrack.exits import Exit
from singletrack.lifecycle import State
from singletrack.locks import OnLost
from singletrack.operations import Cause, EndReply, Grant, Verdict
from singletrack.policies import Policy
from singletrack.retries import Retry, RetryCause, backoff_ms
from singletrack.run import Failure, Outcome, Progress

AT_ONCE = Retry(limit=2, initial_seconds=0)
LATER = Retry(limit=2, initial_seconds=86_400, max_seconds=86_400)
READY = EndReply(verdict=Verdict.OK, state=State.READY)


def again(ledger: LedgerUnderTest, run_id: str) -> Grant:
    grant = ledger.claim(run_id)
    assert ledger.begin(grant).verdict is Verdict.OK
    return grant


def test_a_failed_attempt_is_followed_by_another_one(ledger: LedgerUnderTest) -> None:
    first = ledger.running("a", retry=AT_ONCE)
    assert ledger.fail(first) == READY
    second = again(ledger, "a")
    assert (first.attempt, second.attempt) == (1, 2)
    assert second.token > first.token
    assert ledger.finish(second, result="1").state is State.SUCCEEDED
    run = ledger.run("a")
    assert (run.attempt, run.result, run.failure) == (2, "1", None)


def test_without_retries_the_first_failure_is_the_end(ledger: LedgerUnderTest) -> None:
    assert ledger.fail(ledger.running("a")).state is State.FAILED


def test_the_last_attempt_ends_the_run(ledger: LedgerUnderTest) -> None:
    assert ledger.fail(ledger.running("a", retry=AT_ONCE)) == READY
    assert ledger.fail(again(ledger, "a")) == READY
    assert ledger.fail(again(ledger, "a")).state is State.FAILED
    run = ledger.run("a")
    assert run.attempt == 3
    assert run.failure == Failure(reason="TaskError", message="attempt 3 failed")


def test_how_an_earlier_process_ended_is_not_said_of_a_later_attempt(
    ledger: LedgerUnderTest,
) -> None:
    grant = ledger.running("a", retry=AT_ONCE)
    died = ops.ChildGone(
        run_id="a", nonce=grant.nonce, cause=Cause.DIED, message="died", exit=Exit(code=1)
    )
    assert ledger.execute(died) == READY
    failure = ledger.run("a").failure
    assert failure
    assert failure.exit == Exit(code=1)
    ledger.fail(again(ledger, "a"))
    assert ledger.run("a").failure == Failure(reason="TaskError", message="attempt 2 failed")


def test_the_next_attempt_goes_through_the_outbox(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", push=True, retry=AT_ONCE)
    ledger.fail(again(ledger, "a"))
    assert ledger.messages() == ["to a", "to a"]


# --- the pause ------------------------------------------------------------------------------------


def test_nobody_can_start_the_next_attempt_before_its_pause_is_over(
    ledger: LedgerUnderTest,
) -> None:
    ledger.submit("a", push=True, retry=LATER)
    ledger.fail(again(ledger, "a"))
    assert ledger.messages() == ["to a"]
    assert ledger.due() == []
    assert ledger.start("a").verdict is Verdict.DROP
    claim = ledger.execute(ops.Claim(run_id="a", nonce="n", worker="w"))
    assert (claim.verdict, claim.state) == (Verdict.DROP, State.READY)


def test_the_pause_is_the_one_everybody_computes(ledger: LedgerUnderTest) -> None:
    ledger.fail(ledger.running("a", retry=LATER))
    run = ledger.run("a")
    assert run.backing_off
    assert run.not_before is not None
    assert run.ready_at is not None
    pause = timedelta(milliseconds=backoff_ms(LATER, "a", 1))
    assert abs(run.not_before - run.ready_at - pause) <= timedelta(milliseconds=1)
    assert ledger.next_look("a") == round(run.not_before.timestamp() * 1000)


def test_the_start_deadline_counts_from_the_end_of_the_pause(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a", retry=LATER, start_deadline_seconds=0.0)
    ledger.fail(grant)
    assert ledger.execute(ops.ListOverdue()) == ()
    assert ledger.execute(ops.ExpireWait(run_id="a")).verdict is Verdict.DROP


def test_a_run_that_has_started_before_and_finds_no_worker_has_failed(
    ledger: LedgerUnderTest,
) -> None:
    ledger.fail(ledger.running("a", retry=AT_ONCE, start_deadline_seconds=0.0))
    assert ledger.execute(ops.ExpireWait(run_id="a")).state is State.FAILED
    failure = ledger.run("a").failure
    assert failure is not None
    assert failure.reason == "StartDeadlineExceeded"


def test_the_lock_is_kept_during_the_pause(ledger: LedgerUnderTest) -> None:
    ledger.fail(ledger.running("a", retry=LATER))
    ledger.submit("b")
    assert (ledger.lock().owner, ledger.lock().waiting) == ("a", ("b",))


def test_a_cancel_during_the_pause_ends_the_run_at_once(ledger: LedgerUnderTest) -> None:
    ledger.fail(ledger.running("a", retry=LATER))
    ledger.submit("b")
    assert ledger.cancel("a", reason="enough") == EndReply(
        verdict=Verdict.OK, state=State.CANCELLED
    )
    run = ledger.run("a")
    assert run.failure == Failure(reason="Cancelled", message="enough")
    assert not run.backing_off
    assert ledger.lock().owner == "b"


def test_a_run_that_is_replaced_during_the_pause_was_cancelled(ledger: LedgerUnderTest) -> None:
    ledger.fail(ledger.running("a", retry=LATER))
    ledger.submit("b", policy=Policy.REPLACE)
    run = ledger.run("a")
    assert run.state is State.CANCELLED
    assert run.cancellation is not None
    assert run.cancellation.by == "replaced"
    assert ledger.lock().owner == "b"


def test_a_resumed_queue_keeps_the_pause(ledger: LedgerUnderTest) -> None:
    ledger.execute(ops.PauseQueue(queue=ledger.queue, by="alice"))
    ledger.execute(ops.ResumeQueue(queue=ledger.queue))
    ledger.fail(ledger.running("a", retry=LATER))
    ledger.execute(ops.PauseQueue(queue=ledger.queue, by="alice"))
    ledger.execute(ops.ResumeQueue(queue=ledger.queue))
    assert ledger.due() == []
    assert ledger.start("a").verdict is Verdict.DROP


def test_a_blessing_keeps_the_pause(ledger: LedgerUnderTest) -> None:
    ledger.fail(ledger.running("a", retry=LATER))
    ledger.restart()
    ledger.bless()
    assert ledger.due() == []
    assert ledger.start("a").verdict is Verdict.DROP


# --- causes ---------------------------------------------------------------------------------------


def confirm_dead(ledger: LedgerUnderTest, grant: Grant) -> EndReply:
    dead = ops.ConfirmDead(run_id=grant.run_id, nonce=grant.nonce, message="gone")
    return ledger.execute(dead)


#: The ways in which attempts end.
WAYS: dict[str, Callable[[LedgerUnderTest, Grant], EndReply]] = {
    "raised": lambda ledger, grant: ledger.fail(grant),
    "interrupted": lambda ledger, grant: ledger.fail(grant, "Interrupted"),
    "timed out": lambda ledger, grant: ledger.child_gone(grant, Cause.TIMED_OUT),
    "told timed out": lambda ledger, grant: ledger.finish(grant, State.TIMED_OUT),
    "died": lambda ledger, grant: ledger.child_gone(grant, Cause.DIED),
    "fenced": lambda ledger, grant: ledger.child_gone(grant, Cause.FENCED),
    "confirmed dead": confirm_dead,
    "expired": lambda ledger, grant: ledger.expire(grant),
}
CAUSES = {
    "raised": RetryCause.ERROR,
    "interrupted": RetryCause.INTERRUPTED,
    "timed out": RetryCause.TIMEOUT,
    "told timed out": RetryCause.TIMEOUT,
    "died": RetryCause.WORKER_LOST,
    "fenced": RetryCause.WORKER_LOST,
    "confirmed dead": RetryCause.WORKER_LOST,
    "expired": RetryCause.WORKER_LOST,
}


@pytest.mark.parametrize("how", CAUSES)
def test_what_ends_an_attempt_is_one_of_the_causes(ledger: LedgerUnderTest, how: str) -> None:
    ledger.execute(ops.RegisterTasks(entries={"report": "{}"}))
    retry = Retry(limit=1, initial_seconds=0, causes=(CAUSES[how],))
    assert WAYS[how](ledger, ledger.running("a", retry=retry)) == READY
    assert ledger.lock().owner == "a"
    counted = ledger.execute(ops.ReadCounters())
    assert counted[f"retries_total|task=report|cause={CAUSES[how]}"] == 1


@pytest.mark.parametrize("how", CAUSES)
def test_another_cause_ends_the_run(ledger: LedgerUnderTest, how: str) -> None:
    others = tuple(cause for cause in RetryCause if cause is not CAUSES[how])
    retry = Retry(limit=1, initial_seconds=0, causes=others)
    WAYS[how](ledger, ledger.running("a", retry=retry))
    assert ledger.run("a").terminal
    assert ledger.lock().owner is None


def test_a_run_that_was_asked_to_stop_is_not_tried_again(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a", retry=AT_ONCE)
    ledger.cancel("a")
    assert ledger.fail(grant).state is State.FAILED


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.CANCELLED])
def test_success_and_cancellation_are_never_followed_by_another_attempt(
    ledger: LedgerUnderTest, state: State
) -> None:
    assert ledger.finish(ledger.running("a", retry=AT_ONCE), state).state is state


def test_a_lock_that_a_human_has_released_is_not_taken_again(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a", retry=AT_ONCE, on_lost=OnLost.HOLD)
    assert ledger.expire(grant).state is State.RUNNING
    release = ops.ReleaseLock(lock=LOCK, by="alice", reason="gone")
    assert ledger.execute(release).state is State.LOST


def test_a_run_nobody_could_publish_again_is_not_tried_again(ledger: LedgerUnderTest) -> None:
    assert ledger.fail(ledger.running("a", retry=AT_ONCE, envelope="")).state is State.FAILED


# --- what the task's code asks for ----------------------------------------------------------------


def test_code_may_ask_for_another_attempt_whatever_the_limit_is(ledger: LedgerUnderTest) -> None:
    ledger.execute(ops.RegisterTasks(entries={"report": "{}"}))
    assert ledger.fail(ledger.running("a"), retry_after_seconds=0.0) == READY
    assert again(ledger, "a").attempt == 2
    counted = ledger.execute(ops.ReadCounters())
    assert counted["retries_total|task=report|cause=Requested"] == 1


def test_code_says_how_long_the_pause_is(ledger: LedgerUnderTest) -> None:
    ledger.fail(ledger.running("a"), retry_after_seconds=3600.0)
    run = ledger.run("a")
    assert run.not_before is not None
    assert run.ready_at is not None
    assert run.not_before - run.ready_at == timedelta(hours=1)


# --- what is seen of it ---------------------------------------------------------------------------


def test_the_failure_of_the_last_attempt_is_seen_until_the_end(ledger: LedgerUnderTest) -> None:
    ledger.fail(ledger.running("a", retry=AT_ONCE))
    failure = Failure(reason="TaskError", message="attempt 1 failed")
    assert ledger.run("a").failure == failure
    grant = again(ledger, "a")
    assert ledger.run("a").failure == failure
    ledger.child_gone(grant)
    assert ledger.run("a").failure == Failure(reason="WorkerLost")


def test_progress_begins_anew_with_each_attempt(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a", retry=AT_ONCE)
    progress = Progress(current=1, total=2, message="half")
    ledger.execute(ops.Report(run_id="a", nonce=grant.nonce, progress=progress))
    ledger.fail(grant)
    assert ledger.run("a").progress == progress
    again(ledger, "a")
    assert ledger.run("a").progress is None


def test_waiting_is_measured_once_and_each_attempt_counts_as_work(
    ledger: LedgerUnderTest,
) -> None:
    ledger.execute(ops.RegisterTasks(entries={"report": "{}"}))
    ledger.fail(ledger.running("a", retry=AT_ONCE))
    ledger.finish(again(ledger, "a"))
    counted = ledger.execute(ops.ReadCounters())
    assert observed(counted, "run_wait_seconds", task="report") == 1
    assert observed(counted, "run_duration_seconds", task="report", result="error") == 1
    assert observed(counted, "run_duration_seconds", task="report", result="ok") == 1
    assert counted["runs_finished_total|task=report|outcome=succeeded"] == 1


# --- late and repeated ----------------------------------------------------------------------------


def test_a_repeated_report_of_a_failure_is_confirmed_and_changes_nothing(
    ledger: LedgerUnderTest,
) -> None:
    first = ledger.running("a", retry=AT_ONCE)
    ledger.fail(first)
    second = again(ledger, "a")
    before = ledger.run("a")
    assert ledger.fail(first) == EndReply(verdict=Verdict.OK, state=State.RUNNING)
    assert ledger.run("a") == before
    assert ledger.finish(second).state is State.SUCCEEDED


def test_who_comes_back_after_the_attempt_was_given_up_is_too_late(
    ledger: LedgerUnderTest,
) -> None:
    first = ledger.running("a", retry=AT_ONCE)
    ledger.expire(first)
    assert ledger.finish(first).verdict is Verdict.DROP
    assert ledger.fail(first).verdict is Verdict.DROP
    again(ledger, "a")
    assert ledger.finish(first).verdict is Verdict.DROP
    assert ledger.child_gone(first).verdict is Verdict.DROP
    assert ledger.state("a") is State.RUNNING


def test_an_attempt_that_was_handed_back_is_not_counted(ledger: LedgerUnderTest) -> None:
    ledger.fail(ledger.running("a", retry=Retry(limit=1, initial_seconds=0)))
    ledger.not_started(again(ledger, "a"))
    grant = again(ledger, "a")
    assert grant.attempt == 2
    assert ledger.fail(grant).state is State.FAILED


# --- after a restart ------------------------------------------------------------------------------


def failed(**said: Any) -> Outcome:
    return Outcome(state=State.FAILED, failure=Failure(reason="TaskError"), **said)


def test_a_server_that_has_forgotten_the_failure_tries_again_when_it_is_told(
    ledger: LedgerUnderTest,
) -> None:
    grant = ledger.running("a", retry=AT_ONCE)
    before = ledger.snapshot()
    ledger.fail(grant)
    ledger.restart(back_to=before)
    assert ledger.reassert(grant, failed(), retry=AT_ONCE) == READY
    assert ledger.start("a").verdict is Verdict.RECOVERING
    ledger.bless()
    assert again(ledger, "a").attempt == 2


def test_being_told_of_a_failure_again_does_not_end_the_run(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a", retry=LATER)
    ledger.fail(grant)
    ledger.restart()
    assert ledger.reassert(grant, failed(), retry=LATER) == READY
    assert ledger.run("a").backing_off


def test_an_agent_that_tells_of_an_earlier_attempt_changes_nothing(
    ledger: LedgerUnderTest,
) -> None:
    first = ledger.running("a", retry=AT_ONCE)
    ledger.expire(first)
    ledger.fail(again(ledger, "a"))
    ledger.restart()
    before = ledger.run("a")
    assert ledger.reassert(first, retry=AT_ONCE).verdict is Verdict.DROP
    assert ledger.reassert(first, failed(), retry=AT_ONCE).verdict is Verdict.DROP
    assert ledger.run("a") == before


def test_an_attempt_given_up_too_early_takes_its_run_back(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a", retry=LATER)
    ledger.expire(grant)
    ledger.restart()
    assert ledger.reassert(grant, retry=LATER).state is State.RUNNING
    run = ledger.run("a")
    assert (run.attempt, run.failure, run.not_before) == (1, None, None)
    assert ledger.finish(grant).state is State.SUCCEEDED
