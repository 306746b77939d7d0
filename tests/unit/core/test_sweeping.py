"""When a lease is over: by what one sweeper has seen itself, on its own clock."""

from __future__ import annotations

import pytest

from singletrack.adapters.memory import AsyncMemoryLedger, MemoryLedger
from singletrack.ledger import AsyncLedger
from singletrack.lifecycle import State
from singletrack.operations import GetRun, ListLeases, Operation, Renew, Start
from singletrack.run import RunSpec
from singletrack.settings import LeaseSettings
from singletrack.upkeep.sweeping import Sweeper

SETTINGS = LeaseSettings()
PATIENCE = SETTINGS.lease_seconds + SETTINGS.margin_seconds


class Clock:
    now = 1000.0

    def boottime(self):
        return self.now


class SlowLedger:
    """A ledger whose list of leases is as old as `takes` when it arrives."""

    def __init__(self, ledger: AsyncLedger, clock: Clock) -> None:
        self._ledger, self._clock, self.takes = ledger, clock, 0.0

    async def execute(self, operation: Operation):
        reply = await self._ledger.execute(operation)
        if isinstance(operation, ListLeases):
            self._clock.now += self.takes
        return reply


class Bench:
    """A run that executes, and a sweeper that looks at it on a clock of our own."""

    def __init__(self):
        self.ledger, self.clock = MemoryLedger(), Clock()
        self.slow = SlowLedger(AsyncMemoryLedger(self.ledger), self.clock)
        self.sweeper = self.new_sweeper()
        spec = RunSpec(run_id="a", task="report", lock="default/reports")
        self.ledger.execute(Start(run_id="a", nonce="n", worker="w", spec=spec))

    def new_sweeper(self):
        return Sweeper(self.slow, SETTINGS, self.clock)

    async def looks(self, after=0.0):
        self.clock.now += after
        await self.sweeper.look()
        return self.ledger.execute(GetRun(run_id="a")).state

    def renew(self):
        self.ledger.execute(Renew(agent="agent", leases=(("a", "n"),)))


@pytest.fixture
def bench():
    return Bench()


async def test_a_lease_is_over_after_its_length_and_the_margin(bench):
    assert await bench.looks() is State.RUNNING
    assert await bench.looks(after=PATIENCE - 0.1) is State.RUNNING
    assert await bench.looks(after=0.1) is State.LOST


async def test_a_lease_that_was_renewed_counts_anew(bench):
    await bench.looks()
    bench.renew()
    assert await bench.looks(after=PATIENCE) is State.RUNNING
    assert await bench.looks(after=PATIENCE) is State.LOST


async def test_what_another_sweeper_has_seen_does_not_count(bench):
    await bench.looks()
    bench.sweeper = bench.new_sweeper()
    assert await bench.looks(after=PATIENCE) is State.RUNNING


async def test_the_time_counts_from_when_the_answer_came(bench):
    bench.slow.takes = PATIENCE / 2  # the first list is older than it looks
    await bench.looks()
    bench.slow.takes = 0.0
    assert await bench.looks(after=PATIENCE - 0.1) is State.RUNNING
