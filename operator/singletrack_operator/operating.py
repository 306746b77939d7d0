"""The operator put together: which parts there are, in which order they start and stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import structlog

from singletrack.adapters.kubernetes.connection import Connection
from singletrack.adapters.kubernetes.errors import KubernetesError
from singletrack.adapters.kubernetes.pods import Pods
from singletrack.adapters.kubernetes.session import KubernetesSession
from singletrack.adapters.kubernetes.taskruns import TaskRuns
from singletrack.admission import Defaults
from singletrack.broker import Broker
from singletrack.clock import Clock, SystemClock
from singletrack.custom_resource import RESOURCE, manifest
from singletrack.errors import ConfigurationError, LedgerError
from singletrack.failpoints import failpoint
from singletrack.ledger import AsyncLedger
from singletrack.settings import Settings
from singletrack.upkeep import run_upkeep
from singletrack_operator import memory
from singletrack_operator.act import Surroundings
from singletrack_operator.confirming import Confirmations
from singletrack_operator.decide import Rules, deletion_time
from singletrack_operator.deleting import LISTING, Deletions
from singletrack_operator.health import Health
from singletrack_operator.metrics import OperatorMetrics
from singletrack_operator.projecting import Projector
from singletrack_operator.reconciling import Reconciler
from singletrack_operator.recovering import Recovery
from singletrack_operator.registering import AwaitedTasks
from singletrack_operator.resyncing import Resync
from singletrack_operator.serving import Server
from singletrack_operator.settings import OperatorSettings
from singletrack_operator.settling import Settlement
from singletrack_operator.store import Store
from singletrack_operator.telling import Teller
from singletrack_operator.watching import Watch
from singletrack_operator.workqueue import WorkQueue

log = structlog.get_logger()

_PAUSE_SECONDS = 2.0
_PROBE_SECONDS = 5.0
_SERVER_ERROR = 500
_LAST_WORK_SECONDS = 5.0


class Operator:
    """One operator over one cluster and one ledger; `run` returns after `stop`."""

    def __init__(
        self,
        connection: Connection,
        ledger: AsyncLedger,
        broker: Broker,
        platform: Settings,
        own: OperatorSettings,
    ) -> None:
        self._platform, self._own = platform, own
        clock: Clock = SystemClock()
        self._metrics = OperatorMetrics()
        self._session = KubernetesSession(connection, self._observe)
        self._around = Surroundings(
            ledger=ledger,
            taskruns=TaskRuns(
                self._session, platform.served.namespaces, field_manager="singletrack-operator"
            ),
            broker=broker,
            store=Store(),
            queue=WorkQueue(),
            deletions=Deletions(clock),
            awaited=AwaitedTasks(),
            metrics=self._metrics,
            teller=Teller(self._session),
            clock=clock,
        )
        self._rules = _rules(platform, own)
        self._health = Health(self._around.queue)
        self._workers_session = KubernetesSession(connection, self._observe, most_connections=0)
        self._confirmations = Confirmations(ledger, Pods(self._workers_session))
        self._watch = Watch(connection, platform.served.namespaces, self._deliver, self._observe)
        self._health.watched = lambda: self._watch.watching
        self._resync = Resync(self._around)
        self._stopped, self._missed = asyncio.Event(), asyncio.Event()
        self.port = 0

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stopped.set()

    async def run(self) -> None:
        """Serve, wait for the cluster, watch and work, until `stop`; then end in order.

        Raises:
            ConfigurationError: the port is taken.
            ExceptionGroup: a loop ended that must not.
        """
        server = self._server()
        try:
            self.port = await server.open(self._own.host, self._own.port)
        except OSError as error:
            raise ConfigurationError(
                f"the operator cannot serve on {self._own.host}:{self._own.port}: "
                f"{error.strerror}; choose another SINGLETRACK_OPERATOR_PORT"
            ) from error
        log.info("operator_serving", port=self.port)
        try:
            async with asyncio.TaskGroup() as group:
                loops = [group.create_task(loop) for loop in self._loops()]
                watch = group.create_task(self._watch_when_served())
                await self._stopped.wait()
                await self._end(watch, loops)
        finally:
            await server.close()
            await self._session.close()
            await self._workers_session.close()
        log.info("operator_stopped")

    def _loops(self) -> list[Any]:
        around = self._around
        reconciler = Reconciler(around, self._rules)
        settlement = Settlement(around.ledger, reconciler, around.store)
        recovery = Recovery(
            *(around.ledger, around.store, around.queue),
            self._health,
            self._platform.ledger.durability,
        )
        return [
            run_upkeep(
                around.ledger,
                around.broker,
                self._platform,
                prepare=settlement.before_blessing,
                witness=self._confirmations.note,
                succeeded=self._metrics.loop_succeeded,
            ),
            self._confirmations.run(),
            *(reconciler.work() for _ in range(self._own.workers)),
            Projector(around, recovery).run(),
            around.awaited.run(around.ledger, around.queue.add),
            around.deletions.run(around.taskruns),
            around.teller.run(),
            self._health.beat(),
            self._repeat("resync", self._compare, self._own.resync_seconds, self._missed),
            self._repeat("refill", self._refill, LISTING.total_seconds()),
        ]

    async def _end(self, watch: asyncio.Task[None], loops: list[asyncio.Task[None]]) -> None:
        """First what brings work, then the work at hand, then the rest."""
        self._health.stopping = True
        self._watch.stop()
        await asyncio.wait({watch}, timeout=_LAST_WORK_SECONDS)
        watch.cancel()
        await self._around.queue.drained(_LAST_WORK_SECONDS)
        for loop in loops:
            loop.cancel()

    async def _watch_when_served(self) -> None:
        await self._until_served()
        with suppress(KubernetesError, LedgerError):  # the loop tries again, and says why
            await self._compare()  # before the watch, which lists by name and not by age
        self._health.served = True
        probing = asyncio.create_task(self._repeat("probe", self._probe, _PROBE_SECONDS))
        try:
            await self._watch.run(self._metrics.watch_restarts.inc, self._missed.set)
        finally:
            probing.cancel()

    async def _probe(self) -> None:
        """Have the API server answer: without work, nothing else would tell that it does not."""
        self._health.served = await self._around.taskruns.served()

    async def _until_served(self) -> None:
        """Kopf looks for the kind once, at its start; so it starts when the kind is there."""
        told = False
        while True:
            try:
                if await self._around.taskruns.served():
                    return
                complaint = f"the API server does not serve {RESOURCE}: apply k8s/crd.yaml"
            except KubernetesError as error:
                complaint = str(error)
            if not told:
                log.warning("waiting_for_cluster", error=complaint)
            told = True
            await asyncio.sleep(_PAUSE_SECONDS)

    def _observe(self, method: str, path: str, status: int, seconds: float) -> None:
        self._metrics.observe_request(method, path, status, seconds)
        if 0 < status < _SERVER_ERROR:
            self._health.answered()

    def _deliver(self, event: str | None, body: Mapping[str, Any]) -> None:
        failpoint("operator.seen")
        taskrun = manifest.read(body)
        if self._around.store.observe(event, taskrun):
            self._around.queue.add(taskrun.uid)

    async def _compare(self) -> None:
        await self._resync.compare()
        memory.give_back()

    async def _refill(self) -> None:
        around = self._around
        await around.deletions.refill(around.taskruns, deletion_time, self._rules.defaults)

    async def _repeat(
        self,
        name: str,
        work: Callable[[], Awaitable[None]],
        pause_seconds: float,
        sooner: asyncio.Event | None = None,
    ) -> None:
        """Do it again and again, and at once after a pause that `sooner` has ended."""
        sooner, failing = sooner or asyncio.Event(), False
        while True:
            sooner.clear()
            try:
                await work()
                self._health.succeeded(name)
                failing, pause = False, pause_seconds
            except (KubernetesError, LedgerError) as error:
                if not failing and self._health.served:
                    log.warning("loop_failed", loop=name, error=str(error))
                self._health.tried(name)
                failing, pause = True, _PAUSE_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await sooner.wait()

    def _server(self) -> Server:
        around = self._around
        self._metrics.read_when_asked("operator_objects", lambda: len(around.store))
        self._metrics.read_when_asked("operator_queue_depth", lambda: len(around.queue))
        return Server(
            around.ledger,
            self._metrics.registry,
            self._health.alive,
            self._health.ready,
        )


def _rules(platform: Settings, own: OperatorSettings) -> Rules:
    return Rules(
        defaults=Defaults(
            queue=platform.broker.default_queue,
            start_deadline_seconds=platform.run.start_deadline_seconds,
            priority_point_seconds=platform.run.priority_point_seconds,
            ttl_seconds=platform.run.ttl_seconds_after_finished,
        ),
        cancel_grace_seconds=platform.run.cancel_grace_seconds,
        record_lost_seconds=own.record_lost_seconds,
    )
