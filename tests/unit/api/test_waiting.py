"""Waiting for the end of a run: by hints, by looking, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from support.waiting import wait_until_async

from singletrack.errors import LedgerUnavailable
from singletrack.lifecycle import State
from singletrack.operations import GetRun
from singletrack.run import Run
from singletrack_api.waiting import RunWaiter

MakeRun = Callable[..., Run]


class Hints:
    """A ledger whose hints come when a test puts them in."""

    def __init__(self, ledger: Any) -> None:
        self.ledger = ledger
        self.queue: asyncio.Queue[Sequence[str] | Exception] = asyncio.Queue()
        self.readers = 0

    async def execute(self, operation: Any) -> Any:
        return await self.ledger.execute(operation)

    async def changes(self, cursor: str, _timeout_seconds: float) -> tuple[str, Sequence[str]]:
        self.readers += 1
        try:
            found = await self.queue.get()
        finally:
            self.readers -= 1
        if isinstance(found, Exception):
            raise found
        return cursor + "x", found


@pytest.fixture
def hints(ledger: Any) -> Hints:
    return Hints(ledger)


@pytest.fixture
def waiter(hints: Any) -> RunWaiter:
    return RunWaiter(hints)


async def test_a_run_that_has_ended_is_not_waited_for(
    waiter: RunWaiter, hints: Hints, make_run: MakeRun
) -> None:
    run = make_run(State.SUCCEEDED)
    assert await waiter.ended(run, 60) is run
    assert hints.readers == 0


async def test_a_hint_wakes_everybody_who_waits_for_that_run_by_one_reader(
    waiter: RunWaiter,
    hints: Hints,
    ledger: Any,
    make_run: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("singletrack_api.waiting.LOOK_SECONDS", 60.0)
    ledger.answers[GetRun] = make_run()
    both = asyncio.gather(waiter.ended(make_run(), 60), waiter.ended(make_run(), 60))
    await wait_until_async(lambda: hints.readers == 1)
    ledger.answers[GetRun] = make_run(State.SUCCEEDED)
    await hints.queue.put(["other", "r1"])
    assert [run.state for run in await both] == [State.SUCCEEDED, State.SUCCEEDED]
    await wait_until_async(lambda: hints.readers == 0, what="the reader to stop")


async def test_without_any_hint_the_end_is_seen_all_the_same(
    waiter: RunWaiter,
    hints: Hints,
    ledger: Any,
    make_run: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("singletrack_api.waiting.LOOK_SECONDS", 0.01)
    await hints.queue.put(LedgerUnavailable())
    ledger.answers[GetRun] = make_run(State.FAILED)
    assert (await waiter.ended(make_run(), 60)).state is State.FAILED


async def test_after_the_time_given_the_run_is_answered_as_it_is(
    waiter: RunWaiter, ledger: Any, make_run: MakeRun
) -> None:
    ledger.answers[GetRun] = make_run(State.RUNNING, attempt=1)
    assert (await waiter.ended(make_run(State.READY), 0.02)).attempt == 1
