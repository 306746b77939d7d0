"""The three doors of a platform, for runs whose stories are told here."""

from __future__ import annotations

import uuid
from typing import Any

from support.faults.cluster_scenarios import TASKRUNS
from support.faults.story import RUNS_PATH
from support.measured.stage import MeasuredStage
from support.messages import node_style
from support.taskruns import wish
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.errors import LedgerError
from singletrack.lifecycle import VIEWS
from singletrack.run import Run
from singletrack.testing.task_log import read

SOON = 60.0


class Doors:
    """Asks for runs by `rest`, `kubectl` and `producer`, and looks what has become of them."""

    def __init__(self, stage: MeasuredStage) -> None:
        self.stage = stage
        self.client = stage.server.client()

    def rest(self, task: str, params: dict[str, Any], **fields: Any) -> str:
        """Ask over REST, once whatever is lost on the way; the id of the run."""
        status, view = self.ask("POST", RUNS_PATH, {"task": task, "params": params, **fields})
        assert status in {200, 201}, (status, view)
        return str(view["id"])

    def kubectl(self, task: str, params: dict[str, Any], **spec: Any) -> str:
        """Create a TaskRun, as `kubectl create` does."""
        body = wish({"task": task, "params": params, **spec}, "measured-")
        made = self.stage.plane.client.request("POST", TASKRUNS, body)
        return str(made["metadata"]["uid"])

    def producer(self, task: str, params: dict[str, Any], run_id: str = "") -> str:
        """Send a message as a client in another language does."""
        run_id = run_id or str(uuid.uuid4())
        self.client.lpush("celery", node_style(task, params, run_id=run_id))
        return run_id

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return self.stage.rest.ask(method, path, body, uuid.uuid4().hex)

    # --- looking ----------------------------------------------------------------------------------

    def record(self, run_id: str) -> Run | None:
        """What the ledger knows of a run; dead parts are started again meanwhile."""
        self.stage.parts.tend()
        try:
            return self.stage.ledger.execute(ops.GetRun(run_id=run_id))
        except LedgerError:
            return None

    def until_known(self, run_id: str) -> Run:
        return wait_until(lambda: self.record(run_id), SOON, f"run {run_id} to be recorded")

    def until_begun(self, run_id: str) -> int:
        """The pid of the process that executes a run."""

        def pid() -> int | None:
            self.stage.parts.tend()
            log = self.stage.parts.task_log
            events = read(log) if log.exists() else []
            return next((event.pid for event in events if event.run == run_id), None)

        return wait_until(pid, SOON, f"run {run_id} to begin")

    def until_ended(self, run_id: str) -> Run:
        def ended() -> Run | None:
            run = self.record(run_id)
            return run if run is not None and run.terminal else None

        return wait_until(ended, SOON, f"run {run_id} to end")


def outcome_of(run: Run) -> str:
    """As a label says it; nothing while it lives."""
    return VIEWS[run.state].outcome or ""
