"""Deleting a run: gone for every reader once it has ended, and its id starts nothing any more."""

from __future__ import annotations

import pytest
from conformance.ledgers import LOCK, LedgerUnderTest

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.operations import EndReply, Verdict
from singletrack.run import Cancellation, Door, Failure, Outcome


def delete(ledger: LedgerUnderTest, run_id: str, grace: float = 30.0) -> EndReply:
    wish = Cancellation(by="ann", reason="deleted", grace_seconds=grace)
    return ledger.execute(ops.Delete(run_id=run_id, cancellation=wish))


def listed(ledger: LedgerUnderTest) -> list[str]:
    return [run.run_id for run in ledger.execute(ops.ListRuns(namespace="default"))]


def test_a_run_that_has_ended_is_gone_at_once(ledger: LedgerUnderTest) -> None:
    ledger.finished("a")
    assert delete(ledger, "a") == EndReply(verdict=Verdict.OK, state=State.SUCCEEDED)
    assert ledger.run("a").gone
    assert listed(ledger) == []
    assert ledger.execute(ops.ListNamespaces()) == ()


def test_nothing_is_kept_of_what_it_said_and_was_asked(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a", args=(1,), kwargs={"password": "secret"})
    failure = Failure(reason="TaskError", message="secret", error_type="E", traceback="secret")
    outcome = Outcome(state=State.FAILED, result='"secret"', failure=failure)
    ledger.execute(ops.Finish(run_id="a", nonce=grant.nonce, outcome=outcome))
    delete(ledger, "a")
    run = ledger.run("a")
    assert (run.spec.args, run.spec.kwargs, run.result) == ((), {}, None)
    assert run.failure == Failure(reason="TaskError", error_type="E")
    assert run.state is State.FAILED


def test_a_waiting_run_is_cancelled_and_gone(ledger: LedgerUnderTest) -> None:
    ledger.running("a")
    ledger.submit("b")
    assert delete(ledger, "b").state is State.CANCELLED
    assert ledger.run("b").gone
    assert listed(ledger) == ["a"]
    assert ledger.lock().waiting == ()


def test_a_run_at_work_is_asked_to_stop_and_gone_at_its_end(ledger: LedgerUnderTest) -> None:
    grant = ledger.running("a")
    ledger.submit("b")
    assert delete(ledger, "a") == EndReply(verdict=Verdict.OK, state=State.RUNNING)
    run = ledger.run("a")
    assert (run.gone, run.cancellation and run.cancellation.by) == (False, "ann")
    assert listed(ledger) == ["b", "a"]
    assert ledger.lock().owner == "a"
    ledger.child_gone(grant, ops.Cause.CANCELLED)
    assert ledger.run("a").gone
    assert listed(ledger) == ["b"]
    assert ledger.lock().owner == "b"


def test_deleting_again_changes_nothing_but_may_make_the_stop_harder(
    ledger: LedgerUnderTest,
) -> None:
    ledger.finished("ended")
    ledger.running("a")
    delete(ledger, "ended")
    delete(ledger, "a")
    before = ledger.run("ended"), ledger.run("a")
    delete(ledger, "ended")
    delete(ledger, "a")
    assert (ledger.run("ended"), ledger.run("a")) == before
    delete(ledger, "a", grace=1.0)
    assert ledger.run("a").cancellation.grace_seconds == 1.0


def test_a_late_message_of_a_deleted_run_starts_nothing(ledger: LedgerUnderTest) -> None:
    said = {"kwargs": {"month": "10"}}
    assert ledger.start_new("a", "n1", **said).verdict is Verdict.OK
    finish = ops.Finish(run_id="a", nonce="n1", outcome=Outcome(state=State.SUCCEEDED))
    ledger.execute(finish)
    delete(ledger, "a")
    assert ledger.start_new("a", "n2", **said).verdict is Verdict.DROP
    assert ledger.submit("a", **said).created is False
    assert ledger.lock().owner is None


def test_a_deleted_run_is_not_the_latest_of_its_namespace(ledger: LedgerUnderTest) -> None:
    ledger.finished("a", door=Door.REST)
    assert ledger.execute(ops.LatestRun(namespace="default")) == "a"
    delete(ledger, "a")
    assert ledger.execute(ops.LatestRun(namespace="default")) is None


def test_what_celerys_clients_were_told_of_it_is_gone_as_well(ledger: LedgerUnderTest) -> None:
    ledger.finished("a", tells_celery=True)
    assert ledger.told("a")
    delete(ledger, "a")
    assert ledger.told("a") is None


def test_its_husk_is_forgotten_when_its_record_would_have_been(ledger: LedgerUnderTest) -> None:
    ledger.finished("a", ttl_seconds=0.0)
    delete(ledger, "a")
    assert ledger.execute(ops.Forget(run_id="a"))
    assert ledger.execute(ops.GetRun(run_id="a")) is None


def test_an_unknown_run_cannot_be_deleted(ledger: LedgerUnderTest) -> None:
    assert delete(ledger, "nobody") == EndReply(verdict=Verdict.UNKNOWN)


@pytest.mark.parametrize("ends", [False, True])
def test_an_end_that_may_be_none_takes_nothing_out_of_sight_yet(
    ledger: LedgerUnderTest, ends
) -> None:
    grant = ledger.running("a")
    ledger.submit("b")
    delete(ledger, "a")
    older = ledger.snapshot()
    ledger.child_gone(grant, ops.Cause.CANCELLED)
    following = ledger.claim("b")
    ledger.begin(following)
    ledger.restart(back_to=older)
    ledger.reassert(following)
    assert (ledger.state("a"), ledger.run("a").gone) == (State.LOST, False)
    if ends:
        ledger.bless()
    else:
        ledger.child_gone(grant, ops.Cause.CANCELLED)
        ledger.finish(grant)
    assert ledger.run("a").gone
    assert listed(ledger) == ["b"]
    assert ledger.lock(LOCK).owner == "b"
