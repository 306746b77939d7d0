"""What the operator's probes are answered."""

from __future__ import annotations

import time

import pytest

from singletrack_operator.health import Health
from singletrack_operator.workqueue import WorkQueue


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
async def health(clock: list[float]) -> Health:
    """Of an operator that does its work."""
    found = Health(WorkQueue())
    found.served = True
    found.watched = lambda: True
    found.succeeded("resync")
    assert found.ready() == []
    return found


async def test_an_api_server_that_is_silent_is_told_of_until_it_answers(
    health: Health, clock: list[float]
) -> None:
    clock[0] += 19
    health._beaten_at = clock[0]
    assert health.ready() == []
    clock[0] += 2
    assert health.ready() == ["the API server has not answered for 21 s"]
    health.answered()
    assert health.ready() == []


async def test_a_silent_api_server_is_no_reason_to_start_the_process_again(
    health: Health, clock: list[float]
) -> None:
    clock[0] += 26 * 60
    health._beaten_at = clock[0]
    health.tried("resync")
    assert health.ready() == [
        "the TaskRuns and the ledger could not be compared for too long",
        "the API server has not answered for 1560 s",
    ]
    assert health.alive() == []


async def test_who_hears_of_no_changes_is_not_ready(health: Health) -> None:
    health.watched = lambda: False
    assert health.ready() == ["the TaskRuns are not watched, so changes of them are seen late"]
    assert health.alive() == []


async def test_a_comparison_that_never_ends_is_one(health: Health, clock: list[float]) -> None:
    clock[0] += 26 * 60
    health._beaten_at = clock[0]
    assert health.alive() == ["the comparison hangs"]
