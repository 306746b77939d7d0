"""When a server may be blessed."""

from dataclasses import replace

import pytest

from singletrack.adapters.memory import AsyncMemoryLedger, MemoryLedger
from singletrack.errors import LedgerUnavailable
from singletrack.operations import ReadServer, Renew, ServerStatus
from singletrack.settings import LeaseSettings
from singletrack.upkeep.blessing import Blesser, may_bless

SETTINGS = LeaseSettings()


def status(**changes):
    fields = {
        "server_id": "now",
        "blessed_id": "before",
        "version": "9.1",
        "flavour": "valkey",
        "eviction_policy": "noeviction",
        "aof_enabled": True,
        "replicas": 0,
        "fsync": "always",
        "agents": {},
        "micros": 1,
    }
    return ServerStatus(**fields | changes)


def test_a_server_that_lost_nothing_is_blessed_when_every_agent_has_renewed():
    assert may_bless(status(agents={"a": "now"}), 0, SETTINGS)
    assert not may_bless(status(agents={"a": "now", "b": "before"}), 0, SETTINGS)


def test_an_agent_that_stays_silent_for_a_lease_and_the_margin_is_not_waited_for():
    silent = status(agents={"a": "before"})
    assert not may_bless(silent, 34.9, SETTINGS)
    assert may_bless(silent, 35, SETTINGS)


@pytest.mark.parametrize(
    "unsure",
    [
        {"fsync": "everysec"},
        {"fsync": ""},
        {"aof_enabled": False},
        {"replicas": 1},
        {"emptied": True},
        {"blessed_id": "withdrawn"},
    ],
)
def test_a_server_that_may_have_lost_writes_waits_for_the_grace(unsure):
    assert not may_bless(status(**unsure), 44.9, SETTINGS)
    assert may_bless(status(**unsure), 45, SETTINGS)


class Clock:
    now = 1000.0

    def boottime(self):
        return self.now


class Bench:
    """A blesser over a memory ledger and a clock of our own."""

    def __init__(self):
        self.ledger, self.clock, self.prepared = MemoryLedger(blessed=False), Clock(), 0
        self.blesser = Blesser(
            AsyncMemoryLedger(self.ledger), SETTINGS, self.clock, prepare=self.prepare
        )

    async def prepare(self):
        self.prepared += 1
        return 4_000_000_000_000_000

    async def looks(self, after=0.0):
        self.clock.now += after
        return await self.blesser.look()

    def renew(self, agent="a", *, told=True):
        server_id = self.ledger.execute(ReadServer()).server_id
        self.ledger.execute(Renew(agent=agent, reported_to=server_id if told else ""))


@pytest.fixture
def bench():
    return Bench()


async def test_a_new_ledger_is_blessed_at_once(bench):
    assert await bench.looks()
    assert bench.prepared == 1
    assert bench.ledger.snapshot().token == 4_000_000_000_000_000


async def test_a_ledger_that_has_lost_everything_waits_for_the_grace(bench):
    await bench.looks()
    bench.ledger.restart(back_to=replace(bench.ledger.snapshot(), blessed_id=""))
    assert not await bench.looks()
    assert not await bench.looks(after=44.9)
    assert await bench.looks(after=0.2)


async def test_an_agent_with_a_past_tells_that_a_new_ledger_is_not_new(bench):
    bench.renew()
    assert not await bench.looks()
    assert await bench.looks(after=45.0)


async def test_agents_that_a_rolled_back_server_has_never_heard_of_are_waited_for(bench):
    await bench.looks()
    before = bench.ledger.snapshot()
    bench.renew()
    await bench.looks()
    bench.ledger.restart(back_to=before)
    assert not await bench.looks()
    bench.renew(told=False)
    assert not await bench.looks()
    bench.renew()
    assert await bench.looks()


async def test_the_grace_begins_anew_when_the_server_restarts_again(bench):
    await bench.looks()
    bench.renew()
    await bench.looks()
    bench.ledger.restart()
    bench.renew(told=False)
    assert not await bench.looks()
    assert not await bench.looks(after=34.9)
    bench.ledger.restart()
    bench.renew(told=False)
    assert not await bench.looks(after=0.2)
    assert not await bench.looks(after=34.0)
    assert await bench.looks(after=1.0)


async def test_nothing_is_blessed_while_what_comes_before_fails(bench):
    async def fail():
        raise LedgerUnavailable("no")

    blesser = Blesser(AsyncMemoryLedger(bench.ledger), SETTINGS, bench.clock, prepare=fail)
    with pytest.raises(LedgerUnavailable):
        await blesser.look()
    assert not bench.ledger.execute(ReadServer()).blessed


class EvictingLedger(AsyncMemoryLedger):
    """A memory ledger whose server has another eviction policy."""

    policy = "noeviction"

    async def execute(self, operation):
        answer = await super().execute(operation)
        return (
            replace(answer, eviction_policy=self.policy)
            if isinstance(operation, ReadServer)
            else answer
        )


async def test_a_server_that_begins_to_evict_is_not_blessed_any_more(bench):
    ledger = EvictingLedger(bench.ledger)
    blesser = Blesser(ledger, SETTINGS, bench.clock)
    assert await blesser.look()
    ledger.policy = "allkeys-lru"
    assert not await blesser.look()
    assert bench.ledger.execute(ReadServer()).withdrawn


async def test_a_server_that_has_ceased_to_evict_is_blessed_after_the_whole_grace(bench):
    ledger = EvictingLedger(bench.ledger)
    blesser = Blesser(ledger, SETTINGS, bench.clock)
    ledger.policy = "allkeys-lru"
    assert not await blesser.look()
    bench.clock.now += 1000.0
    assert not await blesser.look()
    ledger.policy = "noeviction"
    assert not await blesser.look()
    bench.clock.now += 44.9
    assert not await blesser.look()
    bench.clock.now += 0.2
    assert await blesser.look()


async def test_another_upkeep_that_has_not_seen_it_evict_waits_as_well(bench):
    ledger = EvictingLedger(bench.ledger)
    ledger.policy = "allkeys-lru"
    await Blesser(ledger, SETTINGS, bench.clock).look()
    assert not await bench.looks()
    assert await bench.looks(after=45.0)
