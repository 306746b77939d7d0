"""The chart in a cluster, with a log of what its tasks do that outlives the pods."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from e2e.releases import PLACE, Release, installed, make_place, own_valkey, room
from support.cluster.running import Cluster
from support.waiting import wait_until

LEASE_SECONDS = 5
COMPONENTS = ("api", "operator", "worker-default", "valkey")

_GREEDY = """
from singletrack import task

@task(name="greedy", lock="greedy")
def greedy() -> None:
    kept = []
    while True:
        kept.append(b"x" * (8 << 20))
"""


class Place:
    """What a story is told on: the chart in a cluster, with a task log outside of the pods."""

    namespace = PLACE

    def __init__(self, release: Release, password: str) -> None:
        self.release = release
        self._password = password
        self.task_log = release.cluster.layout.folder / "task-log" / "tasks.log"

    @property
    def redis_url(self) -> str:
        words = ("get", "service/it-singletrack-valkey", "--output=jsonpath={.spec.clusterIP}")
        return f"redis://:{self._password}@{self.kubectl(*words)}:6379/0"

    def kubectl(self, *words: str, stdin: str = "") -> str:
        return self.release.kubectl(*words, stdin=stdin)

    def describe(self) -> str:
        pods = self.kubectl("get", "pods", "--output=wide")
        return pods + self.logs("operator") + self.logs("worker-default")

    def logs(self, component: str) -> str:
        label = f"--selector=app.kubernetes.io/component={component}"
        return self.kubectl("logs", label, "--tail=40", "--ignore-errors")

    def pod(self, component: str) -> str:
        """The one pod of a component that is not about to end."""
        label = f"--selector=app.kubernetes.io/component={component}"
        found = json.loads(self.kubectl("get", "pods", label, "--output=json"))["items"]
        [name] = [
            pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"]
        ]
        return str(name)

    def wait_until_ready(self) -> None:
        wait_until(lambda: all(map(self.is_ready, COMPONENTS)), 120, "every part to be ready")

    def is_ready(self, component: str) -> bool:
        label = f"--selector=app.kubernetes.io/component={component}"
        found = json.loads(self.kubectl("get", "pods", label, "--output=json"))["items"]
        states = [
            {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
            for pod in found
        ]
        return [state.get("Ready") for state in states] == ["True"]


@contextmanager
def standing(cluster: Cluster, folder: Path) -> Iterator[Place]:
    """The chart, as long as the block lasts, on a Valkey of its own."""
    release, password = make_place(cluster), os.urandom(12).hex()
    objects = json.dumps(_OBJECTS)
    with own_valkey(release, "standing", password) as values, room(release, "task-log", "task-log"):
        release.kubectl("create", "--filename=-", stdin=objects)
        values |= {"settings": {"leaseSeconds": LEASE_SECONDS}, "workers": {"default": _POOL}}
        with installed(release, folder, values):
            yield Place(release, password)
        release.kubectl("delete", "--filename=-", "--ignore-not-found", stdin=objects)


_POOL: dict[str, Any] = {
    "tasks": ["singletrack_worker.demo_tasks", "greedy"],
    "env": {"SINGLETRACK_TASK_LOG": "/task-log/tasks.log", "PYTHONPATH": "/tasks"},
    "volumes": [
        {"name": "tasks", "configMap": {"name": "greedy"}},
        {"name": "task-log", "persistentVolumeClaim": {"claimName": "task-log"}},
    ],
    "volumeMounts": [
        {"name": "tasks", "mountPath": "/tasks"},
        {"name": "task-log", "mountPath": "/task-log"},
    ],
}


_OBJECTS: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "List",
    "items": [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "greedy"},
            "data": {"greedy.py": _GREEDY},
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "task-log"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "volumeName": "task-log",
                "storageClassName": "",
                "resources": {"requests": {"storage": "1Gi"}},
            },
        },
    ],
}
