"""The stage with a cluster: a real API server, the real operator, and the API that goes through it.

Runs come as TaskRuns, and besides the ledger's records their statuses are judged.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from support.faults.cases import Case
from support.faults.cluster_scenarios import SCENARIOS, TASKRUNS, ClusterScene, statuses
from support.faults.stage import Stage
from support.faults.story import Story
from support.local_platform import ROOT
from support.redis_servers import VALKEY, RedisServer, running
from support.waiting import wait_until

from singletrack.lifecycle import VIEWS
from singletrack_cli.controlplane.binaries import Binaries
from singletrack_cli.controlplane.errors import RequestRefused
from singletrack_cli.controlplane.server import ControlPlane

STATUS_SECONDS = 10.0
"""How long after everything is quiet a status may still be behind its record."""


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
            SINGLETRACK_RECORD_LOST_SECONDS="1",
            **{"SINGLETRACK_OPERATOR_PORT": "0", **self.settings_of_the_operator()},
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
