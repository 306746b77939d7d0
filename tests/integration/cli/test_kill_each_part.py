"""Each part of a whole platform killed in mid-run, in turn; the checker judges what came of it.

`KILL_ROUNDS=20 pytest tests/integration/cli/test_kill_each_part.py` does it twenty times.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from integration.cli.up_process import StartUp, Up
from support.local_platform import FAST_LEASES, agent_of
from support.taskrun_story import Story

from singletrack.lifecycle import State
from singletrack_cli.controlplane.binaries import Binaries

ROUNDS = int(os.environ.get("KILL_ROUNDS", "1"))


VICTIMS: dict[str, Callable[[Up, int], int]] = {
    "child": lambda _up, child: child,
    "main": lambda up, _child: up.pid("worker"),
    "agent": lambda up, _child: agent_of(up.pid("worker")),
    "ledger": lambda up, _child: up.pid("valkey"),
    "operator": lambda up, _child: up.pid("operator"),
    "api": lambda up, _child: up.pid("api"),
}


@pytest.mark.kubernetes
@pytest.mark.timeout(120 + 300 * ROUNDS)
def test_whichever_part_is_killed_in_mid_run_every_run_ends_once(
    start_up: StartUp, programs: Binaries
) -> None:
    assets = str(programs.folder)
    up = start_up(
        "--kubernetes", KUBEBUILDER_ASSETS=assets, SINGLETRACK_TASK_LOG="tasks.log", **FAST_LEASES
    ).ready()
    story = Story(up)
    for _ in range(ROUNDS):
        for victim in VICTIMS.values():
            names = story.create()
            child = story.running(names)
            os.kill(victim(up, child), signal.SIGKILL)
            story.wait_for_ends(names)
    story.judge()
    lost = [run for run in map(story.record, _ids(story)) if run.state is State.LOST]
    assert len(lost) <= 3 * ROUNDS, "only the child, its main and its agent take a run with them"
    assert up.interrupt() == 0
    assert up.left_over() == []


def _ids(story: Story) -> list[str]:
    shown = story.taskruns()
    return [shown[name]["metadata"]["uid"] for name in story.names]
