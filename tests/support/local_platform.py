"""A whole local platform for one test: server, upkeep, worker processes, and the checker's verdict.

The upkeep loops run in a thread of the test; workers are real processes with real agents.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.redis_servers import VALKEY, RedisServer
from support.redis_servers import running as running_server
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.adapters.celery_broker import CeleryBroker
from singletrack.adapters.redis_ledger import AsyncRedisLedger, RedisLedger
from singletrack.admission import Defaults, RunRequest, resolve
from singletrack.catalogue import CatalogueEntry
from singletrack.errors import LedgerError
from singletrack.failpoints import arming
from singletrack.lifecycle import State
from singletrack.run import Cancellation, Door, Run
from singletrack.settings import Settings
from singletrack.testing.evidence import FinalRecord, History, Limits, LockState, Verdict
from singletrack.testing.history import check
from singletrack.testing.task_log import read
from singletrack.upkeep import run_upkeep

ROOT = Path(__file__).resolve().parents[2]

#: The shipped ratios, ten times faster.
FAST_LEASES = {
    "SINGLETRACK_LEASE_SECONDS": "3",
    "SINGLETRACK_RENEW_SECONDS": "0.5",
    "SINGLETRACK_FENCE_SECONDS": "0.8",
    "SINGLETRACK_MARGIN_SECONDS": "0.5",
    "SINGLETRACK_BLESSING_GRACE_SECONDS": "4.5",
}

#: How long a lock may stay taken after everything about its run was killed: lease, margin, 2 s.
BOUND_SECONDS = 3 + 0.5 + 2

SOON = 60.0  # a worker that starts on a busy machine takes its time


class Platform:
    """The parts of one platform and what a test does with them."""

    def __init__(self, server: RedisServer, folder: Path, **environment: str) -> None:
        self.server = server
        self.folder = folder
        self.task_log = folder / "tasks.log"
        self.environment = {
            **FAST_LEASES,
            "REDIS_URL": server.url,
            "SINGLETRACK_TASK_LOG": str(self.task_log),
            "SINGLETRACK_DEMO_SECONDS": "0.3",
            **environment,
        }
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            self.settings = Settings()
        self.ledger = RedisLedger.from_settings(self.settings.ledger)
        self.broker = CeleryBroker.from_settings(self.settings)
        self.workers: list[subprocess.Popen[bytes]] = []
        self.submitted: list[str] = []
        self._stop_upkeep = threading.Event()
        self._upkeep = threading.Thread(target=self._run_upkeep, daemon=True)

    # --- parts ------------------------------------------------------------------------------------

    def start(self) -> None:
        self.ledger.prepare()
        self._upkeep.start()
        wait_until(self.blessed, SOON, "the ledger to be blessed")

    def blessed(self) -> bool:
        with contextlib.suppress(LedgerError):
            return self.ledger.execute(ops.ReadServer()).blessed
        return False

    def start_worker(
        self, slots: int = 2, *options: str, launcher: Sequence[str] = (), **environment: str
    ) -> subprocess.Popen[bytes]:
        """A worker process; returns once its tasks are in the catalogue and it consumes.

        `launcher` is a command that ends by executing its arguments.
        """
        number = len(self.workers)
        command = [*launcher, sys.executable, "-m", "singletrack_worker", "-c", str(slots)]
        with (self.folder / f"worker-{number}.log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "-n", f"w{number}@test", *options],
                env=start_environment(self, **environment),
                stdout=log,
                stderr=log,
            )
        self.workers.append(process)
        wait_until(
            lambda: process.poll() is not None or b" ready." in self._log(number), 90.0, "a worker"
        )
        assert process.poll() is None, self._log(number).decode()
        return process

    def worker_log(self, number: int = 0) -> str:
        return self._log(number).decode(errors="replace")

    def _log(self, number: int) -> bytes:
        return (self.folder / f"worker-{number}.log").read_bytes()

    def stop(self) -> None:
        for process in self.workers:
            _end(process)
        self._stop_upkeep.set()
        self._upkeep.join(10)
        assert not self._upkeep.is_alive(), "the upkeep loops did not end"
        self.ledger.close()

    def _run_upkeep(self) -> None:
        async def until_stopped() -> None:
            ledger = AsyncRedisLedger.from_settings(self.settings.ledger)
            task = asyncio.create_task(run_upkeep(ledger, self.broker, self.settings))
            await asyncio.to_thread(self._stop_upkeep.wait)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await ledger.close()

        asyncio.run(until_stopped())

    # --- doors ------------------------------------------------------------------------------------

    def submit(self, task: str, params: dict[str, Any] | None = None, **changes: Any) -> str:
        """Submit as the REST door would, and answer the run's id."""
        said = {"run_id": str(uuid.uuid4()), "door": Door.REST} | changes
        request = RunRequest(task=task, params=params or {}, **said)
        found = self.ledger.execute(ops.ListTasks()).get(task)
        entry = CatalogueEntry.from_json(found) if found else None
        spec = resolve(request, entry, Defaults())
        spec = _with_envelope(spec, self.broker.envelope(spec))
        self.ledger.execute(ops.Submit(spec=spec, push=self.broker.in_ledger))
        self.submitted.append(spec.run_id)
        return spec.run_id

    def cancel(self, run_id: str, grace_seconds: float = 1.0) -> None:
        asked = Cancellation(by="test", reason="because", grace_seconds=grace_seconds)
        self.ledger.execute(ops.Cancel(run_id=run_id, cancellation=asked))

    def end_what_runs(self) -> None:
        """Cancel every run that has not ended, and wait for its end."""
        alive = [
            run.run_id
            for run in self.ledger.execute(ops.ListRuns(namespace="default"))
            if run.state in LIVE_NAMES
        ]
        for run_id in alive:
            self.cancel(run_id)
        for run_id in alive:
            self.wait_for_end(run_id)

    def failing(self, entry: str) -> dict[str, str]:
        """The variables that arm a failpoint in a worker: `start_worker(**platform.failing(…))`."""
        return {arming.LIST: entry, arming.PURPOSE: "tests", arming.FOLDER: str(self.folder)}

    # --- looking ----------------------------------------------------------------------------------

    def run(self, run_id: str) -> Run:
        found = self.ledger.execute(ops.GetRun(run_id=run_id))
        assert found is not None, f"there is no record of {run_id}"
        return found

    def wait_for(self, run_id: str, *states: State, timeout: float = SOON) -> Run:
        def there() -> Run | None:
            with contextlib.suppress(LedgerError):
                run = self.run(run_id)
                return run if run.state in states else None
            return None

        return wait_until(there, timeout, f"run {run_id} to be {' or '.join(states)}")

    def wait_for_end(self, run_id: str, timeout: float = SOON) -> Run:
        return self.wait_for(run_id, *(s for s in State if s not in LIVE_NAMES), timeout=timeout)

    def events(self, run_id: str) -> list[Any]:
        events = read(self.task_log) if self.task_log.exists() else []
        return [event for event in events if event.run == run_id]

    def wait_for_begin(self, run_id: str) -> int:
        """The pid of the process that executes a run."""
        events = wait_until(lambda: self.events(run_id), SOON, f"run {run_id} to begin")
        return int(events[0].pid)

    def assert_promise_held(self, limits: Limits | None = None) -> None:
        verdict = self.judge(limits)
        assert verdict.holds, str(verdict)

    def judge(self, limits: Limits | None = None) -> Verdict:
        """What the checker says of everything that happened."""
        records = [self._final(self.run(run_id)) for run_id in self.submitted]
        keys = {record.lock for record in records}
        locks = [
            LockState(key=key, owner=self.ledger.execute(ops.GetLock(lock=key)).owner)
            for key in keys
        ]
        events = read(self.task_log) if self.task_log.exists() else []
        known = set(self.submitted)
        events = [event for event in events if event.run in known]
        return check(History(events=events, records=records, locks=locks), limits)

    @staticmethod
    def _final(run: Run) -> FinalRecord:
        return FinalRecord(
            run=run.run_id,
            lock=run.spec.lock,
            state=run.state,
            token=run.token or None,
            attempts=run.attempt,
        )


LIVE_NAMES = {State.QUEUED, State.READY, State.CLAIMED, State.RUNNING}


def start_environment(platform: Platform, **environment: str) -> dict[str, str]:
    """What a worker process of this platform is started with."""
    return {**os.environ, **platform.environment, "PYTHONPATH": _path(), **environment}


def with_tasks(folder: Path, module: str, text: str) -> dict[str, str]:
    """Write a module of tasks into a folder; answers the variables of a process that has it."""
    (folder / f"{module}.py").write_text(text)
    return {"SINGLETRACK_TASKS": module, "PYTHONPATH": _path(folder)}


def _path(*more: Path) -> str:
    return os.pathsep.join(map(str, (ROOT / "core", ROOT / "worker", *more)))


def _with_envelope(spec: Any, envelope: str) -> Any:
    from dataclasses import replace

    return replace(spec, envelope=envelope)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a worker at once; its agent ends everything below it, then itself."""
    below = children_of(process.pid)
    process.kill()
    process.wait(10)
    wait_until(lambda: not any(alive(pid) for pid in below), SOON, "the worker's processes to end")


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def kill9(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def children_of(pid: int) -> list[int]:
    """The direct children of a process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                found.append(int(folder.name))
    return found


def agent_of(worker_pid: int) -> int:
    """The pid of a worker's lease agent."""

    def command(pid: int) -> str:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode()
        return ""

    found = [pid for pid in children_of(worker_pid) if "singletrack_worker.agent" in command(pid)]
    assert len(found) == 1, found
    return found[0]


@contextlib.contextmanager
def running(server: RedisServer, folder: Path, **environment: str) -> Iterator[Platform]:
    """A platform without workers; start them as the test needs."""
    found = Platform(server, folder, **environment)
    try:
        found.start()
        yield found
    finally:
        found.stop()


@pytest.fixture
def own_platform(fresh_valkey: RedisServer, tmp_path: Path) -> Iterator[Platform]:
    """On a Valkey of its own, without a worker."""
    with running(fresh_valkey, tmp_path) as found:
        yield found


@pytest.fixture
def platform(own_platform: Platform) -> Platform:
    """The test's own; a module whose tests can share one overrides it with `shared_platform`."""
    return own_platform


@pytest.fixture(scope="module")
def worker_environment() -> dict[str, str]:
    """What the worker of `standing` is told; a module may override it."""
    return {}


@pytest.fixture(scope="module")
def standing(
    worker_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """One with a worker of two slots, for all tests of a module."""
    folder = tmp_path_factory.mktemp("standing")
    with running_server(VALKEY, folder) as server, running(server, folder) as found:
        found.start_worker(**worker_environment)
        yield found


@pytest.fixture
def shared_platform(standing: Platform) -> Iterator[Platform]:
    """The module's, on which nothing runs; what runs at a test's end is cancelled."""
    standing.submitted.clear()
    yield standing
    standing.end_what_runs()
    assert standing.workers[0].poll() is None, standing.worker_log()
