"""Runs every upkeep loop until cancelled; a failing pass is logged once and tried again later."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from singletrack.broker import Broker
from singletrack.clock import Clock, SystemClock
from singletrack.errors import SingletrackError
from singletrack.ledger import AsyncLedger
from singletrack.operations import AddUp
from singletrack.settings import Settings
from singletrack.upkeep.blessing import Blesser, Prepare
from singletrack.upkeep.dispatching import dispatch
from singletrack.upkeep.noting import SyncNote
from singletrack.upkeep.promoting import end_waits, promote
from singletrack.upkeep.pruning import prune
from singletrack.upkeep.sweeping import Sweeper, Witness

log = structlog.get_logger()

Pass = Callable[[], Awaitable[object]]
Succeeded = Callable[[str], None]


async def run_upkeep(
    ledger: AsyncLedger,
    broker: Broker,
    settings: Settings,
    *,
    prepare: Prepare | None = None,
    witness: Witness | None = None,
    succeeded: Succeeded | None = None,
) -> None:
    """Run the loops side by side until this task is cancelled.

    `prepare` is called right before a blessing, `witness` with all leases about every second,
    `succeeded` with the name of a loop that has done its work.
    """
    clock: Clock = SystemClock()
    sweeper = Sweeper(ledger, settings.lease, clock, witness)
    blesser = Blesser(ledger, settings.lease, clock, prepare)
    note = SyncNote(ledger, settings.ledger.durability)
    look = settings.lease.renew_seconds / 5
    async with asyncio.TaskGroup() as group:
        for name, one_pass, pause in (
            ("bless", blesser.look, look),
            ("note", note.look, settings.lease.renew_seconds),
            ("dispatch", lambda: dispatch(ledger, broker), 1.0),
            ("sweep", sweeper.look, look),
            ("expire", lambda: end_waits(ledger), 1.0),
            ("count", lambda: ledger.execute(AddUp()), 1.0),
            ("promote", lambda: promote(ledger), 10.0),
            ("prune", lambda: prune(ledger), 30.0),
        ):
            tell = partial(succeeded, name) if succeeded else _nobody_asks
            group.create_task(_repeat(name, one_pass, pause, tell))


def _nobody_asks() -> None: ...


async def _repeat(
    name: str, one_pass: Pass, pause_seconds: float, succeeded: Callable[[], None]
) -> None:
    failing = False
    while True:
        try:
            await one_pass()
            succeeded()
            if failing:
                log.info("upkeep_recovered", loop=name)
            failing = False
        except SingletrackError as error:
            if not failing:
                log.warning("upkeep_failed", loop=name, error=str(error))
            failing = True
        await asyncio.sleep(pause_seconds)
