"""The asyncio adapters: the same operations, and hints of what has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from conformance.ledgers import ADAPTERS, MEMORY
from support.redis_servers import SharedServers

from singletrack import operations as ops
from singletrack.adapters.memory import AsyncMemoryLedger, MemoryLedger
from singletrack.adapters.redis_ledger import AsyncRedisLedger
from singletrack.ledger import AsyncLedger
from singletrack.lifecycle import State
from singletrack.operations import Verdict
from singletrack.run import Cancellation, Outcome, RunSpec
from singletrack.settings import LedgerSettings

SPEC = RunSpec(run_id="a", task="report", lock="default/reports")
SUBMIT = ops.Submit(spec=SPEC)
CANCEL = ops.Cancel(run_id="nobody", cancellation=Cancellation(by="somebody"))


@pytest.fixture(params=ADAPTERS)
async def ledger(request: pytest.FixtureRequest, key_prefix: str) -> AsyncIterator[AsyncLedger]:
    if request.param == MEMORY:
        yield AsyncMemoryLedger(MemoryLedger())
        return
    servers: SharedServers = request.getfixturevalue("shared_servers")
    with servers.lent(request.param) as server:
        under_test = AsyncRedisLedger.from_settings(
            LedgerSettings(redis_url=server.url, key_prefix=key_prefix, ledger_timeout_seconds=10)
        )
        await under_test.prepare()
        server_id = (await under_test.execute(ops.ReadServer())).server_id
        await under_test.execute(ops.Bless(server_id=server_id))
        yield under_test
        await under_test.close()


async def test_a_run_goes_from_submission_to_result(ledger: AsyncLedger) -> None:
    await ledger.execute(SUBMIT)
    await ledger.execute(ops.Claim(run_id="a", nonce="n", worker="w"))
    begun = await ledger.execute_durably(ops.Begin(run_id="a", nonce="n"))
    assert begun == ops.BeginReply(verdict=Verdict.OK, attempt=1)
    outcome = Outcome(state=State.SUCCEEDED, result="42")
    await ledger.execute(ops.Finish(run_id="a", nonce="n", outcome=outcome))
    run = await ledger.execute(ops.GetRun(run_id="a"))
    assert run
    assert (run.state, run.result) == (State.SUCCEEDED, "42")


async def test_a_waiting_reader_hears_of_a_change(ledger: AsyncLedger) -> None:
    cursor, _ = await ledger.changes("", 0.01)
    asking = asyncio.Event()

    async def read() -> tuple[str, Sequence[str]]:
        asking.set()
        return await ledger.changes(cursor, 10)

    waiting = asyncio.create_task(read())
    await asking.wait()
    await ledger.execute(SUBMIT)
    following, runs = await waiting
    assert list(runs) == ["a"]
    assert following != cursor


async def test_changes_since_the_cursor_are_told_at_once_and_once(ledger: AsyncLedger) -> None:
    cursor, _ = await ledger.changes("", 0.01)
    await ledger.execute(SUBMIT)
    await ledger.execute(ops.Claim(run_id="a", nonce="n", worker="w"))
    cursor, runs = await ledger.changes(cursor, 10)
    assert list(runs) == ["a"]
    assert list((await ledger.changes(cursor, 0.01))[1]) == []


async def test_a_reader_that_waits_in_vain_gets_a_cursor_to_go_on_with(
    ledger: AsyncLedger,
) -> None:
    cursor, runs = await ledger.changes("", 0.01)
    assert list(runs) == []
    again, runs = await ledger.changes(cursor, 0.01)
    assert (again, list(runs)) == (cursor, [])


async def test_what_came_before_the_first_look_is_not_told(ledger: AsyncLedger) -> None:
    await ledger.execute(SUBMIT)
    cursor, runs = await ledger.changes("", 0.01)
    assert list(runs) == []
    assert list((await ledger.changes(cursor, 0.01))[1]) == []


@pytest.mark.parametrize("call", ["execute", "execute_durably", "changes", "note_server"])
async def test_whoever_is_cancelled_in_a_call_is_cancelled_and_not_answered(
    ledger: AsyncLedger, call: str
) -> None:
    """Else a loop that has asked goes on, and what waits for its end waits for ever."""
    asked = {
        "execute": lambda: ledger.execute(ops.ReadServer()),
        "execute_durably": lambda: ledger.execute_durably(CANCEL),
        "changes": lambda: ledger.changes("", 0.001),
        "note_server": ledger.note_server,
    }[call]

    async def ask_again_and_again() -> str:
        task = asyncio.current_task()
        assert task is not None
        while True:
            await asked()
            if task.cancelling():
                return "answered"
            await asyncio.sleep(0)

    for turns in range(60):
        loops = [asyncio.create_task(ask_again_and_again()) for _ in range(3)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for loop in loops:
            loop.cancel()
        await asyncio.wait(loops)
        assert all(loop.cancelled() for loop in loops), f"after {turns} turns"
