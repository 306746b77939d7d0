"""What the ledger counts, and what its counters are read as.

A field of the ledger's counters is `<metric>|label=value|…`; that of a histogram names one bucket
(`_bucket` and `le`, not cumulative) or the sum (`_sum`). An operation pays for each field it
changes, so the ledger writes as few as will do: durations are counted by the outcome of the run,
which makes one field of two, and sums are whole milliseconds. `read` gives them as declared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from singletrack.lifecycle import LEASED, LIVE, VIEWS, State
from singletrack.metrics.declarations import LEDGER

DOORS = ("kubectl", "rest", "producer")
OUTCOMES = tuple(view.outcome for view in VIEWS.values() if view.outcome)
REASONS = (
    *("TaskError", "Timeout", "SoftTimeout", "WorkerLost", "WorkerUnreachable", "OOMKilled"),
    *("Interrupted", "StartFailed", "EncodeError", "ResultTooLarge", "InvalidParams"),
)
#: Runs that workers have are not counted, but read off the leases.
WAITING = tuple(state for state in State if state in LIVE - LEASED)
FAILURES = tuple(state for state, view in VIEWS.items() if view.celery == "FAILURE")

BUCKETS = {metric.name: metric.buckets for metric in LEDGER if metric.buckets}

#: An attempt that another one follows, where the others say the outcome of their run.
RETRIED = "retried"

_DURATION = "run_duration_seconds"


def from_the_start(tasks: Iterable[str]) -> dict[str, float]:
    """What a task that is registered has at 0, so that `rate()` sees the first failure."""
    fields: dict[str, float] = {}
    for task in tasks:
        fields |= {f"runs_submitted_total|task={task}|door={door}": 0.0 for door in DOORS}
        fields |= {f"runs_finished_total|task={task}|outcome={end}": 0.0 for end in OUTCOMES}
    return fields


def read(stored: Mapping[str, str], labels: Iterable[str]) -> dict[str, float]:
    """The counters as they are declared, from those of the ledger and the names that are labels."""
    tasks = (label.removeprefix("task=") for label in labels if label.startswith("task="))
    found: Counter[str] = Counter()
    for field, text in stored.items():
        number = int(text)
        if field.startswith(f"{_DURATION}_bucket|"):
            _read_duration(found, field, number)
        elif number:
            found[field] += number
    fields = {
        field: number / 1000 if "_sum|" in field else float(number)
        for field, number in found.items()
    }
    return from_the_start(tasks) | fields


def _read_duration(found: Counter[str], field: str, number: int) -> None:
    head, _, tail = field.partition("|outcome=")
    outcome, _, bound = tail.partition("|le=")
    task = head.removeprefix(f"{_DURATION}_bucket|")
    result = "ok" if outcome == "succeeded" else "error"
    found[f"{head}|result={result}|le={bound}"] += number
    if outcome != RETRIED:
        found[f"runs_finished_total|{task}|outcome={outcome}"] += number
