"""The chart, installed into a real cluster as a user does it, and used by each door."""

from __future__ import annotations

import itertools
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from support.cluster.errors import ClusterError
from support.cluster.running import Cluster
from support.helm import CHART
from support.platform_images import REGISTRY, VALKEY, Builder
from support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

PLACE = "tasks"
TAG = "test"
VALUES = {
    "image": {"registry": REGISTRY, "tag": TAG, "pullPolicy": "Never"},
    "valkey": {"enabled": True, "existingSecret": "ledger-password", "image": VALKEY},
}


@dataclass(frozen=True, slots=True)
class Release:
    """The chart, installed; its namespace lets in nothing but restricted pods."""

    cluster: Cluster

    def kubectl(self, *words: str, stdin: str = "") -> str:
        return self.cluster.kubectl(f"--namespace={PLACE}", *words, stdin=stdin)

    def helm(self, *words: str) -> str:
        return self.cluster.helm(f"--namespace={PLACE}", *words)

    def create(self, **spec: Any) -> str:
        """A TaskRun; answers its name."""
        manifest = {
            "apiVersion": "singletrack.dev/v1alpha1",
            "kind": "TaskRun",
            "metadata": {"generateName": "run-"},
            "spec": spec,
        }
        words = ("create", "--filename=-", "--output=jsonpath={.metadata.name}")
        return self.kubectl(*words, stdin=json.dumps(manifest))

    def finished(self, name: str) -> dict[str, Any]:
        """The status of a TaskRun at its end."""
        self.kubectl("wait", f"strun/{name}", "--for=condition=Finished", "--timeout=60s")
        found = json.loads(self.kubectl("get", f"strun/{name}", "--output=json"))
        status: dict[str, Any] = found["status"]
        return status

    def ask(self, path: str, token: str = "", body: Any = None) -> tuple[int, Any]:
        """The API, at the address of its Service."""
        words = ("get", "service/it-singletrack-api", "--output=jsonpath={.spec.clusterIP}")
        request = urllib.request.Request(f"http://{self.kubectl(*words)}{path}")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the address of the cluster
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)


@pytest.fixture(scope="module")
def release(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    folder = tmp_path_factory.mktemp("images")
    builder = Builder(cluster.kit.images, folder)
    for archive in (*builder.platform(TAG), builder.valkey()):
        cluster.import_image(archive)
        archive.unlink()
    release = Release(cluster)
    cluster.kubectl("create", "namespace", PLACE)
    enforced = "pod-security.kubernetes.io/enforce=restricted"
    cluster.kubectl("label", "namespace", PLACE, enforced)
    cluster.kubectl("create", "--filename=-", stdin=json.dumps(_volume(cluster)))
    password = f"--from-literal=password={os.urandom(12).hex()}"
    release.kubectl("create", "secret", "generic", "ledger-password", password)
    values = folder / "values.json"
    values.write_text(json.dumps(VALUES))
    release.helm("install", "it", str(CHART), f"--values={values}", "--wait", "--timeout=180s")
    yield release
    release.helm("uninstall", "it", "--wait")


def _volume(cluster: Cluster) -> dict[str, Any]:
    """Room for the ledger: this cluster makes none by itself."""
    folder = cluster.layout.folder / "ledger"
    folder.mkdir()
    os.chown(folder, 65532, 65532)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "ledger"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": str(folder)},
            "persistentVolumeReclaimPolicy": "Retain",
        },
    }


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
