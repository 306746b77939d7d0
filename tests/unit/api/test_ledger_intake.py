"""The intake without Kubernetes: what it asks the ledger, and what it makes of the answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from singletrack.adapters.ledger_intake import CachedCatalogue, LedgerIntake
from singletrack.adapters.memory import MemoryLedger
from singletrack.admission import RunRequest
from singletrack.catalogue import CatalogueEntry
from singletrack.errors import LockHeld, RunConflict, RunNotFound, TaskNotRegistered
from singletrack.lifecycle import State
from singletrack.operations import Cancel, GetRun, ListTasks, RegisterTasks
from singletrack.run import Cancellation, Door, Run
from singletrack.settings import Settings
from singletrack_api.parts import defaults_of


class Hands:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Broker:
    in_ledger = False

    def envelope(self, spec: Any) -> str:
        return f"message of {spec.task}"

    async def publish(self, runs: Any) -> None:
        raise NotImplementedError


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def catalogue(ledger: Any, clock: Hands) -> CachedCatalogue:
    return CachedCatalogue(ledger, keep_seconds=5, monotonic=clock)


@pytest.fixture
def intake(ledger: Any, catalogue: CachedCatalogue, settings: Settings) -> LedgerIntake:
    return LedgerIntake(ledger, Broker(), catalogue, defaults_of(settings))


def request(**fields: Any) -> RunRequest:
    return RunRequest(**{"run_id": "r1", "task": "dummy_task", "door": Door.REST, **fields})


def looks(ledger: Any) -> int:
    return sum(isinstance(operation, ListTasks) for operation in ledger.asked)


async def test_the_catalogue_is_read_again_when_it_is_old(
    catalogue: CachedCatalogue, ledger: Any, clock: Hands
) -> None:
    for clock.now in (0.0, 4.9):
        await catalogue.find("dummy_task")
    assert looks(ledger) == 1
    clock.now = 5.0
    await catalogue.find("dummy_task")
    assert looks(ledger) == 2


async def test_a_task_that_is_missing_is_looked_for_at_once(
    catalogue: CachedCatalogue, memory: MemoryLedger
) -> None:
    await catalogue.find("dummy_task")
    with pytest.raises(TaskNotRegistered, match=r"'new_task'.*dummy_task"):
        await catalogue.find("new_task")
    entry = CatalogueEntry(name="new_task", parameters={})
    memory.execute(RegisterTasks(entries={"new_task": entry.to_json()}))
    assert (await catalogue.find("new_task")).name == "new_task"


async def test_a_run_is_submitted_with_its_message_and_not_pushed_to_another_broker(
    intake: LedgerIntake, ledger: Any
) -> None:
    accepted = await intake.submit(request())
    assert accepted.run_id == "r1"
    submit = ledger.asked[-1]
    assert submit.spec.envelope == "message of dummy_task"
    assert submit.push is False


async def test_a_refused_run_names_the_lock_and_its_holder(intake: LedgerIntake) -> None:
    await intake.submit(request(lock="a"))
    with pytest.raises(LockHeld) as refusal:
        await intake.submit(request(lock="a", run_id="r2"))
    assert (refusal.value.lock, refusal.value.holder.run_id) == ("default/a", "r1")


@pytest.mark.parametrize(
    "different",
    [
        {"timeout_seconds": 5.0},
        {"soft_timeout_seconds": 5.0},
        {"params": {"name": "x"}},
        {"ttl_seconds": 1.0},
    ],
)
async def test_the_same_id_with_other_content_is_a_conflict(
    intake: LedgerIntake, different: dict[str, Any]
) -> None:
    await intake.submit(request())
    again = await intake.submit(request())
    assert not again.submission.created
    with pytest.raises(RunConflict):
        await intake.submit(request(**different))


async def test_a_cancel_is_durable_and_answers_with_the_record_after_it(
    intake: LedgerIntake, ledger: Any, memory: MemoryLedger
) -> None:
    await intake.submit(request())
    run = memory.execute(GetRun(run_id="r1"))
    assert run is not None
    asked = Cancellation(by="rest", reason="enough")
    after = await intake.cancel(run, asked)
    assert ledger.durable == [Cancel(run_id="r1", cancellation=asked)]
    assert (after.state, after.cancellation) == (State.CANCELLED, asked)


async def test_a_run_that_is_forgotten_meanwhile_is_not_found(
    intake: LedgerIntake, make_run: Callable[..., Run]
) -> None:
    with pytest.raises(RunNotFound):
        await intake.cancel(make_run(), Cancellation(by="rest"))
