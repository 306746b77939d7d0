"""Logging: one line per event, a stable event name, and on it of which run it is.

An entry point calls `configure` once. Everywhere else `log = structlog.get_logger()` and
`log.info("run_finished", state=…)`, with an event that `logs.events` declares. Which run a line is
about is not said at each of them: `about_run` says it once, around everything done for the run.
"""

from singletrack.logs.identity import about_run, note_run
from singletrack.logs.writing import configure, join

__all__ = ["about_run", "configure", "join", "note_run"]
