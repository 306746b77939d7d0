"""A server that begins to evict while runs execute: nothing starts until it has ceased to."""

from __future__ import annotations

from support.local_platform import Platform
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.adapters.redis_ledger import Keys
from singletrack.lifecycle import State


def test_no_run_starts_on_a_server_that_evicts_and_those_that_run_go_on(platform: Platform) -> None:
    platform.start_worker()
    client = platform.server.client()
    running = platform.submit("count_to", {"to": 30, "name": "a"})
    platform.wait_for_begin(running)

    client.config_set("maxmemory-policy", "allkeys-lru")
    wait_until(lambda: not platform.blessed(), 20, "the blessing to be withdrawn")
    waiting = platform.submit("count_to", {"to": 1, "name": "b"})
    assert platform.wait_for_end(running).state is State.SUCCEEDED
    assert platform.run(waiting).state is State.READY

    client.config_set("maxmemory-policy", "noeviction")
    assert platform.wait_for_end(waiting, timeout=120).state is State.SUCCEEDED
    assert platform.ledger.execute(ops.ReadServer()).blessed
    platform.assert_promise_held()


def test_a_run_whose_record_was_evicted_takes_its_lock_back_before_another_starts(
    platform: Platform,
) -> None:
    platform.start_worker()
    client = platform.server.client()
    running = platform.submit("count_to", {"to": 80, "name": "a"})
    platform.wait_for_begin(running)

    client.config_set("maxmemory-policy", "allkeys-lru")
    wait_until(lambda: not platform.blessed(), 20, "the blessing to be withdrawn")
    # What an eviction does, of which a test cannot choose the victims.
    keys = Keys(platform.settings.ledger.key_prefix)
    client.delete(keys.run(running), keys.lock(platform.run(running).spec.lock))
    second = platform.submit("count_to", {"to": 1, "name": "a"})
    client.config_set("maxmemory-policy", "noeviction")

    assert platform.wait_for_end(second, timeout=120).state is State.SUCCEEDED
    assert platform.wait_for_end(running).state is State.SUCCEEDED
    platform.assert_promise_held()
