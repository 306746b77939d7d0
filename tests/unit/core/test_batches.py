"""Upkeep does everything there is to do in one pass, however much that is."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from singletrack.adapters.memory import AsyncMemoryLedger, MemoryLedger
from singletrack.ledger import AsyncLedger
from singletrack.lifecycle import State
from singletrack.operations import (
    Finish,
    Forget,
    GetRun,
    ListDue,
    ListForgettable,
    Published,
    Start,
    Submit,
)
from singletrack.run import Outcome, RunSpec
from singletrack.upkeep.dispatching import dispatch
from singletrack.upkeep.pruning import prune

MANY = 250


@dataclass
class RefusingLedger:
    """A ledger that refuses one kind of operation."""

    ledger: AsyncLedger
    refused: type

    async def execute(self, operation):
        if isinstance(operation, self.refused):
            return False
        return await self.ledger.execute(operation)


@dataclass
class Broker:
    in_ledger: bool = False
    published: list[str] = field(default_factory=list)

    async def publish(self, due):
        self.published += [run.run_id for run in due]


def spec(number: int) -> RunSpec:
    run_id = str(number)
    lock = f"default/{run_id}"
    return RunSpec(run_id=run_id, task="t", lock=lock, envelope="text", ttl_seconds=0.0)


@pytest.fixture
def ended() -> MemoryLedger:
    """A ledger with runs that have ended and whose time to live is over."""
    ledger = MemoryLedger()
    outcome = Outcome(state=State.SUCCEEDED)
    for number in range(MANY):
        ledger.execute(Start(run_id=str(number), nonce="n", worker="w", spec=spec(number)))
        ledger.execute(Finish(run_id=str(number), nonce="n", outcome=outcome))
    return ledger


@pytest.fixture
def ready() -> MemoryLedger:
    """A ledger with runs that wait to be published."""
    ledger = MemoryLedger()
    for number in range(MANY):
        ledger.execute(Submit(spec=spec(number)))
    return ledger


async def test_every_run_whose_time_is_over_is_forgotten(ended):
    assert await prune(AsyncMemoryLedger(ended)) == MANY
    assert ended.execute(ListForgettable()) == ()
    assert ended.execute(GetRun(run_id="0")) is None


async def test_what_cannot_be_forgotten_is_left_for_the_next_pass(ended):
    assert await prune(RefusingLedger(AsyncMemoryLedger(ended), Forget)) == 0


async def test_every_due_run_is_published(ready):
    broker = Broker()
    assert await dispatch(AsyncMemoryLedger(ready), broker) == MANY
    assert len(broker.published) == len(set(broker.published)) == MANY
    assert ready.execute(ListDue()) == ()


async def test_what_another_dispatcher_has_noted_is_left_for_the_next_pass(ready):
    broker = Broker()
    assert await dispatch(RefusingLedger(AsyncMemoryLedger(ready), Published), broker) == 0
    assert len(broker.published) == 100
