"""Events of the operator."""

from singletrack.logs.events.declarations import Section, debug, error, info, warning

OPERATOR = Section(
    "Operator",
    (
        info("operator_serving", "The operator answers probes; its watch begins next.", "port"),
        info("operator_stopped", "The operator has ended in order."),
        info(
            "run_ended",
            "The TaskRun shows the end of its run.",
            *("taskrun", "phase"),
            of_run=True,
        ),
        info(
            "run_cancel_asked",
            "The run is asked to stop, because its TaskRun says so or is gone.",
            *("taskrun", "reason"),
            of_run=True,
        ),
        info(
            "run_settled",
            "The record was given the end that the TaskRun shows.",
            *("state", "verdict"),
            of_run=True,
        ),
        warning(
            "run_submitted_differently",
            "The API has recorded the run with other defaults a moment before; its record counts.",
            of_run=True,
        ),
        info(
            "taskrun_deleted",
            "The time to live of a finished TaskRun was over.",
            "taskrun",
            of_run=True,
        ),
        debug(
            "taskrun_not_deleted",
            "A finished TaskRun could not be deleted; it is tried again.",
            *("taskrun", "error"),
            of_run=True,
        ),
        warning(
            "reconcile_failed",
            "The TaskRun could not be brought into agreement with its record. It is tried again; "
            "an outage that concerns all of them is told of once.",
            "error",
            of_run=True,
        ),
        debug(
            "reconcile_fails_still",
            "The same TaskRun, or another one in the same outage, has failed again.",
            "error",
            of_run=True,
        ),
        error(
            "reconcile_crashed",
            "The look at a TaskRun has failed in a way nobody expected; it is tried again.",
            of_run=True,
        ),
        debug("event_not_posted", "A Kubernetes event was not taken.", "error", of_run=True),
        debug(
            "death_not_confirmed",
            "The Pod of a held run has ended, and the ledger does not answer; it is told again.",
            "error",
            of_run=True,
        ),
        warning(
            "pod_not_watched",
            "The Pod of a run that holds its lock (`onLost: Hold`) cannot be watched.",
            *("pod", "error"),
        ),
        warning("node_not_read", "The node of such a Pod cannot be read.", *("node", "error")),
        warning("waiting_for_cluster", "The API server does not serve TaskRuns.", "error"),
        warning(
            "watch_failed",
            "The watch has ended, and is begun anew.",
            *("error", "again_in_seconds"),
        ),
        warning(
            "watch_missed_something",
            "A comparison has found TaskRuns that the watch had not told of, or not of their end.",
            "taskruns",
        ),
        warning("changes_not_followed", "The ledger's changes cannot be read.", "error"),
        warning("loop_failed", "A loop of the operator fails, and is repeated.", "loop", "error"),
        info(
            "ledger_trusted",
            "The ledger was blessed; every TaskRun is looked at.",
            *("server", "taskruns"),
        ),
        info(
            "records_settled",
            "Before a blessing: every record was compared with its TaskRun.",
            "looked_at",
        ),
    ),
)
