"""Recording spans by OpenTelemetry's SDK. Imported only where spans are asked for.

The SDK reads its own variables: sampler, limits, batches, endpoint, headers, certificates.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import structlog
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, ProxyTracerProvider, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from singletrack import traceparent
from singletrack.installed import version_here
from singletrack.tracing import Kind, Span, exporters, named

_KINDS = {
    Kind.INTERNAL: SpanKind.INTERNAL,
    Kind.PRODUCER: SpanKind.PRODUCER,
    Kind.CONSUMER: SpanKind.CONSUMER,
}

#: How long a span waits to be sent with others. The SDK's own 5 s would be lost with every child
#: that is killed.
_DELAY_MS = 500.0

#: How long a process that ends waits for a collector: its slot is not free meanwhile.
_PATIENCE_SECONDS = 2.0

_READER = TraceContextTextMapPropagator()
_EPOCH = datetime.fromtimestamp(0, UTC)


class Recorder:
    """The spans of one process."""

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("singletrack", version_here())

    @classmethod
    def start(cls, component: str, environ: Mapping[str, str]) -> Self:
        """Use the provider this process has, or else make it one for all of its code."""
        found = trace.get_tracer_provider()
        if not isinstance(found, ProxyTracerProvider):
            return cls(found)
        provider = TracerProvider(resource=_resource(component, environ), shutdown_on_exit=False)
        delay = None if environ.get("OTEL_BSP_SCHEDULE_DELAY") else _DELAY_MS
        for exporter in exporters.make(environ):
            provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=delay))
        trace.set_tracer_provider(provider)
        return cls(provider)

    def span(
        self, name: str, parent: str, kind: Kind, link: str, attributes: Mapping[str, Any]
    ) -> Recorded:
        """A span that begins now; see `singletrack.tracing.span`."""
        linked = trace.get_current_span(_read(link)).get_span_context()
        return Recorded(
            self._tracer.start_span(
                name,
                context=_read(parent),
                kind=_KINDS[kind],
                attributes=_prefixed(attributes),
                links=[Link(linked)] if link else None,
            )
        )

    def past(
        self,
        name: str,
        parent: str,
        times: tuple[datetime, datetime],
        attributes: Mapping[str, Any],
    ) -> None:
        """A span between two times; see `singletrack.tracing.past`."""
        begun, ended = map(_nanoseconds, times)
        span = self._tracer.start_span(
            name, context=_read(parent), attributes=_prefixed(attributes), start_time=begun
        )
        span.end(ended)

    def flush(self) -> None:
        """Send what there is; a collector that does not answer is not waited for long."""
        _briefly(self._provider.force_flush)

    def stop(self) -> None:
        """The same; what is recorded from now on is lost."""
        _briefly(self._provider.shutdown)


class Recorded(Span):
    """A span that is told."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._dropped = False
        self.traceparent = named(span.get_span_context())

    def say(self, **attributes: Any) -> None:
        self._span.set_attributes(_prefixed(attributes))

    def fail(self, reason: str) -> None:
        self._span.set_status(Status(StatusCode.ERROR, reason))

    def drop(self) -> None:
        self._dropped = True

    def __enter__(self) -> Self:
        self._token = attach(trace.set_span_in_context(self._span))
        found = traceparent.trace_id(self.traceparent)
        fields = {"trace_id": found} if found else {}
        self._bound = structlog.contextvars.bind_contextvars(**fields)
        return self

    def __exit__(self, *raised: object) -> None:
        structlog.contextvars.reset_contextvars(**self._bound)
        detach(self._token)
        if isinstance(raised[1], Exception):
            self._span.record_exception(raised[1])
            self.fail(type(raised[1]).__name__)
        if not self._dropped:  # the SDK sends what has ended, and nothing else
            self._span.end()


def _read(place: str) -> Context | None:
    """A context with that span and nothing else; None for the one there is."""
    return _READER.extract({traceparent.NAME: place}, Context()) if place else None


def _nanoseconds(time: datetime) -> int:
    """As the SDK wants it; by way of a float a millisecond would not be one any more."""
    return (time - _EPOCH) // timedelta(microseconds=1) * 1000


def _prefixed(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"singletrack.{name}": value
        for name, value in attributes.items()
        if value is not None and value != ""
    }


def _resource(component: str, environ: Mapping[str, str]) -> Resource:
    """Who this is, where the variables do not say."""
    said = environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    own = {"service.version": version_here()}
    if not environ.get("OTEL_SERVICE_NAME") and "service.name=" not in said:
        own["service.name"] = f"singletrack-{component}"
    return Resource.create(own)


def _briefly(act: Any) -> None:
    thread = threading.Thread(target=act, name="tracing-flush", daemon=True)
    thread.start()
    thread.join(_PATIENCE_SECONDS)
