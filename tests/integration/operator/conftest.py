"""One API server and one operator for all these tests; each test has a namespace of its own.

An operator looks at the TaskRuns of the whole cluster, so there is only one at a time. A test may
stop or kill it: the next one finds it running again.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator

import pytest
from integration.operator.cluster import (
    ROOT,
    Cluster,
    HandWorker,
    OperatorProcess,
    hand_worker,
    ledger_settings,
)
from support import control_plane
from support.redis_servers import VALKEY, SharedServers

from singletrack.adapters.redis_ledger import AsyncRedisLedger
from singletrack_cli.controlplane.server import ControlPlane

#: Every write of a TaskRun is written down, whoever asks for it.
WRITES = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "verbs": ["get", "list", "watch"]},
        {"level": "Metadata", "resources": [{"group": "singletrack.dev"}]},
    ],
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.kubernetes)


@pytest.fixture(scope="session")
def one_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    programs = control_plane.programs()
    folder = tmp_path_factory.mktemp("operator-control-plane")
    with ControlPlane.start(programs, folder, durable=False, audit=WRITES) as plane:
        cluster = Cluster(plane)
        for file in ("crd.yaml", "operator-rbac.yaml"):
            cluster.do("apply", "-f", str(ROOT / "k8s" / file))
        cluster.do("wait", "--for=condition=Established", "crd/taskruns.singletrack.dev")
        yield cluster


@pytest.fixture
def cluster(one_cluster: Cluster) -> Cluster:
    """The API server, with an empty namespace that kubectl uses by default."""
    one_cluster.namespace = f"t-{secrets.token_hex(4)}"
    one_cluster.do("create", "namespace", one_cluster.namespace)
    return one_cluster


@pytest.fixture(scope="session")
def one_operator(
    one_cluster: Cluster, shared_servers: SharedServers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    folder = tmp_path_factory.mktemp("operator")
    operator = OperatorProcess(one_cluster, shared_servers.get(VALKEY), folder)
    yield operator
    operator.stop()


@pytest.fixture
def operator(one_operator: OperatorProcess, shared_servers: SharedServers) -> OperatorProcess:
    """The operator, running."""
    shared_servers.get(VALKEY)
    if not one_operator.alive:
        one_operator.start()
    return one_operator


@pytest.fixture
def worker(operator: OperatorProcess, shared_servers: SharedServers) -> Iterator[HandWorker]:
    """A worker by hand, whose task `hello` is registered."""
    with hand_worker(shared_servers.get(VALKEY), operator.key_prefix) as hand:
        yield hand


@pytest.fixture
async def ledger(
    operator: OperatorProcess, worker: HandWorker, shared_servers: SharedServers
) -> AsyncIterator[AsyncRedisLedger]:
    """The ledger of the operator and the worker, for what runs in the test's own process."""
    ledger = AsyncRedisLedger(ledger_settings(shared_servers.get(VALKEY), operator.key_prefix))
    await ledger.prepare()
    yield ledger
    await ledger.close()
