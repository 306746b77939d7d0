"""What becomes of a Celery task that passes the gate.

The task keeps its class, its base classes and their hooks; `GatedTask` is put in front of them. It
says what of Celery's own machinery a run may use, and refuses the rest in the producer's call.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import structlog
from celery import Task
from celery.canvas import Signature

from singletrack import logs, tracing
from singletrack.errors import NotSupported
from singletrack.refusals import REFUSALS, check_serializer
from singletrack.tasks import Declaration, declaration_of, declare_as
from singletrack_worker.own_backend import not_awaited_there

log = structlog.get_logger()

_EAGER = (
    "executed in this process (task_always_eager or apply): "
    "without its lock, its timeout and a record"
)

_RETRY_OPTIONS = {"throw", "eta", "countdown", "max_retries"}


class GatedSignature(Signature):
    """A signature that can be sent, and not be made part of a canvas."""

    def freeze(self, *_args: Any, chord: Any = None, group_id: Any = None, **_: Any) -> Any:
        """Celery calls this for every member of a canvas before it sends the first."""
        raise _refused("group" if chord or group_id else "chain", self["task"])

    def clone(self, *args: Any, **kwargs: Any) -> Any:
        return _gated(super().clone(*args, **kwargs), self.type)

    def __or__(self, other: Any) -> Any:
        raise _refused("chain", self["task"])

    def __ror__(self, other: Any) -> Any:
        raise _refused("chain", self["task"])

    def link(self, callback: Any) -> Any:
        raise _refused("link", self["task"])

    def link_error(self, errback: Any) -> Any:
        raise _refused("link", self["task"])


class SameRun(GatedSignature):
    """The next attempt of a run, which nobody sends: the ledger publishes it in its time."""

    def apply_async(self, *_args: Any, **_options: Any) -> Any:
        return None


class GatedTask(Task[Any, Any]):
    """In front of the classes of every task that passes the gate."""

    abstract = True
    Request = "singletrack_worker.request:GatedRequest"
    Strategy = "singletrack_worker.foreign_messages:strategy"
    acks_late = reject_on_worker_lost = retry_on_worker_lost = False
    serializer = "json"
    time_limit = soft_time_limit = None
    _said_eager = False

    def apply_async(self, *args: Any, **options: Any) -> Any:
        # Celery's own dispatch in a worker names the parent. An error there would break the task
        # that has just succeeded; the gate refuses the message instead.
        if (options.get("link") or options.get("link_error")) and "parent_id" not in options:
            raise _refused("link", self.name)
        check_serializer(self.name, options.get("serializer"))
        if carried := tracing.carried():
            options["headers"] = {**carried, **(options.get("headers") or {})}
        with not_awaited_there():
            return super().apply_async(*args, **options)

    def apply(self, *args: Any, **options: Any) -> Any:
        if not GatedTask._said_eager:
            GatedTask._said_eager = True
            with logs.about_run(task=self.name):
                log.warning("run_not_gated", reason=_EAGER)
        return super().apply(*args, **options)

    def signature(self, args: Any = None, *rest: Any, **options: Any) -> Any:
        return _gated(super().signature(args, *rest, **options), self)

    subtask = signature

    def map(self, it: Any) -> Any:
        raise _refused("map", self.name)

    def starmap(self, it: Any) -> Any:
        raise _refused("map", self.name)

    def chunks(self, it: Any, n: int) -> Any:
        raise _refused("map", self.name)

    def replace(self, sig: Any) -> Any:
        raise _refused("replace", self.name)

    def add_to_chord(self, sig: Any, lazy: bool = False) -> Any:  # noqa: FBT001, FBT002 - Celery's
        raise _refused("group", self.name)

    def retry(  # type: ignore[override]  # celery-types lists what is refused here
        self, args: Any = None, kwargs: Any = None, exc: Exception | None = None, **options: Any
    ) -> Any:
        """End this attempt; the ledger lets the next one of the same run start.

        Celery's own method decides whether there may be one, and raises what says so.
        """
        request = self.request
        changed = args is not None and list(args) != list(request.args or ())
        changed = changed or (kwargs is not None and kwargs != (request.kwargs or {}))
        if changed or not options.keys() <= _RETRY_OPTIONS:
            raise _refused("retry", self.name) from exc
        return super().retry(exc=exc, **options)

    def signature_from_request(self, *args: Any, **options: Any) -> Any:
        """What Celery's `retry` would send."""
        made: Any = super().signature_from_request(*args, **options)
        return SameRun(made, app=made._app)


def gate_task(task: Any, backend: Any) -> None:
    """Let one registered task of an app pass the gate from now on; again is the same as once."""
    if isinstance(task, GatedTask):
        return
    declared = _with_celerys_limits(declaration_of(task) or Declaration(), task)
    own = type(task)
    names = {"__module__": own.__module__, "__qualname__": own.__qualname__, "__doc__": own.__doc__}
    task.__class__ = type(own.__name__, (GatedTask, own), names)
    task.backend = backend
    if task.app.conf.task_ignore_result:
        task.ignore_result = False  # what the app says of all its tasks is not meant for these
    declare_as(task, declared)


def _with_celerys_limits(declared: Declaration, task: Any) -> Declaration:
    """What Celery would have enforced counts where the author has not used our words for it."""
    hard, soft = declared.timeout_seconds, declared.soft_timeout_seconds
    return replace(
        declared,
        timeout_seconds=(task.time_limit or None) if hard is None else hard,
        soft_timeout_seconds=(task.soft_time_limit or None) if soft is None else soft,
    )


def _gated(signature: Any, task: Any) -> Any:
    made: Any = GatedSignature(signature, app=signature._app)
    made._type = task
    return made


def _refused(name: str, task: str) -> NotSupported:
    return REFUSALS[name].error(task)
