"""Claiming: one claim passes, each with a higher token; a blessed server is needed."""

from __future__ import annotations

import pytest
from conformance.ledgers import WORKER, LedgerUnderTest

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.operations import Verdict


def claim(ledger: LedgerUnderTest, run_id: str, nonce: str) -> ops.ClaimReply:
    return ledger.execute(ops.Claim(run_id=run_id, nonce=nonce, worker=WORKER))


def test_a_claim_takes_a_ready_run_for_a_worker(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", timeout_seconds=3.5, soft_timeout_seconds=1.25)
    reply = claim(ledger, "a", "n")
    run = ledger.run("a")
    assert (reply.verdict, reply.state) == (Verdict.OK, State.CLAIMED)
    assert reply.grant
    assert (reply.grant.run_id, reply.grant.nonce) == ("a", "n")
    assert (reply.grant.attempt, reply.grant.timeout_seconds) == (1, 3.5)
    assert reply.grant.soft_timeout_seconds == 1.25
    assert reply.grant.token == run.token == ledger.lock().token
    assert (run.state, run.nonce, run.worker, run.lease_seq) == (State.CLAIMED, "n", WORKER, 1)


def test_a_claim_counts_no_attempt(ledger: LedgerUnderTest) -> None:
    ledger.claimed("a")
    assert ledger.run("a").attempt == 0


def test_a_claimed_run_is_neither_due_nor_waiting(ledger: LedgerUnderTest) -> None:
    ledger.claimed("a", start_deadline_seconds=0.0)
    assert ledger.due() == []
    assert ledger.execute(ops.ListOverdue()) == ()


def test_a_repeated_claim_gets_the_same_grant(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    first = claim(ledger, "a", "n")
    before = ledger.run("a")
    assert claim(ledger, "a", "n") == first
    assert ledger.run("a") == before


def test_a_duplicate_message_is_dropped(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    claim(ledger, "a", "n")
    assert claim(ledger, "a", "m") == ops.ClaimReply(verdict=Verdict.DROP, state=State.CLAIMED)
    assert ledger.run("a").nonce == "n"


def test_a_run_that_runs_is_not_claimed_again_even_by_its_own_nonce(
    ledger: LedgerUnderTest,
) -> None:
    grant = ledger.running("a")
    assert claim(ledger, "a", grant.nonce).verdict is Verdict.DROP


def test_a_waiting_run_is_not_claimed(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    ledger.submit("b")
    assert claim(ledger, "b", "n") == ops.ClaimReply(verdict=Verdict.DROP, state=State.QUEUED)


def test_a_finished_run_is_not_claimed(ledger: LedgerUnderTest) -> None:
    ledger.finished("a")
    assert claim(ledger, "a", "n") == ops.ClaimReply(verdict=Verdict.DROP, state=State.SUCCEEDED)


def test_a_run_without_a_record_is_unknown(ledger: LedgerUnderTest) -> None:
    assert claim(ledger, "a", "n") == ops.ClaimReply(verdict=Verdict.UNKNOWN)


def test_nothing_is_claimed_until_the_server_is_blessed(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    ledger.restart()
    assert claim(ledger, "a", "n") == ops.ClaimReply(verdict=Verdict.RECOVERING, state=State.READY)
    ledger.bless()
    assert claim(ledger, "a", "n").verdict is Verdict.OK


def test_a_claim_made_before_the_restart_is_confirmed_after_it(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    first = claim(ledger, "a", "n")
    ledger.restart()
    assert claim(ledger, "a", "n") == first


# --- tokens ---------------------------------------------------------------------------------------


def test_every_claim_of_the_ledger_has_a_higher_token(ledger: LedgerUnderTest) -> None:
    tokens = [ledger.claimed(run_id, lock=f"default/{run_id}").token for run_id in "abc"]
    assert tokens == sorted(set(tokens))


def test_a_run_that_is_claimed_again_has_a_higher_token(ledger: LedgerUnderTest) -> None:
    first = ledger.claimed("a")
    ledger.not_started(first)
    assert ledger.claim("a").token > first.token


def test_a_token_is_at_least_the_clock_of_the_server(ledger: LedgerUnderTest) -> None:
    before = ledger.execute(ops.ReadServer()).micros
    assert ledger.claimed("a").token >= before


def test_a_token_that_is_ahead_of_the_clock_is_counted_up_by_one(ledger: LedgerUnderTest) -> None:
    floor = 4_000_000_000_000_001
    ledger.execute(
        ops.Bless(server_id=ledger.execute(ops.ReadServer()).server_id, token_floor=floor)
    )
    assert ledger.claimed("a").token == floor + 1


# --- handing back ---------------------------------------------------------------------------------


def test_a_claim_that_is_handed_back_may_be_taken_again(ledger: LedgerUnderTest) -> None:
    grant = ledger.claimed("a")
    reply = ledger.not_started(grant)
    assert reply == ops.EndReply(verdict=Verdict.OK, state=State.READY)
    run = ledger.run("a")
    assert (run.nonce, run.attempt) == ("", 0)
    assert ledger.lock().owner == "a"
    assert ledger.claim("a").attempt == 1


def test_a_begun_run_whose_code_did_not_start_gets_its_attempt_back(
    ledger: LedgerUnderTest,
) -> None:
    grant = ledger.running("a")
    assert ledger.not_started(grant).state is State.READY
    assert ledger.run("a").attempt == 0
    assert ledger.begin(ledger.claim("a")) == ops.BeginReply(verdict=Verdict.OK, attempt=1)


@pytest.mark.parametrize("begun", [False, True])
def test_a_cancelled_run_that_is_handed_back_ends(ledger: LedgerUnderTest, begun: bool) -> None:
    grant = ledger.running("a") if begun else ledger.claimed("a")
    ledger.cancel("a", reason="not needed")
    reply = ledger.not_started(grant)
    assert reply == ops.EndReply(verdict=Verdict.OK, state=State.CANCELLED)
    failure = ledger.run("a").failure
    assert failure
    assert (failure.reason, failure.message) == ("Cancelled", "not needed")


def test_handing_back_a_claim_that_is_not_the_current_one_does_nothing(
    ledger: LedgerUnderTest,
) -> None:
    old = ledger.claimed("a")
    ledger.not_started(old)
    ledger.claim("a")
    before = ledger.run("a")
    assert ledger.not_started(old) == ops.EndReply(verdict=Verdict.DROP, state=State.CLAIMED)
    assert ledger.run("a") == before


def test_handing_back_an_unknown_run_does_nothing(ledger: LedgerUnderTest) -> None:
    reply = ledger.execute(ops.NotStarted(run_id="nobody", nonce="n"))
    assert reply == ops.EndReply(verdict=Verdict.DROP)


def test_a_run_that_is_claimed_in_vain_too_often_fails(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    ledger.submit("b")
    for _ in range(20):
        assert ledger.not_started(ledger.claim("a")).state is State.READY
    assert ledger.not_started(ledger.claim("a")).state is State.FAILED
    failure = ledger.run("a").failure
    assert failure
    assert failure.reason == "StartFailed"
    assert ledger.lock().owner == "b"


def test_a_begin_that_is_handed_back_was_in_vain_too(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    for _ in range(20):
        ledger.not_started(ledger.claim("a"))
    grant = ledger.claim("a")
    ledger.begin(grant)
    assert ledger.not_started(grant).state is State.FAILED
