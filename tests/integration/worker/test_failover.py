"""A failover to a replica that is behind, in the moment a run begins.

With `durability: strict` a begin the replica does not have is no begin: the code does not run. With
`relaxed` it runs, and when its worker dies with the primary, nobody remembers: it runs again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.local_platform import Platform, children_of, kill9, running
from support.redis_servers import VALKEY
from support.replicated import ReplicatedServer, replicated
from support.waiting import wait_until

from singletrack.lifecycle import State
from singletrack.testing.evidence import Kind

pytestmark = pytest.mark.redis

LONG = 60.0


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[ReplicatedServer]:
    with replicated(VALKEY, tmp_path / "pair") as found:
        yield found


@pytest.fixture
def replicated_platform(pair: ReplicatedServer, tmp_path: Path) -> Iterator[Platform]:
    server: Any = pair  # all that a platform needs of a server is its address
    with running(server, tmp_path) as found:
        yield found


def fail_over_while_a_run_begins(
    platform: Platform, pair: ReplicatedServer, durability: str
) -> str:
    """The run's message is on the replica, its begin is not; then primary and worker are gone."""
    run_id = platform.submit("count_to", {"to": 100, "name": "failover"})
    pair.wait_for_replica()
    pair.hold_replica_back()
    worker = platform.start_worker(
        1, SINGLETRACK_DURABILITY=durability, SINGLETRACK_DURABLE_WAIT_MS="500"
    )
    platform.wait_for(run_id, State.CLAIMED, State.RUNNING)
    if durability == "relaxed":
        platform.wait_for_begin(run_id)
    else:
        wait_until(lambda: "not confirmed" in platform.worker_log(), 30, "a begin to be refused")
        assert not platform.events(run_id), "its code has run, and no replica knows"
    for pid in (*children_of(worker.pid), worker.pid):
        kill9(pid)
    pair.fail_over()
    platform.start_worker(1)
    wait_until(platform.blessed, LONG, "the promoted server to be blessed")
    assert platform.wait_for_end(run_id, timeout=LONG).state is State.SUCCEEDED
    return run_id


def test_strict_starts_nothing_twice(replicated_platform: Platform, pair: ReplicatedServer) -> None:
    fail_over_while_a_run_begins(replicated_platform, pair, "strict")
    replicated_platform.assert_promise_held()


def test_relaxed_may_start_a_run_twice_and_the_checker_sees_it(
    replicated_platform: Platform, pair: ReplicatedServer
) -> None:
    fail_over_while_a_run_begins(replicated_platform, pair, "relaxed")
    assert Kind.SECOND_START in replicated_platform.judge().kinds


def test_work_that_survives_a_failover_is_adopted(
    replicated_platform: Platform, pair: ReplicatedServer
) -> None:
    """The worker lives on and tells the promoted server what it does not know."""
    platform = replicated_platform
    platform.start_worker(1)
    first = platform.submit("count_to", {"to": 10, "name": "failover"})
    platform.wait_for_end(first)
    second = platform.submit("count_to", {"to": 60, "name": "failover"})
    platform.wait_for_begin(second)
    pair.hold_replica_back()
    pair.fail_over()
    assert platform.wait_for_end(second, timeout=LONG).state is State.SUCCEEDED
    wait_until(platform.blessed, LONG, "the promoted server to be blessed")
    platform.assert_promise_held()
