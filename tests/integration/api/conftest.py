"""The API as a process of its own on a real Valkey, and a stand-in for the worker."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from support.redis_servers import VALKEY, RedisServer, SharedServers
from support.waiting import InVain, wait_until

from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.catalogue import CatalogueEntry
from singletrack.lifecycle import State
from singletrack.operations import Begin, Claim, Finish, GetRun, RegisterTasks, Verdict
from singletrack.run import Failure, Outcome, Run
from singletrack.settings import LedgerSettings

SOON = 60.0

TASKS = (
    CatalogueEntry(
        name="dummy_task",
        parameters={
            "type": "object",
            "properties": {"name": {"type": "string"}, "times": {"type": "integer"}},
            "additionalProperties": False,
        },
    ),
    CatalogueEntry(
        name="build_report",
        parameters={
            "type": "object",
            "properties": {"month": {"type": "string"}},
            "required": ["month"],
            "additionalProperties": False,
        },
        lock="reports/{month}",
    ),
)


class ApiProcess:
    """`python -m singletrack_api`, and a client for it."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._log = folder / f"api-{uuid.uuid4().hex[:6]}.log"
        self._log.touch()
        with self._log.open("w") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "singletrack_api"],
                env=environment,
                stderr=output,
                stdout=output,
            )
        self.http = httpx2.Client(timeout=20)

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_for_address(self) -> None:
        """Wait for the line that says where it listens, and let the client go there."""

        def address() -> str | None:
            if self._process.poll() is not None:
                raise InVain(f"the API has ended:\n{self.log}")
            found = re.search(r"api_listening.* url=(http://\S+)", self.log)
            return found and found[1]

        self.http.base_url = wait_until(address, SOON, "the API to listen")

    def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.exit_code()

    def exit_code(self) -> int:
        return self._process.wait(SOON)

    def close(self) -> None:
        self.http.close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(SOON)


class StandIn:
    """Does to the ledger what a worker does, one step at a time."""

    def __init__(self, ledger: RedisLedger) -> None:
        self.ledger = ledger

    def register(self) -> None:
        entries = {entry.name: entry.to_json() for entry in TASKS}
        self.ledger.execute(RegisterTasks(entries=entries))

    def begin(self, run_id: str) -> str:
        """Claim the run and start its code; answers the claim's nonce."""
        nonce = uuid.uuid4().hex
        claim = Claim(run_id=run_id, nonce=nonce, worker="stand-in")
        wait_until(lambda: self.ledger.execute(claim).verdict is Verdict.OK, what="the claim")
        assert self.ledger.execute(Begin(run_id=run_id, nonce=nonce)).verdict is Verdict.OK
        return nonce

    def finish(self, run_id: str, nonce: str, result: str = "null") -> None:
        self._end(run_id, nonce, Outcome(state=State.SUCCEEDED, result=result))

    def fail(self, run_id: str, nonce: str, traceback: str) -> None:
        failure = Failure(reason="TaskError", message="no", traceback=traceback)
        self._end(run_id, nonce, Outcome(state=State.FAILED, failure=failure))

    def run(self, run_id: str) -> Run:
        found = self.ledger.execute(GetRun(run_id=run_id))
        assert found is not None
        return found

    def _end(self, run_id: str, nonce: str, outcome: Outcome) -> None:
        answer = self.ledger.execute(Finish(run_id=run_id, nonce=nonce, outcome=outcome))
        assert answer.verdict is Verdict.OK


@pytest.fixture(scope="session")
def prefix() -> str:
    """The keys of the API that all tests share."""
    return f"api{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def environment_for(
    prefix: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., dict[str, str]]:
    """The environment of an API process on a server; more settings as keywords."""
    bytecode = tmp_path_factory.mktemp("bytecode")

    def make(server_url: str, **settings: Any) -> dict[str, str]:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PYTHONPYCACHEPREFIX": str(bytecode),  # the second process starts in half the time
            "REDIS_URL": server_url,
            "SINGLETRACK_KEY_PREFIX": prefix,
            "SINGLETRACK_DEFAULT_QUEUE": f"queue-{prefix}",
            "SINGLETRACK_API_PORT": "0",
            "SINGLETRACK_INTAKE": "ledger",  # even where the tests run in a pod
            **{f"SINGLETRACK_{name.upper()}": str(value) for name, value in settings.items()},
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        return environment

    return make


@pytest.fixture
def start_api(
    tmp_path: Path, environment_for: Callable[..., dict[str, str]]
) -> Iterator[Callable[..., ApiProcess]]:
    """Start an API process on a server; `serving=False` to watch it fail."""
    with ExitStack() as stack:

        def start(server_url: str, *, serving: bool = True, **settings: Any) -> ApiProcess:
            process = ApiProcess(tmp_path, environment_for(server_url, **settings))
            stack.callback(process.close)
            if serving:
                process.wait_for_address()
            return process

        yield start


@pytest.fixture
def worker(valkey: RedisServer, prefix: str) -> Iterator[StandIn]:
    """A stand-in for a worker on the session's Valkey, where no run is left from other tests."""
    settings = LedgerSettings(redis_url=valkey.url, key_prefix=prefix)
    ledger = RedisLedger.from_settings(settings)
    try:
        ledger.prepare()
        _forget_runs(valkey, prefix)
        worker = StandIn(ledger)
        worker.register()
        yield worker
    finally:
        ledger.close()


@pytest.fixture(scope="session")
def shared_api(
    shared_servers: SharedServers,
    environment_for: Callable[..., dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ApiProcess]:
    url = shared_servers.get(VALKEY).url
    process = ApiProcess(tmp_path_factory.mktemp("api"), environment_for(url))
    try:
        process.wait_for_address()
        yield process
    finally:
        process.close()


@pytest.fixture
def api(shared_api: ApiProcess, worker: StandIn) -> httpx2.Client:
    """A client of an API on the session's Valkey, where a worker has registered its tasks."""
    assert worker.ledger
    wait_until(lambda: shared_api.http.get("/readyz").status_code == 200, what="readiness")
    return shared_api.http


def _forget_runs(server: RedisServer, prefix: str) -> None:
    client = server.client()
    keys = set(client.scan_iter(f"{{{prefix}}}:*", count=1000))
    keys -= {f"{{{prefix}}}:{name}" for name in ("meta", "tasks")}
    client.delete(f"queue-{prefix}", *keys)
