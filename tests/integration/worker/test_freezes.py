"""A whole worker frozen for longer than its lease: what `onLost` makes of its lock.

With Hold nothing ever overlaps; with Release a process that wakes up may, for a moment, until its
agent has killed it. `FREEZE_ROUNDS=300` freezes that often in each mode; `FREEZE_SEED` chooses for
how long.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from support.local_platform import BOUND_SECONDS, Platform, children_of, kill9
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.locks import OnLost
from singletrack.policies import Policy
from singletrack.run import Run
from singletrack.testing.evidence import Limits

ROUNDS = int(os.environ.get("FREEZE_ROUNDS", "2"))
SEED = int(os.environ.get("FREEZE_SEED", "1"))
LEASE_SECONDS = 3.0
OVERLAP_MS = 250.0


@contextmanager
def frozen(worker: subprocess.Popen[bytes]) -> Iterator[None]:
    """Everything of a worker stands still: main, its children, its agent."""
    everybody = [worker.pid, *children_of(worker.pid)]
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(everybody):
            os.kill(pid, signal.SIGCONT)


def submit(platform: Platform, on_lost: OnLost, to: int = 400) -> str:
    params = {"to": to, "name": "frozen", "seconds": 0.05}
    return platform.submit("count_to", params, policy=Policy.QUEUE, on_lost=on_lost)


def holder(platform: Platform) -> str:
    owner = platform.ledger.execute(ops.GetLock(lock="default/count/frozen")).owner
    assert owner
    return owner


@pytest.mark.timeout(120 + 60 * ROUNDS)
def test_with_hold_nothing_overlaps_however_long_a_worker_is_frozen(platform: Platform) -> None:
    chance = random.Random(SEED)
    workers = [platform.start_worker(slots=1) for _ in range(2)]
    for _ in range(ROUNDS):
        first = submit(platform, OnLost.HOLD)
        platform.wait_for_begin(first)
        second = submit(platform, OnLost.HOLD, to=5)
        victim = workers[int(platform.run(first).worker[1])]
        with frozen(victim):
            wait_for_suspicion(platform, first)
            seconds = chance.uniform(0.0, LEASE_SECONDS)
            assert not wait_for_start(platform, second, seconds), "the lock moved on"
            assert holder(platform) == first
        assert platform.wait_for_end(first, timeout=BOUND_SECONDS).state is State.LOST
        assert platform.wait_for_end(second).state is State.SUCCEEDED
    platform.assert_promise_held()


@pytest.mark.timeout(120 + 60 * ROUNDS)
def test_with_release_a_frozen_worker_overlaps_for_a_moment_after_it_wakes(
    platform: Platform,
) -> None:
    chance = random.Random(SEED)
    workers = [platform.start_worker(slots=1) for _ in range(2)]
    for _ in range(ROUNDS):
        first = submit(platform, OnLost.RELEASE)
        platform.wait_for_begin(first)
        second = submit(platform, OnLost.RELEASE, to=60)
        victim = workers[int(platform.run(first).worker[1])]
        with frozen(victim):
            assert platform.wait_for_end(first, timeout=3 * LEASE_SECONDS).state is State.LOST
            platform.wait_for_begin(second)
            wait_for_start(platform, "nobody", chance.uniform(0.0, 1.0))
        assert platform.wait_for_end(second).state is State.SUCCEEDED
    frozen_for = Limits(grace_ms=OVERLAP_MS, frozen_ms=1000 * LEASE_SECONDS * 0.9)
    platform.assert_promise_held(frozen_for)


@pytest.mark.parametrize("part", ["child", "main", "agent"])
def test_a_single_part_that_freezes_makes_nothing_overlap(platform: Platform, part: str) -> None:
    worker = platform.start_worker(slots=1)
    first = submit(platform, OnLost.RELEASE, to=100)
    child = platform.wait_for_begin(first)
    agent = next(pid for pid in children_of(worker.pid) if pid != child)
    victim = {"child": child, "main": worker.pid, "agent": agent}[part]
    second = submit(platform, OnLost.RELEASE, to=5)
    os.kill(victim, signal.SIGSTOP)
    wait_for_start(platform, "nobody", 1.5 * LEASE_SECONDS)
    with suppress(ProcessLookupError):  # main kills an agent that does not answer
        os.kill(victim, signal.SIGCONT)
    for run_id in (first, second):
        platform.wait_for_end(run_id, timeout=60)
    platform.assert_promise_held()


def test_a_suspect_lock_moves_on_when_a_human_releases_it(platform: Platform) -> None:
    worker = platform.start_worker(slots=1)
    first = submit(platform, OnLost.HOLD)
    platform.wait_for_begin(first)
    second = submit(platform, OnLost.HOLD, to=5)
    for pid in (worker.pid, *children_of(worker.pid)):
        os.kill(pid, signal.SIGSTOP)
    run = wait_for_suspicion(platform, first)
    for pid in (*children_of(worker.pid), worker.pid):
        kill9(pid)  # the rack loses its power, and a human knows
    release = ops.ReleaseLock(
        lock=run.spec.lock, by="alice", reason="the rack has no power", token=run.token
    )
    assert platform.ledger.execute(release).run_id == first
    platform.start_worker(slots=1)
    assert platform.wait_for_end(second).state is State.SUCCEEDED
    assert platform.run(first).state is State.LOST
    platform.assert_promise_held()


def wait_for_suspicion(platform: Platform, run_id: str) -> Run:
    def suspect() -> Run | None:
        run = platform.run(run_id)
        return run if run.suspect else None

    return wait_until(suspect, 3 * LEASE_SECONDS, "the suspicion")


def wait_for_start(platform: Platform, run_id: str, seconds: float) -> bool:
    """Whether a run starts within this time; the time is spent in any case where it does not."""
    try:
        wait_until(lambda: platform.events(run_id), seconds, "a start")
    except AssertionError:
        return False
    return True
