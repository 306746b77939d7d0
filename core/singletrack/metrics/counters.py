"""What the ledger counts, and what its counters are read as.

A field of the ledger's counters is `<metric>|label=value|…`; that of a histogram names one bucket
(`_bucket` and `le`, not cumulative) or the sum (`_sum`). Adding up pays for each field it changes,
so the ledger writes as few as will do: durations are counted by the outcome of the run, which makes
one field of two, and sums are whole milliseconds. `read` gives them as declared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

from singletrack.lifecycle import LIVE, VIEWS, State
from singletrack.metrics.declarations import LABEL_CAPS, LEDGER
from singletrack.retries import RetryCause
from singletrack.run import Door

DOORS = tuple(Door)
OUTCOMES = tuple(view.outcome for view in VIEWS.values() if view.outcome)
REASONS = (
    *("TaskError", "Timeout", "SoftTimeout", "WorkerLost", "WorkerUnreachable", "OOMKilled"),
    *("Interrupted", "StartFailed", "EncodeError", "ResultTooLarge", "InvalidParams"),
    *("ParamsTooLarge", "NotSupported", "SystemExit"),
)
#: Why another attempt follows; the last is the wish of the task's own code.
CAUSES = (*RetryCause, "Requested")
FAILURES = tuple(state for state, view in VIEWS.items() if view.celery == "FAILURE")

BUCKETS = {metric.name: metric.buckets for metric in LEDGER if metric.buckets}

#: An attempt that another one follows, where the others say the outcome of their run.
RETRIED = "retried"

_DURATION = "run_duration_seconds"


@lru_cache(maxsize=4)
def _zeros(tasks: tuple[str, ...], queues: tuple[str, ...]) -> dict[str, float]:
    return from_the_start(tasks, queues)


def from_the_start(tasks: Iterable[str], queues: Iterable[str]) -> dict[str, float]:
    """What is there at 0, so that `rate()` sees the first failure and no panel has a gap.

    Of a task that is registered not the reasons of failures: they are many, and few of them happen.
    """
    fields = {f"label_values_refused_total|label={kind}": 0.0 for kind in LABEL_CAPS}
    fields |= {f"paused|kind={kind}": 0.0 for kind in ("lock", "queue")}
    for task in tasks:
        fields |= {f"runs_submitted_total|task={task}|door={door}": 0.0 for door in DOORS}
        fields |= {f"runs_finished_total|task={task}|outcome={end}": 0.0 for end in OUTCOMES}
        fields |= {f"retries_total|task={task}|cause={cause}": 0.0 for cause in CAUSES}
        fields[f"run_wait_seconds_bucket|task={task}|le=+Inf"] = 0.0
        for result in ("ok", "error"):
            fields[f"{_DURATION}_bucket|task={task}|result={result}|le=+Inf"] = 0.0
    for queue in queues:
        fields |= {f"runs|queue={queue}|state={state}": 0.0 for state in State if state in LIVE}
        fields[f"longest_running_seconds|queue={queue}"] = 0.0
    return fields


def read(stored: Mapping[str, int], labels: Collection[str]) -> dict[str, float]:
    """The counters as they are declared, from those of the ledger and the names that are labels."""
    tasks, queues = (
        [label.removeprefix(kind) for label in labels if label.startswith(kind)]
        for kind in ("task=", "queue=")
    )
    found: dict[str, float] = defaultdict(float)
    for field, number in stored.items():
        if number:
            for declared, divisor in _declared(field):
                found[declared] += number / divisor
    return _zeros(tuple(tasks), tuple(queues)) | found


@lru_cache(maxsize=20_000)
def _declared(field: str) -> tuple[tuple[str, int], ...]:
    """In which declared fields a field of the ledger is counted, and how many make one there."""
    if "_sum|" in field:
        return ((field, 1000),)
    if not field.startswith(f"{_DURATION}_bucket|"):
        return ((field, 1),)
    head, _, tail = field.partition("|outcome=")
    outcome, _, bound = tail.partition("|le=")
    task = head.removeprefix(f"{_DURATION}_bucket|")
    result = "ok" if outcome == "succeeded" else "error"
    duration = (f"{head}|result={result}|le={bound}", 1)
    if outcome == RETRIED:
        return (duration,)
    return (duration, (f"runs_finished_total|{task}|outcome={outcome}", 1))
