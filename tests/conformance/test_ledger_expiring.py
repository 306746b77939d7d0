"""Leases: renewed in batches, ended by compare-and-set; waiting: ended when its time is over."""

from __future__ import annotations

import pytest
from conformance.ledgers import LedgerUnderTest

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.operations import EndReply, LeaseAnswer, Verdict
from singletrack.run import Cancellation


def renew(ledger: LedgerUnderTest, *leases: tuple[str, str]) -> ops.RenewReply:
    return ledger.execute(ops.Renew(agent="agent-1", leases=leases))


# --- renewing -------------------------------------------------------------------------------------


def test_a_renewal_moves_the_lease_on(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    reply = renew(ledger, ("a", grant.nonce))
    answer = LeaseAnswer(run_id="a", nonce=grant.nonce, verdict=Verdict.OK)
    assert (reply.blessed, reply.answers) == (True, (answer,))
    assert ledger.run("a").lease_seq == 2


def test_a_renewal_is_no_news_for_readers(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    before = ledger.run("a").revision
    renew(ledger, ("a", grant.nonce))
    assert ledger.run("a").revision == before


def test_leases_are_answered_one_by_one_in_order(ledger: LedgerUnderTest) -> None:
    first = ledger.claimed("a", lock="default/one")
    ledger.running("b", lock="default/two")
    reply = renew(ledger, ("b", "another"), ("a", first.nonce), ("nobody", "n"))
    assert [(it.run_id, it.verdict) for it in reply.answers] == [
        ("b", Verdict.DROP),
        ("a", Verdict.OK),
        ("nobody", Verdict.DROP),
    ]
    assert ledger.run("b").lease_seq == 1


@pytest.mark.parametrize("begun", [False, True])
def test_a_renewal_delivers_a_cancellation_and_renews_all_the_same(
    ledger: LedgerUnderTest, begun: bool
) -> None:
    grant = ledger.running("a") if begun else ledger.claimed("a")
    asked = Cancellation(by="bob", reason="why", grace_seconds=1.5)
    ledger.execute(ops.Cancel(run_id="a", cancellation=asked))
    answer = renew(ledger, ("a", grant.nonce)).answers[0]
    assert (answer.verdict, answer.cancellation) == (Verdict.CANCEL, asked)
    assert ledger.run("a").lease_seq == 2


def test_a_lease_that_is_over_is_not_renewed(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.expire(grant)
    assert renew(ledger, ("a", grant.nonce)).answers[0].verdict is Verdict.DROP


def test_an_empty_renewal_is_a_sign_of_life(ledger: LedgerUnderTest) -> None:
    first, second = renew(ledger), renew(ledger)
    server = ledger.execute(ops.ReadServer())
    assert (first.server_id, first.known) == (server.server_id, False)
    assert (second.server_id, second.known) == (server.server_id, True)
    assert server.agents == {"agent-1": ""}


def test_an_agent_says_to_which_server_it_has_told_everything(ledger: LedgerUnderTest) -> None:
    ledger.execute(ops.Renew(agent="agent-1", reported_to="that one"))
    assert ledger.execute(ops.ReadServer()).agents == {"agent-1": "that one"}


@pytest.mark.parametrize("blessed", [False, True])
def test_a_renewal_raises_the_tokens_of_an_unblessed_server(
    ledger: LedgerUnderTest, *, blessed: bool
) -> None:
    token = 4_000_000_000_000_000
    if not blessed:
        ledger.restart()
    ledger.execute(ops.Renew(agent="agent-1", token=token))
    ledger.bless()
    assert (ledger.claimed("a").token > token) is not blessed


def test_a_renewal_tells_that_the_server_is_unblessed(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.restart()
    reply = renew(ledger, ("a", grant.nonce))
    assert (reply.blessed, reply.answers[0].verdict) == (False, Verdict.OK)


def test_an_agent_that_is_gone_is_forgotten(ledger: LedgerUnderTest) -> None:
    renew(ledger)
    ledger.execute(ops.AgentGone(agent="agent-1"))
    ledger.execute(ops.AgentGone(agent="never heard of"))
    assert ledger.execute(ops.ReadServer()).agents == {}


# --- leases ---------------------------------------------------------------------------------------


def test_every_claimed_or_running_run_is_listed_with_its_lease(ledger: LedgerUnderTest) -> None:
    claimed = ledger.claimed("a", lock="default/one")
    running = ledger.running("b", lock="default/two")
    renew(ledger, ("b", running.nonce))
    ledger.submit("c", lock="default/three")
    ledger.finished("d", lock="default/four")
    assert set(ledger.execute(ops.ListLeases())) == {
        ops.LeaseView(run_id="a", nonce=claimed.nonce, lease_seq=1, state=State.CLAIMED),
        ops.LeaseView(run_id="b", nonce=running.nonce, lease_seq=2, state=State.RUNNING),
    }


def test_a_running_run_whose_lease_is_over_is_lost(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.submit("b")
    assert ledger.expire(grant) == EndReply(verdict=Verdict.OK, state=State.LOST)
    failure = ledger.run("a").failure
    assert failure
    assert failure.reason == "WorkerLost"
    assert ledger.lock().owner == "b"


def test_a_claimed_run_whose_lease_is_over_is_ready_again(ledger: LedgerUnderTest) -> None:
    grant = ledger.claimed("a", push=True)
    assert ledger.expire(grant) == EndReply(verdict=Verdict.OK, state=State.READY)
    run = ledger.run("a")
    assert (run.nonce, run.attempt) == ("", 0)
    assert ledger.messages() == ["to a", "to a"]


def test_a_cancelled_claimed_run_whose_lease_is_over_ends(ledger: LedgerUnderTest) -> None:
    grant = ledger.claimed("a")
    ledger.cancel("a")
    assert ledger.expire(grant).state is State.CANCELLED


def test_a_lease_that_was_renewed_meanwhile_stays(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    renew(ledger, ("a", grant.nonce))
    assert ledger.expire(grant, lease_seq=1) == EndReply(verdict=Verdict.DROP, state=State.RUNNING)
    assert ledger.expire(grant, lease_seq=2).state is State.LOST


def test_a_lease_of_another_claim_stays(ledger: LedgerUnderTest) -> None:
    old = ledger.claimed("a")
    ledger.not_started(old)
    ledger.claim("a")
    assert ledger.expire(old) == EndReply(verdict=Verdict.DROP, state=State.CLAIMED)


def test_no_lease_ends_until_the_server_is_blessed(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.restart()
    assert ledger.expire(grant) == EndReply(verdict=Verdict.RECOVERING, state=State.RUNNING)
    assert ledger.state("a") is State.RUNNING


def test_expiring_twice_does_nothing_the_second_time(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.expire(grant)
    assert ledger.expire(grant) == EndReply(verdict=Verdict.DROP, state=State.LOST)
    nobody = ops.Expire(run_id="nobody", nonce="n", lease_seq=1)
    assert ledger.execute(nobody) == EndReply(verdict=Verdict.DROP)


# --- waiting too long -----------------------------------------------------------------------------


def expire_wait(ledger: LedgerUnderTest, run_id: str) -> EndReply:
    return ledger.execute(ops.ExpireWait(run_id=run_id))


def test_a_run_that_waited_too_long_for_its_lock_expires(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    ledger.submit("b", queue_timeout_seconds=0.0)
    assert ledger.execute(ops.ListOverdue()) == ("b",)
    assert expire_wait(ledger, "b") == EndReply(verdict=Verdict.OK, state=State.EXPIRED)
    failure = ledger.run("b").failure
    assert failure
    assert failure.reason == "QueueTimeoutExceeded"
    assert ledger.lock().waiting == ()
    assert ledger.execute(ops.ListOverdue()) == ()


def test_a_run_that_no_worker_took_in_time_expires_and_its_lock_moves_on(
    ledger: LedgerUnderTest,
) -> None:
    ledger.submit("a", start_deadline_seconds=0.0)
    ledger.submit("b")
    assert ledger.execute(ops.ListOverdue()) == ("a",)
    assert expire_wait(ledger, "a").state is State.EXPIRED
    failure = ledger.run("a").failure
    assert failure
    assert failure.reason == "StartDeadlineExceeded"
    assert ledger.lock().owner == "b"


def test_a_run_whose_time_is_not_over_goes_on_waiting(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", start_deadline_seconds=3600.0)
    ledger.submit("b", queue_timeout_seconds=3600.0)
    ledger.submit("c", queue_timeout_seconds=None)
    assert ledger.execute(ops.ListOverdue()) == ()
    assert expire_wait(ledger, "a") == EndReply(verdict=Verdict.DROP, state=State.READY)
    assert expire_wait(ledger, "b") == EndReply(verdict=Verdict.DROP, state=State.QUEUED)
    assert expire_wait(ledger, "c") == EndReply(verdict=Verdict.DROP, state=State.QUEUED)


def test_the_start_deadline_stands_still_while_a_run_waits_for_its_lock(
    ledger: LedgerUnderTest,
) -> None:
    ledger.submit("a")
    ledger.submit("b", start_deadline_seconds=0.0)
    assert ledger.execute(ops.ListOverdue()) == ()
    ledger.cancel("a")
    assert ledger.execute(ops.ListOverdue()) == ("b",)


def test_the_queue_timeout_ends_with_the_waiting(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    ledger.submit("b", queue_timeout_seconds=0.0)
    ledger.cancel("a")
    assert ledger.state("b") is State.READY
    assert ledger.execute(ops.ListOverdue()) == ()


def test_a_run_that_is_claimed_no_longer_waits(ledger: LedgerUnderTest) -> None:
    ledger.claimed("a", start_deadline_seconds=0.0)
    assert expire_wait(ledger, "a") == EndReply(verdict=Verdict.DROP, state=State.CLAIMED)


def test_a_terminal_or_unknown_run_does_not_wait(ledger: LedgerUnderTest) -> None:
    ledger.finished("a", start_deadline_seconds=0.0)
    assert expire_wait(ledger, "a") == EndReply(verdict=Verdict.DROP, state=State.SUCCEEDED)
    assert expire_wait(ledger, "nobody") == EndReply(verdict=Verdict.UNKNOWN)


def test_overdue_runs_are_listed_the_longest_first_and_no_more_than_asked(
    ledger: LedgerUnderTest,
) -> None:
    ledger.submit("late", lock="default/1", start_deadline_seconds=-5.0)
    ledger.submit("later", lock="default/2", start_deadline_seconds=-10.0)
    assert ledger.execute(ops.ListOverdue()) == ("later", "late")
    assert ledger.execute(ops.ListOverdue(limit=1)) == ("later",)
