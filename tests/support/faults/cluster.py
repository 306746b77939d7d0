"""The stage with a cluster: a real API server, the real operator, and the API that goes through it.

Runs come as TaskRuns, and besides the ledger's records their statuses are judged.
"""

from __future__ import annotations

import contextlib
import http.client
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from support.faults.cases import Case
from support.faults.scenarios import Scene
from support.faults.stage import Stage
from support.faults.story import Story
from support.local_platform import ROOT
from support.redis_servers import VALKEY, RedisServer, running
from support.waiting import wait_until

from singletrack.lifecycle import VIEWS
from singletrack_cli.controlplane.binaries import Binaries
from singletrack_cli.controlplane.errors import RequestRefused
from singletrack_cli.controlplane.server import ControlPlane

TASKRUNS = "/apis/singletrack.dev/v1alpha1/namespaces/default/taskruns"
STATUS_SECONDS = 10.0
"""How long after everything is quiet a status may still be behind its record."""

#: scenario -> the failpoints it leads to.
PLACES: dict[str, tuple[str, ...]] = {
    "applied": (
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
        found = self.plane.client.request("GET", f"{TASKRUNS}/{name}")
        found["spec"]["cancel"] = {"gracePeriodSeconds": 1, "reason": "enough"}
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
    for scenario in (applied, posted, withdrawn, stopped, outlasted, unseen)
}


class ClusterStage(Stage):
    """A platform over a control plane."""

    def __init__(self, server: RedisServer, folder: Path, plane: ControlPlane) -> None:
        self.plane = plane
        super().__init__(server, folder)
        self.parts.add(
            "operator",
            "singletrack_operator",
            ready="ledger_trusted",
            SINGLETRACK_KUBECONFIG=self.kubeconfig("singletrack-operator"),
            SINGLETRACK_OPERATOR_PORT="0",
            SINGLETRACK_RECORD_LOST_SECONDS="1",
            **self.settings_of_the_operator(),
        )

    def settings_of_the_operator(self) -> dict[str, str]:
        return {"SINGLETRACK_RESYNC_SECONDS": "5"}

    def settings_of_the_api(self) -> dict[str, str]:
        return {"SINGLETRACK_KUBECONFIG": self.kubeconfig("singletrack-api")}

    def kubeconfig(self, account: str) -> str:
        """By which a part reaches the API server as this ServiceAccount."""
        return str(self.plane.service_account_kubeconfig("singletrack", account))

    def scenarios(self) -> Mapping[str, Callable[[Any], None]]:
        return SCENARIOS

    def scene(self, story: Story, case: Case) -> ClusterScene:
        scene = ClusterScene(story, lambda: self.parts.arm(case.entries), self.server)
        scene.plane = self.plane
        return scene

    def problems_besides(self, story: Story) -> list[str]:
        """Statuses that do not say what the records say, ten seconds after everything is quiet."""

        def behind() -> list[str]:
            story.parts.tend()
            return _behind(story, statuses(self.plane))

        with contextlib.suppress(AssertionError):
            wait_until(lambda: not behind(), STATUS_SECONDS)
        return behind()


def _behind(story: Story, shown: Mapping[str, Any]) -> list[str]:
    by_uid = {each["metadata"]["uid"]: each for each in shown.values()}
    found = []
    for seen in story.seen.values():
        taskrun, run = by_uid.get(seen.run_id), seen.last
        if taskrun is None or run is None:
            continue
        status = taskrun["status"]
        if status["phase"] != VIEWS[run.state].phase or "completionTime" not in status:
            found.append(f"status: {seen.run_id} is {run.state} and shown as {status['phase']}")
    return found


def statuses(plane: ControlPlane) -> dict[str, Any]:
    """The TaskRuns there are, by name."""
    with contextlib.suppress(OSError, http.client.HTTPException, RequestRefused):
        found = plane.client.request("GET", TASKRUNS)
        return {each["metadata"]["name"]: each for each in found["items"]}
    return {}


Build = Callable[[RedisServer, Path, ControlPlane], ClusterStage]


@contextmanager
def set_up(folder: Path, programs: Binaries, build: Build = ClusterStage) -> Iterator[ClusterStage]:
    """A cluster stage; nothing of it is left at the end, or that is an error."""
    (folder / "server").mkdir(parents=True)
    with (
        running(VALKEY, folder / "server") as server,
        ControlPlane.start(programs, folder / "control-plane", durable=False) as plane,
    ):
        _install(plane)
        stage = build(server, folder, plane)
        try:
            yield stage
        finally:
            left = stage.stop()
        assert not left, f"processes were left: {left}"


def _install(plane: ControlPlane) -> None:
    paths = {
        "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "Namespace": "/api/v1/namespaces",
        "ServiceAccount": "/api/v1/namespaces/singletrack/serviceaccounts",
        "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/singletrack/rolebindings",
    }
    for name in ("crd.yaml", "operator-rbac.yaml"):
        for document in yaml.safe_load_all((ROOT / "k8s" / name).read_text()):
            plane.client.request("POST", paths[document["kind"]], document)

    def served() -> bool:
        with contextlib.suppress(RequestRefused):
            return "items" in plane.client.request("GET", TASKRUNS)
        return False

    wait_until(served, 20, "the API server to serve TaskRuns")
