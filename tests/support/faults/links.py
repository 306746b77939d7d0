"""The cluster stage with a fault proxy on each part's link to the API server.

Whoever creates and deletes TaskRuns has a link of its own, which is always sound: what happens
while a part is cut off is real. Nothing is compared by the clock here, so that only the watch, and
what follows from its failures, can tell the operator of it.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from support.fault_proxy import FaultProxy
from support.faults import cluster
from support.faults.cases import Case
from support.faults.cluster import ClusterStage
from support.faults.cluster_scenarios import ClusterScene
from support.faults.story import Story
from support.redis_servers import RedisServer
from support.waiting import wait_until

from singletrack_cli.controlplane.binaries import Binaries
from singletrack_cli.controlplane.server import ControlPlane

OPERATOR, API = "singletrack-operator", "singletrack-api"
_NO_FAULT = Case(scenario="link", place="", action="")


class Written(NamedTuple):
    """How many writes of statuses have arrived, and of how many no answer came."""

    arrived: int
    unanswered: int

    def __sub__(self, before: Written) -> Written:
        return Written(self.arrived - before.arrived, self.unanswered - before.unanswered)


class LinkedStage(ClusterStage):
    """A platform whose parts reach the API server through proxies."""

    def __init__(self, server: RedisServer, folder: Path, plane: ControlPlane) -> None:
        self.links: dict[str, FaultProxy] = {}
        self._folder = folder
        self._before = Written(0, 0)
        super().__init__(server, folder, plane)
        self.rest.patience_seconds = 30.0

    def settings_of_the_operator(self) -> dict[str, str]:
        return {}

    def kubeconfig(self, account: str) -> str:
        """One whose server is the proxy; the server's certificate names 127.0.0.1 on any port."""
        config = json.loads(Path(super().kubeconfig(account)).read_text())
        [cluster] = (each["cluster"] for each in config["clusters"])
        port = urlsplit(cluster["server"]).port
        assert port is not None
        link = self.links[account] = FaultProxy(port)
        link.__enter__()
        cluster["server"] = f"https://127.0.0.1:{link.port}"
        path = self._folder / f"kubeconfig-{account}"
        path.write_text(json.dumps(config))
        return str(path)

    @property
    def operators_link(self) -> FaultProxy:
        return self.links[OPERATOR]

    @property
    def apis_link(self) -> FaultProxy:
        return self.links[API]

    def begin(self) -> ClusterScene:
        """A story of its own on a platform that is whole."""
        self.parts.arm("")
        self.parts.until_ready()
        wait_until(lambda: self.complaints() == "", 60, "the operator to be ready")
        self._before = self._count_writes()
        story = Story(self.parts, self.rest, self.ledger, self.server.client())
        return self.scene(story, _NO_FAULT)

    def complaints(self) -> str:
        """What the operator's `/readyz` says is wrong; empty when it says that it is ready."""
        text = self._ask("/readyz")
        return "" if text == "ok" else text

    def written(self) -> Written:
        """The writes of statuses since the story began."""
        return self._count_writes() - self._before

    def mend(self) -> None:
        """Every link is sound again."""
        for link in self.links.values():
            link.heal()
        self.server.close_clients()

    def _count_writes(self) -> Written:
        """As the API server has counted what arrived, and the operator what was not answered."""
        text = self.plane.client.request("GET", "/metrics")
        arrived = _sum(text, "apiserver_request_total", resource="taskruns", subresource="status")
        name = "singletrack_kube_request_duration_seconds_count"
        lost = _sum(self._ask("/metrics"), name, verb="PATCH", code="none")
        return Written(arrived, lost)

    def _ask(self, path: str) -> str:
        port = re.findall(r"operator_serving.*port=(\d+)", self.parts.parts["operator"].log)[-1]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode()

    def stop(self) -> list[int]:
        try:
            return super().stop()
        finally:
            for link in self.links.values():
                link.__exit__()


def _sum(text: str, name: str, **labels: str) -> int:
    """The sum of a metric's series that have these labels."""
    total = 0.0
    for known, number in re.findall(rf"^{name}\{{(.*)\}} (\S+)", text, re.M):
        if labels.items() <= dict(re.findall(r'(\w+)="([^"]*)"', known)).items():
            total += float(number)
    return int(total)


@contextmanager
def set_up(folder: Path, programs: Binaries) -> Iterator[LinkedStage]:
    """A linked stage; nothing of it is left at the end, or that is an error."""
    with cluster.set_up(folder, programs, LinkedStage) as stage:
        assert isinstance(stage, LinkedStage)
        yield stage
