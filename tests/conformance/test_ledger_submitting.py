"""Submitting: a run is recorded once, starts if its lock is free, and may be claimed at once."""

from __future__ import annotations

import pytest
from conformance.ledgers import LOCK, LedgerUnderTest

from singletrack import operations as ops
from singletrack.errors import EncodeError, Holder
from singletrack.lifecycle import State
from singletrack.operations import Verdict
from singletrack.policies import Policy
from singletrack.run import Door, Run


def test_a_run_whose_lock_is_free_owns_it_at_once(ledger: LedgerUnderTest) -> None:
    reply = ledger.submit("a")
    assert reply == ops.Submission(verdict=Verdict.OK, state=State.READY, created=True)
    assert ledger.state("a") is State.READY
    assert ledger.lock() == ops.LockStatus(key=LOCK, owner="a", token=0)


def test_a_run_whose_lock_is_held_waits_and_names_the_holder(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", name="monthly")
    reply = ledger.submit("b")
    assert (reply.state, reply.holder) == (State.QUEUED, Holder("a", "monthly"))
    assert ledger.lock().waiting == ("b",)


def test_runs_of_different_locks_do_not_meet(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", lock="default/one")
    assert ledger.submit("b", lock="default/two").state is State.READY


def test_the_record_keeps_the_whole_request(ledger: LedgerUnderTest) -> None:
    spec = ledger.spec(
        "a",
        args=(1, "zwei", None),
        kwargs={"month": "2026-10", "deep": {"list": [1.5, True]}},
        namespace="team",
        name="monthly",
        door=Door.KUBECTL,
        policy=Policy.REPLACE,
        max_queue=3,
        priority=-7,
        timeout_seconds=12.5,
        soft_timeout_seconds=0.75,
        start_deadline_seconds=1.25,
        queue_timeout_seconds=60.0,
        ttl_seconds=3600.0,
        requested_by="bob@example.com",
    )
    ledger.execute(ops.Submit(spec=spec))
    assert ledger.run("a").spec == spec


def test_a_fresh_record_has_done_nothing_yet(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    run = ledger.run("a")
    assert (run.attempt, run.token, run.nonce, run.worker, run.lease_seq) == (0, 0, "", "", 0)
    assert run.revision == 1
    assert run.submitted_at.utcoffset() is not None
    assert run.ready_at is not None
    assert run.ready_at >= run.submitted_at
    assert (run.started_at, run.finished_at) == (None, None)
    assert (run.cancellation, run.progress, run.holder, run.result, run.failure) == (None,) * 5


def test_parameters_that_are_not_json_are_refused_and_nothing_is_recorded(
    ledger: LedgerUnderTest,
) -> None:
    with pytest.raises(EncodeError, match="set"):
        ledger.submit("a", kwargs={"month": {1, 2}})
    assert ledger.execute(ops.GetRun(run_id="a")) is None
    assert ledger.lock().owner is None


# --- repeating ------------------------------------------------------------------------------------


def test_the_same_submission_again_changes_nothing(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    before = ledger.run("a")
    reply = ledger.submit("a")
    assert (reply.verdict, reply.state, reply.created) == (Verdict.OK, State.READY, False)
    assert ledger.run("a") == before
    assert ledger.execute(ops.ReadCounters())["runs|queue=other|state=READY"] == 1


def test_a_repeated_submission_tells_how_far_the_run_has_come(ledger: LedgerUnderTest) -> None:
    ledger.finished("a")
    reply = ledger.submit("a")
    assert (reply.verdict, reply.state, reply.created) == (Verdict.OK, State.SUCCEEDED, False)
    assert ledger.lock().owner is None


def test_a_repeated_submission_may_differ_in_what_does_not_change_the_run(
    ledger: LedgerUnderTest,
) -> None:
    ledger.submit("a", timeout_seconds=5.0)
    reply = ledger.submit("a", timeout_seconds=6.0, envelope="another")
    assert (reply.verdict, reply.created) == (Verdict.OK, False)
    assert ledger.run("a").spec.timeout_seconds == 5.0


@pytest.mark.parametrize(
    "other", [{"task": "other"}, {"kwargs": {"x": 1}}, {"args": (1,)}, {"lock": "default/x"}]
)
def test_the_same_id_with_other_content_is_a_conflict(
    ledger: LedgerUnderTest, other: dict[str, object]
) -> None:
    ledger.submit("a")
    before = ledger.run("a")
    reply = ledger.submit("a", **other)
    assert (reply.verdict, reply.created) == (Verdict.CONFLICT, False)
    assert ledger.run("a") == before


# --- the latest run at the REST door --------------------------------------------------------------


def test_the_latest_run_of_a_namespace_is_the_last_one_accepted_over_rest(
    ledger: LedgerUnderTest,
) -> None:
    latest = ops.LatestRun(namespace="default")
    assert ledger.execute(latest) is None
    ledger.submit("a", door=Door.REST)
    ledger.submit("b", door=Door.REST)
    ledger.submit("c", door=Door.PRODUCER)
    ledger.submit("d", door=Door.REST, namespace="team")
    assert ledger.execute(latest) == "b"
    assert ledger.execute(ops.LatestRun(namespace="team")) == "d"


def test_a_refused_run_is_never_the_latest(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", door=Door.REST)
    ledger.submit("b", door=Door.REST, policy=Policy.REJECT)
    assert ledger.execute(ops.LatestRun(namespace="default")) == "a"


def test_runs_are_numbered_in_the_order_of_submission(ledger: LedgerUnderTest) -> None:
    runs: list[Run] = []
    for run_id in ("c", "a", "b"):
        ledger.submit(run_id)
        runs.append(ledger.run(run_id))
    assert runs[0].sequence < runs[1].sequence < runs[2].sequence
