"""Which pause keeps a run waiting: its lock's, then its queue's; and when nobody is asked."""

from __future__ import annotations

import pytest

from singletrack import operations as ops
from singletrack.adapters.memory import AsyncMemoryLedger, MemoryLedger
from singletrack.operations import Operation
from singletrack.pauses import holding_back
from singletrack.run import RunSpec


class Bench(AsyncMemoryLedger):
    """A ledger that counts the questions."""

    def __init__(self) -> None:
        self.memory, self.asked = MemoryLedger(), 0
        super().__init__(self.memory)

    async def execute(self, operation: Operation):
        self.asked += 1
        return await super().execute(operation)

    def submit(self, run_id, *, push=False):
        spec = RunSpec(run_id=run_id, task="t", lock="default/press", envelope="text")
        self.memory.execute(ops.Submit(spec=spec, push=push))

    async def pause_of(self, run_id):
        found = await holding_back(self, self.memory.execute(ops.GetRun(run_id=run_id)))
        return found.reason if found else None

    def pause(self):
        self.memory.execute(ops.PauseLock(lock="default/press", by="ann", reason="the lock"))
        self.memory.execute(ops.PauseQueue(queue="celery", by="ann", reason="the queue"))


@pytest.fixture
def bench():
    return Bench()


async def test_a_run_that_waits_for_its_lock_is_held_back_by_that(bench):
    bench.submit("a")
    bench.submit("b")
    assert await bench.pause_of("b") is None
    bench.pause()
    assert await bench.pause_of("b") == "the lock"


@pytest.mark.parametrize("push", [True, False])
async def test_a_run_that_has_its_lock_is_held_back_by_its_queue(bench, push):
    bench.submit("a", push=push)
    assert await bench.pause_of("a") is None
    bench.pause()
    assert await bench.pause_of("a") == "the queue"


async def test_of_a_run_whose_message_is_on_its_way_nobody_asks(bench):
    bench.submit("a", push=True)
    await bench.pause_of("a")
    assert bench.asked == 0


async def test_a_run_that_executes_is_held_back_by_nothing(bench):
    bench.submit("a")
    bench.memory.execute(ops.Start(run_id="a", nonce="n", worker="w"))
    bench.pause()
    assert await bench.pause_of("a") is None
    assert bench.asked == 0
