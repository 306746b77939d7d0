"""Producers' messages (`.delay()`, Node, PHP): from Celery's message to the ledger's record."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self

from celery import Celery
from celery.utils.time import maybe_iso8601

from singletrack import traceparent
from singletrack.adapters.celery_broker import OURS, make_envelope
from singletrack.admission import Defaults, RunRequest, resolve
from singletrack.catalogue import CatalogueEntry
from singletrack.errors import ParametersTooLarge
from singletrack.locks import qualify
from singletrack.run import Door, RunSpec
from singletrack.specification import of_message
from singletrack.tasks import declaration_of, describe
from singletrack_worker.headers import said

#: The largest message of a producer that the ledger keeps a copy of.
MAX_MESSAGE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What the gate looks at in a message."""

    run_id: str
    task: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    queue: str | None = None
    timeout_seconds: float | None = None
    soft_timeout_seconds: float | None = None
    expires: datetime | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    ours: bool = False
    """Whether the platform published it, so that its run is recorded already."""

    @property
    def seconds_left(self) -> float | None:
        """How long its code may still be started; None for ever."""
        if self.expires is None:
            return None
        now = datetime.now(UTC if self.expires.tzinfo else None)
        return max(0.0, (self.expires - now).total_seconds())

    @property
    def wants_result(self) -> bool:
        """Whether its sender has not said that nobody will read the result."""
        return not self.headers.get("ignore_result")

    @classmethod
    def of(cls, task: str, args: Any, kwargs: Any, request: Mapping[str, Any]) -> Self:
        """The message as Celery's request describes it."""
        delivery_info = request.get("delivery_info")
        limits: Iterable[Any] = request.get("timelimit") or ()
        hard, soft, *_ = *limits, None, None
        return cls(
            run_id=request["id"],
            task=task,
            args=tuple(args),
            kwargs=kwargs,
            queue=(delivery_info or {}).get("routing_key") or None,
            timeout_seconds=hard or None,  # Celery takes 0 for none
            soft_timeout_seconds=soft or None,
            expires=maybe_iso8601(request.get("expires")),
            headers=request,
            ours=bool(request.get(OURS)),
        )

    @property
    def traceparent(self) -> str:
        """Its place in a trace; empty for none."""
        return traceparent.checked(self.headers.get(traceparent.NAME))

    def specification(self) -> RunSpec:
        """The run of a message of ours, as far as the message says it.

        Raises:
            ValueError: its header is not one of ours.
        """
        said = {"run_id": self.run_id, "task": self.task, "args": self.args, "kwargs": self.kwargs}
        return of_message(self.headers[OURS], queue=self.queue or "celery", **said)


def writes_json(app: Celery) -> bool:
    """Whether who reads the app's results can read the JSON that the ledger writes for them."""
    return bool(app.conf.result_serializer == "json")


class DirectRuns:
    """Makes the complete run of a producer's message to one of this worker's tasks."""

    def __init__(self, app: Celery, namespace: str, defaults: Defaults) -> None:
        self._app = app
        self._namespace = namespace
        self._defaults = defaults
        self._tells_celery = writes_json(app)
        self._entries: dict[str, CatalogueEntry | None] = {}

    def specify(self, message: Message) -> RunSpec:
        """Apply the task's and the platform's defaults and make the message for publishing again.

        Raises:
            InvalidParameters: the lock's template needs a parameter the message does not have, or
                one of our headers holds what it may not.
            ParametersTooLarge: the ledger would have to keep more than a megabyte for it.
        """
        request = RunRequest(
            run_id=message.run_id,
            task=message.task,
            args=message.args,
            params=message.kwargs,
            namespace=self._namespace,
            door=Door.PRODUCER,
            queue=message.queue,
            tells_celery=message.wants_result and self._tells_celery,
            traceparent=message.traceparent,
            **_asked(message),
        )
        entry = self._entry(message.task)
        named = None
        if message.args:
            named = _named(self._app.tasks[message.task].run, message)
        spec = resolve(request, entry, self._defaults, named)
        expires = message.expires.isoformat() if message.expires else None
        envelope = make_envelope(self._app, spec, expires, message.headers)
        if len(envelope) > MAX_MESSAGE_BYTES:
            raise ParametersTooLarge(
                f"the message takes {len(envelope)} bytes, the limit is {MAX_MESSAGE_BYTES}; "
                "pass a reference to the data instead"
            )
        return replace(spec, envelope=envelope)

    def _entry(self, name: str) -> CatalogueEntry | None:
        if name not in self._entries:
            task = self._app.tasks[name]
            declared = declaration_of(task)
            self._entries[name] = describe(task, declared) if declared else None
        return self._entries[name]


def refused(message: Message, namespace: str, *, tells_celery: bool) -> RunSpec:
    """The run of a message that cannot be specified: alone on a lock of its own, not started."""
    return RunSpec(
        run_id=message.run_id,
        task=message.task,
        namespace=namespace,
        lock=qualify(namespace, f"unnamed/{message.run_id}"[:200]),
        tells_celery=tells_celery and message.wants_result,
    )


def _asked(message: Message) -> dict[str, Any]:
    """What the message says of its run: in the words of Celery, or more exactly by our headers.

    Its `expires` bounds both ways to wait, whatever a header allows.
    """
    limits = ("timeout_seconds", "soft_timeout_seconds")
    asked = {name: getattr(message, name) for name in limits} | said(message.headers)
    left = message.seconds_left
    for wait in ("queue_timeout_seconds", "start_deadline_seconds"):
        bounds = [bound for bound in (asked.get(wait), left) if bound is not None]
        asked[wait] = min(bounds, default=None)
    return asked


def _named(function: Any, message: Message) -> Mapping[str, Any]:
    """Positional arguments by their names; what does not fit is left for the call to refuse."""
    try:
        return inspect.signature(function).bind_partial(*message.args, **message.kwargs).arguments
    except TypeError:
        return message.kwargs
