"""Publishing: a READY run's message goes out until somebody claims it, less and less often."""

from __future__ import annotations

import pytest
from conformance.ledgers import LedgerUnderTest

from singletrack import operations as ops
from singletrack.lifecycle import State


def published(
    ledger: LedgerUnderTest, run_id: str, publications: int, *, push: bool = False
) -> bool:
    return ledger.execute(ops.Published(run_id=run_id, publications=publications, push=push))


def test_a_ready_run_is_due_at_once(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", envelope="text")
    due = ops.DueRun(run_id="a", publications=0, queue=ledger.queue, envelope="text")
    assert ledger.execute(ops.ListDue()) == (due,)
    assert ledger.messages() == []


def test_a_pushed_run_counts_as_published_and_is_not_due_yet(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", push=True)
    assert ledger.messages() == ["to a"]
    assert ledger.run("a").publications == 1
    assert ledger.due() == []


def test_a_pushed_run_is_looked_at_again_after_thirteen_seconds(ledger: LedgerUnderTest) -> None:
    before = ledger.execute(ops.ReadServer()).micros // 1000
    ledger.submit("a", push=True)
    after = ledger.execute(ops.ReadServer()).micros // 1000
    assert before + 13_000 <= ledger.next_look("a") <= after + 13_000


def test_a_waiting_run_is_not_published(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", push=True)
    ledger.submit("b", push=True)
    assert ledger.messages() == ["to a"]
    assert ledger.due() == []


def test_a_publication_puts_off_the_next_look(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    assert published(ledger, "a", 0)
    assert ledger.run("a").publications == 1
    assert ledger.due() == []
    assert ledger.messages() == []


@pytest.mark.parametrize(
    ("publications", "pause_seconds"), [(0, 13), (1, 52), (2, 208), (3, 832), (4, 3328), (5, 3600)]
)
def test_the_pause_grows_fourfold_up_to_an_hour(
    ledger: LedgerUnderTest, publications: int, pause_seconds: int
) -> None:
    ledger.submit("a")
    for count in range(publications):
        published(ledger, "a", count)
    before = ledger.execute(ops.ReadServer()).micros // 1000
    assert published(ledger, "a", publications)
    after = ledger.execute(ops.ReadServer()).micros // 1000
    pause = pause_seconds * 1000
    assert before + pause <= ledger.next_look("a") <= after + pause


def test_publishing_can_be_done_in_the_same_step(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", push=True)
    assert published(ledger, "a", 1, push=True)
    assert ledger.messages() == ["to a", "to a"]


def test_of_two_publishers_one_is_counted(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    assert published(ledger, "a", 0, push=True)
    assert not published(ledger, "a", 0, push=True)
    assert ledger.messages() == ["to a"]
    assert ledger.run("a").publications == 1


@pytest.mark.parametrize("state", [State.QUEUED, State.CLAIMED, State.RUNNING, State.SUCCEEDED])
def test_only_a_ready_run_is_published(ledger: LedgerUnderTest, state: State) -> None:
    if state is State.QUEUED:
        ledger.submit("holder")
        ledger.submit("a")
    elif state is State.CLAIMED:
        ledger.claimed("a")
    elif state is State.RUNNING:
        ledger.running("a")
    else:
        ledger.finished("a")
    assert not published(ledger, "a", 0, push=True)
    assert not published(ledger, "nobody", 0, push=True)
    assert ledger.messages() == []


def test_a_run_that_is_ready_again_is_published_again(ledger: LedgerUnderTest) -> None:
    ledger.submit("a")
    published(ledger, "a", 0)
    ledger.not_started(ledger.claim("a"))
    assert ledger.run("a").publications == 0
    assert ledger.due() == ["a"]


def test_due_runs_are_listed_oldest_first_and_no_more_than_asked(ledger: LedgerUnderTest) -> None:
    for number in range(3):
        ledger.submit(f"run-{number}", lock=f"default/{number}")
    assert ledger.due() == ["run-0", "run-1", "run-2"]
    assert [run.run_id for run in ledger.execute(ops.ListDue(limit=2))] == ["run-0", "run-1"]


def test_messages_are_pushed_to_the_queue_of_the_run_in_order(ledger: LedgerUnderTest) -> None:
    ledger.submit("a", lock="default/1", push=True)
    ledger.submit("b", lock="default/2", push=True)
    assert ledger.messages() == ["to a", "to b"]
