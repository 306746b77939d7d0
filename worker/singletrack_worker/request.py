"""Celery's request of a gated task: the one place where a message is claimed.

Celery calls `revoked()` in the main process right before it hands a request to the pool. (It also
calls it on receipt when the message has an expiry; nothing is claimed then.) The hook never raises:
an exception there restarts the consumer for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from celery import signals
from celery.platforms import signals as signal_numbers
from celery.worker import state
from celery.worker.request import Request

from singletrack.adapters.celery_broker import OURS
from singletrack.errors import NotSupported
from singletrack.failpoints import failpoint
from singletrack.refusals import REFUSALS
from singletrack_worker.attached import main_of
from singletrack_worker.claimed import ClaimedRun
from singletrack_worker.direct import Message
from singletrack_worker.gate import PUT_BACK, Admission

if TYPE_CHECKING:
    from singletrack_worker.main_process import MainProcess

log = structlog.get_logger()

_PUT_BACK_SECONDS = 1.0

_JSON = {"application/json", "json"}

#: What of a message shows that others wait for its run, and what that is called.
_CANVAS = (
    ("chain", "chain"),
    ("chord", "group"),
    ("group", "group"),
    ("callbacks", "link"),
    ("errbacks", "link"),
)


class GatedRequest(Request):
    """A request that reaches the pool only with a claim."""

    _told_revoked = False

    def revoked(self) -> bool:
        if self._expired():
            self._record_expiry()
        if super().revoked():
            return True
        if self not in state.reserved_requests:
            return False
        try:
            return not self._admitted()
        except Exception:  # see the module's docstring: an error here would be worse than a drop
            log.exception("gate_failed", run=self.id)
            self._drop()
            return True

    def _expired(self) -> bool:
        return self.expires is not None and self._describe().seconds_left == 0

    def _record_expiry(self) -> None:
        """Celery drops an expired message; its run, which somebody may wait for, has ended."""
        try:
            self.main_process.gate.expire(self._describe())
        except Exception:  # as above
            log.exception("expiry_not_recorded", run=self.id)

    def tell_revoked(self, signal: str) -> None:
        """Tell the project, as Celery's own revoke does, that a started run is being stopped."""
        if self._told_revoked:
            return
        self._told_revoked = True
        this: Any = self
        number = signal_numbers.signum(signal or "TERM")
        this.send_event("task-revoked", terminated=True, signum=number, expired=False)
        signals.task_revoked.send(
            self.task, request=this._context, terminated=True, signum=number, expired=False
        )

    def on_success(self, failed__retval__runtime: Any, **kwargs: Any) -> Any:
        self._forget_claim()
        return super().on_success(failed__retval__runtime, **kwargs)

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        self._forget_claim()
        if self._told_revoked:  # a second end of it would be news that is not true
            state.task_ready(self)
            return None
        return super().on_failure(exc_info, *args, **kwargs)

    def _admitted(self) -> bool:
        main = self.main_process
        refusal = self._refusal()
        if refusal is not None:
            self._refuse(refusal)
            return False
        decision = main.gate.admit(self._describe()) if main.watched else PUT_BACK
        if decision.claimed is not None:
            decision.claimed.put_into(self.request_dict)
            main.note_claim(decision.claimed)
            self.time_limits = main.no_time_limits
            failpoint("gate.admitted")
            return True
        if decision.admission is Admission.PUT_BACK:
            state.task_ready(self)
            main.later(_PUT_BACK_SECONDS, lambda: self.reject(requeue=True))
        else:
            self._drop()
        return False

    def _refusal(self) -> NotSupported | None:
        """Why this message cannot be a run, whoever sent it."""
        if self.message.content_type not in _JSON:
            return REFUSALS["serializer"].error(self.type)
        this: Any = self
        said = {"group": self.request_dict.get("group"), **(this._payload[2] or {})}
        found = next((name for key, name in _CANVAS if said.get(key)), None)
        return REFUSALS[found].error(self.type) if found else None

    def _refuse(self, refusal: NotSupported) -> None:
        """End the run, and in Celery's own way the canvas that waits for it."""
        self.main_process.gate.refuse(self._describe(), refusal)
        this: Any = self
        try:
            this.app.backend.mark_as_failure(self.id, refusal, request=this._context)
        except Exception:  # the app has no result backend, or it does not answer
            log.warning("canvas_not_told", run=self.id, exc_info=True)
        self._drop()

    def _drop(self) -> None:
        failpoint("gate.dropped")
        state.task_ready(self)
        self.acknowledge()

    def _describe(self) -> Message:
        hard, _soft = self.time_limits
        return Message(
            run_id=self.id,
            task=self.type,
            args=tuple(self.args),
            kwargs=self.kwargs,
            queue=self.delivery_info.get("routing_key") or None,
            timeout_seconds=hard,
            expires=self.expires,
            headers=self.request_dict,
            ours=bool(self.request_dict.get(OURS)),
        )

    def _forget_claim(self) -> None:
        claimed = ClaimedRun.of(self.request_dict)
        if claimed is not None:
            self.main_process.forget_claim(claimed)

    @property
    def main_process(self) -> MainProcess:
        main = main_of(self.app)
        if main is None:
            raise RuntimeError("install(app) was called after the worker had started")
        return main
