"""`on_lost` Hold: a lock stays taken until somebody knows that its holder is dead."""

from __future__ import annotations

import pytest
from conformance.ledgers import LOCK, LedgerUnderTest

from singletrack import operations as ops
from singletrack.exits import Exit
from singletrack.lifecycle import State
from singletrack.locks import OnLost
from singletrack.operations import Cause, EndReply, Grant, LeaseAnswer, Verdict
from singletrack.pods import Pod


def suspect(ledger: LedgerUnderTest, run_id: str = "a") -> Grant:
    grant = ledger.running(run_id, on_lost=OnLost.HOLD)
    ledger.expire(grant)
    return grant


def confirm_dead(
    ledger: LedgerUnderTest, grant: Grant, cause: Cause = Cause.DIED, ended: Exit | None = None
) -> EndReply:
    why = "its container terminated with exit code 137"
    return ledger.execute(
        ops.ConfirmDead(
            run_id=grant.run_id, nonce=grant.nonce, message=why, cause=cause, exit=ended
        )
    )


def release(ledger: LedgerUnderTest, token: int = 0) -> ops.ReleaseReply:
    return ledger.execute(
        ops.ReleaseLock(lock=LOCK, by="alice", reason="the rack has no power", token=token)
    )


def suspects(ledger: LedgerUnderTest) -> float:
    return ledger.execute(ops.ReadCounters()).get("locks_suspect", 0)


# --- suspicion ------------------------------------------------------------------------------------


def test_a_held_lock_stays_taken_when_the_lease_ends(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a", on_lost=OnLost.HOLD)
    ledger.submit("b")
    before = ledger.run("a").revision
    assert ledger.expire(grant) == EndReply(verdict=Verdict.OK, state=State.RUNNING)
    run = ledger.run("a")
    assert run.suspect
    assert run.revision > before
    assert (ledger.lock().owner, ledger.lock().waiting) == ("a", ("b",))
    assert suspects(ledger) == 1


def test_a_lease_that_ends_again_is_no_news(ledger: LedgerUnderTest) -> None:
    grant = suspect(ledger)
    before = ledger.run("a")
    assert ledger.expire(grant) == EndReply(verdict=Verdict.OK, state=State.RUNNING)
    assert ledger.run("a") == before
    assert ledger.execute(ops.ReadCounters())["leases_expired_total"] == 1
    assert suspects(ledger) == 1


def test_a_claimed_run_that_never_started_is_ready_again_all_the_same(
    ledger: LedgerUnderTest,
) -> None:
    grant = ledger.claimed("a", on_lost=OnLost.HOLD)
    assert ledger.expire(grant) == EndReply(verdict=Verdict.OK, state=State.READY)
    assert not ledger.run("a").suspect


def test_a_listed_run_shows_that_it_is_suspect(ledger: LedgerUnderTest) -> None:
    suspect(ledger)
    (run,) = ledger.execute(ops.ListRuns(namespace="default"))
    assert run.suspect
    assert run.spec.on_lost is OnLost.HOLD


# --- where the process is -------------------------------------------------------------------------

POD = Pod(namespace="shop", name="worker-1", uid="u1", node="n1")


def lease(ledger: LedgerUnderTest) -> ops.LeaseView:
    (found,) = ledger.execute(ops.ListLeases())
    return found


def test_a_run_that_holds_its_lock_says_in_which_pod_it_is(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", on_lost=OnLost.HOLD)
    ledger.execute(ops.Claim(run_id="a", nonce="n", worker="w", pod=POD))
    assert ledger.run("a").pod == POD
    assert lease(ledger).pod == POD
    assert not lease(ledger).suspect


@pytest.mark.parametrize("known", [True, False])
def test_so_does_one_that_is_begun_at_once(ledger: LedgerUnderTest, known: bool) -> None:
    spec = ledger.spec("a", on_lost=OnLost.HOLD)
    if known:
        ledger.submit("a", on_lost=OnLost.HOLD)
    start = ops.Start(run_id="a", nonce="n", worker="w", pod=POD, spec=None if known else spec)
    assert ledger.execute(start).verdict is Verdict.OK
    assert lease(ledger).pod == POD


def test_so_does_one_that_the_server_had_forgotten(ledger: LedgerUnderTest) -> None:
    spec = ledger.spec("a", on_lost=OnLost.HOLD)
    grant = ledger.running("a", on_lost=OnLost.HOLD)
    ledger.wipe()
    ledger.execute(ops.Reassert(spec=spec, grant=grant, worker="w", pod=POD))
    assert ledger.run("a").worker == "w"
    assert lease(ledger).pod == POD


def test_a_later_claim_says_where_it_is_itself(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", on_lost=OnLost.HOLD)
    ledger.execute(ops.Claim(run_id="a", nonce="n", worker="w", pod=POD))
    ledger.execute(ops.NotStarted(run_id="a", nonce="n"))
    ledger.execute(ops.Claim(run_id="a", nonce="m", worker="w"))
    assert lease(ledger).pod is None


def test_of_a_run_that_does_not_hold_its_lock_nobody_needs_to_know(
    ledger: LedgerUnderTest,
) -> None:
    ledger.submit("a")
    ledger.execute(ops.Claim(run_id="a", nonce="n", worker="w", pod=POD))
    assert ledger.run("a").pod is None
    assert lease(ledger).pod is None


def test_a_lease_tells_that_its_run_is_suspect(ledger: LedgerUnderTest) -> None:
    suspect(ledger)
    assert lease(ledger).suspect


# --- how it ends ----------------------------------------------------------------------------------


def test_a_holder_whose_worker_speaks_again_is_trusted_again(ledger: LedgerUnderTest) -> None:
    grant = suspect(ledger)
    before = ledger.run("a").revision
    reply = ledger.execute(ops.Renew(agent="agent", leases=(("a", grant.nonce),)))
    assert reply.answers == (LeaseAnswer(run_id="a", nonce=grant.nonce, verdict=Verdict.OK),)
    run = ledger.run("a")
    assert not run.suspect
    assert run.revision > before
    assert suspects(ledger) == 0
    assert ledger.expire(grant, lease_seq=2).state is State.RUNNING
    assert ledger.run("a").suspect


def test_a_suspect_run_ends_as_its_own_child_says(ledger: LedgerUnderTest) -> None:
    grant = suspect(ledger)
    ledger.submit("b")
    assert ledger.finish(grant) == EndReply(verdict=Verdict.OK, state=State.SUCCEEDED)
    assert not ledger.run("a").suspect
    assert ledger.lock().owner == "b"
    assert suspects(ledger) == 0


def test_a_suspect_run_is_lost_when_its_agent_has_ended_it(ledger: LedgerUnderTest) -> None:
    grant = suspect(ledger)
    ledger.submit("b")
    assert ledger.child_gone(grant, ops.Cause.FENCED).state is State.LOST
    assert ledger.lock().owner == "b"


def test_a_suspect_run_can_be_handed_back_by_who_knows_that_it_never_ran(
    ledger: LedgerUnderTest,
) -> None:
    grant = suspect(ledger)
    assert ledger.not_started(grant).state is State.READY
    assert ledger.run("a").suspect_at is None
    assert suspects(ledger) == 0


def test_a_cancelled_suspect_run_keeps_its_lock(ledger: LedgerUnderTest) -> None:
    suspect(ledger)
    assert ledger.cancel("a") == EndReply(verdict=Verdict.OK, state=State.RUNNING)
    assert ledger.lock().owner == "a"


@pytest.mark.parametrize("on_lost", list(OnLost))
def test_a_process_confirmed_dead_loses_its_run_and_the_lock_moves_on(
    ledger: LedgerUnderTest, on_lost: OnLost
) -> None:
    grant = ledger.running("a", on_lost=on_lost)
    ledger.submit("b")
    assert confirm_dead(ledger, grant) == EndReply(verdict=Verdict.OK, state=State.LOST)
    failure = ledger.run("a").failure
    assert failure
    assert (failure.reason, "137" in failure.message) == ("WorkerLost", True)
    assert ledger.lock().owner == "b"
    assert confirm_dead(ledger, grant) == EndReply(verdict=Verdict.DROP, state=State.LOST)


@pytest.mark.parametrize(
    ("cause", "reason"), [(Cause.DIED, "WorkerLost"), (Cause.OUT_OF_MEMORY, "OOMKilled")]
)
def test_who_confirms_a_death_may_know_how_the_process_ended(
    ledger: LedgerUnderTest, cause: Cause, reason: str
) -> None:
    grant = suspect(ledger)
    assert confirm_dead(ledger, grant, cause, Exit(code=137)).state is State.LOST
    failure = ledger.run("a").failure
    assert failure
    assert (failure.reason, failure.exit) == (reason, Exit(code=137))
    (listed,) = ledger.execute(ops.ListRuns(namespace="default"))
    assert listed.failure == failure


def test_a_suspect_process_confirmed_dead_is_no_suspect_any_more(
    ledger: LedgerUnderTest,
) -> None:
    grant = suspect(ledger)
    assert confirm_dead(ledger, grant).state is State.LOST
    assert suspects(ledger) == 0


def test_a_claim_confirmed_dead_is_ready_again(ledger: LedgerUnderTest) -> None:
    grant = ledger.claimed("a")
    assert confirm_dead(ledger, grant).state is State.READY


def test_the_death_of_an_earlier_claim_changes_nothing(ledger: LedgerUnderTest) -> None:
    old = ledger.claimed("a")
    ledger.not_started(old)
    ledger.claim("a")
    assert confirm_dead(ledger, old) == EndReply(verdict=Verdict.DROP, state=State.CLAIMED)


def test_no_death_counts_until_the_server_is_blessed(ledger: LedgerUnderTest) -> None:
    grant = suspect(ledger)
    ledger.restart()
    assert confirm_dead(ledger, grant).verdict is Verdict.RECOVERING
    assert release(ledger).verdict is Verdict.RECOVERING
    assert ledger.run("a").suspect


def test_a_suspect_run_that_is_reasserted_is_trusted_again(ledger: LedgerUnderTest) -> None:
    grant = suspect(ledger)
    ledger.restart()
    assert ledger.reassert(grant, on_lost=OnLost.HOLD).verdict is Verdict.OK
    assert not ledger.run("a").suspect
    assert suspects(ledger) == 0


# --- release --------------------------------------------------------------------------------------


def test_a_human_can_release_a_suspect_lock_and_is_named(ledger: LedgerUnderTest) -> None:
    grant = suspect(ledger)
    ledger.submit("b")
    reply = release(ledger, token=grant.token)
    assert reply == ops.ReleaseReply(verdict=Verdict.OK, run_id="a", state=State.LOST)
    failure = ledger.run("a").failure
    assert failure
    assert failure.reason == "WorkerUnreachable"
    assert "alice" in failure.message
    assert "the rack has no power" in failure.message
    assert ledger.lock().owner == "b"
    counters = ledger.execute(ops.ReadCounters())
    assert counters["locks_released_total"] == 1
    assert suspects(ledger) == 0


def test_a_release_that_is_repeated_leaves_the_next_holder_alone(
    ledger: LedgerUnderTest,
) -> None:
    grant = suspect(ledger)
    ledger.submit("b")
    release(ledger, token=grant.token)
    again = release(ledger, token=grant.token)
    assert again == ops.ReleaseReply(verdict=Verdict.DROP, run_id="b", state=State.READY)


@pytest.mark.parametrize("on_lost", list(OnLost))
def test_a_lock_that_is_not_suspect_cannot_be_released(
    ledger: LedgerUnderTest, on_lost: OnLost
) -> None:
    ledger.running("a", on_lost=on_lost)
    reply = release(ledger)
    assert reply == ops.ReleaseReply(verdict=Verdict.DROP, run_id="a", state=State.RUNNING)
    assert ledger.lock().owner == "a"


def test_a_release_meant_for_an_earlier_holder_is_refused(ledger: LedgerUnderTest) -> None:
    grant = suspect(ledger)
    assert release(ledger, token=grant.token - 1).verdict is Verdict.DROP
    assert ledger.run("a").suspect


def test_there_is_nothing_to_release_where_nobody_holds(ledger: LedgerUnderTest) -> None:
    assert release(ledger) == ops.ReleaseReply(verdict=Verdict.UNKNOWN)


def test_a_worker_that_comes_back_after_the_release_is_told_to_end(
    ledger: LedgerUnderTest,
) -> None:
    grant = suspect(ledger)
    release(ledger)
    reply = ledger.execute(ops.Renew(agent="agent", leases=(("a", grant.nonce),)))
    assert reply.answers[0].verdict is Verdict.DROP
    assert ledger.finish(grant) == EndReply(verdict=Verdict.DROP, state=State.LOST)
