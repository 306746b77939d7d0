"""One trace over a TaskRun, the API, the operator and a worker: all of them real."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from integration.api.conftest import ApiProcess
from integration.operator.cluster import SOON, Cluster, OperatorProcess, taskrun
from integration.operator.whole import environment_of, packaged_worker
from support.redis_servers import VALKEY, SharedServers
from support.trace_collector import Collector, TakenSpan, collecting
from support.waiting import wait_until

pytestmark = [pytest.mark.redis, pytest.mark.kubernetes, pytest.mark.timeout(300)]

QUEUE = "traced"
RUNS = 6
REQUEST = "POST /v1/namespaces/{ns}/runs"


@dataclass(frozen=True, kw_only=True)
class Stage:
    cluster: Cluster
    api: ApiProcess
    collector: Collector


def a_place() -> tuple[str, str]:
    trace = secrets.token_hex(16)
    return f"00-{trace}-{secrets.token_hex(8)}-01", trace


def services(spans: list[TakenSpan]) -> set[str]:
    return {span.service.removeprefix("singletrack-") for span in spans}


def test_a_taskrun_goes_on_with_the_trace_of_its_annotation(stage: Stage) -> None:
    places = [a_place() for _ in range(RUNS)]
    created = []
    for number, (place, _) in enumerate(places):
        wanted = taskrun(
            task="add", params={"x": 1, "y": 2}, queue=QUEUE, lock={"key": f"{number}"}
        )
        wanted["metadata"]["annotations"] = {"traceparent": place}
        created.append(stage.cluster.create(wanted)["metadata"])
    for metadata, (place, trace) in zip(created, places, strict=True):
        stage.cluster.until_phase(metadata["name"], "Succeeded")
        spans = stage.collector.until_of_run(metadata["uid"], "execute add", "write status")
        named = {span.name: span for span in spans}
        assert {span.trace for span in spans} == {trace}
        assert services(spans) == {"operator", "worker"}
        assert named["submit add"].parent == place.split("-")[2]
        assert named["execute add"].parent == named["submit add"].id
        assert named["write status"].parent == named["submit add"].id


def test_a_taskrun_without_one_begins_a_trace(stage: Stage) -> None:
    wanted = taskrun(task="add", params={"x": 1, "y": 2}, queue=QUEUE, lock={"key": "own"})
    metadata = stage.cluster.create(wanted)["metadata"]
    spans = stage.collector.until_of_run(metadata["uid"], "execute add", "write status")
    assert [span.name for span in spans if not span.parent] == ["submit add"]


def test_a_run_over_rest_is_one_trace_over_every_part(stage: Stage) -> None:
    for number in range(RUNS):
        place, trace = a_place()
        answer = stage.api.http.post(
            f"/v1/namespaces/{stage.cluster.namespace}/runs",
            json={
                "task": "add",
                "params": {"x": 1, "y": 2},
                "queue": QUEUE,
                "lock": {"key": f"rest-{number}"},
            },
            headers={"traceparent": place},
        )
        assert answer.status_code == 201, answer.text
        run_id = answer.json()["id"]
        spans = stage.collector.until_of_run(run_id, REQUEST, "execute add", "write status")
        assert {span.trace for span in spans} == {trace}
        assert services(spans) == {"api", "operator", "worker"}
        [execution] = [span for span in spans if span.name == "execute add"]
        [submission] = [span for span in spans if span.id == execution.parent]
        assert submission.name == "submit add"


@pytest.fixture(scope="module")
def stage(
    one_cluster: Cluster,
    one_operator: OperatorProcess,
    shared_servers: SharedServers,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stage]:
    """Every part of an installation, traced; children execute two runs each."""
    server, folder = shared_servers.get(VALKEY), tmp_path_factory.mktemp("traced")
    cluster = Cluster(one_cluster.plane)
    cluster.namespace = f"traced-{secrets.token_hex(4)}"
    cluster.do("create", "namespace", cluster.namespace)
    account = cluster.plane.service_account_kubeconfig("singletrack", "singletrack-api")
    with ExitStack() as stack:
        collector = stack.enter_context(collecting())
        one_operator.stop()
        one_operator.start(**collector.environment)
        stack.callback(one_operator.stop)  # the next test finds it off
        environment = collector.environment | environment_of(
            server, one_operator.key_prefix, cluster.namespace
        )
        worker = packaged_worker(environment, folder, QUEUE, "--max-tasks-per-child", "2")
        stack.enter_context(worker)
        kubernetes = {"SINGLETRACK_INTAKE": "kubernetes", "SINGLETRACK_KUBECONFIG": str(account)}
        api = ApiProcess(folder, environment | kubernetes)
        stack.callback(api.close)
        api.wait_for_address()
        wait_until(lambda: api.http.get("/readyz").status_code == 200, SOON, "the API")
        yield Stage(cluster=cluster, api=api, collector=collector)
