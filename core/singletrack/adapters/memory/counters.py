"""The lifecycle counters, under the field names that `singletrack.metrics.exposing` renders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from singletrack.lifecycle import TERMINAL, VIEWS, State
from singletrack.metrics.counters import BUCKETS, FAILURES, REASONS, from_the_start
from singletrack.metrics.declarations import LABEL_CAPS, OTHER
from singletrack.run import Run, RunSpec


@dataclass(frozen=True, slots=True)
class Labels:
    """Under which names a run is counted, from its submission to its end."""

    task: str
    queue: str


class Counters:
    """Counts what happens to runs; a name that no worker has registered becomes `other`."""

    def __init__(self) -> None:
        self._values: Counter[str] = Counter()
        self._sums_ms: Counter[str] = Counter()
        self._known: dict[str, list[str]] = {kind: [] for kind in LABEL_CAPS}

    def register(self, tasks: Iterable[str], queues: Iterable[str]) -> None:
        """Know these by name, while there are not too many of them."""
        for kind, names in (("task", tasks), ("queue", queues)):
            for name in names:
                self._know(kind, name)

    def labels_of(self, spec: RunSpec) -> Labels:
        return Labels(self._label("task", spec.task), self._label("queue", spec.queue))

    def submitted(self, labels: Labels, door: str) -> None:
        self._values[f"runs_submitted_total|task={labels.task}|door={door}"] += 1

    def began(self, labels: Labels, waited_ms: int) -> None:
        self._observe("run_wait_seconds", f"|task={labels.task}", waited_ms)

    def executed(self, labels: Labels, end: State, took_ms: int) -> None:
        result = "ok" if end is State.SUCCEEDED else "error"
        self._observe("run_duration_seconds", f"|task={labels.task}|result={result}", took_ms)

    def finished(self, labels: Labels, run: Run) -> None:
        view = VIEWS[run.state]
        self._values[f"runs_finished_total|task={labels.task}|outcome={view.outcome}"] += 1
        if run.state in FAILURES:
            given = run.failure.reason if run.failure else OTHER
            reason = given if given in REASONS else OTHER
            self._values[f"run_failures_total|task={labels.task}|reason={reason}"] += 1

    def retried(self, labels: Labels, cause: str) -> None:
        self._values[f"retries_total|task={labels.task}|cause={cause}"] += 1

    def claim_refused(self) -> None:
        self._values["claims_refused_total"] += 1

    def lease_expired(self) -> None:
        self._values["leases_expired_total"] += 1

    def lock_released(self) -> None:
        self._values["locks_released_total"] += 1

    def read(self, alive: Iterable[tuple[Labels, State]]) -> dict[str, float]:
        """Everything counted, and how many of the given runs are alive."""
        sums = {field: ms / 1000 for field, ms in self._sums_ms.items() if ms}
        runs = Counter(
            f"runs|queue={labels.queue}|state={state}"
            for labels, state in alive
            if state not in TERMINAL
        )
        zeros = from_the_start(self._known["task"], self._known["queue"])
        return {**zeros, **self._values, **sums, **runs}

    def _know(self, kind: str, name: str) -> None:
        known = self._known[kind]
        if name in known:
            return
        if len(known) < LABEL_CAPS[kind]:
            known.append(name)
        else:
            self._values[f"label_values_refused_total|label={kind}"] += 1

    def _label(self, kind: str, name: str) -> str:
        return name if name in self._known[kind] else OTHER

    def _observe(self, name: str, labels: str, ms: int) -> None:
        bucket = next((f"{bound:g}" for bound in BUCKETS[name] if ms <= bound * 1000), "+Inf")
        self._values[f"{name}_bucket{labels}|le={bucket}"] += 1
        self._sums_ms[f"{name}_sum{labels}"] += ms
