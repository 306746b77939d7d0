"""Events of more than one part."""

from singletrack.logs.events.declarations import Section, error, info, warning

SHARED = Section(
    "More than one part",
    (
        info(
            "run_submitted",
            "The ledger has recorded the run: of a TaskRun, or of a producer's message that is not "
            "started now.",
            "state",
            of_run=True,
        ),
        warning(
            "death_confirmed",
            "A run that held its lock (`onLost: Hold`) has ended as Lost: its Pod has ended, or a "
            "person has said that its process is dead.",
            *("state", "by", "reason"),
            of_run=True,
        ),
        warning(
            "bind_refused",
            "The agent does not watch this process for the run, so the run is not started in it.",
            *("pid", "reason"),
            of_run=True,
        ),
        warning(
            "tracing_not_possible",
            "Tracing is asked for and a package is missing: nothing is traced.",
            *("error", "remedy"),
        ),
        warning(
            "waiting_for_ledger",
            "The ledger's server does not answer; the part starts when it does.",
            "error",
        ),
    ),
)

UPKEEP = Section(
    "The upkeep: in the operator, or in the API where there is no operator",
    (
        info(
            "ledger_recovering",
            "A server that has (re)started serves no claims before it is blessed.",
            *("server", "agents"),
        ),
        info("ledger_blessed", "Runs start from now on.", *("server", "waited_seconds")),
        error(
            "ledger_evicts",
            "The server may evict records; its blessing is withdrawn, and nothing starts.",
            *("problem", "remedy"),
        ),
        warning(
            "ledger_confirmation_changed",
            "Somebody has changed how the server syncs, so writes are confirmed in another way.",
            "ledger",
        ),
        error(
            "ledger_forgets",
            "The server may forget what it has acknowledged.",
            *("problem", "remedy"),
        ),
        warning("upkeep_failed", "A loop of the upkeep fails, and is repeated.", "loop", "error"),
        info("upkeep_recovered", "A loop of the upkeep that failed works again.", "loop"),
    ),
)
