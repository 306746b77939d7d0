"""A platform, the TaskRuns it was given, and what is known of them: told, then judged."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, Protocol

from support.local_platform import BOUND_SECONDS
from support.taskruns import wish
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.custom_resource import manifest
from singletrack.errors import LedgerError
from singletrack.lifecycle import State
from singletrack.settings import LedgerSettings
from singletrack.testing.evidence import FinalRecord, History, LockState
from singletrack.testing.history import check
from singletrack.testing.task_log import read

RUNS = 3
SOON_SECONDS = 60
"""The part that was killed last may wait for its next start, and a message for the outbox."""
ENDS_SECONDS = 30 + RUNS * BOUND_SECONDS


class Platform(Protocol):
    """What a story is told on."""

    namespace: str
    redis_url: str
    task_log: Path

    def kubectl(self, *words: str, stdin: str = "") -> str:
        """What it prints."""
        ...

    def describe(self) -> str:
        """What helps to see why a run has not ended."""
        ...


class Story:
    """One platform and one story about it."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.names: list[str] = []
        self.ledger = RedisLedger.from_settings(LedgerSettings(redis_url=platform.redis_url))

    def create(self, *specs: dict[str, Any]) -> list[str]:
        """TaskRuns with these specifications, else a few that all want one lock."""
        usual = {"task": "count_to", "params": {"to": 20, "name": "kill"}}
        items = [wish(spec, "story-") for spec in specs or [usual] * RUNS]
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        created = self.platform.kubectl("create", "-o", "name", "-f", "-", stdin=given)
        names = [line.strip().rpartition("/")[2] for line in created.splitlines()]
        self.names += names
        return names

    def taskruns(self) -> dict[str, Any]:
        found = json.loads(self.platform.kubectl("get", "taskruns.singletrack.dev", "-o", "json"))
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
        log = self.platform.task_log
        return read(log) if log.exists() else []

    def wait_for_ends(self, names: list[str], seconds: float = ENDS_SECONDS) -> None:
        def open_ones() -> dict[str, str]:
            shown = self.taskruns()
            stands = {name: shown[name].get("status", {}) for name in names}
            return {
                name: f"{status.get('phase')}: {status.get('conditions')}"
                for name, status in stands.items()
                if "completionTime" not in status
            }

        try:
            wait_until(lambda: not open_ones(), seconds, "every TaskRun to have ended")
        except AssertionError as error:
            records = [self.record(self.taskruns()[name]["metadata"]["uid"]) for name in names]
            raise AssertionError(
                f"{error}\n{open_ones()}\n{records}\n{self.platform.describe()}"
            ) from error

    def phase(self, name: str) -> str:
        return str(self.taskruns()[name]["status"]["phase"])

    def judge(self) -> None:
        """Judge what happened by what the TaskRuns show; a record that is still there agrees."""
        shown = self.taskruns()
        records = [self._final(manifest.read(shown[name])) for name in self.names]
        keys = {record.lock for record in records}
        locks = [
            LockState(key=key, owner=self.ledger.execute(ops.GetLock(lock=key)).owner)
            for key in keys
        ]
        verdict = check(History(events=self.events(), records=records, locks=locks))
        assert verdict.holds, str(verdict)

    def _final(self, taskrun: manifest.TaskRun) -> FinalRecord:
        outcome = manifest.outcome(taskrun)
        assert outcome is not None, f"{taskrun.name} shows {taskrun.phase}"
        run = self.record(taskrun.uid)
        assert run is None or run.state is outcome.state, f"{taskrun.name}: {run}"
        lock = taskrun.status.get("lock") or {}
        return FinalRecord(
            run=taskrun.uid,
            lock=lock.get("key", f"{self.platform.namespace}/count/kill"),
            state=outcome.state,
            token=lock.get("fencingToken"),
            attempts=taskrun.attempt,
        )
