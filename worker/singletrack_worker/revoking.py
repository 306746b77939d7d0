"""`app.control.revoke(id, terminate=True, signal="SIGKILL")`, the line of the original note.

It becomes a cancel in the ledger: recorded, delivered by the agent, with the whole process tree
dead before the lock moves on. Celery itself never kills; ids the ledger does not know, those of
tasks that do not pass the gate, are left to Celery's own command.
"""

from __future__ import annotations

from typing import Any

import structlog
from celery.worker import state as worker_state
from celery.worker.control import Panel
from kombu.utils.functional import maybe_list

from singletrack.errors import LedgerError
from singletrack.lifecycle import State
from singletrack.operations import Cancel, GetRun, Verdict
from singletrack.run import Cancellation
from singletrack_worker.gated_task import GatedTask
from singletrack_worker.request import GatedRequest
from singletrack_worker.runtime import Runtime

log = structlog.get_logger()

_AT_ONCE = {"SIGKILL", "KILL", "9"}


def replace_revoke(runtime: Runtime) -> None:
    """Put our command in the place of Celery's, which still serves everybody else's tasks."""
    celerys_own = Panel.data["revoke"]

    def revoke(
        state: Any,
        task_id: Any,
        terminate: bool = False,  # noqa: FBT001, FBT002 - the signature of Celery's own command
        signal: Any = None,
        **options: Any,
    ) -> Any:
        unknown = [
            run_id
            for run_id in maybe_list(task_id) or []
            if _is_foreign(run_id)
            or not _cancel(runtime, run_id, terminate=terminate, signal=str(signal or ""))
        ]
        if not unknown:
            return {"ok": "cancelled by the ledger"}
        return celerys_own(state, unknown, terminate=terminate, signal=signal, **options)

    Panel.data["revoke"] = revoke


def _is_foreign(run_id: str) -> bool:
    """Whether this worker has the message, of a task that does not pass the gate."""
    request = worker_state.requests.get(run_id)
    return request is not None and not isinstance(request.task, GatedTask)


def _cancel(runtime: Runtime, run_id: str, *, terminate: bool, signal: str) -> bool:
    """Cancel one run; False if the ledger does not know it. Without `terminate` a run that has
    started is left alone, as Celery does.
    """
    ledger = runtime.ledger
    grace = 0.0 if signal in _AT_ONCE else runtime.settings.run.cancel_grace_seconds
    asked = Cancellation(by="revoke", reason="revoked", grace_seconds=grace)
    try:
        run = ledger.execute(GetRun(run_id=run_id))
        if run is None:
            return False
        if run.state is State.RUNNING and not terminate:
            return True
        reply = ledger.execute(Cancel(run_id=run_id, cancellation=asked))
    except LedgerError as error:
        log.warning("revoke_failed", run=run_id, error=str(error))
        return True
    request = worker_state.requests.get(run_id)
    if run.state is State.RUNNING and isinstance(request, GatedRequest):
        request.tell_revoked(signal)
    log.info("run_cancelled", run=run_id, state=reply.state)
    return reply.verdict is not Verdict.UNKNOWN
