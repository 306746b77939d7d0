"""What the application is put together from, and how: the only place that knows the adapters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from singletrack.access import Access
from singletrack.adapters.celery_broker import CeleryBroker
from singletrack.adapters.kubernetes.connection import SERVICE_ACCOUNT, find
from singletrack.adapters.ledger_intake import CachedCatalogue, LedgerIntake
from singletrack.adapters.redis_ledger import AsyncRedisLedger
from singletrack.admission import Defaults
from singletrack.broker import Broker
from singletrack.errors import LedgerError, LedgerUnavailable
from singletrack.intake import Intake
from singletrack.ledger import AsyncLedger
from singletrack.settings import Settings
from singletrack.upkeep import run_upkeep
from singletrack_api.settings import ApiSettings, Auth, IntakeChoice
from singletrack_api.waiting import RunWaiter

if TYPE_CHECKING:
    from singletrack.adapters.kubernetes.session import KubernetesSession

RETRY_SECONDS = 1.0

Wait = Callable[[str], int]
"""Counts a request of a caller, and answers after how many seconds it may come; 0 is now."""

MakeIntake = Callable[[AsyncLedger, Broker, CachedCatalogue, Defaults], Intake]

log = structlog.get_logger()


def never(_caller: str) -> int:
    """A `Wait` that lets everybody ask as often as he likes."""
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the routes work with; tests put in what they like."""

    settings: Settings
    ledger: AsyncLedger
    intake: Intake
    catalogue: CachedCatalogue
    waiter: RunWaiter
    access: Access | None = None
    """Whom to ask who may do what; None where everybody who reaches the door may do everything."""
    wait: Wait = never
    """How often a caller may ask."""
    kubernetes: bool = False
    """Runs go through TaskRuns; an operator does the upkeep and exports the runs' metrics."""


@asynccontextmanager
async def assemble(settings: Settings, api: ApiSettings) -> AsyncIterator[Parts]:
    """Connect to the ledger, choose the intake, start the upkeep where nobody else does it.

    A ledger that does not answer yet is waited for in the background, so that `/livez` and clear
    errors are there from the start.

    Raises:
        LedgerMisconfigured, ConfigurationError: it could never work; says what to change.
    """
    async with AsyncExitStack() as stack:
        ledger = AsyncRedisLedger.from_settings(settings.ledger)
        stack.push_async_callback(ledger.close)
        broker = CeleryBroker.from_settings(settings)
        catalogue = CachedCatalogue(ledger)
        kubernetes = uses_kubernetes(api)
        reviewed = api.auth is Auth.KUBERNETES
        session = _session(api, stack) if kubernetes or reviewed else None
        make = _maker(session if kubernetes else None, settings)
        access = _by_reviews(session, api) if session and reviewed else None
        intake = make(ledger, broker, catalogue, defaults_of(settings))
        prepared = _Preparation(ledger)
        await prepared.attempt()

        async def in_background() -> None:
            await prepared.until_done()
            if not kubernetes:
                await run_upkeep(ledger, broker, settings)

        await stack.enter_async_context(_running(in_background()))
        yield Parts(
            settings=settings,
            ledger=ledger,
            intake=intake,
            catalogue=catalogue,
            waiter=RunWaiter(ledger),
            access=access,
            wait=_limited(api),
            kubernetes=kubernetes,
        )


def uses_kubernetes(api: ApiSettings) -> bool:
    """Whether runs go through a TaskRun: as told, else if a cluster is meant or around us."""
    if api.intake is IntakeChoice.AUTO:
        in_pod = bool(api.in_cluster_host) and (SERVICE_ACCOUNT / "token").exists()
        return bool(api.kubeconfig) or in_pod
    return api.intake is IntakeChoice.KUBERNETES


def defaults_of(settings: Settings) -> Defaults:
    """What a run gets when neither the request nor the task says."""
    return Defaults(
        queue=settings.broker.default_queue,
        start_deadline_seconds=settings.run.start_deadline_seconds,
        priority_point_seconds=settings.run.priority_point_seconds,
        ttl_seconds=settings.run.ttl_seconds_after_finished,
    )


def _session(api: ApiSettings, stack: AsyncExitStack) -> KubernetesSession:
    """Requests to the cluster's API server, until the stack ends."""
    # An API without a cluster spares itself the HTTP client.
    from singletrack.adapters.kubernetes.session import KubernetesSession

    session = KubernetesSession(find(api.kubeconfig))
    stack.push_async_callback(session.close)
    return session


def _maker(session: KubernetesSession | None, settings: Settings) -> MakeIntake:
    """The intake, still to be given its ledger: through TaskRuns if there is a session."""
    if session is None:
        return LedgerIntake
    from singletrack.adapters.kubernetes.intake import KubernetesIntake
    from singletrack.adapters.kubernetes.taskruns import TaskRuns

    return partial(KubernetesIntake, TaskRuns(session, settings.served.namespaces))


def _by_reviews(session: KubernetesSession, api: ApiSettings) -> Access:
    """Access as the cluster's RBAC says it."""
    from singletrack.adapters.kubernetes.access_reviews import AccessReviews

    return AccessReviews(session, api.auth_audience)


def _limited(api: ApiSettings) -> Wait:
    """How often a caller may ask."""
    if api.auth is Auth.OFF or not api.caller_requests_per_minute:
        return never
    # An API that knows no callers spares itself the library.
    from singletrack_api.rates import per_minute

    return per_minute(api.caller_requests_per_minute)


class _Preparation:
    """Checks the ledger's server and loads the functions, as soon as it answers."""

    def __init__(self, ledger: AsyncRedisLedger) -> None:
        self._ledger = ledger
        self.summary = ""

    async def attempt(self) -> None:
        """Try once; a server that does not answer is no error yet."""
        try:
            self.summary = (await self._ledger.prepare()).summary
        except LedgerUnavailable as error:
            log.warning("ledger_awaited", error=str(error))

    async def until_done(self) -> None:
        """Try until the server is found and good enough; say once what is wrong with it."""
        said = ""
        while not self.summary:
            await asyncio.sleep(RETRY_SECONDS)
            try:
                self.summary = (await self._ledger.prepare()).summary
                log.info("ledger_found", ledger=self.summary)
            except LedgerUnavailable:
                continue
            except LedgerError as error:
                if str(error) != said:
                    said = str(error)
                    log.error("ledger_not_usable", error=said)


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let `work` go on beside the block, and end it with the block."""
    task = asyncio.create_task(work)
    task.add_done_callback(_report)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("upkeep_ended", exc_info=error)
