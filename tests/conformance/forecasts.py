"""Whether what was told before a submission is what then happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from singletrack import operations as ops
from singletrack.lifecycle import State
from singletrack.operations import Forecast, Submission
from singletrack.policies import Decision
from singletrack.run import Run, RunSpec

STATES = {
    Decision.START: {State.READY, State.CLAIMED},
    Decision.WAIT: {State.QUEUED},
    Decision.SUPERSEDE: {State.QUEUED},
    Decision.REPLACE: {State.QUEUED, State.READY},
    Decision.REJECT: {State.REJECTED},
    Decision.SKIP: {State.SKIPPED},
    Decision.JOIN: {State.JOINED},
}


class Executes(Protocol):
    def execute(self, operation: Any) -> Any: ...


def concerned(spec: RunSpec, ledger: Executes) -> dict[str, Run]:
    """The records of everybody at a run's lock: the holder and those who wait."""
    lock = ledger.execute(ops.GetLock(lock=spec.lock))
    ids = [*lock.waiting, *([lock.owner] if lock.owner else [])]
    return {run_id: ledger.execute(ops.GetRun(run_id=run_id)) for run_id in ids}


def came_true(
    forecast: Forecast,
    spec: RunSpec,
    before: Mapping[str, Run],
    done: Submission,
    ledger: Executes,
) -> None:
    """Compare a forecast with the submission right after it; `before` are those concerned."""
    assert forecast.verdict is done.verdict
    if not done.created:
        assert (forecast.decision, forecast.state) == (None, done.state)
        return
    assert forecast.decision is not None
    assert done.state in STATES[forecast.decision], (forecast, done)
    assert forecast.holder == done.holder, (forecast, done)
    run = ledger.execute(ops.GetRun(run_id=spec.run_id))
    assert (run.failure.reason if done.state is State.REJECTED else None) == forecast.refusal
    _waits_where_told(forecast, spec, done, ledger)
    _only_the_named_were_touched(forecast, before, ledger)


def _waits_where_told(
    forecast: Forecast, spec: RunSpec, done: Submission, ledger: Executes
) -> None:
    waiting = ledger.execute(ops.GetLock(lock=spec.lock)).waiting
    place = waiting.index(spec.run_id) + 1 if spec.run_id in waiting else None
    assert place == forecast.position, (forecast, done, waiting)


def _only_the_named_were_touched(
    forecast: Forecast, before: Mapping[str, Run], ledger: Executes
) -> None:
    after = {run_id: ledger.execute(ops.GetRun(run_id=run_id)) for run_id in before}
    touched = {run_id for run_id in before if after[run_id] != before[run_id]}
    assert touched == {victim.run_id for victim in forecast.victims}, (forecast, touched)
