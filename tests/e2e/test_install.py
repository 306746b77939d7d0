"""The chart, installed into a real cluster as a user does it, and used by each door."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import pytest
from e2e.releases import PLACE, Release, with_own_valkey
from support.cluster.errors import ClusterError
from support.cluster.running import Cluster
from support.platform_images import OWN_TASKS, ROOT
from support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


EXAMPLES = sorted((ROOT / "k8s" / "examples").glob("*.yaml"))
#: Beside the usual one, a pool with the image of a task author.
POOLS = {"acme": {"image": OWN_TASKS, "queues": ["acme"], "concurrency": 1}}


@pytest.fixture(scope="module")
def release(
    cluster: Cluster, images: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Release]:
    folder = tmp_path_factory.mktemp("values")
    with with_own_valkey(cluster, "ledger-password", folder, workers=POOLS) as release:
        yield release


def test_a_task_run_runs_once_to_its_end(release: Release) -> None:
    status = release.finished(release.create(task="dummy_task", params={"name": "Bob"}))
    assert (status["phase"], status["attempt"]) == ("Succeeded", 1)
    assert status["result"] == "Hello Bob!"


def test_runs_on_one_lock_run_one_after_the_other(release: Release) -> None:
    lock = {"key": "one", "policy": "Queue"}
    names = [release.create(task="dummy_task", lock=lock) for _ in range(3)]
    spans = sorted(
        (status["startTime"], status["completionTime"])
        for status in map(release.finished, names)
        if status["phase"] == "Succeeded"
    )
    assert len(spans) == 3
    for (_, ended), (started, _) in itertools.pairwise(spans):
        assert ended <= started


def test_a_users_own_image_runs_its_tasks(release: Release) -> None:
    params = {"customer": "acme", "rows": 2_000_000}
    status = release.finished(release.create(task="acme.report", params=params))
    assert (status["phase"], status["result"]) == ("Succeeded", "acme: 2.0 million rows")


def test_every_example_comes_to_its_end(release: Release) -> None:
    names: dict[str, str] = {}
    for path in EXAMPLES:
        words = ("create", f"--filename={path}", "--output=jsonpath={.metadata.name}")
        names[path.stem] = release.kubectl(*words)
    phases = {example: release.finished(name)["phase"] for example, name in names.items()}
    assert phases["hello"] == "Succeeded"
    assert "Succeeded" in {phases["join"], phases["replace"], phases["urgent"]}
    assert not {"Lost", "Expired"} & set(phases.values())


def test_helms_own_test_passes(release: Release) -> None:
    assert "Succeeded" in release.helm("test", "it", "--timeout=120s")


def test_the_rest_door_asks_for_a_token_and_for_the_right(release: Release) -> None:
    path, body = f"/v1/namespaces/{PLACE}/runs", {"task": "dummy_task", "lock": {"key": "rest"}}
    assert release.ask(path, body=body)[0] == 401
    release.kubectl("create", "serviceaccount", "caller")
    token = release.kubectl("create", "token", "caller", "--audience=singletrack").strip()
    assert release.ask(path, token, body)[0] == 403
    edit = ("--clusterrole=edit", f"--serviceaccount={PLACE}:caller")
    release.kubectl("create", "rolebinding", "caller", *edit)
    wait_until(lambda: release.ask(path, token, body)[0] != 403, 30, "the right to count")
    assert release.ask(path, token)[0] == 200
    assert release.ask("/v1/namespaces/default/runs", token)[0] == 403
    assert release.ask("/livez")[0] == 200


def test_nothing_has_failed_or_started_twice_in_a_pod(release: Release) -> None:
    words = ("get", "pods", "--selector=app.kubernetes.io/component!=test", "--output=json")
    for pod in json.loads(release.kubectl(*words))["items"]:
        for container in pod["status"]["containerStatuses"]:
            assert container["restartCount"] == 0, pod["metadata"]["name"]


def test_a_worker_has_no_rights_in_the_cluster(release: Release) -> None:
    account = f"--as=system:serviceaccount:{PLACE}:it-singletrack-worker"
    with pytest.raises(ClusterError, match="Forbidden"):
        release.kubectl("get", "taskruns.singletrack.dev", account)
    worker = "deployment/it-singletrack-worker-default"
    look = ("exec", worker, "--", "ls", "/var/run/secrets/kubernetes.io/serviceaccount/token")
    with pytest.raises(ClusterError, match="No such file"):
        release.kubectl(*look)
