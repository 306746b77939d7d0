"""After each blessing everything is looked at: no change tells of what a ledger has forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from singletrack.adapters.memory import AsyncMemoryLedger, MemoryLedger
from singletrack.custom_resource import manifest
from singletrack.operations import Bless, ReadServer
from singletrack.settings import Durability
from singletrack_operator.health import Health
from singletrack_operator.recovering import Recovery
from singletrack_operator.store import Store
from singletrack_operator.workqueue import WorkQueue


class Clock:
    """The ledger's, in microseconds."""

    now = 0

    def __call__(self) -> int:
        self.now += 1
        return self.now


class Bench:
    def __init__(self) -> None:
        self.ledger = MemoryLedger(micros=Clock())
        self.store, self.queue = Store(), WorkQueue()
        self.health = Health(self.queue)
        self.recovery = Recovery(
            *(AsyncMemoryLedger(self.ledger), self.store, self.queue),
            self.health,
            Durability.STRICT,
        )
        metadata = {"uid": "u-1", "name": "a", "namespace": "ns", "resourceVersion": "1"}
        self.store.put(manifest.read({"metadata": metadata}))

    async def looks(self) -> list[str]:
        """What is queued by a look."""
        self.recovery.suspect()  # no matter how long ago the last one was
        await self.recovery.look()
        found = []
        while len(self.queue):
            found.append(await self.queue.take())
            self.queue.done(found[-1])
        return found

    def bless(self) -> None:
        server_id = self.ledger.execute(ReadServer()).server_id
        assert self.ledger.execute(Bless(server_id=server_id))


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_everything_is_looked_at_once_after_the_start(bench: Bench) -> None:
    assert await bench.looks() == ["u-1"]
    assert await bench.looks() == []


async def test_a_restarted_server_has_everything_looked_at_once_it_is_blessed(
    bench: Bench,
) -> None:
    await bench.looks()
    bench.ledger.restart()
    assert await bench.looks() == []
    bench.bless()
    assert await bench.looks() == ["u-1"]


async def test_a_server_that_was_emptied_between_two_looks_has_everything_looked_at(
    bench: Bench,
) -> None:
    """Its identity is the same: only the blessing tells that there was another past."""
    await bench.looks()
    server_id = bench.ledger.execute(ReadServer()).server_id
    bench.ledger.restart(back_to=replace(bench.ledger.snapshot(), blessed_id=""))
    bench.ledger._book.server_id = server_id
    bench.bless()
    assert await bench.looks() == ["u-1"]


async def test_a_server_that_could_forget_a_start_is_told_of_until_it_is_mended(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = bench.ledger.execute(ReadServer())
    weak = replace(sound, flavour="redis", version="7.0.15", fsync="everysec")
    with monkeypatch.context() as patch:
        patch.setattr(bench.ledger, "execute", lambda _operation: weak)
        await bench.looks()
    [told] = bench.health.weaknesses
    assert "could forget that a run has started" in told

    await bench.looks()
    assert bench.health.weaknesses == ()
