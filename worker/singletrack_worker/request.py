"""Celery's request of a gated task, in the worker's main process.

Main does not look at runs: it gives each message a nonce and hands it to a child, where the gate
is. What main keeps is the message. A producer's message is the only trace of its run until the
child has recorded that, so it is acknowledged when the child says so (`receipts`), or the run is
over. If the child dies before that, the ledger is asked, and the message put back if need be.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from billiard.exceptions import Terminated, WorkerLostError
from celery import signals
from celery.exceptions import Reject
from celery.worker import state
from celery.worker.request import Request

from singletrack import logs
from singletrack.adapters.celery_broker import OURS
from singletrack.errors import LedgerError, NotSupported
from singletrack.failpoints import failpoint
from singletrack.lifecycle import State
from singletrack.operations import GetRun
from singletrack.refusals import REFUSALS
from singletrack_worker.acknowledging import Acknowledging
from singletrack_worker.attached import main_of
from singletrack_worker.delivery import Delivery
from singletrack_worker.direct import Message
from singletrack_worker.revocation import Revocation

if TYPE_CHECKING:
    from singletrack_worker.main_process import MainProcess

log = structlog.get_logger()

_LOOK_AGAIN_SECONDS = 2.0
_CANCEL_AGAIN_SECONDS = 0.1

_JSON = {"application/json", "json"}

#: What of a message shows that others wait for its run, and what that is called.
_CANVAS = (
    ("chain", "chain"),
    ("chord", "group"),
    ("group", "group"),
    ("callbacks", "link"),
    ("errbacks", "link"),
)

_DEATHS = (WorkerLostError, Terminated, SystemExit, KeyboardInterrupt)


Method = TypeVar("Method", bound=Callable[..., Any])


def _about_its_run(method: Method) -> Method:
    """Everything that is logged meanwhile, by Celery too, names the request's run."""

    @wraps(method)
    def call(request: Any, *args: Any, **options: Any) -> Any:
        with request.named():
            return method(request, *args, **options)

    return call  # type: ignore[return-value]


class GatedRequest(Request):
    """A request that is acknowledged when its run is known to be recorded."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.delivery = Delivery.new(self.id)
        self.delivery.put_into(self.request_dict)
        self._settled = self._told_revoked = self._is_over = False
        # Celery's own class is made below this one and its `on_success` calls no other.
        self._celerys_on_success = self.on_success
        self.on_success = self._succeeded  # type: ignore[method-assign]
        self.main_process.note(self)

    def named(self) -> AbstractContextManager[None]:
        """Have the lines of a block say of which run they are. A message of ours says its lock."""
        header = self.request_dict.get(OURS)
        lock = header.get("lock") if isinstance(header, dict) else None
        return logs.about_run(self.id, self.name, lock)

    def revoked(self) -> bool:
        """Celery asks right before it hands a request to the pool, and on receipt of one that may
        expire. An error here would restart the consumer for ever.
        """
        expired = self.expires is not None and self._describe().seconds_left == 0
        if expired:
            self._end_here(self.main_process.refusing.expire)
        if super().revoked():
            if not expired:
                self._end_here(self.main_process.refusing.revoke)
            self._over()
            return True
        refusal = self._refusal()
        if refusal is not None and self in state.reserved_requests:
            self._end_here(lambda message: self.main_process.refusing.refuse(message, refusal))
            self._tell_canvas(refusal)
            state.task_ready(self)
            self._over()
            return True
        self.time_limits = self.main_process.no_time_limits
        return False

    @_about_its_run
    def terminate(self, pool: Any, signal: Any = None) -> None:
        """Celery would kill the child here, whichever run it executes by now.

        A run that is not recorded yet, because its child is at the gate, is cancelled soon after.
        """
        if self._is_over:
            return
        asked = Revocation.of(True, signal)  # noqa: FBT003 - Celery's words
        runtime = self.main_process.runtime
        try:
            run = asked.perform(runtime.ledger, self.id, runtime.settings.run.cancel_grace_seconds)
        except LedgerError as error:
            log.warning("revoke_failed", error=str(error))
            run = None
        if run is None:
            self.main_process.later(_CANCEL_AGAIN_SECONDS, partial(self.terminate, pool, signal))
        elif run.state is State.RUNNING:
            self.tell_revoked(asked.signal)

    def tell_revoked(self, signal: int) -> None:
        """Tell the project, as Celery's own revoke does, that a started run is being stopped."""
        if self._told_revoked:
            return
        self._told_revoked = True
        this: Any = self
        this.send_event("task-revoked", terminated=True, signum=signal, expired=False)
        signals.task_revoked.send(
            self.task, request=this._context, terminated=True, signum=signal, expired=False
        )

    @_about_its_run
    def on_accepted(self, pid: Any, time_accepted: float) -> None:
        """A child has taken it."""
        failpoint("request.accepted")
        super().on_accepted(pid, time_accepted)
        log.info("run_delivered", pid=pid)

    def settle(self) -> None:
        """The message is not needed any more."""
        failpoint("request.settled")
        self._settled = True
        self.acknowledge()

    def _succeeded(self, failed__retval__runtime: Any, **options: Any) -> Any:
        answer = self._celerys_on_success(failed__retval__runtime, **options)
        failed, *_ = failed__retval__runtime
        if not failed:  # else Celery has called `on_failure`
            self._over()
        return answer

    @_about_its_run
    def on_failure(self, exc_info: Any, *args: Any, **options: Any) -> Any:
        """The run has failed, was not started, or its child has died."""
        error = exc_info.exception
        error = getattr(error, "exc", error)  # Celery's ExceptionWithTraceback
        died = isinstance(error, _DEATHS)
        self._settled = self._settled or not (died or isinstance(error, Reject))
        answer = self._tell_failure(exc_info, *args, **options)
        if died and not self.acknowledged:
            self._look()
        else:
            self._over()
        return answer

    def _tell_failure(self, exc_info: Any, *args: Any, **options: Any) -> Any:
        if self._told_revoked:  # a second end of it would be news that is not true
            return state.task_ready(self)
        return super().on_failure(exc_info, *args, **options)

    def _over(self) -> None:
        self._is_over = True
        self.main_process.forget(self)
        # What `__init__` has tied would keep this object until the garbage collector comes by.
        del self.on_success, self._celerys_on_success
        if not self.acknowledged:
            self.settle()

    @_about_its_run
    def _look(self) -> None:
        """A child has died before it said anything: ask the ledger whether the run is recorded."""
        recorded = self._is_recorded()
        if recorded is None:
            self.main_process.later(_LOOK_AGAIN_SECONDS, self._look)
            return
        if not recorded:
            log.warning("message_put_back")
            self.reject(requeue=True)
        self._over()

    def _is_recorded(self) -> bool | None:
        """Whether the ledger knows the run; None if it cannot be asked."""
        if self.request_dict.get(OURS):
            return True
        try:
            return self.main_process.runtime.ledger.execute(GetRun(run_id=self.id)) is not None
        except LedgerError as error:
            log.warning("run_not_read", error=str(error))
            return None

    # --- what can never run -----------------------------------------------------------------------

    def _refusal(self) -> NotSupported | None:
        """Why this message cannot be a run, whoever sent it."""
        if self.message.content_type not in _JSON:
            return REFUSALS["serializer"].error(self.type)
        this: Any = self
        said = {"group": self.request_dict.get("group"), **(this._payload[2] or {})}
        found = next((name for key, name in _CANVAS if said.get(key)), None)
        return REFUSALS[found].error(self.type) if found else None

    @_about_its_run
    def _end_here(self, record: Callable[[Message], object]) -> None:
        try:
            record(self._describe())
        except Exception:  # see `revoked`
            log.exception("message_not_ended")

    @_about_its_run
    def _tell_canvas(self, refusal: NotSupported) -> None:
        """End in Celery's own way the canvas that waits for this run."""
        this: Any = self
        try:
            this.app.backend.mark_as_failure(self.id, refusal, request=this._context)
        except Exception:  # the app has no result backend, or it does not answer
            log.warning("canvas_not_told", exc_info=True)

    def _describe(self) -> Message:
        return Message.of(self.type, self.args, self.kwargs, self.request_dict)

    # --- telling the broker -----------------------------------------------------------------------

    def acknowledge(self) -> None:
        """Not before the message is not needed any more, whatever Celery thinks."""
        if not self._settled or self.acknowledged:
            return
        acknowledging = Acknowledging.on(self.message.channel)
        if acknowledging is not None and acknowledging.take(self.message.delivery_tag):
            self.acknowledged = True
        else:
            self._dispose(super().acknowledge)

    def reject(self, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - Celery's own
        """Give the message back."""
        self._dispose(lambda: super(GatedRequest, self).reject(requeue=requeue))

    def _dispose(self, act: Callable[[], object]) -> None:
        """Tell the broker, if the connection that brought the message is still there.

        If not, the broker brings the message again, and the gate knows what has become of its run.
        kombu fails in more ways than by its connection errors then, and an error here ends main.
        """
        try:
            act()
        except Exception as error:  # noqa: BLE001 - see above
            with self.named():
                log.warning("message_left_to_the_broker", error=str(error))
            self.acknowledged = True

    @property
    def main_process(self) -> MainProcess:
        main = main_of(self.app)
        if main is None:
            raise RuntimeError("install(app) was called after the worker had started")
        return main
