"""The operator's small HTTP server: /metrics, /livez and /readyz."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry

from singletrack.ledger import AsyncLedger
from singletrack.metrics.exposing import page, read_counters

Complaints = Callable[[], list[str]]
"""What is wrong now, a sentence each; an empty list is health."""


class Server:
    """Serves until it is closed."""

    def __init__(
        self,
        ledger: AsyncLedger,
        registry: CollectorRegistry,
        alive: Complaints,
        ready: Complaints,
    ) -> None:
        self._ledger = ledger
        self._own = registry
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

    async def _metrics(self, request: web.Request) -> web.Response:
        runs = await read_counters(self._ledger)
        text, media_type = page(self._own, runs, request.headers.get("Accept", ""))
        return web.Response(body=text, headers={"Content-Type": media_type})


def _health(complaints: Complaints) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        wrong = complaints()
        return web.Response(text="\n".join(wrong) or "ok", status=503 if wrong else 200)

    return answer
