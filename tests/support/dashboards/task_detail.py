"""Task detail: one task, or those that are chosen."""

from __future__ import annotations

from collections.abc import Sequence

from support.dashboards import boards
from support.dashboards.boards import TASK_DETAIL, Board, Row, api_link, query_variable
from support.dashboards.expressions import (
    EXECUTED,
    SUCCEEDED,
    ledger_growth,
    ledger_growth_of_new,
    ledger_rate,
    per_minute,
    quantile,
    ratio,
    total,
)
from support.dashboards.panels import (
    OUTCOME_COLOURS,
    WHOLE,
    Column,
    Panel,
    Words,
    lines,
    stat,
    table,
)

CHOSEN = 'task=~"$task"'
SHARES = (0.5, 0.95, 0.99)


def board() -> Board:
    """Where a row of the overview's table leads."""
    return Board(
        uid=TASK_DETAIL,
        title="Singletrack / Task detail",
        description="How the runs of a task come in, end, fail, are retried, wait and take.",
        variables=[query_variable("task", "Task", "runs_submitted_total"), *boards.api_variables()],
        links=[
            api_link(
                "Runs (API)", "/v1/namespaces/${run_namespace}/runs", "The runs of that namespace"
            )
        ],
        rows=[
            Row("In the time that is shown", _numbers(), width=4, height=4),
            Row("Ends", _ends(), width=12, height=9),
            Row("Failures and retries", _failures(), width=8, height=9),
            Row("Times", _times(), width=12),
        ],
    )


def _numbers() -> Sequence[Panel]:
    succeeded = ledger_growth("runs_finished_total", CHOSEN, SUCCEEDED)
    executed = ledger_growth("runs_finished_total", CHOSEN, EXECUTED)
    wait = ledger_growth("run_wait_seconds_bucket", CHOSEN)
    duration = ledger_growth("run_duration_seconds_bucket", CHOSEN)
    return [
        stat(
            Words("Submitted", "Runs recorded."),
            WHOLE,
            total(ledger_growth("runs_submitted_total", CHOSEN)),
        ),
        stat(
            Words("Ended", "Runs that came to an end."),
            WHOLE,
            total(ledger_growth("runs_finished_total", CHOSEN)),
        ),
        stat(
            Words("Succeeded", "Of the runs that succeeded, failed, timed out or were lost."),
            "percentunit",
            ratio(total(succeeded), total(executed)),
        ),
        stat(
            Words("Retries", "Attempts that another one followed."),
            WHOLE,
            total(ledger_growth("retries_total", CHOSEN)),
        ),
        stat(
            Words("Wait, 95 %", "What 95 % of the runs waited at most."),
            "s",
            quantile(0.95, wait),
        ),
        stat(
            Words("Duration, 95 %", "What 95 % of the attempts took at most."),
            "s",
            quantile(0.95, duration),
        ),
    ]


def _ends() -> Sequence[Panel]:
    return [
        lines(
            Words("Runs submitted, by door", "By which door runs came in, by the minute."),
            "cpm",
            {"{{door}}": per_minute(total(ledger_rate("runs_submitted_total", CHOSEN), "door"))},
            stacked=True,
        ),
        lines(
            Words("Runs ended, by outcome", "How runs ended, by the minute."),
            "cpm",
            {
                "{{outcome}}": per_minute(
                    total(ledger_rate("runs_finished_total", CHOSEN), "outcome")
                )
            },
            stacked=True,
            colours=OUTCOME_COLOURS,
        ),
    ]


def _failures() -> Sequence[Panel]:
    return [
        lines(
            Words(
                "Share of executed runs that succeeded",
                "Succeeded runs, of those that succeeded, failed, timed out or were lost, by task.",
            ),
            "percentunit",
            {
                "{{task}}": ratio(
                    total(ledger_rate("runs_finished_total", CHOSEN, SUCCEEDED), "task"),
                    total(ledger_rate("runs_finished_total", CHOSEN, EXECUTED), "task"),
                )
            },
        ),
        table(
            Words(
                "Why runs failed",
                "The reasons that failed, timed out and lost runs give, as in `status.reason`, in "
                "the time that is shown.",
            ),
            [
                Column("Task", "task"),
                Column("Reason", "reason"),
                Column(
                    "Runs",
                    total(ledger_growth_of_new("run_failures_total", CHOSEN), "task", "reason"),
                    WHOLE,
                ),
            ],
            sort="Runs",
        ),
        lines(
            Words(
                "Retries, by cause",
                "Attempts that another one follows, by the minute. A retried run keeps its lock.",
            ),
            "cpm",
            {"{{cause}}": per_minute(total(ledger_rate("retries_total", CHOSEN), "cause"))},
            stacked=True,
        ),
    ]


def _times() -> Sequence[Panel]:
    wait = ledger_rate("run_wait_seconds_bucket", CHOSEN)
    taken = {
        result: ledger_rate("run_duration_seconds_bucket", CHOSEN, f'result="{result}"')
        for result in ("ok", "error")
    }
    mean = ratio(
        total(ledger_rate("run_duration_seconds_sum", CHOSEN), "task"),
        total(ledger_rate("run_duration_seconds_count", CHOSEN), "task"),
    )
    attempts = per_minute(
        total(ledger_rate("run_duration_seconds_count", CHOSEN), "result"),
    )
    return [
        lines(
            Words(
                "Wait until the first start",
                "From the submission of a run to the first start of its code: what half, 95 % and "
                "99 % of the runs waited at most.",
            ),
            "s",
            {f"p{100 * share:g}": quantile(share, wait) for share in SHARES},
        ),
        lines(
            Words(
                "Duration of attempts",
                "How long the code was executed: what half and 95 % of the attempts took at most, "
                "by whether they succeeded.",
            ),
            "s",
            {
                f"{result}, p{100 * share:g}": quantile(share, buckets)
                for result, buckets in taken.items()
                for share in (0.5, 0.95)
            },
        ),
        lines(
            Words(
                "Mean duration of attempts", "How long the code was executed on average, by task."
            ),
            "s",
            {"{{task}}": mean},
        ),
        lines(
            Words(
                "Attempts ended, by result", "Attempts whose code came to an end, by the minute."
            ),
            "cpm",
            {"{{result}}": attempts},
            stacked=True,
        ),
    ]
