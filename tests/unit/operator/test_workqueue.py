"""The work queue: each key by one worker at a time, none forgotten, failures with patience."""

from __future__ import annotations

import asyncio
import random

from support.waiting import wait_until_async

from singletrack_operator import workqueue
from singletrack_operator.workqueue import WorkQueue


class NoJitter(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return b


async def test_a_key_that_waits_is_taken_once() -> None:
    queue = WorkQueue()
    for key in ("a", "b", "a"):
        queue.add(key)

    assert [await queue.take(), await queue.take()] == ["a", "b"]
    assert len(queue) == 0


async def test_a_key_in_hand_is_not_given_to_another_worker() -> None:
    queue = WorkQueue()
    queue.add("a")
    await queue.take()
    queue.add("a")

    assert len(queue) == 0
    queue.done("a")
    assert await queue.take() == "a"


async def test_a_key_in_hand_comes_back_once_however_often_it_is_added() -> None:
    queue = WorkQueue()
    queue.add("a")
    await queue.take()
    for _ in range(3):
        queue.add("a")
    queue.done("a")
    await queue.take()
    queue.done("a")

    assert len(queue) == 0


async def test_pauses_grow_with_failures_and_end_with_success() -> None:
    queue = WorkQueue(NoJitter())
    loop = asyncio.get_running_loop()
    pauses = []
    for _ in range(3):
        queue.add("a")
        begun = loop.time()
        key = await queue.take()
        queue.failed(key)
        pauses.append(queue._due["a"] - begun)
        del queue._due["a"]

    assert [round(pause, 1) for pause in pauses] == [0.2, 0.4, 0.8]
    queue.add("a")
    queue.done(await queue.take())
    assert queue.failures("a") == 0


async def test_no_pause_is_longer_than_the_longest() -> None:
    queue = WorkQueue(NoJitter())
    loop = asyncio.get_running_loop()
    for _ in range(30):
        queue.add("a")
        queue.failed(await queue.take())

    assert queue._due["a"] - loop.time() <= workqueue.LONGEST_PAUSE_SECONDS


async def test_a_later_look_comes_by_itself() -> None:
    queue = WorkQueue()
    queue.add_later("a", 0.01)

    assert len(queue) == 0
    assert await queue.take() == "a"


async def test_of_two_later_looks_the_earlier_counts() -> None:
    queue = WorkQueue()
    queue.add_later("a", 60)
    queue.add_later("a", 0.01)
    queue.add_later("a", 30)

    assert await queue.take() == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_a_server_that_asks_for_patience_gets_it() -> None:
    queue = WorkQueue()
    loop = asyncio.get_running_loop()
    queue.add("a")
    queue.failed(await queue.take(), at_least_seconds=5)

    assert queue._due["a"] - loop.time() > 4


async def test_drained_waits_for_the_work_at_hand() -> None:
    queue = WorkQueue()
    queue.add("a")
    key = await queue.take()
    waiting = asyncio.create_task(queue.drained(10))
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.done(key)

    await wait_until_async(waiting.done)


async def test_drained_does_not_wait_for_ever() -> None:
    queue = WorkQueue()
    queue.add("a")
    await queue.take()

    await queue.drained(0.01)
    assert queue.busy == 1


async def test_many_workers_never_hold_one_key_at_once() -> None:
    queue = WorkQueue()
    chance = random.Random(7)
    holding: set[str] = set()
    turns = 0

    async def work() -> None:
        nonlocal turns
        while True:
            key = await queue.take()
            assert key not in holding
            holding.add(key)
            await asyncio.sleep(0)
            holding.discard(key)
            turns += 1
            queue.done(key)

    workers = [asyncio.create_task(work()) for _ in range(8)]
    for _ in range(500):
        queue.add(f"key-{chance.randrange(5)}")
        if chance.random() < 0.3:
            await asyncio.sleep(0)
    await wait_until_async(lambda: len(queue) == 0 and queue.busy == 0)
    for worker in workers:
        assert not worker.done()
        worker.cancel()
    assert turns >= 5
