"""Finishing: the current claim ends the run and lets the next one in; everybody else is late."""

from __future__ import annotations

import pytest
from conformance.ledgers import LedgerUnderTest

from singletrack import operations as ops
from singletrack.errors import LedgerRefused
from singletrack.exits import Exit
from singletrack.lifecycle import State
from singletrack.operations import EndReply, Verdict
from singletrack.run import Failure, Outcome


def finish(ledger: LedgerUnderTest, run_id: str, nonce: str, outcome: Outcome) -> EndReply:
    return ledger.execute(ops.Finish(run_id=run_id, nonce=nonce, outcome=outcome))


def test_a_result_ends_the_run_and_frees_its_lock(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    reply = ledger.finish(grant, result='{"rows": 3}')
    run = ledger.run("a")
    assert reply == EndReply(verdict=Verdict.OK, state=State.SUCCEEDED)
    assert (run.state, run.result, run.failure) == (State.SUCCEEDED, '{"rows": 3}', None)
    assert run.finished_at is not None
    assert run.started_at is not None
    assert run.finished_at >= run.started_at
    assert ledger.lock().owner is None


@pytest.mark.parametrize(
    "ended", [None, Exit(code=0), Exit(code=3), Exit(signal="SIGKILL")], ids=str
)
def test_a_failure_is_recorded_as_it_was_reported(
    ledger: LedgerUnderTest, ended: Exit | None
) -> None:
    grant = ledger.running("a")
    failure = Failure(
        reason="TaskError",
        message="no rows",
        error_type="app.NoRows",
        traceback="line 1\nline 2",
        exit=ended,
    )
    finish(ledger, "a", grant.nonce, Outcome(state=State.FAILED, failure=failure))
    run = ledger.run("a")
    assert (run.state, run.result, run.failure) == (State.FAILED, None, failure)


@pytest.mark.parametrize("state", [State.CANCELLED, State.TIMED_OUT, State.FAILED, State.LOST])
def test_a_running_run_may_end_in_any_of_the_ways_code_ends(
    ledger: LedgerUnderTest, state: State
) -> None:
    grant = ledger.running("a")
    assert ledger.finish(grant, state) == EndReply(verdict=Verdict.OK, state=state)
    assert ledger.state("a") is state


def test_a_claimed_run_may_fail_before_its_code_starts(ledger: LedgerUnderTest) -> None:
    grant = ledger.claimed("a")
    assert ledger.finish(grant, State.FAILED).verdict is Verdict.OK
    assert ledger.run("a").attempt == 0


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.TIMED_OUT])
def test_a_run_that_has_not_begun_cannot_end_as_if_it_had(
    ledger: LedgerUnderTest, state: State
) -> None:
    grant = ledger.claimed("a")
    before = ledger.run("a")
    outcome = Outcome(state=state, result="1", failure=Failure(reason="Timeout"))
    with pytest.raises(LedgerRefused, match=f"CLAIMED to {state}"):
        finish(ledger, "a", grant.nonce, outcome)
    assert ledger.run("a") == before


def test_an_end_is_let_in_by_the_next_one_in_the_same_step(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.submit("b", push=True)
    assert ledger.messages() == []
    ledger.finish(grant)
    assert ledger.state("b") is State.READY
    assert ledger.lock().owner == "b"
    assert ledger.messages() == ["to b"]


def test_a_finished_run_keeps_its_record_but_not_its_message(ledger: LedgerUnderTest) -> None:
    ledger.finished("a", kwargs={"month": "2026-10"})
    run = ledger.run("a")
    assert run.spec.envelope == ""
    assert run.spec.kwargs == {"month": "2026-10"}


def test_a_repeated_finish_is_confirmed_and_changes_nothing(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.submit("b")
    ledger.finish(grant, result="1")
    before = ledger.run("a")
    assert ledger.finish(grant, result="1") == EndReply(verdict=Verdict.OK, state=State.SUCCEEDED)
    assert ledger.run("a") == before
    assert ledger.state("b") is State.READY


def test_a_late_finisher_cannot_change_the_end(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.expire(grant)
    before = ledger.run("a")
    reply = ledger.finish(grant, result="1")
    assert reply == EndReply(verdict=Verdict.DROP, state=State.LOST)
    assert ledger.run("a") == before


def test_a_late_finisher_cannot_free_the_lock_of_the_next_run(ledger: LedgerUnderTest) -> None:
    old = ledger.running("a")
    ledger.submit("b")
    ledger.expire(old)
    ledger.begin(ledger.claim("b"))
    ledger.finish(old)
    assert ledger.lock().owner == "b"


def test_a_claim_that_was_handed_back_cannot_finish_the_run(ledger: LedgerUnderTest) -> None:
    old = ledger.claimed("a")
    ledger.not_started(old)
    assert ledger.finish(old, State.FAILED) == EndReply(verdict=Verdict.DROP, state=State.READY)
    current = ledger.claim("a")
    ledger.begin(current)
    assert ledger.finish(old) == EndReply(verdict=Verdict.DROP, state=State.RUNNING)
    assert ledger.finish(current).verdict is Verdict.OK


def test_an_unknown_run_cannot_be_finished(ledger: LedgerUnderTest) -> None:
    reply = finish(ledger, "nobody", "n", Outcome(state=State.SUCCEEDED))
    assert reply == EndReply(verdict=Verdict.UNKNOWN)


def test_success_wins_over_a_cancellation_that_came_too_late(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.cancel("a", by="bob")
    assert ledger.finish(grant, result="1").state is State.SUCCEEDED
    run = ledger.run("a")
    assert (run.state, run.result) == (State.SUCCEEDED, "1")
    assert run.cancellation is not None


# --- after a restart ------------------------------------------------------------------------------


def test_a_claim_the_restarted_server_knows_can_finish_before_it_is_blessed(
    ledger: LedgerUnderTest,
) -> None:
    grant = ledger.running("a")
    ledger.restart()
    assert ledger.finish(grant).verdict is Verdict.OK
    assert ledger.finish(grant).verdict is Verdict.OK


def test_a_claim_the_restarted_server_has_forgotten_waits_for_its_agent(
    ledger: LedgerUnderTest,
) -> None:
    ledger.submit("a")
    before_claim = ledger.snapshot()
    grant = ledger.claim("a")
    ledger.begin(grant)
    ledger.restart(back_to=before_claim)
    assert ledger.finish(grant) == EndReply(verdict=Verdict.RECOVERING, state=State.READY)
    ledger.reassert(grant)
    assert ledger.finish(grant).verdict is Verdict.OK


def test_a_run_the_restarted_server_has_forgotten_waits_for_its_agent(
    ledger: LedgerUnderTest,
) -> None:
    grant = ledger.running("a")
    ledger.wipe()
    assert ledger.finish(grant) == EndReply(verdict=Verdict.RECOVERING)


def test_a_terminal_state_stays_final_while_the_server_is_unblessed(
    ledger: LedgerUnderTest,
) -> None:
    grant = ledger.finished("a")
    ledger.restart()
    reply = ledger.finish(grant, State.FAILED)
    assert reply == EndReply(verdict=Verdict.DROP, state=State.SUCCEEDED)
