"""FLUSHALL at random moments, with TaskRuns: every run ends once, none starts twice.

`FLUSH_ROUNDS=50 pytest tests/integration/cli/test_flush_in_mid_run.py` does it fifty times;
`FLUSH_SEED` chooses the moments.
"""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from typing import Any

import pytest
import redis
from integration.cli.up_process import StartUp
from support.local_platform import FAST_LEASES
from support.taskrun_story import Story

from singletrack_cli.controlplane.binaries import Binaries

ROUNDS = int(os.environ.get("FLUSH_ROUNDS", "2"))
SEED = int(os.environ.get("FLUSH_SEED", "1"))

#: From before the first is submitted until most of them are over.
LATEST_SECONDS = 3.0


def a_round(chance: random.Random, number: int) -> list[dict[str, Any]]:
    """Short and long runs, on one lock and on several."""

    def count(to: int, name: str) -> dict[str, Any]:
        params = {"to": to, "name": name, "seconds": 0.05}
        return {"task": "count_to", "params": params, "lock": {"policy": "Queue"}}

    shared = [count(chance.choice([1, 5, 20]), "shared") for _ in range(3)]
    apart = [count(chance.choice([1, 10, 40]), f"apart-{number}-{i}") for i in range(2)]
    instant = {"task": "add", "params": {"x": 1, "y": number}}
    return [*shared, *apart, instant]


@pytest.mark.kubernetes
@pytest.mark.timeout(180 + 90 * ROUNDS)
def test_a_ledger_flushed_in_mid_run_starts_nothing_twice(
    start_up: StartUp, programs: Binaries
) -> None:
    up = start_up(
        "--kubernetes",
        KUBEBUILDER_ASSETS=str(programs.folder),
        SINGLETRACK_TASK_LOG="tasks.log",
        **FAST_LEASES,
    ).ready()
    story, chance = Story(up), random.Random(SEED)
    with redis.Redis.from_url(up.state["redis"]) as server:
        for number in range(ROUNDS):
            flush = threading.Timer(chance.uniform(0.0, LATEST_SECONDS), server.flushall)
            flush.start()
            names = story.create(*a_round(chance, number))
            flush.join()
            story.wait_for_ends(names)
            story.judge()
    ends = Counter(story.phase(name) for name in story.names)
    assert ends.keys() <= {"Succeeded", "Lost"}, f"nobody asked for such an end: {ends}"
    assert ends["Lost"] <= ROUNDS // 10, f"a flush takes no run with it, but: {ends}"
    assert up.interrupt() == 0
    assert up.left_over() == []
