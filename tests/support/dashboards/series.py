"""What a query may name: each series with its labels, their values, its unit and its kind.

It is derived from the declarations, so a metric that is renamed there makes the panels that name it
wrong in the next test run.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from singletrack.lifecycle import LIVE, VIEWS, Phase
from singletrack.metrics.declarations import EVERY, LABEL_CAPS, LEDGER, Kind, Metric
from singletrack.retries import RetryCause
from singletrack.run import Door

#: What Prometheus puts on everything that it scrapes, by itself or from the Pod.
TARGET_LABELS = frozenset({"namespace", "pod", "job", "instance"})

SECONDS, BYTES, TIMESTAMP, COUNT = "seconds", "bytes", "timestamp", "count"

#: Labels whose values are all known, wherever they are.
_VALUES: dict[str, frozenset[str]] = {
    "door": frozenset(Door),
    "state": frozenset(LIVE),
    "outcome": frozenset(view.outcome for view in VIEWS.values() if view.outcome),
    "result": frozenset({"ok", "error"}),
    "cause": frozenset(RetryCause),
    "phase": frozenset(Phase),
    "label": frozenset(LABEL_CAPS),
    "loop": frozenset({"project", "resync", "upkeep"}),
    "component": frozenset({"api", "operator", "worker"}),
}
#: Those of a label that means another thing for each metric.
_VALUES_OF = {
    ("paused", "kind"): frozenset({"lock", "queue"}),
    ("operator_resync_found_total", "kind"): frozenset({"new", "gone"}),
    ("worker_child_exits_total", "kind"): frozenset({"recycled", "signal", "error"}),
    ("http_request_duration_seconds", "code"): frozenset(f"{digit}xx" for digit in range(1, 6)),
}


@dataclass(frozen=True, slots=True)
class Series:
    """One name as Prometheus stores it."""

    name: str
    counter: bool
    """It only grows, so a panel shows its rate or its increase."""
    unit: str = COUNT
    labels: frozenset[str] | None = frozenset()
    """Its own, without those of the target; None if it may have any."""
    values: dict[str, frozenset[str]] = field(default_factory=dict)
    """Of the labels whose values are all known."""
    of_ledger: bool = False
    """The same number from each target that shows it."""
    observed_unit: str = ""
    """Of the buckets of a histogram: the unit of what fell into them."""


def _of(metric: Metric) -> list[Series]:
    values = {
        label: known
        for label in metric.labels
        if (known := _VALUES_OF.get((metric.name, label), _VALUES.get(label)))
    }

    def made(suffix: str, unit: str, *more: str, observed: str = "") -> Series:
        return Series(
            name=f"{metric.full_name}{suffix}",
            counter=metric.kind is not Kind.GAUGE,
            unit=unit,
            labels=frozenset((*metric.labels, *more)),
            values=values,
            of_ledger=metric in LEDGER,
            observed_unit=observed,
        )

    if metric.kind is Kind.HISTOGRAM:
        buckets = made("_bucket", COUNT, "le", observed=metric.unit)
        return [buckets, made("_sum", metric.unit), made("_count", COUNT)]
    if metric.name.endswith("_timestamp_seconds"):
        return [made("", TIMESTAMP)]
    return [made("", metric.unit or COUNT)]


#: What every client library shows, and what Prometheus makes itself.
_STANDARD = (
    Series("process_cpu_seconds_total", counter=True, unit=SECONDS),
    Series("process_resident_memory_bytes", counter=False, unit=BYTES),
    Series("process_virtual_memory_bytes", counter=False, unit=BYTES),
    Series("process_start_time_seconds", counter=False, unit=TIMESTAMP),
    Series("process_open_fds", counter=False),
    Series("process_max_fds", counter=False),
    Series("up", counter=False),
    Series("ALERTS", counter=False, labels=None),
)

KNOWN = {each.name: each for each in (*_STANDARD, *(s for m in EVERY for s in _of(m)))}
