from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from integration.worker.agent.harness import Worker


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Starts a worker; it and everything it has started is gone after the test."""
    workers: list[Worker] = []

    def start(*, guarded: bool = False) -> Worker:
        folder = tmp_path / str(len(workers))
        folder.mkdir()
        workers.append(Worker(folder, guarded=guarded))
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()


@pytest.fixture
def worker(start_worker: Callable[..., Worker]) -> Worker:
    return start_worker()
