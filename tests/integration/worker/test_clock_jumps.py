"""The clock of the ledger's server is set, by hours and in both directions, while runs execute."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support import server_clock
from support.local_platform import BOUND_SECONDS, Platform
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.policies import Policy

CLOCK = "how-wrong-the-clock-is"
HOUR = 3600 * 1_000_000


@pytest.fixture
def jump(platform: Platform) -> Callable[[int], None]:
    """Have the server's clock be wrong by so many microseconds."""
    client = platform.server.client()
    server_clock.set_apart(client, CLOCK)

    def to(micros: int) -> None:
        before = platform.ledger.execute(ops.ReadServer()).micros
        changed = micros - int(client.get(CLOCK) or 0)
        client.set(CLOCK, micros)
        after = platform.ledger.execute(ops.ReadServer()).micros
        assert abs(after - before - changed) < HOUR / 2, "the functions read the clock as it is set"

    return to


@pytest.mark.parametrize("first", [HOUR, -HOUR], ids=["forwards", "back"])
def test_no_lease_expires_and_nothing_starts_twice(
    platform: Platform, jump: Callable[[int], None], first: int
) -> None:
    platform.start_worker()
    running = platform.submit("count_to", {"to": round(BOUND_SECONDS * 20), "name": "a"})
    waiting = platform.submit("count_to", {"to": 1, "name": "a"}, policy=Policy.QUEUE)
    platform.wait_for_begin(running)
    before = platform.run(running)
    for micros in (first, -first, 24 * first, 0):
        jump(micros)
        renewed = platform.run(running).lease_seq
        wait_until(
            lambda: platform.run(running).lease_seq > renewed + 1,  # noqa: B023 - called here
            20,
            "the lease to be renewed",
        )
        assert platform.run(running).state is State.RUNNING
    run = platform.wait_for_end(running, timeout=60)
    assert (run.state, run.attempt, run.token) == (State.SUCCEEDED, 1, before.token)
    after = platform.wait_for_end(waiting, timeout=60)
    assert (after.state, after.attempt) == (State.SUCCEEDED, 1)
    assert after.token > run.token
    platform.assert_promise_held()


def test_a_token_grows_although_the_clock_goes_back(
    platform: Platform, jump: Callable[[int], None]
) -> None:
    platform.start_worker()
    jump(HOUR)
    first = platform.wait_for_end(platform.submit("count_to", {"to": 0, "name": "a"}))
    jump(-HOUR)
    second = platform.wait_for_end(platform.submit("count_to", {"to": 0, "name": "a"}))
    assert second.token > first.token
    assert [first.state, second.state] == [State.SUCCEEDED, State.SUCCEEDED]
    platform.assert_promise_held()
