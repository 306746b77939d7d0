"""A server that ceases to sync first while workers run, and begins to again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.local_platform import Platform, running
from support.messages import node_style
from support.redis_servers import VALKEY, RedisServer
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.policies import Policy

pytestmark = pytest.mark.redis


@pytest.fixture
def platform(fresh_redis_server: RedisServer, tmp_path: Path) -> Iterator[Platform]:
    """One on each kind of server."""
    with running(fresh_redis_server, tmp_path) as found:
        yield found


def noted(platform: Platform) -> str:
    return platform.ledger.execute(ops.ReadServer()).fsync


def count(platform: Platform, to: int = 1) -> str:
    return platform.submit("count_to", {"to": to, "name": "a"}, policy=Policy.QUEUE)


def test_starts_wait_for_the_disk_or_do_not_happen_until_it_syncs_first_again(
    platform: Platform,
) -> None:
    platform.start_worker(1)
    client = platform.server.client()
    assert platform.wait_for_end(count(platform)).state is State.SUCCEEDED

    client.config_set("appendfsync", "everysec")
    wait_until(lambda: noted(platform) == "everysec", 20, "the change to be noted")
    if platform.server.kind == VALKEY:
        _each_start_waits(platform)
    else:
        _nothing_starts(platform)
    client.config_set("appendfsync", "always")
    wait_until(lambda: noted(platform) == "always", 20, "the repair to be noted")

    for run_id in [*platform.submitted, count(platform)]:
        assert platform.wait_for_end(run_id, 60).state is State.SUCCEEDED
    platform.assert_promise_held()


def refused_runs(platform: Platform) -> set[str]:
    """Which runs the worker did not start because the server could forget it."""
    lines = platform.worker_log().splitlines()
    refusals = [line for line in lines if "could forget that a run has started" in line]
    return set(re.findall(r"run=([0-9a-f-]{36})", "\n".join(refusals)))


def _each_start_waits(platform: Platform) -> None:
    def waited() -> bool:
        platform.wait_for_end(count(platform))
        return "cmdstat_waitaof" in platform.server.client().info("commandstats")

    wait_until(waited, 30, "a start to be confirmed by WAITAOF")


def _nothing_starts(platform: Platform) -> None:
    """The worker looks at the server every ten seconds; what it lets start until then is over."""

    def refused() -> set[str]:
        count(platform)
        return refused_runs(platform)

    for run_id in wait_until(refused, 40, "a start to be refused"):
        assert platform.run(run_id).state is State.READY
        assert not platform.events(run_id)


def test_a_producers_message_is_kept_while_nothing_may_start(platform: Platform) -> None:
    platform.start_worker(1)
    client = platform.server.client()
    client.config_set("appendonly", "no")

    sent: list[str] = []

    def refused() -> bool:
        sent.append(f"00000000-0000-4000-8000-{len(sent):012}")
        client.lpush("celery", node_style("count_to", {"to": 1, "name": "p"}, run_id=sent[-1]))
        return bool(refused_runs(platform))

    wait_until(refused, 40, "a start to be refused")
    client.config_set("appendonly", "yes")
    platform.submitted += sent
    for run_id in sent:
        assert platform.wait_for_end(run_id, 60).state is State.SUCCEEDED
    platform.assert_promise_held()


def test_after_a_flush_the_worker_goes_on_as_soon_as_the_note_is_back(platform: Platform) -> None:
    platform.start_worker(1)
    assert platform.wait_for_end(count(platform)).state is State.SUCCEEDED
    platform.submitted.clear()
    platform.server.client().flushall()

    wait_until(lambda: noted(platform) == "always", 20, "the note to be back")
    wait_until(lambda: platform.ledger.execute(ops.ListTasks()), 30, "the tasks to be back")
    assert platform.wait_for_end(count(platform), 60).state is State.SUCCEEDED
    platform.assert_promise_held()
