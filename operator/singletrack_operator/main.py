"""The operator's process: reads the settings, connects, runs until SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import structlog
from pydantic import ValidationError

from singletrack import command_line, failpoints, logs, tracing
from singletrack.adapters.celery_broker import CeleryBroker
from singletrack.adapters.kubernetes import connection
from singletrack.adapters.redis_ledger import AsyncRedisLedger
from singletrack.errors import LedgerUnavailable, SingletrackError
from singletrack.settings import SHARED, Settings
from singletrack_operator.operating import Operator
from singletrack_operator.settings import OperatorSettings

log = structlog.get_logger()

_PAUSE_SECONDS = 2.0


def run() -> int:
    """Run the operator until SIGTERM; a wrong setting is one sentence and exit code 1."""
    purpose = "Turns the TaskRuns of a cluster into runs, and shows in them what becomes of those."
    command_line.parser("singletrack-operator", purpose, OperatorSettings, *SHARED).parse_args()
    try:
        failpoints.arm("operator", os.environ)
        own, platform = OperatorSettings(), Settings()
        logs.configure("operator", platform.log.log_format, platform.log.log_level)
        tracing.start("operator", os.environ)
        asyncio.run(_run(own, platform))
    except (SingletrackError, ValueError) as error:
        sys.stderr.write(f"singletrack-operator: {_sentence(error)}\n")
        return 1
    finally:
        tracing.stop()
    return 0


def _sentence(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    wrong = error.errors()[0]
    where = ".".join(str(part) for part in wrong["loc"])
    return f"{where}: {wrong['msg']}" if where else str(wrong["msg"])


async def _run(own: OperatorSettings, platform: Settings) -> None:
    ledger = AsyncRedisLedger.from_settings(platform.ledger)
    try:
        operator = Operator(
            connection.find(own.kubeconfig),
            ledger,
            CeleryBroker.from_settings(platform),
            platform,
            own,
        )
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        if await _prepared(ledger, stopped):
            await _until(stopped, operator)
    finally:
        await ledger.close()


async def _prepared(ledger: AsyncRedisLedger, stopped: asyncio.Event) -> bool:
    """Wait until the ledger answers and its functions are loaded; False if it is time to stop."""
    told = False
    while not stopped.is_set():
        try:
            await ledger.prepare()
        except LedgerUnavailable as error:
            if not told:
                log.warning("waiting_for_ledger", error=str(error))
            told = True
            await _nap(stopped)
        else:
            return True
    return False


async def _nap(stopped: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_PAUSE_SECONDS):
            await stopped.wait()
    except TimeoutError:
        return


async def _until(stopped: asyncio.Event, operator: Operator) -> None:
    async def pass_on() -> None:
        await stopped.wait()
        operator.stop()

    listener = asyncio.create_task(pass_on())
    try:
        await operator.run()
    finally:
        listener.cancel()
