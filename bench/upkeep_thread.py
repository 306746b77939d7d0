"""What the API or the operator does beside everything else: the upkeep loops, in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from singletrack.adapters.celery_broker import CeleryBroker
from singletrack.adapters.redis_ledger import AsyncRedisLedger
from singletrack.settings import Settings
from singletrack.upkeep import run_upkeep


@contextmanager
def upkeep(settings: Settings) -> Iterator[None]:
    ended = threading.Event()

    async def until_ended() -> None:
        ledger = AsyncRedisLedger.from_settings(settings.ledger)
        broker = CeleryBroker.from_settings(settings)
        loops = asyncio.create_task(run_upkeep(ledger, broker, settings))
        await asyncio.to_thread(ended.wait)
        loops.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loops
        await ledger.close()

    thread = threading.Thread(target=lambda: asyncio.run(until_ended()), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)
