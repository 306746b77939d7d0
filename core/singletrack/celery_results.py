"""What Celery's own JSON result backend would have stored of a run that has ended.

For clients that know nothing but Celery's result keys: an app without our backend, Node, PHP. The
functions of the Redis ledger say the same (`functions/telling.lua`).
"""

from __future__ import annotations

import json
from typing import Any

from singletrack.lifecycle import VIEWS
from singletrack.run import Failure, Run


def celery_result(run: Run, run_id: str) -> dict[str, Any]:
    """The end of `run`, told of the run `run_id`: its own, or that of a run that joined it."""
    failure = run.failure
    result = None if run.result is None else json.loads(run.result)
    return {
        "task_id": run_id,
        "status": VIEWS[run.state].celery_stored,
        "result": _error(run, failure) if failure else result,
        "traceback": (failure and failure.traceback) or None,
        "children": [],
        "date_done": run.finished_at and run.finished_at.isoformat(timespec="microseconds"),
    }


def _error(run: Run, failure: Failure) -> dict[str, Any]:
    """An error that Celery's clients raise: the task's own, one of Celery's, or a name for it."""
    module, _, name = failure.error_type.rpartition(".")
    if name:
        module = module or "builtins"
    elif VIEWS[run.state].celery_error:
        module, name = "celery.exceptions", VIEWS[run.state].celery_error
    return {
        "exc_type": name or failure.reason,
        "exc_message": [failure.message],
        "exc_module": module or "singletrack",
    }
