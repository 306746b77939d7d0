"""TaskRuns whose time is over are deleted, each once, none too early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.waiting import wait_until_async

from singletrack.adapters.kubernetes.errors import Unavailable
from singletrack.admission import Defaults
from singletrack.custom_resource.manifest import TaskRun
from singletrack_operator.decide import deletion_time
from singletrack_operator.deleting import Deletions

START = datetime(2026, 10, 1, 12, tzinfo=UTC)
ONE = TaskRun(
    uid="u-1",
    name="a",
    namespace="ns",
    created_at=START,
    spec={"task": "t", "ttlSecondsAfterFinished": 60},
    status={"completionTime": "2026-10-01T12:00:00Z"},
)


class StoppedClock:
    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time

    def boottime(self) -> float:
        return 0.0


class Cluster:
    """The part of `TaskRuns` that is used here."""

    def __init__(self, *there: TaskRun, failures: int = 0) -> None:
        self.there = there
        self.failures = failures
        self.deleted: list[str] = []

    async def delete(self, namespace: str, name: str, uid: str) -> bool:
        if self.failures:
            self.failures -= 1
            raise Unavailable
        self.deleted.append(uid)
        return True

    async def select(self, selector: str) -> AsyncIterator[TaskRun]:
        assert selector == "status.completionTime!="
        for taskrun in self.there:
            yield taskrun


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


async def run_until(deletions: Deletions, cluster: Cluster, deleted: list[str]) -> None:
    running = asyncio.create_task(deletions.run(cluster))  # type: ignore[arg-type]
    await wait_until_async(lambda: cluster.deleted == deleted)
    running.cancel()


async def test_it_is_deleted_when_its_time_has_come(clock: StoppedClock) -> None:
    deletions, cluster = Deletions(clock), Cluster()
    deletions.schedule(START + timedelta(seconds=5), ONE)
    assert deletions._due() == []
    clock.time += timedelta(seconds=5)

    await run_until(deletions, cluster, ["u-1"])
    assert len(deletions) == 0


async def test_it_is_deleted_once_however_often_it_is_scheduled(clock: StoppedClock) -> None:
    deletions, cluster = Deletions(clock), Cluster()
    for seconds in (0, 0, 1):
        deletions.schedule(START + timedelta(seconds=seconds), ONE)
    clock.time += timedelta(seconds=2)

    await run_until(deletions, cluster, ["u-1"])


async def test_what_is_far_away_is_left_to_a_later_listing(clock: StoppedClock) -> None:
    deletions = Deletions(clock)
    deletions.schedule(START + timedelta(hours=3), ONE)

    assert len(deletions) == 0


async def test_a_failed_deletion_is_tried_again(clock: StoppedClock) -> None:
    deletions, cluster = Deletions(clock), Cluster(failures=1)
    deletions.schedule(START, ONE)
    running = asyncio.create_task(deletions.run(cluster))  # type: ignore[arg-type]
    await wait_until_async(lambda: cluster.failures == 0)
    running.cancel()
    clock.time += timedelta(minutes=2)

    await run_until(deletions, cluster, ["u-1"])


async def test_a_listing_finds_what_an_earlier_operator_left(clock: StoppedClock) -> None:
    other = replace(ONE, uid="u-2", spec={"task": "t"})
    deletions, cluster = Deletions(clock), Cluster(ONE, other)
    await deletions.refill(cluster, deletion_time, Defaults())  # type: ignore[arg-type]

    assert len(deletions) == 1  # the other one has a day
    clock.time += timedelta(seconds=61)
    await run_until(deletions, cluster, ["u-1"])
