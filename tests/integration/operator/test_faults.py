"""Parts that go away in the middle of things, and come back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from integration.operator.cluster import (
    FAST_BLESSING,
    SOON,
    Cluster,
    HandWorker,
    OperatorProcess,
    taskrun,
)
from support.redis_servers import VALKEY, RedisServer, SharedServers
from support.waiting import wait_until

from singletrack.lifecycle import State

PAUSE_MS = 60_000


@pytest.fixture
def server(shared_servers: SharedServers) -> Iterator[RedisServer]:
    with shared_servers.lent(VALKEY) as lent:
        yield lent


def test_what_happens_while_it_is_down_is_caught_up_with(
    cluster: Cluster, worker: HandWorker, operator: OperatorProcess
) -> None:
    running = cluster.create(taskrun("running"))
    worker.start(running)
    cluster.until_phase("running", "Running")
    operator.stop(signal.SIGKILL)

    worker.finish(running)
    fresh = cluster.create(taskrun("fresh"))
    assert cluster.phase("running") == "Running"
    operator.start()

    cluster.until_phase("running", "Succeeded")
    worker.until_state(fresh, State.READY)


def test_a_deletion_while_it_is_down_is_a_cancel_all_the_same(
    cluster: Cluster, worker: HandWorker, operator: OperatorProcess
) -> None:
    running = cluster.create(taskrun("running"))
    worker.start(running)
    waiting = cluster.create(taskrun("waiting"))
    cluster.until_phase("waiting", "Queued")
    cluster.until_phase("running", "Running")
    operator.stop(signal.SIGKILL)
    cluster.do("delete", "strun", "running", "waiting")
    operator.start()

    wait_until(lambda: (run := worker.run(running)) and run.cancellation, SOON, "the cancel")
    worker.until_state(waiting, State.CANCELLED)
    assert worker.state(running) is State.RUNNING


def test_a_finished_one_is_deleted_by_a_later_operator(
    cluster: Cluster, worker: HandWorker, operator: OperatorProcess
) -> None:
    created = cluster.create(taskrun("a", ttlSecondsAfterFinished=2))
    worker.start(created)
    worker.finish(created)
    cluster.until_phase("a", "Succeeded")
    operator.stop(signal.SIGKILL)
    operator.start()

    wait_until(lambda: cluster.get("a") is None, SOON, "the deletion")


def test_it_rides_out_a_restart_of_the_api_server(
    cluster: Cluster, worker: HandWorker, operator: OperatorProcess
) -> None:
    created = cluster.create(taskrun("a"))
    worker.start(created)
    cluster.until_phase("a", "Running")
    pid = operator.pid
    with without_apiserver(cluster):
        worker.finish(created)
        wait_until(lambda: "reconcile_failed" in operator.log, SOON, "the failed write")

    cluster.until_phase("a", "Succeeded")
    later = cluster.create(taskrun("later"))
    wait_until(lambda: worker.state(later) is State.READY, 60, "the watch to be back")
    assert (operator.alive, operator.pid) == (True, pid)


def test_it_rides_out_a_restart_of_the_ledger(
    cluster: Cluster, worker: HandWorker, operator: OperatorProcess, server: RedisServer
) -> None:
    created = cluster.create(taskrun("a"))
    worker.start(created)
    cluster.until_phase("a", "Running")
    server.kill9()
    during = cluster.create(taskrun("during", lock={"key": "other"}))
    server.start()
    worker.finish(created)

    cluster.until_phase("a", "Succeeded")
    worker.until_state(during, State.READY)
    assert operator.alive


def test_a_started_run_whose_record_is_gone_is_lost_and_never_started_again(
    cluster: Cluster, worker: HandWorker, operator: OperatorProcess, server: RedisServer
) -> None:
    operator.stop()
    operator.start(**FAST_BLESSING)
    started = cluster.create(taskrun("started"))
    worker.start(started)
    waiting = cluster.create(taskrun("waiting"))
    cluster.until_phase("started", "Running")
    cluster.until_phase("waiting", "Queued")
    forget_everything(server, operator.key_prefix)
    worker.register()

    lost = cluster.until_phase("started", "Lost")["status"]
    assert lost["error"]["reason"] == "RecordLost"
    assert (lost["attempt"], lost["worker"]) == (1, "hand@test")
    assert worker.run(started) is None
    worker.start(waiting)
    cluster.until_phase("waiting", "Running")
    operator.stop()


def test_an_end_that_was_shown_is_given_back_to_a_record_that_another_run_has_displaced(
    cluster: Cluster, worker: HandWorker, operator: OperatorProcess, server: RedisServer
) -> None:
    worker.speak()
    first = cluster.create(taskrun("first"))
    worker.start(first)
    cluster.until_phase("first", "Running")
    older = copied(server, operator.key_prefix)
    worker.finish(first, result='"kept"')
    cluster.until_phase("first", "Succeeded")
    second = cluster.create(taskrun("second"))
    worker.start(second)

    executing = worker.run(second)
    assert executing is not None
    forget_everything(server, operator.key_prefix, and_remember=older)
    worker.reassert(executing)
    displaced = worker.run(first)
    assert displaced is not None
    assert (displaced.state, displaced.provisional) == (State.LOST, True)
    worker.speak()

    worker.until_state(first, State.SUCCEEDED)
    settled = worker.run(first)
    assert settled is not None
    assert (settled.result, settled.failure) == ('"kept"', None)
    assert cluster.phase("first") == "Succeeded"


def test_it_says_so_when_there_is_no_crd_and_starts_when_it_comes(
    cluster: Cluster, operator: OperatorProcess, tmp_path: Path
) -> None:
    crd = tmp_path / "crd.json"
    crd.write_text(cluster.do("get", "crd", "taskruns.singletrack.dev", "-o", "json"))
    operator.stop()
    cluster.do("delete", "crd", "taskruns.singletrack.dev")
    operator.start(ready=False)
    wait_until(lambda: "apply k8s/crd.yaml" in operator.log, SOON)
    assert operator.ask("/livez")[0] == 200
    status, complaints = operator.ask("/readyz")
    assert (status, "TaskRuns" in complaints) == (503, True)

    repository_crd = Path(__file__).resolve().parents[3] / "k8s" / "crd.yaml"
    cluster.do("apply", "-f", str(repository_crd))
    wait_until(lambda: operator.ask("/readyz")[0] == 200, SOON, "the operator to be ready")


def test_it_is_not_ready_while_the_ledger_s_server_may_evict(
    cluster: Cluster, operator: OperatorProcess, server: RedisServer
) -> None:
    operator.stop()
    operator.start(**FAST_BLESSING)
    log_before = len(operator.log)
    client = server.client()
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        wait_until(lambda: operator.ask("/readyz")[0] == 503, SOON, "the operator to notice")
        assert "maxmemory-policy is 'allkeys-lru'" in operator.ask("/readyz")[1]
        assert "CONFIG SET maxmemory-policy noeviction" in operator.ask("/readyz")[1]
        assert operator.ask("/livez")[0] == 200
        wait_until(lambda: "ledger_evicts" in operator.log[log_before:], SOON, "it to be logged")
    finally:
        client.config_set("maxmemory-policy", "noeviction")
    wait_until(lambda: operator.ask("/readyz")[0] == 200, SOON, "the operator to be ready")
    wait_until(lambda: "ledger_blessed" in operator.log[log_before:], SOON, "the grace to be over")
    operator.stop()


def test_it_stops_in_order_when_it_is_asked_to(cluster: Cluster, operator: OperatorProcess) -> None:
    assert operator.stop() == 0
    assert "operator_stopped" in operator.log
    assert "Traceback" not in operator.log


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"SINGLETRACK_KUBECONFIG": "/nowhere"}, "the kubeconfig cannot be read"),
        ({"SINGLETRACK_KUBECONFIG": ""}, "set SINGLETRACK_KUBECONFIG"),
        ({"SINGLETRACK_OPERATOR_PORT": "many"}, "SINGLETRACK_OPERATOR_PORT"),
        ({"SINGLETRACK_RENEW_SECONDS": "100"}, "SINGLETRACK_RENEW_SECONDS"),
        ({"REDIS_URL": "nonsense"}, "REDIS_URL is not"),
    ],
)
def test_a_wrong_setting_is_one_sentence(
    operator: OperatorProcess, environment: dict[str, str], complaint: str
) -> None:
    assert complaint in refusal(operator.environment | environment)


def test_a_taken_port_is_one_sentence_too(operator: OperatorProcess) -> None:
    taken = {"SINGLETRACK_OPERATOR_PORT": str(operator.port)}

    assert "choose another SINGLETRACK_OPERATOR_PORT" in refusal(operator.environment | taken)


def refusal(environment: dict[str, str]) -> str:
    """The last line an operator says that cannot work."""
    answer = subprocess.run(
        [sys.executable, "-m", "singletrack_operator"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert answer.returncode == 1
    assert "Traceback" not in answer.stderr
    return answer.stderr.splitlines()[-1]


@contextmanager
def without_apiserver(cluster: Cluster) -> Iterator[None]:
    cluster.plane.stop_apiserver()
    try:
        yield
    finally:
        cluster.plane.start_apiserver()


def copied(server: RedisServer, key_prefix: str) -> dict[Any, Any]:
    """All a ledger holds now, as its server dumps it."""
    client = server.client(decode_responses=False)
    keys = list(client.scan_iter(match=f"{{{key_prefix}}}:*"))
    with client.pipeline(transaction=True) as dumps:
        for key in keys:
            dumps.dump(key)
        return {key: value for key, value in zip(keys, dumps.execute(), strict=True) if value}


def forget_everything(
    server: RedisServer, key_prefix: str, and_remember: Mapping[Any, Any] | None = None
) -> None:
    """What a restart from an empty disk leaves, which is nothing, or one from an older copy."""
    client = server.client(decode_responses=False)
    with client.pipeline(transaction=True) as changes:
        for key in client.scan_iter(match=f"{{{key_prefix}}}:*"):
            changes.delete(key)
        for key, value in (and_remember or {}).items():
            changes.restore(key, 0, value, replace=True)
        changes.client_pause(PAUSE_MS)  # nobody must write to it before it is gone
        changes.execute()
    server.restart()


def test_a_user_without_a_name_is_watched_for_as_well(
    cluster: Cluster, worker: HandWorker, operator: OperatorProcess, tmp_path: Path
) -> None:
    """A container may run under any number; its system then knows no name for it."""
    operator.stop()
    (tmp_path / "sitecustomize.py").write_text(
        "import pwd\ndef getpwuid(uid): raise KeyError(f'uid not found: {uid}')\n"
        "pwd.getpwuid = getpwuid\n"
    )
    nameless = dict.fromkeys(("LOGNAME", "USER", "LNAME", "USERNAME"), "")
    path = os.pathsep.join((str(tmp_path), operator.environment["PYTHONPATH"]))
    operator.start(**nameless, PYTHONPATH=path)
    worker.until_state(cluster.create(taskrun("seen")), State.READY)
    operator.stop()
