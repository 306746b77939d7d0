"""The app's own result backend, as before, which also finds the runs of declared tasks.

Celery asks it whenever there is only an id: `AsyncResult(id)`, `app.send_task(…)`. It answers for
all tasks that do not pass the gate; the ledger is asked for an id it does not know. Nothing that
Celery stores passes through here differently.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import structlog
from celery import states
from celery.app import backends
from celery.backends.base import DisabledBackend
from celery.exceptions import TimeoutError as CeleryTimeoutError
from celery.result import ResultSet

from singletrack import logs
from singletrack.errors import LedgerError
from singletrack_worker.attached import installed_in
from singletrack_worker.result_backend import LedgerBackend, ledger_backend_of

log = structlog.get_logger()

_FIRST_LOOK_SECONDS = 0.05
_LAST_LOOK_SECONDS = 1.0

#: After the ledger has not answered: tasks that have nothing to do with it must not wait for it.
_SILENCE_SECONDS = 10.0

_awaited_there: ContextVar[bool] = ContextVar("awaited_there", default=True)

#: `app.backend_cls` of an app that has a result backend of its own.
BACKEND = f"{__name__}:open_backend"


@contextmanager
def not_awaited_there() -> Iterator[None]:
    """What is sent in here has its result in the ledger: the app's own backend does not wait."""
    token = _awaited_there.set(False)
    try:
        yield
    finally:
        _awaited_there.reset(token)


def open_backend(app: Any, url: str | None = None) -> Any:
    """What Celery calls for `app.backend`: the app's own backend, with a look into the ledger."""
    del url  # Celery passes on what it has read from our name
    installed = installed_in(app)
    named = (installed and installed.own_backend) or app.conf.result_backend
    find: Any = backends.by_url  # celery-types says that it answers a class alone
    own, own_url = find(named, app.loader)
    if issubclass(own, LedgerBackend):
        return own(app=app, url=own_url)
    made = type(own.__name__, (_AsksLedger, own), {"__module__": own.__module__, "own": own})
    return made(app=app, url=own_url)


class _AsksLedger:
    """In front of the classes of the app's own backend."""

    own: type
    app: Any
    _silent_until = float("-inf")

    def get_task_meta(self, task_id: str, *args: Any, **kwargs: Any) -> Any:
        """The own backend's answer, unless it has none and the ledger has."""
        try:
            meta = super().get_task_meta(task_id, *args, **kwargs)  # type: ignore[misc]
        except (NotImplementedError, AttributeError):  # how Celery says that there is no backend
            meta = self._in_ledger(task_id)
            if meta is None:
                raise
            return meta
        return (meta["status"] == states.PENDING and self._in_ledger(task_id)) or meta

    def wait_for_pending(self, result: Any, timeout: float | None = None, **options: Any) -> Any:
        """Wait where the result will be. Who has only an id cannot know, so look now and then."""
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        patience = _FIRST_LOOK_SECONDS
        while True:
            left = max(0.0, deadline - time.monotonic())
            try:
                return super().wait_for_pending(  # type: ignore[misc]
                    result, timeout=min(left, patience), **options
                )
            except (NotImplementedError, CeleryTimeoutError):  # no backend, or not yet
                if result._cache:  # then it is the task's own error
                    raise
                if self._in_ledger(result.id):
                    return self._wait_in_ledger(result, deadline, **options)
                if left <= patience or isinstance(self, DisabledBackend):
                    raise
            patience = min(2 * patience, _LAST_LOOK_SECONDS)

    def _wait_in_ledger(self, result: Any, deadline: float, **options: Any) -> Any:
        left = deadline - time.monotonic()
        return ledger_backend_of(self.app).wait_for_pending(
            result, timeout=None if left == float("inf") else max(0.0, left), **options
        )

    def iter_native(self, result: Any, **options: Any) -> Iterator[tuple[str, Any]]:
        """Celery asks one backend for all results of a set; those in the ledger come last."""
        theirs = [r for r in result.results if not _is_in_ledger(r)]
        if len(theirs) == len(result.results):
            yield from super().iter_native(result, **options)  # type: ignore[misc]
            return
        deadline = time.monotonic() + (options.get("timeout") or float("inf"))
        if theirs:
            yield from super().iter_native(ResultSet(theirs), **options)  # type: ignore[misc]
        for other in filter(_is_in_ledger, result.results):
            self._wait_in_ledger(other, deadline, propagate=False)
            yield other.id, other._cache

    def on_task_call(self, producer: Any, task_id: str) -> Any:
        """Celery announces a message; some backends listen for its result from now on."""
        if _awaited_there.get():
            return super().on_task_call(producer, task_id)  # type: ignore[misc]
        return {}

    def __reduce__(self, *args: Any, **kwargs: Any) -> Any:
        """Pickled results carry their backend: let them find the own class again."""
        reduce: Any = super().__reduce__
        function, (_, *rest), *more = reduce(*args, **kwargs)
        return (function, (self.own, *rest), *more)

    def _in_ledger(self, task_id: str) -> Any:
        if time.monotonic() < self._silent_until:
            return None
        try:
            return ledger_backend_of(self.app).find(task_id)
        except LedgerError as error:
            with logs.about_run(task_id):
                log.warning("run_not_read", error=str(error))
            self._silent_until = time.monotonic() + _SILENCE_SECONDS
            return None


def _is_in_ledger(result: Any) -> bool:
    return isinstance(getattr(result, "backend", None), LedgerBackend)
