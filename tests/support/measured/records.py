"""What the ledger's records say that the counters have to be."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta

from support.measured.doors import outcome_of
from support.measured.tally import Series, Story, series

from singletrack.metrics.declarations import LEDGER
from singletrack.run import Run

_MILLISECOND = timedelta(milliseconds=1)
_BOUNDS = {metric.name: (*metric.buckets, math.inf) for metric in LEDGER if metric.buckets}

#: Why an attempt was followed by another one, a record does not keep.
SOME_CAUSE = "some"


def story(run: Run) -> Story:
    """What a record tells of its run."""
    outcome = outcome_of(run)
    retries = run.attempt - 1 if outcome else run.attempt
    return Story(
        task=run.spec.task,
        door=str(run.spec.door),
        outcome=outcome,
        reason=run.failure.reason if run.failure else "",
        starts=run.attempt,
        causes=(SOME_CAUSE,) * max(0, retries),
        handed_back=run.started_at is not None,
    )


def times(runs: Iterable[Run]) -> Counter[Series]:
    """The buckets of waits and durations, of runs whose code was started once, by one claim.

    Of others a record does not tell when the first start was, or how long each attempt took.
    """
    counts: Counter[Series] = Counter()
    for run in runs:
        if run.attempt != 1 or run.started_at is None or run.finished_at is None:
            continue
        task, result = run.spec.task, "ok" if outcome_of(run) == "succeeded" else "error"
        waited = (run.started_at - run.submitted_at) / _MILLISECOND
        lasted = (run.finished_at - run.started_at) / _MILLISECOND
        counts.update(_buckets("run_wait_seconds", waited, task=task))
        counts.update(_buckets("run_duration_seconds", lasted, task=task, result=result))
    return counts


def merged(counts: Mapping[Series, int]) -> Counter[Series]:
    """Retries by task alone, as the records have them."""
    found: Counter[Series] = Counter()
    for (name, labels), count in counts.items():
        said = dict(labels) | ({"cause": SOME_CAUSE} if name == "retries_total" else {})
        found[series(name, **said)] += count
    return found


def _buckets(name: str, milliseconds: float, **labels: str) -> list[Series]:
    return [
        series(f"{name}_bucket", le=f"{bound:g}", **labels)
        for bound in _BOUNDS[name]
        if milliseconds <= bound * 1000
    ]
