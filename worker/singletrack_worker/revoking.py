"""`app.control.revoke(id, terminate=True, signal="SIGKILL")`, the line of the original note.

It becomes a cancel in the ledger: recorded, delivered by the agent, with the whole process tree
dead before the lock moves on. Celery itself never kills a run; ids the ledger does not know, those
of tasks that do not pass the gate, are left to Celery's own command. What that does to a message of
ours comes back to `GatedRequest`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from celery.worker import state as worker_state
from celery.worker.control import Panel
from kombu.utils.functional import maybe_list

from singletrack import logs
from singletrack.errors import LedgerError
from singletrack.lifecycle import State
from singletrack_worker.gated_task import GatedTask
from singletrack_worker.request import GatedRequest
from singletrack_worker.revocation import Revocation
from singletrack_worker.runtime import Runtime

log = structlog.get_logger()


def replace_revoke(runtime: Runtime) -> None:
    """Put our commands in the place of Celery's, which still serve everybody else's tasks."""
    celerys_own = Panel.data["revoke"]

    def revoke(
        state: Any,
        task_id: Any,
        terminate: bool = False,  # noqa: FBT001, FBT002 - the signature of Celery's own command
        signal: Any = None,
        **options: Any,
    ) -> Any:
        asked = Revocation.of(terminate, signal)
        unknown = [
            run_id
            for run_id in maybe_list(task_id) or []
            if _is_foreign(run_id) or not _cancel(runtime, run_id, asked)
        ]
        if not unknown:
            return {"ok": "cancelled by the ledger"}
        return celerys_own(state, unknown, terminate=terminate, signal=signal, **options)

    Panel.data["revoke"] = revoke
    Panel.data["terminate"] = _terminating(revoke)


def _terminating(revoke: Callable[..., Any]) -> Callable[..., Any]:
    """Celery's own `terminate` would call its own `revoke`."""

    def terminate(state: Any, signal: Any, task_id: Any, **_: Any) -> Any:
        return revoke(state, task_id, terminate=True, signal=signal)

    return terminate


def _is_foreign(run_id: str) -> bool:
    """Whether this worker has the message, of a task that does not pass the gate."""
    request = worker_state.requests.get(run_id)
    return request is not None and not isinstance(request.task, GatedTask)


def _cancel(runtime: Runtime, run_id: str, asked: Revocation) -> bool:
    """Cancel one run; False if the ledger does not know it."""
    grace_seconds = runtime.settings.run.cancel_grace_seconds
    with logs.about_run(run_id):
        try:
            run = asked.perform(runtime.ledger, run_id, grace_seconds)
        except LedgerError as error:
            log.warning("revoke_failed", error=str(error))
            return True
        if run is not None and asked.concerns(run):
            logs.note_run(task=run.spec.task, lock=run.spec.lock, attempt=run.attempt)
            log.info("run_cancelled", was=run.state)
    request = worker_state.requests.get(run_id)
    if run is not None and isinstance(request, GatedRequest) and _is_stopped(run.state, asked):
        request.tell_revoked(asked.signal)
    return run is not None


def _is_stopped(state: State, asked: Revocation) -> bool:
    """Whether a run in a child of this worker is, perhaps by the producer's own cancel."""
    return asked.terminate and state in (State.RUNNING, State.CANCELLED)
