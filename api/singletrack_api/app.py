"""The application: its parts, its routes, its errors, put together in one function."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.telemetry import TelemetryConfig

from singletrack.installed import version_here
from singletrack.settings import Settings
from singletrack_api import documentation, errors, health, locks, queues, runs, seed, suspects
from singletrack_api.body_limit import BodyLimit
from singletrack_api.http_metrics import HttpMetrics
from singletrack_api.observing import QUIET, Observing
from singletrack_api.parts import Parts, assemble
from singletrack_api.rights import authorised
from singletrack_api.settings import ApiSettings

Assemble = Callable[[Settings, ApiSettings], AbstractAsyncContextManager[Parts]]

ROUTERS = (
    seed.router,
    runs.router,
    suspects.router,
    locks.router,
    queues.router,
)
"""Behind the guard; `health` is for supervisors and Prometheus, which have no token."""

#: Of FastAPI's own telemetry only the span of each request, where `singletrack.tracing` is on.
_TELEMETRY: TelemetryConfig = {
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
    "exclude": lambda scope: scope["path"] in QUIET,
}

DESCRIPTION = """Start, watch and stop runs: background tasks that run one at a time per lock.

Every error is a problem document (RFC 9457) with a stable `code` and the `requestId` of the log."""


def create_app(
    settings: Settings | None = None,
    api: ApiSettings | None = None,
    assemble: Assemble = assemble,
) -> FastAPI:
    """The application; its parts are connected when it starts and closed when it ends."""
    settings = settings or Settings()
    api = api or ApiSettings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with assemble(settings, api) as parts:
            app.state.parts = parts
            yield

    app = FastAPI(
        title="Singletrack",
        version=version_here(),
        summary="Background tasks, one at a time per lock.",
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's pages load their scripts from a CDN
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_TELEMETRY,
    )
    app.include_router(health.router)
    for router in ROUTERS:
        app.include_router(router, dependencies=[Depends(authorised)])
    errors.install(app, (health.router, *ROUTERS))
    documentation.install(app)
    app.state.metrics = HttpMetrics()
    app.add_middleware(BodyLimit, limit=api.body_bytes)
    app.add_middleware(Observing, metrics=app.state.metrics)
    return app
