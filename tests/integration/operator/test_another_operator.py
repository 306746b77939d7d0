"""Two operators for a while: one ends, and the one that takes its place has begun already."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from integration.operator.cluster import (
    Cluster,
    HandWorker,
    taskrun,
)
from support.redis_servers import VALKEY, SharedServers

from singletrack import operations as ops
from singletrack.adapters.celery_broker import CeleryBroker
from singletrack.adapters.kubernetes import connection
from singletrack.adapters.kubernetes.session import KubernetesSession
from singletrack.adapters.kubernetes.taskruns import TaskRuns
from singletrack.adapters.redis_ledger import AsyncRedisLedger
from singletrack.admission import Defaults
from singletrack.clock import SystemClock
from singletrack.lifecycle import State
from singletrack_operator.act import Surroundings
from singletrack_operator.decide import Rules
from singletrack_operator.deleting import Deletions
from singletrack_operator.metrics import OperatorMetrics
from singletrack_operator.reconciling import Reconciler
from singletrack_operator.registering import AwaitedTasks
from singletrack_operator.store import Store
from singletrack_operator.telling import Teller
from singletrack_operator.workqueue import WorkQueue


class SlowLedger:
    """A ledger whose first answer about a run is old when it comes."""

    def __init__(self, ledger: AsyncRedisLedger, meanwhile: Callable[[], None]) -> None:
        self._ledger = ledger
        self._meanwhile: Callable[[], None] | None = meanwhile

    async def execute(self, operation: Any) -> Any:
        reply = await self._ledger.execute(operation)
        if isinstance(operation, ops.GetRun) and self._meanwhile:
            meanwhile, self._meanwhile = self._meanwhile, None
            await asyncio.to_thread(meanwhile)
        return reply

    async def execute_durably(self, operation: Any) -> Any:
        return await self._ledger.execute_durably(operation)


@pytest.fixture
async def session(cluster: Cluster) -> AsyncIterator[KubernetesSession]:
    config = cluster.plane.service_account_kubeconfig("singletrack", "singletrack-operator")
    session = KubernetesSession(connection.find(str(config)))
    yield session
    await session.close()


def an_operator(ledger: Any, session: KubernetesSession, broker: str) -> Reconciler:
    """One that knows no TaskRun yet."""
    clock = SystemClock()
    around = Surroundings(
        ledger=ledger,
        taskruns=TaskRuns(session, field_manager="singletrack-operator"),
        broker=CeleryBroker("", broker),
        store=Store(),
        queue=WorkQueue(),
        deletions=Deletions(clock),
        awaited=AwaitedTasks(),
        metrics=OperatorMetrics(),
        teller=Teller(session),
        clock=clock,
    )
    return Reconciler(around, Rules(defaults=Defaults(queue="celery")))


async def test_a_run_whose_start_the_other_has_just_shown_is_not_cancelled(
    cluster: Cluster,
    worker: HandWorker,
    ledger: AsyncRedisLedger,
    session: KubernetesSession,
    shared_servers: SharedServers,
) -> None:
    created = await asyncio.to_thread(cluster.create, taskrun("racing"))

    def it_starts_and_the_other_shows_it() -> None:
        worker.start(created)
        cluster.until_phase("racing", "Running")

    await asyncio.to_thread(worker.until_state, created, State.READY)
    late = SlowLedger(ledger, it_starts_and_the_other_shows_it)
    url = shared_servers.get(VALKEY).url
    await an_operator(late, session, url).look(created["metadata"]["uid"])

    record = worker.run(created)
    assert record is not None
    assert (record.state, record.cancellation) == (State.RUNNING, None)
