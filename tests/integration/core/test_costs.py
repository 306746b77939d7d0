"""What a server does and keeps does not grow with what waits and what is over."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conformance.ledgers import OnServer
from support.redis_servers import RedisServer

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import AsyncRedisLedger
from singletrack.lifecycle import State
from singletrack.policies import Policy
from singletrack.run import Outcome
from singletrack.settings import LedgerSettings
from singletrack.upkeep.promoting import promote
from singletrack.upkeep.pruning import prune

PREFIX = "st"
FEW, MANY = 10, 300


@pytest.fixture
def ledger(fresh_valkey: RedisServer) -> Iterator[OnServer]:
    """Alone on its server, which counts the commands."""
    found = OnServer(fresh_valkey, PREFIX)
    yield found
    found.close()


def commands(ledger: OnServer, act: Callable[[], Any]) -> int:
    """How many commands the server processes for it, those of functions included."""
    before = ledger.client.info("stats")["total_commands_processed"]
    act()
    return int(ledger.client.info("stats")["total_commands_processed"]) - before


def upkeep(ledger: OnServer, one_pass: Callable[[AsyncRedisLedger], Any]) -> Any:
    async def once() -> Any:
        settings = LedgerSettings(redis_url=ledger.url, key_prefix=PREFIX)
        there = AsyncRedisLedger.from_settings(settings)
        try:
            return await one_pass(there)
        finally:
            await there.close()

    return asyncio.run(once())


def fill(ledger: OnServer, count: int, lock: str, **changes: Any) -> None:
    for number in range(count):
        place = {"lock": lock.format(number), "policy": Policy.QUEUE} | changes
        ledger.submit(f"holder-{count}-{number}", **place)
        ledger.submit(f"waiting-{count}-{number}", **place)


@pytest.mark.parametrize("lock", ["default/one", "default/{}"], ids=["one lock", "many locks"])
def test_admission_costs_the_same_however_many_wait(ledger: OnServer, lock: str) -> None:
    def submit(run_id: str) -> int:
        return commands(ledger, lambda: ledger.submit(run_id, lock=lock.format(0)))

    fill(ledger, FEW, lock)
    with_few = submit("a")
    fill(ledger, MANY, lock)
    assert submit("b") == with_few


@pytest.mark.parametrize("lock", ["default/one", "default/{}"], ids=["one lock", "many locks"])
def test_a_look_for_free_locks_costs_the_same_however_many_wait(
    ledger: OnServer, lock: str
) -> None:
    fill(ledger, FEW, lock)
    with_few = commands(ledger, lambda: upkeep(ledger, promote))
    fill(ledger, MANY, lock)
    assert commands(ledger, lambda: upkeep(ledger, promote)) == with_few


def test_runs_that_are_forgotten_leave_no_key(ledger: OnServer) -> None:
    live_and_forget(ledger, "warm-up")
    before = sizes(ledger)
    for number in range(1000):
        live_and_forget(ledger, f"run-{number}", forget=False)
    assert upkeep(ledger, prune) == 1000
    assert sizes(ledger) == before


def live_and_forget(ledger: OnServer, run_id: str, *, forget: bool = True) -> None:
    lock = f"default/{run_id}"
    ledger.submit(run_id, push=True, lock=lock, ttl_seconds=0.0)
    ledger.start(run_id)
    outcome = Outcome(state=State.SUCCEEDED, result=json.dumps(run_id))
    ledger.execute(ops.Finish(run_id=run_id, nonce="n", outcome=outcome))
    ledger.client.rpop(ledger.queue)  # as Celery takes the message
    if forget:
        assert upkeep(ledger, prune) == 1


def test_what_is_counted_takes_no_more_memory_without_upkeep(ledger: OnServer) -> None:
    journal = f"{ledger.keys.base}counted"
    longest = 0
    for number in range(400):
        live_and_forget(ledger, f"run-{number}", forget=False)
        longest = max(longest, ledger.client.strlen(journal))
    assert 60_000 < longest < 66_000
    assert ledger.client.strlen(journal) < longest
    found = ledger.execute(ops.ReadCounters())
    assert found["runs_finished_total|task=other|outcome=succeeded"] == 400


def sizes(ledger: OnServer) -> dict[str, int]:
    """Every key with how much it holds, but for the bounded stream of hints; of the counters
    without the buckets of histograms, of which a slow moment fills another one."""
    ledger.execute(ops.AddUp())
    length = {"zset": "zcard", "set": "scard", "list": "llen", "string": "strlen"}
    found = {}
    for key in map(str, ledger.client.keys("*")):
        kind = str(ledger.client.type(key))
        if kind == "hash":
            found[key] = sum("_bucket|" not in str(name) for name in ledger.client.hkeys(key))
        elif kind != "stream":
            found[key] = getattr(ledger.client, length[kind])(key)
    return found
