"""Each part of a whole platform killed in mid-run, in turn; the checker judges what came of it.

`KILL_ROUNDS=20 pytest tests/integration/cli/test_kill_each_part.py` does it twenty times.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from integration.cli.up_process import StartUp, Up
from support.local_platform import BOUND_SECONDS, FAST_LEASES, agent_of
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.errors import LedgerError
from singletrack.lifecycle import TERMINAL, VIEWS, State
from singletrack.settings import LedgerSettings
from singletrack.testing.evidence import FinalRecord, History, LockState
from singletrack.testing.history import check
from singletrack.testing.task_log import read
from singletrack_cli.controlplane.binaries import Binaries

ROUNDS = int(os.environ.get("KILL_ROUNDS", "1"))
RUNS = 3
LOCK = "default/count/kill"
SOON_SECONDS = 60
"""The part that was killed last may wait for its next start, and a message for the outbox."""


class Story:
    """A platform, the TaskRuns it was given, and what is known of them."""

    def __init__(self, up: Up) -> None:
        self.up = up
        self.names: list[str] = []
        self.ledger = RedisLedger.from_settings(LedgerSettings(redis_url=up.state["redis"]))

    def kubectl(self, *words: str, given: str = "") -> str:
        done = subprocess.run(
            [self.up.state["kubectl"], *words],
            env={**os.environ, "KUBECONFIG": self.up.state["kubeconfig"]},
            input=given,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def create(self) -> list[str]:
        """A few TaskRuns that all want one lock."""
        manifest = json.dumps(
            {
                "apiVersion": "singletrack.dev/v1alpha1",
                "kind": "TaskRun",
                "metadata": {"generateName": "kill-"},
                "spec": {"task": "count_to", "params": {"to": 20, "name": "kill"}},
            }
        )
        created = [
            self.kubectl("create", "-o", "name", "-f", "-", given=manifest) for _ in range(RUNS)
        ]
        names = [line.strip().rpartition("/")[2] for line in created]
        self.names += names
        return names

    def taskruns(self) -> dict[str, Any]:
        found = json.loads(self.kubectl("get", "taskruns.singletrack.dev", "-o", "json"))
        return {item["metadata"]["name"]: item for item in found["items"]}

    def record(self, run_id: str) -> Any:
        with contextlib.suppress(LedgerError):
            return self.ledger.execute(ops.GetRun(run_id=run_id))
        return None

    def running(self, names: list[str]) -> int:
        """The pid of the process that executes one of these."""
        shown = self.taskruns()
        ids = {shown[name]["metadata"]["uid"] for name in names}

        def pid() -> int | None:
            for run_id in ids:
                record = self.record(run_id)
                events = [event for event in self.events() if event.run == run_id]
                if record and record.state is State.RUNNING and events:
                    return int(events[0].pid)
            return None

        return int(wait_until(pid, SOON_SECONDS, "a run to be executed"))

    def events(self) -> list[Any]:
        log = self.up.folder / "tasks.log"
        return read(log) if log.exists() else []

    def wait_for_ends(self, names: list[str]) -> None:
        def ended() -> bool:
            shown = self.taskruns()
            return all("completionTime" in shown[name].get("status", {}) for name in names)

        wait_until(ended, 30 + RUNS * BOUND_SECONDS, "every TaskRun to have ended")

    def judge(self) -> None:
        shown = self.taskruns()
        records = []
        for name in self.names:
            run = self.record(shown[name]["metadata"]["uid"])
            assert run.state in TERMINAL
            assert shown[name]["status"]["phase"] == VIEWS[run.state].phase
            records.append(
                FinalRecord(
                    run=run.run_id,
                    lock=run.spec.lock,
                    state=run.state,
                    token=run.token or None,
                    attempts=run.attempt,
                )
            )
        owner = self.ledger.execute(ops.GetLock(lock=LOCK)).owner
        locks = [LockState(key=LOCK, owner=owner)]
        verdict = check(History(events=self.events(), records=records, locks=locks))
        assert verdict.holds, str(verdict)


VICTIMS: dict[str, Callable[[Story, int], int]] = {
    "child": lambda _story, child: child,
    "main": lambda story, _child: story.up.pid("worker"),
    "agent": lambda story, _child: agent_of(story.up.pid("worker")),
    "ledger": lambda story, _child: story.up.pid("valkey"),
    "operator": lambda story, _child: story.up.pid("operator"),
    "api": lambda story, _child: story.up.pid("api"),
}


@pytest.mark.kubernetes
@pytest.mark.timeout(120 + 300 * ROUNDS)
def test_whichever_part_is_killed_in_mid_run_every_run_ends_once(
    start_up: StartUp, programs: Binaries
) -> None:
    assets = str(programs.folder)
    up = start_up(
        "--kubernetes", KUBEBUILDER_ASSETS=assets, SINGLETRACK_TASK_LOG="tasks.log", **FAST_LEASES
    ).ready()
    story = Story(up)
    for _ in range(ROUNDS):
        for victim in VICTIMS.values():
            names = story.create()
            child = story.running(names)
            os.kill(victim(story, child), signal.SIGKILL)
            story.wait_for_ends(names)
    story.judge()
    lost = [run for run in map(story.record, _ids(story)) if run.state is State.LOST]
    assert len(lost) <= 3 * ROUNDS, "only the child, its main and its agent take a run with them"
    assert up.interrupt() == 0
    assert up.left_over() == []


def _ids(story: Story) -> list[str]:
    shown = story.taskruns()
    return [shown[name]["metadata"]["uid"] for name in story.names]
