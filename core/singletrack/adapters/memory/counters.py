"""The lifecycle counters, under the field names that `singletrack.metrics` renders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from singletrack.lifecycle import TERMINAL, VIEWS, State
from singletrack.metrics.exposing import HISTOGRAMS

_BUCKETS = {histogram.name: histogram.buckets for histogram in HISTOGRAMS}


class Counters:
    """Counts what happens to runs; a task name no worker has registered becomes `other`."""

    def __init__(self) -> None:
        self._values: Counter[str] = Counter()
        self._sums: dict[str, float] = {}
        self._tasks: set[str] = set()

    def register(self, tasks: Iterable[str]) -> None:
        """Know these tasks by name; each outcome's counter starts at 0."""
        for task in tasks:
            self._tasks.add(task)
            for view in VIEWS.values():
                if view.outcome:
                    self._values[f"runs_finished_total|task={task}|outcome={view.outcome}"] += 0

    def submitted(self, task: str, door: str) -> None:
        self._values[f"runs_submitted_total|task={self._label(task)}|door={door}"] += 1

    def began(self, task: str, waited_ms: int) -> None:
        self._observe("run_wait_seconds", f"|task={self._label(task)}", waited_ms)

    def executed(self, task: str, end: State, took_ms: int) -> None:
        result = "ok" if end is State.SUCCEEDED else "error"
        labels = f"|task={self._label(task)}|result={result}"
        self._observe("run_duration_seconds", labels, took_ms)

    def finished(self, task: str, end: State) -> None:
        outcome = VIEWS[end].outcome
        self._values[f"runs_finished_total|task={self._label(task)}|outcome={outcome}"] += 1

    def retried(self, task: str, cause: str) -> None:
        self._values[f"retries_total|task={self._label(task)}|cause={cause}"] += 1

    def claim_refused(self) -> None:
        self._values["claims_refused_total"] += 1

    def lease_expired(self) -> None:
        self._values["leases_expired_total"] += 1

    def lock_released(self) -> None:
        self._values["locks_released_total"] += 1

    def read(self, states: Iterable[State]) -> dict[str, float]:
        """Everything counted, and how many of the runs given by their states are alive."""
        alive = Counter(f"runs|state={state}" for state in states if state not in TERMINAL)
        return {**self._values, **self._sums, **alive}

    def _label(self, task: str) -> str:
        return task if task in self._tasks else "other"

    def _observe(self, name: str, labels: str, ms: int) -> None:
        seconds = ms / 1000
        bucket = next((bound for bound in _BUCKETS[name] if seconds <= bound), None)
        if bucket is not None:
            self._values[f"{name}_bucket{labels}|le={bucket:g}"] += 1
        self._values[f"{name}_count{labels}"] += 1
        self._sums[f"{name}_sum{labels}"] = self._sums.get(f"{name}_sum{labels}", 0.0) + seconds
