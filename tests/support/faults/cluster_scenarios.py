"""What happens around a fault on a cluster, where runs come as TaskRuns; see `scenarios`."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from support.faults.scenarios import Scene
from support.faults.story import RUNS_PATH

from singletrack_cli.controlplane.errors import RequestRefused
from singletrack_cli.controlplane.server import ControlPlane

TASKRUNS = "/apis/singletrack.dev/v1alpha1/namespaces/default/taskruns"

#: scenario -> the failpoints it leads to.
PLACES: dict[str, tuple[str, ...]] = {
    "applied": (
        "operator>operator.seen",
        "operator>operator.compared",
        "operator>operator.decided",
        "operator>ledger.send/submit",
        "operator>ledger.sent/submit",
        "operator>kubernetes.send/PATCH",
        "operator>kubernetes.sent/PATCH",
        "operator>kubernetes.sent/PATCH@2",
        "operator>ledger.send/ack_projection",
        "operator>ledger.sent/ack_projection",
    ),
    "posted": (
        "api>kubernetes.send/POST",
        "api>kubernetes.sent/POST",
        "api>ledger.send/submit",
        "api>ledger.sent/submit",
    ),
    "taken_back": ("api>kubernetes.send/DELETE", "api>kubernetes.sent/DELETE"),
    "recalled": (
        "api>kubernetes.send/PATCH",
        "api>kubernetes.sent/PATCH",
        "api>ledger.send/cancel",
        "api>ledger.sent/cancel",
    ),
    "preferred": (
        "api>kubernetes.send/PATCH",
        "api>kubernetes.sent/PATCH",
        "api>ledger.send/prioritise",
        "api>ledger.sent/prioritise",
    ),
    "hastened": ("operator>ledger.send/prioritise", "operator>ledger.sent/prioritise"),
    "resumed": (
        "operator>upkeep.bless",
        "operator>ledger.send/bless",
        "operator>ledger.sent/bless",
    ),
    "outdated": ("operator>ledger.send/settle", "operator>ledger.sent/settle"),
    "withdrawn": ("operator>ledger.send/cancel", "operator>ledger.sent/cancel"),
    "stopped": ("operator>ledger.send/cancel", "operator>ledger.sent/cancel"),
    "outlasted": ("operator>kubernetes.send/DELETE", "operator>kubernetes.sent/DELETE"),
    "unseen": ("operator>upkeep.over", "operator>ledger.sent/expire"),
}


class ClusterScene(Scene):
    """A scene with the administrator's hand on the API server."""

    plane: ControlPlane

    def apply(self, to: int, **spec: Any) -> tuple[str, str]:
        """Create a TaskRun; answers its UID and its name."""
        story = self.story
        body = {
            "apiVersion": "singletrack.dev/v1alpha1",
            "kind": "TaskRun",
            "metadata": {"name": f"r-{uuid.uuid4().hex[:8]}", "namespace": "default"},
            "spec": {"task": "count_to", "params": {"to": to, "name": story.name}, **spec},
        }
        made = self.plane.client.request("POST", TASKRUNS, body)["metadata"]
        story.expect(made["uid"], "")
        return made["uid"], made["name"]

    def ask_to_stop(self, name: str) -> bool:
        """Write `spec.cancel`; False if the object has changed meanwhile."""
        return self.change(name, cancel={"gracePeriodSeconds": 1, "reason": "enough"})

    def change(self, name: str, **spec: Any) -> bool:
        """Write these fields of the spec; False if the object has changed meanwhile."""
        found = self.plane.client.request("GET", f"{TASKRUNS}/{name}")
        found["spec"].update(spec)
        with contextlib.suppress(RequestRefused):
            self.plane.client.request("PUT", f"{TASKRUNS}/{name}", found)
            return True
        return False


def applied(scene: ClusterScene) -> None:
    """Two TaskRuns on one lock."""
    scene.arm()
    for _ in range(2):
        scene.apply(2)


def posted(scene: ClusterScene) -> None:
    """Two runs by REST, which creates a TaskRun first."""
    scene.arm()
    for _ in range(2):
        scene.count(2)


def taken_back(scene: ClusterScene) -> None:
    """The ledger's answer to the API is lost, so it deletes what it made, and is asked again."""
    scene.arm()
    scene.count(2)


def recalled(scene: ClusterScene) -> None:
    """A running run is cancelled over REST."""
    run_id = scene.count(600)
    scene.story.until_begun(run_id)
    scene.count(1)
    scene.arm()
    scene.story.cancel(run_id)


def preferred(scene: ClusterScene) -> None:
    """A waiting run is given another priority over REST."""
    scene.story.until_begun(scene.count(30))
    waiting = scene.count(1)
    scene.arm()
    scene.story.rest.ask("PATCH", f"{RUNS_PATH}/{waiting}", {"priority": 5})


def hastened(scene: ClusterScene) -> None:
    """A waiting TaskRun is given another priority."""
    run_id, _ = scene.apply(30)
    scene.story.until_begun(run_id)
    waiting, name = scene.apply(1)
    scene.story.until(lambda: scene.story.state(waiting), 20, "the second to be in line")
    scene.arm()
    scene.story.until(lambda: scene.change(name, priority=5), 20, "the priority to be written")


def resumed(scene: ClusterScene) -> None:
    """The ledger's server is killed and comes back with a run still going."""
    run_id, _ = scene.apply(30)
    scene.story.until_begun(run_id)
    scene.arm()
    scene.server.kill9()
    scene.server.start()
    scene.apply(1)


def outdated(scene: ClusterScene) -> None:
    """An older copy of the ledger's data comes back, and of an end only the TaskRun knows."""
    story = scene.story
    run_id, name = scene.apply(10)
    worker = scene.worker_of(story.until_begun(run_id))
    data, copy = scene.server.folder / "appendonlydir", scene.server.folder / story.name
    shutil.copytree(data, copy)
    story.until(lambda: "completionTime" in statuses(scene.plane)[name]["status"], 30, "its end")
    scene.arm()
    scene.server.kill9()
    scene.obliterate(worker)
    story.observer = "the older copy"
    shutil.rmtree(data)
    copy.rename(data)
    scene.server.start()
    scene.apply(1)


def withdrawn(scene: ClusterScene) -> None:
    """A running TaskRun is deleted, and one that waits."""
    running_run, name = scene.apply(600)
    scene.story.until_begun(running_run)
    waiting_run, waiting = scene.apply(1)
    scene.story.until(lambda: scene.story.state(waiting_run), 20, "the second to be in line")
    scene.arm()
    for each in (name, waiting):
        scene.plane.client.request("DELETE", f"{TASKRUNS}/{each}")


def stopped(scene: ClusterScene) -> None:
    """A running TaskRun is asked to stop."""
    run_id, name = scene.apply(600)
    scene.story.until_begun(run_id)
    scene.apply(1)
    scene.arm()
    scene.story.until(lambda: scene.ask_to_stop(name), 20, "the cancel to be written")


def outlasted(scene: ClusterScene) -> None:
    """A finished TaskRun's time to live is over."""
    scene.arm()
    _, name = scene.apply(1, ttlSecondsAfterFinished=1)
    scene.apply(1)
    scene.story.until(lambda: name not in statuses(scene.plane), 60, "the deletion")


def unseen(scene: ClusterScene) -> None:
    """A whole worker is gone at once, and the operator's upkeep has to notice."""
    run_id, _ = scene.apply(600)
    worker = scene.worker_of(scene.story.until_begun(run_id))
    scene.apply(1)
    scene.arm()
    scene.obliterate(worker)


SCENARIOS: Mapping[str, Callable[[Any], None]] = {
    scenario.__name__: scenario
    for scenario in (
        applied,
        posted,
        taken_back,
        recalled,
        preferred,
        hastened,
        resumed,
        outdated,
        withdrawn,
        stopped,
        outlasted,
        unseen,
    )
}


def statuses(plane: ControlPlane) -> dict[str, Any]:
    """The TaskRuns there are, by name."""
    with contextlib.suppress(OSError, http.client.HTTPException, RequestRefused):
        found = plane.client.request("GET", TASKRUNS)
        return {each["metadata"]["name"]: each for each in found["items"]}
    return {}
