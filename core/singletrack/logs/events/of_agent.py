"""Events of a worker's lease agent."""

from singletrack.logs.events.declarations import Section, debug, info, warning

AGENT = Section(
    "Lease agent",
    (
        info("agent_ready", "The agent watches its worker.", *("agent", "main")),
        info("agent_stopped", "The agent has nothing left to do, and ends.", "agent"),
        info(
            "main_ended",
            "The worker's main process has ended; whatever it has left is killed.",
            *("runs", "expected"),
        ),
        info("run_stopping", "The run's process was sent SIGTERM.", "cause", of_run=True),
        info("run_warned", "The run was told that its time is nearly over.", "reason", of_run=True),
        info(
            "run_killed",
            "Every process of the run is dead.",
            *("cause", "how"),
            of_run=True,
        ),
        warning(
            "run_survives",
            "Some process of the run could not be killed; it is tried again, and its lock kept.",
            "cause",
            of_run=True,
        ),
        debug(
            "run_end_reported",
            "The ledger was told of the end of a run whose process has died.",
            *("verdict", "state"),
            of_run=True,
        ),
        warning(
            "ledger_unavailable",
            "Leases cannot be renewed; what cannot be in time is fenced.",
            *("error", "leases"),
        ),
        info("ledger_back", "The ledger answers again, and leases are renewed.", "leases"),
        info(
            "agent_reasserts",
            "A server that is not blessed is told everything the agent knows.",
            *("server", "ended"),
        ),
        info(
            "run_restored",
            "A server that is not blessed was told of this run.",
            *("alive", "verdict", "state"),
            of_run=True,
        ),
        warning(
            "run_not_restorable",
            "A server that is not blessed cannot be told of the run: what is remembered of it is "
            "not readable.",
            "error",
            of_run=True,
        ),
    ),
)
