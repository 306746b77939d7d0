"""The API's way in where there is a cluster: with the API's own rights, on the real servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from integration.operator.cluster import (
    Cluster,
    HandWorker,
    taskrun,
)
from support.redis_servers import VALKEY, SharedServers
from support.waiting import wait_until_async

from singletrack import operations as ops
from singletrack.adapters.celery_broker import CeleryBroker
from singletrack.adapters.kubernetes import connection
from singletrack.adapters.kubernetes.connection import Connection, Token
from singletrack.adapters.kubernetes.errors import Forbidden, Invalid
from singletrack.adapters.kubernetes.intake import KubernetesIntake
from singletrack.adapters.kubernetes.session import KubernetesSession
from singletrack.adapters.kubernetes.taskruns import TaskRuns
from singletrack.adapters.ledger_intake import CachedCatalogue
from singletrack.adapters.redis_ledger import AsyncRedisLedger
from singletrack.admission import Defaults, RunRequest
from singletrack.errors import (
    IntakeUnavailable,
    InvalidParameters,
    LockHeld,
    NamespaceNotServed,
    ParametersTooLarge,
    RunConflict,
    RunStarted,
    TaskNotRegistered,
)
from singletrack.lifecycle import State
from singletrack.policies import Decision, Policy
from singletrack.run import Cancellation, Door
from singletrack.scope import Scope


@pytest.fixture
async def taskruns(cluster: Cluster) -> AsyncIterator[TaskRuns]:
    config = cluster.plane.service_account_kubeconfig("singletrack", "singletrack-api")
    session = KubernetesSession(connection.find(str(config)))
    yield TaskRuns(session, field_manager="singletrack-api")
    await session.close()


@pytest.fixture
def intake(
    taskruns: TaskRuns, ledger: AsyncRedisLedger, shared_servers: SharedServers
) -> KubernetesIntake:
    return an_intake(taskruns, ledger, shared_servers.get(VALKEY).url)


def an_intake(taskruns: TaskRuns, ledger: AsyncRedisLedger, url: str) -> KubernetesIntake:
    catalogue = CachedCatalogue(ledger)
    return KubernetesIntake(taskruns, ledger, CeleryBroker("", url), catalogue, Defaults())


def a_request(cluster: Cluster, **fields: Any) -> RunRequest:
    given = {"run_id": "", "task": "hello", "namespace": cluster.namespace, "door": Door.REST}
    return RunRequest(**(given | fields))


def names(cluster: Cluster) -> list[str]:
    return cluster.do("get", "strun", "-o", "name").split()


async def test_an_accepted_run_is_a_taskrun_and_a_record(
    cluster: Cluster, intake: KubernetesIntake, ledger: AsyncRedisLedger
) -> None:
    accepted = await intake.submit(a_request(cluster, params={"name": "Bob"}))
    found = cluster.get(accepted.name)
    record = await ledger.execute(ops.GetRun(run_id=accepted.run_id))

    assert found is not None
    assert found["metadata"]["uid"] == accepted.run_id
    assert accepted.submission.state is State.READY
    assert record is not None
    assert (record.spec.name, record.spec.door) == (accepted.name, Door.REST)
    assert await ledger.execute(ops.LatestRun(namespace=cluster.namespace)) == accepted.run_id


async def test_a_run_of_a_namespace_nobody_serves_is_refused_before_anything_is_created(
    cluster: Cluster,
    taskruns: TaskRuns,
    ledger: AsyncRedisLedger,
    shared_servers: SharedServers,
) -> None:
    taskruns.scope = Scope(("shop", "mails"))
    intake = an_intake(taskruns, ledger, shared_servers.get(VALKEY).url)
    for ask in (intake.submit, intake.preview):
        with pytest.raises(NamespaceNotServed, match="is not served here, but shop, mails"):
            await ask(a_request(cluster))
    assert names(cluster) == []


async def test_the_operator_takes_it_from_there(
    cluster: Cluster, intake: KubernetesIntake, worker: HandWorker
) -> None:
    accepted = await intake.submit(a_request(cluster))
    created = cluster.get(accepted.name)
    assert created is not None
    worker.start(created)
    worker.finish(created)

    cluster.until_phase(accepted.name, "Succeeded")


async def test_a_held_lock_is_named_and_nothing_is_left_behind(
    cluster: Cluster, intake: KubernetesIntake, worker: HandWorker
) -> None:
    worker.start(cluster.create(taskrun("holder")))

    with pytest.raises(LockHeld, match="held by run holder"):
        await intake.submit(a_request(cluster))
    assert names(cluster) == ["taskrun.singletrack.dev/holder"]


async def test_who_loses_the_race_for_the_lock_leaves_nothing_behind_either(
    cluster: Cluster, intake: KubernetesIntake, worker: HandWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def looks_free(_resolved: object) -> None:
        """What the probe saw a moment before somebody took the lock."""

    worker.start(cluster.create(taskrun("holder")))
    monkeypatch.setattr(intake, "_probe", looks_free)

    with pytest.raises(LockHeld, match="held by run holder"):
        await intake.submit(a_request(cluster))
    await wait_until_async(lambda: names(cluster) == ["taskrun.singletrack.dev/holder"])


async def test_a_full_queue_refuses_before_anything_is_created(
    cluster: Cluster, intake: KubernetesIntake, worker: HandWorker
) -> None:
    worker.start(cluster.create(taskrun("holder")))

    with pytest.raises(LockHeld):
        await intake.submit(a_request(cluster, policy=Policy.QUEUE, max_queue=0))
    assert len(names(cluster)) == 1


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"task": "never"}, TaskNotRegistered),
        ({"params": {"nme": "Bob"}}, InvalidParameters),
        ({"args": (1,)}, InvalidParameters),
        ({"params": {"name": "x" * 17_000}}, ParametersTooLarge),
        ({"name": "Not A Name"}, InvalidParameters),
        ({"namespace": "nowhere"}, InvalidParameters),
    ],
)
async def test_a_bad_request_creates_nothing(
    cluster: Cluster, intake: KubernetesIntake, fields: dict[str, Any], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        await intake.submit(a_request(cluster, **fields))
    assert names(cluster) == []


async def test_the_same_name_and_wish_again_is_the_same_run(
    cluster: Cluster, intake: KubernetesIntake
) -> None:
    request = a_request(cluster, name="by-key", params={"name": "Bob"}, policy=Policy.QUEUE)
    first, again = await intake.submit(request), await intake.submit(request)

    assert again.run_id == first.run_id
    with pytest.raises(RunConflict):
        await intake.submit(replace(request, params={"name": "Al"}))


async def test_asked_again_while_it_holds_the_lock_itself_it_is_not_refused(
    cluster: Cluster, intake: KubernetesIntake
) -> None:
    request = a_request(cluster, name="by-key", params={"name": "Bob"}, policy=Policy.REJECT)
    first, again = await intake.submit(request), await intake.submit(request)

    assert again.run_id == first.run_id


async def test_a_caller_who_gives_up_leaves_nothing_behind(
    cluster: Cluster, intake: KubernetesIntake, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> str:
        await asyncio.Event().wait()
        return ""

    created = intake._create

    async def create_then_hang(*arguments: Any) -> Any:
        found = await created(*arguments)
        monkeypatch.setattr(intake._ledger, "execute", never)
        return found

    monkeypatch.setattr(intake, "_create", create_then_hang)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await intake.submit(a_request(cluster))
    assert names(cluster) == []


async def test_a_cancel_stands_in_both_places(
    cluster: Cluster, intake: KubernetesIntake, worker: HandWorker, ledger: AsyncRedisLedger
) -> None:
    accepted = await intake.submit(a_request(cluster))
    created = cluster.get(accepted.name)
    assert created is not None
    worker.start(created)
    run = await ledger.execute(ops.GetRun(run_id=accepted.run_id))
    assert run is not None
    wish = Cancellation(by="rest", reason="wrong month", grace_seconds=1)

    for _ in range(2):
        after = await intake.cancel(run, wish)
        assert after.cancellation == wish
    shown = cluster.get(accepted.name)
    assert shown is not None
    assert shown["spec"]["cancel"] == {
        "mode": "Graceful",
        "gracePeriodSeconds": 1,
        "reason": "wrong month",
    }


async def test_a_preview_creates_nothing_and_tells_what_the_ledger_would_do(
    cluster: Cluster, intake: KubernetesIntake, worker: HandWorker
) -> None:
    assert (await intake.preview(a_request(cluster))).decision is Decision.START
    assert names(cluster) == []
    worker.start(cluster.create(taskrun("holder")))
    forecast = await intake.preview(a_request(cluster, policy=Policy.JOIN))
    assert forecast.decision is Decision.JOIN
    assert forecast.holder is not None
    assert forecast.holder.name == "holder"
    assert names(cluster) == ["taskrun.singletrack.dev/holder"]


async def test_a_preview_of_a_name_that_exists_shows_the_run_there_is(
    cluster: Cluster, intake: KubernetesIntake
) -> None:
    accepted = await intake.submit(a_request(cluster, name="monthly"))
    forecast = await intake.preview(a_request(cluster, name="monthly"))
    assert (forecast.decision, forecast.state) == (None, accepted.submission.state)


async def test_a_priority_is_changed_in_both_places_until_the_start(
    cluster: Cluster, intake: KubernetesIntake, worker: HandWorker
) -> None:
    first = cluster.create(taskrun("first"))
    worker.start(first)
    second = cluster.create(taskrun("second"))
    worker.until_state(second, State.QUEUED)
    waiting = worker.run(second)
    assert waiting is not None

    assert (await intake.prioritise(waiting, 7)).spec.priority == 7
    found = cluster.get("second")
    assert found is not None
    assert found["spec"]["priority"] == 7
    running = worker.run(first)
    assert running is not None
    with pytest.raises(RunStarted):
        await intake.prioritise(running, 7)


async def test_a_cluster_that_does_not_answer_is_said_so(
    cluster: Cluster, ledger: AsyncRedisLedger, shared_servers: SharedServers
) -> None:
    session = KubernetesSession(Connection(server="http://127.0.0.1:9", token=Token()))
    lonely = an_intake(TaskRuns(session), ledger, shared_servers.get(VALKEY).url)

    with pytest.raises(IntakeUnavailable, match="did not answer"):
        await lonely.submit(a_request(cluster))
    await session.close()


async def test_the_api_may_not_write_a_status(cluster: Cluster, taskruns: TaskRuns) -> None:
    cluster.create(taskrun("a", task="never"))
    found = await taskruns.get(cluster.namespace, "a")

    with pytest.raises(Forbidden):
        await taskruns.write_status(found, {"phase": "Succeeded"})


async def test_a_status_never_lands_on_another_object_of_the_same_name(cluster: Cluster) -> None:
    session = KubernetesSession(connection.find(str(cluster.plane.kubeconfig)))
    taskruns = TaskRuns(session)
    cluster.create(taskrun("a", task="never"))
    old = await taskruns.get(cluster.namespace, "a")
    cluster.do("delete", "strun", "a")
    cluster.create(taskrun("a", task="never"))

    with pytest.raises(Invalid):
        await taskruns.write_status(old, {"phase": "Succeeded"})
    assert cluster.phase("a") == "Pending"
    assert not await taskruns.delete(cluster.namespace, "a", old.uid)
    assert cluster.get("a") is not None
    await session.close()


async def test_a_status_never_speaks_of_an_older_spec(cluster: Cluster) -> None:
    session = KubernetesSession(connection.find(str(cluster.plane.kubeconfig)))
    taskruns = TaskRuns(session)
    cluster.create(taskrun("a", task="never"))
    old = await taskruns.get(cluster.namespace, "a")
    await taskruns.ask_to_stop(cluster.namespace, "a", old.uid, {})

    with pytest.raises(Invalid):
        await taskruns.write_status(old, {"phase": "Succeeded"})
    await session.close()


async def test_a_run_that_has_ended_is_deleted_with_its_resource(
    cluster: Cluster, intake: KubernetesIntake, worker: HandWorker, ledger: AsyncRedisLedger
) -> None:
    accepted = await intake.submit(a_request(cluster))
    created = cluster.get(accepted.name)
    assert created is not None
    worker.start(created)
    worker.finish(created)
    cluster.until_phase(accepted.name, "Succeeded")
    run = await ledger.execute(ops.GetRun(run_id=accepted.run_id))
    assert run is not None
    assert (await intake.delete(run, Cancellation(by="rest"))).gone
    assert names(cluster) == []


async def test_a_run_at_work_is_stopped_and_gone_with_its_resource(
    cluster: Cluster, intake: KubernetesIntake, worker: HandWorker, ledger: AsyncRedisLedger
) -> None:
    accepted = await intake.submit(a_request(cluster))
    created = cluster.get(accepted.name)
    assert created is not None
    worker.start(created)
    run = await ledger.execute(ops.GetRun(run_id=accepted.run_id))
    assert run is not None
    left = await intake.delete(run, Cancellation(by="ann", reason="deleted"))
    assert left.cancellation is not None
    assert not left.gone
    assert names(cluster) == []
    worker.die(created)

    async def is_projected() -> bool:
        unshown = await ledger.execute(ops.ListUnprojected(limit=1000))
        return accepted.run_id not in unshown

    await wait_until_async(is_projected, 30)
    after = await ledger.execute(ops.GetRun(run_id=accepted.run_id))
    assert after is not None
    assert after.gone


async def test_a_run_whose_resource_cannot_be_deleted_stays_as_it_is(
    cluster: Cluster,
    intake: KubernetesIntake,
    ledger: AsyncRedisLedger,
    shared_servers: SharedServers,
) -> None:
    accepted = await intake.submit(a_request(cluster))
    run = await ledger.execute(ops.GetRun(run_id=accepted.run_id))
    assert run is not None
    session = KubernetesSession(Connection(server="http://127.0.0.1:9", token=Token()))
    lonely = an_intake(TaskRuns(session), ledger, shared_servers.get(VALKEY).url)
    with pytest.raises(IntakeUnavailable, match="did not answer"):
        await lonely.delete(run, Cancellation(by="rest"))
    await session.close()
    found = await ledger.execute(ops.GetRun(run_id=accepted.run_id))
    assert found is not None
    assert (found.deleted, found.cancellation) == (False, None)
