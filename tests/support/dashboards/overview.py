"""Overview: are runs finishing, once and in time; who holds locks, who waits."""

from __future__ import annotations

from collections.abc import Sequence

from support.dashboards import boards, standing
from support.dashboards.boards import TASK_LINK, Board, Row, api_link
from support.dashboards.expressions import (
    EXECUTED,
    FAILED,
    SUCCEEDED,
    ledger,
    ledger_growth,
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
    table,
    text,
)

LOCKS = """\
Which run holds a lock, since when, and who waits for it at which place, the API knows. A metric
that said so would have as many series as there are locks.

- [Locks that are held, waited for or paused](${api}/v1/namespaces/${run_namespace}/locks), in the \
namespace of runs chosen above
- one of them, with its waiting list: `${api}/v1/namespaces/${run_namespace}/locks/KEY`
- [Queues](${api}/v1/queues), and which are paused

In a cluster the API wants a token, so ask it from a shell:

```
TOKEN=$(kubectl create token SERVICEACCOUNT --audience=singletrack)
curl -H "Authorization: Bearer $TOKEN" ${api}/v1/namespaces/${run_namespace}/locks
```
"""


def board() -> Board:
    """The first dashboard to open."""
    return Board(
        uid="singletrack-overview",
        title="Singletrack / Overview",
        description="Are runs finishing, once and in time? Who holds locks, and who waits?",
        variables=boards.api_variables(),
        links=[
            api_link(
                "Locks (API)",
                "/v1/namespaces/${run_namespace}/locks",
                "Who holds which lock, since when, and who waits for it",
            )
        ],
        rows=[
            Row("Now", standing.panels(), width=3, height=4),
            Row("Are runs finishing?", _finishing(), width=12, height=9),
            Row("Once?", _once(), width=8),
            Row("In time?", _in_time(), width=12),
            Row("Tasks", [_tasks()], width=24, height=11),
            Row("Who holds locks, who waits?", _locks(), width=12, height=9),
        ],
    )


def _finishing() -> Sequence[Panel]:
    return [
        lines(
            Words(
                "Runs submitted and ended",
                "Runs recorded and runs that came to an end, by the minute. If fewer end than come "
                "in for long, a queue grows: see what is alive.",
            ),
            "cpm",
            {
                "submitted": per_minute(total(ledger_rate("runs_submitted_total"))),
                "ended": per_minute(total(ledger_rate("runs_finished_total"))),
            },
        ),
        lines(
            Words(
                "Runs ended, by outcome",
                "How runs ended, by the minute. Cancelled, superseded, expired, rejected, skipped "
                "and joined runs ended without failing: somebody or a policy decided so.",
            ),
            "cpm",
            {
                "{{outcome}}": per_minute(total(ledger_rate("runs_finished_total"), "outcome")),
            },
            stacked=True,
            colours=OUTCOME_COLOURS,
        ),
        lines(
            Words(
                "Share of executed runs that succeeded",
                "Succeeded runs, of those that succeeded, failed, timed out or were lost.",
            ),
            "percentunit",
            {
                "succeeded": ratio(
                    total(ledger_rate("runs_finished_total", SUCCEEDED)),
                    total(ledger_rate("runs_finished_total", EXECUTED)),
                ),
            },
        ),
        lines(
            Words(
                "Runs alive, by state",
                "QUEUED waits for its lock, READY for a worker; CLAIMED is about to start, RUNNING "
                "is executed.",
            ),
            "short",
            {"{{state}}": total(ledger("runs"), "state")},
            stacked=True,
        ),
    ]


def _once() -> Sequence[Panel]:
    return [
        lines(
            Words(
                "Second starts prevented, and leases that ended",
                "Messages that came twice or too late and were refused a claim, and leases that "
                "ended without a word from their worker, by the minute. The first is the gate at "
                "work; the second means that workers die, freeze or cannot reach the ledger.",
            ),
            "cpm",
            {
                "claims refused": per_minute(total(ledger_rate("claims_refused_total"))),
                "leases expired": per_minute(total(ledger_rate("leases_expired_total"))),
            },
        ),
        lines(
            Words(
                "Suspect locks over time",
                "Locks held for a worker that is not heard of (`onLost: Hold`): each waits for a "
                "human, or for proof that the worker is dead.",
            ),
            "short",
            {"suspect": total(ledger("locks_suspect"))},
        ),
        lines(
            Words("Suspect locks that humans released", "By the minute."),
            "cpm",
            {"released": per_minute(total(ledger_rate("locks_released_total")))},
        ),
    ]


def _in_time() -> Sequence[Panel]:
    wait = ledger_rate("run_wait_seconds_bucket")
    duration = ledger_rate("run_duration_seconds_bucket")
    return [
        lines(
            Words(
                "Wait until the first start",
                "From the submission of a run to the first start of its code: what half, 95 % and "
                "99 % of the runs waited at most. It counts waiting for a lock, too.",
            ),
            "s",
            {f"p{100 * share:g}": quantile(share, wait) for share in (0.5, 0.95, 0.99)},
        ),
        lines(
            Words(
                "Duration of attempts",
                "How long the code was executed: what half, 95 % and 99 % of the attempts took at "
                "most. The largest bucket ends at half an hour.",
            ),
            "s",
            {f"p{100 * share:g}": quantile(share, duration) for share in (0.5, 0.95, 0.99)},
        ),
    ]


def _tasks() -> Panel:
    wait = ledger_growth("run_wait_seconds_bucket")
    duration = ledger_growth("run_duration_seconds_bucket")
    ended = ledger_growth("runs_finished_total")
    failed = ledger_growth("runs_finished_total", FAILED)
    return table(
        Words(
            "Tasks in the time that is shown",
            "A row for each task; a click on its name opens Task detail. `other` "
            "stands for tasks that no worker has registered.",
        ),
        [
            Column("Task", "task", link=TASK_LINK),
            Column("Runs ended", total(ended, "task"), WHOLE),
            Column("Failed, timed out or lost", total(failed, "task"), WHOLE),
            Column("Wait, 95 %", quantile(0.95, wait, "task"), "s"),
            Column("Duration, 95 %", quantile(0.95, duration, "task"), "s"),
        ],
        sort="Runs ended",
    )


def _locks() -> Sequence[Panel]:
    return [
        lines(
            Words(
                "Runs that wait for a lock, and runs that hold one",
                "A run that is READY, CLAIMED or RUNNING with a key holds its lock; one that is "
                "QUEUED waits for it. Which lock it is, the links beside this say.",
            ),
            "short",
            {
                "wait": total(ledger("runs", 'state="QUEUED"')),
                "may hold one": total(ledger("runs", 'state=~"READY|CLAIMED|RUNNING"')),
            },
        ),
        text(Words("Ask the API", "Links to the API's endpoints on locks and queues."), LOCKS),
    ]
