"""Adding up: what was counted is read the same before it and after it."""

from __future__ import annotations

import pytest
from conformance.ledgers import LedgerUnderTest
from conformance.test_ledger_counters import counters, finished, register

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.policies import Policy


def add_up(ledger: LedgerUnderTest) -> None:
    ledger.execute(ops.AddUp())


def live(ledger: LedgerUnderTest, name: str) -> None:
    """Something of everything that is counted when it changes."""
    lock = f"default/{name}"
    ledger.submit(f"{name}-refused", lock=f"{lock}-b", policy=Policy.REJECT)
    ledger.fail(ledger.running(f"{name}-b", lock=f"{lock}-c", task="report"), "TaskError")
    grant = ledger.running(f"{name}-a", lock=lock, task="report")
    ledger.submit(f"{name}-next", lock=lock, task="report")
    ledger.submit(f"{name}-cancelled", lock=lock)
    ledger.cancel(f"{name}-cancelled")
    ledger.not_started(ledger.running(f"{name}-c", lock=f"{lock}-d"))
    ledger.finish(grant)


def test_adding_up_changes_nothing_that_is_read(ledger: LedgerUnderTest) -> None:
    register(ledger, "report", queues=(ledger.queue,))
    live(ledger, "first")
    found = counters(ledger)
    add_up(ledger)
    assert counters(ledger) == found
    add_up(ledger)
    assert counters(ledger) == found


def test_what_comes_later_is_added_to_what_there_is(ledger: LedgerUnderTest) -> None:
    register(ledger, "report")
    ledger.finished("a", task="report")
    add_up(ledger)
    ledger.finished("b", task="report")
    assert counters(ledger)[finished("report", "succeeded")] == 2
    add_up(ledger)
    assert counters(ledger)[finished("report", "succeeded")] == 2


@pytest.mark.parametrize("before", [True, False], ids=["added up before", "added up later"])
def test_a_name_that_becomes_a_label_changes_no_run_that_is_there(
    ledger: LedgerUnderTest, before: bool
) -> None:
    grant = ledger.running("a", task="report")
    ledger.submit("b", task="report")
    if before:
        add_up(ledger)
    register(ledger, "report", queues=(ledger.queue,))
    ledger.finish(grant, State.FAILED)
    ledger.submit("c", task="report")
    add_up(ledger)
    found = counters(ledger)
    assert found["runs_submitted_total|task=other|door=producer"] == 2
    assert found["runs_submitted_total|task=report|door=producer"] == 1
    assert found[finished("other", "failed")] == 1
    alive = {name: n for name, n in found.items() if name.startswith("runs|")}
    assert alive == {
        "runs|queue=other|state=READY": 1,
        f"runs|queue={ledger.queue}|state=QUEUED": 1,
    }


def test_a_name_may_have_any_characters(ledger: LedgerUnderTest) -> None:
    name = "\x00line\none\t|=\x1e\x1f\x7f ÿþ\u07ff\uffff\U0010ffff"
    register(ledger, name)
    ledger.finished("a", task=name)
    ledger.finished("b", task=f"{name}'s sister")
    add_up(ledger)
    found = counters(ledger)
    assert found[finished(name, "succeeded")] == 1
    assert found[finished("other", "succeeded")] == 1
