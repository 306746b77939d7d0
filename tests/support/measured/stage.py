"""A whole platform whose pages of metrics stay at the same addresses, whatever part is killed."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.faults import cluster
from support.faults.cluster import ClusterStage
from support.faults.stage import WORKERS
from support.local_platform import ROOT, agent_of, children_of, kill9
from support.prometheus.server import Target
from support.redis_servers import RedisServer, free_port
from support.waiting import wait_until

from singletrack_cli.controlplane.binaries import Binaries
from singletrack_cli.controlplane.server import ControlPlane

#: What discovery in a cluster would say of every target.
NAMESPACE = "singletrack"

_TASKS = "singletrack_worker.demo_tasks,support.measured.tasks"
_PATHS = ("core", "worker", "tests")


class MeasuredStage(ClusterStage):
    """API, operator and two workers over a real API server, each with a page of metrics."""

    def __init__(self, server: RedisServer, folder: Path, plane: ControlPlane) -> None:
        names = ["api", "operator", *(f"worker-{number}" for number in range(WORKERS))]
        self.ports = {name: free_port() for name in names}
        super().__init__(server, folder, plane)

    def settings_of_the_api(self) -> dict[str, str]:
        return {**super().settings_of_the_api(), "SINGLETRACK_API_PORT": str(self.ports["api"])}

    def settings_of_the_operator(self) -> dict[str, str]:
        port = {"SINGLETRACK_OPERATOR_PORT": str(self.ports["operator"])}
        return {**super().settings_of_the_operator(), **port}

    def words_of_a_worker(self, number: int) -> Sequence[str]:
        """Two slots; the children of the second worker are replaced now and then."""
        return ("-c", "2", "--max-tasks-per-child", "5") if number else ("-c", "2")

    def settings_of_a_worker(self, number: int) -> dict[str, str]:
        return {
            "SINGLETRACK_WORKER_METRICS_PORT": str(self.ports[f"worker-{number}"]),
            "SINGLETRACK_TASKS": _TASKS,
            "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in _PATHS),
        }

    @property
    def targets(self) -> list[Target]:
        """Every page, as Prometheus is told of it."""
        return [
            Target(f"127.0.0.1:{port}", f"{NAMESPACE}-{_component(name)}", {"namespace": NAMESPACE})
            for name, port in self.ports.items()
        ]

    def page(self, part: str) -> str:
        """The text of one page."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[part]}/metrics") as answer:
            return answer.read().decode()

    def restart(self, part: str) -> None:
        """Kill a part at once, and wait for its next life."""
        self.parts.parts[part].kill()
        self.parts.until_ready()

    # --- victims ----------------------------------------------------------------------------------

    def worker_of(self, child: int) -> str:
        """The name of the worker whose child a process is."""
        parts = self.parts.parts
        return next(
            n for n in parts if n.startswith("worker") and child in children_of(self.pid(n))
        )

    def pid(self, part: str) -> int:
        return self.parts.parts[part].pid

    def agent(self, worker: str) -> int:
        """The pid of its lease agent, as soon as there is one: it may just be replaced."""

        def there() -> int:
            self.parts.tend()
            return agent_of(self.pid(worker))

        return wait_until(there, 30, f"{worker} to have an agent")

    def obliterate(self, worker: str) -> None:
        """Kill a worker and its agent so that neither sees the other die."""
        agent = self.agent(worker)
        os.kill(agent, signal.SIGSTOP)
        self.parts.parts[worker].kill()
        kill9(agent)


def _component(part: str) -> str:
    return part.partition("-")[0]


@contextmanager
def set_up(folder: Path, programs: Binaries) -> Iterator[MeasuredStage]:
    """The platform, every part of it ready."""
    with cluster.set_up(folder, programs, MeasuredStage) as stage:
        assert isinstance(stage, MeasuredStage)
        stage.until_ready()
        yield stage
