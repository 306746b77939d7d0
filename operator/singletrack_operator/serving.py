"""The operator's small HTTP server: /metrics, /livez and /readyz."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from singletrack.errors import LedgerError
from singletrack.ledger import AsyncLedger
from singletrack.metrics.exposing import LedgerCollector
from singletrack.operations import ReadCounters

Complaints = Callable[[], list[str]]
"""What is wrong now, a sentence each; an empty list is health."""


class LedgerNumbers:
    """The ledger's counters as last read; None if it did not answer."""

    def __init__(self, ledger: AsyncLedger) -> None:
        self._ledger = ledger
        self.snapshot: Mapping[str, float] | None = None

    async def refresh(self) -> None:
        try:
            self.snapshot = await self._ledger.execute(ReadCounters())
        except LedgerError:
            self.snapshot = None


class Server:
    """Serves until it is closed."""

    def __init__(
        self,
        numbers: LedgerNumbers,
        registry: CollectorRegistry,
        alive: Complaints,
        ready: Complaints,
    ) -> None:
        self._numbers = numbers
        self._own = registry
        self._runs = CollectorRegistry()
        self._runs.register(LedgerCollector(lambda: numbers.snapshot))
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/livez", _health(alive))
        app.router.add_get("/readyz", _health(ready))
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)

    async def open(self, host: str, port: int) -> int:
        """Listen, and answer the port: a free one if 0 was asked for.

        Raises:
            OSError: the port is taken.
        """
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, shutdown_timeout=1.0)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        await self._runner.cleanup()

    async def _metrics(self, _request: web.Request) -> web.Response:
        await self._numbers.refresh()
        body = generate_latest(self._own) + generate_latest(self._runs)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _health(complaints: Complaints) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        wrong = complaints()
        return web.Response(text="\n".join(wrong) or "ok", status=503 if wrong else 200)

    return answer
