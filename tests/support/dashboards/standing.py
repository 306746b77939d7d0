"""The head of the overview: how things stand, in a line of single numbers."""

from __future__ import annotations

from collections.abc import Sequence

from support.dashboards.expressions import (
    EXECUTED,
    FIRING,
    SUCCEEDED,
    ledger,
    ledger_growth,
    own,
    quantile,
    ratio,
    total,
)
from support.dashboards.panels import BAD, FAIR, GOOD, WHOLE, Panel, Words, stat

NONE_IS_GOOD = ((None, GOOD), (1, FAIR))


def panels() -> Sequence[Panel]:
    """Two lines of eight."""
    return [*_platform(), *_runs()]


def _platform() -> Sequence[Panel]:
    up_or_not = {"0": "no", "1": "yes"}
    alarming = ((None, BAD), (1, GOOD))
    return [
        stat(
            Words("Ledger answers", "Whether the ledger answered every exporter's last question."),
            WHOLE,
            f"min({own('ledger_up')})",
            thresholds=alarming,
            texts=up_or_not,
        ),
        stat(
            Words(
                "Ledger is blessed",
                "Whether the ledger is known to be complete. Nothing is started while it is not.",
            ),
            WHOLE,
            f"min({own('ledger_blessed')})",
            thresholds=alarming,
            texts=up_or_not,
        ),
        stat(
            Words("Alerts firing", "Alerts of Singletrack; 0 also where its rules are not loaded."),
            WHOLE,
            f"count({FIRING}) or vector(0)",
            thresholds=((None, GOOD), (1, BAD)),
        ),
        stat(
            Words("Workers", "Workers that are scraped."),
            WHOLE,
            f"count({own('worker_slots')}) or vector(0)",
            thresholds=alarming,
        ),
        stat(
            Words("Slots in use", "Busy slots, of all that the workers have."),
            "percentunit",
            ratio(total(own("worker_slots_busy")), total(own("worker_slots"))),
            thresholds=((None, GOOD), (0.9, FAIR)),
        ),
        stat(
            Words(
                "Suspect locks",
                "Locks held for a worker that is not heard of: each waits for a human.",
            ),
            WHOLE,
            total(ledger("locks_suspect")),
            thresholds=((None, GOOD), (1, BAD)),
        ),
        stat(
            Words("Paused", "Locks and queues that somebody has paused."),
            WHOLE,
            total(ledger("paused")),
            thresholds=NONE_IS_GOOD,
        ),
        stat(
            Words("Runs kept", "Runs that have ended and are not forgotten yet."),
            WHOLE,
            total(ledger("runs_kept")),
        ),
    ]


def _runs() -> Sequence[Panel]:
    succeeded = ledger_growth("runs_finished_total", SUCCEEDED)
    executed = ledger_growth("runs_finished_total", EXECUTED)
    lost = ledger_growth("runs_finished_total", 'outcome="lost"')
    return [
        stat(
            Words("Executed now", "Runs whose code is executed."),
            WHOLE,
            total(ledger("runs", 'state="RUNNING"')),
        ),
        stat(
            Words("Wait for a worker", "Runs that own their lock and have not started."),
            WHOLE,
            total(ledger("runs", 'state=~"READY|CLAIMED"')),
        ),
        stat(
            Words("Wait for a lock", "Runs that another one keeps waiting."),
            WHOLE,
            total(ledger("runs", 'state="QUEUED"')),
        ),
        stat(
            Words("Executed longest", "For how long the run that started first has been executed."),
            "s",
            f"max({ledger('longest_running_seconds')})",
        ),
        stat(
            Words("Runs ended", "In the time that is shown."),
            WHOLE,
            total(ledger_growth("runs_finished_total")),
        ),
        stat(
            Words(
                "Succeeded",
                "Of the runs that were executed to an end in the time that is shown.",
            ),
            "percentunit",
            ratio(total(succeeded), total(executed)),
            thresholds=((None, BAD), (0.9, FAIR), (0.99, GOOD)),
        ),
        stat(
            Words("Lost", "Runs in the time that is shown whose process was gone."),
            WHOLE,
            total(lost),
            thresholds=NONE_IS_GOOD,
        ),
        stat(
            Words("Wait, 95 %", "What 95 % of the runs waited at most, in the time that is shown."),
            "s",
            quantile(0.95, ledger_growth("run_wait_seconds_bucket")),
        ),
    ]
