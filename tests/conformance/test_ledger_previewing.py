"""Previews: what submit would do, told by every ledger without doing anything."""

from __future__ import annotations

from typing import Any

import pytest
from conformance.forecasts import Told
from conformance.ledgers import LOCK, LedgerUnderTest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from singletrack import operations as ops
from singletrack.errors import Holder
from singletrack.lifecycle import State
from singletrack.operations import Forecast, Verdict
from singletrack.policies import Decision, LockView, Policy, Refusal, decide
from singletrack.run import Run


def records(ledger: LedgerUnderTest) -> dict[str, Run]:
    return {run.run_id: run for run in ledger.execute(ops.ListRuns(namespace="default"))}


def preview(ledger: LedgerUnderTest, run_id: str = "new", **changes: Any) -> Forecast:
    return ledger.execute(ops.Preview(spec=ledger.spec(run_id, **changes)))


def test_a_free_lock_would_be_taken(ledger: LedgerUnderTest) -> None:
    assert preview(ledger) == Forecast(verdict=Verdict.OK, decision=Decision.START)


def test_a_waiting_run_is_told_its_place_and_who_holds_the_lock(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", name="monthly")
    for run_id in ("b", "c"):
        ledger.submit(run_id)
    last = preview(ledger)
    assert (last.decision, last.position, last.holder) == (
        Decision.WAIT,
        3,
        Holder("a", "monthly"),
    )
    assert preview(ledger, priority=5).position == 1
    ledger.execute(ops.Prioritise(run_id="b", priority=100))
    assert preview(ledger, priority=5).position == 2


def test_a_refusal_is_told_with_its_reason_and_the_holder(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    held = preview(ledger, policy=Policy.REJECT)
    assert (held.decision, held.refusal, held.holder) == (
        Decision.REJECT,
        Refusal.LOCK_HELD,
        Holder("a"),
    )
    assert preview(ledger, max_queue=0).refusal is Refusal.QUEUE_FULL
    lock = "default/paused"
    ledger.execute(ops.PauseLock(lock=lock, by="ann"))
    paused = preview(ledger, policy=Policy.REJECT, lock=lock)
    assert (paused.decision, paused.refusal, paused.holder) == (
        Decision.REJECT,
        Refusal.LOCK_PAUSED,
        None,
    )


def test_replace_is_told_with_everybody_it_would_hit(ledger: LedgerUnderTest) -> None:
    ledger.running("a", name="monthly")
    ledger.submit("b")
    found = preview(ledger, policy=Policy.REPLACE)
    assert (found.decision, found.position) == (Decision.REPLACE, 1)
    assert found.victims == (Holder("b"), Holder("a", "monthly"))


def test_a_holder_that_is_ending_anyway_is_no_victim(ledger: LedgerUnderTest) -> None:
    ledger.running("a")
    ledger.cancel("a")
    assert preview(ledger, policy=Policy.REPLACE).victims == ()


def test_replace_of_a_holder_nobody_has_claimed_would_not_wait(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    found = preview(ledger, policy=Policy.REPLACE)
    assert (found.position, found.victims) == (None, (Holder("a"),))


def test_queue_latest_is_told_with_those_who_wait(ledger: LedgerUnderTest) -> None:
    ledger.running("a")
    ledger.submit("b")
    found = preview(ledger, policy=Policy.QUEUE_LATEST)
    assert (found.decision, found.position) == (Decision.SUPERSEDE, 1)
    assert found.victims == (Holder("b"),)


def test_join_and_skip_are_told_with_the_other_run(ledger: LedgerUnderTest) -> None:
    ledger.running("a")
    for policy, decision in ((Policy.JOIN, Decision.JOIN), (Policy.SKIP, Decision.SKIP)):
        found = preview(ledger, policy=policy)
        assert (found.decision, found.holder) == (decision, Holder("a"))
    ledger.submit("b")
    ledger.cancel("a")
    assert preview(ledger, policy=Policy.JOIN).holder == Holder("b")


def test_a_run_that_is_recorded_would_not_be_recorded_again(ledger: LedgerUnderTest) -> None:
    ledger.running("a")
    assert preview(ledger, "a") == Forecast(verdict=Verdict.OK, state=State.RUNNING)
    other = preview(ledger, "a", task="another")
    assert other == Forecast(verdict=Verdict.CONFLICT, state=State.RUNNING)


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("reach", ["submit", "running", "finished"])
def test_nothing_at_all_is_changed(ledger: LedgerUnderTest, policy: Policy, reach: str) -> None:
    ledger.execute(ops.RegisterTasks(entries={"report": "{}"}))
    getattr(ledger, reach)("a", name="monthly")
    ledger.submit("b")
    ledger.submit("c", priority=7)
    before = ledger.everything()
    assert preview(ledger, policy=policy).verdict is Verdict.OK
    assert preview(ledger, "a").verdict is Verdict.OK
    assert ledger.everything() == before


waiting_runs = st.lists(st.tuples(st.integers(-20, 20), st.sampled_from([0.0, 60.0])), max_size=5)
wishes = st.fixed_dictionaries(
    {
        "policy": st.sampled_from(Policy),
        "max_queue": st.sampled_from([None, 0, 1, 3]),
        "priority": st.integers(-20, 20),
        "priority_point_seconds": st.sampled_from([0.0, 60.0]),
    }
)


@given(
    wish=wishes,
    waiting=waiting_runs,
    reach=st.sampled_from(["nobody", "submit", "claimed", "running"]),
    cancelled=st.booleans(),
    paused=st.booleans(),
)
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_told_is_what_decide_says_and_what_submit_then_does(
    ledger: LedgerUnderTest,
    wish: dict[str, Any],
    waiting: list[tuple[int, float]],
    reach: str,
    cancelled: bool,
    paused: bool,
) -> None:
    ledger.wipe()
    ledger.bless()
    if reach != "nobody":
        getattr(ledger, reach)("holder")
    if paused:
        ledger.execute(ops.PauseLock(lock=LOCK, by="ann"))
    if reach != "nobody" or paused:
        for number, (priority, point) in enumerate(waiting):
            ledger.submit(f"w{number}", priority=priority, priority_point_seconds=point)
    if cancelled and reach in ("claimed", "running"):
        ledger.cancel("holder")
    lock, spec = ledger.lock(), ledger.spec("new", **wish)
    holder = ledger.run(lock.owner) if lock.owner else None
    view = LockView(
        held=holder is not None,
        holder_cancelling=holder is not None and holder.cancellation is not None,
        paused=paused,
        waiting=len(lock.waiting),
    )
    before = records(ledger)
    forecast = ledger.execute(ops.Preview(spec=spec))
    assert forecast.decision is decide(spec.policy, view, max_queue=spec.max_queue)
    done = ledger.execute(ops.Submit(spec=spec))
    told = Told(spec=spec, forecast=forecast, before=before, done=done)
    told.came_true(records(ledger), ledger.lock(spec.lock).waiting)
