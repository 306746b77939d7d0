"""The chart's NetworkPolicies: who reaches whom, and that nothing which has to is kept away."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from e2e.pods import python_pod
from e2e.releases import Release, with_own_valkey
from support import network_policies
from support.cluster.running import Cluster
from support.network_policies import Objects
from support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(900)]

CALLERS = {"app": "caller"}
WAITS = "import signal; signal.pause()"
PORTS = {"api": 8000, "operator": 8082, "worker": 8083, "valkey": 6379}
METRICS = {"operator", "worker"}

#: Whom each may reach; who knows no part is any pod of the cluster.
REACHED = {
    "stranger": METRICS,
    "caller": METRICS | {"api"},
    "api": METRICS | {"valkey"},
    "operator": METRICS | {"valkey"},
    "worker": METRICS | {"valkey"},
    "valkey": set[str](),
}

_CONNECT = (
    "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2).close()"
)


@pytest.fixture(scope="module")
def release(
    cluster: Cluster, images: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Release]:
    closed = {"enabled": True, "apiFrom": [{"podSelector": {"matchLabels": CALLERS}}]}
    folder = tmp_path_factory.mktemp("values")
    with with_own_valkey(cluster, "closed", folder, networkPolicy=closed) as release:
        for name in ("stranger", "caller"):
            release.kubectl("create", "--filename=-", stdin=json.dumps(python_pod(name, WAITS)))
        both = ("pod/stranger", "pod/caller")
        release.kubectl("wait", *both, "--for=condition=Ready", "--timeout=60s")
        yield release
        release.kubectl("delete", *both)


def looking_at(release: Release) -> Any:
    def look(kind: str) -> Objects:
        items: Objects = json.loads(release.kubectl("get", kind, "--output=json"))["items"]
        return items

    return look


def by_part(release: Release) -> dict[str, Mapping[str, Any]]:
    """The pods, by what they are."""
    found = {}
    for pod in looking_at(release)("pods"):
        labels = pod["metadata"]["labels"]
        part = labels.get("app.kubernetes.io/component") or labels["app"]
        found[part.partition("-")[0]] = pod
    return found


def reached_by(name: str, pods: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The parts that answer a pod, itself aside."""
    found = set()
    for part, port in PORTS.items():
        address = pods[part]["status"]["podIP"]
        done = network_policies.inside(
            pods[name], sys.executable, "-c", _CONNECT, address, str(port)
        )
        if part != name and done is not None and done.returncode == 0:
            found.add(part)
    return found


def test_without_a_network_that_enforces_them_everybody_reaches_everybody(
    release: Release,
) -> None:
    pods = by_part(release)
    for name in REACHED:
        assert reached_by(name, pods) == PORTS.keys() - {name}


def test_each_pod_reaches_whom_it_has_to_and_nobody_else(release: Release) -> None:
    pods = by_part(release)
    with network_policies.enforced(looking_at(release)):
        for name, expected in REACHED.items():
            assert reached_by(name, pods) == expected - {name}, name


def test_the_platform_works_with_them(release: Release) -> None:
    with network_policies.enforced(looking_at(release)):
        status = release.finished(release.create(task="dummy_task", params={"name": "Bob"}))
        assert status["result"] == "Hello Bob!"
        assert "Succeeded" in release.helm("test", "it", "--timeout=120s")


def test_pods_stay_ready_and_nothing_restarts(release: Release) -> None:
    with network_policies.enforced(looking_at(release)):
        parts = "--selector=app.kubernetes.io/component!=test"
        ready = ("wait", "pods", parts, "--for=condition=Ready", "--timeout=60s")
        wait_until(lambda: release.kubectl(*ready), 60, "all pods to be ready")
    there = by_part(release)
    for pod in (there[name] for name in REACHED):
        for container in pod["status"]["containerStatuses"]:
            assert container["restartCount"] == 0, pod["metadata"]["name"]
