"""Blessing: a server that has come back serves no claims until it is declared complete."""

from __future__ import annotations

import pytest
from conformance.ledgers import LOCK, WORKER, LedgerUnderTest

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.operations import EndReply, Verdict
from singletrack.run import Door


def test_a_blessed_server_says_so(ledger: LedgerUnderTest) -> None:
    assert ledger.execute(ops.ReadServer()).blessed


def test_a_restarted_server_is_unblessed_until_somebody_blesses_it(
    ledger: LedgerUnderTest,
) -> None:
    ledger.restart()
    server = ledger.execute(ops.ReadServer())
    assert not server.blessed
    assert ledger.execute(ops.Bless(server_id=server.server_id))
    assert ledger.execute(ops.ReadServer()).blessed


def test_a_blessing_meant_for_an_earlier_server_is_refused(ledger: LedgerUnderTest) -> None:
    ledger.restart()
    assert not ledger.execute(ops.Bless(server_id="an earlier one"))
    assert not ledger.execute(ops.ReadServer()).blessed


def test_a_repeated_blessing_is_confirmed(ledger: LedgerUnderTest) -> None:
    server = ledger.execute(ops.ReadServer())
    assert ledger.execute(ops.Bless(server_id=server.server_id))


def test_a_blessing_that_is_withdrawn_keeps_runs_from_starting_until_the_next(
    ledger: LedgerUnderTest,
) -> None:
    ledger.submit("a")
    ledger.execute(ops.Unbless())
    status = ledger.execute(ops.ReadServer())
    assert (status.blessed, status.withdrawn) == (False, True)
    refused = ledger.execute(ops.Claim(run_id="a", nonce="n", worker=WORKER))
    assert refused.verdict is Verdict.RECOVERING
    ledger.bless()
    assert ledger.claim("a")


def test_what_runs_goes_on_and_ends_without_a_blessing(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.execute(ops.Unbless())
    assert ledger.finish(grant).verdict is Verdict.OK


def test_withdrawing_twice_is_withdrawing_once(ledger: LedgerUnderTest) -> None:
    ledger.execute(ops.Unbless())
    ledger.execute(ops.Unbless())
    ledger.bless()
    assert ledger.execute(ops.ReadServer()).blessed


def test_a_withdrawn_blessing_does_not_come_back_with_a_restart(ledger: LedgerUnderTest) -> None:
    ledger.execute(ops.Unbless())
    ledger.restart()
    assert not ledger.execute(ops.ReadServer()).blessed


def test_every_blessing_has_a_time_of_its_own_and_a_repeated_one_keeps_it(
    ledger: LedgerUnderTest,
) -> None:
    first = ledger.execute(ops.ReadServer()).blessed_at
    ledger.bless()
    assert ledger.execute(ops.ReadServer()).blessed_at == first
    ledger.wipe()
    ledger.bless()
    assert ledger.execute(ops.ReadServer()).blessed_at > first


def test_blessing_makes_every_ready_run_due(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", push=True)
    ledger.restart()
    assert ledger.due() == []
    ledger.bless()
    assert ledger.due() == ["a"]


def test_blessing_raises_the_tokens(ledger: LedgerUnderTest) -> None:
    floor = 4_000_000_000_000_000
    ledger.restart()
    server = ledger.execute(ops.ReadServer())
    ledger.execute(ops.Bless(server_id=server.server_id, token_floor=floor))
    assert ledger.claimed("a").token > floor


def test_blessing_never_lowers_the_tokens(ledger: LedgerUnderTest) -> None:
    server = ledger.execute(ops.ReadServer())
    ledger.execute(ops.Bless(server_id=server.server_id, token_floor=4_000_000_000_000_000))
    ledger.execute(ops.Bless(server_id=server.server_id, token_floor=1))
    assert ledger.claimed("a").token > 4_000_000_000_000_000


def test_an_unblessed_server_goes_on_recording_and_promoting(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.restart()
    assert ledger.submit("b").state is State.QUEUED
    ledger.finish(grant)
    assert ledger.state("b") is State.READY


def test_a_ledger_that_was_emptied_shows_it_when_an_agent_with_a_past_comes(
    ledger: LedgerUnderTest,
) -> None:
    ledger.wipe()
    ledger.execute(ops.Renew(agent="agent", reported_to=""))
    assert not ledger.execute(ops.ReadServer()).emptied
    ledger.execute(ops.Renew(agent="another", reported_to="a server that was"))
    assert ledger.execute(ops.ReadServer()).emptied
    ledger.bless()
    assert not ledger.execute(ops.ReadServer()).emptied


# --- reassert -------------------------------------------------------------------------------------


def test_a_started_run_that_was_forgotten_is_restored(ledger: LedgerUnderTest) -> None:
    limits = {"timeout_seconds": 7.0, "soft_timeout_seconds": 6.5}
    grant = ledger.running("a", kwargs={"month": "2026-10"}, name="monthly", **limits)
    ledger.wipe()
    reply = ledger.reassert(grant, kwargs={"month": "2026-10"}, name="monthly", **limits)
    assert reply == EndReply(verdict=Verdict.OK, state=State.RUNNING)
    run = ledger.run("a")
    assert (run.state, run.nonce, run.token) == (State.RUNNING, grant.nonce, grant.token)
    assert (run.attempt, run.worker, run.lease_seq) == (1, WORKER, 1)
    assert run.started_at is not None
    assert run.spec.kwargs == {"month": "2026-10"}
    assert (run.spec.timeout_seconds, run.spec.name) == (7.0, "monthly")
    assert run.spec.soft_timeout_seconds == 6.5
    assert ledger.lock() == ops.LockStatus(key=LOCK, owner="a", token=grant.token)
    assert [lease.run_id for lease in ledger.execute(ops.ListLeases())] == ["a"]
    assert ledger.execute(ops.ListUnprojected()) == ("a",)
    assert [run.run_id for run in ledger.execute(ops.ListRuns(namespace="default"))] == ["a"]


def test_a_restored_run_is_renewed_and_finished_like_any_other(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.wipe()
    ledger.reassert(grant)
    ledger.submit("b")
    ledger.bless()
    renewal = ledger.execute(ops.Renew(agent="x", leases=(("a", grant.nonce),)))
    assert renewal.answers[0].verdict is Verdict.OK
    assert ledger.finish(grant).verdict is Verdict.OK
    assert ledger.lock().owner == "b"


@pytest.mark.parametrize("older", [State.QUEUED, State.READY, State.CLAIMED, State.RUNNING])
def test_a_started_run_takes_its_lock_back_from_an_older_record(
    ledger: LedgerUnderTest, older: State
) -> None:
    holder = ledger.running("holder")
    ledger.submit("a", start_deadline_seconds=0.0)
    snapshots = {State.QUEUED: ledger.snapshot()}
    ledger.finish(holder)
    snapshots[State.READY] = ledger.snapshot()
    grant = ledger.claim("a")
    snapshots[State.CLAIMED] = ledger.snapshot()
    ledger.begin(grant)
    snapshots[State.RUNNING] = ledger.snapshot()

    ledger.restart(back_to=snapshots[older])
    assert ledger.reassert(grant).verdict is Verdict.OK

    run = ledger.run("a")
    assert (run.state, run.nonce, run.token) == (State.RUNNING, grant.nonce, grant.token)
    assert (run.attempt, run.lease_seq) == (1, 1)
    assert ledger.lock() == ops.LockStatus(key=LOCK, owner="a", token=grant.token)
    assert ledger.due() == []
    assert ledger.execute(ops.ListOverdue()) == ()
    assert [lease.run_id for lease in ledger.execute(ops.ListLeases())] == ["a"]


def test_a_ready_owner_goes_back_to_the_head_of_the_line(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.wipe()
    ledger.submit("b")
    ledger.submit("c", priority=1000)
    ledger.reassert(grant)
    assert ledger.lock() == ops.LockStatus(
        key=LOCK, owner="a", token=grant.token, waiting=("b", "c")
    )
    assert ledger.state("b") is State.QUEUED
    assert ledger.due() == []
    ledger.finish(grant)
    assert ledger.lock().owner == "b"


def test_a_running_owner_is_lost(ledger: LedgerUnderTest) -> None:
    other = ledger.running("b")
    older = ledger.snapshot()
    ledger.finish(other)
    grant = ledger.running("a")
    ledger.restart(back_to=older)
    ledger.reassert(grant)
    run = ledger.run("b")
    assert run.state is State.LOST
    assert run.failure is not None
    assert run.failure.reason == "WorkerLost"
    assert "a" in run.failure.message
    assert ledger.lock().owner == "a"


def test_a_claimed_owner_is_lost(ledger: LedgerUnderTest) -> None:
    other = ledger.claimed("b")
    older = ledger.snapshot()
    ledger.finish(other, State.FAILED)
    grant = ledger.running("a")
    ledger.restart(back_to=older)
    assert ledger.reassert(grant).verdict is Verdict.OK
    assert (ledger.state("a"), ledger.state("b")) == (State.RUNNING, State.LOST)
    assert ledger.lock().owner == "a"


def test_a_terminal_run_is_not_brought_back(ledger: LedgerUnderTest) -> None:
    grant = ledger.finished("a")
    ledger.restart()
    before = ledger.run("a")
    assert ledger.reassert(grant) == EndReply(verdict=Verdict.DROP, state=State.SUCCEEDED)
    assert ledger.run("a") == before
    assert ledger.lock().owner is None


def test_a_blessed_server_restores_nothing(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.wipe()
    ledger.bless()
    assert ledger.reassert(grant) == EndReply(verdict=Verdict.DROP)
    assert ledger.execute(ops.GetRun(run_id="a")) is None


@pytest.mark.parametrize("blessed", [False, True])
def test_a_reassertion_raises_the_tokens_even_when_refused(
    ledger: LedgerUnderTest, blessed: bool
) -> None:
    token = 4_000_000_000_000_000
    grant = ops.Grant(run_id="a", nonce="n", token=token, lock=LOCK, attempt=1, door=Door.REST)
    if not blessed:
        ledger.restart()
    ledger.reassert(grant)
    ledger.bless()
    assert ledger.claimed("b", lock="default/other").token > token


def test_a_cancellation_survives_the_reassertion(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    grant = ledger.claim("a")
    ledger.cancel("a", by="bob")
    older = ledger.snapshot()
    ledger.restart(back_to=older)
    ledger.reassert(grant)
    cancellation = ledger.run("a").cancellation
    assert cancellation
    assert cancellation.by == "bob"


def test_a_repeated_reassertion_is_confirmed(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.wipe()
    ledger.reassert(grant)
    started_at = ledger.run("a").started_at
    assert ledger.reassert(grant) == EndReply(verdict=Verdict.OK, state=State.RUNNING)
    assert ledger.run("a").started_at == started_at
    assert ledger.run("a").attempt == 1


# --- promoting ------------------------------------------------------------------------------------


def test_a_lock_that_is_held_is_not_promoted(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    ledger.submit("b")
    assert not ledger.execute(ops.Promote(lock=LOCK))
    assert ledger.lock() == ops.LockStatus(key=LOCK, owner="a", token=0, waiting=("b",))


def test_a_lock_nobody_waits_for_is_not_promoted(ledger: LedgerUnderTest) -> None:
    assert not ledger.execute(ops.Promote(lock=LOCK))
    ledger.finished("a")
    assert not ledger.execute(ops.Promote(lock=LOCK))


def test_no_lock_is_left_free_while_somebody_waits(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    ledger.submit("b")
    ledger.cancel("a")
    assert ledger.execute(ops.ListWaitingLocks()) == ()
