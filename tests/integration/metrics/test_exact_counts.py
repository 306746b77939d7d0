"""The counters are the history of the runs, whatever was killed, before and after restarts.

`METRICS_RUNS=2000 METRICS_KILLS=50 pytest tests/integration/metrics/test_exact_counts.py` is the
large one, which takes a quarter of an hour; `METRICS_SEED` repeats a failed one.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from support import control_plane
from support.measured import records, tally
from support.measured.rampage import Rampage
from support.measured.stage import MeasuredStage, set_up
from support.waiting import wait_until

from singletrack import operations as ops
from singletrack.lifecycle import VIEWS
from singletrack.run import Run
from singletrack.testing.evidence import FinalRecord, History, Limits, LockState
from singletrack.testing.history import check
from singletrack.testing.task_log import read

RUNS = int(os.environ.get("METRICS_RUNS", "120"))
KILLS = int(os.environ.get("METRICS_KILLS", "4"))

#: Tasks whose runs are tried once: of them a record tells how long they waited and lasted.
TRIED_ONCE = {"add", "fail", "not_json", "exit_early", "vanish"}
TIMES = ("run_wait_seconds_bucket", "run_duration_seconds_bucket")
MOST_ATTEMPTS = 4

OUTCOMES = {view.outcome for view in VIEWS.values() if view.outcome}


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    given = os.environ.get("METRICS_SEED")
    return int(given or request.config.getoption("randomly_seed", 1))


@pytest.mark.kubernetes
@pytest.mark.redis
@pytest.mark.timeout(180 + RUNS + 20 * KILLS)
def test_the_counters_are_the_history_however_workers_die(tmp_path: Path, seed: int) -> None:
    with set_up(tmp_path / "stage", control_plane.programs()) as stage:
        rampage = Rampage(stage, Random(seed))
        rampage.run(RUNS, KILLS)
        told = f"METRICS_SEED={seed}, killed: {rampage.killed}"
        wait_until(lambda: exact(stage, rampage), 30, f"exact counters; {told}")
        for part in ("operator", "api", "worker-0"):
            stage.restart(part)
            assert off(stage, rampage) == [], f"{part} was restarted; {told}"
        found = rampage.records()
        assert {VIEWS[run.state].outcome for run in found.values()} == OUTCOMES
        assert len(rampage.killed) == KILLS
        assert_promise_held(stage, found)


def exact(stage: MeasuredStage, rampage: Rampage) -> bool:
    assert off(stage, rampage) == []
    return True


def off(stage: MeasuredStage, rampage: Rampage) -> list[str]:
    """Every number that is not what the records say, and what was asked for."""
    found = rampage.records()
    page = stage.page("operator")
    runs = list(found.values())
    expected = tally.of_stories(map(records.story, runs))
    shown = records.merged(tally.of_page(page))
    tasks = TRIED_ONCE - rampage.tasks_claimed_again()
    once = [run for run in runs if run.spec.task in tasks]
    kept = Counter({tally.series("runs_kept"): len(runs)})
    return [
        *tally.differences(expected, shown),
        *tally.differences(records.times(once), _of(tasks, tally.of_page(page, TIMES))),
        *tally.differences(kept, tally.of_page(page, ("runs_kept", "runs", "locks_suspect"))),
        *(
            f"{run_id} is {run.spec.task} by {run.spec.door}, not as was asked"
            for run_id, run in found.items()
            if (run.spec.task, str(run.spec.door))
            != (rampage.asked[run_id].task, rampage.asked[run_id].door)
        ),
    ]


def _of(tasks: set[str], counts: Counter[tally.Series]) -> Counter[tally.Series]:
    found = {each: count for each, count in counts.items() if dict(each[1])["task"] in tasks}
    return Counter(found)


def assert_promise_held(stage: MeasuredStage, found: dict[str, Run]) -> None:
    """The history checker's word on the same runs."""
    finals = [
        FinalRecord(
            run=run_id,
            lock=run.spec.lock,
            state=run.state,
            token=run.token or None,
            attempts=run.attempt,
            logged=run.spec.task != "vanish",
        )
        for run_id, run in found.items()
    ]
    locks = [
        LockState(key=key, owner=stage.ledger.execute(ops.GetLock(lock=key)).owner)
        for key in {final.lock for final in finals}
    ]
    events = read(stage.parts.task_log)
    verdict = check(
        History(events=events, records=finals, locks=locks), Limits(max_attempts=MOST_ATTEMPTS)
    )
    assert verdict.holds, str(verdict)
