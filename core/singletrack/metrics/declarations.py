"""The declarations: `docs/reference/metrics.md` is written from them, everything else obeys them.

A name is `<noun>[_<unit>][_total]` in base units. Each label has few values, all known from the
configuration: never a run, a TaskRun, a lock, a Pod, a user or a text (ADR 0006).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PREFIX = "singletrack_"

#: What a label says of values that are not among those it may have.
OTHER = "other"


class Kind(StrEnum):
    """What Prometheus calls the type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name without the prefix, what it says, and of what."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    """The base unit, or nothing for plain numbers."""
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, in its unit."""

    @property
    def full_name(self) -> str:
        """As Prometheus stores it; of a histogram the part before `_bucket`, `_sum`, `_count`."""
        return f"{PREFIX}{self.name}"


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, Kind.COUNTER, text, labels)


def _gauge(name: str, text: str, *labels: str, unit: str = "") -> Metric:
    return Metric(name, Kind.GAUGE, text, labels, unit)


def _seconds(name: str, text: str, *labels: str, buckets: tuple[float, ...]) -> Metric:
    return Metric(name, Kind.HISTOGRAM, text, labels, "seconds", buckets)


#: How many names of a kind become values of a label; those that come later are `other`.
LABEL_CAPS = {"task": 200, "queue": 50}

LABELS = {
    "task": "A registered task's name; `other` for one that no worker has registered.",
    "queue": "A broker queue that workers have said they take messages from; else `other`.",
    "door": "Where the run came in: `kubectl`, `rest` or `producer`.",
    "state": "The run's state in the ledger: `QUEUED`, `READY`, `CLAIMED` or `RUNNING`.",
    "outcome": "How the run ended.",
    "result": "`ok` or `error`.",
    "cause": "Why another attempt follows.",
    "reason": "One word for why, as in `status.reason` of a TaskRun.",
    "kind": "What it is about: see the description.",
    "label": "`task` or `queue`.",
    "method": "The HTTP method.",
    "route": "The route's template, never a path; `unmatched` for none.",
    "code": "The answer's status: its class at the API, the number itself from the API server.",
    "verb": "The HTTP method, or `WATCH`.",
    "resource": "What was asked for of the API server.",
    "phase": "`status.phase` as it was written.",
    "loop": "Which loop.",
    "component": "`api`, `operator` or `worker`.",
    "version": "The version that is installed.",
    "python": "The version of Python.",
}

_RUN_WAIT = (0.1, 1, 5, 30, 300, 1800)
_RUN_DURATION = (0.1, 1, 5, 30, 60, 300, 1800)
_REQUEST = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 5)

#: Counted in the ledger, exposed by one exporter.
LEDGER = (
    _counter("runs_submitted_total", "Runs recorded.", "task", "door"),
    _counter("runs_finished_total", "Runs that reached an end.", "task", "outcome"),
    _counter(
        "run_failures_total",
        "Runs that ended `failed`, `timed_out` or `lost`, by the reason they give.",
        *("task", "reason"),
    ),
    _counter("retries_total", "Attempts that another one follows.", "task", "cause"),
    _seconds(
        "run_wait_seconds",
        "From the submission of a run to the first start of its code.",
        "task",
        buckets=_RUN_WAIT,
    ),
    _seconds(
        "run_duration_seconds",
        "How long an attempt's code was executed.",
        *("task", "result"),
        buckets=_RUN_DURATION,
    ),
    _gauge("runs", "Runs that are alive now.", "queue", "state"),
    _gauge(
        "longest_running_seconds",
        "For how long the run that was started first of those that are executed now has been.",
        "queue",
        unit="seconds",
    ),
    _gauge("runs_kept", "Runs that have ended and are not forgotten yet."),
    _gauge("runs_unprojected", "Runs whose TaskRun does not show their latest change yet."),
    _counter("claims_refused_total", "Messages that came twice or too late: starts prevented."),
    _counter("leases_expired_total", "Leases that ended without a word from their worker."),
    _gauge("locks_suspect", "Locks held for a worker that is not heard of (`onLost: Hold`)."),
    _counter("locks_released_total", "Suspect locks released by a human."),
    _gauge("paused", "What is paused now; `kind` is `lock` or `queue`.", "kind"),
    _gauge("ledger_up", "1 if the ledger answered this scrape."),
    _gauge("ledger_blessed", "1 if the ledger is complete, so that runs may be started."),
    _counter(
        "label_values_refused_total",
        "Names that were registered and did not become a label's value: there are too many.",
        "label",
    ),
)

#: What every component says of itself.
COMMON = (
    _gauge("build_info", "1, and what is installed as labels.", "component", "version", "python"),
)

API = (
    _seconds(
        "http_request_duration_seconds",
        "From the first byte of a request to the last of its answer.",
        *("method", "route", "code"),
        buckets=_REQUEST,
    ),
    _gauge("http_requests_in_flight", "Requests that are being answered now."),
    _counter("http_requests_limited_total", "Requests refused since their caller sent too many."),
)

OPERATOR = (
    _seconds(
        "operator_reconcile_duration_seconds",
        "How long one look at one TaskRun took, writes included.",
        "result",
        buckets=_REQUEST,
    ),
    _seconds(
        "operator_status_lag_seconds",
        "From the change of a run in the ledger to the status that shows it.",
        buckets=_REQUEST,
    ),
    _seconds(
        "kube_request_duration_seconds",
        "Requests to the API server: until the answer began; `code` is `none` without one.",
        *("verb", "resource", "code"),
        buckets=_REQUEST,
    ),
    _counter("operator_status_writes_total", "Statuses written, by the phase they show.", "phase"),
    _counter("operator_watch_restarts_total", "How often a failed watch was started again."),
    _counter(
        "operator_resync_found_total",
        "TaskRuns the watch had missed, found by comparing everything; `kind` is `new` or `gone`.",
        "kind",
    ),
    _gauge(
        "loop_last_success_timestamp_seconds",
        "When a loop last did its work; some do upkeep of the ledger, some follow TaskRuns.",
        "loop",
        unit="seconds",
    ),
    _gauge("operator_objects", "TaskRuns that have not ended."),
    _gauge("operator_queue_depth", "TaskRuns to be looked at."),
)

WORKER = (
    _gauge("worker_slots", "Runs this worker can execute at once."),
    _gauge("worker_slots_busy", "Runs this worker executes now."),
    _gauge("worker_consumes", "1 for each queue this worker takes messages from.", "queue"),
    _counter(
        "worker_child_exits_total",
        "Pool children that ended; `kind` is `recycled`, `signal` or `error`.",
        "kind",
    ),
    _counter("worker_agent_restarts_total", "Lease agents that died and were replaced."),
    _gauge(
        "worker_heartbeat_timestamp_seconds",
        "When the worker's main loop last came round.",
        unit="seconds",
    ),
)

EVERY = (*LEDGER, *COMMON, *API, *OPERATOR, *WORKER)
