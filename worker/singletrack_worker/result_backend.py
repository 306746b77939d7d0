"""A read-only Celery result backend over the ledger: `AsyncResult` answers from the run's record.

Celery stores nothing through it, because the ledger already knows: two records would disagree.
"""

from __future__ import annotations

import json
import time
from functools import cached_property
from typing import Any

from celery import exceptions, states
from celery.backends.base import BaseBackend
from celery.exceptions import TimeoutError as CeleryTimeoutError
from kombu.exceptions import EncodeError as CeleryEncodeError

from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.errors import EncodeError
from singletrack.joining import joined_id, outcome_of
from singletrack.lifecycle import VIEWS
from singletrack.operations import GetRun
from singletrack.run import Failure, Run, encode_json
from singletrack.settings import LedgerSettings, Settings
from singletrack_worker.attached import installed_in

_BACKEND = "singletrack_ledger_backend"

_POLL_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


def backend_url(settings: LedgerSettings) -> str:
    """The `result_backend` setting that names this class and the ledger's server."""
    return f"{LedgerBackend.__module__}:{LedgerBackend.__qualname__}+{settings.redis_url}"


def ledger_backend_of(app: Any) -> LedgerBackend:
    """The one backend that all tasks of an app behind the gate share."""
    found = getattr(app, _BACKEND, None)
    if found is None:
        found = LedgerBackend(app)
        setattr(app, _BACKEND, found)
    return found


class LedgerBackend(BaseBackend):
    """Reads what Celery asks of a result from the ledger; writing does nothing."""

    persistent = True
    supports_failure_expires = True  # each record says itself how long it is kept

    def __init__(self, app: Any, url: str | None = None, **options: Any) -> None:
        super().__init__(app, **options)
        self.app: Any = app
        self.url = url

    def as_uri(self, include_password: bool = False) -> str:  # noqa: FBT001, FBT002 - Celery's own
        return "singletrack://"

    def store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        **_: Any,
    ) -> Any:
        """Store nothing, but refuse a value that JSON has no form for, as a real backend would."""
        if state == states.SUCCESS:
            try:
                encode_json(result)
            except EncodeError as error:
                raise CeleryEncodeError(str(error)) from error
        return result

    def get_task_meta(self, task_id: str, cache: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002
        return self.find(task_id) or self._pending(task_id)

    def find(self, task_id: str) -> dict[str, Any] | None:
        """What the ledger knows, in Celery's words; None if it has no record."""
        run = self.ledger.execute(GetRun(run_id=task_id))
        if run is None or run.gone:
            return None
        other = joined_id(run)
        joined = self.ledger.execute(GetRun(run_id=other)) if other else None
        return self._meta(outcome_of(run, joined)) | {"task_id": task_id}

    def get_state(self, task_id: str) -> str:
        return str(self.get_task_meta(task_id)["status"])

    def wait_for_pending(  # type: ignore[override]  # celery-types says None; .get() needs the value
        self, result: Any, timeout: float | None = None, **options: Any
    ) -> Any:
        """Poll the record until the run has ended.

        Raises:
            celery.exceptions.TimeoutError: it has not ended in time.
            celery.exceptions.TaskRevokedError: it was refused, or not needed.
        """
        options.pop("interval", None)
        propagate, callback = options.get("propagate", True), options.get("callback")
        meta = self._wait(result.id, timeout)
        result._maybe_set_cache(meta)
        if propagate and meta["status"] == states.REJECTED:  # no end to Celery, which would go on
            raise meta["result"]
        return result.maybe_throw(propagate=propagate, callback=callback)

    def _wait(self, task_id: str, timeout: float | None) -> dict[str, Any]:
        deadline = None if timeout is None else time.monotonic() + timeout
        looks = 0
        while True:
            meta = self.get_task_meta(task_id)
            if meta["status"] in states.READY_STATES | {states.REJECTED}:
                return meta
            if deadline is not None and time.monotonic() >= deadline:
                raise CeleryTimeoutError("The operation timed out.")
            time.sleep(_POLL_SECONDS[min(looks, len(_POLL_SECONDS) - 1)])
            looks += 1

    def _meta(self, run: Run) -> dict[str, Any]:
        failure = run.failure
        result: Any = json.loads(run.result) if run.result is not None else None
        over = run.terminal or run.celery_state == states.RETRY
        if failure and over:
            result = self._exception(failure, VIEWS[run.state].celery_error)
        elif run.celery_state == states.STARTED:
            result = {"hostname": run.worker}
        return {
            "task_id": run.run_id,
            "status": run.celery_state,
            "result": result,
            "traceback": failure.traceback if failure and over else None,
            "children": [],
            "date_done": run.finished_at,
            "name": run.spec.task,
            "worker": run.worker,
        }

    def _exception(self, failure: Failure, celerys: str) -> Exception:
        """The error as `.get()` raises it: the task's own class where it is known here."""
        if celerys and not failure.error_type:
            return getattr(exceptions, celerys)(failure.message)  # type: ignore[no-any-return]
        module, _, name = failure.error_type.rpartition(".")
        found = self.exception_to_python(
            {
                "exc_type": name or failure.reason,
                "exc_module": module or ("builtins" if name else "singletrack"),
                "exc_message": [failure.message],
            }
        )
        # A SystemExit or KeyboardInterrupt would end the caller's process instead of telling it.
        return found if isinstance(found, Exception) else RuntimeError(failure.message)

    @staticmethod
    def _pending(task_id: str) -> dict[str, Any]:
        return {"task_id": task_id, "status": states.PENDING, "result": None, "traceback": None}

    @cached_property
    def ledger(self) -> RedisLedger:
        """The ledger of this app's runs."""
        installed = installed_in(self.app)
        settings = installed.settings if installed else Settings()
        return RedisLedger.from_settings(settings.ledger)
