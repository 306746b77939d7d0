"""What task authors import: `task` declares a task that passes the gate, `context` is its run.

    from singletrack import task, context

    @task(lock="reports/{month}", timeout=600)
    def build_report(month: str) -> dict:
        context.progress(3, 10, "loading")

The decorated function is an ordinary Celery task: `build_report.delay("2026-10")` works from any
producer and meets the same gate as a TaskRun or a REST call. Called directly it just runs.
"""

from __future__ import annotations

import inspect
import time
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, overload

import celery

from singletrack.catalogue import CatalogueEntry
from singletrack.errors import EncodeError
from singletrack.locks import OnLost, render
from singletrack.policies import Policy
from singletrack.refusals import check_options
from singletrack.retries import Retry
from singletrack.run import Progress, encode_json

P = ParamSpec("P")
R = TypeVar("R")

_DECLARATION = "__singletrack__"
_REPORT_INTERVAL_SECONDS = 0.2

_JSON_TYPES: Mapping[Any, str] = {
    int: "integer",
    float: "number",
    str: "string",
    bool: "boolean",
    list: "array",
    tuple: "array",
    dict: "object",
    type(None): "null",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What the author said about a task."""

    lock: str | None = None
    policy: Policy | None = None
    max_queue: int | None = None
    on_lost: OnLost | None = None
    timeout_seconds: float | None = None
    soft_timeout_seconds: float | None = None
    retry: Retry | None = None
    queue: str | None = None


@overload
def task(function: Callable[P, R], /) -> celery.Task[P, R]: ...


@overload
def task(
    *,
    lock: str | None = None,
    policy: Policy | str | None = None,
    max_queue: int | None = None,
    on_lost: OnLost | str | None = None,
    timeout: float | None = None,
    soft_timeout: float | None = None,
    retries: int | Retry | None = None,
    queue: str | None = None,
    **celery_options: Any,
) -> Callable[[Callable[P, R]], celery.Task[P, R]]: ...


def task(  # noqa: PLR0913 - the decorator's own words
    function: Callable[..., Any] | None = None,
    /,
    *,
    lock: str | None = None,
    policy: Policy | str | None = None,
    max_queue: int | None = None,
    on_lost: OnLost | str | None = None,
    timeout: float | None = None,
    soft_timeout: float | None = None,
    retries: int | Retry | None = None,
    queue: str | None = None,
    **celery_options: Any,
) -> Any:
    """Declare a Celery task that runs one at a time per lock: a function, or a class of tasks.

    Args:
        function: set when the decorator is used without parentheses.
        lock: the lock's key, or a template over the parameters (`reports/{month}`); without one
            the key is `default`, so that one task runs at a time.
        policy: what a new run does while the lock is held: Reject, Queue, QueueLatest, Replace,
            Join or Skip; without one the door decides.
        max_queue: with the policy Queue, how many runs may wait for the lock.
        on_lost: what becomes of the lock when the worker is not heard of any more: Release (it
            moves on; what a frozen process may do for a moment is the fencing token's business) or
            Hold (it stays taken until the process is known to be dead or a human releases it).
        timeout: how many seconds the code may run before it is stopped, in each attempt.
        soft_timeout: after how many seconds `SoftTimeLimitExceeded` is raised in the code, once;
            it may catch that and return. Less than `timeout`, which counts all the same.
        retries: how many attempts may follow one that failed, or a `Retry`, which also says how
            soon and after what.
        queue: the broker queue of its messages.
        celery_options: everything `celery.shared_task` takes: `name`, `bind`, `base`, …

    Raises:
        NotSupported: an option that a task behind the gate cannot have; says what to do instead.
        ValueError: `soft_timeout` is not less than `timeout`.
    """
    if timeout is not None and soft_timeout is not None and soft_timeout >= timeout:
        raise ValueError(f"soft_timeout={soft_timeout:g} has to be less than timeout={timeout:g}")
    declared = Declaration(
        lock=lock,
        policy=Policy(policy) if policy else None,
        max_queue=max_queue,
        on_lost=OnLost(on_lost) if on_lost else None,
        timeout_seconds=timeout,
        soft_timeout_seconds=soft_timeout,
        retry=Retry(limit=retries) if isinstance(retries, int) else retries,
        queue=queue,
    )

    def declare(body: Any) -> Any:
        is_class = inspect.isclass(body)
        base = body if is_class else celery_options.get("base")
        check_options(celery_options.get("name") or body.__name__, celery_options, base)
        if lock and "{" in lock:
            _check_template(lock, body.run if is_class else body)
        if is_class:
            return _declare_class(body, {**celery_options, _DECLARATION: declared})
        # celery-types lists the options it knows; ours travels as an attribute of the task.
        shared_task: Any = celery.shared_task
        return shared_task(**celery_options, **{_DECLARATION: declared})(body)

    return declare if function is None else declare(function)


def _declare_class(body: type, attributes: Mapping[str, Any]) -> type:
    """A class of tasks says its options as attributes; the project registers it with its app."""
    if not issubclass(body, celery.Task):
        raise TypeError(f"@task on the class {body.__name__}: it has to derive from celery.Task")
    for name, value in attributes.items():
        setattr(body, name, value)
    return body


def declare_as(celery_task: Any, declared: Declaration) -> None:
    """Let a registered task pass the gate with this declaration."""
    setattr(celery_task, _DECLARATION, declared)


def declaration_of(celery_task: Any) -> Declaration | None:
    """What was declared about a Celery task; None for a task that does not pass the gate."""
    found = getattr(celery_task, _DECLARATION, None)
    return found if isinstance(found, Declaration) else None


def describe(celery_task: Any, declared: Declaration) -> CatalogueEntry:
    """The catalogue entry of a registered task."""
    return CatalogueEntry(
        name=celery_task.name,
        parameters=parameters_schema(celery_task.run),
        lock=declared.lock,
        policy=declared.policy,
        max_queue=declared.max_queue,
        on_lost=declared.on_lost,
        timeout_seconds=declared.timeout_seconds,
        soft_timeout_seconds=declared.soft_timeout_seconds,
        retry=declared.retry,
        queue=declared.queue,
        summary=(inspect.getdoc(celery_task.run) or "").partition("\n")[0],
    )


def parameters_schema(function: Callable[..., Any]) -> dict[str, Any]:
    """The JSON Schema of a function's keyword parameters.

    Annotations JSON has a type for become that type; any other parameter takes any value.
    """
    hints = _hints(function)
    properties: dict[str, Any] = {}
    required: list[str] = []
    is_open = False
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            is_open = True
        elif parameter.kind not in {parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL}:
            properties[name] = _type_schema(hints.get(name))
            if parameter.default is parameter.empty:
                required.append(name)
            elif _is_json(parameter.default):
                properties[name]["default"] = parameter.default
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": is_open,
    }


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError):  # annotations that only a type checker understands
        return {}


def _type_schema(hint: Any) -> dict[str, Any]:
    origin = typing.get_origin(hint) or hint
    if origin in {typing.Union, types.UnionType}:
        parts = [_type_schema(part) for part in typing.get_args(hint)]
        return {"anyOf": parts} if all(parts) else {}
    return {"type": _JSON_TYPES[origin]} if origin in _JSON_TYPES else {}


def _is_json(value: Any) -> bool:
    try:
        encode_json(value)
    except EncodeError:
        return False
    return True


def _check_template(template: str, function: Callable[..., Any]) -> None:
    names = dict.fromkeys(parameters_schema(function)["properties"], "x")
    render(template, names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """The run that this process executes now, as its worker knows it."""

    run_id: str
    task: str
    lock: str
    token: int
    attempt: int
    report: Callable[[Progress], None]


class Context:
    """What a running task may ask and tell. Outside a run everything is empty and silent."""

    def __init__(self) -> None:
        # One run at a time per process; a plain attribute, so that threads of the task see it too.
        self._execution: Execution | None = None
        self._reported_at = float("-inf")

    def enter(self, execution: Execution | None) -> None:
        """Called by the worker around user code."""
        self._execution = execution
        self._reported_at = float("-inf")

    @property
    def running(self) -> bool:
        """Whether this process executes a run now."""
        return self._execution is not None

    @property
    def run_id(self) -> str:
        return self._execution.run_id if self._execution else ""

    @property
    def lock(self) -> str:
        """The qualified key of the lock this run holds."""
        return self._execution.lock if self._execution else ""

    @property
    def token(self) -> int:
        """The fencing token: pass it to every resource that can refuse an older one."""
        return self._execution.token if self._execution else 0

    @property
    def attempt(self) -> int:
        return self._execution.attempt if self._execution else 0

    def progress(self, current: float, total: float | None = None, message: str = "") -> None:
        """Say how far the run is. Cheap to call often: at most five reports a second are sent."""
        now = time.monotonic()
        finished = total is not None and current >= total
        if self._execution is None:
            return
        if finished or now - self._reported_at >= _REPORT_INTERVAL_SECONDS:
            self._reported_at = now
            self._execution.report(Progress(current=current, total=total, message=message[:256]))


context = Context()
