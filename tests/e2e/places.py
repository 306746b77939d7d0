"""The chart in a cluster, with a log of what its tasks do that outlives the pods."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from e2e.releases import PLACE, Release, installed, make_place, own_valkey, room
from support.cluster import processes
from support.cluster.running import Cluster
from support.platform_images import ROOT
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
        words = ("get", "service/ledger", "--output=jsonpath={.spec.clusterIP}")
        return f"redis://:{self._password}@{self.kubectl(*words)}:6379/0"

    def kubectl(self, *words: str, stdin: str = "") -> str:
        return self.release.kubectl(*words, stdin=stdin)

    def describe(self) -> str:
        pods = self.kubectl("get", "pods", "--output=wide")
        taskruns = self.kubectl("get", "taskruns.singletrack.dev", "--output=yaml")
        return pods + taskruns + self.logs("operator") + self.logs("worker-default")

    def logs(self, component: str) -> str:
        label = f"--selector=app.kubernetes.io/component={component}"
        return self.kubectl("logs", label, "--tail=200", "--ignore-errors")

    def _pods(self, component: str) -> list[dict[str, Any]]:
        label = f"--selector=app.kubernetes.io/component={component}"
        found = json.loads(self.kubectl("get", "pods", label, "--output=json"))
        items: list[dict[str, Any]] = found["items"]
        return items

    def pod(self, component: str) -> str:
        """The one pod of a component that is not about to end."""
        there = [pod["metadata"] for pod in self._pods(component)]
        [name] = [each["name"] for each in there if "deletionTimestamp" not in each]
        return str(name)

    # --- the worker's processes, as the machine sees them -----------------------------------------

    def worker_processes(self) -> list[int]:
        """All of the worker's container, the one that the others come from first."""
        wanted = f"--hostname={self.pod('worker-default')}@"
        [main] = {
            pid
            for pid in processes.everyone()
            if any(word.startswith(wanted) for word in processes.command_line(pid))
            and "shim" in processes.command_line(processes.parent(pid) or 0)[0]
        }
        return [main, *processes.below(main)]

    def shim_of_worker(self) -> int:
        """The parent of the worker's container."""
        shim = processes.parent(self.worker_processes()[0])
        assert shim is not None
        return shim

    @contextmanager
    def worker_frozen(self) -> Iterator[None]:
        """All processes of the worker's container stand still while the block lasts."""
        frozen = self.worker_processes()
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)

    # --- rights -----------------------------------------------------------------------------------

    def token(self) -> str:
        """Of somebody who may edit what is in the namespace."""
        return self.release.token("editor", "edit")

    def granted(self, part: str) -> set[str]:
        """What a part may do, as `verb group/resource`."""
        label = f"--selector=app.kubernetes.io/component={part},app.kubernetes.io/instance=it"
        found = json.loads(self.kubectl("get", "clusterroles,roles", label, "--output=json"))
        rules = [rule for role in found["items"] for rule in role["rules"]]
        return {
            f"{verb} {group}/{resource}"
            for rule in rules
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }

    def wait_until_all_rights_are_used(self, part: str) -> None:
        try:
            wait_until(lambda: self.granted(part) <= self.asked(part), 60, f"the {part}'s rights")
        except AssertionError as error:
            unused = self.granted(part) - self.asked(part)
            raise AssertionError(f"the {part} never used {unused}") from error

    def asked(self, part: str) -> set[str]:
        """What a part has asked for so far, by the API server's audit log, in the same form."""
        user = f"system:serviceaccount:{PLACE}:it-singletrack-{part}"
        asked = set()
        for line in self.release.cluster.layout.audit_log.read_text().splitlines():
            entry = json.loads(line)
            thing = entry.get("objectRef")
            if entry["user"].get("username") == user and thing and "resource" in thing:
                names = filter(None, (thing["resource"], thing.get("subresource")))
                asked.add(f"{entry['verb']} {thing.get('apiGroup', '')}/{'/'.join(names)}")
        return asked

    def wait_until_ready(self) -> None:
        wait_until(lambda: all(map(self.is_ready, COMPONENTS)), 120, "every part to be ready")

    def is_ready(self, component: str) -> bool:
        states = [
            {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
            for pod in self._pods(component)
        ]
        return [state.get("Ready") for state in states] == ["True"]


@contextmanager
def standing(cluster: Cluster, folder: Path, checkout: Path = ROOT, **more: Any) -> Iterator[Place]:
    """The chart of a checkout, as long as the block lasts, on a Valkey of its own."""
    release, password = make_place(cluster), os.urandom(12).hex()
    objects = json.dumps(_OBJECTS)
    with own_valkey(release, "standing", password) as values, room(release, "task-log", "task-log"):
        release.kubectl("create", "--filename=-", stdin=objects)
        values |= {"settings": {"leaseSeconds": LEASE_SECONDS}, "workers": {"default": _POOL}}
        with installed(release, folder, values | more, checkout):
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
        {  # that of the chart has no address of its own, and the pod's changes
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "ledger"},
            "spec": {
                "selector": {
                    "app.kubernetes.io/instance": "it",
                    "app.kubernetes.io/component": "valkey",
                },
                "ports": [{"port": 6379}],
            },
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
