"""The application in this process, on the ledger in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
import structlog
from fastapi import FastAPI

from singletrack.adapters.ledger_intake import CachedCatalogue, LedgerIntake
from singletrack.adapters.memory import AsyncMemoryLedger, MemoryLedger
from singletrack.catalogue import CatalogueEntry
from singletrack.lifecycle import State
from singletrack.operations import Operation, RegisterTasks, Submit
from singletrack.run import Run, RunSpec
from singletrack.settings import Settings
from singletrack_api.app import create_app
from singletrack_api.parts import Parts, defaults_of
from singletrack_api.settings import ApiSettings
from singletrack_api.waiting import RunWaiter

DUMMY_TASK = CatalogueEntry(
    name="dummy_task",
    parameters={
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "times": {"type": "integer"},
            "loud": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
            "data": {"type": "array"},
            "anything": {},
        },
        "additionalProperties": False,
    },
)


class ObservedLedger(AsyncMemoryLedger):
    """The ledger in memory; it remembers what it was asked, and answers otherwise when told to."""

    def __init__(self, memory: MemoryLedger) -> None:
        super().__init__(memory)
        self.asked: list[Operation[Any]] = []
        self.durable: list[Operation[Any]] = []
        self.answers: dict[type, Any] = {}
        """By the type of the operation: an answer, or an exception to raise."""

    async def execute(self, operation: Operation[Any]) -> Any:
        self.asked.append(operation)
        if type(operation) not in self.answers:
            return await super().execute(operation)
        answer = self.answers[type(operation)]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def execute_durably(self, operation: Operation[Any]) -> Any:
        self.durable.append(operation)
        return await self.execute(operation)

    @property
    def submitted(self) -> list[RunSpec]:
        return [operation.spec for operation in self.asked if isinstance(operation, Submit)]


class NoBroker:
    """Makes an envelope nobody reads."""

    in_ledger = True

    def envelope(self, spec: RunSpec) -> str:
        return f"envelope of {spec.run_id}"

    async def publish(self, runs: Sequence[Any]) -> None:
        raise NotImplementedError


@pytest.fixture
def make_run() -> Callable[..., Run]:
    """A run with given fields: `make_run(State.FAILED, spec={"task": "x"}, attempt=1)`."""

    def make(state: State = State.RUNNING, spec: Any = None, **fields: Any) -> Run:
        given = {"run_id": "r1", "task": "dummy_task", "lock": "default/default"} | (spec or {})
        now = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
        return Run(spec=RunSpec(**given), state=state, revision=3, submitted_at=now, **fields)

    return make


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
def api_settings() -> ApiSettings:
    return ApiSettings()


@pytest.fixture
def memory() -> MemoryLedger:
    """Where the runs are; a worker has registered one task."""
    memory = MemoryLedger()
    memory.execute(RegisterTasks(entries={DUMMY_TASK.name: DUMMY_TASK.to_json()}))
    return memory


@pytest.fixture
def ledger(memory: MemoryLedger) -> ObservedLedger:
    return ObservedLedger(memory)


@pytest.fixture
def app(ledger: ObservedLedger, settings: Settings, api_settings: ApiSettings) -> FastAPI:
    @asynccontextmanager
    async def assemble(settings: Settings, _api: ApiSettings) -> AsyncIterator[Parts]:
        catalogue = CachedCatalogue(ledger)
        yield Parts(
            settings=settings,
            ledger=ledger,
            intake=LedgerIntake(ledger, NoBroker(), catalogue, defaults_of(settings)),
            catalogue=catalogue,
            waiter=RunWaiter(ledger),
        )

    return create_app(settings, api_settings, assemble)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
    ):
        yield client


@pytest.fixture(autouse=True)
def log_lines() -> Iterator[list[Any]]:
    """What was logged, and nothing of it on the screen."""
    with structlog.testing.capture_logs() as lines:
        yield lines
