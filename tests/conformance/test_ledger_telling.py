"""Every end of a producer's run is told under Celery's own result key, where other clients wait."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from conformance.ledgers import LOCK, LedgerUnderTest

from singletrack import operations as ops
from singletrack.celery_results import celery_result
from singletrack.lifecycle import TERMINAL, State
from singletrack.locks import OnLost
from singletrack.operations import Grant
from singletrack.policies import Policy
from singletrack.retries import Retry
from singletrack.run import Failure, Outcome

RUN = "a"
REVOKED = ("REVOKED", "TaskRevokedError")
DAY_MS = 86_400_000


def submitted(ledger: LedgerUnderTest, run_id: str, **changes) -> None:
    ledger.submit(run_id, **{"tells_celery": True} | changes)


def started(ledger: LedgerUnderTest, run_id: str, **changes) -> Grant:
    submitted(ledger, run_id, **changes)
    grant = ledger.claim(run_id)
    ledger.begin(grant)
    return grant


def waiting(ledger: LedgerUnderTest, run_id: str, **changes) -> None:
    ledger.running("holder")
    submitted(ledger, run_id, **changes)


def end(ledger: LedgerUnderTest, grant: Grant, outcome: Outcome) -> None:
    ledger.execute(ops.Finish(run_id=grant.run_id, nonce=grant.nonce, outcome=outcome))


# --- each way to end ------------------------------------------------------------------------------


def succeeded(ledger: LedgerUnderTest) -> None:
    ledger.finish(started(ledger, RUN), result='{"rows": []}')


def failed(ledger: LedgerUnderTest) -> None:
    ledger.fail(started(ledger, RUN))


def never_started(ledger: LedgerUnderTest) -> None:
    submitted(ledger, RUN)
    for _ in range(21):
        ledger.not_started(ledger.claim(RUN))


def timed_out(ledger: LedgerUnderTest) -> None:
    ledger.child_gone(started(ledger, RUN), ops.Cause.TIMED_OUT)


def out_of_memory(ledger: LedgerUnderTest) -> None:
    ledger.child_gone(started(ledger, RUN), ops.Cause.OUT_OF_MEMORY)


def lapsed(ledger: LedgerUnderTest) -> None:
    ledger.expire(started(ledger, RUN))


def confirmed_dead(ledger: LedgerUnderTest) -> None:
    grant = started(ledger, RUN, on_lost=OnLost.HOLD)
    ledger.expire(grant)
    ledger.execute(ops.ConfirmDead(run_id=RUN, nonce=grant.nonce, message="its pod is gone"))


def released(ledger: LedgerUnderTest) -> None:
    ledger.expire(started(ledger, RUN, on_lost=OnLost.HOLD))
    ledger.execute(ops.ReleaseLock(lock=LOCK, by="ann", reason="its node burnt"))


def cancelled_while_waiting(ledger: LedgerUnderTest) -> None:
    waiting(ledger, RUN)
    ledger.cancel(RUN, reason="not wanted")


def cancelled_before_its_start(ledger: LedgerUnderTest) -> None:
    submitted(ledger, RUN)
    ledger.cancel(RUN)


def cancelled_at_work(ledger: LedgerUnderTest) -> None:
    grant = started(ledger, RUN)
    ledger.cancel(RUN)
    ledger.child_gone(grant, ops.Cause.CANCELLED)


def expired_while_waiting(ledger: LedgerUnderTest) -> None:
    waiting(ledger, RUN, queue_timeout_seconds=0.0)
    ledger.execute(ops.ExpireWait(run_id=RUN))


def expired_before_its_start(ledger: LedgerUnderTest) -> None:
    submitted(ledger, RUN, start_deadline_seconds=0.0)
    ledger.execute(ops.ExpireWait(run_id=RUN))


def superseded(ledger: LedgerUnderTest) -> None:
    waiting(ledger, RUN)
    ledger.submit("newer", policy=Policy.QUEUE_LATEST)


def replaced(ledger: LedgerUnderTest) -> None:
    submitted(ledger, RUN)
    ledger.submit("newer", policy=Policy.REPLACE)


def rejected(ledger: LedgerUnderTest) -> None:
    waiting(ledger, RUN, policy=Policy.REJECT)


def skipped(ledger: LedgerUnderTest) -> None:
    waiting(ledger, RUN, policy=Policy.SKIP)


def settled(ledger: LedgerUnderTest) -> None:
    submitted(ledger, RUN)
    ledger.restart()
    failure = Failure(reason="TaskError", message="as its resource shows")
    outcome = Outcome(state=State.FAILED, failure=failure)
    ledger.execute(ops.Settle(run_id=RUN, outcome=outcome))


def record_lost(ledger: LedgerUnderTest) -> None:
    grant = started(ledger, RUN)
    ledger.wipe()
    outcome = Outcome(state=State.SUCCEEDED, result="1")
    ledger.reassert(grant, outcome, tells_celery=True)


ENDS: dict[Callable[[LedgerUnderTest], None], tuple[State, str, str | None]] = {
    succeeded: (State.SUCCEEDED, "SUCCESS", None),
    failed: (State.FAILED, "FAILURE", "TaskError"),
    never_started: (State.FAILED, "FAILURE", "StartFailed"),
    timed_out: (State.TIMED_OUT, "FAILURE", "TimeLimitExceeded"),
    out_of_memory: (State.LOST, "FAILURE", "WorkerLostError"),
    lapsed: (State.LOST, "FAILURE", "WorkerLostError"),
    confirmed_dead: (State.LOST, "FAILURE", "WorkerLostError"),
    released: (State.LOST, "FAILURE", "WorkerLostError"),
    cancelled_while_waiting: (State.CANCELLED, *REVOKED),
    cancelled_before_its_start: (State.CANCELLED, *REVOKED),
    cancelled_at_work: (State.CANCELLED, *REVOKED),
    expired_while_waiting: (State.EXPIRED, *REVOKED),
    expired_before_its_start: (State.EXPIRED, *REVOKED),
    superseded: (State.SUPERSEDED, *REVOKED),
    replaced: (State.SUPERSEDED, *REVOKED),
    rejected: (State.REJECTED, *REVOKED),
    skipped: (State.SKIPPED, *REVOKED),
    settled: (State.FAILED, "FAILURE", "TaskError"),
    record_lost: (State.SUCCEEDED, "SUCCESS", None),
}


@pytest.mark.parametrize(
    ("bring_about", "state", "status", "error"),
    [(ending, *expected) for ending, expected in ENDS.items()],
    ids=[ending.__name__ for ending in ENDS],
)
def test_an_end_is_told_as_celerys_own_backend_would_have_stored_it(
    ledger: LedgerUnderTest, bring_about, state, status, error
) -> None:
    bring_about(ledger)
    run, told = ledger.run(RUN), ledger.told(RUN)
    assert run.state is state
    assert run.finished_at
    assert (told["task_id"], told["status"], told["children"]) == (RUN, status, [])
    if error is None:
        assert (told["result"], told["traceback"]) == (json.loads(run.result), None)
    else:
        assert told["result"]["exc_type"] == error
        assert told["result"]["exc_message"] == [run.failure.message]
    told_at = datetime.fromisoformat(told.pop("date_done"))
    assert abs(told_at - run.finished_at) < timedelta(milliseconds=2)
    assert told == {k: v for k, v in celery_result(run, RUN).items() if k != "date_done"}


def test_there_is_a_way_to_every_end() -> None:
    assert {state for state, *_ in ENDS.values()} | {State.JOINED} == TERMINAL


@pytest.mark.parametrize("bring_about", [succeeded, rejected, lapsed], ids=lambda f: f.__name__)
def test_nothing_is_told_of_a_run_that_no_such_client_waits_for(
    ledger: LedgerUnderTest, bring_about, monkeypatch
) -> None:
    submit = ledger.submit
    monkeypatch.setattr(ledger, "submit", lambda *a, **k: submit(*a, **k | {"tells_celery": False}))
    bring_about(ledger)
    assert ledger.run(RUN).terminal
    assert ledger.told(RUN) is None


# --- what is told ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["null", "[]", "{}", '"a/b \\u00e9 \\" \\n"', "12345678901234567890", "[{}, [], 1.5e-7]"],
)
def test_a_result_is_told_to_the_letter(ledger: LedgerUnderTest, text) -> None:
    ledger.finish(started(ledger, RUN), result=text)
    assert ledger.told(RUN)["result"] == json.loads(text)


@pytest.mark.parametrize(
    ("error_type", "kind"),
    [
        ("ValueError", ("builtins", "ValueError")),
        ("shop.errors.OutOfStock", ("shop.errors", "OutOfStock")),
        ("", ("singletrack", "TaskError")),
    ],
)
def test_the_error_of_a_task_has_its_own_name_and_its_traceback(
    ledger: LedgerUnderTest, error_type, kind
) -> None:
    failure = Failure(
        reason="TaskError",
        message='no "more"\n\u00e9',
        error_type=error_type,
        traceback="Trace\n\tback",
    )
    outcome = Outcome(state=State.FAILED, failure=failure)
    end(ledger, started(ledger, RUN), outcome)
    told = ledger.told(RUN)
    assert (told["result"]["exc_module"], told["result"]["exc_type"]) == kind
    assert told["result"]["exc_message"] == [failure.message]
    assert told["traceback"] == failure.traceback


def test_what_is_told_is_kept_as_long_as_the_record(ledger: LedgerUnderTest) -> None:
    ledger.finish(started(ledger, RUN, ttl_seconds=86_400.0))
    _, kept_ms = ledger.celery_result(RUN)
    assert DAY_MS - 600_000 < kept_ms <= DAY_MS


def test_an_attempt_that_another_one_follows_is_no_end(ledger: LedgerUnderTest) -> None:
    ledger.fail(started(ledger, RUN, retry=Retry(limit=1, initial_seconds=0.0)))
    assert ledger.told(RUN) is None
    grant = ledger.claim(RUN)
    ledger.begin(grant)
    ledger.finish(grant, result="2")
    assert (ledger.told(RUN)["status"], ledger.told(RUN)["result"]) == ("SUCCESS", 2)


# --- runs that stand for another one --------------------------------------------------------------


def test_a_run_that_joined_is_told_the_end_of_the_run_it_joined(ledger: LedgerUnderTest) -> None:
    holder = ledger.running("holder")
    submitted(ledger, RUN, policy=Policy.JOIN)
    assert ledger.state(RUN) is State.JOINED
    assert ledger.told(RUN) is None
    ledger.finish(holder, result="7")
    told = ledger.told(RUN)
    assert (told["task_id"], told["status"], told["result"]) == (RUN, "SUCCESS", 7)
    assert ledger.told("holder") is None


def test_all_that_joined_are_told_and_each_for_as_long_as_it_wants(ledger: LedgerUnderTest) -> None:
    holder = started(ledger, RUN, ttl_seconds=100.0)
    others = {f"other-{n}": 1000.0 * n for n in (1, 2)}
    for other, ttl in others.items():
        submitted(ledger, other, policy=Policy.JOIN, ttl_seconds=ttl)
    ledger.cancel(RUN, reason="enough")
    ledger.child_gone(holder, ops.Cause.CANCELLED)
    assert ledger.told(RUN)["status"] == "REVOKED"
    for other, ttl in others.items():
        text, kept_ms = ledger.celery_result(other)
        assert json.loads(text)["result"]["exc_message"] == ["enough"]
        assert ttl * 1000 - 500_000 < kept_ms <= ttl * 1000


# --- ends that may turn out to be none ------------------------------------------------------------


def displaced(ledger: LedgerUnderTest) -> Grant:
    """A run that is LOST provisionally: the server that has come back thought that it executes."""
    grant = started(ledger, RUN)
    ledger.submit("next")
    older = ledger.snapshot()
    ledger.finish(grant, result="4")
    following = ledger.claim("next")
    ledger.begin(following)
    ledger.restart(back_to=older)
    ledger.reassert(following)
    assert ledger.state(RUN) is State.LOST
    return grant


def test_an_end_that_may_be_none_is_not_told_until_the_blessing(ledger: LedgerUnderTest) -> None:
    displaced(ledger)
    assert ledger.told(RUN) is None
    ledger.bless()
    told = ledger.told(RUN)
    assert told["result"]["exc_type"] == "WorkerLostError"
    assert told["result"]["exc_message"] == [ledger.run(RUN).failure.message]


def test_an_end_that_was_another_one_is_told_as_it_was(ledger: LedgerUnderTest) -> None:
    grant = displaced(ledger)
    ledger.finish(grant, result="5")
    ledger.bless()
    assert ledger.told(RUN)["result"] == 5
