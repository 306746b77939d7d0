"""A run that holds its lock ends once its worker's Pod certainly has: the operator sees to it.

There is no kubelet here: the tests say what one would.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest
from integration.operator.cluster import (
    SOON,
    Cluster,
    HandWorker,
    OperatorProcess,
    taskrun,
)
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.pods import Pod

REQUESTS = "singletrack_kube_request_duration_seconds_count"
RESTART = {"waiting": {"reason": "CrashLoopBackOff"}}


def killed(code: int = 137, reason: str = "Error") -> dict[str, Any]:
    return {
        "terminated": {
            "exitCode": code,
            "reason": reason,
            "startedAt": "2026-11-25T12:00:00Z",
            "finishedAt": "2026-11-25T12:05:00Z",
        }
    }


class Machines:
    """Nodes and Pods, and what a kubelet would write of them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def node(self) -> str:
        name = f"n-{secrets.token_hex(4)}"
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
        self._cluster.do("create", "-f", "-", stdin=body)
        return name

    def pod(self, name: str = "worker-1", node: str = "") -> Pod:
        """A new Pod in the tests' namespace, bound to a node of that name."""
        node = node or f"n-{secrets.token_hex(4)}"
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {
                "nodeName": node,
                "automountServiceAccountToken": False,
                "containers": [{"name": "worker", "image": "worker"}],
            },
        }
        found = json.loads(self._cluster.do("create", "-f", "-", "-o", "json", stdin=body))
        uid = found["metadata"]["uid"]
        return Pod(namespace=self._cluster.namespace, name=name, uid=uid, node=node)

    def tell(self, pod: Pod, phase: str, state: dict[str, Any]) -> None:
        status = {"name": "worker", "image": "worker", "imageID": "", "ready": False}
        told = {
            "phase": phase,
            "containerStatuses": [status | {"restartCount": 0, "state": state}],
        }
        self._patch("pod", pod.name, {"status": told}, "--subresource=status")

    def remove(self, pod: Pod) -> None:
        """Without waiting for anybody, as a graceful deletion ends and a forced one begins."""
        self._cluster.do("delete", "pod", pod.name, "--grace-period=0", "--force")

    def fence(self, node: str) -> None:
        taint = {"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}
        self._patch("node", node, {"spec": {"taints": [taint]}})

    def _patch(self, kind: str, name: str, change: dict[str, Any], *options: str) -> None:
        self._cluster.do("patch", kind, name, "--type=merge", "-p", json.dumps(change), *options)


@pytest.fixture
def machines(cluster: Cluster) -> Machines:
    """Pods whose namespace the operator may watch."""
    cluster.do(
        "create",
        "rolebinding",
        "workers",
        "--clusterrole=singletrack-operator-workers",
        "--serviceaccount=singletrack:singletrack-operator",
    )
    wait_until(
        lambda: cluster.kubectl(
            *("auth", "can-i", "watch", "pods"),
            "--as=system:serviceaccount:singletrack:singletrack-operator",
        ).stdout.startswith("yes"),
        SOON,
        "the right to be granted",
    )
    return Machines(cluster)


def start_on(worker: HandWorker, cluster: Cluster, pod: Pod, **lock: Any) -> dict[str, Any]:
    """A run that executes in this Pod and holds its lock."""
    worker.pod = pod
    created = cluster.create(taskrun("a", lock={"key": "press", "onLost": "Hold"} | lock))
    worker.start(created)
    return created


def until_watched(operator: OperatorProcess, watches_before: float) -> None:
    """Wait until the API server has begun to answer the watch of a Pod."""
    wait_until(lambda: watches(operator) > watches_before, SOON, "the Pod to be watched")


def watches(operator: OperatorProcess) -> float:
    return operator.metric(REQUESTS, verb="WATCH", resource="pods", code="200")


def test_a_run_ends_once_its_pod_has_ended_and_the_next_one_gets_the_lock(
    cluster: Cluster, worker: HandWorker, machines: Machines
) -> None:
    pod = machines.pod()
    start_on(worker, cluster, pod)
    waiting = cluster.create(taskrun("b", lock={"key": "press", "onLost": "Hold"}))
    machines.tell(pod, "Failed", killed(137, "OOMKilled"))

    error = cluster.until_phase("a", "Lost")["status"]["error"]
    assert (error["reason"], error["exitCode"]) == ("OOMKilled", 137)
    assert "worker with exit code 137 (OOMKilled)" in error["message"]
    worker.until_state(waiting, State.READY)


def test_what_a_pod_ended_with_counts_also_when_it_is_removed_at_once(
    cluster: Cluster, worker: HandWorker, machines: Machines, operator: OperatorProcess
) -> None:
    before, pod = watches(operator), machines.pod()
    start_on(worker, cluster, pod)
    until_watched(operator, before)
    machines.tell(pod, "Succeeded", killed(0, "Completed"))
    machines.remove(pod)
    assert cluster.until_phase("a", "Lost")["status"]["error"]["reason"] == "WorkerLost"


def test_a_pod_that_was_removed_by_force_or_starts_its_container_again_proves_nothing(
    cluster: Cluster, worker: HandWorker, machines: Machines, operator: OperatorProcess
) -> None:
    before, held = watches(operator), machines.pod("worker-1")
    created = start_on(worker, cluster, held)
    until_watched(operator, before)
    machines.tell(held, "Running", killed())
    machines.tell(held, "Running", RESTART)
    machines.remove(held)
    namesake = machines.pod("worker-1")
    machines.tell(namesake, "Failed", killed())

    # Another run, whose Pod ends later, shows that all of this was seen.
    worker.pod = machines.pod("worker-2")
    other = cluster.create(taskrun("other", lock={"key": "other", "onLost": "Hold"}))
    worker.start(other)
    machines.tell(worker.pod, "Failed", killed())
    cluster.until_phase("other", "Lost")
    assert worker.state(created) is State.RUNNING
    worker.finish(created)


def test_a_suspect_run_ends_once_its_node_is_put_out_of_service(
    cluster: Cluster, worker: HandWorker, machines: Machines
) -> None:
    node = machines.node()
    pod = machines.pod(node=node)
    created = start_on(worker, cluster, pod)
    machines.remove(pod)
    machines.fence(node)
    run = worker.run(created)
    assert run is not None
    silent = ops.Expire(run_id=run.run_id, nonce="n", lease_seq=run.lease_seq)
    worker.ledger.execute(silent)
    assert "out of service" in cluster.until_phase("a", "Lost")["status"]["error"]["message"]


def test_a_run_that_does_not_hold_its_lock_has_nothing_watched(
    cluster: Cluster, worker: HandWorker, machines: Machines, operator: OperatorProcess
) -> None:
    before, pod = operator.metric(REQUESTS, resource="pods"), machines.pod()
    created = start_on(worker, cluster, pod, onLost="Release")
    machines.tell(pod, "Failed", killed())
    cluster.until_phase("a", "Running")
    worker.finish(created)
    cluster.until_phase("a", "Succeeded")
    assert operator.metric(REQUESTS, resource="pods") == before


def test_where_the_operator_may_not_watch_pods_the_lock_is_kept_and_it_says_so(
    cluster: Cluster, worker: HandWorker, operator: OperatorProcess
) -> None:
    machines = Machines(cluster)  # in a namespace where nobody has bound the role
    pod = machines.pod()
    created = start_on(worker, cluster, pod)
    machines.tell(pod, "Failed", killed())
    wait_until(lambda: f"pod={cluster.namespace}/worker-1" in operator.log, SOON, "the complaint")
    assert "pod_not_watched" in operator.log
    assert worker.state(created) is State.RUNNING
    worker.finish(created)
