"""Operator and API: how the doors and the loops behind them are."""

from __future__ import annotations

from collections.abc import Sequence

from support.dashboards.boards import Board, Row
from support.dashboards.expressions import (
    age,
    ledger,
    ledger_growth,
    own,
    own_rate,
    per_minute,
    quantile,
    ratio,
    standard,
    total,
)
from support.dashboards.panels import FAIR, GOOD, WHOLE, Column, Panel, Words, lines, stat, table

SHARES = (0.5, 0.95, 0.99)


def board() -> Board:
    """Where one looks when statuses are late, or callers complain."""
    return Board(
        uid="singletrack-operator-and-api",
        title="Singletrack / Operator and API",
        description="How fast and how well the API answers, and the operator keeps up.",
        rows=[
            Row("API", [*_requests(), _routes()], width=12),
            Row("Operator: statuses of TaskRuns", _statuses(), height=11),
            Row("Operator: looks at TaskRuns", _looks()),
            Row("Operator: loops and watches", _loops(), height=9),
            Row(
                "The API server, as the operator and the API see it",
                _kubernetes(),
                widths=(10, 7, 7),
            ),
            Row("Processes and labels", _processes()),
        ],
    )


def _requests() -> Sequence[Panel]:
    buckets = own_rate("http_request_duration_seconds_bucket")
    return [
        lines(
            Words("Requests, by class of answer", "Requests that were answered, by the second."),
            "reqps",
            {"{{code}}": total(own_rate("http_request_duration_seconds_count"), "code")},
            stacked=True,
        ),
        lines(
            Words(
                "Time to answer",
                "From the first byte of a request to the last of its answer: what half, 95 % and "
                "99 % took at most.",
            ),
            "s",
            {f"p{100 * share:g}": quantile(share, buckets) for share in SHARES},
        ),
        lines(
            Words("Share of answers that are errors of ours", "Answers of the class 5xx."),
            "percentunit",
            {
                "5xx": ratio(
                    total(own_rate("http_request_duration_seconds_count", 'code="5xx"')),
                    total(own_rate("http_request_duration_seconds_count")),
                )
                + " or vector(0)",
            },
        ),
        lines(
            Words("Requests that are being answered", "Now, in all replicas."),
            "short",
            {"in flight": total(own("http_requests_in_flight"))},
        ),
        lines(
            Words(
                "Requests refused by the limit",
                "Requests of callers that sent too many (429), by the minute.",
            ),
            "cpm",
            {"refused": per_minute(total(own_rate("http_requests_limited_total")))},
        ),
    ]


def _routes() -> Panel:
    count = own_rate("http_request_duration_seconds_count")
    buckets = own_rate("http_request_duration_seconds_bucket")
    return table(
        Words("Routes now", "Each route by its template; `unmatched` for paths that are none."),
        [
            Column("Method", "method", width=80),
            Column("Route", "route"),
            Column("Requests", total(count, "method", "route"), "reqps", width=120),
            Column("95 %", quantile(0.95, buckets, "method", "route"), "s", width=100),
        ],
        sort="Requests",
    )


def _statuses() -> Sequence[Panel]:
    lag = own_rate("operator_status_lag_seconds_bucket")
    return [
        lines(
            Words(
                "Lag of statuses",
                "From the change of a run in the ledger to the status that shows it: what half, 95 "
                "% and 99 % took at most.",
            ),
            "s",
            {f"p{100 * share:g}": quantile(share, lag) for share in SHARES},
        ),
        lines(
            Words(
                "To be done",
                "TaskRuns that have not ended, TaskRuns to be looked at, and runs whose TaskRun "
                "does not show their latest change yet.",
            ),
            "short",
            {
                "not ended": total(own("operator_objects")),
                "to be looked at": total(own("operator_queue_depth")),
                "not shown yet": total(ledger("runs_unprojected")),
            },
        ),
        lines(
            Words("Statuses written, by phase", "By the phase they show, by the minute."),
            "cpm",
            {"{{phase}}": per_minute(total(own_rate("operator_status_writes_total"), "phase"))},
            stacked=True,
        ),
    ]


def _looks() -> Sequence[Panel]:
    return [
        lines(
            Words("Looks at TaskRuns, by result", "By the second."),
            "ops",
            {"{{result}}": total(own_rate("operator_reconcile_duration_seconds_count"), "result")},
            stacked=True,
        ),
        lines(
            Words(
                "Time of one look",
                "How long one look at one TaskRun took, writes included: what half, 95 % and 99 % "
                "took at most.",
            ),
            "s",
            {
                f"p{100 * share:g}": quantile(
                    share, own_rate("operator_reconcile_duration_seconds_bucket")
                )
                for share in SHARES
            },
        ),
        lines(
            Words("Ended runs that are kept", "Runs that have ended and are not forgotten yet."),
            "short",
            {"kept": total(ledger("runs_kept"))},
        ),
    ]


def _loops() -> Sequence[Panel]:
    last = f"max by (namespace, loop) ({own('loop_last_success_timestamp_seconds')})"
    return [
        lines(
            Words(
                "Since a loop last did its work",
                "`project` writes statuses, `resync` compares everything, `upkeep` keeps the "
                "ledger moving. One that only grows has stopped.",
            ),
            "s",
            {"{{loop}}": f"max by (loop) ({age(last)})"},
        ),
        lines(
            Words("Watches started again", "Watches that failed, by the minute."),
            "cpm",
            {"restarts": per_minute(total(own_rate("operator_watch_restarts_total")))},
        ),
        lines(
            Words(
                "Found by comparing everything",
                "TaskRuns that the watch had missed, by the minute; `gone` were deleted meanwhile.",
            ),
            "cpm",
            {"{{kind}}": per_minute(total(own_rate("operator_resync_found_total"), "kind"))},
        ),
    ]


def _kubernetes() -> Sequence[Panel]:
    count = "kube_request_duration_seconds_count"
    buckets = own_rate("kube_request_duration_seconds_bucket", 'verb!="WATCH"')
    return [
        lines(
            Words("Requests to the API server", "By method and what was asked for, by the second."),
            "reqps",
            {"{{verb}} {{resource}}": total(own_rate(count), "verb", "resource")},
            stacked=True,
        ),
        lines(
            Words(
                "Answers of the API server, by status",
                "By the second; `none` is a request without an answer, 409 a change that came "
                "first.",
            ),
            "reqps",
            {"{{code}}": total(own_rate(count), "code")},
            stacked=True,
        ),
        lines(
            Words(
                "Time until the API server answers",
                "Until its answer began, by method, for 95 % of the requests; without watches.",
            ),
            "s",
            {"{{verb}}": quantile(0.95, buckets, "verb")},
        ),
    ]


def _processes() -> Sequence[Panel]:
    return [
        lines(
            Words(
                "Processor time, by component", "Cores that the processes which are scraped use."
            ),
            "none",
            {
                "{{component}}": total(
                    standard("process_cpu_seconds_total", rate=True), "component"
                ),
            },
        ),
        lines(
            Words(
                "Memory, by component", "Resident memory, the largest process of each component."
            ),
            "bytes",
            {"{{component}}": f"max by (component) ({standard('process_resident_memory_bytes')})"},
        ),
        stat(
            Words(
                "Names that became no label",
                "Tasks and queues in the time that is shown that were too many to be a label's "
                "value: they count as `other`.",
            ),
            WHOLE,
            total(ledger_growth("label_values_refused_total"), "label"),
            thresholds=((None, GOOD), (1, FAIR)),
            legend="{{label}}",
        ),
    ]
