"""Events of the API."""

from singletrack.logs.events.declarations import Section, error, info, warning

API = Section(
    "API",
    (
        info("api_listening", "The API takes requests.", *("url", "intake")),
        info("api_stopped", "The API has ended; every request was answered."),
        info(
            "request",
            "A request was answered. Those of probes and of Prometheus are not told of, unless "
            "they are refused.",
            *("method", "path", "status", "problem", "ms"),
        ),
        error(
            "request_failed",
            "A request was answered with a status from 500 on.",
            *("method", "path", "status", "problem", "error", "ms"),
        ),
        info(
            "audit",
            "Somebody may start, change or stop something, and has asked for it.",
            *("action", "namespace", "source"),
        ),
        warning(
            "lock_released",
            "A person has given up the holder of a suspect lock: its run ended as Lost.",
            *("by", "reason"),
            of_run=True,
        ),
        warning("ledger_awaited", "The ledger's server does not answer yet.", "error"),
        info("ledger_found", "The ledger's server answers, and is good enough.", "ledger"),
        error(
            "ledger_not_usable",
            "The ledger's server answers, and cannot keep the promise.",
            "error",
        ),
        error("upkeep_ended", "The upkeep in the API has ended, which it must not."),
    ),
)
