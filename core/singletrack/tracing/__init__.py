"""Spans of what happens to runs, where the standard `OTEL_*` variables ask for them.

    with tracing.span("submit hello", parent=request.traceparent, run=run_id) as span:
        submit(replace(request, traceparent=span.traceparent))

Off unless asked for: then nothing of OpenTelemetry is imported here, a span is one object that does
nothing, and what is carried from door to task is the caller's `traceparent` as it came. Which spans
there are, and why a long wait is no open span: docs/adr/0021-traces.md.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Self

import structlog

from singletrack import traceparent

if TYPE_CHECKING:
    from singletrack.tracing.recording import Recorder

__all__ = [
    "OFF",
    "Kind",
    "Span",
    "carried",
    "current",
    "flush",
    "is_on",
    "load",
    "past",
    "span",
    "start",
    "stop",
    "trace_id",
]

log = structlog.get_logger()

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


class Kind(Enum):
    """What a span is to the ones beside it."""

    INTERNAL = "internal"
    PRODUCER = "producer"  # it hands over what somebody else goes on with
    CONSUMER = "consumer"  # it goes on with that


class Span:
    """A span as the platform's code sees it; this one does nothing, for tracing is off."""

    traceparent = ""
    """What names it as the parent of others; empty for none."""

    def say(self, **attributes: Any) -> None:
        """Add attributes, under `singletrack.`; None and the empty text are left out."""

    def fail(self, reason: str) -> None:
        """Mark what it stands for as failed."""

    def drop(self) -> None:
        """Have it never told: what it stands for did not happen."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


OFF = Span()

_recorder: Recorder | None = None
_cannot = False


def start(component: str, environ: Mapping[str, str]) -> bool:
    """Record spans in this process from now on, if its environment asks for them.

    An entry point calls it; in a worker each child does, because what exports them survives no
    fork.
    """
    global _recorder
    if _recorder is None and not _cannot and is_asked_for(environ):
        try:
            from singletrack.tracing.recording import Recorder

            _recorder = Recorder.start(component, environ)
        except (ImportError, ValueError) as error:
            _give_up(error)
    return _recorder is not None


def load(environ: Mapping[str, str]) -> None:
    """Import what `start` needs in the children of this process, and see that it could be had."""
    if _cannot or not is_asked_for(environ):
        return
    try:
        from singletrack.tracing import exporters, recording  # noqa: F401

        exporters.make(environ)
    except (ImportError, ValueError) as error:
        _give_up(error)


def _give_up(error: Exception) -> None:
    """Say once what is wrong: it is no reason not to work."""
    global _cannot
    _cannot = True
    remedy = "pip install 'singletrack[tracing]' for OTLP over HTTP, or OTEL_SDK_DISABLED=true"
    log.warning("tracing_not_possible", error=str(error), remedy=remedy)


def is_asked_for(environ: Mapping[str, str]) -> bool:
    """Whether the variables want spans: they name an exporter, or where OTLP is taken."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    return exporter != "none" if exporter else any(environ.get(name) for name in _ENDPOINTS)


def is_on() -> bool:
    """Whether this process records spans."""
    return _recorder is not None


def span(
    name: str,
    *,
    parent: str = "",
    kind: Kind = Kind.INTERNAL,
    link: str = "",
    **attributes: Any,
) -> Span:
    """A span of the block that it is entered for, and what is logged in there names its trace.

    Args:
        name: few values: a verb and a task, never a run.
        parent: the traceparent of its parent; without one, the span there is, else a new trace.
        kind: what it is to the ones beside it.
        link: the traceparent of a span it answers to.
        attributes: as `Span.say`.
    """
    if _recorder is None:
        return OFF
    return _recorder.span(name, parent, kind, link, attributes)


def past(name: str, parent: str, begun: datetime, ended: datetime, **attributes: Any) -> None:
    """A span of what is over: nobody had to keep it open meanwhile."""
    if _recorder is not None and ended > begun:
        _recorder.past(name, parent, (begun, ended), attributes)


def current() -> str:
    """The traceparent of the span this code runs in, whoever has made it; empty for none.

    In a producer's process that is the producer's own. Where nobody has imported OpenTelemetry
    there is none, and it is not imported for that.
    """
    api: Any = sys.modules.get("opentelemetry.trace")
    return "" if api is None else named(api.get_current_span().get_span_context())


def named(context: Any) -> str:
    """The traceparent of a span, by its context in OpenTelemetry; empty for none."""
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def carried() -> dict[str, str]:
    """The same as a header, to be merged into others."""
    found = current()
    return {traceparent.NAME: found} if found else {}


def trace_id() -> str:
    """The id of the trace that this code runs in, if this process records it; else empty."""
    return "" if _recorder is None else traceparent.trace_id(current())


def flush() -> None:
    """Have what was recorded sent now; gives up after a moment if nobody takes it."""
    if _recorder is not None:
        _recorder.flush()


def stop() -> None:
    """The same, and record nothing more: this process ends."""
    global _recorder
    if _recorder is not None:
        _recorder.stop()
        _recorder = None
