"""Cancelling: what nobody has claimed ends at once; the rest is asked, and keeps its lock."""

from __future__ import annotations

import pytest
from conformance.ledgers import LOCK, LedgerUnderTest

from singletrack import operations as ops
from singletrack.exits import Exit
from singletrack.lifecycle import State
from singletrack.operations import Cause, EndReply, Verdict
from singletrack.run import Cancellation, Failure, Outcome

KILLED = Exit(signal="SIGKILL")


def test_a_waiting_run_ends_and_leaves_the_line(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    ledger.submit("b")
    ledger.submit("c")
    reply = ledger.cancel("b", by="bob", reason="not needed")
    assert reply == EndReply(verdict=Verdict.OK, state=State.CANCELLED)
    assert ledger.lock().waiting == ("c",)
    run = ledger.run("b")
    assert run.cancellation == Cancellation(by="bob", reason="not needed", grace_seconds=30.0)
    assert run.failure is not None
    assert (run.failure.reason, run.failure.message) == ("Cancelled", "not needed")
    assert run.finished_at is not None


def test_a_ready_run_ends_and_its_lock_moves_on(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    ledger.submit("b")
    assert ledger.cancel("a").state is State.CANCELLED
    assert ledger.lock() == ops.LockStatus(key=LOCK, owner="b", token=0)
    assert ledger.due() == ["b"]


@pytest.mark.parametrize("state", [State.CLAIMED, State.RUNNING])
def test_a_claimed_run_is_asked_to_stop_and_keeps_its_lock(
    ledger: LedgerUnderTest, state: State
) -> None:
    if state is State.CLAIMED:
        ledger.claimed("a")
    else:
        ledger.running("a")
    before = ledger.run("a")
    asked = Cancellation(by="bob", reason="why", grace_seconds=2.5)
    reply = ledger.execute(ops.Cancel(run_id="a", cancellation=asked))
    assert reply == EndReply(verdict=Verdict.OK, state=state)
    run = ledger.run("a")
    assert (run.state, run.cancellation) == (state, asked)
    assert run.revision == before.revision + 1
    assert ledger.lock().owner == "a"


def test_the_first_cancellation_stays(ledger: LedgerUnderTest) -> None:
    ledger.running("a")
    ledger.cancel("a", by="bob")
    before = ledger.run("a")
    assert ledger.cancel("a", by="eve") == EndReply(verdict=Verdict.OK, state=State.RUNNING)
    assert ledger.run("a") == before


@pytest.mark.parametrize("state", [State.CLAIMED, State.RUNNING])
def test_a_harder_cancellation_shortens_the_grace_and_keeps_who_and_why(
    ledger: LedgerUnderTest, state: State
) -> None:
    grant = ledger.claimed("a") if state is State.CLAIMED else ledger.running("a")
    ledger.cancel("a", by="bob", reason="not needed", grace=30)
    for grace in (2.5, 0.0):
        before = ledger.run("a").revision
        reply = ledger.cancel("a", by="eve", reason="now", grace=grace)
        assert reply == EndReply(verdict=Verdict.OK, state=state)
        run = ledger.run("a")
        asked = Cancellation(by="bob", reason="not needed", grace_seconds=grace)
        assert (run.cancellation, run.revision) == (asked, before + 1)
        lease = ((grant.run_id, grant.nonce),)
        (answer,) = ledger.execute(ops.Renew(agent="w/1", leases=lease)).answers
        assert (answer.verdict, answer.cancellation) == (Verdict.CANCEL, asked)


def test_a_milder_cancellation_changes_nothing(ledger: LedgerUnderTest) -> None:
    ledger.running("a")
    ledger.cancel("a", grace=0)
    before = ledger.run("a")
    assert ledger.cancel("a", grace=30).verdict is Verdict.OK
    assert ledger.run("a") == before


@pytest.mark.parametrize("grace", [0.0, 30.0])
def test_a_later_cancellation_erases_no_result_and_no_traceback(
    ledger: LedgerUnderTest, grace: float
) -> None:
    failed = Outcome(
        state=State.FAILED,
        failure=Failure(reason="TaskError", message="no", error_type="E", traceback="Traceback"),
    )
    for run_id, outcome in (("a", failed), ("b", Outcome(state=State.SUCCEEDED, result="[1]"))):
        claim = ledger.running(run_id)
        ledger.execute(ops.Finish(run_id=run_id, nonce=claim.nonce, outcome=outcome))
        before = ledger.run(run_id)
        assert ledger.cancel(run_id, grace=grace).verdict is Verdict.OK
        assert ledger.run(run_id) == before


def test_a_terminal_run_stays_as_it_is(ledger: LedgerUnderTest) -> None:
    ledger.finished("a")
    before = ledger.run("a")
    assert ledger.cancel("a") == EndReply(verdict=Verdict.OK, state=State.SUCCEEDED)
    assert ledger.run("a") == before


def test_a_cancelled_run_may_be_cancelled_again(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    ledger.cancel("a")
    assert ledger.cancel("a") == EndReply(verdict=Verdict.OK, state=State.CANCELLED)


def test_an_unknown_run_is_unknown(ledger: LedgerUnderTest) -> None:
    assert ledger.cancel("nobody") == EndReply(verdict=Verdict.UNKNOWN)


def test_a_run_can_be_cancelled_while_the_server_is_unblessed(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    ledger.restart()
    assert ledger.cancel("a").state is State.CANCELLED


def test_a_cancelled_run_cannot_be_claimed(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    ledger.cancel("a")
    reply = ledger.execute(ops.Claim(run_id="a", nonce="n", worker="w"))
    assert (reply.verdict, reply.state) == (Verdict.DROP, State.CANCELLED)


# --- the child is gone ----------------------------------------------------------------------------


def child_gone(
    ledger: LedgerUnderTest, grant: ops.Grant, cause: Cause, message: str = ""
) -> EndReply:
    return ledger.execute(
        ops.ChildGone(
            run_id=grant.run_id, nonce=grant.nonce, cause=cause, message=message, exit=KILLED
        )
    )


@pytest.mark.parametrize(
    ("cause", "cancelled", "end", "reason"),
    [
        (Cause.DIED, False, State.LOST, "WorkerLost"),
        (Cause.DIED, True, State.CANCELLED, "Cancelled"),
        (Cause.OUT_OF_MEMORY, False, State.LOST, "OOMKilled"),
        (Cause.OUT_OF_MEMORY, True, State.CANCELLED, "Cancelled"),
        (Cause.CANCELLED, True, State.CANCELLED, "Cancelled"),
        (Cause.TIMED_OUT, False, State.TIMED_OUT, "Timeout"),
        (Cause.TIMED_OUT, True, State.TIMED_OUT, "Timeout"),
        (Cause.FENCED, False, State.LOST, "WorkerLost"),
        (Cause.FENCED, True, State.LOST, "WorkerLost"),
    ],
)
def test_a_running_run_whose_process_is_gone_ends_by_the_cause(
    ledger: LedgerUnderTest, cause: Cause, cancelled: bool, end: State, reason: str
) -> None:
    grant = ledger.running("a")
    ledger.submit("b")
    if cancelled:
        ledger.cancel("a", reason="not needed")
    reply = child_gone(ledger, grant, cause, "killed by signal 9")
    assert reply == EndReply(verdict=Verdict.OK, state=end)
    failure = ledger.run("a").failure
    assert failure
    assert failure.reason == reason
    assert failure.message == ("not needed" if reason == "Cancelled" else "killed by signal 9")
    assert failure.exit == (KILLED if end is State.LOST else None)
    assert ledger.lock().owner == "b"


@pytest.mark.parametrize("cause", Cause)
def test_a_claimed_run_whose_process_is_gone_never_started(
    ledger: LedgerUnderTest, cause: Cause
) -> None:
    grant = ledger.claimed("a")
    reply = child_gone(ledger, grant, cause)
    assert reply == EndReply(verdict=Verdict.OK, state=State.READY)
    assert ledger.run("a").attempt == 0
    assert ledger.due() == ["a"]


@pytest.mark.parametrize("cause", Cause)
def test_a_cancelled_claimed_run_whose_process_is_gone_ends(
    ledger: LedgerUnderTest, cause: Cause
) -> None:
    grant = ledger.claimed("a")
    ledger.cancel("a")
    assert child_gone(ledger, grant, cause).state is State.CANCELLED


def test_a_dead_process_of_a_finished_run_changes_nothing(ledger: LedgerUnderTest) -> None:
    grant = ledger.finished("a")
    before = ledger.run("a")
    assert child_gone(ledger, grant, Cause.DIED).state is State.SUCCEEDED
    assert ledger.run("a") == before


def test_a_dead_process_of_an_earlier_claim_changes_nothing(ledger: LedgerUnderTest) -> None:
    old = ledger.claimed("a")
    ledger.not_started(old)
    ledger.begin(ledger.claim("a"))
    reply = child_gone(ledger, old, Cause.DIED)
    assert reply == EndReply(verdict=Verdict.DROP, state=State.RUNNING)


def test_a_dead_process_of_an_unknown_run_changes_nothing(ledger: LedgerUnderTest) -> None:
    reply = ledger.execute(ops.ChildGone(run_id="nobody", nonce="n", cause=Cause.DIED))
    assert reply == EndReply(verdict=Verdict.DROP)
