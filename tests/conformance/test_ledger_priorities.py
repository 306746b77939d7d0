"""The order of the waiting list: priority counts, and so does waiting; both until the start."""

from __future__ import annotations

import pytest
from conformance.ledgers import LedgerUnderTest
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.operations import Verdict


def prioritise(ledger: LedgerUnderTest, run_id: str, priority: int) -> ops.EndReply:
    return ledger.execute(ops.Prioritise(run_id=run_id, priority=priority))


def test_among_runs_that_came_together_the_higher_priority_goes_first(
    ledger: LedgerUnderTest,
) -> None:
    ledger.submit("holder")
    for run_id, priority in (("low", -1), ("plain", 0), ("high", 1), ("plain-2", 0)):
        ledger.submit(run_id, priority=priority)
    assert ledger.lock().waiting == ("high", "plain", "plain-2", "low")


def test_who_has_waited_longer_than_a_priority_is_worth_stays_ahead(
    ledger: LedgerUnderTest,
) -> None:
    ledger.submit("holder")
    ledger.submit("patient")
    came_at = ledger.run("patient").sequence
    wait_until(
        lambda: ledger.execute(ops.ReadServer()).micros > came_at + 20_000, 10, "20 ms to pass"
    )
    ledger.submit("urgent", priority=10, priority_point_seconds=0.001)
    ledger.submit("very urgent", priority=10, priority_point_seconds=60.0)
    assert ledger.lock().waiting == ("very urgent", "patient", "urgent")


def test_where_a_point_is_worth_nothing_arrival_alone_counts(ledger: LedgerUnderTest) -> None:
    ledger.submit("holder")
    for run_id, priority in (("a", -1000), ("b", 1000), ("c", 0)):
        ledger.submit(run_id, priority=priority, priority_point_seconds=0.0)
    assert ledger.lock().waiting == ("a", "b", "c")


def test_a_changed_priority_moves_a_waiting_run_to_where_it_would_be_by_now(
    ledger: LedgerUnderTest,
) -> None:
    ledger.submit("holder")
    for run_id in ("a", "b", "c"):
        ledger.submit(run_id)
    revision = ledger.run("c").revision
    assert prioritise(ledger, "c", 5).state is State.QUEUED
    assert ledger.lock().waiting == ("c", "a", "b")
    assert ledger.run("c").spec.priority == 5
    assert ledger.run("c").revision > revision
    prioritise(ledger, "c", 0)
    assert ledger.lock().waiting == ("a", "b", "c")


def test_the_same_priority_again_changes_nothing(ledger: LedgerUnderTest) -> None:
    ledger.submit("holder")
    ledger.submit("a", priority=5)
    before = ledger.run("a")
    assert prioritise(ledger, "a", 5) == ops.EndReply(verdict=Verdict.OK, state=State.QUEUED)
    assert ledger.run("a") == before


@pytest.mark.parametrize("reach", ["submit", "claimed"])
def test_until_its_code_starts_a_run_can_be_given_another_priority(
    ledger: LedgerUnderTest, reach: str
) -> None:
    getattr(ledger, reach)("a")
    assert prioritise(ledger, "a", 5).verdict is Verdict.OK
    assert ledger.run("a").spec.priority == 5
    assert ledger.lock().waiting == ()


@pytest.mark.parametrize("reach", ["running", "finished"])
def test_after_that_it_is_too_late(ledger: LedgerUnderTest, reach: str) -> None:
    getattr(ledger, reach)("a")
    before = ledger.run("a")
    assert prioritise(ledger, "a", 5) == ops.EndReply(verdict=Verdict.DROP, state=before.state)
    assert ledger.run("a") == before


def test_a_run_nobody_knows_has_no_priority(ledger: LedgerUnderTest) -> None:
    assert prioritise(ledger, "a", 5) == ops.EndReply(verdict=Verdict.UNKNOWN)


def test_a_run_with_a_changed_priority_is_still_the_same_run(ledger: LedgerUnderTest) -> None:
    ledger.submit("holder")
    ledger.submit("a")
    prioritise(ledger, "a", 5)
    again = ledger.submit("a")
    assert (again.verdict, again.created) == (Verdict.OK, False)
