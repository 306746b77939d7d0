"""Every knob at every door takes effect: kubectl, REST and a producer, all on one ledger."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import pytest
from celery import Celery
from integration.api.conftest import ApiProcess
from integration.operator.cluster import (
    SOON,
    Cluster,
    OperatorProcess,
    ledger_settings,
    taskrun,
)
from integration.operator.whole import environment_of, packaged_worker
from support.redis_servers import VALKEY, SharedServers
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.lifecycle import State
from singletrack.locks import OnLost
from singletrack.run import Run, RunSpec
from singletrack_worker.headers import HEADERS

pytestmark = [pytest.mark.redis, pytest.mark.kubernetes, pytest.mark.timeout(300)]

QUEUE = "doors"
DOORS = ("kubectl", "rest", "producer")


@dataclass(frozen=True, kw_only=True)
class Knob:
    """What is said, by the names of each door, and whether a run holds the lock already."""

    taskrun: dict[str, Any]
    headers: dict[str, Any]
    rest: dict[str, Any] | None = None
    """As in a TaskRun, where None."""
    held: bool = True
    task: str = "count_to"
    params: tuple[tuple[str, Any], ...] = (("to", 1),)


def lock(**fields: Any) -> dict[str, Any]:
    return {"lock": fields}


class Doors:
    """One ledger, a worker, and a way in by each door."""

    def __init__(self, cluster: Cluster, http: Any, producer: Celery, ledger: RedisLedger) -> None:
        self.cluster = cluster
        self.http = http
        self.producer = producer
        self.ledger = ledger

    def send(self, door: str, key: str, knob: Knob | None = None) -> str:
        """Ask for a run that waits in line unless the knob says otherwise; answers its id."""
        knob = knob or Knob(taskrun={}, headers={})
        return str(getattr(self, f"_by_{door}")(key, knob))

    def _by_kubectl(self, key: str, knob: Knob) -> str:
        created = self.cluster.create(taskrun(**_spec(key, knob, knob.taskrun)))
        return str(created["metadata"]["uid"])

    def _by_rest(self, key: str, knob: Knob) -> str:
        said = knob.taskrun if knob.rest is None else knob.rest
        path = f"/v1/namespaces/{self.cluster.namespace}/runs"
        answer = self.http.post(path, json=_spec(key, knob, said))
        if answer.status_code == 429:
            assert answer.json()["code"] == "queue-full"
            [run] = [
                run for run in self.runs() if run.state is State.REJECTED and key in run.spec.lock
            ]
            return run.run_id
        assert answer.is_success, answer.text
        return str(answer.json()["id"])

    def _by_producer(self, key: str, knob: Knob) -> str:
        headers = {"singletrack_lock": key, "singletrack_policy": "Queue", **knob.headers}
        sent = self.producer.send_task(
            knob.task, kwargs=dict(knob.params), queue=QUEUE, headers=headers
        )
        return str(sent.id)

    def hold(self, key: str) -> None:
        spec = RunSpec(
            run_id=secrets.token_hex(8),
            task="holder",
            namespace=self.cluster.namespace,
            lock=f"{self.cluster.namespace}/{key}",
            queue="nobody-listens",
            envelope="text",
        )
        assert self.ledger.execute(ops.Submit(spec=spec)).state is State.READY

    def runs(self) -> tuple[Run, ...]:
        return self.ledger.execute(ops.ListRuns(namespace=self.cluster.namespace, limit=500))

    def find(self, run_id: str) -> Run | None:
        return self.ledger.execute(ops.GetRun(run_id=run_id))

    def until(self, run_id: str, holds: Callable[[Run], Any], what: str) -> Run:
        def there() -> Run | None:
            run = self.find(run_id)
            return run if run and holds(run) else None

        return wait_until(there, SOON, f"{what}, but it is {self.find(run_id)}")

    def until_state(self, run_id: str, state: State) -> Run:
        return self.until(run_id, lambda run: run.state is state, f"{run_id} to be {state}")


def _spec(key: str, knob: Knob, said: dict[str, Any]) -> dict[str, Any]:
    lock = {"key": key, "policy": "Queue"} | said.get("lock", {})
    base = {"task": knob.task, "params": dict(knob.params), "queue": QUEUE}
    return base | said | {"lock": lock}


# --- what each knob does --------------------------------------------------------------------------


def expires(doors: Doors, door: str, key: str, knob: Knob) -> None:
    doors.until_state(doors.send(door, key, knob), State.EXPIRED)


def has_its_deadline(doors: Doors, door: str, key: str, knob: Knob) -> None:
    run = doors.until_state(doors.send(door, key, knob), State.QUEUED)
    assert run.spec.start_deadline_seconds == 7


def is_forgotten(doors: Doors, door: str, key: str, knob: Knob) -> None:
    run_id = doors.send(door, key, knob)
    other = doors.send(door, key)
    doors.until_state(other, State.SUCCEEDED)  # it came later, so the first one has been there
    wait_until(lambda: doors.find(run_id) is None, SOON, "the record to be forgotten")
    assert doors.find(other)


def is_stopped(doors: Doors, door: str, key: str, knob: Knob) -> None:
    doors.until_state(doors.send(door, key, knob), State.TIMED_OUT)


def is_told_of_its_soft_limit(doors: Doors, door: str, key: str, knob: Knob) -> None:
    run = doors.until_state(doors.send(door, key, knob), State.TIMED_OUT)
    assert run.failure
    assert run.failure.reason == "SoftTimeout"


def is_told(doors: Doors, door: str, key: str, knob: Knob) -> None:
    run = doors.until_state(doors.send(door, key, knob), State.TIMED_OUT)
    assert run.failure
    assert run.failure.reason == "SoftTimeout"


def goes_first(doors: Doors, door: str, key: str, knob: Knob) -> None:
    plain = doors.send(door, key)
    doors.until_state(plain, State.QUEUED)
    urgent = doors.send(door, key, knob)
    run = doors.until_state(urgent, State.QUEUED)
    waiting = doors.ledger.execute(ops.GetLock(lock=run.spec.lock)).waiting
    assert waiting == (urgent, plain)


def is_one_too_many(doors: Doors, door: str, key: str, knob: Knob) -> None:
    doors.until_state(doors.send(door, key), State.QUEUED)
    run = doors.until_state(doors.send(door, key, knob), State.REJECTED)
    assert run.failure
    assert run.failure.reason == "QueueFull"


def is_skipped(doors: Doors, door: str, key: str, knob: Knob) -> None:
    doors.until_state(doors.send(door, key, knob), State.SKIPPED)


def tries_again(doors: Doors, door: str, key: str, knob: Knob) -> None:
    run_id = doors.send(door, key, knob)
    doors.until(run_id, lambda run: run.backing_off or run.attempt > 1, "another attempt")


def waits_behind_the_holder(doors: Doors, door: str, key: str, knob: Knob) -> None:
    run = doors.until_state(doors.send(door, key, knob), State.QUEUED)
    assert run.spec.lock == f"{doors.cluster.namespace}/{key}"


def keeps_its_lock(doors: Doors, door: str, key: str, knob: Knob) -> None:
    """The rest is the ledger's: a lease that lapses leaves the lock taken and suspect."""
    run = doors.until_state(doors.send(door, key, knob), State.QUEUED)
    assert run.spec.on_lost is OnLost.HOLD


Effect = Callable[[Doors, str, str, Knob], None]
LONG = (("to", 600),)
RETRY = {"limit": 1, "backoff": {"initialSeconds": 1, "maxSeconds": 1}}

KNOBS: dict[Effect, Knob] = {
    expires: Knob(taskrun={"queueTimeoutSeconds": 1}, headers={"singletrack_queue_timeout": 1}),
    has_its_deadline: Knob(
        taskrun={"startDeadlineSeconds": 7}, headers={"singletrack_start_deadline": 7}
    ),
    is_forgotten: Knob(
        taskrun={"ttlSecondsAfterFinished": 1}, headers={"singletrack_ttl": 1}, held=False
    ),
    is_stopped: Knob(
        taskrun={"timeoutSeconds": 1},
        headers={"singletrack_timeout": 1},
        held=False,
        params=LONG,
    ),
    is_told_of_its_soft_limit: Knob(
        taskrun={"softTimeoutSeconds": 1},
        headers={"singletrack_soft_timeout": 1},
        held=False,
        params=LONG,
    ),
    is_told: Knob(
        taskrun={"softTimeoutSeconds": 1},
        headers={"singletrack_soft_timeout": 1},
        held=False,
        params=LONG,
    ),
    goes_first: Knob(taskrun={"priority": 5}, headers={"singletrack_priority": 5}),
    is_one_too_many: Knob(taskrun=lock(maxQueue=1), headers={"singletrack_max_queue": 1}),
    is_skipped: Knob(taskrun=lock(policy="Skip"), headers={"singletrack_policy": "Skip"}),
    tries_again: Knob(
        taskrun={"retry": RETRY},
        headers={"singletrack_retries": 1},
        held=False,
        task="fail",
        params=(),
    ),
    waits_behind_the_holder: Knob(taskrun={}, headers={}),
    keeps_its_lock: Knob(taskrun=lock(onLost="Hold"), headers={"singletrack_on_lost": "Hold"}),
}


@pytest.mark.parametrize("effect", KNOBS, ids=lambda effect: effect.__name__)
@pytest.mark.parametrize("door", DOORS)
def test_what_is_said_at_a_door_takes_effect_and_the_run(
    doors: Doors, door: str, effect: Effect
) -> None:
    key, knob = f"{effect.__name__}/{door}", KNOBS[effect]
    if knob.held:
        doors.hold(key)
    effect(doors, door, key, knob)


def test_every_header_of_a_producer_is_tried_here() -> None:
    tried = {header for knob in KNOBS.values() for header in knob.headers}
    assert tried | {"singletrack_lock"} == set(HEADERS)


# --- the stage ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def doors(
    one_cluster: Cluster,
    one_operator: OperatorProcess,
    shared_servers: SharedServers,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Doors]:
    server, folder = shared_servers.get(VALKEY), tmp_path_factory.mktemp("doors")
    namespace = f"doors-{secrets.token_hex(4)}"
    one_cluster.do("create", "namespace", namespace)
    if not one_operator.alive:
        one_operator.start()
    environment = environment_of(server, one_operator.key_prefix, namespace)
    with ExitStack() as stack:
        stack.enter_context(packaged_worker(environment, folder, QUEUE))
        api = ApiProcess(folder, environment | {"SINGLETRACK_INTAKE": "ledger"})
        stack.callback(api.close)
        api.wait_for_address()
        wait_until(lambda: api.http.get("/readyz").status_code == 200, SOON, "the API")
        producer = stack.enter_context(Celery("bare", broker=server.url, set_as_current=False))
        ledger = RedisLedger(ledger_settings(server, one_operator.key_prefix))
        stack.enter_context(closing(ledger))
        cluster = Cluster(one_cluster.plane)
        cluster.namespace = namespace
        yield Doors(cluster, api.http, producer, ledger)
